//! Connections that balancers pass on: by the PROXY protocol they say for whom.
//!
//! Theory of operation: a control connection from a trusted address is a session that knows nothing but its header; when
//! it is whole, the session asks here whether that client may come in. A data connection is [`Undecided`] first: the
//! adapter accepts it under the port's lock as any other, puts it aside, and has it decided when the header is whole. The
//! lock isn't held meanwhile, so the count of the leases at that time goes along: what was leased later never gets it.

use super::Server;
use crate::event::{Answer, Arrival, LinkId, SessionId};
use crate::notice::{Notice, Refusal};
use crate::proxy::{Origin, PATIENCE, Problem, Reader, Undecided};
use crate::session::canonical;
use crate::time::Now;
use core::net::SocketAddr;

/// How many data connections may wait for their headers. Only balancers can make any, and those send the header first.
const MOST_UNDECIDED: usize = 1024;

/// By what it is known whose a data connection is.
#[derive(Debug)]
pub enum Naming {
    /// By the address of its peer: call [`Server::route`].
    Peer,
    /// By its PROXY header: read that first, then call [`Server::decide`]. It has to be called exactly once.
    Header(Undecided),
    /// There are too many of the kind: close it.
    TooMany,
}

impl Server {
    /// Whether a session may go on as what its balancer said.
    pub(super) fn introduce(&mut self, now: Now, session: SessionId, origin: Origin) -> Answer {
        let Some(known) = self.sessions.arrival(session) else {
            return Answer::TurnedAway { why: Refusal::ShuttingDown };
        };
        let arrival = match origin {
            Origin::Client { source, destination } => Arrival { local: destination, peer: source, ..known },
            Origin::Balancer => known,
        };
        let admitted = if self.draining {
            Err(Refusal::ShuttingDown)
        } else {
            let banned = self.check_ban(now, arrival.peer.ip());
            banned.and_then(|()| self.sessions.introduce(&self.config.limits, session, arrival))
        };
        match admitted {
            Ok(()) => {
                self.make_room();
                Answer::Introduced { local: arrival.local, peer: arrival.peer }
            }
            Err(why) => {
                self.notify(Notice::SessionRefused { peer: arrival.peer, why });
                Answer::TurnedAway { why }
            }
        }
    }

    /// A connection was accepted on a passive port: how it will be known whose it is. Asked under the port's lock, as
    /// [`route`](Self::route) is.
    pub fn naming(&mut self, now: Now, port: u16, peer: SocketAddr) -> Naming {
        let balancer = canonical(peer);
        if !self.config.proxy.data || !self.config.proxy.trusts(balancer.ip()) {
            return Naming::Peer;
        }
        if self.undecided >= MOST_UNDECIDED {
            self.notify(Notice::NoProxyHeader { balancer, port, problem: Problem::TooMany });
            return Naming::TooMany;
        }
        self.undecided += 1;
        Naming::Header(Undecided {
            port,
            balancer,
            activations: self.pool.activations(),
            until: now.mono + PATIENCE,
            reader: Reader::default(),
            ended: false,
        })
    }

    /// Whom a balancer's connection belongs to, its name there, and its client; `None`: close it. As with
    /// [`route`](Self::route), but that no lock is needed.
    pub fn decide(&mut self, now: Now, undecided: Undecided) -> Option<(SessionId, LinkId, SocketAddr)> {
        self.undecided = self.undecided.saturating_sub(1);
        let Undecided { port, balancer, activations, reader, ended, .. } = undecided;
        let peer = match reader.outcome() {
            Some(Ok(Origin::Client { source, .. })) => source,
            Some(Ok(Origin::Balancer)) if self.pool.expects(port, balancer.ip()) => balancer,
            // It looks whether the port is open.
            Some(Ok(Origin::Balancer)) => return None,
            Some(Err(_)) | None => {
                self.refuse_unnamed(port, balancer, reader.problem(ended));
                return None;
            }
        };
        self.route_as_of(now, port, peer, activations).map(|(session, link)| (session, link, peer))
    }

    fn refuse_unnamed(&mut self, port: u16, balancer: SocketAddr, problem: Problem) {
        if problem != Problem::Silent {
            self.notify(Notice::NoProxyHeader { balancer, port, problem });
            self.tell_of_stranger(port, balancer);
        }
    }

    /// How many data connections wait to be decided.
    #[cfg(any(test, feature = "testing"))]
    pub fn undecided(&self) -> usize {
        self.undecided
    }
}
