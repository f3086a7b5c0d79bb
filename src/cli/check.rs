//! `ftpd check-config`: reads all files as the server would, and shows what they amount to.

use super::{Failure, complain, hosts, policy, print};
use crate::accounts::AccountsFile;
use crate::config_file::{
    self, ACTIVE_ADDRESS_NAMES, Bind, ControlSocket, FileError, HostConfig, LAN_CLIENTS_NAMES, LogFormat,
    LogLevel, PARTIAL_NAMES, PEER_CHECK_NAMES, RuntimeKind, ServerConfig, Uploads,
};
use crate::sandbox::Mode;
use crate::tls::{self, ServerCertificate};
use ftp_proto::config::{ActiveRule, AddressRule, External, Ports};
use ftp_proto::transfer::CodePage;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let config = config_file::load(path)?;
    let accounts = config.accounts.as_deref().map(AccountsFile::load).transpose()?;
    let load =
        |host: &HostConfig| Ok((host.clone(), host.accounts.as_deref().map(AccountsFile::load).transpose()?));
    let hosts = config.hosts.iter().map(load).collect::<Result<Vec<_>, FileError>>()?;
    let loaded = config.tls.as_ref().map(tls::load).transpose().map_err(Failure::Configuration)?;
    let users = |host: Option<&str>| {
        let of_host = |name: &str| hosts.iter().find(|(host, _)| host.host.name() == name)?.1.as_ref();
        host.map_or(accounts.as_ref(), of_host).map(|accounts| accounts.users.len())
    };
    let certificates = loaded.as_ref().map(|loaded| loaded.certificates.as_slice());
    print("ok\n");
    for (key, value) in rows(&config, users, certificates) {
        print(&format!("{key:<28}{value}\n"));
    }
    for warning in loaded.iter().flat_map(|loaded| &loaded.warnings) {
        complain(&format!("warning: {warning}"));
    }
    for warning in hosts::warnings(&config, certificates) {
        complain(&format!("warning: {warning}"));
    }
    let mut roots: Vec<_> = config.root.iter().collect();
    for (host, accounts) in &hosts {
        roots.extend(host.root.iter().chain(host.guests().map(|(root, _)| root)));
        roots.extend(
            accounts.iter().flat_map(|file| file.users.values()).filter_map(|user| user.root.as_ref()),
        );
    }
    roots.extend(config.anonymous.iter().filter_map(|anonymous| anonymous.root.as_ref()));
    roots.extend(accounts.iter().flat_map(|file| file.users.values()).filter_map(|user| user.root.as_ref()));
    roots.sort_unstable();
    roots.dedup();
    for root in roots {
        if let Err(error) = std::fs::read_dir(root) {
            complain(&format!("warning: {}: {}", root.display(), config_file::reader::plain(&error)));
        }
    }
    Ok(())
}

/// The values of all settings, defaults included. `users`: how many there are in the accounts file of a host, or of the
/// server itself; `certificates`: what was loaded, if there is TLS.
pub(super) fn rows(
    config: &ServerConfig,
    users: impl Fn(Option<&str>) -> Option<usize>,
    certificates: Option<&[ServerCertificate]>,
) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |key: &str, value: &dyn std::fmt::Display| rows.push((key.to_owned(), value.to_string()));
    let core = &config.core;
    let default = if config.bind == Bind::Everywhere { " (default)" } else { "" };
    row("server.bind", &format_args!("{}{default}", joined(&config.bind.addresses())));
    row("server.bind_implicit_tls", &joined(&config.bind_implicit_tls));
    row("server.root", &config.root.as_deref().map_or("none".into(), |root| root.display().to_string()));
    row("server.greeting", &core.greeting);
    row("server.runtime", &name(RuntimeKind::NAMES, config.runtime));
    match config.uploads {
        Uploads::Atomic { partial } => {
            row("server.uploads", &"atomic");
            row("server.partial_uploads", &name(PARTIAL_NAMES, partial));
        }
        Uploads::Direct => row("server.uploads", &"direct"),
    }
    row("server.symlinks", &core.symlinks);
    row("server.keepalive", &seconds(config.keepalive));
    row("server.watch", &config.watch);
    row("server.control_socket", &control_socket(&config.control_socket));
    let sandbox = &config.sandbox;
    row("server.user", &sandbox.user.as_deref().unwrap_or("who starts it"));
    row("server.group", &sandbox.group.as_deref().unwrap_or("the user's own"));
    row("server.sandbox", &name(Mode::NAMES, sandbox.mode));
    let paths: Vec<_> = sandbox.paths.iter().map(|path| path.display().to_string()).collect();
    row("server.sandbox_paths", &joined(&paths));
    row("passive.enabled", &core.passive.enabled);
    row("passive.ports", &core.passive.ports);
    let passive = &core.passive;
    row("passive.exposed_ports", &passive.exposed_ports.as_ref().map_or("as above".into(), range));
    row("passive.external_address", &external(&passive.external));
    row("passive.lan_clients", &name(LAN_CLIENTS_NAMES, passive.lan_clients));
    row(
        "passive.routers",
        &passive.routers.as_ref().map_or("of the default routes".into(), |list| joined(list)),
    );
    row("passive.peer_check", &name(PEER_CHECK_NAMES, passive.peers.check));
    row("passive.client_networks", &joined(&passive.peers.networks));
    row("passive.tls_proof", &passive.peers.tls_proof);
    for rule in &passive.rules {
        row("passive.rule", &address_rule(rule));
    }
    row("passive.strict_ports", &core.passive.strict_ports);
    row("active.enabled", &core.active.enabled);
    row("active.source_port", &core.active.source_port.map_or("any".into(), |port| port.to_string()));
    row("active.address", &name(ACTIVE_ADDRESS_NAMES, core.active.address));
    for ActiveRule { networks, targets } in &core.active.rules {
        row("active.rule", &format_args!("networks {}; targets {}", joined(networks), joined(targets)));
    }
    row("proxy.trusted", &joined(&core.proxy.trusted));
    row("proxy.data", &core.proxy.data);
    row("transfers.deflate", &core.transfers.deflate);
    row("transfers.deflate_level", &core.transfers.deflate_level);
    row("transfers.ebcdic", &name(CodePage::NAMES, core.transfers.ebcdic));
    for (key, value) in policy::rows(config, certificates, tls::now()) {
        row(&key, &value);
    }
    row("timeouts.login", &seconds(core.timeouts.login));
    row("timeouts.idle", &seconds(core.timeouts.idle));
    row("timeouts.data_connection", &seconds(core.timeouts.data_connection));
    row("timeouts.stall", &seconds(core.timeouts.stall));
    row("timeouts.linger", &seconds(core.timeouts.linger));
    row("limits.sessions", &core.limits.sessions);
    row("limits.sessions_per_address", &core.limits.sessions_per_address);
    row("limits.sessions_per_network", &core.limits.sessions_per_network);
    row("limits.unauthenticated", &core.limits.unauthenticated);
    row("limits.unauthenticated_per_address", &core.limits.unauthenticated_per_address);
    row("limits.commands_before_login", &or_any(core.limits.commands_before_login));
    row("limits.commands_per_second", &or_any(core.limits.commands_per_second));
    row("limits.login_attempts", &core.limits.login_attempts);
    row("limits.login_delay", &seconds(core.limits.login_delay));
    row("limits.longest_login_delay", &seconds(core.limits.longest_login_delay));
    row("limits.line", &core.limits.line);
    row("limits.deflate_ratio", &or_any(core.limits.deflate_ratio));
    let bans = &core.bans;
    row("bans.enabled", &bans.enabled);
    row("bans.user_failures", &or_never(bans.user_failures));
    row("bans.address_failures", &or_never(bans.address_failures));
    row("bans.window", &seconds(bans.window));
    row("bans.duration", &seconds(bans.duration));
    row("bans.longest", &seconds(bans.longest));
    row("bans.exempt", &joined(&bans.exempt));
    match (config.accounts.as_deref(), users(None)) {
        (Some(path), Some(users)) => {
            row("accounts.file", &format_args!("{}, users: {users}", path.display()));
        }
        _ => row("accounts.file", &"none"),
    }
    row("accounts.anonymous", &anonymous(config));
    for host in &config.hosts {
        row("host", &hosts::in_words(host, users(Some(host.host.name()))));
    }
    for profile in &core.profiles {
        row("profile", &policy::profile_in_words(profile));
    }
    row("log.format", &name(LogFormat::NAMES, config.log.format));
    row("log.level", &name(LogLevel::NAMES, config.log.level));
    row("log.commands", &config.log.commands);
    rows
}

fn control_socket(socket: &ControlSocket) -> String {
    match socket {
        ControlSocket::Usual => "where ftpd set and ftpd status look".to_owned(),
        ControlSocket::At(path) => path.display().to_string(),
        ControlSocket::Off => "off".to_owned(),
    }
}

/// A limit, of which 0 is none.
fn or_any(limit: u32) -> String {
    if limit == 0 { "any".to_owned() } else { limit.to_string() }
}

/// How many failures, of which 0 is any number.
fn or_never(failures: u32) -> String {
    if failures == 0 { "never".to_owned() } else { failures.to_string() }
}

fn joined<T: ToString>(values: &[T]) -> String {
    let written: Vec<_> = values.iter().map(ToString::to_string).collect();
    if written.is_empty() { "none".to_owned() } else { written.join(", ") }
}

fn range(ports: &Ports) -> String {
    format!("{}-{}", ports.start(), ports.end())
}

fn external(external: &External) -> String {
    match external {
        External::ControlConnection => "the address the client connected to".to_owned(),
        External::Literal(address) => address.to_string(),
        External::Name(name) => name.clone(),
    }
}

/// For whom, and what they are told.
fn address_rule(rule: &AddressRule) -> String {
    let mut text = String::new();
    for (name, values, any) in [
        ("listeners", joined(&rule.listeners), rule.listeners.is_empty()),
        ("local", joined(&rule.local), rule.local.is_empty()),
        ("networks", joined(&rule.networks), rule.networks.is_empty()),
    ] {
        if !any {
            let _ = write!(text, "{name} {values}, ");
        }
    }
    text += &external(&rule.external);
    if let Some(ports) = &rule.exposed_ports {
        let _ = write!(text, ", ports {}", range(ports));
    }
    text
}

fn anonymous(config: &ServerConfig) -> String {
    match &config.anonymous {
        None => "no".to_owned(),
        Some(anonymous) => {
            let root = anonymous.root.as_ref().or(config.root.as_ref());
            let root = root.map_or_else(String::new, |root| root.display().to_string());
            let bytes = anonymous.limits.bytes.map(|bytes| format!(", quota {}", crate::size::show(bytes)));
            let files = anonymous.limits.files.map(|files| format!(", quota_files {files}"));
            let may = if anonymous.writable { "may upload" } else { "read-only" };
            format!("{root}, {may}{}{}", bytes.unwrap_or_default(), files.unwrap_or_default())
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// The word for a value.
pub(super) fn name<T: PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, meaning)| *meaning == value).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ftpd get` takes its answers from here, too.
    #[test]
    fn every_key_is_shown() {
        let text = r#"
            [server]
            root = "files"
            [passive]
            rule = [{ networks = "10.0.0.0/8", external_address = "192.0.2.1" }]
            [active]
            rule = [{ networks = "10.0.0.0/8", targets = "192.0.2.1" }]
            [accounts]
            anonymous = true
            [[profile]]
            use = "camera"
            [[host]]
            names = "ftp.example.com"
            anonymous = { root = "files" }
        "#;
        let config = config_file::parse(Path::new("ftpd.toml"), text).unwrap();
        let shown = rows(&config, |_| None, None);
        // Without certificates there is one line for all of TLS.
        for key in config_file::keys::all().filter(|key| !key.starts_with("tls.")) {
            assert!(shown.iter().any(|(row, _)| row == key), "{key} is not shown");
        }
    }
}
