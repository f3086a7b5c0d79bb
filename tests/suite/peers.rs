//! Passive mode: others at the port.

use crate::client::{connect, connect_from, eventually, read_all};
use crate::runtime::{Runtime, Setup, Witness};
use ftp_proto::testing::MemoryStorage;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

on_both_runtimes! {
    a_stranger_does_not_take_the_place, only_strangers_come, a_flood_of_strangers_locks_nobody_out,
    what_came_before_the_lease_is_not_given_to_it, clients_of_two_addresses_share_a_port,
}

const STRANGER: [u8; 4] = [127, 0, 0, 2];

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text").zeros("/big", 1 << 40)
}

fn a_stranger_does_not_take_the_place<R: Runtime>() {
    let server: R = Setup::new(&tree()).ports(1).start();
    let mut client = server.login();
    for before_the_command in [true, false] {
        let address = client.epsv();
        if !before_the_command {
            client.say("RETR a.txt");
        }
        let stranger = connect_from(STRANGER, address);
        std::thread::sleep(Duration::from_millis(100));
        let data = connect(address);
        if before_the_command {
            client.say("RETR a.txt");
        }
        client.expect("150");
        assert_eq!(read_all(&data), b"some text");
        client.expect("226");
        assert_eq!(read_all(&stranger), b"", "the stranger gets nothing");
    }
}

fn only_strangers_come<R: Runtime>() {
    let witness = Arc::new(Witness::default());
    let server: R = Setup::new(&tree())
        .ports(1)
        .settings(|settings| settings.timeouts.data_connection = Duration::from_millis(600))
        .observer(Arc::<Witness>::clone(&witness))
        .start();
    let mut client = server.login();
    let address = client.epsv();
    client.say("RETR a.txt");
    let stranger = connect_from(STRANGER, address);
    let reply = client.expect_after_mark("425");
    assert!(reply.contains("127.0.0.2") && reply.contains("127.0.0.1"), "who and who not: {reply}");
    assert_eq!(witness.verdicts(), ["wrong_peer"]);
    assert_eq!(read_all(&stranger), b"");
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
}

/// The flood goes on while the right client comes, and each stranger holds its connection.
fn a_flood_of_strangers_locks_nobody_out<R: Runtime>() {
    const STRANGERS: usize = 500;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let server: R = Setup::new(&tree()).ports(1).start();
    let mut client = server.login();
    let address = client.epsv();
    let (came, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut strangers = Vec::new();
            while strangers.len() < STRANGERS && !over.load(Ordering::SeqCst) {
                strangers.push(connect_from(STRANGER, address));
                came.store(strangers.len(), Ordering::SeqCst);
            }
            while !over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        eventually("half of them are there", || came.load(Ordering::SeqCst) >= STRANGERS / 2);
        let begin = Instant::now();
        let data = connect(address);
        assert_eq!(client.fetch_over(&data, "RETR a.txt"), b"some text");
        let took = begin.elapsed();
        over.store(true, Ordering::SeqCst);
        assert!(took < Duration::from_secs(2), "it took {took:?}");
    });
}

fn what_came_before_the_lease_is_not_given_to_it<R: Runtime>() {
    let server: R = Setup::new(&tree()).ports(1).start();
    let mut client = server.login();
    let early = connect(SocketAddr::from(([127, 0, 0, 1], server.passive_port())));
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
    assert_eq!(read_all(&early), b"", "it is closed without a byte");
}

fn clients_of_two_addresses_share_a_port<R: Runtime>() {
    let server: R = Setup::new(&tree()).ports(1).start();
    let mut first = server.login();
    let mut second = crate::client::Client::greeted(connect_from(STRANGER, server.address()));
    second.log_in();
    let address = first.epsv();
    assert_eq!(second.epsv(), address, "neither waits for the other");
    // They come in the other order, and both before their commands.
    let of_second = connect_from(STRANGER, address);
    let mut of_first = connect(address);
    first.command("RETR big", "150");
    of_first.read_exact(&mut [0; 1000]).unwrap();
    assert_eq!(second.fetch_over(&of_second, "RETR a.txt"), b"some text");
    first.say("ABOR");
    first.expect("426");
    first.expect("226");
}
