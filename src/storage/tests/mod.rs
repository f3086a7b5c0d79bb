//! The storage on a real directory, by both jails.

mod escapes;
mod files;
mod kills;
mod links;
mod listings;
mod long;
mod umask;
mod unprivileged;
mod uploads;

use super::{DiskStorage, Options, Partial, Uploads};
use ftp_proto::host::{Create, File, Storage, StorageError};
use ftp_proto::path::VirtualPath;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A tree with a neighbour that nobody may touch: `outside/secret` beside the root.
struct World {
    directory: TempDir,
    storage: DiskStorage,
    portable: bool,
}

const SECRET: &[u8] = b"nobody may read or change this";

impl World {
    fn new(portable: bool, options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(directory.path().join("outside")).unwrap();
        std::fs::write(directory.path().join("outside/secret"), SECRET).unwrap();
        let open = if portable { DiskStorage::open_portable } else { DiskStorage::open };
        let storage = open(&root, options).unwrap();
        Self { directory, storage, portable }
    }

    /// The place of a name on the disk.
    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join("root").join(name)
    }

    fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.at(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.at(name)).unwrap()
    }

    fn link(&self, target: impl AsRef<Path>, name: &str) {
        std::os::unix::fs::symlink(target, self.at(name)).unwrap();
    }

    /// The hidden parts in a directory.
    fn parts(&self, name: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.at(name)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.to_string_lossy().contains("/.ftpd-part-")).collect()
    }

    /// Nothing outside was read into anything here is for the tests to say; that nothing there was
    /// changed, this says.
    fn assert_outside_untouched(&self) {
        let names: Vec<_> = std::fs::read_dir(self.outside()).unwrap().collect();
        assert_eq!(names.len(), 1, "something was made outside");
        assert_eq!(std::fs::read(self.outside().join("secret")).unwrap(), SECRET);
    }

    fn create(&self, name: &str, how: Create) -> Result<Box<dyn File>, StorageError> {
        self.storage.create(&path(name), how)
    }

    /// An upload from beginning to end, or to its breaking.
    fn upload(&self, name: &str, how: Create, bytes: &[u8], commit: bool) -> Result<(), StorageError> {
        let mut file = self.create(name, how)?;
        file.write_at(file.start(), bytes)?;
        file.finish(commit)
    }
}

fn path(text: impl AsRef<[u8]>) -> VirtualPath {
    VirtualPath::new(text.as_ref()).unwrap()
}

const OVER: Create = Create::Replace { overwrite: true };

/// Runs a test on the system's own jail and on the portable one.
fn both(test: impl Fn(World)) {
    for portable in [false, true] {
        test(World::new(portable, Options::for_account("anna")));
    }
}

/// As [`both`], with uploads in place.
fn both_direct(test: impl Fn(World)) {
    for portable in [false, true] {
        let options = Options { uploads: Uploads::Direct, ..Options::for_account("anna") };
        test(World::new(portable, options));
    }
}

/// The error of something whose success can't be printed.
fn failed<T>(result: Result<T, StorageError>) -> StorageError {
    result.map(|_| ()).unwrap_err()
}

fn contents(world: &World, name: &str) -> Result<Vec<u8>, StorageError> {
    let mut file = world.storage.open(&path(name))?;
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap() + 10];
    let length = file.read_at(0, &mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}
