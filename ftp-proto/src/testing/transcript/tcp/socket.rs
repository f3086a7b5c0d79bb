//! A real connection, in the clear or under TLS.

#![expect(clippy::disallowed_types, reason = "this runner is the client on the other side of a real socket")]

use super::{LOOKS, PATIENCE, words};
use crate::testing::FakeTlsClient;
use crate::testing::transcript::secure::{Ending, Opening};
use crate::tls::TlsStatus;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

pub(super) struct Socket {
    pub(super) stream: TcpStream,
    pub(super) tls: Option<FakeTlsClient>,
    /// What is said goes through TLS; what comes does as long as there is TLS.
    speaks_tls: bool,
    pub(super) tls_error: Option<String>,
    /// What came together with the end of the handshake.
    came: Vec<u8>,
}

impl Socket {
    pub(super) fn connect(address: SocketAddr) -> Result<Self, String> {
        Self::new(TcpStream::connect_timeout(&address, PATIENCE).map_err(words)?)
    }

    pub(super) fn new(stream: TcpStream) -> Result<Self, String> {
        stream.set_nonblocking(false).map_err(words)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(words)?;
        stream.set_nodelay(true).map_err(words)?;
        Ok(Self { stream, tls: None, speaks_tls: false, tls_error: None, came: Vec::new() })
    }

    /// Begins as a data connection does.
    pub(super) fn open(&mut self, opening: Opening) -> Result<(), String> {
        match opening {
            Opening::Tls(tls) => self.begin_tls(*tls),
            Opening::Clear(bytes) => self.stream.write_all(&bytes).map_err(words),
        }
    }

    pub(super) fn begin_tls(&mut self, tls: FakeTlsClient) -> Result<(), String> {
        (self.tls, self.speaks_tls, self.tls_error) = (Some(tls), true, None);
        self.write_tls()
    }

    pub(super) fn leave_tls(&mut self, close_notify: bool) -> Result<(), String> {
        self.speaks_tls = false;
        if let (Some(tls), true) = (&mut self.tls, close_notify) {
            tls.close_notify();
        }
        self.write_tls()
    }

    fn write_tls(&mut self) -> Result<(), String> {
        let bytes = self.tls.as_mut().map(FakeTlsClient::take_outgoing).unwrap_or_default();
        self.stream.write_all(&bytes).map_err(words)
    }

    fn is_in_handshake(&self) -> bool {
        self.tls_error.is_none()
            && self.tls.as_ref().is_some_and(|tls| tls.status() == TlsStatus::Handshaking)
    }

    /// Reads until the handshake is over, well or not.
    pub(super) fn handshake(&mut self) -> Result<(), String> {
        for _ in 0..LOOKS {
            if !self.is_in_handshake() {
                return Ok(());
            }
            match self.read_more(PATIENCE / LOOKS)? {
                Some(bytes) => self.came.extend(bytes),
                None => return Err(String::from("the server closed the connection in the handshake")),
            }
        }
        Err(String::from("the handshake takes too long"))
    }

    /// The same, as far as it goes without waiting.
    pub(super) fn go_on_with_handshake(&mut self) -> Result<(), String> {
        if self.is_in_handshake() {
            let bytes = self.read_now()?;
            self.came.extend(bytes);
        }
        Ok(())
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        match &mut self.tls {
            Some(tls) if self.speaks_tls => {
                tls.send(bytes).map_err(|error| error.to_string())?;
                self.write_tls()
            }
            _ => self.stream.write_all(bytes).map_err(words),
        }
    }

    /// Sends no more.
    pub(super) fn finish(&mut self, ending: Ending) {
        if let Some(tls) = &mut self.tls {
            ending.say(tls);
        }
        // A server that refuses the rest (full disk) resets; its reply tells.
        let _ = self.write_tls();
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// What comes next, without TLS; nothing if nothing does; `None` at the end.
    pub(super) fn read_within(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, String> {
        if !self.came.is_empty() {
            return Ok(Some(core::mem::take(&mut self.came)));
        }
        self.read_more(patience)
    }

    fn read_more(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, String> {
        let mut buffer = [0; 4096];
        self.stream.set_read_timeout(Some(patience)).map_err(words)?;
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(None),
            Ok(len) => self.take(buffer.get(..len).unwrap_or_default()).map(Some),
            Err(error) if is_patience(&error) => Ok(Some(Vec::new())),
            Err(error) => Err(words(error)),
        }
    }

    /// Whether something comes, or the end.
    pub(super) fn has_more(&mut self, patience: Duration) -> Result<bool, String> {
        self.stream.set_read_timeout(Some(patience)).map_err(words)?;
        Ok(!self.came.is_empty() || self.stream.peek(&mut [0]).is_ok())
    }

    /// All that came already.
    pub(super) fn read_now(&mut self) -> Result<Vec<u8>, String> {
        let mut buffer = [0; 4096];
        self.stream.set_nonblocking(true).map_err(words)?;
        let read = self.stream.read(&mut buffer);
        self.stream.set_nonblocking(false).map_err(words)?;
        match read {
            Ok(len) => self.take(buffer.get(..len).unwrap_or_default()),
            Err(_) => Ok(Vec::new()),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let Some(tls) = &mut self.tls else { return Ok(bytes.to_vec()) };
        let mut plain = match tls.receive(bytes) {
            Ok(plain) => plain,
            Err(error) => {
                self.tls_error = Some(error.to_string());
                Vec::new()
            }
        };
        // Behind the server's close_notify all is in the clear again.
        plain.append(&mut tls.take_rest());
        // The server may be gone already.
        let _ = self.write_tls();
        Ok(plain)
    }

    /// All that comes until the end. A reset is one, too.
    pub(super) fn read_to_end(&mut self) -> Result<Vec<u8>, String> {
        let mut bytes = core::mem::take(&mut self.came);
        let mut buffer = [0; 4096];
        self.stream.set_read_timeout(Some(PATIENCE)).map_err(words)?;
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(bytes),
                Ok(len) => bytes.extend(self.take(buffer.get(..len).unwrap_or_default())?),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(bytes),
                Err(error) => return Err(words(error)),
            }
        }
    }

    /// Whether the other side has ended TLS properly, if there is any.
    pub(super) fn check_end(&self) -> Result<(), String> {
        match &self.tls {
            Some(tls)
                if self.speaks_tls && self.tls_error.is_none() && tls.status() == TlsStatus::Established =>
            {
                Err(String::from("the connection ended without close_notify"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether only time ran out.
fn is_patience(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
