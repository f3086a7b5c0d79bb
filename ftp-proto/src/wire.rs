//! The control connection between the session and the socket: in the clear, or under TLS.
//!
//! Theory of operation: AUTH and CCC take effect at one place in the stream of replies. What the session had queued
//! when it asked for the [`Switch`] still goes out as it was, all that follows in the new way. Inwards TLS is cut
//! into records here, so that what comes behind a close_notify is plain text again.

use crate::session::{Session, Switch};
use crate::time::{Instant, Now};
use crate::tls::{TlsError, TlsSession, TlsStatus, TlsStream};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// No reply is put under TLS while more than this waits to be sent.
const HIGH_WATER: usize = 16 * 1024;

/// How long after the reply to CCC close_notify follows, if the client says nothing. lftp takes one that it reads
/// together with the reply for the end of the connection; curl and others wait for it.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
pub(crate) enum Wire {
    /// In the clear.
    #[default]
    Clear,
    Tls(Box<Secure>),
}

/// A control connection under TLS, from AUTH to the last byte after CCC.
#[derive(Debug)]
pub(crate) struct Secure {
    stream: TlsStream,
    /// How many bytes of what is queued go out in the clear before the first under TLS (the reply to AUTH).
    clear_first: usize,
    /// The session was told that the handshake is complete.
    is_known: bool,
    phase: Phase,
    /// What came in the clear behind the client's TLS.
    rest: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Both ways are under TLS.
    On,
    /// CCC was answered. Our close_notify follows the client's, or comes before what there is to say, or then.
    Parting(Instant),
    /// Our way is in the clear, and what the client has sent under TLS is still read.
    Leaving,
    /// The client has left as well. The last of our own TLS still goes out; what comes in the clear has to wait for
    /// that, since it may be another AUTH.
    Left,
    /// TLS failed: its last words go out, nothing is read.
    Broken,
}

impl Secure {
    /// CCC was answered, and the client may still be under TLS.
    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Parting(_) | Phase::Leaving)
    }

    /// Ends TLS on our way, if that is still to be done.
    fn part(&mut self) {
        if matches!(self.phase, Phase::Parting(_)) {
            self.stream.close_notify();
            self.phase = Phase::Leaving;
        }
    }

    /// What follows is plain text.
    fn client_left(&mut self) {
        self.part();
        self.rest = self.stream.end();
        self.phase = Phase::Left;
    }
}

impl Wire {
    /// Takes what the socket gave.
    pub(crate) fn receive(&mut self, now: Now, bytes: &[u8], session: &mut Session) {
        let Self::Tls(secure) = self else { return session.receive(now, bytes) };
        match secure.phase {
            Phase::On | Phase::Parting(_) | Phase::Leaving => {}
            Phase::Left => return secure.rest.extend_from_slice(bytes),
            Phase::Broken => return,
        }
        secure.stream.receive(bytes);
        let mut plain = Vec::new();
        let read = secure.stream.read(&mut plain);
        if !secure.is_known
            && let Some(facts) = secure.stream.facts()
        {
            secure.is_known = true;
            session.control_secured(facts);
        }
        if !plain.is_empty() {
            session.receive(now, &plain);
        }
        match read {
            Ok(TlsStatus::Closed) if secure.is_ending() => secure.client_left(),
            // It came together with the CCC it belongs to; the switch is still to be made.
            Ok(TlsStatus::Closed) if session.protection.is_leaving() => {}
            // The client has said all. The answers it is owed still go out.
            Ok(TlsStatus::Closed) => session.client_ended(now),
            // A client that says nothing at the end of TLS and goes on in the clear.
            Err(TlsError::NotTls) if secure.is_ending() => secure.client_left(),
            Err(error) => {
                secure.phase = Phase::Broken;
                session.control_tls_failed(now, error);
            }
            Ok(TlsStatus::Handshaking | TlsStatus::Established) => {}
        }
    }

    /// Carries out a switch, and puts under TLS what the session has to say.
    pub(crate) fn settle(&mut self, now: Now, session: &mut Session) {
        loop {
            match session.take_switch() {
                Some(Switch::Secure(tls)) => self.secure(tls, session),
                Some(Switch::Clear) => self.leave(now, session),
                None if self.encrypt(now, session) || self.go_on_in_the_clear(now, session) => continue,
                None => break,
            }
        }
        let Self::Tls(secure) = self else { return };
        if !session.transmit().is_empty() || session.is_finished() {
            secure.part();
        }
        if session.is_finished() && secure.phase == Phase::On && secure.stream.facts().is_some() {
            secure.stream.close_notify();
        }
    }

    fn secure(&mut self, tls: Box<dyn TlsSession>, session: &Session) {
        let clear_first = session.queued();
        let stream = TlsStream::new(tls);
        *self = Self::Tls(Box::new(Secure {
            stream,
            clear_first,
            is_known: false,
            phase: Phase::On,
            rest: Vec::new(),
        }));
    }

    // req: 2228-3-ccc-protected, 4217-5-ccc-close-notify
    fn leave(&mut self, now: Now, session: &mut Session) {
        // No more than this: commands go on as soon as there is room for their replies.
        let mut left = session.queued();
        while let len @ 1.. = self.encrypt_next(now, session, left) {
            left -= len;
        }
        if let Self::Tls(secure) = self
            && secure.phase == Phase::On
        {
            secure.phase = Phase::Parting(now.mono + PAUSE);
            if secure.stream.status() == TlsStatus::Closed {
                secure.client_left();
            }
        }
    }

    /// Once both have left TLS. Whether they have.
    fn go_on_in_the_clear(&mut self, now: Now, session: &mut Session) -> bool {
        let Self::Tls(secure) = self else { return false };
        if secure.phase != Phase::Left || !secure.stream.transmit().is_empty() {
            return false;
        }
        let rest = core::mem::take(&mut secure.rest);
        *self = Self::Clear;
        session.control_cleared();
        session.receive(now, &rest);
        true
    }

    /// Whether it took something from the session.
    fn encrypt(&mut self, now: Now, session: &mut Session) -> bool {
        let Self::Tls(secure) = self else { return false };
        secure.stream.transmit().len() <= HIGH_WATER && self.encrypt_next(now, session, usize::MAX) > 0
    }

    /// Returns how many bytes it took, `most` of them at most.
    // req: 2228-5.2-whole-lines
    fn encrypt_next(&mut self, now: Now, session: &mut Session, most: usize) -> usize {
        let Self::Tls(secure) = self else { return 0 };
        let queued = session.transmit();
        let len = queued.len().min(most);
        let queued = queued.get(..len).unwrap_or_default();
        let is_ready = secure.phase == Phase::On && secure.clear_first == 0 && secure.is_known;
        if !is_ready || queued.is_empty() {
            return 0;
        }
        match secure.stream.write(queued) {
            Ok(()) => session.transmitted(now, len),
            Err(error) => {
                secure.phase = Phase::Broken;
                session.control_tls_failed(now, error);
            }
        }
        len
    }

    /// What is to be written to the socket.
    pub(crate) fn transmit<'a>(&'a self, session: &'a Session) -> &'a [u8] {
        match self {
            Self::Clear => session.transmit(),
            Self::Tls(secure) if secure.clear_first > 0 => {
                let queued = session.transmit();
                queued.get(..secure.clear_first.min(queued.len())).unwrap_or_default()
            }
            Self::Tls(secure) => match (secure.stream.transmit(), secure.phase) {
                ([], Phase::Leaving) => session.transmit(),
                (bytes, _) => bytes,
            },
        }
    }

    pub(crate) fn transmitted(&mut self, now: Now, len: usize, session: &mut Session) {
        match self {
            Self::Tls(secure) if secure.clear_first > 0 => {
                let len = len.min(secure.clear_first);
                secure.clear_first -= len;
                session.transmitted(now, len);
            }
            Self::Tls(secure) if !secure.stream.transmit().is_empty() => {
                secure.stream.transmitted(len);
                secure.stream.rest();
            }
            _ => session.transmitted(now, len),
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn held(&self) -> (usize, usize) {
        match self {
            Self::Clear => (0, 0),
            Self::Tls(secure) => {
                let (incoming, outgoing) = secure.stream.held();
                (incoming + secure.rest.capacity(), outgoing)
            }
        }
    }

    /// Whether TLS still has something to send.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Clear => true,
            Self::Tls(secure) => secure.stream.transmit().is_empty(),
        }
    }

    /// Whether what comes next can be told apart: not while the reply to AUTH is on its way, since the client's
    /// handshake follows it.
    pub(crate) fn wants_input(&self) -> bool {
        match self {
            Self::Clear => true,
            Self::Tls(secure) => match secure.phase {
                Phase::On => secure.clear_first == 0,
                Phase::Parting(_) | Phase::Leaving => true,
                Phase::Left | Phase::Broken => false,
            },
        }
    }

    /// When something is to be said though nothing happened.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Tls(secure) => match secure.phase {
                Phase::Parting(at) => Some(at),
                Phase::On | Phase::Leaving | Phase::Left | Phase::Broken => None,
            },
            Self::Clear => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        if self.deadline().is_some_and(|at| at <= now.mono)
            && let Self::Tls(secure) = self
        {
            secure.part();
        }
    }

    /// Nobody will read it.
    pub(crate) fn discard(&mut self) {
        if let Self::Tls(secure) = self {
            secure.clear_first = 0;
            secure.phase = Phase::Broken;
            secure.stream.transmitted(usize::MAX);
        }
    }
}
