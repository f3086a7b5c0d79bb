//! Directory entries as the lines clients read: LIST, NLST, MLSD and MLST.

use crate::host::Entry;
use crate::time::UnixTime;
use alloc::vec::Vec;

/// How a listing looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The form of each line.
    pub format: Format,
    /// Only names that match this pattern (`*` and `?`), if there is one.
    pub pattern: Option<Vec<u8>>,
    /// For `Names`: put before each name (the directory as the client typed it, with a slash).
    pub prefix: Vec<u8>,
    /// When it was asked for: LIST shows the year of entries older than half a year.
    pub now: UnixTime,
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
    /// Appends the line for one entry, CR LF included. Nothing for an entry that doesn't match the pattern
    /// or whose name holds a CR or LF.
    pub fn append(&self, entry: &Entry, out: &mut Vec<u8>) {
        let _ = (entry, out);
        todo!()
    }
}
