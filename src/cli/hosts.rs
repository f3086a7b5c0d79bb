//! Virtual hosts in words, for `check-config`, `get` and the log.

use crate::config_file::{HostConfig, ServerConfig};
use crate::tls::ServerCertificate;
use std::fmt::Write as _;

/// All that a host is; `users`: how many its accounts file has, if that was read.
pub(super) fn in_words(config: &HostConfig, users: Option<usize>) -> String {
    let mut text = config.host.names().join(", ");
    if let Some(root) = &config.root {
        let _ = write!(text, ", root {}", root.display());
    }
    match (&config.accounts, users) {
        (Some(accounts), Some(users)) => {
            let _ = write!(text, ", accounts {} (users: {users})", accounts.display());
        }
        (Some(accounts), None) => {
            let _ = write!(text, ", accounts {}", accounts.display());
        }
        (None, _) => {}
    }
    if let Some((root, writable)) = config.guests() {
        let may = if writable { "may upload" } else { "read-only" };
        let _ = write!(text, ", anonymous {} ({may})", root.display());
    }
    if let Some(greeting) = config.host.greeting() {
        let _ = write!(text, ", greeting {greeting:?}");
    }
    text
}

/// How many are introduced at the start.
const INTRODUCED: usize = 8;

/// What a server with virtual hosts says of them when it runs.
pub(super) fn introduced(config: &ServerConfig) -> Vec<String> {
    let hosts = config.hosts.iter().take(INTRODUCED);
    let mut lines: Vec<_> =
        hosts.map(|host| format!("virtual host {}", host.host.names().join(", "))).collect();
    if let Some(more) = config.hosts.len().checked_sub(INTRODUCED).filter(|more| *more > 0) {
        lines.push(format!("and {more} more virtual hosts"));
    }
    lines
}

/// What is not wrong and should be known: names for which there is no certificate, and guests who may upload.
pub(super) fn warnings(config: &ServerConfig, certificates: Option<&[ServerCertificate]>) -> Vec<String> {
    let mut warnings = Vec::new();
    for host in &config.hosts {
        if let Some(certificates) = certificates {
            let lacks = |name: &&String| !certificates.iter().any(|certificate| certificate.is_for(name));
            let lacking = host.host.names().iter().filter(lacks);
            warnings.extend(lacking.map(|name| {
                format!("host {name}: no certificate is for it, so clients that check it won\'t go on; add one to certificates below [tls]")
            }));
        }
        if host.guests().is_some_and(|(_, writable)| writable) {
            warnings.push(format!("host {}: anybody may upload without a password", host.host.name()));
        }
    }
    warnings
}
