//! The floor under a server with a thread per session whose passive listeners are shared and opened once. Who accepts
//! on them is the question: one thread for all (it routes, and wakes the session that waits), or the session on the
//! port that it leased, with a sweeper beside it for whatever nobody accepts.

use crate::Failure;
use crate::pool::{Inbox, Pool, accept, listen, listing, locked, open};
use crate::speech::{GREETING, fixed, line, split};
use rustix::event::{EventfdFlags, PollFd, PollFlags, epoll, eventfd, poll};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::net::{RecvFlags, SendFlags, SocketFlags, recv, send};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many threads wait for sessions at most.
const SPARE: usize = 32;
const STACK: usize = 64 * 1024;
/// How long a connection may lie in a backlog before the sweeper takes it.
const REST: Duration = Duration::from_millis(50);

/// One per session that ever leased a port.
struct Slot {
    connection: Mutex<Option<OwnedFd>>,
    thread: std::thread::Thread,
    /// Of sessions that accept by themselves: they wait in poll(2).
    event: Option<OwnedFd>,
}

impl Inbox for Slot {
    fn deliver(&self, connection: OwnedFd) {
        *locked(&self.connection) = Some(connection);
        match &self.event {
            Some(event) => drop(rustix::io::write(event, &1u64.to_ne_bytes())),
            // A system call only if it is parked.
            None => self.thread.unpark(),
        }
    }

    fn take(&self) -> Option<OwnedFd> {
        locked(&self.connection).take()
    }
}

struct Server {
    pool: Pool<Slot>,
    root: OwnedFd,
    sessions_accept: bool,
}

pub(crate) fn serve(sessions_accept: bool, port: u16, root: &str, range: (u16, u16)) -> Result<(), Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags, Mode::empty())?;
    let server: &'static Server =
        Box::leak(Box::new(Server { pool: Pool::open(range, 1)?, root, sessions_accept }));
    let listener: &'static OwnedFd = Box::leak(Box::new(listen(port, false)?));
    let set = server.pool.set()?;
    spawn(listener, server);
    if sessions_accept {
        sweep(server, &set)
    }
    loop {
        server.pool.accept_next(&set);
    }
}

/// Whatever has lain in a backlog for a while is routed or closed, so that strays can't stay and fill it. Asleep while
/// nothing arrives, and at most twenty turns a second.
fn sweep(server: &Server, set: &OwnedFd) -> ! {
    loop {
        let nothing = epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) };
        let _ = epoll::wait(set, &mut [nothing][..], None);
        std::thread::sleep(REST);
        server.pool.sweep(set, SocketFlags::empty());
    }
}

/// Threads take turns: who accepts makes sure that another one waits, and comes back after its session.
static WAITING: AtomicUsize = AtomicUsize::new(0);

fn spawn(listener: &'static OwnedFd, server: &'static Server) {
    WAITING.fetch_add(1, Ordering::SeqCst);
    let thread = std::thread::Builder::new().stack_size(STACK);
    let _ = thread.spawn(move || work(listener, server));
}

fn work(listener: &'static OwnedFd, server: &'static Server) {
    loop {
        let Ok((control, peer)) = accept(listener, SocketFlags::empty()) else { continue };
        if WAITING.fetch_sub(1, Ordering::SeqCst) == 1 {
            spawn(listener, server);
        }
        let _ = Session { control, peer, slot: None, lease: None, server }.run();
        if WAITING.fetch_add(1, Ordering::SeqCst) >= SPARE {
            WAITING.fetch_sub(1, Ordering::SeqCst);
            return;
        }
    }
}

struct Session {
    control: OwnedFd,
    peer: IpAddr,
    slot: Option<Arc<Slot>>,
    lease: Option<u16>,
    server: &'static Server,
}

impl Session {
    fn run(&mut self) -> io::Result<()> {
        rustix::net::sockopt::set_tcp_nodelay(&self.control, true)?;
        send(&self.control, GREETING, SendFlags::NOSIGNAL)?;
        let mut buffer = [0u8; 1024];
        let mut filled = 0;
        let mut replies = Vec::new();
        loop {
            let (length, _) = recv(&self.control, &mut buffer[filled..], RecvFlags::empty())?;
            if length == 0 {
                return Ok(());
            }
            filled += length;
            let mut used = 0;
            while let Some((command, next)) = line(&buffer[used..filled]) {
                let (verb, argument) = split(command);
                used += next;
                match verb {
                    b"EPSV" => self.listen(&mut replies)?,
                    b"RETR" | b"STOR" | b"LIST" | b"NLST" | b"MLSD" => {
                        self.transfer(verb, argument, &mut replies)?;
                    }
                    _ => replies.extend_from_slice(fixed(verb)),
                }
                if verb == b"QUIT" {
                    return self.flush(&mut replies);
                }
            }
            buffer.copy_within(used..filled, 0);
            filled -= used;
            self.flush(&mut replies)?;
        }
    }

    fn flush(&self, replies: &mut Vec<u8>) -> io::Result<()> {
        send_all(&self.control, replies)?;
        replies.clear();
        Ok(())
    }

    fn listen(&mut self, replies: &mut Vec<u8>) -> io::Result<()> {
        let server = self.server;
        let slot = match &self.slot {
            Some(slot) => slot,
            None => {
                let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
                let event = server.sessions_accept.then(|| eventfd(0, flags)).transpose()?;
                let thread = std::thread::current();
                self.slot.insert(Arc::new(Slot { connection: Mutex::new(None), thread, event }))
            }
        };
        match self.lease {
            Some(port) => server.pool.empty(port, self.peer, slot),
            None => self.lease = server.pool.lease(0, self.peer, slot),
        }
        match self.lease {
            Some(port) => write!(replies, "229 ok (|||{}|)\r\n", server.pool.first + port),
            None => write!(replies, "425 all ports are waiting\r\n"),
        }
    }

    /// The data connection of this session's lease.
    // Not inlined, like all that has buffers: stack probes would touch their pages in each idle session.
    #[inline(never)]
    fn arrival(&mut self) -> io::Result<OwnedFd> {
        let port = self.lease.take().ok_or(io::ErrorKind::NotConnected)?;
        let slot = self.slot.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        if let Some(event) = &slot.event {
            return self.accept(port, slot, event);
        }
        loop {
            if let Some(connection) = slot.take() {
                return Ok(connection);
            }
            std::thread::park_timeout(Duration::from_secs(60));
        }
    }

    fn accept(&self, port: u16, slot: &Slot, event: &OwnedFd) -> io::Result<OwnedFd> {
        let pool = &self.server.pool;
        let listener = &pool.listeners[usize::from(port)];
        loop {
            match accept(listener, SocketFlags::empty()) {
                Ok((connection, from)) if from == self.peer => {
                    pool.route(port, from);
                    return Ok(connection);
                }
                Ok((connection, from)) => pool.hand_on(port, from, connection),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Some(connection) = slot.take() {
                        return Ok(connection);
                    }
                    let mut waits = [
                        PollFd::new(listener, PollFlags::IN),
                        PollFd::new(event, PollFlags::IN),
                        PollFd::new(&self.control, PollFlags::RDHUP),
                    ];
                    poll(&mut waits, None)?;
                    if !waits[2].revents().is_empty() {
                        return Err(io::ErrorKind::ConnectionReset.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    #[inline(never)]
    fn transfer(&mut self, verb: &[u8], argument: &[u8], replies: &mut Vec<u8>) -> io::Result<()> {
        let data = match self.arrival() {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                return write!(replies, "425 no\r\n");
            }
            Err(error) => return Err(error),
        };
        let root = self.server.root.as_fd();
        let whole = ResolveFlags::empty();
        match verb {
            b"RETR" => {
                let Ok(file) = open(root, argument, OFlags::RDONLY, whole) else {
                    return write!(replies, "550 no\r\n");
                };
                self.download(&data, &file, replies)?;
            }
            b"STOR" => {
                let create = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
                let Ok(file) = open(root, argument, create, whole) else {
                    return write!(replies, "550 no\r\n");
                };
                replies.extend_from_slice(b"150 go\r\n");
                self.flush(replies)?;
                upload(&data, &file)?;
            }
            _ => {
                let text = listing(root, argument, verb[0]);
                replies.extend_from_slice(b"150 go\r\n");
                if text.len() > 65536 {
                    self.flush(replies)?;
                }
                send_all(&data, &text)?;
            }
        }
        drop(data);
        replies.extend_from_slice(b"226 ok\r\n");
        Ok(())
    }

    fn download(&self, data: &OwnedFd, file: &OwnedFd, replies: &mut Vec<u8>) -> io::Result<()> {
        let size = rustix::fs::fstat(file)?.st_size.unsigned_abs();
        replies.extend_from_slice(b"150 go\r\n");
        if size > 65536 {
            self.flush(replies)?;
        }
        let mut offset = 0u64;
        while offset < size {
            let left = usize::try_from((size - offset).min(1 << 30)).unwrap_or(1 << 20);
            if rustix::fs::sendfile(data, file, Some(&mut offset), left)? == 0 {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(port) = self.lease {
            self.server.pool.route(port, self.peer); // enough for a floor
        }
    }
}

fn send_all(socket: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        bytes = &bytes[send(socket, bytes, SendFlags::NOSIGNAL)?..];
    }
    Ok(())
}

/// A small upload by read and write, a large one through a pipe.
#[inline(never)]
fn upload(data: &OwnedFd, file: &OwnedFd) -> io::Result<()> {
    let mut buffer = [0u8; 16384];
    let mut filled = 0;
    let mut ended = false;
    while filled < buffer.len() && !ended {
        let (length, _) = recv(data, &mut buffer[filled..], RecvFlags::empty())?;
        filled += length;
        ended = length == 0;
    }
    let mut written = 0;
    while written < filled {
        written += rustix::io::pwrite(file, &buffer[written..filled], written as u64)?;
    }
    if ended {
        return Ok(());
    }
    let mut offset = written as u64;
    let (from, into) = pipe_with(PipeFlags::CLOEXEC)?;
    let _ = fcntl_setpipe_size(&into, 1 << 20);
    loop {
        let mut left = splice(data, None, &into, None, 1 << 20, SpliceFlags::MOVE | SpliceFlags::MORE)?;
        if left == 0 {
            return Ok(());
        }
        while left > 0 {
            left -= splice(&from, None, file, Some(&mut offset), left, SpliceFlags::MOVE)?;
        }
    }
}
