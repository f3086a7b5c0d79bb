//! The core by itself: a line, a turn, a path, a listing, a transfer.
#![allow(missing_docs, clippy::expect_used, reason = "criterion's macros; a benchmark that fails may panic")]

use benches::Session;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ftp_proto::account::Rights;
use ftp_proto::command::lookup;
use ftp_proto::command::table::COMMANDS;
use ftp_proto::host::{Entry, File, Kind, Metadata, StorageError};
use ftp_proto::listing::{Facts, Format, Listing};
use ftp_proto::path::VirtualPath;
use ftp_proto::testing::{MemoryAccounts, MemoryStorage, data_handshake, secure_pipe};
use ftp_proto::time::{Now, UnixTime};
use ftp_proto::tls::{TlsError, TlsFacts, TlsSession, TlsStatus};
use ftp_proto::transfer::{CodePage, Coding, Deflate, Mode, Pipe, Step, Structure};
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
        let listing = Listing::new(format, now);
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

/// Bytes of each measured transfer.
const TRANSFER: usize = 16 << 20;
/// A record's header, and the handshake, alert and data that begin with it.
const HANDSHAKE: [u8; 5] = [22, 3, 3, 0, 0];
const CLOSE_NOTIFY: [u8; 5] = [21, 3, 3, 0, 0];
const FULL_RECORD: [u8; 5] = [23, 3, 3, 0x40, 0];

/// TLS that costs a copy each way and nothing else, so that what is measured is what goes on around it.
struct CopyingTls;

impl TlsSession for CopyingTls {
    fn read_record(
        &mut self,
        record: &mut [u8],
        plain: &mut Vec<u8>,
        _out: &mut Vec<u8>,
    ) -> Result<TlsStatus, TlsError> {
        plain.extend(record.get(5..).unwrap_or_default());
        Ok(if record == CLOSE_NOTIFY { TlsStatus::Closed } else { TlsStatus::Established })
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        for piece in plain.chunks(16 << 10) {
            out.extend(FULL_RECORD);
            out.extend(piece);
        }
        Ok(())
    }

    fn close_notify(&mut self, out: &mut Vec<u8>) {
        out.extend(CLOSE_NOTIFY);
    }

    fn facts(&self) -> Option<TlsFacts> {
        None
    }
}

/// Any number of the same byte, and a place to write to that forgets.
struct Nothing;

impl File for Nothing {
    fn size(&self) -> Option<u64> {
        Some(TRANSFER as u64)
    }

    fn read_at(&mut self, _: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        Ok(buffer.len())
    }

    fn write_at(&mut self, _: u64, bytes: &[u8]) -> Result<(), StorageError> {
        black_box(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>, _: bool) -> Result<(), StorageError> {
        Ok(())
    }
}

/// Lines of 40 to 80 bytes with this end.
fn lines(end: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(TRANSFER + 100);
    let mut number = 0;
    while text.len() < TRANSFER {
        text.resize(text.len() + 40 + number * 17 % 41, b'a' + (number % 26) as u8);
        text.extend(end.as_bytes());
        number += 1;
    }
    text
}

/// A text in memory.
struct Text(Arc<Vec<u8>>);

impl File for Text {
    fn size(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer.get_mut(..count).unwrap_or_default().copy_from_slice(rest.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }

    fn finish(self: Box<Self>, _: bool) -> Result<(), StorageError> {
        Ok(())
    }
}

/// What TYPE and MODE cost.
fn coding(bench: &mut Criterion) {
    let stored = Arc::new(lines("\n"));
    let mut wire = lines("\r\n");
    let block = Coding { mode: Mode::Block, ..Coding::ASCII };
    let compressed = Coding { mode: Mode::Compressed, ..Coding::ASCII };
    let records = Coding { structure: Structure::Record, ..Coding::ASCII };
    let deflated = Coding { mode: Mode::Deflate(Deflate { level: 4, ratio: 0 }), ..Coding::ASCII };
    let ebcdic = Coding { kind: ftp_proto::transfer::Kind::Ebcdic(CodePage::Ibm1047), ..Coding::ASCII };
    let mut group = bench.benchmark_group("text of 16 MiB");
    group.throughput(Throughput::Bytes(TRANSFER as u64));
    for (name, coding) in [
        ("ASCII", Coding::ASCII),
        ("EBCDIC", ebcdic),
        ("records", records),
        ("blocks", block),
        ("compressed", compressed),
        ("deflated", deflated),
    ] {
        let download = || Pipe::download(Box::new(Text(stored.clone())), 0, None, coding);
        group.bench_function(format!("download, {name}"), |bench| bench.iter(|| drive(download(), &mut [])));
    }
    let upload = || Pipe::upload(Box::new(Nothing), Coding::ASCII);
    group.bench_function("upload, ASCII", |bench| bench.iter(|| drive(upload(), &mut wire)));
}

fn secured(mut pipe: Pipe) -> Pipe {
    let mut handshake = data_handshake(Box::new(CopyingTls));
    handshake.receive(&HANDSHAKE);
    secure_pipe(&mut pipe, handshake, true).expect("a handshake");
    pipe
}

/// Leads a transfer to its end; how many bytes it moved.
fn drive(mut pipe: Pipe, incoming: &mut [u8]) -> u64 {
    let now = Now::default();
    let mut pieces = incoming.chunks_mut(64 << 10);
    loop {
        match pipe.step(now) {
            Step::Write => pipe.transmitted(now, pipe.transmit().len()),
            Step::Read => pipe.receive_in_place(now, pieces.next().unwrap_or_default()),
            Step::Turn => pipe.turn(),
            Step::End(end) => return end.bytes,
            Step::Marked(_) | Step::Report(_) | Step::Direct { .. } => {}
        }
    }
}

fn transfer(bench: &mut Criterion) {
    let plain = vec![7; TRANSFER];
    let mut records: Vec<u8> =
        plain.chunks(16 << 10).flat_map(|piece| [&FULL_RECORD, piece].concat()).collect();
    records.extend(CLOSE_NOTIFY);
    let mut plain = plain;
    let mut group = bench.benchmark_group("transfer of 16 MiB");
    group.throughput(Throughput::Bytes(TRANSFER as u64));
    let download = || Pipe::download(Box::new(Nothing), 0, None, Coding::IMAGE);
    let upload = || Pipe::upload(Box::new(Nothing), Coding::IMAGE);
    group.bench_function("download", |bench| bench.iter(|| drive(download(), &mut [])));
    group.bench_function("download in records", |bench| bench.iter(|| drive(secured(download()), &mut [])));
    group.bench_function("upload", |bench| bench.iter(|| drive(upload(), &mut plain)));
    group.bench_function("upload in records", |bench| bench.iter(|| drive(secured(upload()), &mut records)));
}

criterion_group!(benches, line, turn, path, listing, transfer, coding);
criterion_main!(benches);
