//! Replays the fuzz corpus (`fuzz/seeds`) on stable, and keeps the seeds that are made from the command table.
//! `UPDATE=1` writes those anew.
#![allow(clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use ftp_proto::command::table::COMMANDS;
use ftp_proto::testing::fuzz::TARGETS;
use std::fs;
use std::path::{Path, PathBuf};

fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target)
}

#[test]
fn every_seed_of_every_target() {
    for (target, run) in TARGETS {
        let mut count = 0;
        for file in fs::read_dir(seeds(target)).expect("the folder of seeds") {
            let file = file.expect("an entry").path();
            let bytes = fs::read(&file).expect("a seed");
            let result = std::panic::catch_unwind(|| run(&bytes));
            assert!(result.is_ok(), "{target} fails on {}", file.display());
            count += 1;
        }
        assert!(count > 0, "{target} has no seeds");
    }
}

#[test]
fn every_command_has_a_seed() {
    for spec in COMMANDS {
        let made: String = spec.samples.iter().map(|sample| format!("{sample}\r\n")).collect();
        let file = seeds("command_line").join(spec.name.to_ascii_lowercase());
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &made).expect("can be written");
        }
        let found = fs::read(&file).unwrap_or_default();
        assert!(found == made.as_bytes(), "{}: run this test with UPDATE=1", file.display());
    }
}
