//! What TYPE makes of bytes and lines, whatever the structure and the mode are.

use super::coding::{CodePage, Kind};
use super::decoder::Malformed;
use super::{ascii, ebcdic};
use alloc::vec::Vec;
use memchr::memchr;

/// The byte that MODE C calls the filler (RFC 959 section 3.4.3).
pub(super) fn filler(kind: Kind) -> u8 {
    match kind {
        Kind::Ascii => b' ',
        Kind::Ebcdic(_) => ebcdic::SPACE,
        Kind::Image => 0,
    }
}

/// From the storage to the wire.
#[derive(Debug)]
pub(super) enum Encoder {
    Ascii(ascii::Encoder),
    Ebcdic(CodePage),
    Image,
}

impl Encoder {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Ascii => Self::Ascii(ascii::Encoder::default()),
            Kind::Ebcdic(page) => Self::Ebcdic(page),
            Kind::Image => Self::Image,
        }
    }

    /// Appends the form of the next bytes of a file.
    pub(super) fn encode(&mut self, stored: &[u8], wire: &mut Vec<u8>) {
        match self {
            Self::Ascii(encoder) => encoder.encode(stored, wire),
            Self::Ebcdic(page) => ebcdic::encode(*page, stored, wire),
            Self::Image => wire.extend_from_slice(stored),
        }
    }

    /// Appends the form of the next bytes of a record, which is a line without its end; `ends`: they are its last.
    pub(super) fn encode_record(&mut self, stored: &[u8], ends: bool, wire: &mut Vec<u8>) {
        match self {
            Self::Ascii(encoder) => encoder.encode_record(stored, ends, wire),
            Self::Ebcdic(page) => ebcdic::encode(*page, stored, wire),
            Self::Image => wire.extend_from_slice(stored),
        }
    }

    /// The file is at its end: appends what was held back.
    pub(super) fn finish(&mut self, wire: &mut Vec<u8>) {
        if let Self::Ascii(encoder) = self {
            encoder.finish(wire);
        }
    }

    /// The byte before the first that will come.
    pub(super) fn come_behind(&mut self, byte: u8) {
        if let Self::Ascii(encoder) = self {
            encoder.come_behind(byte);
        }
    }

    /// Whether the next byte has the same form whatever came before it.
    pub(super) fn is_between(&self) -> bool {
        !matches!(self, Self::Ascii(encoder) if encoder.is_behind_cr())
    }
}

/// From the wire to the storage.
#[derive(Debug)]
pub(super) enum Decoder {
    Ascii(ascii::Decoder),
    Ebcdic(CodePage),
    Image,
}

impl Decoder {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Ascii => Self::Ascii(ascii::Decoder::default()),
            Kind::Ebcdic(page) => Self::Ebcdic(page),
            Kind::Image => Self::Image,
        }
    }

    /// Appends the form of the next bytes of a file.
    pub(super) fn decode(&mut self, wire: &[u8], stored: &mut Vec<u8>) {
        match self {
            Self::Ascii(decoder) => decoder.decode(wire, stored),
            Self::Ebcdic(page) => ebcdic::decode(*page, wire, stored),
            Self::Image => stored.extend_from_slice(wire),
        }
    }

    /// Appends the form of the next bytes of a record.
    pub(super) fn decode_record(&mut self, wire: &[u8], stored: &mut Vec<u8>) -> Result<(), Malformed> {
        let line_end = if matches!(self, Self::Ebcdic(_)) { ebcdic::NEW_LINE } else { b'\n' };
        if memchr(line_end, wire).is_some() {
            return Err(Malformed::LineEndInRecord);
        }
        match self {
            Self::Ebcdic(page) => ebcdic::decode(*page, wire, stored),
            Self::Ascii(_) | Self::Image => stored.extend_from_slice(wire),
        }
        Ok(())
    }

    /// The stream is at its end: appends what was held back.
    pub(super) fn finish(&mut self, stored: &mut Vec<u8>) {
        if let Self::Ascii(decoder) = self {
            decoder.finish(stored);
        }
    }

    /// Whether nothing is held back.
    pub(super) fn is_between(&self) -> bool {
        !matches!(self, Self::Ascii(decoder) if decoder.holds_cr())
    }
}
