//! A certificate is renewed while a hundred transfers run.

use super::names::s_client;
use crate::certificates::authority;
use crate::client::Client;
use crate::samples;
use crate::server::{Runtime, Server, Setup};
use std::time::{Duration, Instant};

on_both_runtimes! { a_hundred_transfers_go_on, broken_files_change_nothing }

/// The new certificate's first name.
const RENEWED: &str = "renewed.example.org";

fn renew(server: &Server) {
    authority().issue(&[RENEWED, "127.0.0.1"]).write(&server.certificate("server.pem"));
    server.ask_to_reload();
    server.wait_for_log("configuration read again", 1);
}

/// What a new client sees.
fn shown(server: &Server) -> String {
    let said = s_client(server, &["-noservername", "-verify_ip", "127.0.0.1"]);
    let line = said.lines().find_map(|line| line.strip_prefix("subject=CN = "));
    line.unwrap_or_else(|| panic!("no subject: {said}")).to_owned()
}

fn a_hundred_transfers_go_on(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    server.put("file", &samples::bytes(6 << 20));
    let clients = Client::new(&server, "python3")
        .args(["-", &server.host(), &server.port()])
        .arg(server.certificate("authority.pem"))
        .arg(server.path("file"))
        .input(include_str!("renewal.py"));
    let clients = std::thread::spawn(move || clients.succeed());
    let until = Instant::now() + Duration::from_secs(120);
    while !server.work("running").exists() {
        assert!(Instant::now() < until && !clients.is_finished(), "not all transfers began");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!server.log().contains(" sent session="), "a transfer is over too soon");
    renew(&server);
    assert_eq!(shown(&server), RENEWED);
    server.give("go on", b"");
    clients.join().expect("all of them end well");
    // The transfer, and a listing on the same control connection.
    server.wait_for_log(" sent session=", 200);
    assert!(!server.log().contains("not resumed"));
}

fn broken_files_change_nothing(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    renew(&server);
    std::fs::write(server.certificate("server.pem"), "half a certif").unwrap();
    server.ask_to_reload();
    server.wait_for_log("not read again", 1);
    assert_eq!(shown(&server), RENEWED);
}
