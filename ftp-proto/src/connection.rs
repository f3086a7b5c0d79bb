//! One control connection: the facade an adapter drives. Nothing but plumbing.

use crate::config::Config;
use crate::event::{Action, Arrival, Event, SessionId};
use crate::host::Accounts;
use crate::time::{Instant, Now};
use alloc::sync::Arc;

/// One control connection. The crate documentation has the contract.
pub struct Connection {
    id: SessionId,
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
        let _ = (now, config, accounts, arrival);
        Self { id }
    }

    /// Its name.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Bytes came from the client.
    pub fn receive(&mut self, now: Now, bytes: &[u8]) {
        let _ = (now, bytes);
    }

    /// Something happened outside.
    pub fn handle(&mut self, now: Now, event: Event) {
        let _ = (now, event);
    }

    /// The deadline has passed (calling it early does no harm).
    pub fn handle_timeout(&mut self, now: Now) {
        let _ = now;
    }

    /// This many bytes of [`transmit`](Self::transmit) were written.
    pub fn transmitted(&mut self, now: Now, len: usize) {
        let _ = (now, len);
    }

    /// What waits to be written, in one call: a 227 or 229 has a slice of its own.
    pub fn transmit(&self) -> &[u8] {
        &[]
    }

    /// The next thing to do; poll until `None` before sleeping.
    pub fn poll_action(&mut self) -> Option<Action> {
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; `Some` while the session is alive.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// `false`: do not read from the client now. That is all there is to back-pressure.
    pub fn wants_input(&self) -> bool {
        true
    }

    /// Everything was sent, or waited for long enough: drop the connection and its links, and tell the server
    /// `News::Gone`.
    pub fn is_finished(&self) -> bool {
        true
    }
}
