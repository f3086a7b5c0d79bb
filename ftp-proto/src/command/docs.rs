//! Pages made from the command table: the reference of commands and the fuzz dictionary. A test compares them
//! with the files in the repository.

use super::table::COMMANDS;
use super::{Busy, CommandSpec, Feat, Gate, Stage};
use crate::account::Rights;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Replies that any command may get: the session ends (421), the line is no command that is served here (500, 501,
/// 502), or the login is missing (530).
pub const ALWAYS: &[u16] = &[421, 500, 501, 502, 530];

/// `docs/commands.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Commands\n\nMade from the command table of `ftp-proto`; a test keeps this page true.\n\n\
         | command | argument and meaning | allowed | rights | FEAT | defined in | examples |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for spec in COMMANDS {
        page.push_str(&row(spec));
    }
    page
}

fn row(spec: &CommandSpec) -> String {
    let names: Vec<String> =
        core::iter::once(&spec.name).chain(spec.aliases).map(|name| format!("`{name}`")).collect();
    let stage = match spec.stage {
        Stage::Anytime => "at any time",
        Stage::LoggedIn => "after login",
    };
    let busy = match spec.busy {
        Busy::Now => ", also in a transfer",
        Busy::NowIfAlone => ", without an argument also in a transfer",
        Busy::Later => "",
    };
    let gate = match spec.gate {
        Gate::Always => "",
        Gate::Passive => ", if passive mode is on",
        Gate::Active => ", if active mode is on",
        Gate::Tls => ", if there is TLS",
        Gate::ClearCommandChannel => ", if the policy allows to leave TLS",
        Gate::ServerToServer => ", if the policy allows transfers between servers",
    };
    let rights: Vec<&str> = Rights::NAMES
        .iter()
        .filter(|(_, right)| spec.needs.contains(*right))
        .map(|(name, _)| *name)
        .collect();
    let feat = match spec.feat {
        Feat::None => String::new(),
        Feat::Line(line) => format!("`{line}`"),
        Feat::Computed(_) => format!("`{} ...`", spec.name),
    };
    let samples: Vec<String> = spec.samples.iter().map(|sample| format!("`{sample}`")).collect();
    let cells = [
        names.join(" "),
        format!("`{}`", spec.help),
        format!("{stage}{busy}{gate}"),
        rights.join(", "),
        feat,
        String::from(spec.source),
        samples.join(", "),
    ];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

/// `fuzz/ftp.dict`: verbs and sample lines for fuzzers.
pub fn dictionary() -> String {
    let mut page = String::from("# Made from the command table of ftp-proto; a test keeps it true.\n");
    for spec in COMMANDS {
        for name in core::iter::once(&spec.name).chain(spec.aliases) {
            page.push_str(&format!("\"{name}\"\n"));
        }
        for sample in spec.samples {
            page.push_str(&format!("\"{sample}\\x0d\\x0a\"\n"));
        }
    }
    page
}
