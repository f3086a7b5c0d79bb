//! The client's end of a data connection of a transcript played in memory.

use super::content::Content;
use super::secure::{Ending, Opening};
use crate::testing::FakeTlsClient;
use crate::tls::TlsStatus;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

#[derive(Default)]
pub(super) struct Link {
    /// What came, without TLS.
    pub(super) received: Vec<u8>,
    /// What goes to the server next, as it is.
    pub(super) to_send: Vec<u8>,
    /// No more follows it.
    pub(super) ended: bool,
    /// The server closed it.
    pub(super) closed: bool,
    pub(super) upload: bool,
    tls: Option<FakeTlsClient>,
    /// What waits for the end of the handshake.
    unsent: Vec<u8>,
    /// The client has said all.
    complete: bool,
    ending: Ending,
    /// What is wrong with what the server says.
    error: Option<String>,
}

impl Link {
    pub(super) fn new(opening: Opening, ending: Ending) -> Self {
        let mut link = Self { ending, ..Self::default() };
        match opening {
            Opening::Tls(tls) => link.tls = Some(*tls),
            Opening::Clear(bytes) => link.to_send = bytes,
        }
        link.flush();
        link
    }

    /// The client sends this; `end`: and nothing more.
    pub(super) fn send(&mut self, bytes: &[u8], end: bool) {
        self.unsent.extend_from_slice(bytes);
        self.complete = end;
        self.upload = true;
        self.flush();
    }

    /// The server has written this.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            None => self.received.extend_from_slice(bytes),
            Some(tls) => match tls.receive(bytes) {
                Ok(plain) => self.received.extend_from_slice(&plain),
                Err(error) => self.error = Some(error.to_string()),
            },
        }
        self.flush();
    }

    /// Puts on the way what can be.
    fn flush(&mut self) {
        let Some(tls) = &mut self.tls else {
            self.to_send.append(&mut self.unsent);
            self.ended |= self.complete;
            return;
        };
        if tls.status() != TlsStatus::Handshaking && tls.send(&self.unsent).is_ok() {
            self.unsent.clear();
            if self.complete {
                self.ending.say(tls);
            }
        }
        self.to_send.append(&mut tls.take_outgoing());
        self.ended |= self.error.is_some() || (self.complete && self.unsent.is_empty());
    }

    /// The tickets that came with it.
    pub(super) fn take_tickets(&mut self) -> Vec<Vec<u8>> {
        self.tls.as_mut().map(FakeTlsClient::take_tickets).unwrap_or_default()
    }

    /// Whether the server has ended it properly, having sent just this.
    pub(super) fn check(&self, wanted: &Content) -> Result<(), String> {
        if let Some(error) = &self.error {
            return Err(format!("the data connection: {error}"));
        }
        wanted.check(&self.received)?;
        if !self.closed {
            return Err(String::from("the data connection is still open"));
        }
        match &self.tls {
            Some(tls) if tls.status() != TlsStatus::Closed => {
                Err(String::from("the data connection ended without close_notify"))
            }
            _ => Ok(()),
        }
    }
}
