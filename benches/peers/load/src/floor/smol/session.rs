//! One control connection: read, parse, act and answer without an await between; a future only for what has to wait.

use super::reactor::{Readiness, once};
use super::transfer::{Transfer, transfer};
use super::{Server, Slot};
use crate::pool::{Inbox as _, accept, open};
use crate::speech::{GREETING, fixed, line, split};
use rustix::fs::{OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, recv, send};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

/// The longest file that is sent without leaving the executor.
pub(super) const SMALL: u64 = 65536;
/// The longest batch of commands that is read at once.
const COMMANDS: usize = 8192;

thread_local! {
    /// Input and replies, which belong to the thread: an idle session has no buffer.
    pub(super) static SCRATCH: RefCell<(Box<[u8]>, Vec<u8>)> = RefCell::new((vec![0; 65536].into(), Vec::new()));
}

pub(super) struct Session {
    peer: IpAddr,
    partition: u8,
    pub(super) lease: Option<u16>,
    pub(super) slot: Option<Arc<Slot>>,
    /// What came behind the last command and was not looked at yet.
    rest: Vec<u8>,
}

/// What is left to do after the commands that were done at once.
enum Next {
    More,
    Quit,
    Transfer(Box<Transfer>),
}

pub(super) async fn run<R: Readiness>(
    client: OwnedFd,
    peer: IpAddr,
    partition: usize,
    server: &'static Server,
) -> io::Result<()> {
    rustix::net::sockopt::set_tcp_nodelay(&client, true)?;
    send(&client, GREETING, SendFlags::NOSIGNAL)?;
    let control = R::register(client)?;
    let partition = u8::try_from(partition).unwrap_or(0);
    let mut session = Session { peer, partition, lease: None, slot: None, rest: Vec::new() };
    let mut wait = true;
    loop {
        if wait {
            poll_fn(|context| control.poll_readable(context)).await?;
        }
        let Some((next, unsent)) = session.turn(&control, server, &mut wait)? else { continue };
        match next {
            Next::More if unsent.is_empty() => {}
            Next::More => Box::pin(send_all(&control, &unsent)).await?,
            Next::Quit => return Ok(()),
            Next::Transfer(what) => {
                Box::pin(transfer(&control, &mut session, server, *what, unsent)).await?;
                if !session.catch_up(&control, server).await? {
                    return Ok(());
                }
            }
        }
    }
}

impl Session {
    /// Reads, acts and answers; what could not be sent comes back.
    fn turn<R: Readiness>(
        &mut self,
        control: &R,
        server: &Server,
        wait: &mut bool,
    ) -> io::Result<Option<(Next, Vec<u8>)>> {
        SCRATCH.with_borrow_mut(|(buffer, replies)| {
            let input = &mut buffer[..COMMANDS];
            replies.clear();
            let old = self.rest.len();
            input[..old].copy_from_slice(&self.rest);
            let length = match recv(control, &mut input[old..], RecvFlags::empty()) {
                Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((length, _)) => length,
                Err(Errno::AGAIN) => {
                    *wait = true;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            };
            let filled = old + length;
            if filled < COMMANDS {
                control.drained(); // A short read: nothing is left, the next turn waits.
            }
            *wait = filled < COMMANDS;
            let (used, next) = self.commands(server, &input[..filled], replies);
            if used < filled || old > 0 {
                self.rest = input[used..filled].to_vec();
            }
            let mut unsent = Vec::new();
            if !replies.is_empty() && matches!(next, Next::More | Next::Quit) {
                match send(control, replies, SendFlags::NOSIGNAL) {
                    Ok(sent) if sent == replies.len() => {}
                    Ok(sent) => unsent = replies[sent..].to_vec(),
                    Err(Errno::AGAIN) => unsent.clone_from(replies),
                    Err(error) => return Err(error.into()),
                }
            } else if !replies.is_empty() {
                unsent.clone_from(replies);
            }
            Ok(Some((next, unsent)))
        })
    }

    /// What came behind a transfer command. Whether the session goes on.
    async fn catch_up<R: Readiness>(&mut self, control: &R, server: &'static Server) -> io::Result<bool> {
        while !self.rest.is_empty() {
            let input = std::mem::take(&mut self.rest);
            let mut replies = Vec::new();
            let (used, next) = self.commands(server, &input, &mut replies);
            self.rest = input[used..].to_vec();
            match next {
                Next::More => {
                    Box::pin(send_all(control, &replies)).await?;
                    break;
                }
                Next::Quit => {
                    Box::pin(send_all(control, &replies)).await?;
                    return Ok(false);
                }
                Next::Transfer(what) => Box::pin(transfer(control, self, server, *what, replies)).await?,
            }
        }
        Ok(true)
    }

    fn listen(&mut self, server: &Server, replies: &mut Vec<u8>) {
        let slot = self.slot.get_or_insert_default();
        match self.lease {
            Some(port) => server.pool.empty(port, self.peer, slot),
            None => self.lease = server.pool.lease(usize::from(self.partition), self.peer, slot),
        }
        // Writing into a vector can't fail.
        let _ = match self.lease {
            Some(port) => write!(replies, "229 ok (|||{}|)\r\n", server.pool.first + port),
            None => write!(replies, "425 all ports are waiting\r\n"),
        };
    }

    /// The data connection, if it is there.
    pub(super) fn arrived(&mut self, server: &Server) -> Option<OwnedFd> {
        let port = self.lease?;
        while let Ok((connection, from)) =
            accept(&server.pool.listeners[usize::from(port)], SocketFlags::NONBLOCK)
        {
            if from == self.peer {
                server.pool.route(port, from);
                self.lease = None;
                return Some(connection);
            }
            server.pool.hand_on(port, from, connection);
        }
        let connection = self.slot.as_ref()?.take()?;
        self.lease = None;
        Some(connection)
    }

    /// Does at once what can't block. How much of the input was used, and what is left to do.
    fn commands(&mut self, server: &Server, input: &[u8], replies: &mut Vec<u8>) -> (usize, Next) {
        let mut used = 0;
        while let Some((command, next)) = line(&input[used..]) {
            let (verb, argument) = split(command);
            used += next;
            match verb {
                b"EPSV" => self.listen(server, replies),
                b"RETR" | b"STOR" | b"LIST" | b"NLST" | b"MLSD" => {
                    if self.lease.is_none() {
                        replies.extend_from_slice(b"425 no\r\n");
                        continue;
                    }
                    let connection = self.arrived(server);
                    let mut what = Transfer { kind: verb[0], path: Vec::new(), connection, file: None };
                    if verb == b"RETR" && what.small(server, argument, replies) {
                        continue;
                    }
                    what.path = argument.to_vec();
                    return (used, Next::Transfer(Box::new(what)));
                }
                b"QUIT" => {
                    replies.extend_from_slice(fixed(verb));
                    return (used, Next::Quit);
                }
                _ => replies.extend_from_slice(fixed(verb)),
            }
        }
        (used, Next::More)
    }
}

impl Transfer {
    /// Sends a small file from the page cache. Whatever is in the way, the slow path begins anew.
    fn small(&mut self, server: &Server, path: &[u8], replies: &mut Vec<u8>) -> bool {
        let Some(data) = &self.connection else { return false };
        match open(server.root.as_fd(), path, OFlags::RDONLY, ResolveFlags::CACHED) {
            Ok(file) => {
                let Ok(status) = rustix::fs::fstat(&file) else { return false };
                let size = status.st_size.unsigned_abs();
                let (file, _) = self.file.insert((file, size));
                let (Ok(length), true) = (usize::try_from(size), size <= SMALL) else { return false };
                // The socket's buffer of a new connection takes that much.
                if rustix::fs::sendfile(data, file, Some(&mut 0), length) != Ok(length) {
                    return false;
                }
                replies.extend_from_slice(b"150 go\r\n226 ok\r\n");
                true
            }
            Err(Errno::AGAIN) => false,
            Err(_) => {
                replies.extend_from_slice(b"550 no\r\n");
                true
            }
        }
    }
}

pub(super) async fn send_all<R: Readiness>(socket: &R, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(Errno::AGAIN) => once(|context| socket.poll_writable(context)).await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
