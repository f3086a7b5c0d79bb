//! Time as values: the core has no clock, the adapter reads both clocks once per turn of its loop.

use core::ops::Add;
use core::time::Duration;

/// A point on the adapter's monotonic clock: nanoseconds since an origin the adapter chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ZERO: Self = Self(0);

    /// The instant this many nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of the clock (584 years).
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// A point in civil time: seconds and nanoseconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime {
    /// Whole seconds; negative before 1970.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

impl UnixTime {
    /// The given number of whole seconds.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }
}

/// Both clocks, read once per turn of the adapter's loop. `mono` never goes backwards; `unix` may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For deadlines.
    pub mono: Instant,
    /// For what people read.
    pub unix: UnixTime,
}

/// A calendar date and a time of day in UTC (proleptic Gregorian), as FTP prints and reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilTime {
    /// Year, may be negative for times before year 1.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl CivilTime {
    /// The calendar's view of a point in time; fractions of a second are cut off.
    // req: 3659-2.3-utc
    pub const fn from_unix(time: UnixTime) -> Self {
        // Days are counted from 0000-03-01, so that the leap day is the last of its year.
        let days = time.seconds.div_euclid(86_400) + 719_468;
        let second_of_day = time.seconds.rem_euclid(86_400);
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        Self {
            year,
            month: month as u8,
            day: day as u8,
            hour: (second_of_day / 3_600) as u8,
            minute: (second_of_day / 60 % 60) as u8,
            second: (second_of_day % 60) as u8,
        }
    }

    /// The point in time this names.
    pub const fn to_unix(self) -> UnixTime {
        let month = self.month as i64;
        let year = if month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * shifted_month + 2) / 5 + self.day as i64 - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        UnixTime::from_seconds(
            days * 86_400 + self.hour as i64 * 3_600 + self.minute as i64 * 60 + self.second as i64,
        )
    }

    /// Whether there is a form for it: RFC 3659 section 2.3 has years from 1000 to 9999.
    pub const fn can_be_told(self) -> bool {
        1_000 <= self.year && self.year <= 9_999
    }

    /// Reads `YYYYMMDDHHMMSS` with an optional fraction, which is ignored (RFC 3659 section 2.3). A leap
    /// second counts as the second before it. `None` for anything that is not a date of the calendar.
    // req: 3659-2.3-range
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
            Some(dot) => (text.get(..dot)?, text.get(dot + 1..)?),
            None => (text, &b"0"[..]),
        };
        if whole.len() != 14 || fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let field = |range: core::ops::Range<usize>| -> Option<u64> {
            whole.get(range)?.iter().try_fold(0u64, |number, &byte| {
                byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0'))
            })
        };
        let time = Self {
            year: i64::try_from(field(0..4)?).ok()?,
            month: u8::try_from(field(4..6)?).ok()?,
            day: u8::try_from(field(6..8)?).ok()?,
            hour: u8::try_from(field(8..10)?).ok()?,
            minute: u8::try_from(field(10..12)?).ok()?,
            second: u8::try_from(field(12..14)?).ok().map(|second| if second == 60 { 59 } else { second })?,
        };
        // A date that does not exist comes back as another one.
        let plausible = (1..=12).contains(&time.month) && time.hour < 24 && time.minute < 60;
        (plausible && Self::from_unix(time.to_unix()) == time).then_some(time)
    }
}

/// Writes `YYYYMMDDHHMMSS` (RFC 3659 section 2.3).
impl core::fmt::Display for CivilTime {
    // req: 3659-2.3-form, 3659-2.3-no-false-precision
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(out, "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    // req: 3659-2.3-form, 3659-2.3-utc
    fn civil_time_agrees_with_known_dates() {
        for (seconds, text) in [
            (0, "19700101000000"),
            (951_782_400, "20000229000000"),
            (1_709_164_799, "20240228235959"),
            (-1, "19691231235959"),
            (4_107_542_400, "21000301000000"),
        ] {
            let civil = CivilTime::from_unix(UnixTime::from_seconds(seconds));
            assert_eq!(civil.to_string(), text);
            assert_eq!(CivilTime::parse(text.as_bytes()), Some(civil));
            assert_eq!(civil.to_unix().seconds, seconds);
        }
    }

    #[test]
    // req: 3659-2.3-range
    fn dates_that_do_not_exist_are_refused() {
        for text in [
            "20230229000000",
            "20241301000000",
            "20240100000000",
            "20240101240000",
            "2024",
            "",
            "20240101000000.",
        ] {
            assert_eq!(CivilTime::parse(text.as_bytes()), None, "{text}");
        }
        assert!(CivilTime::parse(b"20240101000000.123").is_some());
    }
}
