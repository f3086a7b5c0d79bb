//! Bytes of a socket on one side, plain text on the other: cuts what comes into records, one at a time, so that what
//! follows a close_notify is still ours (CCC).

use super::{TlsError, TlsFacts, TlsSession, TlsStatus};
use alloc::boxed::Box;
use alloc::vec::Vec;

#[cfg(test)]
mod tests;

/// Content type, version, length (RFC 8446 section 5.1).
const HEADER: usize = 5;
/// The most a record may hold: TLS 1.2 allows 2 KiB beyond the plain text (RFC 5246 section 6.2.3).
const MAX_RECORD: usize = (16 << 10) + (2 << 10);
/// What a record takes beyond its plain text, at most: header, nonce or content type, tag.
const OVERHEAD: usize = 32;
/// The most plain text in one record (RFC 8446 section 5.1).
const MAX_PLAIN: usize = 16 << 10;
/// An empty buffer above this is given back.
const KEPT_CAPACITY: usize = 4 << 10;

/// One TLS connection and the bytes on their way through it.
pub(crate) struct TlsStream {
    session: Box<dyn TlsSession>,
    status: TlsStatus,
    /// What came; from `start` on it is not looked at yet.
    incoming: Vec<u8>,
    start: usize,
    /// What is to be sent; from `sent` on it still has to.
    outgoing: Vec<u8>,
    sent: usize,
    /// Our close_notify is said. Nothing follows it (RFC 8446 section 6.1), no answer to a key update either.
    closing: bool,
}

impl TlsStream {
    pub(crate) fn new(mut session: Box<dyn TlsSession>) -> Self {
        let mut outgoing = Vec::new();
        session.begin(&mut outgoing);
        Self {
            session,
            status: TlsStatus::Handshaking,
            incoming: Vec::new(),
            start: 0,
            outgoing,
            sent: 0,
            closing: false,
        }
    }

    // What comes in.

    /// Takes bytes from the socket; they wait until [`read`](Self::read).
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.incoming.drain(..self.start);
            self.start = 0;
        }
        self.incoming.extend_from_slice(bytes);
    }

    /// Goes through whole records until the status is `enough` or until none is left; plain text is appended to
    /// `plain`. After close_notify nothing more is touched.
    pub(crate) fn read_until(
        &mut self,
        plain: &mut Vec<u8>,
        enough: impl Fn(TlsStatus) -> bool,
    ) -> Result<TlsStatus, TlsError> {
        while self.status != TlsStatus::Closed && !enough(self.status) {
            let waiting = self.incoming.get_mut(self.start..).unwrap_or_default();
            let Some(record) = record_len(waiting)?.and_then(|len| waiting.get_mut(..len)) else { break };
            self.start += record.len();
            let out = if self.closing { &mut Vec::new() } else { &mut self.outgoing };
            self.status = self.session.read_record(record, plain, out)?;
        }
        if self.start == self.incoming.len() {
            self.start = 0;
            self.incoming.clear();
            if self.incoming.capacity() > KEPT_CAPACITY {
                self.incoming = Vec::new();
            }
        }
        Ok(self.status)
    }

    /// All whole records that came.
    pub(crate) fn read(&mut self, plain: &mut Vec<u8>) -> Result<TlsStatus, TlsError> {
        self.read_until(plain, |_| false)
    }

    /// [`receive`](Self::receive) and [`read`](Self::read) in one, for bulk: whole records are decrypted where they
    /// lie, only the rest of one that came in pieces is copied. What follows a close_notify is thrown away.
    pub(crate) fn read_in_place(
        &mut self,
        mut bytes: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Result<TlsStatus, TlsError> {
        // What plain text may come of it: nothing has to grow on the way.
        plain.reserve(self.waiting() + bytes.len());
        self.read(plain)?;
        while self.waiting() > 0 && !bytes.is_empty() && self.status != TlsStatus::Closed {
            let missing = self.missing()?.min(bytes.len());
            self.incoming.reserve_exact(missing);
            let (next, rest) = core::mem::take(&mut bytes).split_at_mut(missing);
            bytes = rest;
            self.receive(next);
            self.read(plain)?;
        }
        while self.status != TlsStatus::Closed
            && let Some(len) = record_len(bytes)?.filter(|&len| len <= bytes.len())
        {
            let (record, rest) = core::mem::take(&mut bytes).split_at_mut(len);
            bytes = rest;
            let out = if self.closing { &mut Vec::new() } else { &mut self.outgoing };
            self.status = self.session.read_record(record, plain, out)?;
        }
        if self.status != TlsStatus::Closed {
            self.receive(bytes);
        }
        Ok(self.status)
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.incoming.capacity(), self.outgoing.capacity())
    }

    /// How much came that is not looked at yet.
    pub(crate) fn waiting(&self) -> usize {
        self.incoming.len() - self.start
    }

    /// How much is missing of the record, or of the header, that has begun to come.
    fn missing(&self) -> Result<usize, TlsError> {
        let waiting = self.incoming.get(self.start..).unwrap_or_default();
        Ok(record_len(waiting)?.unwrap_or(HEADER).saturating_sub(waiting.len()))
    }

    /// Reads no more TLS; what came behind the last record is given back.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        let rest = self.incoming.split_off(self.start);
        (self.incoming, self.start) = (Vec::new(), 0);
        self.status = TlsStatus::Closed;
        rest
    }

    // What goes out.

    /// Has this sent.
    pub(crate) fn write(&mut self, plain: &[u8]) -> Result<(), TlsError> {
        self.outgoing.reserve(plain.len() + (plain.len() / MAX_PLAIN + 2) * OVERHEAD);
        self.session.write(plain, &mut self.outgoing)
    }

    /// Says that no more comes.
    pub(crate) fn close_notify(&mut self) {
        if !core::mem::replace(&mut self.closing, true) {
            self.session.close_notify(&mut self.outgoing);
        }
    }

    pub(crate) fn transmit(&self) -> &[u8] {
        self.outgoing.get(self.sent..).unwrap_or_default()
    }

    pub(crate) fn transmitted(&mut self, len: usize) {
        self.sent = self.outgoing.len().min(self.sent.saturating_add(len));
        if self.sent == self.outgoing.len() {
            self.sent = 0;
            self.outgoing.clear();
        }
    }

    /// Gives back what memory a long write took.
    pub(crate) fn rest(&mut self) {
        if self.outgoing.is_empty() && self.outgoing.capacity() > KEPT_CAPACITY {
            self.outgoing = Vec::new();
        }
    }

    // What is known.

    pub(crate) fn status(&self) -> TlsStatus {
        self.status
    }

    pub(crate) fn facts(&self) -> Option<TlsFacts> {
        self.session.facts()
    }
}

/// The length of the record that begins here, header included; `None`: its header has not come whole.
fn record_len(bytes: &[u8]) -> Result<Option<usize>, TlsError> {
    // The first byte of a stranger's words tells at once; an FTP client may never send a second line.
    if bytes.first().is_some_and(|kind| !(20..=24).contains(kind))
        || bytes.get(1).is_some_and(|major| *major != 3)
    {
        return Err(TlsError::NotTls);
    }
    let Some(&[.., high, low]) = bytes.get(..HEADER) else { return Ok(None) };
    match usize::from(u16::from_be_bytes([high, low])) {
        len if len > MAX_RECORD => Err(TlsError::NotTls),
        len => Ok(Some(HEADER + len)),
    }
}

impl core::fmt::Debug for TlsStream {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("TlsStream").field("status", &self.status).finish_non_exhaustive()
    }
}
