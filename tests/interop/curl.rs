//! curl: the client on every machine.

use crate::client::Client;
use crate::samples::{self, assert_same};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! {
    lists, lists_names, uploads_and_downloads_passive, uploads_and_downloads_active, uploads_and_downloads_over_ipv6,
    downloads_in_ascii, resumes_a_download, resumes_an_upload, renames_and_deletes, makes_and_removes_folders,
    downloads_many_files_over_one_login, tells_size_and_time, anonymous_reads_but_does_not_write,
    wrong_password_is_refused,
}

fn curl(server: &Server) -> Client {
    Client::new(server, "curl").args(["-sS", "--max-time", "120", "-u", &format!("{USER}:{PASSWORD}")])
}

fn lists(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("hello.txt", b"hello");
    std::fs::create_dir(server.path("folder")).unwrap();
    let listing = curl(&server).arg(server.url("")).succeed().text();
    let file =
        listing.lines().find(|line| line.ends_with(" hello.txt")).unwrap_or_else(|| panic!("{listing}"));
    assert!(file.starts_with("-rw") && file.contains(" 5 "), "{file}");
    let folder =
        listing.lines().find(|line| line.ends_with(" folder")).unwrap_or_else(|| panic!("{listing}"));
    assert!(folder.starts_with("drwx"), "{folder}");
}

fn lists_names(runtime: Runtime) {
    let server = Server::start(runtime);
    for name in ["one", "two", "three"] {
        server.put(name, b"");
    }
    let mut names = curl(&server).args(["-l", &server.url("")]).succeed().lines();
    names.sort();
    assert_eq!(names, ["one", "three", "two"]);
}

/// Up, then down, each with the options.
fn round_trip(server: &Server, options: &[&str]) {
    let sent = samples::bytes(samples::LENGTH);
    let local = server.give("up", &sent);
    curl(server).args(options).arg("-T").arg(local).arg(server.url("there")).succeed();
    assert_same(&server.get("there"), &sent);
    curl(server).args(options).args(["-o", "down"]).arg(server.url("there")).succeed();
    assert_same(&server.got("down"), &sent);
}

fn uploads_and_downloads_passive(runtime: Runtime) {
    let server = Server::start(runtime);
    round_trip(&server, &["--ftp-pasv"]);
    round_trip(&server, &["--ftp-pasv", "--disable-epsv"]);
}

fn uploads_and_downloads_active(runtime: Runtime) {
    let server = Server::start(runtime);
    round_trip(&server, &["--ftp-port", "-"]);
    round_trip(&server, &["--ftp-port", "-", "--disable-eprt"]);
}

fn uploads_and_downloads_over_ipv6(runtime: Runtime) {
    let server = Setup::new(runtime).ipv6().start();
    round_trip(&server, &["--ftp-pasv"]);
    round_trip(&server, &["--ftp-port", "-"]);
}

fn downloads_in_ascii(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("lines", b"one\ntwo\n\nfour");
    let got = curl(&server).args(["--use-ascii", &server.url("lines")]).succeed();
    // The lines travel with CR LF; this client turns them back.
    assert_eq!(got.output, b"one\ntwo\n\nfour");
}

fn resumes_a_download(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::bytes(samples::LENGTH);
    server.put("file", &content);
    server.give("file", &content[..1_000_001]);
    curl(&server).args(["-C", "-", "-o", "file", &server.url("file")]).succeed();
    assert_same(&server.got("file"), &content);
}

fn resumes_an_upload(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::bytes(samples::LENGTH);
    server.give("file", &content);
    server.put("file", &content[..1_000_001]);
    curl(&server).args(["-C", "-", "-T", "file", &server.url("file")]).succeed();
    assert_same(&server.get("file"), &content);
}

fn renames_and_deletes(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("old", b"content");
    server.put("useless", b"");
    let commands = ["-Q", "RNFR old", "-Q", "RNTO new", "-Q", "DELE useless"];
    let names = curl(&server).args(commands).args(["-l", &server.url("")]).succeed().lines();
    assert_eq!(names, ["new"]);
    assert_eq!(server.get("new"), b"content");
}

fn makes_and_removes_folders(runtime: Runtime) {
    let server = Server::start(runtime);
    server.give("file", b"deep");
    curl(&server).args(["--ftp-create-dirs", "-T", "file", &server.url("a/b/c/file")]).succeed();
    assert_eq!(server.get("a/b/c/file"), b"deep");
    curl(&server).args(["-Q", "DELE a/b/c/file", "-Q", "RMD a/b/c", &server.url("a/b/")]).succeed();
    assert!(!server.path("a/b/c").exists());
}

fn downloads_many_files_over_one_login(runtime: Runtime) {
    let server = Server::start(runtime);
    let mut client = curl(&server);
    for number in 0..50 {
        server.put(format!("file-{number}"), &samples::bytes(number * 1_000));
        client = client.args(["-o", &format!("file-{number}"), &server.url(&format!("file-{number}"))]);
    }
    client.succeed();
    for number in 0..50 {
        assert_same(&server.got(format!("file-{number}")), &samples::bytes(number * 1_000));
    }
}

fn tells_size_and_time(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("file", &samples::bytes(12_345));
    let day = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::options().append(true).open(server.path("file")).unwrap().set_modified(day).unwrap();
    let head = curl(&server).args(["-I", &server.url("file")]).succeed().text();
    assert!(head.contains("Content-Length: 12345"), "{head}");
    assert!(head.contains("Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT"), "{head}");
}

fn anonymous_reads_but_does_not_write(runtime: Runtime) {
    let server = Setup::new(runtime).anonymous().start();
    server.put("file", b"for everybody");
    let client = || Client::new(&server, "curl").args(["-sS", "--max-time", "60"]);
    assert_eq!(client().arg(server.url("file")).succeed().output, b"for everybody");
    server.give("mine", b"not for everybody");
    let refused = client().args(["-T", "mine", &server.url("mine")]).run();
    assert!(!refused.status.success(), "{refused:?}");
    assert!(!server.path("mine").exists());
}

fn wrong_password_is_refused(runtime: Runtime) {
    let server = Server::start(runtime);
    let refused = Client::new(&server, "curl").args(["-sS", "-u", "bob:wrong", &server.url("")]).run();
    assert_eq!(refused.status.code(), Some(67), "{refused:?}");
}
