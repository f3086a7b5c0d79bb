//! Adapters that answer what wasn't asked, and storages that panic.

use crate::drive::{Names, Stored, Watch, at, drive};
use crate::protected::protect;
use ftp_proto::event::LinkError;
use ftp_proto::host::{Entry, Metadata};
use ftp_proto::listing::{Format, Listing};
use ftp_proto::testing::FakeTlsClient;
use ftp_proto::time::UnixTime;
use ftp_proto::transfer::{Coding, Direction, EndReason, Pipe, Step};
use quickcheck::QuickCheck;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn listing() -> Pipe {
    let entries =
        (0..20u8).map(|number| Ok(Entry { name: vec![b'a' + number], metadata: Metadata::default() }));
    let listing = Listing::new(Format::Unix, UnixTime::default());
    Pipe::listing(Box::new(Names(entries)), listing, Coding::ASCII)
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
    let coding = if kind & 4 != 0 { Coding::ASCII } else { Coding::IMAGE };
    let (file, watch) = stored.boxed();
    match kind / 8 % 3 {
        0 => (Pipe::download(file, u64::from(kind / 24), None, coding), Some(watch)),
        1 => (Pipe::upload(file, coding), Some(watch)),
        _ => (listing(), None),
    }
}

/// One call of whatever method, needed or not. Whether it was one that has no other byte sent.
fn meddle(pipe: &mut Pipe, operation: u8, number: u8) -> bool {
    let now = at(u64::from(number) * 100);
    match operation % 12 {
        0 => pipe.transmitted(now, usize::from(number)),
        1 => pipe.receive(now, &vec![b'\r'; usize::from(number % 4)]),
        2 => pipe.moved_directly(now, u64::from(number % 5)),
        3 => pipe.moved_directly(now, u64::MAX),
        4 => pipe.refuse_direct(),
        5..8 if number < 20 => {
            let reasons = [EndReason::Aborted, EndReason::Panicked, EndReason::Link(LinkError::Reset)];
            pipe.fail(reasons[usize::from(operation % 12 - 5)].clone());
            return true;
        }
        8 => pipe.turn(),
        _ => {
            pipe.step(now);
        }
    }
    false
}

/// The client's next words.
fn say(client: &mut FakeTlsClient, operation: u8, number: u8) -> Vec<u8> {
    match operation % 6 {
        0 if number < 50 => client.close_notify(),
        1 if number < 50 => client.alert("internal_error"),
        2 => client.update_keys(),
        // Nothing can be said behind close_notify; then it says nothing.
        _ => client.send(&vec![number; usize::from(number)]).unwrap_or_default(),
    }
    let mut said = client.take_outgoing();
    if operation > 250 {
        said.truncate(usize::from(number) / 2);
    }
    said
}

/// To the end, as an adapter that answers each step with as little as it can.
fn lead_to_the_end(pipe: &mut Pipe, watch: Option<&Watch>, failed: bool, protected: bool) -> bool {
    let upload = pipe.direction() == Direction::Upload;
    for _ in 0..10_000 {
        match pipe.step(at(1 << 30)) {
            Step::End(end) => {
                let finished = watch.map(|watch| watch.ending().1).unwrap_or_default();
                assert_eq!(finished.len(), usize::from(upload), "finished once, and uploads only");
                assert!(!upload || finished == [end.outcome.is_ok()]);
                assert!(pipe.transmit().is_empty());
                return pipe.step(at(0)) == Step::End(end);
            }
            Step::Read | Step::Write | Step::Direct { .. } if failed => return false,
            Step::Direct { .. } if protected => return false,
            Step::Turn => pipe.turn(),
            Step::Marked(_) | Step::Report(_) => {}
            Step::Write => pipe.transmitted(at(0), 3),
            Step::Read => pipe.receive(at(0), b""),
            // Where the end isn't known, the answer is that this is it.
            Step::Direct { len, .. } => pipe.moved_directly(at(0), if len < 100 { len } else { 0 }),
        }
    }
    false
}

#[test]
fn whatever_an_adapter_does_steps_lead_to_an_end() {
    fn property(kind: u8, operations: Vec<(u8, u8)>) -> bool {
        let (mut pipe, watch) = any_pipe(kind);
        let mut failed = false;
        for (operation, number) in operations {
            failed |= meddle(&mut pipe, operation, number);
        }
        lead_to_the_end(&mut pipe, watch.as_ref(), failed, false)
    }
    QuickCheck::new().tests(20_000).quickcheck(property as fn(u8, Vec<(u8, u8)>) -> bool);
}

#[test]
fn whatever_an_adapter_and_a_client_do_steps_lead_to_an_end() {
    fn property(kind: u8, needs_close_notify: bool, operations: Vec<(bool, u8, u8)>) -> bool {
        let (mut pipe, watch) = any_pipe(kind);
        let mut client = protect(&mut pipe, needs_close_notify, |_| {});
        let mut failed = false;
        for (says, operation, number) in operations {
            if says {
                pipe.receive_in_place(at(0), &mut say(&mut client, operation, number));
            } else {
                failed |= meddle(&mut pipe, operation, number);
            }
        }
        lead_to_the_end(&mut pipe, watch.as_ref(), failed, true)
    }
    QuickCheck::new().tests(20_000).quickcheck(property as fn(u8, bool, Vec<(bool, u8, u8)>) -> bool);
}

#[test]
fn a_storage_that_panicked_is_not_called_again() {
    for told in [true, false] {
        for upload in [true, false] {
            let (file, watch) = Stored::new(b"abc").boxed();
            watch.record().panics = true;
            let mut pipe = if upload {
                Pipe::upload(file, Coding::IMAGE)
            } else {
                Pipe::download(file, 0, None, Coding::IMAGE)
            };
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
