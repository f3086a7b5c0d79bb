//! Files made from the command table are what the table makes. `UPDATE=1 cargo test -p ftp-proto --test
//! generated` writes them anew. The page of verdicts is written by hand and has to be complete.
#![allow(clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod examples;

use ftp_proto::diagnose::{Suspect, Verdict};
use ftp_proto::foreign::Protocol;
use std::path::Path;

fn check(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("has a folder")).expect("folder can be made");
        std::fs::write(&path, made).expect("file can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == made, "{file} is not what the command table makes; run this test with UPDATE=1");
}

#[test]
fn the_page_of_commands() {
    check("docs/commands.md", &ftp_proto::command::docs::markdown(examples::example));
}

#[test]
fn the_fuzz_dictionary() {
    check("fuzz/ftp.dict", &ftp_proto::command::docs::dictionary());
}

/// The names in the first column of a page's tables, below headings that begin like this.
fn first_column<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let from = page.find(&format!("## {heading}\n")).expect("the heading is there");
    let part = page.get(from + 3..).unwrap_or_default();
    let part = part.split("\n## ").next().unwrap_or_default();
    part.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect()
}

#[test]
fn the_page_of_verdicts_is_complete() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verdicts.md");
    let page = std::fs::read_to_string(path).expect("the page can be read");
    let sorted = |mut names: Vec<&str>| {
        names.sort_unstable();
        names.join("\n")
    };
    assert_eq!(sorted(first_column(&page, "Kinds")), sorted(Verdict::KINDS.to_vec()));
    let protocols = Protocol::ALL.map(Protocol::name);
    assert_eq!(sorted(first_column(&page, "Other protocols")), sorted(protocols.to_vec()));
    let suspects = Suspect::ALL.iter().map(|suspect| suspect.id()).collect();
    assert_eq!(sorted(first_column(&page, "Suspects")), sorted(suspects));
}
