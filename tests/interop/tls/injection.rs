//! Commands that somebody on the way puts behind AUTH, to have them obeyed as if they had come under TLS.

use super::rustls_client;
use crate::configuration::NAME;
use crate::server::{Runtime, Setup};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

on_both_runtimes! { commands_behind_auth_have_no_effect }

fn commands_behind_auth_have_no_effect(runtime: Runtime) {
    for version in [&TLS12, &TLS13] {
        let server = Setup::new(runtime).secured("").start();
        let mut plain = BufReader::new(TcpStream::connect(server.address()).unwrap());
        plain.get_ref().set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut reply = String::new();
        plain.read_line(&mut reply).unwrap();
        // One write is one segment: both lines arrive together.
        plain.get_mut().write_all(b"AUTH TLS\r\nUSER anonymous\r\n").unwrap();
        plain.read_line(&mut reply).unwrap();
        assert!(reply.ends_with("234 Begin TLS now.\r\n"), "{reply}");
        assert!(plain.buffer().is_empty(), "an answer in the clear to what stood behind AUTH");
        let name = ServerName::try_from(NAME).unwrap();
        let connection = ClientConnection::new(rustls_client(version), name).unwrap();
        let mut secure = BufReader::new(StreamOwned::new(connection, plain.into_inner()));
        let mut said = |line: &str| {
            secure.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
            let mut reply = String::new();
            secure.read_line(&mut reply).unwrap();
            reply
        };
        // Nobody was named: neither before this nor after it comes an answer to USER.
        let refused = said("PASS me@example.org");
        assert!(refused.starts_with("503 "), "{refused}");
        assert!(said("PWD").starts_with("530 "));
        assert!(said("USER anonymous").starts_with("331 "));
        assert!(said("PASS me@example.org").starts_with("230 "));
        server.wait_for_log("plain text behind AUTH thrown away", 1);
        assert!(server.log().contains(" bytes=15"), "USER anonymous, and no end of a line any more");
    }
}
