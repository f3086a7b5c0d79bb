//! Adapters that answer what wasn't asked, and storages that panic.

use crate::drive::{Names, Stored, Watch, at, drive};
use ftp_proto::host::{Entry, Metadata};
use ftp_proto::listing::{Format, Listing};
use ftp_proto::time::UnixTime;
use ftp_proto::transfer::{Direction, EndReason, Pipe, Step};
use quickcheck::QuickCheck;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn listing() -> Pipe {
    let entries =
        (0..20u8).map(|number| Ok(Entry { name: vec![b'a' + number], metadata: Metadata::default() }));
    let listing =
        Listing { format: Format::Unix, pattern: None, prefix: Vec::new(), now: UnixTime::default() };
    Pipe::listing(Box::new(Names(entries)), listing)
}

/// Every kind of pipe there is, by number.
fn any_pipe(kind: u8) -> (Pipe, Option<Watch>) {
    let mut stored = Stored::new(b"some\nlines\r\n");
    if kind & 1 != 0 {
        stored = stored.direct();
    }
    if kind & 2 != 0 {
        stored.size = None;
    }
    let ascii = kind & 4 != 0;
    let (file, watch) = stored.boxed();
    match kind / 8 % 3 {
        0 => (Pipe::download(file, u64::from(kind / 24), ascii), Some(watch)),
        1 => (Pipe::upload(file, ascii), Some(watch)),
        _ => (listing(), None),
    }
}

/// One call of whatever method, needed or not.
fn meddle(pipe: &mut Pipe, operation: u8, number: u8) {
    let now = at(u64::from(number) * 100);
    match operation % 9 {
        0 => pipe.transmitted(now, usize::from(number)),
        1 => pipe.receive(now, &vec![b'\r'; usize::from(number % 4)]),
        2 => pipe.moved_directly(now, u64::from(number % 5)),
        3 => pipe.moved_directly(now, u64::MAX),
        4 => pipe.refuse_direct(),
        5 if number < 20 => pipe.fail(EndReason::Aborted),
        6 if number < 20 => pipe.fail(EndReason::Panicked),
        7 => pipe.turn(),
        _ => {
            pipe.step(now);
        }
    }
}

#[test]
fn whatever_an_adapter_does_steps_lead_to_an_end() {
    fn property(kind: u8, operations: Vec<(u8, u8)>) -> bool {
        let (mut pipe, watch) = any_pipe(kind);
        let mut failed = false;
        for (operation, number) in operations {
            meddle(&mut pipe, operation, number);
            failed |= matches!(operation % 9, 5 | 6) && number < 20;
        }
        let upload = pipe.direction() == Direction::Upload;
        for _ in 0..1_000 {
            match pipe.step(at(1 << 30)) {
                Step::End(end) => {
                    let finished = watch.map(|watch| watch.ending().1).unwrap_or_default();
                    assert_eq!(finished.len(), usize::from(upload), "finished once, and uploads only");
                    assert!(!upload || finished == [end.outcome.is_ok()]);
                    return pipe.step(at(0)) == Step::End(end);
                }
                Step::Read | Step::Write | Step::Direct { .. } if failed => return false,
                Step::Turn => pipe.turn(),
                Step::Report(_) => {}
                Step::Write => pipe.transmitted(at(0), 3),
                Step::Read => pipe.receive(at(0), b""),
                // Where the end isn't known, the answer is that this is it.
                Step::Direct { len, .. } => {
                    pipe.moved_directly(at(0), if len < 100 { len } else { 0 });
                }
            }
        }
        false
    }
    QuickCheck::new().tests(20_000).quickcheck(property as fn(u8, Vec<(u8, u8)>) -> bool);
}

#[test]
fn a_storage_that_panicked_is_not_called_again() {
    for told in [true, false] {
        for upload in [true, false] {
            let (file, watch) = Stored::new(b"abc").boxed();
            watch.record().panics = true;
            let mut pipe = if upload { Pipe::upload(file, false) } else { Pipe::download(file, 0, false) };
            pipe.receive(at(0), b"abc");
            pipe.receive(at(0), b"");
            assert_eq!(pipe.step(at(0)), Step::Turn);
            assert!(catch_unwind(AssertUnwindSafe(|| pipe.turn())).is_err());
            if told {
                pipe.fail(EndReason::Panicked);
            }
            let seen = drive(&mut pipe, None, b"", b"");
            assert!(matches!(seen.steps[..], [Step::End(_)]));
            assert_eq!(seen.end.outcome, Err(EndReason::Panicked));
            pipe.turn();
            let record = watch.record();
            assert_eq!((record.writes + record.reads.len(), record.finished.len()), (1, 0));
        }
    }
}

#[test]
fn pipes_move_between_threads() {
    fn sent<T: Send>(_: &T) {}
    sent(&listing());
}
