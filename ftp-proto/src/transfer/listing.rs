//! A listing on its way to the client, line by line: memory does not grow with its length.

use super::coding::Coding;
use super::encoder::Encoder;
use super::outgoing::Outgoing;
use super::{EndReason, Step};
use crate::listing::{Found, Listing, Walk};
use alloc::vec::Vec;

/// A turn ends when it has made this many bytes of lines.
const LINES_AT_LEAST: usize = 64 * 1024;
/// A turn ends after this many entries even if a pattern left out most of them, so that an abort is heard.
const ENTRIES_AT_MOST: usize = 4_096;

/// Sends entries as lines.
pub(super) struct Lines {
    /// `None` once it was read to its end, or if its code panicked.
    walk: Option<Walk>,
    listing: Listing,
    /// How it ended, once it was read to its end; what was read is sent either way.
    end: Option<Result<(), EndReason>>,
    coded: Option<Coded>,
    outgoing: Outgoing,
}

/// What is needed in addition where the wire carries more than the lines.
struct Coded {
    encoder: Encoder,
    lines: Vec<u8>,
}

impl Lines {
    pub(super) fn new(walk: Walk, listing: Listing, coding: Coding) -> Self {
        let coded = Encoder::of_lines(coding).map(|encoder| Coded { encoder, lines: Vec::new() });
        Self { walk: Some(walk), listing, end: None, coded, outgoing: Outgoing::default() }
    }

    /// What to do next; `None`: all was sent.
    pub(super) fn next(&self) -> Result<Option<Step>, EndReason> {
        if !self.outgoing.is_empty() {
            Ok(Some(Step::Write))
        } else if let Some(end) = &self.end {
            end.clone().map(|()| None)
        } else if self.walk.is_none() {
            Err(EndReason::Panicked)
        } else {
            Ok(Some(Step::Turn))
        }
    }

    /// Whether all entries are here.
    pub(super) fn is_read(&self) -> bool {
        self.walk.as_ref().is_some_and(Walk::is_read)
    }

    pub(super) fn transmit(&self) -> &[u8] {
        self.outgoing.unsent()
    }

    pub(super) fn transmitted(&mut self, len: usize) -> u64 {
        let sent = self.outgoing.sent(len);
        if self.end.is_some() && self.outgoing.is_empty() {
            self.stop();
        }
        sent as u64
    }

    /// Reads the next entries. The directory is out of the pipe while its code runs: after a panic there is
    /// none that could be called again.
    pub(super) fn turn(&mut self) -> Result<(), EndReason> {
        if self.end.is_some() || !self.outgoing.is_empty() {
            return Ok(());
        }
        let Some(mut walk) = self.walk.take() else { return Err(EndReason::Panicked) };
        let Self { listing, outgoing, coded, .. } = self;
        let end = match coded {
            None => outgoing.append(|lines| read(&mut walk, listing, lines)),
            Some(Coded { encoder, lines }) => {
                lines.clear();
                let end = read(&mut walk, listing, lines);
                // As a text is stored: names hold neither byte of a line end.
                lines.retain(|&byte| byte != b'\r');
                outgoing.append(|wire| {
                    encoder.encode(lines, wire);
                    if end == Some(Ok(())) {
                        encoder.finish(wire);
                    }
                });
                end
            }
        };
        if end.is_none() {
            self.walk = Some(walk);
        }
        self.end = end;
        Ok(())
    }

    /// Gives the buffers back.
    pub(super) fn stop(&mut self) {
        self.outgoing.free();
        self.coded = None;
    }
}

/// Appends the next lines; how it ended if they were the last.
fn read(walk: &mut Walk, listing: &Listing, lines: &mut Vec<u8>) -> Option<Result<(), EndReason>> {
    for _ in 0..ENTRIES_AT_MOST {
        match walk.advance() {
            Ok(Some(Found::Entry(entry))) => listing.append(&entry, lines),
            Ok(Some(Found::Heading(path))) => listing.append_heading(&path, lines),
            Ok(Some(Found::Nothing)) => {}
            Ok(Some(Found::Cut)) => return Some(Err(EndReason::TooMuch)),
            Ok(None) => return Some(Ok(())),
            Err(error) => return Some(Err(EndReason::Storage(error))),
        }
        if lines.len() >= LINES_AT_LEAST {
            break;
        }
    }
    None
}
