//! Bytes on their way to the socket.

use alloc::vec::Vec;

/// A buffer that is filled in one go and emptied in any number of pieces.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Its first `filled` bytes are meant; the rest is room for the next filling.
    bytes: Vec<u8>,
    filled: usize,
    sent: usize,
}

impl Outgoing {
    /// What waits to be sent.
    pub(super) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..self.filled).unwrap_or_default()
    }

    /// Whether all of it was sent.
    pub(super) fn is_empty(&self) -> bool {
        self.sent >= self.filled
    }

    /// This many bytes were sent; returns how many of them there were to send.
    pub(super) fn sent(&mut self, len: usize) -> usize {
        let len = len.min(self.filled.saturating_sub(self.sent));
        self.sent += len;
        len
    }

    /// Fills it anew through a slice of `len` bytes. `fill` returns how many it wrote.
    pub(super) fn fill<E>(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        (self.filled, self.sent) = (0, 0);
        if self.bytes.len() < len {
            self.bytes.resize(len, 0);
        }
        let room = self.bytes.get_mut(..len).unwrap_or_default();
        // A count beyond the room would be a bug of the storage; it must not become one of ours.
        self.filled = fill(room)?.min(len);
        Ok(self.filled)
    }

    /// Fills it anew by appending to an empty vector.
    pub(super) fn append<T>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        (self.filled, self.sent) = (0, 0);
        self.bytes.clear();
        let result = append(&mut self.bytes);
        self.filled = self.bytes.len();
        result
    }

    /// Appends to what waits.
    pub(super) fn append_more(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.truncate(self.filled);
        append(&mut self.bytes);
        self.filled = self.bytes.len();
    }

    /// Gives its memory back, and forgets what was not sent.
    pub(super) fn free(&mut self) {
        *self = Self::default();
    }
}
