//! The other end of a data connection: the client's, a thief's or a stranger's.

use super::choices::Choices;
use super::faults::{Fault, Faults};
use super::wire::encode;
use crate::event::{LinkError, LinkId};
use crate::testing::{FakeHello, FakeTlsClient};
use crate::tls::{Handshake, HandshakeStep, TlsStatus, TlsVersion};
use crate::transfer::{Coding, Mode};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// How it behaves in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Proper,
    /// It says nothing any more.
    Stalls,
    /// It closes the connection.
    Closes,
    /// The network breaks it.
    Breaks,
}

/// A data connection's socket, both ends of it.
pub(super) struct Socket {
    pub(super) link: LinkId,
    /// The client's end, or whoever's it is.
    pub(super) peer: SocketAddr,
    /// It comes from an address of the client.
    pub(super) own: bool,
    /// It does not belong to the session's client.
    pub(super) is_thief: bool,
    manner: Manner,
    tls: Option<FakeTlsClient>,
    hello: FakeHello,
    handshake: Option<Box<Handshake>>,
    /// On its way to the server, and how much was sent and received there in all.
    to_server: VecDeque<u8>,
    sent: usize,
    taken: usize,
    /// Plain text that was sent; and, for each place where a record ends, how much of it ends there as well.
    plain: Vec<u8>,
    ends: Vec<(usize, usize)>,
    /// Where close_notify ends.
    notified_at: Option<usize>,
    /// It is to send a file, as soon as it may.
    is_uploading: bool,
    has_said_all: bool,
    /// It ends before its file does.
    is_cut_off: bool,
    /// How the transfer goes on the wire.
    pub(super) coding: Coding,
}

impl Socket {
    pub(super) fn new(link: LinkId, peer: SocketAddr, own: bool, is_thief: bool) -> Self {
        Self {
            link,
            peer,
            own,
            is_thief,
            manner: Manner::Proper,
            tls: None,
            hello: FakeHello::default(),
            handshake: None,
            to_server: VecDeque::new(),
            sent: 0,
            taken: 0,
            plain: Vec::new(),
            ends: Vec::new(),
            notified_at: None,
            is_uploading: false,
            has_said_all: false,
            is_cut_off: false,
            coding: Coding::IMAGE,
        }
    }

    // The handshake.

    /// The server does its handshake.
    pub(super) fn secure(
        &mut self,
        handshake: Box<Handshake>,
        hello: FakeHello,
        choices: &mut Choices<'_>,
        faults: &mut Faults,
    ) {
        let serves = !handshake.transmit().is_empty();
        self.hello = hello.clone();
        let tls = if serves { FakeTlsClient::in_the_servers_part() } else { FakeTlsClient::new(hello) };
        self.tls = Some(tls);
        self.handshake = Some(handshake);
        self.flush_tls();
        match choices.below(24) {
            0 => {
                self.manner = Manner::Stalls;
                faults.met(Fault::DataStallsInHandshake);
            }
            1 => self.manner = Manner::Closes,
            2 => self.manner = Manner::Breaks,
            3 => self.put(&[22, 3, 3, 0, 1, b'?']),
            4 => self.put(b"HELO\r\n"),
            _ => {}
        }
        if self.manner != Manner::Proper {
            self.to_server.truncate(choices.below(self.to_server.len() + 1));
        }
    }

    /// Whether a handshake was begun on it.
    pub(super) fn was_secured(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether a handshake goes on.
    pub(super) fn is_securing(&self) -> bool {
        self.handshake.is_some()
    }

    /// Whether its handshake gets no further but by time.
    pub(super) fn is_stuck(&self) -> bool {
        let Some(handshake) = self.handshake.as_deref() else { return true };
        let says_nothing =
            self.to_server.is_empty() && matches!(self.manner, Manner::Stalls | Manner::Proper);
        says_nothing && handshake.step() == HandshakeStep::Read
    }

    /// One step of the handshake; it is given back when it has ended.
    pub(super) fn shake_hands(
        &mut self,
        choices: &mut Choices<'_>,
        faults: &mut Faults,
    ) -> Option<Box<Handshake>> {
        let handshake = self.handshake.as_deref_mut()?;
        match handshake.step() {
            HandshakeStep::Write => {
                let shown = handshake.transmit();
                let shown = shown.get(..1 + choices.below(shown.len())).unwrap_or(shown).to_vec();
                handshake.transmitted(shown.len());
                self.hear(&shown, choices);
            }
            HandshakeStep::Read if !self.to_server.is_empty() => {
                let bytes = self.deliver(1 + choices.below(80));
                self.handshake.as_deref_mut()?.receive(&bytes);
            }
            HandshakeStep::Read => match self.manner {
                Manner::Proper | Manner::Stalls => {}
                Manner::Closes => {
                    faults.met(Fault::DataClosedInHandshake);
                    handshake.receive(&[]);
                }
                Manner::Breaks => {
                    faults.met(Fault::DataResetInHandshake);
                    handshake.fail(LinkError::Reset);
                }
            },
            HandshakeStep::End => return self.handshake.take(),
        }
        None
    }

    /// The server's part of the handshake arrives.
    fn hear(&mut self, bytes: &[u8], choices: &mut Choices<'_>) {
        let Some(tls) = &mut self.tls else { return };
        // A thief may not like what it hears.
        if tls.receive(bytes).is_ok() && self.manner == Manner::Proper {
            self.flush_tls();
            // It may send its file behind the last of the handshake.
            if self.is_established() && choices.one_in(3) {
                self.upload(choices);
            }
        }
    }

    fn is_established(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.status() == TlsStatus::Established)
    }

    /// The ticket that it resumed with.
    pub(super) fn resumed_with(&self) -> Option<&[u8]> {
        let resumed = self.tls.as_ref().is_some_and(FakeTlsClient::is_resumed);
        self.hello.ticket.as_deref().filter(|_| resumed)
    }

    /// Whether a handshake in full may mean that it has used all its tickets.
    pub(super) fn uses_tickets_once(&self) -> bool {
        self.hello.version == TlsVersion::V1_3
    }

    // The transfer.

    /// Sends a file and ends: well, without close_notify, or anywhere in the middle.
    pub(super) fn upload(&mut self, choices: &mut Choices<'_>) {
        self.is_uploading = true;
        if self.tls.is_some() && !self.is_established() {
            return;
        }
        if core::mem::replace(&mut self.has_said_all, true) {
            return;
        }
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for _ in 0..choices.below(4) {
            parts.push((0..choices.below(700)).map(|n| b'a' + (n % 26) as u8).collect());
        }
        if !self.coding.is_verbatim() {
            parts = Vec::from([encode(&parts.join(&b"\n\n"[..]), self.coding, choices)]);
            // Nothing tells of damaged bytes but the checksum of MODE Z.
            if matches!(self.coding.mode, Mode::Deflate(_)) && choices.one_in(3) {
                let wire = parts.iter_mut().flatten();
                wire.rev().take(1).for_each(|byte| *byte ^= 1);
            }
        }
        for part in parts {
            self.plain.extend_from_slice(&part);
            if let Some(tls) = &mut self.tls {
                if tls.send(&part).is_err() {
                    return;
                }
                self.flush_tls();
            } else {
                self.put(&part);
            }
        }
        if let Some(tls) = self.tls.as_mut().filter(|_| !choices.one_in(4)) {
            tls.close_notify();
            self.flush_tls();
            self.notified_at = Some(self.sent);
        }
        if choices.one_in(6) {
            let whole = self.to_server.len();
            self.to_server.truncate(choices.below(whole + 1));
            self.is_cut_off = self.to_server.len() < whole;
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.to_server.extend(bytes);
        self.sent += bytes.len();
        self.ends.push((self.sent, self.plain.len()));
    }

    fn flush_tls(&mut self) {
        if let Some(tls) = &mut self.tls {
            let out = tls.take_outgoing();
            self.put(&out);
        }
    }

    /// Up to this many bytes reach the server.
    pub(super) fn deliver(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.to_server.len());
        self.taken += count;
        self.to_server.drain(..count).collect()
    }

    /// Something is on its way to the server.
    pub(super) fn has_more(&self) -> bool {
        !self.to_server.is_empty()
    }

    /// All has reached the server, and that is not all of the file.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off && self.is_silent()
    }

    /// All it had to say has reached the server.
    pub(super) fn is_silent(&self) -> bool {
        self.to_server.is_empty() && self.has_said_all
    }

    /// What of the file reached the server, as far as it can be read there.
    pub(super) fn delivered(&self) -> &[u8] {
        let whole = self.ends.iter().rev().find(|(end, _)| *end <= self.taken);
        let len = match self.tls {
            Some(_) => whole.map_or(0, |(_, len)| *len),
            None => self.taken,
        };
        self.plain.get(..len).unwrap_or_default()
    }

    /// Whether close_notify reached the server.
    pub(super) fn has_notified(&self) -> bool {
        self.notified_at.is_some_and(|end| end <= self.taken)
    }

    /// Whether the server has half a record.
    pub(super) fn is_cut(&self) -> bool {
        self.tls.is_some() && self.taken > 0 && !self.ends.iter().any(|(end, _)| *end == self.taken)
    }

    /// Bytes of the server; their plain text.
    pub(super) fn receive(&mut self, bytes: &[u8], choices: &mut Choices<'_>) -> Result<Vec<u8>, String> {
        let Some(tls) = &mut self.tls else { return Ok(bytes.to_vec()) };
        let plain = tls.receive(bytes).map_err(|error| {
            alloc::format!("no TLS on a data connection: {error}: {:?}", String::from_utf8_lossy(bytes))
        })?;
        if !tls.take_rest().is_empty() {
            return Err("data behind close_notify".into());
        }
        if self.is_uploading {
            self.upload(choices);
        }
        Ok(plain)
    }

    pub(super) fn take_tickets(&mut self) -> Vec<Vec<u8>> {
        self.tls.as_mut().map(FakeTlsClient::take_tickets).unwrap_or_default()
    }

    /// The server's close_notify came.
    pub(super) fn is_told_the_end(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.status() == TlsStatus::Closed)
    }
}
