//! Looks at the machine: what the checks are made of.

mod certificates;
mod files;
mod hosts;
mod sockets;
mod system;
#[cfg(test)]
mod tests;

use super::catalogue as kinds;
use super::facts::Facts;
use super::finding::Finding;
use super::trust::Trust;
use crate::accounts::AccountsFile;
use crate::config_file::{self, ControlSocket, ServerConfig};
use crate::control::{Client, Status};
use std::path::Path;
use system::Proc;
pub(crate) use system::resolve;

/// Looks at the firewall of this system.
pub type Firewall = fn(&ServerConfig) -> Result<Vec<(crate::firewall::check::Finding, String)>, String>;

/// Reads the configuration and looks at everything it names. `socket` is the running server's, if it has to be told.
///
/// # Errors
/// The file is wrong, which is a finding like others, and there is nothing to look at.
pub fn facts(
    file: &Path,
    socket: Option<&Path>,
    trust: &Trust,
    firewall: Firewall,
) -> Result<Facts, Finding> {
    let invalid = |error: &dyn std::fmt::Display| kinds::CONFIGURATION_INVALID.found(error.to_string());
    let mut config = config_file::load(file).map_err(|error| invalid(&error))?;
    let server = running(&config, file, socket);
    if let Some(text) = server.as_ref().and_then(|server| server.text.as_deref()) {
        config = config_file::parse(file, text).map_err(|error| invalid(&error))?;
    }
    let accounts = config.accounts.as_deref().map(AccountsFile::load).transpose();
    let accounts = accounts.map_err(|error| kinds::ACCOUNTS_INVALID.found(error.to_string()))?;
    let hosts = hosts::look(&config).map_err(|error| kinds::ACCOUNTS_INVALID.found(error.to_string()))?;
    let proc = Proc::default();
    let system = system::look(&proc, &config, file, server.map(|server| server.status));
    let certificates = certificates::look(&config, trust);
    let running = system.server.as_ref().and_then(|server| proc.user(server.id));
    let user = running.or_else(|| files::User::configured(&config)).unwrap_or_else(files::User::own);
    let runs_as_root = user.id == 0 && crate::sandbox::is_root();
    let directories = files::directories(&config, accounts.as_ref(), &hosts, &user);
    let open_files = files::open_files(&config);
    let now = crate::tls::now();
    let firewall = firewall(&config);
    let file = file.to_owned();
    Ok(Facts {
        config,
        file,
        accounts,
        hosts,
        now,
        system,
        certificates,
        directories,
        firewall,
        open_files,
        runs_as_root,
    })
}

/// A server that runs with this file.
struct Server {
    status: Status,
    /// Its configuration, if something was set since it was read.
    text: Option<String>,
}

fn running(config: &ServerConfig, file: &Path, socket: Option<&Path>) -> Option<Server> {
    let named = match &config.control_socket {
        ControlSocket::At(path) => Some(path.as_path()),
        ControlSocket::Usual | ControlSocket::Off => None,
    };
    let mut client = Client::find(socket.or(named)).ok()?;
    let status = client.status().ok()?;
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let same = status
        .configuration
        .file
        .as_deref()
        .is_some_and(|its| real(its).is_some() && real(its) == real(file));
    if !same {
        return None;
    }
    let text = if status.configuration.live.is_empty() { None } else { client.configuration().ok() };
    Some(Server { status, text })
}
