//! One transfer: the second machine an adapter drives. [`Pipe`] stands between a data socket and a file or
//! directory; it holds the codecs, opens nothing and knows no socket.

mod ascii;
mod block;
mod coding;
mod compressed;
mod decoder;
mod deflate;
mod download;
mod ebcdic;
mod encoder;
mod listing;
mod measure;
mod outgoing;
mod records;
mod reports;
mod secure;
mod text;
mod upload;

pub use coding::{CodePage, Coding, Deflate, Form, Kind, Mode, Structure};
pub use decoder::Malformed;
pub(crate) use measure::measure;

use crate::event::LinkError;
use crate::host::{File, StorageError};
use crate::listing::{Listing, Walk};
use crate::time::Now;
use crate::tls::{TlsError, TlsStream};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use download::Download;
use listing::Lines;
use reports::Reports;
use secure::Secure;
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
    /// Tell the session: `Event::Marked` with this.
    Marked(Mark),
    /// Tell the session: `Event::Moved` with these bytes. Under TLS they may be as many as last time: something
    /// moved, if not a whole record.
    Report(u64),
    /// Close the socket (after a shutdown of its sending side), then tell the session: `Event::Ended`.
    End(TransferEnd),
}

/// A restart marker that the client put into an upload, when all that came before it is written (RFC 959 section
/// 3.5). Marks that come too thick are passed over: the client can rely on those it hears of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The client's text: printable characters.
    pub text: String,
    /// Where in the file it stands, in bytes: what REST takes.
    pub offset: u64,
}

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferEnd {
    /// Bytes that crossed the socket; under TLS the plain text in them.
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
    /// What the client sent is not of the form that the transfer parameters call for.
    #[error("the client's data: {0}")]
    Malformed(Malformed),
    /// A listing of several directories reached its limit.
    #[error("the listing is too long")]
    TooMuch,
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
    coding: Coding,
    /// TLS between the work and the socket.
    secure: Option<Box<Secure>>,
    /// Bytes that crossed the socket.
    crossed: u64,
    /// Those of them that are payload: all, or what TLS had in it.
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
    /// Sends a file from `start` to `end`, or up to the size it had when it was opened. A file that ends earlier than
    /// that fails the transfer.
    // req: 959-3.1.1.3-contiguous, 959-3.4.1-all-bytes-are-data
    pub fn download(file: Box<dyn File>, start: u64, end: Option<u64>, coding: Coding) -> Self {
        Self::new(Work::Download(Download::new(file, start, end, coding)), coding)
    }

    /// Leaves out the first octets of what goes over the wire, which the client has already: a restart in MODE S counts
    /// what was transferred, not what is stored (RFC 3659 section 5.1). The file has to be read for that. If it is
    /// shorter, the transfer fails.
    #[must_use]
    pub fn skipping(mut self, octets: u64) -> Self {
        if let Work::Download(download) = &mut self.work {
            download.skip(octets);
        }
        self
    }

    /// Stores what comes, from the file's [`start`](File::start) on. Before the `End`, [`File::finish`] was called in
    /// a turn.
    pub fn upload(file: Box<dyn File>, coding: Coding) -> Self {
        Self::new(Work::Upload(Upload::new(file, coding)), coding)
    }

    /// Sends the entries of a walk, or of one directory, as lines.
    pub fn listing(walk: impl Into<Walk>, listing: Listing, coding: Coding) -> Self {
        Self::new(Work::Listing(Lines::new(walk.into(), listing, coding)), coding)
    }

    fn new(work: Work, coding: Coding) -> Self {
        Self { work, coding, secure: None, crossed: 0, bytes: 0, reports: Reports::default(), outcome: None }
    }

    /// From here on its bytes go through TLS. `needs_close_notify`: an upload that ends without is cut off.
    pub(crate) fn secure(&mut self, stream: TlsStream, needs_close_notify: bool) {
        match &mut self.work {
            Work::Upload(upload) => upload.secure(),
            Work::Download(download) => download.refuse_direct(),
            Work::Listing(_) => {}
        }
        self.secure = Some(Box::new(Secure::new(stream, needs_close_notify)));
        // What came behind the handshake, together with its end.
        self.decrypt(&mut []);
    }

    /// Which way the bytes go.
    pub fn direction(&self) -> Direction {
        match self.work {
            Work::Download(_) | Work::Listing(_) => Direction::Download,
            Work::Upload(_) => Direction::Upload,
        }
    }

    /// How the file stands on the wire.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// Whether the bytes go through TLS.
    pub fn is_secure(&self) -> bool {
        self.secure.is_some()
    }

    /// How much payload has crossed the socket so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What to do next.
    pub fn step(&mut self, now: Now) -> Step {
        if self.outcome.is_none() {
            if self.reports.are_due(now.mono, self.crossed) {
                return Step::Report(self.bytes);
            }
            if let Work::Upload(upload) = &mut self.work
                && let Some(mark) = upload.take_mark()
            {
                return Step::Marked(mark);
            }
            match self.next() {
                Ok(Some(step)) => return step,
                Ok(None) => self.outcome = Some(Ok(())),
                Err(why) => self.fail(why),
            }
        }
        match &self.work {
            Work::Upload(upload) if upload.is_open() => Step::Turn,
            // The alert that says why.
            _ if !self.transmit().is_empty() => Step::Write,
            _ => Step::End(TransferEnd {
                bytes: self.bytes,
                outcome: self.outcome.clone().unwrap_or(Ok(())),
                close_notify: self.secure.as_ref().is_some_and(|secure| secure.is_closed()),
            }),
        }
    }

    /// What to do next; `None`: all is done.
    fn next(&mut self) -> Result<Option<Step>, EndReason> {
        let step = self.work.next()?;
        Ok(match (&mut self.secure, &self.work) {
            (None, _) => step,
            (Some(secure), Work::Upload(upload)) => {
                if upload.is_at_end() {
                    secure.close_notify();
                }
                secure.next_of_upload(step)
            }
            (Some(secure), Work::Download(_) | Work::Listing(_)) => secure.next_of_download(step),
        })
    }

    /// What waits to be written.
    pub fn transmit(&self) -> &[u8] {
        self.secure.as_ref().map_or_else(|| self.work.transmit(), |secure| secure.transmit())
    }

    /// This many bytes of it were written.
    pub fn transmitted(&mut self, _now: Now, len: usize) {
        let len = len.min(self.transmit().len());
        let payload = match &mut self.secure {
            None => self.work.transmitted(len),
            Some(secure) => secure.transmitted(len),
        };
        self.count(len as u64, payload);
    }

    /// Bytes came from the socket; none: it is at its end. Under TLS they are copied first: whoever may give them
    /// away calls [`receive_in_place`](Self::receive_in_place).
    pub fn receive(&mut self, now: Now, bytes: &[u8]) {
        if self.secure.is_some() {
            return self.receive_in_place(now, &mut bytes.to_vec());
        }
        let (Work::Upload(upload), None) = (&mut self.work, &self.outcome) else { return };
        if upload.is_at_end() {
            return;
        }
        let read = upload.receive(bytes);
        self.count(bytes.len() as u64, bytes.len() as u64);
        if let Err(why) = read {
            self.fail(why);
        }
    }

    /// The same as [`receive`](Self::receive), the quickest way under TLS: records are decrypted where they lie. What
    /// is in `bytes` afterwards means nothing.
    pub fn receive_in_place(&mut self, now: Now, bytes: &mut [u8]) {
        match &self.secure {
            None => self.receive(now, bytes),
            Some(_) if bytes.is_empty() => self.end_of_stream(),
            Some(_) => self.decrypt(bytes),
        }
    }

    /// Under TLS: takes records.
    fn decrypt(&mut self, bytes: &mut [u8]) {
        let (Some(secure), None) = (&mut self.secure, &self.outcome) else { return };
        let crossed = bytes.len();
        let (result, payload, read) = match &mut self.work {
            Work::Upload(upload) if upload.is_at_end() => return,
            Work::Upload(upload) => upload.receive_decrypted(|plain| secure.read(bytes, plain)),
            // A client that has nothing to say may say so (close_notify); that is no reason to stop.
            Work::Download(_) | Work::Listing(_) => (secure.read(bytes, &mut Vec::new()), 0, Ok(())),
        };
        let is_closed = secure.is_closed();
        self.count(crossed as u64, payload);
        match (result, read) {
            (Ok(()), Ok(())) if is_closed => self.end_of_upload(),
            (Ok(()), Ok(())) => {}
            // Not `fail`: the alert still goes out.
            (Err(error), _) => self.stop(EndReason::Tls(error)),
            (Ok(()), Err(why)) => self.give_notice(why),
        }
    }

    /// Under TLS: the socket is at its end.
    // req: 959-3.3-eof-by-closing
    fn end_of_stream(&mut self) {
        let (Some(secure), Work::Upload(upload), None) = (&self.secure, &self.work, &self.outcome) else {
            return;
        };
        if upload.is_at_end() {
            return;
        }
        if secure.is_cut_off() {
            self.fail(EndReason::Truncated);
        } else {
            self.end_of_upload();
        }
    }

    /// Under TLS: the client has sent all. It hears the same of us at once, since some wait for it.
    fn end_of_upload(&mut self) {
        let (Some(secure), Work::Upload(upload)) = (&mut self.secure, &mut self.work) else { return };
        secure.close_notify();
        if let Err(why) = upload.receive(&[]) {
            self.stop(why);
        }
    }

    /// Under TLS: the upload has failed for what the client sent. It takes an end without close_notify for an attack.
    fn give_notice(&mut self, why: EndReason) {
        if let Some(secure) = &mut self.secure {
            secure.close_notify();
        }
        self.stop(why);
    }

    /// Whether the next [`turn`](Self::turn) has all it needs, and does not wait for the storage.
    pub fn turn_is_prepared(&self) -> bool {
        matches!(&self.work, Work::Listing(lines) if lines.is_read())
    }

    /// Reads from or writes to the storage. May block.
    pub fn turn(&mut self) {
        if self.secure.as_ref().is_some_and(|secure| secure.has_payload()) {
            return;
        }
        let turned = match (&mut self.work, &self.outcome) {
            (Work::Download(download), None) => download.turn().and_then(|()| self.encrypt()),
            (Work::Listing(lines), None) => lines.turn().and_then(|()| self.encrypt()),
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

    /// Under TLS: makes records of what was read.
    fn encrypt(&mut self) -> Result<(), EndReason> {
        let Some(secure) = &mut self.secure else { return Ok(()) };
        let plain = self.work.transmit();
        secure.write(plain)?;
        let len = plain.len();
        self.work.transmitted(len);
        Ok(())
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
            Ok(count) => self.count(count, count),
            Err(why) => self.fail(why),
        }
    }

    fn count(&mut self, crossed: u64, payload: u64) {
        self.crossed = self.crossed.saturating_add(crossed);
        self.bytes = self.bytes.saturating_add(payload);
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
    /// already stays so. Under TLS, a link that fails when the client has said that it sent all is no failure:
    /// many don't wait for the server's close_notify.
    pub fn fail(&mut self, why: EndReason) {
        if let Some(secure) = &mut self.secure {
            secure.send_nothing();
            let upload_is_whole = matches!(&self.work, Work::Upload(upload) if upload.is_at_end());
            if upload_is_whole && matches!(why, EndReason::Link(_)) {
                return;
            }
        }
        self.stop(why);
    }

    /// The work ends here. What TLS still has to say goes out.
    fn stop(&mut self, why: EndReason) {
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

impl Work {
    /// What to do next; `None`: all is done.
    fn next(&self) -> Result<Option<Step>, EndReason> {
        match self {
            Self::Download(download) => download.next(),
            Self::Upload(upload) => upload.next(),
            Self::Listing(lines) => lines.next(),
        }
    }

    /// What waits to be sent.
    fn transmit(&self) -> &[u8] {
        match self {
            Self::Download(download) => download.transmit(),
            Self::Listing(lines) => lines.transmit(),
            Self::Upload(_) => &[],
        }
    }

    /// Returns how many of the bytes count.
    fn transmitted(&mut self, len: usize) -> u64 {
        match self {
            Self::Download(download) => download.transmitted(len),
            Self::Listing(lines) => lines.transmitted(len),
            Self::Upload(_) => 0,
        }
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
