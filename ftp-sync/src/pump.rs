//! Moves a transfer's bytes between its socket and its [`Pipe`], which says what to do next.
//!
//! Where nothing has to be transformed the bytes don't come through here at all: downloads go by sendfile,
//! uploads that prove to be large by splice (Linux; elsewhere by large reads and writes).

use crate::links::Tell;
use crate::net;
use crate::wait::Clock;
use ftp_proto::event::{Event, LinkError, TransferId};
use ftp_proto::host::StorageError;
use ftp_proto::time::Now;
use ftp_proto::transfer::{Direction, EndReason, Pipe, Step, TransferEnd};
use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What one read from a socket takes, and one read of a file where there is no sendfile.
const PIECE: usize = 64 << 10;
/// The same once an upload that goes through its pipe has proven to be large (TLS): fewer system calls.
const PIPED_PIECE: usize = 256 << 10;
/// What one sendfile or splice moves at most.
const LARGE_PIECE: u64 = 1 << 20;

/// How far a run of the pump came.
pub(crate) enum Progress {
    /// Until the socket has something for it, or takes something from it.
    Waits,
    /// Until its budget was used up; it could go on.
    Yields,
    /// To the end.
    Ended(TransferEnd),
}

/// How an upload goes past the pipe.
enum Bulk {
    /// With reads and writes: nobody knows yet whether it is large.
    Copy,
    /// Through this pipe of the kernel.
    Splice(OwnedFd, OwnedFd),
    /// With reads and writes, since the system can't do better for this file.
    CopyOnly,
}

/// Why a direct move stopped.
enum Stop {
    /// The socket would block.
    Blocked,
    Socket(io::Error),
    Storage(io::Error),
}

/// One running transfer.
pub(crate) struct Pump {
    transfer: TransferId,
    pipe: Box<Pipe>,
    socket: Option<TcpStream>,
    /// What the socket is waited for; `None`: nothing.
    waits_for: Option<PollFlags>,
    moved: u64,
    buffer: Vec<u8>,
    bulk: Bulk,
}

impl Pump {
    /// Without a socket it can only fail.
    pub(crate) fn new(transfer: TransferId, pipe: Box<Pipe>, socket: Option<TcpStream>) -> Self {
        Self { transfer, pipe, socket, waits_for: None, moved: 0, buffer: Vec::new(), bulk: Bulk::Copy }
    }

    pub(crate) fn transfer(&self) -> TransferId {
        self.transfer
    }

    /// What poll(2) has to watch; `None`: it can go on at once.
    pub(crate) fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        Some((self.socket.as_ref()?.as_fd(), self.waits_for?))
    }

    /// Stops it; the next run leads to its end.
    pub(crate) fn fail(&mut self, why: EndReason) {
        if let Some(socket) = &self.socket {
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.waits_for = None;
        self.pipe.fail(why);
    }

    /// Moves about `budget` bytes, or as many as the socket takes or gives.
    pub(crate) fn run(&mut self, clock: &Clock, budget: u64, tell: Tell<'_>) -> Progress {
        let mut left = budget;
        self.waits_for = None;
        loop {
            let now = clock.now();
            let before = self.moved;
            match self.pipe.step(now) {
                Step::Write => self.write(now),
                Step::Read => self.read(now),
                Step::Direct { offset, len } => self.move_directly(now, offset, len),
                Step::Turn => {
                    // A turn may block, so that the session must not wait for many of them.
                    left = left.saturating_sub(PIECE as u64);
                    if catch_unwind(AssertUnwindSafe(|| self.pipe.turn())).is_err() {
                        return Progress::Ended(self.panicked());
                    }
                }
                Step::Marked(mark) => tell(Event::Marked(self.transfer, mark)),
                Step::Report(bytes) => tell(Event::Moved(self.transfer, bytes)),
                Step::End(end) => {
                    self.close(end.outcome.is_ok());
                    return Progress::Ended(end);
                }
            }
            if self.waits_for.is_some() {
                return Progress::Waits;
            }
            left = left.saturating_sub(self.moved - before);
            if left == 0 {
                return Progress::Yields;
            }
        }
    }

    /// After a panic nothing of the pipe can be relied on.
    fn panicked(&mut self) -> TransferEnd {
        self.socket = None;
        TransferEnd::failed(self.moved, EndReason::Panicked)
    }

    fn close(&mut self, well: bool) {
        let Some(socket) = self.socket.take() else { return };
        // Under TLS the last word may be ours whichever way the bytes went.
        if self.pipe.is_secure() || (well && self.pipe.direction() == Direction::Download) {
            net::close_gently(socket);
        }
    }

    fn write(&mut self, now: Now) {
        let written = match &self.socket {
            Some(socket) => (&*socket).write(self.pipe.transmit()),
            None => Err(io::ErrorKind::ConnectionReset.into()),
        };
        match written {
            Ok(count) => {
                self.moved += count as u64;
                self.pipe.transmitted(now, count);
            }
            Err(error) => self.socket_stopped(error, PollFlags::OUT),
        }
    }

    fn read(&mut self, now: Now) {
        match self.fill_buffer(u64::MAX) {
            Ok(()) => {
                self.moved += self.buffer.len() as u64;
                self.pipe.receive_in_place(now, &mut self.buffer);
            }
            Err(error) => self.socket_stopped(error, PollFlags::IN),
        }
    }

    /// Reads once, so many bytes at most; empty at the end of the stream.
    fn fill_buffer(&mut self, most: u64) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.reserve(if self.moved < PIPED_PIECE as u64 { PIECE } else { PIPED_PIECE });
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::ConnectionReset)?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if most < self.buffer.capacity() {
            self.buffer.resize(most, 0);
            let count = recv(socket, self.buffer.as_mut_slice(), RecvFlags::empty())?.0;
            self.buffer.truncate(count);
        } else {
            recv(socket, spare_capacity(&mut self.buffer), RecvFlags::empty())?;
        }
        Ok(())
    }

    fn socket_stopped(&mut self, error: io::Error, flags: PollFlags) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.waits_for = Some(flags),
            io::ErrorKind::Interrupted => {}
            _ => self.pipe.fail(EndReason::Link(LinkError::from(&error))),
        }
    }

    fn move_directly(&mut self, now: Now, offset: u64, len: u64) {
        let (result, flags) = match self.pipe.direction() {
            Direction::Download => (self.send_file(offset, len), PollFlags::OUT),
            Direction::Upload => (self.receive_file(offset, len), PollFlags::IN),
        };
        match result {
            Ok(count) => {
                self.moved += count;
                self.pipe.moved_directly(now, count);
            }
            Err(Stop::Blocked) => self.waits_for = Some(flags),
            Err(Stop::Socket(error)) => self.socket_stopped(error, flags),
            Err(Stop::Storage(error)) => self.pipe.fail(EndReason::Storage(StorageError::from(error))),
        }
    }

    /// From the file to the socket; 0 at the end of the file.
    fn send_file(&mut self, offset: u64, len: u64) -> Result<u64, Stop> {
        let (Some(file), Some(socket)) = (self.pipe.os_file(), &self.socket) else {
            return Err(Stop::Socket(io::ErrorKind::ConnectionReset.into()));
        };
        #[cfg(target_os = "linux")]
        if matches!(self.bulk, Bulk::Copy) {
            let mut at = offset;
            let want = usize::try_from(len.min(LARGE_PIECE)).unwrap_or(PIECE);
            match rustix::fs::sendfile(socket, file, Some(&mut at), want) {
                Ok(count) => return Ok(count as u64),
                Err(Errno::AGAIN) => return Err(Stop::Blocked),
                Err(Errno::INTR) => return Err(Stop::Socket(Errno::INTR.into())),
                Err(error @ (Errno::IO | Errno::OVERFLOW)) => return Err(Stop::Storage(error.into())),
                // Not every file system can.
                Err(Errno::INVAL | Errno::NOSYS) => self.bulk = Bulk::CopyOnly,
                Err(error) => return Err(Stop::Socket(error.into())),
            }
        }
        self.buffer.resize(PIECE, 0);
        let want = usize::try_from(len).unwrap_or(PIECE).min(PIECE);
        let piece = self.buffer.get_mut(..want).unwrap_or_default();
        let count = file.read_at(piece, offset).map_err(Stop::Storage)?;
        match piece.get(..count) {
            Some(piece) if count > 0 => {
                (&*socket).write(piece).map(|count| count as u64).map_err(Stop::Socket)
            }
            _ => Ok(0),
        }
    }

    /// From the socket to the file; 0 at the end of the stream. The first bytes are copied, which is the
    /// quickest way for small files; an upload that fills the buffer goes on by splice.
    fn receive_file(&mut self, offset: u64, len: u64) -> Result<u64, Stop> {
        #[cfg(target_os = "linux")]
        if let Bulk::Splice(from, to) = &self.bulk {
            let (Some(file), Some(socket)) = (self.pipe.os_file(), &self.socket) else {
                return Err(Stop::Socket(io::ErrorKind::ConnectionReset.into()));
            };
            let (count, usable) = splice_through(socket, (from, to), file, offset, len)?;
            if !usable {
                self.bulk = Bulk::CopyOnly;
            }
            if count > 0 || usable {
                return Ok(count);
            }
        }
        self.fill_buffer(len).map_err(Stop::Socket)?;
        let Some(file) = self.pipe.os_file() else {
            return Err(Stop::Storage(io::ErrorKind::Unsupported.into()));
        };
        file.write_all_at(&self.buffer, offset).map_err(Stop::Storage)?;
        if self.buffer.len() >= PIECE && matches!(self.bulk, Bulk::Copy) {
            self.bulk = large_pipe().unwrap_or(Bulk::CopyOnly);
        }
        Ok(self.buffer.len() as u64)
    }
}

/// A pipe of the kernel for splice. A small one (users have a quota of pipe memory) would be slower than
/// copying.
#[cfg(target_os = "linux")]
fn large_pipe() -> Option<Bulk> {
    use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
    let (from, to) = pipe_with(PipeFlags::CLOEXEC).ok()?;
    fcntl_setpipe_size(&to, usize::try_from(LARGE_PIECE).ok()?).ok()?;
    Some(Bulk::Splice(from, to))
}

#[cfg(not(target_os = "linux"))]
fn large_pipe() -> Option<Bulk> {
    None
}

/// One splice from the socket into the pipe, and all of it on into the file: the pipe is empty before and
/// after. The bytes moved (0 at the end of the stream), and whether splice works here.
#[cfg(target_os = "linux")]
fn splice_through(
    socket: &TcpStream,
    pipe: (&OwnedFd, &OwnedFd),
    file: &std::fs::File,
    offset: u64,
    len: u64,
) -> Result<(u64, bool), Stop> {
    use rustix::pipe::{SpliceFlags, splice};
    let want = usize::try_from(len.min(LARGE_PIECE)).unwrap_or(PIECE);
    let came = match splice(socket, None, pipe.1, None, want, SpliceFlags::MOVE | SpliceFlags::NONBLOCK) {
        Ok(count) => count,
        Err(Errno::AGAIN) => return Err(Stop::Blocked),
        Err(Errno::INVAL | Errno::NOSYS) => return Ok((0, false)),
        Err(error) => return Err(Stop::Socket(error.into())),
    };
    let (mut at, mut left) = (offset, came);
    while left > 0 {
        match splice(pipe.0, None, file, Some(&mut at), left, SpliceFlags::MOVE) {
            Ok(0) => return Err(Stop::Storage(io::ErrorKind::WriteZero.into())),
            Ok(count) => left -= count.min(left),
            Err(Errno::INTR) => {}
            // The file can't be spliced into; what is in the pipe is written the other way.
            Err(Errno::INVAL | Errno::NOSYS) => {
                copy_out(pipe.0, file, at, left).map_err(Stop::Storage)?;
                return Ok((came as u64, false));
            }
            Err(error) => return Err(Stop::Storage(error.into())),
        }
    }
    Ok((came as u64, true))
}

#[cfg(target_os = "linux")]
#[inline(never)]
fn copy_out(pipe: &OwnedFd, file: &std::fs::File, mut at: u64, mut left: usize) -> io::Result<()> {
    let mut buffer = [0u8; 4096];
    while left > 0 {
        let want = left.min(buffer.len());
        let count = rustix::io::read(pipe, buffer.get_mut(..want).unwrap_or_default())?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all_at(buffer.get(..count).unwrap_or_default(), at)?;
        at += count as u64;
        left -= count.min(left);
    }
    Ok(())
}
