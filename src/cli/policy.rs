//! What `[tls]` amounts to, as rows and in words.

use super::check::name;
use crate::config_file::{
    CLIENT_CERTIFICATES_NAMES, CLOSE_NOTIFY_NAMES, CONTROL_NAMES, DATA_NAMES, RESUMPTION_NAMES, ServerConfig,
    VERSION_NAMES,
};
use crate::tls::ServerCertificate;
use ftp_proto::config::{Listener, Profile, ProfileCondition, TlsChange, TlsCondition, TlsRule};
use ftp_proto::time::UnixTime;
use std::path::PathBuf;

/// A key of the configuration file and what it amounts to.
type Row = (String, String);

/// All rows.
pub(super) fn rows(
    config: &ServerConfig,
    certificates: Option<&[ServerCertificate]>,
    now: UnixTime,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |key: &str, value: String| rows.push((key.to_owned(), value));
    let (Some(certificates), Some(files)) = (certificates, &config.tls) else {
        row("tls.certificates", "none: there is no TLS, passwords and files go in the clear".to_owned());
        return rows;
    };
    for (index, certificate) in certificates.iter().enumerate() {
        let default = if index == 0 && certificates.len() > 1 { ", for who names no host" } else { "" };
        row("tls.certificates", format!("{}{default}", in_words(certificate, now)));
    }
    row("tls.minimum", name(VERSION_NAMES, files.minimum).to_owned());
    row("tls.client_authorities", list(&files.client_authorities));
    row("tls.revocations", list(&files.revocations));
    for (key, value) in settings(&TlsChange::from(config.core.tls.default)) {
        row(&format!("tls.{key}"), value.to_owned());
    }
    // The first is not in the file.
    for (index, rule) in config.core.tls.rules.iter().enumerate() {
        let number = if index == 0 { "(built in)".to_owned() } else { index.to_string() };
        row(&format!("tls.rule {number}"), rule_in_words(rule));
    }
    rows
}

fn in_words(certificate: &ServerCertificate, now: UnixTime) -> String {
    let names: Vec<_> = certificate.facts.hosts().collect();
    let names = if names.is_empty() { "for no host".to_owned() } else { names.join(", ") };
    let left = match certificate.facts.days_left(now) {
        _ if certificate.facts.is_over(now) => "has ended".to_owned(),
        1 => "1 day left".to_owned(),
        days => format!("{days} days left"),
    };
    format!("{}: {names}, {left}", certificate.file.display())
}

fn list(files: &[PathBuf]) -> String {
    let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What a change changes, by the words of the file.
fn settings(set: &TlsChange) -> Vec<(&'static str, &'static str)> {
    let yes_or_no = |value: bool| if value { "true" } else { "false" };
    let all = [
        ("control", set.control.map(|value| name(CONTROL_NAMES, value))),
        ("data", set.data.map(|value| name(DATA_NAMES, value))),
        ("data_resumption", set.resumption.map(|value| name(RESUMPTION_NAMES, value))),
        ("ccc", set.clear_command_channel.map(yes_or_no)),
        ("close_notify", set.close_notify.map(|value| name(CLOSE_NOTIFY_NAMES, value))),
        ("client_certificates", set.client_certificates.map(|value| name(CLIENT_CERTIFICATES_NAMES, value))),
        ("server_to_server", set.server_to_server.map(yes_or_no)),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// For whom a device profile is, and what it changes.
pub(super) fn profile_in_words(profile: &Profile) -> String {
    let ProfileCondition { networks, users, hosts, software } = &profile.when;
    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    let lists = [("networks", &networks), ("users", users), ("hosts", hosts), ("software", software)];
    let named = lists.iter().filter(|(_, list)| !list.is_empty());
    let whom: Vec<_> = named.map(|(name, list)| format!("{name} {}", list.join(", "))).collect();
    let whom = if whom.is_empty() { "everybody".to_owned() } else { whom.join(", ") };
    format!("{} for {whom}: {}", profile.name, profile.set.words().join(", "))
}

fn rule_in_words(rule: &TlsRule) -> String {
    let changes: Vec<_> = settings(&rule.set).iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("for {}: {}", condition_in_words(&rule.when), changes.join(", "))
}

fn condition_in_words(when: &TlsCondition) -> String {
    let mut words = vec![match (when.users.as_slice(), when.anonymous) {
        ([], Some(true)) => "anonymous guests".to_owned(),
        ([], Some(false)) => "users, not anonymous guests".to_owned(),
        ([], None) => "everybody".to_owned(),
        (users, _) => format!("{} {}", plural("user", users.len()), users.join(" or ")),
    }];
    if !when.networks.is_empty() {
        let networks: Vec<_> = when.networks.iter().map(ToString::to_string).collect();
        words.push(format!("from {}", networks.join(" or ")));
    }
    if !when.listeners.is_empty() {
        let listeners: Vec<_> = when.listeners.iter().map(listener).collect();
        words.push(format!("at {}", listeners.join(" or ")));
    }
    words.join(" ")
}

fn plural(word: &str, count: usize) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn listener(listener: &Listener) -> String {
    match listener.address {
        Some(address) => std::net::SocketAddr::from((address, listener.port)).to_string(),
        None => format!("port {}", listener.port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ftp_proto::config::{ControlPolicy, DataPolicy, TlsPolicy};

    #[test]
    fn rules_read_as_sentences() {
        let set = TlsChange {
            control: Some(ControlPolicy::RequireForCredentials),
            data: Some(DataPolicy::Deny),
            clear_command_channel: Some(true),
            ..TlsChange::default()
        };
        let when = TlsCondition {
            listeners: vec!["990".parse().unwrap(), "192.0.2.1:21".parse().unwrap()],
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            users: vec!["camera".into(), "door".into()],
            anonymous: None,
        };
        assert_eq!(
            rule_in_words(&TlsRule { when, set }),
            "for users camera or door from 10.0.0.0/8 at port 990 or 192.0.2.1:21: control = require-for-credentials, data = deny, ccc = true"
        );
        let set = TlsChange { server_to_server: Some(false), ..TlsChange::default() };
        assert_eq!(
            rule_in_words(&TlsRule { when: TlsCondition::default(), set }),
            "for everybody: server_to_server = false"
        );
    }

    #[test]
    fn a_policy_says_everything() {
        let all = settings(&TlsChange::from(TlsPolicy::default()));
        assert_eq!(all.len(), 7);
        assert!(all.iter().all(|(_, value)| !value.is_empty()), "{all:?}");
    }
}
