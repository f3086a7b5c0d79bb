//! Passive range, advertised address and certificate change under two hundred sessions, by each way there is.

use super::names::s_client;
use crate::certificates::authority;
use crate::client::Client;
use crate::samples;
use crate::server::{Runtime, Server, Setup};
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

on_both_runtimes! { an_edited_file, a_signal, a_command }

/// The new certificate's first name.
const RENEWED: &str = "renewed.example.org";
/// What clients are told afterwards.
const TOLD: &str = "127.0.0.9";
/// As many as wait at the same time from one address, and more.
const PORTS: u16 = 60;

/// A range outside the ports that the system gives to others; where nobody is.
fn free_range(number: u16) -> (u16, u16) {
    let is_free = |first: &u16| {
        (*first..*first + PORTS).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
    };
    // Each case has its own thousand.
    let start = 14_000 + number * 1_000;
    let first = (start..start + 1_000 - PORTS).step_by(usize::from(PORTS)).find(is_free);
    let first = first.expect("there are free ports");
    (first, first + PORTS - 1)
}

/// What a new client sees.
fn shown(server: &Server) -> Option<String> {
    let said = s_client(server, &["-noservername", "-verify_ip", "127.0.0.1"]);
    said.lines().find_map(|line| line.strip_prefix("subject=CN = ")).map(str::to_owned)
}

/// `change` gets the server, the new range, and a rule for the address.
fn while_two_hundred_sessions_run(runtime: Runtime, number: u16, change: impl FnOnce(&Server, &str, &str)) {
    let server = Setup::new(runtime).passive_ports(PORTS).secured("").guests_upload().start();
    server.put("file", &samples::bytes(6 << 20));
    let old = server.listening_ports();
    let (first, last) = free_range(number + u16::from(runtime == Runtime::Threads));
    let clients = Client::new(&server, "python3")
        .args(["-", &server.host(), &server.port()])
        .arg(server.certificate("authority.pem"))
        .arg(server.path("file"))
        .args([&first.to_string(), &last.to_string(), TOLD])
        .input(include_str!("live.py"));
    let clients = std::thread::spawn(move || clients.succeed());
    let until = Instant::now() + Duration::from_secs(120);
    while !server.work("running").exists() {
        assert!(Instant::now() < until && !clients.is_finished(), "not all sessions began");
        std::thread::sleep(Duration::from_millis(10));
    }
    let rule = format!("{{ networks = \"127.0.0.0/8\", external_address = \"{TOLD}\" }}");
    change(&server, &format!("{first}-{last}"), &rule);
    assert_eq!(shown(&server).as_deref(), Some(RENEWED));
    server.give("go on", b"");
    clients.join().expect("all of them end well");
    let until = Instant::now() + Duration::from_secs(30);
    // Other tests may have the ports of the old range by now: what counts is what this server listens on.
    let control = [server.address().port(), server.implicit_address().port()];
    let mut new: Vec<u16> = (first..=last).chain(control).collect();
    new.sort_unstable();
    assert!(new != old && old.len() == new.len());
    while server.listening_ports() != new {
        assert!(Instant::now() < until, "{:?} instead of {new:?}", server.listening_ports());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!server.log().contains("not resumed"));
}

fn edit(server: &Server, range: &str, rule: &str) {
    authority().issue(&[RENEWED, "127.0.0.1"]).write(&server.certificate("server.pem"));
    let file = server.configuration();
    let text = std::fs::read_to_string(&file).unwrap();
    let ports = format!("ports = \"auto:{PORTS}\"");
    assert!(text.contains(&ports), "{text}");
    std::fs::write(&file, text.replace(&ports, &format!("ports = \"{range}\"\nrule = [{rule}]"))).unwrap();
}

fn an_edited_file(runtime: Runtime) {
    while_two_hundred_sessions_run(runtime, 0, |server, range, rule| {
        edit(server, range, rule);
        server.wait_for_log("configuration read again", 1);
    });
}

fn a_signal(runtime: Runtime) {
    while_two_hundred_sessions_run(runtime, 2, |server, range, rule| {
        edit(server, range, rule);
        server.ask_to_reload();
        server.wait_for_log("configuration read again", 1);
    });
}

fn a_command(runtime: Runtime) {
    while_two_hundred_sessions_run(runtime, 4, |server, range, rule| {
        let renewed = server.certificate("renewed.pem");
        authority().issue(&[RENEWED, "127.0.0.1"]).write(&renewed);
        let rules = format!("[{rule}]");
        let certificates = format!("[{{ certificate = {:?} }}]", renewed.to_str().unwrap());
        let pairs = ["passive-ports", range, "passive.rule", &rules, "tls.certificates", &certificates];
        let said = server.command(&[&["set"], &pairs[..]].concat());
        assert!(said.contains(&format!("passive.ports auto:{PORTS} -> {range}\n")), "{said}");
        assert!(said.contains(&format!("{PORTS} passive ports open\n")), "{said}");
    });
}
