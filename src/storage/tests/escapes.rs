//! Nothing leads outside.

use super::*;
use ftp_proto::host::{Kind, Wanted};
use ftp_proto::time::UnixTime;
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Every operation on a path; whatever they say, the outside must be as it was.
fn try_everything(world: &World, name: &str) {
    let storage = &world.storage;
    let target = path(name);
    assert_ne!(contents(world, name).ok().as_deref(), Some(SECRET), "{name} was read");
    for how in [OVER, Create::New, Create::Append, Create::Resume { at: 3 }] {
        let _ = world.upload(name, how, b"changed", true);
    }
    let _ = storage.metadata(&target);
    let _ = storage.metadata_to_resume(&target);
    if let Ok(mut directory) = storage.read_dir(&target, Wanted::Facts) {
        while let Some(entry) = directory.next_entry().unwrap() {
            assert_ne!(entry.name, b"secret", "{name} was listed");
        }
    }
    let _ = storage.create_dir(&target);
    let _ = storage.create_dir(&path(format!("{name}/made")));
    let _ = storage.set_modified(&target, UnixTime::from_seconds(1));
    let _ = storage.set_permissions(&target, 0o777);
    let _ = storage.rename(&target, &path("/moved"), true);
    let _ = storage.rename(&path("/moved"), &target, true);
    let _ = storage.remove_file(&target);
    let _ = storage.remove_dir(&target);
    world.assert_outside_untouched();
}

#[test]
fn links_to_outside_lead_nowhere() {
    both(|world| {
        let outside = world.outside();
        std::fs::create_dir(world.at("deep")).unwrap();
        let links = |world: &World| {
            for name in ["absolute", "up", "file", "relative", "deep/up", "chain", "proc", "self"] {
                let _ = std::fs::remove_file(world.at(name));
                let _ = std::fs::remove_dir_all(world.at(name));
            }
            world.link(&outside, "absolute");
            world.link("../outside", "up");
            world.link("../outside/secret", "relative");
            world.link(outside.join("secret"), "file");
            world.link("../../outside", "deep/up");
            world.link("up", "chain");
            world.link("/proc/self/cwd", "proc");
            world.link("/proc/self/root", "self");
        };
        for name in [
            "absolute",
            "up",
            "file",
            "relative",
            "deep/up",
            "chain",
            "absolute/secret",
            "up/secret",
            "deep/up/secret",
            "chain/secret",
            "proc/secret",
            "self/etc/passwd",
            "self/tmp",
        ] {
            links(&world);
            try_everything(&world, name);
        }
    });
}

#[test]
fn a_path_through_an_outside_link_is_refused() {
    both(|world| {
        world.link(world.outside(), "out");
        for error in [
            failed(world.storage.open(&path("out/secret"))),
            failed(world.create("out/new", OVER)),
            failed(world.storage.remove_file(&path("out/secret"))),
            failed(world.storage.create_dir(&path("out/new"))),
            failed(world.storage.read_dir(&path("out"), Wanted::Names)),
        ] {
            assert!(matches!(error, StorageError::Denied | StorageError::NotFound), "{error:?}");
        }
        // The link itself is the client's to see and to remove.
        assert_eq!(world.storage.metadata(&path("out")).unwrap().kind, Kind::Link);
        world.storage.remove_file(&path("out")).unwrap();
        world.assert_outside_untouched();
    });
}

#[test]
fn relative_links_inside_work() {
    both(|world| {
        std::fs::create_dir(world.at("pub")).unwrap();
        world.write("pub/file", b"inside");
        world.link("pub", "alias");
        world.link("../pub/file", "pub/again");
        assert_eq!(contents(&world, "alias/file").unwrap(), b"inside");
        assert_eq!(contents(&world, "alias/again").unwrap(), b"inside");
        assert!(world.storage.metadata(&path("alias")).unwrap().is_dir());
        assert_eq!(failed(world.create("alias", OVER)), StorageError::IsADirectory);
        world.upload("alias/new", OVER, b"through the link", true).unwrap();
        assert_eq!(world.read("pub/new"), b"through the link");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn absolute_links_mean_from_the_top_of_the_tree() {
    let world = World::new(false, Options::default());
    std::fs::create_dir(world.at("pub")).unwrap();
    world.write("pub/file", b"inside");
    world.link("/pub", "alias");
    world.link("/../../pub/file", "pub/again");
    assert_eq!(contents(&world, "alias/file").unwrap(), b"inside");
    assert_eq!(contents(&world, "pub/again").unwrap(), b"inside");
    // Where only relative links work, it is refused, never misread.
    let portable = DiskStorage::open_portable(&world.at(""), Options::default()).unwrap();
    assert_eq!(failed(portable.open(&path("alias/file"))), StorageError::Denied);
}

#[test]
fn links_in_circles_are_denied() {
    both(|world| {
        world.link("b", "a");
        world.link("a", "b");
        assert_eq!(failed(world.storage.open(&path("a"))), StorageError::Denied);
        assert_eq!(world.storage.metadata(&path("a")).unwrap().kind, Kind::Link);
    });
}

/// One thread swaps a directory for a link to the outside and back, the other goes through it.
#[test]
fn no_race_with_a_rename_leads_outside() {
    both(|world| {
        for name in ["real", "real/sub"] {
            std::fs::create_dir(world.at(name)).unwrap();
        }
        world.write("real/secret", b"inside");
        world.link(world.outside(), "evil");
        std::fs::rename(world.at("real"), world.at("way")).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = std::fs::rename(world.at("way"), world.at("real"));
                    let _ = std::fs::rename(world.at("evil"), world.at("way"));
                    let _ = std::fs::rename(world.at("way"), world.at("evil"));
                    let _ = std::fs::rename(world.at("real"), world.at("way"));
                }
            });
            let end = Instant::now() + Duration::from_millis(400);
            let mut reached = 0;
            while Instant::now() < end {
                if let Ok(bytes) = contents(&world, "way/secret") {
                    assert_eq!(bytes, b"inside");
                    reached += 1;
                }
                let _ = contents(&world, "way/sub/../secret");
                let _ = world.upload("way/new", OVER, b"new", true);
                let _ = world.storage.create_dir(&path("way/dir"));
                let _ = world.storage.remove_file(&path("way/new"));
                let _ = world.storage.rename(&path("way/dir"), &path("way/other"), true);
                let _ = world.storage.remove_dir(&path("way/other"));
            }
            done.store(true, Ordering::Relaxed);
            assert!(reached > 0, "the way was never there");
        });
        world.assert_outside_untouched();
    });
}

#[derive(Clone, Debug)]
struct Operations(Vec<(u8, String, String)>);

/// Names that meet often, some of them links to outside.
impl Arbitrary for Operations {
    fn arbitrary(g: &mut Gen) -> Self {
        let parts = ["a", "b", "..", "out", "up", "secret", "outside", ".", "root", ".ftpd-part-1"];
        let name = |g: &mut Gen| {
            let count = usize::arbitrary(g) % 4 + 1;
            (0..count).map(|_| *g.choose(&parts).unwrap()).collect::<Vec<_>>().join("/")
        };
        let count = usize::arbitrary(g) % 40;
        Self((0..count).map(|_| (u8::arbitrary(g) % 9, name(g), name(g))).collect())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(Self))
    }
}

fn run(world: &World, operations: &Operations) {
    let storage = &world.storage;
    world.link(world.outside(), "out");
    world.link("../outside", "up");
    for (operation, name, other) in &operations.0 {
        match operation {
            0 => drop(world.upload(name, OVER, b"x", true)),
            1 => drop(world.upload(name, Create::Append, b"x", name.len() % 2 == 0)),
            2 => drop(storage.create_dir(&path(name))),
            3 => drop(storage.rename(&path(name), &path(other), true)),
            4 => drop(storage.rename(&path(name), &path(other), false)),
            5 => drop(storage.remove_file(&path(name))),
            6 => drop(storage.remove_dir(&path(name))),
            7 => drop(storage.set_permissions(&path(name), 0o777)),
            _ => assert_ne!(contents(world, name).ok().as_deref(), Some(SECRET)),
        }
    }
    world.assert_outside_untouched();
}

#[test]
fn random_operations_never_touch_the_outside() {
    fn property(operations: Operations, direct: bool) -> bool {
        let test = |world: World| run(&world, &operations);
        if direct {
            both_direct(test)
        } else {
            both(test)
        }
        true
    }
    QuickCheck::new().tests(60).quickcheck(property as fn(Operations, bool) -> bool);
}
