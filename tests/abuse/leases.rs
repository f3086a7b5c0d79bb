//! Passive ports: who asks for them and never comes, and who comes unasked.

use crate::client::{Client, connect_from};
use crate::dice::pattern;
use crate::server::{Runtime, Server, Setup};
use crate::watch::Watch;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

on_both_runtimes!(
    a_session_that_asks_for_ports_without_end_holds_one,
    two_hundred_sessions_that_never_connect_starve_nobody,
    strangers_at_the_passive_ports_are_closed,
    a_flood_at_the_leased_port_keeps_nobody_from_the_file,
);

const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

fn start(runtime: Runtime) -> Server {
    let server = Setup::new(runtime).set("timeouts.data_connection", "\"1s\"").start();
    server.put("file", &pattern(1, 300_000));
    server
}

fn a_session_that_asks_for_ports_without_end_holds_one(runtime: Runtime) {
    let server = start(runtime);
    let watch = Watch::begin(&server);
    let mut greedy = server.login();
    for number in 0..1_000 {
        let (command, code) = if number % 2 == 0 { ("PASV", 227) } else { ("EPSV", 229) };
        greedy.expect(command, code);
    }
    let standing = server.standing();
    assert!(standing.leases <= 1 && standing.queued == 0, "{standing:?}");
    assert_eq!(greedy.fetch("RETR file"), pattern(1, 300_000));
    assert_eq!(server.login().fetch("RETR file"), pattern(1, 300_000));
    // All at once, and the last port is the one that counts.
    greedy.send_raw(&b"EPSV\r\n".repeat(1_000)).unwrap();
    for _ in 0..1_000 {
        greedy.expect_reply("EPSV", 229);
    }
    assert!(server.standing().leases <= 1);
    assert_eq!(greedy.fetch("RETR file"), pattern(1, 300_000));
    drop(greedy);
    watch.end(&server);
}

/// Eight ports, and two hundred sessions of one client that let all of them wait.
fn two_hundred_sessions_that_never_connect_starve_nobody(runtime: Runtime) {
    let server = start(runtime);
    let watch = Watch::begin(&server);
    let mut crowd: Vec<Client> = (0..200).map(|_| server.login()).collect();
    for client in &mut crowd {
        client.send_raw(&b"EPSV\r\n".repeat(5)).unwrap();
    }
    let mut standing = server.standing();
    let begin = Instant::now();
    while standing.leases + standing.queued < 100 {
        assert!(begin.elapsed() < Duration::from_secs(2), "they were to fill the ports: {standing:?}");
        standing = server.standing();
    }
    assert!(standing.leases <= 8, "one client has a port once: {standing:?}");
    let begin = Instant::now();
    let mut other = Client::login_from(OTHER, server.address);
    assert_eq!(other.fetch("RETR file"), pattern(1, 300_000));
    assert!(begin.elapsed() < Duration::from_secs(2), "another client waited for {:?}", begin.elapsed());
    // Each has heard something for each command, and within the time that a port is waited for.
    for client in &mut crowd {
        for _ in 0..5 {
            let (code, text) = client.reply().unwrap();
            assert!([229, 425].contains(&code), "{text}");
        }
    }
    drop((crowd, other));
    watch.end(&server);
}

fn strangers_at_the_passive_ports_are_closed(runtime: Runtime) {
    let server = start(runtime);
    let watch = Watch::begin(&server);
    let mut strangers = Vec::new();
    for port in server.passive_ports() {
        for _ in 0..100 {
            strangers.push(connect_from(STRANGER, SocketAddr::new(server.address.ip(), port)).unwrap());
        }
    }
    assert_eq!(strangers.len(), 800);
    for mut stranger in strangers {
        stranger.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        match stranger.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            other => panic!("a stranger got {other:?}"),
        }
    }
    assert_eq!(server.login().fetch("RETR file"), pattern(1, 300_000));
    watch.end(&server);
}

fn a_flood_at_the_leased_port_keeps_nobody_from_the_file(runtime: Runtime) {
    let server = start(runtime);
    let watch = Watch::begin(&server);
    let mut client = Client::login_from(OTHER, server.address);
    let (over, came) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ports = server.passive_ports();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    for port in &ports {
                        let address = SocketAddr::new(server.address.ip(), *port);
                        came.fetch_add(
                            usize::from(connect_from(STRANGER, address).is_ok()),
                            Ordering::SeqCst,
                        );
                    }
                }
            });
        }
        // Whatever happens, the flood has an end.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..30 {
                let begin = Instant::now();
                assert_eq!(client.fetch("RETR file"), pattern(1, 300_000));
                assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
            }
        }));
        over.store(true, Ordering::SeqCst);
        result.unwrap();
    });
    assert!(came.load(Ordering::SeqCst) > 20, "it was to be a flood");
    drop(client);
    watch.end(&server);
}
