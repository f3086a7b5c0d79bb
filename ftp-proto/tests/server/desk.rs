//! A server and the desk of an adapter before it.

use ftp_proto::config::{Config, Passive, PassivePorts, Settings};
use ftp_proto::diagnose::{Outlook, Way};
use ftp_proto::event::{Answer, Arrival, Event, LinkId, News, Request, Seen, SessionId, Task, Whom};
use ftp_proto::notice::Notice;
use ftp_proto::testing::MemoryAccounts;
use ftp_proto::time::Now;
use ftp_proto::{Admission, Server};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// A server and what it wanted done, sorted.
pub(crate) struct Desk {
    pub(crate) server: Server,
    pub(crate) now: Now,
    pub(crate) to_open: Vec<u16>,
    pub(crate) to_close: Vec<u16>,
    pub(crate) to_resolve: Vec<String>,
    /// How often the host's networks were asked for.
    pub(crate) looks: usize,
    pub(crate) notices: Vec<String>,
    pub(crate) mail: VecDeque<(SessionId, Event)>,
    /// How ports are asked for.
    pub(crate) way: Way,
}

pub(crate) fn passive(ports: PassivePorts) -> Settings {
    Settings { passive: Passive { ports, ..Passive::default() }, ..Settings::default() }
}

pub(crate) fn config(settings: Settings) -> Arc<Config> {
    Arc::new(settings.validate().unwrap())
}

impl Desk {
    pub(crate) fn new(settings: Settings) -> Self {
        let server = Server::new(config(settings), Arc::new(MemoryAccounts::new()), 1);
        let mut desk = Self {
            server,
            now: Now::default(),
            to_open: Vec::new(),
            to_close: Vec::new(),
            to_resolve: Vec::new(),
            looks: 0,
            notices: Vec::new(),
            mail: VecDeque::new(),
            way: Way::default(),
        };
        desk.sort();
        desk
    }

    /// One whose ports are open.
    pub(crate) fn open(ports: std::ops::RangeInclusive<u16>) -> Self {
        let mut desk = Self::new(passive(PassivePorts::Range(ports)));
        desk.open_all();
        desk
    }

    pub(crate) fn sort(&mut self) {
        while let Some(task) = self.server.poll_task() {
            match task {
                Task::Deliver(session, event) => self.mail.push_back((session, event)),
                Task::OpenPort(port) => self.to_open.push(port),
                Task::ClosePort(port) => self.to_close.push(port),
                Task::LookAround => self.looks += 1,
                Task::Resolve(name) => self.to_resolve.push(name),
                Task::Notify(Notice::NameResolved { name, address, before }) => {
                    let words =
                        |address: Option<Ipv4Addr>| address.map_or("none".into(), |ip| ip.to_string());
                    self.notices.push(format!("{name} is {} after {}", words(address), words(before)));
                }
                Task::Notify(Notice::NameFailed { name, reason, kept }) => {
                    self.notices.push(format!("{name} failed: {reason}, kept {}", kept.is_some()));
                }
                Task::Notify(Notice::PortOpened { port }) => self.notices.push(format!("{port} opened")),
                Task::Notify(Notice::PortFailed { port, reason }) => {
                    self.notices.push(format!("{port} failed: {reason}"));
                }
                Task::Notify(Notice::AcceptFailed { reason }) => {
                    self.notices.push(format!("accept: {reason}"))
                }
                Task::Notify(Notice::SessionRefused { peer, why }) => {
                    self.notices.push(format!("{} refused: {why}", peer.ip()));
                }
                Task::Notify(other) => panic!("{other:?} is a session's word"),
            }
        }
    }

    pub(crate) fn tell(&mut self, news: News) {
        self.server.handle(self.now, news);
        self.sort();
    }

    pub(crate) fn open_all(&mut self) {
        for port in std::mem::take(&mut self.to_open) {
            self.tell(News::PortOpened(port));
        }
        self.notices.clear();
    }

    pub(crate) fn try_admit(&mut self, peer: &str) -> Result<SessionId, String> {
        let peer = SocketAddr::new(peer.parse().unwrap(), 4_000);
        let local = SocketAddr::new(
            if peer.is_ipv4() { [198, 51, 100, 1].into() } else { "::1".parse().unwrap() },
            21,
        );
        let admission = self.server.admit(self.now, Arrival::new(local, peer));
        self.sort();
        match admission {
            Admission::Accepted(id, connection) => {
                assert_eq!(connection.id(), id);
                Ok(id)
            }
            Admission::Refused(words) => Err(String::from_utf8(words).unwrap()),
        }
    }

    /// Somebody who is logged in.
    pub(crate) fn admit(&mut self, peer: &str) -> SessionId {
        let session = self.try_admit(peer).unwrap();
        let whom = Some(Whom { user: Some("somebody".into()), host: None });
        self.consult(Request::Enter { session, whom, typed: None });
        session
    }

    pub(crate) fn consult(&mut self, request: Request) -> Answer {
        let answer = self.server.consult(self.now, request);
        self.sort();
        answer
    }

    pub(crate) fn ask(&mut self, session: SessionId, link: u32, patience: Duration) -> Answer {
        let until = self.now.mono + patience;
        self.consult(Request::Lease { session, link: LinkId::new(link), until, open: false, way: self.way })
    }

    pub(crate) fn ask_open(&mut self, session: SessionId, link: u32) -> Answer {
        let until = self.now.mono + 30 * SECOND;
        self.consult(Request::Lease { session, link: LinkId::new(link), until, open: true, way: self.way })
    }

    /// The port of a closed lease that is there at once, and routed to.
    pub(crate) fn lease(&mut self, session: SessionId, link: u32) -> u16 {
        let answer = self.ask(session, link, 30 * SECOND);
        self.activate(session, answer)
    }

    /// That of an open one.
    pub(crate) fn lease_open(&mut self, session: SessionId, link: u32) -> u16 {
        let answer = self.ask_open(session, link);
        self.activate(session, answer)
    }

    pub(crate) fn look(&mut self, session: SessionId) -> Outlook {
        let answer = self.consult(Request::Look { session });
        let Answer::Outlook(outlook) = answer else { panic!("{answer:?}") };
        outlook
    }

    pub(crate) fn witness(&mut self, session: SessionId, seen: Seen) {
        let answer = self.consult(Request::Witness { session, way: self.way, seen });
        assert_eq!(answer, Answer::Noted);
    }

    pub(crate) fn activate(&mut self, session: SessionId, answer: Answer) -> u16 {
        let Some((link, port)) = answer.port_to_drain() else { panic!("{answer:?}") };
        self.server.activate(self.now, session, link);
        port
    }

    pub(crate) fn release(&mut self, session: SessionId, link: u32) {
        let answer = self.consult(Request::Release { session, link: LinkId::new(link) });
        assert_eq!(answer, Answer::Noted);
    }

    pub(crate) fn route(&mut self, port: u16, peer: &str) -> Option<(SessionId, LinkId)> {
        let peer = SocketAddr::new(peer.parse().unwrap(), 5_000);
        let owner = self.server.route(self.now, port, peer);
        self.sort();
        owner
    }

    pub(crate) fn remember(&mut self, session: SessionId, user: &str) {
        assert_eq!(self.consult(Request::Remember { session, user: user.into() }), Answer::Noted);
    }

    pub(crate) fn recall(&mut self, session: SessionId, user: &str) -> bool {
        let answer = self.consult(Request::Recall { session, user: user.into() });
        let Answer::Recalled { sends_close_notify } = answer else { panic!("{answer:?}") };
        sends_close_notify
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now.mono = self.now.mono + time;
        if self.server.deadline().is_some_and(|deadline| deadline <= self.now.mono) {
            self.server.handle_timeout(self.now);
        }
        self.sort();
    }

    pub(crate) fn reconfigure(&mut self, settings: Settings) {
        self.server.reconfigure(self.now, config(settings));
        self.sort();
    }

    /// The next answer in anybody's mailbox.
    pub(crate) fn answer(&mut self) -> Option<(SessionId, Answer)> {
        while let Some((session, event)) = self.mail.pop_front() {
            if let Event::Answer(answer) = event {
                return Some((session, answer));
            }
        }
        None
    }
}

/// A session's connection: which one that came to which wait.
pub(crate) fn named(session: SessionId, link: u32, arrival: u32) -> Option<(SessionId, LinkId)> {
    Some((session, LinkId::new(link).arrived(arrival)))
}

pub(crate) const HERE: &str = "203.0.113.5";
pub(crate) const THERE: &str = "203.0.113.6";
pub(crate) const SECOND: Duration = Duration::from_secs(1);
