//! Python's ftplib, which most scripts use. The cases themselves are Python: `ftplib.py`.

use crate::client::Client;
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! {
    lists, passive, active, passive_over_ipv6, active_over_ipv6, active_by_lprt, active_by_lprt_over_ipv6, resumes_a_download, resumes_an_upload, appends,
    resumes_a_broken_upload, renames_and_deletes, text, aborts, errors_are_permanent,
    profile_by_network, digests, parts_by_range, copies_and_trees, shortens_the_idle_time, sets_a_umask, sees_its_own_sessions,
}

fn python(server: &Server, case: &str) {
    let script = include_str!("ftplib.py");
    let client =
        Client::new(server, "python3").args(["-", case, &server.host(), &server.port(), USER, PASSWORD]);
    client.input(script).succeed();
}

fn lists(runtime: Runtime) {
    python(&Server::start(runtime), "lists");
}

fn passive(runtime: Runtime) {
    python(&Server::start(runtime), "passive");
}

fn active(runtime: Runtime) {
    python(&Server::start(runtime), "active");
}

fn passive_over_ipv6(runtime: Runtime) {
    python(&Setup::new(runtime).ipv6().start(), "passive");
}

fn active_over_ipv6(runtime: Runtime) {
    python(&Setup::new(runtime).ipv6().start(), "active");
}

fn active_by_lprt(runtime: Runtime) {
    python(&Server::start(runtime), "active_by_lprt");
}

fn active_by_lprt_over_ipv6(runtime: Runtime) {
    python(&Setup::new(runtime).ipv6().start(), "active_by_lprt");
}

fn resumes_a_download(runtime: Runtime) {
    python(&Server::start(runtime), "resumes_a_download");
}

fn resumes_an_upload(runtime: Runtime) {
    python(&Server::start(runtime), "resumes_an_upload");
}

fn appends(runtime: Runtime) {
    python(&Server::start(runtime), "appends");
}

fn resumes_a_broken_upload(runtime: Runtime) {
    python(&Server::start(runtime), "resumes_a_broken_upload");
}

fn renames_and_deletes(runtime: Runtime) {
    python(&Server::start(runtime), "renames_and_deletes");
}

fn text(runtime: Runtime) {
    let server = Server::start(runtime);
    python(&server, "text");
    assert_eq!(server.get("text"), b"one\ntwo\n");
}

fn aborts(runtime: Runtime) {
    python(&Server::start(runtime), "aborts");
}

fn errors_are_permanent(runtime: Runtime) {
    python(&Server::start(runtime), "errors_are_permanent");
}

/// A device profile that holds for this network, and what the log says of it.
fn profile_by_network(runtime: Runtime) {
    let plain = "control = \"allow\"\ndata = \"allow\"\n";
    let profiles = "[[profile]]\nuse = \"camera\"\nnetworks = \"127.0.0.0/8\"\nallo = 202\n\
                    [[profile]]\nname = \"elsewhere\"\nnetworks = \"192.0.2.0/24\"\nlist = \"dos\"\n\
                    [[profile]]\nname = \"old program\"\nsoftware = \"Old\"\nlist = \"dos\"\nactive_address = \"control-peer\"\n";
    let server = Setup::new(runtime).secured(plain).sections(profiles).start();
    python(&server, "profile");
    server.wait_for_log("device profiles apply", 2);
    let log = server.log();
    assert!(log.contains("profiles=camera") && log.contains("profiles=\"camera, old program\""), "{log}");
    assert!(!log.contains("elsewhere"), "{log}");
}

fn digests(runtime: Runtime) {
    python(&Server::start(runtime), "digests");
}

fn parts_by_range(runtime: Runtime) {
    python(&Server::start(runtime), "parts_by_range");
}

fn copies_and_trees(runtime: Runtime) {
    python(&Server::start(runtime), "copies_and_trees");
}

fn shortens_the_idle_time(runtime: Runtime) {
    python(&Server::start(runtime), "shortens_the_idle_time");
}

fn sets_a_umask(runtime: Runtime) {
    python(&Server::start(runtime), "sets_a_umask");
}

fn sees_its_own_sessions(runtime: Runtime) {
    python(&Server::start(runtime), "sees_its_own_sessions");
}
