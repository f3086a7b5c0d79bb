//! Runs the FTP protocol core, [`ftp_proto`], on blocking threads: one per session, fast and simple, with
//! sendfile and splice on the data path.
//!
//! ```no_run
//! use ftp_proto::{account::*, config::Config, host::Accounts};
//! use std::{sync::Arc, time::Duration};
//! # struct Nobody;
//! # impl Accounts for Nobody {
//! #     fn authenticate(&self, _: &Credentials) -> Result<Account, LoginError> { Err(LoginError::Refused) }
//! # }
//! # let my_accounts = Nobody;
//! let server = ftp_sync::start(ftp_sync::Options::new(Arc::new(Config::default()), Arc::new(my_accounts)))?;
//! println!("listening on {:?}", server.control_addrs());
//! // … until it is time to go:
//! server.stop(Duration::from_secs(30));
//! # Ok::<(), ftp_sync::StartError>(())
//! ```
//!
//! There is no FTP in here: no reply, no command, no path. The core says what to do, this crate knows how:
//!
//! - `session`: the loop of one session;
//! - `links`: data connections, from the wait for them to their end;
//! - `pump`: the bytes of one transfer;
//! - `wait`: clocks, and the one place where sessions sleep;
//! - `net`: sockets;
//! - `ports`, `sweeper`, `owner`: the passive listeners, which all sessions share, and who else has their port;
//! - `shared`: the core's server behind its lock, and the sessions' mailboxes;
//! - `crew`: the threads, which accept in turn.
//!
//! An idle session costs one descriptor and the touched pages of one stack. A panic anywhere in a session,
//! the embedder's code included, costs that session only.
#![cfg(unix)]

mod crew;
mod links;
mod net;
mod owner;
mod ports;
mod pump;
mod session;
mod shared;
mod sweeper;
mod wait;

use crew::Crew;
use ftp_proto::Server;
use ftp_proto::config::Config;
use ftp_proto::event::SessionId;
use ftp_proto::host::Accounts;
use ftp_proto::notice::Observer;
use ports::Ports;
use shared::Shared;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

/// What [`start`] needs.
pub struct Options {
    /// Where clients connect. Default `[::]:2121`, which takes IPv4 too, and is `0.0.0.0:2121` on a machine
    /// without IPv6. Port 0: a free one.
    pub control: Vec<SocketAddr>,
    /// The settings of the core.
    pub config: Arc<Config>,
    /// Who may log in.
    pub accounts: Arc<dyn Accounts>,
    /// Who hears what happens. Default nobody.
    pub observer: Arc<dyn Observer>,
    /// After how much silence the system asks whether a client is still there. Default 60 s.
    pub keepalive: Duration,
}

impl Options {
    /// The defaults.
    pub fn new(config: Arc<Config>, accounts: Arc<dyn Accounts>) -> Self {
        Self {
            control: vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, 2121))],
            config,
            accounts,
            observer: Arc::new(()),
            keepalive: Duration::from_secs(60),
        }
    }
}

/// Why a server did not start. Nothing of it is left then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no address to listen on.
    #[error("no address to listen on")]
    NoAddress,
    /// A control address can't be listened on.
    #[error("can't listen on {address}: {error}")]
    Control {
        /// Which one.
        address: SocketAddr,
        /// The system's words, and who has the port if that is known.
        error: io::Error,
    },
    /// A passive port can't be opened, and the settings want all of them.
    #[error("can't open passive port {port}: {error}")]
    PassivePort {
        /// Which one.
        port: u16,
        /// The system's words.
        error: io::Error,
    },
    /// Passive mode is on, and not one of its ports can be opened.
    #[error("can't open any of the passive ports {ports}: {error}")]
    NoPassivePort {
        /// The setting.
        ports: String,
        /// The system's words about the first.
        error: io::Error,
    },
    /// The system has no descriptors or threads to give.
    #[error("can't start: {0}")]
    System(io::Error),
}

/// Opens all listeners and serves.
///
/// # Errors
/// [`StartError`] if an address or all passive ports (with `strict_ports` one of them) can't be opened.
pub fn start(options: Options) -> Result<Running, StartError> {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for &address in &options.control {
        let listener = net::listen_control(address, options.keepalive);
        let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (bound, listener) = bound
            .map_err(|error| StartError::Control { address, error: owner::named(address.port(), error) })?;
        addresses.push(bound);
        listeners.push(listener);
    }
    let passive_address = passive_address(&addresses).ok_or(StartError::NoAddress)?;

    let server = Server::new(Arc::clone(&options.config), options.accounts, seed());
    let ports = Ports::new(passive_address);
    let shared = Shared::new(server, wait::Clock::new(), ports, options.observer, options.keepalive);
    let shared = Arc::new(shared.map_err(StartError::System)?);
    open_ports(&shared, &options.config)?;

    let crew = Arc::new(Crew::new(listeners));
    let (its_shared, its_crew) = (Arc::clone(&shared), Arc::clone(&crew));
    let sweeper = std::thread::Builder::new().spawn(move || sweeper::run(&its_shared, &its_crew));
    let sweeper = Some(sweeper.map_err(StartError::System)?);
    let running = Running { shared, crew, sweeper, addresses };
    // On failure `running` is dropped, which stops what runs already.
    running.crew.open(&running.shared).map_err(StartError::System)?;
    Ok(running)
}

/// Passive ports are on the control connections' address if there is one only, otherwise on every address.
fn passive_address(control: &[SocketAddr]) -> Option<IpAddr> {
    let first = control.first()?.ip();
    Some(if control.iter().all(|address| address.ip() == first) {
        first
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    })
}

fn open_ports(shared: &Shared, config: &Config) -> Result<(), StartError> {
    // The server's wishes are collected by any call to it.
    shared.with_server(|_, _| {});
    match sweeper::do_chores(shared) {
        Some((port, error)) if config.passive.strict_ports => Err(StartError::PassivePort { port, error }),
        Some((_, error)) if shared.with_server(|server, _| server.open_ports().is_empty()) => {
            Err(StartError::NoPassivePort { ports: config.passive.ports.to_string(), error })
        }
        _ => Ok(()),
    }
}

/// A number nobody can foresee: the standard library seeds its hash maps with such.
fn seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// A server that runs. Dropped, it stops without grace.
pub struct Running {
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    sweeper: Option<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
}

/// How long the last words of sessions may take that were told to end.
const LAST_WORDS: Duration = Duration::from_secs(6);

impl Running {
    /// Where clients connect, with the ports the system chose.
    pub fn control_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The passive ports that are open, in order.
    pub fn passive_ports(&self) -> Vec<u16> {
        self.handle().passive_ports()
    }

    /// For other threads.
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Stops: no new sessions, idle ones end, running transfers have `grace`; then all threads have ended
    /// and all sockets are closed. Only a thread that is stuck in a storage is left behind.
    pub fn stop(mut self, grace: Duration) {
        self.shut(grace);
    }

    fn shut(&mut self, grace: Duration) {
        let Some(sweeper) = self.sweeper.take() else { return };
        // The sweeper goes last: it keeps the server's deadlines and the passive ports.
        self.crew.close();
        self.shared.with_server(|server, now| server.drain(now, grace));
        if !self.shared.wait_until_empty(grace) {
            self.shared.kick_all();
            self.shared.wait_until_empty(LAST_WORDS);
        }
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.sweeper_bell.ring();
        drop(sweeper.join());
        self.crew.join(LAST_WORDS);
        self.shared.ports.close_all();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shut(Duration::ZERO);
    }
}

/// Reaches into a running server from any thread. Does nothing once it has stopped.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// New settings, for whatever begins from now on. Running sessions notice nothing.
    pub fn reconfigure(&self, config: Arc<Config>) {
        self.shared.with_server(|server, now| server.reconfigure(now, config));
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.shared.with_server(|server, _| server.sessions())
    }

    /// The passive ports that are open, in order.
    pub fn passive_ports(&self) -> Vec<u16> {
        self.shared.with_server(|server, _| server.open_ports())
    }

    /// Ends a session; `false` if there is none of that name.
    pub fn kick(&self, session: SessionId) -> bool {
        self.shared.with_server(|server, now| server.kick(now, session))
    }

    /// Begins to stop: new sessions are turned away, idle ones end, running transfers have `grace`. The
    /// listeners stay until [`Running::stop`].
    pub fn stop(&self, grace: Duration) {
        self.shared.with_server(|server, now| server.drain(now, grace));
    }
}
