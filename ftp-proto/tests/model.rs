//! Dialogues, by seed, with a session and with a simple reference: both have to say the same. `SEEDS=FIRST-LAST` runs
//! others.
#![allow(clippy::panic, clippy::expect_used, reason = "a failed expectation is a failed test")]

use ftp_proto::testing::Choices;
use ftp_proto::testing::fuzz::compare;
use std::thread;

/// The seeds that were asked for, or these.
fn seeds() -> std::ops::Range<u64> {
    std::env::var("SEEDS").map_or(0..4_000, |range| {
        let (first, last) = range.split_once('-').expect("SEEDS=FIRST-LAST");
        first.parse().expect("a number")..last.parse::<u64>().expect("a number") + 1
    })
}

#[test]
fn a_session_does_what_the_reference_does() {
    let threads = thread::available_parallelism().map_or(2, usize::from) as u64;
    let differ = |thread: u64| {
        let seeds = seeds().skip(thread as usize).step_by(threads as usize);
        let problem =
            |seed| compare(Choices::Seed(seed)).err().map(|problem| format!("seed {seed}: {problem}"));
        seeds.filter_map(problem).collect::<Vec<String>>()
    };
    let problems: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || differ(thread))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    let shortest = problems.iter().min_by_key(|problem| problem.len());
    assert!(
        problems.is_empty(),
        "{} differ; the shortest:\n{}",
        problems.len(),
        shortest.map_or("", |one| one)
    );
}
