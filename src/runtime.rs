//! The two adapters behind one type: everything else in the program is the same on both.

use crate::config_file::RuntimeKind;
use crate::config_file::reader::without_number;
use ftp_proto::advertise::Networks;
use ftp_proto::config::{Config, Network};
use ftp_proto::host::Accounts;
use ftp_proto::notice::Observer;
use ftp_proto::tls::Tls;
use ftp_proto::{Ban, PassiveState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a server is started with.
pub struct Options {
    /// What drives the sessions.
    pub runtime: RuntimeKind,
    /// Where control connections are accepted; port 0 is a free one.
    pub control: Vec<SocketAddr>,
    /// The same, where TLS begins at once.
    pub implicit_tls: Vec<SocketAddr>,
    /// What speaks TLS; `None`: there is no TLS.
    pub tls: Option<Arc<dyn Tls>>,
    /// The settings of the core.
    pub config: Arc<Config>,
    /// Who may log in.
    pub accounts: Arc<dyn Accounts>,
    /// Who hears what happens.
    pub observer: Arc<dyn Observer>,
    /// After how long without traffic the system probes a control connection.
    pub keepalive: Duration,
    /// Finds the host's networks and routers; as a rule [`networks::of_host`](crate::networks::of_host).
    pub networks: Arc<dyn Fn() -> Networks + Send + Sync>,
    /// What is to be done when the control listeners are open and before there is any thread.
    pub opened: Box<dyn FnOnce() -> Result<(), String> + Send>,
}

/// A server that runs. Dropped, it stops without grace.
pub struct Running(Either);

enum Either {
    Smol(ftp_smol::Running),
    Threads(ftp_sync::Running),
}

/// Opens all listeners and serves.
///
/// # Errors
/// In one line, what can't be opened and why; nothing is left half-started then.
pub fn start(options: Options) -> Result<Running, String> {
    let Options {
        runtime,
        control,
        implicit_tls,
        tls,
        config,
        accounts,
        observer,
        keepalive,
        networks,
        opened,
    } = options;
    match runtime {
        RuntimeKind::Smol => {
            let defaults = ftp_smol::Options::new(config, accounts);
            let options = ftp_smol::Options {
                control,
                implicit_tls,
                tls,
                observer,
                keepalive,
                networks,
                opened,
                ..defaults
            };
            ftp_smol::start(options)
                .map(|running| Running(Either::Smol(running)))
                .map_err(|error| without_number(&error.to_string()))
        }
        RuntimeKind::Threads => {
            let defaults = ftp_sync::Options::new(config, accounts);
            let options = ftp_sync::Options {
                control,
                implicit_tls,
                tls,
                observer,
                keepalive,
                networks,
                opened,
                ..defaults
            };
            ftp_sync::start(options)
                .map(|running| Running(Either::Threads(running)))
                .map_err(|error| without_number(&error.to_string()))
        }
    }
}

impl Running {
    /// Where clients connect, with the ports the system chose.
    pub fn control_addrs(&self) -> &[SocketAddr] {
        match &self.0 {
            Either::Smol(running) => running.control_addrs(),
            Either::Threads(running) => running.control_addrs(),
        }
    }

    /// Where clients connect for whom TLS begins at once, with the ports the system chose.
    pub fn implicit_tls_addrs(&self) -> &[SocketAddr] {
        match &self.0 {
            Either::Smol(running) => running.implicit_tls_addrs(),
            Either::Threads(running) => running.implicit_tls_addrs(),
        }
    }

    /// The passive ports that are open, in order.
    pub fn passive_ports(&self) -> Vec<u16> {
        match &self.0 {
            Either::Smol(running) => running.passive_ports(),
            Either::Threads(running) => running.passive_ports(),
        }
    }

    /// How the passive ports stand.
    pub fn passive_state(&self) -> PassiveState {
        match &self.0 {
            Either::Smol(running) => running.handle().passive_state(),
            Either::Threads(running) => running.handle().passive_state(),
        }
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        match &self.0 {
            Either::Smol(running) => running.handle().sessions(),
            Either::Threads(running) => running.handle().sessions(),
        }
    }

    /// The bans that hold, in order of their addresses.
    pub fn bans(&self) -> Vec<Ban> {
        match &self.0 {
            Either::Smol(running) => running.handle().bans(),
            Either::Threads(running) => running.handle().bans(),
        }
    }

    /// Ends the bans of clients in this network or around it (`None`: of all); how many there were.
    pub fn lift_bans(&self, network: Option<Network>) -> usize {
        match &self.0 {
            Either::Smol(running) => running.handle().lift_bans(network),
            Either::Threads(running) => running.handle().lift_bans(network),
        }
    }

    /// New settings, for whatever begins from now on.
    pub fn reconfigure(&self, config: Arc<Config>) {
        match &self.0 {
            Either::Smol(running) => running.handle().reconfigure(config),
            Either::Threads(running) => running.handle().reconfigure(config),
        }
    }

    /// What speaks TLS for sessions that come from now on; `None`: there is no TLS.
    pub fn set_tls(&self, tls: Option<Arc<dyn Tls>>) {
        match &self.0 {
            Either::Smol(running) => running.handle().set_tls(tls),
            Either::Threads(running) => running.handle().set_tls(tls),
        }
    }

    /// Stops: no new sessions, idle ones end, running transfers have `grace`.
    pub fn stop(self, grace: Duration) {
        match self.0 {
            Either::Smol(running) => running.stop(grace),
            Either::Threads(running) => running.stop(grace),
        }
    }
}
