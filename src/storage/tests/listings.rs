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
