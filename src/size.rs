//! Numbers of bytes as people write them.

const UNITS: &[(&str, u64)] = &[
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// The largest that a configuration file can hold.
const MOST: u64 = i64::MAX.unsigned_abs();

/// `1024`, `"10 GiB"`, `"500MB"`: multiples of 1024 end with `iB`, those of 1000 with `B`.
///
/// # Errors
/// What to write.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let digits = trimmed.find(|character: char| !character.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let unit = unit.trim_start();
    let factor = match UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        Some((_, factor)) => Some(*factor),
        None => unit.is_empty().then_some(1),
    };
    let size = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    size.filter(|size| *size <= MOST).ok_or_else(|| {
        format!(
            "{text:?} is no size; write bytes like 1048576, or \"10 GiB\" (kB, MB, GB, KiB, MiB, GiB ...)"
        )
    })
}

/// In the largest unit of which it is a multiple; what [`parse`] reads.
pub(crate) fn show(bytes: u64) -> String {
    let unit = UNITS
        .iter()
        .find(|(name, factor)| name.ends_with("iB") && bytes > 0 && bytes.is_multiple_of(*factor));
    unit.map_or_else(|| bytes.to_string(), |(name, factor)| format!("{} {name}", bytes / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, want) in [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("10 GiB", Some(10 << 30)),
            ("10gib", Some(10 << 30)),
            ("5MB", Some(5_000_000)),
            (" 7 kB ", Some(7_000)),
            ("3 B", Some(3)),
            ("9223372036854775807", Some(u64::MAX / 2)),
            ("9223372036854775808", None),
            ("8192 PiB", None),
            ("99999999999999 TiB", None),
            ("", None),
            ("GiB", None),
            ("-1", None),
            ("1.5 GiB", None),
            ("10 G", None),
            ("10 miles", None),
        ] {
            assert_eq!(parse(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read() {
        for (bytes, text) in [
            (0, "0"),
            (1, "1"),
            (1023, "1023"),
            (1024, "1 KiB"),
            (10 << 30, "10 GiB"),
            (5_000_000, "5000000"),
        ] {
            assert_eq!(show(bytes), text);
        }
        for bytes in (0..63).flat_map(|shift| [1u64 << shift, (1u64 << shift) - 1, 3 << (shift / 2)]) {
            assert_eq!(parse(&show(bytes)), Ok(bytes));
        }
    }
}
