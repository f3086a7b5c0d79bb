//! One control connection: the facade an adapter drives. Nothing but plumbing between the session, which knows the
//! protocol, and the wire, which may be under TLS.

use crate::config::Config;
use crate::event::{Action, Arrival, Event, SessionId};
use crate::host::Accounts;
use crate::session::Session;
use crate::time::{Instant, Now};
use crate::tls::Tls;
use crate::wire::Wire;
use alloc::boxed::Box;
use alloc::sync::Arc;

/// One control connection. The [crate documentation](crate) has the contract.
#[derive(Debug)]
pub struct Connection {
    /// Apart, so that what makes and moves connections needs little of a thread's stack, whose pages stay with a session.
    session: Box<Session>,
    wire: Wire,
    /// When what TLS still has to send is given up, once the session has ended.
    linger: Option<Instant>,
}

impl Connection {
    /// A fresh control connection; [`Server::admit`](crate::Server::admit) makes them.
    pub fn new(
        now: Now,
        id: SessionId,
        config: Arc<Config>,
        accounts: Arc<dyn Accounts>,
        tls: Option<Arc<dyn Tls>>,
        arrival: Arrival,
    ) -> Self {
        let session = Box::new(Session::new(now, id, config, accounts, tls, arrival));
        let mut connection = Self { session, wire: Wire::default(), linger: None };
        connection.settle(now);
        connection
    }

    /// Its name.
    pub fn id(&self) -> SessionId {
        self.session.id
    }

    /// Bytes came from the client. All of them are kept until their turn comes, and a line of one byte takes many times as
    /// much, so that an adapter reads little at a time (those here 1 KiB), and only while [`wants_input`](Self::wants_input).
    pub fn receive(&mut self, now: Now, bytes: &[u8]) {
        let bytes = self.session.introduce(now, bytes);
        if !bytes.is_empty() {
            self.wire.receive(now, bytes, &mut self.session);
        }
        self.settle(now);
    }

    /// Something happened outside.
    pub fn handle(&mut self, now: Now, event: Event) {
        let client_left = matches!(event, Event::PeerClosed);
        self.session.handle(now, event);
        if client_left && self.session.is_finished() {
            self.wire.discard();
        }
        self.settle(now);
    }

    /// The deadline has passed (calling it early does no harm).
    pub fn handle_timeout(&mut self, now: Now) {
        self.session.handle_timeout(now);
        self.wire.handle_timeout(now);
        if self.linger.is_some_and(|linger| linger <= now.mono) {
            self.wire.discard();
        }
        self.settle(now);
    }

    /// This many bytes of [`transmit`](Self::transmit) were written.
    pub fn transmitted(&mut self, now: Now, len: usize) {
        self.wire.transmitted(now, len, &mut self.session);
        self.settle(now);
    }

    /// What waits to be written, in one call: a 227 or 229 has a slice of its own.
    pub fn transmit(&self) -> &[u8] {
        self.wire.transmit(&self.session)
    }

    /// The next thing to do; poll until `None` before sleeping.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.session.poll_action()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; `Some` while the session is alive.
    pub fn deadline(&self) -> Option<Instant> {
        [self.session.deadline(), self.wire.deadline(), self.linger].into_iter().flatten().min()
    }

    /// `false`: do not read from the client now. That is all there is to back-pressure.
    pub fn wants_input(&self) -> bool {
        self.session.wants_input() && self.wire.wants_input()
    }

    /// `true`: only the client's next command can bring this session on. All other news may wait for a moment, so an
    /// adapter may sleep in a read of the control connection alone, as long as it looks for the rest now and then.
    pub fn awaits_command(&self) -> bool {
        self.session.awaits_command() && self.wants_input() && self.transmit().is_empty()
    }

    /// Everything was sent, or waited for long enough: drop the connection and its links, and tell the server
    /// `News::Gone`.
    pub fn is_finished(&self) -> bool {
        self.session.is_finished() && self.wire.is_empty()
    }

    /// How much memory is held for what came and for what is to be sent, in bytes.
    #[cfg(any(test, feature = "testing"))]
    pub fn held(&self) -> (usize, usize) {
        let ((session_in, session_out), (wire_in, wire_out)) = (self.session.held(), self.wire.held());
        (session_in + wire_in, session_out + wire_out)
    }

    fn settle(&mut self, now: Now) {
        if let Some(said) = self.session.take_beginning() {
            self.session.open(now);
            // Implicit TLS begins before the first word.
            self.wire.settle(now, &mut self.session);
            self.session.greet();
            if !said.is_empty() {
                self.wire.settle(now, &mut self.session);
                self.wire.receive(now, &said, &mut self.session);
            }
        }
        self.wire.settle(now, &mut self.session);
        if !self.session.is_finished() || self.wire.is_empty() {
            self.linger = None;
        } else if self.linger.is_none() {
            self.linger = Some(now.mono + self.session.config.timeouts.linger);
        }
    }
}
