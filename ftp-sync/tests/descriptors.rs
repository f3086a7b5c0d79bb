//! What a server leaves behind. One test, since descriptors and threads belong to the whole process.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Client, connect, eventually, open_to_all, serve, settings};
use ftp_proto::testing::MemoryStorage;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn descriptors() -> usize {
    count("/proc/self/fd")
}

#[test]
fn a_stopped_server_leaves_no_thread_and_no_descriptor_behind() {
    let (before, threads) = (descriptors(), count("/proc/self/task"));
    let storage = MemoryStorage::new().file("/a.txt", "text").zeros("/big", 1 << 40);
    let server = serve(settings(3), open_to_all(&storage), Arc::new(()));
    let empty_server = descriptors();

    let mut idle: Vec<Client> = (0..100).map(|_| Client::login(&server)).collect();
    let mut thread_reserve = 0;
    eventually("an idle session has one descriptor, and each waiting thread one in reserve", || {
        thread_reserve = descriptors() - empty_server;
        thread_reserve <= 2 * idle.len() + 2
    });
    for client in &mut idle {
        assert_eq!(client.fetch("RETR a.txt"), b"text");
    }
    eventually("nothing of the transfers is left", || descriptors() <= empty_server + 2 * idle.len() + 2);

    // Sessions in every state.
    let mut waiting = Client::login(&server);
    waiting.passive_port();
    let mut ready = Client::login(&server);
    let _ready = ready.passive();
    let mut moving = Client::login(&server);
    let _moving = moving.passive();
    moving.command("RETR big", "150");
    let mut lost = Client::login(&server);
    let data = lost.passive();
    lost.command("RETR big", "150");
    drop((data, lost));
    let _stray = connect(SocketAddr::from(([127, 0, 0, 1], *server.passive_ports().first().unwrap())));

    let handle = server.handle();
    server.stop(Duration::ZERO);
    assert_eq!(handle.sessions(), 0);
    drop((handle, idle, waiting, ready, _ready, moving, _moving, _stray));
    eventually("all descriptors are back", || descriptors() == before);
    eventually("all threads are gone", || count("/proc/self/task") == threads);
}
