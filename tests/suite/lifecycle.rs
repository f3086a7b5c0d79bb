//! Beginnings and ends: kicks, stops, panics, and what is left behind.

use crate::alone;
use crate::client::{Client, PATIENCE, connect, eventually, read_all, reset};
use crate::runtime::{Runtime, Setup, Witness};
use crate::storage::Rude;
use crate::tls::Secured;
use ftp_proto::event::SessionId;
use ftp_proto::notice::{Notice, Observer};
use ftp_proto::testing::MemoryStorage;
use ftp_proto::tls::{FamilyWish, Tls, TlsFamily};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

on_both_runtimes! {
    a_kick_ends_one_session, stopping_waits_for_a_transfer, stopping_cuts_what_does_not_end,
    a_panic_in_the_storage_costs_one_transfer, a_panic_in_the_observer_costs_nobody_else,
    a_panic_at_the_beginning_of_tls_leaves_nothing_behind, random_ends_leave_nothing_behind, an_idle_session_is_ended,
}

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text").zeros("/big", 1 << 40)
}

fn a_kick_ends_one_session<R: Runtime>() {
    let witness = Arc::new(Witness::default());
    let server: R = Setup::new(&tree()).observer(Arc::<Witness>::clone(&witness)).start();
    let mut clients: Vec<Client> = (0..10).map(|_| server.login()).collect();
    let sessions = witness.sessions();
    let mut data = clients[4].passive();
    clients[4].command("RETR big", "150");
    data.read_exact(&mut [0; 1000]).unwrap();
    // One is idle, one waits for a data connection, one has a transfer.
    clients[3].epsv();
    for number in [2, 3, 4] {
        assert!(server.kick(sessions[number]));
        clients[number].expect("4");
        while clients[number].line().is_some() {}
    }
    read_all(&data);
    eventually("they are gone", || server.sessions() == 7);
    assert!(!server.kick(sessions[2]), "it is gone");
    for (number, client) in clients.iter_mut().enumerate() {
        if !(2..5).contains(&number) {
            assert_eq!(client.fetch("RETR a.txt"), b"some text");
        }
    }
}

fn an_idle_session_is_ended<R: Runtime>() {
    let server: R = Setup::new(&tree())
        .settings(|settings| {
            settings.timeouts.idle = Duration::from_millis(600);
            settings.timeouts.login = Duration::from_millis(300);
        })
        .start();
    let (mut newcomer, begin) = (server.client(), Instant::now());
    let mut idle = server.login();
    newcomer.expect("421");
    newcomer.expect_end();
    assert!(begin.elapsed() > Duration::from_millis(250));
    idle.expect("421");
    idle.expect_end();
    assert!(begin.elapsed() > Duration::from_millis(550) && begin.elapsed() < Duration::from_secs(5));
    eventually("they are gone", || server.sessions() == 0);
}

fn stopping_waits_for_a_transfer<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).start();
    let address = server.address();
    let (mut idle, mut busy) = (server.login(), server.login());
    let mut data = busy.passive();
    busy.command("STOR up", "150");
    data.write_all(b"half, ").unwrap();
    let stopping = std::thread::spawn(move || server.stop(Duration::from_secs(20)));
    idle.expect("421");
    idle.expect_end();
    eventually("nobody is let in any more", || match TcpStream::connect_timeout(&address, PATIENCE) {
        Err(_) => true,
        Ok(mut stream) => {
            let mut greeting = [0; 3];
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.read_exact(&mut greeting).is_err() || greeting != *b"220"
        }
    });
    data.write_all(b"and half").unwrap();
    drop(data);
    busy.expect("226");
    busy.expect("421");
    busy.expect_end();
    stopping.join().unwrap();
    assert_eq!(storage.contents("/up").unwrap(), b"half, and half");
    assert!(TcpStream::connect_timeout(&address, PATIENCE).is_err(), "nobody listens");
}

fn stopping_cuts_what_does_not_end<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).start();
    let mut busy = server.login();
    let mut data = busy.passive();
    busy.command("STOR up", "150");
    data.write_all(b"half").unwrap();
    let begin = Instant::now();
    server.stop(Duration::from_millis(300));
    let took = begin.elapsed();
    assert!(took > Duration::from_millis(250) && took < Duration::from_secs(8), "it took {took:?}");
    assert!(!storage.exists("/up"));
    while busy.line().is_some() {}
}

/// Storages are other people's code.
fn a_panic_in_the_storage_costs_one_transfer<R: Runtime>() {
    let server: R = Setup::with_accounts(Rude::new(&tree())).ports(1).start();
    let mut other = server.login();
    let cases = [
        ("RETR panic-open", false),
        ("STOR panic-open", true),
        ("RETR panic-read", false),
        ("STOR panic-write", true),
        ("STOR panic-finish", true),
        ("LIST panic-open", false),
    ];
    for (command, upload) in cases {
        let mut client = server.login();
        let address = client.epsv();
        client.say(command);
        let mut data = connect(address);
        if upload {
            let _ = data.write_all(b"text");
            let _ = data.shutdown(Shutdown::Write);
        }
        // Either the session says what happened or it ends.
        let mut last = None;
        while let Some(line) = client.line() {
            let code = line.get(..3).unwrap_or_default().to_owned();
            let done = !code.starts_with('1');
            last = Some(code);
            if done {
                break;
            }
        }
        assert!(
            command.starts_with("LIST") || !last.as_deref().is_some_and(|code| code.starts_with('2')),
            "{command}: {last:?}"
        );
        drop((client, data));
        other.command("NOOP", "200");
        // The only port is free again.
        assert_eq!(other.fetch("RETR a.txt"), b"some text", "after {command}");
    }
    drop(other);
    eventually("all sessions are gone", || server.sessions() == 0);
}

/// Panics over what the server itself has to tell, in whose place whoever that may be.
struct Jumpy;

impl Observer for Jumpy {
    fn notice(&self, session: Option<SessionId>, notice: &Notice) {
        assert!(
            session.is_some() || matches!(notice, Notice::PortOpened { .. }),
            "an observer's own mistake"
        );
    }
}

/// Observers are other people's code, too.
fn a_panic_in_the_observer_costs_nobody_else<R: Runtime>() {
    let setup = Setup::new(&tree()).observer(Arc::new(Jumpy)).settings(|settings| {
        settings.limits.unauthenticated = 1;
        settings.limits.sessions = 3;
    });
    let server: R = setup.start();
    let mut first = server.client();
    let second = server.client();
    first.expect("421");
    first.expect_end();
    drop(second);
    eventually("their places are free", || server.sessions() == 0);
    let mut inside: Vec<Client> = (0..3).map(|_| server.login()).collect();
    drop(connect(server.address()));
    for client in &mut inside {
        assert_eq!(client.fetch("RETR a.txt"), b"some text");
    }
    drop(inside);
    let begin = Instant::now();
    server.stop(PATIENCE);
    assert!(begin.elapsed() < Duration::from_secs(5), "no thread is waited for: {:?}", begin.elapsed());
}

struct Hasty;

impl Tls for Hasty {
    fn family(&self, _: FamilyWish<'_>) -> Box<dyn TlsFamily> {
        panic!("on purpose");
    }

    fn knows_host(&self, _: &str) -> bool {
        false
    }
}

/// Where TLS comes first it begins when the session does.
fn a_panic_at_the_beginning_of_tls_leaves_nothing_behind<R: Runtime>() {
    let setup = Setup::new(&tree()).tls().implicit_tls("127.0.0.1:0");
    let server: R = setup.settings(|settings| settings.limits.sessions = 3).start();
    server.set_tls(Some(Arc::new(Hasty)));
    let address = *server.implicit_tls_addrs().first().unwrap();
    for _ in 0..10 {
        assert_eq!(connect(address).read(&mut [0; 10]).unwrap_or(0), 0);
    }
    server.set_tls(None);
    assert_eq!(server.sessions(), 0);
    assert_eq!(server.login().fetch("RETR a.txt"), b"some text");
    let begin = Instant::now();
    server.stop(Duration::ZERO);
    assert!(begin.elapsed() < Duration::from_secs(5), "no thread is waited for: {:?}", begin.elapsed());
}

/// A session that ends in one of many ways, in the middle of something.
fn end_somehow<R: Runtime>(server: &R, way: u64) {
    let mut client = server.client();
    if way == 0 {
        return reset(client.control);
    }
    client.log_in();
    match way {
        1 => drop(client.command("QUIT", "221")),
        2 => reset(client.control),
        3 => {
            client.epsv();
        }
        4 => drop(client.passive()),
        5 => {
            let data = client.passive();
            client.command("RETR big", "150");
            reset(data);
        }
        6 => {
            let data = client.passive();
            client.command("RETR big", "150");
            reset(client.control);
            drop(data);
        }
        7 => {
            let mut data = client.passive();
            client.command("STOR up", "150");
            data.write_all(b"half").unwrap();
            reset(data);
        }
        8 => {
            drop(client.active());
            client.say("RETR a.txt");
        }
        9 => {
            let listener = client.active();
            client.say("RETR big");
            drop(listener.accept().unwrap());
        }
        10 => {
            let _data = client.passive();
            client.command("RETR big", "150");
            client.say("ABOR");
            client.say("QUIT");
            client.control.shutdown(Shutdown::Write).unwrap();
            while client.line().is_some() {}
        }
        _ => assert_eq!(client.fetch("RETR a.txt"), b"some text"),
    }
}

/// The same under TLS.
fn end_somehow_under_tls<R: Runtime>(server: &R, way: u64) {
    if way == 0 {
        let mut client = server.client();
        client.command("AUTH TLS", "234");
        return reset(client.control);
    }
    let mut client = server.secure_login();
    match way {
        1 => reset(client.control),
        2 => drop(client.passive()),
        3 => {
            let data = client.passive();
            client.command("RETR big", "150");
            reset(client.control);
            drop(data);
        }
        4 => {
            let data = client.passive();
            client.command("RETR big", "150");
            drop(Secured::hello(data, client.ticket()));
        }
        5 => {
            let _data = Secured::hello(client.passive(), client.ticket());
            client.say("RETR big");
            client.say("ABOR");
            client.control.shutdown(Shutdown::Write).unwrap();
            while client.line().is_some() {}
        }
        6 => {
            let mut data = client.begin_protected("RETR big");
            data.receive().unwrap();
            reset(data.stream);
        }
        7 => {
            let mut data = client.begin_protected("STOR up");
            data.send(b"half").unwrap();
            reset(client.control);
        }
        _ => assert_eq!(client.fetch_protected("RETR a.txt"), b"some text"),
    }
}

fn random_ends_leave_nothing_behind<R: Runtime>() {
    alone::run::<R>(module_path!(), "random_ends_leave_nothing_behind", || {
        // A port that was announced and not used cools down, so that few of them would make this slow.
        let setup = || Setup::new(&tree()).ports(50).tls();
        // What a runtime keeps for the whole process is there after the first server.
        let server: R = setup().start();
        server.secure_login().fetch_protected("RETR a.txt");
        server.stop(Duration::ZERO);
        std::thread::sleep(Duration::from_secs(1));
        let (descriptors, threads) = (alone::descriptors(), alone::threads());

        let server: R = setup().start();
        let running = alone::descriptors();
        let mut number = 1_u64;
        for _ in 0..300 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match (number >> 33) % 20 {
                way @ ..12 => end_somehow(&server, way),
                way => end_somehow_under_tls(&server, way - 12),
            }
        }
        eventually("all sessions are gone", || server.sessions() == 0);
        // Threads that wait for the next session may hold a descriptor in reserve.
        eventually("their descriptors are back", || alone::descriptors() <= running + 40);
        assert_eq!(server.login().fetch("RETR a.txt"), b"some text");
        let mut securing = server.secure_login();
        let half = Secured::hello(securing.passive(), securing.ticket());
        securing.command("RETR big", "150");
        server.stop(Duration::ZERO);
        drop((securing, half));
        eventually("all descriptors are back", || alone::descriptors() <= descriptors);
        eventually("all threads are gone", || alone::threads() <= threads);
    });
}
