//! Counters by something: by network, by client software. Who has logged in can grow them, up to a limit.

use crate::diagnose::Verdict;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// Rows of one table; the one that was counted in least recently makes room for a new one.
pub const MAX_ROWS: usize = 256;

/// How data connections went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Sessions that logged in.
    pub sessions: u64,
    /// Complete transfers.
    pub completed: u64,
    /// Data connections that failed, by what happened ([`Verdict::kind`]) and why
    /// ([`Suspect::id`](crate::diagnose::Suspect::id)).
    pub failed: BTreeMap<(&'static str, &'static str), u64>,
}

impl Row {
    /// Data connections that failed.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    pub(super) fn fail(&mut self, verdict: &Verdict) {
        *self.failed.entry((verdict.kind(), verdict.suspect().id())).or_default() += 1;
    }
}

/// `sessions=3 completed=7 failed=2 nobody_connected/range_closed=2`.
impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sessions, completed, failures) = (self.sessions, self.completed, self.failures());
        write!(out, "sessions={sessions} completed={completed} failed={failures}")?;
        self.failed.iter().try_for_each(|((kind, suspect), count)| write!(out, " {kind}/{suspect}={count}"))
    }
}

/// Rows by key, [`MAX_ROWS`] at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<Key: Ord> {
    /// With the time each was counted in last.
    rows: BTreeMap<Key, (u64, Row)>,
    time: u64,
    evicted: u64,
}

impl<Key: Ord> Default for Table<Key> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), time: 0, evicted: 0 }
    }
}

impl<Key: Ord + Clone> Table<Key> {
    /// The row to count in.
    pub(super) fn row(&mut self, key: &Key) -> &mut Row {
        self.time += 1;
        if self.rows.len() >= MAX_ROWS && !self.rows.contains_key(key) {
            let idle = self.rows.iter().min_by_key(|(_, (time, _))| *time).map(|(idle, _)| idle.clone());
            if let Some(idle) = idle {
                self.rows.remove(&idle);
                self.evicted += 1;
            }
        }
        let (time, row) = self.rows.entry(key.clone()).or_default();
        *time = self.time;
        row
    }

    /// All rows, in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &Row)> {
        self.rows.iter().map(|(key, (_, row))| (key, row))
    }

    /// The rows with failures, most of them first; so many at most.
    pub fn worst(&self, count: usize) -> Vec<(&Key, &Row)> {
        let mut worst: Vec<_> = self.rows().filter(|(_, row)| !row.failed.is_empty()).collect();
        worst.sort_by_key(|(_, row)| core::cmp::Reverse(row.failures()));
        worst.truncate(count);
        worst
    }

    /// How many rows had to make room for others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}
