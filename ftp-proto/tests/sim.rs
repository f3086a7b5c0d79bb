//! The simulated world, by seed. `SEEDS=FIRST-LAST` runs others; a failure names its seed.
#![allow(clippy::panic, clippy::expect_used, reason = "a failed expectation is a failed test")]

use ftp_proto::testing::{Choices, Tally, simulate, simulate_control_connection};

fn run(count: u64, simulate: fn(Choices<'_>) -> Result<Tally, String>) -> Option<Tally> {
    let given = std::env::var("SEEDS").ok();
    let seeds = given.as_ref().map_or(0..count, |range| {
        let (first, last) = range.split_once('-').expect("SEEDS=FIRST-LAST");
        first.parse().expect("a number")..last.parse::<u64>().expect("a number") + 1
    });
    let mut tally = Tally::default();
    for seed in seeds {
        match simulate(Choices::Seed(seed)) {
            Ok(more) => tally += more,
            Err(problem) => panic!("seed {seed}: {problem}"),
        }
    }
    given.is_none().then_some(tally)
}

#[test]
fn every_seed_keeps_the_invariants() {
    let Some(tally) = run(2_000, simulate) else { return };
    let rarest = [tally.secured / 10, tally.clear_transfers, tally.secure_transfers, tally.discarded];
    assert!(rarest.into_iter().all(|count| count > 200), "{tally:?}");
    let rarest = [tally.cleared, tally.truncated, tally.unproven, tally.neighbours, tally.proven];
    assert!(rarest.into_iter().chain([tally.balanced]).all(|count| count > 20), "{tally:?}");
    let rarest = [tally.blocks / 2, tally.deflated, tally.texts / 10, tally.foreign / 3];
    assert!(rarest.into_iter().all(|count| count > 40), "{tally:?}");
    let rarest = [tally.long_jobs, tally.stopped_jobs, tally.overtaken];
    assert!(rarest.into_iter().all(|count| count > 500), "{tally:?}");
}

#[test]
fn every_seed_keeps_the_invariants_of_a_control_connection() {
    let Some(tally) = run(2_500, simulate_control_connection) else { return };
    let rarest = [tally.secured, tally.cleared, tally.discarded];
    assert!(rarest.into_iter().all(|count| count > 50), "{tally:?}");
}
