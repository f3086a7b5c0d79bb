//! The small notations inside a transcript's lines: escaped bytes, reply patterns, durations.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// Bytes with `\r \n \t \\ \xNN` and `{c*N}`.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        if first == b'\\' {
            let (&kind, behind) = behind.split_first().ok_or("nothing behind the last backslash")?;
            rest = behind;
            match kind {
                b'r' => bytes.push(b'\r'),
                b'n' => bytes.push(b'\n'),
                b't' => bytes.push(b'\t'),
                b'\\' => bytes.push(b'\\'),
                b'x' => {
                    let digits = rest.get(..2).and_then(|digits| core::str::from_utf8(digits).ok());
                    let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                    bytes.push(byte.ok_or("two hexadecimal digits must follow \\x")?);
                    rest = rest.get(2..).unwrap_or_default();
                }
                other => return Err(format!("no such escape: \\{}", char::from(other))),
            }
        } else if let Some((byte, count, behind)) = repetition(rest) {
            bytes.resize(bytes.len() + count, byte);
            rest = behind;
        } else {
            bytes.push(first);
            rest = behind;
        }
    }
    Ok(bytes)
}

/// `{c*N}` at the start.
fn repetition(text: &[u8]) -> Option<(u8, usize, &[u8])> {
    let inner = text.strip_prefix(b"{")?;
    let (&byte, behind) = inner.split_first()?;
    let behind = behind.strip_prefix(b"*")?;
    let end = behind.iter().position(|&byte| byte == b'}')?;
    let count = core::str::from_utf8(behind.get(..end)?).ok()?.parse().ok()?;
    Some((byte, count, behind.get(end + 1..)?))
}

/// Bytes as a transcript would write them.
pub(super) fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\r' => text.push_str("\\r"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\\' => text.push_str("\\\\"),
                character if character.is_control() => {
                    text.push_str(&format!("\\x{:02x}", u32::from(character)));
                }
                character => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// `30s`, `500ms`, `5m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| format!("not a duration: {text}"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        _ => Err(format!("write a duration like 500ms, 30s or 5m, not {text}")),
    }
}

/// What a reply line must look like.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    source: String,
    pieces: Vec<Piece>,
    any_rest: bool,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Vec<u8>),
    Port,
    Address,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (body, any_rest) = text.strip_suffix("...").map_or((text, false), |body| (body, true));
        let mut pieces = Vec::new();
        let mut rest = body;
        loop {
            let port = rest.find("{port}").map(|at| (at, "{port}", Piece::Port));
            let address = rest.find("{address}").map(|at| (at, "{address}", Piece::Address));
            let Some((at, token, piece)) = port.into_iter().chain(address).min_by_key(|(at, ..)| *at) else {
                break;
            };
            let (before, behind) = rest.split_at(at);
            pieces.push(Piece::Text(unescape(before)?));
            pieces.push(piece);
            rest = behind.strip_prefix(token).unwrap_or(behind);
        }
        pieces.push(Piece::Text(unescape(rest)?));
        Ok(Self { source: text.to_owned(), pieces, any_rest })
    }

    /// As it was written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Whether this line is meant. In 227 the port and the address are numbers with commas between them.
    pub(super) fn matches(&self, line: &[u8], server: IpAddr) -> bool {
        let commas = self.source.starts_with("227") || self.source.starts_with("228");
        let mut rest = line;
        for piece in &self.pieces {
            let behind = match piece {
                Piece::Text(text) => rest.strip_prefix(text.as_slice()),
                Piece::Address => {
                    let text = format!("{server}");
                    let text = if commas { text.replace('.', ",") } else { text };
                    rest.strip_prefix(text.as_bytes())
                }
                Piece::Port if commas => {
                    number(rest).and_then(|(_, rest)| number(rest.strip_prefix(b",")?)).map(|(_, rest)| rest)
                }
                Piece::Port => number(rest).map(|(_, rest)| rest),
            };
            let Some(behind) = behind else { return false };
            rest = behind;
        }
        rest.is_empty() || self.any_rest
    }
}

/// Whether it is the reply to PASV, LPSV or EPSV.
pub(super) fn is_announcement(line: &[u8]) -> bool {
    [b"227", b"228", b"229"].iter().any(|code| line.starts_with(*code))
}

/// The port that a 227, 228 or 229 names.
pub(super) fn announced_port(line: &[u8]) -> Option<u16> {
    if line.starts_with(b"229") {
        let bars = line.iter().position(|&byte| byte == b'|')?;
        return Some(number(line.get(bars + 3..)?)?.0);
    }
    let mut numbers = line.rsplit(|&byte| byte == b',');
    let (low, _) = number(numbers.next()?)?;
    let (high, _) = number(numbers.next()?)?;
    high.checked_mul(256)?.checked_add(low)
}

fn number(text: &[u8]) -> Option<(u16, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let number = core::str::from_utf8(text.get(..end)?).ok()?.parse().ok()?;
    Some((number, text.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_repetitions() {
        assert_eq!(unescape(r"a\x41\r\n\\{z*3}{port}").unwrap(), b"aA\r\n\\zzz{port}");
        assert_eq!(escape(b"a\r\n\\\xff\x01"), r"a\r\n\\\xff\x01");
        assert!(unescape("\\q").is_err() && unescape("\\x4").is_err());
    }

    #[test]
    fn patterns_find_ports_in_both_notations() {
        let server = IpAddr::from([10, 0, 0, 2]);
        let pasv = Pattern::parse("227 Entering Passive Mode ({address},{port}).").unwrap();
        let line = b"227 Entering Passive Mode (10,0,0,2,7,208).";
        assert!(pasv.matches(line, server));
        assert_eq!(announced_port(line), Some(2000));
        let epsv = Pattern::parse("229 Entering Extended Passive Mode (|||{port}|)").unwrap();
        let line = b"229 Entering Extended Passive Mode (|||2000|)";
        assert!(epsv.matches(line, server));
        assert_eq!(announced_port(line), Some(2000));
        assert!(!epsv.matches(b"229 Entering Extended Passive Mode (|||2000|).", server));
        assert!(Pattern::parse("200 ...").unwrap().matches(b"200 x", server));
        assert!(!Pattern::parse("200 x").unwrap().matches(b"200 xy", server));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
    }
}
