//! `ftpd doctor` as its user sees it: faults that are really there, in files, sockets and network namespaces, and servers
//! that misbehave by script.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod docs;
mod fake;
mod local;
mod outside;

use serde_json::Value;
use std::process::{Command, Output, Stdio};

/// What the doctor found.
struct Findings {
    code: Option<i32>,
    json: Value,
}

impl Findings {
    fn of(output: &Output) -> Self {
        let error = String::from_utf8_lossy(&output.stderr);
        let json = serde_json::from_slice(&output.stdout);
        Self { code: output.status.code(), json: json.unwrap_or_else(|why| panic!("{why}: {error}")) }
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        self.json["findings"].as_array().unwrap().iter()
    }

    /// The names of what is worse than a note, each once and sorted.
    fn alarms(&self) -> Vec<&str> {
        let bad = |finding: &&Value| !["ok", "note"].contains(&finding["severity"].as_str().unwrap());
        let mut names: Vec<_> =
            self.all().filter(bad).map(|finding| finding["id"].as_str().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn has(&self, id: &str) -> bool {
        self.all().any(|finding| finding["id"] == id)
    }

    fn text(&self, id: &str) -> &str {
        let finding = self.all().find(|finding| finding["id"] == id);
        finding.unwrap_or_else(|| panic!("no {id}: {:#}", self.json))["text"].as_str().unwrap()
    }

    fn expect(&self, code: i32, alarms: &[&str]) {
        assert_eq!(self.alarms(), alarms, "{:#}", self.json);
        assert_eq!(self.code, Some(code), "{:#}", self.json);
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftpd"));
    command.args(arguments).env_remove("FTPD_PASSWORD").stdin(Stdio::null());
    command
}

/// `ftpd doctor --json` with these arguments.
fn doctor(arguments: &[&str]) -> Findings {
    let mut all = vec!["doctor", "--json", "--timeout", "2"];
    all.extend(arguments);
    Findings::of(&command(&all).output().unwrap())
}

/// The same with a password in the environment.
fn doctor_with_password(arguments: &[&str], password: &str) -> Findings {
    let mut all = vec!["doctor", "--json", "--timeout", "2"];
    all.extend(arguments);
    Findings::of(&command(&all).env("FTPD_PASSWORD", password).output().unwrap())
}
