//! curl with OpenSSL. It takes no tickets of TLS 1.2: there it resumes by the session's identifier. Of TLS 1.3 it keeps
//! the newest ticket and uses it once.
//!
//! There is no active mode here, since curl forgets TLS in it from 7.87 to 7.88 (curl's issue 10666).

use super::{CCC, EVE};
use crate::client::Client;
use crate::samples::{self, assert_same};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! {
    transfers_explicit, transfers_implicit, transfers_fifty_times_over_one_login,
    logs_in_by_certificate, leaves_tls_on_the_control_connection, leaves_tls_when_the_server_does,
    without_tls_is_told_what_to_do, takes_tls_where_it_is_offered, guests_come_with_and_without_tls,
    a_certificate_for_another_name_is_refused, an_older_tls_is_for_few,
}

const VERSIONS: [[&str; 2]; 2] = [["--tls-max", "1.2"], ["--tlsv1.3", "--ssl-reqd"]];

/// Who logs in, and that it has to be under TLS.
fn options(server: &Server) -> Vec<String> {
    let authority = server.certificate("authority.pem").display().to_string();
    let login = format!("{USER}:{PASSWORD}");
    ["-sS", "--max-time", "120", "--ssl-reqd", "--cacert", &authority, "-u", &login]
        .map(String::from)
        .to_vec()
}

fn curl(server: &Server) -> Client {
    Client::new(server, "curl").args(options(server))
}

/// Up, down and a listing, each with the options.
fn round_trip(server: &Server, url: impl Fn(&str) -> String, more: &[&str]) {
    let sent = samples::bytes(samples::LENGTH);
    server.give("up", &sent);
    curl(server).args(more).args(["-T", "up", &url("there")]).succeed();
    assert_same(&server.get("there"), &sent);
    curl(server).args(more).args(["-o", "down", &url("there")]).succeed();
    assert_same(&server.got("down"), &sent);
    let names = curl(server).args(more).args(["-l", &url("")]).succeed().lines();
    assert_eq!(names, ["there"]);
}

fn transfers_explicit(runtime: Runtime) {
    for version in VERSIONS {
        let server = Setup::new(runtime).secured("").start();
        round_trip(&server, |path| server.url(path), &version);
        server.assert_sessions(3);
    }
}

fn transfers_implicit(runtime: Runtime) {
    for version in VERSIONS {
        let server = Setup::new(runtime).secured("").start();
        round_trip(&server, |path| server.implicit_url(path), &version);
        server.assert_sessions(3);
    }
}

/// Up, then down. In TLS 1.3 the first upload takes the only ticket, and from then on the address has to do.
fn transfers_fifty_times_over_one_login(runtime: Runtime) {
    // Both versions at once, since this client rests after each command that it gives while TLS begins on the data
    // connection: it listens there, and looks for the reply now and then only.
    std::thread::scope(|scope| {
        for version in VERSIONS {
            scope.spawn(move || transfer_fifty_times(runtime, version));
        }
    });
}

fn transfer_fifty_times(runtime: Runtime, version: [&str; 2]) {
    let server = Setup::new(runtime).secured("").start();
    let content = |number: usize| samples::bytes(number * 1_000);
    let mut client = curl(&server).args(version).arg("--ignore-content-length");
    for number in 0..25 {
        let name = format!("up-{number}");
        server.give(&name, &content(number));
        client = client.args(["-T", &name, &server.url(&name)]);
    }
    client = client.arg("--next").args(options(&server)).args(version).arg("--ignore-content-length");
    for number in 0..25 {
        client = client.args(["-o", &format!("down-{number}"), &server.url(&format!("up-{number}"))]);
    }
    client.succeed();
    for number in 0..25 {
        assert_same(&server.get(format!("up-{number}")), &content(number));
        assert_same(&server.got(format!("down-{number}")), &content(number));
    }
    server.wait_for_log(" session closed ", 1);
    server.assert_exhausted(if version == VERSIONS[0] { 0 } else { 49 });
}

fn logs_in_by_certificate(runtime: Runtime) {
    for version in VERSIONS {
        let setup = Setup::new(runtime).secured("client_certificates = \"request\"").users(EVE);
        let server = setup.start();
        server.put("file", b"for eve");
        let eve = || curl(&server).args(version).args(["-u", "eve:", &server.url("file")]);
        let got = eve().arg("--cert").arg(server.certificate("client.pem")).succeed();
        assert_eq!(got.output, b"for eve");
        let refused = eve().run();
        assert_eq!(refused.status.code(), Some(67), "{refused:?}");
        // Who shows none has a password, and data connections resume all the same.
        let got = curl(&server).args(version).arg(server.url("file")).succeed();
        assert_eq!(got.output, b"for eve");
        assert!(!server.log().contains("not resumed"));
    }
}

fn leaves_tls_on_the_control_connection(runtime: Runtime) {
    for [option, more] in VERSIONS {
        let server = Setup::new(runtime).secured(CCC).start();
        round_trip(&server, |path| server.url(path), &[option, more, "--ftp-ssl-ccc-mode", "active"]);
        server.wait_for_log("TLS left on the control connection", 3);
        server.assert_sessions(3);
    }
    // Where it is not allowed, TLS goes on.
    let server = Setup::new(runtime).secured("").start();
    round_trip(&server, |path| server.url(path), &["--ftp-ssl-ccc-mode", "active"]);
    assert!(!server.log().contains("TLS left"));
}

/// As it does unless it is told otherwise, the client leaves without a close_notify of its own. OpenSSL gives such a session up, so that no data
/// connection resumes it: it can't be asked for.
fn leaves_tls_when_the_server_does(runtime: Runtime) {
    for [option, more] in VERSIONS {
        let server = Setup::new(runtime).secured(&format!("{CCC}data_resumption = \"off\"\n")).start();
        round_trip(&server, |path| server.url(path), &[option, more, "--ftp-ssl-ccc-mode", "passive"]);
        server.wait_for_log("TLS left on the control connection", 3);
    }
}

fn without_tls_is_told_what_to_do(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    let login = format!("{USER}:{PASSWORD}");
    let refused = Client::new(&server, "curl").args(["-sSv", "-u", &login, &server.url("")]).run();
    assert_eq!(refused.status.code(), Some(67), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.errors);
    assert!(said.contains("< 530 TLS is required here: send AUTH TLS first"), "{said}");
    assert!(!said.contains("PASS"), "the password was asked for: {said}");
}

/// A device profile asks for TLS 1.3, another lets one user have less.
fn an_older_tls_is_for_few(runtime: Runtime) {
    let profiles = "[[profile]]\ntls_minimum = \"1.3\"\n\
                    [[profile]]\nusers = \"old\"\ntls_minimum = \"1.2\"\n";
    let hash = ftpd::accounts::password::PasswordHash::of(PASSWORD.as_bytes()).expect("it can be hashed");
    let users = format!("\n[[user]]\nname = \"old\"\npassword = {:?}\nrights = \"all\"\n", hash.as_str());
    let server = Setup::new(runtime).secured("").sections(profiles).users(&users).start();
    server.put("file", b"content");
    let refused = curl(&server).args(["-v", "--tls-max", "1.2", &server.url("file")]).run();
    assert_eq!(refused.status.code(), Some(67), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.errors);
    assert!(said.contains("< 530 TLSv1.3 is required here; this connection has TLSv1.2."), "{said}");
    assert!(!said.contains("PASS"), "the password was asked for: {said}");
    let new = curl(&server).args(["--tlsv1.3", &server.url("file")]).succeed();
    assert_eq!(new.output, b"content");
    let old = format!("old:{PASSWORD}");
    let old = curl(&server).args(["-u", &old, "--tls-max", "1.2", &server.url("file")]).succeed();
    assert_eq!(old.output, b"content");
}

fn takes_tls_where_it_is_offered(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    server.put("file", b"content");
    assert_eq!(curl(&server).args(["--ssl", &server.url("file")]).succeed().output, b"content");
    server.assert_sessions(1);
}

fn guests_come_with_and_without_tls(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    server.put("file", b"for everybody");
    let guest = || Client::new(&server, "curl").args(["-sS", "--max-time", "60"]);
    assert_eq!(guest().arg(server.url("file")).succeed().output, b"for everybody");
    let secure = || guest().arg("--ssl-reqd").arg("--cacert").arg(server.certificate("authority.pem"));
    assert_eq!(secure().arg(server.url("file")).succeed().output, b"for everybody");
    assert_eq!(secure().arg(server.implicit_url("file")).succeed().output, b"for everybody");
    server.assert_sessions(3);
}

fn a_certificate_for_another_name_is_refused(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    let port = server.address().port();
    let elsewhere = format!("wrong.example.org:{port}:127.0.0.1");
    let url = format!("ftp://wrong.example.org:{port}/");
    let refused = curl(&server).args(["--resolve", &elsewhere, &url]).run();
    assert_eq!(refused.status.code(), Some(60), "{refused:?}");
    server.wait_for_log(" session closed ", 1);
}
