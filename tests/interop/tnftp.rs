//! tnftp: the BSD client, which types commands as people did in 1990, and the base of macOS's.

use crate::client::{Client, Transcript};
use crate::samples::{self, assert_same};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! {
    lists, uploads_and_downloads_passive, uploads_and_downloads_active, uploads_and_downloads_over_ipv6,
    text_both_ways, resumes_a_download, restarts_an_upload, appends, renames_deletes_and_makes_folders, lists_by_machine_listing,
    fetches_several,
}

/// Types commands after logging in. The program ends with success whatever happened: look at the effects.
fn tnftp(server: &Server, options: &[&str], commands: &str) -> Transcript {
    let input = format!("user {USER} {PASSWORD}\nbinary\n{commands}\nquit\n");
    let client = Client::new(server, "tnftp").args(["-n", "-v", "-i"]).args(options);
    client.args([server.host(), server.port()]).input(input).run()
}

fn lists(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("hello.txt", b"hello");
    std::fs::create_dir(server.path("folder")).unwrap();
    let long = tnftp(&server, &["-p"], "ls").text();
    assert!(long.contains("hello.txt") && long.contains("drwx"), "{long}");
    let names = tnftp(&server, &["-p"], "nlist").text();
    assert!(names.lines().any(|line| line == "folder"), "{names}");
}

fn round_trip(server: &Server, options: &[&str], before: &str) {
    let sent = samples::bytes(samples::LENGTH);
    server.give("up", &sent);
    let said = tnftp(server, options, &format!("{before}\nput up there\nget there down")).text();
    assert!(server.path("there").exists() && server.work("down").exists(), "{said}");
    assert_same(&server.get("there"), &sent);
    assert_same(&server.got("down"), &sent);
}

fn uploads_and_downloads_passive(runtime: Runtime) {
    let server = Server::start(runtime);
    round_trip(&server, &["-p"], "epsv4 on");
    round_trip(&server, &["-p"], "epsv4 off");
}

fn uploads_and_downloads_active(runtime: Runtime) {
    let server = Server::start(runtime);
    round_trip(&server, &["-A"], "epsv4 on");
    round_trip(&server, &["-A"], "epsv4 off");
}

fn uploads_and_downloads_over_ipv6(runtime: Runtime) {
    let server = Setup::new(runtime).ipv6().start();
    round_trip(&server, &["-p"], "epsv6 on");
    round_trip(&server, &["-A"], "epsv6 on");
}

/// In TYPE A lines end in LF on both sides and in CR LF between them, as the counted bytes prove.
fn text_both_ways(runtime: Runtime) {
    let server = Server::start(runtime);
    let sent = samples::text(30_000);
    server.give("up", &sent);
    let said = tnftp(&server, &["-p"], "ascii\nput up there\nget there down").text();
    assert!(server.path("there").exists() && server.work("down").exists(), "{said}");
    assert_same(&server.get("there"), &sent);
    assert_same(&server.got("down"), &sent);
    server.wait_for_log(&format!(" bytes={} ", sent.len() + 30_000), 2);
}

fn resumes_a_download(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::bytes(samples::LENGTH);
    server.put("file", &content);
    server.give("file", &content[..1_000_001]);
    tnftp(&server, &["-p"], "reget file");
    assert_same(&server.got("file"), &content);
}

/// REST and STOR: the client skips what is there already.
fn restarts_an_upload(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::bytes(samples::LENGTH);
    server.give("file", &content);
    server.put("file", &content[..1_000_001]);
    let said = tnftp(&server, &["-p"], "restart 1000001\nput file").text();
    assert!(server.get("file").len() == content.len(), "{said}");
    assert_same(&server.get("file"), &content);
}

fn appends(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("log", b"first\n");
    server.give("more", b"second\n");
    tnftp(&server, &["-p"], "append more log");
    assert_eq!(server.get("log"), b"first\nsecond\n");
}

fn renames_deletes_and_makes_folders(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("old", b"content");
    server.put("useless", b"");
    let said =
        tnftp(&server, &["-p"], "mkdir a\nrename old a/new\ndelete useless\nmkdir gone\nrmdir gone\npwd");
    assert!(server.path("a/new").exists(), "{}", said.text());
    assert_eq!(server.get("a/new"), b"content");
    assert!(
        !server.path("old").exists() && !server.path("useless").exists() && !server.path("gone").exists()
    );
}

fn lists_by_machine_listing(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("hello.txt", b"hello");
    let said = tnftp(&server, &["-p"], "mlsd\nmlst hello.txt\nsize hello.txt\nmodtime hello.txt").text();
    let facts: Vec<_> = said.lines().filter(|line| line.to_ascii_lowercase().contains("type=file")).collect();
    assert_eq!(facts.len(), 2, "{said}");
}

fn fetches_several(runtime: Runtime) {
    let server = Server::start(runtime);
    for name in ["a.one", "b.one", "c.two"] {
        server.put(name, name.as_bytes());
    }
    let said = tnftp(&server, &["-p"], "mget *.one").text();
    assert!(server.work("a.one").exists() && server.work("b.one").exists(), "{said}");
    assert_eq!(server.got("b.one"), b"b.one");
    assert!(!server.work("c.two").exists());
}
