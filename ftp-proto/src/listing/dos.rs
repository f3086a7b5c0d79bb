//! LIST as DIR prints it, and IIS by default. No RFC describes it; clients read it by columns:
//! `11-25-26  10:00AM       <DIR>          name`, with the size in the place of `<DIR>` for files.

use super::text::{decimal, two_digits};
use crate::host::Entry;
use crate::time::CivilTime;
use alloc::vec::Vec;

/// The years that two digits stand for, as clients read them (FileZilla, lftp): from 70 on, of the last century.
const TWO_DIGITS: core::ops::RangeInclusive<i64> = 1970..=2069;

/// Appends the line for one entry without its line end. Times are UTC, as in all other listings.
pub(super) fn append(entry: &Entry, out: &mut Vec<u8>) {
    let time = CivilTime::from_unix(entry.metadata.modified);
    two_digits(out, time.month);
    out.push(b'-');
    two_digits(out, time.day);
    out.push(b'-');
    year(out, time.year);
    out.extend_from_slice(b"  ");
    two_digits(out, (time.hour + 11) % 12 + 1);
    out.push(b':');
    two_digits(out, time.minute);
    out.extend_from_slice(if time.hour < 12 { b"AM" } else { b"PM" });
    out.push(b' ');
    if entry.metadata.is_dir() {
        out.extend_from_slice(b"      <DIR>         ");
    } else {
        decimal(out, entry.metadata.size, 20, b' ');
    }
    out.push(b' ');
    out.extend_from_slice(&entry.name);
}

/// Two digits, as IIS by default; four, which the same clients read, where two would mean another year.
fn year(out: &mut Vec<u8>, year: i64) {
    let whole = u64::try_from(year).unwrap_or(0).min(9_999);
    if TWO_DIGITS.contains(&year) {
        decimal(out, whole % 100, 2, b'0');
    } else {
        decimal(out, whole, 4, b'0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Kind, Metadata};
    use crate::time::UnixTime;

    fn line(kind: Kind, size: u64, date: &str) -> alloc::string::String {
        let modified =
            CivilTime::parse(date.as_bytes()).map_or(UnixTime::from_seconds(i64::MAX), CivilTime::to_unix);
        let metadata = Metadata { kind, size, modified, ..Metadata::default() };
        let mut out = Vec::new();
        append(&Entry { name: b"a name".to_vec(), metadata }, &mut out);
        alloc::string::String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_those_of_iis() {
        for (kind, size, date, expected) in [
            (Kind::Directory, 4096, "20261125100000", "11-25-26  10:00AM       <DIR>          a name"),
            (Kind::File, 1234, "20260201000500", "02-01-26  12:05AM                 1234 a name"),
            (Kind::File, u64::MAX, "19991231125959", "12-31-99  12:59PM 18446744073709551615 a name"),
            (Kind::Link, 0, "20690101230000", "01-01-69  11:00PM                    0 a name"),
            (Kind::File, 0, "20700101130000", "01-01-2070  01:00PM                    0 a name"),
            (Kind::File, 0, "19690101130000", "01-01-1969  01:00PM                    0 a name"),
        ] {
            assert_eq!(line(kind, size, date), expected);
        }
        assert!(line(Kind::File, 0, "never").contains("-9999  "));
    }
}
