use crate::drive::{Quota, Seen, Stored, Watch, at, drive, from_wire};
use ftp_proto::event::LinkError;
use ftp_proto::host::{OverQuota, StorageError};
use ftp_proto::transfer::{Coding, Direction, EndReason, Pipe, Step};
use quickcheck::{QuickCheck, quickcheck};

fn upload(stored: Stored, coding: Coding) -> (Pipe, Watch) {
    let (file, watch) = stored.boxed();
    (Pipe::upload(file, coding), watch)
}

quickcheck! {
    fn the_file_holds_what_the_client_sent(
        sent: Vec<u8>, before: Vec<u8>, direct: bool, refused: bool, choices: Vec<u8>
    ) -> bool {
        let mut stored = Stored::new(&before);
        stored.start = before.len() as u64 / 2;
        let start = before.len() / 2;
        let (mut pipe, watch) = upload(if direct { stored.direct() } else { stored }, Coding::IMAGE);
        assert_eq!(pipe.direction(), Direction::Upload);
        if refused {
            pipe.refuse_direct();
        }
        // An empty upload writes nothing, so that nothing is cut off either.
        let seen = drive(&mut pipe, Some(&watch), &sent, &choices);
        let kept = if sent.is_empty() { &before[..] } else { &before[..start] };
        let record = watch.record();
        record.bytes == [kept, &sent[..]].concat()
            && record.finished == [true]
            && seen.end.bytes == sent.len() as u64
            && seen.end.outcome.is_ok()
    }
}

#[test]
fn nothing_is_written_that_was_not_counted() {
    fn property(sent: Vec<u8>, quota: (u8, u8, u8), before: Vec<u8>, choices: Vec<u8>) -> bool {
        let mut stored = Stored::new(&before);
        stored.start = before.len() as u64;
        let (limit, piece, counted) =
            (u64::from(quota.0), u64::from(quota.1 % 16) + 1, u64::from(quota.2 % 8));
        let limit = limit + stored.start;
        let counted = (stored.start + counted).min(limit);
        stored.record.lock().unwrap().quota = Some(Quota { limit, piece, counted });
        let (mut pipe, watch) = upload(stored.direct(), Coding::IMAGE);
        let seen = drive(&mut pipe, Some(&watch), &sent, &choices);
        let record = watch.record();
        if (before.len() + sent.len()) as u64 <= limit {
            return record.bytes == [before, sent].concat()
                && record.finished == [true]
                && record.discarded == 0;
        }
        record.bytes.len() as u64 <= limit
            && seen.end.outcome == Err(EndReason::Storage(StorageError::OverQuota(OverQuota::Bytes(limit))))
            && (record.finished.as_slice(), record.discarded) == (&[false][..], 1)
    }
    QuickCheck::new()
        .tests(1_000)
        .quickcheck(property as fn(Vec<u8>, (u8, u8, u8), Vec<u8>, Vec<u8>) -> bool);
}

#[test]
fn line_ends_become_line_feeds_however_the_bytes_are_cut() {
    fn property(text: Vec<u8>, choices: Vec<u8>) -> bool {
        let text: Vec<u8> = text.iter().map(|&byte| b"\r\n\r\nab"[usize::from(byte) % 6]).collect();
        let (mut pipe, watch) = upload(Stored::new(b"").direct(), Coding::ASCII);
        let seen = drive(&mut pipe, Some(&watch), &text, &choices);
        watch.record().bytes == from_wire(&text) && seen.end.bytes == text.len() as u64
    }
    QuickCheck::new().tests(1_000).quickcheck(property as fn(Vec<u8>, Vec<u8>) -> bool);
}

#[test]
fn large_uploads_are_written_as_they_come() {
    for coding in [Coding::IMAGE, Coding::ASCII] {
        let sent: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 7) as u8 + b'a').collect();
        let (mut pipe, watch) = upload(Stored::new(b""), coding);
        // Pieces of 200 bytes.
        let seen = drive(&mut pipe, None, &sent, &[200; 12_000]);
        assert_eq!(watch.record().bytes, sent);
        assert_eq!(seen.count(&Step::Turn), 16, "a turn for each 64 KiB, the last with the end");
    }
}

#[test]
fn a_small_upload_needs_one_turn() {
    for direct in [false, true] {
        let stored = Stored::new(b"");
        let (mut pipe, watch) = upload(if direct { stored.direct() } else { stored }, Coding::IMAGE);
        let first = pipe.step(at(0));
        assert_eq!(matches!(first, Step::Direct { offset: 0, .. }), direct);
        pipe.receive(at(0), b"abc");
        assert_eq!(pipe.step(at(0)), Step::Read);
        pipe.receive(at(0), b"");
        assert_eq!(pipe.step(at(0)), Step::Turn);
        pipe.turn();
        assert!(matches!(pipe.step(at(0)), Step::End(end) if end.outcome.is_ok() && end.bytes == 3));
        assert_eq!(watch.ending(), (1, vec![true]));
    }
}

#[test]
fn a_full_disk_ends_the_upload_with_its_reason() {
    let (mut pipe, watch) = upload(Stored::new(b""), Coding::IMAGE);
    watch.record().write_error = Some(StorageError::NoSpace);
    watch.record().finish_error = Some(StorageError::Denied);
    let seen = drive(&mut pipe, None, b"abc", b"");
    assert_eq!(seen.end.outcome, Err(EndReason::Storage(StorageError::NoSpace)));
    assert_eq!(watch.ending(), (1, vec![false]));
}

#[test]
fn of_an_upload_over_the_quota_nothing_stays_whoever_finds_out() {
    let over = StorageError::OverQuota(OverQuota::System);
    for coding in [Coding::IMAGE, Coding::ASCII] {
        let (mut pipe, watch) = upload(Stored::new(b""), coding);
        watch.record().write_error = Some(over.clone());
        let seen = drive(&mut pipe, None, b"abc", b"");
        assert_eq!(seen.end.outcome, Err(EndReason::Storage(over.clone())));
        let discarded = watch.record().discarded;
        assert_eq!((discarded, watch.ending()), (1, (1, vec![false])));
    }
    let (mut pipe, watch) = upload(Stored::new(b"").direct(), Coding::IMAGE);
    pipe.fail(EndReason::Storage(over));
    drive(&mut pipe, Some(&watch), b"", b"");
    let discarded = watch.record().discarded;
    assert_eq!((discarded, watch.ending()), (1, (0, vec![false])));
}

#[test]
fn what_can_not_be_published_has_failed() {
    let (mut pipe, watch) = upload(Stored::new(b""), Coding::IMAGE);
    watch.record().finish_error = Some(StorageError::AlreadyExists);
    let seen = drive(&mut pipe, None, b"abc", b"");
    assert_eq!(seen.end.outcome, Err(EndReason::Storage(StorageError::AlreadyExists)));
    assert_eq!(watch.record().finished, [true]);
}

#[test]
fn a_broken_upload_keeps_all_that_came_but_half_a_line_end() {
    for why in [EndReason::Aborted, EndReason::Link(LinkError::Reset)] {
        let (mut pipe, watch) = upload(Stored::new(b""), Coding::ASCII);
        pipe.receive(at(0), b"a\r\nb\r");
        pipe.fail(why.clone());
        pipe.fail(EndReason::Panicked);
        pipe.receive(at(0), b"late");
        let Seen { steps, end, .. } = drive(&mut pipe, None, b"", b"");
        assert!(matches!(steps[..], [Step::Turn, Step::End(_)]));
        assert_eq!((end.bytes, end.outcome), (5, Err(why)));
        assert_eq!(watch.record().bytes, b"a\nb");
        assert_eq!(watch.record().finished, [false]);
    }
}

#[test]
fn an_abort_that_comes_too_late_changes_nothing() {
    let (mut pipe, watch) = upload(Stored::new(b""), Coding::IMAGE);
    pipe.receive(at(0), b"");
    pipe.turn();
    pipe.fail(EndReason::Aborted);
    assert_eq!(drive(&mut pipe, None, b"", b"").end.outcome, Ok(()));
    assert_eq!(watch.record().finished, [true]);
}

#[test]
fn a_failed_direct_move_still_ends_the_file() {
    let (mut pipe, watch) = upload(Stored::new(b"").direct(), Coding::IMAGE);
    pipe.fail(EndReason::Storage(StorageError::NoSpace));
    let seen = drive(&mut pipe, Some(&watch), b"", b"");
    assert_eq!(seen.end.outcome, Err(EndReason::Storage(StorageError::NoSpace)));
    assert_eq!(watch.record().finished, [false]);
}
