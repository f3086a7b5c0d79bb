//! What all sessions share: admission, passive ports, shutdown. One [`Server`] per process, behind one short
//! lock.

use crate::config::Config;
use crate::connection::Connection;
use crate::event::{Answer, Arrival, LinkId, News, Request, SessionId, Task};
use crate::host::Accounts;
use crate::time::{Instant, Now};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// What becomes of a control connection.
pub enum Admission {
    /// It is served by this machine.
    Accepted(SessionId, Box<Connection>),
    /// Write these bytes, then close.
    Refused(Vec<u8>),
}

/// What all sessions share.
pub struct Server {
    config: Arc<Config>,
    accounts: Arc<dyn Accounts>,
}

impl Server {
    /// A server that asks for its ports to be opened: poll its tasks at once. `seed` is for choices that
    /// nobody should foresee (which port is leased).
    pub fn new(config: Arc<Config>, accounts: Arc<dyn Accounts>, seed: u64) -> Self {
        let _ = seed;
        Self { config, accounts }
    }

    /// A control connection was accepted.
    pub fn admit(&mut self, now: Now, arrival: Arrival) -> Admission {
        let id = SessionId(0);
        Admission::Accepted(
            id,
            Box::new(Connection::new(now, id, Arc::clone(&self.config), Arc::clone(&self.accounts), arrival)),
        )
    }

    /// Answers a session's question, at once.
    pub fn consult(&mut self, now: Now, request: Request) -> Answer {
        let _ = (now, request);
        todo!()
    }

    /// The port of this lease was drained: from now on its client is routed to it.
    pub fn activate(&mut self, now: Now, session: SessionId, link: LinkId) {
        let _ = (now, session, link);
    }

    /// Whom a connection to a passive port belongs to; `None`: close it. A lease that is routed to is used
    /// up and its port free again at once.
    pub fn route(&mut self, now: Now, port: u16, peer: SocketAddr) -> Option<(SessionId, LinkId)> {
        let _ = (now, port, peer);
        None
    }

    /// Something happened outside.
    pub fn handle(&mut self, now: Now, news: News) {
        let _ = (now, news);
    }

    /// The deadline has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        let _ = now;
    }

    /// The next thing to do; poll until `None` after every call.
    pub fn poll_task(&mut self) -> Option<Task> {
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// New settings, for what begins from now on.
    pub fn reconfigure(&mut self, now: Now, config: Arc<Config>) {
        let _ = now;
        self.config = config;
    }

    /// No new sessions (421); idle ones end, running transfers have this long.
    pub fn drain(&mut self, now: Now, grace: Duration) {
        let _ = (now, grace);
    }

    /// Ends a session; `false` if there is none of that name.
    pub fn kick(&mut self, now: Now, session: SessionId) -> bool {
        let _ = (now, session);
        false
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        0
    }

    /// The passive ports that are open, in order.
    pub fn open_ports(&self) -> Vec<u16> {
        Vec::new()
    }
}
