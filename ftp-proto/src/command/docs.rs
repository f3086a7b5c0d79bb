//! Pages made from the command table: the reference of commands and the fuzz dictionary. A test compares them
//! with the files in the repository.

use super::codes;
use super::table::{COMMANDS, HTTP_METHODS, MAIL_COMMANDS, NOT_IMPLEMENTED};
use super::{Busy, CommandSpec, Feat, Gate, Stage};
use crate::account::Rights;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Replies that any command may get: the session ends (421), the line is no command that is served here (500, 501,
/// 502), or the login is missing (530).
pub const ALWAYS: &[u16] = &[421, 500, 501, 502, 530];

const HEAD: &str = "# Commands

Made from the command table of `ftp-proto` and from conversations with the server itself; a test keeps this page true.
Below the overview each command has a section of its own, with an example. In the examples, `C:` is what the client
says on the control connection and `S:` what the server answers; `>` and `<` are what the server and the client send
over the data connection.

## Overview

| command | meaning | allowed | rights | FEAT |
| --- | --- | --- | --- | --- |
";

/// `docs/commands.md`. `example` makes the conversation that shows a command.
pub fn markdown(mut example: impl FnMut(&CommandSpec) -> String) -> String {
    let mut page = String::from(HEAD);
    for spec in COMMANDS {
        page.push_str(&overview(spec));
    }
    let unserved: Vec<String> =
        NOT_IMPLEMENTED.iter().map(|(name, why)| format!("- `{name}`: {why}.\n")).collect();
    page.push_str(&format!(
        "\nKnown and not served, answered by 502:\n\n{}\nAny other verb is answered by 500.\n\n## Replies to any \
         command\n",
        unserved.concat()
    ));
    page.push_str(&replies(ALWAYS));
    for spec in COMMANDS {
        page.push_str(&section(spec, &example(spec)));
    }
    page
}

fn overview(spec: &CommandSpec) -> String {
    let anchor = spec.name.to_ascii_lowercase();
    let cells = [
        format!("[`{}`](#{anchor})", spec.name),
        String::from(spec.meaning()),
        allowed(spec),
        rights(spec),
        feat(spec),
    ];
    row(&cells)
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn section(spec: &CommandSpec, example: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for name in core::iter::once(&spec.name).chain(spec.aliases) {
        lines.push(format!("{name} {}", spec.syntax_text()));
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    let mut facts =
        Vec::from([format!("Defined in {}.", spec.source), format!("Allowed {}.", allowed(spec))]);
    if !rights(spec).is_empty() {
        facts.push(format!("Needs the right `{}`.", rights(spec)));
    }
    if !feat(spec).is_empty() {
        facts.push(format!("FEAT lists it as {}.", feat(spec)));
    }
    let samples: Vec<String> = spec.samples.iter().map(|sample| format!("`{sample}`")).collect();
    facts.push(format!("For instance {}.", samples.join(", ")));
    format!(
        "\n## {}\n{}.\n```text\n{}\n```\n{}\n{}\n```text\n{example}```\n",
        spec.name,
        capitalised(spec.meaning()),
        lines.join("\n"),
        facts.join(" "),
        replies(spec.replies),
    )
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

fn replies(codes: &[u16]) -> String {
    let mut table = String::from("\n| reply | meaning | defined in |\n| --- | --- | --- |\n");
    for code in codes {
        let (meaning, source) = codes::meaning(*code).unwrap_or_default();
        table.push_str(&row(&[format!("{code}"), String::from(meaning), String::from(source)]));
    }
    table
}

fn allowed(spec: &CommandSpec) -> String {
    let stage = match spec.stage {
        Stage::Anytime => "at any time",
        Stage::LoggedIn => "after login",
    };
    let busy = match spec.busy {
        Busy::Now | Busy::Stops => ", also in a transfer",
        Busy::NowIfAlone => ", without an argument also in a transfer",
        Busy::Later => "",
    };
    let gate = match spec.gate {
        Gate::Always => "",
        Gate::Able(_) => ", if the account's storage can do it",
        Gate::Passive => ", if passive mode is on",
        Gate::ExtendedPassive => ", if passive mode is on and no profile hides it",
        Gate::Active => ", if active mode is on",
        Gate::Hosts => ", if there are virtual hosts or TLS",
        Gate::Deflate => ", if MODE Z is on",
        Gate::Tls => ", if there is TLS",
        Gate::ClearCommandChannel => ", if the policy allows to leave TLS",
        Gate::ServerToServer => ", if the policy allows transfers between servers",
    };
    format!("{stage}{busy}{gate}")
}

fn rights(spec: &CommandSpec) -> String {
    let needed = Rights::NAMES.iter().filter(|(_, right)| spec.needs.contains(*right));
    needed.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn feat(spec: &CommandSpec) -> String {
    match spec.feat {
        Feat::None => String::new(),
        Feat::Line(line) | Feat::Part(_, line) => format!("`{line}`"),
        Feat::Computed(_) => format!("`{} ...`", spec.name),
    }
}

/// What tells other protocols apart ([`foreign`](crate::foreign)), as the dictionary writes it.
const FOREIGN: [&str; 6] = [
    r"\x16\x03\x01",
    r"\x03\x00\x00",
    r"\x00\x00\x00\x85\xffSMB",
    "SSH-2.0-",
    "Host: ",
    r" HTTP/1.1\x0d\x0a",
];

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
    for name in HTTP_METHODS.iter().chain(MAIL_COMMANDS) {
        page.push_str(&format!("\"{name} \"\n"));
    }
    for beginning in FOREIGN {
        page.push_str(&format!("\"{beginning}\"\n"));
    }
    page
}
