//! What the local checks are made of: values alone, so that tests can invent them.

use crate::accounts::AccountsFile;
use crate::certificate::CertificateFacts;
use crate::config_file::{HostConfig, ServerConfig};
use crate::control::Status;
use ftp_proto::config::Ports;
use ftp_proto::time::UnixTime;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// All there is to know.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The configuration file, and its name.
    pub config: ServerConfig,
    /// Its name.
    pub file: PathBuf,
    /// The accounts file: none, or what is in it.
    pub accounts: Option<AccountsFile>,
    /// The virtual hosts of the configuration.
    pub hosts: Vec<HostState>,
    /// By this machine's clock.
    pub now: UnixTime,
    /// The machine.
    pub system: System,
    /// The certificates of the configuration.
    pub certificates: Vec<CertificateState>,
    /// The directories that are to be served.
    pub directories: Vec<DirectoryState>,
    /// What `ftpd firewall check` finds, each with what helps; or why it could not look.
    pub firewall: Result<Vec<(crate::firewall::check::Finding, String)>, String>,
    /// Files that every user of this machine can read and should not.
    pub open_files: Vec<OpenFile>,
    /// Whether the server is root as long as it runs.
    pub runs_as_root: bool,
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct System {
    /// The server that runs with this configuration.
    pub server: Option<Process>,
    /// What it says of itself, if it can be asked.
    pub status: Option<Status>,
    /// Ports the configuration names on which others listen.
    pub held: Vec<Held>,
    /// From where the system takes ports for outgoing connections.
    pub ephemeral: Option<Ports>,
    /// Ports that it leaves out.
    pub reserved: Vec<Ports>,
    /// The first port that every user may listen on.
    pub first_unprivileged: u16,
    /// Whether this process may listen below.
    pub privileged: bool,
    /// The addresses of all interfaces.
    pub interfaces: Vec<IpAddr>,
    /// What the names of the configuration stand for.
    pub resolved: BTreeMap<String, Result<Vec<IpAddr>, String>>,
    /// What kind of container this is.
    pub container: Option<&'static str>,
    /// How many files the server may open.
    pub descriptors: Option<u64>,
    /// Modules of the kernel's FTP helper that are loaded.
    pub ftp_helper: Vec<String>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub id: u32,
    /// Its program's name.
    pub program: String,
}

/// A port that somebody listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where.
    pub address: SocketAddr,
    /// Who, if the system tells.
    pub by: Option<Process>,
}

/// A virtual host of the configuration.
#[derive(Clone, Debug)]
pub struct HostState {
    /// What is configured.
    pub config: HostConfig,
    /// Its accounts file: none, or what is in it.
    pub accounts: Option<AccountsFile>,
    /// Those of its names that no certificate is for, although there is TLS.
    pub without_certificate: Vec<String>,
}

impl HostState {
    /// How many users its accounts file has.
    pub fn users(&self) -> usize {
        self.accounts.as_ref().map_or(0, |accounts| accounts.users.len())
    }
}

/// A certificate of the configuration.
#[derive(Clone, Debug)]
pub struct CertificateState {
    /// Its file.
    pub file: PathBuf,
    /// The chain, or why it can't be used.
    pub chain: Result<Vec<CertificateFacts>, String>,
    /// Whether it is for the external name or address; `None`: none is set, or it could not be asked.
    pub for_external: Option<bool>,
    /// Whether this system knows its authority; `None`: that could not be asked.
    pub trusted: Option<bool>,
}

/// A directory that is to be served.
#[derive(Clone, Debug)]
pub struct DirectoryState {
    /// Where.
    pub path: PathBuf,
    /// Whether accounts may write there.
    pub wants_write: bool,
    /// What it is like, or why it can't be used.
    pub state: Result<Access, String>,
}

/// What the user whom the server runs as may do in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// List it and go into it.
    pub read: bool,
    /// Make files in it.
    pub write: bool,
    /// Who owns it.
    pub owner: u32,
    /// Who is asking.
    pub user: u32,
    /// Free bytes, and all, of its disk.
    pub room: Option<(u64, u64)>,
}

/// A file that is open to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenFile {
    /// With hashes of passwords.
    Accounts(PathBuf),
    /// With a private key.
    Key(PathBuf),
}
