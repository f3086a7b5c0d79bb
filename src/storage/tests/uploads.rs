//! Uploads: atomic, resumable, hidden until they are complete.

use super::*;
use ftp_proto::host::Wanted;
use ftp_proto::time::UnixTime;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

fn mode(world: &World, name: &str) -> u32 {
    std::fs::metadata(world.at(name)).unwrap().permissions().mode() & 0o7777
}

fn resumable(world: &World, name: &str) -> Result<u64, StorageError> {
    world.storage.metadata_to_resume(&path(name)).map(|metadata| metadata.size)
}

#[test]
fn a_file_appears_when_it_is_complete() {
    both(|world| {
        world.write("f", b"old");
        std::fs::set_permissions(world.at("f"), std::fs::Permissions::from_mode(0o640)).unwrap();
        for name in ["f", "new"] {
            let mut file = world.create(name, OVER).unwrap();
            file.write_at(0, b"complete").unwrap();
            assert_eq!(world.read("f"), if name == "f" { &b"old"[..] } else { b"complete" });
            assert!(!world.at("new").exists());
            file.finish(true).unwrap();
            assert_eq!(world.read(name), b"complete");
            assert!(world.parts("").is_empty());
        }
        assert_eq!((mode(&world, "f"), mode(&world, "new")), (0o640, 0o644));
    });
}

#[test]
fn what_exists_is_not_overwritten_unasked() {
    both(|world| {
        world.write("f", b"old");
        let keep = Create::Replace { overwrite: false };
        assert_eq!(failed(world.create("f", keep)), StorageError::AlreadyExists);
        assert_eq!(failed(world.create("f", Create::New)), StorageError::AlreadyExists);
        // Not either if it comes to exist while the upload runs.
        for how in [keep, Create::New, Create::Append] {
            let mut file = world.create("g", how).unwrap();
            file.write_at(0, b"mine").unwrap();
            world.write("g", b"theirs");
            assert_eq!(file.finish(true), Err(StorageError::AlreadyExists));
            assert_eq!(world.read("g"), b"theirs");
            std::fs::remove_file(world.at("g")).unwrap();
            world.storage.remove_file(&path("g")).unwrap();
        }
    });
}

#[test]
fn a_broken_upload_is_hidden_and_resumed() {
    both(|world| {
        world.upload("f", OVER, b"0123456789", false).unwrap();
        assert_eq!(failed(world.storage.open(&path("f"))), StorageError::NotFound);
        assert_eq!(failed(world.storage.metadata(&path("f"))), StorageError::NotFound);
        assert_eq!(resumable(&world, "f"), Ok(10));
        let mut listing = world.storage.read_dir(&path("/"), Wanted::Names).unwrap();
        assert_eq!(listing.next_entry(), Ok(None));
        // Only for the account whose it is.
        let other = world.storage.with_options(Options::for_account("bert"));
        assert_eq!(failed(other.metadata_to_resume(&path("f"))), StorageError::NotFound);
        assert_eq!(failed(other.create(&path("f"), Create::Resume { at: 4 })), StorageError::BadOffset);
        // Dropped without a word: kept as well.
        let mut file = world.create("f", Create::Append).unwrap();
        assert_eq!(file.start(), 10);
        file.write_at(10, b"ab").unwrap();
        // Not while it still grows: who goes on from a length told too early makes a mixture.
        assert_eq!(resumable(&world, "f"), Err(StorageError::Busy));
        drop(file);
        assert_eq!(resumable(&world, "f"), Ok(12));
        assert_eq!(failed(world.create("f", Create::Resume { at: 13 })), StorageError::BadOffset);
        let mut file = world.create("f", Create::Resume { at: 4 }).unwrap();
        assert_eq!(file.start(), 4);
        file.write_at(4, b"xy").unwrap();
        file.finish(true).unwrap();
        assert_eq!(world.read("f"), b"0123xy");
        assert!(world.parts("").is_empty());
    });
}

#[test]
fn a_broken_upload_is_gone_if_parts_are_not_kept() {
    both(|world| {
        let kept = &world.storage;
        let uploads = Uploads::Atomic { partial: Partial::Discard };
        let discarding = kept.with_options(Options { uploads, ..Options::for_account("anna") });
        let create = |how| discarding.create(&path("f"), how).unwrap();
        let mut file = create(OVER);
        file.write_at(0, b"0123456789").unwrap();
        assert_eq!(world.parts("").len(), 1);
        file.finish(false).unwrap();
        assert!(world.parts("").is_empty());
        let mut file = create(OVER);
        file.write_at(0, b"0123456789").unwrap();
        drop(file);
        assert!(world.parts("").is_empty());
        assert_eq!(failed(discarding.metadata_to_resume(&path("f"))), StorageError::NotFound);
        // What an older setting kept may be continued; broken again, it goes, too.
        world.upload("f", OVER, b"0123456789", false).unwrap();
        create(Create::Append).finish(false).unwrap();
        assert!(world.parts("").is_empty());
        // A file that stands there is continued in place and never removed.
        world.write("f", b"old");
        create(Create::Append).finish(false).unwrap();
        create(OVER).finish(false).unwrap();
        assert_eq!(world.read("f"), b"old");
        create(OVER).finish(true).unwrap();
        assert_eq!(world.read("f"), b"");
        // Complete, but somebody else was first.
        let mut file = discarding.create(&path("g"), Create::New).unwrap();
        file.write_at(0, b"mine").unwrap();
        world.write("g", b"theirs");
        assert_eq!(file.finish(true), Err(StorageError::AlreadyExists));
        assert!(world.parts("").is_empty());
        assert_eq!(world.read("g"), b"theirs");
    });
}

/// Of a damaged upload nothing is kept, and what was there before it stays.
#[test]
fn a_damaged_upload_is_gone() {
    both(|world| {
        let damaged = |how, at, bytes: &[u8]| {
            let mut file = world.create("f", how).unwrap();
            assert_eq!(file.start(), at);
            file.write_at(at, bytes).unwrap();
            file.discard().unwrap();
        };
        damaged(OVER, 0, b"bad");
        assert!(world.parts("").is_empty());
        assert_eq!(resumable(&world, "f"), Err(StorageError::NotFound));
        world.upload("f", OVER, b"0123", false).unwrap();
        damaged(Create::Append, 4, b"bad");
        assert_eq!(resumable(&world, "f"), Ok(4));
        world.upload("f", Create::Append, b"45", true).unwrap();
        damaged(Create::Append, 6, b"bad");
        damaged(OVER, 0, b"bad");
        assert_eq!(world.read("f"), b"012345");
    });
}

#[test]
fn resuming_from_nothing() {
    both(|world| {
        assert_eq!(failed(world.create("f", Create::Resume { at: 1 })), StorageError::BadOffset);
        world.upload("f", Create::Resume { at: 0 }, b"1", true).unwrap();
        world.upload("g", Create::Append, b"2", true).unwrap();
        assert_eq!((world.read("f"), world.read("g")), (b"1".to_vec(), b"2".to_vec()));
    });
}

#[test]
fn an_existing_file_is_continued_in_place() {
    both(|world| {
        world.write("f", b"0123456789");
        world.upload("f", Create::Append, b"ab", false).unwrap();
        assert_eq!(world.read("f"), b"0123456789ab");
        world.upload("f", Create::Resume { at: 3 }, b"x", true).unwrap();
        assert_eq!(world.read("f"), b"012x");
        assert_eq!(failed(world.create("f", Create::Resume { at: 5 })), StorageError::BadOffset);
    });
}

/// A client that goes on after a broken replacement, from the old file's length, must not get a mixture.
#[test]
fn a_broken_replacement_never_mixes_old_and_new() {
    both(|world| {
        world.write("f", b"old old old");
        world.upload("f", OVER, b"newnew", false).unwrap();
        assert_eq!(world.read("f"), b"old old old");
        // SIZE must tell what RETR gives.
        assert_eq!(resumable(&world, "f"), Ok(11));
        assert_eq!(failed(world.create("f", Create::Append)), StorageError::BadOffset);
        assert_eq!(failed(world.create("f", Create::Resume { at: 11 })), StorageError::BadOffset);
        world.upload("f", Create::Resume { at: 3 }, b"NEW", true).unwrap();
        assert_eq!(world.read("f"), b"newNEW");
        // A file that changed since has nothing to do with the part any more.
        world.upload("f", OVER, b"interrupted", false).unwrap();
        world.write("f", b"changed");
        let later = UnixTime::from_seconds(4_000_000_000);
        world.storage.set_modified(&path("f"), later).unwrap();
        world.upload("f", Create::Append, b"!", true).unwrap();
        assert_eq!(world.read("f"), b"changed!");
    });
}

#[test]
fn one_upload_to_a_name_at_a_time() {
    both(|world| {
        let file = world.create("f", OVER).unwrap();
        for how in [OVER, Create::New, Create::Append, Create::Resume { at: 0 }] {
            assert_eq!(failed(world.create("f", how)), StorageError::Busy);
        }
        // Another account has a part of its own; who is last, wins.
        let bert = world.storage.with_options(Options::for_account("bert"));
        bert.create(&path("f"), OVER).unwrap().finish(true).unwrap();
        file.finish(true).unwrap();
        world.create("f", OVER).unwrap().finish(true).unwrap();
    });
}

/// Two that append would each write from where they found the end: one over the other, and both complete.
#[test]
fn one_at_a_time_goes_on_in_a_file() {
    both(|world| {
        world.write("log", b"1");
        let mut one = world.create("log", Create::Append).unwrap();
        let bert = world.storage.with_options(Options::for_account("bert"));
        for how in [Create::Append, Create::Resume { at: 1 }] {
            assert_eq!(failed(world.create("log", how)), StorageError::Busy);
            assert_eq!(failed(bert.create(&path("log"), how)), StorageError::Busy);
        }
        one.write_at(1, b"2").unwrap();
        // Whoever reads it or replaces it is in nobody's way.
        assert_eq!(contents(&world, "log").unwrap(), b"12");
        one.finish(true).unwrap();
        world.upload("log", Create::Append, b"3", true).unwrap();
        assert_eq!(world.read("log"), b"123");
    });
    // Where there may be no locks, as on other servers.
    both_direct(|world| {
        world.write("log", b"1");
        let _one = world.create("log", Create::Append).unwrap();
        world.create("log", Create::Append).unwrap();
    });
}

#[test]
fn an_empty_file_can_be_uploaded_and_an_empty_part_is_not_kept() {
    both(|world| {
        world.upload("f", OVER, b"", false).unwrap();
        assert!(world.parts("").is_empty());
        // Nor one that nobody ends: its session was gone before it was open.
        drop(world.create("f", OVER).unwrap());
        assert!(world.parts("").is_empty());
        world.upload("f", OVER, b"", true).unwrap();
        assert_eq!(world.read("f"), b"");
    });
}

#[test]
fn a_part_that_was_replaced_is_not_published() {
    both(|world| {
        let mut file = world.create("f", OVER).unwrap();
        file.write_at(0, b"mine").unwrap();
        let part = world.parts("").pop().unwrap();
        std::fs::remove_file(&part).unwrap();
        std::fs::write(&part, b"planted").unwrap();
        assert!(matches!(file.finish(true), Err(StorageError::Io(_))));
        assert!(!world.at("f").exists());
    });
}

#[test]
fn planted_parts_do_no_harm() {
    both(|world| {
        world.upload("f", OVER, b"part", false).unwrap();
        let part = world.parts("").pop().unwrap();
        // A second name of a file that is not ours to change: what a kill between link and unlink leaves.
        std::fs::remove_file(&part).unwrap();
        world.write("precious", b"precious");
        std::fs::hard_link(world.at("precious"), &part).unwrap();
        world.upload("f", OVER, b"new", true).unwrap();
        assert_eq!((world.read("precious"), world.read("f")), (b"precious".to_vec(), b"new".to_vec()));
        // A link to outside.
        std::os::unix::fs::symlink(world.outside().join("secret"), &part).unwrap();
        assert!(world.upload("f", OVER, b"new", true).is_err());
        assert_eq!(resumable(&world, "f"), Ok(3));
        world.assert_outside_untouched();
    });
}

#[test]
fn hidden_names_are_nobodys() {
    both(|world| {
        world.upload("f", OVER, b"part", false).unwrap();
        let part = world.parts("").pop().unwrap();
        let part = part.file_name().unwrap().to_str().unwrap().to_owned();
        for name in [part.clone(), part.to_uppercase(), format!("{part}/x")] {
            let hidden = path(&name);
            let storage = &world.storage;
            assert_eq!(failed(storage.open(&hidden)), StorageError::NotFound);
            assert_eq!(failed(storage.metadata(&hidden)), StorageError::NotFound);
            assert_eq!(failed(storage.metadata_to_resume(&hidden)), StorageError::NotFound);
            assert_eq!(failed(storage.remove_file(&hidden)), StorageError::NotFound);
            assert_eq!(failed(storage.remove_dir(&hidden)), StorageError::NotFound);
            assert_eq!(failed(storage.rename(&hidden, &path("x"), true)), StorageError::NotFound);
            assert_eq!(failed(storage.set_permissions(&hidden, 0o777)), StorageError::NotFound);
            assert_eq!(failed(storage.create(&hidden, OVER)), StorageError::BadName);
            assert_eq!(failed(storage.create_dir(&hidden)), StorageError::BadName);
            world.write("other", b"");
            assert_eq!(failed(storage.rename(&path("other"), &hidden, true)), StorageError::BadName);
        }
    });
}

#[test]
fn removing_removes_the_part_too() {
    both(|world| {
        world.upload("f", OVER, b"part", false).unwrap();
        world.storage.remove_file(&path("f")).unwrap();
        assert!(world.parts("").is_empty());
        assert_eq!(failed(world.storage.remove_file(&path("f"))), StorageError::NotFound);
        let _running = world.create("g", OVER).unwrap();
        assert_eq!(failed(world.storage.remove_file(&path("g"))), StorageError::Busy);
    });
}

#[test]
fn a_directory_of_parts_alone_can_be_removed() {
    both(|world| {
        world.storage.create_dir(&path("d")).unwrap();
        world.upload("d/f", OVER, b"part", false).unwrap();
        let running = world.create("d/g", OVER).unwrap();
        assert_eq!(failed(world.storage.remove_dir(&path("d"))), StorageError::Busy);
        drop(running);
        world.write("d/real", b"1");
        assert_eq!(failed(world.storage.remove_dir(&path("d"))), StorageError::NotEmpty);
        std::fs::remove_file(world.at("d/real")).unwrap();
        world.storage.remove_dir(&path("d")).unwrap();
    });
}

#[test]
fn old_parts_are_swept() {
    both(|world| {
        std::fs::create_dir_all(world.at("a/b")).unwrap();
        for name in ["f", "a/f", "a/b/f"] {
            world.upload(name, OVER, b"part", false).unwrap();
        }
        let running = world.create("a/running", OVER).unwrap();
        world.write("a/real", b"1");
        // What lies outside is not swept, whatever links there are.
        std::fs::rename(world.parts("a/b").pop().unwrap(), world.outside().join(".ftpd-part-0")).unwrap();
        world.link(world.outside(), "out");
        assert_eq!(world.storage.sweep(Duration::from_secs(3600)), Ok(0));
        assert_eq!(super::super::sweep(&world.at(""), Duration::ZERO).unwrap(), 2);
        assert_eq!((world.parts("").len(), world.parts("a").len()), (0, 1));
        assert!(world.at("a/real").exists() && world.outside().join(".ftpd-part-0").exists());
        running.finish(true).unwrap();
    });
}

#[test]
fn a_link_at_the_name_is_replaced_and_not_followed() {
    both(|world| {
        world.write("f", b"old");
        world.link("f", "link");
        world.link("nowhere", "dangling");
        world.upload("link", OVER, b"new", true).unwrap();
        world.upload("dangling", Create::Resume { at: 0 }, b"new", true).unwrap();
        assert!(!world.at("link").is_symlink() && !world.at("dangling").is_symlink());
        // Nothing can be put behind a link that leads nowhere; that is said before the upload, not behind it.
        world.link("nowhere", "another");
        assert_eq!(failed(world.create("another", Create::Append)), StorageError::AlreadyExists);
        let part = world.storage.rename(&path("another"), &path("later"), false);
        assert_eq!(part, Ok(()));
        world.upload("another", OVER, b"part", false).unwrap();
        world.link("nowhere", "another");
        world.upload("another", Create::Resume { at: 4 }, b"ial", true).unwrap();
        assert_eq!(world.read("another"), b"partial");
        assert_eq!((world.read("f"), world.read("link")), (b"old".to_vec(), b"new".to_vec()));
    });
}

#[test]
fn the_systems_file_is_there_for_both_directions() {
    both(|world| {
        let file = world.create("f", OVER).unwrap();
        std::os::unix::fs::FileExt::write_all_at(file.os_file().unwrap(), b"spliced", 0).unwrap();
        file.finish(true).unwrap();
        let file = world.storage.open(&path("f")).unwrap();
        assert_eq!(file.os_file().unwrap().metadata().unwrap().len(), 7);
        assert_eq!(file.size(), Some(7));
    });
}

#[test]
fn durable_uploads_are_published_too() {
    both(|world| {
        let durable = world.storage.with_options(Options { durable: true, ..Options::for_account("anna") });
        let mut file = durable.create(&path("f"), OVER).unwrap();
        file.write_at(0, b"1").unwrap();
        file.finish(true).unwrap();
        assert_eq!(world.read("f"), b"1");
    });
}

#[test]
fn direct_uploads_are_in_place_from_the_start() {
    both_direct(|world| {
        let mut file = world.create("f", OVER).unwrap();
        file.write_at(0, b"0123").unwrap();
        assert_eq!(world.read("f"), b"0123");
        file.finish(false).unwrap();
        assert_eq!(resumable(&world, "f"), Ok(4));
        world.upload("f", Create::Append, b"45", true).unwrap();
        world.upload("f", Create::Resume { at: 5 }, b"x", true).unwrap();
        assert_eq!(world.read("f"), b"01234x");
        assert_eq!(failed(world.create("f", Create::Resume { at: 7 })), StorageError::BadOffset);
        assert_eq!(failed(world.create("n", Create::Resume { at: 1 })), StorageError::BadOffset);
        assert_eq!(failed(world.create("f", Create::New)), StorageError::AlreadyExists);
        assert_eq!(
            failed(world.create("f", Create::Replace { overwrite: false })),
            StorageError::AlreadyExists
        );
        world.upload("f", OVER, b"short", true).unwrap();
        assert_eq!(world.read("f"), b"short");
        assert_eq!(failed(world.create(".ftpd-part-x", OVER)), StorageError::BadName);
    });
}
