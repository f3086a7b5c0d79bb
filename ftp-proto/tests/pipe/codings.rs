//! Every TYPE, STRU and MODE together, both ways.

use crate::drive::{Names, Seen, Stored, drive};
use ftp_proto::host::{Entry, Metadata, StorageError};
use ftp_proto::listing::{Format, Listing};
use ftp_proto::testing::fuzz::with_plain_line_ends;
use ftp_proto::time::UnixTime;
use ftp_proto::transfer::{
    CodePage, Coding, Deflate, EndReason, Form, Kind, Malformed, Mark, Mode, Pipe, Step, Structure,
};
use quickcheck::{Arbitrary, Gen, QuickCheck};

const EBCDIC: Kind = Kind::Ebcdic(CodePage::Ibm1047);
const KINDS: [Kind; 4] = [Kind::Ascii, EBCDIC, Kind::Ebcdic(CodePage::Ibm037), Kind::Image];
const STRUCTURES: [Structure; 2] = [Structure::File, Structure::Record];
const MODES: [Mode; 4] =
    [Mode::Stream, Mode::Block, Mode::Compressed, Mode::Deflate(Deflate { level: 4, ratio: 0 })];

fn coding(kind: Kind, structure: Structure, mode: Mode) -> Coding {
    Coding { kind, form: Form::NonPrint, structure, mode }
}

fn all() -> impl Iterator<Item = Coding> {
    KINDS.into_iter().flat_map(|kind| {
        STRUCTURES
            .into_iter()
            .flat_map(move |structure| MODES.into_iter().map(move |mode| coding(kind, structure, mode)))
    })
}

/// Bytes that mean something to one coding or another, and runs of them.
#[derive(Clone, Debug)]
struct Content(Vec<u8>);

impl Arbitrary for Content {
    fn arbitrary(random: &mut Gen) -> Self {
        let mut bytes = Vec::new();
        for _ in 0..usize::arbitrary(random) % 24 {
            let byte = *random.choose(b"\r\n\r\n\0 \xff\x15\x40\x01\x02ab").unwrap();
            let count = *random.choose(&[1, 1, 1, 2, 3, 4, 5, 62, 63, 64, 127, 128, 200]).unwrap();
            bytes.resize(bytes.len() + count, byte);
        }
        Self(bytes)
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(Self))
    }
}

fn sent(stored: &[u8], start: u64, coding: Coding, choices: &[u8]) -> Vec<u8> {
    let (file, watch) = Stored::new(stored).boxed();
    watch.record().short_reads = choices.last().map(|&count| usize::from(count) + 1);
    let seen = drive(&mut Pipe::download(file, start, None, coding), None, b"", choices);
    assert_eq!(seen.end.outcome, Ok(()), "{coding}");
    assert_eq!(seen.end.bytes, seen.wire.len() as u64, "{coding}");
    seen.wire
}

fn received(wire: &[u8], coding: Coding, choices: &[u8]) -> (Vec<u8>, Seen) {
    let (file, watch) = Stored::new(b"").boxed();
    let seen = drive(&mut Pipe::upload(file, coding), None, wire, choices);
    let record = watch.record();
    assert_eq!(record.finished, [seen.end.outcome.is_ok()], "{coding}");
    assert!(record.largest_write <= (64 << 10) + wire.len().max(63), "{}", record.largest_write);
    (record.bytes.clone(), seen)
}

#[test]
// req: 959-3.1.2-same-file
fn what_was_sent_comes_back_the_same_however_its_bytes_are_cut() {
    fn property(content: Content, there: Vec<u8>, back: Vec<u8>) -> bool {
        all().all(|coding| {
            let wire = sent(&content.0, 0, coding, &there);
            // What is read at once makes a block.
            let depends = matches!(coding.mode, Mode::Block | Mode::Deflate(_));
            let same = depends || wire == sent(&content.0, 0, coding, b"");
            assert!(same, "{coding}: it depends on how it was cut");
            let (stored, seen) = received(&wire, coding, &back);
            assert_eq!(seen.end.outcome, Ok(()), "{coding}");
            let same = if coding.kind == Kind::Ascii {
                stored == with_plain_line_ends(&content.0)
            } else {
                stored == content.0
            };
            assert!(same, "{coding}: {:?}", stored.escape_ascii().to_string());
            true
        })
    }
    QuickCheck::new().tests(100).quickcheck(property as fn(Content, Vec<u8>, Vec<u8>) -> bool);
}

#[test]
fn a_restart_anywhere_sends_what_follows() {
    fn property(content: Content, at: u16, choices: Vec<u8>) -> bool {
        let at = usize::from(at) % (content.0.len() + 1);
        [Mode::Stream, Mode::Block].into_iter().all(|mode| {
            // Where a line end is cut in two, the client has the first half.
            let coding = coding(Kind::Ascii, Structure::File, mode);
            let wire = sent(&content.0, at as u64, coding, &choices);
            let (stored, _) = received(&wire, Coding { kind: Kind::Image, ..coding }, b"");
            let whole = sent(&content.0, 0, Coding::ASCII, b"");
            whole.ends_with(&stored)
                && with_plain_line_ends(&whole[..whole.len() - stored.len()]).len() <= at + 1
        })
    }
    QuickCheck::new().tests(100).quickcheck(property as fn(Content, u16, Vec<u8>) -> bool);
}

#[test]
fn in_a_stream_a_restart_counts_what_was_transferred() {
    fn property(content: Content, octets: u16, choices: Vec<u8>) -> bool {
        let whole = sent(&content.0, 0, Coding::ASCII, b"");
        let octets = usize::from(octets) % (whole.len() + 1);
        let (file, _) = Stored::new(&content.0).boxed();
        let mut pipe = Pipe::download(file, 0, None, Coding::ASCII).skipping(octets as u64);
        let seen = drive(&mut pipe, None, b"", &choices);
        seen.wire == whole[octets..]
            && seen.end.outcome == Ok(())
            && seen.end.bytes == (whole.len() - octets) as u64
    }
    QuickCheck::new().tests(100).quickcheck(property as fn(Content, u16, Vec<u8>) -> bool);
    let (file, _) = Stored::new(b"a\n").boxed();
    let mut pipe = Pipe::download(file, 0, None, Coding::ASCII).skipping(4);
    let seen = drive(&mut pipe, None, b"", b"");
    assert_eq!(seen.end.outcome, Err(EndReason::Storage(StorageError::BadOffset)));
}

#[test]
fn a_file_without_its_end_is_not_published() {
    fn property(content: Content, at: u16, choices: Vec<u8>) -> bool {
        all().filter(|coding| (coding.structure, coding.mode) != (Structure::File, Mode::Stream)).all(
            |coding| {
                let wire = sent(&content.0, 0, coding, b"");
                let (whole, _) = received(&wire, coding, b"");
                let cut = &wire[..usize::from(at) % wire.len()];
                let (stored, seen) = received(cut, coding, &choices);
                assert!(whole.starts_with(&stored), "{coding}");
                seen.end.outcome == Err(EndReason::Malformed(Malformed::NoEnd))
            },
        )
    }
    QuickCheck::new().tests(100).quickcheck(property as fn(Content, u16, Vec<u8>) -> bool);
}

#[test]
fn whatever_a_client_sends_it_is_stored_or_refused() {
    fn property(wire: Vec<u8>, choices: Vec<u8>) -> bool {
        all().all(|coding| {
            // Small bytes are lengths and descriptors that lead further.
            let small: Vec<u8> =
                wire.iter().map(|byte| byte % 8 * if byte % 3 == 0 { 16 } else { 1 }).collect();
            for wire in [&wire, &small] {
                let (stored, seen) = received(wire, coding, &choices);
                assert!(stored.len() <= 63 * wire.len() + 1);
                let malformed = matches!(seen.end.outcome, Err(EndReason::Malformed(_)));
                assert!(seen.end.outcome.is_ok() || malformed, "{:?}", seen.end.outcome);
                let (whole, other) = received(wire, coding, b"");
                assert_eq!(seen.end.outcome, other.end.outcome, "{coding}");
                assert!(malformed || stored == whole, "{coding}");
            }
            true
        })
    }
    QuickCheck::new().tests(200).quickcheck(property as fn(Vec<u8>, Vec<u8>) -> bool);
}

#[test]
fn few_bytes_that_stand_for_many_are_taken_in_pieces() {
    // 64 KiB that stand for 2 MiB, in one read.
    let mut wire = [0x80 | 63, b'x'].repeat(32 << 10);
    wire.extend([0, 64, 0xC0]);
    let coding = coding(Kind::Image, Structure::File, Mode::Compressed);
    let (file, watch) = Stored::new(b"").boxed();
    let mut pipe = Pipe::upload(file, coding);
    let seen = drive(&mut pipe, None, &wire, b"");
    assert_eq!(seen.end.outcome, Ok(()));
    let record = watch.record();
    assert_eq!(record.bytes.len(), 63 * (32 << 10));
    assert!(record.bytes.iter().all(|&byte| byte == b'x'));
    assert!(record.largest_write < (64 << 10) + 63, "{}", record.largest_write);
    assert_eq!(seen.count(&Step::Read), 1, "nothing is read while something waits");
}

#[test]
fn the_end_that_a_client_marks_is_not_waited_for() {
    for (coding, wire) in [
        (coding(Kind::Image, Structure::Record, Mode::Stream), &b"a\xff\x03"[..]),
        (coding(Kind::Image, Structure::File, Mode::Block), b"\x40\0\x01a"),
        (coding(Kind::Image, Structure::File, Mode::Compressed), b"\0\x40\x01a"),
    ] {
        let (file, watch) = Stored::new(b"").boxed();
        let mut pipe = Pipe::upload(file, coding);
        pipe.receive(crate::drive::at(0), &[wire, b"what follows is not of this file"].concat());
        assert_eq!(pipe.step(crate::drive::at(0)), Step::Turn, "{coding}");
        pipe.turn();
        assert!(matches!(pipe.step(crate::drive::at(0)), Step::End(end) if end.outcome.is_ok()));
        let expected = if coding.structure == Structure::Record { &b"a\n"[..] } else { b"a" };
        assert_eq!(watch.record().bytes, expected);
    }
}

/// What a client that knows blocks takes for data, and the markers with the number of bytes before each.
fn blocks(wire: &[u8]) -> (Vec<u8>, Vec<(usize, String)>) {
    let (mut data, mut markers, mut rest) = (Vec::new(), Vec::new(), wire);
    while let [descriptor, high, low, behind @ ..] = rest {
        let (block, behind) = behind.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        match descriptor {
            16 => markers.push((data.len(), String::from_utf8(block.to_vec()).unwrap())),
            0 | 64 => data.extend_from_slice(block),
            other => panic!("descriptor {other}"),
        }
        rest = behind;
    }
    (data, markers)
}

#[test]
// req: 959-3.5-marker-characters
fn downloads_carry_markers_from_which_they_can_be_resumed() {
    // Line ends of CR LF, one of them across the first mebibyte.
    let mut stored: Vec<u8> = (0..2_500_000).map(|at| b"abcdef\r\n"[(at + 7) % 8]).collect();
    stored[0] = b'x';
    assert_eq!(stored[(1 << 20) - 1..=1 << 20], *b"\r\n");
    let text = coding(Kind::Ascii, Structure::File, Mode::Block);
    let (data, markers) = blocks(&sent(&stored, 0, text, b""));
    assert!(data == stored);
    let texts: Vec<&str> = markers.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["1048577", "2097153"], "none stands in a line end");
    for (before, marker) in &markers {
        let (rest, _) = blocks(&sent(&stored, marker.parse().unwrap(), text, b""));
        assert!(rest == data[*before..]);
    }
    for coding in all()
        .filter(|coding| matches!(coding.mode, Mode::Block | Mode::Compressed) && coding.kind != Kind::Ascii)
    {
        let (stored_again, seen) = received(&sent(&stored, 0, coding, b""), coding, b"");
        let offsets: Vec<u64> = seen.marks.iter().map(|mark| mark.offset).collect();
        assert_eq!(offsets, [1 << 20, 2 << 20], "{coding}");
        assert!(seen.marks.iter().all(|mark| mark.text == mark.offset.to_string()));
        assert!(stored_again == stored, "{coding}");
    }
}

#[test]
// req: 1123-4.1.3.4-checkpoint
fn a_marker_is_told_when_all_before_it_is_written() {
    let coding = coding(Kind::Ascii, Structure::File, Mode::Block);
    let (file, watch) = Stored::new(b"").boxed();
    let mut pipe = Pipe::upload(file, coding);
    let now = crate::drive::at(0);
    pipe.receive(now, b"\0\0\x06ab\r\ncd\x10\0\x02#1\0\0\x01e");
    assert_eq!(pipe.step(now), Step::Turn);
    assert_eq!(watch.record().bytes, b"");
    pipe.turn();
    assert_eq!(watch.record().bytes, b"ab\ncde");
    assert_eq!(pipe.step(now), Step::Marked(Mark { text: "#1".into(), offset: 5 }));
    // In the middle of a line end there is no place to go on from.
    pipe.receive(now, b"\0\0\x01\r\x10\0\x01x\0\0\x01\n");
    assert_eq!(pipe.step(now), Step::Read);
    pipe.receive(now, b"\x40\0\0");
    pipe.turn();
    assert!(matches!(pipe.step(now), Step::End(end) if end.outcome.is_ok()));
    assert_eq!(watch.record().bytes, b"ab\ncde\n");
}

#[test]
fn of_too_many_markers_the_last_are_told() {
    let coding = coding(Kind::Image, Structure::File, Mode::Block);
    let mut wire = Vec::new();
    (0..100u8).for_each(|number| wire.extend([0, 0, 1, b'x', 16, 0, 1, b'!' + number % 90]));
    wire.extend([64, 0, 0]);
    let (stored, seen) = received(&wire, coding, b"");
    assert_eq!(stored.len(), 100);
    let offsets: Vec<u64> = seen.marks.iter().map(|mark| mark.offset).collect();
    assert_eq!(offsets, (93..=100).collect::<Vec<u64>>());
}

#[test]
fn what_is_malformed_is_told_apart() {
    use Malformed::{ControlCode, Descriptor, LineEndInRecord, Marker, NoEnd, Record};
    let record = |kind, mode| coding(kind, Structure::Record, mode);
    let file = |mode| coding(Kind::Image, Structure::File, mode);
    for (coding, wire, why) in [
        (record(Kind::Image, Mode::Stream), &b"a\xff\x04"[..], ControlCode),
        (record(Kind::Image, Mode::Stream), b"a\nb\xff\x03", LineEndInRecord),
        (record(Kind::Ascii, Mode::Block), b"\xc0\0\x04a\r\nb", LineEndInRecord),
        (record(EBCDIC, Mode::Block), b"\xc0\0\x03a\x15b", LineEndInRecord),
        (record(Kind::Image, Mode::Stream), b"a\xff\x01", NoEnd),
        (file(Mode::Block), b"\x80\0\x01a", Record),
        (file(Mode::Block), b"\x01\0\x01a", Descriptor),
        (file(Mode::Block), b"\x10\0\0", Marker),
        (file(Mode::Block), b"\x10\0\x80", Marker),
        (file(Mode::Block), b"\x10\0\x02a ", Marker),
        (file(Mode::Block), b"\x40\0\x02a", NoEnd),
        (file(Mode::Block), b"", NoEnd),
        (file(Mode::Compressed), b"\0\x08", Descriptor),
        (file(Mode::Compressed), b"\0\x10\0\x40", Marker),
        (file(Mode::Compressed), b"\0\x10\xc0", Marker),
        (file(Mode::Compressed), b"\x03ab", NoEnd),
    ] {
        let (_, seen) = received(wire, coding, b"");
        assert_eq!(seen.end.outcome, Err(EndReason::Malformed(why)), "{coding}: {}", wire.escape_ascii());
    }
}

#[test]
fn forms_on_the_wire() {
    for (coding, stored, wire) in [
        (
            coding(Kind::Ascii, Structure::Record, Mode::Stream),
            &b"ab\r\n\n\xffc"[..],
            &b"ab\xff\x01\xff\x01\xff\xffc\xff\x02"[..],
        ),
        (coding(EBCDIC, Structure::File, Mode::Stream), b"A\n", b"\xc1\x15"),
        (
            coding(EBCDIC, Structure::Record, Mode::Block),
            b"A\n\nB",
            b"\x80\0\x01\xc1\x80\0\0\0\0\x01\xc2\x40\0\0",
        ),
        (coding(Kind::Ascii, Structure::File, Mode::Block), b"a\n", b"\0\0\x03a\r\n\x40\0\0"),
        (coding(Kind::Ascii, Structure::File, Mode::Block), b"", b"\x40\0\0"),
        // The filler is a space in text; the descriptor stands before the last string.
        (
            coding(Kind::Ascii, Structure::Record, Mode::Compressed),
            b"a   bbbbc\n",
            b"\x01a\xc3\x84b\0\x80\x01c\0\x40\xc0",
        ),
        (coding(EBCDIC, Structure::File, Mode::Compressed), b"     ", b"\0\x40\xc5"),
        (coding(Kind::Image, Structure::File, Mode::Compressed), b"\0\0\0\0  x", b"\xc4\0\x40\x03  x"),
    ] {
        assert_eq!(
            sent(stored, 0, coding, b"").escape_ascii().to_string(),
            wire.escape_ascii().to_string(),
            "{coding}"
        );
    }
    // Other servers and clients say the same in other words.
    for (coding, wire, stored) in [
        (coding(Kind::Image, Structure::Record, Mode::Stream), &b"a\xff\x01b\xff\x03"[..], &b"a\nb\n"[..]),
        (coding(Kind::Image, Structure::Record, Mode::Block), b"\x20\0\x01a\xc0\0\x01b", b"ab\n"),
        (coding(Kind::Image, Structure::Record, Mode::Compressed), b"\x01a\0\x80\0\x40\x80x", b"a\n"),
        (coding(Kind::Image, Structure::Record, Mode::Compressed), b"\0\xc0\x83a", b"aaa\n"),
    ] {
        let (came, seen) = received(wire, coding, b"");
        assert_eq!((came.as_slice(), seen.end.outcome), (stored, Ok(())), "{coding}");
    }
}

#[test]
fn equal_bytes_are_sent_in_short() {
    let stored: Vec<u8> = (0..1 << 16).map(|at| if at % 64 < 60 { b' ' } else { b'x' }).collect();
    let wire = sent(&stored, 0, coding(Kind::Ascii, Structure::File, Mode::Compressed), b"");
    assert!(wire.len() < stored.len() / 16, "{}", wire.len());
}

#[test]
fn listings_are_coded_like_files() {
    let entries =
        || (0..3u8).map(|number| Ok(Entry { name: vec![b'a' + number], metadata: Metadata::default() }));
    let listing = Listing::new(Format::Names, UnixTime::default());
    for coding in all() {
        let mut pipe = Pipe::listing(Box::new(Names(entries())), listing.clone(), coding);
        let seen = drive(&mut pipe, None, b"", b"");
        // In TYPE I it is text nevertheless.
        let kind = if coding.kind == Kind::Image { Kind::Ascii } else { coding.kind };
        let (text, _) = received(&seen.wire, Coding { kind, ..coding }, b"");
        assert_eq!(text, b"a\nb\nc\n", "{coding}");
    }
}
