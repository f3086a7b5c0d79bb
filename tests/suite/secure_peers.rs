//! TLS on data connections: those who come instead of the right one, stall, break off or speak something else.

use crate::client::{connect, connect_from, eventually, reset};
use crate::runtime::{Runtime, Setup, Witness};
use crate::tls::Secured;
use ftp_proto::testing::{FakeHello, MemoryStorage};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

on_both_runtimes! {
    a_handshake_that_stalls_delays_nobody, a_handshake_that_breaks_off, a_client_that_does_not_speak_tls,
    a_handshake_in_pieces, a_session_that_ends_in_a_handshake, a_thief_comes_first, thieves_come_in_numbers,
    a_client_with_two_addresses,
}

const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text")
}

fn a_handshake_that_stalls_delays_nobody<R: Runtime>() {
    let witness = Arc::new(Witness::default());
    let server: R = Setup::new(&tree())
        .ports(20)
        .tls()
        .settings(|settings| settings.timeouts.data_connection = Duration::from_secs(3))
        .observer(Arc::<Witness>::clone(&witness))
        .start();
    let mut others: Vec<_> = (0..8).map(|_| server.secure_login()).collect();
    let mut stalled: Vec<_> = (0..8)
        .map(|number| {
            let mut client = server.secure_login();
            let data = client.passive();
            client.command("RETR a.txt", "150");
            // Some don't say a word, others not the last.
            let data = if number % 2 == 0 { Ok(data) } else { Err(Secured::hello(data, client.ticket())) };
            (client, data)
        })
        .collect();
    for client in &mut others {
        assert_eq!(client.fetch_protected("RETR a.txt"), b"some text");
    }
    assert!(witness.verdicts().is_empty(), "they are done before the others are given up");
    for (client, _) in &mut stalled {
        client.command("NOOP", "200");
    }
    for (client, _) in &mut stalled {
        let reply = client.expect("4");
        assert!(reply.contains("TLS"), "{reply}");
    }
    assert_eq!(witness.verdicts(), ["tls_timed_out"; 8]);
    assert_eq!(stalled[0].0.fetch_protected("RETR a.txt"), b"some text");
}

fn a_handshake_that_breaks_off<R: Runtime>() {
    let server: R = Setup::new(&tree()).ports(1).tls().start();
    let mut client = server.secure_login();
    for way in 0..4 {
        // A passive one that breaks off is given time to come again.
        let data = if way == 0 {
            let data = client.passive();
            client.command("RETR a.txt", "150");
            data
        } else {
            let listener = client.active();
            client.say("RETR a.txt");
            client.expect("150");
            listener.accept().unwrap().0
        };
        match way {
            0 => reset(data),
            1 => drop(data),
            2 => reset(Secured::hello(data, client.ticket()).stream),
            _ => drop(Secured::hello(data, client.ticket())),
        }
        client.expect("4");
        assert_eq!(client.fetch_protected("RETR a.txt"), b"some text", "after {way}");
    }
}

fn a_client_that_does_not_speak_tls<R: Runtime>() {
    let server: R = Setup::new(&tree()).ports(1).tls().start();
    let mut client = server.secure_login();
    let mut data = client.passive();
    client.command("STOR up", "150");
    data.write_all(b"in the clear\r\n").unwrap();
    let reply = client.expect("4");
    assert!(reply.contains("TLS"), "{reply}");
    assert_eq!(client.fetch_protected("RETR a.txt"), b"some text");
}

fn a_handshake_in_pieces<R: Runtime>() {
    let server: R = Setup::new(&tree()).tls().start();
    let mut client = server.secure_login();
    let data = client.passive();
    client.command("RETR a.txt", "150");
    let mut data = Secured::hello_in_pieces(data, client.ticket());
    data.handshake().unwrap();
    assert_eq!(data.read_all(), b"some text");
    client.expect("226");
}

fn a_session_that_ends_in_a_handshake<R: Runtime>() {
    let server: R = Setup::new(&tree()).ports(1).tls().start();
    for quits in [true, false] {
        let mut client = server.secure_login();
        let mut data = Secured::hello(client.passive(), client.ticket());
        client.command("RETR a.txt", "150");
        if quits {
            client.say("ABOR");
            client.expect("4");
        }
        drop(client);
        while data.receive().is_ok_and(|came| came.is_some()) {}
        eventually("the session is gone", || server.sessions() == 0);
    }
    assert_eq!(server.secure_login().fetch_protected("RETR a.txt"), b"some text");
}

/// From the client's own address, without a ticket or with one of another session.
fn a_thief_comes_first<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).ports(1).tls().start();
    let mut client = server.secure_login();
    let foreign = server.secure_login().ticket();
    assert!(foreign.ticket.is_some());
    for (hello, command_first) in [
        (FakeHello::default(), false),
        (FakeHello::default(), true),
        (foreign.clone(), false),
        (foreign, true),
    ] {
        let address = client.epsv();
        if command_first {
            client.command("RETR a.txt", "150");
        }
        let mut thief = Secured::hello(connect(address), hello);
        std::thread::sleep(Duration::from_millis(50));
        let data = connect(address);
        if !command_first {
            client.command("RETR a.txt", "150");
        }
        assert_eq!(client.secure_data(data).read_all(), b"some text");
        client.expect("226");
        while let Ok(Some(plain)) = thief.receive() {
            assert_eq!(plain, b"", "the thief gets nothing");
        }
    }
}

/// They want to put in a file of theirs.
fn thieves_come_in_numbers<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).ports(1).tls().start();
    let mut client = server.secure_login();
    let address = client.epsv();
    client.command("STOR up", "150");
    let mut thieves: Vec<Secured> = Vec::new();
    for number in 0..10 {
        let stream = if number % 2 == 0 { connect(address) } else { connect_from(ELSEWHERE, address) };
        let mut thief = Secured::hello(stream, FakeHello::default());
        if thief.handshake().is_ok() {
            let _ = thief.send(b"stolen");
        }
        thieves.push(thief);
    }
    let mut data = client.secure_data(connect(address));
    data.send(b"the file").unwrap();
    data.close_notify();
    client.expect("226");
    assert_eq!(storage.contents("/up").unwrap(), b"the file");
    for mut thief in thieves {
        while thief.receive().is_ok_and(|came| came.is_some()) {}
    }
}

/// Its data connections leave the client's network by another way than its control connection.
fn a_client_with_two_addresses<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).ports(1).tls().start();
    let mut client = server.secure_login();
    for command_first in [true, false] {
        let address = client.epsv();
        if command_first {
            client.command("RETR a.txt", "150");
        }
        let data = connect_from(ELSEWHERE, address);
        if !command_first {
            client.command("RETR a.txt", "150");
        }
        assert_eq!(client.secure_data(data).read_all(), b"some text");
        client.expect("226");
    }
}
