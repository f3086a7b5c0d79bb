//! When the session hears of progress.

use crate::time::Instant;
use core::time::Duration;

/// Decides when the session hears of progress: often enough to tell a stall, too rarely to cost anything.
#[derive(Default)]
pub(super) struct Reports {
    bytes: u64,
    /// When the last one was made; at first, when the pipe began.
    at: Option<Instant>,
}

impl Reports {
    /// Several in the shortest stall timeout there is, one second: a slow client must not look like a stalled one.
    const INTERVAL: Duration = Duration::from_millis(250);
    const BYTES: u64 = 8 * 1024 * 1024;

    /// Whether it is time for a report; if so, it counts as made.
    pub(super) fn are_due(&mut self, now: Instant, bytes: u64) -> bool {
        let last = *self.at.get_or_insert(now);
        let moved = bytes - self.bytes;
        let due = moved >= Self::BYTES || (moved > 0 && now.duration_since(last) >= Self::INTERVAL);
        if due {
            *self = Self { bytes, at: Some(now) };
        }
        due
    }
}
