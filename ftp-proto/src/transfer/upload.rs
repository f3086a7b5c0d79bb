//! A file on its way from the client.

use super::coding::Coding;
use super::decoder::{Decoder, Pause};
use super::{EndReason, Mark, Step, UNTIL_THE_END, can_go_direct};
use crate::host::{File, StorageError};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// How many bytes are gathered before a turn writes them (or the end of the stream comes first): a small
/// file needs a single turn, which writes and publishes it.
const GATHER: usize = 64 * 1024;
/// The same under TLS, where each byte is gathered: fewer and larger writes are cheaper.
const GATHER_SECURE: usize = 2 * GATHER;

/// Restart markers between two writes; if there are more, the first ones are dropped, since the last tell most.
const MARKS_AT_MOST: usize = 8;

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
    coded: Option<Coded>,
    /// The adapter moves the bytes itself,
    direct: bool,
    /// up to this offset; behind it the file is asked for more room.
    room: u64,
    /// The client has sent all, and all of it is decoded.
    at_end: bool,
    /// `finish(true)` was `Ok`.
    published: bool,
    /// What came is damaged, or more than may be stored: nothing of it is to be continued.
    spoilt: bool,
}

/// What is needed in addition where the wire's form of a file differs from the storage's.
struct Coded {
    decoder: Decoder,
    /// What came and waits for room, since what came before it stood for more than is held.
    waiting: Vec<u8>,
    /// Why the decoder stopped. While it is `Full` nothing is read.
    pause: Pause,
    /// The stream is at its end.
    ended: bool,
    /// Restart markers, each behind what is written or held.
    marks: VecDeque<Mark>,
}

impl Coded {
    fn mark(&mut self, mark: Mark) {
        if self.marks.len() == MARKS_AT_MOST {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
    }

    /// Whether what is held has to be written before anything else comes.
    fn wants_to_write(&self) -> bool {
        self.pause == Pause::Full || !self.marks.is_empty()
    }
}

impl Upload {
    pub(super) fn new(file: Box<dyn File>, coding: Coding) -> Self {
        let coded = Decoder::new(coding).map(|decoder| Coded {
            decoder,
            waiting: Vec::new(),
            pause: Pause::Hungry,
            ended: false,
            marks: VecDeque::new(),
        });
        Self {
            offset: file.start(),
            held: Vec::new(),
            gather: GATHER,
            direct: coded.is_none() && can_go_direct(&*file),
            room: file.room_until(),
            coded,
            at_end: false,
            published: false,
            spoilt: false,
            file: Some(file),
        }
    }

    /// What to do next; `None`: it is published.
    pub(super) fn next(&self) -> Result<Option<Step>, EndReason> {
        let wants_to_write = self.coded.as_ref().is_some_and(Coded::wants_to_write);
        if self.published {
            Ok(None)
        } else if self.file.is_none() {
            Err(EndReason::Panicked)
        } else if self.at_end || wants_to_write || self.held.len() >= self.gather {
            Ok(Some(Step::Turn))
        } else if self.direct && self.held.is_empty() {
            Ok(Some(match self.room.saturating_sub(self.offset) {
                0 => Step::Turn,
                len => Step::Direct { offset: self.offset, len: len.min(UNTIL_THE_END) },
            }))
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
        self.at_end || self.coded.as_ref().is_some_and(|coded| coded.ended)
    }

    /// The next restart marker behind what is written.
    pub(super) fn take_mark(&mut self) -> Option<Mark> {
        let coded = self.coded.as_mut().filter(|_| self.held.is_empty())?;
        coded.marks.pop_front()
    }

    /// All its bytes come through TLS.
    pub(super) fn secure(&mut self) {
        self.refuse_direct();
        self.gather = GATHER_SECURE;
    }

    /// Takes the plain text that `decrypt` appends: straight into what is held, if nothing else has to be done to it.
    /// How many bytes of it count, and whether they could be read.
    pub(super) fn receive_decrypted<T>(
        &mut self,
        decrypt: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> (T, u64, Result<(), EndReason>) {
        if self.coded.is_none() {
            let before = self.held.len();
            let result = decrypt(&mut self.held);
            return (result, (self.held.len() - before) as u64, Ok(()));
        }
        let mut plain = Vec::new();
        let result = decrypt(&mut plain);
        let read = if plain.is_empty() { Ok(()) } else { self.receive(&plain) };
        (result, plain.len() as u64, read)
    }

    /// Takes what came; nothing: the client has sent all.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<(), EndReason> {
        if self.is_at_end() {
            return Ok(());
        }
        let Some(coded) = &mut self.coded else {
            self.at_end = bytes.is_empty();
            self.held.extend_from_slice(bytes);
            return Ok(());
        };
        coded.ended = bytes.is_empty();
        if coded.pause == Pause::Full {
            coded.waiting.extend_from_slice(bytes);
            return Ok(());
        }
        self.decode(bytes)
    }

    /// Decodes what came, and what waits from before, as far as there is room.
    fn decode(&mut self, mut bytes: &[u8]) -> Result<(), EndReason> {
        let Some(coded) = &mut self.coded else { return Ok(()) };
        loop {
            let pause = coded.decoder.decode(&mut bytes, &mut self.held, self.gather);
            coded.pause = pause.map_err(EndReason::Malformed)?;
            match &mut coded.pause {
                Pause::Full => coded.waiting = bytes.to_vec(),
                Pause::Hungry if coded.ended => {
                    coded.decoder.finish(&mut self.held).map_err(EndReason::Malformed)?;
                    self.at_end = true;
                }
                Pause::Hungry => {}
                Pause::End => self.at_end = true,
                Pause::Marker(text) => {
                    let text = core::mem::take(text);
                    let offset = self.offset.saturating_add(self.held.len() as u64);
                    coded.mark(Mark { text, offset });
                    continue;
                }
            }
            return Ok(());
        }
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
                let _ = if eats_quota(&error) { file.discard() } else { file.finish(false) };
                self.held = Vec::new();
                return Err(EndReason::Storage(error));
            }
            self.offset = self.offset.saturating_add(self.held.len() as u64);
            self.held.clear();
            self.room = file.room_until();
        } else if self.direct && self.room <= self.offset {
            self.room = file.make_room(self.offset);
            // Near its end room is made for exactly what has come.
            self.direct = self.room > self.offset;
        }
        if self.direct || self.at_end {
            self.held = Vec::new();
        }
        if self.at_end {
            file.finish(true).map_err(EndReason::Storage)?;
            self.published = true;
            return Ok(());
        }
        self.file = Some(file);
        match &mut self.coded {
            Some(coded) if coded.pause == Pause::Full => {
                let waiting = core::mem::take(&mut coded.waiting);
                self.decode(&waiting)
            }
            _ => Ok(()),
        }
    }

    /// No more comes. If the storage can be trusted, a last turn writes what is held, so that the client can
    /// resume behind all that it was told to have sent. Half a line end is not written: the client sends it again,
    /// whichever way it counts.
    pub(super) fn stop(&mut self, why: &EndReason) {
        self.spoilt = match why {
            EndReason::Malformed(malformed) => malformed.spoils_all(),
            EndReason::Storage(error) => eats_quota(error),
            _ => false,
        };
        let is_useless = matches!(why, EndReason::Storage(_) | EndReason::TooMuch | EndReason::Panicked);
        if self.spoilt || is_useless {
            self.held = Vec::new();
        }
        self.coded = None;
    }

    /// The last turn of an upload that failed.
    pub(super) fn give_up(&mut self) {
        let Some(mut file) = self.file.take() else { return };
        let held = core::mem::take(&mut self.held);
        // Why it failed is known already; what fails now can't change that.
        if !held.is_empty() {
            let _ = file.write_at(self.offset, &held);
        }
        let _ = if self.spoilt { file.discard() } else { file.finish(false) };
    }
}

/// A hidden part that is kept for a client to go on with counts as stored. One that was too much would leave no room for
/// anything else, and the client couldn't see why.
fn eats_quota(error: &StorageError) -> bool {
    matches!(error, StorageError::OverQuota(_))
}
