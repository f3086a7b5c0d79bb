//! What the program tells people to type works when they paste it.

use crate::client::Client;
use crate::server::{Runtime, Server, Setup};

on_both_runtimes! { for_guests, for_guests_under_tls, for_a_user, for_a_user_under_tls }

fn for_guests(runtime: Runtime) {
    try_all(&Setup::new(runtime).anonymous().start(), 2);
}

fn for_guests_under_tls(runtime: Runtime) {
    try_all(&Setup::new(runtime).anonymous().tls().start(), 2);
}

fn for_a_user(runtime: Runtime) {
    try_all(&Setup::new(runtime).makes_password().start(), 3);
}

fn for_a_user_under_tls(runtime: Runtime) {
    try_all(&Setup::new(runtime).makes_password().tls().start(), 3);
}

fn try_all(server: &Server, count: usize) {
    server.put("there", b"content");
    server.give("FILE", b"sent");
    let commands = server.suggested_commands();
    assert_eq!(commands.len(), count, "{commands:?}");
    for command in &commands {
        // lftp goes on to ask what to do.
        let said = Client::new(server, "sh").args(["-c", command]).input("cls\nbye\n").succeed();
        let (text, errors) = (said.text(), String::from_utf8_lossy(&said.errors).into_owned());
        assert!(command.contains("-T FILE") || text.contains("there"), "{command}\n{text}{errors}");
        assert!(!errors.contains("ertificate"), "{command}\n{errors}");
    }
    if count == 3 {
        assert_eq!(server.get("FILE"), b"sent");
    }
}
