//! Replies on their way to the client.
//!
//! A 227 or 229 must stand alone in its segment, since firewalls and NATs look for it at a segment's start
//! and drop what they cannot read: [`Outbox::transmit`] never shows it together with anything else.

use crate::reply::{Reply, put_text};
use alloc::collections::VecDeque;
use bytes::{Buf as _, BufMut as _, BytesMut};

/// Above this many bytes no new command is begun.
pub(crate) const HIGH_WATER: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: BytesMut,
    /// How many bytes were written in all, and where in that count a write has to end.
    written: usize,
    cuts: VecDeque<usize>,
    /// The code of a block whose last line has not come yet.
    open_block: Option<u16>,
}

impl Outbox {
    // req: 959-5.4-spontaneous
    pub(crate) fn push(&mut self, reply: &Reply) {
        if let Some(code) = self.open_block.take()
            && code != reply.code()
        {
            // Something else ends the session in the middle of a block.
            Reply::new(code, "Not complete.").write(&mut self.bytes);
        }
        let alone = matches!(reply.code(), 227..=229);
        if alone {
            self.cut();
        }
        self.bytes.reserve(reply.len());
        reply.write(&mut self.bytes);
        if alone {
            self.cut();
        }
    }

    /// A write has to end here; no two cuts at one place, or nothing would be left to write between them.
    fn cut(&mut self) {
        let here = self.written.wrapping_add(self.bytes.len());
        if here != self.written && self.cuts.back() != Some(&here) {
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
        put_text(&mut self.bytes, line);
        self.bytes.put_slice(b"\r\n");
    }

    /// Telnet commands, which are no part of any reply.
    pub(crate) fn push_telnet(&mut self, commands: &[u8]) {
        self.bytes.put_slice(commands);
    }

    /// Nobody will read it.
    pub(crate) fn discard(&mut self) {
        *self = Self::default();
    }

    /// What one write may take.
    pub(crate) fn transmit(&self) -> &[u8] {
        let end = self.cuts.front().map_or(self.bytes.len(), |cut| cut.wrapping_sub(self.written));
        self.bytes.get(..end).unwrap_or_default()
    }

    pub(crate) fn transmitted(&mut self, len: usize) {
        let len = len.min(self.transmit().len());
        self.bytes.advance(len);
        self.written = self.written.wrapping_add(len);
        if self.cuts.front() == Some(&self.written) {
            self.cuts.pop_front();
        }
        if self.bytes.is_empty() {
            // An idle session keeps no memory for replies.
            self.bytes = BytesMut::new();
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn held(&self) -> usize {
        self.bytes.capacity() + self.cuts.capacity() * size_of::<usize>()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() > HIGH_WATER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

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
