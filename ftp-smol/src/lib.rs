//! Runs the FTP protocol core, [`ftp_proto`], on [smol](https://docs.rs/smol) and
//! [async-io](https://docs.rs/async-io): one executor per core, thousands of sessions on each, with sendfile and
//! splice on the data path.
//!
//! ```no_run
//! use ftp_proto::{account::*, config::Config, host::Accounts};
//! use std::{sync::Arc, time::Duration};
//! # struct Nobody;
//! # impl Accounts for Nobody {
//! #     fn authenticate(&self, _: &Credentials) -> Result<Account, LoginError> { Err(LoginError::Refused) }
//! # }
//! # let my_accounts = Nobody;
//! let server = ftp_smol::start(ftp_smol::Options::new(Arc::new(Config::default()), Arc::new(my_accounts)))?;
//! println!("listening on {:?}", server.control_addrs());
//! // … until it is time to go:
//! server.stop(Duration::from_secs(30));
//! # Ok::<(), ftp_smol::StartError>(())
//! ```
//!
//! There is no FTP in here: no reply, no command, no path. The core says what to do, this crate knows how:
//!
//! - `session`: the loop of one session;
//! - `links`: data connections, from the wait for them to their end;
//! - `secure`: the TLS handshake of a data connection;
//! - `pump`: the bytes of one transfer;
//! - `wait`: clocks, bells and alarms;
//! - `net`: sockets;
//! - `ports`, `sweeper`, `owner`: the passive listeners, which all sessions share, and who else has their port;
//! - `surroundings`: names and networks, for the address that clients are told;
//! - `undecided`: data connections of balancers, until they have said whose they are;
//! - `long`: jobs that take long, beside their sessions;
//! - `shared`: the core's server behind its lock, and the sessions' mailboxes;
//! - `crew`, `workers`: the executors, and the threads for what may block.
//!
//! An idle session costs one descriptor and little memory: it has no stack and no buffers. A panic anywhere in a
//! session, the embedder's code included, costs that session only.
#![cfg(unix)]

mod crew;
mod links;
mod long;
mod net;
mod owner;
mod ports;
mod pump;
mod secure;
mod session;
mod shared;
mod surroundings;
mod sweeper;
mod undecided;
mod wait;
mod workers;

use crew::{Crew, Door};
use ftp_proto::advertise::Networks;
use ftp_proto::config::{Config, Network};
use ftp_proto::event::SessionId;
use ftp_proto::host::Accounts;
use ftp_proto::notice::Observer;
use ftp_proto::tls::Tls;
use ftp_proto::{Ban, PassiveState, Server};
use ports::Ports;
use shared::Shared;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use workers::Workers;

/// What [`start`] needs.
pub struct Options {
    /// Where clients connect. Default `[::]:2121`, which takes IPv4 too, and is `0.0.0.0:2121` on a machine
    /// without IPv6. Port 0: a free one.
    pub control: Vec<SocketAddr>,
    /// Where clients connect for whom TLS begins at once, as on port 990 by tradition. Default none.
    pub implicit_tls: Vec<SocketAddr>,
    /// What speaks TLS. Default `None`: there is no TLS.
    pub tls: Option<Arc<dyn Tls>>,
    /// The settings of the core.
    pub config: Arc<Config>,
    /// Who may log in.
    pub accounts: Arc<dyn Accounts>,
    /// Who hears what happens. Default nobody.
    pub observer: Arc<dyn Observer>,
    /// After how much silence the system asks whether a client is still there. Default 60 s.
    pub keepalive: Duration,
    /// Finds the host's networks and routers; asked at the start and once a minute if the settings depend on it.
    /// Default: none are known, so that clients in them are told the external address, like all others. The crate
    /// `ftpd` has one that asks the system (`ftpd::networks::of_host`).
    pub networks: Arc<dyn Fn() -> Networks + Send + Sync>,
    /// What is to be done when the control listeners are open and before there is any thread of the server: the moment
    /// to give up privileges. Passive ports are opened after it. Default nothing.
    pub opened: Box<dyn FnOnce() -> Result<(), String> + Send>,
    /// How many executors there are, each with a thread of its own. Default (`None`): one per core.
    pub executors: Option<usize>,
}

impl Options {
    /// The defaults.
    pub fn new(config: Arc<Config>, accounts: Arc<dyn Accounts>) -> Self {
        Self {
            control: vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, 2121))],
            implicit_tls: Vec::new(),
            tls: None,
            config,
            accounts,
            observer: Arc::new(()),
            keepalive: Duration::from_secs(60),
            networks: Arc::new(Networks::default),
            opened: Box::new(|| Ok(())),
            executors: None,
        }
    }
}

/// Why a server did not start. Nothing of it is left then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no address to listen on.
    #[error("no address to listen on")]
    NoAddress,
    /// TLS is to begin at once on some addresses, and there is no TLS.
    #[error("there is no TLS for the addresses where it begins at once")]
    NoTls,
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
    /// [`Options::opened`] says no.
    #[error("{0}")]
    Refused(String),
    /// The system has no descriptors or threads to give.
    #[error("can't start: {0}")]
    System(io::Error),
}

/// Opens all listeners and serves.
///
/// # Errors
/// [`StartError`] if an address or all passive ports (with `strict_ports` one of them) can't be opened.
pub fn start(options: Options) -> Result<Running, StartError> {
    let (listeners, addresses) = listen(&options)?;
    let passive_address = addresses.passive().ok_or(StartError::NoAddress)?;
    (options.opened)().map_err(StartError::Refused)?;
    // The first of them starts the thread that waits for all sockets.
    let doors = listeners.into_iter().map(|of_executor| {
        let doors = of_executor.into_iter().map(|(listener, implicit_tls)| Door::new(listener, implicit_tls));
        doors.collect::<io::Result<Vec<_>>>()
    });
    let doors = doors.collect::<io::Result<Vec<_>>>().map_err(StartError::System)?;

    let mut server = Server::new(Arc::clone(&options.config), options.accounts, seed());
    server.set_tls(options.tls);
    let ports = Ports::new(passive_address);
    let (observer, keepalive, networks) = (options.observer, options.keepalive, options.networks);
    let workers = Workers::begin().map_err(StartError::System)?;
    let shared = Shared::new(server, wait::Clock::new(), ports, workers, observer, keepalive, networks);
    let shared = Arc::new(shared);
    open_ports(&shared, &options.config)?;
    let crew = Crew::start(&shared, doors).map_err(|error| {
        shared.ports.close_all();
        StartError::System(error)
    })?;
    Ok(Running { shared, crew: Some(crew), addresses })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// What will be the doors of one executor; with each, whether TLS begins at once.
type Listeners = Vec<(TcpListener, bool)>;

/// The listeners of each executor.
// req: 959-5.2-port-l
fn listen(options: &Options) -> Result<(Vec<Listeners>, Addresses), StartError> {
    if options.tls.is_none() && !options.implicit_tls.is_empty() {
        return Err(StartError::NoTls);
    }
    let count = options.executors.unwrap_or_else(cores).max(1);
    let mut all: Vec<Listeners> = (0..count).map(|_| Vec::new()).collect();
    let mut addresses = Addresses::default();
    let wanted = [
        (&options.control, &mut addresses.explicit, false),
        (&options.implicit_tls, &mut addresses.implicit_tls, true),
    ];
    for (wanted, bound, implicit_tls) in wanted {
        for &address in wanted {
            let listeners = net::listen_control(address, count, options.keepalive).and_then(|listeners| {
                let first = listeners.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
                Ok((first.local_addr()?, listeners))
            });
            let (bound_to, listeners) = listeners.map_err(|error| StartError::Control {
                address,
                error: owner::named(address.port(), error),
            })?;
            bound.push(bound_to);
            for (of_executor, listener) in all.iter_mut().zip(listeners) {
                of_executor.push((listener, implicit_tls));
            }
        }
    }
    Ok((all, addresses))
}

/// Where control connections are accepted, with the ports the system chose.
#[derive(Default)]
struct Addresses {
    explicit: Vec<SocketAddr>,
    implicit_tls: Vec<SocketAddr>,
}

impl Addresses {
    /// Passive ports are on the control connections' address if there is one only, otherwise on every address.
    fn passive(&self) -> Option<IpAddr> {
        let mut all = self.explicit.iter().chain(&self.implicit_tls).map(SocketAddr::ip);
        let first = all.next()?;
        Some(if all.all(|address| address == first) { first } else { Ipv6Addr::UNSPECIFIED.into() })
    }
}

fn open_ports(shared: &Arc<Shared>, config: &Config) -> Result<(), StartError> {
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
    crew: Option<Crew>,
    addresses: Addresses,
}

/// How long the last words of sessions may take that were told to end.
const LAST_WORDS: Duration = Duration::from_secs(6);

impl Running {
    /// Where clients connect, with the ports the system chose.
    pub fn control_addrs(&self) -> &[SocketAddr] {
        &self.addresses.explicit
    }

    /// Where clients connect for whom TLS begins at once, with the ports the system chose.
    pub fn implicit_tls_addrs(&self) -> &[SocketAddr] {
        &self.addresses.implicit_tls
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
        let Some(mut crew) = self.crew.take() else { return };
        crew.close(LAST_WORDS);
        self.shared.with_server(|server, now| server.drain(now, grace));
        if !self.shared.wait_until_empty(grace) {
            self.shared.kick_all();
            self.shared.wait_until_empty(LAST_WORDS);
        }
        crew.end(LAST_WORDS);
        self.shared.workers.end(LAST_WORDS);
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

    /// What speaks TLS for sessions that come from now on; `None`: there is no TLS.
    pub fn set_tls(&self, tls: Option<Arc<dyn Tls>>) {
        self.shared.with_server(|server, _| server.set_tls(tls));
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.shared.with_server(|server, _| server.sessions())
    }

    /// The passive ports that are open, in order.
    pub fn passive_ports(&self) -> Vec<u16> {
        self.shared.with_server(|server, _| server.open_ports())
    }

    /// How the passive ports stand.
    pub fn passive_state(&self) -> PassiveState {
        self.shared.with_server(|server, _| server.passive_state())
    }

    /// The bans that hold, in order of their addresses.
    pub fn bans(&self) -> Vec<Ban> {
        self.shared.with_server(|server, now| server.bans(now))
    }

    /// Ends the bans of clients in this network or around it (`None`: of all); how many there were.
    pub fn lift_bans(&self, network: Option<Network>) -> usize {
        self.shared.with_server(|server, now| server.lift_bans(now, network))
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
