//! Directory entries as the lines clients read: LIST, NLST, MLSD and MLST.

mod facts;
pub mod pattern;
mod text;
mod unix;

pub use facts::mlst_line;

use crate::charset::Charset;
use crate::host::Entry;
use crate::time::UnixTime;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// How a listing looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The form of each line.
    pub format: Format,
    /// Only names that match this [`pattern`], if there is one.
    pub pattern: Option<Vec<u8>>,
    /// For `Names`: put before each name (the directory as the client typed it, with a slash).
    pub prefix: Vec<u8>,
    /// When it was asked for: LIST shows the year of entries older than half a year.
    pub now: UnixTime,
    /// The characters that names have on the wire.
    pub charset: Charset,
}

/// The form of a listing's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `-rw-r--r--   1 owner    group        1234 Nov 25 10:00 name`, as `ls -l` prints it.
    Unix,
    /// `name` alone (NLST).
    Names,
    /// `type=file;size=1234;modify=20261125100000; name` (RFC 3659 section 7).
    Facts(Facts),
}

/// What the lines of LIST look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ListStyle {
    /// As `ls -l` prints them.
    #[default]
    Unix,
    /// As DIR prints them, and IIS by default.
    Dos,
}

/// A selection of MLST facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts(u8);

impl Facts {
    /// All that are known.
    pub const ALL: Self = Self(0b1_1111);
    /// Names and bits, in the order of FEAT.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("type", Self(1)),
        ("size", Self(1 << 1)),
        ("modify", Self(1 << 2)),
        ("UNIX.mode", Self(1 << 3)),
        ("unique", Self(1 << 4)),
    ];

    /// Whether all of `other` is selected.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What `OPTS MLST fact;fact;` selects: unknown names are ignored (RFC 3659 section 7.9).
    pub fn parse(text: &[u8]) -> Self {
        let mut facts = Self(0);
        for name in text.split(|&byte| byte == b';') {
            for (known, bit) in Self::NAMES {
                if name.trim_ascii().eq_ignore_ascii_case(known.as_bytes()) {
                    facts.0 |= bit.0;
                }
            }
        }
        facts
    }
}

impl Listing {
    /// Of all entries, with names as they are.
    pub const fn new(format: Format, now: UnixTime) -> Self {
        Self { format, pattern: None, prefix: Vec::new(), now, charset: Charset::UTF_8 }
    }

    /// Appends the line for one entry, CR LF included. Nothing for an entry that doesn't match the pattern
    /// or whose name holds a CR or LF.
    pub fn append(&self, entry: &Entry, out: &mut Vec<u8>) {
        let name = entry.name.as_slice();
        let breaks_lines = name.iter().any(|&byte| byte == b'\r' || byte == b'\n');
        let wanted = self.pattern.as_ref().is_none_or(|pattern| pattern::matches(pattern, name));
        if breaks_lines || !wanted || name.is_empty() {
            return;
        }
        let start = out.len();
        match self.format {
            Format::Unix => unix::append(entry, self.now, out),
            Format::Names => {
                out.extend_from_slice(&self.prefix);
                out.extend_from_slice(name);
            }
            Format::Facts(facts) => mlst_line(facts, &entry.metadata, name, out),
        }
        if let Cow::Owned(line) = self.charset.encode(out.get(start..).unwrap_or_default()) {
            out.truncate(start);
            out.extend_from_slice(&line);
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Kind, Metadata};
    use quickcheck::quickcheck;

    fn listing(format: Format, pattern: Option<&[u8]>) -> Listing {
        let now = UnixTime::from_seconds(1_764_064_800);
        Listing {
            pattern: pattern.map(<[u8]>::to_vec),
            prefix: b"dir/".to_vec(),
            ..Listing::new(format, now)
        }
    }

    fn lines(listing: &Listing, names: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for name in names {
            let metadata = Metadata { kind: Kind::Directory, ..Metadata::default() };
            listing.append(&Entry { name: name.to_vec(), metadata }, &mut out);
        }
        out
    }

    #[test]
    fn each_format_has_its_line() {
        for (format, expected) in [
            (Format::Unix, &b"drwxr-xr-x   1 ftp      ftp             0 Jan  1  1970 \xff x\r\n"[..]),
            (Format::Names, b"dir/\xff x\r\n"),
            (Format::Facts(Facts::TYPE), b"type=dir; \xff x\r\n"),
        ] {
            assert_eq!(lines(&listing(format, None), &[b"\xff x"]), expected);
        }
    }

    #[test]
    fn a_pattern_and_bytes_that_break_lines_leave_names_out() {
        let all = listing(Format::Names, None);
        assert_eq!(lines(&all, &[b"a\nb", b"a\rb", b"", b"c"]), b"dir/c\r\n");
        let some = listing(Format::Names, Some(b"*.c"));
        assert_eq!(lines(&some, &[b"a.c", b"a.h", b".c", b"b.c\n"]), b"dir/a.c\r\ndir/.c\r\n");
    }

    quickcheck! {
        fn each_entry_is_one_line_or_none(name: Vec<u8>, size: u64, seconds: i64, mode: u32) -> bool {
            let metadata = Metadata {
                size,
                modified: UnixTime::from_seconds(seconds),
                mode: Some(mode),
                owner: Some("a\r\nb".into()),
                unique: Some((size, u64::from(mode))),
                ..Metadata::default()
            };
            let entry = Entry { name, metadata };
            [Format::Unix, Format::Names, Format::Facts(Facts::ALL)].iter().all(|&format| {
                let mut out = Vec::new();
                listing(format, None).append(&entry, &mut out);
                let text = out.strip_suffix(b"\r\n").unwrap_or(&out);
                !text.contains(&b'\r') && !text.contains(&b'\n') && (out.is_empty() || out.ends_with(b"\r\n"))
            })
        }
    }
}
