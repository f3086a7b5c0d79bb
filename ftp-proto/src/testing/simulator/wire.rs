//! How a client of the simulated world reads and writes files in each TYPE, STRU and MODE (RFC 959 section 3). It knows
//! nothing of the server's codecs: it has all bytes at once, and no need to be quick.

use super::choices::Choices;
use crate::transfer::{Coding, Kind, Mode, Structure};
use alloc::vec::Vec;
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib;

const END_OF_RECORD: u8 = 128;
const END_OF_FILE: u8 = 64;
const MARKER: u8 = 16;

/// A record of a file, and whether it has an end. A file without records (STRU F) is a single one.
type Record = (Vec<u8>, bool);

/// A file on its way to the server.
pub(super) fn encode(stored: &[u8], coding: Coding, choices: &mut Choices<'_>) -> Vec<u8> {
    let records = to_records(stored, coding);
    match coding.mode {
        Mode::Stream => stream(&records, coding),
        Mode::Block => blocks(&records, choices),
        Mode::Compressed => compressed(&records, choices),
        Mode::Deflate(_) => {
            let level = u8::try_from(choices.below(10)).unwrap_or(0);
            compress_to_vec_zlib(&stream(&records, coding), level)
        }
    }
}

/// The file that came, with the line ends of a storage; `None`: it is not whole.
pub(super) fn decode(wire: &[u8], coding: Coding) -> Option<Vec<u8>> {
    let records = match coding.mode {
        Mode::Stream => from_stream(wire, coding),
        Mode::Block => from_blocks(wire),
        Mode::Compressed => from_compressed(wire, coding),
        Mode::Deflate(_) => from_stream(&decompress_to_vec_zlib(wire).ok()?, coding),
    }?;
    let mut stored = Vec::new();
    for (text, ends) in records {
        stored.extend(text.iter().map(|&byte| if is_ebcdic(coding) { from_ebcdic(byte) } else { byte }));
        if ends {
            stored.push(b'\n');
        }
    }
    Some(plain(&stored, coding))
}

/// What is said of a text in TYPE A holds for both line ends.
pub(super) fn plain(stored: &[u8], coding: Coding) -> Vec<u8> {
    let mut plain: Vec<u8> = Vec::new();
    for &byte in stored {
        if byte == b'\n' && coding.kind == Kind::Ascii && plain.last() == Some(&b'\r') {
            plain.pop();
        }
        plain.push(byte);
    }
    plain
}

fn is_ebcdic(coding: Coding) -> bool {
    matches!(coding.kind, Kind::Ebcdic(_))
}

fn to_records(stored: &[u8], coding: Coding) -> Vec<Record> {
    let letters = |text: &[u8]| -> Vec<u8> {
        text.iter().map(|&byte| if is_ebcdic(coding) { to_ebcdic(byte) } else { byte }).collect()
    };
    if coding.structure == Structure::File {
        let mut text = Vec::new();
        for &byte in stored {
            text.extend((byte == b'\n' && coding.kind == Kind::Ascii).then_some(b'\r'));
            text.push(byte);
        }
        return Vec::from([(letters(&text), false)]);
    }
    let lines = stored.split_inclusive(|&byte| byte == b'\n');
    lines.map(|line| (letters(line.strip_suffix(b"\n").unwrap_or(line)), line.ends_with(b"\n"))).collect()
}

// MODE S: records end by an escape, if there are any.

fn stream(records: &[Record], coding: Coding) -> Vec<u8> {
    if coding.structure == Structure::File {
        return records.iter().flat_map(|(text, _)| text.clone()).collect();
    }
    let mut wire = Vec::new();
    for (text, ends) in records {
        for &byte in text {
            wire.extend((byte == 255).then_some(255));
            wire.push(byte);
        }
        wire.extend_from_slice(if *ends { &[255, 1] } else { &[] });
    }
    wire.extend([255, 2]);
    wire
}

fn from_stream(wire: &[u8], coding: Coding) -> Option<Vec<Record>> {
    if coding.structure == Structure::File {
        return Some(Vec::from([(wire.to_vec(), false)]));
    }
    let (mut records, mut text) = (Vec::new(), Vec::new());
    let mut bytes = wire.iter();
    loop {
        match (*bytes.next()?, text.len()) {
            (255, _) => match bytes.next()? {
                1 => records.push((core::mem::take(&mut text), true)),
                2 => break,
                3 => {
                    records.push((core::mem::take(&mut text), true));
                    break;
                }
                255 => text.push(255),
                _ => return None,
            },
            (byte, _) => text.push(byte),
        }
    }
    records.push((text, false));
    Some(records)
}

// MODE B.

fn blocks(records: &[Record], choices: &mut Choices<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut block = |descriptor: u8, text: &[u8]| {
        wire.push(descriptor);
        wire.extend(u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
        wire.extend(text);
    };
    for (text, ends) in records {
        for piece in text.chunks(1 + choices.below(300)) {
            if choices.one_in(8) {
                block(MARKER, b"here");
            }
            block(0, piece);
        }
        if *ends {
            block(END_OF_RECORD, b"");
        }
    }
    block(END_OF_FILE, b"");
    wire
}

fn from_blocks(mut wire: &[u8]) -> Option<Vec<Record>> {
    let (mut records, mut text) = (Vec::new(), Vec::new());
    loop {
        let (&[descriptor, high, low], rest) = wire.split_first_chunk()?;
        let (data, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
        wire = rest;
        if descriptor & MARKER == 0 {
            text.extend(data);
        }
        if end(descriptor, &mut text, &mut records) {
            return Some(records);
        }
    }
}

/// What stands in a descriptor; whether it is the end of the file.
fn end(descriptor: u8, text: &mut Vec<u8>, records: &mut Vec<Record>) -> bool {
    if descriptor & END_OF_RECORD != 0 {
        records.push((core::mem::take(text), true));
    }
    let ends = descriptor & END_OF_FILE != 0;
    if ends {
        records.push((core::mem::take(text), false));
    }
    ends
}

// MODE C. A descriptor is for the string behind it, which may be an empty one.

const NO_FILLER: u8 = 0b1100_0000;

fn compressed(records: &[Record], choices: &mut Choices<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    for (text, ends) in records {
        for run in text.chunk_by(|one, next| one == next) {
            for piece in run.chunks(1 + choices.below(63)) {
                match (u8::try_from(piece.len()), piece.first()) {
                    (Ok(count @ 2..=63), Some(&byte)) => wire.extend([128 | count, byte]),
                    _ => {
                        wire.push(u8::try_from(piece.len()).unwrap_or(0));
                        wire.extend(piece);
                    }
                }
            }
        }
        if choices.one_in(8) {
            wire.extend([0, MARKER, 4]);
            wire.extend(b"here");
        }
        wire.extend_from_slice(if *ends { &[0, END_OF_RECORD, NO_FILLER] } else { &[] });
    }
    wire.extend([0, END_OF_FILE, NO_FILLER]);
    wire
}

fn from_compressed(mut wire: &[u8], coding: Coding) -> Option<Vec<Record>> {
    let filler = match coding.kind {
        Kind::Ascii => b' ',
        Kind::Ebcdic(_) => 0x40,
        Kind::Image => 0,
    };
    let (mut records, mut text) = (Vec::new(), Vec::new());
    loop {
        let mut descriptor = 0;
        if let [0, given, rest @ ..] = wire {
            (descriptor, wire) = (*given, rest);
        }
        let (&head, rest) = wire.split_first()?;
        let count = usize::from(head & 63);
        let string = match head >> 6 {
            0 | 1 => {
                let (data, rest) = rest.split_at_checked(usize::from(head))?;
                wire = rest;
                data.to_vec()
            }
            2 => {
                let (&byte, rest) = rest.split_first()?;
                wire = rest;
                alloc::vec![byte; count]
            }
            _ => {
                wire = rest;
                alloc::vec![filler; count]
            }
        };
        if descriptor & MARKER == 0 {
            text.extend(string);
        }
        if end(descriptor, &mut text, &mut records) {
            return Some(records);
        }
    }
}

// EBCDIC, as far as the files of this world go: small letters, line ends and BEL.

/// What stands for a byte that is none of these: a client has sent its file before it knew of TYPE E.
pub(super) const UNKNOWN: u8 = b'?';

/// The first letter of each row of letters, and where the row stands.
const ROWS: [(u8, u8); 3] = [(b'a', 0x81), (b'j', 0x91), (b's', 0xa2)];

fn to_ebcdic(byte: u8) -> u8 {
    match byte {
        b'\n' => 0x15,
        b'\r' => b'\r',
        7 => 0x2f,
        _ => {
            ROWS.iter().rev().find(|(first, _)| byte >= *first).map_or(0x6f, |(first, at)| byte - first + at)
        }
    }
}

fn from_ebcdic(byte: u8) -> u8 {
    match byte {
        0x15 => b'\n',
        b'\r' => b'\r',
        0x2f => 7,
        _ => ROWS.iter().rev().find(|(_, at)| byte >= *at).map_or(UNKNOWN, |(first, at)| byte - at + first),
    }
}
