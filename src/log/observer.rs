//! From the core's notices to events.

use super::access;
use super::seldom::Seldom;
use ftp_proto::account::LoginError;
use ftp_proto::diagnose::{Cause, Setup, Verdict, is_public};
use ftp_proto::event::SessionId;
use ftp_proto::foreign::Protocol;
use ftp_proto::notice::{ByName, Counters, Notice, Observer, Row, TransferRecord, Trust};
use ftp_proto::path::{Escaped, VirtualPath};
use ftp_proto::tls::Resumption;
use ftp_proto::transfer::{Direction, Mode};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::field::display;
use tracing::{debug, error, info, warn};

/// How many networks and programs with failed data connections the totals show.
const WORST: usize = 10;

/// Whose data connections fail, and how. `evicted`: so many others are not counted any more.
fn log_row(row: &Row, network: Option<String>, software: Option<&String>, evicted: u64) {
    let network = network.map(display);
    let software = software.map(|software| display(Escaped(software.as_bytes())));
    let failures: Vec<String> =
        row.failed.iter().map(|((kind, suspect), count)| format!("{kind}/{suspect}={count}")).collect();
    info!(
        network,
        software,
        sessions = row.sessions,
        completed = row.completed,
        failed = row.failures(),
        verdicts = %failures.join(" "),
        evicted,
        "totals of those whose data connections fail"
    );
}

/// Logs each notice. Knows the address and the account of each session, since every line names them.
#[derive(Default)]
pub struct LogObserver {
    sessions: Mutex<HashMap<SessionId, Client>>,
    commands: AtomicBool,
    totals: Mutex<Counters>,
    /// Balancers that don't say whose a connection is: they do it with each.
    unnamed: Seldom,
    /// Who spoke another protocol.
    foreign: Seldom,
    /// Who was turned away.
    refused: Seldom,
}

#[derive(Clone)]
struct Client {
    peer: SocketAddr,
    user: Option<String>,
    host: Option<String>,
    since: Instant,
    transfer: Option<(&'static str, VirtualPath)>,
}

/// A session as it is right now.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// Its number.
    pub id: SessionId,
    /// The client's end.
    pub peer: SocketAddr,
    /// Who logged in.
    pub user: Option<String>,
    /// At which virtual host.
    pub host: Option<String>,
    /// Since it was opened.
    pub age: Duration,
    /// The verb and the path of the transfer that runs.
    pub transfer: Option<(&'static str, VirtualPath)>,
}

impl LogObserver {
    /// `commands`: whether commands and replies are logged at `info`, not at `debug`.
    pub fn new(commands: bool) -> Self {
        Self { commands: AtomicBool::new(commands), ..Self::default() }
    }

    /// Changes that while the server runs.
    pub fn log_commands(&self, commands: bool) {
        self.commands.store(commands, Ordering::Relaxed);
    }

    /// Logs what has happened since the start.
    pub fn log_totals(&self) {
        let totals = self.totals();
        info!(
            sessions = totals.sessions,
            refused = totals.refused,
            logins = totals.logins,
            failed_logins = totals.failed_logins,
            refusals = %ByName(&totals.refusals),
            bans = totals.bans,
            downloads = totals.downloads,
            uploads = totals.uploads,
            failed_transfers = totals.failed_transfers,
            bytes_down = totals.bytes_down,
            bytes_up = totals.bytes_up,
            verdicts = %ByName(&totals.verdicts),
            suspects = %ByName(&totals.suspects),
            other_protocols = %ByName(&totals.other_protocols),
            "totals"
        );
        let evicted = totals.networks.evicted();
        for (network, row) in totals.networks.worst(WORST) {
            log_row(row, Some(network.to_string()), None, evicted);
        }
        let evicted = totals.software.evicted();
        for (software, row) in totals.software.worst(WORST) {
            log_row(row, None, Some(software), evicted);
        }
    }

    /// Scanners come again and again.
    fn write_foreign(&self, session: Option<SessionId>, which: Protocol, peer: SocketAddr) {
        let ip = peer.ip().to_canonical();
        let Some(left_out) = self.foreign.is_due(Instant::now(), ip) else { return };
        let left_out = (left_out > 0).then_some(left_out);
        let advice = match which {
            Protocol::Tls => Some(
                "the client expects TLS from the first byte: set it to explicit FTP over TLS (AUTH TLS), or have it \
                 connect to a port of bind_implicit_tls",
            ),
            Protocol::Http => Some(
                "a browser, a scanner or a health check; if a page made a browser do it, nothing of it was obeyed",
            ),
            _ => None,
        };
        warn!(session = session.map(|id| id.0), %ip, protocol = %which.name(), advice, left_out, "spoke another protocol");
    }

    /// What has happened since the start, by network and by client software as well.
    pub fn totals(&self) -> Counters {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many transfers run.
    pub fn transfers(&self) -> usize {
        self.with_sessions(|sessions| sessions.values().filter(|client| client.transfer.is_some()).count())
    }

    /// The sessions, the oldest first.
    pub fn sessions(&self) -> Vec<SessionView> {
        let view = |(id, client): (&SessionId, &Client)| SessionView {
            id: *id,
            peer: client.peer,
            user: client.user.clone(),
            host: client.host.clone(),
            age: client.since.elapsed(),
            transfer: client.transfer.clone(),
        };
        let mut all: Vec<_> = self.with_sessions(|sessions| sessions.iter().map(view).collect());
        all.sort_unstable_by_key(|session| session.id);
        all
    }

    fn with_sessions<T>(&self, work: impl FnOnce(&mut HashMap<SessionId, Client>) -> T) -> T {
        work(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with_client(&self, session: SessionId, work: impl FnOnce(&mut Client)) {
        self.with_sessions(|sessions| sessions.get_mut(&session).map(work));
    }

    fn client(&self, session: Option<SessionId>) -> Option<Client> {
        self.with_sessions(|sessions| sessions.get(&session?).cloned())
    }
}

impl Observer for LogObserver {
    fn notice(&self, session: Option<SessionId>, notice: &Notice) {
        if !matches!(notice, Notice::Command { .. } | Notice::Replied { .. }) {
            self.totals.lock().unwrap_or_else(PoisonError::into_inner).count(session, notice);
        }
        match (session, notice) {
            (Some(id), Notice::SessionOpened { peer, .. }) => {
                let client =
                    Client { peer: *peer, user: None, host: None, since: Instant::now(), transfer: None };
                self.with_sessions(|sessions| sessions.insert(id, client));
            }
            (Some(id), Notice::TransferStarted { verb, path }) => {
                self.with_client(id, |client| client.transfer = Some((verb, path.clone())));
            }
            (Some(id), Notice::TransferEnded(_)) => self.with_client(id, |client| client.transfer = None),
            (Some(id), Notice::HostChosen { host }) => {
                self.with_client(id, |client| client.host.clone_from(host));
            }
            (Some(id), Notice::LoggedIn { user }) => {
                self.with_client(id, |client| client.user = Some(user.clone()));
            }
            _ => {}
        }
        match notice {
            // The busiest notices: nothing is looked up for lines that nobody wants.
            Notice::Command { .. } | Notice::Replied { .. } if !self.commands_are_wanted() => {}
            Notice::PortOpened { port } => debug!(port, "passive port opened"),
            Notice::PortFailed { port, reason } => {
                let reason = crate::config_file::reader::without_number(reason);
                warn!(port, reason = %Escaped(reason.as_bytes()), "passive port can't be opened");
            }
            Notice::NameResolved { name, address, before } => write_name(name, *address, *before),
            Notice::NameFailed { name, reason, kept } => {
                let reason = crate::config_file::reader::without_number(reason);
                let (reason, kept) = (Escaped(reason.as_bytes()), kept.map(display));
                warn!(%name, %reason, kept, "external address can't be resolved");
            }
            Notice::AcceptFailed { reason } => {
                error!(reason = %Escaped(reason.as_bytes()), "clients can't be let in");
            }
            Notice::NoProxyHeader { balancer, port, problem } => {
                let ip = balancer.ip().to_canonical();
                if let Some(left_out) = self.unnamed.is_due(Instant::now(), ip) {
                    let left_out = (left_out > 0).then_some(left_out);
                    warn!(%ip, port, reason = %problem, left_out, "connection of a balancer without PROXY header");
                }
            }
            Notice::Banned { ban } => access::banned(ban),
            Notice::BanEnded { ban, lifted } => access::ban_ended(ban, *lifted),
            Notice::SpokeOtherProtocol { which, peer } => self.write_foreign(session, *which, *peer),
            Notice::SessionRefused { peer, why } => {
                access::refused(&self.refused, *peer, *why);
            }
            _ => {
                let client = self.client(session);
                let line = Line {
                    session: session.map(|id| id.0),
                    ip: client.as_ref().map(|client| client.peer.ip().to_canonical()),
                    port: client.as_ref().map(|client| client.peer.port()),
                    user: client.as_ref().and_then(|client| client.user.as_deref()),
                    host: client.as_ref().and_then(|client| client.host.as_deref()),
                    commands: self.commands.load(Ordering::Relaxed),
                };
                line.write(notice);
            }
        }
        if let (Some(id), Notice::SessionClosed { .. }) = (session, notice) {
            self.with_sessions(|sessions| sessions.remove(&id));
        }
    }
}

impl LogObserver {
    fn commands_are_wanted(&self) -> bool {
        self.commands.load(Ordering::Relaxed) || tracing::enabled!(tracing::Level::DEBUG)
    }
}

/// One line about a session.
struct Line<'a> {
    session: Option<u64>,
    ip: Option<IpAddr>,
    port: Option<u16>,
    user: Option<&'a str>,
    host: Option<&'a str>,
    commands: bool,
}

impl Line<'_> {
    fn write(&self, notice: &Notice) {
        let (session, port) = (self.session, self.port);
        let ip = self.ip.map(display);
        let user = self.user.map(|user| display(Escaped(user.as_bytes())));
        // A name of the settings, not what the client typed.
        let host = self.host.map(display);
        match notice {
            Notice::SessionOpened { local, .. } => info!(session, ip, port, %local, "session opened"),
            Notice::LoggedIn { .. } => info!(session, ip, port, user, host, "logged in"),
            // Not the client's fault: nothing that a ban should follow on.
            Notice::LoginFailed { user, why: LoginError::Unavailable(reason), .. } => {
                let (user, reason) = (Escaped(user.as_bytes()), Escaped(reason.as_bytes()));
                error!(session, ip, port, %user, host, %reason, "login could not be checked");
            }
            Notice::LoginFailed { user, why, checked } => {
                let why = if *checked { why.to_string() } else { "that name is banned there".to_owned() };
                // The address comes first: a name can't forge it then.
                warn!(ip, port, user = %Escaped(user.as_bytes()), reason = %Escaped(why.as_bytes()), host, session, "AUTH-FAIL");
            }
            Notice::Command { line } if self.commands => {
                info!(session, ip, user, command = %Escaped(line), "command");
            }
            Notice::Command { line } => debug!(session, ip, user, command = %Escaped(line), "command"),
            Notice::Replied { code } if self.commands => info!(session, ip, code, "reply"),
            Notice::Replied { code } => debug!(session, ip, code, "reply"),
            Notice::TransferEnded(record) => self.write_transfer(record),
            Notice::DataConnectionFailed(verdict) => self.write_verdict(verdict),
            Notice::StrangerTurnedAway { peer, port } => {
                info!(session, ip, user, %peer, data_port = port, "stranger turned away");
            }
            Notice::ClientNamed { software } => {
                info!(session, ip, user, software = %Escaped(software.as_bytes()), "client named itself");
            }
            Notice::ProfilesApplied { names } => {
                let profiles = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                info!(session, ip, user, profiles = %Escaped(profiles.as_bytes()), "device profiles apply");
            }
            Notice::HostChosen { .. } => debug!(session, ip, host, "host chosen"),
            Notice::Changed { verb, path, to } => {
                info!(session, ip, user, verb = %verb, path = %path, to = to.as_ref().map(display), "changed");
            }
            Notice::StorageFailed { text } => {
                error!(session, ip, user, reason = %Escaped(text.as_bytes()), "storage failed");
            }
            Notice::SessionClosed { lasted, why, .. } => {
                info!(session, ip, user, seconds = rounded(lasted.as_secs_f64()), reason = %why, "session closed");
            }
            Notice::ControlSecured(_)
            | Notice::ControlTlsFailed(_)
            | Notice::ControlCleared
            | Notice::PlaintextDiscarded { .. }
            | Notice::NotResumed { .. }
            | Notice::NoCloseNotify { .. } => self.write_tls(notice),
            Notice::DataElsewhere { control, data, trust } => {
                let trust = match trust {
                    Trust::SameClient => "both addresses count as one client",
                    Trust::ActiveRule => "a rule of active mode",
                    Trust::Resumed => "it resumed the TLS session",
                    Trust::ServerToServer => "server to server",
                };
                info!(session, user, %control, %data, reason = %trust, "data connection with another address");
            }
            Notice::TargetReplaced { sent, used } => {
                info!(session, ip, user, %sent, %used, "active mode connects to the client instead");
            }
            Notice::SessionRefused { .. }
            | Notice::Banned { .. }
            | Notice::BanEnded { .. }
            | Notice::TransferStarted { .. }
            | Notice::PortOpened { .. }
            | Notice::PortFailed { .. }
            | Notice::NoProxyHeader { .. }
            | Notice::SpokeOtherProtocol { .. }
            | Notice::AcceptFailed { .. }
            | Notice::NameResolved { .. }
            | Notice::NameFailed { .. } => {}
        }
    }

    fn write_verdict(&self, verdict: &Verdict) {
        let ip = self.ip.map(display);
        let user = self.user.map(|user| display(Escaped(user.as_bytes())));
        let (advertised, data_port, target) = match verdict.setup {
            Some(Setup::Passive { advertised: told, port, .. }) => (
                Some(format!("{} port {} ({})", told.address, told.port, told.why.words())),
                Some(port),
                None,
            ),
            Some(Setup::Active { target, .. }) => (None, None, Some(target)),
            None => (None, None, None),
        };
        let strangers = match &verdict.cause {
            Cause::WrongPeer(strangers) => {
                Some(strangers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            }
            _ => None,
        };
        let (reason, advice) = (verdict.reply_text(), verdict.advice());
        warn!(
            session = self.session,
            ip,
            user,
            verdict = %verdict.kind(),
            suspect = %verdict.suspect().id(),
            mode = verdict.command().map(display),
            tls = verdict.encrypted,
            advertised = advertised.map(display),
            data_port,
            range = verdict.outlook.ports.map(display),
            target = target.map(display),
            local = %verdict.local,
            strangers = strangers.map(display),
            software = verdict.software.as_ref().map(|software| display(Escaped(software.as_bytes()))),
            reason = %Escaped(reason.as_bytes()),
            advice = %Escaped(advice.as_bytes()),
            "data connection failed"
        );
    }

    fn write_tls(&self, notice: &Notice) {
        let (session, port) = (self.session, self.port);
        let ip = self.ip.map(display);
        let user = self.user.map(|user| display(Escaped(user.as_bytes())));
        match notice {
            Notice::ControlSecured(facts) => {
                let resumed = facts.resumption == Resumption::Resumed;
                let certificate = facts.client_certificate.is_some();
                let name = facts.server_name.as_ref().map(|name| display(Escaped(name.as_bytes())));
                info!(session, ip, port, version = %facts.version, suite = %facts.suite, name, resumed, certificate, "TLS");
            }
            Notice::ControlTlsFailed(error) => {
                let (kind, reason) = (error.kind(), error.to_string());
                warn!(session, ip, port, verdict = %kind, reason = %Escaped(reason.as_bytes()), "TLS failed");
            }
            Notice::ControlCleared => info!(session, ip, port, user, "TLS left on the control connection"),
            Notice::PlaintextDiscarded { bytes } => {
                warn!(session, ip, port, bytes, "plain text behind AUTH thrown away");
            }
            Notice::NotResumed { resumption, peer } => {
                warn!(session, ip, user, resumption = ?resumption, %peer, "data connection not resumed");
            }
            Notice::NoCloseNotify { path } => {
                info!(session, ip, user, path = %path, "upload without close_notify taken for complete");
            }
            _ => {}
        }
    }

    fn write_transfer(&self, record: &TransferRecord) {
        let ip = self.ip.map(display);
        let user = self.user.map(|user| display(Escaped(user.as_bytes())));
        let seconds = record.lasted.as_secs_f64();
        // Precision beyond 2^53 bytes does not matter for a rate.
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = if seconds > 0.0 { record.bytes as f64 / seconds / 1e6 } else { 0.0 };
        let reason = record.outcome.as_ref().err().map(ToString::to_string);
        // A stream of bytes is what everybody means.
        let coding = (record.coding.mode != Mode::Stream).then(|| display(record.coding.mode.name()));
        let message = match (record.direction, &record.outcome) {
            (Direction::Download, Ok(())) => "sent",
            (Direction::Upload, Ok(())) => "received",
            (Direction::Download, Err(_)) => "not sent",
            (Direction::Upload, Err(_)) => "not received",
        };
        info!(
            session = self.session,
            ip,
            user,
            verb = %record.verb,
            path = %record.path,
            coding,
            bytes = record.bytes,
            seconds = rounded(seconds),
            mb_per_s = rounded(rate),
            outcome = %if record.outcome.is_ok() { "complete" } else { "failed" },
            reason = reason.as_ref().map(|text| display(Escaped(text.as_bytes()))),
            "{message}"
        );
    }
}

/// What clients are told from now on, and what may be wrong with it.
fn write_name(name: &str, address: Option<Ipv4Addr>, before: Option<Ipv4Addr>) {
    let before = before.map(display);
    match address {
        Some(address) if is_public(address.into()) => {
            info!(%name, %address, before, "external address resolved");
        }
        Some(address) => warn!(
            %name, %address, before,
            "external address resolved to a private one: clients from the Internet can't reach it"
        ),
        None => warn!(%name, kept = before, "external name has no IPv4 address, and PASV can name no other"),
    }
}

/// To six places: a small file takes microseconds.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests;
