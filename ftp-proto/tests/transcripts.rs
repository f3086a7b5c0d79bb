//! Plays every transcript under `tests/transcripts`: whole, byte by byte and cut up at random.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may fail in any way it likes"
)]

use ftp_proto::command::docs::ALWAYS;
use ftp_proto::command::table::{COMMANDS, NOT_IMPLEMENTED};
use ftp_proto::testing::Script;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every transcript, in order. With `TRANSCRIPT=abort/idle` in the environment only those whose name holds
/// that text.
fn transcripts() -> Vec<Script> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let wanted = std::env::var("TRANSCRIPT").unwrap_or_default();
    let mut scripts = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        if name.contains(&wanted) {
            let text = fs::read_to_string(&file).unwrap();
            scripts.push(Script::parse(&name, &text).unwrap_or_else(|why| panic!("{why}")));
        }
    }
    scripts
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "ftp") {
            files.push(path);
        }
    }
}

#[test]
fn every_transcript_plays_however_its_bytes_are_cut() {
    let mut failures = Vec::new();
    let scripts = transcripts();
    for script in &scripts {
        if let Err(failure) = script.run_all() {
            failures.push(failure);
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} transcripts fail:\n\n{}",
        failures.len(),
        scripts.len(),
        failures.join("\n")
    );
}

#[test]
fn every_transcript_says_why_it_is_there() {
    for script in transcripts() {
        let purpose = script.purpose();
        let sources = ["RFC ", "draft-", "proxy-protocol.txt", "#"];
        assert!(
            sources.iter().any(|source| purpose.contains(source)),
            "{}: the first lines must cite an RFC, the PROXY protocol or a complaint (project#number): {purpose}",
            script.name()
        );
    }
}

#[test]
fn every_command_has_a_transcript() {
    if std::env::var_os("TRANSCRIPT").is_some() {
        return;
    }
    let spoken: BTreeSet<String> = transcripts().iter().flat_map(Script::verbs).collect();
    for spec in COMMANDS {
        for name in [spec.name].iter().chain(spec.aliases) {
            assert!(spoken.contains(*name), "no transcript says {name}");
        }
    }
    for (name, _) in NOT_IMPLEMENTED {
        assert!(spoken.contains(*name), "no transcript says {name}");
    }
}

/// The codes that transcripts show, for each row of the table.
fn seen() -> BTreeMap<&'static str, BTreeSet<u16>> {
    let mut seen: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
    for script in transcripts() {
        for exchange in script.exchanges().unwrap_or_else(|why| panic!("{why}")) {
            if let Some(spec) = exchange.spec() {
                seen.entry(spec.name).or_default().extend(exchange.replies);
            }
        }
    }
    seen
}

#[test]
fn the_table_names_every_reply_and_each_has_a_transcript() {
    if std::env::var_os("TRANSCRIPT").is_some() {
        return;
    }
    let seen = seen();
    let mut problems = Vec::new();
    for spec in COMMANDS {
        let codes = seen.get(spec.name).cloned().unwrap_or_default();
        for code in codes.iter().filter(|code| !ALWAYS.contains(code) && !spec.replies.contains(code)) {
            problems.push(format!("{}: a transcript shows {code}, the table does not name it", spec.name));
        }
        for code in spec.replies.iter().filter(|code| !codes.contains(code)) {
            problems.push(format!("{}: no transcript shows {code}", spec.name));
        }
        if !spec.replies.is_sorted_by(|a, b| a < b) || spec.replies.iter().any(|code| ALWAYS.contains(code)) {
            problems.push(format!(
                "{}: the codes must be in order, without those that any command gets",
                spec.name
            ));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
