//! What the floors with shared passive listeners have in common: every port of the range is opened once and stays
//! open; EPSV leases (port, address of the client); whoever accepts a connection routes it by both.
//!
//! One window is left open, which a server has to close by a lock per port: a thread that accepted an old connection
//! and did not route it yet while the lease is taken hands it to the new lease.

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A floor goes on whatever became of other threads.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn listen(port: u16, reuse_port: bool) -> io::Result<OwnedFd> {
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::sockopt::set_socket_reuseaddr(&socket, true)?;
    if reuse_port {
        net::sockopt::set_socket_reuseport(&socket, true)?;
    }
    net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    net::listen(&socket, 4096)?;
    Ok(socket)
}

pub(crate) fn accept(listener: impl AsFd, flags: SocketFlags) -> io::Result<(OwnedFd, IpAddr)> {
    let (client, from) = net::acceptfrom_with(listener, flags | SocketFlags::CLOEXEC)?;
    let from = from.and_then(|from| SocketAddr::try_from(from).ok());
    Ok((client, from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |from| from.ip())))
}

/// Whether the descriptor is ready, or becomes so within some milliseconds.
pub(crate) fn becomes(fd: impl AsFd, what: PollFlags, milliseconds: i64) -> bool {
    let fd = fd.as_fd();
    let wait = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
    poll(&mut [PollFd::new(&fd, what)], Some(&wait)).unwrap_or(0) > 0
}

/// Where a session gets its data connection from whoever accepted it.
pub(crate) trait Inbox {
    fn deliver(&self, connection: OwnedFd);
    fn take(&self) -> Option<OwnedFd>;
}

pub(crate) struct Pool<W> {
    pub(crate) first: u16,
    pub(crate) listeners: Vec<OwnedFd>,
    /// Ports are handed out by partition first (a partition per executor), then from the others.
    partitions: usize,
    leases: Mutex<Leases<W>>,
}

struct Leases<W> {
    /// By partition: the ports for which nobody waits.
    free: Vec<VecDeque<u16>>,
    /// By port: who waits for a connection, and from where.
    pending: Vec<Vec<(IpAddr, Arc<W>)>>,
}

impl<W: Inbox> Pool<W> {
    pub(crate) fn open((first, last): (u16, u16), partitions: usize) -> io::Result<Self> {
        let mut listeners = Vec::new();
        let mut free = vec![VecDeque::new(); partitions];
        for port in first..=last {
            let listener = listen(port, false)?;
            rustix::io::ioctl_fionbio(&listener, true)?;
            free[usize::from(port - first) % partitions].push_back(port - first);
            listeners.push(listener);
        }
        let pending = listeners.iter().map(|_| Vec::new()).collect();
        Ok(Self { first, listeners, partitions, leases: Mutex::new(Leases { free, pending }) })
    }

    /// Ports for which nobody waits first, then ports for which this client does not.
    fn pick(&self, partition: usize, peer: IpAddr, who: &Arc<W>) -> Option<u16> {
        let mut leases = locked(&self.leases);
        let free = (0..self.partitions)
            .find_map(|further| leases.free[(partition + further) % self.partitions].pop_front());
        let port = match free {
            Some(port) => port,
            None => {
                let others = |waiting: &Vec<(IpAddr, Arc<W>)>| waiting.iter().all(|(from, _)| *from != peer);
                u16::try_from(leases.pending.iter().position(others)?).ok()?
            }
        };
        leases.pending[usize::from(port)].push((peer, Arc::clone(who)));
        Some(port)
    }

    /// Takes a lease. Nothing that arrived before may reach it: what the backlog holds is routed or closed first.
    pub(crate) fn lease(&self, partition: usize, peer: IpAddr, who: &Arc<W>) -> Option<u16> {
        let port = self.pick(partition, peer, who)?;
        self.empty(port, peer, who);
        Some(port)
    }

    /// One poll(2) when the backlog is empty, as it nearly always is.
    pub(crate) fn empty(&self, port: u16, peer: IpAddr, who: &Arc<W>) {
        let listener = &self.listeners[usize::from(port)];
        while becomes(listener, PollFlags::IN, 0) {
            let Ok((connection, from)) = accept(listener, SocketFlags::empty()) else { break };
            if from != peer {
                self.hand_on(port, from, connection);
            }
        }
        if who.take().is_some() {
            // Another thread accepted an old one for us, which used the lease up.
            locked(&self.leases).pending[usize::from(port)].push((peer, Arc::clone(who)));
        }
    }

    /// Whose connection is this? Ends the lease.
    pub(crate) fn route(&self, port: u16, peer: IpAddr) -> Option<Arc<W>> {
        let mut leases = locked(&self.leases);
        let waiting = &mut leases.pending[usize::from(port)];
        let place = waiting.iter().position(|(from, _)| *from == peer)?;
        let who = waiting.swap_remove(place).1;
        if waiting.is_empty() {
            leases.free[usize::from(port) % self.partitions].push_back(port);
        }
        Some(who)
    }

    pub(crate) fn hand_on(&self, port: u16, from: IpAddr, connection: OwnedFd) {
        if let Some(who) = self.route(port, from) {
            who.deliver(connection);
        }
    }

    /// An epoll set of all listeners, level-triggered: who looks after the ports sees what nobody accepted.
    pub(crate) fn set(&self) -> io::Result<OwnedFd> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (port, listener) in self.listeners.iter().enumerate() {
            epoll::add(&set, listener, epoll::EventData::new_u64(port as u64), epoll::EventFlags::IN)?;
        }
        Ok(set)
    }

    /// Accepts what waits on the set's listeners and routes or closes it: all of it, without waiting.
    pub(crate) fn sweep(&self, set: &OwnedFd, flags: SocketFlags) {
        self.accept_on(set, flags, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }), false);
    }

    /// Waits for connections and accepts one on each port that has some. Being level-triggered, the set tells again
    /// of the others, which is cheaper than to ask each port until it says no.
    pub(crate) fn accept_next(&self, set: &OwnedFd) {
        self.accept_on(set, SocketFlags::empty(), None, true);
    }

    fn accept_on(&self, set: &OwnedFd, flags: SocketFlags, wait: Option<&Timespec>, once: bool) {
        let mut events = Vec::with_capacity(64);
        let _ = epoll::wait(set, rustix::buffer::spare_capacity(&mut events), wait);
        for event in &events {
            let Ok(port) = u16::try_from(event.data.u64()) else { continue };
            while let Ok((connection, from)) = accept(&self.listeners[usize::from(port)], flags) {
                self.hand_on(port, from, connection);
                if once {
                    break;
                }
            }
        }
    }
}

/// Opens a path that may not leave the root.
pub(crate) fn open(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    resolve: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    let path: &[u8] = if path.is_empty() { b"." } else { path };
    let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
    let resolve = resolve | ResolveFlags::IN_ROOT;
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC | OFlags::NOCTTY, mode, resolve)
}

/// The text of a listing.
// Not inlined: its buffer would be a part of each session's stack.
#[inline(never)]
pub(crate) fn listing(root: BorrowedFd<'_>, path: &[u8], kind: u8) -> Vec<u8> {
    let mut text = Vec::with_capacity(4096);
    if let Ok(folder) = open(root, path, OFlags::RDONLY | OFlags::DIRECTORY, ResolveFlags::empty()) {
        let mut entries = [MaybeUninit::<u8>::uninit(); 8192];
        crate::speech::list(&folder, kind, &mut entries, &mut text);
    }
    text
}
