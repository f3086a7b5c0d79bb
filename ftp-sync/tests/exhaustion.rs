//! No descriptors left. A program of its own, since the limit holds for the whole process.
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

use common::{Client, PATIENCE, open_to_all, serve, settings};
use ftp_proto::event::SessionId;
use ftp_proto::notice::{Notice, Observer};
use ftp_proto::testing::MemoryStorage;
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Processor time of this process so far; the file was opened while that was still possible.
fn processor_time(stat: &std::fs::File) -> Duration {
    let mut buffer = [0; 1024];
    let count = stat.read_at(&mut buffer, 0).unwrap();
    let stat = std::str::from_utf8(&buffer[..count]).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// How often it was told that nobody can be accepted.
#[derive(Default)]
struct Told(AtomicUsize);

impl Observer for Told {
    fn notice(&self, _: Option<SessionId>, notice: &Notice) {
        if matches!(notice, Notice::AcceptFailed { .. }) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_server_without_descriptors_waits_and_goes_on() {
    let told = Arc::new(Told::default());
    let observer = Arc::clone(&told) as Arc<dyn Observer>;
    let server = serve(settings(1), open_to_all(&MemoryStorage::new().file("/a.txt", "text")), observer);
    let address = *server.control_addrs().first().unwrap();
    let mut before = Client::login(&server);
    let unused = || socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let (stray, mine) = (unused(), unused());
    let stat = std::fs::File::open("/proc/self/stat").unwrap();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(open + 40), ..limit }).unwrap();

    let mut crowd = Vec::new();
    while let Ok(client) = TcpStream::connect_timeout(&address, PATIENCE) {
        crowd.push(client);
    }
    let used = processor_time(&stat);
    std::thread::sleep(Duration::from_millis(600));
    assert!(processor_time(&stat) - used < Duration::from_millis(300), "it must not spin");
    before.command("NOOP", "200");
    assert_eq!(told.0.load(Ordering::SeqCst), 1, "the log hears of it, once a minute");

    // What could not be accepted before the port was leased is not for who leased it.
    crowd.extend(std::iter::from_fn(|| TcpStream::connect_timeout(&address, PATIENCE).ok()));
    let passive = SocketAddr::new(address.ip(), *server.passive_ports().first().unwrap());
    rustix::net::connect(&stray, &passive).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(before.passive_port(), passive.port());
    rustix::net::connect(&mine, &passive).unwrap();
    drop(crowd);
    before.say("RETR a.txt");
    assert_eq!(before.finish_fetch(&mut mine.into()), b"text");
    assert!(!matches!(TcpStream::from(stray).read(&mut [0; 64]), Ok(count) if count > 0), "it was not his");
    let mut after = Client::connect_to(address);
    after.log_in();
    assert_eq!(after.fetch("RETR a.txt"), b"text");
    assert_eq!(before.fetch("RETR a.txt"), b"text");
    setrlimit(Resource::Nofile, limit).unwrap();
}
