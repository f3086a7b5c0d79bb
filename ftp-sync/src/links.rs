//! Data connections: what the core calls a link is a socket here, or the wait for one.

use crate::net;
use crate::ports::{Arrived, Haul, Port, Watch};
use crate::pump::{Progress, Pump};
use crate::secure::Securing;
use crate::shared::Shared;
use ftp_proto::event::{ConnectSpec, Event, LinkError, LinkId, SessionId, TransferId};
use ftp_proto::tls::Handshake;
use ftp_proto::transfer::{EndReason, Pipe};
use rustix::event::PollFlags;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// Bytes a transfer moves before other events of its session are looked at.
const BUDGET: u64 = 8 << 20;
/// Bytes a transfer moves before anything else happens at all: a small file is through with this, and the
/// replies at its beginning and its end share a write.
const FIRST_BUDGET: u64 = 256 << 10;
/// How long a new lease is left alone unless something else wakes the session.
const FRESH_REST: Duration = Duration::from_millis(5);
/// How long a session rests that could not accept for lack of descriptors.
const EXHAUSTED_REST: Duration = Duration::from_millis(10);

/// One data connection, or the wait for it.
pub(crate) struct Link {
    id: LinkId,
    /// `None` only while a step consumes it.
    state: Option<State>,
    ready: PollFlags,
}

enum State {
    /// A client is expected on a passive port; the flag says that this was agreed a moment ago. Whoever comes is a
    /// link of its own.
    Leased(Watch, Fresh),
    /// An active-mode connection is being made.
    Connecting(TcpStream),
    /// Connected; the transfer has not begun.
    Ready(TcpStream),
    /// The TLS handshake is being done.
    Securing(Securing),
    /// Bytes are moving.
    Moving(Box<Pump>),
}

/// Whether a lease has not been looked at yet. Clients connect at once and then say what they want: who looks
/// for the connection when the command comes, not when the connection does, wakes once instead of twice.
type Fresh = bool;

/// Whom the links work for.
pub(crate) struct Owner<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) session: SessionId,
}

/// Hears of everything that happens to the links.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(Event);

impl Link {
    fn new(id: LinkId, state: State) -> Self {
        Self { id, state: Some(state), ready: PollFlags::empty() }
    }

    /// What poll(2) has to watch for this link.
    pub(crate) fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match self.state.as_ref()? {
            State::Leased(watch, fresh) => {
                (watch.is_watching() && !fresh).then(|| (watch.port.as_fd(), PollFlags::IN))
            }
            State::Connecting(socket) => Some((socket.as_fd(), PollFlags::OUT)),
            // Only a broken connection is of interest: one that the client closed after sending all it has
            // is a complete upload.
            State::Ready(socket) => Some((socket.as_fd(), PollFlags::empty())),
            State::Securing(securing) => Some(securing.interest()),
            State::Moving(pump) => pump.interest(),
        }
    }

    /// What poll(2) found.
    pub(crate) fn note_ready(&mut self, ready: PollFlags) {
        self.ready = ready;
    }

    /// Goes on with what poll(2) found; `false` when nothing is left of the link. Who has come to a wait is added to
    /// `arrivals`.
    fn attend(&mut self, owner: &Owner<'_>, arrivals: &mut Vec<Link>, tell: Tell<'_>) -> bool {
        let ready = std::mem::replace(&mut self.ready, PollFlags::empty());
        self.state = match self.state.take() {
            Some(State::Moving(pump)) if !ready.is_empty() || pump.interest().is_none() => {
                pump_on(owner, pump, BUDGET, tell)
            }
            Some(State::Leased(watch, true)) => Some(self.accept(owner, watch, arrivals, tell)),
            state if ready.is_empty() => state,
            Some(State::Leased(watch, false)) => Some(self.accept(owner, watch, arrivals, tell)),
            Some(State::Connecting(socket)) => self.finish_connect(socket, tell),
            Some(State::Ready(_)) => {
                tell(Event::LinkFailed(self.id, LinkError::Reset));
                None
            }
            Some(State::Securing(securing)) => Some(self.go_on_securing(securing, tell)),
            state => state,
        };
        self.state.is_some()
    }

    fn accept(&self, owner: &Owner<'_>, watch: Watch, arrivals: &mut Vec<Link>, tell: Tell<'_>) -> State {
        match watch.port.accept_and_route(owner.shared, Some((owner.session, self.id))) {
            Haul::Mine(arrived) => arrivals.push(Self::arrived(arrived, tell)),
            Haul::Empty => {}
            Haul::Exhausted => std::thread::sleep(EXHAUSTED_REST),
        }
        State::Leased(watch, false)
    }

    fn arrived(Arrived { link, socket, peer }: Arrived, tell: Tell<'_>) -> Self {
        tell(Event::Arrived(link, peer));
        Self::new(link, State::Ready(socket))
    }

    fn go_on_securing(&self, mut securing: Securing, tell: Tell<'_>) -> State {
        if !securing.run() {
            return State::Securing(securing);
        }
        let (socket, handshake) = securing.finish();
        tell(Event::Secured(self.id, handshake));
        State::Ready(socket)
    }

    fn finish_connect(&self, socket: TcpStream, tell: Tell<'_>) -> Option<State> {
        let outcome = match socket.take_error() {
            Ok(None) => socket.local_addr(),
            Ok(Some(error)) | Err(error) => Err(error),
        };
        match outcome {
            Ok(local) => {
                tell(Event::Connected(self.id, net::canonical(local)));
                Some(State::Ready(socket))
            }
            Err(error) => {
                tell(Event::LinkFailed(self.id, LinkError::from(&error)));
                None
            }
        }
    }
}

/// Lets a transfer go on; what is left of it. The socket is closed before the core hears of the end.
fn pump_on(owner: &Owner<'_>, mut pump: Box<Pump>, budget: u64, tell: Tell<'_>) -> Option<State> {
    match pump.run(&owner.shared.clock, budget, tell) {
        Progress::Waits | Progress::Yields => Some(State::Moving(pump)),
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
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Link] {
        &mut self.0
    }

    /// How long the session may sleep for all the links know.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let patience = |link: &Link| match &link.state {
            // It could go on at once.
            Some(State::Moving(pump)) if pump.interest().is_none() => Some(Duration::ZERO),
            Some(State::Leased(_, true)) => Some(FRESH_REST),
            _ => None,
        };
        self.0.iter().filter_map(patience).min()
    }

    /// Whether nothing here needs the session before its client's next command.
    pub(crate) fn may_rest(&self) -> bool {
        let rests = |link: &Link| matches!(link.state, Some(State::Leased(_, true) | State::Ready(_)));
        self.0.iter().all(rests)
    }

    /// A client is expected on this port.
    pub(crate) fn expect(&mut self, id: LinkId, port: Arc<Port>) {
        self.0.push(Link::new(id, State::Leased(Watch::new(port), true)));
    }

    /// Somebody else accepted the expected connection. Whether it is still expected, the core knows.
    pub(crate) fn arrived(&mut self, arrived: Arrived, tell: Tell<'_>) {
        self.0.push(Link::arrived(arrived, tell));
    }

    /// Begins an active-mode connection.
    pub(crate) fn connect(&mut self, id: LinkId, spec: &ConnectSpec, tell: Tell<'_>) {
        match net::connect(spec) {
            Ok(dialled) => {
                let mut link = Link::new(id, State::Connecting(dialled.socket));
                if dialled.complete {
                    link.state = link.state.take().and_then(|state| match state {
                        State::Connecting(socket) => link.finish_connect(socket, tell),
                        other => Some(other),
                    });
                }
                if link.state.is_some() {
                    self.0.push(link);
                }
            }
            Err(error) => tell(Event::LinkFailed(id, error)),
        }
    }

    /// Begins a TLS handshake, with a first turn at once.
    pub(crate) fn secure(&mut self, id: LinkId, mut handshake: Box<Handshake>, tell: Tell<'_>) {
        if let Some(link) = self.0.iter_mut().find(|link| link.id == id)
            && let Some(State::Ready(socket)) = link.state.take_if(|state| matches!(state, State::Ready(_)))
        {
            link.state = Some(link.go_on_securing(Securing::new(socket, handshake), tell));
        } else {
            // It broke a moment ago, and the core does not know yet.
            handshake.fail(LinkError::Reset);
            tell(Event::Secured(id, handshake));
        }
    }

    /// Begins a transfer, with a first turn at once.
    pub(crate) fn start(
        &mut self,
        owner: &Owner<'_>,
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
        if let Some(state) = pump_on(owner, pump, FIRST_BUDGET, tell) {
            self.0.push(Link::new(id, state));
        }
    }

    /// Ends a transfer in its middle.
    pub(crate) fn abort(&mut self, owner: &Owner<'_>, transfer: TransferId, tell: Tell<'_>) {
        self.0.retain_mut(|link| match link.state.take() {
            Some(State::Moving(mut pump)) if pump.transfer() == transfer => {
                pump.fail(EndReason::Aborted);
                link.state = pump_on(owner, pump, BUDGET, tell);
                link.state.is_some()
            }
            state => {
                link.state = state;
                true
            }
        });
    }

    /// Forgets a link; its socket is closed.
    pub(crate) fn forget(&mut self, id: LinkId) {
        self.0.retain(|link| link.id != id);
    }

    /// Goes on with everything poll(2) found.
    pub(crate) fn attend(&mut self, owner: &Owner<'_>, tell: Tell<'_>) {
        let mut arrivals = Vec::new();
        self.0.retain_mut(|link| link.attend(owner, &mut arrivals, tell));
        self.0.append(&mut arrivals);
    }
}
