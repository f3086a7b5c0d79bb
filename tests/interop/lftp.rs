//! lftp: the client for mirrors, resumed transfers and many connections.

use crate::client::{Client, Transcript};
use crate::samples::{self, assert_same, assert_same_tree};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! {
    lists, uploads_and_downloads_passive, uploads_and_downloads_active, uploads_and_downloads_over_ipv6,
    resumes_a_download, resumes_an_upload, goes_on_after_the_server_died, renames_deletes_and_makes_folders,
    mirrors_a_tree, mirrors_a_tree_back, mirrors_by_machine_listing, fetches_one_file_in_segments,
    changes_permissions, lists_recursively, takes_what_matches, lists_by_status,
}

/// Runs commands; the first that fails ends it.
fn lftp(server: &Server, commands: &str) -> Transcript {
    let open = format!("open -u {USER},{PASSWORD} -p {} {}", server.port(), server.host());
    let rules = "set cmd:fail-exit yes; set net:max-retries 2; set net:timeout 30; set net:persist-retries 0; \
                 set net:reconnect-interval-base 1; set dns:order \"inet inet6\"";
    Client::new(server, "lftp").args(["--norc", "-c", &format!("{rules}; {open}; {commands}")]).succeed()
}

fn lists(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("hello.txt", b"hello");
    std::fs::create_dir(server.path("folder")).unwrap();
    let mut names = lftp(&server, "cls -1").lines();
    names.sort();
    assert_eq!(names, ["folder/", "hello.txt"]);
    let long = lftp(&server, "ls").text();
    assert!(long.contains("hello.txt") && long.contains("drwx"), "{long}");
    assert_eq!(lftp(&server, "nlist").lines().len(), 2);
}

fn round_trip(server: &Server, settings: &str) {
    let sent = samples::bytes(samples::LENGTH);
    server.give("up", &sent);
    lftp(server, &format!("{settings}; put up -o there; get there -o down"));
    assert_same(&server.get("there"), &sent);
    assert_same(&server.got("down"), &sent);
}

fn uploads_and_downloads_passive(runtime: Runtime) {
    let server = Server::start(runtime);
    round_trip(&server, "set ftp:passive-mode on");
}

fn uploads_and_downloads_active(runtime: Runtime) {
    let server = Server::start(runtime);
    round_trip(&server, "set ftp:passive-mode off");
}

fn uploads_and_downloads_over_ipv6(runtime: Runtime) {
    let server = Setup::new(runtime).ipv6().start();
    round_trip(&server, "set ftp:passive-mode on");
}

fn resumes_a_download(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::bytes(samples::LENGTH);
    server.put("file", &content);
    server.give("file", &content[..1_500_001]);
    lftp(&server, "get -c file");
    assert_same(&server.got("file"), &content);
}

fn resumes_an_upload(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::bytes(samples::LENGTH);
    server.give("file", &content);
    server.put("file", &content[..1_500_001]);
    lftp(&server, "put -c file");
    assert_same(&server.get("file"), &content);
}

/// The server dies in the middle and comes back: the client asks what is there and goes on. What it had sent
/// lies under no name that anybody sees, and still counts.
fn goes_on_after_the_server_died(runtime: Runtime) {
    let server = Server::start(runtime);
    let address = server.address();
    let content = samples::bytes(samples::LENGTH);
    server.give("file", &content);
    let commands = format!(
        "set net:limit-rate 0:1500000; set net:reconnect-interval-base 1; set net:timeout 20; \
         open -u {USER},{PASSWORD} -p {} {}; put -c file",
        server.port(),
        server.host()
    );
    let client = Client::new(&server, "lftp").args(["--norc", "-c", &commands]);
    let client = std::thread::spawn(move || client.succeed());
    server.wait_for_bytes(1_000_000);
    let folder = server.kill();
    let server = Setup::new(runtime).at(address).start_in(folder);
    assert!(!server.path("file").exists(), "half a file was published");
    client.join().expect("it succeeds");
    assert_same(&server.get("file"), &content);
    assert_eq!(samples::read_tree(&server.path("")).len(), 1, "something was left behind");
}

fn renames_deletes_and_makes_folders(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("old", b"content");
    server.put("useless", b"");
    lftp(&server, "mkdir -p a/b; mv old a/b/new; rm useless; mkdir gone; rmdir gone");
    assert_eq!(server.get("a/b/new"), b"content");
    assert!(
        !server.path("old").exists() && !server.path("useless").exists() && !server.path("gone").exists()
    );
    lftp(&server, "rm -r a");
    assert!(!server.path("a").exists());
}

fn mirrors_a_tree(runtime: Runtime) {
    let server = Server::start(runtime);
    samples::make_tree(&server.path("tree"));
    lftp(&server, "mirror --parallel=4 tree copy");
    assert_same_tree(&server.work("copy"), &server.path("tree"));
}

fn mirrors_a_tree_back(runtime: Runtime) {
    let server = Server::start(runtime);
    samples::make_tree(&server.work("tree"));
    lftp(&server, "mirror -R --parallel=4 tree copy");
    assert_same_tree(&server.path("copy"), &server.work("tree"));
}

fn mirrors_by_machine_listing(runtime: Runtime) {
    let server = Server::start(runtime);
    samples::make_tree(&server.path("tree"));
    lftp(&server, "set ftp:use-mlsd yes; mirror --parallel=2 tree copy");
    assert_same_tree(&server.work("copy"), &server.path("tree"));
    // Nothing changed, so a second run fetches nothing: sizes and times agree to the second.
    let again = lftp(&server, "set ftp:use-mlsd yes; mirror --verbose tree copy").text();
    assert!(!again.contains("Transferring"), "{again}");
}

fn fetches_one_file_in_segments(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::bytes(4 * samples::LENGTH);
    server.put("file", &content);
    lftp(&server, "pget -n 4 file");
    assert_same(&server.got("file"), &content);
}

fn changes_permissions(runtime: Runtime) {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start(runtime);
    server.put("file", b"");
    lftp(&server, "chmod 640 file");
    assert_eq!(std::fs::metadata(server.path("file")).unwrap().permissions().mode() & 0o777, 0o640);
}

/// `/a/x.txt`, `/a/deep/y.txt`, `/b/x.txt` and `/top.txt`.
fn with_tree(runtime: Runtime) -> Server {
    let server = Server::start(runtime);
    for folder in ["a", "a/deep", "b"] {
        std::fs::create_dir(server.path(folder)).unwrap();
    }
    for file in ["a/x.txt", "a/deep/y.txt", "b/x.txt", "top.txt"] {
        server.put(file, file.as_bytes());
    }
    server
}

fn lists_recursively(runtime: Runtime) {
    let server = with_tree(runtime);
    let text = lftp(&server, "ls -lR").text();
    for heading in ["./a:", "./a/deep:", "./b:"] {
        assert!(text.lines().any(|line| line == heading), "{text}");
    }
    assert_eq!(text.lines().filter(|line| line.ends_with(".txt")).count(), 4, "{text}");
}

/// Patterns that the server matches, and those that lftp does.
fn takes_what_matches(runtime: Runtime) {
    let server = with_tree(runtime);
    let mut names = lftp(&server, "nlist */*.txt").lines();
    names.sort();
    assert_eq!(names, ["a/x.txt", "b/x.txt"]);
    assert_eq!(lftp(&server, "nlist -1 *.{csv,txt}").lines(), ["top.txt"]);
    assert!(lftp(&server, "nlist *.csv").lines().is_empty());
    lftp(&server, "mget -d */x.txt *.txt");
    for file in ["a/x.txt", "b/x.txt", "top.txt"] {
        assert_eq!(server.got(file), file.as_bytes());
    }
}

/// LIST over the control connection.
fn lists_by_status(runtime: Runtime) {
    let server = with_tree(runtime);
    let mut names = lftp(&server, "set ftp:use-stat-for-list yes; cls -1; cls -1 a").lines();
    names.sort();
    assert_eq!(names, ["a/", "a/deep/", "a/x.txt", "b/", "top.txt"]);
}
