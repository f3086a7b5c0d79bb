//! Transfers under TLS.

use crate::client::{Client, eventually, pattern};
use crate::runtime::{Runtime, Setup, Witness};
use crate::tls::Secured;
use ftp_proto::testing::MemoryStorage;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

on_both_runtimes! {
    every_size_both_ways, active_mode, fifty_transfers_in_one_session, a_client_that_closes_at_once,
    a_client_that_only_half_closes, an_abort_in_the_middle, status_counts_what_the_file_gets,
    a_cut_upload_is_not_published, bulk_delays_nobody_else,
}

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text").zeros("/big", 1 << 40)
}

fn every_size_both_ways<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).tls().start();
    let mut client = server.secure_login();
    for size in [0, 1, 100 << 10, 20 << 20] {
        let content = pattern(size);
        client.store_protected("STOR up", &content);
        assert!(storage.contents("/up").unwrap() == content, "up, {size} bytes");
        assert!(client.fetch_protected("RETR up") == content, "down, {size} bytes");
        client.command(&format!("REST {}", size / 2), "350");
        assert!(client.fetch_protected("RETR up") == content[size / 2..], "the second half of {size} bytes");
    }
    let listing = String::from_utf8(client.fetch_protected("NLST")).unwrap();
    assert_eq!(listing.lines().collect::<Vec<_>>(), ["a.txt", "big", "up"]);
}

fn active_mode<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).tls().start();
    let mut client = server.secure_login();
    for command in ["RETR a.txt", "STOR up"] {
        let listener = client.active();
        client.say(command);
        let (data, _) = listener.accept().unwrap();
        client.expect("150");
        let mut data = client.secure_data(data);
        if command.starts_with("STOR") {
            data.send(b"some text").unwrap();
            data.close_notify();
        } else {
            assert_eq!(data.read_all(), b"some text");
        }
        client.expect("226");
    }
    assert_eq!(storage.contents("/up").unwrap(), b"some text");
}

fn fifty_transfers_in_one_session<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).ports(1).tls().start();
    let mut client = server.secure_login();
    for number in 0..25 {
        let content = pattern(number * 1000);
        client.store_protected("STOR up", &content);
        assert!(client.fetch_protected("RETR up") == content, "number {number}");
    }
}

/// It has sent all, says so, and is gone: it never reads what the server says about it.
fn a_client_that_closes_at_once<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).tls().start();
    let mut client = server.secure_login();
    let content = pattern(300_000);
    for number in 0..200 {
        let content = &content[..number * 1500];
        let mut data = client.begin_protected("STOR up");
        data.send(content).unwrap();
        data.close_notify();
        drop(data);
        client.expect("226");
        assert!(storage.contents("/up").unwrap() == content, "number {number}");
    }
}

/// A client that never sends close_notify, unless it was ever heard of it.
fn a_client_that_only_half_closes<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).tls().start();
    let mut client = server.secure_login();
    let mut data = client.begin_protected("STOR up");
    data.send(b"all of it").unwrap();
    data.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(data.read_all(), b"", "the server ends it by TLS");
    client.expect("226");
    assert_eq!(storage.contents("/up").unwrap(), b"all of it");
}

fn a_cut_upload_is_not_published<R: Runtime>() {
    let (storage, witness) = (tree(), Arc::new(Witness::default()));
    let server: R = Setup::new(&storage).tls().observer(Arc::<Witness>::clone(&witness)).start();
    let mut client = server.secure_login();
    client.store_protected("STOR first", b"with close_notify");
    let mut data = client.begin_protected("STOR up");
    data.send(b"half").unwrap();
    drop(data);
    client.expect("426");
    assert_eq!(witness.verdicts(), ["truncated"]);
    assert!(!storage.exists("/up"));
    assert_eq!(client.fetch_protected("RETR first"), b"with close_notify");
}

/// A protected download that has begun and does not end.
fn download(client: &mut Client) -> Secured {
    let mut data = client.begin_protected("RETR big");
    let mut came = 0;
    while came < 100_000 {
        came += data.receive().unwrap().expect("more").len();
    }
    data
}

fn an_abort_in_the_middle<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).ports(1).tls().start();
    let mut client = server.secure_login();
    for upload in [false, true] {
        let mut data = if upload { client.begin_protected("STOR up") } else { download(&mut client) };
        if upload {
            data.send(b"half").unwrap();
        }
        client.say("ABOR");
        client.expect("426");
        client.expect("226");
    }
    assert!(!storage.exists("/up"));
    assert_eq!(client.fetch_protected("RETR a.txt"), b"some text");
}

/// Not what crosses the wire.
fn status_counts_what_the_file_gets<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).tls().start();
    let mut client = server.secure_login();
    let mut data = client.begin_protected("STOR up");
    let mut sent = 0;
    // Small records have much around them.
    let mut seen = 0;
    eventually("progress is told", || {
        for _ in 0..1000 {
            data.send(b"word").unwrap();
            sent += 4;
        }
        let reply = client.command("STAT", "211");
        let line = reply.lines().find(|line| line.contains("STOR")).unwrap_or_else(|| panic!("{reply}"));
        seen = line.split_whitespace().rev().find_map(|word| word.parse::<u64>().ok()).unwrap_or(0);
        seen > 0
    });
    assert!(seen <= sent, "{seen}, and {sent} were sent");
    data.close_notify();
    client.expect("226");
    assert_eq!(storage.contents("/up").unwrap().len() as u64, sent);
}

/// Two downloads and two uploads go as fast as they can.
fn bulk_delays_nobody_else<R: Runtime>() {
    let server: R = Setup::new(&tree()).ports(4).tls().start();
    let mut quick: Vec<Client> = (0..4).map(|_| server.secure_login()).collect();
    let mut clients: Vec<Client> = (0..4).map(|_| server.secure_login()).collect();
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        for (number, client) in clients.iter_mut().enumerate() {
            if number % 2 == 0 {
                let mut data = download(client);
                scope.spawn(move || while data.receive().is_ok_and(|came| came.is_some()) {});
            } else {
                let mut data = client.begin_protected(&format!("STOR up{number}"));
                scope.spawn(move || {
                    let piece = vec![0; 256 << 10];
                    while data.send(&piece).is_ok() {}
                });
            }
        }
        for _ in 0..10 {
            times.extend(quick.iter_mut().map(|client| {
                let begin = Instant::now();
                client.command("NOOP", "200");
                begin.elapsed()
            }));
        }
        for client in &mut clients {
            client.say("ABOR");
            client.expect("426");
            client.expect("226");
        }
    });
    times.sort();
    let median = times[times.len() / 2];
    assert!(median < Duration::from_millis(100), "NOOP took {median:?} in the median");
    assert_eq!(quick[0].fetch_protected("RETR a.txt"), b"some text");
}
