//! What the system refuses to ordinary users: the tests become one if they run as root.

use super::*;
use ftp_proto::host::{Kind, Wanted};
use ftp_proto::time::UnixTime;
use rustix::process::{Gid, Uid};
use std::os::unix::fs::PermissionsExt as _;

/// Runs a test on both jails, in a thread that has no privileges.
fn both_unprivileged(test: impl Fn(World) + Send) {
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                let (user, group) = (Uid::from_raw(65_534), Gid::from_raw(65_534));
                rustix::thread::set_thread_groups(&[]).unwrap();
                rustix::thread::set_thread_res_gid(group, group, group).unwrap();
                rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            }
            both(test);
        });
        run.join().unwrap();
    });
}

fn set_mode(world: &World, name: &str, mode: u32) {
    std::fs::set_permissions(world.at(name), std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_the_system_denies_is_denied() {
    both_unprivileged(|world| {
        world.write("f", b"1");
        set_mode(&world, "f", 0);
        assert_eq!(failed(world.storage.open(&path("f"))), StorageError::Denied);
        assert_eq!(failed(world.create("f", Create::Append)), StorageError::Denied);
        assert_eq!(world.storage.metadata(&path("f")).unwrap().size, 1);
        std::fs::create_dir(world.at("d")).unwrap();
        world.write("d/f", b"1");
        set_mode(&world, "d", 0o500);
        assert_eq!(failed(world.create("d/new", OVER)), StorageError::Denied);
        assert_eq!(failed(world.storage.remove_file(&path("d/f"))), StorageError::Denied);
        assert_eq!(failed(world.storage.create_dir(&path("d/e"))), StorageError::Denied);
        set_mode(&world, "d", 0);
        assert_eq!(failed(world.storage.read_dir(&path("d"), Wanted::Facts)), StorageError::Denied);
        assert_eq!(failed(world.storage.metadata(&path("d/f"))), StorageError::Denied);
        set_mode(&world, "d", 0o700);
    });
}

#[test]
fn a_directory_that_may_not_be_searched_still_lists_kinds() {
    both_unprivileged(|world| {
        std::fs::create_dir_all(world.at("d/e")).unwrap();
        world.write("d/f", b"1");
        world.link("f", "d/l");
        set_mode(&world, "d", 0o400);
        let mut kinds = Vec::new();
        // The portable jail may not even open it.
        if let Ok(mut directory) = world.storage.read_dir(&path("d"), Wanted::Facts) {
            while let Some(entry) = directory.next_entry().unwrap() {
                kinds.push((entry.name, entry.metadata.kind));
            }
            kinds.sort_unstable_by(|(first, _), (second, _)| first.cmp(second));
            let expected = [(b"e", Kind::Directory), (b"f", Kind::File), (b"l", Kind::Link)];
            assert_eq!(kinds, expected.map(|(name, kind)| (name.to_vec(), kind)));
        }
        set_mode(&world, "d", 0o700);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_owner_changes_what_he_may_not_read() {
    both_unprivileged(|world| {
        if world.portable {
            return;
        }
        world.write("f", b"1");
        world.storage.set_permissions(&path("f"), 0).unwrap();
        world.storage.set_modified(&path("f"), UnixTime::from_seconds(7)).unwrap();
        assert_eq!(world.storage.metadata(&path("f")).unwrap().modified.seconds, 7);
        world.storage.set_permissions(&path("f"), 0o644).unwrap();
        assert_eq!(contents(&world, "f").unwrap(), b"1");
    });
}

/// A directory into which one may put what one may not list.
#[test]
fn a_drop_box_takes_uploads() {
    both_unprivileged(|world| {
        std::fs::create_dir(world.at("box")).unwrap();
        set_mode(&world, "box", 0o300);
        let uploaded = world.upload("box/f", OVER, b"1", true);
        set_mode(&world, "box", 0o700);
        if !world.portable {
            uploaded.unwrap();
            assert_eq!(world.read("box/f"), b"1");
        }
    });
}
