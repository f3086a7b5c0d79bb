//! A file on its way from the client.

use super::ascii::Decoder;
use super::{EndReason, Step, UNTIL_THE_END, can_go_direct};
use crate::host::File;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// How many bytes are gathered before a turn writes them (or the end of the stream comes first): a small
/// file needs a single turn, which writes and publishes it.
const GATHER: usize = 64 * 1024;
/// The same under TLS, where each byte is gathered: fewer and larger writes are cheaper.
const GATHER_SECURE: usize = 2 * GATHER;

/// Stores a file and ends it: [`File::finish`] is called exactly once, unless the file's code panicked.
pub(super) struct Upload {
    /// `None` once it is finished, or if its code panicked.
    file: Option<Box<dyn File>>,
    /// Where the next byte is written.
    offset: u64,
    /// What came and is not written yet, decoded.
    held: Vec<u8>,
    /// How much is held before it is written.
    gather: usize,
    decoder: Option<Decoder>,
    /// The adapter moves the bytes itself.
    direct: bool,
    /// The client has sent all.
    at_end: bool,
    /// `finish(true)` was `Ok`.
    published: bool,
}

impl Upload {
    pub(super) fn new(file: Box<dyn File>, ascii: bool) -> Self {
        Self {
            offset: file.start(),
            held: Vec::new(),
            gather: GATHER,
            decoder: ascii.then(Decoder::default),
            direct: !ascii && can_go_direct(&*file),
            at_end: false,
            published: false,
            file: Some(file),
        }
    }

    /// What to do next; `None`: it is published.
    pub(super) fn next(&self) -> Result<Option<Step>, EndReason> {
        if self.published {
            Ok(None)
        } else if self.file.is_none() {
            Err(EndReason::Panicked)
        } else if self.at_end || self.held.len() >= self.gather {
            Ok(Some(Step::Turn))
        } else if self.direct && self.held.is_empty() {
            Ok(Some(Step::Direct { offset: self.offset, len: UNTIL_THE_END }))
        } else {
            // Bytes that are held go to the file first: behind them there must never be a hole, since a
            // broken upload is resumed at its length.
            Ok(Some(Step::Read))
        }
    }

    #[cfg(feature = "std")]
    pub(super) fn file(&self) -> Option<&dyn File> {
        self.file.as_deref()
    }

    pub(super) fn is_published(&self) -> bool {
        self.published
    }

    /// Whether a turn is needed to end the file, whatever happened.
    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Whether the client has sent all.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// All its bytes come through TLS.
    pub(super) fn secure(&mut self) {
        self.refuse_direct();
        self.gather = GATHER_SECURE;
    }

    /// Takes the plain text that `decrypt` appends: straight into what is held, if nothing else has to be done to it.
    pub(super) fn receive_decrypted<T>(&mut self, decrypt: impl FnOnce(&mut Vec<u8>) -> T) -> (T, u64) {
        if self.decoder.is_none() {
            let before = self.held.len();
            let result = decrypt(&mut self.held);
            return (result, (self.held.len() - before) as u64);
        }
        let mut plain = Vec::new();
        let result = decrypt(&mut plain);
        let count = if plain.is_empty() { 0 } else { self.receive(&plain) };
        (result, count)
    }

    /// Takes what came; nothing: the client has sent all. Returns how many of the bytes count.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> u64 {
        if self.at_end {
            return 0;
        }
        if bytes.is_empty() {
            self.at_end = true;
            self.flush_decoder();
            return 0;
        }
        match &mut self.decoder {
            Some(decoder) => decoder.decode(bytes, &mut self.held),
            None => self.held.extend_from_slice(bytes),
        }
        bytes.len() as u64
    }

    /// Returns how many of the bytes count.
    pub(super) fn moved_directly(&mut self, len: u64) -> u64 {
        // Only an answer to `Direct` can be meant, and that is never asked while bytes are held.
        if !self.direct || self.at_end || !self.held.is_empty() {
            return 0;
        }
        self.at_end = len == 0;
        self.offset = self.offset.saturating_add(len);
        len
    }

    pub(super) fn refuse_direct(&mut self) {
        self.direct = false;
    }

    /// Writes what is held and, behind the end of the stream, publishes the file. The file is out of the
    /// pipe while its code runs: after a panic there is none that could be called again.
    pub(super) fn turn(&mut self) -> Result<(), EndReason> {
        if self.published {
            return Ok(());
        }
        let Some(mut file) = self.file.take() else { return Err(EndReason::Panicked) };
        if !self.held.is_empty() {
            if let Err(error) = file.write_at(self.offset, &self.held) {
                // The first error is the one to tell.
                let _ = file.finish(false);
                self.held = Vec::new();
                return Err(EndReason::Storage(error));
            }
            self.offset = self.offset.saturating_add(self.held.len() as u64);
            self.held.clear();
        }
        if self.direct || self.at_end {
            self.held = Vec::new();
        }
        if self.at_end {
            file.finish(true).map_err(EndReason::Storage)?;
            self.published = true;
        } else {
            self.file = Some(file);
        }
        Ok(())
    }

    /// No more comes. If the storage can be trusted, a last turn writes what is held, so that the client can
    /// resume behind all that it was told to have sent.
    pub(super) fn stop(&mut self, why: &EndReason) {
        match why {
            EndReason::Aborted | EndReason::Link(_) | EndReason::Tls(_) | EndReason::Truncated => {
                self.flush_decoder();
            }
            EndReason::Storage(_) | EndReason::Panicked => self.held = Vec::new(),
        }
    }

    /// The last turn of an upload that failed.
    pub(super) fn give_up(&mut self) {
        let Some(mut file) = self.file.take() else { return };
        let held = core::mem::take(&mut self.held);
        // Why it failed is known already; what fails now can't change that.
        if !held.is_empty() {
            let _ = file.write_at(self.offset, &held);
        }
        let _ = file.finish(false);
    }

    fn flush_decoder(&mut self) {
        if let Some(decoder) = &mut self.decoder {
            decoder.finish(&mut self.held);
        }
    }
}
