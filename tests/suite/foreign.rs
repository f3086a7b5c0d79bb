//! Other protocols on the port of FTP: whoever speaks them is told so and hung up on.

use crate::client::{Client, PATIENCE, connect, read_all};
use crate::runtime::{Runtime, Setup, Witness};
use ::rustls::crypto::ring;
use ::rustls::pki_types::ServerName;
use ::rustls::{ClientConfig, ClientConnection, RootCertStore};
use ftp_proto::testing::MemoryStorage;
use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

on_both_runtimes! {
    each_gets_one_reply_and_the_end, a_real_hello_of_tls, a_real_hello_where_there_is_no_tls, curl_by_http,
    commands_in_the_body_of_a_request_are_not_obeyed,
}

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text")
}

fn with_witness(storage: &MemoryStorage) -> (Arc<Witness>, Setup) {
    let witness = Arc::new(Witness::default());
    let setup = Setup::new(storage).observer(Arc::<Witness>::clone(&witness));
    (witness, setup)
}

/// All that the server says to it, the greeting first.
fn answer<R: Runtime>(server: &R, said: &[u8]) -> String {
    let mut stream = connect(server.address());
    stream.write_all(said).unwrap();
    String::from_utf8(read_all(&stream)).unwrap()
}

fn each_gets_one_reply_and_the_end<R: Runtime>() {
    let (witness, setup) = with_witness(&tree());
    let server: R = setup.start();
    for (said, name) in [
        (&b"SSH-2.0-OpenSSH_9.6\r\n"[..], "ssh"),
        (b"GET / HTTP/1.1\r\nHost: ftp.example.org\r\n\r\n", "http"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http"),
        (b"EHLO mail.example.org\r\n", "smtp"),
        (b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", "rdp"),
        (b"\x00\x00\x00\x85\xffSMB\x72\x00\x00\x00\x00", "smb"),
        (b"\x01\x00\x00\x00\xff\xff\x7f", "binary"),
    ] {
        let reply = answer(&server, said);
        let lines: Vec<&str> = reply.lines().collect();
        assert!(lines.len() == 2 && lines[0].starts_with("220 "), "{name}: {reply}");
        assert_eq!(lines[1], "421 This is an FTP server.", "{name}");
        assert_eq!(witness.foreign().last(), Some(&name));
    }
    // The server is well.
    assert_eq!(server.login().fetch("RETR a.txt"), b"some text");
}

/// What a TLS client says first.
fn hello() -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("ftp.example.org").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

fn a_real_hello_of_tls<R: Runtime>() {
    let (witness, setup) = with_witness(&tree());
    let server: R = setup.tls().start();
    let reply = answer(&server, &hello());
    assert!(reply.contains("\r\n421 ") && reply.contains("explicit FTP over TLS"), "{reply}");
    assert_eq!(witness.foreign(), ["tls"]);
    server.secure_login();
}

fn a_real_hello_where_there_is_no_tls<R: Runtime>() {
    let (witness, setup) = with_witness(&tree());
    let server: R = setup.start();
    let reply = answer(&server, &hello());
    assert!(reply.ends_with("421 There is no TLS here.\r\n"), "{reply}");
    assert_eq!(witness.foreign(), ["tls"]);
}

/// What curl does with the greeting is its own affair; it has to come to an end.
fn curl_by_http<R: Runtime>() {
    let (witness, setup) = with_witness(&tree());
    let server: R = setup.start();
    let url = format!("http://{}/a.txt", server.address());
    let patience = PATIENCE.as_secs().to_string();
    let output = Command::new("curl").args(["-sS", "--max-time", &patience, &url]).output().expect("curl");
    assert!(!output.status.success() && output.status.code() != Some(28), "{output:?}");
    // It takes the greeting for a bad answer and may be gone before its request was looked at.
    let start = Instant::now();
    while witness.foreign().is_empty() && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(witness.foreign(), ["http"]);
}

fn commands_in_the_body_of_a_request_are_not_obeyed<R: Runtime>() {
    let storage = tree();
    let (witness, setup) = with_witness(&storage);
    let server: R = setup.start();
    let body = "USER anonymous\r\nPASS x\r\nMKD /evil\r\nDELE /a.txt\r\n";
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
        server.address(),
        body.len()
    );
    let reply = answer(&server, request.as_bytes());
    assert!(reply.ends_with("\r\n421 This is an FTP server.\r\n"), "{reply}");
    assert_eq!(witness.foreign(), ["http"]);
    assert_eq!(storage.contents("/a.txt").unwrap(), b"some text");

    // A header of a request that came in pieces, in the middle of a login.
    let mut client = Client::connect(server.address());
    client.command("USER anonymous", "331");
    client.command("Cookie: secret", "421");
    client.expect_end();
}
