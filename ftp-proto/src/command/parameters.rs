//! Transfer parameters: TYPE STRU MODE REST ALLO OPTS.

use super::args::Arg;
use crate::listing::Facts;
use crate::reply::Reply;
use crate::session::{Reaction, Turn};
use crate::transfer::Kind;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The words of an argument, in capitals.
fn words(arg: &Arg<'_>) -> Vec<Vec<u8>> {
    let Arg::Text(text) = arg else { return Vec::new() };
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(<[u8]>::to_ascii_uppercase)
        .collect()
}

/// RFC 959 section 3.1.1; L 8 is the same as I on machines with bytes of 8 bits (RFC 1123 section 4.1.2.1).
pub(super) fn type_(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let words = words(&arg);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let chosen = match words.as_slice() {
        [b"A"] | [b"A", b"N"] => Kind::Ascii,
        [b"I"] | [b"I", b"N"] | [b"L", b"8"] | [b"L8"] => Kind::Image,
        [b"AN"] => Kind::Ascii,
        [b"A", b"T" | b"C"] | [b"E"] | [b"E", b"N" | b"T" | b"C"] | [b"L", _] => {
            return Reply::new(504, "That type is not supported; use A, I or L 8.").into();
        }
        _ => return Reply::new(501, "The argument is wrong; the syntax is TYPE A [N] | I | L 8").into(),
    };
    turn.session.modes.coding.kind = chosen;
    match chosen {
        Kind::Ascii => Reply::new(200, "Type is ASCII.").into(),
        Kind::Image => Reply::new(200, "Type is image (binary).").into(),
    }
}

pub(super) fn stru(_: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    one_letter(&arg, b"F", b"RP", "STRU F")
}

pub(super) fn mode(_: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    one_letter(&arg, b"S", b"BCZ", "MODE S")
}

fn one_letter(arg: &Arg<'_>, served: &[u8], known: &[u8], only: &str) -> Reaction {
    let words = words(arg);
    match words.first().map(Vec::as_slice) {
        Some(letter) if letter == served => Reply::new(200, "Yes.").into(),
        Some([letter]) if known.contains(letter) => {
            Reply::with(504, format!("Only {only} is supported.")).into()
        }
        _ => Reply::with(501, format!("The argument is wrong; the syntax is {only}")).into(),
    }
}

/// RFC 3659 section 5: checked against the file when the transfer begins.
pub(super) fn rest(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Number(offset) = arg else { return Reaction::Silent };
    turn.session.modes.set_restart(offset);
    Reply::with(350, format!("The next transfer begins at {offset}.")).into()
}

/// 200, not 202: some cameras give up at a 202.
pub(super) fn allo(_: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let words = words(&arg);
    let number = |word: &Vec<u8>| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let legal = match words.as_slice() {
        [size] => number(size),
        [size, r, record] => number(size) && r == b"R" && number(record),
        _ => false,
    };
    if legal {
        Reply::new(200, "Nothing has to be reserved.").into()
    } else {
        Reply::new(501, "The argument is wrong; the syntax is ALLO <bytes> [R <record size>]").into()
    }
}

/// RFC 2389 section 4. UTF8 is draft-ietf-ftpext-utf-8-option-00; RFC 2640 has UTF-8 without asking.
pub(super) fn opts(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let (command, rest) = super::split(text.trim_ascii());
    let options = rest.unwrap_or_default().trim_ascii();
    if command.eq_ignore_ascii_case(b"UTF8") || command.eq_ignore_ascii_case(b"UTF-8") {
        return utf_8(turn, options).into();
    }
    if command.eq_ignore_ascii_case(b"MLST") {
        let facts = Facts::parse(options);
        turn.session.modes.facts = facts;
        let selected = facts.selected();
        let text =
            if selected.is_empty() { String::from("MLST OPTS") } else { format!("MLST OPTS {selected}") };
        return Reply::with(200, text).into();
    }
    Reply::new(501, "There are no options for that.").into()
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
            Reply::new(504, "Names are UTF-8, always; it can't be switched off.")
        } else {
            Reply::with(200, format!("Names are {}.", charset.label()))
        };
    }
    Reply::new(501, "The argument is wrong; the syntax is OPTS UTF8 [ON | OFF]")
}
