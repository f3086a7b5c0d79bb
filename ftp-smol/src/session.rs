//! One session from its acceptance to its end, as one future on one executor: the loop that drives the core.
//!
//! Tell the core what happened, poll its actions until there is none, write what it has to say, and again until
//! nothing more happens; then sleep. What may block is done elsewhere and comes back as mail. The future is
//! written by hand: it has no buffers and no states but the links', and mail can't be lost in a dropped one.

use crate::crew;
use crate::links::{Links, Owner, WokenBy};
use crate::net;
use crate::pump::with_buffer_of;
use crate::shared::{Admitted, Mail, Mailbox, Shared};
use crate::wait::{Alarm, Alarms};
use async_io::Async;
use ftp_proto::Connection;
use ftp_proto::event::{Action, Arrival, Event, SessionId};
use ftp_proto::time::Now;
use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What one read from the client takes. Commands are short, and of what comes ahead of its turn all that was read is kept.
const INPUT: usize = 1024;

/// Admits a control connection. The future serves it to its end; a panic costs this session only.
pub(crate) fn serve(
    shared: &Arc<Shared>,
    alarms: &Rc<Alarms>,
    control: TcpStream,
    peer: SocketAddr,
    implicit_tls: bool,
) -> Option<impl Future<Output = ()> + 'static> {
    let local = control.local_addr().ok()?;
    net::prepare_accepted_control(&control, shared.keepalive).ok()?;
    match shared.admit(Arrival { implicit_tls, ..Arrival::new(net::canonical(local), peer) }) {
        Admitted::Accepted(connection, mailbox) => {
            let gone = Gone { shared: Arc::clone(shared), session: connection.id() };
            let socket = Async::new_nonblocking(control).ok()?;
            Some(Served(Some(Session::new(gone, Rc::clone(alarms), socket, connection, mailbox))))
        }
        Admitted::Refused(words) => {
            see_off(&control, &words);
            None
        }
    }
}

/// Sends somebody away for whom there is no descriptor.
pub(crate) fn turn_away(shared: &Shared, control: TcpStream, peer: SocketAddr, implicit_tls: bool) {
    let Ok(local) = control.local_addr() else { return };
    let arrival = Arrival { implicit_tls, ..Arrival::new(net::canonical(local), peer) };
    see_off(&control, &shared.turn_away(arrival));
}

fn see_off(mut control: &TcpStream, words: &[u8]) {
    let _ = control.write(words);
    net::discard_input(control);
}

/// A session, until it has ended.
struct Served(Option<Session>);

impl Future for Served {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(session) = &mut self.0 else { return Poll::Ready(()) };
        // A panic's message went to the panic hook already.
        let polled = catch_unwind(AssertUnwindSafe(|| session.turn(cx)));
        if matches!(polled, Ok(Poll::Pending)) {
            return Poll::Pending;
        }
        if let Some(session) = self.0.take() {
            // Whatever is left may hold code of the embedder.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(session)));
        }
        Poll::Ready(())
    }
}

/// Tells the server that the session is gone, however it ended.
struct Gone {
    shared: Arc<Shared>,
    session: SessionId,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.shared.gone(self.session);
    }
}

/// The control connection's socket, and what is known of it.
struct Control {
    socket: Async<TcpStream>,
    /// The client sends nothing more.
    ended: bool,
    /// Nothing can be sent any more either.
    broken: bool,
}

/// The order of the fields is the order in which they are given up: the server hears of the end last, but for
/// the client, which may come back as soon as it sees the end, and finds its place free.
struct Session {
    links: Links,
    connection: Box<Connection>,
    owner: Owner,
    /// When this pass of its turn began: nothing here blocks, so that one look at the clock is enough for all of it.
    now: Now,
    alarm: Alarm,
    _gone: Gone,
    control: Control,
}

impl Session {
    fn new(
        gone: Gone,
        alarms: Rc<Alarms>,
        socket: Async<TcpStream>,
        connection: Box<Connection>,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        let session = connection.id();
        Self {
            links: Links::default(),
            control: Control { socket, ended: false, broken: false },
            connection,
            now: gone.shared.clock.now(),
            owner: Owner { shared: Arc::clone(&gone.shared), session, mailbox },
            alarm: Alarm::new(alarms, session),
            _gone: gone,
        }
    }

    /// Goes on until nothing more happens.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.owner.mailbox.set_owner(cx);
        let mut woken = true;
        loop {
            self.now = self.owner.shared.clock.now();
            // Data connections first: one that came together with its command needs no second turn.
            let woken_by = match (woken, self.take_mail()) {
                (true, false) => WokenBy::Others,
                (true, true) => WokenBy::Mail,
                (false, _) => WokenBy::Nobody,
            };
            let (now, connection) = (self.now, &mut self.connection);
            let mut tell = |event| connection.handle(now, event);
            let came = self.links.attend(&self.owner, woken_by, cx, &mut tell);
            // A stranger who was found at the port is news that belongs before the next command.
            self.take_mail();
            let mut busy = self.listen(cx) | came;
            if self.connection.deadline().is_some_and(|deadline| deadline <= now.mono) {
                self.connection.handle_timeout(now);
            }
            // Writing may make room for more work, and work gives more to write.
            while self.act() | self.flush(cx) {
                busy = true;
            }
            if self.connection.is_finished() {
                net::discard_input(self.control.socket.get_ref());
                return Poll::Ready(());
            }
            if !busy {
                if let Some(deadline) = self.connection.deadline() {
                    self.alarm.set(now.mono, deadline, cx);
                }
                return Poll::Pending;
            }
            woken = false;
        }
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

    fn carry_out(&mut self, action: Action) {
        let (now, connection) = (self.now, &mut self.connection);
        let mut tell = |event| connection.handle(now, event);
        match action {
            Action::Consult(request) => {
                let answer = self.owner.shared.consult(request);
                self.hear(Event::Answer(answer));
            }
            // A panic in there ends the session, as one anywhere in its turn does.
            Action::Perform(ticket, job) => match job.perform_now() {
                Ok(done) => tell(Event::Done(ticket, done)),
                Err(job) => crew::perform(&self.owner, ticket, job),
            },
            Action::Connect(link, spec) => self.links.connect(link, &spec, &mut tell),
            Action::Start(link, transfer, pipe) => {
                self.links.start(&self.owner, link, transfer, pipe, &mut tell);
            }
            Action::Secure(link, handshake) => self.links.secure(link, handshake, &mut tell),
            Action::Abort(transfer) => self.links.abort(&self.owner, transfer, &mut tell),
            Action::Drop(link) => self.links.forget(link),
            Action::Notify(notice) => {
                self.owner.shared.observer.notice(Some(self.owner.session), &notice);
            }
        }
    }

    /// Writes what the core has to say, each piece of it by itself; whether anything left.
    fn flush(&mut self, cx: &mut Context<'_>) -> bool {
        let mut wrote = false;
        while !self.control.broken && !self.connection.transmit().is_empty() {
            match net::send_record(self.control.socket.get_ref(), self.connection.transmit()) {
                Ok(count) => {
                    wrote = true;
                    self.connection.transmitted(self.now, count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.control.socket.poll_writable(cx).is_pending() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.lose_client(),
            }
        }
        wrote
    }

    /// Everything that others left for this session; whether there was anything.
    fn take_mail(&mut self) -> bool {
        let mut came = false;
        while let Some(mail) = self.owner.mailbox.take() {
            came = true;
            let (now, connection) = (self.now, &mut self.connection);
            let mut tell = |event| connection.handle(now, event);
            match mail {
                Mail::Event(event) => self.hear(event),
                Mail::Arrived(arrived) => self.links.arrived(arrived, &mut tell),
                Mail::Transfer(report) => self.links.reported(report, &mut tell),
            }
        }
        came
    }

    /// A word from the server. Before the core hears of a lease, what waited at its port is cleared away.
    fn hear(&mut self, mut event: Event) {
        if let Event::Answer(answer) = &event
            && let Some((link, number)) = answer.port_to_drain()
            && let Some(port) = self.owner.shared.ports.get(number)
        {
            if port.drain_and_activate(&self.owner.shared, self.owner.session, link) {
                self.links.expect(link, port);
            } else {
                event = Event::Answer(self.owner.shared.renounce(self.owner.session, link));
            }
        }
        self.connection.handle(self.now, event);
    }

    /// Reads from the client once; whether anything came. If not, the task is woken when something does.
    fn listen(&mut self, cx: &mut Context<'_>) -> bool {
        if self.control.ended || !self.connection.wants_input() {
            return false;
        }
        if self.control.socket.poll_readable(cx).is_pending() {
            return false;
        }
        let (now, connection) = (self.now, &mut self.connection);
        let read = with_buffer_of(INPUT, |buffer| {
            let count = self.control.socket.get_ref().read(buffer)?;
            if count > 0 {
                connection.receive(now, buffer.get(..count).unwrap_or_default());
            }
            io::Result::Ok(count)
        });
        match read {
            Ok(0) => {
                self.control.ended = true;
                self.connection.handle(self.now, Event::PeerClosed);
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.lose_client(),
        }
        true
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
