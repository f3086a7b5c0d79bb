//! `ftpd set`, `unset`, `get`, `status`, `reload`: what is asked of the server that runs.

use super::{Failure, print};
use crate::control::{
    Answer, Change, Client, ControlError, Failing, QuotaStatus, RefusalKind, Request, SessionStatus, Status,
    Totals, Value, printable,
};
use clap::Args;
use ftp_proto::path::Escaped;
use std::fmt::Write as _;
use std::path::PathBuf;

pub(super) const SET_HELP: &str = "\
KEY is any key of the configuration file: passive.ports, passive-ports, or ports alone where only one key has
that name. VALUE needs no quotes of TOML; several values have commas between them.

  ftpd set passive-ports 41000-41099
  ftpd set external-address 203.0.113.7 exposed-ports 51000-51099 --save
  ftpd set client-networks 100.64.0.0/10,198.51.100.0/24

Without --save a value holds until the file is read again or the server restarts.";

/// Which server.
#[derive(Args, Debug)]
pub(super) struct Which {
    /// The server's control socket [default: that of the only server on this machine]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct SetArguments {
    /// Keys, each with its value behind it: all of them change, or none
    #[arg(required = true, num_args = 1.., value_name = "KEY VALUE", allow_negative_numbers = true)]
    pairs: Vec<String>,
    /// Write it into the configuration file, too; comments and order stay
    #[arg(long)]
    save: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Debug)]
pub(super) struct UnsetArguments {
    /// The keys
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    /// Take them out of the configuration file, too
    #[arg(long)]
    save: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Debug)]
pub(super) struct GetArguments {
    /// The key [default: all of them]
    key: Option<String>,
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Debug)]
pub(super) struct StatusArguments {
    /// As one JSON object
    #[arg(long)]
    json: bool,
    /// With a list of the sessions
    #[arg(long)]
    sessions: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Debug)]
pub(super) struct ReloadArguments {
    #[command(flatten)]
    which: Which,
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Refused(refusal) if refusal.kind == RefusalKind::Wrong => {
                Self::Configuration(format!("ftpd: {}", printable(&refusal.message)))
            }
            error => Self::System(printable(&error.to_string())),
        }
    }
}

impl Which {
    pub(super) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::find(self.socket.as_deref())?)
    }

    /// Asks for something to be done, and shows what came of it.
    pub(super) fn has_done(&self, request: &Request) -> Result<(), Failure> {
        let mut client = self.client()?;
        match client.ask(request)? {
            Answer::Done(lines) => {
                for line in lines {
                    print(&format!("{}\n", printable(&line)));
                }
                Ok(())
            }
            _ => Err(client.unexpected("gave another answer than was asked for").into()),
        }
    }
}

pub(super) fn set(arguments: SetArguments) -> Result<(), Failure> {
    let SetArguments { pairs, save, which } = arguments;
    let mut changes = Vec::new();
    let mut words = pairs.into_iter();
    while let Some(key) = words.next() {
        let Some(value) = words.next() else {
            let (name, value) = key.split_once('=').unwrap_or((&key, "VALUE"));
            return Err(Failure::Configuration(format!(
                "ftpd: {key}: no value; write ftpd set {name} {value}, or ftpd unset {name}"
            )));
        };
        changes.push(Change { key, value: Some(value) });
    }
    which.has_done(&Request::Set { changes, save })
}

pub(super) fn unset(arguments: UnsetArguments) -> Result<(), Failure> {
    let UnsetArguments { keys, save, which } = arguments;
    let changes = keys.into_iter().map(|key| Change { key, value: None }).collect();
    which.has_done(&Request::Set { changes, save })
}

pub(super) fn reload(arguments: &ReloadArguments) -> Result<(), Failure> {
    arguments.which.has_done(&Request::Reload)
}

pub(super) fn get(arguments: GetArguments) -> Result<(), Failure> {
    let mut client = arguments.which.client()?;
    let alone = arguments.key.is_some();
    let Answer::Values(values) = client.ask(&Request::Get { key: arguments.key })? else {
        return Err(client.unexpected("gave another answer than was asked for").into());
    };
    for value in values {
        print(&value_in_words(&value, alone));
    }
    Ok(())
}

/// `alone`: it is known which key that is.
fn value_in_words(value: &Value, alone: bool) -> String {
    let words = printable(&value.value);
    if alone {
        return format!("{words}\n");
    }
    let live = if value.live { " (set, not saved)" } else { "" };
    format!("{:<28}{words}{live}\n", printable(&value.key))
}

pub(super) fn status(arguments: &StatusArguments) -> Result<(), Failure> {
    let status = arguments.which.client()?.status_with(arguments.sessions)?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&status)
            .map_err(|error| Failure::System(format!("can't be shown: {error}")))?;
        print(&format!("{text}\n"));
    } else {
        print(&in_words(&status));
    }
    Ok(())
}

fn joined<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let words: Vec<_> = values.into_iter().map(|value| value.to_string()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn quota_in_words(quota: &QuotaStatus) -> String {
    let host = quota.host.as_ref().map_or_else(String::new, |host| format!(" at {host}"));
    let bytes = quota.bytes_limit.map(|limit| format!("{} of {} bytes", quota.bytes, limit));
    let files = quota.files_limit.map(|limit| format!("{} of {} files", quota.files, limit));
    let both: Vec<_> = bytes.into_iter().chain(files).collect();
    format!("{}{host}: {}% full, {}", quota.user, quota.per_mille() / 10, both.join(", "))
}

fn in_words(status: &Status) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<18}{}", printable(&value));
    };
    let (days, hours) = (status.uptime / 86_400, status.uptime / 3_600 % 24);
    let (minutes, seconds) = (status.uptime / 60 % 60, status.uptime % 60);
    row("version", format!("{} (process {}, runtime {})", status.version, status.pid, status.runtime));
    row("running for", format!("{days} d {hours:02}:{minutes:02}:{seconds:02}"));
    row("listening on", joined(&status.control));
    if !status.implicit_tls.is_empty() {
        row("implicit TLS on", joined(&status.implicit_tls));
    }
    passive_in_words(status, &mut row);
    let from = status.active.source_port.map_or("any port".to_owned(), |port| format!("port {port}"));
    let to = if status.active.address == "control-peer" { " to the control connection's client" } else { "" };
    let rules = match status.active.rules {
        0 => "",
        1 => ", one rule for other addresses",
        _ => ", rules for other addresses",
    };
    row(
        "active mode",
        if status.active.enabled { format!("from {from}{to}{rules}") } else { "off".to_owned() },
    );
    if !status.proxy.trusted.is_empty() {
        row("balancers", joined(&status.proxy.trusted));
    }
    let configuration = &status.configuration;
    let file = configuration.file.as_ref();
    let file = file.map_or("the command line".to_owned(), |file| file.display().to_string());
    let watched = if configuration.watched { ", watched" } else { "" };
    row("configuration", format!("{file}, read {}{watched}", time(configuration.read)));
    if let Some(problem) = &configuration.problem {
        row("  not taken over", problem.clone());
    }
    if !configuration.live.is_empty() {
        row("  set, not saved", joined(&configuration.live));
    }
    for host in &status.hosts {
        let anonymous = if host.anonymous { ", anonymous" } else { "" };
        let certificate =
            if host.certificate || status.certificates.is_empty() { "" } else { ", no certificate" };
        row(
            "virtual host",
            format!("{}: users: {}{anonymous}{certificate}", joined(&host.names), host.users),
        );
    }
    for certificate in &status.certificates {
        let (file, names) = (certificate.file.display(), joined(&certificate.names));
        row("certificate", format!("{file}: {names}, {} days left", certificate.days_left));
    }
    for quota in &status.quotas {
        row("quota", quota_in_words(quota));
    }
    row("sessions", format!("{}, transfers {}", status.sessions, status.transfers));
    if status.bans > 0 {
        row("bans", format!("{}; see ftpd bans", status.bans));
    }
    totals_in_words(&status.totals, &mut row);
    for session in status.session_list.iter().flatten() {
        row(&format!("session {}", session.id), session_in_words(session));
    }
    text
}

fn passive_in_words(status: &Status, row: &mut impl FnMut(&str, String)) {
    let passive = &status.passive;
    if !passive.enabled {
        return row("passive ports", "off".to_owned());
    }
    let open: u32 = passive.open.iter().map(|range| range.count()).sum();
    let exposed = passive.exposed.map_or_else(String::new, |ports| format!(", clients see {ports}"));
    row("passive ports", format!("{}, {open} open{exposed}", passive.ports));
    for failed in &passive.failed {
        let which = if failed.port == 0 { "of the system".to_owned() } else { failed.port.to_string() };
        row("  can't be opened", format!("{which}: {}", failed.reason));
    }
    if passive.opening > 0 {
        row("  being opened", passive.opening.to_string());
    }
    if !passive.retiring.is_empty() {
        row("  closing soon", joined(&passive.retiring));
    }
    let external = &status.external;
    let address =
        external.address.map(|address| address.to_string()).filter(|text| *text != external.setting);
    let address = address.map_or_else(String::new, |address| format!(" {address}"));
    row("external address", format!("{}{address} ({})", external.setting, external.why));
}

fn totals_in_words(totals: &Totals, row: &mut impl FnMut(&str, String)) {
    row(
        "since the start",
        format!(
            "{} sessions, {} refused; {} logins, {} failed; {} bans",
            totals.sessions, totals.refused, totals.logins, totals.failed_logins, totals.bans
        ),
    );
    if !totals.refusals.is_empty() {
        row("  refused", joined(totals.refusals.iter().map(|(why, times)| format!("{why} {times}"))));
    }
    row(
        "  transfers",
        format!(
            "{} downloads ({} bytes), {} uploads ({} bytes), {} failed",
            totals.downloads, totals.bytes_down, totals.uploads, totals.bytes_up, totals.failed_transfers
        ),
    );
    let verdicts = totals.verdicts.iter().map(|(kind, times)| format!("{kind} {times}"));
    row("  verdicts", joined(verdicts));
    if !totals.other_protocols.is_empty() {
        let others = totals.other_protocols.iter().map(|(name, times)| format!("{name} {times}"));
        row("  not FTP", joined(others));
    }
    for (what, failing) in [("network", &totals.networks), ("program", &totals.software)] {
        for one in failing {
            row(&format!("  failing {what}"), failing_in_words(one));
        }
    }
}

fn failing_in_words(one: &Failing) -> String {
    let failed = joined(one.failed.iter().map(|(why, times)| format!("{why} {times}")));
    let who = Escaped(one.who.as_bytes());
    format!("{who}: {} sessions, {} transfers complete, failed: {failed}", one.sessions, one.completed)
}

fn session_in_words(session: &SessionStatus) -> String {
    let user = session.user.as_deref().unwrap_or("not logged in");
    let transfer = session.transfer.as_ref().map_or_else(String::new, |transfer| format!(", {transfer}"));
    let host = session.host.as_ref().map_or_else(String::new, |host| format!(" at {host}"));
    format!("{} {}{host}, {} s{transfer}", session.peer, Escaped(user.as_bytes()), session.age)
}

/// Seconds since 1970 as people write them, in UTC.
pub(super) fn time(seconds: i64) -> String {
    let date = crate::certificate::chain::date(ftp_proto::time::UnixTime::from_seconds(seconds));
    let rest = seconds.rem_euclid(86_400);
    format!("{date} {:02}:{:02}:{:02} UTC", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_somebody_else_does_not_play_with_the_terminal() {
        let value = Value { key: "a\u{1b}[2J".to_owned(), value: "b\u{9b}0m".to_owned(), live: true };
        let shown = value_in_words(&value, false);
        assert!(shown.ends_with("b\u{fffd}0m (set, not saved)\n"), "{shown:?}");
        assert!(!shown.trim_end().contains(char::is_control), "{shown:?}");
        assert_eq!(value_in_words(&value, true), "b\u{fffd}0m\n");
    }
}
