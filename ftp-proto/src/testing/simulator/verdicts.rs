//! Each data connection that fails ends in one verdict, and none else does.

use crate::diagnose::Cause;
use crate::event::TransferId;
use crate::transfer::{EndReason, TransferEnd};
use alloc::format;
use alloc::string::String;

/// What one session has said of its data connections, and what it has to say.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    /// Data connections that were asked for.
    pub(super) attempts: usize,
    /// Transfers that were stopped.
    stopped: usize,
    /// Transfers that broke, were cut off, or ended by TLS.
    broken: usize,
    truncated: usize,
    ended_by_tls: usize,
    /// Verdicts on these.
    said_broken: usize,
    said_truncated: usize,
    said_stalled: usize,
    said_tls: usize,
    /// All verdicts.
    said: usize,
    /// The transfer that ended last, and how.
    last: Option<(TransferId, Result<(), EndReason>)>,
}

impl Verdicts {
    /// A transfer has ended by itself.
    pub(super) fn ended(&mut self, id: TransferId, end: &TransferEnd) {
        self.last = Some((id, end.outcome.clone()));
        if let Some(count) = self.count(&end.outcome) {
            *count += 1;
        }
    }

    /// The session stops a transfer. If that had ended meanwhile, it does not matter how.
    pub(super) fn stopped(&mut self, id: TransferId) {
        self.stopped += 1;
        if let Some((_, outcome)) = self.last.take_if(|(last, _)| *last == id)
            && let Some(count) = self.count(&outcome)
        {
            *count -= 1;
        }
    }

    fn count(&mut self, outcome: &Result<(), EndReason>) -> Option<&mut usize> {
        match outcome {
            Err(EndReason::Link(_)) => Some(&mut self.broken),
            Err(EndReason::Truncated) => Some(&mut self.truncated),
            Err(EndReason::Tls(_)) => Some(&mut self.ended_by_tls),
            _ => None,
        }
    }

    /// The log hears a verdict.
    pub(super) fn said(&mut self, cause: &Cause) {
        self.said += 1;
        match cause {
            Cause::Broken(_) => self.said_broken += 1,
            Cause::Truncated => self.said_truncated += 1,
            Cause::Stalled => self.said_stalled += 1,
            Cause::TlsFailed(_) => self.said_tls += 1,
            _ => {}
        }
    }

    /// What holds when a session has nothing more to do for now. The client has read `told` replies that tell why a data
    /// connection failed.
    pub(super) fn check(&self, told: &[String]) -> Result<(), String> {
        let holds = self.said_broken == self.broken
            && self.said_truncated == self.truncated
            && self.said_tls >= self.ended_by_tls
            && self.said_stalled <= self.stopped
            && self.said <= self.attempts
            && told.len() <= self.said;
        if holds { Ok(()) } else { Err(format!("told {told:?}, {self:?}")) }
    }
}
