//! TLS on the control connection.

use crate::client::{Client, eventually};
use crate::runtime::{Runtime, Setup};
use ftp_proto::testing::{FakeTls, MemoryStorage};
use std::net::SocketAddr;
use std::sync::Arc;

on_both_runtimes! {
    explicit_tls, implicit_tls, implicit_tls_alone, implicit_tls_without_tls_does_not_start,
    tls_comes_and_goes,
}

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text")
}

fn explicit_tls<R: Runtime>() {
    let server: R = Setup::new(&tree()).tls().start();
    assert_eq!(server.implicit_tls_addrs(), []);
    let mut client = server.client();
    client.secure();
    client.log_in();
    assert_eq!(client.fetch("RETR a.txt"), b"some text", "without PROT P in the clear");
    client.protect_data();
    assert_eq!(client.fetch_protected("RETR a.txt"), b"some text");
    client.command("QUIT", "221");
    client.expect_end();
    eventually("the session is gone", || server.sessions() == 0);
}

fn implicit_tls<R: Runtime>() {
    let server: R = Setup::new(&tree()).tls().implicit_tls("127.0.0.1:0").start();
    let [implicit] = server.implicit_tls_addrs() else { panic!("there is one") };
    assert_eq!(server.control_addrs().len(), 1);
    assert_ne!(server.control_addrs(), [*implicit]);
    let mut client = Client::connect_implicitly(*implicit);
    client.log_in();
    assert_eq!(client.fetch_protected("RETR a.txt"), b"some text", "data connections are protected at once");
    // The other listener is as it was.
    assert_eq!(server.login().fetch("RETR a.txt"), b"some text");
}

/// Passive ports are where the clients come from, whichever listener that is.
fn implicit_tls_alone<R: Runtime>() {
    let server: R = Setup::new(&tree()).tls().no_control().implicit_tls("127.0.0.1:0").start();
    let [address] = server.implicit_tls_addrs() else { panic!("there is one") };
    let mut client = Client::connect_implicitly(*address);
    client.log_in();
    assert_eq!(client.fetch_protected("RETR a.txt"), b"some text");
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], server.passive_port()));
    std::net::TcpStream::connect(elsewhere).expect_err("nobody listens on other addresses");
}

fn implicit_tls_without_tls_does_not_start<R: Runtime>() {
    let started = Setup::new(&tree()).implicit_tls("127.0.0.1:0").try_start::<R>();
    assert_eq!(started.err().unwrap(), "there is no TLS for the addresses where it begins at once");
}

fn tls_comes_and_goes<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut early = server.client();
    early.command("AUTH TLS", "5");
    server.set_tls(Some(Arc::new(FakeTls::new())));
    let mut client = server.secure_login();
    server.set_tls(None);
    assert_eq!(client.fetch_protected("RETR a.txt"), b"some text", "who has it keeps it");
    server.client().command("AUTH TLS", "5");
}
