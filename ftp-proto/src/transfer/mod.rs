//! One transfer: the second machine an adapter drives. [`Pipe`] stands between a data socket and a file or
//! directory; it holds the codecs, opens nothing and knows no socket.

use crate::event::LinkError;
use crate::host::{Directory, File, StorageError};
use crate::listing::Listing;
use crate::time::Now;
use alloc::boxed::Box;

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
    /// [`Pipe::moved_directly`]; 0 means end of file (download) or end of stream (upload).
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
    /// The storage failed.
    #[error("storage: {0}")]
    Storage(StorageError),
    /// Code of the storage or the pipe panicked.
    #[error("internal error")]
    Panicked,
}

/// The machine of one transfer. Drive it: `step`, do what it says, again, until `End`. None of its methods
/// blocks but [`turn`](Self::turn).
pub struct Pipe {
    stub: u8,
}

impl Pipe {
    /// Sends a file from `offset` on; `ascii` turns line feeds into CR LF.
    pub fn download(file: Box<dyn File>, offset: u64, ascii: bool) -> Self {
        let _ = (file, offset, ascii);
        todo!()
    }

    /// Stores what comes, from the file's [`start`](File::start) on; `ascii` turns CR LF into line feeds.
    pub fn upload(file: Box<dyn File>, ascii: bool) -> Self {
        let _ = (file, ascii);
        todo!()
    }

    /// Sends a directory's entries as lines.
    pub fn listing(directory: Box<dyn Directory>, listing: Listing) -> Self {
        let _ = (directory, listing);
        todo!()
    }

    /// Which way the bytes go.
    pub fn direction(&self) -> Direction {
        todo!()
    }

    /// What to do next.
    pub fn step(&mut self, now: Now) -> Step {
        let _ = now;
        todo!()
    }

    /// What waits to be written.
    pub fn transmit(&self) -> &[u8] {
        todo!()
    }

    /// This many bytes of it were written.
    pub fn transmitted(&mut self, now: Now, len: usize) {
        let _ = (now, len);
    }

    /// Bytes came from the socket; none: it is at its end.
    pub fn receive(&mut self, now: Now, bytes: &[u8]) {
        let _ = (now, bytes);
    }

    /// Reads from or writes to the storage. May block.
    pub fn turn(&mut self) {}

    /// The file behind [`Step::Direct`].
    #[cfg(feature = "std")]
    pub fn os_file(&self) -> Option<&std::fs::File> {
        todo!()
    }

    /// This many bytes went past the pipe; 0: end of the file or the stream.
    pub fn moved_directly(&mut self, now: Now, len: u64) {
        let _ = (now, len);
    }

    /// The socket failed, or the session wants an end. The next steps lead to `End`.
    pub fn fail(&mut self, why: EndReason) {
        let _ = why;
    }
}

impl core::fmt::Debug for Pipe {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Pipe").field("stub", &self.stub).finish_non_exhaustive()
    }
}
