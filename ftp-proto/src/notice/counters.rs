//! Totals since the start: the simplest fold over notices, for metrics and for the end of the log.

use super::Notice;
use super::table::Table;
use crate::diagnose::Neighbourhood;
use crate::event::SessionId;
use crate::transfer::Direction;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;

/// The row of clients that did not say by CLNT what they are.
pub const UNNAMED: &str = "unnamed";

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Control connections that were accepted.
    pub sessions: u64,
    /// Control connections that were turned away.
    pub refused: u64,
    /// The same by the reason ([`Refusal`](super::Refusal)).
    pub refusals: BTreeMap<&'static str, u64>,
    /// Logins.
    pub logins: u64,
    /// Logins that failed.
    pub failed_logins: u64,
    /// Bans.
    pub bans: u64,
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
    /// Control connections on which something else than FTP was spoken, by its name
    /// ([`Protocol`](crate::foreign::Protocol)).
    pub other_protocols: BTreeMap<&'static str, u64>,
    /// Failed data connections by the kind of their [`Verdict`](crate::diagnose::Verdict::kind).
    pub verdicts: BTreeMap<&'static str, u64>,
    /// The same data connections by their likely cause, its [`Suspect`](crate::diagnose::Suspect).
    pub suspects: BTreeMap<&'static str, u64>,
    /// By the client's network.
    pub networks: Table<Neighbourhood>,
    /// By what the client calls itself; [`UNNAMED`] are those that don't.
    pub software: Table<String>,
    live: BTreeMap<SessionId, Live>,
}

/// A session that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Live {
    network: Neighbourhood,
    software: String,
    logged_in: bool,
}

impl Counters {
    /// Takes note of something that happened to this session, or to the whole server.
    pub fn count(&mut self, session: Option<SessionId>, notice: &Notice) {
        if let Some(session) = session {
            self.count_by_client(session, notice);
        }
        match notice {
            Notice::SessionOpened { .. } => self.sessions += 1,
            Notice::SessionRefused { why, .. } => {
                self.refused += 1;
                *self.refusals.entry(why.kind()).or_default() += 1;
            }
            Notice::LoggedIn { .. } => self.logins += 1,
            Notice::LoginFailed { .. } => self.failed_logins += 1,
            Notice::Banned { .. } => self.bans += 1,
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
            Notice::DataConnectionFailed(verdict) => {
                *self.verdicts.entry(verdict.kind()).or_default() += 1;
                *self.suspects.entry(verdict.suspect().id()).or_default() += 1;
            }
            Notice::ControlSecured(_) => self.secured += 1,
            Notice::ControlTlsFailed(_) => self.tls_failures += 1,
            Notice::PlaintextDiscarded { .. } => self.plaintext_discarded += 1,
            Notice::NoProxyHeader { .. } => self.no_proxy_header += 1,
            Notice::SpokeOtherProtocol { which, .. } => {
                *self.other_protocols.entry(which.name()).or_default() += 1;
            }
            Notice::BanEnded { .. }
            | Notice::ClientNamed { .. }
            | Notice::HostChosen { .. }
            | Notice::ProfilesApplied { .. }
            | Notice::StrangerTurnedAway { .. }
            | Notice::TransferStarted { .. }
            | Notice::ControlCleared
            | Notice::NotResumed { .. }
            | Notice::DataElsewhere { .. }
            | Notice::TargetReplaced { .. }
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

    /// Only what happens after a login makes rows: a stranger can't push those of others out.
    fn count_by_client(&mut self, session: SessionId, notice: &Notice) {
        if let Notice::SessionOpened { peer, .. } = notice {
            let network = Neighbourhood::of(peer.ip());
            let live = Live { network, software: String::from(UNNAMED), logged_in: false };
            self.live.insert(session, live);
            return;
        }
        let Self { networks, software, live, .. } = self;
        let Some(client) = live.get_mut(&session) else { return };
        match notice {
            Notice::LoggedIn { .. } if !client.logged_in => {
                client.logged_in = true;
                networks.row(&client.network).sessions += 1;
                software.row(&client.software).sessions += 1;
            }
            Notice::ClientNamed { software: name } => {
                if client.logged_in {
                    let before = software.row(&client.software);
                    before.sessions = before.sessions.saturating_sub(1);
                    software.row(name).sessions += 1;
                }
                client.software.clone_from(name);
            }
            Notice::TransferEnded(record) if record.outcome.is_ok() => {
                networks.row(&client.network).completed += 1;
                software.row(&client.software).completed += 1;
            }
            Notice::DataConnectionFailed(verdict) => {
                networks.row(&client.network).fail(verdict);
                software.row(&client.software).fail(verdict);
            }
            Notice::SessionClosed { .. } => {
                live.remove(&session);
            }
            _ => {}
        }
    }
}

/// Numbers by name in one line, as `nobody_connected=3 wrong_peer=1`; `none` if there are none.
#[derive(Clone, Copy, Debug)]
pub struct ByName<'a>(pub &'a BTreeMap<&'static str, u64>);

impl fmt::Display for ByName<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return out.write_str("none");
        }
        for (position, (kind, count)) in self.0.iter().enumerate() {
            let space = if position == 0 { "" } else { " " };
            write!(out, "{space}{kind}={count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{Cause, Outlook, Verdict};
    use crate::event::LinkError;
    use crate::notice::TransferRecord;
    use crate::notice::table::MAX_ROWS;
    use crate::path::VirtualPath;
    use crate::transfer::{Coding, EndReason};
    use core::time::Duration;
    use std::format;
    use std::string::ToString;
    use std::vec::Vec;

    const HERE: &str = "203.0.113.5:4000";

    fn failed(cause: Cause) -> Notice {
        let end = HERE.parse().unwrap();
        Notice::DataConnectionFailed(Verdict {
            peer: end,
            local: end,
            setup: None,
            cause,
            bytes: 0,
            direction: None,
            encrypted: false,
            software: None,
            outlook: Outlook::default(),
        })
    }

    fn moved(direction: Direction, outcome: Result<(), EndReason>) -> Notice {
        Notice::TransferEnded(TransferRecord {
            verb: "RETR",
            direction,
            path: VirtualPath::root(),
            coding: Coding::IMAGE,
            bytes: 5,
            lasted: Duration::ZERO,
            outcome,
        })
    }

    fn opened(peer: &str) -> Notice {
        Notice::SessionOpened { peer: peer.parse().unwrap(), local: HERE.parse().unwrap() }
    }

    fn named(software: &str) -> Notice {
        Notice::ClientNamed { software: software.into() }
    }

    fn logged_in() -> Notice {
        Notice::LoggedIn { user: "bob".into() }
    }

    fn closed() -> Notice {
        Notice::SessionClosed { user: None, lasted: Duration::ZERO, why: "quit" }
    }

    fn lines<Key: Ord + Clone + ToString>(table: &Table<Key>) -> Vec<String> {
        table.rows().map(|(key, row)| format!("{}: {row}", key.to_string())).collect()
    }

    #[test]
    fn verdicts_and_transfers_are_counted_by_kind() {
        let mut counters = Counters::default();
        assert_eq!(ByName(&counters.verdicts).to_string(), "none");
        for notice in [
            failed(Cause::NobodyConnected),
            failed(Cause::NobodyConnected),
            failed(Cause::ConnectFailed(LinkError::Refused)),
            moved(Direction::Download, Ok(())),
            moved(Direction::Upload, Err(EndReason::Aborted)),
        ] {
            counters.count(None, &notice);
        }
        assert_eq!(ByName(&counters.verdicts).to_string(), "connect_refused=1 nobody_connected=2");
        assert_eq!(ByName(&counters.suspects).to_string(), "client_refuses=1 client_silent=2");
        assert_eq!((counters.downloads, counters.uploads, counters.failed_transfers), (1, 0, 1));
        assert_eq!((counters.bytes_down, counters.bytes_up), (5, 5));
    }

    #[test]
    fn who_fails_and_how_is_counted_by_network_and_software() {
        let mut counters = Counters::default();
        let (first, second, stranger) = (Some(SessionId(1)), Some(SessionId(2)), Some(SessionId(3)));
        for (session, notice) in [
            (first, opened("203.0.113.5:4000")),
            (first, named("FileZilla 3")),
            (first, logged_in()),
            (first, moved(Direction::Download, Ok(()))),
            (second, opened("203.0.113.77:4000")),
            (second, logged_in()),
            (second, failed(Cause::NobodyConnected)),
            // NcFTP logs in first.
            (second, named("NcFTP 3")),
            (second, failed(Cause::NobodyConnected)),
            (second, failed(Cause::ConnectFailed(LinkError::Refused))),
            (second, logged_in()),
            (stranger, opened("198.51.100.1:4000")),
            (stranger, named("Scanner 1")),
        ] {
            counters.count(session, &notice);
        }
        let failed = "connect_refused/client_refuses=1 nobody_connected/client_silent=2";
        assert_eq!(
            lines(&counters.networks),
            [format!("203.0.113.0/24: sessions=2 completed=1 failed=3 {failed}")],
            "neighbours share a row, and who did not log in has none"
        );
        assert_eq!(
            lines(&counters.software),
            [
                "FileZilla 3: sessions=1 completed=1 failed=0",
                "NcFTP 3: sessions=1 completed=0 failed=2 connect_refused/client_refuses=1 \
                 nobody_connected/client_silent=1",
                "unnamed: sessions=0 completed=0 failed=1 nobody_connected/client_silent=1",
            ]
        );
        let worst: Vec<&String> = counters.software.worst(9).into_iter().map(|(name, _)| name).collect();
        assert_eq!(worst, ["NcFTP 3", "unnamed"]);
        for session in [first, second, stranger] {
            counters.count(session, &closed());
        }
        assert!(counters.live.is_empty(), "sessions that ended are forgotten");
    }

    #[test]
    fn the_row_that_was_idle_for_longest_makes_room() {
        let mut counters = Counters::default();
        let rows = u64::try_from(MAX_ROWS).unwrap();
        for number in 0..rows + 2 {
            let session = Some(SessionId(number));
            counters.count(session, &opened("203.0.113.5:4000"));
            counters.count(session, &named(&format!("client {number:03}")));
            counters.count(session, &logged_in());
            if number == rows - 1 {
                // The first is not idle any more.
                counters.count(Some(SessionId(0)), &failed(Cause::NobodyConnected));
            }
        }
        assert_eq!((counters.software.rows().count(), counters.software.evicted()), (MAX_ROWS, 2));
        let names: Vec<&String> = counters.software.rows().map(|(name, _)| name).collect();
        assert_eq!(names[..2], ["client 000", "client 003"]);
        assert_eq!(counters.networks.evicted(), 0);
    }
}
