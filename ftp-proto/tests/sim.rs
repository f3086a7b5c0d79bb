//! The simulated world, by seed. `SEEDS=FIRST-LAST` runs others; a failure names its seed.
#![allow(clippy::panic, clippy::expect_used, reason = "a failed expectation is a failed test")]

use ftp_proto::testing::{Choices, Fault, Tally, simulate, simulate_control_connection};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

type World = fn(Choices<'_>) -> Result<Tally, String>;

/// The seeds that were asked for, or these; in the latter case what they have shown.
fn run(count: u64, simulate: World) -> Option<Tally> {
    let given = std::env::var("SEEDS").ok();
    let seeds = given.as_ref().map_or(0..count, |range| {
        let (first, last) = range.split_once('-').expect("SEEDS=FIRST-LAST");
        first.parse().expect("a number")..last.parse::<u64>().expect("a number") + 1
    });
    let (tally, problems) = run_all(seeds, simulate);
    assert!(
        problems.is_empty(),
        "{} seeds fail; the first:\n{}",
        problems.len(),
        problems[..problems.len().min(10)].join("\n")
    );
    given.is_none().then_some(tally)
}

/// On all processors.
fn run_all(seeds: Range<u64>, simulate: World) -> (Tally, Vec<String>) {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let (mut tally, mut problems) = (Tally::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return (tally, problems);
            }
            match std::panic::catch_unwind(|| simulate(Choices::Seed(seed))) {
                Ok(Ok(more)) => tally += more,
                Ok(Err(problem)) => problems.push(format!("seed {seed}: {problem}")),
                Err(_) => problems.push(format!("seed {seed} panics")),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = (Tally::default(), Vec::new());
        for worker in workers {
            let (tally, problems) = worker.join().expect("a worker");
            all.0 += tally;
            all.1.extend(problems);
        }
        all
    })
}

#[test]
fn every_seed_keeps_the_invariants() {
    let Some(tally) = run(3_000, simulate) else { return };
    let rarest = [tally.secured / 10, tally.clear_transfers, tally.secure_transfers, tally.discarded];
    assert!(rarest.into_iter().all(|count| count > 200), "{tally:?}");
    let rarest = [tally.cleared, tally.truncated, tally.unproven, tally.neighbours, tally.proven];
    assert!(rarest.into_iter().chain([tally.balanced, tally.banned]).all(|count| count > 20), "{tally:?}");
    let rarest = [tally.blocks / 2, tally.deflated, tally.texts / 10, tally.foreign / 3];
    assert!(rarest.into_iter().all(|count| count > 40), "{tally:?}");
    let rarest = [tally.long_jobs, tally.stopped_jobs, tally.overtaken];
    assert!(rarest.into_iter().all(|count| count > 500), "{tally:?}");
    let rare: Vec<(Fault, usize)> = Fault::all()
        .into_iter()
        .map(|fault| (fault, tally.faults.count(fault)))
        .filter(|(fault, count)| *count < fewest(*fault))
        .collect();
    assert!(rare.is_empty(), "these faults are hardly met: {rare:?}");
}

/// How often a fault has to be met: each at some places, and each call of the storage, is a rarity.
fn fewest(fault: Fault) -> usize {
    match fault {
        Fault::Storage("discard") => 1,
        Fault::Storage(_) => 3,
        Fault::Reset(_)
        | Fault::HalfClose(_)
        | Fault::Kick(_)
        | Fault::Drain(_)
        | Fault::Reconfigured(_)
        | Fault::WallForward(_)
        | Fault::WallBack(_) => 4,
        _ => 10,
    }
}

#[test]
fn every_seed_keeps_the_invariants_of_a_control_connection() {
    let Some(tally) = run(2_500, simulate_control_connection) else { return };
    let rarest = [tally.secured, tally.cleared, tally.discarded];
    assert!(rarest.into_iter().all(|count| count > 50), "{tally:?}");
}
