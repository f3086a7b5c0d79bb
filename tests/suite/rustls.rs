//! rustls at both ends: what a real client does with its tickets and its last words.

use crate::client::{connect, pattern};
use crate::runtime::{Runtime, Setup};
use ::rustls::crypto::ring;
use ::rustls::pki_types::{CertificateDer, ServerName};
use ::rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use ftp_proto::testing::MemoryStorage;
use ftp_proto::tls::rustls::{Identity, RustlsTls, TlsSettings};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

on_both_runtimes! {
    transfers_in_tls_1_3, transfers_in_tls_1_2, two_hundred_uploads_by_a_client_that_closes_at_once,
}

const NAME: &str = "ftp.example.org";

/// The server's TLS, and the certificate that clients have to trust.
fn tls() -> (RustlsTls, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let identity =
        Identity::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    let settings = TlsSettings { identities: vec![identity], ..TlsSettings::default() };
    (RustlsTls::new(settings).unwrap(), made.cert.der().clone())
}

type Secured = StreamOwned<ClientConnection, TcpStream>;

/// A client that has logged in under TLS, data connections included.
struct Client {
    control: BufReader<Secured>,
    server: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Client {
    fn login(
        server: SocketAddr,
        certificate: CertificateDer<'static>,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        let mut clear = BufReader::new(connect(server));
        let mut reply = String::new();
        clear.read_line(&mut reply).unwrap();
        clear.get_mut().write_all(b"AUTH TLS\r\n").unwrap();
        clear.read_line(&mut reply).unwrap();
        assert!(reply.contains("\n234 "), "{reply}");
        let control = BufReader::new(secured(clear.into_inner(), &config));
        let mut client = Self { control, server, config };
        for (command, code) in [
            ("USER anonymous", "331"),
            ("PASS me@example.org", "230"),
            ("TYPE I", "200"),
            ("PBSZ 0", "200"),
            ("PROT P", "200"),
        ] {
            client.command(command, code);
        }
        client
    }

    fn command(&mut self, line: &str, code: &str) -> String {
        self.control.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.expect(code)
    }

    fn expect(&mut self, code: &str) -> String {
        let mut reply = String::new();
        self.control.read_line(&mut reply).unwrap();
        assert!(reply.starts_with(code), "{code} expected: {reply}");
        reply
    }

    /// A data connection after this transfer command, its handshake not begun.
    fn begin(&mut self, command: &str) -> Secured {
        let reply = self.command("EPSV", "229");
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        let data = connect(SocketAddr::new(self.server.ip(), port));
        self.command(command, "150");
        secured(data, &self.config)
    }

    /// The bytes, and whether a session was resumed for them.
    fn fetch(&mut self, command: &str) -> (Vec<u8>, bool) {
        let (mut data, mut bytes) = (self.begin(command), Vec::new());
        // Without close_notify it is an error.
        data.read_to_end(&mut bytes).unwrap();
        self.expect("226");
        (bytes, data.conn.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// Closes right behind the last byte.
    fn store(&mut self, command: &str, bytes: &[u8]) {
        let mut data = self.begin(command);
        // With nothing to write there would be no handshake.
        data.conn.complete_io(&mut data.sock).unwrap();
        data.write_all(bytes).unwrap();
        data.conn.send_close_notify();
        data.flush().unwrap();
        drop(data);
        self.expect("226");
    }
}

fn secured(stream: TcpStream, config: &Arc<ClientConfig>) -> Secured {
    let name = ServerName::try_from(NAME).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), stream)
}

fn transfers<R: Runtime>(version: &'static SupportedProtocolVersion) {
    let (storage, (tls, certificate)) = (MemoryStorage::new().file("/a.txt", "some text"), tls());
    let server: R = Setup::new(&storage).ports(1).tls_by(tls).start();
    let mut client = Client::login(server.address(), certificate, version);
    // Each brings the ticket for the next.
    for number in 0..50 {
        let (listing, resumed) = client.fetch("NLST");
        assert_eq!(listing, b"a.txt\r\n");
        assert!(resumed, "listing {number}");
    }
    // In TLS 1.3 an upload uses one up.
    for size in [0, 1, 100 << 10, 20 << 20] {
        let content = pattern(size);
        client.store("STOR up", &content);
        assert!(storage.contents("/up").unwrap() == content, "up, {size} bytes");
        assert!(client.fetch("RETR up").0 == content, "down, {size} bytes");
    }
}

fn transfers_in_tls_1_3<R: Runtime>() {
    transfers::<R>(&::rustls::version::TLS13);
}

fn transfers_in_tls_1_2<R: Runtime>() {
    transfers::<R>(&::rustls::version::TLS12);
}

/// It never reads what the server says after the handshake. Were there anything, its system would answer with a
/// reset, and what is still on its way would be lost.
fn two_hundred_uploads_by_a_client_that_closes_at_once<R: Runtime>() {
    let (storage, (tls, certificate)) = (MemoryStorage::new(), tls());
    let server: R = Setup::new(&storage).tls_by(tls).start();
    let mut client = Client::login(server.address(), certificate, &::rustls::version::TLS13);
    let content = pattern(2 << 20);
    for number in 0..200 {
        let content = &content[..number * 10_007 % content.len()];
        client.store("STOR up", content);
        assert!(storage.contents("/up").unwrap() == content, "number {number}");
    }
}
