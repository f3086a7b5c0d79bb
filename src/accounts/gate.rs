//! A door for few at a time. Each check of a hash takes 19 MiB and a core: a flood of logins must wait
//! outside, not eat the memory.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long somebody waits outside before being told to come back later.
const PATIENCE: Duration = Duration::from_secs(10);

/// At most so many inside, at most so many waiting.
pub(super) struct Gate {
    counts: Mutex<Counts>,
    left: Condvar,
    places: usize,
    queue: usize,
    patience: Duration,
}

#[derive(Default)]
struct Counts {
    inside: usize,
    waiting: usize,
}

impl Gate {
    /// A place for each core, and a queue of 32 for each place: half a second of work.
    pub(super) fn for_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(cores, cores * 32, PATIENCE)
    }

    fn new(places: usize, queue: usize, patience: Duration) -> Self {
        Self { counts: Mutex::default(), left: Condvar::new(), places, queue, patience }
    }

    /// Runs `work` inside; `None` if there was no place in time.
    pub(super) fn pass<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.inside >= self.places {
            if counts.waiting >= self.queue {
                return None;
            }
            counts.waiting += 1;
            counts = self
                .left
                .wait_timeout_while(counts, self.patience, |counts| counts.inside >= self.places)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            counts.waiting -= 1;
            if counts.inside >= self.places {
                return None;
            }
        }
        counts.inside += 1;
        drop(counts);
        let _inside = Inside(self);
        Some(work())
    }
}

/// Leaves the gate when dropped, so also when the work panics.
struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner).inside -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn never_more_inside_than_places() {
        let gate = Gate::new(2, 100, Duration::from_secs(60));
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    gate.pass(|| {
                        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    })
                    .unwrap();
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
        assert_eq!(gate.pass(|| 1), Some(1));
    }

    #[test]
    fn a_full_queue_and_a_long_wait_are_refused() {
        let full = Gate::new(1, 0, Duration::from_secs(60));
        assert_eq!(full.pass(|| full.pass(|| ())), Some(None));
        let slow = Gate::new(1, 1, Duration::from_millis(1));
        assert_eq!(slow.pass(|| slow.pass(|| ())), Some(None));
        assert_eq!(slow.pass(|| ()), Some(()));
    }
}
