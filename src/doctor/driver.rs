//! Sockets and TLS for the client machine: one control connection and, at times, one data connection, in one thread.

use super::trust::provider;
use ftp_proto::client::{Action, Client, DataError, Event, Patience, Report, Step};
use ftp_proto::time::Instant;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme, StreamOwned,
};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// How much is read at once.
const PIECE: usize = 16 << 10;
/// How long a server may take to close its side of an upload.
const LAST_WORD: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_millis(1);

/// A control connection and what belongs to it.
pub(super) struct Session {
    client: Client,
    control: Channel,
    data: Option<Channel>,
    /// The data connection is read from.
    receiving: bool,
    tls: Arc<ClientConfig>,
    name: ServerName<'static>,
    patience: Patience,
    begun: std::time::Instant,
    /// Whether the last data connection under TLS resumed a session.
    pub(super) resumed: Option<bool>,
}

enum Channel {
    Clear(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// In between, while a handshake goes on.
    Gone,
}

/// What TLS was agreed on.
pub(super) struct Agreed {
    pub(super) version: String,
    pub(super) chain: Vec<Vec<u8>>,
}

impl Session {
    /// Connects; under implicit TLS also does the handshake. The greeting is yet to come.
    pub(super) fn connect(
        address: SocketAddr,
        name: ServerName<'static>,
        implicit: bool,
        patience: Patience,
    ) -> Result<Self, ConnectError> {
        let begun = std::time::Instant::now();
        let stream = TcpStream::connect_timeout(&address, patience.connect).map_err(ConnectError::Tcp)?;
        let _ = stream.set_nodelay(true);
        let mut session = Self {
            client: Client::new(Instant::ZERO, address, patience),
            control: Channel::Clear(stream),
            data: None,
            receiving: false,
            tls: Arc::new(tls_settings().map_err(ConnectError::Tls)?),
            name,
            patience,
            begun,
            resumed: None,
        };
        if implicit {
            session.secure_control().map_err(ConnectError::Tls)?;
        }
        Ok(session)
    }

    /// Waits for the end of the first step: the greeting.
    pub(super) fn greeting(&mut self) -> Report {
        self.run()
    }

    /// Does a step.
    pub(super) fn step(&mut self, step: Step) -> Report {
        let now = self.now();
        self.client.begin(now, step);
        self.run()
    }

    /// The control connection is of no more use.
    pub(super) fn has_ended(&self) -> bool {
        self.client.has_ended()
    }

    /// What TLS on the control connection looks like.
    pub(super) fn agreed(&self) -> Option<Agreed> {
        let Channel::Secure(stream) = &self.control else { return None };
        let version = stream.conn.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
        let chain = stream.conn.peer_certificates().unwrap_or_default();
        Some(Agreed {
            version: version.replace("TLSv1_", "TLS 1."),
            chain: chain.iter().map(|certificate| certificate.to_vec()).collect(),
        })
    }

    fn now(&self) -> Instant {
        let nanos = self.begun.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn left(&self) -> Duration {
        let left = self.client.deadline().map_or(SOON, |deadline| deadline.duration_since(self.now()));
        left.max(SOON)
    }

    fn run(&mut self) -> Report {
        loop {
            while let Some(action) = self.client.poll_action() {
                if let Some(report) = self.perform(action) {
                    return report;
                }
            }
            let said = self.client.transmit().to_vec();
            if !said.is_empty() {
                match self.control.write_all(&said, self.left()) {
                    Ok(()) => self.client.transmitted(said.len()),
                    Err(_) => self.tell(Event::Closed),
                }
                continue;
            }
            if self.receiving { self.receive_data() } else { self.receive() }
        }
    }

    fn tell(&mut self, event: Event) {
        let now = self.now();
        self.client.handle(now, event);
    }

    fn receive(&mut self) {
        let mut piece = vec![0; PIECE];
        let read = self.control.read(&mut piece, self.left());
        let now = self.now();
        match read {
            Ok(0) => self.client.handle(now, Event::Closed),
            Ok(len) => self.client.receive(now, piece.get(..len).unwrap_or_default()),
            Err(error) if is_timeout(&error) => self.client.handle_timeout(now),
            Err(_) => self.client.handle(now, Event::Closed),
        }
    }

    fn receive_data(&mut self) {
        let left = self.left();
        let Some(data) = &mut self.data else {
            self.receiving = false;
            return;
        };
        let mut piece = vec![0; PIECE];
        let event = match data.read(&mut piece, left) {
            Ok(0) => Event::DataEnded,
            Ok(len) => {
                piece.truncate(len);
                Event::Data(piece)
            }
            Err(error) if is_timeout(&error) => {
                let now = self.now();
                return self.client.handle_timeout(now);
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Event::DataFailed(DataError::CutOff),
            Err(error) => Event::DataFailed(data_error(&error)),
        };
        if !matches!(event, Event::Data(_)) {
            self.receiving = false;
            self.data = None;
        }
        self.tell(event);
    }

    fn perform(&mut self, action: Action) -> Option<Report> {
        match action {
            Action::Finished(report) => return Some(*report),
            Action::StartTls => {
                let event = match self.secure_control() {
                    Ok(()) => Event::Secured,
                    Err(why) => Event::SecureFailed(why),
                };
                self.tell(event);
            }
            Action::OpenData(address) => {
                self.resumed = None;
                let event = match TcpStream::connect_timeout(&address, self.patience.connect) {
                    Ok(stream) => {
                        self.data = Some(Channel::Clear(stream));
                        Event::DataOpened
                    }
                    Err(error) => Event::DataFailed(data_error(&error)),
                };
                self.tell(event);
            }
            Action::SecureData => {
                let event = match self.secure_data() {
                    Ok(()) => Event::DataSecured,
                    Err(error) => Event::DataFailed(error),
                };
                self.tell(event);
            }
            Action::ReceiveData => self.receiving = true,
            Action::SendData(bytes) => {
                let left = self.left();
                let event = match self.data.take().map(|data| data.send(&bytes, left)) {
                    Some(Ok(())) => Event::DataSent,
                    Some(Err(error)) => Event::DataFailed(data_error(&error)),
                    None => Event::DataFailed(DataError::Other("there is none".into())),
                };
                self.tell(event);
            }
            Action::DropData => {
                self.receiving = false;
                self.data = None;
            }
        }
        None
    }

    fn secure_control(&mut self) -> Result<(), String> {
        let Channel::Clear(stream) = std::mem::replace(&mut self.control, Channel::Gone) else {
            return Err("it is there already".into());
        };
        let secured = self.secured(stream).map_err(|error| crate::config_file::reader::plain(&error))?;
        self.control = Channel::Secure(Box::new(secured));
        Ok(())
    }

    fn secure_data(&mut self) -> Result<(), DataError> {
        let Some(Channel::Clear(stream)) = self.data.take() else {
            return Err(DataError::Other("there is none".into()));
        };
        let secured = self.secured(stream).map_err(|error| match data_error(&error) {
            DataError::Other(why) => DataError::Tls(why),
            other => other,
        })?;
        self.resumed = Some(secured.conn.handshake_kind() == Some(HandshakeKind::Resumed));
        self.data = Some(Channel::Secure(Box::new(secured)));
        Ok(())
    }

    /// One set of TLS settings for all, so that sessions are resumed.
    fn secured(&self, mut stream: TcpStream) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let connection = ClientConnection::new(Arc::clone(&self.tls), self.name.clone());
        let mut connection = connection.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        let end = std::time::Instant::now() + self.patience.reply;
        while connection.is_handshaking() {
            let left = end.saturating_duration_since(std::time::Instant::now()).max(SOON);
            stream.set_read_timeout(Some(left))?;
            stream.set_write_timeout(Some(left))?;
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }
}

/// Why there is no control connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    Tcp(io::Error),
    Tls(String),
}

impl Channel {
    fn socket(&self) -> Option<&TcpStream> {
        match self {
            Self::Clear(stream) => Some(stream),
            Self::Secure(stream) => Some(&stream.sock),
            Self::Gone => None,
        }
    }

    fn patience(&self, left: Duration) -> io::Result<()> {
        let socket = self.socket().ok_or(ErrorKind::NotConnected)?;
        socket.set_read_timeout(Some(left))?;
        socket.set_write_timeout(Some(left))
    }

    fn read(&mut self, piece: &mut [u8], left: Duration) -> io::Result<usize> {
        self.patience(left)?;
        match self {
            Self::Clear(stream) => stream.read(piece),
            Self::Secure(stream) => stream.read(piece),
            Self::Gone => Err(ErrorKind::NotConnected.into()),
        }
    }

    fn write_all(&mut self, bytes: &[u8], left: Duration) -> io::Result<()> {
        self.patience(left)?;
        match self {
            Self::Clear(stream) => stream.write_all(bytes),
            Self::Secure(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Self::Gone => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// All of an upload and its end.
    fn send(mut self, bytes: &[u8], left: Duration) -> io::Result<()> {
        self.write_all(bytes, left)?;
        if let Self::Secure(stream) = &mut self {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        if let Some(socket) = self.socket() {
            socket.shutdown(Shutdown::Write)?;
        }
        // Closed with bytes unread, tickets say, the connection would be reset, and what is under way lost.
        let end = std::time::Instant::now() + LAST_WORD;
        let mut rest = [0; 1_024];
        while std::time::Instant::now() < end && self.read(&mut rest, LAST_WORD).is_ok_and(|len| len > 0) {}
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

pub(super) fn data_error(error: &io::Error) -> DataError {
    match error.kind() {
        ErrorKind::ConnectionRefused => DataError::Refused,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => DataError::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => DataError::Unreachable,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => DataError::Reset,
        _ => DataError::Other(crate::config_file::reader::plain(error)),
    }
}

fn tls_settings() -> Result<ClientConfig, String> {
    let provider = provider();
    let settings = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Witness(provider)))
        .with_no_client_auth();
    Ok(settings)
}

/// Takes any certificate whose key the server has: whether it is trusted is judged, and said, before any password is
/// sent.
#[derive(Debug)]
struct Witness(Arc<CryptoProvider>);

impl ServerCertVerifier for Witness {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
