//! Moves a transfer's bytes between its socket and its [`Pipe`], which says what to do next.
//!
//! A transfer runs in two places. On its session's executor it does only what can't block, and little of it: a
//! small file is through with that. All else is done where blocking is allowed, as long as the client keeps up;
//! then the executor waits for the socket. Bulk on an executor would starve its other sessions, since a fast
//! client never makes a socket block.
//!
//! Where nothing has to be transformed the bytes don't come through here at all: downloads go by sendfile,
//! uploads that prove to be large by splice (Linux; elsewhere by reads and writes).

use crate::links::Tell;
use crate::net;
use crate::wait::{self, Clock};
use async_io::Async;
use ftp_proto::event::{Event, LinkError, TransferId};
use ftp_proto::host::StorageError;
use ftp_proto::time::Now;
use ftp_proto::transfer::{Direction, EndReason, Mark, Pipe, Step, TransferEnd};
use rustix::event::{PollFd, PollFlags};
#[cfg(target_os = "linux")]
use rustix::io::Errno;
use std::cell::RefCell;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

/// What one read from a socket takes, and what is sent on an executor at most.
const PIECE: usize = 64 << 10;
/// The same once an upload that goes through its pipe has proven to be large (TLS): fewer system calls.
const PIPED_PIECE: usize = 256 << 10;
/// What one sendfile or splice moves at most.
#[cfg(target_os = "linux")]
const LARGE_PIECE: u64 = 1 << 20;
/// Bytes a transfer moves before others that wait for a thread have their turn.
const BUDGET: u64 = 64 << 20;
/// A client that took or gave this much without a pause is waited for on the thread: it makes room at once, which
/// spares the way through the reactor.
const FAST: u64 = 256 << 10;
/// How long it is waited for.
const LINGER: Duration = Duration::from_millis(2);
/// How often the session hears of a transfer that runs elsewhere.
const TELL_EVERY: Duration = Duration::from_millis(500);

thread_local! {
    /// What is read goes through here, so that nobody who waits has a buffer.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's buffer of [`PIECE`] bytes.
pub(crate) fn with_buffer<R>(call: impl FnOnce(&mut [u8]) -> R) -> R {
    with_buffer_of(PIECE, call)
}

/// Lends so many bytes of it.
pub(crate) fn with_buffer_of<R>(len: usize, call: impl FnOnce(&mut [u8]) -> R) -> R {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        call(buffer.get_mut(..len).unwrap_or_default())
    })
}

/// Gives the thread's buffer back.
pub(crate) fn free_buffer() {
    BUFFER.take();
}

/// How far a run came on the executor.
pub(crate) enum Progress {
    /// Until the socket has something for it, or takes something from it.
    Waits,
    /// To something that may block, or to bulk.
    Blocks,
    /// To the end.
    Ended(TransferEnd),
}

/// How far a run came where blocking is allowed.
pub(crate) enum Report {
    /// So many bytes by now; it goes on.
    Moved(TransferId, u64),
    /// So far the client may resume; it goes on.
    Marked(TransferId, Mark),
    /// The socket is to be waited for.
    Waits(Box<Pump>),
    /// The socket is closed.
    Ended(TransferId, TransferEnd),
}

/// What a session keeps of a transfer that runs elsewhere. Dropped, it stops the transfer.
pub(crate) struct Leash {
    pub(crate) transfer: TransferId,
    socket: Weak<TcpStream>,
    stop: Arc<AtomicBool>,
}

impl Leash {
    /// Stops the transfer as soon as possible; it still reports its end.
    pub(crate) fn pull(&self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(socket) = self.socket.upgrade() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // When the transfer has come back there is nobody else who would see it.
        if Arc::strong_count(&self.stop) > 1 {
            self.pull();
        }
    }
}

/// How an upload goes past the pipe.
enum Bulk {
    /// Nobody knows yet whether it is large.
    Undecided,
    /// Through this pipe of the kernel.
    #[cfg(target_os = "linux")]
    Splice(OwnedFd, OwnedFd),
}

/// Why a direct move stopped.
enum Stop {
    /// The system can't do it with this file.
    Unable,
    Socket(io::Error),
    Storage(io::Error),
}

/// Which way the socket is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Input,
    Room,
}

/// One running transfer.
pub(crate) struct Pump {
    transfer: TransferId,
    pipe: Box<Pipe>,
    /// `None`: it can only fail.
    socket: Option<Arc<TcpStream>>,
    /// The socket's place in the reactor, once it had to be waited for.
    registered: Option<Async<Arc<TcpStream>>>,
    waits_for: Option<Wanted>,
    moved: u64,
    bulk: Bulk,
    stop: Option<Arc<AtomicBool>>,
}

impl Pump {
    pub(crate) fn new(transfer: TransferId, pipe: Box<Pipe>, socket: Option<Arc<TcpStream>>) -> Self {
        let bulk = Bulk::Undecided;
        Self { transfer, pipe, socket, registered: None, waits_for: None, moved: 0, bulk, stop: None }
    }

    pub(crate) fn transfer(&self) -> TransferId {
        self.transfer
    }

    /// How much payload was moved.
    pub(crate) fn moved(&self) -> u64 {
        self.pipe.bytes()
    }

    /// Before it is sent elsewhere.
    pub(crate) fn leash(&mut self) -> Leash {
        let stop = Arc::new(AtomicBool::new(false));
        self.stop = Some(Arc::clone(&stop));
        let socket = self.socket.as_ref().map(Arc::downgrade).unwrap_or_default();
        Leash { transfer: self.transfer, socket, stop }
    }

    /// When it is back: stops it if it was told to a moment ago.
    pub(crate) fn unleash(&mut self) {
        self.heed_leash();
        self.stop = None;
    }

    fn heed_leash(&mut self) {
        if self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::SeqCst)) {
            self.fail(EndReason::Aborted);
        }
    }

    /// Stops it; the next run leads to its end.
    pub(crate) fn fail(&mut self, why: EndReason) {
        if let Some(socket) = &self.socket {
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.waits_for = None;
        self.pipe.fail(why);
    }

    /// Whether it can go on. If not, the task is woken when it can.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(wanted), Some(socket)) = (self.waits_for, &self.socket) else { return Poll::Ready(()) };
        if self.registered.is_none() {
            match Async::new_nonblocking(Arc::clone(socket)) {
                Ok(registered) => self.registered = Some(registered),
                Err(error) => {
                    self.fail(EndReason::Link(LinkError::from(&error)));
                    return Poll::Ready(());
                }
            }
        }
        let Some(registered) = &self.registered else { return Poll::Ready(()) };
        match wanted {
            Wanted::Input => registered.poll_readable(cx),
            Wanted::Room => registered.poll_writable(cx),
        }
        .map(|_| ())
    }

    /// On the executor: does what can't block.
    pub(crate) fn run_here(&mut self, clock: &Clock, tell: Tell<'_>) -> Progress {
        self.waits_for = None;
        let mut left = 2 * PIECE as u64;
        loop {
            let now = clock.now();
            let before = self.moved;
            match self.pipe.step(now) {
                Step::Write => self.write(now),
                Step::Read => self.read(now),
                Step::Direct { offset, len } => match self.pipe.direction() {
                    Direction::Download if len > PIECE as u64 => return Progress::Blocks,
                    Direction::Download => self.move_directly(now, offset, len),
                    Direction::Upload => self.read(now),
                },
                Step::Turn if self.pipe.turn_is_prepared() || self.is_short_read() => self.turn(),
                Step::Turn => return Progress::Blocks,
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
                return Progress::Blocks;
            }
        }
    }

    /// Where blocking is allowed: goes on until the client doesn't keep up or the end, and reports that. `yields`
    /// says whether others wait for the thread; the pump comes back then.
    pub(crate) fn run_there(
        mut self: Box<Self>,
        clock: &Clock,
        yields: impl Fn() -> bool,
        report: impl Fn(Report),
    ) -> Option<Box<Self>> {
        self.waits_for = None;
        let mut told = clock.now().mono;
        let mut run = Run::default();
        loop {
            let now = clock.now();
            self.heed_leash();
            let before = self.moved;
            match self.pipe.step(now) {
                Step::Write => self.write(now),
                Step::Read => self.read(now),
                // The first part of an upload is copied, which is quicker unless it proves to be large.
                Step::Direct { .. } if self.is_small_upload() => self.read(now),
                Step::Direct { offset, len } => self.move_directly(now, offset, len),
                Step::Turn => self.turn(),
                Step::Marked(mark) => report(Report::Marked(self.transfer, mark)),
                Step::Report(bytes) => {
                    if now.mono.duration_since(told) >= TELL_EVERY {
                        told = now.mono;
                        report(Report::Moved(self.transfer, bytes));
                    }
                }
                Step::End(end) => {
                    let transfer = self.transfer;
                    self.close(end.outcome.is_ok());
                    drop(self);
                    report(Report::Ended(transfer, end));
                    return None;
                }
            }
            run.count(self.moved - before);
            if self.waits_for.is_some() && !(run.is_fast() && self.linger()) {
                if !run.is_fast() {
                    // Small pieces are copied; a slow client's descriptors are better given back.
                    self.bulk = Bulk::Undecided;
                }
                report(Report::Waits(self));
                return None;
            }
            if run.is_over() {
                run = Run::default();
                if yields() {
                    return Some(self);
                }
            }
        }
    }

    fn turn(&mut self) {
        if catch_unwind(AssertUnwindSafe(|| self.pipe.turn())).is_err() {
            self.pipe.fail(EndReason::Panicked);
        }
    }

    /// Whether a turn reads a small file of the system's and does no more: as short as sendfile is, which can't be
    /// used under TLS.
    fn is_short_read(&self) -> bool {
        let size = || Some(self.pipe.os_file()?.metadata().ok()?.len());
        self.pipe.direction() == Direction::Download && size().is_some_and(|size| size <= PIECE as u64)
    }

    fn is_small_upload(&self) -> bool {
        self.moved < FAST && self.pipe.direction() == Direction::Upload
    }

    /// Waits a moment for the socket; whether that was worth it.
    fn linger(&mut self) -> bool {
        let (Some(socket), Some(wanted)) = (&self.socket, self.waits_for) else { return false };
        let flags = match wanted {
            Wanted::Input => PollFlags::IN,
            Wanted::Room => PollFlags::OUT,
        };
        let ready = wait::poll_for(&mut [PollFd::new(socket, flags)], LINGER);
        if ready {
            self.waits_for = None;
        }
        ready
    }

    fn close(&mut self, well: bool) {
        let Some(socket) = self.socket.take() else { return };
        // Under TLS the last word may be ours whichever way the bytes went.
        if self.pipe.is_secure() || (well && self.pipe.direction() == Direction::Download) {
            if self.registered.is_some() || self.stop.is_some() {
                // Others still hold it for a moment; the client shall not wait for them.
                let _ = socket.shutdown(Shutdown::Write);
            }
            net::discard_input(&socket);
        }
        self.registered = None;
    }

    fn write(&mut self, now: Now) {
        let written = match &self.socket {
            Some(socket) => (&**socket).write(self.pipe.transmit()),
            None => Err(io::ErrorKind::ConnectionReset.into()),
        };
        match written {
            Ok(count) => {
                self.moved += count as u64;
                self.pipe.transmitted(now, count);
            }
            Err(error) => self.socket_stopped(&error, Wanted::Room),
        }
    }

    fn read(&mut self, now: Now) {
        let Some(socket) = &self.socket else {
            return self.socket_stopped(&io::ErrorKind::ConnectionReset.into(), Wanted::Input);
        };
        let len = if self.moved < FAST { PIECE } else { PIPED_PIECE };
        let pipe = &mut self.pipe;
        let count = with_buffer_of(len, |buffer| {
            let count = (&**socket).read(buffer)?;
            pipe.receive_in_place(now, buffer.get_mut(..count).unwrap_or_default());
            io::Result::Ok(count)
        });
        match count {
            Ok(count) => self.moved += count as u64,
            Err(error) => self.socket_stopped(&error, Wanted::Input),
        }
    }

    fn socket_stopped(&mut self, error: &io::Error, wanted: Wanted) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.waits_for = Some(wanted),
            io::ErrorKind::Interrupted => {}
            _ => self.pipe.fail(EndReason::Link(LinkError::from(error))),
        }
    }

    fn move_directly(&mut self, now: Now, offset: u64, len: u64) {
        let (result, wanted) = match self.pipe.direction() {
            Direction::Download => (self.send_file(offset, len), Wanted::Room),
            Direction::Upload => (self.receive_file(offset, len), Wanted::Input),
        };
        match result {
            Ok(count) => {
                self.moved += count;
                self.pipe.moved_directly(now, count);
            }
            Err(Stop::Unable) => self.pipe.refuse_direct(),
            Err(Stop::Socket(error)) => self.socket_stopped(&error, wanted),
            Err(Stop::Storage(error)) => self.pipe.fail(EndReason::Storage(StorageError::from(error))),
        }
    }

    /// From the file to the socket; 0 at the end of the file.
    #[cfg(target_os = "linux")]
    fn send_file(&self, offset: u64, len: u64) -> Result<u64, Stop> {
        let (Some(file), Some(socket)) = (self.pipe.os_file(), &self.socket) else {
            return Err(Stop::Unable);
        };
        let mut at = offset;
        let want = usize::try_from(len.min(LARGE_PIECE)).unwrap_or(PIECE);
        match rustix::fs::sendfile(socket, file, Some(&mut at), want) {
            Ok(count) => Ok(count as u64),
            // Not every file system can.
            Err(Errno::INVAL | Errno::NOSYS) => Err(Stop::Unable),
            Err(error @ (Errno::IO | Errno::OVERFLOW)) => Err(Stop::Storage(error.into())),
            Err(error) => Err(Stop::Socket(error.into())),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn send_file(&self, _offset: u64, _len: u64) -> Result<u64, Stop> {
        Err(Stop::Unable)
    }

    /// From the socket to the file; 0 at the end of the stream.
    #[cfg(target_os = "linux")]
    fn receive_file(&mut self, offset: u64, len: u64) -> Result<u64, Stop> {
        if matches!(self.bulk, Bulk::Undecided) {
            self.bulk = large_pipe().ok_or(Stop::Unable)?;
        }
        let (Some(file), Some(socket)) = (self.pipe.os_file(), &self.socket) else {
            return Err(Stop::Unable);
        };
        match &self.bulk {
            Bulk::Splice(from, to) => splice_through(socket, (from, to), file, offset, len),
            Bulk::Undecided => Err(Stop::Unable),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn receive_file(&mut self, _offset: u64, _len: u64) -> Result<u64, Stop> {
        Err(Stop::Unable)
    }
}

/// What a run has moved so far.
#[derive(Default)]
struct Run {
    moved: u64,
    steps: u32,
}

impl Run {
    fn count(&mut self, moved: u64) {
        self.moved += moved;
        self.steps += 1;
    }

    fn is_fast(&self) -> bool {
        self.moved >= FAST
    }

    /// Steps count, too: some move little.
    fn is_over(&self) -> bool {
        self.moved >= BUDGET || self.steps >= 1024
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

/// One splice from the socket into the pipe, and all of it on into the file: the pipe is empty before and
/// after. The bytes moved, 0 at the end of the stream.
#[cfg(target_os = "linux")]
fn splice_through(
    socket: &TcpStream,
    pipe: (&OwnedFd, &OwnedFd),
    file: &std::fs::File,
    offset: u64,
    len: u64,
) -> Result<u64, Stop> {
    use rustix::pipe::{SpliceFlags, splice};
    let want = usize::try_from(len.min(LARGE_PIECE)).unwrap_or(PIECE);
    let came = match splice(socket, None, pipe.1, None, want, SpliceFlags::MOVE | SpliceFlags::NONBLOCK) {
        Ok(count) => count,
        Err(Errno::INVAL | Errno::NOSYS) => return Err(Stop::Unable),
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
                left = 0;
            }
            Err(error) => return Err(Stop::Storage(error.into())),
        }
    }
    Ok(came as u64)
}

#[cfg(target_os = "linux")]
fn copy_out(pipe: &OwnedFd, file: &std::fs::File, mut at: u64, mut left: usize) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    with_buffer(|buffer| {
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ftp_proto::host::File;
    use ftp_proto::transfer::Coding;
    use std::net::TcpListener;
    use std::os::unix::fs::FileExt as _;

    struct OfTheSystem(std::fs::File);

    impl File for OfTheSystem {
        fn size(&self) -> Option<u64> {
            Some(self.0.metadata().ok()?.len())
        }

        fn read_at(&mut self, offset: u64, room: &mut [u8]) -> Result<usize, StorageError> {
            self.0.read_at(room, offset).map_err(StorageError::from)
        }

        fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), StorageError> {
            Err(StorageError::Denied)
        }

        fn finish(self: Box<Self>, _: bool) -> Result<(), StorageError> {
            Ok(())
        }

        fn os_file(&self) -> Option<&std::fs::File> {
            Some(&self.0)
        }
    }

    /// With TYPE A, as under TLS, the bytes go through the pipe.
    #[test]
    fn a_small_file_is_through_on_the_executor_though_its_bytes_are_changed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for (size, stays) in [(0, true), (1000, true), (PIECE as u64, true), (PIECE as u64 + 1, false)] {
            let file = tempfile::tempfile().unwrap();
            file.set_len(size).unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (socket, _) = listener.accept().unwrap();
            socket.set_nonblocking(true).unwrap();
            let reader = std::thread::spawn(move || client.read_to_end(&mut Vec::new()));
            let pipe = Pipe::download(Box::new(OfTheSystem(file)), 0, None, Coding::ASCII);
            let mut pump = Pump::new(TransferId(1), Box::new(pipe), Some(Arc::new(socket)));
            let mut progress = Progress::Waits;
            while matches!(progress, Progress::Waits) {
                progress = pump.run_here(&Clock::new(), &mut |_| {});
            }
            assert_eq!(matches!(progress, Progress::Ended(_)), stays, "{size} bytes");
            assert_eq!(matches!(progress, Progress::Blocks), !stays, "{size} bytes");
            drop(pump);
            reader.join().unwrap().unwrap();
        }
    }
}
