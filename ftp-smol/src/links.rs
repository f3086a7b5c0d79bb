//! Data connections: what the core calls a link is a socket here, or the wait for one.

use crate::crew::Load;
use crate::net;
use crate::ports::{Arrived, Haul, Port, Watch};
use crate::pump::{Leash, Progress, Pump, Report};
use crate::secure::Securing;
use crate::shared::{Mailbox, Shared};
use crate::wait;
use async_io::Async;
use ftp_proto::event::{ConnectSpec, Event, LinkError, LinkId, SessionId, TransferId};
use ftp_proto::tls::Handshake;
use ftp_proto::transfer::{EndReason, Pipe};
use std::net::TcpStream;
use std::sync::Arc;
use std::task::Context;

/// One data connection, or the wait for it.
struct Link {
    id: LinkId,
    /// `None` only while a step consumes it.
    state: Option<State>,
}

enum State {
    /// A client is expected on a passive port. Whoever comes is a link of its own.
    Leased(Watch, Look),
    /// An active-mode connection is being made.
    Connecting(Async<TcpStream>),
    /// Connected; the transfer has not begun.
    Ready(Arc<TcpStream>),
    /// The TLS handshake is being done.
    Securing(Securing),
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

/// What came of a look.
enum Looked {
    /// Look again when the session wakes for another reason.
    Later,
    /// Nobody is there; the task is woken when somebody comes.
    Waits,
    /// This one is there. Look again: the wait may go on.
    Found(Arrived),
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
    /// left of the link. Who has come to a wait is added to `arrivals`.
    fn attend(
        &mut self,
        owner: &Owner,
        woken: WokenBy,
        arrivals: &mut Vec<Link>,
        cx: &mut Context<'_>,
        tell: Tell<'_>,
    ) -> bool {
        self.state = match self.state.take() {
            Some(State::Leased(mut watch, look)) => match self.look(owner, &mut watch, look, woken, cx) {
                Looked::Later => Some(State::Leased(watch, Look::Later)),
                Looked::Waits => Some(State::Leased(watch, Look::WhenSomebodyComes)),
                Looked::Found(arrived) => {
                    arrivals.push(Self::arrived(arrived, tell));
                    Some(State::Leased(watch, Look::WhenSomebodyComes))
                }
            },
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
            Some(State::Securing(mut securing)) => {
                if securing.poll(cx).is_pending() {
                    Some(State::Securing(securing))
                } else {
                    let (socket, handshake) = securing.finish();
                    tell(Event::Secured(self.id, handshake));
                    Some(State::Ready(socket))
                }
            }
            Some(State::Moving(pump)) => self.attend_pump(owner, pump, cx, tell),
            state => state,
        };
        self.state.is_some()
    }

    /// Looks for whoever came to a wait.
    fn look(
        &self,
        owner: &Owner,
        watch: &mut Watch,
        look: Look,
        woken: WokenBy,
        cx: &mut Context<'_>,
    ) -> Looked {
        let mut hopeful = woken != WokenBy::Nobody;
        if look == Look::Later && !hopeful {
            return Looked::Later;
        }
        // Woken for another reason: the client's command may be here, and its connection with it.
        while hopeful || watch.poll_sign(cx).is_ready() {
            hopeful = false;
            match watch.port.accept_and_route(&owner.shared, Some((owner.session, self.id))) {
                Haul::Mine(arrived) => return Looked::Found(arrived),
                Haul::Empty => {}
                // The sweeper tries again.
                Haul::Exhausted => return Looked::Later,
            }
        }
        Looked::Waits
    }

    fn arrived(Arrived { link, socket, peer }: Arrived, tell: Tell<'_>) -> Self {
        tell(Event::Arrived(link, peer));
        Self { id: link, state: Some(State::Ready(Arc::new(socket))) }
    }

    fn finish_connect(&self, socket: std::io::Result<TcpStream>, tell: Tell<'_>) -> Option<State> {
        let connected = socket.and_then(|socket| match socket.take_error()? {
            None => Ok((socket.local_addr()?, socket)),
            Some(error) => Err(error),
        });
        match connected {
            Ok((local, socket)) => {
                tell(Event::Connected(self.id, net::canonical(local)));
                Some(State::Ready(Arc::new(socket)))
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

    /// Somebody else accepted the expected connection. Whether it is still expected, the core knows.
    pub(crate) fn arrived(&mut self, arrived: Arrived, tell: Tell<'_>) {
        self.0.push(Link::arrived(arrived, tell));
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

    /// Begins a TLS handshake. It is done whenever the links are attended to.
    pub(crate) fn secure(&mut self, id: LinkId, mut handshake: Box<Handshake>, tell: Tell<'_>) {
        if let Some(link) = self.0.iter_mut().find(|link| link.id == id)
            && let Some(State::Ready(socket)) = link.state.take_if(|state| matches!(state, State::Ready(_)))
        {
            link.state = Some(State::Securing(Securing::new(socket, handshake)));
        } else {
            // It broke a moment ago, and the core does not know yet.
            handshake.fail(LinkError::Reset);
            tell(Event::Secured(id, handshake));
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
            Report::Marked(transfer, mark) => tell(Event::Marked(transfer, mark)),
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

    /// Goes on with everything that can; whether somebody has come, so that the links must be looked at once more.
    pub(crate) fn attend(
        &mut self,
        owner: &Owner,
        woken: WokenBy,
        cx: &mut Context<'_>,
        tell: Tell<'_>,
    ) -> bool {
        let mut arrivals = Vec::new();
        self.0.retain_mut(|link| link.attend(owner, woken, &mut arrivals, cx, tell));
        let came = !arrivals.is_empty();
        self.0.append(&mut arrivals);
        came
    }
}

impl Link {
    fn is_away(&self, transfer: TransferId) -> bool {
        matches!(&self.state, Some(State::Away(leash)) if leash.transfer == transfer)
    }
}
