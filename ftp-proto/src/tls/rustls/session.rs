//! The two sides of a connection: what each tells of it once the handshake is complete.

use super::codec::{Codec, Endpoint};
use super::failure::failure;
use super::family::Side;
use super::settings::Prepared;
use crate::tls::{ClientCertificate, Resumption, TlsError, TlsFacts, TlsSession, TlsStatus, TlsVersion};
use ::rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use ::rustls::pki_types::{IpAddr, Ipv4Addr, ServerName};
use ::rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use ::rustls::unbuffered::UnbufferedStatus;
use ::rustls::{CipherSuite, CommonState, ProtocolVersion, ServerConfig};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A connection that a client opened.
pub(super) struct ServerSession {
    codec: Codec<Server>,
    facts: Option<TlsFacts>,
}

impl ServerSession {
    pub(super) fn accept(config: Arc<ServerConfig>, side: Arc<Side>) -> Result<Self, TlsError> {
        let minimum = side.settings().minimum();
        let connection = UnbufferedServerConnection::new(config).map_err(|why| failure(&why, minimum))?;
        Ok(Self { codec: Codec::new(Server { connection, side }, minimum), facts: None })
    }
}

impl TlsSession for ServerSession {
    fn read_record(
        &mut self,
        record: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<TlsStatus, TlsError> {
        let status = self.codec.read_record(record, plain, out)?;
        if self.facts.is_none() && status != TlsStatus::Handshaking {
            self.facts = self.codec.endpoint.facts();
        }
        Ok(status)
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        self.codec.write(plain, out)
    }

    fn close_notify(&mut self, out: &mut Vec<u8>) {
        self.codec.close_notify(out);
    }

    fn facts(&self) -> Option<TlsFacts> {
        self.facts.clone()
    }
}

/// A connection in which we are the client (SSCN).
pub(super) struct ClientSession(Codec<UnbufferedClientConnection>);

impl ClientSession {
    pub(super) fn connect(settings: &Prepared) -> Result<Self, TlsError> {
        // rustls wants a name to verify; nobody knows the other server's, and an address is never sent.
        let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0; 4])));
        let connection = UnbufferedClientConnection::new(settings.client().clone(), name)
            .map_err(|why| failure(&why, settings.minimum()))?;
        Ok(Self(Codec::new(connection, settings.minimum())))
    }
}

impl TlsSession for ClientSession {
    fn begin(&mut self, out: &mut Vec<u8>) {
        // There is nothing yet that could be wrong; if something were, the first record would show it again.
        let _ = self.0.begin(out);
    }

    fn read_record(
        &mut self,
        record: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<TlsStatus, TlsError> {
        self.0.read_record(record, plain, out)
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        self.0.write(plain, out)
    }

    fn close_notify(&mut self, out: &mut Vec<u8>) {
        self.0.close_notify(out);
    }

    fn facts(&self) -> Option<TlsFacts> {
        let (version, suite) = agreed(&self.0.endpoint)?;
        Some(TlsFacts {
            version,
            suite,
            server_name: None,
            client_certificate: None,
            resumption: Resumption::Full,
        })
    }
}

struct Server {
    connection: UnbufferedServerConnection,
    side: Arc<Side>,
}

impl Endpoint for Server {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        if self.connection.is_handshaking() {
            self.side.learn_kind(self.connection.handshake_kind());
        }
        self.connection.process_tls_records(incoming)
    }

    fn state(&self) -> &CommonState {
        &self.connection
    }
}

impl Server {
    fn facts(&self) -> Option<TlsFacts> {
        let (version, suite) = agreed(self)?;
        let asks = self.side.asks_for_certificate();
        let certificate = self.connection.peer_certificates().and_then(<[_]>::first);
        self.side.learn_kind(self.connection.handshake_kind());
        Some(TlsFacts {
            version,
            suite,
            server_name: self.side.server_name(),
            client_certificate: asks
                .zip(certificate)
                .map(|(trusted, certificate)| ClientCertificate { der: Arc::from(&**certificate), trusted }),
            resumption: self.side.complete(self.connection.protocol_version()),
        })
    }
}

impl Endpoint for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn state(&self) -> &CommonState {
        self
    }
}

/// Version and cipher suite, once the handshake is complete.
fn agreed(endpoint: &impl Endpoint) -> Option<(TlsVersion, &'static str)> {
    let state = endpoint.state();
    let version = match state.protocol_version()? {
        ProtocolVersion::TLSv1_3 => TlsVersion::V1_3,
        _ => TlsVersion::V1_2,
    };
    let suite = state.negotiated_cipher_suite()?.suite();
    (!state.is_handshaking()).then(|| (version, suite_name(suite)))
}

/// rustls calls those of TLS 1.3 otherwise than IANA does.
fn suite_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("unknown"),
    }
}
