//! Real sockets on loopback: what the adapter does, command by command.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

pub mod common;

use common::disk::Disk;
use common::{Client, PATIENCE, connect, eventually, open_to_all, pattern, serve, serve_memory, settings};
use ftp_proto::config::{Passive, PassivePorts};
use ftp_proto::event::SessionId;
use ftp_proto::notice::{Notice, Observer};
use ftp_proto::testing::MemoryStorage;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text").dir("/in").zeros("/zeros", 3 << 20)
}

#[test]
// req: 959-5.2-port-l
fn passive_transfers_go_both_ways() {
    let storage = tree();
    let server = serve_memory(&storage, 2);
    let mut client = Client::login(&server);
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
    assert_eq!(client.fetch("RETR zeros"), vec![0; 3 << 20]);
    assert_eq!(client.fetch("NLST"), b"a.txt\r\nin\r\nzeros\r\n");
    let bytes = pattern(700_000);
    client.store("STOR in/new", &bytes);
    assert_eq!(storage.contents("/in/new"), Some(bytes));
    client.store("STOR in/empty", b"");
    assert_eq!(storage.contents("/in/empty"), Some(Vec::new()));
    client.command("QUIT", "221");
    assert_eq!(client.line(), None);
}

#[test]
fn active_transfers_go_both_ways() {
    let storage = tree();
    let server = serve_memory(&storage, 1);
    let mut client = Client::login(&server);
    let listener = client.active();
    client.say("RETR a.txt");
    let (mut data, _) = listener.accept().unwrap();
    assert_eq!(client.finish_fetch(&mut data), b"some text");

    let listener = client.active();
    client.say("STOR in/new");
    let (mut data, _) = listener.accept().unwrap();
    data.write_all(b"from here").unwrap();
    drop(data);
    client.expect("150");
    client.expect("226");
    assert_eq!(storage.contents("/in/new").as_deref(), Some(&b"from here"[..]));

    // Nobody listens any more.
    drop(client.active());
    client.command("RETR a.txt", "425");
}

#[test]
fn large_files_on_disk_go_both_ways_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(settings(1), Disk(folder.path().into()), Arc::new(()));
    let mut client = Client::login(&server);
    for len in [0, 1, 65_536, 65_537, 24 << 20] {
        let bytes = pattern(len);
        client.store("STOR file", &bytes);
        assert!(std::fs::read(folder.path().join("file")).unwrap() == bytes, "{len} bytes up");
        assert!(client.fetch("RETR file") == bytes, "{len} bytes down");
    }
}

#[test]
fn the_replies_around_a_small_file_share_a_write() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "some text").unwrap();
    let server = serve(settings(1), Disk(folder.path().into()), Arc::new(()));
    let mut client = Client::login(&server);
    let mut data = client.passive();
    // Until the connection lies in the backlog.
    std::thread::sleep(Duration::from_millis(20));
    client.say("RETR a.txt");
    let replies = client.one_read();
    assert!(replies.starts_with("150 ") && replies.contains("\r\n226 "), "{replies}");
    let mut bytes = Vec::new();
    data.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"some text");
}

#[test]
fn a_client_may_connect_after_the_transfer_command() {
    let server = serve_memory(&tree(), 1);
    let mut client = Client::login(&server);
    let port = client.passive_port();
    client.say("RETR a.txt");
    std::thread::sleep(Duration::from_millis(100));
    let mut data = connect(SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(client.finish_fetch(&mut data), b"some text");
}

#[test]
fn a_transfer_can_be_aborted_and_the_session_goes_on() {
    let server = serve_memory(&MemoryStorage::new().zeros("/big", 1 << 40).file("/a.txt", "x"), 1);
    let mut client = Client::login(&server);
    let mut data = client.passive();
    client.command("RETR big", "150");
    data.read_exact(&mut [0; 1000]).unwrap();
    client.command("NOOP", "200");
    client.say("ABOR");
    client.expect("426");
    client.expect("226");
    drop(data);
    assert_eq!(client.fetch("RETR a.txt"), b"x");
}

#[test]
fn an_upload_that_is_cut_off_is_not_published() {
    let storage = tree();
    let server = serve_memory(&storage, 1);
    let mut client = Client::login(&server);
    let mut data = client.passive();
    client.command("STOR in/new", "150");
    data.write_all(b"half").unwrap();
    socket2::SockRef::from(&data).set_linger(Some(Duration::ZERO)).unwrap();
    drop(data);
    client.expect("426");
    assert!(!storage.exists("/in/new"));
}

#[test]
fn what_connected_before_a_lease_is_not_given_to_it() {
    let server = serve_memory(&tree(), 1);
    let port = *server.passive_ports().first().unwrap();
    let mut client = Client::login(&server);
    let mut early = connect(SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
    early.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(early.read(&mut [0; 10]).unwrap_or(0), 0, "it is closed without a byte");
}

#[test]
fn strangers_are_closed_and_do_not_lock_the_client_out() {
    let server = serve_memory(&tree(), 1);
    let mut client = Client::login(&server);
    let port = client.passive_port();
    let stranger = || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 9], 0)).into()).unwrap();
        socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
        TcpStream::from(socket)
    };
    let strangers: Vec<TcpStream> = (0..300).map(|_| stranger()).collect();
    let mut data = connect(SocketAddr::from(([127, 0, 0, 1], port)));
    client.say("RETR a.txt");
    assert_eq!(client.finish_fetch(&mut data), b"some text");
    for mut stranger in strangers {
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(stranger.read(&mut [0; 10]).unwrap_or(0), 0);
    }
}

#[test]
fn two_hundred_clients_share_one_passive_port() {
    let server = serve_memory(&tree(), 1);
    std::thread::scope(|scope| {
        for _ in 0..200 {
            let work = || {
                let mut client = Client::login(&server);
                for _ in 0..10 {
                    assert_eq!(client.fetch("RETR a.txt"), b"some text");
                }
                client.command("QUIT", "221");
            };
            std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, work).unwrap();
        }
    });
    eventually("all sessions are gone", || server.handle().sessions() == 0);
}

/// Remembers the sessions, and panics when it hears of a login of `boom`.
#[derive(Default)]
struct Listener {
    sessions: Mutex<Vec<SessionId>>,
    boom: bool,
}

impl Observer for Listener {
    fn notice(&self, session: Option<SessionId>, notice: &Notice) {
        match notice {
            Notice::SessionOpened { .. } => self.sessions.lock().unwrap().extend(session),
            Notice::LoggedIn { .. } if self.boom => panic!("boom"),
            _ => {}
        }
    }
}

#[test]
fn a_panic_costs_its_session_only() {
    let server =
        serve(settings(1), open_to_all(&tree()), Arc::new(Listener { boom: true, ..Listener::default() }));
    let mut other = Client::connect(&server);
    let mut client = Client::connect(&server);
    client.command("USER anonymous", "331");
    client.say("PASS x");
    while client.line().is_some() {}
    eventually("the session is gone", || server.handle().sessions() == 1);
    other.command("NOOP", "");
}

#[test]
fn an_idle_session_can_be_kicked_and_the_others_stay() {
    let listener = Arc::new(Listener::default());
    let server = serve(settings(1), open_to_all(&tree()), Arc::<Listener>::clone(&listener));
    let mut clients: Vec<Client> = (0..70).map(|_| Client::login(&server)).collect();
    let sessions = listener.sessions.lock().unwrap().clone();
    assert_eq!(sessions.len(), 70);
    // A session that just had a transfer sleeps on a bell of its own.
    clients[9].fetch("RETR a.txt");
    for number in [3, 9] {
        let begin = Instant::now();
        assert!(server.handle().kick(sessions[number]));
        clients[number].expect("421");
        assert_eq!(clients[number].line(), None);
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
    eventually("they are gone", || server.handle().sessions() == 68);
    for (number, client) in clients.iter_mut().enumerate() {
        if ![3, 9].contains(&number) {
            client.command("NOOP", "200");
        }
    }
}

#[test]
fn stopping_gives_a_running_transfer_its_grace() {
    let server = serve_memory(&tree(), 1);
    let address = *server.control_addrs().first().unwrap();
    let mut idle = Client::login(&server);
    let mut busy = Client::login(&server);
    let mut data = busy.passive();
    busy.command("STOR in/new", "150");
    data.write_all(b"half, ").unwrap();
    let stop = std::thread::spawn(move || server.stop(Duration::from_secs(20)));
    idle.expect("421");
    assert_eq!(idle.line(), None);
    assert!(TcpStream::connect_timeout(&address, PATIENCE).is_err(), "nobody is let in any more");
    data.write_all(b"and half").unwrap();
    data.shutdown(Shutdown::Write).unwrap();
    busy.expect("226");
    stop.join().unwrap();
}

#[test]
fn stopping_cuts_a_transfer_when_its_grace_is_over() {
    let server = serve_memory(&tree(), 1);
    let mut busy = Client::login(&server);
    let _data = busy.passive();
    busy.command("STOR in/new", "150");
    let begin = Instant::now();
    server.stop(Duration::from_millis(300));
    assert!(begin.elapsed() > Duration::from_millis(250) && begin.elapsed() < Duration::from_secs(8));
}

#[test]
fn one_port_that_is_taken_is_no_reason_not_to_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let with = |first, last, strict_ports| {
        let ports = PassivePorts::Range(first..=last);
        let mut settings = settings(1);
        settings.passive = Passive { ports, strict_ports, ..Passive::default() };
        let config = Arc::new(settings.validate().unwrap());
        let control = vec!["127.0.0.1:0".parse().unwrap()];
        ftp_sync::start(ftp_sync::Options {
            control,
            ..ftp_sync::Options::new(config, Arc::new(open_to_all(&tree())))
        })
    };
    assert!(matches!(with(port, port, false), Err(ftp_sync::StartError::NoPassivePort { .. })));
    if let Ok(server) = with(port, port.saturating_add(3), false) {
        assert!(!server.passive_ports().contains(&port));
        assert_eq!(Client::login(&server).fetch("RETR a.txt"), b"some text");
    }
    assert!(matches!(
        with(port, port.saturating_add(3), true),
        Err(ftp_sync::StartError::PassivePort { .. })
    ));
    let options = ftp_sync::Options {
        control: vec![taken.local_addr().unwrap()],
        ..ftp_sync::Options::new(Arc::default(), Arc::new(open_to_all(&tree())))
    };
    assert!(matches!(ftp_sync::start(options), Err(ftp_sync::StartError::Control { .. })));
}

#[test]
fn urgent_bytes_stay_in_line() {
    let server = serve_memory(&tree(), 1);
    let mut client = Client::login(&server);
    // Telnet's Synch before a command, as old clients send it with ABOR: IP, then DM as urgent data.
    client.control.write_all(b"\xff\xf4").unwrap();
    socket2::SockRef::from(&client.control).send_out_of_band(b"\xff").unwrap();
    client.control.write_all(b"\xf2NOOP\r\n").unwrap();
    client.expect("200");
}

#[test]
fn both_families_are_served_by_one_server() {
    let options = ftp_sync::Options {
        control: vec!["[::]:0".parse().unwrap()],
        ..ftp_sync::Options::new(Arc::new(settings(1).validate().unwrap()), Arc::new(open_to_all(&tree())))
    };
    let server = ftp_sync::start(options).unwrap();
    let port = server.control_addrs().first().unwrap().port();
    let mut client = Client::connect_to(SocketAddr::from(([127, 0, 0, 1], port)));
    client.log_in();
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
    let reply = client.command("PASV", "227");
    assert!(reply.contains("(127,0,0,1,"), "{reply}");
    let listener = client.active();
    client.say("RETR a.txt");
    let mut data = listener.accept().unwrap().0;
    assert_eq!(client.finish_fetch(&mut data), b"some text");
}
