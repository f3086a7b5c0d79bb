//! Python's ftplib with OpenSSL. It resumes sessions only for those who add a few lines, as here. The cases themselves
//! are Python: `ftplib.py`.

use crate::client::Client;
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! {
    fifty_transfers, fifty_transfers_implicit, fifty_transfers_by_one_session, without_resumption_is_refused,
    without_resumption_is_allowed, files_of_every_size, closes_right_after_sending, closes_without_a_word,
    leaves_tls_on_the_control_connection, a_stranger_with_a_session_of_its_own_gets_nothing,
}

const VERSIONS: [&str; 2] = ["1.2", "1.3"];

/// Runs a case and fails unless it succeeds.
pub(super) fn python(server: &Server, case: &str, version: &str) {
    Client::new(server, "python3")
        .args(["-", case, version, &server.host(), &server.port()])
        .arg(server.implicit_address().port().to_string())
        .args([USER, PASSWORD])
        .arg(server.certificate("authority.pem"))
        .arg(server.path(""))
        .input(include_str!("ftplib.py"))
        .succeed();
}

/// A case in both versions at once, with these lines below `[tls]`; what became of the servers is the caller's to see.
fn both(runtime: Runtime, lines: &str, case: &str) -> Vec<Server> {
    let run = |version| {
        let server = Setup::new(runtime).secured(lines).start();
        python(&server, case, version);
        server
    };
    std::thread::scope(|scope| {
        let [old, new] = VERSIONS.map(|version| scope.spawn(move || run(version)));
        [old, new].map(|thread| thread.join().expect("the case succeeds")).into()
    })
}

/// The same, with a look at whether all data connections resumed over the one control connection.
fn both_resuming(runtime: Runtime, lines: &str, case: &str) {
    both(runtime, lines, case).iter().for_each(|server| server.assert_sessions(1));
}

fn fifty_transfers(runtime: Runtime) {
    both_resuming(runtime, "", "fifty_transfers");
}

fn fifty_transfers_implicit(runtime: Runtime) {
    both_resuming(runtime, "", "fifty_transfers_implicit");
}

fn fifty_transfers_by_one_session(runtime: Runtime) {
    both_resuming(runtime, "", "fifty_transfers_by_one_session");
}

fn without_resumption_is_refused(runtime: Runtime) {
    both(runtime, "", "without_resumption_is_refused");
}

fn without_resumption_is_allowed(runtime: Runtime) {
    for server in both(runtime, "data_resumption = \"warn\"", "without_resumption_is_allowed") {
        server.wait_for_log("data connection not resumed", 3);
    }
    for server in both(runtime, "data_resumption = \"off\"", "without_resumption_is_allowed") {
        server.wait_for_log(" session closed ", 1);
        assert!(!server.log().contains("not resumed"));
    }
}

fn files_of_every_size(runtime: Runtime) {
    both_resuming(runtime, "", "files_of_every_size");
}

/// This is where bytes get lost if the server answers a handshake with tickets that the client never reads.
fn closes_right_after_sending(runtime: Runtime) {
    both_resuming(runtime, "close_notify = \"tolerate\"", "two_hundred_uploads_closed_at_once");
    both_resuming(runtime, "close_notify = \"expect\"", "two_hundred_uploads_closed_at_once");
}

fn closes_without_a_word(runtime: Runtime) {
    both(runtime, "close_notify = \"require\"", "an_upload_closed_at_once_is_incomplete");
    // Who has been heard to say it is expected to say it again.
    both(runtime, "close_notify = \"expect\"", "an_upload_closed_otherwise_than_before_is_incomplete");
}

fn leaves_tls_on_the_control_connection(runtime: Runtime) {
    for server in both(runtime, super::CCC, "leaves_tls_on_the_control_connection") {
        server.wait_for_log("TLS left on the control connection", 1);
        server.assert_sessions(1);
    }
}

fn a_stranger_with_a_session_of_its_own_gets_nothing(runtime: Runtime) {
    both(runtime, "", "a_stranger_with_a_session_of_its_own_gets_nothing");
}
