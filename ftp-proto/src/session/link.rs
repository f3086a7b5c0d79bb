//! The data connection's machine.
//!
//! Theory of operation: a session has one link at a time. PASV and EPSV lead through `Leasing` to `Waiting`,
//! PORT and EPRT to `Given`. A passive link is `Ready` when its client has come, whether before or after the
//! transfer command; an active one is dialled only at the transfer command. Under TLS a wait is open: whoever comes
//! is a candidate, and the wait goes on until the handshake of one shows that it is the right one; a connection that
//! is the only one possible is `Securing` meanwhile. `Moving` belongs to the adapter's pump until it reports the
//! end. `Lost` remembers why a link was of no use, for the transfer command that asks for it. Nothing here knows of
//! commands, replies, files or TLS: each input gives the next state and, where something has to be done outside,
//! [`Effect`]s.

use crate::advertise::Advertised;
use crate::diagnose::{Cause, Form, Setup};
use crate::event::{LinkError, LinkId, TransferId};
use crate::tls::TlsError;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Strangers remembered for the verdict.
const MAX_STRANGERS: usize = 4;
/// Connections that wait for their handshake at the same time. Each costs a descriptor.
const MAX_CANDIDATES: usize = 4;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Link {
    /// No data connection was asked for.
    #[default]
    Idle,
    Leasing(Leasing),
    Waiting(Waiting),
    Given(Given),
    Dialing(Dialing),
    Ready(Ready),
    Securing(Ready),
    Moving(Moving),
    Lost(Lost),
}

/// The server was asked for a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leasing {
    pub(crate) link: LinkId,
    /// As in [`Waiting::open`].
    pub(crate) open: bool,
}

/// A port was announced; the right one has not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) link: LinkId,
    pub(crate) advertised: Advertised,
    pub(crate) port: u16,
    /// By which command it was announced.
    pub(crate) form: Form,
    /// The settings have changed since.
    pub(crate) outdated: bool,
    /// Whoever comes is only a candidate.
    pub(crate) open: bool,
    /// The candidates do their handshakes, as do all that come later.
    pub(crate) securing: bool,
    pub(crate) candidates: Vec<Candidate>,
    /// Why one from the client's own address was refused; the last one counts.
    pub(crate) refused: Option<Cause>,
    pub(crate) strangers: Vec<SocketAddr>,
}

/// A connection that may be the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) link: LinkId,
    pub(crate) peer: SocketAddr,
    /// It comes from an address of the client.
    pub(crate) own: bool,
}

/// The client gave an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) target: SocketAddr,
    /// By which command.
    pub(crate) form: Form,
}

/// The adapter connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialing {
    pub(crate) link: LinkId,
    pub(crate) given: Given,
}

impl Given {
    fn setup(&self) -> Setup {
        Setup::Active { target: self.target, form: self.form }
    }
}

/// There is a data connection and no transfer yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) link: LinkId,
    /// The other end.
    pub(crate) peer: SocketAddr,
    pub(crate) setup: Setup,
}

/// A transfer runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moving {
    pub(crate) link: LinkId,
    pub(crate) transfer: TransferId,
    pub(crate) setup: Setup,
}

/// It was of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) setup: Option<Setup>,
    pub(crate) cause: Cause,
    /// The log has its verdict.
    pub(crate) noted: bool,
}

/// What comes to a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The server leased a port.
    Leased { link: LinkId, port: u16, advertised: Advertised, form: Form },
    /// The server has no port.
    NoPort { link: LinkId, cause: Cause },
    /// A connection came to the port; `own`: from the client's address.
    Arrived { link: LinkId, peer: SocketAddr, own: bool },
    /// Somebody else did.
    Stranger { link: LinkId, peer: SocketAddr },
    /// A transfer command needs the connection; `link` names it if it has to be dialled.
    Dial { link: LinkId },
    /// The dialled connection is up.
    Connected { link: LinkId },
    /// It failed, or broke before the transfer.
    Failed { link: LinkId, error: LinkError },
    /// A transfer command needs the connection under TLS.
    Secure,
    /// This connection is the right one.
    Chosen { link: LinkId },
    /// This connection is not.
    Refused { link: LinkId, cause: Cause },
    /// A transfer begins on the ready connection.
    Begin { transfer: TransferId },
    /// The transfer ended.
    Ended { transfer: TransferId },
    /// The deadline of what is waited for has passed.
    Expired,
    /// A new PASV, PORT, REIN or the session's end makes it useless.
    Reset,
}

/// What has to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Tell the server that the lease is over.
    Release(LinkId),
    /// Tell the adapter to forget the link.
    Drop(LinkId),
    /// Tell the adapter to connect.
    Connect(LinkId, SocketAddr),
    /// Have the TLS handshake done.
    Secure(LinkId),
    /// The link became ready: a transfer that waits can begin.
    BecameReady,
    /// The link was lost: a transfer that waits fails.
    BecameLost,
    /// Those from the client's own address were refused: it was the client as a rule, and waits for its answer. Give
    /// others little time.
    Hasten,
    /// Tell the adapter to stop the transfer.
    Abort(TransferId),
}

pub(crate) type Effects = Vec<Effect>;

impl Waiting {
    fn setup(&self) -> Setup {
        Setup::Passive { advertised: self.advertised, port: self.port, form: self.form }
    }

    /// Whether a connection from the client's own address is here.
    pub(crate) fn has_own(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.own)
    }

    /// Whether those from the client's own address were refused, all of them.
    pub(crate) fn lost_its_own(&self) -> bool {
        self.refused.is_some() && !self.has_own()
    }

    /// Whether one is here that can be the right one, from the client's address or, if it may, from `elsewhere`.
    pub(crate) fn is_hopeful(&self, elsewhere: bool) -> bool {
        self.candidates.iter().any(|candidate| candidate.own || elsewhere)
    }

    /// Whether somebody has come, and nobody who can be the right one.
    pub(crate) fn has_only_strangers(&self, elsewhere: bool) -> bool {
        let is_alone = self.candidates.is_empty() && self.strangers.is_empty();
        !is_alone && !self.is_hopeful(elsewhere)
    }

    /// The candidate that is most likely the right one.
    pub(crate) fn likely(&self) -> Option<LinkId> {
        let own = self.candidates.iter().find(|candidate| candidate.own);
        own.or(self.candidates.first()).map(|candidate| candidate.link)
    }

    /// Another candidate. If there are too many, one that is less likely to be right goes: one from elsewhere, and
    /// among equals the one that has waited longest.
    fn arrived(&mut self, newcomer: Candidate) -> Effects {
        let mut effects = Vec::new();
        if self.candidates.len() >= MAX_CANDIDATES {
            let elsewhere = self.candidates.iter().position(|candidate| !candidate.own);
            match elsewhere.or(newcomer.own.then_some(0)) {
                Some(place) => effects.push(Effect::Drop(self.candidates.remove(place).link)),
                None => return [Effect::Drop(newcomer.link)].into(),
            }
        }
        self.candidates.push(newcomer);
        if self.securing {
            effects.push(Effect::Secure(newcomer.link));
        }
        effects
    }

    /// A candidate is not the right one.
    fn refuse(&mut self, link: LinkId, cause: Cause) -> Effects {
        let Some(place) = self.candidates.iter().position(|candidate| candidate.link == link) else {
            return Vec::new();
        };
        let candidate = self.candidates.remove(place);
        let mut effects = Vec::from([Effect::Drop(link)]);
        if candidate.own {
            self.refused = Some(cause);
            if self.lost_its_own() {
                effects.push(Effect::Hasten);
            }
        } else {
            self.note_stranger(candidate.peer);
        }
        effects
    }

    fn note_stranger(&mut self, peer: SocketAddr) {
        if self.strangers.len() < MAX_STRANGERS {
            self.strangers.push(peer);
        }
    }

    /// Why nobody was the right one.
    fn cause(&self) -> Cause {
        match &self.refused {
            Some(cause) => cause.clone(),
            None if self.has_own() => Cause::TlsFailed(TlsError::TimedOut),
            None if self.strangers.is_empty() && self.candidates.is_empty() => Cause::NobodyConnected,
            None => {
                let unproven = self.candidates.iter().map(|candidate| candidate.peer);
                Cause::WrongPeer(self.strangers.iter().copied().chain(unproven).take(MAX_STRANGERS).collect())
            }
        }
    }

    /// The wait is over, but for `chosen`.
    fn end(&self, chosen: Option<LinkId>) -> Effects {
        let others =
            self.candidates.iter().map(|candidate| candidate.link).filter(|link| Some(*link) != chosen);
        [Effect::Release(self.link), Effect::Drop(self.link)]
            .into_iter()
            .chain(others.map(Effect::Drop))
            .collect()
    }
}

impl Link {
    /// The next state, and what it asks for. An input that does not fit, a stale one above all, changes nothing
    /// but for a lease or connection that nobody wants any more: that is given back.
    pub(crate) fn step(self, input: Input) -> (Self, Effects) {
        match (self, input) {
            (Self::Leasing(leasing), Input::Leased { link, port, advertised, form })
                if leasing.link == link =>
            {
                let waiting = Waiting {
                    link,
                    advertised,
                    port,
                    form,
                    outdated: false,
                    open: leasing.open,
                    securing: false,
                    candidates: Vec::new(),
                    refused: None,
                    strangers: Vec::new(),
                };
                (Self::Waiting(waiting), Vec::new())
            }
            (state, Input::Leased { link, .. }) => {
                (state, [Effect::Release(link), Effect::Drop(link)].into())
            }
            (Self::Leasing(leasing), Input::NoPort { link, cause }) if leasing.link == link => {
                lost(None, cause, [].into())
            }
            // The server has not even said that it has none.
            (Self::Leasing(leasing), Input::Expired) => {
                lost(None, Cause::NoPortFree, [Effect::Release(leasing.link)].into())
            }
            (Self::Waiting(waiting), input) => Self::step_waiting(waiting, input),
            (state, Input::Arrived { link, .. } | Input::Connected { link })
                if state.link() != Some(link) =>
            {
                (state, [Effect::Drop(link)].into())
            }
            (Self::Given(given), Input::Dial { link }) => {
                let effects = [Effect::Connect(link, given.target)].into();
                (Self::Dialing(Dialing { link, given }), effects)
            }
            (Self::Dialing(dialing), Input::Connected { link }) => {
                let (peer, setup) = (dialing.given.target, dialing.given.setup());
                (Self::Ready(Ready { link, peer, setup }), [Effect::BecameReady].into())
            }
            (Self::Dialing(dialing), Input::Failed { link, error }) if dialing.link == link => {
                lost(Some(dialing.given.setup()), Cause::ConnectFailed(error), [Effect::Drop(link)].into())
            }
            (Self::Dialing(dialing), Input::Expired) => {
                let cause = Cause::ConnectFailed(LinkError::TimedOut);
                lost(Some(dialing.given.setup()), cause, [Effect::Drop(dialing.link)].into())
            }
            (Self::Ready(ready) | Self::Securing(ready), Input::Failed { link, error })
                if ready.link == link =>
            {
                lost(Some(ready.setup), Cause::PeerLeft(error), [Effect::Drop(link)].into())
            }
            (Self::Ready(ready), Input::Secure) => {
                let effects = [Effect::Secure(ready.link)].into();
                (Self::Securing(ready), effects)
            }
            (Self::Securing(ready), Input::Chosen { link }) if ready.link == link => {
                (Self::Ready(ready), Vec::new())
            }
            (Self::Securing(ready), Input::Refused { link, cause }) if ready.link == link => {
                lost(Some(ready.setup), cause, [Effect::Drop(link)].into())
            }
            (Self::Securing(ready), Input::Expired) => lost(
                Some(ready.setup),
                Cause::TlsFailed(TlsError::TimedOut),
                [Effect::Drop(ready.link)].into(),
            ),
            (Self::Ready(ready), Input::Begin { transfer }) => {
                (Self::Moving(Moving { link: ready.link, transfer, setup: ready.setup }), Vec::new())
            }
            (Self::Moving(moving), Input::Ended { transfer }) if moving.transfer == transfer => {
                (Self::Idle, [Effect::Drop(moving.link)].into())
            }
            (state, Input::Reset) => state.reset(),
            (state, _) => (state, Vec::new()),
        }
    }

    fn step_waiting(mut waiting: Waiting, input: Input) -> (Self, Effects) {
        let effects = match input {
            Input::Arrived { link, peer, own } if link.wait() == waiting.link && waiting.open => {
                waiting.arrived(Candidate { link, peer, own })
            }
            Input::Arrived { link, peer, .. } if link.wait() == waiting.link => {
                let setup = waiting.setup();
                let effects = [Effect::Drop(waiting.link), Effect::BecameReady].into();
                return (Self::Ready(Ready { link, peer, setup }), effects);
            }
            Input::Arrived { link, .. } | Input::Connected { link } => [Effect::Drop(link)].into(),
            Input::Stranger { link, peer } if link == waiting.link => {
                waiting.note_stranger(peer);
                Vec::new()
            }
            Input::Failed { link, error } => waiting.refuse(link, Cause::PeerLeft(error)),
            Input::Refused { link, cause } => waiting.refuse(link, cause),
            Input::Secure if waiting.open && !waiting.securing => {
                waiting.securing = true;
                waiting.candidates.iter().map(|candidate| Effect::Secure(candidate.link)).collect()
            }
            Input::Chosen { link } => {
                let chosen = waiting.candidates.iter().find(|candidate| candidate.link == link);
                if let Some(&Candidate { peer, .. }) = chosen {
                    let effects = waiting.end(Some(link));
                    return (Self::Ready(Ready { link, peer, setup: waiting.setup() }), effects);
                }
                Vec::new()
            }
            // Somebody is here, behind an address that may be the client's as well; it only has not said what it
            // wants. When it does, its time begins anew.
            Input::Expired if !waiting.securing && !waiting.candidates.is_empty() => Vec::new(),
            Input::Expired => return lost(Some(waiting.setup()), waiting.cause(), waiting.end(None)),
            Input::Reset => return (Self::Idle, waiting.end(None)),
            _ => Vec::new(),
        };
        (Self::Waiting(waiting), effects)
    }

    fn reset(self) -> (Self, Effects) {
        let effects = match self {
            Self::Idle | Self::Given(_) | Self::Lost(_) => Vec::new(),
            Self::Leasing(Leasing { link, .. }) => [Effect::Release(link), Effect::Drop(link)].into(),
            Self::Waiting(waiting) => waiting.end(None),
            Self::Dialing(Dialing { link, .. })
            | Self::Ready(Ready { link, .. })
            | Self::Securing(Ready { link, .. }) => [Effect::Drop(link)].into(),
            // It ends when the adapter says so.
            Self::Moving(moving) => {
                let effects = [Effect::Abort(moving.transfer)].into();
                return (Self::Moving(moving), effects);
            }
        };
        (Self::Idle, effects)
    }

    /// The link this state is about.
    pub(crate) fn link(&self) -> Option<LinkId> {
        match self {
            Self::Leasing(Leasing { link, .. })
            | Self::Waiting(Waiting { link, .. })
            | Self::Dialing(Dialing { link, .. })
            | Self::Ready(Ready { link, .. })
            | Self::Securing(Ready { link, .. })
            | Self::Moving(Moving { link, .. }) => Some(*link),
            Self::Idle | Self::Given(_) | Self::Lost(_) => None,
        }
    }

    /// How the data connection was or is to be made.
    pub(crate) fn setup(&self) -> Option<Setup> {
        match self {
            Self::Waiting(waiting) => Some(waiting.setup()),
            Self::Given(given) | Self::Dialing(Dialing { given, .. }) => Some(given.setup()),
            Self::Ready(Ready { setup, .. })
            | Self::Securing(Ready { setup, .. })
            | Self::Moving(Moving { setup, .. }) => Some(*setup),
            Self::Lost(lost) => lost.setup,
            Self::Idle | Self::Leasing(_) => None,
        }
    }

    /// The other end of a connection that waits for its handshake.
    pub(crate) fn peer_of(&self, link: LinkId) -> Option<SocketAddr> {
        match self {
            Self::Securing(ready) if ready.link == link => Some(ready.peer),
            Self::Waiting(waiting) => waiting
                .candidates
                .iter()
                .find(|candidate| candidate.link == link)
                .map(|candidate| candidate.peer),
            _ => None,
        }
    }

    /// Whether some handshake is being done.
    pub(crate) fn is_securing(&self) -> bool {
        match self {
            Self::Securing(_) => true,
            Self::Waiting(waiting) => waiting.securing && !waiting.candidates.is_empty(),
            _ => false,
        }
    }

    /// Whether a handshake of this connection is being done, and whether it comes from the client's address: the one
    /// that the server made itself does.
    pub(crate) fn securing(&self, link: LinkId) -> Option<bool> {
        match self {
            Self::Securing(ready) => (ready.link == link).then_some(true),
            Self::Waiting(waiting) if waiting.securing => waiting
                .candidates
                .iter()
                .find(|candidate| candidate.link == link)
                .map(|candidate| candidate.own),
            _ => None,
        }
    }
}

fn lost(setup: Option<Setup>, cause: Cause, mut effects: Effects) -> (Link, Effects) {
    effects.push(Effect::BecameLost);
    (Link::Lost(Lost { setup, cause, noted: false }), effects)
}

#[cfg(test)]
mod tests;
