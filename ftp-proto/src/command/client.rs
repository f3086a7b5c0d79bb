//! What clients say of themselves and of how they want to be spoken to: CLNT CSID LANG.

use super::args::Arg;
use crate::reply::Reply;
use crate::session::{Reaction, Turn};
use alloc::string::String;

/// The longest name of a client that is kept, in characters.
const LONGEST_CLIENT_NAME: usize = 64;

/// What the client calls itself: for logs and counters, where somebody looks whose clients fail. Only what can be shown
/// is kept of it.
pub(super) fn clnt(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let name = showable(text);
    if name.is_empty() {
        return Reply::new(501, "The argument is wrong; the syntax is CLNT <name and version>").into();
    }
    turn.session.set_software(name);
    Reply::new(200, "Noted.").into()
}

fn showable(name: &[u8]) -> String {
    let shown =
        |character: char| if character.is_ascii_graphic() || character == ' ' { character } else { '?' };
    String::from_utf8_lossy(name.trim_ascii()).chars().map(shown).take(LONGEST_CLIENT_NAME).collect()
}

/// The same in parts (draft-peterson-streamlined-ftp-command-extensions-10 section 6). Of what the server may tell of
/// itself it tells what clients need, and nothing that is of use only to who looks for a weakness: no name, no version.
/// Names that differ in case only are two names wherever the core compares them.
pub(super) fn csid(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let fact = |wanted: &[u8]| {
        let mut facts = text.split(|&byte| byte == b';').filter_map(|fact| {
            let equals = fact.iter().position(|&byte| byte == b'=')?;
            Some((fact.get(..equals)?.trim_ascii(), fact.get(equals + 1..)?.trim_ascii()))
        });
        facts.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value).unwrap_or_default()
    };
    let (name, version) = (fact(b"Name"), fact(b"Version"));
    if name.is_empty() {
        return Reply::new(501, "The argument is wrong; the syntax is CSID Name=<name>; Version=<version>;")
            .into();
    }
    turn.session.set_software(showable(&[name, b" ", version].concat()));
    Reply::new(200, "CaseSensitive=1; DirSep=/;").into()
}

/// RFC 2640 section 4.1. Replies are in English, whatever kind of it is asked for (RFC 4647 section 3.4: lookup), so that
/// there is nothing to remember.
// req: 2640-4.1-default, 2640-4.1-replies, 2640-4.2-200, 2640-4.2-501, 2640-4.2-504
pub(super) fn lang(_: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let mut subtags = text.trim_ascii().split(|&byte| byte == b'-');
    let primary = subtags.next().unwrap_or_default();
    // RFC 1766 section 2, with the digits that subtags may have since.
    let fits =
        |part: &[u8], letter: fn(&u8) -> bool| (1..=8).contains(&part.len()) && part.iter().all(letter);
    let is_tag = fits(primary, u8::is_ascii_alphabetic)
        && subtags.all(|subtag| fits(subtag, u8::is_ascii_alphanumeric));
    if text.is_empty() || is_tag && primary.eq_ignore_ascii_case(b"EN") {
        Reply::new(200, "Replies are in English.").into()
    } else if is_tag {
        Reply::new(504, "That language is not spoken here; use LANG EN.").into()
    } else {
        Reply::new(501, "That is no language tag; the syntax is LANG [<language tag>]").into()
    }
}
