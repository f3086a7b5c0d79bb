//! How wide and how deep a walk goes.

use super::*;
use crate::storage::portable::Root as Portable;
use crate::storage::{DiskStorage, Options};
use ftp_proto::host::Storage as _;

fn path(text: &str) -> VirtualPath {
    VirtualPath::new(text.as_bytes()).unwrap()
}

/// A directory may have more in it than there is memory, and clients make as many as they like.
#[test]
fn a_walk_remembers_so_much_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    for name in 0..50 {
        std::fs::create_dir(directory.path().join(format!("{name}"))).unwrap();
    }
    let jail = Portable::open_root(directory.path()).unwrap();
    let found = |most| measure(&jail, &HashSet::new(), most);
    assert_eq!(found(MOST_BYTES), Some(Sum::files(50)));
    assert_eq!(found(50 * 100), Some(Sum::files(50)));
    assert_eq!(found(50 * 20), None);
    let mut unread = Unread::new(200);
    let top = jail.folder(&VirtualPath::root()).unwrap();
    let mut sum = Sum::default();
    assert!(!read::<Portable>(&top, b"", &HashSet::new(), &mut sum, &mut unread));
    assert!((1..10).contains(&sum.files), "it ends in the middle: {sum:?}");
}

/// Directories can be moved into each other until no path leads to them any more, and the way to each is gone from the top.
#[test]
fn a_walk_goes_so_deep_and_no_deeper() {
    let directory = tempfile::tempdir().unwrap();
    let storage = DiskStorage::open(directory.path(), Options::default()).unwrap();
    let long = "/d".repeat(400);
    for depth in 1..=400 {
        storage.create_dir(&path(&"/d".repeat(depth))).unwrap();
    }
    let jail = Portable::open_root(directory.path()).unwrap();
    let found = || measure(&jail, &HashSet::new(), MOST_BYTES);
    assert_eq!(found(), Some(Sum::files(400)));
    storage.create_dir(&path("/e")).unwrap();
    storage.rename(&path("/d"), &path("/e/d"), false).unwrap();
    for depth in 1..=200 {
        storage.create_dir(&path(&"/d".repeat(depth))).unwrap();
    }
    storage.rename(&path("/d"), &path(&format!("/e{long}/d")), false).unwrap();
    assert_eq!(found(), None);
}
