//! A server and a client, each in a network namespace of its own, with a cable between them.

use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const SERVER: &str = "10.99.0.1";
pub(crate) const SERVER_V6: &str = "fd99::1";

/// Both namespaces; they go when it is dropped.
pub(crate) struct Net {
    name: String,
    /// What to begin commands on the server with, besides its namespace.
    pub(crate) wrapper: Vec<String>,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Net {
    pub(crate) fn new() -> Self {
        let id = run(&["id", "-u"]);
        assert_eq!(text(&id).trim(), "0", "these tests make network namespaces: run them as root");
        let name = format!("ftpd{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let net = Self { name, wrapper: Vec::new() };
        let (server, client) = (net.namespace("s"), net.namespace("c"));
        for namespace in [&server, &client] {
            succeed(&["ip", "netns", "add", namespace]);
        }
        let cable =
            ["ip", "-n", &server, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns"];
        succeed(&[&cable[..], &[&client]].concat());
        for (namespace, number) in [(&server, 1), (&client, 2)] {
            let (v4, v6) = (format!("10.99.0.{number}/24"), format!("fd99::{number}/64"));
            for line in [
                &["link", "set", "lo", "up"][..],
                &["link", "set", "eth0", "up"],
                &["addr", "add", &v4, "dev", "eth0"],
                &["addr", "add", &v6, "dev", "eth0", "nodad"],
            ] {
                succeed(&[&["ip", "-n", namespace][..], line].concat());
            }
        }
        net
    }

    fn namespace(&self, side: &str) -> String {
        format!("{}{side}", self.name)
    }

    /// A command on the server.
    pub(crate) fn server(&self, words: &[&str]) -> Command {
        let namespace = self.namespace("s");
        let mut all = vec!["ip", "netns", "exec", &namespace];
        all.extend(self.wrapper.iter().map(String::as_str));
        command(&[&all[..], words].concat())
    }

    /// A line for the shell on the server, which has to succeed.
    pub(crate) fn shell(&self, line: &str) -> String {
        let output = self.server(&["sh", "-ec", line]).output().unwrap();
        assert!(
            output.status.success(),
            "{line}: {}{}",
            text(&output),
            String::from_utf8_lossy(&output.stderr)
        );
        text(&output)
    }

    /// `ftpd firewall` on the server: exit code, standard output, standard error.
    pub(crate) fn firewall(&self, arguments: &[&str]) -> (i32, String, String) {
        let words = [&[env!("CARGO_BIN_EXE_ftpd"), "firewall"][..], arguments].concat();
        let output = self.server(&words).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap_or(-1), text(&output), error)
    }

    /// What curl on the client says of a URL: its exit code, and the file.
    pub(crate) fn curl(&self, arguments: &[&str]) -> (i32, String) {
        let namespace = self.namespace("c");
        let words =
            ["ip", "netns", "exec", &namespace, "curl", "-s", "-g", "--connect-timeout", "2", "-m", "10"];
        let output = run(&[&words[..], arguments].concat());
        (output.status.code().unwrap_or(-1), text(&output))
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for side in ["s", "c"] {
            run(&["ip", "netns", "del", &self.namespace(side)]);
        }
    }
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    command
}

fn run(words: &[&str]) -> Output {
    command(words).output().unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn succeed(words: &[&str]) {
    let output = run(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
