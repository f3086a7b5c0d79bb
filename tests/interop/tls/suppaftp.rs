//! suppaftp with rustls, which uses no ticket of TLS 1.3 twice. Uploads bring it none, so that it runs out of them: then
//! its address has to do.

use super::rustls_client;
use crate::configuration::NAME;
use crate::samples::{self, assert_same};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use suppaftp::types::FileType;
use suppaftp::{RustlsConnector, RustlsFtpStream};

on_both_runtimes! { fifty_transfers_explicit, fifty_transfers_implicit, fifty_uploads_in_a_row }

/// Each upload takes one of four tickets, each download brings as many as it takes: the fourth upload ends that.
const EXHAUSTED: [(&SupportedProtocolVersion, usize); 2] = [(&TLS12, 0), (&TLS13, 44)];

fn explicit(server: &Server, version: &'static SupportedProtocolVersion) -> RustlsFtpStream {
    let plain = RustlsFtpStream::connect(server.address()).unwrap();
    login(plain.into_secure(RustlsConnector::from(rustls_client(version)), NAME).unwrap())
}

fn implicit(server: &Server, version: &'static SupportedProtocolVersion) -> RustlsFtpStream {
    let connector = RustlsConnector::from(rustls_client(version));
    login(RustlsFtpStream::connect_secure_implicit(server.implicit_address(), connector, NAME).unwrap())
}

fn login(mut client: RustlsFtpStream) -> RustlsFtpStream {
    client.login(USER, PASSWORD).unwrap();
    client.transfer_type(FileType::Binary).unwrap();
    client
}

/// Up and down in turn, with a listing at the end. `exhausted`: for how many of them there is no ticket left.
fn fifty_transfers(server: &Server, mut client: RustlsFtpStream, exhausted: usize) {
    for number in 0..25 {
        let (name, sent) = (format!("file-{number}"), samples::bytes(number * 7_919));
        client.put_file(&name, &mut sent.as_slice()).unwrap();
        assert_same(&server.get(&name), &sent);
        assert_same(client.retr_as_buffer(&name).unwrap().get_ref(), &sent);
    }
    assert_eq!(client.nlst(None).unwrap().len(), 25);
    client.quit().unwrap();
    server.wait_for_log(" session closed ", 1);
    server.assert_exhausted(exhausted);
}

fn fifty_transfers_explicit(runtime: Runtime) {
    for (version, exhausted) in EXHAUSTED {
        let server = Setup::new(runtime).secured("").start();
        fifty_transfers(&server, explicit(&server, version), exhausted);
    }
}

fn fifty_transfers_implicit(runtime: Runtime) {
    for (version, exhausted) in EXHAUSTED {
        let server = Setup::new(runtime).secured("").start();
        fifty_transfers(&server, implicit(&server, version), exhausted);
    }
}

fn fifty_uploads_in_a_row(runtime: Runtime) {
    for version in [&TLS12, &TLS13] {
        let server = Setup::new(runtime).secured("").start();
        let mut client = explicit(&server, version);
        for number in 0..50 {
            let (name, sent) = (format!("file-{number}"), samples::bytes(number * 1_009));
            client.put_file(&name, &mut sent.as_slice()).unwrap();
            assert_same(&server.get(&name), &sent);
        }
        client.quit().unwrap();
        server.wait_for_log(" session closed ", 1);
        // Four tickets came with the control connection. In TLS 1.2 one lasts.
        server.assert_exhausted(if version == &TLS12 { 0 } else { 46 });
    }
}
