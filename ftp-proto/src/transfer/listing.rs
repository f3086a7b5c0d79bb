//! A directory on its way to the client, line by line: memory does not grow with its size.

use super::coding::Coding;
use super::encoder::Encoder;
use super::outgoing::Outgoing;
use super::{EndReason, Step};
use crate::host::Directory;
use crate::listing::Listing;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A turn ends when it has made this many bytes of lines.
const LINES_AT_LEAST: usize = 64 * 1024;
/// A turn ends after this many entries even if a pattern left out most of them, so that an abort is heard.
const ENTRIES_AT_MOST: usize = 4_096;

/// Sends a directory's entries as lines.
pub(super) struct Lines {
    /// `None` once it was read to its end, or if its code panicked.
    directory: Option<Box<dyn Directory>>,
    listing: Listing,
    at_end: bool,
    coded: Option<Coded>,
    outgoing: Outgoing,
}

/// What is needed in addition where the wire carries more than the lines.
struct Coded {
    encoder: Encoder,
    lines: Vec<u8>,
}

impl Lines {
    pub(super) fn new(directory: Box<dyn Directory>, listing: Listing, coding: Coding) -> Self {
        let coded = Encoder::of_lines(coding).map(|encoder| Coded { encoder, lines: Vec::new() });
        Self { directory: Some(directory), listing, at_end: false, coded, outgoing: Outgoing::default() }
    }

    /// What to do next; `None`: all was sent.
    pub(super) fn next(&self) -> Result<Option<Step>, EndReason> {
        if !self.outgoing.is_empty() {
            Ok(Some(Step::Write))
        } else if self.at_end {
            Ok(None)
        } else if self.directory.is_none() {
            Err(EndReason::Panicked)
        } else {
            Ok(Some(Step::Turn))
        }
    }

    pub(super) fn transmit(&self) -> &[u8] {
        self.outgoing.unsent()
    }

    pub(super) fn transmitted(&mut self, len: usize) -> u64 {
        let sent = self.outgoing.sent(len);
        if self.at_end && self.outgoing.is_empty() {
            self.stop();
        }
        sent as u64
    }

    /// Reads the next entries. The directory is out of the pipe while its code runs: after a panic there is
    /// none that could be called again.
    pub(super) fn turn(&mut self) -> Result<(), EndReason> {
        if self.at_end || !self.outgoing.is_empty() {
            return Ok(());
        }
        let Some(mut directory) = self.directory.take() else { return Err(EndReason::Panicked) };
        let Self { listing, outgoing, coded, .. } = self;
        let at_end = match coded {
            None => outgoing.append(|lines| read(&mut *directory, listing, lines))?,
            Some(Coded { encoder, lines }) => {
                lines.clear();
                let at_end = read(&mut *directory, listing, lines)?;
                outgoing.append(|wire| {
                    encoder.encode(lines, wire);
                    if at_end {
                        encoder.finish(wire);
                    }
                });
                at_end
            }
        };
        self.at_end = at_end;
        if !at_end {
            self.directory = Some(directory);
        }
        Ok(())
    }

    /// Gives the buffers back.
    pub(super) fn stop(&mut self) {
        self.outgoing.free();
        self.coded = None;
    }
}

/// Appends the lines of the next entries; whether they were the last.
fn read(directory: &mut dyn Directory, listing: &Listing, lines: &mut Vec<u8>) -> Result<bool, EndReason> {
    for _ in 0..ENTRIES_AT_MOST {
        match directory.next_entry() {
            Ok(Some(entry)) => listing.append(&entry, lines),
            Ok(None) => return Ok(true),
            Err(error) => return Err(EndReason::Storage(error)),
        }
        if lines.len() >= LINES_AT_LEAST {
            break;
        }
    }
    Ok(false)
}
