//! A file on its way to the client.

use super::coding::Coding;
use super::encoder::Encoder;
use super::outgoing::Outgoing;
use super::{EndReason, Step, UNTIL_THE_END, can_go_direct};
use crate::host::{File, StorageError};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Bytes read in one turn, at most.
const READ_AT_MOST: usize = 256 * 1024;
/// The first read of a file whose size nobody knows; each that fills its room doubles the next.
const FIRST_READ: usize = 16 * 1024;

/// Sends a part of a file: from an offset to another, or to where its end was when it was opened.
pub(super) struct Download {
    /// `None` once it was read to its end, or if its code panicked.
    file: Option<Box<dyn File>>,
    /// Where the next byte is read.
    position: u64,
    /// Where to stop; `u64::MAX` if only the file knows.
    until: u64,
    /// The file had at least that length when it was opened.
    is_sure: bool,
    /// Nothing more is to be read.
    at_end: bool,
    /// The adapter moves the bytes itself.
    direct: bool,
    coded: Option<Coded>,
    /// Nothing was read yet, and there are bytes before what will be.
    in_the_middle: bool,
    /// How much to read next when the size isn't known.
    next_read: usize,
    outgoing: Outgoing,
}

/// What is needed in addition where the wire's form of a file differs from the storage's.
struct Coded {
    encoder: Encoder,
    stored: Vec<u8>,
    /// The encoder has said its last.
    is_finished: bool,
}

impl Download {
    pub(super) fn new(file: Box<dyn File>, start: u64, end: Option<u64>, coding: Coding) -> Self {
        let size = file.size();
        let until = end.unwrap_or(u64::MAX).min(size.unwrap_or(u64::MAX));
        let coded = Encoder::new(coding, start);
        Self {
            position: start,
            until,
            is_sure: size.is_some(),
            at_end: start >= until,
            direct: coded.is_none() && can_go_direct(&*file),
            coded: coded.map(|encoder| Coded { encoder, stored: Vec::new(), is_finished: false }),
            in_the_middle: start > 0,
            next_read: FIRST_READ,
            outgoing: Outgoing::default(),
            file: Some(file),
        }
    }

    /// Leaves out the first bytes of what goes over the wire.
    pub(super) fn skip(&mut self, octets: u64) {
        if let Some(coded) = &mut self.coded {
            coded.encoder.skip(octets);
        }
    }

    /// What to do next; `None`: all was sent.
    pub(super) fn next(&self) -> Result<Option<Step>, EndReason> {
        if !self.outgoing.is_empty() {
            Ok(Some(Step::Write))
        } else if self.is_done() {
            Ok(None)
        } else if self.at_end {
            // What marks the end is still to be sent.
            Ok(Some(Step::Turn))
        } else if self.file.is_none() {
            Err(EndReason::Panicked)
        } else if self.direct {
            Ok(Some(Step::Direct { offset: self.position, len: self.remaining() }))
        } else {
            Ok(Some(Step::Turn))
        }
    }

    /// All was read and coded.
    fn is_done(&self) -> bool {
        self.at_end && self.coded.as_ref().is_none_or(|coded| coded.is_finished)
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
        if self.is_done() && self.outgoing.is_empty() {
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
        if self.direct || self.is_done() || !self.outgoing.is_empty() {
            return Ok(());
        }
        if !self.at_end {
            self.read()?;
        }
        if let (true, Some(coded)) = (self.at_end, &mut self.coded) {
            self.outgoing.append_more(|wire| coded.encoder.finish(wire));
            coded.is_finished = true;
            if coded.encoder.is_skipping() {
                return Err(EndReason::Storage(StorageError::BadOffset));
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), EndReason> {
        let Some(mut file) = self.file.take() else { return Err(EndReason::Panicked) };
        let limit = self.coded.as_ref().map_or(READ_AT_MOST, |coded| coded.encoder.appetite());
        let limit = if self.is_sure { limit } else { limit.min(self.next_read) };
        let wanted = usize::try_from(self.remaining()).unwrap_or(limit).min(limit);
        let count = self.fill(&mut *file, wanted).map_err(EndReason::Storage)?;
        if count == wanted {
            self.next_read = wanted.saturating_mul(2);
        }
        self.advance(count as u64)?;
        if !self.at_end {
            self.file = Some(file);
        }
        Ok(())
    }

    fn fill(&mut self, file: &mut dyn File, wanted: usize) -> Result<usize, StorageError> {
        let position = self.position;
        let Some(Coded { encoder, stored, .. }) = &mut self.coded else {
            return self.outgoing.fill(wanted, |room| file.read_at(position, room));
        };
        if core::mem::take(&mut self.in_the_middle) && encoder.wants_byte_before() {
            let mut before = [0];
            if file.read_at(position - 1, &mut before)? == before.len() {
                encoder.come_behind(before[0]);
            }
        }
        if stored.len() < wanted {
            stored.resize(wanted, 0);
        }
        let room = stored.get_mut(..wanted).unwrap_or_default();
        let count = file.read_at(position, room)?.min(wanted);
        let stored = stored.get(..count).unwrap_or_default();
        self.outgoing.append(|wire| encoder.encode(stored, wire));
        Ok(count)
    }

    /// Goes forward by what was read, and looks whether that was the end.
    fn advance(&mut self, count: u64) -> Result<(), EndReason> {
        self.position = self.position.saturating_add(count);
        self.at_end = self.position >= self.until || count == 0;
        if self.is_sure && self.position < self.until && count == 0 {
            return Err(EndReason::Storage(StorageError::Io("file became shorter".into())));
        }
        Ok(())
    }

    fn remaining(&self) -> u64 {
        if self.until == u64::MAX { UNTIL_THE_END } else { self.until.saturating_sub(self.position) }
    }

    /// Gives the buffers back.
    pub(super) fn stop(&mut self) {
        self.outgoing.free();
        self.coded = None;
    }
}
