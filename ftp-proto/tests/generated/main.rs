//! Files made from the command table are what the table makes. `UPDATE=1 cargo test -p ftp-proto --test
//! generated` writes them anew. The page of verdicts is written by hand and has to be complete.
#![allow(clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod examples;

use ftp_proto::config::{KNOWN_PROFILES, QUIRK_SETTINGS};
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

/// Puts a table between two marks of a page.
fn between(page: &str, mark: &str, table: &str) -> String {
    let begin = format!("<!-- made from {mark}: begin -->\n");
    let (before, rest) = page.split_once(&begin).expect("the mark is there");
    let (_, after) = rest.split_once("<!-- end -->").expect("the end is there");
    format!("{before}{begin}{table}<!-- end -->{after}")
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

#[test]
fn the_tables_of_profiles() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/profiles.md");
    let page = std::fs::read_to_string(path).expect("the page can be read");
    let mut settings = String::from("| key | values | what it is |\n| --- | --- | --- |\n");
    for setting in QUIRK_SETTINGS {
        let key = format!("`{}`", setting.key);
        settings.push_str(&row(&[key, setting.choices.to_owned(), setting.meaning.to_owned()]));
    }
    let mut known =
        String::from("| name | for | why | told by | the same as |\n| --- | --- | --- | --- | --- |\n");
    for profile in KNOWN_PROFILES {
        let words: Vec<String> = profile.set.words().iter().map(|word| format!("`{word}`")).collect();
        let texts = [profile.whom, profile.why, profile.source].map(str::to_owned);
        let [whom, why, source] = texts;
        known.push_str(&row(&[format!("`{}`", profile.name), whom, why, source, words.join(", ")]));
    }
    let page = between(&page, "QUIRK_SETTINGS", &settings);
    check("docs/profiles.md", &between(&page, "KNOWN_PROFILES", &known));
}

/// A profile that is named has a dialogue, and so has each quirk.
#[test]
fn every_known_profile_has_a_transcript() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut texts = String::new();
    for part in ["profiles", "charsets", "active", "listing"] {
        for entry in std::fs::read_dir(folder.join(part)).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            texts.push_str(&std::fs::read_to_string(path).expect("a transcript can be read"));
        }
    }
    let lines: Vec<&str> = texts.lines().filter(|line| line.starts_with("config: profile=")).collect();
    let has = |word: &str| lines.iter().any(|line| line.split([' ', '=']).any(|part| part == word));
    for profile in KNOWN_PROFILES {
        let used = format!("use={}", profile.name);
        assert!(lines.iter().any(|line| line.contains(&used)), "no transcript for {}", profile.name);
    }
    for setting in QUIRK_SETTINGS {
        assert!(has(setting.key), "no transcript sets {}", setting.key);
    }
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
