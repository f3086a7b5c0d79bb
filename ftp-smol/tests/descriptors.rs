//! What sessions cost and what a server leaves behind. One test, since descriptors, threads and memory belong to
//! the whole process.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

// The client is that of the other adapter's tests; here it gets this one.
extern crate ftp_smol as ftp_sync;

#[path = "../../ftp-sync/tests/common/mod.rs"]
mod common;

use common::{Client, connect, eventually, open_to_all, serve, settings};
use ftp_proto::config::{Limits, Settings};
use ftp_proto::testing::MemoryStorage;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn descriptors() -> usize {
    count("/proc/self/fd")
}

/// The threads of servers, executors and workers; that of the reactor belongs to the process.
fn threads() -> usize {
    let is_of_server = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("ftp-smol"))
    };
    std::fs::read_dir("/proc/self/task").unwrap().flatten().filter(is_of_server).count()
}

/// Memory of this process in KiB.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn sessions_cost_little_and_a_stopped_server_leaves_nothing_behind() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let storage = MemoryStorage::new().file("/a.txt", "text").zeros("/big", 1 << 40);
    let limits = Limits {
        sessions: 2000,
        sessions_per_address: 2000,
        unauthenticated: 2000,
        unauthenticated_per_address: 2000,
        ..Limits::default()
    };
    let serve = || serve(Settings { limits, ..settings(3) }, open_to_all(&storage), Arc::new(()));
    // The reactor stays for the life of the process.
    let server = serve();
    assert_eq!(Client::login(&server).fetch("RETR a.txt"), b"text");
    server.stop(Duration::ZERO);
    let before = descriptors();
    assert_eq!(threads(), 0);

    let server = serve();
    let (empty_server, empty_memory) = (descriptors(), memory());
    let mut idle: Vec<Client> = (0..1000).map(|_| Client::login(&server)).collect();
    eventually("an idle session has one descriptor", || descriptors() == empty_server + 2 * idle.len());
    let grown = memory() - empty_memory;
    assert!(grown < 8 << 10, "{grown} KiB for 1,000 sessions and their clients");
    for client in idle.iter_mut().take(100) {
        assert_eq!(client.fetch("RETR a.txt"), b"text");
    }
    eventually("nothing of the transfers is left", || descriptors() == empty_server + 2 * idle.len());

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
    assert_eq!(threads(), 0);
    drop((handle, idle, waiting, ready, _ready, moving, _moving, _stray));
    eventually("all descriptors are back", || descriptors() == before);
}
