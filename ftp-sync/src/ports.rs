//! The passive listeners: opened once, shared by all sessions.
//!
//! One lock per port covers "accept and route" and "drain and activate": without it a connection accepted
//! before a lease but routed after it would reach the new lease. Sessions accept on the port they leased by
//! themselves and hand on what belongs to others; the [sweeper](crate::sweeper) looks after the rest.

use crate::net::{self, AcceptTrouble};
use crate::shared::Shared;
use crate::wait::lock;
use ftp_proto::event::{LinkId, SessionId};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// How many sessions sleep on one port's listener: a connection wakes all of them, and one is enough to hand
/// it to the right one. Should none be left, the sweeper is.
const WATCHERS: usize = 4;
/// How many connections are accepted in one go, so that a flood can't hold a thread: as many as can wait. (Linux lets one
/// more wait than it was told.)
const BATCH: usize = net::BACKLOG as usize + 1;

/// One open port.
pub(crate) struct Port {
    number: u16,
    listener: TcpListener,
    turn: Mutex<()>,
    watchers: AtomicUsize,
}

/// A data connection that came to somebody's wait.
pub(crate) struct Arrived {
    /// Its name in its session.
    pub(crate) link: LinkId,
    pub(crate) socket: TcpStream,
    pub(crate) peer: SocketAddr,
}

/// The outcome of looking into a port's backlog.
pub(crate) enum Haul {
    /// A connection that was looked for; there may be more.
    Mine(Arrived),
    /// Not there; whatever was has been routed.
    Empty,
    /// The system has no descriptors left.
    Exhausted,
}

impl Port {
    /// Accepts what waits and routes it; stops at a connection that came to the wait `mine`.
    pub(crate) fn accept_and_route(&self, shared: &Shared, mine: Option<(SessionId, LinkId)>) -> Haul {
        let _turn = lock(&self.turn);
        self.empty(shared, mine)
    }

    /// Routes or closes all that came before this lease, then lets the lease have what comes from now on. `false` if there
    /// was something that could not even be accepted: the lease must not be used.
    #[must_use]
    pub(crate) fn drain_and_activate(&self, shared: &Shared, session: SessionId, link: LinkId) -> bool {
        let _turn = lock(&self.turn);
        let is_drained = !net::somebody_waits(&self.listener) || self.drain(shared);
        if is_drained {
            shared.with_server(|server, now| server.activate(now, session, link));
        }
        is_drained
    }

    /// Without descriptors it takes one by one, in place of the reserve: most are nobody's, and closed at once.
    fn drain(&self, shared: &Shared) -> bool {
        let take_one = || {
            let (socket, peer) = net::accept(&self.listener).ok()?;
            shared.route(self.number, socket, peer, None);
            Some(())
        };
        for _ in 0..BATCH {
            if !matches!(self.empty(shared, None), Haul::Exhausted) {
                return true;
            }
            if shared.reserve.lend(take_one).is_none() {
                break;
            }
        }
        !net::somebody_waits(&self.listener)
    }

    fn empty(&self, shared: &Shared, mine: Option<(SessionId, LinkId)>) -> Haul {
        for _ in 0..BATCH {
            match net::accept(&self.listener) {
                Ok((socket, peer)) => {
                    if let Some(arrived) = shared.route(self.number, socket, peer, mine) {
                        return Haul::Mine(arrived);
                    }
                }
                Err(error) => match AcceptTrouble::from(&error) {
                    AcceptTrouble::Gone => {}
                    AcceptTrouble::Nobody | AcceptTrouble::Closed => return Haul::Empty,
                    AcceptTrouble::Exhausted => return Haul::Exhausted,
                },
            }
        }
        Haul::Empty
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// A session's place at a port's listener. Whether it watches it depends on how many others do.
pub(crate) struct Watch {
    pub(crate) port: Arc<Port>,
    watching: bool,
}

impl Watch {
    pub(crate) fn new(port: Arc<Port>) -> Self {
        let watching = port.watchers.fetch_add(1, Ordering::SeqCst) < WATCHERS;
        if !watching {
            port.watchers.fetch_sub(1, Ordering::SeqCst);
        }
        Self { port, watching }
    }

    pub(crate) fn is_watching(&self) -> bool {
        self.watching
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.watching {
            self.port.watchers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// All open ports.
pub(crate) struct Ports {
    address: IpAddr,
    open: Mutex<BTreeMap<u16, Arc<Port>>>,
}

impl Ports {
    /// No port yet; all of them will be on this address.
    pub(crate) fn new(address: IpAddr) -> Self {
        Self { address, open: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) fn get(&self, number: u16) -> Option<Arc<Port>> {
        lock(&self.open).get(&number).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Port>> {
        lock(&self.open).values().cloned().collect()
    }

    /// Opens a port, 0 for any free one; the number it got.
    pub(crate) fn open(&self, number: u16) -> io::Result<u16> {
        let listener = net::listen_passive(self.address, number)?;
        let number = listener.local_addr()?.port();
        let port = Port { number, listener, turn: Mutex::new(()), watchers: AtomicUsize::new(0) };
        lock(&self.open).insert(number, Arc::new(port));
        Ok(number)
    }

    pub(crate) fn close(&self, number: u16) {
        lock(&self.open).remove(&number);
    }

    pub(crate) fn close_all(&self) {
        lock(&self.open).clear();
    }
}
