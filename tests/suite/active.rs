//! Active mode: the server connects.

use crate::client::{Client, read_all};
use crate::runtime::{Runtime, Setup, Witness};
use ftp_proto::testing::MemoryStorage;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

on_both_runtimes! {
    port_and_eprt_go_both_ways, it_connects_at_the_transfer_command_only, a_refused_connection_is_explained,
    parallel_transfers_share_the_source_port,
}

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text").zeros("/big", 1 << 40)
}

/// A listener the server was told of with PORT.
fn port(client: &mut Client) -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let [high, low] = listener.local_addr().unwrap().port().to_be_bytes();
    client.command(&format!("PORT 127,0,0,1,{high},{low}"), "200");
    listener
}

fn port_and_eprt_go_both_ways<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).start();
    let mut client = server.login();
    for announce in [port, Client::active] {
        let listener = announce(&mut client);
        client.command("RETR a.txt", "150");
        assert_eq!(read_all(&listener.accept().unwrap().0), b"some text");
        client.expect("226");

        let listener = announce(&mut client);
        client.command("STOR up", "150");
        let (mut data, _) = listener.accept().unwrap();
        data.write_all(b"from here").unwrap();
        drop(data);
        client.expect("226");
        assert_eq!(storage.contents("/up").unwrap(), b"from here");
    }
}

fn it_connects_at_the_transfer_command_only<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut client = server.login();
    let listener = port(&mut client);
    listener.set_nonblocking(true).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    client.command("NOOP", "200");
    assert!(listener.accept().is_err(), "nobody asked for it yet");
    listener.set_nonblocking(false).unwrap();
    client.command("RETR a.txt", "150");
    assert_eq!(read_all(&listener.accept().unwrap().0), b"some text");
    client.expect("226");
}

fn a_refused_connection_is_explained<R: Runtime>() {
    let witness = Arc::new(Witness::default());
    let server: R = Setup::new(&tree()).observer(Arc::<Witness>::clone(&witness)).start();
    let mut client = server.login();
    // Bound but not listening: nobody else can take the port meanwhile.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    client.command(&format!("EPRT |1|127.0.0.1|{}|", address.port()), "200");
    client.say("RETR a.txt");
    let reply = client.expect_after_mark("425");
    assert!(reply.contains(&address.to_string()) && reply.contains("refused"), "{reply}");
    assert!(reply.contains("PASV"), "the way out: {reply}");
    assert_eq!(witness.verdicts(), ["connect_refused"]);
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
}

/// A port below those the system gives to outgoing connections, so that no other test can have it.
fn free_source_port() -> u16 {
    let mut number = std::hash::RandomState::new().build_hasher().finish();
    loop {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let port = 22_000 + (number >> 33) % 10_000;
        if let Ok(port) = u16::try_from(port)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            return port;
        }
    }
}

fn parallel_transfers_share_the_source_port<R: Runtime>() {
    let source = free_source_port();
    let server: R =
        Setup::new(&tree()).settings(|settings| settings.active.source_port = Some(source)).start();
    let mut moving = Vec::new();
    for _ in 0..4 {
        let mut client = server.login();
        let listener = port(&mut client);
        client.command("RETR big", "150");
        let (mut data, peer) = listener.accept().unwrap();
        assert_eq!(peer.port(), source);
        data.read_exact(&mut [0; 1000]).unwrap();
        moving.push((client, data));
    }
    // All four still run.
    for (client, data) in &mut moving {
        data.read_exact(&mut [0; 100_000]).unwrap();
        client.say("ABOR");
        client.expect("426");
        client.expect("226");
    }
}
