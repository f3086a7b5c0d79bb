//! lftp with GnuTLS.

use super::{CCC, EVE};
use crate::client::{Client, Transcript};
use crate::samples::{self, assert_same, assert_same_tree};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! {
    transfers_explicit, transfers_implicit, transfers_active, mirrors_both_ways_over_one_login, mirrors_in_parallel,
    fetches_one_file_in_segments, logs_in_by_certificate, leaves_tls_on_the_control_connection,
    trusts_nobody_else, data_in_the_clear_are_refused, data_in_the_clear_are_allowed,
}

const VERSIONS: [&str; 2] = ["NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"];

/// Runs commands after logging in under TLS; the first that fails ends it.
fn lftp(server: &Server, settings: &str, url: &str, commands: &str) -> Transcript {
    let rules = "set cmd:fail-exit yes; set net:max-retries 2; set net:timeout 30; set net:persist-retries 0; \
                 set net:reconnect-interval-base 1; set dns:order \"inet inet6\"; set ftp:ssl-force yes; \
                 set ftp:ssl-protect-data yes";
    let authority = format!("set ssl:ca-file {:?}", server.certificate("authority.pem"));
    let open = format!("open -u {USER},{PASSWORD} {url}");
    let script = format!("{rules}; {authority}; {settings}; {open}; {commands}");
    Client::new(server, "lftp").args(["--norc", "-c", &script]).run()
}

fn priority(version: &str) -> String {
    format!("set ssl:priority {version:?}")
}

/// All went well.
fn succeeded(said: &Transcript) {
    assert!(said.status.success(), "{}\n{}", said.text(), String::from_utf8_lossy(&said.errors));
}

fn round_trip(server: &Server, settings: &str, url: &str) {
    let sent = samples::bytes(samples::LENGTH);
    server.give("up", &sent);
    succeeded(&lftp(server, settings, url, "put up -o there; get there -o down; cls -1"));
    assert_same(&server.get("there"), &sent);
    assert_same(&server.got("down"), &sent);
    std::fs::remove_file(server.work("down")).unwrap();
}

fn transfers_explicit(runtime: Runtime) {
    for version in VERSIONS {
        let server = Setup::new(runtime).secured("").start();
        round_trip(&server, &priority(version), &server.url(""));
        server.assert_sessions(1);
    }
}

fn transfers_implicit(runtime: Runtime) {
    for version in VERSIONS {
        let server = Setup::new(runtime).secured("").start();
        round_trip(&server, &priority(version), &server.implicit_url(""));
        server.assert_sessions(1);
    }
}

fn transfers_active(runtime: Runtime) {
    for version in VERSIONS {
        let server = Setup::new(runtime).secured("").start();
        round_trip(&server, &format!("{}; set ftp:passive-mode off", priority(version)), &server.url(""));
        server.assert_sessions(1);
    }
}

/// Sixty files.
fn make_tree(root: &std::path::Path) {
    std::fs::create_dir_all(root.join("deeper")).unwrap();
    for file in 0..60 {
        let folder = if file % 3 == 0 { root.join("deeper") } else { root.to_owned() };
        std::fs::write(folder.join(format!("file-{file}")), samples::bytes(file * 777)).unwrap();
    }
}

fn mirrors_both_ways_over_one_login(runtime: Runtime) {
    for version in VERSIONS {
        let server = Setup::new(runtime).secured("").start();
        make_tree(&server.work("tree"));
        succeeded(&lftp(
            &server,
            &priority(version),
            &server.url(""),
            "mirror -R tree there; mirror there back",
        ));
        assert_same_tree(&server.path("there"), &server.work("tree"));
        assert_same_tree(&server.work("back"), &server.work("tree"));
        server.assert_sessions(1);
    }
}

fn mirrors_in_parallel(runtime: Runtime) {
    for version in VERSIONS {
        let server = Setup::new(runtime).secured("").start();
        make_tree(&server.work("tree"));
        let commands = "mirror -R --parallel=4 tree there; mirror --parallel=4 there back";
        succeeded(&lftp(&server, &priority(version), &server.url(""), commands));
        assert_same_tree(&server.path("there"), &server.work("tree"));
        assert_same_tree(&server.work("back"), &server.work("tree"));
        assert!(!server.log().contains("not resumed"));
    }
}

/// It closes connections in the middle, without a word, once a segment is complete.
fn fetches_one_file_in_segments(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    let content = samples::bytes(4 * samples::LENGTH);
    server.put("file", &content);
    succeeded(&lftp(&server, "", &server.url(""), "pget -n 4 file"));
    assert_same(&server.got("file"), &content);
}

fn logs_in_by_certificate(runtime: Runtime) {
    for version in VERSIONS {
        let setup = Setup::new(runtime).secured("client_certificates = \"require\"").users(EVE);
        let server = setup.start();
        server.put("file", b"for eve");
        let file = server.certificate("client.pem");
        let settings =
            format!("{}; set ssl:cert-file {file:?}; set ssl:key-file {file:?}", priority(version));
        let said =
            lftp(&server, &settings, &server.url(""), &format!("open -u eve, {}; cat file", server.url("")));
        succeeded(&said);
        assert_eq!(said.output, b"for eve");
    }
}

/// The session is forgotten together with TLS, so no data connection can resume it.
fn leaves_tls_on_the_control_connection(runtime: Runtime) {
    for version in VERSIONS {
        let server = Setup::new(runtime).secured(&format!("{CCC}data_resumption = \"off\"\n")).start();
        let settings = format!("{}; set ftp:ssl-use-ccc yes", priority(version));
        round_trip(&server, &settings, &server.url(""));
        server.wait_for_log("TLS left on the control connection", 1);
        server.assert_sessions(1);
    }
}

fn trusts_nobody_else(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    let stranger = format!("set ssl:ca-file {:?}", server.certificate("other.pem"));
    let refused = lftp(&server, &stranger, &server.url(""), "cls");
    assert!(!refused.status.success(), "{refused:?}");
    succeeded(&lftp(&server, &format!("{stranger}; set ssl:verify-certificate no"), &server.url(""), "cls"));
}

const IN_THE_CLEAR: &str = "set ftp:ssl-protect-data no; set ftp:ssl-protect-list no";

fn data_in_the_clear_are_refused(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    server.put("file", b"content");
    let refused = lftp(&server, IN_THE_CLEAR, &server.url(""), "get file");
    assert!(!refused.status.success(), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.errors);
    assert!(said.contains("Data connections must be protected here"), "{said}");
}

fn data_in_the_clear_are_allowed(runtime: Runtime) {
    let server = Setup::new(runtime).secured("data = \"allow\"").start();
    round_trip(&server, IN_THE_CLEAR, &server.url(""));
    round_trip(&server, "", &server.url(""));
}
