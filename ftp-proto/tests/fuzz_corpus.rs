//! Replays the fuzz corpus (`fuzz/seeds`) on stable, and keeps the seeds that are made from the command table and
//! by the simulator. `UPDATE=1` writes those anew.
#![allow(clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use ftp_proto::command::table::COMMANDS;
use ftp_proto::testing::fuzz::{TARGETS, compare};
use ftp_proto::testing::{Choices, Tally, simulate, simulate_control_connection};
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
        keep(&seeds("command_line").join(spec.name.to_ascii_lowercase()), made.as_bytes());
    }
}

fn keep(file: &Path, made: &[u8]) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(file, made).expect("can be written");
    }
    let found = fs::read(file).unwrap_or_default();
    assert!(found == made, "{}: run this test with UPDATE=1", file.display());
}

type World = fn(Choices<'_>) -> Result<Tally, String>;

/// A fuzzer that begins with random bytes hardly gets through a TLS handshake: it begins with worlds that show much.
/// The same bytes make another world when something has changed; as long as half of them show enough, that is fine.
#[test]
fn simulated_worlds_are_seeds() {
    check_worlds("session", simulate, |tally| tally.secure_transfers > 0 && tally.long_jobs > 0);
    check_worlds("wire", simulate_control_connection, |tally| tally.secured > 1 || tally.cleared > 0);
}

/// Dialogues are not found by chance either. What the bytes say changes with the grammar; that does no harm.
#[test]
fn dialogues_are_seeds() {
    let file = |number: u64| seeds("model").join(format!("dialogue-{number:02}"));
    let numbers = || 0..WORLDS as u64;
    if std::env::var_os("UPDATE").is_some() {
        for number in numbers() {
            let mut bytes = Vec::new();
            compare(Choices::Record(number, &mut bytes)).expect("both say the same");
            fs::write(file(number), &bytes).expect("can be written");
        }
    }
    assert!(numbers().all(|number| fs::read(file(number)).is_ok_and(|bytes| !bytes.is_empty())));
}

const WORLDS: usize = 12;

fn check_worlds(target: &str, simulate: World, shows_much: fn(Tally) -> bool) {
    let replayed = |bytes: &[u8]| simulate(Choices::Bytes(bytes)).expect("the invariants hold");
    let recorded = |seed| {
        let mut bytes = Vec::new();
        simulate(Choices::Record(seed, &mut bytes)).expect("the invariants hold");
        bytes.truncate(3_000);
        bytes
    };
    let file = |number: usize| seeds(target).join(format!("world-{number:02}"));
    if std::env::var_os("UPDATE").is_some() {
        let chosen = (0..).map(recorded).filter(|bytes| shows_much(replayed(bytes)));
        for (number, bytes) in chosen.take(WORLDS).enumerate() {
            fs::write(file(number), &bytes).expect("can be written");
        }
    }
    let good = (0..WORLDS).filter(|&number| shows_much(replayed(&fs::read(file(number)).expect("a seed"))));
    assert!(good.count() >= WORLDS / 2, "{target}: run this test with UPDATE=1");
}
