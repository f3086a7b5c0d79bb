//! What has to wait: for the data connection, for the pool of blocking threads, for a slow client.

use super::Server;
use super::reactor::{Readiness, once};
use super::session::{SCRATCH, SMALL, Session, send_all};
use crate::pool::{becomes, listing, locked, open};
use blocking::unblock;
use rustix::event::PollFlags;
use rustix::fs::{OFlags, ResolveFlags};
use rustix::io::{Errno, pwrite};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// What one call of sendfile or splice moves at most.
const PIECE: usize = 1 << 20;
/// What one stay on the pool moves at most.
const STAY: u64 = 64 << 20;
/// How long the pool waits for a fast client, in milliseconds, before the reactor does.
const LINGER: i64 = 2;

pub(super) struct Transfer {
    /// The first letter of the command.
    pub(super) kind: u8,
    pub(super) path: Vec<u8>,
    pub(super) connection: Option<OwnedFd>,
    /// An open file and its size.
    pub(super) file: Option<(OwnedFd, u64)>,
}

/// A data socket, registered with the reactor only when it would block.
enum Data<R> {
    Plain(OwnedFd),
    Registered(R),
    /// Only while it is being registered.
    Gone,
}

impl<R: Readiness> Data<R> {
    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Self::Plain(fd) => Ok(fd.as_fd()),
            Self::Registered(registered) => Ok(registered.as_fd()),
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn registered(&mut self) -> io::Result<&R> {
        if matches!(self, Self::Plain(_))
            && let Self::Plain(fd) = std::mem::replace(self, Self::Gone)
        {
            *self = Self::Registered(R::register(fd)?);
        }
        match self {
            Self::Registered(registered) => Ok(registered),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn readable(&mut self) -> io::Result<()> {
        let registered = self.registered()?;
        once(|context| registered.poll_readable(context)).await
    }

    async fn writable(&mut self) -> io::Result<()> {
        let registered = self.registered()?;
        once(|context| registered.poll_writable(context)).await
    }
}

pub(super) async fn transfer<R: Readiness>(
    control: &R,
    session: &mut Session,
    server: &'static Server,
    mut what: Transfer,
    mut replies: Vec<u8>,
) -> io::Result<()> {
    let connection = match what.connection.take() {
        Some(connection) => connection,
        None => arrival::<R>(session, server).await?,
    };
    let mut data: Data<R> = Data::Plain(connection);
    let path = what.path;
    match what.kind {
        b'R' => {
            let opened = match what.file.take() {
                Some(opened) => Ok(opened),
                None => unblock(move || open_file(server, &path)).await,
            };
            let Ok((file, size)) = opened else {
                replies.extend_from_slice(b"550 no\r\n");
                return send_all(control, &replies).await;
            };
            replies.extend_from_slice(b"150 go\r\n");
            if size > SMALL {
                send_all(control, &replies).await?;
                replies.clear();
            }
            download(&mut data, file, size).await?;
        }
        b'S' => {
            // RESOLVE_CACHED never creates, so the pool opens.
            let create = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
            let file = unblock(move || open(server.root.as_fd(), &path, create, ResolveFlags::empty())).await;
            let Ok(file) = file else {
                replies.extend_from_slice(b"550 no\r\n");
                return send_all(control, &replies).await;
            };
            replies.extend_from_slice(b"150 go\r\n");
            send_all(control, &replies).await?;
            replies.clear();
            upload(&mut data, file).await?;
        }
        kind => {
            let text = unblock(move || listing(server.root.as_fd(), &path, kind)).await;
            replies.extend_from_slice(b"150 go\r\n");
            if text.len() > 65536 {
                send_all(control, &replies).await?;
                replies.clear();
            }
            let mut left = &text[..];
            while !left.is_empty() {
                match send(data.fd()?, left, SendFlags::NOSIGNAL) {
                    Ok(sent) => left = &left[sent..],
                    Err(Errno::AGAIN) => data.writable().await?,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    drop(data);
    replies.extend_from_slice(b"226 ok\r\n");
    send_all(control, &replies).await
}

/// Rare: a client that connects late.
async fn arrival<R: Readiness>(session: &mut Session, server: &'static Server) -> io::Result<OwnedFd> {
    let gone = || io::Error::from(io::ErrorKind::NotConnected);
    let port = session.lease.ok_or_else(gone)?;
    let slot = session.slot.clone().ok_or_else(gone)?;
    let listener = R::register_duplicate(server.pool.listeners[usize::from(port)].try_clone()?)?;
    loop {
        if let Some(connection) = session.arrived(server) {
            return Ok(connection);
        }
        once(|context| {
            locked(&slot.0).1 = Some(context.waker().clone());
            listener.poll_readable(context)
        })
        .await?;
    }
}

fn open_file(server: &Server, path: &[u8]) -> rustix::io::Result<(OwnedFd, u64)> {
    let file = open(server.root.as_fd(), path, OFlags::RDONLY, ResolveFlags::empty())?;
    let size = rustix::fs::fstat(&file)?.st_size.unsigned_abs();
    Ok((file, size))
}

async fn download<R: Readiness>(data: &mut Data<R>, file: OwnedFd, size: u64) -> io::Result<()> {
    let mut offset = 0u64;
    if size <= SMALL {
        while offset < size {
            let left = usize::try_from(size - offset).unwrap_or(PIECE);
            match rustix::fs::sendfile(data.fd()?, &file, Some(&mut offset), left) {
                Ok(0) => break,
                Ok(_) => {}
                Err(Errno::AGAIN) => data.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        return Ok(());
    }
    // Bulk belongs to the pool for as long as it does not wait for the client: the executor stays free, the kernel
    // shares the processors out, a cold page cache hurts nobody. The reactor waits for slow clients.
    let both = Arc::new((file, data.fd()?.try_clone_to_owned()?));
    while offset < size {
        let both = Arc::clone(&both);
        let (reached, result) = unblock(move || send_stay(&both.0, &both.1, offset, size)).await;
        offset = reached;
        match result {
            Ok(()) => {}
            Err(Errno::AGAIN) => data.writable().await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// On the pool. How far it came, and why no further.
fn send_stay(file: &OwnedFd, data: &OwnedFd, mut offset: u64, size: u64) -> (u64, rustix::io::Result<()>) {
    let end = size.min(offset + STAY);
    while offset < end {
        let piece = usize::try_from(end - offset).unwrap_or(PIECE).min(PIECE);
        match rustix::fs::sendfile(data, file, Some(&mut offset), piece) {
            Ok(0) => return (offset, Err(Errno::IO)),
            Ok(_) => {}
            // A fast client makes room at once: waiting here spares the way through the reactor.
            Err(Errno::AGAIN) if becomes(data, PollFlags::OUT, LINGER) => {}
            Err(error) => return (offset, Err(error)),
        }
    }
    (offset, Ok(()))
}

/// The first 64 KiB by read and write (small uploads end there), then pieces through a pipe.
async fn upload<R: Readiness>(data: &mut Data<R>, file: OwnedFd) -> io::Result<()> {
    let mut offset = 0u64;
    let mut reads = 0;
    while reads < 2 {
        let length = SCRATCH.with_borrow_mut(|(buffer, _)| -> io::Result<Option<usize>> {
            let length = match recv(data.fd()?, &mut buffer[..], RecvFlags::empty()) {
                Err(Errno::AGAIN) => return Ok(None),
                received => received?.0,
            };
            let mut written = 0;
            while written < length {
                written += pwrite(&file, &buffer[written..length], offset + written as u64)?;
            }
            Ok(Some(length))
        })?;
        match length {
            None => data.readable().await?,
            Some(0) => return Ok(()),
            Some(length) => {
                offset += length as u64;
                reads += if length == 65536 { 2 } else { 1 };
            }
        }
    }
    let (from, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let _ = fcntl_setpipe_size(&into, PIECE);
    let all = Arc::new((data.fd()?.try_clone_to_owned()?, file, from, into));
    loop {
        let all = Arc::clone(&all);
        let (reached, result) = unblock(move || receive_stay(&all.0, &all.1, (&all.2, &all.3), offset)).await;
        offset = reached;
        match result {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(Errno::AGAIN) => data.readable().await?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// On the pool: up to the end (true), for so many bytes, or until nothing comes for a while.
fn receive_stay(
    data: &OwnedFd,
    file: &OwnedFd,
    (from, into): (&OwnedFd, &OwnedFd),
    mut offset: u64,
) -> (u64, rustix::io::Result<bool>) {
    let end = offset + STAY;
    let onwards = SpliceFlags::MOVE | SpliceFlags::MORE | SpliceFlags::NONBLOCK;
    while offset < end {
        match splice(data, None, into, None, PIECE, onwards) {
            Ok(0) => return (offset, Ok(true)),
            Ok(mut left) => {
                while left > 0 {
                    match splice(from, None, file, Some(&mut offset), left, SpliceFlags::MOVE) {
                        Ok(moved) => left -= moved,
                        Err(error) => return (offset, Err(error)),
                    }
                }
            }
            Err(Errno::AGAIN) if becomes(data, PollFlags::IN, LINGER) => {}
            Err(error) => return (offset, Err(error)),
        }
    }
    (offset, Ok(false))
}
