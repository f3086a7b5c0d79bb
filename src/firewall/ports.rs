//! Sets of TCP ports.

use std::fmt;
use std::ops::RangeInclusive;

/// Ports, as ranges in ascending order that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PortSet(Vec<(u16, u16)>);

impl PortSet {
    /// No port.
    pub const EMPTY: Self = Self(Vec::new());

    /// Every port, 0 included.
    pub fn all() -> Self {
        Self(vec![(0, u16::MAX)])
    }

    /// One port.
    pub fn one(port: u16) -> Self {
        Self(vec![(port, port)])
    }

    /// The ports of these ranges, in any order, overlapping or not; one whose end is below its start is empty.
    pub fn of(ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        let mut ranges: Vec<_> = ranges
            .into_iter()
            .filter(|range| !range.is_empty())
            .map(|range| (*range.start(), *range.end()))
            .collect();
        ranges.sort_unstable();
        let mut set: Vec<(u16, u16)> = Vec::new();
        for (first, last) in ranges {
            match set.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => set.push((first, last)),
            }
        }
        Self(set)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges, in ascending order.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u16>> + '_ {
        self.0.iter().map(|&(first, last)| first..=last)
    }

    /// How many ports it holds.
    pub fn len(&self) -> usize {
        self.ranges().map(|range| range.len()).sum()
    }

    /// Those of either.
    pub fn or(&self, other: &Self) -> Self {
        Self::of(self.ranges().chain(other.ranges()))
    }

    /// Those of both.
    pub fn and(&self, other: &Self) -> Self {
        let meet = |left: RangeInclusive<u16>| {
            other.ranges().map(move |right| *left.start().max(right.start())..=*left.end().min(right.end()))
        };
        Self::of(self.ranges().flat_map(meet))
    }

    /// Those that are not in it.
    pub fn complement(&self) -> Self {
        let mut rest = Vec::new();
        let mut next = Some(0_u16);
        for &(first, last) in &self.0 {
            if let Some(start) = next
                && let Some(end) = first.checked_sub(1)
                && start <= end
            {
                rest.push((start, end));
            }
            next = last.checked_add(1);
        }
        rest.extend(next.map(|start| (start, u16::MAX)));
        Self(rest)
    }

    /// Those of this set that are not in the other.
    pub fn without(&self, other: &Self) -> Self {
        self.and(&other.complement())
    }

    /// Whether it holds all ports of the other.
    pub fn holds(&self, other: &Self) -> bool {
        other.without(self).is_empty()
    }

    /// The ranges as text; `dash` stands between first and last, `between` between the ranges.
    pub fn written(&self, dash: &str, between: &str) -> String {
        let written: Vec<_> = self.ranges().map(|range| range_text(&range, dash)).collect();
        written.join(between)
    }
}

/// A range, or one port.
pub fn range_text(range: &RangeInclusive<u16>, dash: &str) -> String {
    match (range.start(), range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}{dash}{last}"),
    }
}

impl fmt::Display for PortSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.written("-", ", "))
    }
}

impl From<RangeInclusive<u16>> for PortSet {
    fn from(range: RangeInclusive<u16>) -> Self {
        Self::of([range])
    }
}

/// `21`, `41000-41099`, and these with commas between; iptables and ufw write a colon for the hyphen.
impl std::str::FromStr for PortSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no port and no range; write 21, 41000-41099 or 21,41000-41099");
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
        let range = |part: &str| {
            let (first, last) = part.split_once(['-', ':']).unwrap_or((part, part));
            let range = port(first)?..=port(last)?;
            if range.is_empty() { Err(wrong()) } else { Ok(range) }
        };
        Ok(Self::of(text.split(',').map(range).collect::<Result<Vec<_>, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn set(text: &str) -> PortSet {
        text.parse().unwrap()
    }

    #[test]
    fn they_are_read_and_written() {
        assert_eq!(set("41000:41099,21").to_string(), "21, 41000-41099");
        assert_eq!(set("5-9, 10, 7-8").written(":", ","), "5:10");
        for text in ["", "x", "9-5", "70000", "1-2-3", "1,,2"] {
            assert!(text.parse::<PortSet>().is_err(), "{text}");
        }
        assert_eq!(PortSet::all().complement(), PortSet::EMPTY);
        assert_eq!(PortSet::EMPTY.complement(), PortSet::all());
        assert_eq!(set("41000-41099").without(&set("41000-41009")).to_string(), "41010-41099");
    }

    quickcheck! {
        fn they_are_sets(left: Vec<(u16, u16)>, right: Vec<(u16, u16)>, port: u16) -> bool {
            let make = |ranges: &[(u16, u16)]| PortSet::of(ranges.iter().map(|&(first, last)| first..=last));
            let (left, right) = (make(&left), make(&right));
            let has = |set: &PortSet| set.ranges().any(|range| range.contains(&port));
            has(&left.or(&right)) == (has(&left) || has(&right))
                && has(&left.and(&right)) == (has(&left) && has(&right))
                && has(&left.without(&right)) == (has(&left) && !has(&right))
                && has(&left.complement()) != has(&left)
                && left.complement().complement() == left
        }
    }
}
