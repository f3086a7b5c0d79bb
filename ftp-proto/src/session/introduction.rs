//! How a session begins: at once, or with a balancer's word about whose it is (PROXY protocol), before which nothing else
//! happens.

use super::Session;
use super::timers::Timer;
use crate::event::{Action, Request};
use crate::notice::{Notice, Refusal};
use crate::proxy::{PATIENCE, Problem, Reader};
use crate::reply::Reply;
use crate::time::Now;
use alloc::boxed::Box;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// How far it has come.
#[derive(Debug)]
pub(super) enum Introduction {
    /// The header isn't whole yet.
    Awaited(Box<Reader>),
    /// The server is asked whether the client may come in; this is what the client has said already.
    Asked(Vec<u8>),
    /// The session can begin; this is what the client has said already.
    Complete(Vec<u8>),
    /// It has begun.
    Over,
}

impl Introduction {
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Awaited(reader) => reader.held(),
            Self::Asked(rest) | Self::Complete(rest) => rest.capacity(),
            Self::Over => 0,
        }
    }

    /// Whether nothing more can be taken before the server has answered.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self, Self::Asked(_))
    }
}

impl Session {
    /// A balancer's connection: wait for its header.
    pub(super) fn await_header(&mut self, now: Now) {
        self.introduction = Introduction::Awaited(Box::default());
        self.timers.set(Timer::Header, now.mono + PATIENCE);
    }

    /// What came, unless the session has begun: then it is all given back.
    pub(crate) fn introduce<'a>(&mut self, now: Now, bytes: &'a [u8]) -> &'a [u8] {
        if !self.is_serving() && !self.introduction.is_over() {
            return &[];
        }
        let reader = match &mut self.introduction {
            Introduction::Over => return bytes,
            Introduction::Asked(rest) | Introduction::Complete(rest) => {
                rest.extend_from_slice(bytes);
                return &[];
            }
            Introduction::Awaited(reader) => reader,
        };
        let rest = bytes.get(reader.offer(bytes)..).unwrap_or_default();
        match reader.outcome() {
            None => {}
            Some(Ok(origin)) => {
                self.timers.clear(Timer::Header);
                self.introduction = Introduction::Asked(rest.to_vec());
                self.actions.push_back(Action::Consult(Request::Introduce { session: self.id, origin }));
                self.keep_a_deadline(now);
            }
            Some(Err(fault)) => self.refuse_balancer(now, Problem::Invalid(fault)),
        }
        &[]
    }

    /// The client may come in, if it is still there.
    pub(super) fn introduced(&mut self, local: SocketAddr, peer: SocketAddr) {
        if self.is_serving()
            && let Introduction::Asked(rest) = &mut self.introduction
        {
            self.introduction = Introduction::Complete(core::mem::take(rest));
            (self.local, self.peer) = (local, peer);
        }
    }

    /// It may not. The server has told the log.
    pub(super) fn turned_away(&mut self, now: Now, why: Refusal) {
        if self.introduction.is_asked() {
            self.finish(now, Reply::with(421, why.to_string()), "turned away");
        }
    }

    /// Begins, if it is time for that; what the client has said already.
    pub(crate) fn take_beginning(&mut self) -> Option<Vec<u8>> {
        match &mut self.introduction {
            Introduction::Complete(rest) => {
                let rest = core::mem::take(rest);
                self.introduction = Introduction::Over;
                Some(rest)
            }
            Introduction::Awaited(_) | Introduction::Asked(_) | Introduction::Over => None,
        }
    }

    pub(super) fn header_overdue(&mut self, now: Now) {
        if let Introduction::Awaited(reader) = &self.introduction {
            self.refuse_balancer(now, reader.problem(false));
        }
    }

    /// The balancer has closed the connection before its header was whole.
    pub(super) fn balancer_left(&mut self) {
        if let Introduction::Awaited(reader) = &self.introduction {
            let problem = reader.problem(true);
            if problem != Problem::Silent && self.is_serving() {
                self.note_balancer(problem);
            }
        }
    }

    /// Its client, if there is one, waits for a greeting and learns whom to ask.
    fn refuse_balancer(&mut self, now: Now, problem: Problem) {
        self.note_balancer(problem);
        let text = "The connection came through a balancer that does not say whose it is (PROXY protocol); tell the \
                    administrator.";
        self.finish(now, Reply::new(421, text), "no PROXY header");
    }

    fn note_balancer(&mut self, problem: Problem) {
        self.notify(Notice::NoProxyHeader { balancer: self.peer, port: self.listener.port(), problem });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Connection;
    use crate::config::{Network, Proxy, Settings};
    use crate::event::{Answer, Arrival, Event, SessionId};
    use crate::testing::MemoryAccounts;
    use crate::testing::balancer::text_header;
    use alloc::sync::Arc;

    #[test]
    fn who_leaves_before_the_server_has_answered_has_had_no_session() {
        let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let (local, client, balancer) = (at("198.51.100.1:21"), at("203.0.113.5:4000"), at("10.0.0.9:6000"));
        let trusted = Network::new(balancer.ip(), 32).into_iter().collect();
        let settings = Settings { proxy: Proxy { trusted, data: true }, ..Settings::default() };
        let config = Arc::new(settings.validate().unwrap());
        let (now, accounts) = (Now::default(), Arc::new(MemoryAccounts::new()));
        let arrival = Arrival::new(local, balancer);
        let mut connection = Connection::new(now, SessionId(1), config, accounts, None, arrival);
        connection.receive(now, &text_header(client, local));
        connection.handle(now, Event::PeerClosed);
        connection.handle(now, Event::Answer(Answer::Introduced { local, peer: client }));
        assert!(connection.is_finished() && connection.transmit().is_empty());
        let told = core::iter::from_fn(|| connection.poll_action());
        let told: Vec<Action> = told.filter(|action| matches!(action, Action::Notify(_))).collect();
        assert!(told.is_empty(), "{told:?}");
    }
}
