//! `ftpd doctor --from`: what is said of servers that misbehave.

use super::fake::{Fake, HERE, Opening, Script, tls};
use super::{doctor, doctor_with_password};
use std::net::{Ipv4Addr, TcpListener};

const PRIVATE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);

/// The alarms of a scripted server without TLS, tried as a guest.
fn expect(script: Script, code: i32, alarms: &[&str]) -> super::Findings {
    let fake = Fake::start(script);
    let findings = doctor(&["--from", &fake.at(), "--tls", "none"]);
    findings.expect(code, alarms);
    findings
}

#[test]
fn a_healthy_server() {
    let findings = expect(Script::default(), 0, &[]);
    assert!(findings.has("outside-ok") && findings.has("outside-ports"), "{:#}", findings.json);
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    doctor(&["--from", &port.to_string()]).expect(2, &["control-refused"]);
}

#[test]
fn a_name_that_stands_for_nothing() {
    doctor(&["--from", "nobody.invalid"]).expect(2, &["name-unresolved"]);
}

#[test]
fn no_ftp_server() {
    expect(Script { greeting: "SSH-2.0-OpenSSH_9.9", ..Script::default() }, 2, &["not-ftp"]);
    let silent = expect(Script { greeting: "", ..Script::default() }, 2, &["not-ftp"]);
    let fix = silent.all().next().unwrap()["fix"].as_str().unwrap();
    assert!(fix.contains("--tls implicit"), "{fix}");
}

#[test]
fn turned_away() {
    let full =
        expect(Script { greeting: "421 Too many users.", ..Script::default() }, 2, &["greeting-refused"]);
    assert!(full.text("greeting-refused").contains("421 Too many users."));
}

#[test]
fn no_tls() {
    let fake = Fake::start(Script::default());
    doctor(&["--from", &fake.at()]).expect(1, &["tls-not-offered"]);
    // A password waits for an explicit word.
    let findings = doctor_with_password(&["--from", &fake.at(), "--user", "bob"], "secret");
    findings.expect(1, &["tls-not-offered"]);
    assert!(!Fake::heard(&fake, "PASS secret"));
    let findings = doctor_with_password(&["--from", &fake.at(), "--user", "bob", "--tls", "none"], "secret");
    findings.expect(0, &[]);
    assert!(fake.heard("PASS secret"));
}

#[test]
fn logins_that_are_refused() {
    let script = Script { login: "530 No.", ..Script::default() };
    expect(script.clone(), 1, &["login-not-tried"]);
    let fake = Fake::start(script);
    let findings = doctor_with_password(&["--from", &fake.at(), "--user", "bob", "--tls", "none"], "x");
    findings.expect(2, &["login-refused"]);
}

#[test]
fn the_external_address_is_not_set() {
    let script = Script { passive: Opening::Works(PRIVATE), ..Script::default() };
    let findings = expect(script, 2, &["only-epsv-works", "pasv-address-private"]);
    assert!(findings.text("pasv-address-private").contains("127.0.0.9"));
}

#[test]
fn another_address_is_announced() {
    // It does not answer in this world.
    let script = Script { passive: Opening::Works(ELSEWHERE), ..Script::default() };
    expect(script, 2, &["only-epsv-works", "pasv-address-differs"]);
}

#[test]
fn replies_that_cannot_be_read() {
    let script =
        Script { passive: Opening::Says("227 Entering Passive Mode (2,160,69)."), ..Script::default() };
    expect(script, 2, &["pasv-unreadable"]);
}

#[test]
fn ways_that_are_refused() {
    let findings = expect(Script { extended: Opening::Says("500 What?"), ..Script::default() }, 0, &[]);
    assert!(findings.has("epsv-refused"), "a note: {:#}", findings.json);
    expect(Script { passive: Opening::Says("502 No PASV."), ..Script::default() }, 1, &["pasv-refused"]);
}

#[test]
fn a_range_that_is_closed_in_the_firewall() {
    let script = Script { passive: Opening::Silent, extended: Opening::Silent, ..Script::default() };
    let findings = expect(script, 2, &["data-timeout"]);
    assert!(findings.text("data-timeout").contains("without answer"));
}

#[test]
fn a_range_that_is_not_forwarded() {
    let script = Script { passive: Opening::Closed, extended: Opening::Closed, ..Script::default() };
    expect(script, 2, &["data-refused"]);
}

#[test]
fn a_range_that_is_open_in_part() {
    expect(Script { extended: Opening::ClosedOnce, ..Script::default() }, 2, &["data-some-ports"]);
}

#[test]
fn data_connections_that_are_broken_off() {
    let script = Script { passive: Opening::Resets, extended: Opening::Resets, ..Script::default() };
    let findings = expect(script, 2, &["data-reset"]);
    assert!(findings.text("data-reset").contains("426 Broken."), "what the server says is shown");
}

#[test]
fn transfers_that_are_refused() {
    let script = Script { listing: "425 Can't open the data connection.", ..Script::default() };
    let findings = expect(script, 2, &["transfer-refused"]);
    assert!(findings.text("transfer-refused").contains("425 Can't open"));
}

#[test]
fn a_firewall_that_tls_blinds() {
    let script =
        Script { under_tls: Some((Opening::Silent, Opening::Silent)), tls: Some(tls()), ..Script::default() };
    let fake = Fake::start(script);
    let findings = doctor(&["--from", &fake.at()]);
    findings.expect(2, &["certificate-untrusted", "data-timeout", "tls-blinds-firewall"]);
}

#[test]
fn a_device_that_rewrites_227() {
    let script = Script {
        under_tls: Some((Opening::Works(PRIVATE), Opening::Works(HERE))),
        tls: Some(tls()),
        ..Script::default()
    };
    let fake = Fake::start(script);
    let findings = doctor(&["--from", &fake.at(), "--also-clear"]);
    let alarms = ["certificate-untrusted", "nat-rewrites-227", "only-epsv-works", "pasv-address-private"];
    findings.expect(2, &alarms);
}

#[test]
fn a_password_is_sent_only_to_who_is_trusted() {
    let fake = Fake::start(Script { tls: Some(tls()), ..Script::default() });
    let arguments = ["--from", &fake.at(), "--user", "bob"];
    let findings = doctor_with_password(&arguments, "secret");
    findings.expect(1, &["certificate-untrusted"]);
    assert!(!fake.heard("PASS"), "not even tried");
    let mut insecure = arguments.to_vec();
    insecure.push("--insecure");
    let findings = doctor_with_password(&insecure, "secret");
    findings.expect(1, &["certificate-untrusted"]);
    assert!(fake.heard("PASS secret"));
    assert!(findings.has("data-tls-not-resumed"), "{:#}", findings.json);
}
