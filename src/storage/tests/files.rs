//! Names, removing, renaming, attributes, and things that are no files.

use super::*;
use ftp_proto::host::{Kind, Wanted};
use ftp_proto::time::UnixTime;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

#[test]
fn the_longest_and_strangest_names_work() {
    both(|world| {
        for name in
            [&[b'x'; 255][..], b"\xff\xfe \"quoted\"", b" ", b"...", b"-rf", "\u{e4}\u{4e16}".as_bytes()]
        {
            let target = path(name);
            let mut file = world.storage.create(&target, OVER).unwrap();
            file.write_at(0, b"1").unwrap();
            file.finish(true).unwrap();
            assert_eq!(std::fs::read(world.at(std::ffi::OsStr::from_bytes(name))).unwrap(), b"1");
            assert_eq!(world.storage.metadata(&target).unwrap().size, 1);
            world.storage.rename(&target, &path([name.split_at(1).0, b"2"].concat()), false).unwrap();
        }
    });
}

#[test]
fn a_pipe_is_refused_and_does_not_block() {
    both(|world| {
        let status = std::process::Command::new("mkfifo").arg(world.at("pipe")).status().unwrap();
        assert!(status.success());
        let _socket = std::os::unix::net::UnixListener::bind(world.at("socket")).unwrap();
        for name in ["pipe", "socket"] {
            assert_eq!(failed(world.storage.open(&path(name))), StorageError::Denied);
            for how in [OVER, Create::Append, Create::Resume { at: 1 }] {
                assert_eq!(failed(world.create(name, how)), StorageError::Denied);
            }
            assert_eq!(failed(world.storage.set_permissions(&path(name), 0o777)), StorageError::Denied);
            let _ = world.storage.set_modified(&path(name), UnixTime::from_seconds(1));
            assert_eq!(world.storage.metadata(&path(name)).unwrap().kind, Kind::Other);
        }
    });
    both_direct(|world| {
        std::process::Command::new("mkfifo").arg(world.at("pipe")).status().unwrap();
        assert_eq!(failed(world.create("pipe", OVER)), StorageError::Denied);
    });
}

#[test]
fn directories_are_not_files_and_files_are_not_directories() {
    both(|world| {
        world.storage.create_dir(&path("d")).unwrap();
        world.write("f", b"1");
        let storage = &world.storage;
        assert_eq!(failed(storage.open(&path("d"))), StorageError::IsADirectory);
        assert_eq!(failed(storage.open(&path("/"))), StorageError::IsADirectory);
        assert_eq!(failed(world.create("d", OVER)), StorageError::IsADirectory);
        assert_eq!(failed(world.create("/", OVER)), StorageError::IsADirectory);
        assert_eq!(failed(storage.remove_file(&path("d"))), StorageError::IsADirectory);
        assert_eq!(failed(storage.remove_dir(&path("f"))), StorageError::NotADirectory);
        assert_eq!(failed(storage.read_dir(&path("f"), Wanted::Names)), StorageError::NotADirectory);
        assert_eq!(failed(storage.read_dir(&path("f/x"), Wanted::Names)), StorageError::NotFound);
        assert_eq!(failed(storage.read_dir(&path("n"), Wanted::Names)), StorageError::NotFound);
        assert_eq!(failed(storage.open(&path("f/x"))), StorageError::NotFound);
        assert_eq!(failed(storage.metadata(&path("f/x"))), StorageError::NotFound);
        assert_eq!(failed(storage.create_dir(&path("f/x"))), StorageError::NotFound);
        assert_eq!(failed(storage.create_dir(&path("f"))), StorageError::AlreadyExists);
        assert_eq!(failed(storage.create_dir(&path("/"))), StorageError::AlreadyExists);
        assert_eq!(failed(storage.remove_dir(&path("/"))), StorageError::Denied);
        assert!(storage.metadata(&path("/")).unwrap().is_dir());
        world.write("d/x", b"1");
        assert_eq!(failed(storage.remove_dir(&path("d"))), StorageError::NotEmpty);
        storage.remove_file(&path("d/x")).unwrap();
        storage.remove_dir(&path("d")).unwrap();
        assert_eq!(failed(storage.remove_file(&path("d"))), StorageError::NotFound);
    });
}

#[test]
fn removing_a_link_leaves_what_it_leads_to() {
    both(|world| {
        world.storage.create_dir(&path("d")).unwrap();
        world.write("f", b"1");
        world.link("d", "to-d");
        world.link("f", "to-f");
        assert_eq!(failed(world.storage.remove_dir(&path("to-d"))), StorageError::NotADirectory);
        world.storage.remove_file(&path("to-d")).unwrap();
        world.storage.remove_file(&path("to-f")).unwrap();
        assert!(world.at("d").is_dir() && world.at("f").is_file());
    });
}

#[test]
fn renaming_replaces_files_only_and_only_if_asked() {
    both(|world| {
        let rename = |from: &str, to: &str, replace| world.storage.rename(&path(from), &path(to), replace);
        world.write("a", b"a");
        world.write("b", b"b");
        for name in ["d", "e", "d/in"] {
            std::fs::create_dir(world.at(name)).unwrap();
        }
        assert_eq!(rename("a", "b", false), Err(StorageError::AlreadyExists));
        assert_eq!(world.read("b"), b"b");
        rename("a", "b", true).unwrap();
        assert_eq!(world.read("b"), b"a");
        assert_eq!(rename("b", "e", true), Err(StorageError::AlreadyExists));
        assert_eq!(rename("d", "e", true), Err(StorageError::AlreadyExists));
        assert_eq!(rename("d", "e", false), Err(StorageError::AlreadyExists));
        assert_eq!(rename("d", "d/in/d", false), Err(StorageError::BadName));
        assert_eq!(rename("n", "m", true), Err(StorageError::NotFound));
        assert_eq!(rename("b", "n/m", true), Err(StorageError::NotFound));
        assert_eq!(rename("/", "m", true), Err(StorageError::Denied));
        assert_eq!(rename("b", "/", true), Err(StorageError::AlreadyExists));
        rename("d", "moved", false).unwrap();
        rename("b", "moved/in/b", false).unwrap();
        assert_eq!(world.read("moved/in/b"), b"a");
    });
}

#[test]
fn a_link_that_leads_nowhere_can_be_renamed() {
    both(|world| {
        world.link("nowhere", "dangling");
        world.storage.rename(&path("dangling"), &path("still"), false).unwrap();
        assert_eq!(world.storage.metadata(&path("still")).unwrap().kind, Kind::Link);
        assert_eq!(failed(world.storage.open(&path("still"))), StorageError::NotFound);
    });
}

#[test]
fn times_and_permissions_are_set() {
    both(|world| {
        world.write("f", b"1");
        std::fs::create_dir(world.at("d")).unwrap();
        for time in [
            UnixTime { seconds: 1_000_000_000, nanos: 500_000_000 },
            UnixTime { seconds: -86_401, nanos: 250_000_000 },
        ] {
            for name in ["f", "d"] {
                world.storage.set_modified(&path(name), time).unwrap();
                assert_eq!(world.storage.metadata(&path(name)).unwrap().modified, time);
            }
        }
        world.storage.set_permissions(&path("f"), 0o7640).unwrap();
        assert_eq!(std::fs::metadata(world.at("f")).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(failed(world.storage.set_permissions(&path("n"), 0o600)), StorageError::NotFound);
        assert_eq!(
            failed(world.storage.set_modified(&path("n"), UnixTime::default())),
            StorageError::NotFound
        );
    });
}

#[test]
fn metadata_tells_all_the_system_knows() {
    both(|world| {
        world.write("f", b"12345");
        let real = std::fs::metadata(world.at("f")).unwrap();
        let seen = world.storage.metadata(&path("f")).unwrap();
        assert_eq!((seen.kind, seen.size, seen.links), (Kind::File, 5, 1));
        assert_eq!(seen.unique, Some((real.dev(), real.ino())));
        assert_eq!(seen.modified.seconds, real.mtime());
        let created = real.created().ok().map(|time| time.duration_since(std::time::UNIX_EPOCH).unwrap());
        let seen_created = seen.created.map(|time| (time.seconds, time.nanos));
        assert_eq!(
            seen_created,
            created.map(|time| (time.as_secs().try_into().unwrap(), time.subsec_nanos()))
        );
        assert_eq!(seen.mode, Some(real.mode() & 0o7777));
        assert_eq!(seen.owner.as_deref(), Some(real.uid().to_string().as_str()));
    });
}

#[test]
fn a_root_that_is_no_directory_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("f"), b"").unwrap();
    for open in [DiskStorage::open, DiskStorage::open_portable] {
        for name in ["f", "missing"] {
            open(&directory.path().join(name), Options::default()).unwrap_err();
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_cached_is_answered_at_once_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "alpha").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("out")).unwrap();
    let storage = super::DiskStorage::open(folder.path(), super::Options::for_account("u")).unwrap();
    let path = |name: &str| ftp_proto::path::VirtualPath::new(name.as_bytes()).unwrap();
    assert_eq!(storage.metadata_now(&path("/a")).unwrap().size, 5);
    let mut file = storage.open_now(&path("/a")).unwrap();
    let mut buffer = [0; 9];
    assert_eq!(file.read_at(1, &mut buffer).unwrap(), 4);
    for name in ["/", "/none", "/out", "/.ftpd-part-0000000000000000"] {
        assert!(storage.open_now(&path(name)).is_none(), "{name}");
    }
}
