//! From the wire's form of a file to the storage's.

use super::ascii;
use super::coding::{Coding, Kind, Mode};
use super::deflate::Decompressor;
use alloc::vec::Vec;

/// What is wrong with what the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// The stream ended, and the mark of the file's end was still to come.
    #[error("the mark of the file's end is missing")]
    NoEnd,
    /// MODE Z: it is no zlib stream, needs a dictionary, or its checksum is wrong.
    #[error("the data are no zlib stream, or a damaged one")]
    NotDeflated,
    /// MODE Z: bytes came behind the end of the zlib stream.
    #[error("the zlib stream has ended, and more came")]
    BehindEnd,
    /// MODE Z: it becomes more than [`Limits::deflate_ratio`](crate::config::Limits::deflate_ratio) allows.
    #[error("the zlib stream becomes too many times its size")]
    Expands,
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

/// The chain of codecs of one upload: first MODE, then TYPE.
pub(super) struct Decoder {
    mode: Option<Decompressor>,
    text: Option<ascii::Decoder>,
    /// What came out of the first and waits for the second, while both work.
    between: Vec<u8>,
}

impl Decoder {
    /// `None`: there is nothing to do, the wire carries the bytes as they are stored.
    pub(super) fn new(coding: Coding) -> Option<Self> {
        let mode = match coding.mode {
            Mode::Stream => None,
            Mode::Deflate(deflate) => Some(Decompressor::new(deflate.ratio)),
        };
        let text = match coding.kind {
            Kind::Ascii => Some(ascii::Decoder::default()),
            Kind::Image => None,
        };
        (!coding.is_verbatim()).then(|| Self { mode, text, between: Vec::new() })
    }

    /// Takes from the front of `wire` and appends the storage's form to `stored`, until that holds `room` bytes: it
    /// may become longer by as much as came, not more.
    pub(super) fn decode(
        &mut self,
        wire: &mut &[u8],
        stored: &mut Vec<u8>,
        room: usize,
    ) -> Result<Pause, Malformed> {
        let room = room.saturating_sub(stored.len());
        if room == 0 {
            return Ok(Pause::Full);
        }
        match (&mut self.mode, &mut self.text) {
            (Some(mode), None) => mode.decompress(wire, stored, room),
            (Some(mode), Some(text)) => {
                self.between.clear();
                let pause = mode.decompress(wire, &mut self.between, room);
                text.decode(&self.between, stored);
                pause
            }
            (None, text) => {
                let bytes = core::mem::take(wire);
                match text {
                    Some(text) => text.decode(bytes, stored),
                    None => stored.extend_from_slice(bytes),
                }
                Ok(Pause::Hungry)
            }
        }
    }

    /// The stream is at its end: appends what was held back.
    pub(super) fn finish(&mut self, stored: &mut Vec<u8>) -> Result<(), Malformed> {
        self.break_off(stored);
        match &self.mode {
            Some(mode) if !mode.is_at_end() => Err(Malformed::NoEnd),
            _ => Ok(()),
        }
    }

    /// The stream broke off: appends what was held back.
    pub(super) fn break_off(&mut self, stored: &mut Vec<u8>) {
        if let Some(text) = &mut self.text {
            text.finish(stored);
        }
    }
}
