//! Directories as streams.

use super::*;
use ftp_proto::host::{Entry, Kind, Wanted};
use std::collections::BTreeMap;

fn list(world: &World, name: &str, wanted: Wanted) -> BTreeMap<Vec<u8>, Entry> {
    let mut directory = world.storage.read_dir(&path(name), wanted).unwrap();
    let mut entries = BTreeMap::new();
    while let Some(entry) = directory.next_entry().unwrap() {
        let twice = entries.insert(entry.name.clone(), entry);
        assert_eq!(twice, None);
    }
    entries
}

#[test]
fn links_are_listed_as_what_they_lead_to() {
    both(|world| {
        for name in ["d", "d/e"] {
            std::fs::create_dir(world.at(name)).unwrap();
        }
        world.write("file", b"123");
        world.link("file", "to-file");
        world.link("d", "to-d");
        world.link("nowhere", "dangling");
        world.link(world.outside().join("secret"), "outside");
        world.link("../../file", "d/e/deep");
        for wanted in [Wanted::Names, Wanted::Facts] {
            let kinds: Vec<_> = list(&world, "/", wanted)
                .into_values()
                .map(|entry| (entry.name, entry.metadata.kind))
                .collect();
            assert_eq!(
                kinds,
                [
                    (b"d".to_vec(), Kind::Directory),
                    (b"dangling".to_vec(), Kind::Link),
                    (b"file".to_vec(), Kind::File),
                    (b"outside".to_vec(), Kind::Link),
                    (b"to-d".to_vec(), Kind::Directory),
                    (b"to-file".to_vec(), Kind::File),
                ]
            );
        }
        // Two levels up from where the directory is, not from how the client came there.
        world.link("d/e", "short");
        for name in ["d/e", "short"] {
            let entries = list(&world, name, Wanted::Facts);
            assert_eq!(entries[&b"deep"[..]].metadata.size, 3);
        }
        let facts = list(&world, "/", Wanted::Facts);
        assert_eq!(facts[&b"file"[..]].metadata, world.storage.metadata(&path("file")).unwrap());
    });
}

/// Names of all lengths, so that the pieces in which a directory is read end anywhere: with the last byte that fits, too.
#[test]
fn each_name_is_listed_once_wherever_a_piece_ends() {
    both(|world| {
        std::fs::create_dir(world.at("d")).unwrap();
        assert_eq!(list(&world, "d", Wanted::Names).len(), 0);
        let mut expected = std::collections::BTreeSet::new();
        for number in 0..1_500usize {
            let length = if number < 60 { 255 } else { 4 + number * 31 % 252 };
            let name = format!("{number:0<length$}");
            world.write(&format!("d/{name}"), b"");
            expected.insert(name.into_bytes());
            // Each size of a small directory: the first piece is full with some of them.
            if number <= 130 {
                let found: std::collections::BTreeSet<_> =
                    list(&world, "d", Wanted::Names).into_keys().collect();
                assert!(found == expected, "of {number} names");
            }
        }
        for wanted in [Wanted::Names, Wanted::Facts] {
            let found: std::collections::BTreeSet<_> = list(&world, "d", wanted).into_keys().collect();
            assert!(found == expected);
        }
    });
}

/// What is there from the beginning to the end of a listing is in it, whatever else comes and goes; and nothing is in it
/// that was never there.
#[test]
fn what_stays_is_listed_whatever_changes_meanwhile() {
    both(|world| {
        std::fs::create_dir_all(world.at("d")).unwrap();
        let name = |what: &str, number: usize| format!("d/{what}{}{number:03}", "-".repeat(200));
        for number in 0..300 {
            world.write(&name("stays", number), b"");
            world.write(&name("goes", number), b"");
        }
        let mut directory = world.storage.read_dir(&path("d"), Wanted::Facts).unwrap();
        let (mut stayed, mut number) = (0, 0);
        while let Some(entry) = directory.next_entry().unwrap() {
            stayed += usize::from(entry.name.starts_with(b"stays"));
            if number < 300 {
                std::fs::remove_file(world.at(name("goes", number))).unwrap();
                world.write(&name("comes", number), b"");
                number += 1;
            }
            assert_eq!(entry.metadata.kind, Kind::File);
        }
        assert_eq!(stayed, 300);
    });
}

/// The place on the disk goes on to be read, and its path leads elsewhere: what is listed is never a mixture of names of the
/// one and facts of the other, but for links.
#[test]
fn a_directory_that_is_replaced_while_it_is_read_is_read_to_its_end() {
    both(|world| {
        std::fs::create_dir(world.at("d")).unwrap();
        for number in 0..500 {
            world.write(&format!("d/{number}"), b"old");
        }
        let mut directory = world.storage.read_dir(&path("d"), Wanted::Facts).unwrap();
        std::fs::rename(world.at("d"), world.at("away")).unwrap();
        std::os::unix::fs::symlink(world.outside(), world.at("d")).unwrap();
        let mut count = 0;
        while let Some(entry) = directory.next_entry().unwrap() {
            assert_eq!(entry.metadata.size, 3);
            count += 1;
        }
        assert_eq!(count, 500);
    });
}

#[test]
fn a_hundred_thousand_entries_stream() {
    let world = World::new(false, Options::default());
    std::fs::create_dir(world.at("many")).unwrap();
    // Second names of few files: much quicker to make than files.
    for base in 0..10 {
        world.write(&format!("base{base}"), b"x");
        for number in 0..10_000 {
            let name = world.at(format!("many/{base}-{number:05}"));
            std::fs::hard_link(world.at(format!("base{base}")), name).unwrap();
        }
    }
    let mut directory = world.storage.read_dir(&path("many"), Wanted::Facts).unwrap();
    let (mut count, mut bytes) = (0, 0);
    while let Some(entry) = directory.next_entry().unwrap() {
        count += 1;
        bytes += entry.metadata.size;
    }
    assert_eq!((count, bytes), (100_000, 100_000));
}

#[test]
fn a_directory_that_is_removed_while_it_is_read_just_ends() {
    both(|world| {
        std::fs::create_dir(world.at("d")).unwrap();
        let mut directory = world.storage.read_dir(&path("d"), Wanted::Facts).unwrap();
        std::fs::remove_dir(world.at("d")).unwrap();
        assert_eq!(directory.next_entry(), Ok(None));
        assert_eq!(directory.next_entry(), Ok(None));
    });
}

#[test]
fn owners_have_names_if_asked() {
    both(|world| {
        world.write("f", b"");
        let named =
            world.storage.with_options(Options { named_owners: true, ..world.storage.options().clone() });
        let owner = named.metadata(&path("f")).unwrap().owner.unwrap();
        assert!(!owner.is_empty());
        assert!(list(&world, "/", Wanted::Facts)[&b"f"[..]].metadata.owner.is_some());
    });
}
