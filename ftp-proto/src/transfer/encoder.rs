//! From the storage's form of a file to the wire's.

use super::ascii;
use super::coding::{Coding, Kind};
use alloc::vec::Vec;

/// The chain of codecs of one download or listing.
pub(super) struct Encoder {
    text: ascii::Encoder,
}

impl Encoder {
    /// `None`: there is nothing to do, the wire carries the bytes as they are stored.
    pub(super) fn new(coding: Coding) -> Option<Self> {
        match coding.kind {
            Kind::Ascii => Some(Self { text: ascii::Encoder::default() }),
            Kind::Image => None,
        }
    }

    /// For a listing, whose lines end in CR LF already. `None`: the wire carries them as they are.
    pub(super) fn of_lines(coding: Coding) -> Option<Self> {
        let coding = coding.of_listing();
        if coding == Coding::ASCII { None } else { Self::new(coding) }
    }

    /// Appends the wire's form of the next bytes of the file: a few times as many at most. May hold some of it back.
    pub(super) fn encode(&mut self, stored: &[u8], wire: &mut Vec<u8>) {
        self.text.encode(stored, wire);
    }

    /// The file is at its end: appends what was held back, and what marks the end.
    pub(super) fn finish(&mut self, _wire: &mut Vec<u8>) {}
}
