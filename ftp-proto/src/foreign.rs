//! Other protocols on the control connection, known by how they begin.
//!
//! A browser can be made to send any bytes to this port behind a request line and headers of its own (cross-protocol
//! attacks); it can't leave these away. So whoever begins like that before a login is hung up on at once, and nothing of
//! what follows is taken for a command. Programs that came by mistake learn as early, what they came to.

use crate::command;
use crate::command::table::{HTTP_METHODS, MAIL_COMMANDS};

/// What somebody spoke instead of FTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TLS, where the connection begins in the clear.
    Tls,
    /// HTTP: a request line or a header.
    Http,
    /// SSH (RFC 4253 section 4.2).
    Ssh,
    /// SMTP or LMTP (RFC 5321, RFC 2033).
    Smtp,
    /// Remote desktops and others over TPKT (RFC 1006).
    Rdp,
    /// SMB, over NetBIOS or without (RFC 1002 section 4.3).
    Smb,
    /// Bytes that are neither text nor Telnet.
    Binary,
}

impl Protocol {
    /// All there are.
    pub const ALL: [Self; 7] =
        [Self::Tls, Self::Http, Self::Ssh, Self::Smtp, Self::Rdp, Self::Smb, Self::Binary];

    /// A short word for logs and counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Smtp => "smtp",
            Self::Rdp => "rdp",
            Self::Smb => "smb",
            Self::Binary => "binary",
        }
    }
}

/// The longest that is looked at for a name with a colon behind it.
const LONGEST_HEADER: usize = 64;

/// Which other protocol this is the beginning of, or a line of if it is `whole`. What is decided stays decided, whatever
/// follows; `None` may become something with more bytes.
pub(crate) fn recognise(text: &[u8], whole: bool) -> Option<Protocol> {
    match text {
        [] => None,
        // A handshake record of SSL 3 or later; a hello of SSL 2 that offers these.
        [0x16, 0x03, ..] | [0x80, _, 0x01, 0x03, ..] => Some(Protocol::Tls),
        [0x03, 0x00, ..] => Some(Protocol::Rdp),
        [0x00, _, _, _, 0xfe | 0xff, b'S', b'M', b'B', ..] => Some(Protocol::Smb),
        // Undecided.
        [0x16 | 0x03] if !whole => None,
        [0x00, rest @ ..] => behind_nul(rest, whole),
        // What keyboards send with their editing keys is somebody who tries the server by hand.
        [0x08 | b'\t' | 0x1b, ..] => None,
        [first, ..] if *first < b' ' && *first != b'\r' => Some(Protocol::Binary),
        [first, ..] if first.is_ascii_graphic() => words(text, whole),
        _ => None,
    }
}

/// NUL means nothing to Telnet, and some clients send the one at the end of their strings: a command may follow.
fn behind_nul(rest: &[u8], whole: bool) -> Option<Protocol> {
    let is_session = |byte: &u8| *byte <= 1;
    match rest {
        _ if rest.iter().all(|byte| *byte == 0) => None,
        [first, ..] if first.is_ascii_graphic() || *first == b'\r' => None,
        // The header of a NetBIOS session: a flag and a length, before the name of the protocol.
        [first] | [first, _] | [first, _, _] if is_session(first) && !whole => None,
        [first, _, _, name @ ..] if is_session(first) && !whole && is_beginning(name) => None,
        _ => Some(Protocol::Binary),
    }
}

/// Whether the name of SMB may follow or be complete.
fn is_beginning(name: &[u8]) -> bool {
    match name {
        [] => true,
        [first, rest @ ..] => matches!(first, 0xfe | 0xff) && b"SMB".starts_with(rest),
    }
}

fn words(text: &[u8], whole: bool) -> Option<Protocol> {
    if text.starts_with(b"SSH-") {
        return Some(Protocol::Ssh);
    }
    let end = text.iter().take(LONGEST_HEADER).position(|byte| !is_token(*byte));
    if let Some(end @ 1..) = end
        && text.get(end) == Some(&b':')
    {
        return Some(Protocol::Http);
    }
    let (verb, argument) = command::split(text);
    if argument.is_none() && !whole {
        return None;
    }
    let is = |names: &[&str]| names.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(verb));
    if is(MAIL_COMMANDS) {
        return Some(Protocol::Smtp);
    }
    // Methods may be anything, but for a password.
    let may_be_request = whole && !command::find(verb).is_some_and(|spec| spec.secret);
    let is_request = is(HTTP_METHODS) || (may_be_request && argument.is_some_and(ends_in_version));
    is_request.then_some(Protocol::Http)
}

/// What names of headers are made of (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `/upload HTTP/1.1` (RFC 9112 section 2.3).
fn ends_in_version(argument: &[u8]) -> bool {
    let last = argument.trim_ascii_end().rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    last.split_at_checked(5).is_some_and(|(name, version)| {
        name.eq_ignore_ascii_case(b"HTTP/") && version.first().is_some_and(u8::is_ascii_digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::QuickCheck;
    use std::vec::Vec;

    #[test]
    fn other_protocols_are_known_by_their_first_words() {
        for (text, expected) in [
            (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], Protocol::Tls),
            (b"\x16\x03\x01\x00", Protocol::Tls),
            (b"\x80\x2e\x01\x03\x01\x00", Protocol::Tls),
            (b"SSH-2.0-OpenSSH_9.6", Protocol::Ssh),
            (b"SSH-1.99-x", Protocol::Ssh),
            (b"GET / HTTP/1.1", Protocol::Http),
            (b"get / http/1.0", Protocol::Http),
            (b"GET /", Protocol::Http),
            (b"POST /upload HTTP/1.1", Protocol::Http),
            (b"PROPFIND / HTTP/1.1", Protocol::Http),
            (b"USER / HTTP/1.1", Protocol::Http),
            (b"RETR /x HTTP/2", Protocol::Http),
            (b"PRI * HTTP/2.0", Protocol::Http),
            (b"Host: ftp.example.com", Protocol::Http),
            (b"host:ftp.example.com", Protocol::Http),
            (b"Cookie: a=b", Protocol::Http),
            (b"X-Anything_at.all: x", Protocol::Http),
            (b"EHLO mail.example.com", Protocol::Smtp),
            (b"helo x", Protocol::Smtp),
            (b"\x03\x00\x00\x13\x0e\xe0", Protocol::Rdp),
            (b"\x00\x00\x00\x85\xffSMB\x72", Protocol::Smb),
            (b"\x00\x00\x00\xec\xfeSMB\x40", Protocol::Smb),
            (b"\x00\x00\x00\x85\xffSMX", Protocol::Binary),
            (b"\x00\x1e\x00\x06\x01\x00", Protocol::Binary),
            (b"\x16\x00", Protocol::Binary),
            (b"\x03abc", Protocol::Binary),
            (b"\x01\x02", Protocol::Binary),
            (b"\x10\x0c\x00\x04MQTT", Protocol::Binary),
        ] {
            assert_eq!(recognise(text, true), Some(expected), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn commands_are_none_of_them_nor_what_people_type() {
        for text in [
            &b""[..],
            b"USER bob",
            b"USER bob:secret",
            b"USER getty",
            b"PASS GET / HTTP/1.1",
            b"PASS a: b",
            b"PASS :x",
            b"ACCT x HTTP/1.1",
            b"pass Host: x HTTP/1.1",
            b"CLNT Mozilla/5.0",
            b"CSID Name=HTTP/x",
            b"HOST ftp.example.com",
            b"OPTS UTF8 ON",
            b"PROXY TCP4 192.0.2.77 198.51.100.1 50000 21",
            b"SITE HELP",
            b"GETX",
            b"SSH",
            b": x",
            b"\r",
            b"\x1b[A",
            b"\x08\x08USER",
            b"\tUSER bob",
            b"\x00",
            b"\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            b"\x00USER bob",
            b"\xe9t\xe9",
            b"\xef\xbb\xbfUSER bob",
            b" GET / HTTP/1.1",
        ] {
            for whole in [false, true] {
                assert_eq!(recognise(text, whole), None, "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn few_bytes_are_enough() {
        for text in [
            &b"\x16\x03"[..],
            b"\x03\x00",
            b"\x00\x00\x00\x85\xffSMB",
            b"\x01",
            b"SSH-",
            b"GET ",
            b"Host:",
            b"EHLO ",
        ] {
            assert!(recognise(text, false).is_some(), "{}", text.escape_ascii());
            for len in 0..text.len() {
                assert_eq!(recognise(&text[..len], false), None, "{}", text[..len].escape_ascii());
            }
        }
    }

    /// However the bytes are cut: who hangs up at the first that tell does so with each more.
    #[test]
    fn what_is_decided_stays_decided() {
        fn property(kind: usize, mut text: Vec<u8>) -> bool {
            const BEGINNINGS: [&[u8]; 10] = [
                b"",
                b"\x16\x03",
                b"\x00\x00",
                b"\x00\x01\x00\x00\xff",
                b"\x80\x01",
                b"SSH-",
                b"GET ",
                b"A:",
                b"USER ",
                b"PASS ",
            ];
            text.splice(..0, BEGINNINGS[kind % BEGINNINGS.len()].iter().copied());
            let decided: Vec<_> = (0..=text.len()).map(|len| recognise(&text[..len], false)).collect();
            let stays = decided.windows(2).all(|pair| pair[0].is_none() || pair[0] == pair[1]);
            let last = decided.last().copied().flatten();
            stays && (last.is_none() || recognise(&text, true) == last)
        }
        QuickCheck::new().tests(20_000).quickcheck(property as fn(usize, Vec<u8>) -> bool);
    }
}
