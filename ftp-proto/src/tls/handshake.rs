//! The handshake of one data connection: a small machine that an adapter drives before the transfer's.

use super::{TlsError, TlsSession, TlsStatus, TlsStream};
use crate::event::LinkError;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What the handshake wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeStep {
    /// Write what [`Handshake::transmit`] shows to the socket, then call [`Handshake::transmitted`].
    Write,
    /// Read from the socket, then call [`Handshake::receive`]; an empty slice means end of stream.
    Read,
    /// Give it back by `Event::Secured`, well or not. The socket stays as it is.
    End,
}

/// The handshake of one data connection. Drive it: `step`, do what it says, again, until `End`. Nothing here blocks.
#[derive(Debug)]
pub struct Handshake {
    stream: TlsStream,
    outcome: Option<Result<(), TlsError>>,
}

impl Handshake {
    pub(crate) fn new(session: Box<dyn TlsSession>) -> Self {
        Self { stream: TlsStream::new(session), outcome: None }
    }

    /// What to do next.
    pub fn step(&self) -> HandshakeStep {
        match &self.outcome {
            // Our last words go together with the first of the transfer.
            Some(Ok(())) => HandshakeStep::End,
            _ if !self.stream.transmit().is_empty() => HandshakeStep::Write,
            Some(Err(_)) => HandshakeStep::End,
            None => HandshakeStep::Read,
        }
    }

    /// What waits to be written.
    pub fn transmit(&self) -> &[u8] {
        self.stream.transmit()
    }

    /// This many bytes of it were written.
    pub fn transmitted(&mut self, len: usize) {
        self.stream.transmitted(len);
    }

    /// Bytes came from the socket; none: it is at its end.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.outcome.is_some() {
            return;
        }
        if bytes.is_empty() {
            self.outcome = Some(Err(TlsError::Ended));
            return;
        }
        self.stream.receive(bytes);
        // The transfer's first bytes may be here already: they stay where they are.
        let mut none = Vec::new();
        self.outcome = match self.stream.read_until(&mut none, |status| status != TlsStatus::Handshaking) {
            Ok(TlsStatus::Handshaking) => None,
            Ok(TlsStatus::Established) => Some(Ok(())),
            Ok(TlsStatus::Closed) => Some(Err(TlsError::Ended)),
            Err(error) => Some(Err(error)),
        };
    }

    /// The socket failed.
    pub fn fail(&mut self, why: LinkError) {
        let sent = self.stream.transmit().len();
        self.stream.transmitted(sent);
        self.outcome.get_or_insert(Err(TlsError::Link(why)));
    }

    /// The connection, or why there is none.
    pub(crate) fn into_outcome(self) -> Result<TlsStream, TlsError> {
        self.outcome.unwrap_or(Err(TlsError::TimedOut)).map(|()| self.stream)
    }
}
