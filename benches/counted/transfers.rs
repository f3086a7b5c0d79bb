//! Whole transfers, from the command that asks for a port to 226, and the steps of pipes.

use crate::still::{ENTRIES, Still};
use crate::talk::{Talk, pump};
use crate::{Row, Work};
use ftp_proto::transfer::{CodePage, Coding, Deflate, Kind, Mode, Pipe, Structure};

const KIB: usize = 1024;
/// What is counted once, and how many of them are in a file.
const PIECE: usize = 64 * KIB;
const PIECES: usize = 16;

pub(crate) const PATHS: &[Row] = &[
    ("EPSV, RETR of 1 KiB", 1, || transfer(b"RETR a\r\n", KIB as u64)),
    ("EPSV, STOR of 1 KiB", 1, || transfer(b"STOR a\r\n", KIB as u64)),
    ("LIST, an entry of 1,000", ENTRIES as u64, || transfer(b"LIST\r\n", 72_000)),
    ("MLSD, an entry of 1,000", ENTRIES as u64, || transfer(b"MLSD\r\n", 87_882)),
    ("NLST, an entry of 1,000", ENTRIES as u64, || transfer(b"NLST\r\n", 17_000)),
    ("download, 64 KiB", PIECES as u64, || download(Coding::IMAGE)),
    ("download in ASCII, 64 KiB", PIECES as u64, || download(Coding::ASCII)),
    ("download in EBCDIC, 64 KiB", PIECES as u64, || download(EBCDIC)),
    ("download in records, 64 KiB", PIECES as u64, || download(RECORDS)),
    ("download in blocks, 64 KiB", PIECES as u64, || download(in_mode(Mode::Block))),
    ("download in MODE C, 64 KiB", PIECES as u64, || download(in_mode(Mode::Compressed))),
    ("download in MODE Z, 64 KiB", PIECES as u64, || download(in_mode(DEFLATE))),
    ("upload, 64 KiB", PIECES as u64, || upload(Coding::IMAGE)),
    ("upload in ASCII, 64 KiB", PIECES as u64, || upload(Coding::ASCII)),
];

const EBCDIC: Coding = Coding { kind: Kind::Ebcdic(CodePage::Ibm1047), ..Coding::ASCII };
const RECORDS: Coding = Coding { structure: Structure::Record, ..Coding::ASCII };
const DEFLATE: Mode = Mode::Deflate(Deflate { level: 4, ratio: 0 });

const fn in_mode(mode: Mode) -> Coding {
    Coding { mode, ..Coding::ASCII }
}

fn transfer(line: &'static [u8], bytes: u64) -> Work {
    let mut talk = Talk::logged_in(Still::new([7; KIB]));
    Box::new(move || {
        talk.say(b"EPSV\r\n", b"229 ");
        talk.connect();
        talk.say(line, b"150 ");
        assert_eq!(talk.downloaded, bytes, "bytes moved");
    })
}

/// Lines of 40 to 80 bytes with this end.
fn lines(end: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(PIECES * PIECE + 100);
    for number in 0.. {
        text.resize(text.len() + 40 + number * 17 % 41, b'a' + (number % 26) as u8);
        text.extend(end.as_bytes());
        if text.len() >= PIECES * PIECE {
            break;
        }
    }
    text.truncate(PIECES * PIECE);
    text
}

fn download(coding: Coding) -> Work {
    let still = Still::new(lines("\n"));
    Box::new(move || {
        let end = pump(Pipe::download(still.open_file(), 0, None, coding), &[]);
        assert_eq!(end.outcome, Ok(()));
    })
}

fn upload(coding: Coding) -> Work {
    let still = Still::new([]);
    let wire = lines("\r\n");
    Box::new(move || {
        let end = pump(Pipe::upload(still.open_file(), coding), &wire);
        assert_eq!((end.bytes, end.outcome), ((PIECES * PIECE) as u64, Ok(())));
    })
}
