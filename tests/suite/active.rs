//! Active mode: the server connects.

use crate::client::{Client, connect, read_all};
use crate::runtime::{Runtime, Setup, Witness};
use ftp_proto::config::ActiveAddress;
use ftp_proto::testing::MemoryStorage;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

on_both_runtimes! {
    port_and_eprt_go_both_ways, it_connects_at_the_transfer_command_only, a_refused_connection_is_explained,
    parallel_transfers_share_the_source_port, eprt_and_lprt_go_both_ways_over_ipv6, lpsv_names_either_family,
    the_ends_of_data_connections_are_told, whatever_a_device_sends_its_own_address_is_used,
}

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text").zeros("/big", 1 << 40)
}

/// Bytes as RFC 959 and RFC 1639 write them.
fn in_decimal(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
}

/// The family and bytes of an address, as RFC 1639 writes them.
fn long(address: SocketAddr) -> String {
    let port = in_decimal(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => format!("4,4,{},2,{port}", in_decimal(&ip.octets())),
        IpAddr::V6(ip) => format!("6,16,{},2,{port}", in_decimal(&ip.octets())),
    }
}

/// A listener the server was told of with LPRT.
fn lprt(client: &mut Client) -> TcpListener {
    let listener = TcpListener::bind((client.own_ip(), 0)).unwrap();
    client.command(&format!("LPRT {}", long(listener.local_addr().unwrap())), "200 LPRT");
    listener
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
    for announce in [port, Client::active, lprt] {
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

fn over_ipv6<R: Runtime>(storage: &MemoryStorage) -> R {
    Setup::new(storage).control("[::1]:0").start()
}

fn eprt_and_lprt_go_both_ways_over_ipv6<R: Runtime>() {
    let storage = tree();
    let server: R = over_ipv6(&storage);
    let mut client = server.login();
    for announce in [Client::active, lprt] {
        let listener = announce(&mut client);
        assert!(listener.local_addr().unwrap().is_ipv6());
        client.command("RETR a.txt", "150");
        assert_eq!(read_all(&listener.accept().unwrap().0), b"some text");
        client.expect("226");

        let listener = announce(&mut client);
        client.command("STOR up", "150");
        listener.accept().unwrap().0.write_all(b"from here").unwrap();
        client.expect("226");
        assert_eq!(storage.contents("/up").unwrap(), b"from here");
    }
}

fn lpsv_names_either_family<R: Runtime>() {
    let storage = tree();
    for (server, ip) in [
        (Setup::new(&storage).start::<R>(), IpAddr::from(Ipv4Addr::LOCALHOST)),
        (over_ipv6(&storage), Ipv6Addr::LOCALHOST.into()),
    ] {
        let mut client = server.login();
        let reply = client.command("LPSV", "228 Entering Long Passive Mode (");
        let named: Vec<&str> = reply.split(['(', ')']).nth(1).unwrap().split(',').collect();
        let &[high, low] = named.last_chunk().unwrap();
        let port = u16::from_be_bytes([high.parse().unwrap(), low.parse().unwrap()]);
        assert_eq!(named.join(","), long(SocketAddr::new(ip, port)));
        let data = connect(SocketAddr::new(ip, port));
        assert_eq!(client.fetch_over(&data, "RETR a.txt"), b"some text");
    }
}

/// `(|1|127.0.0.1|4000|)`.
fn end_in(reply: &str) -> SocketAddr {
    let mut parts = reply.split('|').skip(2);
    let ip = parts.next().unwrap().parse().unwrap();
    SocketAddr::new(ip, parts.next().unwrap().parse().unwrap())
}

fn the_ends_of_data_connections_are_told<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut client = server.login();
    let data = client.passive();
    let reply = client.command("ESTP", "225");
    assert_eq!(end_in(&reply), data.local_addr().unwrap());
    assert_eq!(client.fetch_over(&data, "RETR a.txt"), b"some text");

    let listener = client.active();
    let reply = client.command("ESTA", "225");
    let (data, peer) = listener.accept().unwrap();
    assert_eq!(end_in(&reply), peer);
    assert_eq!(client.fetch_over(&data, "RETR a.txt"), b"some text");
}

fn whatever_a_device_sends_its_own_address_is_used<R: Runtime>() {
    let server: R =
        Setup::new(&tree()).settings(|settings| settings.active.address = ActiveAddress::ControlPeer).start();
    let mut client = server.login();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let [high, low] = listener.local_addr().unwrap().port().to_be_bytes();
    let reply = client.command(&format!("PORT 192,168,7,10,{high},{low}"), "200");
    assert!(reply.contains("127.0.0.1") && reply.contains("192.168.7.10"), "{reply}");
    client.command("RETR a.txt", "150");
    assert_eq!(read_all(&listener.accept().unwrap().0), b"some text");
    client.expect("226");
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
