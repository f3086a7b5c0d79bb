//! TLS of the client.

use crate::options::{Options, Outcome, told};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme};
use std::io::{self, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// Certificates are not what is measured.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// One per session, since it holds the tickets.
pub(crate) fn configuration(options: &Options) -> Outcome<Option<Arc<ClientConfig>>> {
    if !options.tls {
        return Ok(None);
    }
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).contains(&options.suite));
    let versions: &[&rustls::SupportedProtocolVersion] = if options.tls12 {
        &[&rustls::version::TLS12]
    } else {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    };
    let mut configuration = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .map_err(|error| format!("tls: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    configuration.resumption =
        if options.resume { Resumption::in_memory_sessions(64) } else { Resumption::disabled() };
    Ok(Some(Arc::new(configuration)))
}

/// A TLS stream that reads the socket in large pieces (rustls by itself asks for 4 KiB at a time).
pub(crate) struct Tls {
    pub(crate) connection: ClientConnection,
    records: Records,
}

struct Records {
    socket: TcpStream,
    buffer: Vec<u8>,
    used: usize,
    filled: usize,
}

impl Read for Records {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.used == self.filled {
            self.used = 0;
            self.filled = self.socket.read(&mut self.buffer)?;
        }
        let length = out.len().min(self.filled - self.used);
        out[..length].copy_from_slice(&self.buffer[self.used..self.used + length]);
        self.used += length;
        Ok(length)
    }
}

impl Tls {
    /// Does the handshake; `piece` is what one read of the socket takes at most.
    pub(crate) fn start(configuration: &Arc<ClientConfig>, socket: TcpStream, piece: usize) -> Outcome<Self> {
        let name = ServerName::try_from("localhost").map_err(|error| format!("tls: {error}"))?;
        let mut connection = ClientConnection::new(Arc::clone(configuration), name)
            .map_err(|error| format!("tls: {error}"))?;
        connection.set_buffer_limit(None);
        let records = Records { socket, buffer: vec![0; piece], used: 0, filled: 0 };
        let mut tls = Self { connection, records };
        told("tls handshake", tls.handshake())?;
        Ok(tls)
    }

    fn handshake(&mut self) -> io::Result<()> {
        while self.connection.is_handshaking() {
            self.flush()?;
            if !self.connection.is_handshaking() {
                break;
            }
            if self.fill()? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "end in the handshake"));
            }
        }
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.records.socket)?;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<usize> {
        let length = self.connection.read_tls(&mut self.records)?;
        let invalid = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        self.connection.process_new_packets().map_err(invalid)?;
        Ok(length)
    }

    pub(crate) fn resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(bytes)?;
        self.flush()
    }

    /// Says that nothing more will come.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush()
    }

    /// close_notify and FIN, then reads to the end, so that no unread ticket causes a reset.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.close()?;
        let _ = self.records.socket.shutdown(Shutdown::Write);
        loop {
            match self.fill() {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.flush()?;
                    if self.fill()? == 0 {
                        return Ok(0);
                    }
                }
                // A peer that closed without close_notify: counted as the end.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
        }
    }
}
