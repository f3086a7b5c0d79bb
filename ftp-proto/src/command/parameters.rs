//! Transfer parameters: TYPE STRU MODE REST ALLO OPTS.

use super::args::Arg;
use super::{Gate, is_open};
use crate::account::Rights;
use crate::config::AlloReply;
use crate::event::{FileJob, Part};
use crate::host::Abilities;
use crate::listing::Facts;
use crate::reply::Reply;
use crate::session::{Pending, Reaction, Turn};
use crate::transfer::{Deflate, Form, Kind, Mode, Structure};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The words of an argument, in capitals.
fn words(arg: &Arg<'_>) -> Vec<Vec<u8>> {
    let Arg::Text(text) = arg else { return Vec::new() };
    in_capitals(text)
}

fn in_capitals(text: &[u8]) -> Vec<Vec<u8>> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(<[u8]>::to_ascii_uppercase)
        .collect()
}

/// RFC 959 section 3.1.1; L 8 is the same as I on machines with bytes of 8 bits (RFC 1123 section 4.1.2.1). Both letters
/// may stand together.
// req: 959-3.1.1.1-accepted, 959-3.1.1.3-accepted, 959-3.1.1.4-byte-size, 959-3.1.1.5.1-accepted
// req: 959-3.1.1.5.1-default, 959-3.1.1.5.2-carriage-control, 959-3.1.1.5.2-telnet-controls
// req: 959-4.1.2-defaults-remembered, 959-4.1.2-format-returns, 959-4.1.2-type-codes, 959-4.2.2-504
// req: 1123-4.1.2.1-local-8, 1123-4.1.2.2-telnet-format, 1123-4.1.2.13-types
pub(super) fn type_(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let words = words(&arg);
    let (letter, second) = match words.as_slice() {
        [word] => word.split_at_checked(1).unwrap_or((word, &[])),
        [letter, second] => (letter.as_slice(), second.as_slice()),
        _ => (&[][..], &[][..]),
    };
    let page = turn.session.config.transfers.ebcdic;
    let form = match second {
        b"" | b"N" => Some(Form::NonPrint),
        b"T" => Some(Form::Telnet),
        b"C" => Some(Form::CarriageControl),
        _ => None,
    };
    let (kind, form) = match (letter, form) {
        (b"A", Some(form)) => (Kind::Ascii, form),
        (b"E", Some(form)) => (Kind::Ebcdic(page), form),
        (b"I", Some(Form::NonPrint)) => (Kind::Image, Form::NonPrint),
        (b"L", _) if second == b"8" => (Kind::Image, Form::NonPrint),
        (b"L", _) if !second.is_empty() && second.iter().all(u8::is_ascii_digit) => {
            return Reply::new(504, "Bytes have 8 bits here; use TYPE L 8.").into();
        }
        _ => {
            let text = "The argument is wrong; the syntax is TYPE A [N|T|C] | E [N|T|C] | I | L 8";
            return Reply::new(501, text).into();
        }
    };
    let coding = &mut turn.session.modes.coding;
    (coding.kind, coding.form) = (kind, form);
    match (kind, form) {
        (Kind::Image, _) => Reply::new(200, "Type is image (binary).").into(),
        (_, Form::NonPrint) => Reply::with(200, format!("Type is {}.", kind.name())).into(),
        _ => Reply::with(200, format!("Type is {}, {}.", kind.name(), form.name())).into(),
    }
}

/// RFC 959 section 3.1.2. Pages were for one system, and a server should not have them (RFC 1123 section 4.1.2.3).
// req: 959-3.1.2-default, 959-3.1.2.2-accepted, 959-4.1.2-stru, 959-5.1-stru-r, 1123-4.1.2.3-page
// req: 1123-4.1.2.13-structure
pub(super) fn stru(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let structure = match words(&arg).as_slice() {
        [letter] if letter == b"F" => Structure::File,
        [letter] if letter == b"R" => Structure::Record,
        [letter] if letter == b"P" => {
            return Reply::new(504, "There are no pages here; use STRU F or STRU R.").into();
        }
        _ => return Reply::new(501, "The argument is wrong; the syntax is STRU F | R").into(),
    };
    turn.session.modes.coding.structure = structure;
    Reply::with(200, format!("Structure is {}.", structure.name())).into()
}

/// RFC 959 section 3.4, and draft-preston-ftpext-deflate.
// req: 959-3.4.2-mode, 959-3.4.3-mode, 959-4.1.2-mode, 1123-4.1.2.13-mode
pub(super) fn mode(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let mode = match words(&arg).as_slice() {
        [letter] if letter == b"S" => Mode::Stream,
        [letter] if letter == b"B" => Mode::Block,
        [letter] if letter == b"C" => Mode::Compressed,
        [letter] if letter == b"Z" && is_open(Gate::Deflate, turn.session) => {
            Mode::Deflate(Deflate::default())
        }
        [letter] if letter == b"Z" => {
            return Reply::new(504, "MODE Z is switched off; use MODE S, B or C.").into();
        }
        _ => return Reply::new(501, "The argument is wrong; the syntax is MODE S | B | C | Z").into(),
    };
    turn.session.modes.coding.mode = mode;
    Reply::with(200, format!("Mode is {}.", mode.name())).into()
}

/// RFC 3659 section 5 for MODE S, RFC 959 section 3.5 for MODE B and C, where it is a marker of this server's, which is
/// a number as well. Checked against the file when the transfer begins.
// req: 959-6-rest, 1123-4.1.3.4-rest, 3659-5.3-350
pub(super) fn rest(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Number(offset) = arg else { return Reaction::Silent };
    turn.session.modes.set_restart(offset);
    Reply::with(350, format!("The next transfer begins at {offset}.")).into()
}

/// draft-bryan-ftp-range section 3: the first and the last byte. `1 0` ends it.
pub(super) fn rang(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let words = words(&arg);
    let number = |word: &Vec<u8>| super::args::number(word);
    let (first, last) = match words.as_slice() {
        [first, last] => (number(first), number(last)),
        _ => (None, None),
    };
    match (first, last) {
        (Some(1), Some(0)) => {
            turn.session.modes.set_range(None);
            Reply::new(350, "The next transfer is of the whole file.").into()
        }
        (Some(first), Some(last)) if first <= last => {
            let part = Part { start: first, end: Some(last.saturating_add(1)) };
            turn.session.modes.set_range(Some(part));
            Reply::with(350, format!("The next transfer is of the bytes {first} to {last}.")).into()
        }
        _ => Reply::new(501, "The argument is wrong; the syntax is RANG <first byte> <last byte>").into(),
    }
}

/// 200 to whom no profile says otherwise: some cameras give up at a 202.
// req: 959-4.1.3-allo, 959-4.1.3-allo-record-size, 959-4.2-200-or-502
pub(super) fn allo(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let words = words(&arg);
    let number = |word: &Vec<u8>| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let size = match words.as_slice() {
        [size] if number(size) => size,
        [size, r, record] if number(size) && r == b"R" && number(record) => size,
        _ => {
            return Reply::new(501, "The argument is wrong; the syntax is ALLO <bytes> [R <record size>]")
                .into();
        }
    };
    let code = match turn.session.quirks.allo {
        AlloReply::Done => 200,
        AlloReply::Superfluous => 202,
    };
    // More digits than fit into it are more bytes than there are anywhere.
    let wanted = super::args::number(size).unwrap_or(u64::MAX);
    let directory = turn.session.modes.directory.clone();
    let account = turn.session.login.account();
    let can_tell = account.is_some_and(|account| account.storage.abilities().contains(Abilities::AVAILABLE));
    // As for AVBL: how much room there is, is for who may use it.
    if !can_tell || !turn.may(&directory, Rights::CREATE) {
        return room_known(wanted, code, None).into();
    }
    turn.files(FileJob::Available, directory, |_| Pending::Room { wanted, code })
}

/// What there is room for. It is no error to ask for more: the upload may replace a file or go on with one, and whoever
/// leaves at an error would then do so for nothing.
pub(crate) fn room_known(wanted: u64, code: u16, available: Option<u64>) -> Reply {
    match available.filter(|available| *available < wanted) {
        None => Reply::new(code, "Nothing has to be reserved."),
        Some(room) => {
            Reply::with(code, format!("Nothing has to be reserved, but there is room for {room} bytes only."))
        }
    }
}

const NO_OPTIONS: Reply = Reply::new(501, "There are no options for that.");

/// What OPTS is for: the name of a command or feature, and what takes the words behind it.
type Opts = (&'static str, fn(&mut Turn<'_>, &[u8]) -> Reply);

const OPTIONS: &[Opts] = &[
    #[cfg(feature = "digests")]
    ("HASH", super::digests::options),
    ("MLST", facts),
    ("MODE", mode_options),
    ("UTF-8", utf_8),
    ("UTF8", utf_8),
];

/// RFC 2389 section 4. UTF8 is draft-ietf-ftpext-utf-8-option-00; RFC 2640 has UTF-8 without asking.
// req: 2389-4-200, 2389-4-501, 3659-7.9-both, 3659-7.9.1-reply
pub(super) fn opts(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let (command, rest) = super::split(text.trim_ascii());
    let named = OPTIONS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(command));
    match named {
        Some((_, take)) => take(turn, rest.unwrap_or_default().trim_ascii()).into(),
        None => NO_OPTIONS.into(),
    }
}

/// `Z`, and what is set for it; there is no other mode with options.
fn mode_options(turn: &mut Turn<'_>, options: &[u8]) -> Reply {
    let words = in_capitals(options);
    match words.split_first() {
        Some((mode, settings)) if mode == b"Z" && is_open(Gate::Deflate, turn.session) => {
            deflate_options(turn, settings)
        }
        _ => NO_OPTIONS,
    }
}

/// RFC 3659 section 7.9.
fn facts(turn: &mut Turn<'_>, options: &[u8]) -> Reply {
    let facts = Facts::parse(options);
    turn.session.modes.facts = facts;
    let selected = facts.selected();
    let text = if selected.is_empty() { String::from("MLST OPTS") } else { format!("MLST OPTS {selected}") };
    Reply::with(200, text)
}

/// Clients that ask for UTF-8 must hear yes, in so many words or not. It can be left only for another set that the client's
/// profile names.
fn utf_8(turn: &mut Turn<'_>, options: &[u8]) -> Reply {
    let is = |words: &[&[u8]]| words.iter().any(|word| options.eq_ignore_ascii_case(word));
    if is(&[b"", b"ON", b"NLST"]) {
        turn.session.set_utf_8(true);
        return Reply::new(200, "Names are UTF-8.");
    }
    if is(&[b"OFF"]) {
        turn.session.set_utf_8(false);
        let charset = turn.session.charset();
        return if charset.is_utf_8() {
            // RFC 2389 section 4: 501 for what is permanent.
            Reply::new(501, "Names are UTF-8, always; it can't be switched off.")
        } else {
            Reply::with(200, format!("Names are {}.", charset.label()))
        };
    }
    Reply::new(501, "The argument is wrong; the syntax is OPTS UTF8 [ON | OFF]")
}

/// draft-preston-ftpext-deflate section 3.4: pairs of a name and a value.
fn deflate_options(turn: &mut Turn<'_>, words: &[Vec<u8>]) -> Reply {
    let (pairs, rest) = words.as_chunks::<2>();
    let (mut level, mut said) = (turn.session.modes.deflate_level, Vec::new());
    for pair in pairs {
        match pair.each_ref().map(Vec::as_slice) {
            [b"ENGINE", b"ZLIB"] => said.push(String::from("ENGINE set to ZLIB")),
            [b"LEVEL", [digit @ b'0'..=b'9']] => {
                level = Some(digit - b'0');
                said.push(format!("LEVEL set to {}", digit - b'0'));
            }
            _ => said.clear(),
        }
    }
    if said.len() != pairs.len() || !rest.is_empty() || pairs.is_empty() {
        return Reply::new(501, "The options of MODE Z are LEVEL 0 to 9 and ENGINE ZLIB.");
    }
    turn.session.modes.deflate_level = level;
    Reply::with(200, format!("MODE Z {}", said.join(", ")))
}
