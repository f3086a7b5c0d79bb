//! TLS on a data connection: records on the socket's side, plain text on the work's.

use super::{EndReason, Step};
use crate::tls::{TlsError, TlsStatus, TlsStream};
use alloc::vec::Vec;

/// The TLS connection of one transfer, its handshake complete.
pub(super) struct Secure {
    stream: TlsStream,
    /// An upload that ends without close_notify is cut off.
    needs_close_notify: bool,
    /// Plain text in the records that wait to be sent, as far as it is not counted yet.
    payload: usize,
}

impl Secure {
    pub(super) fn new(stream: TlsStream, needs_close_notify: bool) -> Self {
        Self { stream, needs_close_notify, payload: 0 }
    }

    /// What is to be done when an upload wants this step. What TLS has to say comes first: the client may wait for the
    /// last of the handshake before it sends, and for our close_notify before it reads the reply.
    pub(super) fn next_of_upload(&self, step: Option<Step>) -> Option<Step> {
        if self.transmit().is_empty() { step } else { Some(Step::Write) }
    }

    /// What is to be done when a download wants this step. The last of the handshake goes out with the first records,
    /// close_notify with the last.
    pub(super) fn next_of_download(&mut self, step: Option<Step>) -> Option<Step> {
        if step.is_none() {
            self.stream.close_notify();
        }
        if self.has_payload() || (step.is_none() && !self.transmit().is_empty()) {
            return Some(Step::Write);
        }
        if step.is_none() {
            self.stream.rest();
        }
        // Whatever is read becomes records in a turn.
        step.map(|_| Step::Turn)
    }

    pub(super) fn transmit(&self) -> &[u8] {
        self.stream.transmit()
    }

    /// Returns how many bytes of plain text count. A part of a record counts as if it came behind all that TLS adds to
    /// it, so that it is never too many.
    pub(super) fn transmitted(&mut self, len: usize) -> u64 {
        self.stream.transmitted(len);
        let left = self.payload.min(self.transmit().len());
        let count = self.payload - left;
        self.payload = left;
        count as u64
    }

    /// Whether records wait to be sent.
    pub(super) fn has_payload(&self) -> bool {
        self.payload > 0
    }

    /// Makes records of it.
    pub(super) fn write(&mut self, plain: &[u8]) -> Result<(), EndReason> {
        self.stream.write(plain).map_err(EndReason::Tls)?;
        self.payload += plain.len();
        Ok(())
    }

    /// Says that no more comes.
    // req: 4217-7-close-notify
    pub(super) fn close_notify(&mut self) {
        self.stream.close_notify();
    }

    /// Goes through all records that came; their plain text is appended to `plain`.
    pub(super) fn read(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> Result<(), TlsError> {
        self.stream.read_in_place(bytes, plain).map(|_| ())
    }

    /// Whether the client has said that it sent all.
    pub(super) fn is_closed(&self) -> bool {
        self.stream.status() == TlsStatus::Closed
    }

    /// Whether an upload that ends here misses its end: for certain where half a record came.
    pub(super) fn is_cut_off(&self) -> bool {
        self.needs_close_notify || self.stream.waiting() > 0
    }

    /// Nobody would read it.
    pub(super) fn send_nothing(&mut self) {
        self.stream.transmitted(usize::MAX);
        self.stream.rest();
        self.payload = 0;
    }
}
