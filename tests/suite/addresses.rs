//! Passive mode: what clients are told, and clients of several addresses.

use crate::client::{Client, connect, connect_from, eventually, read_all};
use crate::runtime::{Runtime, Setup, Witness};
use ftp_proto::advertise::Networks;
use ftp_proto::config::{AddressRule, External, PassivePorts, PeerCheck, Settings};
use ftp_proto::testing::MemoryStorage;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

on_both_runtimes! {
    new_settings_hold_from_the_next_pasv_on, a_name_is_resolved_in_the_background, mapped_ports_are_told,
    clients_inside_are_told_where_they_are, a_client_of_two_addresses, a_network_that_counts_as_one_client,
    a_hundred_clients_of_three_addresses_share_a_port,
}

const HERE: [u8; 4] = [127, 0, 0, 1];
const NEXT: [u8; 4] = [127, 0, 0, 2];
const THIRD: [u8; 4] = [127, 0, 0, 3];
const FAR: [u8; 4] = [127, 0, 1, 1];

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text")
}

/// For clients on this host, too.
fn rule(external: External) -> AddressRule {
    let networks = vec!["127.0.0.0/8".parse().unwrap()];
    AddressRule { networks, external, ..AddressRule::default() }
}

fn literal(address: &str) -> External {
    External::Literal(address.parse().unwrap())
}

fn log_in_from(own: [u8; 4], server: SocketAddr) -> Client {
    let mut client = Client::greeted(connect_from(own, server));
    client.log_in();
    client
}

fn told(client: &mut Client) -> IpAddr {
    let address = client.pasv();
    // The next one is to be decided anew.
    client.command("ABOR", "226");
    address.ip()
}

fn reconfigure<R: Runtime>(server: &R, change: impl FnOnce(&mut Settings)) {
    let mut settings = Settings::default();
    settings.passive.ports = PassivePorts::Auto(2);
    change(&mut settings);
    server.reconfigure(Arc::new(settings.validate().unwrap()));
}

fn new_settings_hold_from_the_next_pasv_on<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut client = server.login();
    assert_eq!(told(&mut client), IpAddr::from(HERE));
    reconfigure(&server, |settings| settings.passive.rules.push(rule(literal("198.51.100.1"))));
    assert_eq!(told(&mut client), "198.51.100.1".parse::<IpAddr>().unwrap());
    reconfigure(&server, |settings| settings.passive.rules.push(rule(literal("198.51.100.2"))));
    assert_eq!(told(&mut client), "198.51.100.2".parse::<IpAddr>().unwrap());
    reconfigure(&server, |_| {});
    assert_eq!(told(&mut client), IpAddr::from(HERE));
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
}

fn a_name_is_resolved_in_the_background<R: Runtime>() {
    let name = |name: &str| rule(External::Name(name.into()));
    let server: R = Setup::new(&tree())
        .control("0.0.0.0:0")
        .settings(|settings| settings.passive.rules.push(name("localhost")))
        .start();
    let port = server.address().port();
    let mut client = log_in_from(NEXT, SocketAddr::from((NEXT, port)));
    // Until the name is known, the address that the client has dialled.
    eventually("the name is resolved", || told(&mut client) == IpAddr::from(HERE));
    reconfigure(&server, |settings| settings.passive.rules.push(name("no-such-name.invalid")));
    assert_eq!(told(&mut client), IpAddr::from(NEXT));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(told(&mut client), IpAddr::from(NEXT));
    reconfigure(&server, |settings| settings.passive.rules.push(name("localhost")));
    eventually("the name is resolved again", || told(&mut client) == IpAddr::from(HERE));
}

/// A port that the system gives to nobody who asks for just any, as other tests do all the time; the next call has another.
fn port_of_ones_own() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Where runs meet, each begins at another place.
    let first = 15_000 + (std::process::id() % 8_000) as u16;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}

fn mapped_ports_are_told<R: Runtime>() {
    // The test's router leads to it.
    let free = port_of_ones_own();
    let server: R = Setup::new(&tree())
        .settings(|settings| {
            settings.passive.ports = PassivePorts::Range(free..=free);
            let exposed_ports = Some(7_000..=7_000);
            settings.passive.rules.push(AddressRule { exposed_ports, ..rule(literal("198.51.100.1")) });
        })
        .start();
    let mut client = server.login();
    assert_eq!(client.pasv(), "198.51.100.1:7000".parse().unwrap());
    let data = connect(SocketAddr::from((HERE, free)));
    assert_eq!(client.fetch_over(&data, "RETR a.txt"), b"some text");
    assert_eq!(client.epsv().port(), 7_000);
    let data = connect(SocketAddr::from((HERE, free)));
    assert_eq!(client.fetch_over(&data, "RETR a.txt"), b"some text");
}

/// An address of this host that is not loopback, if it has one.
fn own_address() -> Option<Ipv4Addr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().unwrap().ip() {
        IpAddr::V4(address) if !address.is_loopback() => Some(address),
        _ => None,
    }
}

fn clients_inside_are_told_where_they_are<R: Runtime>() {
    let Some(own) = own_address() else { return };
    let network = format!("{own}/32").parse().unwrap();
    let external = "198.51.100.1".parse::<IpAddr>().unwrap();
    let start = |networks| -> R {
        Setup::new(&tree())
            .networks(networks)
            .settings(|settings| settings.passive.external = External::Literal(external))
            .start()
    };
    for (networks, expected) in [
        (Networks::default(), external),
        (Networks { own: vec![network], routers: vec![] }, IpAddr::from(HERE)),
        (Networks { own: vec![network], routers: vec![own.into()] }, external),
    ] {
        let server = start(networks.clone());
        let mut client = log_in_from(own.octets(), server.address());
        assert_eq!(told(&mut client), expected, "{networks:?}");
        assert_eq!(told(&mut server.login()), IpAddr::from(HERE), "on this host");
    }
}

/// The data connection comes from this address; what it brings.
fn fetch_from(own: [u8; 4], client: &mut Client) -> Vec<u8> {
    let address = client.epsv();
    let data = connect_from(own, address);
    client.fetch_over(&data, "RETR a.txt")
}

fn a_client_of_two_addresses<R: Runtime>() {
    let witness = Arc::new(Witness::default());
    let server: R = Setup::new(&tree())
        .ports(1)
        .settings(|settings| settings.passive.peers.check = PeerCheck::SameNetwork)
        .observer(Arc::<Witness>::clone(&witness))
        .start();
    let mut client = server.login();
    assert_eq!(fetch_from(HERE, &mut client), b"some text");
    assert_eq!(witness.elsewhere(), []);
    assert_eq!(fetch_from(NEXT, &mut client), b"some text");
    assert_eq!(witness.elsewhere(), [(HERE.into(), NEXT.into())]);
    let address = client.epsv();
    let stranger = connect_from(FAR, address);
    assert_eq!(read_all(&stranger), b"", "another network");
    assert_eq!(client.fetch_over(&connect_from(THIRD, address), "RETR a.txt"), b"some text");
}

fn a_network_that_counts_as_one_client<R: Runtime>() {
    let server: R = Setup::new(&tree())
        .ports(1)
        .settings(|settings| settings.passive.peers.networks = vec!["127.0.0.2/31".parse().unwrap()])
        .start();
    let mut client = log_in_from(NEXT, server.address());
    let address = client.epsv();
    let mut stranger = connect_from(HERE, address);
    assert_eq!(stranger.read(&mut [0]).unwrap(), 0, "no part of the network");
    assert_eq!(client.fetch_over(&connect_from(THIRD, address), "RETR a.txt"), b"some text");
    let mut other = server.login();
    assert_eq!(fetch_from(HERE, &mut other), b"some text");
    let address = other.epsv();
    assert_eq!(read_all(&connect_from(NEXT, address)), b"", "the network is not this client");
    assert_eq!(other.fetch_over(&connect(address), "RETR a.txt"), b"some text");
}

/// With each address a client of its own, and with all of them one client.
fn a_hundred_clients_of_three_addresses_share_a_port<R: Runtime>() {
    for check in [PeerCheck::Exact, PeerCheck::SameNetwork] {
        let names: Vec<String> = (0..100).map(|number| format!("/{number}")).collect();
        let storage = names.iter().fold(MemoryStorage::new(), |tree, name| tree.file(name, name.as_str()));
        let server: R =
            Setup::new(&storage).ports(1).settings(|settings| settings.passive.peers.check = check).start();
        let (server, names) = (&server, &names);
        std::thread::scope(|scope| {
            for (name, own) in names.iter().zip([HERE, NEXT, THIRD].into_iter().cycle()) {
                scope.spawn(move || {
                    let mut client = log_in_from(own, server.address());
                    for _ in 0..3 {
                        let address = client.epsv();
                        let data: TcpStream = connect_from(own, address);
                        let came = client.fetch_over(&data, &format!("RETR {name}"));
                        assert_eq!(came, name.as_bytes(), "each gets its own file");
                    }
                });
            }
        });
    }
}
