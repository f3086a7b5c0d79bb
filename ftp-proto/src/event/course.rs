//! How a session and a job of its that takes long see each other while both run.

use super::Contender;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What a long job has done so far, and whether it is still wanted: the one thing that a session and a job share.
///
/// The job tells what it has done after each piece, the session looks when it wants to know. So nothing has to be sent
/// from one to the other, and a job that stands still can be told from one that is slow.
#[derive(Debug, Default)]
pub struct Course {
    contender: Contender,
    stopped: AtomicBool,
    begun: AtomicBool,
    /// Pieces that are done. It may begin again at 0.
    pieces: AtomicUsize,
    /// Not bytes, which don't fit everywhere.
    kibibytes: AtomicUsize,
}

impl Course {
    /// Of a job for this client.
    pub(crate) fn of(contender: Contender) -> Self {
        Self { contender, ..Self::default() }
    }

    pub(super) fn contender(&self) -> Contender {
        self.contender
    }

    // Who stops a job looks then whether it has begun, and a job that begins looks then whether it was stopped. In one order
    // for both, so that one of them sees the other: else a job would run whose client was told that it does not.

    /// The job is to end as soon as it can, at the next piece.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Whether the job is to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// The job has its place and runs from now on.
    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }

    /// Whether the job runs already, or waits for others.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// One more piece is done; `bytes` were in all of them.
    pub(crate) fn go_on(&self, bytes: u64) {
        // Only the job writes, so that no exchange is needed, which small processors don't have.
        self.pieces.store(self.pieces.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.kibibytes.store(usize::try_from(bytes / 1024).unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    /// How many pieces are done. Two that differ say that the job went on between them.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces.load(Ordering::Relaxed)
    }

    /// How many KiB are done.
    pub(crate) fn kibibytes(&self) -> usize {
        self.kibibytes.load(Ordering::Relaxed)
    }
}
