//! Directory entries as the lines clients read: LIST, NLST, MLSD and MLST.

mod dos;
mod facts;
mod order;
pub mod pattern;
mod permissions;
mod selection;
mod text;
mod unix;
mod walk;

pub use facts::mlst_line;
pub use permissions::{Permissions, permissions};
pub use selection::{Options, Selection, SelectionError, Sort, SortBy};
pub use walk::{Found, Search, Walk};

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
    /// When it was asked for: LIST shows the year of entries older than half a year.
    pub now: UnixTime,
    /// The characters that names have on the wire.
    pub charset: Charset,
    /// The permission bits that LIST shows of every file, whatever the storage says.
    pub file_mode: Option<u32>,
    /// What the fact perm is made from; `None`: it is not told.
    pub permissions: Option<Permissions>,
}

/// The form of a listing's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `-rw-r--r--   1 owner    group        1234 Nov 25 10:00 name`, as `ls -l` prints it.
    Unix,
    /// `11-25-26  10:00AM                 1234 name`, as DIR prints it.
    Dos,
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
    pub const ALL: Self = Self(0b111_1111);
    /// Names and bits, in the order of FEAT.
    // req: 3659-7.5.10-facts
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("type", Self(1)),
        ("size", Self(1 << 1)),
        ("modify", Self(1 << 2)),
        ("UNIX.mode", Self(1 << 3)),
        ("unique", Self(1 << 4)),
        ("create", Self(1 << 5)),
        ("perm", Self(1 << 6)),
    ];

    /// Whether all of `other` is selected.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What `OPTS MLST fact;fact;` selects: unknown names are ignored (RFC 3659 section 7.9).
    // req: 3659-7.5-any-case, 3659-7.9-empty, 3659-7.9-unknown
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
    /// With names and permissions as they are.
    pub const fn new(format: Format, now: UnixTime) -> Self {
        Self { format, now, charset: Charset::UTF_8, file_mode: None, permissions: None }
    }

    /// Appends the line for one entry, CR LF included. Nothing for an entry whose name holds a CR or LF.
    // req: 1123-4.1.2.7-implied-type, 2640-2.2-utf-8, 2640-3.2-other-sets, 3659-2.2-line-ends
    // req: 3659-6.1-utf-8, 3659-7.1-no-titles, 3659-7.3-utf-8
    pub fn append(&self, entry: &Entry, out: &mut Vec<u8>) {
        let name = entry.name.as_slice();
        let breaks_lines = name.iter().any(|&byte| byte == b'\r' || byte == b'\n');
        if breaks_lines || name.is_empty() {
            return;
        }
        let start = out.len();
        match self.format {
            Format::Unix => unix::append(entry, self.file_mode, self.now, out),
            Format::Dos => dos::append(entry, out),
            Format::Names => out.extend_from_slice(name),
            Format::Facts(facts) => {
                let permissions = self.permissions.as_ref().filter(|_| facts.contains(Facts::PERM));
                let perm = permissions.and_then(|all| all.of_entry(name, entry.metadata.kind));
                mlst_line(facts, &entry.metadata, perm.as_deref(), name, out);
            }
        }
        if let Cow::Owned(line) = self.charset.encode(out.get(start..).unwrap_or_default()) {
            out.truncate(start);
            out.extend_from_slice(&line);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Appends an empty line and `directory:`, as `ls -R` does between the directories of a recursive listing.
    pub fn append_heading(&self, directory: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.charset.encode(directory));
        out.extend_from_slice(b":\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Kind, Metadata};
    use quickcheck::quickcheck;

    fn listing(format: Format) -> Listing {
        Listing::new(format, UnixTime::from_seconds(1_764_064_800))
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
            (Format::Names, b"\xff x\r\n"),
            (Format::Dos, b"01-01-70  12:00AM       <DIR>          \xff x\r\n"),
            (Format::Facts(Facts::TYPE), b"type=dir; \xff x\r\n"),
        ] {
            assert_eq!(lines(&listing(format), &[b"\xff x"]), expected);
        }
    }

    #[test]
    // req: 3659-2.2-line-ends
    fn bytes_that_break_lines_leave_names_out() {
        assert_eq!(lines(&listing(Format::Names), &[b"a\nb", b"a\rb", b"", b"c"]), b"c\r\n");
    }

    #[test]
    fn lines_and_headings_are_in_the_clients_characters() {
        let charset = Charset::from_label("gbk").unwrap();
        let listing = Listing { charset, ..listing(Format::Names) };
        let mut out = lines(&listing, &["\u{4e2d}".as_bytes()]);
        listing.append_heading("\u{6587}".as_bytes(), &mut out);
        assert_eq!(out, b"\xd6\xd0\r\n\r\n\xce\xc4:\r\n");
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
            [Format::Unix, Format::Dos, Format::Names, Format::Facts(Facts::ALL)].iter().all(|&format| {
                let mut out = Vec::new();
                listing(format).append(&entry, &mut out);
                let text = out.strip_suffix(b"\r\n").unwrap_or(&out);
                !text.contains(&b'\r') && !text.contains(&b'\n') && (out.is_empty() || out.ends_with(b"\r\n"))
            })
        }
    }
}
