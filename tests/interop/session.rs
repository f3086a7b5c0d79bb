//! A client of our own, for what no program shows: many at once, many in a row, and a cut in the middle.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Far more than any answer takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A logged-in control connection.
pub(crate) struct Session {
    control: BufReader<TcpStream>,
    server: SocketAddr,
}

impl Session {
    /// Connects and reads the greeting.
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let control = TcpStream::connect_timeout(&server, DEADLINE).expect("the control port answers");
        control.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
        control.set_nodelay(true).expect("a socket has options");
        // Small: a thousand of these live at once in one test.
        let mut session = Self { control: BufReader::with_capacity(512, control), server };
        session.expect_reply("the greeting", 220);
        session
    }

    /// Connects and logs in.
    pub(crate) fn login(server: SocketAddr, user: &str, password: &str) -> Self {
        let mut session = Self::connect(server);
        session.expect(&format!("USER {user}"), 331);
        session.expect(&format!("PASS {password}"), 230);
        session.expect("TYPE I", 200);
        session
    }

    /// Sends a command and reads its reply: the code and the last line.
    pub(crate) fn command(&mut self, line: &str) -> (u16, String) {
        self.control.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("the server reads");
        self.reply().unwrap_or_else(|why| panic!("no reply to {line}: {why}"))
    }

    /// Sends a command and fails the test unless its reply has this code; the reply's last line.
    pub(crate) fn expect(&mut self, line: &str, code: u16) -> String {
        let (got, text) = self.command(line);
        assert_eq!(got, code, "{line}: {text}");
        text
    }

    /// Reads one more reply and fails the test unless it has this code.
    pub(crate) fn expect_reply(&mut self, to: &str, code: u16) -> String {
        let (got, text) = self.reply().unwrap_or_else(|why| panic!("no reply to {to}: {why}"));
        assert_eq!(got, code, "{to}: {text}");
        text
    }

    fn reply(&mut self) -> io::Result<(u16, String)> {
        loop {
            let mut line = String::new();
            if self.control.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let code = line.get(..3).and_then(|code| code.parse().ok());
            if let (Some(code), Some(b' ')) = (code, line.as_bytes().get(3)) {
                return Ok((code, line.trim_end().to_owned()));
            }
        }
    }

    /// The port that EPSV names.
    pub(crate) fn passive_port(&mut self) -> u16 {
        let text = self.expect("EPSV", 229);
        let port = text.split("(|||").nth(1).and_then(|rest| rest.split('|').next());
        port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no port in {text}"))
    }

    /// Opens a passive data connection.
    pub(crate) fn passive(&mut self) -> TcpStream {
        let port = self.passive_port();
        self.dial(port)
    }

    /// Connects to a passive port.
    pub(crate) fn dial(&self, port: u16) -> TcpStream {
        let data = TcpStream::connect_timeout(&SocketAddr::new(self.server.ip(), port), DEADLINE)
            .expect("the passive port answers");
        data.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
        data
    }

    /// Downloads or lists.
    pub(crate) fn fetch(&mut self, line: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut data = self.passive();
        self.expect(line, 150);
        data.read_to_end(&mut bytes).expect("the data arrive");
        self.expect_reply(line, 226);
        bytes
    }

    /// Downloads or lists without keeping what arrives; how many bytes it was.
    pub(crate) fn count(&mut self, line: &str) -> u64 {
        let mut data = self.passive();
        self.expect(line, 150);
        let length = io::copy(&mut data, &mut io::sink()).expect("the data arrive");
        self.expect_reply(line, 226);
        length
    }

    /// Uploads.
    pub(crate) fn store(&mut self, line: &str, bytes: &[u8]) {
        let mut data = self.passive();
        self.expect(line, 150);
        data.write_all(bytes).expect("the server reads");
        data.shutdown(Shutdown::Write).expect("the connection is there");
        drop(data);
        self.expect_reply(line, 226);
    }
}
