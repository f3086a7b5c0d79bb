//! `ftpd check-config`: reads all files as the server would, and shows what they amount to.

use super::{Failure, complain, policy, print};
use crate::accounts::AccountsFile;
use crate::config_file::{
    self, Bind, LogFormat, LogLevel, PARTIAL_NAMES, RuntimeKind, ServerConfig, Uploads,
};
use crate::tls::{self, Loaded};
use ftp_proto::config::External;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let config = config_file::load(path)?;
    let accounts = config.accounts.as_deref().map(AccountsFile::load).transpose()?;
    let loaded = config.tls.as_ref().map(tls::load).transpose().map_err(Failure::Configuration)?;
    print(&summary(&config, accounts.as_ref(), loaded.as_ref()));
    for warning in loaded.iter().flat_map(|loaded| &loaded.warnings) {
        complain(&format!("warning: {warning}"));
    }
    let mut roots: Vec<_> = config.root.iter().collect();
    roots.extend(config.anonymous.iter().filter_map(|anonymous| anonymous.root.as_ref()));
    roots.extend(accounts.iter().flat_map(|file| file.users.values()).filter_map(|user| user.root.as_ref()));
    for root in roots {
        if let Err(error) = std::fs::read_dir(root) {
            complain(&format!("warning: {}: {}", root.display(), config_file::reader::plain(&error)));
        }
    }
    Ok(())
}

/// "ok", and the values of all settings, defaults included.
fn summary(config: &ServerConfig, accounts: Option<&AccountsFile>, loaded: Option<&Loaded>) -> String {
    let mut text = String::from("ok\n");
    // Writing to a string can't fail.
    let mut row = |key: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{key:<28}{value}");
    };
    let core = &config.core;
    let default = if config.bind == Bind::Everywhere { " (default)" } else { "" };
    row("server.bind", &format_args!("{}{default}", addresses(&config.bind.addresses())));
    row("server.bind_implicit_tls", &addresses(&config.bind_implicit_tls));
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
    row("server.keepalive", &seconds(config.keepalive));
    row("passive.enabled", &core.passive.enabled);
    row("passive.ports", &core.passive.ports);
    match core.passive.external {
        External::ControlConnection => {
            row("passive.external_address", &"the address the client connected to");
        }
        External::Literal(address) => row("passive.external_address", &address),
    }
    row("passive.strict_ports", &core.passive.strict_ports);
    row("active.enabled", &core.active.enabled);
    row("active.source_port", &core.active.source_port.map_or("any".into(), |port| port.to_string()));
    for (key, value) in policy::rows(config, loaded, tls::now()) {
        row(&key, &value);
    }
    row("timeouts.login", &seconds(core.timeouts.login));
    row("timeouts.idle", &seconds(core.timeouts.idle));
    row("timeouts.data_connection", &seconds(core.timeouts.data_connection));
    row("timeouts.stall", &seconds(core.timeouts.stall));
    row("timeouts.linger", &seconds(core.timeouts.linger));
    row("limits.sessions", &core.limits.sessions);
    row("limits.sessions_per_address", &core.limits.sessions_per_address);
    row("limits.login_attempts", &core.limits.login_attempts);
    row("limits.login_delay", &seconds(core.limits.login_delay));
    row("limits.line", &core.limits.line);
    match (config.accounts.as_deref(), accounts) {
        (Some(path), Some(file)) => {
            row("accounts.file", &format_args!("{}, users: {}", path.display(), file.users.len()));
        }
        _ => row("accounts.file", &"none"),
    }
    row("accounts.anonymous", &anonymous(config));
    row("log.format", &name(LogFormat::NAMES, config.log.format));
    row("log.level", &name(LogLevel::NAMES, config.log.level));
    row("log.commands", &config.log.commands);
    text
}

fn addresses(addresses: &[SocketAddr]) -> String {
    let written: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    if written.is_empty() { "none".to_owned() } else { written.join(", ") }
}

fn anonymous(config: &ServerConfig) -> String {
    match &config.anonymous {
        None => "no".to_owned(),
        Some(anonymous) => {
            let root = anonymous.root.as_ref().or(config.root.as_ref());
            let root = root.map_or_else(String::new, |root| root.display().to_string());
            format!("{root}, {}", if anonymous.writable { "may upload" } else { "read-only" })
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
