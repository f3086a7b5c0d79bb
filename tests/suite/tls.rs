//! The client's side of TLS: a test's own, which does exactly what it is told, with real records and no secret.

use crate::client::{Client, connect};
use ftp_proto::testing::{FakeHello, FakeTlsClient};
use ftp_proto::tls::{TlsError, TlsStatus};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What one read takes.
const PIECE: usize = 64 << 10;

/// A connection under TLS.
pub(crate) struct Secured {
    pub(crate) stream: TcpStream,
    tls: FakeTlsClient,
}

impl Secured {
    /// Says hello, and no more.
    pub(crate) fn hello(stream: TcpStream, hello: FakeHello) -> Self {
        let mut secured = Self { stream, tls: FakeTlsClient::new(hello) };
        secured.flush().unwrap();
        secured
    }

    /// Says hello byte by byte.
    pub(crate) fn hello_in_pieces(stream: TcpStream, hello: FakeHello) -> Self {
        let mut secured = Self { stream, tls: FakeTlsClient::new(hello) };
        for byte in secured.tls.take_outgoing() {
            secured.stream.write_all(&[byte]).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        secured
    }

    /// Goes on to the end of the handshake.
    pub(crate) fn handshake(&mut self) -> Result<(), TlsError> {
        while self.tls.status() == TlsStatus::Handshaking {
            if self.receive()?.is_none() {
                return Err(TlsError::Ended);
            }
        }
        Ok(())
    }

    /// Tickets of the server.
    pub(crate) fn tickets(&self) -> &[Vec<u8>] {
        self.tls.tickets()
    }

    /// Whether the server has resumed a session.
    pub(crate) fn is_resumed(&self) -> bool {
        self.tls.is_resumed()
    }

    /// What comes next; `None` at the end of the connection. A reset is an end, too.
    pub(crate) fn receive(&mut self) -> Result<Option<Vec<u8>>, TlsError> {
        let mut buffer = [0; PIECE];
        let came = match self.stream.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(count) => self.tls.receive(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => panic!("nothing comes: {error}"),
        };
        let _ = self.flush();
        came.map(Some)
    }

    /// Reads to the server's close_notify, and behind it to the end of the connection.
    pub(crate) fn read_all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(mut bytes) = self.receive().unwrap() {
            all.append(&mut bytes);
        }
        assert_eq!(self.tls.status(), TlsStatus::Closed, "the end is said by TLS");
        all
    }

    pub(crate) fn send(&mut self, plain: &[u8]) -> std::io::Result<()> {
        self.tls.send(plain).unwrap();
        self.flush()
    }

    /// Says that no more comes.
    pub(crate) fn close_notify(&mut self) {
        self.tls.close_notify();
        self.flush().unwrap();
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.write_all(&self.tls.take_outgoing())
    }
}

/// A client whose control connection is under TLS.
impl Client {
    /// AUTH, and the handshake.
    pub(crate) fn secure(&mut self) {
        self.command("AUTH TLS", "234");
        self.begin_tls();
    }

    /// The handshake.
    pub(crate) fn begin_tls(&mut self) {
        let mut secured = Secured::hello(self.control.try_clone().unwrap(), FakeHello::default());
        secured.handshake().unwrap();
        self.secured = Some(secured);
    }

    /// A client on a listener where TLS begins at once.
    pub(crate) fn connect_implicitly(address: SocketAddr) -> Self {
        let mut client = Self::silent(connect(address));
        client.begin_tls();
        client.expect("220");
        client
    }

    /// Data connections are protected from now on.
    pub(crate) fn protect_data(&mut self) {
        self.command("PBSZ 0", "200");
        self.command("PROT P", "200");
    }

    /// What proves that a data connection is this client's.
    pub(crate) fn ticket(&self) -> FakeHello {
        let tickets = self.secured.as_ref().map_or(&[][..], Secured::tickets);
        FakeHello { ticket: tickets.first().cloned(), ..FakeHello::default() }
    }

    /// A protected data connection that resumes this session. The transfer command was sent.
    pub(crate) fn secure_data(&self, data: TcpStream) -> Secured {
        let mut data = Secured::hello(data, self.ticket());
        data.handshake().unwrap();
        assert!(data.is_resumed());
        data
    }

    /// A protected passive data connection, after this transfer command.
    pub(crate) fn begin_protected(&mut self, command: &str) -> Secured {
        let data = self.passive();
        self.command(command, "150");
        self.secure_data(data)
    }

    /// A protected transfer to the client.
    pub(crate) fn fetch_protected(&mut self, command: &str) -> Vec<u8> {
        let bytes = self.begin_protected(command).read_all();
        self.expect("226");
        bytes
    }

    /// A protected transfer to the server.
    pub(crate) fn store_protected(&mut self, command: &str, bytes: &[u8]) {
        let mut data = self.begin_protected(command);
        data.send(bytes).unwrap();
        data.close_notify();
        assert_eq!(data.read_all(), b"", "the server answers close_notify");
        self.expect("226");
    }
}
