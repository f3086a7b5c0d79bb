//! What the server promises beyond working: many clients through few ports, little memory, no half files.

use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::samples::{self, assert_same};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};
use crate::session::Session;

on_both_runtimes! {
    one_passive_port_serves_two_hundred_clients, ten_thousand_listings_need_four_ports,
    idle_sessions_are_cheap, a_huge_folder_streams, a_kill_leaves_no_half_file, a_stopped_transfer_blocks_nobody,
    stops_when_asked,
}

/// Lets this process, and the servers it starts, have as many descriptors as the system allows.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .expect("up to the maximum");
}

fn anonymous(server: &Server) -> Session {
    Session::login(server.address(), "anonymous", "me@example.org")
}

fn one_passive_port_serves_two_hundred_clients(runtime: Runtime) {
    const CLIENTS: usize = 200;
    const FILES: usize = 10;
    raise_descriptor_limit();
    let server = Setup::new(runtime).passive_ports(1).anonymous().start();
    let content = samples::bytes(40_000);
    server.put("file", &content);
    let before = server.listening_ports();
    assert_eq!(before.len(), 2, "the control port and one passive port: {before:?}");
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (server, content, ports) = (&server, &content, &before);
                scope.spawn(move || {
                    let mut session = anonymous(server);
                    for _ in 0..FILES {
                        let port = session.passive_port();
                        assert!(ports.contains(&port), "{port} is outside of the range");
                        let mut data = session.dial(port);
                        session.expect("RETR file", 150);
                        let mut got = Vec::new();
                        data.read_to_end(&mut got).expect("the data arrive");
                        session.expect_reply("RETR", 226);
                        assert_same(&got, content);
                    }
                    session.expect("QUIT", 221);
                })
            })
            .collect();
        assert_eq!(server.listening_ports(), before, "another port was opened");
        for client in clients {
            client.join().expect("a client failed");
        }
    });
    assert_eq!(server.listening_ports(), before, "another port was opened");
}

fn ten_thousand_listings_need_four_ports(runtime: Runtime) {
    let server = Setup::new(runtime).passive_ports(4).anonymous().start();
    server.put("file", b"content");
    let mut session = anonymous(&server);
    let listing = session.fetch("NLST");
    assert_eq!(listing, b"file\r\n");
    for _ in 0..10_000 {
        assert_eq!(session.fetch("NLST"), listing);
    }
    session.expect("QUIT", 221);
}

fn idle_sessions_are_cheap(runtime: Runtime) {
    const SESSIONS: usize = 1_000;
    // In KiB. A thread costs more than a task, and only the tasks' price is promised.
    let allowed = if runtime == Runtime::Smol { 64 * 1024 } else { 256 * 1024 };
    raise_descriptor_limit();
    let server = Setup::new(runtime).anonymous().start();
    drop(anonymous(&server));
    let idle = server.memory();
    let mut sessions: Vec<_> = (0..SESSIONS).map(|_| anonymous(&server)).collect();
    let used = server.memory().saturating_sub(idle);
    for session in &mut sessions {
        session.expect("NOOP", 200);
    }
    assert!(used <= allowed, "{SESSIONS} sessions took {used} KiB; {allowed} are allowed");
}

fn a_huge_folder_streams(runtime: Runtime) {
    const ENTRIES: usize = 100_000;
    const ALLOWED: u64 = 32 * 1024;
    let server = Setup::new(runtime).anonymous().start();
    fs::create_dir(server.path("huge")).unwrap();
    for number in 0..ENTRIES {
        fs::File::create(server.path(format!("huge/a-file-with-a-name-of-usual-length-{number:06}")))
            .unwrap();
    }
    let mut session = anonymous(&server);
    session.fetch("NLST /");
    let idle = server.memory();
    for command in ["LIST /huge", "MLSD /huge", "NLST /huge"] {
        let listing = session.fetch(command);
        assert_eq!(lines_with(&listing, b"a-file-with"), ENTRIES, "{command}");
    }
    let grown = server.memory_peak().saturating_sub(idle);
    assert!(grown <= ALLOWED, "it grew by {grown} KiB; {ALLOWED} are allowed");
}

fn lines_with(listing: &[u8], part: &[u8]) -> usize {
    listing
        .split(|byte| *byte == b'\n')
        .filter(|line| line.windows(part.len()).any(|window| window == part))
        .count()
}

fn a_kill_leaves_no_half_file(runtime: Runtime) {
    let setup = Setup::new(runtime);
    let server = setup.start();
    let content = samples::bytes(samples::LENGTH);
    server.put("old", b"the old content");
    let mut first = Session::login(server.address(), USER, PASSWORD);
    let mut second = Session::login(server.address(), USER, PASSWORD);
    let mut new = first.passive();
    first.expect("STOR new", 150);
    new.write_all(&content[..2_000_000]).unwrap();
    let mut old = second.passive();
    second.expect("STOR old", 150);
    old.write_all(&content[..2_000_000]).unwrap();
    server.wait_for_bytes(3_000_000);
    let folder = server.kill();
    drop((new, old));

    let server = setup.start_in(Arc::clone(&folder));
    assert!(!server.path("new").exists(), "half a file was published");
    assert_eq!(server.get("old"), b"the old content");
    let mut session = Session::login(server.address(), USER, PASSWORD);
    assert_eq!(session.fetch("NLST"), b"old\r\n", "the partial file must not be seen");
    // And it goes on: what had reached the disk need not be sent again.
    let told = session.expect("SIZE new", 213);
    let have: usize = told.trim_start_matches("213 ").parse().unwrap();
    assert!((1..=2_000_000).contains(&have), "{told}");
    session.expect(&format!("REST {have}"), 350);
    session.store("STOR new", &content[have..]);
    assert_same(&server.get("new"), &content);
    session.store("STOR old", &content);
    assert_same(&server.get("old"), &content);
}

/// A client that stops reading holds its own transfer up and nothing else.
fn a_stopped_transfer_blocks_nobody(runtime: Runtime) {
    let server = Setup::new(runtime).passive_ports(1).anonymous().start();
    server.put("large", &samples::bytes(32 << 20));
    server.put("small", b"content");
    let stopped: Vec<_> = (0..20)
        .map(|_| {
            let mut session = anonymous(&server);
            let data = session.passive();
            session.expect("RETR large", 150);
            (session, data)
        })
        .collect();
    let mut session = anonymous(&server);
    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(session.fetch("RETR small"), b"content");
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    drop(stopped);
}

fn stops_when_asked(runtime: Runtime) {
    let mut server = Setup::new(runtime).anonymous().start();
    server.put("file", &samples::bytes(8 << 20));
    let mut idle = anonymous(&server);
    let mut busy = anonymous(&server);
    let mut data = busy.passive();
    busy.expect("RETR file", 150);
    server.ask_to_stop();
    idle.expect_reply("the end", 421);
    // The running transfer ends as it should.
    let mut got = Vec::new();
    data.read_to_end(&mut got).unwrap();
    assert_same(&got, &samples::bytes(8 << 20));
    busy.expect_reply("RETR", 226);
    assert!(server.wait().success());
}
