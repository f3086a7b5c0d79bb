//! A large file under TLS, both ways. Without optimisation the cryptography is slow, so a debug build moves less.

use crate::client::Client;
use crate::samples;
use crate::server::{PASSWORD, Runtime, Setup, USER};
use std::fs::File;
use std::io::Write;

on_both_runtimes! { up_and_down }

const LENGTH: usize = if cfg!(debug_assertions) { 256 << 20 } else { 1 << 30 };

fn up_and_down(runtime: Runtime) {
    let server = Setup::new(runtime).secured("").start();
    let piece = samples::bytes((1 << 20) + 17);
    let mut file = File::create(server.work("large")).unwrap();
    let mut left = LENGTH;
    while left > 0 {
        let part = &piece[..piece.len().min(left)];
        file.write_all(part).unwrap();
        left -= part.len();
    }
    let script = r#"
        set -e
        curl -sS --ssl-reqd --cacert "$1" -u "$2" -T large "$3"
        cmp large "$4"
        curl -sS --ssl-reqd --cacert "$1" -u "$2" "$3" | cmp - large
    "#;
    Client::new(&server, "sh")
        .args(["-c", script, "sh"])
        .arg(server.certificate("authority.pem"))
        .args([&format!("{USER}:{PASSWORD}"), &server.url("there")])
        .arg(server.path("there"))
        .succeed();
    server.assert_sessions(2);
}
