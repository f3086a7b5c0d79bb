//! Both adapters behind one trait, and a server for a test.

use crate::client::Client;
use ftp_proto::account::Rights;
use ftp_proto::advertise::Networks;
use ftp_proto::config::{Config, Network, PassivePorts, Settings};
use ftp_proto::event::SessionId;
use ftp_proto::host::Accounts;
use ftp_proto::notice::{Counters, Notice, Observer};
use ftp_proto::testing::{FakeTls, MemoryAccounts, MemoryStorage};
use ftp_proto::tls::Tls;
use ftp_proto::{Ban, PassiveState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One adapter: a server that runs on it. Dropped, it stops without grace.
pub(crate) trait Runtime: Sized + Send + Sync + 'static {
    /// The name of the module with its tests.
    const NAME: &'static str;

    /// Starts a server.
    fn start(setup: Setup, config: Arc<Config>) -> Result<Self, String>;
    /// Where clients connect.
    fn control_addrs(&self) -> &[SocketAddr];
    /// Where TLS begins at once.
    fn implicit_tls_addrs(&self) -> &[SocketAddr];
    /// New settings.
    fn reconfigure(&self, config: Arc<Config>);
    /// From now on this speaks TLS.
    fn set_tls(&self, tls: Option<Arc<dyn Tls>>);
    /// How the passive ports stand.
    fn passive_state(&self) -> PassiveState;
    /// The passive ports that are open.
    fn passive_ports(&self) -> Vec<u16>;
    /// How many sessions there are.
    fn sessions(&self) -> usize;
    /// Who is banned.
    fn bans(&self) -> Vec<Ban>;
    /// Ends bans.
    fn lift_bans(&self, network: Option<Network>) -> usize;
    /// Ends a session.
    fn kick(&self, session: SessionId) -> bool;
    /// Stops it.
    fn stop(self, grace: Duration);

    /// The first address clients connect to.
    fn address(&self) -> SocketAddr {
        *self.control_addrs().first().expect("there is one")
    }

    /// The first passive port.
    fn passive_port(&self) -> u16 {
        *self.passive_ports().first().expect("there is one")
    }

    /// A client that connected.
    fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// A client that logged in and uses image type.
    fn login(&self) -> Client {
        let mut client = self.client();
        client.log_in();
        client
    }

    /// The same under TLS, data connections included.
    fn secure_login(&self) -> Client {
        let mut client = self.client();
        client.secure();
        client.log_in();
        client.protect_data();
        client
    }
}

macro_rules! adapter {
    ($name:ident, $module:literal, $adapter:ident) => {
        pub(crate) struct $name($adapter::Running);

        impl Runtime for $name {
            const NAME: &'static str = $module;

            fn start(setup: Setup, config: Arc<Config>) -> Result<Self, String> {
                let Setup { control, implicit_tls, tls, accounts, observer, networks, .. } = setup;
                let defaults = $adapter::Options::new(config, accounts);
                let networks = Arc::new(move || networks.clone());
                let options =
                    $adapter::Options { control, implicit_tls, tls, observer, networks, ..defaults };
                $adapter::start(options).map(Self).map_err(|error| error.to_string())
            }

            fn control_addrs(&self) -> &[SocketAddr] {
                self.0.control_addrs()
            }

            fn implicit_tls_addrs(&self) -> &[SocketAddr] {
                self.0.implicit_tls_addrs()
            }

            fn reconfigure(&self, config: Arc<Config>) {
                self.0.handle().reconfigure(config);
            }

            fn set_tls(&self, tls: Option<Arc<dyn Tls>>) {
                self.0.handle().set_tls(tls);
            }

            fn passive_state(&self) -> PassiveState {
                self.0.handle().passive_state()
            }

            fn passive_ports(&self) -> Vec<u16> {
                self.0.passive_ports()
            }

            fn sessions(&self) -> usize {
                self.0.handle().sessions()
            }

            fn bans(&self) -> Vec<Ban> {
                self.0.handle().bans()
            }

            fn lift_bans(&self, network: Option<Network>) -> usize {
                self.0.handle().lift_bans(network)
            }

            fn kick(&self, session: SessionId) -> bool {
                self.0.handle().kick(session)
            }

            fn stop(self, grace: Duration) {
                self.0.stop(grace);
            }
        }
    };
}

adapter!(Smol, "smol", ftp_smol);
adapter!(Threads, "threads", ftp_sync);

/// What a server is started with.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    control: Vec<SocketAddr>,
    implicit_tls: Vec<SocketAddr>,
    pub(crate) tls: Option<Arc<dyn Tls>>,
    accounts: Arc<dyn Accounts>,
    observer: Arc<dyn Observer>,
    networks: Networks,
}

impl Setup {
    /// A server on `127.0.0.1` with two passive ports, where everybody may do everything in this tree.
    pub(crate) fn new(storage: &MemoryStorage) -> Self {
        Self::with_accounts(MemoryAccounts::new().anonymous(storage.account("anonymous", Rights::ALL)))
    }

    /// The same with other accounts.
    pub(crate) fn with_accounts(accounts: impl Accounts + 'static) -> Self {
        let mut settings = Settings::default();
        settings.passive.ports = PassivePorts::Auto(2);
        Self {
            settings,
            control: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            implicit_tls: Vec::new(),
            tls: None,
            accounts: Arc::new(accounts),
            observer: Arc::new(()),
            networks: Networks::default(),
        }
    }

    pub(crate) fn ports(mut self, count: u16) -> Self {
        self.settings.passive.ports = PassivePorts::Auto(count);
        self
    }

    pub(crate) fn control(mut self, address: &str) -> Self {
        self.control = vec![address.parse().unwrap()];
        self
    }

    pub(crate) fn no_control(mut self) -> Self {
        self.control.clear();
        self
    }

    pub(crate) fn implicit_tls(mut self, address: &str) -> Self {
        self.implicit_tls = vec![address.parse().unwrap()];
        self
    }

    /// With TLS that keeps no secret.
    pub(crate) fn tls(self) -> Self {
        self.tls_by(FakeTls::new())
    }

    pub(crate) fn tls_by(mut self, tls: impl Tls + 'static) -> Self {
        self.tls = Some(Arc::new(tls));
        self
    }

    pub(crate) fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The host is in these networks.
    pub(crate) fn networks(mut self, networks: Networks) -> Self {
        self.networks = networks;
        self
    }

    pub(crate) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(crate) fn start<R: Runtime>(self) -> R {
        self.try_start().unwrap()
    }

    pub(crate) fn try_start<R: Runtime>(self) -> Result<R, String> {
        let config = Arc::new(self.settings.clone().validate().unwrap());
        R::start(self, config)
    }
}

/// Remembers the sessions and their clients in the order of their opening, all verdicts, who came from elsewhere, and
/// what was wrong with the headers of balancers.
#[derive(Default)]
pub(crate) struct Witness {
    sessions: Mutex<Vec<SessionId>>,
    peers: Mutex<Vec<SocketAddr>>,
    verdicts: Mutex<Vec<&'static str>>,
    counters: Mutex<Counters>,
    elsewhere: Mutex<Vec<(IpAddr, IpAddr)>>,
    unnamed: Mutex<Vec<String>>,
    foreign: Mutex<Vec<&'static str>>,
}

impl Witness {
    pub(crate) fn sessions(&self) -> Vec<SessionId> {
        self.sessions.lock().unwrap().clone()
    }

    /// The ends of control and data connections, where they differed.
    pub(crate) fn elsewhere(&self) -> Vec<(IpAddr, IpAddr)> {
        self.elsewhere.lock().unwrap().clone()
    }

    pub(crate) fn peers(&self) -> Vec<SocketAddr> {
        self.peers.lock().unwrap().clone()
    }

    pub(crate) fn unnamed(&self) -> Vec<String> {
        self.unnamed.lock().unwrap().clone()
    }

    /// Other protocols that were spoken.
    pub(crate) fn foreign(&self) -> Vec<&'static str> {
        self.foreign.lock().unwrap().clone()
    }

    pub(crate) fn verdicts(&self) -> Vec<&'static str> {
        self.verdicts.lock().unwrap().clone()
    }
}

impl Witness {
    /// The row of the one network that clients come from.
    pub(crate) fn row(&self) -> String {
        let counters = self.counters.lock().unwrap();
        counters.networks.rows().map(|(network, row)| format!("{network} {row}")).collect()
    }
}

impl Observer for Witness {
    fn notice(&self, session: Option<SessionId>, notice: &Notice) {
        self.counters.lock().unwrap().count(session, notice);
        match notice {
            Notice::DataElsewhere { control, data, .. } => {
                self.elsewhere.lock().unwrap().push((control.ip(), data.ip()));
            }
            Notice::SessionOpened { peer, .. } => {
                self.sessions.lock().unwrap().extend(session);
                self.peers.lock().unwrap().push(*peer);
            }
            Notice::NoProxyHeader { problem, .. } => self.unnamed.lock().unwrap().push(problem.to_string()),
            Notice::SpokeOtherProtocol { which, .. } => self.foreign.lock().unwrap().push(which.name()),
            Notice::DataConnectionFailed(verdict) => self.verdicts.lock().unwrap().push(verdict.kind()),
            _ => {}
        }
    }
}
