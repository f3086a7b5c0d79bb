//! LIST: lines as `ls -l` prints them. No RFC describes them, but every client parses them, by columns
//! between spaces; so no column may be empty or hold a space.

use super::text::{decimal, two_digits};
use crate::host::{Entry, Kind};
use crate::time::{CivilTime, UnixTime};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// An entry older than this shows its year instead of the time of day (half a year, as `ls`).
const RECENT: i64 = 180 * 86_400;
/// So does one from the future, but for clocks and time zones that differ by up to a day.
const AHEAD: i64 = 86_400;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Appends the line for one entry without its line end. `file_mode`: the permissions of all files, if they are not shown as
/// they are.
pub(super) fn append(entry: &Entry, file_mode: Option<u32>, now: UnixTime, out: &mut Vec<u8>) {
    let metadata = &entry.metadata;
    let mode = file_mode.filter(|_| metadata.is_file()).or(metadata.mode);
    out.extend_from_slice(&permissions(metadata.kind, mode));
    decimal(out, u64::from(metadata.links.max(1)), 4, b' ');
    out.push(b' ');
    column(out, metadata.owner.as_ref());
    out.push(b' ');
    column(out, metadata.group.as_ref());
    out.push(b' ');
    decimal(out, metadata.size, 8, b' ');
    out.push(b' ');
    date(out, metadata.modified, now);
    out.push(b' ');
    out.extend_from_slice(&entry.name);
}

/// The kind and the permissions: `drwxr-xr-x`. A link that leads nowhere is shown as a link without target;
/// what is neither file, directory nor link as a socket, the kind that no client tries to fetch.
fn permissions(kind: Kind, mode: Option<u32>) -> [u8; 10] {
    let (kind, usual) = match kind {
        Kind::File => (b'-', 0o644),
        Kind::Directory => (b'd', 0o755),
        Kind::Link => (b'l', 0o777),
        Kind::Other => (b's', 0o644),
    };
    let mode = mode.unwrap_or(usual);
    let plain = |bit: u32, letter: u8| if mode & bit == 0 { b'-' } else { letter };
    // Set-user-id, set-group-id and the sticky bit share the column of an execute bit.
    let shared = |execute: u32, special: u32, letter: u8| match (mode & execute != 0, mode & special != 0) {
        (false, false) => b'-',
        (true, false) => b'x',
        (false, true) => letter.to_ascii_uppercase(),
        (true, true) => letter,
    };
    [
        kind,
        plain(0o400, b'r'),
        plain(0o200, b'w'),
        shared(0o100, 0o4000, b's'),
        plain(0o040, b'r'),
        plain(0o020, b'w'),
        shared(0o010, 0o2000, b's'),
        plain(0o004, b'r'),
        plain(0o002, b'w'),
        shared(0o001, 0o1000, b't'),
    ]
}

/// Appends an owner or group, padded to eight bytes.
fn column(out: &mut Vec<u8>, name: Option<&Arc<str>>) {
    let start = out.len();
    match name {
        Some(name) if !name.is_empty() => {
            // "domain users" would shift all columns behind it.
            out.extend(name.bytes().map(|byte| if byte <= b' ' || byte == 0x7f { b'_' } else { byte }));
        }
        _ => out.extend_from_slice(b"ftp"),
    }
    let padded = out.len().max(start + 8);
    out.resize(padded, b' ');
}

/// Appends `Nov 25 10:00` or, for what is old or ahead, `Nov 25  2024`.
fn date(out: &mut Vec<u8>, modified: UnixTime, now: UnixTime) {
    let civil = CivilTime::from_unix(modified);
    let month = MONTHS.get(usize::from(civil.month) - 1).copied().unwrap_or(b"Jan");
    out.extend_from_slice(month);
    out.push(b' ');
    decimal(out, u64::from(civil.day), 2, b' ');
    out.push(b' ');
    let age = now.seconds.saturating_sub(modified.seconds);
    if (-AHEAD..=RECENT).contains(&age) {
        two_digits(out, civil.hour);
        out.push(b':');
        two_digits(out, civil.minute);
    } else {
        let year = u64::try_from(civil.year).unwrap_or(0).min(9_999);
        out.push(b' ');
        decimal(out, year, 4, b'0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Metadata;

    const NOW: UnixTime = UnixTime::from_seconds(1_764_064_800); // 2025-11-25 10:00:00

    fn line(entry: &Entry) -> alloc::string::String {
        let mut out = Vec::new();
        append(entry, None, NOW, &mut out);
        alloc::string::String::from_utf8(out).unwrap()
    }

    fn entry(metadata: Metadata) -> Entry {
        Entry { name: b"a name".to_vec(), metadata }
    }

    #[test]
    fn lines_are_those_of_ls() {
        let file = Metadata { size: 1234, modified: NOW, ..Metadata::default() };
        let owned = Metadata {
            mode: Some(0o640),
            owner: Some("alice".into()),
            group: Some("domain users".into()),
            links: 12,
            size: u64::MAX,
            ..file.clone()
        };
        for (metadata, expected) in [
            (file.clone(), "-rw-r--r--   1 ftp      ftp          1234 Nov 25 10:00 a name"),
            (owned, "-rw-r-----  12 alice    domain_users 18446744073709551615 Nov 25 10:00 a name"),
            (
                Metadata { kind: Kind::Directory, links: 2, ..file.clone() },
                "drwxr-xr-x   2 ftp      ftp          1234 Nov 25 10:00 a name",
            ),
            (
                Metadata { kind: Kind::Link, size: 0, ..file.clone() },
                "lrwxrwxrwx   1 ftp      ftp             0 Nov 25 10:00 a name",
            ),
            (
                Metadata { kind: Kind::Other, size: 0, owner: Some("".into()), ..file },
                "srw-r--r--   1 ftp      ftp             0 Nov 25 10:00 a name",
            ),
        ] {
            assert_eq!(line(&entry(metadata)), expected);
        }
    }

    #[test]
    fn the_mode_of_files_may_be_chosen() {
        for (kind, expected) in [(Kind::File, b"-rw-rw-rw-"), (Kind::Directory, b"drwx------")] {
            let metadata = Metadata { kind, mode: Some(0o700), ..Metadata::default() };
            let mut out = Vec::new();
            append(&entry(metadata), Some(0o666), NOW, &mut out);
            assert_eq!(out.get(..10), Some(&expected[..]));
        }
    }

    #[test]
    fn special_bits_share_the_execute_column() {
        for (mode, expected) in [
            (0o7777, "-rwsrwsrwt"),
            (0o7666, "-rwSrwSrwT"),
            (0o4755, "-rwsr-xr-x"),
            (0o0000, "----------"),
            (0o100_644, "-rw-r--r--"),
        ] {
            assert_eq!(permissions(Kind::File, Some(mode)), expected.as_bytes());
        }
    }

    #[test]
    fn the_year_replaces_the_time_of_what_is_old_or_ahead() {
        for (seconds, expected) in [
            (NOW.seconds - RECENT, "May 29 10:00"),
            (NOW.seconds - RECENT - 1, "May 29  2025"),
            (NOW.seconds + AHEAD, "Nov 26 10:00"),
            (NOW.seconds + AHEAD + 1, "Nov 26  2025"),
            (0, "Jan  1  1970"),
            (-1, "Dec 31  1969"),
            (1_709_164_800, "Feb 29  2024"),
        ] {
            let mut out = Vec::new();
            date(&mut out, UnixTime::from_seconds(seconds), NOW);
            assert_eq!(core::str::from_utf8(&out), Ok(expected));
        }
    }

    #[test]
    fn years_without_four_digits_keep_the_columns() {
        for (seconds, year) in [(i64::MAX, "9999"), (i64::MIN, "0000")] {
            let mut out = Vec::new();
            date(&mut out, UnixTime::from_seconds(seconds), NOW);
            assert_eq!((out.len(), out.get(8..)), (12, Some(year.as_bytes())));
        }
    }
}
