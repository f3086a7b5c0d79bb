//! Links that clients make: they lead to their target from every side, and nowhere else.

use super::*;

fn a_link_leads_to_its_target(world: World) {
    world.write("a", b"1");
    std::fs::create_dir_all(world.at("d/e")).unwrap();
    world.storage.symlink(&path("a"), &path("d/e/l")).unwrap();
    assert_eq!(world.storage.metadata(&path("d/e/l")).unwrap().size, 1);
    // For whoever looks from outside as well.
    assert_eq!(std::fs::read(world.at("d/e/l")).unwrap(), b"1");
    assert_eq!(std::fs::read_link(world.at("d/e/l")).unwrap(), Path::new("../../a"));
    world.storage.symlink(&path("d"), &path("whole")).unwrap();
    assert!(world.storage.metadata(&path("whole/e")).unwrap().is_dir());
    world.storage.symlink(&path("/"), &path("d/top")).unwrap();
    assert_eq!(world.storage.metadata(&path("d/top/a")).unwrap().size, 1);
}

fn a_link_takes_no_name_and_leads_nowhere_else(world: World) {
    world.write("a", b"1");
    world.write("b", b"2");
    std::fs::create_dir(world.at("d")).unwrap();
    let link = |target: &str, link: &str| world.storage.symlink(&path(target), &path(link));
    assert_eq!(link("a", "b"), Err(StorageError::AlreadyExists));
    assert_eq!(link("a", "d"), Err(StorageError::AlreadyExists));
    assert_eq!(link("none", "l"), Err(StorageError::NotFound));
    assert_eq!(link("a", "none/l"), Err(StorageError::NotFound));
    assert_eq!(std::fs::read(world.at("b")).unwrap(), b"2");
    // What leads out is no target, and below a link `..` would count from elsewhere.
    std::os::unix::fs::symlink("../outside/secret", world.at("out")).unwrap();
    assert!(link("out", "l").is_err());
    std::os::unix::fs::symlink("d", world.at("to-d")).unwrap();
    assert!(link("a", "to-d/l").is_err());
    assert!(!world.at("d/l").exists() && !world.at("l").exists());
    // Not even when its target is exchanged later.
    link("d", "l").unwrap();
    std::fs::remove_dir(world.at("d")).unwrap();
    std::os::unix::fs::symlink("../outside", world.at("d")).unwrap();
    assert!(world.storage.open(&path("l/secret")).is_err());
}

#[test]
fn links_of_either_jail() {
    for portable in [false, true] {
        a_link_leads_to_its_target(World::new(portable, Options::default()));
        a_link_takes_no_name_and_leads_nowhere_else(World::new(portable, Options::default()));
    }
}
