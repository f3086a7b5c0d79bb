//! A kill at any moment, and many uploads at once: what has a name is complete.

use super::*;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Tells the program of this test that it is the one to be killed, and where.
const ROOT: &str = "FTPD_TEST_KILLED_IN";
const LENGTH: usize = 256 * 1024;

/// One upload of `LENGTH` times the same letter, in pieces.
fn upload(storage: &DiskStorage, name: &str, letter: u8) -> Result<(), StorageError> {
    let mut file = storage.create(&path(name), OVER)?;
    for piece in 0..4 {
        let length = LENGTH / 4;
        file.write_at(u64::try_from(piece * length).unwrap(), &vec![letter; length])?;
    }
    file.finish(true)
}

fn assert_whole(bytes: &[u8]) {
    assert_eq!(bytes.len(), LENGTH);
    assert!(bytes.iter().all(|byte| Some(byte) == bytes.first()), "two uploads in one file");
}

/// Not a test by itself: what the other one starts and kills.
#[test]
fn uploads_until_it_is_killed() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let storage = DiskStorage::open(Path::new(&root), Options::for_account("anna")).unwrap();
    for letter in (b'a'..=b'z').cycle() {
        upload(&storage, "file", letter).unwrap();
    }
}

#[test]
fn a_killed_server_leaves_no_half_file() {
    let world = World::new(false, Options::for_account("anna"));
    for try_number in 0..8 {
        let mut server = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "storage::tests::kills::uploads_until_it_is_killed"])
            .env(ROOT, world.at(""))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !world.at("file").exists() {
            assert_eq!(server.try_wait().unwrap(), None, "it must run until it is killed");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(10 + try_number));
        server.kill().unwrap();
        server.wait().unwrap();
        assert_whole(&world.read("file"));
        // The next start is clean: whatever is left is unlocked, can be continued, and goes.
        assert!(world.parts("").len() <= 1);
        std::fs::remove_file(world.at("file")).unwrap();
        let part = world.create("file", Create::Append).unwrap();
        assert!(part.start() <= u64::try_from(LENGTH).unwrap());
        part.finish(false).unwrap();
        world.storage.sweep(Duration::ZERO).unwrap();
        assert!(world.parts("").is_empty());
    }
}

/// Uploads, removals and sweeps of one name by one account from many threads: a part that was published
/// while another opened it is not written to any more.
#[test]
fn uploads_to_one_name_at_once_never_mix() {
    both(|world| {
        std::thread::scope(|scope| {
            for letter in b'a'..b'e' {
                let world = &world;
                scope.spawn(move || {
                    let mut done = 0;
                    while done < 25 {
                        match upload(&world.storage, "file", letter) {
                            Ok(()) => done += 1,
                            Err(StorageError::Busy) => std::thread::yield_now(),
                            Err(error) => panic!("{error}"),
                        }
                        if let Ok(bytes) = contents(world, "file") {
                            assert_whole(&bytes);
                        }
                        if done % 8 == 7 {
                            let _ = world.storage.remove_file(&path("file"));
                            world.storage.sweep(Duration::ZERO).unwrap();
                        }
                    }
                });
            }
        });
        upload(&world.storage, "file", b'z').unwrap();
        assert_whole(&world.read("file"));
        assert!(world.parts("").is_empty());
    });
}
