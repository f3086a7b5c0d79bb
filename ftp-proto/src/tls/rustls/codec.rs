//! Records in and out of rustls, by its unbuffered interface; the same for both sides.

use super::failure::failure;
use crate::tls::{TlsError, TlsStatus, TlsVersion};
use ::rustls::CommonState;
use ::rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

/// The plain text of a whole record (RFC 8446 section 5.1).
const FRAGMENT: usize = 16 << 10;
/// The most a record adds to its plain text: header, explicit nonce (TLS 1.2), content type (TLS 1.3), authentication tag.
const OVERHEAD: usize = 5 + 8 + 1 + 16;

/// How much of an unfinished handshake message is kept, headers of its records included. The longest are certificate
/// chains; who needs more than this sends pieces of a few octets, to make us look at them again and again.
const UNFINISHED: usize = 64 << 10;

/// What differs between the two sides.
pub(super) trait Endpoint {
    type Data;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn state(&self) -> &CommonState;
}

/// What shall be said as soon as rustls is ready for it.
#[derive(Clone, Copy)]
enum Word<'a> {
    None,
    Data(&'a [u8]),
    CloseNotify,
}

/// A connection of rustls and what it waits to see again.
pub(super) struct Codec<E> {
    pub(super) endpoint: E,
    minimum: TlsVersion,
    /// The beginning of a handshake message that goes on in the next record: rustls wants to see it again.
    unfinished: Vec<u8>,
    is_closed: bool,
    /// Then rustls must not be asked any more.
    failed: Option<TlsError>,
}

impl<E: Endpoint> Codec<E> {
    pub(super) fn new(endpoint: E, minimum: TlsVersion) -> Self {
        Self { endpoint, minimum, unfinished: Vec::new(), is_closed: false, failed: None }
    }

    /// Says what comes before all else.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), TlsError> {
        self.say(Word::None, out)
    }

    pub(super) fn read_record(
        &mut self,
        record: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<TlsStatus, TlsError> {
        if self.unfinished.is_empty() {
            let taken = self.advance(record, plain, out, Word::None)?;
            self.unfinished.extend_from_slice(record.get(taken..).unwrap_or_default());
        } else {
            let mut message = mem::take(&mut self.unfinished);
            message.extend_from_slice(record);
            let taken = self.advance(&mut message, plain, out, Word::None)?;
            self.unfinished = message.split_off(taken.min(message.len()));
        }
        if self.unfinished.len() > UNFINISHED {
            self.unfinished = Vec::new();
            let why =
                TlsError::Broken(String::from("a handshake message is too long, or in too many pieces"));
            self.failed = Some(why.clone());
            return Err(why);
        }
        Ok(match (self.is_closed, self.endpoint.state().is_handshaking()) {
            (true, _) => TlsStatus::Closed,
            (false, true) => TlsStatus::Handshaking,
            (false, false) => TlsStatus::Established,
        })
    }

    pub(super) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        if self.endpoint.state().is_handshaking() {
            return Err(TlsError::Broken(String::from("data before the end of the handshake")));
        }
        self.say(Word::Data(plain), out)
    }

    pub(super) fn close_notify(&mut self, out: &mut Vec<u8>) {
        // On a broken connection the alert has been said already.
        let _ = self.say(Word::CloseNotify, out);
    }

    fn say(&mut self, word: Word<'_>, out: &mut Vec<u8>) -> Result<(), TlsError> {
        let mut unfinished = mem::take(&mut self.unfinished);
        let said = self.advance(&mut unfinished, &mut Vec::new(), out, word);
        self.unfinished = unfinished;
        said.map(|_| ())
    }

    /// Lets rustls work until it needs more, then has it say `word`. How much of `incoming` is done with; the rest
    /// has to come again.
    fn advance(
        &mut self,
        incoming: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
        word: Word<'_>,
    ) -> Result<usize, TlsError> {
        if let Some(why) = &self.failed {
            return Err(why.clone());
        }
        let mut taken = 0;
        loop {
            let rest = incoming.get_mut(taken..).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.endpoint.process(rest);
            taken += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|why| failure(&why, self.minimum))?;
                        taken += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut message)) => encode(&mut message, out)?,
                Ok(ConnectionState::TransmitTlsData(transmitted)) => transmitted.done(),
                Ok(ConnectionState::PeerClosed) => self.is_closed = true,
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    encrypt(traffic, word, out)?;
                    return Ok(taken);
                }
                Ok(_) => return Ok(taken),
                Err(why) => {
                    let why = failure(&why, self.minimum);
                    self.failed = Some(why.clone());
                    self.say_alert(out);
                    return Err(why);
                }
            }
        }
    }

    /// After an error: what rustls has to say about it.
    fn say_alert(&mut self, out: &mut Vec<u8>) {
        // Never once more than there are records to be sent: it would look at what came again.
        while self.endpoint.state().wants_write() {
            let Ok(ConnectionState::EncodeTlsData(mut alert)) = self.endpoint.process(&mut []).state else {
                return;
            };
            if encode(&mut alert, out).is_err() {
                return;
            }
        }
    }
}

fn encode<D>(message: &mut EncodeTlsData<'_, D>, out: &mut Vec<u8>) -> Result<(), TlsError> {
    append(out, 0, |buffer| {
        message.encode(buffer).map_err(|why| match why {
            EncodeError::InsufficientSize(why) => Some(why.required_size),
            EncodeError::AlreadyEncoded => None,
        })
    })
}

fn encrypt<D>(mut traffic: WriteTraffic<'_, D>, word: Word<'_>, out: &mut Vec<u8>) -> Result<(), TlsError> {
    let needed = |why| match why {
        EncryptError::InsufficientSize(why) => Some(why.required_size),
        EncryptError::EncryptExhausted => None,
    };
    match word {
        Word::None => Ok(()),
        Word::Data(data) => {
            let room = data.len() + (data.len() / FRAGMENT + 1) * OVERHEAD;
            append(out, room, |buffer| traffic.encrypt(data, buffer).map_err(needed))
        }
        Word::CloseNotify => {
            append(out, OVERHEAD + 2, |buffer| traffic.queue_close_notify(buffer).map_err(needed))
        }
    }
}

/// Appends what `write` writes. It is given `room`; if it says that it needs more, it gets that.
fn append(
    out: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), TlsError> {
    let start = out.len();
    let mut attempt = |room: usize| {
        out.resize(start + room, 0);
        let written = write(out.get_mut(start..).unwrap_or_default());
        out.truncate(start + written.unwrap_or_default());
        written
    };
    let written = match attempt(room) {
        Err(Some(needed)) => attempt(needed),
        written => written,
    };
    // TLS 1.2 can't change its keys (RFC 8446 section 5.5 says after how much one should).
    written.map(|_| ()).map_err(|_| TlsError::Broken(String::from("too much was sent with the same keys")))
}
