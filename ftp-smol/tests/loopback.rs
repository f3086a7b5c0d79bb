//! Real sockets on loopback. Every case of the other adapter is one of this: only what differs stands here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

// The cases name the adapter they were written for; here they get this one.
extern crate ftp_smol as ftp_sync;

#[path = "../../ftp-sync/tests/loopback.rs"]
mod both;

use both::common::disk::Disk;
use both::common::{Client, PATIENCE, connect, eventually, open_to_all, serve, settings};
use ftp_proto::account::{Account, Credentials, LoginError, Rights, RightsByPath};
use ftp_proto::host::{Accounts, Create, Directory, File, Metadata, Storage, StorageError, Wanted};
use ftp_proto::path::VirtualPath;
use ftp_proto::testing::MemoryStorage;
use ftp_proto::time::UnixTime;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A file of this size, all of it a hole.
fn hole(folder: &tempfile::TempDir, name: &str, len: u64) {
    std::fs::File::create(folder.path().join(name)).unwrap().set_len(len).unwrap();
}

#[test]
fn large_transfers_do_not_hold_up_other_sessions() {
    let folder = tempfile::tempdir().unwrap();
    hole(&folder, "large", 256 << 20);
    let one = |server: ftp_smol::Options| ftp_smol::Options {
        control: vec!["127.0.0.1:0".parse().unwrap()],
        executors: Some(1),
        ..server
    };
    let config = Arc::new(settings(2).validate().unwrap());
    let options = one(ftp_smol::Options::new(config, Arc::new(Disk(folder.path().into()))));
    let server = ftp_smol::start(options).unwrap();
    let mut other = Client::login(&server);
    std::thread::scope(|scope| {
        let fetch = || {
            let mut client = Client::login(&server);
            let mut data = client.passive();
            client.command("RETR large", "150");
            let mut buffer = vec![0; 1 << 16];
            let mut len = 0;
            while let Ok(count @ 1..) = data.read(&mut buffer) {
                len += count;
            }
            client.expect("226");
            len
        };
        let transfers: Vec<_> = (0..4).map(|_| scope.spawn(fetch)).collect();
        let mut answers = 0;
        while !transfers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let begin = Instant::now();
            other.command("NOOP", "200");
            assert!(begin.elapsed() < Duration::from_secs(2));
            answers += 1;
        }
        assert!(answers > 20, "{answers} answers");
        assert!(transfers.into_iter().all(|transfer| transfer.join().unwrap() == 256 << 20));
    });
}

#[test]
fn clients_that_do_not_read_hold_no_thread() {
    let folder = tempfile::tempdir().unwrap();
    hole(&folder, "large", 1 << 30);
    hole(&folder, "small", 1 << 20);
    let server = serve(settings(2), Disk(folder.path().into()), Arc::new(()));
    let stalled: Vec<_> = (0..300)
        .map(|_| {
            let mut client = Client::login(&server);
            let data = client.passive();
            client.command("RETR large", "150");
            (client, data)
        })
        .collect();
    assert_eq!(Client::login(&server).fetch("RETR small").len(), 1 << 20);
    let begin = Instant::now();
    for (mut client, data) in stalled {
        client.say("ABOR");
        client.expect("426");
        client.expect("226");
        drop(data);
    }
    assert!(begin.elapsed() < PATIENCE);
}

#[test]
fn more_transfers_at_once_than_threads_for_them() {
    let storage = MemoryStorage::new().zeros("/zeros", 2 << 20);
    let server = serve(settings(4), open_to_all(&storage), Arc::new(()));
    let mut transfers: Vec<_> = (0..300)
        .map(|_| {
            let mut client = Client::login(&server);
            let data = client.passive();
            client.say("RETR zeros");
            (client, data)
        })
        .collect();
    for (client, data) in &mut transfers {
        assert_eq!(client.finish_fetch(data).len(), 2 << 20);
    }
}

fn options(control: SocketAddr, ports: u16, executors: usize) -> ftp_smol::Options {
    let storage = MemoryStorage::new().file("/a.txt", "some text");
    let config = Arc::new(settings(ports).validate().unwrap());
    ftp_smol::Options {
        control: vec![control],
        executors: Some(executors),
        ..ftp_smol::Options::new(config, Arc::new(open_to_all(&storage)))
    }
}

#[test]
fn two_servers_do_not_share_an_address_by_accident() {
    let server = ftp_smol::start(options("127.0.0.1:0".parse().unwrap(), 1, 3)).unwrap();
    let address = *server.control_addrs().first().unwrap();
    let second = ftp_smol::start(options(address, 1, 3));
    assert!(matches!(second, Err(ftp_smol::StartError::Control { .. })));
    // And the first is none the worse for it.
    assert_eq!(Client::login(&server).fetch("RETR a.txt"), b"some text");
    server.stop(Duration::ZERO);
    ftp_smol::start(options(address, 1, 1)).unwrap();
}

#[test]
// req: 959-5.2-port-l
fn every_executor_serves() {
    let server = ftp_smol::start(options("127.0.0.1:0".parse().unwrap(), 2, 4)).unwrap();
    let mut clients: Vec<Client> = (0..64).map(|_| Client::login(&server)).collect();
    for client in &mut clients {
        assert_eq!(client.fetch("RETR a.txt"), b"some text");
    }
    server.stop(Duration::ZERO);
    for mut client in clients {
        client.expect("421");
        assert_eq!(client.line(), None);
    }
}

#[test]
fn new_settings_open_and_close_ports_and_no_session_notices() {
    let server = ftp_smol::start(options("127.0.0.1:0".parse().unwrap(), 3, 2)).unwrap();
    let mut client = Client::login(&server);
    let mut data = client.passive();
    for ports in [6, 1] {
        server.handle().reconfigure(Arc::new(settings(ports).validate().unwrap()));
        // A port that is to be closed stays open as long as somebody has it leased.
        let enough = usize::from(ports)..=usize::from(ports) + 1;
        eventually("the ports are open", || enough.contains(&server.passive_ports().len()));
    }
    client.say("RETR a.txt");
    assert_eq!(client.finish_fetch(&mut data), b"some text");
    eventually("one port is left", || server.passive_ports().len() == 1);
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
}

/// Its files panic when they are read, written or asked for a descriptor, as their names say.
struct Trap;

impl Storage for Trap {
    fn metadata(&self, _: &VirtualPath) -> Result<Metadata, StorageError> {
        panic!("a trap")
    }

    fn open(&self, path: &VirtualPath) -> Result<Box<dyn File>, StorageError> {
        assert!(path.name() != b"open", "a trap");
        Ok(Box::new(TrapFile))
    }

    fn create(&self, _: &VirtualPath, _: Create) -> Result<Box<dyn File>, StorageError> {
        Ok(Box::new(TrapFile))
    }

    fn read_dir(&self, _: &VirtualPath, _: Wanted) -> Result<Box<dyn Directory>, StorageError> {
        Err(StorageError::Unsupported)
    }

    fn create_dir(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn remove_file(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn remove_dir(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn rename(&self, _: &VirtualPath, _: &VirtualPath, _: bool) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn set_modified(&self, _: &VirtualPath, _: UnixTime) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }
}

struct TrapFile;

impl File for TrapFile {
    fn size(&self) -> Option<u64> {
        None
    }

    fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<usize, StorageError> {
        panic!("a trap")
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), StorageError> {
        panic!("a trap")
    }

    fn finish(self: Box<Self>, _: bool) -> Result<(), StorageError> {
        Ok(())
    }
}

impl Accounts for Trap {
    fn authenticate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        Ok(Account {
            name: credentials.user.clone(),
            storage: Arc::new(Self),
            rights: RightsByPath::everywhere(Rights::ALL),
            home: VirtualPath::root(),
        })
    }
}

#[test]
fn a_storage_that_panics_costs_its_session_at_most() {
    let server = serve(settings(1), Trap, Arc::new(()));
    let mut other = Client::login(&server);
    for command in ["RETR read", "STOR write", "RETR open"] {
        let mut client = Client::login(&server);
        let address = SocketAddr::from(([127, 0, 0, 1], client.passive_port()));
        let mut data = connect(address);
        client.say(command);
        let _ = std::io::Write::write(&mut data, b"bytes");
        drop(data);
        // Either an error or the end of the session, but an answer.
        while client.line().is_some_and(|line| line.starts_with("150")) {}
    }
    other.command("NOOP", "200");
    drop(other);
    eventually("all are gone", || server.handle().sessions() == 0);
}
