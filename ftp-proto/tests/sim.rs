//! The simulated world, by seed. `SEEDS=FIRST-LAST` runs others; a failure names its seed.
#![allow(clippy::panic, clippy::expect_used, reason = "a failed expectation is a failed test")]

use ftp_proto::testing::{Choices, simulate};

const SEEDS: std::ops::Range<u64> = 0..2_500;

#[test]
fn every_seed_keeps_the_invariants() {
    let seeds = std::env::var("SEEDS").map_or(SEEDS, |range| {
        let (first, last) = range.split_once('-').expect("SEEDS=FIRST-LAST");
        first.parse().expect("a number")..last.parse::<u64>().expect("a number") + 1
    });
    for seed in seeds {
        if let Err(problem) = simulate(Choices::Seed(seed)) {
            panic!("seed {seed}: {problem}");
        }
    }
}
