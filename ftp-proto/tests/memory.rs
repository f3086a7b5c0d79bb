//! What a session holds in memory for a client that sends and sends, and for one that reads nothing.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use ftp_proto::Connection;
use ftp_proto::account::Rights;
use ftp_proto::config::Settings;
use ftp_proto::event::{Action, Answer, Arrival, Event, Request, SessionId, Standing};
use ftp_proto::testing::{FakeHello, FakeTls, FakeTlsClient, MemoryAccounts, MemoryStorage};
use ftp_proto::time::Now;
use ftp_proto::tls::Tls;
use std::sync::Arc;

/// What may be read at a time: adapters take 1 KiB.
const READS: [usize; 3] = [1, 1024, 16 << 10];
/// A queue of the shortest lines takes so many bytes for each that was read: an item, and room to grow.
const FOR_A_BYTE: usize = 40;
/// Beside that: a line and as much again, and what a record of TLS takes.
const INPUT: usize = 64 << 10;
/// The high water of replies, one reply more, and the same under TLS.
const OUTPUT: usize = 128 << 10;
/// How much each client sends, if it is read from.
const SENT: usize = 512 << 10;
/// The same byte by byte.
const SENT_SLOWLY: usize = 24 << 10;

struct Session {
    now: Now,
    connection: Connection,
    most: (usize, usize),
}

impl Session {
    fn new(change: impl FnOnce(&mut Settings), implicit_tls: bool) -> Self {
        let mut settings = Settings::default();
        settings.limits.commands_before_login = 0;
        settings.tls.default = ftp_proto::config::TlsPolicy::default();
        change(&mut settings);
        let tls: Arc<dyn Tls> = Arc::new(FakeTls::new());
        let account = MemoryStorage::new().account("u", Rights::ALL);
        let arrival = Arrival::new("198.51.100.1:21".parse().unwrap(), "203.0.113.5:4000".parse().unwrap());
        let connection = Connection::new(
            Now::default(),
            SessionId(1),
            Arc::new(settings.validate().unwrap()),
            Arc::new(MemoryAccounts::new().user("u", "p", account)),
            Some(tls),
            Arrival { implicit_tls, ..arrival },
        );
        Self { now: Now::default(), connection, most: (0, 0) }
    }

    fn act(&mut self) {
        while let Some(action) = self.connection.poll_action() {
            let event = match action {
                Action::Perform(ticket, job) => Event::Done(ticket, job.perform()),
                Action::Consult(Request::Attempt { .. }) => Event::Answer(Answer::Standing(Standing::Free)),
                _ => continue,
            };
            self.connection.handle(self.now, event);
        }
        let (input, output) = self.connection.held();
        self.most = (self.most.0.max(input), self.most.1.max(output));
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.connection.receive(self.now, bytes);
        self.act();
    }

    /// The client reads all that there is.
    fn read(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while !self.connection.transmit().is_empty() {
            let shown = self.connection.transmit().to_vec();
            self.connection.transmitted(self.now, shown.len());
            self.act();
            all.extend(shown);
        }
        all
    }

    /// Sends this again and again, as long as it is read from; whether it was read from to the end.
    fn pour(&mut self, bytes: &[u8], read: usize, reads: bool) -> bool {
        let endless = bytes.iter().copied().cycle().take(if read == 1 { SENT_SLOWLY } else { SENT });
        let all: Vec<u8> = endless.collect();
        for piece in all.chunks(read) {
            if !self.connection.wants_input() {
                return false;
            }
            self.receive(piece);
            if reads {
                self.read();
            }
        }
        true
    }

    fn check(&self, what: &str, read: usize) {
        let (input, output) = self.most;
        assert!(
            input <= INPUT + FOR_A_BYTE * read,
            "{what} in reads of {read}: {input} bytes of input are held"
        );
        assert!(output <= OUTPUT, "{what} in reads of {read}: {output} bytes of output are held");
    }
}

#[test]
fn a_client_that_never_reads_is_not_read_from() {
    for read in READS {
        for line in ["FEAT\r\n", "HELP\r\n", "NOOP\n", "\n", "\u{ff}", "STAT\r\n"] {
            for logged_in in [false, true] {
                let mut session = Session::new(|_| {}, false);
                session.read();
                if logged_in {
                    session.receive(b"USER u\r\nPASS p\r\n");
                    assert!(String::from_utf8_lossy(&session.read()).contains("230 "));
                }
                session.pour(line.as_bytes(), read, false);
                session.check(line, read);
            }
        }
        let mut session = Session::new(|_| {}, false);
        assert!(!session.pour(b"FEAT\r\n", read, false), "it is read from for ever");
        assert!(!session.connection.wants_input());
    }
}

#[test]
fn under_tls_it_is_the_same() {
    for read in READS {
        let mut session = Session::new(|_| {}, false);
        session.read();
        session.receive(b"AUTH TLS\r\n");
        session.read();
        let mut client = FakeTlsClient::new(FakeHello::default());
        loop {
            session.receive(&client.take_outgoing());
            let said = session.read();
            if said.is_empty() {
                break;
            }
            client.receive(&said).unwrap();
        }
        for _ in 0..SENT / (16 << 10) {
            client.send(&b"HELP\r\n".repeat(1_000)).unwrap();
            for piece in client.take_outgoing().chunks(read) {
                if session.connection.wants_input() {
                    session.receive(piece);
                }
            }
        }
        assert!(!session.connection.wants_input());
        session.check("HELP under TLS", read);
    }
}

#[test]
fn garbage_is_thrown_away_or_hung_up_on() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut garbage = vec![0_u8; 64 << 10];
    for byte in &mut garbage {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        *byte = random.to_le_bytes()[3];
    }
    let text: Vec<u8> = garbage.iter().map(|byte| b' ' + byte % 90).collect();
    let record: Vec<u8> = [&[22, 3, 3, 0x46, 0x00][..], &garbage].concat();
    let header = [b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff".as_slice(), &garbage].concat();
    for read in READS {
        for (what, bytes) in [("bytes", &garbage), ("a line without an end", &text), ("a record", &record)] {
            for implicit_tls in [false, true] {
                let mut session = Session::new(|_| {}, implicit_tls);
                session.read();
                session.pour(bytes, read, true);
                session.check(what, read);
            }
        }
        for (what, bytes) in [("no header", &garbage), ("a long header", &header), ("no end", &text)] {
            let trusted =
                |settings: &mut Settings| settings.proxy.trusted.push("203.0.113.5".parse().unwrap());
            let mut session = Session::new(trusted, false);
            session.pour(bytes, read, true);
            session.check(what, read);
            assert!(session.connection.is_finished(), "{what} is no way to come in");
        }
        let mut session = Session::new(|_| {}, false);
        session.read();
        session.receive(b"USER u\r\nPASS p\r\n");
        session.pour(&text, read, true);
        session.check("a line without an end, behind the login", read);
    }
}
