//! One control connection: the facade an adapter drives. Nothing but plumbing.

use crate::config::Config;
use crate::event::{Action, Arrival, Event, SessionId};
use crate::host::Accounts;
use crate::session::Session;
use crate::time::{Instant, Now};
use alloc::sync::Arc;

/// One control connection. The [crate documentation](crate) has the contract.
#[derive(Debug)]
pub struct Connection {
    session: Session,
}

impl Connection {
    /// A fresh control connection; [`Server::admit`](crate::Server::admit) makes them.
    pub fn new(
        now: Now,
        id: SessionId,
        config: Arc<Config>,
        accounts: Arc<dyn Accounts>,
        arrival: Arrival,
    ) -> Self {
        Self { session: Session::new(now, id, config, accounts, arrival) }
    }

    /// Its name.
    pub fn id(&self) -> SessionId {
        self.session.id
    }

    /// Bytes came from the client.
    pub fn receive(&mut self, now: Now, bytes: &[u8]) {
        self.session.receive(now, bytes);
    }

    /// Something happened outside.
    pub fn handle(&mut self, now: Now, event: Event) {
        self.session.handle(now, event);
    }

    /// The deadline has passed (calling it early does no harm).
    pub fn handle_timeout(&mut self, now: Now) {
        self.session.handle_timeout(now);
    }

    /// This many bytes of [`transmit`](Self::transmit) were written.
    pub fn transmitted(&mut self, now: Now, len: usize) {
        self.session.transmitted(now, len);
    }

    /// What waits to be written, in one call: a 227 or 229 has a slice of its own.
    pub fn transmit(&self) -> &[u8] {
        self.session.transmit()
    }

    /// The next thing to do; poll until `None` before sleeping.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.session.poll_action()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; `Some` while the session is alive.
    pub fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    /// `false`: do not read from the client now. That is all there is to back-pressure.
    pub fn wants_input(&self) -> bool {
        self.session.wants_input()
    }

    /// Everything was sent, or waited for long enough: drop the connection and its links, and tell the server
    /// `News::Gone`.
    pub fn is_finished(&self) -> bool {
        self.session.is_finished()
    }
}
