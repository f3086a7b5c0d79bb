//! STRU R in MODE S: records end by control codes (RFC 959 section 3.4.1). A byte of ones begins one; as data it is
//! sent twice.

use super::decoder::{Malformed, Piece};
use alloc::vec::Vec;

const ESCAPE: u8 = 0xFF;
const END_OF_RECORD: u8 = 1;
const END_OF_FILE: u8 = 2;

/// Appends the bytes of a record; `ends`: they are its last.
// req: 959-3.4.1-record-codes
pub(super) fn encode(bytes: &[u8], ends: bool, wire: &mut Vec<u8>) {
    for piece in bytes.split_inclusive(|&byte| byte == ESCAPE) {
        wire.extend_from_slice(piece);
        if piece.ends_with(&[ESCAPE]) {
            wire.push(ESCAPE);
        }
    }
    if ends {
        wire.extend_from_slice(&[ESCAPE, END_OF_RECORD]);
    }
}

/// The file is at its end.
pub(super) fn finish(wire: &mut Vec<u8>) {
    wire.extend_from_slice(&[ESCAPE, END_OF_FILE]);
}

#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The first byte of a control code came.
    escaped: bool,
    /// A control code said both.
    ends_file: bool,
}

impl Decoder {
    /// Takes the next piece from the front of `wire`; `None`: more has to come first.
    pub(super) fn next<'a>(&mut self, wire: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Malformed> {
        if core::mem::take(&mut self.ends_file) {
            return Ok(Some(Piece::EndOfFile));
        }
        if self.escaped {
            let Some((code, rest)) = wire.split_at_checked(1) else { return Ok(None) };
            *wire = rest;
            self.escaped = false;
            return match *code {
                [ESCAPE] => Ok(Some(Piece::Data(code))),
                [END_OF_RECORD] => Ok(Some(Piece::EndOfRecord)),
                [END_OF_FILE] => Ok(Some(Piece::EndOfFile)),
                [both] if both == END_OF_RECORD | END_OF_FILE => {
                    self.ends_file = true;
                    Ok(Some(Piece::EndOfRecord))
                }
                _ => Err(Malformed::ControlCode),
            };
        }
        let len = wire.iter().position(|&byte| byte == ESCAPE).unwrap_or(wire.len());
        let (data, rest) = wire.split_at_checked(len).unwrap_or((wire, &[]));
        if let Some((_, behind)) = rest.split_first() {
            self.escaped = true;
            *wire = behind;
        } else {
            *wire = rest;
        }
        match (data.is_empty(), self.escaped) {
            (false, _) => Ok(Some(Piece::Data(data))),
            (true, true) => self.next(wire),
            (true, false) => Ok(None),
        }
    }
}
