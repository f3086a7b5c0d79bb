//! Files beyond 4 GiB, where 32-bit sizes and offsets end. They are sparse: no disk is filled.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::client::Client;
use crate::samples::{self, assert_same};
use crate::server::{PASSWORD, Runtime, Server, USER};
use crate::session::Session;

on_both_runtimes! { downloads_five_gibibytes, resumes_beyond_four_gibibytes, resumes_an_upload_beyond_four_gibibytes }

const FIVE_GIBIBYTES: u64 = 5 << 30;

/// A sparse file that ends in these bytes.
fn make_sparse(path: &Path, length: u64, tail: &[u8]) {
    let mut file = fs::File::create(path).expect("a temporary folder is writable");
    file.set_len(length).expect("the file system knows sparse files");
    file.seek(SeekFrom::End(-(tail.len() as i64))).expect("files can be positioned");
    file.write_all(tail).expect("a temporary folder is writable");
}

fn downloads_five_gibibytes(runtime: Runtime) {
    let server = Server::start(runtime);
    make_sparse(&server.path("large"), FIVE_GIBIBYTES, b"the end");
    let mut session = Session::login(server.address(), USER, PASSWORD);
    assert_eq!(session.expect("SIZE large", 213), format!("213 {FIVE_GIBIBYTES}"));
    let listing = String::from_utf8(session.fetch("LIST")).unwrap();
    assert!(listing.contains(&format!(" {FIVE_GIBIBYTES} ")), "{listing}");
    assert_eq!(session.count("RETR large"), FIVE_GIBIBYTES);
}

fn resumes_beyond_four_gibibytes(runtime: Runtime) {
    let server = Server::start(runtime);
    let tail = samples::bytes(1_000_003);
    make_sparse(&server.path("large"), FIVE_GIBIBYTES, &tail);
    let from = FIVE_GIBIBYTES - tail.len() as u64;
    let range = format!("{from}-");
    let login = format!("{USER}:{PASSWORD}");
    let client = Client::new(&server, "curl").args(["-sS", "-u", &login, "-r", &range, &server.url("large")]);
    assert_same(&client.succeed().output, &tail);
    // What is there already doesn't travel again: this ends at once only if REST is obeyed.
    make_sparse(&server.work("large"), from, b"");
    let commands =
        format!("open -u {login} -p {} {}; get -c large", server.port(), server.host()).replacen(':', ",", 1);
    Client::new(&server, "lftp").args(["--norc", "-c", &commands]).succeed();
    let mut copy = fs::File::open(server.work("large")).unwrap();
    assert_eq!(copy.metadata().unwrap().len(), FIVE_GIBIBYTES);
    copy.seek(SeekFrom::Start(from)).unwrap();
    let mut got = Vec::new();
    copy.read_to_end(&mut got).unwrap();
    assert_same(&got, &tail);
}

fn resumes_an_upload_beyond_four_gibibytes(runtime: Runtime) {
    let server = Server::start(runtime);
    let tail = samples::bytes(1_000_003);
    let from = FIVE_GIBIBYTES - tail.len() as u64;
    make_sparse(&server.path("large"), from, b"");
    let mut session = Session::login(server.address(), USER, PASSWORD);
    session.expect(&format!("REST {from}"), 350);
    session.store("STOR large", &tail);
    assert_eq!(session.expect("SIZE large", 213), format!("213 {FIVE_GIBIBYTES}"));
    let mut file = fs::File::open(server.path("large")).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    let mut got = Vec::new();
    file.read_to_end(&mut got).unwrap();
    assert_same(&got, &tail);
}
