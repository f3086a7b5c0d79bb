//! What happened in a world.

use super::faults::Faults;
use crate::diagnose::Cause;
use crate::notice::{Notice, Trust};

/// What happened in a world that is worth a test's trouble: all of them zero, and it has shown nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Control connections that came under TLS.
    pub secured: usize,
    /// Control connections that left it.
    pub cleared: usize,
    /// Plain text behind AUTH was thrown away.
    pub discarded: usize,
    /// Transfers that were complete: in the clear, and under TLS.
    pub clear_transfers: usize,
    /// See `clear_transfers`.
    pub secure_transfers: usize,
    /// Uploads that were cut off.
    pub truncated: usize,
    /// Data connections that did not prove whose they are.
    pub unproven: usize,
    /// Data connections from other addresses that count as the client's.
    pub neighbours: usize,
    /// Those that proved by TLS whose they are.
    pub proven: usize,
    /// Data connections that came to their session through a balancer.
    pub balanced: usize,
    /// Clients, and names from somewhere, that were banned.
    pub banned: usize,
    /// Complete transfers whose bytes were not the stored ones: records, blocks, runs, and texts in a stream.
    pub texts: usize,
    /// Those in MODE B and C.
    pub blocks: usize,
    /// Those in MODE Z.
    pub deflated: usize,
    /// Long jobs whose end a session heard of.
    pub long_jobs: usize,
    /// Long jobs that were stopped, or whose session was gone.
    pub stopped_jobs: usize,
    /// Replies that came before the one to a long job.
    pub overtaken: usize,
    /// Sessions that began as another protocol's.
    pub foreign: usize,
    /// Verdicts on data connections.
    pub verdicts: usize,
    /// What went wrong.
    pub faults: Faults,
}

impl core::ops::AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.secured += more.secured;
        self.cleared += more.cleared;
        self.discarded += more.discarded;
        self.clear_transfers += more.clear_transfers;
        self.secure_transfers += more.secure_transfers;
        self.truncated += more.truncated;
        self.unproven += more.unproven;
        self.neighbours += more.neighbours;
        self.proven += more.proven;
        self.balanced += more.balanced;
        self.banned += more.banned;
        self.texts += more.texts;
        self.blocks += more.blocks;
        self.deflated += more.deflated;
        self.long_jobs += more.long_jobs;
        self.stopped_jobs += more.stopped_jobs;
        self.overtaken += more.overtaken;
        self.foreign += more.foreign;
        self.verdicts += more.verdicts;
        self.faults.add(&more.faults);
    }
}

impl Tally {
    pub(super) fn count(&mut self, notice: &Notice) {
        match notice {
            Notice::ControlSecured(_) => self.secured += 1,
            Notice::Banned { .. } => self.banned += 1,
            Notice::ControlCleared => self.cleared += 1,
            Notice::PlaintextDiscarded { .. } => self.discarded += 1,
            Notice::SpokeOtherProtocol { .. } => self.foreign += 1,
            Notice::DataElsewhere { trust, .. } => match trust {
                Trust::SameClient => self.neighbours += 1,
                Trust::Resumed => self.proven += 1,
                Trust::ServerToServer | Trust::ActiveRule => {}
            },
            Notice::DataConnectionFailed(verdict) => {
                self.verdicts += 1;
                match verdict.cause {
                    Cause::Truncated => self.truncated += 1,
                    Cause::NotResumed(_) => self.unproven += 1,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
