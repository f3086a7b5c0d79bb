//! The data connection's machine.
//!
//! Theory of operation: a session has one link at a time. PASV and EPSV lead through `Leasing` to `Waiting`,
//! PORT and EPRT to `Given`. A passive link is `Ready` when its client has come, whether before or after the
//! transfer command; an active one is dialled only at the transfer command. `Moving` belongs to the adapter's
//! pump until it reports the end. `Lost` remembers why a link was of no use, for the transfer command that
//! asks for it. Nothing here knows of commands, replies or files: each input gives the next state and, where
//! something has to be done outside, [`Effect`]s.

use crate::diagnose::{Cause, Setup};
use crate::event::{LinkError, LinkId, TransferId};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// Strangers remembered for the verdict.
const MAX_STRANGERS: usize = 4;

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
    Moving(Moving),
    Lost(Lost),
}

/// The server was asked for a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leasing {
    pub(crate) link: LinkId,
}

/// A port was announced; nobody has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) link: LinkId,
    pub(crate) advertised: IpAddr,
    pub(crate) port: u16,
    /// Announced by EPSV.
    pub(crate) extended: bool,
    pub(crate) strangers: Vec<SocketAddr>,
}

/// The client gave an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) target: SocketAddr,
}

/// The adapter connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialing {
    pub(crate) link: LinkId,
    pub(crate) target: SocketAddr,
}

/// There is a data connection and no transfer yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) link: LinkId,
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
    Leased { link: LinkId, port: u16, advertised: IpAddr, extended: bool },
    /// The server has no port.
    NoPort { link: LinkId, cause: Cause },
    /// The client came to the port.
    Arrived { link: LinkId },
    /// Somebody else did.
    Stranger { link: LinkId, peer: SocketAddr },
    /// A transfer command needs the connection; `link` names it if it has to be dialled.
    Dial { link: LinkId },
    /// The dialled connection is up.
    Connected { link: LinkId },
    /// It failed, or broke before the transfer.
    Failed { link: LinkId, error: LinkError },
    /// A transfer begins on the ready connection.
    Begin { transfer: TransferId },
    /// The transfer ended.
    Ended { transfer: TransferId },
    /// The data connection's deadline has passed.
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
    /// The link became ready: a transfer that waits can begin.
    BecameReady(LinkId),
    /// The link was lost: a transfer that waits fails.
    BecameLost,
    /// Tell the adapter to stop the transfer.
    Abort(TransferId),
}

pub(crate) type Effects = Vec<Effect>;

impl Waiting {
    fn setup(&self) -> Setup {
        Setup::Passive { advertised: self.advertised, port: self.port, extended: self.extended }
    }
}

impl Link {
    /// The next state, and what it asks for. An input that does not fit, a stale one above all, changes nothing
    /// but for a lease or connection that nobody wants any more: that is given back.
    pub(crate) fn step(self, input: Input) -> (Self, Effects) {
        match (self, input) {
            (Self::Leasing(leasing), Input::Leased { link, port, advertised, extended })
                if leasing.link == link =>
            {
                let strangers = Vec::new();
                (Self::Waiting(Waiting { link, advertised, port, extended, strangers }), Vec::new())
            }
            (state, Input::Leased { link, .. }) => {
                (state, [Effect::Release(link), Effect::Drop(link)].into())
            }
            (Self::Leasing(leasing), Input::NoPort { link, cause }) if leasing.link == link => {
                lost(None, cause, [].into())
            }
            (Self::Waiting(waiting), Input::Arrived { link }) if waiting.link == link => {
                (Self::Ready(Ready { link, setup: waiting.setup() }), [Effect::BecameReady(link)].into())
            }
            (state, Input::Arrived { link } | Input::Connected { link }) if state.link() != Some(link) => {
                (state, [Effect::Drop(link)].into())
            }
            (Self::Waiting(mut waiting), Input::Stranger { link, peer }) if waiting.link == link => {
                if waiting.strangers.len() < MAX_STRANGERS {
                    waiting.strangers.push(peer);
                }
                (Self::Waiting(waiting), Vec::new())
            }
            (Self::Waiting(waiting), Input::Expired) => {
                let effects = [Effect::Release(waiting.link), Effect::Drop(waiting.link)].into();
                let setup = waiting.setup();
                let cause = if waiting.strangers.is_empty() {
                    Cause::NobodyConnected
                } else {
                    Cause::WrongPeer(waiting.strangers)
                };
                lost(Some(setup), cause, effects)
            }
            (Self::Given(given), Input::Dial { link }) => (
                Self::Dialing(Dialing { link, target: given.target }),
                [Effect::Connect(link, given.target)].into(),
            ),
            (Self::Dialing(dialing), Input::Connected { link }) if dialing.link == link => {
                let setup = Setup::Active(dialing.target);
                (Self::Ready(Ready { link, setup }), [Effect::BecameReady(link)].into())
            }
            (Self::Dialing(dialing), Input::Failed { link, error }) if dialing.link == link => lost(
                Some(Setup::Active(dialing.target)),
                Cause::ConnectFailed(error),
                [Effect::Drop(link)].into(),
            ),
            (Self::Dialing(dialing), Input::Expired) => {
                let cause = Cause::ConnectFailed(LinkError::TimedOut);
                lost(Some(Setup::Active(dialing.target)), cause, [Effect::Drop(dialing.link)].into())
            }
            (Self::Ready(ready), Input::Failed { link, error }) if ready.link == link => {
                lost(Some(ready.setup), Cause::PeerLeft(error), [Effect::Drop(link)].into())
            }
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

    fn reset(self) -> (Self, Effects) {
        let effects = match self {
            Self::Idle | Self::Given(_) | Self::Lost(_) => Vec::new(),
            Self::Leasing(Leasing { link }) | Self::Waiting(Waiting { link, .. }) => {
                [Effect::Release(link), Effect::Drop(link)].into()
            }
            Self::Dialing(Dialing { link, .. }) | Self::Ready(Ready { link, .. }) => {
                [Effect::Drop(link)].into()
            }
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
            Self::Leasing(Leasing { link })
            | Self::Waiting(Waiting { link, .. })
            | Self::Dialing(Dialing { link, .. })
            | Self::Ready(Ready { link, .. })
            | Self::Moving(Moving { link, .. }) => Some(*link),
            Self::Idle | Self::Given(_) | Self::Lost(_) => None,
        }
    }

    /// How the data connection was or is to be made.
    pub(crate) fn setup(&self) -> Option<Setup> {
        match self {
            Self::Waiting(waiting) => Some(waiting.setup()),
            Self::Given(Given { target }) | Self::Dialing(Dialing { target, .. }) => {
                Some(Setup::Active(*target))
            }
            Self::Ready(Ready { setup, .. }) | Self::Moving(Moving { setup, .. }) => Some(*setup),
            Self::Lost(lost) => lost.setup,
            Self::Idle | Self::Leasing(_) => None,
        }
    }
}

fn lost(setup: Option<Setup>, cause: Cause, mut effects: Effects) -> (Link, Effects) {
    effects.push(Effect::BecameLost);
    (Link::Lost(Lost { setup, cause, noted: false }), effects)
}

#[cfg(test)]
mod tests;
