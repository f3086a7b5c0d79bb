use super::*;
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::string::String;
use std::vec;

/// Three lines, as Python's zlib (1.2.13) makes streams of them.
const LINE: &[u8] = b"2026-11-29 alice RETR /pub/report.txt 226\n";

/// Level 9; a dynamic block would be longer.
const LEVEL_9: &[u8] = b"\x78\xda\x33\x32\x30\x32\xd3\x35\x34\xd4\x35\xb2\x54\x48\xcc\xc9\x4c\x4e\x55\x08\x72\x0d\x09\
    \x52\xd0\x2f\x28\x4d\xd2\x2f\x4a\x2d\xc8\x2f\x2a\xd1\x2b\xa9\x28\x51\x30\x32\x32\xe3\x32\xa2\x81\x4a\x00\xd8\
    \x2e\x24\x5e";
/// The same with a window of 512 bytes.
const SMALL_WINDOW: &[u8] = b"\x18\x95\x33\x32\x30\x32\xd3\x35\x34\xd4\x35\xb2\x54\x48\xcc\xc9\x4c\x4e\x55\x08\x72\x0d\
    \x09\x52\xd0\x2f\x28\x4d\xd2\x2f\x4a\x2d\xc8\x2f\x2a\xd1\x2b\xa9\x28\x51\x30\x32\x32\xe3\x32\xa2\x81\x4a\x00\
    \xd8\x2e\x24\x5e";
/// A dynamic block without matches.
const HUFFMAN_ONLY: &[u8] = b"\x78\x01\x05\xc1\x51\x0a\x40\x11\x10\x05\xd0\xff\xb7\x8a\xd9\x00\xc3\xfd\x50\x16\x60\x03\
    \xb2\x01\xe4\x43\x29\x93\x46\x59\xfe\x3b\x07\x0e\xc1\x78\x6f\x10\xa9\xae\xd9\x07\xe5\x54\x32\xb1\xdc\xc6\x67\
    \xc8\x3e\x6a\xf5\x29\x01\xe1\x83\x43\x30\xde\x1b\x44\xaa\x6b\xf6\x41\x39\x95\x4c\x2c\xb7\xf1\x19\xb2\x8f\x5a\
    \x7d\x4a\x40\xf8\xe0\x10\x8c\xf7\x06\x91\xea\x9a\x7d\x50\x4e\x25\x13\xcb\x6d\x7c\x86\xec\xa3\x56\x9f\x12\x10\
    \xbe\x1f\xd8\x2e\x24\x5e";
/// Flushed in its middle (Z_SYNC_FLUSH).
const FLUSHED: &[u8] = b"\x78\x9c\x32\x32\x30\x32\xd3\x35\x34\xd4\x35\xb2\x54\x48\xcc\xc9\x4c\x4e\x55\x08\x72\x0d\x09\
    \x52\xd0\x2f\x28\x4d\xd2\x2f\x4a\x2d\xc8\x2f\x2a\xd1\x2b\xa9\x28\x51\x30\x32\x32\xe3\x32\x82\xaa\x04\x00\x00\
    \x00\xff\xff\xa3\xa6\x4a\x00\xd8\x2e\x24\x5e";
/// With a preset dictionary, of which nobody has told.
const DICTIONARY: &[u8] =
    b"\x78\xbb\x45\x56\x07\x2d\x33\x32\x30\x32\xd3\x35\x34\xd4\x35\xb2\x54\x48\xcc\xc9\x4c\x4e\x55\
    \x08\xc2\xa2\x48\xc1\xc8\xc8\x8c\x8b\x16\x2a\x01\xd8\x2e\x24\x5e";
/// Of nothing at all.
const EMPTY: &[u8] = b"\x78\x9c\x03\x00\x00\x00\x00\x01";

/// Compresses pieces.
fn compressed(pieces: &[Vec<u8>], level: u8) -> Vec<u8> {
    let (mut compressor, mut wire) = (Compressor::new(level), Vec::new());
    for piece in pieces {
        let before = wire.len();
        compressor.compress(piece, &mut wire);
        assert!(wire.len() - before <= piece.len() + 100 * 1024, "more than what came and what was held");
    }
    compressor.finish(&mut wire);
    wire
}

/// Decompresses pieces, with so much room at once; the bytes before an error count. Whether the stream has ended.
fn read(pieces: &[&[u8]], room: usize, ratio: u32) -> (Vec<u8>, Result<bool, Malformed>) {
    let (mut decompressor, mut plain) = (Decompressor::new(ratio), Vec::new());
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let before = plain.len();
            let outcome = decompressor.decompress(&mut rest, &mut plain, room);
            assert!(plain.len() - before <= room, "more than the room");
            match outcome {
                Ok(Pause::Full) => {}
                Ok(pause @ (Pause::Marker(_) | Pause::End)) => panic!("{pause:?}"),
                Ok(Pause::Hungry) => break assert!(rest.is_empty(), "hungry, and something is left"),
                Err(error) => return (plain, Err(error)),
            }
        }
    }
    (plain, Ok(decompressor.is_at_end()))
}

fn decompressed(wire: &[u8]) -> (Vec<u8>, Result<bool, Malformed>) {
    read(&[wire], 1 << 20, 0)
}

/// What a file may hold: noise, repeats, runs.
#[derive(Clone, Debug)]
struct Content {
    pieces: Vec<Vec<u8>>,
    level: u8,
    room: usize,
    cut: usize,
}

impl Arbitrary for Content {
    fn arbitrary(random: &mut Gen) -> Self {
        let room = *random.choose(&[1, 7, 1_000, PIECE, 100_000]).unwrap();
        let cut = usize::arbitrary(random) % *random.choose(&[2, 100, 10_000]).unwrap() + 1;
        // Small steps take long.
        let longest: &[usize] = if room.min(cut) < 100 { &[1, 20, 500] } else { &[20, 5_000, 70_000] };
        let mut piece = || {
            let length = usize::arbitrary(random) % *random.choose(longest).unwrap();
            let mut seed = u64::arbitrary(random) | 1;
            let kind = u8::arbitrary(random) % 3;
            let mut byte = move |at: usize| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                match kind {
                    0 => seed as u8,
                    1 => LINE[at % LINE.len()],
                    _ => 0,
                }
            };
            (0..length).map(&mut byte).collect()
        };
        let pieces = (0..4).map(|_| piece()).collect();
        Self { pieces, level: u8::arbitrary(random) % 10, room, cut }
    }
}

#[test]
fn what_was_compressed_comes_back_whatever_the_cuts_and_rooms() {
    fn property(content: Content) -> bool {
        let wire = compressed(&content.pieces, content.level);
        let pieces: Vec<&[u8]> = wire.chunks(content.cut).collect();
        read(&pieces, content.room, 0) == (content.pieces.concat(), Ok(true))
    }
    QuickCheck::new().tests(60).quickcheck(property as fn(Content) -> bool);
}

#[test]
fn every_level_makes_a_stream() {
    let text = LINE.repeat(1_000);
    let mut sizes = Vec::new();
    for level in 0..=HIGHEST_LEVEL {
        let wire = compressed(std::slice::from_ref(&text), level);
        assert_eq!(decompressed(&wire), (text.clone(), Ok(true)), "level {level}");
        sizes.push(wire.len());
    }
    assert!(sizes[0] > text.len(), "level 0 stores");
    assert!(sizes[1..].iter().all(|&size| size < text.len() / 50), "{sizes:?}");
    assert_eq!(compressed(std::slice::from_ref(&text), 200), compressed(&[text], 9), "more means 9");
}

#[test]
fn streams_of_another_library_are_read() {
    for stream in [LEVEL_9, SMALL_WINDOW, HUFFMAN_ONLY, FLUSHED] {
        assert_eq!(decompressed(stream), (LINE.repeat(3), Ok(true)));
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes, 1, 0), (LINE.repeat(3), Ok(true)));
    }
    assert_eq!(decompressed(EMPTY), (vec![], Ok(true)));
    assert_eq!(compressed(&[], 6).len(), EMPTY.len());
}

#[test]
fn a_stream_that_ends_early_is_not_at_its_end() {
    for stream in [LEVEL_9, HUFFMAN_ONLY, FLUSHED, EMPTY] {
        for length in 0..stream.len() {
            let (plain, outcome) = decompressed(&stream[..length]);
            assert_eq!(outcome, Ok(false), "{length}");
            assert!(LINE.repeat(3).starts_with(&plain), "{length}");
        }
    }
}

#[test]
fn bytes_behind_the_end_are_an_error() {
    let mut stream = LEVEL_9.to_vec();
    stream.push(b'\n');
    assert_eq!(decompressed(&stream), (LINE.repeat(3), Err(Malformed::BehindEnd)));
    assert_eq!(read(&[LEVEL_9, b"\n"], 1 << 20, 0), (LINE.repeat(3), Err(Malformed::BehindEnd)));
    assert_eq!(read(&[LEVEL_9, b"\n"], 126, 0), (LINE.repeat(3), Err(Malformed::BehindEnd)));
    assert_eq!(read(&[LEVEL_9, b""], 1 << 20, 0), (LINE.repeat(3), Ok(true)));
}

#[test]
fn what_is_no_zlib_stream_is_an_error() {
    for bytes in [&b"\x1f\x8b\x08\x00"[..], b"220 hello", b"\x78\x9d", b"\x00\x00", DICTIONARY] {
        assert_eq!(decompressed(bytes).1, Err(Malformed::NotDeflated), "{bytes:?}");
    }
    // The checksum is the last word.
    let mut stream = LEVEL_9.to_vec();
    *stream.last_mut().unwrap() ^= 1;
    assert_eq!(decompressed(&stream).1, Err(Malformed::NotDeflated));
}

#[test]
fn no_flipped_bit_goes_through_unseen() {
    for at in 0..LEVEL_9.len() * 8 {
        let mut stream = LEVEL_9.to_vec();
        stream[at / 8] ^= 1 << (at % 8);
        let (plain, outcome) = decompressed(&stream);
        // Bits 5 to 7 of the second byte say how hard the sender tried, its checksum aside.
        assert!(
            outcome != Ok(true) || plain == LINE.repeat(3),
            "bit {at}: {}",
            String::from_utf8_lossy(&plain)
        );
    }
}

#[test]
fn noise_neither_panics_nor_goes_beyond_its_room() {
    fn property(noise: Vec<u8>, room: usize) -> bool {
        let mut stream = b"\x78\x9c".to_vec();
        stream.extend(noise);
        let _ = read(&[&stream], room % 5_000 + 1, 0);
        true
    }
    QuickCheck::new().tests(500).quickcheck(property as fn(Vec<u8>, usize) -> bool);
}

#[test]
fn a_bomb_goes_off_in_pieces() {
    let wire = compressed(&[vec![0; 1 << 20]], 9);
    assert!(wire.len() < 1_100, "{}", wire.len());
    let (mut decompressor, mut plain, mut rest) = (Decompressor::new(0), Vec::new(), &wire[..]);
    assert_eq!(decompressor.decompress(&mut rest, &mut plain, 64 * 1024), Ok(Pause::Full));
    assert_eq!(plain.len(), 64 * 1024);
    assert!(!rest.is_empty());
    assert!(!decompressor.is_at_end());
}

#[test]
fn a_ratio_is_kept_beyond_what_is_free() {
    let of = |length: u64| compressed(&[vec![0; usize::try_from(length).unwrap()]], 9);
    let outcome = |wire: &[u8], ratio| {
        let (plain, outcome) = read(&[wire], PIECE, ratio);
        (plain.len() as u64, outcome)
    };
    // So little is no attack.
    assert_eq!(outcome(&of(FREE), 10), (FREE, Ok(true)));
    let large = of(2 * FREE);
    let (made, stopped) = outcome(&large, 10);
    assert_eq!(stopped, Err(Malformed::Expands));
    assert!(made <= FREE + 2 * PIECE as u64, "{made}");
    // Zeros become some 1 in 1,030, and nothing becomes less.
    assert_eq!(outcome(&large, 1_100), (2 * FREE, Ok(true)));
    assert_eq!(outcome(&large, 0), (2 * FREE, Ok(true)));
}
