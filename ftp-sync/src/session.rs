//! One session from its acceptance to its end, on one thread: the loop that drives the core.
//!
//! Poll the core's actions until there is none, write what it has to say, sleep until something happens, tell
//! it what did. Everything blocking that the core asks for is done on the spot: the thread is the session's.

use crate::links::{Links, Owner, Tell};
use crate::long::Errand;
use crate::net;
use crate::shared::{Admitted, Mail, Mailbox, Shared};
use crate::wait::{self, Bell};
use ftp_proto::Connection;
use ftp_proto::event::{Action, Arrival, Done, Event, Job, SessionId};
use ftp_proto::time::Now;
use rustix::event::PollFlags;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// What one read from the client takes. Commands are short, and the memory stays with an idle session.
const INPUT: usize = 1024;
/// How long a session keeps its own bell after its last link is gone.
const KEEP_BELL: Duration = Duration::from_secs(1);
/// Whether a session may sleep in a read alone; elsewhere the sockets don't block.
const CAN_REST_IN_READ: bool = cfg!(target_os = "linux");
/// How often a session looks for mail that there is no bell for, for lack of descriptors.
const WITHOUT_BELL: Duration = Duration::from_millis(200);

/// Serves a control connection to its end. A panic costs this session only.
pub(crate) fn serve(shared: &Arc<Shared>, control: TcpStream, peer: SocketAddr, implicit_tls: bool) {
    let Some(arrival) = arrival(&control, peer, implicit_tls) else { return };
    if net::prepare_accepted_control(&control, shared.keepalive).is_err() {
        return;
    }
    // Where TLS comes first the embedder's code begins here.
    let Ok(admitted) = catch_unwind(AssertUnwindSafe(|| shared.admit(arrival))) else { return };
    match admitted {
        Admitted::Accepted(connection, mailbox) => {
            let gone = Gone { shared, session: connection.id() };
            // The panic's message went to the panic hook already.
            let control =
                catch_unwind(AssertUnwindSafe(|| Session::new(shared, control, connection, mailbox).run()));
            // A client that sees the end may come back at once, and finds its place free.
            drop(gone);
            if let Ok(control) = control {
                net::close_gently(control);
            }
        }
        Admitted::Refused(words) => {
            let _ = (&control).write(&words);
            net::close_gently(control);
        }
    }
}

/// Sends somebody away for whom there is no thread or no descriptor.
pub(crate) fn turn_away(shared: &Shared, control: TcpStream, peer: SocketAddr, implicit_tls: bool) {
    let Some(arrival) = arrival(&control, peer, implicit_tls) else { return };
    let words = shared.with_server(|server, _| server.turn_away(arrival));
    let _ = (&control).write(&words);
    net::close_gently(control);
}

fn arrival(control: &TcpStream, peer: SocketAddr, implicit_tls: bool) -> Option<Arrival> {
    let local = control.local_addr().ok()?;
    Some(Arrival { implicit_tls, ..Arrival::new(net::canonical(local), peer) })
}

/// Tells the server that the session is gone, however it ended.
struct Gone<'a> {
    shared: &'a Shared,
    session: SessionId,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.shared.gone(self.session);
    }
}

/// The control connection's socket, and what is known of it.
struct Control {
    socket: TcpStream,
    /// The client sends nothing more.
    ended: bool,
    /// Nothing can be sent any more either.
    broken: bool,
}

struct Session<'a> {
    owner: Owner<'a>,
    control: Control,
    connection: Box<Connection>,
    mailbox: Arc<Mailbox>,
    links: Links,
    /// When the clock was read last.
    now: Now,
    /// The bell of the session's group, as it was when it last rang.
    shared_bell: Option<Arc<Bell>>,
    /// The session's own, while others may hand it a data connection.
    own_bell: Option<Arc<Bell>>,
}

impl<'a> Session<'a> {
    fn new(
        shared: &'a Arc<Shared>,
        socket: TcpStream,
        connection: Box<Connection>,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        Self {
            owner: Owner { shared, session: connection.id() },
            control: Control { socket, ended: false, broken: false },
            connection,
            shared_bell: shared.bells.bell(mailbox.group()),
            own_bell: None,
            mailbox,
            links: Links::default(),
            now: shared.clock.now(),
        }
    }

    /// Returns the control connection, with nothing more to say on it.
    fn run(mut self) -> TcpStream {
        loop {
            self.take_mail();
            // Writing may make room for more work, and work gives more to write.
            while self.act() | self.flush() {}
            if self.connection.is_finished() {
                break;
            }
            self.sleep_and_listen();
        }
        self.control.socket
    }

    /// Reads the clock.
    fn tick(&mut self) -> Now {
        self.now = self.owner.shared.clock.now();
        self.now
    }

    /// Carries out what the core wants done; whether there was anything.
    fn act(&mut self) -> bool {
        let mut acted = false;
        while let Some(action) = self.connection.poll_action() {
            acted = true;
            self.carry_out(action);
        }
        acted
    }

    /// Apart, so that its large frame does not lie below every command: a thread's stack stays as deep as it once was.
    #[inline(never)]
    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Consult(request) => {
                let answer = self.owner.shared.consult(request);
                self.hear(Event::Answer(answer));
            }
            Action::Perform(ticket, job) if job.is_long() => {
                let mailbox = Arc::clone(&self.mailbox);
                Errand { ticket, job, mailbox }.send(self.owner.shared);
            }
            Action::Perform(ticket, job) => {
                let done = perform(job);
                let now = self.tick();
                self.connection.handle(now, Event::Done(ticket, done));
            }
            Action::Connect(link, spec) => self.with_links(|links, _, tell| links.connect(link, &spec, tell)),
            Action::Start(link, transfer, pipe) => {
                self.with_links(|links, owner, tell| links.start(owner, link, transfer, pipe, tell));
            }
            Action::Secure(link, handshake) => {
                self.with_links(|links, _, tell| links.secure(link, handshake, tell));
            }
            Action::Abort(transfer) => {
                self.with_links(|links, owner, tell| links.abort(owner, transfer, tell))
            }
            Action::Drop(link) => self.links.forget(link),
            Action::Notify(notice) => {
                self.owner.shared.observer.notice(Some(self.owner.session), &notice);
            }
        }
    }

    /// Does something with the links; the core hears of what happens to them, and when.
    fn with_links(&mut self, act: impl FnOnce(&mut Links, &Owner<'_>, Tell<'_>)) {
        let Self { owner, now, connection, links, .. } = self;
        let mut tell = |event| {
            *now = owner.shared.clock.now();
            connection.handle(*now, event);
        };
        act(links, owner, &mut tell);
    }

    /// Writes what the core has to say, each piece of it by itself; whether anything left.
    fn flush(&mut self) -> bool {
        let mut wrote = false;
        while !self.control.broken && !self.connection.transmit().is_empty() {
            match net::send_record(&self.control.socket, self.connection.transmit()) {
                Ok(count) => {
                    wrote = true;
                    let now = self.tick();
                    self.connection.transmitted(now, count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.lose_client(),
            }
        }
        wrote
    }

    /// Everything that others left for this session.
    fn take_mail(&mut self) {
        while let Some(mail) = self.mailbox.take() {
            match mail {
                Mail::Event(event) => self.hear(event),
                Mail::Arrived(arrived) => self.with_links(|links, _, tell| links.arrived(arrived, tell)),
            }
        }
    }

    /// A word from the server. Before the core hears of a lease, what waited at its port is cleared away.
    fn hear(&mut self, mut event: Event) {
        if let Event::Answer(answer) = &event
            && let Some((link, number)) = answer.port_to_drain()
        {
            self.take_own_bell();
            if let Some(port) = self.owner.shared.ports.get(number) {
                if port.drain_and_activate(self.owner.shared, self.owner.session, link) {
                    self.links.expect(link, port);
                } else {
                    event = Event::Answer(self.owner.shared.renounce(self.owner.session, link));
                }
            }
        }
        self.connection.handle(self.now, event);
    }

    fn take_own_bell(&mut self) {
        if self.own_bell.is_none()
            && let Ok(bell) = Bell::new()
        {
            let bell = Arc::new(bell);
            self.mailbox.set_bell(Some(Arc::clone(&bell)));
            self.own_bell = Some(bell);
        }
    }

    fn give_back_own_bell(&mut self) {
        self.mailbox.set_bell(None);
        self.own_bell = None;
    }

    fn sleep_and_listen(&mut self) {
        if !self.may_rest_in_read() || !self.rest_in_read() {
            self.rest();
        }
        if self.connection.deadline().is_some_and(|deadline| deadline <= self.now.mono) {
            self.connection.handle_timeout(self.now);
        }
    }

    /// Whether the next command is all that matters for as long as a read may take: it then comes with one system call
    /// instead of two.
    fn may_rest_in_read(&self) -> bool {
        let due = self.connection.deadline().map(|deadline| deadline.duration_since(self.now.mono));
        CAN_REST_IN_READ
            && !self.control.ended
            && self.connection.awaits_command()
            && self.links.may_rest()
            && due.is_none_or(|due| due > net::READ_REST)
    }

    /// Sleeps in a read of the control connection; `false` when nothing came. Not inlined, so that the buffer is no
    /// part of an idle session's frame.
    #[inline(never)]
    fn rest_in_read(&mut self) -> bool {
        let mut buffer = [0u8; INPUT];
        let read = net::await_input(&self.control.socket, &mut buffer);
        if matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            return false;
        }
        self.tick();
        self.look_around();
        self.take_input(read.map(|count| buffer.get(..count).unwrap_or_default()));
        true
    }

    /// Sleeps until anything happens.
    fn rest(&mut self) {
        let bell = self.own_bell.as_ref().or(self.shared_bell.as_ref()).cloned();
        let control = self.control.interest(&self.connection);
        let patience = self.patience();
        let woken = wait::sleep(
            control.map(|flags| (self.control.socket.as_fd(), flags)),
            bell.as_deref(),
            self.links.as_mut_slice(),
            patience,
        );
        self.tick();
        if woken.bell
            && let Some(bell) = &self.own_bell
        {
            bell.hush();
        } else if self.own_bell.is_none() && (woken.bell || self.shared_bell.is_none()) {
            self.shared_bell = self.owner.shared.bells.bell(self.mailbox.group());
        } else if self.own_bell.is_some() && self.links.is_empty() && woken.control.is_empty() {
            self.give_back_own_bell();
        }
        self.look_around();
        if !woken.control.is_empty() {
            self.listen(woken.control);
        }
    }

    /// Data connections, before the command that came with them: it then needs no second turn.
    fn look_around(&mut self) {
        self.take_mail();
        self.with_links(Links::attend);
        // A stranger who was found at the port is news that belongs before the next command.
        self.take_mail();
    }

    /// How long it may sleep.
    fn patience(&self) -> Option<Duration> {
        let deadline = self.connection.deadline().map(|deadline| self.owner.shared.clock.until(deadline));
        let bell = match (&self.own_bell, &self.shared_bell) {
            (Some(_), _) => self.links.is_empty().then_some(KEEP_BELL),
            (None, None) => Some(WITHOUT_BELL),
            (None, Some(_)) => None,
        };
        [deadline, self.links.patience(), bell].into_iter().flatten().min()
    }

    /// Reads from the client once. Not inlined, for the same reason.
    #[inline(never)]
    fn listen(&mut self, ready: PollFlags) {
        if self.control.ended || !self.connection.wants_input() {
            if ready.intersects(PollFlags::HUP | PollFlags::ERR) {
                self.lose_client();
            }
            return;
        }
        let mut buffer = [0u8; INPUT];
        let read = net::read(&self.control.socket, &mut buffer);
        self.take_input(read.map(|count| buffer.get(..count).unwrap_or_default()));
    }

    fn take_input(&mut self, read: io::Result<&[u8]>) {
        match read {
            Ok([]) => {
                self.control.ended = true;
                self.connection.handle(self.now, Event::PeerClosed);
            }
            Ok(bytes) => self.connection.receive(self.now, bytes),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.lose_client(),
        }
    }

    /// The control connection broke.
    fn lose_client(&mut self) {
        self.control.broken = true;
        if !self.control.ended {
            self.control.ended = true;
            self.connection.handle(self.now, Event::PeerClosed);
        }
    }
}

impl Control {
    /// What poll(2) has to watch; `None` when there is nothing more to learn.
    fn interest(&self, connection: &Connection) -> Option<PollFlags> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, !self.ended && connection.wants_input());
        flags.set(PollFlags::OUT, !connection.transmit().is_empty());
        (!self.broken).then_some(flags)
    }
}

/// Does a job; its panic is an answer like any other.
fn perform(job: Job) -> Done {
    catch_unwind(AssertUnwindSafe(|| job.perform())).unwrap_or(Done::Panicked)
}
