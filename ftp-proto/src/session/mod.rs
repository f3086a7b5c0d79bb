//! One control connection's protocol: what the client said, what it is answered, what has to be done.
//!
//! Theory of operation: lines queue in the [`inbox`], replies in the [`outbox`]. [`Session::advance`] runs one
//! command after another until one has to wait ([`pending`]), a transfer or a long job runs (then only commands
//! marked `Busy::Now`), or the client does not read its replies. Whatever comes from outside enters by one of the
//! few methods here and ends in `advance`.

mod attempts;
mod closing;
mod data;
mod foreign;
mod host;
mod inbox;
mod introduction;
mod link;
mod listings;
mod login;
mod modes;
mod names;
mod outbox;
mod pace;
mod pending;
mod profile;
mod protection;
mod roster;
mod timers;
mod transfer;
mod verdict;
mod work;

pub(crate) use listings::StatListing;
pub(crate) use login::Login;
pub(crate) use modes::Modes;
#[cfg(any(test, feature = "testing"))]
pub(crate) use outbox::HIGH_WATER;
pub(crate) use pending::{Change, Opening, Pending};
pub(crate) use protection::{Protection, Switch};
pub(crate) use work::Finish;

use crate::command;
use crate::config::{Config, Quirks};
use crate::diagnose::{Outlook, Way};
use crate::event::{Action, Arrival, Event, FileJob, Job, Message, Seen, SessionId, Ticket};
use crate::host::Accounts;
use crate::notice::{Notice, Refusal};
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::time::{Instant, Now};
use crate::tls::{Tls, TlsError};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use host::Hosting;
use inbox::{Inbox, Item};
use introduction::Introduction;
use link::{Input, Link};
use outbox::Outbox;
use timers::{Timer, Timers};
use transfer::Transfer;
use work::Work;

/// How long another data connection has to come when the only one from the client's address was refused.
const SECOND_CHANCE: Duration = Duration::from_secs(2);

/// Memory of the line that was run above this is given back.
const KEPT_LINE: usize = 1024;

/// How near its end a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Commands are served.
    Open,
    /// The server shuts down: what runs may end, then 421.
    Draining,
    /// The last reply is on its way: no more commands.
    Closing(&'static str),
    /// Nothing more will be sent.
    Closed,
}

/// What a command did.
pub(crate) enum Reaction {
    /// It is done, and this is its final reply.
    Reply(Reply),
    /// It waits for an answer from outside.
    Await(Pending),
    /// Its reply was queued already, or comes at the end of a transfer.
    Silent,
}

impl From<Reply> for Reaction {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// What a command works on.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) session: &'a mut Session,
}

impl Turn<'_> {
    /// Has the account's storage do a job on `path`; the command then awaits the answer.
    pub(crate) fn files(
        &mut self,
        job: impl FnOnce(VirtualPath) -> FileJob,
        path: VirtualPath,
        pending: impl FnOnce(VirtualPath) -> Pending,
    ) -> Reaction {
        let Some(account) = self.session.login.account() else {
            return Reply::new(530, "Log in first.").into();
        };
        let storage = Arc::clone(&account.storage);
        self.session.perform(Job::Files(storage, job(path.clone())));
        Reaction::Await(pending(path))
    }
}

/// Names for jobs, links and transfers: counted, never used twice.
#[derive(Debug, Default)]
struct Ids {
    ticket: u32,
    link: u32,
    transfer: u32,
}

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) config: Arc<Config>,
    pub(crate) accounts: Arc<dyn Accounts>,
    /// The client's end, canonical.
    pub(crate) peer: SocketAddr,
    /// The server's end as the client sees it, canonical.
    pub(crate) local: SocketAddr,
    /// The server's end of the socket, canonical: another if a balancer is between.
    pub(crate) listener: SocketAddr,
    introduction: Introduction,
    pub(crate) login: Login,
    pub(crate) modes: Modes,
    pub(crate) protection: Protection,
    hosting: Hosting,
    /// What is different for this client.
    pub(crate) quirks: Quirks,
    /// The names of the profiles that say so.
    profiles: Vec<String>,
    /// How often the log was told what the client says of itself, and what follows.
    told: u32,
    opened: Instant,
    failed_logins: u32,
    /// How many commands came since somebody was logged in.
    commands_without_login: u32,
    /// When the commands so far would have come at the right pace.
    next_turn: Instant,
    phase: Phase,
    /// The client sends nothing more.
    peer_closed: bool,
    /// An ABOR that is still to be answered has stopped something.
    pub(crate) has_heeded_abort: bool,
    inbox: Inbox,
    outbox: Outbox,
    pending: Option<(Ticket, Pending)>,
    link: Link,
    /// The server's own end of the active data connection that was made last.
    own_end: Option<SocketAddr>,
    /// How the link was set up last.
    way: Way,
    /// What was known of data connections with this client then.
    outlook: Outlook,
    /// What the client calls itself (CLNT).
    software: Option<String>,
    transfer: Option<Box<Transfer>>,
    /// A long job that runs; never beside a transfer.
    work: Option<Box<Work>>,
    timers: Timers,
    actions: VecDeque<Action>,
    ids: Ids,
    /// The line that is being run; kept for its memory.
    line: Vec<u8>,
}

/// With IPv4-mapped addresses turned into IPv4: `::ffff:192.0.2.1` is an IPv4 client everywhere. Others keep what
/// else they have: a link-local address means nothing without its interface.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

impl Session {
    pub(crate) fn new(
        now: Now,
        id: SessionId,
        config: Arc<Config>,
        accounts: Arc<dyn Accounts>,
        tls: Option<Arc<dyn Tls>>,
        arrival: Arrival,
    ) -> Self {
        let mut session = Self {
            id,
            accounts,
            peer: canonical(arrival.peer),
            local: canonical(arrival.local),
            listener: canonical(arrival.listener),
            introduction: Introduction::Complete(Vec::new()),
            login: Login::default(),
            modes: Modes::default(),
            protection: Protection::new(tls, arrival.implicit_tls),
            hosting: Hosting::default(),
            quirks: Quirks::default(),
            profiles: Vec::new(),
            told: 0,
            opened: now.mono,
            failed_logins: 0,
            commands_without_login: 0,
            next_turn: Instant::ZERO,
            phase: Phase::Open,
            peer_closed: false,
            has_heeded_abort: false,
            inbox: Inbox::new(config.limits.line),
            outbox: Outbox::default(),
            pending: None,
            link: Link::default(),
            own_end: None,
            way: Way::default(),
            outlook: Outlook::default(),
            software: None,
            transfer: None,
            work: None,
            timers: Timers::default(),
            actions: VecDeque::new(),
            ids: Ids::default(),
            line: Vec::new(),
            config,
        };
        if session.config.proxy.trusts(session.peer.ip()) {
            session.await_header(now);
        }
        session
    }

    /// It is known whose it is.
    pub(crate) fn open(&mut self, now: Now) {
        self.notify(Notice::SessionOpened { peer: self.peer, local: self.local });
        self.opened = now.mono;
        self.choose_profile();
        self.timers.set(Timer::Login, now.mono + self.config.timeouts.login);
        self.timers.set(Timer::Idle, now.mono + self.config.timeouts.idle);
        if self.protection.is_implicit() && self.begin_tls(now, true).is_err() {
            self.begin_closing(now, "TLS is not set up");
        }
    }

    /// The first word: at once in the clear; under TLS when its handshake has told which host is meant.
    // req: 959-5.4-greeting
    pub(crate) fn greet(&mut self) {
        if self.protection.is_handshaking() {
            return;
        }
        self.reply(Reply::lines(220, self.welcome()));
    }

    // What comes in.

    pub(crate) fn receive(&mut self, now: Now, bytes: &[u8]) {
        if self.is_serving() {
            self.inbox.receive(bytes);
            self.advance(now);
        }
    }

    pub(crate) fn handle(&mut self, now: Now, event: Event) {
        self.hear(now, event);
        self.advance(now);
    }

    /// Apart, so that its large frame is gone when commands run: of a session's thread the stack stays as deep as it once was.
    #[inline(never)]
    fn hear(&mut self, now: Now, event: Event) {
        match event {
            Event::Answer(answer) => self.answered(now, answer),
            Event::Message(message) => self.told(now, message),
            Event::Done(ticket, done) => self.done(now, ticket, done),
            Event::Arrived(link, peer) => {
                let peer = canonical(peer);
                let own = self.is_clients(peer.ip());
                self.step_link(now, Input::Arrived { link, peer, own });
                self.choose_candidate(now);
            }
            Event::Connected(link, own_end) => {
                if matches!(&self.link, Link::Dialing(dialing) if dialing.link == link) {
                    self.own_end = Some(canonical(own_end));
                    self.witness(self.link.setup(), Seen::Connected);
                }
                self.step_link(now, Input::Connected { link });
            }
            Event::LinkFailed(link, error) => self.step_link(now, Input::Failed { link, error }),
            Event::Secured(link, handshake) => self.data_secured(now, link, *handshake),
            Event::Moved(transfer, bytes) => self.moved(now, transfer, bytes),
            Event::Marked(transfer, mark) => self.marked(transfer, &mark),
            Event::Ended(transfer, end) => self.transfer_ended(now, transfer, end),
            Event::PeerClosed => self.peer_closed(now),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.take_expired(now.mono) {
            self.timer_expired(now, timer);
        }
        self.advance(now);
    }

    pub(crate) fn transmitted(&mut self, now: Now, len: usize) {
        self.outbox.transmitted(len);
        self.close_if_done(now);
        self.advance(now);
    }

    // What goes out.

    pub(crate) fn transmit(&self) -> &[u8] {
        self.outbox.transmit()
    }

    /// How many bytes of replies wait in all.
    pub(crate) fn queued(&self) -> usize {
        self.outbox.len()
    }

    /// Memory of the queues in and out.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.inbox.held() + self.introduction.held() + self.line.capacity(), self.outbox.held())
    }

    pub(crate) fn take_switch(&mut self) -> Option<Switch> {
        self.protection.take_switch()
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        if action.is_none() && self.actions.capacity() > 0 {
            // A session at rest keeps no room for them.
            self.actions = VecDeque::new();
        }
        action
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.earliest()
    }

    /// Only the client's next command brings it on: nothing runs or waits for an answer, and whoever comes to the data
    /// port is looked at when a command wants the connection.
    pub(crate) fn awaits_command(&self) -> bool {
        let at_rest = self.pending.is_none() && self.transfer.is_none() && self.work.is_none();
        let needs_no_look = match &self.link {
            Link::Idle | Link::Given(_) | Link::Ready(_) | Link::Lost(_) => true,
            Link::Waiting(waiting) => !waiting.open,
            Link::Leasing(_) | Link::Dialing(_) | Link::Securing(_) | Link::Moving(_) => false,
        };
        at_rest && needs_no_look
    }

    pub(crate) fn wants_input(&self) -> bool {
        let may_go_on = self.inbox.wants_input() && !self.outbox.is_full() && !self.introduction.is_asked();
        self.is_serving() && may_go_on && !self.peer_closed && !self.is_paced()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.phase == Phase::Closed
    }

    // Serving.

    fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Draining)
    }

    /// Runs commands as long as nothing has to be waited for.
    // req: 959-5.4-order
    fn advance(&mut self, now: Now) {
        self.drain_if_idle(now);
        self.resume_stat(now);
        self.run_commands(now);
        while self.heed_abort(now) {
            self.run_commands(now);
        }
        self.look_at_unfinished(now);
        self.close_if_answered(now);
        self.keep_a_deadline(now);
    }

    /// What may run of the commands that wait.
    fn run_commands(&mut self, now: Now) {
        while self.is_serving()
            && self.pending.is_none()
            && !self.outbox.is_full()
            && self.next_may_run()
            && self.is_in_pace(now)
        {
            let mut line = core::mem::take(&mut self.line);
            match self.inbox.take(&mut line) {
                Some(Item::Line(_) | Item::Overlong(_)) if !self.count_command(now) => {}
                Some(Item::Line(_)) => {
                    self.announce_work();
                    let reaction = command::run(&mut Turn { now, session: self }, &line);
                    self.react(now, reaction);
                }
                Some(Item::Overlong(_)) if self.hangs_up(now, &line, false) => {}
                Some(Item::Overlong(_)) => self.reply(Reply::new(500, "The line is too long.")),
                Some(Item::Refusal(commands)) => self.outbox.push_telnet(&commands),
                None => {}
            }
            line.clear();
            line.shrink_to(KEPT_LINE);
            self.line = line;
            self.rearm_idle(now);
            self.drain_if_idle(now);
        }
    }

    /// An ABOR behind commands that wait stops what they wait for, or nobody could; it is answered in its turn. Not so if
    /// one of them would begin something that the client may mean. Whether something was stopped.
    // req: 959-4.1.3-abor
    fn heed_abort(&mut self, now: Now) -> bool {
        let is_busy = self.transfer.is_some() || self.work.is_some();
        if !is_busy || !self.is_serving() || self.inbox.lines().find_map(command::stops) != Some(true) {
            return false;
        }
        let has_stopped = self.stop_transfer_early(now) || self.stop_work_early(now);
        self.has_heeded_abort |= has_stopped;
        has_stopped
    }

    // req: 959-4.2-queue
    fn next_may_run(&self) -> bool {
        // The reply would go the old way, in the clear or under TLS.
        if self.protection.awaits_switch() {
            return false;
        }
        let is_busy = self.transfer.is_some() || self.work.is_some();
        // Behind an ABOR or QUIT everything waits, or its reply would come too early.
        let is_ending =
            self.transfer.as_ref().is_some_and(|transfer| transfer.after.is_some()) || self.work_is_ending();
        match self.inbox.peek() {
            None => false,
            Some((Item::Refusal(_), _)) => true,
            Some(_) if !is_busy => true,
            Some((Item::Line(_), line)) => !is_ending && command::runs_now(line),
            Some((Item::Overlong(_), _)) => false,
        }
    }

    fn react(&mut self, now: Now, reaction: Reaction) {
        match reaction {
            Reaction::Reply(reply) => self.reply(reply),
            Reaction::Await(pending) => {
                // What waits for no job must not take the late answer to an earlier one for its own.
                if !pending.awaits_job() {
                    self.ids.ticket = self.ids.ticket.wrapping_add(1);
                }
                self.pending = Some((Ticket(self.ids.ticket), pending));
            }
            Reaction::Silent => {}
        }
        self.rearm_idle(now);
    }

    // req: 1123-4.1.3.2-not-in-a-transfer
    fn rearm_idle(&mut self, now: Now) {
        let is_busy = self.transfer.is_some() || self.work.is_some() || self.pending.is_some();
        if !self.is_serving() || is_busy {
            self.timers.clear(Timer::Idle);
        } else {
            self.timers.set(Timer::Idle, now.mono + self.idle_timeout());
        }
    }

    /// While a session is alive it has a deadline: a job that never comes back would leave it without.
    fn keep_a_deadline(&mut self, now: Now) {
        if self.timers.earliest().is_none() && self.phase != Phase::Closed {
            self.timers.set(Timer::Idle, now.mono + self.config.timeouts.idle);
        }
    }

    /// Queues a reply.
    pub(crate) fn reply(&mut self, reply: Reply) {
        if self.phase == Phase::Closed || self.has_outlived_client() {
            return;
        }
        if self.config.notify_commands {
            self.notify(Notice::Replied { code: reply.code() });
        }
        let charset = self.charset();
        if charset.is_utf_8() {
            self.outbox.push(&reply);
        } else {
            self.outbox.push(&reply.with_texts(|text| charset.encode(text)));
        }
    }

    pub(crate) fn notify(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notify(notice));
    }

    /// Has a job done; the command then awaits its answer.
    pub(crate) fn perform(&mut self, job: Job) {
        self.ids.ticket = self.ids.ticket.wrapping_add(1);
        self.actions.push_back(Action::Perform(Ticket(self.ids.ticket), job));
    }

    // The server's words.

    fn told(&mut self, now: Now, message: Message) {
        match message {
            Message::Kick => {
                self.finish(now, Reply::new(421, "The connection was ended by the administrator."), "kicked");
            }
            Message::MakeRoom if self.login.account().is_some() => {}
            Message::MakeRoom => {
                let reply = Reply::with(421, Refusal::Unauthenticated.to_string());
                self.finish(now, reply, "made room for others before its login");
            }
            Message::Drain { until } => {
                if self.phase == Phase::Open {
                    self.phase = Phase::Draining;
                    self.timers.set(Timer::Drain, until);
                }
            }
            Message::Configure(config) => {
                if let Link::Waiting(waiting) = &mut self.link {
                    // What was announced holds, but is not announced again.
                    waiting.outdated |= config.passive != self.config.passive;
                }
                self.config = config;
                self.choose_profile();
            }
            Message::Stranger { link, peer, port } => {
                let peer = canonical(peer);
                // Even if the client has come meanwhile: a session is not woken for this.
                self.notify(Notice::StrangerTurnedAway { peer, port });
                self.step_link(now, Input::Stranger { link, peer });
            }
        }
    }

    // req: 1123-4.1.3.2-idle
    fn timer_expired(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Login if self.protection.is_handshaking() => {
                self.control_tls_failed(now, TlsError::TimedOut);
            }
            Timer::Login => self.finish(now, Reply::new(421, "Login timed out."), "login timed out"),
            Timer::Idle if self.pending.is_some() => {
                self.finish(now, Reply::new(421, "The storage does not answer."), "storage did not answer");
            }
            Timer::Idle => self.finish(now, Reply::new(421, "Idle for too long."), "idle"),
            Timer::DataConnection | Timer::Lease => self.step_link(now, Input::Expired),
            Timer::Stall if self.work.is_some() => self.look_after_work(now),
            Timer::Stall => self.stalled(now),
            Timer::LoginDelay => self.login_delay_over(now),
            // The command that waited runs behind this.
            Timer::Pace => {}
            Timer::Abort if self.work.is_some() => self.work_overdue(now),
            Timer::Abort => self.abort_overdue(now),
            Timer::Header => self.header_overdue(now),
            Timer::Drain => {
                self.finish(now, Reply::new(421, "The server is shutting down."), "server shut down")
            }
            Timer::Linger => {
                self.outbox.discard();
                self.transfer = None;
                self.close(now);
            }
        }
    }

    /// USER, REIN: nobody is logged in, and what was set up for a transfer is forgotten.
    // req: 959-4.1.1-user-again, 959-4.1.1-user-keeps-parameters
    pub(crate) fn forget_login(&mut self, now: Now) {
        self.step_link(now, Input::Reset);
        if !matches!(self.login, Login::Nobody | Login::Named(_)) {
            self.timers.set(Timer::Login, now.mono + self.config.timeouts.login);
        }
        self.leave();
        self.forget_typed_host();
        self.set_login(Login::Nobody);
        self.protection.set_handshakes_as_client(false);
        self.modes.directory = VirtualPath::root();
        self.modes.umask = None;
        self.modes.set_restart(0);
    }

    /// REIN.
    pub(crate) fn forget_software(&mut self) {
        self.software = None;
    }

    /// CLNT, CSID.
    pub(crate) fn set_software(&mut self, software: String) {
        if self.software.as_ref() != Some(&software) {
            self.tell_seldom(Notice::ClientNamed { software: software.clone() });
            self.software = Some(software);
            self.choose_profile();
        }
    }
}

impl core::fmt::Debug for Session {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Session")
            .field("id", &self.id)
            .field("phase", &self.phase)
            .field("pending", &self.pending.as_ref().map(|(ticket, _)| ticket))
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}
