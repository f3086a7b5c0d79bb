//! How a running server stands: the answer that `ftpd status` shows, and that other commands learn the live
//! configuration from.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A running server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Its file, if the system tells.
    pub program: Option<PathBuf>,
    /// Seconds since it was started.
    pub uptime: u64,
    /// `smol` or `threads`.
    pub runtime: String,
    /// Where control connections are accepted.
    pub control: Vec<SocketAddr>,
    /// Where TLS begins with them.
    pub implicit_tls: Vec<SocketAddr>,
    /// Passive mode.
    pub passive: PassiveStatus,
    /// What clients are told in 227.
    pub external: AdvertisedAddress,
    /// Active mode.
    pub active: ActiveStatus,
    /// Balancers.
    pub proxy: ProxyStatus,
    /// How many sessions there are.
    pub sessions: u64,
    /// How many transfers run.
    pub transfers: u64,
    /// How many bans hold.
    #[serde(default)]
    pub bans: u64,
    /// The sessions, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_list: Option<Vec<SessionStatus>>,
    /// What happened since the start.
    pub totals: Totals,
    /// Where the settings come from.
    pub configuration: ConfigurationStatus,
    /// Virtual hosts.
    #[serde(default)]
    pub hosts: Vec<HostStatus>,
    /// The accounts that are nearest to what they may store, the fullest first; at most ten, and only those that have logged
    /// in since the start.
    #[serde(default)]
    pub quotas: Vec<QuotaStatus>,
    /// The certificates clients see, the first one if they ask for no name. Empty: there is no TLS.
    pub certificates: Vec<CertificateStatus>,
}

/// Ports in a row, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl PortRange {
    /// How many there are.
    pub fn count(self) -> u32 {
        (u32::from(self.last) + 1).saturating_sub(u32::from(self.first))
    }

    /// Ports in order, as few ranges.
    pub fn group(ports: &[u16]) -> Vec<Self> {
        let mut ranges: Vec<Self> = Vec::new();
        for &port in ports {
            match ranges.last_mut() {
                Some(range) if range.last.checked_add(1) == Some(port) => range.last = port,
                _ => ranges.push(Self { first: port, last: port }),
            }
        }
        ranges
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self { first, last } if first == last => write!(out, "{first}"),
            Self { first, last } => write!(out, "{first}-{last}"),
        }
    }
}

/// Passive mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassiveStatus {
    /// Whether it is offered.
    pub enabled: bool,
    /// The setting, `41000-41099` or `auto:4`.
    pub ports: String,
    /// The ports of it that are listened on, should all of them be open; `None`: the system chooses them.
    pub range: Option<PortRange>,
    /// The same ports as clients see them, if a router maps them to others.
    pub exposed: Option<PortRange>,
    /// Those that are open.
    pub open: Vec<PortRange>,
    /// Those that can't be opened; tried again in a while.
    pub failed: Vec<FailedPort>,
    /// How many are being opened right now.
    pub opening: u64,
    /// Ports of an earlier range that close when the last client has come who was told of them.
    pub retiring: Vec<u16>,
    /// How many clients are awaited on a port right now: they were told of it and have not connected yet.
    #[serde(default)]
    pub leases: u64,
    /// How many sessions wait for a port to come free.
    #[serde(default)]
    pub queued: u64,
}

/// A port that can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedPort {
    /// Its number; 0 stands for ports that the system chooses.
    pub port: u16,
    /// The system's words, and who has it if that is known.
    pub reason: String,
}

/// What clients are told in 227, if no rule says otherwise for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvertisedAddress {
    /// The setting: an address, a name, or `control-connection`.
    pub setting: String,
    /// The address, if it is one for all clients and known.
    pub address: Option<IpAddr>,
    /// Why, in one sentence.
    pub why: String,
}

/// Active mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveStatus {
    /// Whether it is offered.
    pub enabled: bool,
    /// The port data connections come from, if it is a fixed one.
    pub source_port: Option<u16>,
    /// Where they lead to: `as-sent` or `control-peer`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// How many rules let clients name other addresses than their own.
    #[serde(default)]
    pub rules: u64,
}

/// Balancers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyStatus {
    /// From these networks connections begin with a PROXY header.
    pub trusted: Vec<String>,
    /// Data connections, too.
    pub data: bool,
}

/// A virtual host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStatus {
    /// Its names; the first stands for it.
    pub names: Vec<String>,
    /// How many users its accounts file has.
    pub users: u64,
    /// Whether guests may enter.
    pub anonymous: bool,
    /// Whether there is a certificate for each of its names.
    pub certificate: bool,
}

/// What an account has stored of what it may store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaStatus {
    /// Whose; `anonymous`: all guests'.
    pub user: String,
    /// At which virtual host.
    #[serde(default)]
    pub host: Option<String>,
    /// Bytes in the files below the account's directory.
    pub bytes: u64,
    /// How many there may be; `None`: any number.
    pub bytes_limit: Option<u64>,
    /// Files and directories.
    pub files: u64,
    /// How many there may be; `None`: any number.
    pub files_limit: Option<u64>,
}

impl QuotaStatus {
    /// How full it is, in thousandths: of bytes or files, whichever is fuller.
    pub fn per_mille(&self) -> u64 {
        let of = |used: u64, limit: Option<u64>| match limit {
            None => 0,
            Some(0) => 1_000,
            Some(limit) => u64::try_from(u128::from(used) * 1_000 / u128::from(limit)).unwrap_or(u64::MAX),
        };
        of(self.bytes, self.bytes_limit).max(of(self.files, self.files_limit))
    }
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Its number, as in the log.
    pub id: u64,
    /// The client's end.
    pub peer: SocketAddr,
    /// Who logged in; any text.
    pub user: Option<String>,
    /// At which virtual host.
    #[serde(default)]
    pub host: Option<String>,
    /// Seconds since it began.
    pub age: u64,
    /// What it transfers right now, as `RETR /file`; any text.
    pub transfer: Option<String>,
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanStatus {
    /// The client: an address, or a network of IPv6 like `2001:db8::/64`.
    pub address: String,
    /// The name that is refused there, as it was typed: any text. `None`: nobody may come from there.
    pub user: Option<String>,
    /// The virtual host on which that name is refused.
    #[serde(default)]
    pub host: Option<String>,
    /// Since when, in seconds since 1970.
    pub since: i64,
    /// Until when, in seconds since 1970.
    pub until: i64,
    /// After how many failed logins.
    pub failures: u32,
    /// The how many-th in a row.
    pub times: u32,
}

/// What happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Control connections that were accepted.
    pub sessions: u64,
    /// Control connections that were turned away.
    pub refused: u64,
    /// The same by the reason.
    #[serde(default)]
    pub refusals: BTreeMap<String, u64>,
    /// Bans.
    #[serde(default)]
    pub bans: u64,
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
    /// Control connections on which something else than FTP was spoken, by its name.
    #[serde(default)]
    pub other_protocols: BTreeMap<String, u64>,
    /// Failed data connections, by what happened.
    pub verdicts: BTreeMap<String, u64>,
    /// The same by the likely cause.
    #[serde(default)]
    pub suspects: BTreeMap<String, u64>,
    /// The networks whose data connections fail most, the worst first.
    #[serde(default)]
    pub networks: Vec<Failing>,
    /// The same for programs, by the names they give (CLNT).
    #[serde(default)]
    pub software: Vec<Failing>,
}

/// Clients whose data connections fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// The network, or the program as it calls itself; any text.
    pub who: String,
    /// Sessions that logged in.
    pub sessions: u64,
    /// Complete transfers.
    pub completed: u64,
    /// Data connections that failed, by `VERDICT/SUSPECT`.
    pub failed: BTreeMap<String, u64>,
}

/// Where the settings come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationStatus {
    /// The file; `None`: the command line.
    pub file: Option<PathBuf>,
    /// When it was read last with success, in seconds since 1970.
    pub read: i64,
    /// Whether changes of it are taken over by themselves.
    pub watched: bool,
    /// What is wrong with the file as it is now, if it could not be taken over.
    pub problem: Option<String>,
    /// Keys that were set while the server runs and are in no file: they hold until the file is read again.
    pub live: Vec<String>,
}

/// A certificate clients see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Its file.
    pub file: PathBuf,
    /// For which hosts it is.
    pub names: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub ends: i64,
    /// How many days are left; negative: it has ended.
    pub days_left: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_as_full_as_what_is_fuller() {
        let full = |bytes: (u64, Option<u64>), files: (u64, Option<u64>)| {
            let (user, host) = ("anna".to_owned(), None);
            let ((bytes, bytes_limit), (files, files_limit)) = (bytes, files);
            QuotaStatus { user, host, bytes, bytes_limit, files, files_limit }.per_mille()
        };
        assert_eq!(full((5, Some(10)), (1, Some(3))), 500);
        assert_eq!(full((5, Some(100)), (1, Some(3))), 333);
        assert_eq!(full((u64::MAX, None), (0, Some(0))), 1_000);
        assert_eq!(full((u64::MAX, Some(u64::MAX / 2)), (7, None)), 2_000);
        assert_eq!(full((u64::MAX, Some(1)), (0, None)), u64::MAX);
    }

    #[test]
    fn ports_in_a_row_are_one_range() {
        let shown = |ports: &[u16]| {
            PortRange::group(ports).iter().map(PortRange::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&[]), "");
        assert_eq!(shown(&[1, 2, 3, 7, 9, 10, 65_535]), "1-3 7 9-10 65535");
        assert_eq!(PortRange { first: 0, last: 65_535 }.count(), 65_536);
    }
}
