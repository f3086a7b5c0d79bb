//! Virtual hosts: by the name in the handshake with curl and `openssl s_client`, by HOST and by `host|user` with ftplib.

use super::names::s_client;
use crate::client::Client;
use crate::configuration::HOSTS;
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};
use std::net::SocketAddr;

on_both_runtimes! {
    curl_finds_each_host_by_its_name, the_greeting_under_implicit_tls_is_the_hosts,
    a_login_counts_on_its_host_alone, by_host_and_before_the_user_name,
}

/// curl, which calls the server by this name and checks the certificate for it.
fn curl(server: &Server, name: &str, address: SocketAddr, password: &str) -> Client {
    let login = format!("{USER}:{password}");
    let resolve = format!("{name}:{}:{}", address.port(), address.ip());
    Client::new(server, "curl")
        .args(["-sSv", "--max-time", "60", "--ssl-reqd", "--resolve", &resolve, "-u", &login, "--cacert"])
        .arg(server.certificate("authority.pem"))
}

fn curl_finds_each_host_by_its_name(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").hosts().start();
    for (name, own) in HOSTS {
        for (scheme, address) in [("ftp", server.address()), ("ftps", server.implicit_address())] {
            let url = format!("{scheme}://{name}:{}/whose", address.port());
            let got = curl(&server, name, address, own).arg(url).succeed();
            assert_eq!(got.text(), own, "{scheme} {name}");
        }
    }
    // By an address there is no name in the handshake: the server itself.
    server.put("whose", b"itself");
    let got = curl(&server, "127.0.0.1", server.address(), PASSWORD).arg(server.url("whose")).succeed();
    assert_eq!(got.text(), "itself");
    let log = server.log();
    for (name, _) in HOSTS {
        let line = |line: &&str| line.contains("logged in") && line.contains(&format!("host={name}"));
        assert_eq!(log.lines().filter(line).count(), 2, "{log}");
    }
}

fn the_greeting_under_implicit_tls_is_the_hosts(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").hosts().start();
    for (name, own) in HOSTS {
        let said = Client::new(&server, "openssl")
            .args([
                "s_client",
                "-quiet",
                "-verify_return_error",
                "-verify_hostname",
                name,
                "-servername",
                name,
            ])
            .args(["-connect", &server.implicit_address().to_string(), "-CAfile"])
            .arg(server.certificate("authority.pem"))
            .input("QUIT\r\n")
            .succeed();
        assert!(said.text().starts_with(&format!("220 This is {own}.\r\n")), "{name}: {}", said.text());
    }
    // Where it begins in the clear nobody knows yet who will be asked for.
    assert!(
        s_client(&server, &["-servername", HOSTS[1].0]).contains(&format!("subject=CN = {}\n", HOSTS[1].0))
    );
}

fn a_login_counts_on_its_host_alone(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").hosts().start();
    let [(name, _), (_, foreign)] = HOSTS;
    for password in [foreign, PASSWORD] {
        let url = format!("ftp://{name}:{}/whose", server.address().port());
        let refused = curl(&server, name, server.address(), password).arg(url).run();
        assert_eq!(refused.status.code(), Some(67), "{password}: {}", refused.everything());
    }
}

fn by_host_and_before_the_user_name(runtime: Runtime) {
    let server = Setup::new(runtime).secured("control = \"allow\"\ndata = \"allow\"\n").hosts().start();
    server.put("whose", b"itself");
    let hosts = HOSTS.map(|(name, own)| format!("{name}={own}"));
    Client::new(&server, "python3")
        .args(["-", &server.host(), &server.port(), USER, PASSWORD])
        .args(hosts)
        .input(include_str!("hosts.py"))
        .succeed();
}
