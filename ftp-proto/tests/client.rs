//! The client machine and the server machine talk to each other in memory: no socket, no clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test may fail in any way it likes"
)]

use ftp_proto::account::Rights;
use ftp_proto::client::{
    Action as Wish, Client, DataError, Event as Seen, Failure, Patience, Report, Step, Transfer, Way, Work,
};
use ftp_proto::config::{External, Passive, PassivePorts, Settings};
use ftp_proto::event::{Action, Arrival, Event, LinkId, News, SessionId, Task, TransferId};
use ftp_proto::testing::{MemoryAccounts, MemoryStorage};
use ftp_proto::time::Now;
use ftp_proto::transfer::{Pipe, Step as Turn};
use ftp_proto::{Admission, Connection, Server};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const SERVER: &str = "198.51.100.1:21";
const CLIENT: &str = "203.0.113.5:4000";

/// Both machines and what is between them.
struct World {
    server: Server,
    session: SessionId,
    connection: Box<Connection>,
    client: Client,
    /// The server's side of a data connection, once it moves bytes.
    pipe: Option<(LinkId, TransferId, Box<Pipe>)>,
    /// What the client sends on it.
    upload: Option<Vec<u8>>,
    /// The client reads from it.
    reads: bool,
}

impl World {
    fn new(storage: &MemoryStorage, external: External) -> Self {
        let accounts = MemoryAccounts::new().user("u", "p", storage.account("u", Rights::ALL));
        let passive = Passive { ports: PassivePorts::Range(2000..=2001), external, ..Passive::default() };
        let mut settings = Settings { passive, ..Settings::default() };
        settings.limits.login_delay = Duration::ZERO;
        let config = settings.validate().unwrap();
        let now = Now::default();
        let mut server = Server::new(Arc::new(config), Arc::new(accounts), 1);
        while let Some(task) = server.poll_task() {
            if let Task::OpenPort(port) = task {
                server.handle(now, News::PortOpened(port));
            }
        }
        let arrival = Arrival::new(SERVER.parse().unwrap(), CLIENT.parse().unwrap());
        let Admission::Accepted(session, connection) = server.admit(now, arrival) else { panic!() };
        let client = Client::new(now.mono, SERVER.parse().unwrap(), Patience::default());
        let mut world = Self { server, session, connection, client, pipe: None, upload: None, reads: false };
        assert!(world.run().result.is_ok(), "the greeting");
        world
    }

    fn step(&mut self, step: Step) -> Report {
        assert!(self.client.begin(Now::default().mono, step));
        self.run()
    }

    /// Lets both work until the step is over.
    fn run(&mut self) -> Report {
        for _ in 0..1_000 {
            self.serve();
            if self.connection.transmit().is_empty()
                && self.connection.deadline() == Some(Now::default().mono)
            {
                // A delay of no length.
                self.connection.handle_timeout(Now::default());
            }
            let said = self.connection.transmit().to_vec();
            self.connection.transmitted(Now::default(), said.len());
            self.client.receive(Now::default().mono, &said);
            let said = self.client.transmit().to_vec();
            self.client.transmitted(said.len());
            self.connection.receive(Now::default(), &said);
            while let Some(wish) = self.client.poll_action() {
                if let Some(report) = self.fulfil(wish) {
                    return report;
                }
            }
            self.pump();
        }
        panic!("it never ends")
    }

    fn fulfil(&mut self, wish: Wish) -> Option<Report> {
        match wish {
            Wish::Finished(report) => return Some(*report),
            Wish::OpenData(address) => self.open(address),
            Wish::SendData(bytes) => self.upload = Some(bytes),
            Wish::ReceiveData => self.reads = true,
            Wish::DropData => {}
            Wish::StartTls | Wish::SecureData => panic!("there is no TLS here"),
        }
        None
    }

    /// Only the server's own address leads to the server.
    fn open(&mut self, address: SocketAddr) {
        let now = Now::default();
        let here = address.ip() == SERVER.parse::<SocketAddr>().unwrap().ip();
        let found = here.then(|| self.server.route(now, address.port(), CLIENT.parse().unwrap())).flatten();
        let event = match found {
            Some((_, link)) => {
                self.connection.handle(now, Event::Arrived(link, CLIENT.parse().unwrap()));
                Seen::DataOpened
            }
            None => Seen::DataFailed(DataError::Refused),
        };
        self.client.handle(now.mono, event);
    }

    fn serve(&mut self) {
        let now = Now::default();
        while let Some(action) = self.connection.poll_action() {
            match action {
                Action::Consult(request) => {
                    let answer = self.server.consult(now, request);
                    if let Some((link, _)) = answer.port_to_drain() {
                        self.server.activate(now, self.session, link);
                    }
                    self.connection.handle(now, Event::Answer(answer));
                }
                Action::Perform(ticket, job) => {
                    self.connection.handle(now, Event::Done(ticket, job.perform()))
                }
                Action::Start(link, transfer, pipe) => self.pipe = Some((link, transfer, pipe)),
                _ => {}
            }
        }
    }

    /// Moves bytes when both ends are there.
    fn pump(&mut self) {
        if !self.reads && self.upload.is_none() {
            return;
        }
        let Some((_, transfer, mut pipe)) = self.pipe.take() else { return };
        let now = Now::default();
        let mut upload = self.upload.take();
        loop {
            match pipe.step(now) {
                Turn::Turn => pipe.turn(),
                Turn::Write => {
                    let bytes = pipe.transmit().to_vec();
                    pipe.transmitted(now, bytes.len());
                    self.client.handle(now.mono, Seen::Data(bytes));
                }
                Turn::Read | Turn::Direct { .. } => {
                    let bytes = upload.replace(Vec::new()).expect("an upload");
                    pipe.receive(now, &bytes);
                }
                Turn::Marked(_) | Turn::Report(_) => {}
                Turn::End(end) => {
                    self.connection.handle(now, Event::Ended(transfer, end));
                    break;
                }
            }
        }
        let event = if self.reads { Seen::DataEnded } else { Seen::DataSent };
        self.reads = false;
        self.client.handle(now.mono, event);
    }
}

fn transfer(way: Way, work: Work) -> Step {
    Step::Transfer(Transfer { way, work })
}

const WAYS: [Way; 3] = [Way::Passive { believe: true }, Way::Passive { believe: false }, Way::Extended];

#[test]
fn a_whole_session() {
    let storage = MemoryStorage::new().file("/hello.txt", "Hello.\n");
    let mut world = World::new(&storage, External::ControlConnection);
    let features = world.step(Step::Features).result.unwrap();
    assert!(features.lists("EPSV") || features.lists("MLST") || features.lines.len() > 3, "{features:?}");
    assert_eq!(world.step(Step::Login { user: "u".into(), password: "p".into() }).result.unwrap().code, 230);
    assert_eq!(world.step(Step::System).result.unwrap().code, 215);
    assert_eq!(world.step(Step::Directory).result.unwrap().directory(), Some("/".into()));
    assert_eq!(world.step(Step::Binary).result.unwrap().code, 200);
    for way in WAYS {
        for work in [Work::List, Work::MachineList] {
            let report = world.step(transfer(way, work));
            assert_eq!(report.result.unwrap().code, 226, "{way:?}");
            let listing = String::from_utf8(report.transfer.unwrap().data).unwrap();
            assert!(listing.contains("hello.txt"), "{listing}");
        }
        let bytes = b"some bytes".to_vec();
        let stored = world.step(transfer(way, Work::Store("up".into(), bytes.clone())));
        assert_eq!(stored.result.unwrap().code, 226);
        assert_eq!(storage.contents("/up"), Some(bytes.clone()));
        let fetched = world.step(transfer(way, Work::Retrieve("up".into())));
        assert_eq!(fetched.transfer.unwrap().data, bytes);
        assert_eq!(world.step(Step::Delete("up".into())).result.unwrap().code, 250);
        assert!(storage.contents("/up").is_none());
    }
    assert_eq!(world.step(Step::Quit).result.unwrap().code, 221);
    assert!(world.client.has_ended() && world.connection.is_finished());
}

#[test]
fn what_the_server_refuses() {
    let mut world = World::new(&MemoryStorage::new(), External::ControlConnection);
    let wrong = world.step(Step::Login { user: "u".into(), password: "wrong".into() });
    let Err(Failure::Refused { command: "PASS", reply }) = wrong.result else { panic!("{wrong:?}") };
    assert_eq!(reply.code, 530);
}

#[test]
fn a_missing_file_is_refused_and_the_session_goes_on() {
    let mut world = World::new(&MemoryStorage::new(), External::ControlConnection);
    world.step(Step::Login { user: "u".into(), password: "p".into() });
    let missing = world.step(transfer(Way::Extended, Work::Retrieve("none".into())));
    assert!(matches!(missing.result, Err(Failure::Refused { command: "RETR", .. })), "{missing:?}");
    assert!(world.step(transfer(Way::Extended, Work::List)).result.is_ok());
}

#[test]
fn a_wrong_external_address_shows() {
    let external = External::Literal("10.9.9.9".parse().unwrap());
    let mut world = World::new(&MemoryStorage::new(), external);
    world.step(Step::Login { user: "u".into(), password: "p".into() });
    let report = world.step(transfer(Way::Passive { believe: true }, Work::List));
    assert!(matches!(report.result, Err(Failure::Data(_, DataError::Refused))), "{report:?}");
    assert!(report.transfer.unwrap().announced.unwrap().to_string().starts_with("10.9.9.9:"));
    let report = world.step(transfer(Way::Passive { believe: false }, Work::List));
    assert!(report.result.is_ok(), "{report:?}");
    assert!(world.step(transfer(Way::Extended, Work::List)).result.is_ok());
}
