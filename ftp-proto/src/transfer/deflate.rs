//! MODE Z: a transfer's bytes as one zlib stream (RFC 1950, RFC 1951; draft-preston-ftpext-deflate). Both codecs work
//! on any split of the bytes, and one call costs no more than its input and its room: neither a bomb nor a hard text
//! makes a long turn.

#[cfg(test)]
mod tests;

use super::decoder::{Malformed, Pause};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU32;
use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// The highest level there is.
const HIGHEST_LEVEL: u8 = 9;
/// Bytes of a stream that are read in one call, at most.
const INPUT_AT_ONCE: usize = 64 * 1024;
/// Bytes appended between two looks at the room.
const PIECE: usize = 32 * 1024;
/// What an upload may become whatever its ratio: so little is no attack.
const FREE: u64 = 16 * 1024 * 1024;

/// Makes a zlib stream. Some 300 KiB of memory, from the first byte on.
pub(super) struct Compressor {
    level: u8,
    state: Option<Box<CompressorOxide>>,
}

impl Compressor {
    /// Levels are those of zlib: 0 stores, 1 is fast, 9 compresses most; more means 9.
    pub(super) fn new(level: u8) -> Self {
        Self { level: level.min(HIGHEST_LEVEL), state: None }
    }

    /// How many bytes to give it at once: some milliseconds of work even for bytes that are hard to compress, of which
    /// the highest levels manage two megabytes a second.
    pub(super) fn appetite(&self) -> usize {
        if self.level <= 6 { 64 * 1024 } else { 16 * 1024 }
    }

    fn state(&mut self) -> &mut CompressorOxide {
        let level = self.level;
        self.state.get_or_insert_with(|| {
            let mut state = Box::<CompressorOxide>::default();
            state.set_format_and_level(DataFormat::Zlib, level);
            state
        })
    }

    /// Appends the next part of the stream: what is held back and `plain`, as zlib makes it, at most; nothing, as long
    /// as it all can be held.
    pub(super) fn compress(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        let (mut rest, state) = (plain, self.state());
        append(wire, usize::MAX, |piece| {
            if rest.is_empty() {
                return None;
            }
            let made = deflate(state, rest, piece, MZFlush::None);
            rest = rest.get(made.bytes_consumed..).unwrap_or_default();
            Some(made.bytes_written)
        });
    }

    /// Appends what is left of the stream.
    pub(super) fn finish(&mut self, wire: &mut Vec<u8>) {
        let (mut at_end, state) = (false, self.state());
        append(wire, usize::MAX, |piece| {
            if at_end {
                return None;
            }
            let made = deflate(state, &[], piece, MZFlush::Finish);
            // An error would be one of this file; a stream that lacks its end is seen by whoever reads it.
            at_end = !matches!(made.status, Ok(MZStatus::Ok));
            Some(made.bytes_written)
        });
    }
}

/// Reads a zlib stream. Some 43 KiB of memory from the first byte on, however large the stream.
pub(super) struct Decompressor {
    state: Option<Box<InflateState>>,
    at_end: bool,
    /// How many times its size a stream may become.
    ratio: Option<NonZeroU32>,
    taken: u64,
    made: u64,
}

impl Decompressor {
    /// `ratio`: how many times its size a stream may become, once it has become [`FREE`] bytes; 0: any.
    pub(super) fn new(ratio: u32) -> Self {
        Self { state: None, at_end: false, ratio: NonZeroU32::new(ratio), taken: 0, made: 0 }
    }

    /// Takes from the front of `wire`, and appends at most `room` bytes to `plain`. `Full`: it has to be called again,
    /// even if no more comes.
    ///
    /// # Errors
    /// What was appended before is good.
    pub(super) fn decompress(
        &mut self,
        wire: &mut &[u8],
        plain: &mut Vec<u8>,
        room: usize,
    ) -> Result<Pause, Malformed> {
        let state = self.state.get_or_insert_with(|| InflateState::new_boxed(DataFormat::Zlib));
        // Input may take long without giving anything: many blocks, all of them empty.
        let (now, later) = wire.split_at_checked(INPUT_AT_ONCE).unwrap_or((*wire, &[]));
        let (mut rest, mut outcome, before) = (now, Ok(()), plain.len());
        append(plain, room, |piece| {
            if self.at_end || outcome.is_err() {
                return None;
            }
            let read = inflate(state, rest, piece, MZFlush::None);
            rest = rest.get(read.bytes_consumed..).unwrap_or_default();
            self.taken = self.taken.saturating_add(read.bytes_consumed as u64);
            self.made = self.made.saturating_add(read.bytes_written as u64);
            outcome = match read.status {
                Ok(status) => {
                    self.at_end = status == MZStatus::StreamEnd;
                    self.ratio.map_or(Ok(()), |ratio| fits(ratio, self.taken, self.made))
                }
                // It wants more of the stream.
                Err(MZError::Buf) => Ok(()),
                Err(_) => Err(Malformed::NotDeflated),
            };
            (read.bytes_consumed > 0 || read.bytes_written > 0).then_some(read.bytes_written)
        });
        outcome?;
        let is_full = plain.len() - before >= room && !self.at_end;
        *wire = if rest.is_empty() { later } else { wire.get(now.len() - rest.len()..).unwrap_or_default() };
        match (is_full, wire.is_empty()) {
            (_, false) if self.at_end => Err(Malformed::BehindEnd),
            (false, true) => Ok(Pause::Hungry),
            (true, _) | (false, false) => Ok(Pause::Full),
        }
    }

    /// Whether the stream has come to its end.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }
}

/// Whether so little may become so much.
fn fits(ratio: NonZeroU32, taken: u64, made: u64) -> Result<(), Malformed> {
    if made > FREE && made / u64::from(ratio.get()) > taken { Err(Malformed::Expands) } else { Ok(()) }
}

/// Appends at most `room` bytes in pieces; `fill` says how much of a piece it filled, `None`: it has nothing more.
fn append(bytes: &mut Vec<u8>, room: usize, mut fill: impl FnMut(&mut [u8]) -> Option<usize>) {
    let most = bytes.len().saturating_add(room);
    while bytes.len() < most {
        let from = bytes.len();
        bytes.resize(most.min(from + PIECE), 0);
        let filled = fill(bytes.get_mut(from..).unwrap_or_default());
        bytes.truncate(from + filled.unwrap_or(0));
        if filled.is_none() {
            return;
        }
    }
}
