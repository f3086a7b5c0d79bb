//! Which certificate a client sees: by SNI, by HOST, or the first. Asked with `openssl s_client` and ftplib.

use super::ftplib::python;
use crate::client::Client;
use crate::configuration::{NAME, OTHER_NAME};
use crate::server::{Runtime, Server, Setup};

on_both_runtimes! { the_chain_is_shown_and_right, sni_chooses, host_chooses }

/// What `openssl s_client` says after AUTH TLS. `options`: of its own.
pub(super) fn s_client(server: &Server, options: &[&str]) -> String {
    let said = Client::new(server, "openssl")
        .args(["s_client", "-starttls", "ftp", "-showcerts", "-verify_return_error", "-CAfile"])
        .arg(server.certificate("authority.pem"))
        .args(["-connect", &server.address().to_string()])
        .args(options)
        .input("QUIT\r\n")
        .succeed();
    format!("{}{}", said.text(), String::from_utf8_lossy(&said.errors))
}

fn the_chain_is_shown_and_right(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = s_client(&server, &[option, "-verify_ip", "127.0.0.1"]);
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
        assert!(said.contains("issuer=CN = Tests of ftpd"), "{said}");
        assert!(said.contains(version), "{said}");
    }
}

fn sni_chooses(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    for (asked, shown) in [(NAME, NAME), (OTHER_NAME, OTHER_NAME), ("nobody.example.org", NAME)] {
        let said = s_client(&server, &["-servername", asked]);
        assert!(said.contains(&format!("subject=CN = {shown}\n")), "{asked}: {said}");
    }
    let said = s_client(&server, &["-noservername"]);
    assert!(said.contains(&format!("subject=CN = {NAME}\n")), "{said}");
}

fn host_chooses(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    python(&server, "host_chooses", "1.3");
}
