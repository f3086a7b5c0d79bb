//! One transfer: the second machine an adapter drives. [`Pipe`] stands between a data socket and a file or
//! directory; it holds the codecs, opens nothing and knows no socket.

mod ascii;
mod download;
mod listing;
mod outgoing;
mod upload;

use crate::event::LinkError;
use crate::host::{Directory, File, StorageError};
use crate::listing::Listing;
use crate::time::{Instant, Now};
use crate::tls::{TlsError, TlsStream};
use alloc::boxed::Box;
use core::time::Duration;
use download::Download;
use listing::Lines;
use upload::Upload;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the client.
    Download,
    /// From the client.
    Upload,
}

/// What the pipe wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write what [`Pipe::transmit`] shows to the socket, then call [`Pipe::transmitted`].
    Write,
    /// Read from the socket, then call [`Pipe::receive`]; an empty slice means end of stream.
    Read,
    /// Call [`Pipe::turn`] where blocking is allowed.
    Turn,
    /// Move up to `len` bytes between [`Pipe::os_file`] at `offset` and the socket, then call
    /// [`Pipe::moved_directly`]; 0 means end of file (download) or end of stream (upload). On an upload the
    /// adapter may as well read from the socket and call [`Pipe::receive`], which is cheaper for little;
    /// where neither the system nor this file can do it, call [`Pipe::refuse_direct`].
    Direct {
        /// Where in the file.
        offset: u64,
        /// How many bytes at most.
        len: u64,
    },
    /// Tell the session: `Event::Moved` with these bytes.
    Report(u64),
    /// Close the socket (after a shutdown of its sending side), then tell the session: `Event::Ended`.
    End(TransferEnd),
}

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferEnd {
    /// Bytes that crossed the socket.
    pub bytes: u64,
    /// `Ok`: all of it, and an upload is published.
    pub outcome: Result<(), EndReason>,
    /// Whether the client said by TLS that it has sent all (close_notify).
    pub close_notify: bool,
}

impl TransferEnd {
    /// A failure after `bytes`.
    pub const fn failed(bytes: u64, why: EndReason) -> Self {
        Self { bytes, outcome: Err(why), close_notify: false }
    }
}

/// Why a transfer failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// The session asked for it (ABOR, stall, shutdown).
    #[error("aborted")]
    Aborted,
    /// The socket failed.
    #[error("data connection: {0}")]
    Link(LinkError),
    /// TLS on the data connection failed.
    #[error("data connection: {0}")]
    Tls(TlsError),
    /// An upload ended without close_notify, and the policy takes that for an end in the middle.
    #[error("cut off: the client did not say by TLS that it has sent all")]
    Truncated,
    /// The storage failed.
    #[error("storage: {0}")]
    Storage(StorageError),
    /// Code of the storage or the pipe panicked.
    #[error("internal error")]
    Panicked,
}

/// The machine of one transfer. Drive it: `step`, do what it says, again, until `End`. None of its methods
/// blocks but [`turn`](Self::turn).
///
/// Answers that were not asked for are ignored, so that whatever an adapter does, steps lead to `End`; once
/// there, each further step is the same `End`. If code of the storage panics within `turn`, catch it and call
/// [`fail`](Self::fail) with [`EndReason::Panicked`]: the file it happened in is never called again.
pub struct Pipe {
    work: Work,
    /// Bytes that crossed the socket.
    bytes: u64,
    reports: Reports,
    /// Set once: by the first failure, or when all is done.
    outcome: Option<Result<(), EndReason>>,
}

enum Work {
    Download(Download),
    Upload(Upload),
    Listing(Lines),
}

/// The length of a `Direct` step whose end nobody knows. Far above any file, and far enough below `u64::MAX`
/// that adding it to an offset does no harm.
const UNTIL_THE_END: u64 = 1 << 40;

impl Pipe {
    /// Sends a file from `offset` on, up to the size it had when it was opened; `ascii` turns line feeds
    /// into CR LF. A file that ends earlier fails the transfer.
    pub fn download(file: Box<dyn File>, offset: u64, ascii: bool) -> Self {
        Self::new(Work::Download(Download::new(file, offset, ascii)))
    }

    /// Stores what comes, from the file's [`start`](File::start) on; `ascii` turns CR LF into line feeds.
    /// Before the `End`, [`File::finish`] was called in a turn.
    pub fn upload(file: Box<dyn File>, ascii: bool) -> Self {
        Self::new(Work::Upload(Upload::new(file, ascii)))
    }

    /// Sends a directory's entries as lines.
    pub fn listing(directory: Box<dyn Directory>, listing: Listing) -> Self {
        Self::new(Work::Listing(Lines::new(directory, listing)))
    }

    fn new(work: Work) -> Self {
        Self { work, bytes: 0, reports: Reports::default(), outcome: None }
    }

    /// From here on its bytes go through TLS. `needs_close_notify`: an upload that ends without is cut off.
    pub(crate) fn secure(&mut self, stream: TlsStream, needs_close_notify: bool) {
        self.refuse_direct();
        let _ = (stream, needs_close_notify);
    }

    /// Which way the bytes go.
    pub fn direction(&self) -> Direction {
        match self.work {
            Work::Download(_) | Work::Listing(_) => Direction::Download,
            Work::Upload(_) => Direction::Upload,
        }
    }

    /// What to do next.
    pub fn step(&mut self, now: Now) -> Step {
        if self.outcome.is_none() {
            if self.reports.are_due(now.mono, self.bytes) {
                return Step::Report(self.bytes);
            }
            let next = match &self.work {
                Work::Download(download) => download.next(),
                Work::Upload(upload) => upload.next(),
                Work::Listing(lines) => lines.next(),
            };
            match next {
                Ok(Some(step)) => return step,
                Ok(None) => self.outcome = Some(Ok(())),
                Err(why) => self.fail(why),
            }
        }
        match (&self.work, &self.outcome) {
            (Work::Upload(upload), _) if upload.is_open() => Step::Turn,
            (_, outcome) => {
                let outcome = outcome.clone().unwrap_or(Ok(()));
                Step::End(TransferEnd { bytes: self.bytes, outcome, close_notify: false })
            }
        }
    }

    /// What waits to be written.
    pub fn transmit(&self) -> &[u8] {
        match &self.work {
            Work::Download(download) => download.transmit(),
            Work::Listing(lines) => lines.transmit(),
            Work::Upload(_) => &[],
        }
    }

    /// This many bytes of it were written.
    pub fn transmitted(&mut self, _now: Now, len: usize) {
        let count = match &mut self.work {
            Work::Download(download) => download.transmitted(len),
            Work::Listing(lines) => lines.transmitted(len),
            Work::Upload(_) => 0,
        };
        self.count(count);
    }

    /// Bytes came from the socket; none: it is at its end.
    pub fn receive(&mut self, _now: Now, bytes: &[u8]) {
        if let (Work::Upload(upload), None) = (&mut self.work, &self.outcome) {
            let count = upload.receive(bytes);
            self.count(count);
        }
    }

    /// Reads from or writes to the storage. May block.
    pub fn turn(&mut self) {
        let turned = match (&mut self.work, &self.outcome) {
            (Work::Download(download), None) => download.turn(),
            (Work::Listing(lines), None) => lines.turn(),
            (Work::Upload(upload), None) => upload.turn(),
            (Work::Upload(upload), Some(_)) => {
                upload.give_up();
                Ok(())
            }
            (Work::Download(_) | Work::Listing(_), Some(_)) => Ok(()),
        };
        if let Err(why) = turned {
            self.fail(why);
        }
    }

    /// The file behind [`Step::Direct`].
    #[cfg(feature = "std")]
    pub fn os_file(&self) -> Option<&std::fs::File> {
        match &self.work {
            Work::Download(download) => download.file()?.os_file(),
            Work::Upload(upload) => upload.file()?.os_file(),
            Work::Listing(_) => None,
        }
    }

    /// This many bytes went past the pipe; 0: end of the file or the stream.
    pub fn moved_directly(&mut self, _now: Now, len: u64) {
        let moved = match (&mut self.work, &self.outcome) {
            (Work::Download(download), None) => download.moved_directly(len),
            (Work::Upload(upload), None) => Ok(upload.moved_directly(len)),
            _ => Ok(0),
        };
        match moved {
            Ok(count) => self.count(count),
            Err(why) => self.fail(why),
        }
    }

    fn count(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The system can't move bytes straight between this file and this socket: from now on they go through
    /// the pipe, no further step is `Direct`.
    pub fn refuse_direct(&mut self) {
        match &mut self.work {
            Work::Download(download) => download.refuse_direct(),
            Work::Upload(upload) => upload.refuse_direct(),
            Work::Listing(_) => {}
        }
    }

    /// The socket failed, or the session wants an end. The next steps lead to `End`: without another byte,
    /// but for an upload with a turn that ends its file. The first reason stays; an upload that was published
    /// already stays so.
    pub fn fail(&mut self, why: EndReason) {
        if self.outcome.is_some() {
            return;
        }
        match &mut self.work {
            Work::Download(download) => download.stop(),
            Work::Listing(lines) => lines.stop(),
            Work::Upload(upload) if upload.is_published() => {
                self.outcome = Some(Ok(()));
                return;
            }
            Work::Upload(upload) => upload.stop(&why),
        }
        self.outcome = Some(Err(why));
    }
}

impl core::fmt::Debug for Pipe {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Pipe")
            .field("direction", &self.direction())
            .field("bytes", &self.bytes)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// Whether the adapter may move this file's bytes itself.
#[cfg(feature = "std")]
fn can_go_direct(file: &dyn File) -> bool {
    file.os_file().is_some()
}

/// Whether the adapter may move this file's bytes itself: without an operating system it can't.
#[cfg(not(feature = "std"))]
fn can_go_direct(_file: &dyn File) -> bool {
    false
}

/// Decides when the session hears of progress: often enough to tell a stall, too rarely to cost anything.
#[derive(Default)]
struct Reports {
    bytes: u64,
    /// When the last one was made; at first, when the pipe began.
    at: Option<Instant>,
}

impl Reports {
    /// Several in the shortest stall timeout there is, one second: a slow client must not look like a stalled one.
    const INTERVAL: Duration = Duration::from_millis(250);
    const BYTES: u64 = 8 * 1024 * 1024;

    /// Whether it is time for a report; if so, it counts as made.
    fn are_due(&mut self, now: Instant, bytes: u64) -> bool {
        let last = *self.at.get_or_insert(now);
        let moved = bytes - self.bytes;
        let due = moved >= Self::BYTES || (moved > 0 && now.duration_since(last) >= Self::INTERVAL);
        if due {
            *self = Self { bytes, at: Some(now) };
        }
        due
    }
}
