//! Totals since the start: the simplest fold over notices, for metrics and for the end of the log.

use super::Notice;
use crate::transfer::Direction;
use alloc::collections::BTreeMap;
use core::fmt;

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Control connections that were accepted.
    pub sessions: u64,
    /// Control connections that were turned away.
    pub refused: u64,
    /// Logins.
    pub logins: u64,
    /// Logins that failed.
    pub failed_logins: u64,
    /// Complete transfers to clients.
    pub downloads: u64,
    /// Complete transfers from clients.
    pub uploads: u64,
    /// Transfers that were not completed.
    pub failed_transfers: u64,
    /// Bytes to clients over data connections.
    pub bytes_down: u64,
    /// Bytes from clients over data connections.
    pub bytes_up: u64,
    /// Control connections that came under TLS.
    pub secured: u64,
    /// Control connections on which TLS failed.
    pub tls_failures: u64,
    /// Times that plain text came behind AUTH.
    pub plaintext_discarded: u64,
    /// Connections of balancers without a PROXY header.
    pub no_proxy_header: u64,
    /// Failed data connections by the kind of their [`Verdict`](crate::diagnose::Verdict::kind).
    pub verdicts: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// Takes note.
    pub fn count(&mut self, notice: &Notice) {
        match notice {
            Notice::SessionOpened { .. } => self.sessions += 1,
            Notice::SessionRefused { .. } => self.refused += 1,
            Notice::LoggedIn { .. } => self.logins += 1,
            Notice::LoginFailed { .. } => self.failed_logins += 1,
            Notice::TransferEnded(record) => {
                let (complete, bytes) = match record.direction {
                    Direction::Download => (&mut self.downloads, &mut self.bytes_down),
                    Direction::Upload => (&mut self.uploads, &mut self.bytes_up),
                };
                *bytes = bytes.saturating_add(record.bytes);
                match record.outcome {
                    Ok(()) => *complete += 1,
                    Err(_) => self.failed_transfers += 1,
                }
            }
            Notice::DataConnectionFailed(verdict) => *self.verdicts.entry(verdict.kind()).or_default() += 1,
            Notice::ControlSecured(_) => self.secured += 1,
            Notice::ControlTlsFailed(_) => self.tls_failures += 1,
            Notice::PlaintextDiscarded { .. } => self.plaintext_discarded += 1,
            Notice::NoProxyHeader { .. } => self.no_proxy_header += 1,
            Notice::TransferStarted { .. }
            | Notice::ControlCleared
            | Notice::NotResumed { .. }
            | Notice::DataElsewhere { .. }
            | Notice::NoCloseNotify { .. }
            | Notice::Command { .. }
            | Notice::Replied { .. }
            | Notice::Changed { .. }
            | Notice::StorageFailed { .. }
            | Notice::SessionClosed { .. }
            | Notice::PortOpened { .. }
            | Notice::PortFailed { .. }
            | Notice::AcceptFailed { .. }
            | Notice::NameResolved { .. }
            | Notice::NameFailed { .. } => {}
        }
    }
}

/// The verdicts in one line, as `nobody_connected=3 wrong_peer=1`; `none` if there are none.
#[derive(Clone, Copy, Debug)]
pub struct Verdicts<'a>(pub &'a Counters);

impl fmt::Display for Verdicts<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.verdicts.is_empty() {
            return out.write_str("none");
        }
        for (position, (kind, count)) in self.0.verdicts.iter().enumerate() {
            let space = if position == 0 { "" } else { " " };
            write!(out, "{space}{kind}={count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{Cause, Verdict};
    use crate::event::LinkError;
    use crate::notice::TransferRecord;
    use crate::path::VirtualPath;
    use crate::transfer::EndReason;
    use core::time::Duration;
    use std::string::ToString;

    #[test]
    fn verdicts_and_transfers_are_counted_by_kind() {
        let mut counters = Counters::default();
        let end = "203.0.113.5:4000".parse().unwrap();
        let failed = |cause| {
            Notice::DataConnectionFailed(Verdict { peer: end, local: end, setup: None, cause, bytes: 0 })
        };
        let moved = |direction, outcome| {
            Notice::TransferEnded(TransferRecord {
                verb: "RETR",
                direction,
                path: VirtualPath::root(),
                bytes: 5,
                lasted: Duration::ZERO,
                outcome,
            })
        };
        assert_eq!(Verdicts(&counters).to_string(), "none");
        for notice in [
            failed(Cause::NobodyConnected),
            failed(Cause::NobodyConnected),
            failed(Cause::ConnectFailed(LinkError::Refused)),
            moved(Direction::Download, Ok(())),
            moved(Direction::Upload, Err(EndReason::Aborted)),
        ] {
            counters.count(&notice);
        }
        assert_eq!(Verdicts(&counters).to_string(), "connect_refused=1 nobody_connected=2");
        assert_eq!((counters.downloads, counters.uploads, counters.failed_transfers), (1, 0, 1));
        assert_eq!((counters.bytes_down, counters.bytes_up), (5, 5));
    }
}
