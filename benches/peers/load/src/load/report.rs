//! What a run tells: one line of JSON.

use crate::options::Options;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// What one thread counted, and later all of them.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) operations: u64,
    pub(crate) bytes: u64,
    pub(crate) times: Times,
    /// To the first byte of transfers.
    pub(crate) first: Times,
    pub(crate) errors: u64,
    pub(crate) first_error: String,
    pub(crate) resumed: u64,
    pub(crate) full: u64,
}

impl Tally {
    pub(crate) fn fail(&mut self, error: String) {
        self.errors += 1;
        if self.first_error.is_empty() {
            self.first_error = error;
        }
    }

    pub(crate) fn done(&mut self, begun: Instant, bytes: u64) {
        self.times.push(begun.elapsed());
        self.operations += 1;
        self.bytes += bytes;
    }

    pub(crate) fn merge(&mut self, mut other: Self) {
        self.operations += other.operations;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.resumed += other.resumed;
        self.full += other.full;
        self.times.0.append(&mut other.times.0);
        self.first.0.append(&mut other.first.0);
        if self.first_error.is_empty() {
            self.first_error = other.first_error;
        }
    }
}

/// Times in tenths of a microsecond, in the order in which they were taken.
#[derive(Default)]
pub(crate) struct Times(Vec<u32>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(u32::try_from(time.as_nanos() / 100).unwrap_or(u32::MAX));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The medians of the first and of the last quarter, in microseconds: what grows in between grows with time.
    pub(crate) fn quarters(&self) -> (f64, f64) {
        let quarter = self.0.len() / 4;
        let median = |part: &[u32]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part.get(part.len() / 2).map_or(f64::NAN, |time| f64::from(*time) / 10.0)
        };
        (median(&self.0[..quarter]), median(&self.0[self.0.len() - quarter..]))
    }

    /// Median, 99th percentile and maximum go into the line, and the minimum.
    pub(crate) fn tell(&mut self, line: &mut Line, prefix: &str) {
        self.0.sort_unstable();
        for (name, share) in [("min", 0.0), ("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            let place = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
            if let Some(time) = self.0.get(place) {
                line.number(&format!("{prefix}{name}_us"), f64::from(*time) / 10.0);
            }
        }
    }
}

pub(crate) struct Line(String);

impl Line {
    pub(crate) fn new(options: &Options) -> Self {
        let mut line = Self("{".into());
        line.text("server", &options.name);
        line.text("workload", &options.workload);
        line.whole("sessions", options.sessions as u64);
        line
    }

    fn key(&mut self, key: &str) -> &mut String {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
        &mut self.0
    }

    /// Numbers that are none (of an empty run) are left out.
    pub(crate) fn number(&mut self, key: &str, value: f64) {
        if value.is_finite() {
            let _ = write!(self.key(key), "{value:.3}");
        }
    }

    pub(crate) fn whole(&mut self, key: &str, value: u64) {
        let _ = write!(self.key(key), "{value}");
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        let escaped: String = value.chars().flat_map(escape).collect();
        let _ = write!(self.key(key), "\"{escaped}\"");
    }

    pub(crate) fn errors(&mut self, count: u64, first: &str) {
        self.whole("errors", count);
        if !first.is_empty() {
            self.text("first_error", first);
        }
    }

    pub(crate) fn print(self) {
        println!("{}}}", self.0);
    }
}

fn escape(character: char) -> impl Iterator<Item = char> {
    let slash = matches!(character, '"' | '\\').then_some('\\');
    slash.into_iter().chain(std::iter::once(if character.is_control() { ' ' } else { character }))
}
