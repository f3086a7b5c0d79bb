//! From the storage's form of a file to the wire's.

use super::ascii;
use super::coding::{Coding, Kind, Mode};
use super::deflate::Compressor;
use alloc::vec::Vec;

/// Bytes that it is given at once, where nothing in it wants less.
const APPETITE: usize = 128 * 1024;

/// The chain of codecs of one download or listing: first TYPE, then MODE.
pub(super) struct Encoder {
    text: Option<ascii::Encoder>,
    mode: Option<Compressor>,
    /// What came out of the first and waits for the second, while both work.
    between: Vec<u8>,
}

impl Encoder {
    /// `None`: there is nothing to do, the wire carries the bytes as they are stored.
    pub(super) fn new(coding: Coding) -> Option<Self> {
        let text = match coding.kind {
            Kind::Ascii => Some(ascii::Encoder::default()),
            Kind::Image => None,
        };
        let mode = match coding.mode {
            Mode::Stream => None,
            Mode::Deflate(deflate) => Some(Compressor::new(deflate.level)),
        };
        (!coding.is_verbatim()).then(|| Self { text, mode, between: Vec::new() })
    }

    /// For a listing, whose lines end in CR LF already. `None`: the wire carries them as they are.
    pub(super) fn of_lines(coding: Coding) -> Option<Self> {
        let coding = coding.of_listing();
        if coding == Coding::ASCII { None } else { Self::new(coding) }
    }

    /// How many bytes to give it at once, for a turn that does not take long.
    pub(super) fn appetite(&self) -> usize {
        self.mode.as_ref().map_or(APPETITE, Compressor::appetite)
    }

    /// Appends the wire's form of the next bytes of the file: a few times as many at most. May hold some of it back.
    pub(super) fn encode(&mut self, stored: &[u8], wire: &mut Vec<u8>) {
        match (&mut self.text, &mut self.mode) {
            (Some(text), None) => text.encode(stored, wire),
            (Some(text), Some(mode)) => {
                self.between.clear();
                text.encode(stored, &mut self.between);
                mode.compress(&self.between, wire);
            }
            (None, Some(mode)) => mode.compress(stored, wire),
            (None, None) => wire.extend_from_slice(stored),
        }
    }

    /// The file is at its end: appends what was held back, and what marks the end.
    pub(super) fn finish(&mut self, wire: &mut Vec<u8>) {
        if let Some(mode) = &mut self.mode {
            mode.finish(wire);
        }
    }
}
