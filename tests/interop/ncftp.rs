//! ncftp and its batch programs, ncftpget, ncftpput and ncftpls.

use crate::client::Client;
use crate::samples::{self, assert_same, assert_same_tree};
use crate::server::{PASSWORD, Runtime, Server, USER};

on_both_runtimes! {
    lists, uploads_and_downloads_passive, uploads_and_downloads_active, text_both_ways,
    resumes_a_download, appends,
    renames_deletes_and_makes_folders, fetches_a_tree, sends_a_tree,
}

/// One of the batch programs, told where to go and who it is.
fn ncftp(server: &Server, program: &str) -> Client {
    Client::new(server, program).args(["-u", USER, "-p", PASSWORD, "-P", &server.port()])
}

fn lists(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("hello.txt", b"hello");
    std::fs::create_dir(server.path("folder")).unwrap();
    let mut names = ncftp(&server, "ncftpls").args(["-1", &server.url("")]).succeed().lines();
    names.sort();
    assert_eq!(names, ["folder", "hello.txt"]);
    let long = ncftp(&server, "ncftpls").args(["-l", &server.url("")]).succeed().text();
    assert!(long.contains("hello.txt") && long.contains("drwx"), "{long}");
    server.put("folder/inside.txt", b"");
    let all = ncftp(&server, "ncftpls").args(["-R", &server.url("")]).succeed().text();
    assert!(all.lines().any(|line| line == "./folder:") && all.contains("inside.txt"), "{all}");
}

fn round_trip(server: &Server, mode: &str) {
    let sent = samples::bytes(samples::LENGTH);
    server.give("file", &sent);
    ncftp(server, "ncftpput").args([mode, &server.host(), "/", "file"]).succeed();
    assert_same(&server.get("file"), &sent);
    std::fs::create_dir_all(server.work("down")).unwrap();
    ncftp(server, "ncftpget").args([mode, &server.host(), "down", "/file"]).succeed();
    assert_same(&server.got("down/file"), &sent);
}

fn uploads_and_downloads_passive(runtime: Runtime) {
    let server = Server::start(runtime);
    round_trip(&server, "-F");
}

fn uploads_and_downloads_active(runtime: Runtime) {
    let server = Server::start(runtime);
    round_trip(&server, "-E");
}

/// In TYPE A lines end in LF on both sides and in CR LF between them, as the counted bytes prove.
fn text_both_ways(runtime: Runtime) {
    let server = Server::start(runtime);
    let sent = samples::text(30_000);
    server.give("file", &sent);
    ncftp(&server, "ncftpput").args(["-a", &server.host(), "/", "file"]).succeed();
    assert_same(&server.get("file"), &sent);
    std::fs::create_dir_all(server.work("down")).unwrap();
    ncftp(&server, "ncftpget").args(["-a", &server.host(), "down", "/file"]).succeed();
    assert_same(&server.got("down/file"), &sent);
    server.wait_for_log(&format!(" bytes={} ", sent.len() + 30_000), 2);
}

fn resumes_a_download(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::bytes(samples::LENGTH);
    server.put("file", &content);
    server.give("file", &content[..1_000_001]);
    ncftp(&server, "ncftpget").args(["-z", &server.host(), ".", "/file"]).succeed();
    assert_same(&server.got("file"), &content);
}

/// This is how it resumes an upload, too: with -z it says REST and then sends the file from its beginning
/// (3.2.6), to every server alike.
fn appends(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::bytes(samples::LENGTH);
    server.put("file", &content[..1_000_001]);
    server.give("file", &content[1_000_001..]);
    ncftp(&server, "ncftpput").args(["-A", &server.host(), "/", "file"]).succeed();
    assert_same(&server.get("file"), &content);
}

/// The interactive program, which takes its commands from its standard input.
fn renames_deletes_and_makes_folders(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("old", b"content");
    server.put("useless", b"");
    let commands = "mkdir a\nrename old a/new\nrm useless\nmkdir gone\nrmdir gone\npwd\nquit\n";
    ncftp(&server, "ncftp").arg(server.host()).input(commands).succeed();
    assert_eq!(server.get("a/new"), b"content");
    assert!(
        !server.path("old").exists() && !server.path("useless").exists() && !server.path("gone").exists()
    );
}

fn fetches_a_tree(runtime: Runtime) {
    let server = Server::start(runtime);
    samples::make_tree(&server.path("tree"));
    ncftp(&server, "ncftpget").args(["-R", &server.host(), ".", "/tree"]).succeed();
    assert_same_tree(&server.work("tree"), &server.path("tree"));
}

fn sends_a_tree(runtime: Runtime) {
    let server = Server::start(runtime);
    samples::make_tree(&server.work("tree"));
    ncftp(&server, "ncftpput").args(["-R", &server.host(), "/", "tree"]).succeed();
    assert_same_tree(&server.path("tree"), &server.work("tree"));
}
