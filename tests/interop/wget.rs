//! wget: one file, the rest of a file, or everything below a folder.

use crate::client::Client;
use crate::samples::{self, assert_same, assert_same_tree};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! {
    downloads_passive, downloads_active, downloads_over_ipv6, resumes_a_download, mirrors_a_tree,
    leaves_what_is_up_to_date, says_what_is_missing,
}

fn wget(server: &Server) -> Client {
    let user = format!("--ftp-user={USER}");
    let password = format!("--ftp-password={PASSWORD}");
    Client::new(server, "wget")
        .args(["--no-config", "--no-verbose", "--no-proxy", "--tries=2", "--timeout=30"])
        .args(["--waitretry=1", &user, &password])
}

fn download(server: &Server, options: &[&str]) {
    let content = samples::bytes(samples::LENGTH);
    server.put("file", &content);
    wget(server).args(options).args(["-O", "down", &server.url("file")]).succeed();
    assert_same(&server.got("down"), &content);
}

fn downloads_passive(runtime: Runtime) {
    download(&Server::start(runtime), &[]);
}

fn downloads_active(runtime: Runtime) {
    download(&Server::start(runtime), &["--no-passive-ftp"]);
}

fn downloads_over_ipv6(runtime: Runtime) {
    download(&Setup::new(runtime).ipv6().start(), &[]);
}

fn resumes_a_download(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = samples::bytes(samples::LENGTH);
    server.put("file", &content);
    server.give("file", &content[..1_000_001]);
    wget(&server).args(["-c", &server.url("file")]).succeed();
    assert_same(&server.got("file"), &content);
}

fn mirrors_a_tree(runtime: Runtime) {
    let server = Server::start(runtime);
    samples::make_tree(&server.path("tree"));
    wget(&server).args(["-r", "-l", "5", "-nH", "-P", "copy", &server.url("tree/")]).succeed();
    assert_same_tree(&server.work("copy/tree"), &server.path("tree"));
}

fn leaves_what_is_up_to_date(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("file", b"content");
    wget(&server).args(["-N", &server.url("file")]).succeed();
    let again = wget(&server).args(["-N", "--verbose", &server.url("file")]).succeed();
    let said = String::from_utf8_lossy(&again.errors).into_owned();
    assert!(said.contains("not retrieving"), "{said}");
}

fn says_what_is_missing(runtime: Runtime) {
    let server = Server::start(runtime);
    let said = wget(&server).arg(server.url("nothing-here")).run();
    assert_eq!(said.status.code(), Some(8), "{said:?}");
}
