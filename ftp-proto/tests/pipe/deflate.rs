//! MODE Z, the other end being a zlib of its own.

use crate::drive::{Seen, Stored, Watch, drive, from_wire, to_wire};
use ftp_proto::transfer::{Coding, Deflate, EndReason, Kind, Malformed, Mode, Pipe, Step};
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib;
use quickcheck::quickcheck;

fn coding(kind: Kind, level: u8, ratio: u32) -> Coding {
    Coding { kind, mode: Mode::Deflate(Deflate { level, ratio }), ..Coding::default() }
}

fn upload(stream: &[u8], coding: Coding, choices: &[u8]) -> (Watch, Seen) {
    let (file, watch) = Stored::new(b"").direct().boxed();
    let mut pipe = Pipe::upload(file, coding);
    let seen = drive(&mut pipe, Some(&watch), stream, choices);
    (watch, seen)
}

fn download(stored: &[u8], coding: Coding, choices: &[u8]) -> (Watch, Seen) {
    let (file, watch) = Stored::new(stored).direct().boxed();
    let mut pipe = Pipe::download(file, 0, None, coding);
    let seen = drive(&mut pipe, Some(&watch), b"", choices);
    (watch, seen)
}

quickcheck! {
    fn the_file_holds_what_the_stream_holds(sent: Vec<u8>, level: u8, choices: Vec<u8>) -> bool {
        let stream = compress_to_vec_zlib(&sent, level % 10);
        [Kind::Image, Kind::Ascii].into_iter().all(|kind| {
            let (watch, seen) = upload(&stream, coding(kind, 0, 0), &choices);
            let want = if kind == Kind::Ascii { from_wire(&sent) } else { sent.clone() };
            let record = watch.record();
            record.bytes == want && record.finished == [true] && seen.end.bytes == stream.len() as u64
        })
    }

    fn the_stream_holds_what_the_file_holds(stored: Vec<u8>, level: u8, choices: Vec<u8>) -> bool {
        [Kind::Image, Kind::Ascii].into_iter().all(|kind| {
            let (_, seen) = download(&stored, coding(kind, level % 10, 0), &choices);
            let want = if kind == Kind::Ascii { to_wire(&stored) } else { stored.clone() };
            decompress_to_vec_zlib(&seen.wire).is_ok_and(|held| held == want)
                && seen.end.bytes == seen.wire.len() as u64
        })
    }

    fn a_stream_without_its_end_is_not_published(sent: Vec<u8>, cut: usize, choices: Vec<u8>) -> bool {
        let stream = compress_to_vec_zlib(&sent, 6);
        let (watch, seen) = upload(&stream[..cut % stream.len()], coding(Kind::Image, 0, 0), &choices);
        let record = watch.record();
        // What came is there to be continued.
        seen.end.outcome == Err(EndReason::Malformed(Malformed::NoEnd))
            && record.finished == [false]
            && sent.starts_with(&record.bytes)
    }
}

#[test]
fn a_bomb_costs_as_many_turns_as_what_it_becomes() {
    let stream = compress_to_vec_zlib(&vec![0; 32 << 20], 9);
    assert!(stream.len() < 64 << 10, "it would come in one piece");
    let (watch, seen) = upload(&stream, coding(Kind::Image, 0, 0), &[]);
    let record = watch.record();
    assert_eq!((record.bytes.len(), &record.finished[..]), (32 << 20, &[true][..]));
    // Each holds 64 KiB at most.
    assert!(seen.count(&Step::Turn) >= 512, "{}", seen.count(&Step::Turn));
    assert!(record.writes >= 512, "{}", record.writes);
}

#[test]
fn what_becomes_too_much_is_refused_and_not_kept() {
    let stream = compress_to_vec_zlib(&vec![0; 32 << 20], 9);
    let (watch, seen) = upload(&stream, coding(Kind::Image, 0, 200), &[]);
    assert_eq!(seen.end.outcome, Err(EndReason::Malformed(Malformed::Expands)));
    let record = watch.record();
    assert!(record.bytes.len() <= 17 << 20, "{}", record.bytes.len());
    assert_eq!((record.discarded, &record.finished[..]), (1, &[false][..]));
}

#[test]
fn of_what_is_damaged_nothing_is_kept() {
    let mut stream = compress_to_vec_zlib(&vec![b'a'; 1 << 20], 6);
    *stream.last_mut().unwrap() ^= 1;
    for (stream, why) in [
        (stream, Malformed::NotDeflated),
        ([compress_to_vec_zlib(b"hello", 6), b"hello".to_vec()].concat(), Malformed::BehindEnd),
    ] {
        let (watch, seen) = upload(&stream, coding(Kind::Image, 0, 0), &[]);
        assert_eq!(seen.end.outcome, Err(EndReason::Malformed(why)));
        let record = watch.record();
        assert_eq!((record.discarded, &record.finished[..]), (1, &[false][..]));
    }
}

#[test]
fn no_turn_compresses_more_than_it_can_in_some_milliseconds() {
    let stored: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    for (level, at_once) in [(4, 64 << 10), (9, 16 << 10)] {
        let (watch, seen) = download(&stored, coding(Kind::Image, level, 0), &[]);
        assert_eq!(decompress_to_vec_zlib(&seen.wire).unwrap(), stored);
        assert!(watch.record().reads.iter().all(|&length| length <= at_once), "level {level}");
    }
}
