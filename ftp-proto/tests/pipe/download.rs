use crate::drive::{Seen, Stored, at, drive, to_wire};
use ftp_proto::event::LinkError;
use ftp_proto::host::StorageError;
use ftp_proto::transfer::{Coding, Direction, EndReason, Pipe, Step};
use quickcheck::{QuickCheck, quickcheck};

const KIB: usize = 1024;

fn shorter() -> EndReason {
    EndReason::Storage(StorageError::Io("file became shorter".into()))
}

quickcheck! {
    fn the_client_gets_the_file_from_the_offset_on(
        bytes: Vec<u8>, offset: u8, known: bool, direct: bool, refused: bool, choices: Vec<u8>
    ) -> bool {
        let mut stored = Stored::new(&bytes);
        stored.size = stored.size.filter(|_| known);
        let (file, watch) = if direct { stored.direct() } else { stored }.boxed();
        watch.record().short_reads = choices.first().map(|&count| usize::from(count) + 1);
        let mut pipe = Pipe::download(file, u64::from(offset), None, Coding::IMAGE);
        assert_eq!(pipe.direction(), Direction::Download);
        if refused {
            pipe.refuse_direct();
        }
        let seen = drive(&mut pipe, Some(&watch), b"", &choices);
        let expected = bytes.get(usize::from(offset)..).unwrap_or_default();
        let straight = seen.steps.iter().any(|step| matches!(step, Step::Direct { .. }));
        assert_eq!(straight, direct && !refused && !(known && expected.is_empty()));
        seen.wire == expected && seen.end.bytes == expected.len() as u64 && seen.end.outcome.is_ok()
    }
}

#[test]
fn line_feeds_become_line_ends_however_the_bytes_are_cut() {
    fn property(text: Vec<u8>, choices: Vec<u8>) -> bool {
        let text: Vec<u8> = text.iter().map(|&byte| b"\r\n\r\nab"[usize::from(byte) % 6]).collect();
        let (file, watch) = Stored::new(&text).direct().boxed();
        watch.record().short_reads = choices.last().map(|&count| usize::from(count) % 4 + 1);
        let seen = drive(&mut Pipe::download(file, 0, None, Coding::ASCII), Some(&watch), b"", &choices);
        seen.wire == to_wire(&text) && seen.end.bytes == seen.wire.len() as u64
    }
    QuickCheck::new().tests(1_000).quickcheck(property as fn(Vec<u8>, Vec<u8>) -> bool);
}

#[test]
fn a_file_that_became_shorter_fails_the_transfer() {
    for (direct, coding) in [(false, Coding::IMAGE), (true, Coding::IMAGE), (false, Coding::ASCII)] {
        let mut stored = Stored::new(b"abc");
        stored.size = Some(5);
        let (file, watch) = if direct { stored.direct() } else { stored }.boxed();
        let seen = drive(&mut Pipe::download(file, 0, None, coding), Some(&watch), b"", b"");
        assert_eq!((seen.wire, seen.end.bytes, seen.end.outcome), (b"abc".to_vec(), 3, Err(shorter())));
    }
}

#[test]
fn a_file_that_grew_ends_where_it_ended_when_it_was_opened() {
    for direct in [false, true] {
        let mut stored = Stored::new(b"abcdef");
        stored.size = Some(4);
        let (file, watch) = if direct { stored.direct() } else { stored }.boxed();
        let seen = drive(&mut Pipe::download(file, 1, None, Coding::IMAGE), Some(&watch), b"", b"");
        assert_eq!((&seen.wire[..], seen.end.outcome), (&b"bcd"[..], Ok(())));
    }
}

#[test]
fn buffers_are_no_larger_than_the_file() {
    for (len, known, expected) in [
        (1_000, true, vec![1_000]),
        (300 * KIB, true, vec![256 * KIB, 44 * KIB]),
        (0, true, vec![]),
        (100, false, vec![16 * KIB, 16 * KIB]),
        (300 * KIB, false, [16, 32, 64, 128, 256, 256].map(|size| size * KIB).to_vec()),
    ] {
        let mut stored = Stored::new(&vec![7; len]);
        stored.size = stored.size.filter(|_| known);
        let (file, watch) = stored.boxed();
        let seen = drive(&mut Pipe::download(file, 0, None, Coding::IMAGE), Some(&watch), b"", b"");
        assert_eq!(seen.wire.len(), len);
        assert_eq!(watch.record().reads, expected);
    }
}

#[test]
fn a_direct_step_spans_the_rest_of_the_file() {
    let (file, _) = Stored::new(&[1; 10]).direct().boxed();
    let mut pipe = Pipe::download(file, 2, None, Coding::IMAGE);
    assert_eq!(pipe.step(at(0)), Step::Direct { offset: 2, len: 8 });
    pipe.moved_directly(at(0), 5);
    assert_eq!(pipe.step(at(0)), Step::Direct { offset: 7, len: 3 });
    // The rest through the pipe, as where sendfile turns out not to work.
    pipe.refuse_direct();
    assert_eq!(pipe.step(at(0)), Step::Turn);
    let Seen { wire, end, .. } = drive(&mut pipe, None, b"", b"");
    assert_eq!((wire, end.bytes, end.outcome), (vec![1; 3], 8, Ok(())));
}

#[test]
fn after_a_failure_nothing_more_is_sent_and_the_first_reason_stays() {
    for direct in [false, true] {
        let stored = Stored::new(&[1; 10]);
        let (file, _) = if direct { stored.direct() } else { stored }.boxed();
        let mut pipe = Pipe::download(file, 0, None, Coding::IMAGE);
        if !direct {
            pipe.turn();
            pipe.transmitted(at(0), 4);
        }
        pipe.fail(EndReason::Link(LinkError::Reset));
        pipe.fail(EndReason::Aborted);
        let seen = drive(&mut pipe, None, b"", b"");
        assert!(matches!(seen.steps[..], [Step::End(_)]));
        assert_eq!(seen.end.outcome, Err(EndReason::Link(LinkError::Reset)));
        assert_eq!(seen.end.bytes, if direct { 0 } else { 4 });
    }
}

#[test]
fn progress_is_reported_four_times_a_second_and_each_eight_mebibytes() {
    let (file, _) = Stored::new(&vec![1; 32 << 20]).direct().boxed();
    let mut pipe = Pipe::download(file, 0, None, Coding::IMAGE);
    let direct = |step| matches!(step, Step::Direct { .. });
    assert!(direct(pipe.step(at(5_000))));
    pipe.moved_directly(at(5_000), 1);
    assert!(direct(pipe.step(at(5_249))), "the interval isn't over");
    assert_eq!(pipe.step(at(5_250)), Step::Report(1));
    assert!(direct(pipe.step(at(9_000))), "nothing moved");
    pipe.moved_directly(at(9_000), 8 << 20);
    assert_eq!(pipe.step(at(9_000)), Step::Report((8 << 20) + 1));
    assert!(direct(pipe.step(at(9_000))));
    pipe.moved_directly(at(9_100), 1);
    assert!(direct(pipe.step(at(9_249))));
    assert_eq!(pipe.step(at(9_250)), Step::Report((8 << 20) + 2));
}
