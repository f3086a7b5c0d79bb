//! A file on its way to the client.

use super::ascii::Encoder;
use super::outgoing::Outgoing;
use super::{EndReason, Step, UNTIL_THE_END, can_go_direct};
use crate::host::{File, StorageError};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Bytes read in one turn, at most.
const READ_AT_MOST: usize = 256 * 1024;
/// The same with TYPE A, where the coded bytes need up to twice the room.
const READ_AT_MOST_ASCII: usize = READ_AT_MOST / 2;
/// The first read of a file whose size nobody knows; each that fills its room doubles the next.
const FIRST_READ: usize = 16 * 1024;

/// Sends a file from an offset to its end, which is where it was when the file was opened.
pub(super) struct Download {
    /// `None` once it was read to its end, or if its code panicked.
    file: Option<Box<dyn File>>,
    /// Where the next byte is read.
    position: u64,
    /// The size at opening, if known.
    size: Option<u64>,
    /// Nothing more is to be read.
    at_end: bool,
    /// The adapter moves the bytes itself.
    direct: bool,
    ascii: Option<Ascii>,
    /// How much to read next when the size isn't known.
    next_read: usize,
    outgoing: Outgoing,
}

/// What TYPE A needs in addition.
#[derive(Default)]
struct Ascii {
    encoder: Encoder,
    stored: Vec<u8>,
}

impl Download {
    pub(super) fn new(file: Box<dyn File>, offset: u64, ascii: bool) -> Self {
        let size = file.size();
        Self {
            position: offset,
            size,
            at_end: size.is_some_and(|size| offset >= size),
            direct: !ascii && can_go_direct(&*file),
            ascii: ascii.then(Ascii::default),
            next_read: FIRST_READ,
            outgoing: Outgoing::default(),
            file: Some(file),
        }
    }

    /// What to do next; `None`: all was sent.
    pub(super) fn next(&self) -> Result<Option<Step>, EndReason> {
        if !self.outgoing.is_empty() {
            Ok(Some(Step::Write))
        } else if self.at_end {
            Ok(None)
        } else if self.file.is_none() {
            Err(EndReason::Panicked)
        } else if self.direct {
            Ok(Some(Step::Direct { offset: self.position, len: self.remaining() }))
        } else {
            Ok(Some(Step::Turn))
        }
    }

    #[cfg(feature = "std")]
    pub(super) fn file(&self) -> Option<&dyn File> {
        self.file.as_deref()
    }

    pub(super) fn transmit(&self) -> &[u8] {
        self.outgoing.unsent()
    }

    pub(super) fn transmitted(&mut self, len: usize) -> u64 {
        let sent = self.outgoing.sent(len);
        if self.at_end && self.outgoing.is_empty() {
            self.stop();
        }
        sent as u64
    }

    /// Returns how many of the bytes count.
    pub(super) fn moved_directly(&mut self, len: u64) -> Result<u64, EndReason> {
        if !self.direct || self.at_end {
            return Ok(0);
        }
        let len = len.min(self.remaining());
        self.advance(len)?;
        Ok(len)
    }

    pub(super) fn refuse_direct(&mut self) {
        self.direct = false;
    }

    /// Reads the next part. The file is out of the pipe while its code runs: after a panic there is none
    /// that could be called again.
    pub(super) fn turn(&mut self) -> Result<(), EndReason> {
        if self.direct || self.at_end || !self.outgoing.is_empty() {
            return Ok(());
        }
        let Some(mut file) = self.file.take() else { return Err(EndReason::Panicked) };
        let limit = if self.ascii.is_some() { READ_AT_MOST_ASCII } else { READ_AT_MOST };
        let wanted = if self.size.is_some() {
            usize::try_from(self.remaining()).unwrap_or(limit).min(limit)
        } else {
            self.next_read.min(limit)
        };
        let count = self.read(&mut *file, wanted).map_err(EndReason::Storage)?;
        if count == wanted {
            self.next_read = wanted.saturating_mul(2);
        }
        self.advance(count as u64)?;
        if !self.at_end {
            self.file = Some(file);
        }
        Ok(())
    }

    fn read(&mut self, file: &mut dyn File, wanted: usize) -> Result<usize, StorageError> {
        let position = self.position;
        let Some(ascii) = &mut self.ascii else {
            return self.outgoing.fill(wanted, |room| file.read_at(position, room));
        };
        if ascii.stored.len() < wanted {
            ascii.stored.resize(wanted, 0);
        }
        let room = ascii.stored.get_mut(..wanted).unwrap_or_default();
        let count = file.read_at(position, room)?.min(wanted);
        let stored = ascii.stored.get(..count).unwrap_or_default();
        self.outgoing.append(|wire| ascii.encoder.encode(stored, wire));
        Ok(count)
    }

    /// Goes forward by what was read, and looks whether that was the end.
    fn advance(&mut self, count: u64) -> Result<(), EndReason> {
        self.position = self.position.saturating_add(count);
        self.at_end = match self.size {
            Some(size) if count == 0 && self.position < size => {
                return Err(EndReason::Storage(StorageError::Io("file became shorter".into())));
            }
            Some(size) => self.position >= size,
            None => count == 0,
        };
        Ok(())
    }

    fn remaining(&self) -> u64 {
        self.size.map_or(UNTIL_THE_END, |size| size.saturating_sub(self.position))
    }

    /// Gives the buffers back.
    pub(super) fn stop(&mut self) {
        self.outgoing.free();
        if let Some(ascii) = &mut self.ascii {
            *ascii = Ascii::default();
        }
    }
}
