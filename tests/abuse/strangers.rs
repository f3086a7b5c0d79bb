//! Who has not logged in: connections that never get to it, many of them, in every way to be slow. They end by
//! `timeouts.login`, and meanwhile everybody else is served.

use crate::client::{Client, connect_from, eventually};
use crate::server::{Runtime, Server, Setup};
use crate::tls;
use crate::watch::Watch;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

on_both_runtimes!(
    slow_strangers_end_by_the_login_timeout,
    a_flood_of_silent_connections_locks_nobody_out,
    five_thousand_silent_sessions_leave_room_for_others,
    what_strangers_send_ahead_is_not_kept,
);

const LOGIN_TIMEOUT: Duration = Duration::from_secs(4);
/// From here connections are a balancer's.
const BALANCER: Ipv4Addr = Ipv4Addr::new(127, 0, 9, 9);

/// One way to be slow: what is sent at once, what is sent again and again, and where to.
struct Way {
    name: &'static str,
    implicit: bool,
    own: Ipv4Addr,
    first: Vec<u8>,
    then: Vec<u8>,
}

fn ways() -> Vec<Way> {
    let own = Ipv4Addr::new(127, 0, 0, 3);
    let way = |name, first: &[u8], then: &[u8]| Way {
        name,
        implicit: false,
        own,
        first: first.to_vec(),
        then: then.to_vec(),
    };
    let hello = tls::hello();
    let half = hello.len() / 2;
    vec![
        way("a byte now and then", b"U", b"S"),
        way("nothing at all", b"", b""),
        way("commands, and no reply is read", &b"HELP\r\n".repeat(50), &b"HELP\r\n".repeat(50)),
        way("one name after the other", b"USER bob\r\n", b"USER bob\r\n"),
        Way { implicit: true, ..way("a ClientHello in bytes", &hello[..1], &hello[1..2]) },
        Way { implicit: true, ..way("half a ClientHello", &hello[..half], b"") },
        way("half a ClientHello behind AUTH", &[b"AUTH TLS\r\n", &hello[..half]].concat(), b""),
        Way { own: BALANCER, ..way("half a PROXY header", b"PROXY TCP4 192.0.2.1 19", b"") },
        Way {
            own: BALANCER,
            ..way("half a binary PROXY header", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", b"")
        },
        way("a line without an end", &[b'x'; 100 << 10], &[b'x'; 1000]),
        way("telnet commands", &[255, 241].repeat(10_000), &[255, 253, 6].repeat(300)),
    ]
}

/// Whether the server has ended the connection. Nothing that it said is read before.
fn has_ended(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 8192];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

fn slow_strangers_end_by_the_login_timeout(runtime: Runtime) {
    const STRANGERS: usize = 500;
    let timeout = format!("\"{}s\"", LOGIN_TIMEOUT.as_secs());
    let server = Setup::new(runtime)
        .set("timeouts.login", &timeout)
        .set("timeouts.linger", "\"1s\"")
        .set("proxy.trusted", &format!("[\"{BALANCER}\"]"))
        .start();
    server.put("file", b"what is served");
    let watch = Watch::begin(&server);
    let ways = ways();
    let mut strangers: Vec<(&Way, Option<TcpStream>, Instant)> = Vec::new();
    for way in ways.iter().cycle().take(STRANGERS) {
        let address = if way.implicit { server.implicit() } else { server.address };
        let mut stream = connect_from(way.own, address).unwrap();
        let begin = Instant::now();
        stream.set_nonblocking(true).unwrap();
        // What doesn't fit into the socket is not sent: the server reads no more.
        let _ = stream.write(&way.first);
        strangers.push((way, Some(stream), begin));
    }
    let mut logged_in = server.login();
    // They go on to be slow until the time is up; others are served meanwhile.
    let last = strangers.last().unwrap().2;
    let mut rounds = 0;
    while last.elapsed() < LOGIN_TIMEOUT {
        for (way, stream, _) in &mut strangers {
            let _ = stream.as_mut().unwrap().write(&way.then);
        }
        assert!(logged_in.noop() < Duration::from_secs(1), "who is in is served");
        let begin = Instant::now();
        assert_eq!(Client::login(server.address).fetch("RETR file"), b"what is served");
        assert!(begin.elapsed() < Duration::from_secs(3), "newcomers are served: {:?}", begin.elapsed());
        rounds += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(rounds > 1);
    // A second for last words that nobody reads, and some for a busy machine.
    let slack = Duration::from_secs(6);
    while last.elapsed() < LOGIN_TIMEOUT + slack && strangers.iter().any(|(_, stream, _)| stream.is_some()) {
        for (_, stream, _) in &mut strangers {
            if stream.as_mut().is_some_and(has_ended) {
                *stream = None;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut left: Vec<_> = strangers.iter().filter(|one| one.1.is_some()).map(|one| one.0.name).collect();
    left.dedup();
    assert!(left.is_empty(), "still connected: {left:?}");
    logged_in.expect("QUIT", 221);
    drop(logged_in);
    watch.end(&server);
}

/// With the limits that hold by themselves: most of the flood is turned away, or has to make room.
fn a_flood_of_silent_connections_locks_nobody_out(runtime: Runtime) {
    flood(&Setup::new(runtime).set("limits.unauthenticated_per_address", "500"), 1_000);
}

/// Where the limits let all of them in.
fn five_thousand_silent_sessions_leave_room_for_others(runtime: Runtime) {
    flood(
        &Setup::new(runtime)
            .set("limits.unauthenticated", "10000")
            .set("limits.sessions_per_network", "10000"),
        FLOOD,
    );
}

/// So many connections at once.
const FLOOD: usize = 5_000;

/// `stay`: so many of them are not ended.
fn flood(setup: &Setup, stay: usize) {
    let server = setup.start();
    server.put("file", &[b'x'; 100_000]);
    // What is as large as the flood made it stays so; what is more behind another one is lost.
    let watch = Watch::begin(&server).leaves_memory(64 << 10);
    flood_once(&server, stay);
    watch.end(&server);
    let watch = Watch::begin(&server);
    flood_once(&server, stay);
    watch.end(&server);
}

fn flood_once(server: &Server, stay: usize) {
    let mut logged_in = server.login();
    let mut flood = Vec::with_capacity(FLOOD);
    let mut slowest = Duration::ZERO;
    for number in 0..FLOOD {
        // Some addresses have a few hundred each, and one has two thousand.
        let last = if number % 5 < 2 { 200 } else { 201 + (number % 7) as u8 };
        flood.push(connect_from(Ipv4Addr::new(127, 0, 0, last), server.address).unwrap());
        if number % 250 == 0 {
            slowest = slowest.max(logged_in.noop());
        }
        if number % 1000 == 999 {
            let begin = Instant::now();
            let mut fresh = Client::login_from(Ipv4Addr::new(127, 0, 0, 2), server.address);
            assert_eq!(fresh.fetch("RETR file").len(), 100_000);
            assert!(begin.elapsed() < Duration::from_secs(5), "a fresh client: {:?}", begin.elapsed());
        }
    }
    assert_eq!(logged_in.fetch("RETR file").len(), 100_000);
    slowest = slowest.max(logged_in.noop());
    assert!(slowest < Duration::from_secs(2), "who is in waited for {slowest:?}");
    // Beside them there is who is in, and somebody new takes a place.
    let expected = stay as u64..=stay as u64 + 1;
    eventually("the rest is ended", Duration::from_secs(10), || {
        expected.contains(&server.standing().sessions)
    });
    drop(flood);
    logged_in.expect("QUIT", 221);
}

/// Behind a failed login, whose reply is held back, come lines without end: of those only as much as one read takes is
/// kept, and the shortest lines are what takes most memory.
fn what_strangers_send_ahead_is_not_kept(runtime: Runtime) {
    const STRANGERS: u64 = 60;
    /// In KiB: a session, on threads also its stack, and what it may keep.
    const EACH: u64 = 256;
    let server = Setup::new(runtime).set("limits.login_delay", "\"5s\"").start();
    let watch = Watch::begin(&server);
    let before = server.kernel_says("VmRSS");
    let lines = [&b"USER nobody\r\nPASS wrong\r\n"[..], &b"\n".repeat(60_000)].concat();
    let strangers: Vec<_> = (0..STRANGERS)
        .map(|_| {
            let mut stream = connect_from(Ipv4Addr::new(127, 0, 0, 3), server.address).unwrap();
            stream.write_all(&lines).unwrap();
            stream
        })
        .collect();
    let mut most = 0;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(4) {
        most = most.max(server.kernel_says("VmRSS") - before);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(server.standing().sessions >= STRANGERS, "they were to wait for their replies");
    assert!(most < STRANGERS * EACH, "{most} KiB for {STRANGERS} strangers");
    drop(strangers);
    watch.end(&server);
}
