//! Replies as a client reads them (RFC 959 section 4.2), with limits on everything a server may send.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};

/// The longest line of a reply in bytes; the longest path twice, as the server's own limit is.
pub const MOST_LINE_BYTES: usize = 8_192;
/// The longest reply in bytes, all its lines together.
pub const MOST_REPLY_BYTES: usize = 65_536;
/// The most lines of a reply.
pub const MOST_REPLY_LINES: usize = 1_000;

/// One reply, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 100 to 699.
    pub code: u16,
    /// The text of each line, without code and line end. What is not UTF-8 and control characters are replaced, so
    /// that it can be shown on a terminal. Never empty.
    pub lines: Vec<String>,
}

/// Why bytes are no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// There is no code at the start.
    #[error("\"{0}\" is no FTP reply")]
    NotFtp(String),
    /// One of the limits of this module.
    #[error("the server's reply is too long")]
    TooLong,
}

impl Reply {
    /// The last line's text: that of the reply, if it has one line.
    pub fn text(&self) -> &str {
        self.lines.last().map_or("", String::as_str)
    }

    /// More is to come (1xx).
    pub fn is_preliminary(&self) -> bool {
        self.code / 100 == 1
    }

    /// It was done (2xx).
    pub fn is_success(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether a reply to FEAT (RFC 2389) lists this feature, written as there.
    pub fn lists(&self, feature: &str) -> bool {
        self.lines.iter().any(|line| line.trim().eq_ignore_ascii_case(feature))
    }

    /// The address in 227: six numbers and commas between brackets, nothing else in them. `None` for all else, port 0
    /// among it.
    pub fn passive(&self) -> Option<SocketAddrV4> {
        let (_, rest) = self.text().split_once('(')?;
        let (inside, _) = rest.split_once(')')?;
        let mut parts = inside.split(',').map(number::<u8>);
        let mut next = || parts.next().flatten();
        let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
        let port = u16::from_be_bytes([next()?, next()?]);
        (parts.next().is_none() && port != 0).then(|| SocketAddrV4::new(address, port))
    }

    /// The port in 229 (RFC 2428 section 3): `(|||port|)` with any printable delimiter. `None` for all else, port 0
    /// among it.
    pub fn extended(&self) -> Option<u16> {
        let (_, rest) = self.text().split_once('(')?;
        let (inside, _) = rest.split_once(')')?;
        let delimiter = inside.chars().next().filter(|first| first.is_ascii_graphic())?;
        let mut fields = inside.split(delimiter);
        let empty = |field: Option<&str>| field == Some("");
        if !(empty(fields.next()) && empty(fields.next()) && empty(fields.next())) {
            return None;
        }
        let port = number::<u16>(fields.next()?)?;
        (empty(fields.next()) && fields.next().is_none() && port != 0).then_some(port)
    }

    /// The path in 257: between quotes, each quote in it doubled (RFC 959, appendix II).
    pub fn directory(&self) -> Option<String> {
        let mut rest = self.text().strip_prefix('"')?.chars().peekable();
        let mut path = String::new();
        while let Some(letter) = rest.next() {
            if letter == '"' && rest.next_if_eq(&'"').is_none() {
                return Some(path);
            }
            path.push(letter);
        }
        None
    }
}

impl core::fmt::Display for Reply {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "{} {}", self.code, self.text())
    }
}

/// Digits alone: `parse` would take a sign as well.
fn number<T: core::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Makes replies of bytes.
#[derive(Debug, Default)]
pub struct ReplyReader {
    line: Vec<u8>,
    /// The lines so far of a reply of several, and their length.
    open: Option<(Reply, usize)>,
}

impl ReplyReader {
    /// Takes bytes up to the end of a reply and gives it; what follows stays in `bytes`. `None` when all bytes were
    /// taken and the reply goes on.
    ///
    /// # Errors
    /// It is no reply; nothing that follows can be one.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Option<Result<Reply, ReplyError>> {
        while let Some((&byte, rest)) = bytes.split_first() {
            *bytes = rest;
            if byte != b'\n' {
                if self.line.len() >= MOST_LINE_BYTES {
                    return Some(Err(ReplyError::TooLong));
                }
                self.line.push(byte);
                continue;
            }
            let line = core::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            match self.line(line) {
                Ok(None) => {}
                Ok(Some(reply)) => return Some(Ok(reply)),
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let head = head(line);
        let Some((mut reply, mut length)) = self.open.take() else {
            let (code, last, text) = head.ok_or_else(|| ReplyError::NotFtp(short(line)))?;
            let reply = Reply { code, lines: alloc::vec![shown(text)] };
            if last {
                return Ok(Some(reply));
            }
            self.open = Some((reply, line.len()));
            return Ok(None);
        };
        length = length.saturating_add(line.len());
        if length > MOST_REPLY_BYTES || reply.lines.len() >= MOST_REPLY_LINES {
            return Err(ReplyError::TooLong);
        }
        match head.filter(|(code, ..)| *code == reply.code) {
            Some((_, last, text)) => {
                reply.lines.push(shown(text));
                if last {
                    return Ok(Some(reply));
                }
            }
            None => reply.lines.push(shown(line)),
        }
        self.open = Some((reply, length));
        Ok(None)
    }
}

/// Code, whether the line is a reply's last, and the text.
fn head(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    let code: u16 = number(core::str::from_utf8(code).ok()?)?;
    let (last, text) = match rest.split_first() {
        None => (true, rest),
        Some((b' ', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return None,
    };
    (100..700).contains(&code).then_some((code, last, text))
}

fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn short(text: &[u8]) -> String {
    shown(text).chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::ToOwned as _;
    use std::string::ToString as _;

    fn read(text: &str) -> Vec<Result<Reply, ReplyError>> {
        let (mut reader, mut bytes) = (ReplyReader::default(), text.as_bytes());
        let mut replies = Vec::new();
        while let Some(reply) = reader.read(&mut bytes) {
            let wrong = reply.is_err();
            replies.push(reply);
            if wrong {
                break;
            }
        }
        replies
    }

    fn one(text: &str) -> Reply {
        read(text).remove(0).unwrap()
    }

    #[test]
    fn replies_of_one_line_and_of_several() {
        assert_eq!(one("220 Welcome.\r\n").to_string(), "220 Welcome.");
        assert_eq!(one("220\r\n").lines, [""]);
        let several =
            one("211-Features:\r\n MDTM\r\n 211 not the end\r\n213 nor this\r\n211-more\r\n211 End\r\n");
        assert_eq!(several.code, 211);
        assert_eq!(several.lines, ["Features:", " MDTM", " 211 not the end", "213 nor this", "more", "End"]);
        assert!(several.lists("mdtm") && !several.lists("MLST"));
        let two = read("200 a\r\n201 b\n20");
        assert_eq!(two.len(), 2, "{two:?}");
    }

    #[test]
    fn what_is_no_reply() {
        for text in
            ["SSH-2.0-OpenSSH\r\n", "\r\n", "22 x\r\n", "2201 x\r\n", "099 x\r\n", "+20 x\r\n", "700 x\r\n"]
        {
            assert!(matches!(read(text)[0], Err(ReplyError::NotFtp(_))), "{text:?}");
        }
        let escape = one("220 \u{1b}[2Jhello\r\n");
        assert!(!escape.text().contains('\u{1b}'), "terminals are not played with: {escape}");
    }

    #[test]
    fn a_server_that_never_ends_is_given_up() {
        let long = "220-".to_owned() + &"x".repeat(MOST_LINE_BYTES);
        assert_eq!(read(&long), [Err(ReplyError::TooLong)]);
        assert_eq!(read(&"220-x\r\n".repeat(MOST_REPLY_LINES + 1)), [Err(ReplyError::TooLong)]);
        let wide = ("220-".to_owned() + &"x".repeat(8_000) + "\r\n").repeat(9);
        assert_eq!(read(&wide), [Err(ReplyError::TooLong)]);
    }

    #[test]
    fn addresses_are_read_strictly() {
        let passive =
            |text: &str| one(&std::format!("227 {text}\r\n")).passive().map(|address| address.to_string());
        assert_eq!(passive("Entering Passive Mode (10,0,0,2,160,98)."), Some("10.0.0.2:41058".into()));
        for wrong in [
            "Entering Passive Mode 10,0,0,2,160,98",
            "(10,0,0,2,160)",
            "(10,0,0,2,160,98,1)",
            "(10,0,0,256,160,98)",
            "(10,0,0,2,0,0)",
            "(10, 0,0,2,160,98)",
            "(+10,0,0,2,160,98)",
            "(10,0,0,2,160,98",
            "(2,160,69)",
            "()",
        ] {
            assert_eq!(passive(wrong), None, "{wrong}");
        }
        let extended = |text: &str| one(&std::format!("229 {text}\r\n")).extended();
        assert_eq!(extended("Entering Extended Passive Mode (|||41058|)"), Some(41_058));
        assert_eq!(extended("(!!!7!)"), Some(7));
        for wrong in [
            "(||41058|)",
            "(|||41058)",
            "(|||0|)",
            "(|||65536|)",
            "(|1|::1|7|)",
            "(|||7|x)",
            "|||7|",
            "(   7 )",
        ] {
            assert_eq!(extended(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn directories_come_in_quotes() {
        let directory = |text: &str| one(&std::format!("257 {text}\r\n")).directory();
        assert_eq!(directory("\"/a \"\"b\"\"\" is it"), Some("/a \"b\"".into()));
        assert_eq!(directory("\"/a"), None);
        assert_eq!(directory("/a"), None);
    }

    /// Any bytes, in any pieces: no panic, bounded memory, and pieces make no difference.
    fn any_bytes(bytes: Vec<u8>, size: u8) -> bool {
        let collect = |size: usize| {
            let (mut reader, mut replies) = (ReplyReader::default(), Vec::new());
            for mut piece in bytes.chunks(size) {
                while let Some(reply) = reader.read(&mut piece) {
                    replies.push(reply);
                }
                assert!(reader.line.len() <= MOST_LINE_BYTES);
            }
            replies
        };
        for reply in collect(usize::MAX).into_iter().flatten() {
            let _ = (reply.passive(), reply.extended(), reply.directory(), reply.to_string());
        }
        collect(usize::from(size).max(1)) == collect(usize::MAX)
    }

    #[test]
    fn any_bytes_do_no_harm() {
        quickcheck::quickcheck(any_bytes as fn(Vec<u8>, u8) -> bool);
        // Bytes that look more like replies.
        let almost = |choices: Vec<u8>, size: u8| {
            let parts =
                ["220", "227", "229", "-", " ", "\r\n", "\n", "(", "|||", ")", "1,2,3,4,5,6", "\"", "\u{7f}"];
            let text: String =
                choices.iter().filter_map(|choice| parts.get(usize::from(*choice) % 13)).copied().collect();
            any_bytes(text.into_bytes(), size)
        };
        quickcheck::quickcheck(almost as fn(Vec<u8>, u8) -> bool);
    }
}
