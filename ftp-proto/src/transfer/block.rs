//! MODE B: blocks with headers (RFC 959 section 3.4.2). The descriptor is the one of MODE C as well.

use super::decoder::{Malformed, Piece};
use alloc::vec::Vec;

/// A block ends a record.
pub(super) const END_OF_RECORD: u8 = 128;
/// A block ends the file.
pub(super) const END_OF_FILE: u8 = 64;
/// The sender doubts the data. Whether it is of use is for whoever reads it to say.
const SUSPECT: u8 = 32;
/// A block is a restart marker, not data.
pub(super) const MARKER: u8 = 16;
/// The longest marker that is understood.
pub(super) const LONGEST_MARKER: usize = 127;

/// Checks a descriptor.
// req: 959-3.4.2-descriptors
pub(super) fn descriptor(byte: u8) -> Result<u8, Malformed> {
    if byte & !(END_OF_RECORD | END_OF_FILE | SUSPECT | MARKER) == 0 {
        Ok(byte)
    } else {
        Err(Malformed::Descriptor)
    }
}

/// Appends blocks of these bytes; the last of them has the descriptor. None if there is nothing to say.
// req: 959-3.4.2-header
pub(super) fn encode(bytes: &[u8], descriptor: u8, wire: &mut Vec<u8>) {
    let mut pieces = bytes.chunks(usize::from(u16::MAX)).peekable();
    if pieces.peek().is_none() && descriptor != 0 {
        wire.extend_from_slice(&[descriptor, 0, 0]);
    }
    while let Some(piece) = pieces.next() {
        let [high, low] = u16::try_from(piece.len()).unwrap_or(u16::MAX).to_be_bytes();
        let descriptor = if pieces.peek().is_none() { descriptor } else { 0 };
        wire.extend_from_slice(&[descriptor, high, low]);
        wire.extend_from_slice(piece);
    }
}

/// What a descriptor says comes behind the data it stands for.
#[derive(Debug, Default)]
pub(super) struct Ends(u8);

impl Ends {
    pub(super) fn of(descriptor: u8) -> Self {
        Self(descriptor & (END_OF_RECORD | END_OF_FILE))
    }

    /// The record first, then the file.
    pub(super) fn next(&mut self) -> Option<Piece<'static>> {
        if self.0 & END_OF_RECORD != 0 {
            self.0 &= !END_OF_RECORD;
            return Some(Piece::EndOfRecord);
        }
        (core::mem::take(&mut self.0) & END_OF_FILE != 0).then_some(Piece::EndOfFile)
    }
}

#[derive(Debug, Default)]
pub(super) struct Decoder {
    header: Vec<u8>,
    /// What is to come of a block.
    left: usize,
    descriptor: u8,
    marker: Vec<u8>,
    ends: Ends,
}

impl Decoder {
    /// Takes the next piece from the front of `wire`; `None`: more has to come first.
    pub(super) fn next<'a>(&mut self, wire: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Malformed> {
        loop {
            if let Some(end) = self.ends.next() {
                return Ok(Some(end));
            }
            if self.left == 0 {
                let Some((&byte, rest)) = wire.split_first() else { return Ok(None) };
                *wire = rest;
                self.header.push(byte);
                self.begin()?;
                continue;
            }
            let (data, rest) = wire.split_at_checked(self.left).unwrap_or((wire, &[]));
            if data.is_empty() {
                return Ok(None);
            }
            *wire = rest;
            self.left -= data.len();
            if self.left == 0 {
                self.ends = Ends::of(self.descriptor);
            }
            if self.descriptor & MARKER == 0 {
                return Ok(Some(Piece::Data(data)));
            }
            self.marker.extend_from_slice(data);
            if self.left == 0 {
                return Ok(Some(Piece::Marker(core::mem::take(&mut self.marker))));
            }
        }
    }

    /// A block begins when its header is complete.
    fn begin(&mut self) -> Result<(), Malformed> {
        let &[descriptor, high, low] = self.header.as_slice() else { return Ok(()) };
        self.header.clear();
        self.descriptor = self::descriptor(descriptor)?;
        self.left = usize::from(u16::from_be_bytes([high, low]));
        let is_marker = self.descriptor & MARKER != 0;
        if is_marker && (self.left == 0 || self.left > LONGEST_MARKER) {
            return Err(Malformed::Marker);
        }
        if self.left == 0 {
            self.ends = Ends::of(self.descriptor);
        }
        Ok(())
    }
}
