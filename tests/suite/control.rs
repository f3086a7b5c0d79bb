//! The control connection: segments, urgent data, options, ends.

use crate::alone;
use crate::client::{Client, connect, eventually, read_all};
use crate::runtime::{Runtime, Setup};
use ftp_proto::testing::MemoryStorage;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

on_both_runtimes! {
    passive_replies_come_in_segments_of_their_own, pipelined_replies_share_a_segment,
    urgent_abort_ends_a_transfer, an_urgent_byte_stays_in_its_place, the_connection_has_its_options,
    both_families_are_served, a_half_closed_connection_is_answered_and_ends,
    an_upload_outlives_the_control_connection, a_flood_of_commands_waits_in_the_network,
}

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text").zeros("/big", 1 << 40)
}

/// What each read gives, until `replies` lines have come.
fn reads(client: &mut Client, replies: usize) -> Vec<String> {
    let mut reads: Vec<String> = Vec::new();
    while reads.concat().lines().count() < replies {
        let mut buffer = [0; 4096];
        let count = client.control.read(&mut buffer).unwrap();
        assert!(count > 0, "the end after {reads:?}");
        reads.push(String::from_utf8(buffer[..count].to_vec()).unwrap());
    }
    reads
}

/// Segments that arrive before the client reads are read together, so only one that reads at once can tell
/// them apart. What was written together never comes apart, however often one tries.
fn passive_replies_come_in_segments_of_their_own<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    for (verb, code) in [("PASV", "227 "), ("EPSV", "229 ")] {
        let mut seen = Vec::new();
        let alone = (0..200).any(|_| {
            let mut client = server.login();
            client.control.write_all(format!("NOOP\r\n{verb}\r\nNOOP\r\n").as_bytes()).unwrap();
            seen = reads(&mut client, 3);
            seen.iter().any(|read| read.starts_with(code) && read.lines().count() == 1)
        });
        assert!(alone, "{verb} never came alone, the last time with {seen:?}");
    }
}

fn pipelined_replies_share_a_segment<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut client = server.login();
    let together = (0..50).any(|_| {
        client.control.write_all(&b"NOOP\r\n".repeat(100)).unwrap();
        reads(&mut client, 100).len() < 10
    });
    assert!(together, "one write for each reply is the slowest way");
}

/// RFC 959 section 4.1.3 and RFC 854's Synch: IP, then the data mark as urgent data, then the command.
fn urgent_abort_ends_a_transfer<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut client = server.login();
    let mut data = client.passive();
    client.command("RETR big", "150");
    data.read_exact(&mut [0; 1000]).unwrap();
    client.control.write_all(b"\xff\xf4\xff").unwrap();
    socket2::SockRef::from(&client.control).send_out_of_band(b"\xf2").unwrap();
    client.say("ABOR");
    client.expect("426");
    client.expect("226");
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
}

fn an_urgent_byte_stays_in_its_place<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut client = server.login();
    for _ in 0..20 {
        client.control.write_all(b"\xff\xf4").unwrap();
        socket2::SockRef::from(&client.control).send_out_of_band(b"\xff").unwrap();
        client.control.write_all(b"\xf2NOOP\r\n").unwrap();
        client.expect("200");
    }
}

/// The other end of a connection of this process: a second descriptor for the server's socket.
fn other_end(client: &Client) -> socket2::Socket {
    let (near, far) = (client.control.local_addr().unwrap(), client.control.peer_addr().unwrap());
    let process = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let numbers = std::fs::read_dir("/proc/self/fd").unwrap();
    let sockets = numbers.filter_map(|entry| {
        let number = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let copy: OwnedFd = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok()?;
        Some(socket2::Socket::from(copy))
    });
    let is_it = |socket: &socket2::Socket| {
        let address = |end: std::io::Result<socket2::SockAddr>| end.ok()?.as_socket();
        address(socket.local_addr()) == Some(far) && address(socket.peer_addr()) == Some(near)
    };
    sockets.into_iter().find(is_it).expect("the server is in this process")
}

fn the_connection_has_its_options<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let client = server.login();
    let socket = other_end(&client);
    assert!(socket.tcp_nodelay().unwrap(), "TCP_NODELAY");
    assert!(socket.keepalive().unwrap(), "SO_KEEPALIVE");
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
    assert!(socket.out_of_band_inline().unwrap(), "SO_OOBINLINE");
}

fn both_families_are_served<R: Runtime>() {
    let server: R = Setup::new(&tree()).control("[::]:0").start();
    let port = server.address().port();

    // An IPv4-mapped client is an IPv4 client in every way.
    let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    client.log_in();
    let address = client.pasv();
    assert_eq!(address.ip().to_string(), "127.0.0.1");
    assert_eq!(client.fetch_over(&connect(address), "RETR a.txt"), b"some text");
    client.command("EPSV 2", "522");
    both_ways(&mut client);

    let mut client = Client::connect(format!("[::1]:{port}").parse().unwrap());
    client.log_in();
    assert!(client.command("PASV", "").contains("EPSV"), "an error that names the way out");
    client.command("EPSV 1", "522");
    both_ways(&mut client);
}

/// EPSV and EPRT, down and up.
fn both_ways(client: &mut Client) {
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
    client.store("STOR up", b"and back");
    assert_eq!(client.fetch("RETR up"), b"and back");
    let listener = client.active();
    client.command("RETR a.txt", "150");
    assert_eq!(read_all(&listener.accept().unwrap().0), b"some text");
    client.expect("226");
    let listener = client.active();
    client.command("STOR up", "150");
    let (mut data, _) = listener.accept().unwrap();
    data.write_all(b"more").unwrap();
    drop(data);
    client.expect("226");
    assert_eq!(client.fetch("RETR up"), b"more");
}

fn a_half_closed_connection_is_answered_and_ends<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut client = server.login();
    // All at once, as scripts do: commands that need the storage are still being answered when the end comes.
    client.control.write_all(b"NOOP\r\nMKD half\r\nCWD half\r\nPWD\r\n").unwrap();
    client.control.shutdown(Shutdown::Write).unwrap();
    for code in ["200", "257", "250", "257"] {
        client.expect(code);
    }
    client.expect_end();
    eventually("the session is gone", || server.sessions() == 0);
}

/// RFC 959 section 3.2: some devices send the file and close both connections at once.
fn an_upload_outlives_the_control_connection<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).start();
    let mut client = server.login();
    let mut data = client.passive();
    client.command("STOR up", "150");
    data.write_all(b"half, ").unwrap();
    client.control.shutdown(Shutdown::Both).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    data.write_all(b"and half").unwrap();
    drop(data);
    eventually("the file is there", || storage.contents("/up").is_some());
    assert_eq!(storage.contents("/up").unwrap(), b"half, and half");
    eventually("the session is gone", || server.sessions() == 0);
}

/// A client that sends and doesn't read: the server stops reading, so that what piles up is in the network's
/// buffers, which are limited (and which these replies outgrow); and not one reply is lost.
fn a_flood_of_commands_waits_in_the_network<R: Runtime>() {
    alone::run::<R>(module_path!(), "a_flood_of_commands_waits_in_the_network", || {
        const LINES: usize = (4 << 20) / 6;
        const ALLOWED: u64 = 4 << 10;
        let server: R = Setup::new(&tree()).start();
        let mut client = server.login();
        socket2::SockRef::from(&client.control).set_recv_buffer_size(256 << 10).unwrap();
        let mut sender = client.control.try_clone().unwrap();
        let flood = b"NOOP\r\n".repeat(LINES);
        let before = alone::memory("VmRSS");
        let sending = std::thread::spawn(move || sender.write_all(&flood).unwrap());
        std::thread::sleep(Duration::from_millis(1500));
        let grown = alone::memory("VmRSS").saturating_sub(before);
        assert!(grown < ALLOWED, "it grew by {grown} KiB");
        let (mut replies, mut buffer) = (0, vec![0; 1 << 18]);
        while replies < LINES {
            let count = client.control.read(&mut buffer).unwrap();
            assert!(count > 0, "the end after {replies} replies");
            replies += buffer[..count].iter().filter(|&&byte| byte == b'\n').count();
        }
        assert_eq!(replies, LINES);
        sending.join().unwrap();
        client.expect_silence(Duration::from_millis(50));
        client.command("PWD", "257");
    });
}
