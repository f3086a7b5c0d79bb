//! MODE Z (draft-preston-ftpext-deflate): lftp, the client that most people have for it, and Python's zlib behind a client
//! of our own. What came back right is no proof that anything was compressed: the server's log is.

use crate::client::{Client, Transcript};
use crate::samples::{self, assert_same, assert_same_tree};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! {
    mirrors_passive, mirrors_active, mirrors_under_tls, mirrors_active_under_tls, resumes_both_ways, fetches_segments,
    python_both_ways, python_both_ways_under_tls, python_text_and_listings, python_restarts, python_broken_streams,
    python_aborts, python_levels, python_bombs,
}

const RULES: &str = "set cmd:fail-exit yes; set net:max-retries 2; set net:timeout 30; set net:persist-retries 0; \
                     set net:reconnect-interval-base 1; set dns:order \"inet inet6\"; set ftp:use-mode-z yes";

fn lftp(server: &Server, settings: &str, commands: &str) -> Transcript {
    let open = format!("open -u {USER},{PASSWORD} {}", server.url(""));
    let script = format!("{RULES}; {settings}; {open}; {commands}");
    Client::new(server, "lftp").args(["--norc", "-c", &script]).succeed()
}

/// Forty files of text, an empty one and one of noise.
fn make_tree(root: &std::path::Path) {
    std::fs::create_dir_all(root.join("deeper")).unwrap();
    for file in 0..40 {
        let folder = if file % 3 == 0 { root.join("deeper") } else { root.to_owned() };
        std::fs::write(folder.join(format!("file-{file}")), samples::text(file * 100)).unwrap();
    }
    std::fs::write(root.join("empty"), b"").unwrap();
    std::fs::write(root.join("noise"), samples::bytes(300_001)).unwrap();
}

/// Up and down again; each file and each listing that went as a zlib stream is counted.
fn mirror(server: &Server, settings: &str) {
    make_tree(&server.work("tree"));
    lftp(server, settings, "mirror -R --parallel=2 tree there; mirror --parallel=2 there back");
    assert_same_tree(&server.path("there"), &server.work("tree"));
    assert_same_tree(&server.work("back"), &server.work("tree"));
    server.wait_for_log("coding=deflate", 84);
    let log = server.log();
    let plain =
        |line: &&str| line.contains(" verb=") && line.contains(" bytes=") && !line.contains("coding=");
    assert_eq!(log.lines().filter(plain).collect::<Vec<_>>(), Vec::<&str>::new());
}

fn mirrors_passive(runtime: Runtime) {
    mirror(&Server::start(runtime), "set ftp:passive-mode yes");
}

fn mirrors_active(runtime: Runtime) {
    mirror(&Server::start(runtime), "set ftp:passive-mode no");
}

fn secure(server: &Server) -> String {
    let authority = server.certificate("authority.pem");
    format!("set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:ca-file {authority:?}")
}

fn mirrors_under_tls(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    mirror(&server, &secure(&server));
}

fn mirrors_active_under_tls(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    mirror(&server, &format!("{}; set ftp:passive-mode no", secure(&server)));
}

/// lftp counts the bytes of the file, and so does the server.
fn resumes_both_ways(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::text(100_000);
    server.put("down", &content);
    server.give("down", &content[..500_001]);
    server.give("up", &content);
    server.put("up", &content[..500_001]);
    lftp(&server, "", "get -c down; put -c up");
    assert_same(&server.got("down"), &content);
    assert_same(&server.get("up"), &content);
    server.wait_for_log("coding=deflate", 2);
}

/// It ends streams in their middle, as soon as it has its segment.
fn fetches_segments(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::text(400_000);
    server.put("file", &content);
    lftp(&server, "", "pget -n 4 file");
    assert_same(&server.got("file"), &content);
}

fn python(server: &Server, case: &str, tls: bool) {
    let script = include_str!("deflate.py");
    let authority = if tls { server.certificate("authority.pem") } else { "-".into() };
    let client =
        Client::new(server, "python3").args(["-", case, &server.host(), &server.port(), USER, PASSWORD]);
    client.arg(authority).input(script).succeed();
}

fn python_both_ways(runtime: Runtime) {
    let server = Server::start(runtime);
    python(&server, "both_ways", false);
    server.wait_for_log("coding=deflate", 4);
}

fn python_both_ways_under_tls(runtime: Runtime) {
    // It resumes no TLS session on data connections.
    let server = Setup::new(runtime).secured("data_resumption = \"off\"").start();
    python(&server, "both_ways", true);
    server.wait_for_log("coding=deflate", 4);
}

fn python_text_and_listings(runtime: Runtime) {
    let server = Server::start(runtime);
    python(&server, "text_and_listings", false);
    assert_eq!(server.get("text"), b"one\ntwo\n");
}

fn python_restarts(runtime: Runtime) {
    python(&Server::start(runtime), "restarts", false);
}

fn python_broken_streams(runtime: Runtime) {
    python(&Server::start(runtime), "broken_streams", false);
}

fn python_aborts(runtime: Runtime) {
    python(&Server::start(runtime), "aborts", false);
}

fn python_levels(runtime: Runtime) {
    python(&Server::start(runtime), "levels", false);
}

fn python_bombs(runtime: Runtime) {
    let server =
        Setup::new(runtime).secured("data_resumption = \"off\"\n[limits]\ndeflate_ratio = 100\n").start();
    python(&server, "bombs", true);
    assert_eq!(samples::read_tree(&server.path("")).len(), 2, "something of the bomb is left");
}
