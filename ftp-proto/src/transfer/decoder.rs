//! From the wire's form of a file to the storage's.

use super::ascii;
use super::coding::{Coding, Kind};
use alloc::vec::Vec;

/// What is wrong with what the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// The stream ended, and the mark of the file's end was still to come.
    #[error("the mark of the file's end is missing")]
    NoEnd,
}

/// Why a decoder stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// It has used all that came.
    Hungry,
    /// There is no more room for what comes out. It goes on with the rest of what came, and has to be called again
    /// even if that is nothing: a few bytes may stand for many.
    Full,
}

/// The chain of codecs of one upload.
pub(super) struct Decoder {
    text: ascii::Decoder,
}

impl Decoder {
    /// `None`: there is nothing to do, the wire carries the bytes as they are stored.
    pub(super) fn new(coding: Coding) -> Option<Self> {
        match coding.kind {
            Kind::Ascii => Some(Self { text: ascii::Decoder::default() }),
            Kind::Image => None,
        }
    }

    /// Takes from the front of `wire` and appends the storage's form to `stored`, until that holds `room` bytes: it
    /// may become longer by as much as came, not more.
    pub(super) fn decode(
        &mut self,
        wire: &mut &[u8],
        stored: &mut Vec<u8>,
        room: usize,
    ) -> Result<Pause, Malformed> {
        if stored.len() >= room {
            return Ok(Pause::Full);
        }
        self.text.decode(core::mem::take(wire), stored);
        Ok(Pause::Hungry)
    }

    /// The stream is at its end: appends what was held back.
    pub(super) fn finish(&mut self, stored: &mut Vec<u8>) -> Result<(), Malformed> {
        self.text.finish(stored);
        Ok(())
    }

    /// The stream broke off: appends what was held back.
    pub(super) fn break_off(&mut self, stored: &mut Vec<u8>) {
        self.text.finish(stored);
    }
}
