//! Passive mode: ports, who may come and who comes too late.

use crate::client::{connect, eventually, pattern};
use crate::runtime::{Runtime, Setup, Witness};
use ftp_proto::testing::MemoryStorage;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

on_both_runtimes! {
    transfers_go_both_ways, the_connection_may_come_after_the_command, nobody_comes,
    two_sessions_wait_for_one_another, nobody_gets_no_port, many_transfers_share_a_port,
}

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text").dir("/in").zeros("/zeros", 3 << 20)
}

fn transfers_go_both_ways<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).start();
    let mut client = server.login();
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
    assert_eq!(client.fetch("RETR zeros"), vec![0; 3 << 20]);
    assert_eq!(client.fetch("NLST"), b"a.txt\r\nin\r\nzeros\r\n");
    for len in [0, 1, 65_536, 700_001] {
        let bytes = pattern(len);
        client.store("STOR in/up", &bytes);
        assert_eq!(storage.contents("/in/up").as_ref(), Some(&bytes), "{len} bytes up");
        assert_eq!(client.fetch("RETR in/up"), bytes, "{len} bytes down");
    }
    let address = client.pasv();
    assert!(server.passive_ports().contains(&address.port()));
    assert_eq!(client.fetch_over(&connect(address), "RETR a.txt"), b"some text");
}

fn the_connection_may_come_after_the_command<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut client = server.login();
    for pause in [0, 5, 100] {
        let address = client.epsv();
        client.say("RETR a.txt");
        std::thread::sleep(Duration::from_millis(pause));
        let data = connect(address);
        client.expect("150");
        assert_eq!(crate::client::read_all(&data), b"some text");
        client.expect("226");
    }
}

fn nobody_comes<R: Runtime>() {
    let witness = Arc::new(Witness::default());
    let server: R = Setup::new(&tree())
        .ports(1)
        .settings(|settings| settings.timeouts.data_connection = Duration::from_millis(300))
        .observer(Arc::<Witness>::clone(&witness))
        .start();
    let mut client = server.login();
    let address = client.pasv();
    client.say("RETR a.txt");
    let reply = client.expect_after_mark("425");
    assert!(reply.contains(&address.port().to_string()), "which port: {reply}");
    assert!(reply.contains("127.0.0.1"), "which address: {reply}");
    assert_eq!(witness.verdicts(), ["nobody_connected"]);
    assert!(reply.contains("the client did not connect"), "who is to blame: {reply}");
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
    assert_eq!(
        witness.row(),
        "127.0.0.0/24 sessions=1 completed=1 failed=1 nobody_connected/client_silent=1"
    );
}

fn two_sessions_wait_for_one_another<R: Runtime>() {
    let server: R = Setup::new(&tree()).ports(1).start();
    let (mut first, mut second) = (server.login(), server.login());
    let address = first.epsv();
    second.say("EPSV");
    second.expect_silence(Duration::from_millis(200));
    // The connection alone frees the port: the transfer itself holds none.
    let data = connect(address);
    first.say("RETR a.txt");
    let next = second.expect_epsv();
    assert_eq!(next, address, "there is one port only");
    first.expect("150");
    assert_eq!(crate::client::read_all(&data), b"some text");
    first.expect("226");
    assert_eq!(second.fetch_over(&connect(next), "RETR a.txt"), b"some text");
}

fn nobody_gets_no_port<R: Runtime>() {
    let server: R = Setup::new(&tree())
        .ports(1)
        .settings(|settings| settings.timeouts.data_connection = Duration::from_millis(400))
        .start();
    let mut holders: Vec<_> = (0..3).map(|_| server.login()).collect();
    for holder in &mut holders {
        holder.say("EPSV");
    }
    // Each gets the port when the one before gave up, or hears in time that it did not.
    let (mut given, mut refused) = (0, 0);
    for holder in &mut holders {
        let reply = holder.expect("");
        match reply.get(..3) {
            Some("229") => given += 1,
            Some("425") => refused += 1,
            _ => panic!("{reply}"),
        }
    }
    assert!(given >= 1 && given + refused == 3, "{given} got the port, {refused} did not");
    // What nobody came to cools down for a while; then the port is there again.
    let mut client = server.login();
    eventually("the port is free", || {
        client.say("EPSV");
        client.expect("").starts_with("229")
    });
}

fn many_transfers_share_a_port<R: Runtime>() {
    let server: R = Setup::new(&tree()).ports(1).start();
    let port = server.passive_port();
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let mut client = server.login();
                for _ in 0..5 {
                    let address = client.epsv();
                    assert_eq!(address, SocketAddr::from(([127, 0, 0, 1], port)));
                    assert_eq!(client.fetch_over(&connect(address), "RETR a.txt"), b"some text");
                }
                client.command("QUIT", "221");
            });
        }
    });
}
