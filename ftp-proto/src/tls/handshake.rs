//! The handshake of one data connection: a small machine that an adapter drives before the transfer's.

use super::{Resumption, TlsError, TlsSession, TlsStatus, TlsStream, TlsVersion};
use crate::config::DataResumption;
use crate::diagnose::Cause;
use crate::event::LinkError;
use alloc::boxed::Box;
use alloc::format;
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

/// What a data connection has to show, so that it may carry a session's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demands {
    pub(crate) resumption: DataResumption,
    /// Whether it may lead to another server, which can resume nothing.
    pub(crate) server_to_server: bool,
    /// Whether it may come from another address than the client's if it resumes.
    pub(crate) proof_is_enough: bool,
    /// The oldest version that will do.
    pub(crate) minimum: TlsVersion,
    /// Whether it comes from the client's address.
    pub(crate) own: bool,
}

impl Demands {
    /// Whether this will do; `Some` says in what way it proves too little, for the log.
    fn check(self, resumption: Resumption) -> Result<Option<Resumption>, Cause> {
        match (resumption, self.resumption) {
            _ if self.server_to_server => Ok(None),
            // It is the address that is wrong; the wait remembers who came.
            (Resumption::Resumed, _) if !self.own && !self.proof_is_enough => {
                Err(Cause::WrongPeer(Vec::new()))
            }
            (Resumption::Resumed, _) => Ok(None),
            // From elsewhere nothing but the session counts.
            _ if !self.own => Err(Cause::NotResumed(resumption)),
            (_, DataResumption::Off) => Ok(None),
            (_, DataResumption::Warn) | (Resumption::Exhausted, DataResumption::Require) => {
                Ok(Some(resumption))
            }
            (_, DataResumption::Require | DataResumption::Strict) => Err(Cause::NotResumed(resumption)),
        }
    }
}

/// The handshake of one data connection. Drive it: `step`, do what it says, again, until `End`. Nothing here blocks.
#[derive(Debug)]
pub struct Handshake {
    stream: TlsStream,
    demands: Demands,
    outcome: Option<Result<Option<Resumption>, Cause>>,
}

impl Handshake {
    pub(crate) fn new(session: Box<dyn TlsSession>, demands: Demands) -> Self {
        Self { stream: TlsStream::new(session), demands, outcome: None }
    }

    /// What to do next.
    pub fn step(&self) -> HandshakeStep {
        match &self.outcome {
            // Our last words go together with the first of the transfer.
            Some(Ok(_)) => HandshakeStep::End,
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
            self.outcome = Some(Err(Cause::TlsFailed(TlsError::Ended)));
            return;
        }
        self.stream.receive(bytes);
        // The transfer's first bytes may be here already: they stay where they are.
        let mut none = Vec::new();
        self.outcome = match self.stream.read_until(&mut none, |status| status != TlsStatus::Handshaking) {
            Ok(TlsStatus::Handshaking) => None,
            Ok(TlsStatus::Established) => Some(self.judge()),
            Ok(TlsStatus::Closed) => Some(Err(Cause::TlsFailed(TlsError::Ended))),
            Err(error) => Some(Err(Cause::TlsFailed(error))),
        };
    }

    /// Whether the session may carry data. If not, TLS ends as it should: a client for which the end is an error would
    /// not read on to the reply that says why (ftplib).
    fn judge(&mut self) -> Result<Option<Resumption>, Cause> {
        let facts = self.stream.facts();
        let version =
            facts.as_ref().map(|facts| facts.version).filter(|version| *version < self.demands.minimum);
        let judgement = match version {
            Some(version) => Err(Cause::TlsFailed(TlsError::Refused(format!(
                "{} is required here, and the data connection has {version}",
                self.demands.minimum
            )))),
            None => self.demands.check(facts.map_or(Resumption::Full, |facts| facts.resumption)),
        };
        if judgement.is_err() {
            self.stream.close_notify();
        }
        judgement
    }

    /// The socket failed.
    pub fn fail(&mut self, why: LinkError) {
        let sent = self.stream.transmit().len();
        self.stream.transmitted(sent);
        self.outcome.get_or_insert(Err(Cause::TlsFailed(TlsError::Link(why))));
    }

    /// The connection and in what way it proves too little, if it does; or why there is none.
    pub(crate) fn into_outcome(self) -> Result<(TlsStream, Option<Resumption>), Cause> {
        let outcome = self.outcome.unwrap_or(Err(Cause::TlsFailed(TlsError::TimedOut)));
        outcome.map(|lacking| (self.stream, lacking))
    }
}
