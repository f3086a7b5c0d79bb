//! Data connections: what the core calls a link is a socket here, or the wait for one.

use crate::crew::Load;
use crate::net;
use crate::ports::{Haul, Port, Watch};
use crate::pump::{Leash, Progress, Pump, Report};
use crate::shared::{Mailbox, Shared};
use crate::wait;
use async_io::Async;
use ftp_proto::event::{ConnectSpec, Event, LinkError, LinkId, SessionId, TransferId};
use ftp_proto::transfer::{EndReason, Pipe};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::Context;

/// One data connection, or the wait for it.
struct Link {
    id: LinkId,
    /// `None` only while a step consumes it.
    state: Option<State>,
}

enum State {
    /// A client is expected on a passive port.
    Leased(Watch, Look),
    /// An active-mode connection is being made.
    Connecting(Async<TcpStream>),
    /// Connected; the transfer has not begun.
    Ready(TcpStream),
    /// Bytes are moving, or would if the socket were ready.
    Moving(Box<Pump>),
    /// Bytes are moving where blocking is allowed.
    Away(Leash),
}

/// When a session looks for its client at the port it leased. Clients connect at once and then say what they
/// want: who looks when the command comes, not when the connection does, wakes once instead of twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// When the session wakes for another reason.
    Later,
    /// When somebody connects.
    WhenSomebodyComes,
}

/// Why links are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WokenBy {
    /// The session slept, and was woken by the end of a job, another session or the like.
    Mail,
    /// The session slept, and was woken by its client, a data connection or its deadline.
    Others,
    /// It did not sleep since the last look.
    Nobody,
}

/// Whom the links work for.
pub(crate) struct Owner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) session: SessionId,
    pub(crate) mailbox: Arc<Mailbox>,
}

/// Hears of everything that happens to the links.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(Event);

impl Link {
    /// Goes on as far as it can, and sees to it that the task is woken when it can go on. `false` when nothing is
    /// left of the link.
    fn attend(&mut self, owner: &Owner, woken: WokenBy, cx: &mut Context<'_>, tell: Tell<'_>) -> bool {
        self.state = match self.state.take() {
            Some(State::Leased(watch, look)) => self.look(owner, watch, look, woken, cx, tell),
            Some(State::Connecting(socket)) => {
                if socket.poll_writable(cx).is_pending() {
                    Some(State::Connecting(socket))
                } else {
                    self.finish_connect(socket.into_inner(), tell)
                }
            }
            // Only a broken connection is of interest: one that the client closed after sending all it has
            // is a complete upload.
            Some(State::Ready(socket)) if woken == WokenBy::Others && wait::is_broken(&socket) => {
                tell(Event::LinkFailed(self.id, LinkError::Reset));
                None
            }
            Some(State::Moving(pump)) => self.attend_pump(owner, pump, cx, tell),
            state => state,
        };
        self.state.is_some()
    }

    fn look(
        &self,
        owner: &Owner,
        mut watch: Watch,
        look: Look,
        woken: WokenBy,
        cx: &mut Context<'_>,
        tell: Tell<'_>,
    ) -> Option<State> {
        let mut hopeful = woken != WokenBy::Nobody;
        if look == Look::Later && !hopeful {
            return Some(State::Leased(watch, look));
        }
        // Woken for another reason: the client's command may be here, and its connection with it.
        while hopeful || watch.poll_sign(cx).is_ready() {
            hopeful = false;
            match watch.port.accept_and_route(&owner.shared, Some((owner.session, self.id))) {
                Haul::Mine((socket, peer)) => {
                    tell(Event::Arrived(self.id, peer));
                    return Some(State::Ready(socket));
                }
                Haul::Empty => {}
                // The sweeper tries again.
                Haul::Exhausted => return Some(State::Leased(watch, Look::Later)),
            }
        }
        Some(State::Leased(watch, Look::WhenSomebodyComes))
    }

    fn finish_connect(&self, socket: std::io::Result<TcpStream>, tell: Tell<'_>) -> Option<State> {
        let connected = socket.and_then(|socket| match socket.take_error()? {
            None => Ok((socket.local_addr()?, socket)),
            Some(error) => Err(error),
        });
        match connected {
            Ok((local, socket)) => {
                tell(Event::Connected(self.id, net::canonical(local)));
                Some(State::Ready(socket))
            }
            Err(error) => {
                tell(Event::LinkFailed(self.id, LinkError::from(&error)));
                None
            }
        }
    }

    fn attend_pump(
        &self,
        owner: &Owner,
        mut pump: Box<Pump>,
        cx: &mut Context<'_>,
        tell: Tell<'_>,
    ) -> Option<State> {
        while pump.poll_ready(cx).is_ready() {
            match pump_on(owner, pump, tell) {
                Some(State::Moving(waiting)) => pump = waiting,
                other => return other,
            }
        }
        Some(State::Moving(pump))
    }
}

/// Lets a transfer go on; what is left of it. The socket is closed before the core hears of the end.
fn pump_on(owner: &Owner, mut pump: Box<Pump>, tell: Tell<'_>) -> Option<State> {
    match pump.run_here(&owner.shared.clock, tell) {
        Progress::Waits => Some(State::Moving(pump)),
        Progress::Blocks => {
            let leash = pump.leash();
            Load { pump, mailbox: Arc::clone(&owner.mailbox) }.send(&owner.shared);
            Some(State::Away(leash))
        }
        Progress::Ended(end) => {
            let transfer = pump.transfer();
            drop(pump);
            tell(Event::Ended(transfer, end));
            None
        }
    }
}

/// All links of one session: one as a rule, few at most.
#[derive(Default)]
pub(crate) struct Links(Vec<Link>);

impl Links {
    fn push(&mut self, id: LinkId, state: State) {
        self.0.push(Link { id, state: Some(state) });
    }

    /// A client is expected on this port.
    pub(crate) fn expect(&mut self, id: LinkId, port: Arc<Port>) {
        self.push(id, State::Leased(Watch::new(port), Look::Later));
    }

    /// Somebody else accepted the expected connection. One that is not expected any more is closed.
    pub(crate) fn arrived(&mut self, id: LinkId, socket: TcpStream, peer: SocketAddr, tell: Tell<'_>) {
        let expected = |link: &&mut Link| link.id == id && matches!(link.state, Some(State::Leased(..)));
        if let Some(link) = self.0.iter_mut().find(expected) {
            link.state = Some(State::Ready(socket));
            tell(Event::Arrived(id, peer));
        }
    }

    /// Begins an active-mode connection.
    pub(crate) fn connect(&mut self, id: LinkId, spec: &ConnectSpec, tell: Tell<'_>) {
        let mut link = Link { id, state: None };
        match net::connect(spec) {
            Ok(dialled) if dialled.complete => link.state = link.finish_connect(Ok(dialled.socket), tell),
            Ok(dialled) => match Async::new_nonblocking(dialled.socket) {
                Ok(socket) => link.state = Some(State::Connecting(socket)),
                Err(error) => tell(Event::LinkFailed(id, LinkError::from(&error))),
            },
            Err(error) => tell(Event::LinkFailed(id, error)),
        }
        if link.state.is_some() {
            self.0.push(link);
        }
    }

    /// Begins a transfer, with a first run at once.
    pub(crate) fn start(
        &mut self,
        owner: &Owner,
        id: LinkId,
        transfer: TransferId,
        pipe: Box<Pipe>,
        tell: Tell<'_>,
    ) {
        let place = self.0.iter().position(|link| link.id == id);
        let socket = match place.map(|place| self.0.swap_remove(place).state) {
            Some(Some(State::Ready(socket))) => Some(socket),
            // It broke a moment ago, and the core does not know yet.
            _ => None,
        };
        let lost = socket.is_none();
        let mut pump = Box::new(Pump::new(transfer, pipe, socket));
        if lost {
            pump.fail(EndReason::Link(LinkError::Reset));
        }
        if let Some(state) = pump_on(owner, pump, tell) {
            self.push(id, state);
        }
    }

    /// News of a transfer that ran elsewhere.
    pub(crate) fn reported(&mut self, report: Report, tell: Tell<'_>) {
        match report {
            Report::Moved(transfer, bytes) => tell(Event::Moved(transfer, bytes)),
            Report::Ended(transfer, end) => {
                self.0.retain(|link| !link.is_away(transfer));
                tell(Event::Ended(transfer, end));
            }
            Report::Waits(mut pump) => {
                let transfer = pump.transfer();
                let Some(link) = self.0.iter_mut().find(|link| link.is_away(transfer)) else { return };
                tell(Event::Moved(transfer, pump.moved()));
                pump.unleash();
                link.state = Some(State::Moving(pump));
            }
        }
    }

    /// Ends a transfer in its middle.
    pub(crate) fn abort(&mut self, owner: &Owner, transfer: TransferId, tell: Tell<'_>) {
        self.0.retain_mut(|link| {
            link.state = match link.state.take() {
                Some(State::Moving(mut pump)) if pump.transfer() == transfer => {
                    pump.fail(EndReason::Aborted);
                    pump_on(owner, pump, tell)
                }
                Some(State::Away(leash)) if leash.transfer == transfer => {
                    leash.pull();
                    Some(State::Away(leash))
                }
                state => state,
            };
            link.state.is_some()
        });
    }

    /// Forgets a link; its socket is closed.
    pub(crate) fn forget(&mut self, id: LinkId) {
        self.0.retain(|link| link.id != id);
    }

    /// Goes on with everything that can.
    pub(crate) fn attend(&mut self, owner: &Owner, woken: WokenBy, cx: &mut Context<'_>, tell: Tell<'_>) {
        self.0.retain_mut(|link| link.attend(owner, woken, cx, tell));
    }
}

impl Link {
    fn is_away(&self, transfer: TransferId) -> bool {
        matches!(&self.state, Some(State::Away(leash)) if leash.transfer == transfer)
    }
}
