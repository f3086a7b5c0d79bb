//! MODE C: runs of equal bytes are sent as their lengths (RFC 959 section 3.4.3).

use super::block::{END_OF_FILE, END_OF_RECORD, Ends, MARKER, descriptor};
use super::decoder::{Malformed, Piece};
use alloc::vec::Vec;

/// Begins an escape sequence; its second byte is a descriptor, for the string that follows.
const ESCAPE: u8 = 0;
/// `10nnnnnn`, then the byte: so many of it.
const REPLICATED: u8 = 0b1000_0000;
/// `11nnnnnn`: so many of the filler.
const FILLER: u8 = 0b1100_0000;
const LONGEST_RUN: u8 = 0b0011_1111;
/// `0nnnnnnn`, then so many bytes as they are.
const LONGEST_LITERAL: usize = 127;
/// From here on a run is shorter than the same bytes as they are, the header included that comes behind it.
const SHORTEST_FILLER: u8 = 3;
const SHORTEST_RUN: u8 = 4;

/// Takes bytes and holds back those that may become part of a longer string.
#[derive(Debug)]
pub(super) struct Encoder {
    /// What a run of it is shortest for: the space in text, zero in an image.
    filler: u8,
    /// Bytes for the next string of bytes as they are.
    literal: Vec<u8>,
    /// Behind them the last byte again and again.
    byte: u8,
    count: u8,
}

impl Encoder {
    // req: 959-3.4.3-filler
    pub(super) fn new(filler: u8) -> Self {
        Self { filler, literal: Vec::new(), byte: 0, count: 0 }
    }

    /// Appends strings of these bytes; `ends`: a record ends with them.
    pub(super) fn encode(&mut self, bytes: &[u8], ends: bool, wire: &mut Vec<u8>) {
        for &byte in bytes {
            if self.count > 0 && (byte != self.byte || self.count == LONGEST_RUN) {
                self.end_run(wire);
            }
            self.byte = byte;
            self.count += 1;
        }
        if ends {
            self.flush(END_OF_RECORD, wire);
        }
    }

    /// The file is at its end.
    pub(super) fn finish(&mut self, wire: &mut Vec<u8>) {
        self.flush(END_OF_FILE, wire);
    }

    /// A restart marker stands here.
    pub(super) fn mark(&mut self, marker: &[u8], wire: &mut Vec<u8>) {
        self.flush(0, wire);
        self.literal.extend_from_slice(marker);
        self.flush(MARKER, wire);
    }

    fn is_run(&self) -> bool {
        let shortest = if self.byte == self.filler { SHORTEST_FILLER } else { SHORTEST_RUN };
        self.count >= shortest
    }

    /// Another byte comes: what is counted becomes a string of its own, or part of one.
    fn end_run(&mut self, wire: &mut Vec<u8>) {
        if self.is_run() {
            self.flush_literal(0, wire);
            self.flush_run(0, wire);
            return;
        }
        if self.literal.len() + usize::from(self.count) > LONGEST_LITERAL {
            self.flush_literal(0, wire);
        }
        self.literal.resize(self.literal.len() + usize::from(self.count), self.byte);
        self.count = 0;
    }

    /// Nothing is held back any more; the descriptor is for the last string, an empty one if need be.
    fn flush(&mut self, descriptor: u8, wire: &mut Vec<u8>) {
        if self.is_run() {
            self.flush_literal(0, wire);
            return self.flush_run(descriptor, wire);
        }
        self.end_run(wire);
        if !self.literal.is_empty() {
            self.flush_literal(descriptor, wire);
        } else if descriptor != 0 {
            wire.extend_from_slice(&[ESCAPE, descriptor, FILLER]);
        }
    }

    // req: 959-3.4.3-string
    fn flush_literal(&mut self, descriptor: u8, wire: &mut Vec<u8>) {
        if !self.literal.is_empty() {
            escape(descriptor, wire);
            // (Never longer than 127 bytes.)
            wire.push(u8::try_from(self.literal.len()).unwrap_or(0));
            wire.append(&mut self.literal);
        }
    }

    // req: 959-3.4.3-replicated
    fn flush_run(&mut self, descriptor: u8, wire: &mut Vec<u8>) {
        escape(descriptor, wire);
        let count = core::mem::take(&mut self.count);
        if self.byte == self.filler {
            wire.push(FILLER | count);
        } else {
            wire.extend_from_slice(&[REPLICATED | count, self.byte]);
        }
    }
}

// req: 959-3.4.3-escape
fn escape(descriptor: u8, wire: &mut Vec<u8>) {
    if descriptor != 0 {
        wire.extend_from_slice(&[ESCAPE, descriptor]);
    }
}

#[derive(Debug)]
pub(super) struct Decoder {
    filler: u8,
    state: State,
    /// For the next string, or the one that comes.
    descriptor: Option<u8>,
    marker: Vec<u8>,
    ends: Ends,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// A header is next.
    Header,
    /// A descriptor is next.
    Escape,
    /// So many bytes of a string are to come.
    Literal(usize),
    /// The byte that stands for so many is next.
    Replicated(usize),
}

impl Decoder {
    pub(super) fn new(filler: u8) -> Self {
        Self { filler, state: State::Header, descriptor: None, marker: Vec::new(), ends: Ends::default() }
    }

    /// Takes the next piece from the front of `wire`; `None`: more has to come first.
    pub(super) fn next<'a>(&mut self, wire: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Malformed> {
        loop {
            if let Some(end) = self.ends.next() {
                return Ok(Some(end));
            }
            let Some((&byte, rest)) = wire.split_first() else { return Ok(None) };
            let piece = match self.state {
                State::Header => {
                    *wire = rest;
                    self.header(byte)
                }
                State::Escape => {
                    *wire = rest;
                    self.escape(byte)?;
                    None
                }
                State::Replicated(count) => {
                    *wire = rest;
                    Some(Piece::Run(byte, count))
                }
                State::Literal(left) => {
                    let (data, rest) = wire.split_at_checked(left).unwrap_or((wire, &[]));
                    *wire = rest;
                    self.state = State::Literal(left - data.len());
                    Some(Piece::Data(data))
                }
            };
            let Some(piece) = piece else { continue };
            if !matches!(self.state, State::Literal(1..)) {
                self.state = State::Header;
            }
            if let Some(piece) = self.string(piece)? {
                return Ok(Some(piece));
            }
        }
    }

    fn header(&mut self, byte: u8) -> Option<Piece<'static>> {
        let count = usize::from(byte & LONGEST_RUN);
        match byte {
            ESCAPE => self.state = State::Escape,
            1..REPLICATED => self.state = State::Literal(usize::from(byte)),
            REPLICATED..FILLER => self.state = State::Replicated(count),
            FILLER.. => return Some(Piece::Run(self.filler, count)),
        }
        None
    }

    /// Two sequences without a string between them: that of the first is empty.
    fn escape(&mut self, byte: u8) -> Result<(), Malformed> {
        self.state = State::Header;
        match self.descriptor.replace(descriptor(byte)?) {
            Some(before) if before & MARKER != 0 => Err(Malformed::Marker),
            Some(before) => {
                self.ends = Ends::of(before);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A part of a string, or a whole one. A marker is kept until it is whole.
    fn string<'a>(&mut self, piece: Piece<'a>) -> Result<Option<Piece<'a>>, Malformed> {
        let is_whole = matches!(self.state, State::Header);
        let descriptor = self.descriptor.unwrap_or(0);
        if is_whole {
            self.descriptor = None;
            self.ends = Ends::of(descriptor);
        }
        if descriptor & MARKER == 0 {
            return Ok(Some(piece));
        }
        match piece {
            Piece::Data(data) => self.marker.extend_from_slice(data),
            Piece::Run(byte, count) => self.marker.resize(self.marker.len() + count, byte),
            _ => {}
        }
        if !is_whole {
            return Ok(None);
        }
        let marker = core::mem::take(&mut self.marker);
        if marker.is_empty() { Err(Malformed::Marker) } else { Ok(Some(Piece::Marker(marker))) }
    }
}
