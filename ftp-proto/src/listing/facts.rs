//! MLSD and MLST: facts for programs (RFC 3659 section 7).

use super::Facts;
use super::text::{decimal, hexadecimal, octal_mode, two_digits};
use crate::host::{Kind, Metadata};
use crate::time::{CivilTime, UnixTime};
use alloc::string::String;
use alloc::vec::Vec;

impl Facts {
    /// What a file is.
    pub const TYPE: Self = Self(1);
    /// Its length in bytes, for files only.
    pub const SIZE: Self = Self(1 << 1);
    /// When it was last modified, in UTC.
    pub const MODIFY: Self = Self(1 << 2);
    /// Its permission bits in octal.
    pub const UNIX_MODE: Self = Self(1 << 3);
    /// What identifies it beyond its names.
    pub const UNIQUE: Self = Self(1 << 4);
    /// When it was made, in UTC.
    pub const CREATE: Self = Self(1 << 5);
    /// What this user may do with it.
    pub const PERM: Self = Self(1 << 6);

    /// The line of FEAT, without the space before it: every known fact, those selected with a `*`
    /// (RFC 3659 section 7.8), as in `MLST type*;size*;modify*;UNIX.mode;unique;perm;`.
    // req: 3659-7.8-asterisk
    pub fn feat_line(self) -> String {
        let mut line = String::from("MLST ");
        for (name, fact) in Self::NAMES {
            line.push_str(name);
            line.push_str(if self.contains(*fact) { "*;" } else { ";" });
        }
        line
    }

    /// The selected facts, as the reply to OPTS MLST names them (RFC 3659 section 7.9): `type;size;`.
    pub fn selected(self) -> String {
        let mut names = String::new();
        for (name, _) in Self::NAMES.iter().filter(|(_, fact)| self.contains(*fact)) {
            names.push_str(name);
            names.push(';');
        }
        names
    }
}

/// Appends the one line that MLST shows: the facts, a space, the path. `perm`: the letters of that fact, if they are known. The space before the line and the
/// line end behind it belong to the reply (RFC 3659 section 7.2).
// req: 3659-7.2-no-extra, 3659-7.2-no-facts, 3659-7.2-one-space, 3659-7.3-8-bit-clean
pub fn mlst_line(facts: Facts, metadata: &Metadata, perm: Option<&[u8]>, path: &[u8], out: &mut Vec<u8>) {
    append(facts, metadata, out);
    if let (true, Some(letters)) = (facts.contains(Facts::PERM), perm) {
        out.extend_from_slice(b"perm=");
        out.extend_from_slice(letters);
        out.push(b';');
    }
    out.push(b' ');
    out.extend_from_slice(path);
}

/// Appends the facts, each with its `;`. What the storage doesn't know is left out.
// req: 3659-7.4-facts, 3659-7.5.1-types, 3659-7.5.1.5-links, 3659-7.5.2-unique, 3659-7.5.4-create
// req: 3659-7.5.7-size, 3659-7.9-only-those
pub(super) fn append(facts: Facts, metadata: &Metadata, out: &mut Vec<u8>) {
    if facts.contains(Facts::TYPE) {
        // Links that lead nowhere, and what is neither file nor directory, have types of the operating
        // system (section 7.5.1.5). Clients that don't know them leave such entries alone.
        out.extend_from_slice(match metadata.kind {
            Kind::File => b"type=file;",
            Kind::Directory => b"type=dir;",
            Kind::Link => b"type=OS.unix=symlink;",
            Kind::Other => b"type=OS.unix=special;",
        });
    }
    if facts.contains(Facts::SIZE) && metadata.is_file() {
        out.extend_from_slice(b"size=");
        decimal(out, metadata.size, 0, b' ');
        out.push(b';');
    }
    if facts.contains(Facts::MODIFY) {
        time("modify", metadata.modified, out);
    }
    if let (true, Some(mode)) = (facts.contains(Facts::UNIX_MODE), metadata.mode) {
        out.extend_from_slice(b"UNIX.mode=");
        octal_mode(out, mode);
        out.push(b';');
    }
    if let (true, Some((device, file))) = (facts.contains(Facts::UNIQUE), metadata.unique) {
        out.extend_from_slice(b"unique=");
        hexadecimal(out, device);
        out.push(b'g'); // not a hexadecimal digit, so that 1,23 and 12,3 differ
        hexadecimal(out, file);
        out.push(b';');
    }
    if let (true, Some(created)) = (facts.contains(Facts::CREATE), metadata.created) {
        // Never later than the last modification (section 7.5.4), which a client may have set back.
        time("create", created.min(metadata.modified), out);
    }
}

/// Appends the time, unless its year has no form in section 2.3.
// req: 3659-7.5.3-modify
fn time(fact: &str, time: UnixTime, out: &mut Vec<u8>) {
    let time = CivilTime::from_unix(time);
    let Some(year) = u64::try_from(time.year).ok().filter(|_| time.can_be_told()) else { return };
    out.extend_from_slice(fact.as_bytes());
    out.push(b'=');
    decimal(out, year, 4, b'0');
    for part in [time.month, time.day, time.hour, time.minute, time.second] {
        two_digits(out, part);
    }
    out.push(b';');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(facts: Facts, metadata: &Metadata) -> String {
        let mut out = Vec::new();
        mlst_line(facts, metadata, None, b"/a b", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    // req: 3659-7.2-no-extra, 3659-7.5.1-types, 3659-7.5.1.5-links, 3659-7.5.2-unique, 3659-7.5.4-create
    fn lines_hold_what_is_known_and_selected() {
        let file = Metadata {
            size: 1234,
            modified: UnixTime::from_seconds(1_764_064_800),
            mode: Some(0o644),
            unique: Some((0xfe01, 0x1_0000)),
            ..Metadata::default()
        };
        let some = Facts::parse(b"size;TYPE;nonsense;");
        for (facts, metadata, expected) in [
            (
                Facts::ALL,
                file.clone(),
                "type=file;size=1234;modify=20251125100000;UNIX.mode=0644;unique=fe01g10000; /a b",
            ),
            (
                Facts::CREATE,
                Metadata { created: Some(UnixTime::from_seconds(0)), ..file.clone() },
                "create=19700101000000; /a b",
            ),
            (
                Facts::CREATE,
                Metadata { created: Some(UnixTime::from_seconds(1_764_064_801)), ..file.clone() },
                "create=20251125100000; /a b",
            ),
            (Facts::CREATE, file.clone(), " /a b"),
            (some, file.clone(), "type=file;size=1234; /a b"),
            (Facts::parse(b""), file.clone(), " /a b"),
            (Facts::ALL, Metadata::default(), "type=file;size=0;modify=19700101000000; /a b"),
            (some, Metadata { kind: Kind::Directory, ..file.clone() }, "type=dir; /a b"),
            (some, Metadata { kind: Kind::Link, ..file.clone() }, "type=OS.unix=symlink; /a b"),
            (some, Metadata { kind: Kind::Other, ..file.clone() }, "type=OS.unix=special; /a b"),
            (Facts::MODIFY, Metadata { modified: UnixTime::from_seconds(i64::MAX), ..file }, " /a b"),
        ] {
            assert_eq!(line(facts, &metadata), expected);
        }
    }

    #[test]
    // req: 3659-7.8-asterisk
    fn the_selection_is_told() {
        assert_eq!(Facts::ALL.feat_line(), "MLST type*;size*;modify*;UNIX.mode*;unique*;create*;perm*;");
        let some = Facts::parse(b"unix.MODE;type");
        assert_eq!(some.feat_line(), "MLST type*;size;modify;UNIX.mode*;unique;create;perm;");
        assert_eq!(some.selected(), "type;UNIX.mode;");
        assert_eq!(Facts::parse(b"").selected(), "");
        let all = [
            Facts::TYPE,
            Facts::SIZE,
            Facts::MODIFY,
            Facts::UNIX_MODE,
            Facts::UNIQUE,
            Facts::CREATE,
            Facts::PERM,
        ]
        .map(Facts::selected);
        assert_eq!(all.concat(), Facts::ALL.selected());
    }
}
