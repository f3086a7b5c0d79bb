//! What all sessions share: admission, passive ports, what is known of clients, shutdown. One [`Server`] per process, behind one short
//! lock.

mod admission;
mod balancers;
mod bans;
mod crowds;
mod evidence;
mod habits;
mod logins;
mod openings;
mod ports;
mod scout;

use crate::advertise::{self, advertise};
use crate::config::{Config, External};
use crate::connection::Connection;
use crate::diagnose::Way;
use crate::event::{Answer, Arrival, Event, LinkId, Message, News, Request, Seen, SessionId, Task};
use crate::host::Accounts;
use crate::notice::{Notice, Refusal};
use crate::reply::Reply;
use crate::session::canonical;
use crate::time::{Instant, Now};
use crate::tls::Tls;
use admission::Sessions;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
pub use balancers::Naming;
pub use bans::Ban;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use evidence::Evidence;
use habits::{Client, Habits};
use openings::{Opened, Openings};
use ports::{Asker, Leasing, PoolEvent, PortPool};
use scout::Scout;

/// How often the log hears that clients can't be let in.
const ACCEPT_FAILED_EVERY: Duration = Duration::from_secs(60);

/// What becomes of a control connection.
#[derive(Debug)]
pub enum Admission {
    /// It is served by this machine.
    Accepted(SessionId, Box<Connection>),
    /// Write these bytes, if any, then close.
    Refused(Vec<u8>),
}

/// How the passive ports stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassiveState {
    /// Listened on and leased, in order.
    pub open: Vec<u16>,
    /// Wanted and not to be had, with the system's words and the owner where known; they are tried again. Port 0
    /// stands for those whose number the system chooses.
    pub failed: Vec<(u16, String)>,
    /// How many are being opened.
    pub opening: usize,
    /// No longer in the range, but somebody was told of them: they close when their last lease ends.
    pub retiring: Vec<u16>,
    /// How many clients are awaited on a port right now.
    pub leases: usize,
    /// How many sessions wait for a port to come free.
    pub queued: usize,
    /// What the external name of the settings stands for, once it is known.
    pub resolved: Option<Ipv4Addr>,
}

/// What all sessions share.
pub struct Server {
    config: Arc<Config>,
    accounts: Arc<dyn Accounts>,
    tls: Option<Arc<dyn Tls>>,
    sessions: Sessions,
    openings: Openings,
    pool: PortPool,
    habits: Habits,
    scout: Scout,
    evidence: Evidence,
    bans: bans::Bans,
    draining: bool,
    /// How many data connections of balancers have not said whose they are.
    undecided: usize,
    /// When it was last told that clients can't be let in.
    accept_failure_told: Option<Instant>,
    tasks: VecDeque<Task>,
}

/// The place of a session that is not there yet. What speaks TLS is the embedder's, and may begin at once: if it panics the
/// place is free again.
struct Place<'a> {
    server: &'a mut Server,
    now: Now,
    session: Option<SessionId>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.server.handle(self.now, News::Gone(session));
        }
    }
}

impl Server {
    /// A server that asks for its ports to be opened: poll its tasks at once. `seed` is for choices that
    /// nobody should foresee (which port is leased).
    pub fn new(config: Arc<Config>, accounts: Arc<dyn Accounts>, seed: u64) -> Self {
        let evidence = Evidence::new(&config.passive.ports);
        let mut server = Self {
            config,
            accounts,
            tls: None,
            sessions: Sessions::default(),
            openings: Openings::default(),
            pool: PortPool::new(seed),
            habits: Habits::default(),
            scout: Scout::default(),
            evidence,
            bans: bans::Bans::default(),
            draining: false,
            undecided: 0,
            accept_failure_told: None,
            tasks: VecDeque::new(),
        };
        server.open_ports_of_config();
        server.scout(Instant::ZERO);
        server
    }

    /// What speaks TLS for sessions that come from now on; `None`: there is no TLS.
    pub fn set_tls(&mut self, tls: Option<Arc<dyn Tls>>) {
        self.tls = tls;
    }

    // Sessions.

    /// A control connection was accepted.
    pub fn admit(&mut self, now: Now, arrival: Arrival) -> Admission {
        let arrival = Arrival {
            local: canonical(arrival.local),
            peer: canonical(arrival.peer),
            listener: canonical(arrival.listener),
            ..arrival
        };
        let admitted = if self.draining {
            Err(Refusal::ShuttingDown)
        } else if self.config.proxy.trusts(arrival.peer.ip()) {
            self.sessions.admit_unnamed(&self.config.limits, arrival)
        } else {
            let banned = self.check_ban(now, arrival.peer.ip());
            banned.and_then(|()| self.sessions.admit(&self.config.limits, arrival))
        };
        match admitted {
            Ok(id) => {
                self.make_room();
                let config = Arc::clone(&self.config);
                let accounts = Arc::clone(&self.accounts);
                let tls = self.tls.clone();
                let mut place = Place { server: self, now, session: Some(id) };
                let connection = Box::new(Connection::new(now, id, config, accounts, tls, arrival));
                place.session = None;
                Admission::Accepted(id, connection)
            }
            Err(why) => Admission::Refused(self.refuse(arrival, why)),
        }
    }

    /// A control connection was accepted that the adapter can't serve (no threads, no descriptors). Write these bytes, if
    /// any, then close.
    pub fn turn_away(&mut self, arrival: Arrival) -> Vec<u8> {
        self.refuse(arrival, Refusal::TooBusy)
    }

    fn refuse(&mut self, arrival: Arrival, why: Refusal) -> Vec<u8> {
        self.notify(Notice::SessionRefused { peer: canonical(arrival.peer), why });
        let mut bytes = Vec::new();
        // Where TLS comes first nothing is said in the clear.
        if !arrival.implicit_tls {
            Reply::with(421, why.to_string()).write(&mut bytes);
        }
        bytes
    }

    /// Who holds most places without a login loses the oldest, as long as there are too many.
    fn make_room(&mut self) {
        while let Some((session, peer)) = self.sessions.take_crowding(&self.config.limits) {
            self.notify(Notice::SessionRefused { peer, why: Refusal::Unauthenticated });
            self.deliver(session, Event::Message(Message::MakeRoom));
        }
    }

    /// No new sessions (421); idle ones end, running transfers have this long.
    pub fn drain(&mut self, now: Now, grace: Duration) {
        self.draining = true;
        let until = now.mono + grace;
        self.tell_all(|| Message::Drain { until });
    }

    /// Ends a session; `false` if there is none of that name.
    pub fn kick(&mut self, now: Now, session: SessionId) -> bool {
        let _ = now;
        let known = self.sessions.arrival(session).is_some();
        if known {
            self.deliver(session, Event::Message(Message::Kick));
        }
        known
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.count()
    }

    fn tell_all(&mut self, message: impl Fn() -> Message) {
        for session in self.sessions.ids() {
            self.deliver(session, Event::Message(message()));
        }
    }

    // Passive ports.

    /// Answers a session's question, at once.
    pub fn consult(&mut self, now: Now, request: Request) -> Answer {
        let answer = match request {
            Request::Lease { session, link, until, open, way } => {
                self.sessions.announced(session, way);
                self.lease(now, Asker { session, link, open }, until)
            }
            Request::Look { session } => match self.sessions.arrival(session) {
                Some(arrival) => Answer::Outlook(self.evidence.outlook(now.mono, arrival.peer.ip())),
                None => Answer::Noted,
            },
            Request::Witness { session, way, seen } => {
                self.witness(now, session, way, seen);
                Answer::Noted
            }
            Request::Remember { session, user } => {
                if let Some(client) = self.client(session, user) {
                    self.habits.remember(client);
                }
                Answer::Noted
            }
            Request::Recall { session, user } => {
                let client = self.client(session, user);
                let known = client.is_some_and(|client| self.habits.sends_close_notify(&client));
                Answer::Recalled { sends_close_notify: known }
            }
            Request::Enter { session, whom, typed } => {
                self.enter(now, session, whom, typed);
                Answer::Noted
            }
            Request::Attempt { session, attempt } => self.attempt(now, session, attempt),
            Request::Failed { session, attempt, checked } => {
                self.login_failed(now, session, attempt, checked)
            }
            Request::Roster { session } => {
                let (seats, count) = self.sessions.roster(session);
                Answer::Roster { seats, count }
            }
            Request::Introduce { session, origin } => self.introduce(now, session, origin),
            Request::Release { session, link } => {
                self.pool.release(now.mono, session, link);
                Answer::Noted
            }
        };
        self.carry_out_pool_events(now);
        answer
    }

    fn witness(&mut self, now: Now, session: SessionId, way: Way, seen: Seen) {
        let Some(arrival) = self.sessions.arrival(session) else { return };
        let peer = arrival.peer.ip();
        match seen {
            Seen::Announced => self.sessions.announced(session, way),
            Seen::Connected => self.evidence.came(now.mono, peer, way),
            Seen::Failed => self.evidence.failed(now.mono, peer, way),
        }
    }

    fn client(&self, session: SessionId, user: String) -> Option<Client> {
        let address = self.sessions.arrival(session)?.peer.ip();
        Some(Client { address, user })
    }

    fn lease(&mut self, now: Now, asker: Asker, until: Instant) -> Answer {
        let link = asker.link;
        let Some(arrival) = self.sessions.arrival(asker.session) else { return Answer::NoPort { link } };
        // While ports are being opened, at the start or for a new range, it is worth waiting for them.
        if self.pool.is_empty() && !self.openings.is_awaiting() {
            return Answer::NoneOpen { link };
        }
        let client = self.config.client(arrival.peer.ip());
        match self.pool.lease(now.mono, asker, client, until) {
            Leasing::Leased(port) => self.leased(now, arrival, link, port),
            Leasing::Queued => Answer::Queued { link },
            Leasing::NoPort => Answer::NoPort { link },
        }
    }

    fn leased(&self, now: Now, arrival: Arrival, link: LinkId, port: u16) -> Answer {
        let client =
            advertise::Client { local: arrival.local, peer: arrival.peer, listener: arrival.listener };
        let advertised = advertise(&self.config.passive, self.scout.known(), &client, port);
        let outlook = self.evidence.outlook(now.mono, arrival.peer.ip());
        Answer::Leased { link, port, advertised, outlook }
    }

    /// The port of this lease was drained: from now on its client is routed to it.
    pub fn activate(&mut self, now: Now, session: SessionId, link: LinkId) {
        let _ = now;
        self.pool.activate(session, link);
    }

    /// Whom a connection to a passive port belongs to, and the name it has there; `None`: close it, the sessions
    /// that wait on the port are told of the stranger. A closed lease that is routed to is used up and its port free
    /// again at once; an open one goes on.
    /// Before, [`naming`](Self::naming) says whether the peer's address is to be believed.
    pub fn route(&mut self, now: Now, port: u16, peer: SocketAddr) -> Option<(SessionId, LinkId)> {
        let peer = canonical(peer);
        if !self.config.proxy.trusts(peer.ip()) {
            return self.route_as_of(now, port, peer, self.pool.activations());
        }
        // A balancer that says nothing: it could be anybody's, and is nobody's but for a proof by TLS.
        let owner = self.pool.route_to_open(port);
        if owner.is_none() {
            self.tell_of_stranger(port, peer);
        }
        owner
    }

    /// The same for a connection that was accepted when this many leases had been activated.
    fn route_as_of(
        &mut self,
        now: Now,
        port: u16,
        peer: SocketAddr,
        activations: u64,
    ) -> Option<(SessionId, LinkId)> {
        let owner = self.pool.route(now.mono, port, peer.ip(), activations);
        match owner {
            Some((session, _)) => self.learn(now, session, port, peer),
            None => self.tell_of_stranger(port, peer),
        }
        self.carry_out_pool_events(now);
        owner
    }

    fn tell_of_stranger(&mut self, port: u16, peer: SocketAddr) {
        for (session, link) in self.pool.stranger(port) {
            self.deliver(session, Event::Message(Message::Stranger { link, peer, port }));
        }
    }

    /// Somebody came to a port, for this session. If it is the client, this says what firewalls let through.
    fn learn(&mut self, now: Now, session: SessionId, port: u16, peer: SocketAddr) {
        if let Some((client, way)) = self.sessions.announcement(session)
            && self.config.client(client).contains(peer.ip())
        {
            self.evidence.reached(now.mono, client, way, port);
        }
    }

    /// The passive ports that are open, in order.
    pub fn open_ports(&self) -> Vec<u16> {
        self.pool.open_ports()
    }

    /// How the passive ports stand.
    pub fn passive_state(&self) -> PassiveState {
        let (leases, queued) = self.pool.balance();
        PassiveState {
            leases,
            queued,
            open: self.pool.open_ports(),
            failed: self.openings.reasons(),
            opening: self.openings.awaited(),
            retiring: self.pool.retired_ports(),
            resolved: match &self.config.passive.external {
                External::Name(name) => self.scout.known().names.get(name).copied(),
                External::ControlConnection | External::Literal(_) => None,
            },
        }
    }

    fn carry_out_pool_events(&mut self, now: Now) {
        while let Some(event) = self.pool.poll_event() {
            match event {
                PoolEvent::Leased { session, link, port } => {
                    if let Some(arrival) = self.sessions.arrival(session) {
                        let answer = self.leased(now, arrival, link, port);
                        self.deliver(session, Event::Answer(answer));
                    }
                }
                PoolEvent::NoPort { session, link } => {
                    // Who waited for the first to open hears that none did.
                    let none = self.pool.is_empty();
                    let answer = if none { Answer::NoneOpen { link } } else { Answer::NoPort { link } };
                    self.deliver(session, Event::Answer(answer));
                }
                PoolEvent::Close(port) => {
                    self.openings.closed(port);
                    self.tasks.push_back(Task::ClosePort(port));
                }
            }
        }
    }

    fn open_ports_of_config(&mut self) {
        if !self.config.passive.enabled {
            return;
        }
        for port in self.openings.want(&self.config.passive.ports) {
            self.tasks.push_back(Task::OpenPort(port));
        }
    }

    /// Asks for what the settings depend on.
    fn scout(&mut self, now: Instant) {
        let wanted = self.scout.want(&self.config.passive);
        self.tasks.extend(wanted);
        self.tasks.extend(self.scout.due(now));
    }

    // News.

    /// Something happened outside.
    pub fn handle(&mut self, now: Now, news: News) {
        match news {
            News::PortOpened(port) => self.port_opened(now, port),
            News::PortFailed(port, reason) => {
                if self.openings.failed(now.mono, port, &reason) {
                    self.notify(Notice::PortFailed { port, reason });
                }
            }
            News::AcceptFailed(reason) => self.accept_failed(now, reason),
            News::Networks(networks) => self.scout.networks(networks),
            News::Resolved(name, answer) => {
                if let Some(notice) = self.scout.resolved(now.mono, name, answer) {
                    if matches!(notice, Notice::NameResolved { .. }) {
                        self.evidence.forget_addresses();
                    }
                    self.notify(notice);
                }
            }
            News::Gone(session) => {
                if self.sessions.remove(session) {
                    self.pool.forget(now.mono, session);
                }
            }
        }
        self.carry_out_pool_events(now);
    }

    fn accept_failed(&mut self, now: Now, reason: String) {
        let told = |at: Instant| now.mono.duration_since(at) < ACCEPT_FAILED_EVERY;
        if !self.accept_failure_told.is_some_and(told) {
            self.accept_failure_told = Some(now.mono);
            self.notify(Notice::AcceptFailed { reason });
        }
    }

    fn port_opened(&mut self, now: Now, port: u16) {
        match self.openings.opened(port) {
            Opened::Wanted => {
                self.pool.open(now.mono, port);
                self.notify(Notice::PortOpened { port });
            }
            Opened::NoLongerWanted => self.tasks.push_back(Task::ClosePort(port)),
        }
    }

    /// New settings, for what begins from now on. Ports that are no longer in the range are closed when their
    /// last lease ends; no session notices.
    pub fn reconfigure(&mut self, now: Now, config: Arc<Config>) {
        self.evidence.reconfigure(&self.config.passive, &config.passive);
        self.config = Arc::clone(&config);
        self.bans.reconfigure(&config.bans, now);
        self.tell_of_bans();
        let passive = &config.passive;
        for port in self.openings.restrict(passive.enabled.then_some(&passive.ports)) {
            self.pool.retire(port);
        }
        self.open_ports_of_config();
        self.scout(now.mono);
        // A port that was about to be closed and is wanted again never stopped being listened on.
        for port in self.openings.take_still_open() {
            self.pool.open(now.mono, port);
        }
        self.tell_all(|| Message::Configure(Arc::clone(&config)));
        self.carry_out_pool_events(now);
    }

    // Time.

    /// The deadline has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.pool.handle_timeout(now.mono);
        for port in self.openings.due(now.mono) {
            self.tasks.push_back(Task::OpenPort(port));
        }
        self.tasks.extend(self.scout.due(now.mono));
        self.bans.handle_timeout(now);
        self.tell_of_bans();
        self.carry_out_pool_events(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines =
            [self.pool.deadline(), self.openings.deadline(), self.scout.deadline(), self.bans.deadline()];
        deadlines.into_iter().flatten().min()
    }

    // Work.

    /// The next thing to do; poll until `None` after every call.
    pub fn poll_task(&mut self) -> Option<Task> {
        self.tasks.pop_front()
    }

    fn deliver(&mut self, session: SessionId, event: Event) {
        self.tasks.push_back(Task::Deliver(session, event));
    }

    fn notify(&mut self, notice: Notice) {
        self.tasks.push_back(Task::Notify(notice));
    }

    /// Leases and waits for one: both zero when no session has any.
    #[cfg(any(test, feature = "testing"))]
    pub fn balance(&self) -> (usize, usize) {
        self.pool.balance()
    }

    /// Sessions that count as somebody's, and those of them that wait for a login: both zero when there are none.
    #[cfg(any(test, feature = "testing"))]
    pub fn counted(&self) -> (usize, usize) {
        self.sessions.counted()
    }

    /// All that is counted for sessions: zero when all of them are gone.
    #[cfg(any(test, feature = "testing"))]
    pub fn leftovers(&self) -> [(&'static str, usize); 6] {
        let ((leases, waits), (counted, unauthenticated)) = (self.balance(), self.counted());
        [
            ("leases", leases),
            ("waits for one", waits),
            ("sessions", self.sessions.count()),
            ("sessions that count as somebody's", counted),
            ("unauthenticated sessions", unauthenticated),
            ("undecided data connections", self.undecided),
        ]
    }
}

impl core::fmt::Debug for Server {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Server").field("sessions", &self.sessions.count()).finish_non_exhaustive()
    }
}
