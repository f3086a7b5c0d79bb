//! What all threads of one server share: the core's [`Server`] behind its lock, the sessions' mailboxes and
//! the open ports.
//!
//! Locks are taken in this order, and never the other way round: a port's, the reserve's, the server's, a mailbox's.

use crate::long::LongJobs;
use crate::net::Reserve;
use crate::ports::{Arrived, Ports};
use crate::undecided::{Lobby, Parked};
use crate::wait::{Bell, Bells, Clock, lock};
use ftp_proto::advertise::Networks;
use ftp_proto::event::{Answer, Arrival, Event, LinkId, Message, News, Request, SessionId, Task};
use ftp_proto::notice::{Notice, Observer};
use ftp_proto::time::{Instant, Now};
use ftp_proto::{Admission, Connection, Naming, Server};
use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What can lie in a mailbox.
pub(crate) enum Mail {
    /// A word from the server, or the answer to a job that took long.
    Event(Event),
    /// A data connection that somebody else accepted.
    Arrived(Arrived),
}

/// With so much in a mailbox nobody is told of strangers any more: a flood of them must not fill the memory.
const CROWDED: usize = 64;

/// Where a session finds what others have for it.
pub(crate) struct Mailbox {
    group: u8,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    mail: VecDeque<Mail>,
    /// The session's own bell, while it has one.
    bell: Option<Arc<Bell>>,
}

impl Mailbox {
    fn new(session: SessionId) -> Self {
        Self { group: Bells::group_of(session.0), inside: Mutex::default() }
    }

    pub(crate) fn group(&self) -> u8 {
        self.group
    }

    /// Leaves something. What is not urgent waits until the session wakes for another reason. Returns
    /// whether the bell of the session's group has to be rung.
    #[must_use]
    pub(crate) fn leave(&self, mail: Mail) -> bool {
        let is_stranger = matches!(mail, Mail::Event(Event::Message(Message::Stranger { .. })));
        let urgent = !is_stranger && !matches!(mail, Mail::Event(Event::Message(Message::Configure(_))));
        let mut inside = lock(&self.inside);
        if !is_stranger || inside.mail.len() < CROWDED {
            put(&mut inside.mail, mail);
        }
        match &inside.bell {
            Some(bell) => {
                bell.ring();
                false
            }
            None => urgent,
        }
    }

    pub(crate) fn take(&self) -> Option<Mail> {
        let mail = &mut lock(&self.inside).mail;
        let next = mail.pop_front();
        if next.is_none() && mail.capacity() > 0 {
            // A session at rest keeps no room for mail.
            *mail = VecDeque::new();
        }
        next
    }

    /// From now on this bell is rung; none: the group's. Look into the mailbox afterwards, before sleeping:
    /// what came before rang the other one.
    pub(crate) fn set_bell(&self, bell: Option<Arc<Bell>>) {
        let mut inside = lock(&self.inside);
        if let Some(bell) = &bell
            && !inside.mail.is_empty()
        {
            bell.ring();
        }
        inside.bell = bell;
    }
}

/// New settings take the place of older ones that nobody has looked at: a session that rests must not gather them.
fn put(letters: &mut VecDeque<Mail>, mail: Mail) {
    let is_settings = |mail: &Mail| matches!(mail, Mail::Event(Event::Message(Message::Configure(_))));
    if is_settings(&mail)
        && let Some(older) = letters.iter_mut().find(|letter| is_settings(letter))
    {
        *older = mail;
    } else {
        letters.push_back(mail);
    }
}

/// What is done after the lock was released.
#[derive(Default)]
struct Aftermath {
    notices: Vec<Notice>,
    groups: u64,
    wake_sweeper: bool,
    empty: bool,
}

/// What the server wants done that no session does; done by the sweeper alone, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chore {
    Open(u16),
    Close(u16),
    LookAround,
    Resolve(String),
}

struct Hub {
    server: Server,
    sessions: HashMap<SessionId, Arc<Mailbox>>,
    chores: VecDeque<Chore>,
    /// When the sweeper wakes by itself; `None`: never.
    sweeper_wakes: Option<Instant>,
}

/// A session's wait for a data connection.
type Wait = (SessionId, LinkId);

/// What became of a data connection.
enum Routed {
    /// It is the caller's.
    Mine(Arrived),
    /// It is another session's, whose group may have to be woken, or nobody's.
    Gone(Option<u8>),
    /// It can't be known yet.
    Undecided(Parked),
}

impl Hub {
    fn give(&self, session: SessionId, arrived: Arrived, mine: Option<Wait>) -> Routed {
        if mine == Some((session, arrived.link.wait())) {
            return Routed::Mine(arrived);
        }
        let mailbox = self.sessions.get(&session);
        let ring = mailbox.filter(|mailbox| mailbox.leave(Mail::Arrived(arrived)));
        Routed::Gone(ring.map(|mailbox| mailbox.group()))
    }

    /// Carries out or notes down all the server wants done.
    fn settle(&mut self, after: &mut Aftermath) {
        while let Some(task) = self.server.poll_task() {
            match task {
                Task::Deliver(session, event) => {
                    if let Some(mailbox) = self.sessions.get(&session)
                        && mailbox.leave(Mail::Event(event))
                    {
                        after.groups |= 1 << mailbox.group();
                    }
                }
                Task::OpenPort(port) => self.chores.push_back(Chore::Open(port)),
                Task::ClosePort(port) => self.chores.push_back(Chore::Close(port)),
                Task::LookAround => self.chores.push_back(Chore::LookAround),
                Task::Resolve(name) => self.chores.push_back(Chore::Resolve(name)),
                Task::Notify(notice) => after.notices.push(notice),
            }
        }
        if let Some(deadline) = self.server.deadline()
            && self.sweeper_wakes.is_none_or(|wakes| deadline < wakes)
        {
            self.sweeper_wakes = Some(deadline);
            after.wake_sweeper = true;
        }
        after.wake_sweeper |= !self.chores.is_empty();
        after.empty = self.sessions.is_empty();
    }
}

/// What all threads of one server share.
pub(crate) struct Shared {
    hub: Mutex<Hub>,
    all_gone: Condvar,
    pub(crate) clock: Clock,
    pub(crate) ports: Ports,
    pub(crate) bells: Bells,
    pub(crate) lobby: Lobby,
    pub(crate) long_jobs: LongJobs,
    /// For passive ports.
    pub(crate) reserve: Reserve,
    pub(crate) sweeper_bell: Bell,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) keepalive: Duration,
    pub(crate) networks: Arc<dyn Fn() -> Networks + Send + Sync>,
    pub(crate) stopping: AtomicBool,
}

/// What became of a control connection.
pub(crate) enum Admitted {
    Accepted(Box<Connection>, Arc<Mailbox>),
    Refused(Vec<u8>),
}

impl Shared {
    pub(crate) fn new(
        server: Server,
        clock: Clock,
        ports: Ports,
        observer: Arc<dyn Observer>,
        keepalive: Duration,
        networks: Arc<dyn Fn() -> Networks + Send + Sync>,
    ) -> std::io::Result<Self> {
        let hub = Hub { server, sessions: HashMap::new(), chores: VecDeque::new(), sweeper_wakes: None };
        Ok(Self {
            hub: Mutex::new(hub),
            all_gone: Condvar::new(),
            clock,
            ports,
            bells: Bells::new()?,
            lobby: Lobby::default(),
            long_jobs: LongJobs::default(),
            reserve: Reserve::new(),
            sweeper_bell: Bell::new()?,
            observer,
            keepalive,
            networks,
            stopping: AtomicBool::new(false),
        })
    }

    /// One call to the core's server, and all that follows from it.
    pub(crate) fn with_server<R>(&self, call: impl FnOnce(&mut Server, Now) -> R) -> R {
        self.with_hub(|hub, now| call(&mut hub.server, now))
    }

    fn with_hub<R>(&self, call: impl FnOnce(&mut Hub, Now) -> R) -> R {
        let mut after = Aftermath::default();
        let result = {
            let mut hub = lock(&self.hub);
            // Read under the lock, so that the server's time never goes backwards.
            let now = self.clock.now();
            let result = call(&mut hub, now);
            hub.settle(&mut after);
            result
        };
        if after.groups != 0 {
            self.bells.ring(after.groups);
        }
        if after.wake_sweeper {
            self.sweeper_bell.ring();
        }
        for notice in &after.notices {
            // Whoever happens to be here is not to blame for the observer.
            let _ = catch_unwind(AssertUnwindSafe(|| self.observer.notice(None, notice)));
        }
        if after.empty {
            self.all_gone.notify_all();
        }
        result
    }

    pub(crate) fn admit(&self, arrival: Arrival) -> Admitted {
        self.with_hub(|hub, now| match hub.server.admit(now, arrival) {
            Admission::Accepted(id, connection) => {
                let mailbox = Arc::new(Mailbox::new(id));
                hub.sessions.insert(id, Arc::clone(&mailbox));
                Admitted::Accepted(connection, mailbox)
            }
            Admission::Refused(words) => Admitted::Refused(words),
        })
    }

    /// A session's control connection and links are closed.
    pub(crate) fn gone(&self, session: SessionId) {
        self.with_hub(|hub, now| {
            hub.sessions.remove(&session);
            hub.server.handle(now, News::Gone(session));
        });
    }

    /// Clients can't be let in: they are told so, or wait.
    pub(crate) fn accept_failed(&self, error: &std::io::Error) {
        let words = error.to_string();
        self.with_server(|server, now| server.handle(now, News::AcceptFailed(words)));
    }

    pub(crate) fn consult(&self, request: Request) -> Answer {
        self.with_server(|server, now| server.consult(now, request))
    }

    /// A lease that can't be used, for lack of descriptors; what the session is told in its place.
    pub(crate) fn renounce(&self, session: SessionId, link: LinkId) -> Answer {
        self.consult(Request::Release { session, link });
        Answer::NoneOpen { link }
    }

    /// Gives a data connection to whom it belongs: back to the caller if it came to the wait `mine`, into a mailbox
    /// if to somebody else's; closed if it is nobody's. One that has to say first whose it is may be put aside. The
    /// port's lock is held.
    pub(crate) fn route(
        &self,
        port: u16,
        socket: TcpStream,
        peer: SocketAddr,
        mine: Option<Wait>,
    ) -> Option<Arrived> {
        let routed = self.with_hub(|hub, now| match hub.server.naming(now, port, peer) {
            Naming::Peer => match hub.server.route(now, port, peer) {
                Some((session, link)) => hub.give(session, Arrived { link, socket, peer }, mine),
                None => Routed::Gone(None),
            },
            Naming::Header(undecided) => Routed::Undecided(Parked { socket, undecided }),
            Naming::TooMany => Routed::Gone(None),
        });
        match routed {
            Routed::Undecided(mut parked) => {
                // Balancers send the header at once.
                if parked.look(self.clock.now().mono) {
                    return self.decide(parked, mine);
                }
                self.lobby.leave(parked);
                self.sweeper_bell.ring();
                None
            }
            routed => self.ring_for(routed),
        }
    }

    /// The same for one that has said whose it is, or never will. No lock is needed.
    pub(crate) fn decide(&self, parked: Parked, mine: Option<Wait>) -> Option<Arrived> {
        let Parked { socket, undecided } = parked;
        let routed = self.with_hub(|hub, now| match hub.server.decide(now, undecided) {
            Some((session, link, peer)) => hub.give(session, Arrived { link, socket, peer }, mine),
            None => Routed::Gone(None),
        });
        self.ring_for(routed)
    }

    fn ring_for(&self, routed: Routed) -> Option<Arrived> {
        match routed {
            Routed::Mine(arrived) => return Some(arrived),
            Routed::Gone(Some(group)) => self.bells.ring(1 << group),
            Routed::Gone(None) | Routed::Undecided(_) => {}
        }
        None
    }

    /// Ends every session that is left.
    pub(crate) fn kick_all(&self) {
        self.with_hub(|hub, now| {
            let sessions: Vec<SessionId> = hub.sessions.keys().copied().collect();
            for session in sessions {
                hub.server.kick(now, session);
            }
        });
    }

    /// Waits until no session is left; `false` if there still is one after `patience`.
    pub(crate) fn wait_until_empty(&self, patience: Duration) -> bool {
        let hub = lock(&self.hub);
        let waited = self.all_gone.wait_timeout_while(hub, patience, |hub| !hub.sessions.is_empty());
        let (hub, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        hub.sessions.is_empty()
    }

    pub(crate) fn next_chore(&self) -> Option<Chore> {
        lock(&self.hub).chores.pop_front()
    }

    /// The server's next deadline; the caller, the sweeper, promises to wake by then.
    pub(crate) fn sweeper_deadline(&self) -> Option<Instant> {
        let mut hub = lock(&self.hub);
        hub.sweeper_wakes = hub.server.deadline();
        hub.sweeper_wakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_strangers_hides_no_other_word_and_is_not_kept() {
        let mailbox = Mailbox::new(SessionId(1));
        let peer = SocketAddr::from(([192, 0, 2, 1], 4000));
        for _ in 0..1_000 {
            let stranger = Message::Stranger { link: LinkId::new(1), peer, port: 21_000 };
            let _ = mailbox.leave(Mail::Event(Event::Message(stranger)));
        }
        let _ = mailbox.leave(Mail::Event(Event::Message(Message::Kick)));
        let mail: Vec<Mail> = std::iter::from_fn(|| mailbox.take()).collect();
        assert!(matches!(mail.last(), Some(Mail::Event(Event::Message(Message::Kick)))), "it is not kicked");
        assert!(mail.len() <= 1 + CROWDED, "{} strangers", mail.len());
    }
}
