//! What is stored below one directory, as far as it is known.

use super::{Key, Sum, signed};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Other programs write there, too.
const COUNT_EVERY: Duration = Duration::from_secs(3600);
/// So soon again, if the last count is not exact, because sessions changed something meanwhile,
const COUNT_SOON: Duration = Duration::from_secs(5);
/// or after so many times as long as it took: else a large tree in which much is stored would be read all the time.
const REST: u32 = 20;

/// When to count again.
pub(super) fn pause(is_exact: bool, took: Duration) -> Duration {
    if is_exact { COUNT_EVERY } else { took.saturating_mul(REST).clamp(COUNT_SOON, COUNT_EVERY) }
}

/// What is stored below one directory.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
    names: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// What stands there, and what open uploads have taken. Before the first count: the difference since.
    used: Sum,
    /// Whether it was counted.
    known: bool,
    /// When to count again; `None`: at once.
    due: Option<Instant>,
    /// Somebody is to count, or does.
    busy: bool,
    count: Option<Count>,
    /// Files that are being written.
    open: HashMap<Key, Open>,
    /// For those that the system doesn't name.
    nameless: u64,
}

#[derive(Debug)]
struct Open {
    /// Its length, as counted.
    paid: u64,
    holders: u32,
    /// It has no name any more.
    gone: bool,
}

/// What changes while a walk is on its way.
#[derive(Debug)]
struct Count {
    /// Open at its beginning: the walk leaves these out.
    left_out: HashSet<Key>,
    /// What these were then, and what has become of them: exact.
    exact: Sum,
    /// What else was added, and what taken away. The walk may have seen it or not.
    plus: Sum,
    minus: Sum,
    /// A directory has moved, so that it may be counted twice or not at all.
    upset: bool,
}

impl State {
    fn change(&mut self, by: Sum, key: Option<Key>) {
        self.used = self.used.plus(by);
        let Some(count) = &mut self.count else { return };
        if key.is_some_and(|key| count.left_out.contains(&key)) {
            count.exact = count.exact.plus(by);
            return;
        }
        let up = Sum { bytes: by.bytes.max(0), files: by.files.max(0) };
        count.plus = count.plus.plus(up);
        count.minus = count.minus.plus(up.minus(by));
    }

    fn used(&self) -> (u64, u64) {
        let positive = |number: i64| u64::try_from(number).unwrap_or(0);
        (positive(self.used.bytes), positive(self.used.files))
    }
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn names(&self) -> MutexGuard<'_, ()> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes and files; `None`: they were never counted.
    pub(crate) fn used(&self) -> Option<(u64, u64)> {
        let state = self.lock();
        state.known.then(|| state.used())
    }

    /// Bytes and files; if they were never counted, what was added since the beginning.
    pub(super) fn counted_or_since(&self) -> (u64, u64) {
        self.lock().used()
    }

    pub(super) fn add(&self, by: Sum) {
        self.lock().change(by, None);
    }

    /// One file more, if that is not above the limit.
    pub(super) fn add_file(&self, limit: Option<u64>) -> bool {
        let mut state = self.lock();
        let fits = limit.is_none_or(|limit| state.used().1 < limit);
        if fits {
            state.change(Sum::files(1), None);
        }
        fits
    }

    /// A name is gone. `key`: it was the only one of this file, which counts until nobody has it open.
    pub(super) fn removed(&self, size: u64, key: Option<Key>) {
        let mut state = self.lock();
        let open = key.and_then(|key| state.open.get_mut(&key));
        let is_open = open.is_some_and(|open| {
            open.gone = true;
            true
        });
        let bytes = if is_open { 0 } else { -signed(size) };
        state.change(Sum { bytes, files: -1 }, key);
    }

    /// A file or directory has another name.
    pub(super) fn moved(&self, is_directory: bool, size: i64) {
        if let Some(count) = &mut self.lock().count {
            count.upset |= is_directory;
            let it = Sum { bytes: size, files: 1 };
            count.plus = count.plus.plus(it);
            count.minus = count.minus.plus(it);
        }
    }

    /// A file of this length is open for writing from now on.
    pub(super) fn open(&self, key: Option<Key>, size: u64) -> Key {
        let mut state = self.lock();
        state.nameless += 1;
        let key = key.unwrap_or((u64::MAX, state.nameless));
        let open = state.open.entry(key).or_insert(Open { paid: size, holders: 0, gone: false });
        open.holders += 1;
        key
    }

    /// It was cut off. If others have it open, too, it counts as before until the last one closes it.
    pub(super) fn cut(&self, key: Key, size: u64) {
        let mut state = self.lock();
        let Some(open) = state.open.get_mut(&key).filter(|open| open.holders == 1) else { return };
        let by = signed(size) - signed(open.paid);
        open.paid = size;
        state.change(Sum::bytes(by), Some(key));
    }

    /// Makes the file's counted length at least `to`, and by `more` longer if there is plenty of room. Returns it; if it
    /// would be above the limit, how many bytes are left.
    pub(super) fn pay(&self, key: Key, limit: Option<u64>, to: u64, more: u64) -> Result<u64, u64> {
        let mut state = self.lock();
        let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(state.used().0));
        let Some(open) = state.open.get_mut(&key) else { return Ok(to) };
        let need = to.saturating_sub(open.paid);
        if need > left {
            return Err(left);
        }
        // Who holds more than it needs keeps others out: not when there is little.
        let more = if more <= (left - need) / 16 { more } else { 0 };
        let paid = open.paid.max(to).saturating_add(more);
        let by = signed(paid - open.paid);
        open.paid = paid;
        state.change(Sum::bytes(by), Some(key));
        Ok(paid)
    }

    /// It is closed, and of this length; 0 if it has no name any more; `None`: nobody knows.
    pub(super) fn close(&self, key: Key, size: Option<u64>) {
        let mut state = self.lock();
        let Some(open) = state.open.get_mut(&key) else { return };
        open.holders = open.holders.saturating_sub(1);
        if open.holders == 0 {
            let (paid, gone) = (open.paid, open.gone);
            // Not every file system tells of an open file that its name is gone (NFS gives it another one).
            let size = if gone { Some(0) } else { size };
            state.open.remove(&key);
            state.change(Sum::bytes(signed(size.unwrap_or(paid)) - signed(paid)), Some(key));
        }
    }

    /// Whether somebody is to count. Whoever asks has to.
    pub(super) fn begin_counting_if_due(&self) -> bool {
        let mut state = self.lock();
        let is_due = !state.busy && state.due.is_none_or(|due| due <= Instant::now());
        state.busy |= is_due;
        is_due
    }

    /// Nobody counts any more.
    pub(super) fn end_counting(&self, is_exact: bool, took: Duration) {
        let mut state = self.lock();
        state.busy = false;
        state.due = Instant::now().checked_add(pause(is_exact, took));
    }

    /// A walk begins; it has to leave these files out.
    pub(super) fn begin_walk(&self) -> HashSet<Key> {
        // A change is on the disk and in the ledger, or in neither, when a walk begins and ends.
        let _names = self.names();
        let mut state = self.lock();
        let left_out: HashSet<Key> = state.open.keys().copied().collect();
        let exact = state.open.values().fold(Sum::default(), |sum, open| {
            sum.plus(Sum { bytes: signed(open.paid), files: i64::from(!open.gone) })
        });
        let (plus, minus) = Default::default();
        state.count = Some(Count { left_out: left_out.clone(), exact, plus, minus, upset: false });
        left_out
    }

    /// A walk has found so much; `None`: it was given up. Whether the number is exact now.
    pub(super) fn end_walk(&self, found: Option<Sum>) -> bool {
        let _names = self.names();
        let mut state = self.lock();
        let (Some(count), Some(found)) = (state.count.take(), found) else { return false };
        let found = found.plus(count.exact);
        let (low, high) = (found.minus(count.minus), found.plus(count.plus));
        if !state.known {
            // Rather too much than too little: another walk comes soon.
            state.used = high;
        } else if !count.upset {
            let within = |now: i64, low: i64, high: i64| now.clamp(low, high.max(low));
            state.used = Sum {
                bytes: within(state.used.bytes, low.bytes, high.bytes),
                files: within(state.used.files, low.files, high.files),
            };
        }
        state.known = true;
        low == high && !count.upset
    }
}
