//! The umask that a client sets, which holds instead of the process's and of the modes that were set up.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

fn mode(world: &World, name: &str) -> u32 {
    std::fs::metadata(world.at(name)).unwrap().permissions().mode() & 0o7777
}

fn set_mode(world: &World, name: &str, mode: u32) {
    std::fs::set_permissions(world.at(name), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn new_things_have_it_and_old_ones_their_own(world: World) {
    world.write("old", b"1");
    set_mode(&world, "old", 0o604);
    // More than any usual umask of the process would leave, and less.
    for (number, umask) in [0o002, 0o077, 0o000, 0o022].into_iter().enumerate() {
        let masked = world.storage.with_umask(umask).unwrap();
        for how in [OVER, Create::New, Create::Append, Create::Resume { at: 0 }] {
            let name = format!("{number}{how:?}").replace(['{', '}'], "");
            let mut file = masked.create(&path(&name), how).unwrap();
            file.write_at(0, b"1").unwrap();
            file.finish(true).unwrap();
            assert_eq!(mode(&world, &name), 0o666 & !umask, "{name} {umask:o}");
        }
        for how in [OVER, Create::Append] {
            let file = masked.create(&path("old"), how).unwrap();
            file.finish(true).unwrap();
            assert_eq!(mode(&world, "old"), 0o604, "{how:?} {umask:o}");
        }
        let name = format!("d{number}");
        masked.create_dir(&path(&name)).unwrap();
        assert_eq!(mode(&world, &name), 0o777 & !umask, "{umask:o}");
    }
    // Nothing has changed for who has set none.
    world.storage.create(&path("plain"), OVER).unwrap().finish(true).unwrap();
    assert_eq!(mode(&world, "plain"), 0o644);
}

#[test]
fn it_holds_for_what_is_published() {
    both(new_things_have_it_and_old_ones_their_own);
}

#[test]
fn it_holds_for_what_is_written_in_place() {
    both_direct(new_things_have_it_and_old_ones_their_own);
}

#[test]
fn what_the_directory_above_hands_down_stays() {
    both(|world| {
        world.storage.create_dir(&path("shared")).unwrap();
        set_mode(&world, "shared", 0o2775);
        world.storage.with_umask(0o002).unwrap().create_dir(&path("shared/new")).unwrap();
        assert_eq!(mode(&world, "shared/new"), 0o2775);
    });
}

#[test]
fn a_directory_for_nobody_can_be_made() {
    both(|world| {
        let masked = world.storage.with_umask(0o777).unwrap();
        masked.create_dir(&path("d")).unwrap();
        assert_eq!(mode(&world, "d"), 0);
        assert_eq!(failed(masked.create_dir(&path("d"))), StorageError::AlreadyExists);
        set_mode(&world, "d", 0o700);
    });
}
