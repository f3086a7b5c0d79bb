//! The core by itself: a line, a turn, a path, a listing.
#![allow(missing_docs, clippy::expect_used, reason = "criterion's macros; a benchmark that fails may panic")]

use benches::Session;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ftp_proto::account::Rights;
use ftp_proto::command::lookup;
use ftp_proto::command::table::COMMANDS;
use ftp_proto::host::{Entry, Kind, Metadata};
use ftp_proto::listing::{Facts, Format, Listing};
use ftp_proto::path::VirtualPath;
use ftp_proto::testing::{MemoryAccounts, MemoryStorage};
use ftp_proto::time::UnixTime;
use std::hint::black_box;
use std::sync::Arc;

fn line(bench: &mut Criterion) {
    let lines: Vec<&[u8]> =
        COMMANDS.iter().flat_map(|spec| spec.samples).map(|line| line.as_bytes()).collect();
    let mut group = bench.benchmark_group("line");
    group.throughput(Throughput::Elements(lines.len() as u64));
    group.bench_function("look up every sample", |bench| {
        bench.iter(|| lines.iter().filter(|line| lookup(black_box(line)).is_some()).count());
    });
}

fn turn(bench: &mut Criterion) {
    let storage = Arc::new(MemoryStorage::new().file("/a", "alpha"));
    let accounts = Arc::new(MemoryAccounts::new().user("u", "p", storage.account("u", Rights::ALL)));
    let mut session = Session::new(accounts);
    session.say(b"USER u\r\nPASS p\r\nTYPE I\r\n");
    let mut group = bench.benchmark_group("turn");
    group.bench_function("NOOP", |bench| bench.iter(|| session.say(black_box(b"NOOP\r\n"))));
    group.bench_function("SIZE", |bench| bench.iter(|| session.say(black_box(b"SIZE a\r\n"))));
    let pipelined = b"NOOP\r\n".repeat(32);
    group.throughput(Throughput::Elements(32));
    group.bench_function("32 NOOP at once", |bench| bench.iter(|| session.say(black_box(&pipelined))));
}

fn path(bench: &mut Criterion) {
    let directory = VirtualPath::new(b"/pub/incoming/2026").expect("a path");
    bench.bench_function("path/resolve", |bench| {
        bench.iter(|| directory.resolve(black_box(b"../archive/./11/report-final.csv")));
    });
}

fn listing(bench: &mut Criterion) {
    const ENTRIES: u32 = 10_000;
    let entries: Vec<Entry> = (0..ENTRIES)
        .map(|number| Entry {
            name: format!("file-{number:06}.dat").into_bytes(),
            metadata: Metadata {
                kind: Kind::File,
                size: u64::from(number) * 977,
                modified: UnixTime::from_seconds(1_790_000_000 - i64::from(number)),
                mode: Some(0o644),
                links: 1,
                ..Metadata::default()
            },
        })
        .collect();
    let mut group = bench.benchmark_group("listing of 10,000 entries");
    group.throughput(Throughput::Elements(u64::from(ENTRIES)));
    for (name, format) in
        [("LIST", Format::Unix), ("NLST", Format::Names), ("MLSD", Format::Facts(Facts::ALL))]
    {
        let now = UnixTime::from_seconds(1_795_000_000);
        let listing = Listing { format, pattern: None, prefix: Vec::new(), now };
        let mut out = Vec::new();
        group.bench_function(name, |bench| {
            bench.iter(|| {
                out.clear();
                for entry in &entries {
                    listing.append(black_box(entry), &mut out);
                }
                out.len()
            });
        });
    }
}

criterion_group!(benches, line, turn, path, listing);
criterion_main!(benches);
