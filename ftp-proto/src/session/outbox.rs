//! Replies on their way to the client.
//!
//! A 227 or 229 must stand alone in its segment, since firewalls and NATs look for it at a segment's start
//! and drop what they cannot read: [`Outbox::transmit`] never shows it together with anything else.

use crate::reply::Reply;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Above this many bytes no new command is begun.
const HIGH_WATER: usize = 16 * 1024;
/// An empty buffer above this is given back.
const KEPT_CAPACITY: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// How much of `bytes` was written already.
    written: usize,
    /// Positions in `bytes` at which a write has to end.
    cuts: VecDeque<usize>,
    /// The code of a block whose last line has not come yet.
    open_block: Option<u16>,
}

impl Outbox {
    pub(crate) fn push(&mut self, reply: &Reply) {
        if let Some(code) = self.open_block.take()
            && code != reply.code()
        {
            // Something else ends the session in the middle of a block.
            Reply::new(code, "Not complete.").write(&mut self.bytes);
        }
        let alone = matches!(reply.code(), 227 | 229);
        if alone {
            self.cut();
        }
        reply.write(&mut self.bytes);
        if alone {
            self.cut();
        }
    }

    /// A write has to end here; no two cuts at one place, or nothing would be left to write between them.
    fn cut(&mut self) {
        let here = self.bytes.len();
        if here > self.written && self.cuts.back() != Some(&here) {
            self.cuts.push_back(here);
        }
    }

    /// The first line of a block that is made piece by piece; the next reply of this code ends it.
    pub(crate) fn open_block(&mut self, code: u16, first: &[u8]) {
        self.open_block = Some(code);
        self.push_raw(&[alloc::format!("{code}-").as_bytes(), first].concat());
    }

    /// A line of such a block.
    pub(crate) fn push_raw(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Nobody will read it.
    pub(crate) fn discard(&mut self) {
        *self = Self::default();
    }

    /// What one write may take.
    pub(crate) fn transmit(&self) -> &[u8] {
        let end = self.cuts.front().copied().unwrap_or(self.bytes.len());
        self.bytes.get(self.written..end).unwrap_or_default()
    }

    pub(crate) fn transmitted(&mut self, len: usize) {
        let len = len.min(self.transmit().len());
        self.written += len;
        if self.cuts.front() == Some(&self.written) {
            self.cuts.pop_front();
        }
        if self.written == self.bytes.len() {
            self.written = 0;
            self.cuts.clear();
            self.bytes.clear();
            if self.bytes.capacity() > KEPT_CAPACITY {
                self.bytes = Vec::new();
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() - self.written > HIGH_WATER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passive_reply_is_written_alone() {
        let mut outbox = Outbox::default();
        outbox.push(&Reply::new(200, "a"));
        outbox.push(&Reply::new(227, "b"));
        outbox.push(&Reply::new(200, "c"));
        outbox.push(&Reply::new(200, "d"));
        let mut writes = Vec::new();
        while !outbox.is_empty() {
            writes.push(outbox.transmit().to_vec());
            outbox.transmitted(writes.last().unwrap().len());
        }
        assert_eq!(writes, [&b"200 a\r\n"[..], b"227 b\r\n", b"200 c\r\n200 d\r\n"]);
    }

    #[test]
    fn two_passive_replies_in_a_row_are_two_writes() {
        let mut outbox = Outbox::default();
        outbox.push(&Reply::new(227, "a"));
        outbox.push(&Reply::new(229, "b"));
        assert_eq!(outbox.transmit(), b"227 a\r\n");
        outbox.transmitted(7);
        assert_eq!(outbox.transmit(), b"229 b\r\n");
    }

    #[test]
    fn partial_writes_keep_the_cuts() {
        let mut outbox = Outbox::default();
        outbox.push(&Reply::new(200, "a"));
        outbox.push(&Reply::new(229, "b"));
        outbox.transmitted(3);
        assert_eq!(outbox.transmit(), b" a\r\n");
        outbox.transmitted(4);
        assert_eq!(outbox.transmit(), b"229 b\r\n");
        outbox.transmitted(1000);
        assert!(outbox.is_empty());
    }
}
