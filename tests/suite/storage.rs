//! Storages that misbehave.

use ftp_proto::account::{Account, Credentials, LoginError, Rights, RightsByPath};
use ftp_proto::host::{Accounts, Create, Directory, File, Metadata, Storage, StorageError, Wanted};
use ftp_proto::path::VirtualPath;
use ftp_proto::testing::MemoryStorage;
use ftp_proto::time::UnixTime;
use std::sync::Arc;
use std::time::Duration;

/// How long `/slow` takes to open.
pub(crate) const SLOW: Duration = Duration::from_secs(1);

/// A tree in memory in which these names do what they say, to all of their files' methods: `/slow` takes
/// [`SLOW`] to open, and `/panic-open`, `/panic-read`, `/panic-write` and `/panic-finish` panic.
#[derive(Clone)]
pub(crate) struct Rude(MemoryStorage);

impl Rude {
    pub(crate) fn new(storage: &MemoryStorage) -> Self {
        let names = ["/slow", "/panic-open", "/panic-read", "/panic-write", "/panic-finish"];
        Self(names.iter().fold(storage.clone(), |storage, name| storage.file(name, "some text")))
    }

    fn open_rudely(&self, path: &VirtualPath) {
        match path.as_bytes() {
            b"/slow" => std::thread::sleep(SLOW),
            b"/panic-open" => boom(),
            _ => {}
        }
    }
}

/// A panic that writes nothing to the output of the tests.
fn boom() {
    std::panic::resume_unwind(Box::new("as the test wants it"));
}

/// Everybody is let in.
impl Accounts for Rude {
    fn authenticate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        Ok(Account {
            name: credentials.user.clone(),
            storage: Arc::new(self.clone()),
            rights: RightsByPath::everywhere(Rights::ALL),
            home: VirtualPath::root(),
        })
    }
}

impl Storage for Rude {
    fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.0.metadata(path)
    }

    fn metadata_to_resume(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.0.metadata_to_resume(path)
    }

    fn open(&self, path: &VirtualPath) -> Result<Box<dyn File>, StorageError> {
        self.open_rudely(path);
        Ok(Box::new(RudeFile { path: path.clone(), file: self.0.open(path)? }))
    }

    fn create(&self, path: &VirtualPath, how: Create) -> Result<Box<dyn File>, StorageError> {
        self.open_rudely(path);
        Ok(Box::new(RudeFile { path: path.clone(), file: self.0.create(path, how)? }))
    }

    fn read_dir(&self, path: &VirtualPath, wanted: Wanted) -> Result<Box<dyn Directory>, StorageError> {
        self.0.read_dir(path, wanted)
    }

    fn create_dir(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.0.create_dir(path)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.0.remove_file(path)
    }

    fn remove_dir(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.0.remove_dir(path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError> {
        self.0.rename(from, to, replace)
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), StorageError> {
        self.0.set_modified(path, time)
    }
}

struct RudeFile {
    path: VirtualPath,
    file: Box<dyn File>,
}

impl RudeFile {
    fn panic_at(&self, name: &[u8]) {
        if self.path.as_bytes() == name {
            boom();
        }
    }
}

impl File for RudeFile {
    fn size(&self) -> Option<u64> {
        self.file.size()
    }

    fn start(&self) -> u64 {
        self.file.start()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.panic_at(b"/panic-read");
        self.file.read_at(offset, buffer)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.panic_at(b"/panic-write");
        self.file.write_at(offset, bytes)
    }

    fn finish(self: Box<Self>, commit: bool) -> Result<(), StorageError> {
        self.panic_at(b"/panic-finish");
        self.file.finish(commit)
    }
}
