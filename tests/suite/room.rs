//! Disks that are full, and quotas that are used up: storage on disk, the ways past the pipe included.
//!
//! The disks are file systems in memory, mounted where no other process sees them; that needs root.

use crate::alone;
use crate::client::{Client, connect, pattern};
use crate::runtime::{Runtime, Setup};
use ftp_proto::account::{Account, Rights, RightsByPath};
use ftp_proto::host::{Storage, StorageError};
use ftp_proto::path::VirtualPath;
use ftp_proto::testing::MemoryAccounts;
use ftpd::storage::{DiskStorage, Limits, Options};
use std::io::Write as _;
use std::net::Shutdown;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

on_both_runtimes! {
    a_full_disk_publishes_nothing_and_the_session_goes_on, an_upload_goes_on_when_there_is_room_again,
    a_disk_without_inodes, copies_on_a_full_disk, over_the_quota_past_the_pipe, two_at_once_share_what_is_left,
}

const MIB: usize = 1 << 20;

/// A tree in which guests may do everything.
fn guests_in(storage: DiskStorage) -> Setup {
    Setup::with_accounts(MemoryAccounts::new().anonymous(Account {
        name: "anonymous".to_owned(),
        storage: Arc::new(storage),
        rights: RightsByPath::everywhere(Rights::ALL),
        home: VirtualPath::root(),
    }))
}

/// Runs `body` with a server on a disk of its own, mounted with these options.
fn on_a_disk<R: Runtime>(case: &str, options: &str, body: impl FnOnce(&R, &Path)) {
    alone::run_with_mounts::<R>(module_path!(), case, || {
        let directory = tempfile::tempdir().unwrap();
        let options = format!("mode=755,{options}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "ftpd-test"]).arg(directory.path());
        assert!(mount.status().unwrap().success(), "{options}: run these tests as root");
        let storage = DiskStorage::open(directory.path(), Options::for_account("anonymous")).unwrap();
        let server: R = guests_in(storage).tls().start();
        body(&server, directory.path());
        drop(server);
        assert!(Command::new("umount").args(["-l".as_ref(), directory.path()]).status().unwrap().success());
    });
}

/// A transfer that the server ends; what it says.
fn try_to_store(client: &mut Client, command: &str, bytes: &[u8], code: &str) -> String {
    let mut data = connect(client.epsv());
    client.say(command);
    // The server may close it in the middle.
    let _ = data.write_all(bytes);
    let _ = data.shutdown(Shutdown::Write);
    client.expect_after_mark(code)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// A zlib stream of bytes as they are (RFC 1950, RFC 1951 section 3.2.4).
fn stored_in_zlib(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut pieces = bytes.chunks(65_535).peekable();
    let (mut low, mut high) = (1u32, 0u32);
    while let Some(piece) = pieces.next() {
        let length = u16::try_from(piece.len()).unwrap();
        stream.push(u8::from(pieces.peek().is_none()));
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(&(!length).to_le_bytes());
        stream.extend_from_slice(piece);
        for &byte in piece {
            low = (low + u32::from(byte)) % 65_521;
            high = (high + low) % 65_521;
        }
    }
    stream.extend_from_slice(&(high << 16 | low).to_be_bytes());
    stream
}

fn a_full_disk_publishes_nothing_and_the_session_goes_on<R: Runtime>() {
    let case = "a_full_disk_publishes_nothing_and_the_session_goes_on";
    on_a_disk::<R>(case, "size=3m", |server, place| {
        let content: Vec<u8> = pattern(6 * MIB).into_iter().map(|byte| byte | 0x20).collect();
        let fits = &content[..2 * MIB];
        let mut client = server.login();
        let settings = [
            (&["TYPE I", "MODE S"], content.clone(), fits.to_vec()),
            (&["TYPE A", "MODE S"], content.clone(), fits.to_vec()),
            (&["TYPE I", "MODE Z"], stored_in_zlib(&content), stored_in_zlib(fits)),
        ];
        for (commands, too_much, enough) in settings {
            for command in commands {
                client.command(command, "200");
            }
            let reply = try_to_store(&mut client, "STOR up", &too_much, "452");
            assert_eq!(reply, "452 Insufficient storage space: the disk is full.", "{commands:?}");
            assert!(names(place).iter().all(|name| name.starts_with(".ftpd-part-")), "{:?}", names(place));
            // What came stays to be continued, as with any other break. Who removes it has its room back.
            client.command("DELE up", "250");
            assert_eq!(names(place), [""; 0]);
            client.store("STOR up", &enough);
            assert!(std::fs::read(place.join("up")).unwrap() == fits, "{commands:?}");
            client.command("DELE up", "250");
        }
        let mut client = server.secure_login();
        let mut data = client.begin_protected("STOR up");
        let _ = data.send(&content);
        data.close_notify();
        client.expect("452");
        client.command("DELE up", "250");
        client.store_protected("STOR up", fits);
        assert!(std::fs::read(place.join("up")).unwrap() == fits);
    });
}

fn an_upload_goes_on_when_there_is_room_again<R: Runtime>() {
    on_a_disk::<R>("an_upload_goes_on_when_there_is_room_again", "size=5m", |server, place| {
        std::fs::write(place.join("ballast"), vec![1; 2 * MIB]).unwrap();
        let content = pattern(4 * MIB);
        let mut client = server.login();
        try_to_store(&mut client, "STOR up", &content, "452");
        std::fs::remove_file(place.join("ballast")).unwrap();
        let size: usize = client.command("SIZE up", "213")[4..].parse().unwrap();
        assert!((2 * MIB..4 * MIB).contains(&size), "{size}");
        client.command(&format!("REST {size}"), "350");
        client.store("STOR up", &content[size..]);
        assert!(std::fs::read(place.join("up")).unwrap() == content);
    });
}

fn a_disk_without_inodes<R: Runtime>() {
    on_a_disk::<R>("a_disk_without_inodes", "size=4m,nr_inodes=4", |server, place| {
        let mut client = server.login();
        for name in ["one", "two", "three"] {
            client.store(&format!("STOR {name}"), b"x");
        }
        client.passive();
        // Nothing was opened, so that nothing begins.
        client.command("STOR four", "452");
        client.command("APPE four", "452");
        client.command("STOU", "452");
        client.command("MKD four", "452");
        assert_eq!(names(place), ["one", "three", "two"]);
        client.command("DELE two", "250");
        client.store("STOR four", b"y");
        client.command("DELE one", "250");
        client.command("MKD five", "257");
    });
}

fn copies_on_a_full_disk<R: Runtime>() {
    on_a_disk::<R>("copies_on_a_full_disk", "size=5m", |server, place| {
        for name in ["a", "b"] {
            std::fs::write(place.join(name), pattern(2 * MIB)).unwrap();
        }
        let mut client = server.login();
        client.say("SITE COPY a c");
        client.expect_after_mark("452");
        client.say("COMB a b");
        client.expect_after_mark("452");
        assert_eq!(names(place), ["a", "b"]);
        for name in ["a", "b"] {
            assert!(std::fs::read(place.join(name)).unwrap() == pattern(2 * MIB), "{name}");
        }
    });
}

/// A server for guests who may store so much, and a second way to their tree.
fn limited<R: Runtime>(place: &Path, bytes: usize) -> (R, DiskStorage) {
    let limits = Limits { bytes: Some(bytes as u64), files: None };
    let storage = DiskStorage::open(place, Options::for_account("anonymous")).unwrap();
    let storage = storage.with_quota(Arc::default(), limits);
    let begin = Instant::now();
    while storage.usage().unwrap().bytes.used.is_none() {
        assert!(begin.elapsed() < Duration::from_secs(30), "never counted");
        std::thread::sleep(Duration::from_millis(1));
    }
    (guests_in(storage.clone()).tls().start(), storage)
}

fn used(storage: &DiskStorage) -> Result<usize, StorageError> {
    Ok(usize::try_from(storage.usage()?.bytes.used.unwrap()).unwrap())
}

fn over_the_quota_past_the_pipe<R: Runtime>() {
    let directory = tempfile::tempdir().unwrap();
    let (server, storage) = limited::<R>(directory.path(), 40 * MIB);
    let mut client = server.login();
    let content = pattern(41 * MIB);
    let fits = &content[..40 * MIB];
    let reply = try_to_store(&mut client, "STOR up", &content, "552");
    assert_eq!(reply, format!("552 Exceeded storage allocation: {} bytes of the quota are left.", 40 * MIB));
    assert_eq!((used(&storage), names(directory.path())), (Ok(0), vec![]));
    // To the last byte.
    client.store("STOR up", fits);
    assert!(std::fs::read(directory.path().join("up")).unwrap() == fits);
    assert_eq!(used(&storage), Ok(40 * MIB));
    let reply = client.command("SITE QUOTA", "200");
    assert!(reply.contains(&format!("Bytes: {0} used, {0} allowed, 0 left", 40 * MIB)), "{reply}");
    client.passive();
    client.command("STOR another", "552");
    client.command("APPE up", "552");
    client.command("AVBL", "213 0");
    client.store("STOR up", b"less");
    assert_eq!(used(&storage), Ok(4));
    let mut client = server.secure_login();
    let mut data = client.begin_protected("STOR up");
    let _ = data.send(&content);
    data.close_notify();
    client.expect("552");
    assert_eq!((used(&storage), names(directory.path())), (Ok(4), vec!["up".to_owned()]));
}

fn two_at_once_share_what_is_left<R: Runtime>() {
    let directory = tempfile::tempdir().unwrap();
    let (server, storage) = limited::<R>(directory.path(), 30 * MIB);
    let content = pattern(20 * MIB);
    let replies: Vec<String> = std::thread::scope(|scope| {
        let store = |name: &str| {
            let (server, content, command) = (&server, &content, format!("STOR {name}"));
            scope.spawn(move || try_to_store(&mut server.login(), &command, content, ""))
        };
        ["one", "two"].map(store).map(|thread| thread.join().unwrap()).into()
    });
    let stored = replies.iter().filter(|reply| reply.starts_with("226")).count();
    assert!(stored <= 1 && replies.iter().all(|reply| ["226", "552"].contains(&&reply[..3])), "{replies:?}");
    assert_eq!((used(&storage), names(directory.path()).len()), (Ok(stored * 20 * MIB), stored));
}
