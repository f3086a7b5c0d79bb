//! Clients without TLS, where it is required: they hear what to do, and a rule lets some of them in. tnftp knows TLS for
//! `https://` alone, ncftp not at all.

use crate::client::Client;
use crate::samples::{self, assert_same};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! {
    tnftp_is_told_what_to_do, tnftp_is_let_in_by_its_network, ncftp_is_refused,
    ncftp_is_let_in_by_its_network,
}

const ADVICE: &str = "TLS is required here: send AUTH TLS first";

const LET_IN: &str = r#"
[[tls.rule]]
networks = ["127.0.0.0/8", "::1/128"]
control = "allow"
data = "allow"
"#;

fn tnftp(server: &Server, commands: &str) -> String {
    let input = format!("user {USER} {PASSWORD}\nbinary\n{commands}\nquit\n");
    let client = Client::new(server, "tnftp").args(["-n", "-v", "-i", "-p"]);
    client.args([server.host(), server.port()]).input(input).run().text()
}

fn tnftp_is_told_what_to_do(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    let said = tnftp(&server, "pwd");
    assert!(said.contains(&format!("530 {ADVICE}")), "{said}");
    assert!(!said.contains("257"), "{said}");
}

fn tnftp_is_let_in_by_its_network(runtime: Runtime) {
    let server = Setup::new(runtime).secured(LET_IN).start();
    let sent = samples::bytes(samples::LENGTH);
    server.give("up", &sent);
    let said = tnftp(&server, "put up there\nget there down");
    assert!(server.work("down").exists(), "{said}");
    assert_same(&server.get("there"), &sent);
    assert_same(&server.got("down"), &sent);
}

fn ncftp(server: &Server, program: &str) -> Client {
    Client::new(server, program).args(["-u", USER, "-p", PASSWORD, "-P", &server.port()])
}

/// It passes on nothing of what it is told.
fn ncftp_is_refused(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    let refused = ncftp(&server, "ncftpls").args(["-r", "0", &server.url("")]).run();
    assert!(!refused.status.success(), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.errors);
    assert!(said.contains("username was not accepted"), "{said}");
}

fn ncftp_is_let_in_by_its_network(runtime: Runtime) {
    let server = Setup::new(runtime).secured(LET_IN).start();
    let sent = samples::bytes(samples::LENGTH);
    server.give("file", &sent);
    ncftp(&server, "ncftpput").args([&server.host(), "/", "file"]).succeed();
    assert_same(&server.get("file"), &sent);
    std::fs::create_dir(server.work("down")).unwrap();
    ncftp(&server, "ncftpget").args([&server.host(), "down", "/file"]).succeed();
    assert_same(&server.got("down/file"), &sent);
}
