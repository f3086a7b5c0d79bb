//! A storage of your own, here a read-only view of a directory: `cargo run -p ftp-sync --example own_storage --
//! DIR`, then `curl ftp://127.0.0.1:2121/`. It follows symbolic links wherever they lead: good for a tree of your
//! own, not for one that others write to. (`serve_directory` uses the program's storage, which nothing leads out of.)

use ftp_proto::account::{Account, Credentials, LoginError, Rights, RightsByPath};
use ftp_proto::host::*;
use ftp_proto::path::VirtualPath;
use ftp_proto::time::UnixTime;
use std::error::Error;
use std::ffi::OsStr;
use std::os::unix::{ffi::OsStrExt, fs::FileExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

#[derive(Clone)]
struct Tree(PathBuf);

impl Tree {
    fn real(&self, path: &VirtualPath) -> PathBuf {
        self.0.join(OsStr::from_bytes(path.relative()))
    }
}

fn facts(metadata: &std::fs::Metadata) -> Metadata {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Metadata {
        kind: if metadata.is_dir() { Kind::Directory } else { Kind::File },
        size: metadata.len(),
        modified: UnixTime::from_seconds(modified.map_or(0, |since| since.as_secs().cast_signed())),
        ..Metadata::default()
    }
}

impl Storage for Tree {
    fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        Ok(facts(&std::fs::metadata(self.real(path))?))
    }

    fn open(&self, path: &VirtualPath) -> Result<Box<dyn File>, StorageError> {
        let file = std::fs::File::open(self.real(path))?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            Err(StorageError::IsADirectory)
        } else {
            Ok(Box::new(Opened(file, metadata.len())))
        }
    }

    fn read_dir(&self, path: &VirtualPath, _: Wanted) -> Result<Box<dyn Directory>, StorageError> {
        Ok(Box::new(Entries(std::fs::read_dir(self.real(path))?)))
    }

    fn create(&self, _: &VirtualPath, _: Create) -> Result<Box<dyn File>, StorageError> {
        Err(StorageError::Unsupported)
    }

    fn create_dir(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn remove_file(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn remove_dir(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn rename(&self, _: &VirtualPath, _: &VirtualPath, _: bool) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn set_modified(&self, _: &VirtualPath, _: UnixTime) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }
}

struct Opened(std::fs::File, u64);

impl File for Opened {
    fn size(&self) -> Option<u64> {
        Some(self.1)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        Ok(FileExt::read_at(&self.0, buffer, offset)?)
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn finish(self: Box<Self>, _: bool) -> Result<(), StorageError> {
        Ok(())
    }

    fn os_file(&self) -> Option<&std::fs::File> {
        Some(&self.0)
    }
}

struct Entries(std::fs::ReadDir);

impl Directory for Entries {
    fn next_entry(&mut self) -> Result<Option<Entry>, StorageError> {
        while let Some(entry) = self.0.next().transpose()? {
            if let Ok(metadata) = std::fs::metadata(entry.path()) {
                let name = entry.file_name().as_bytes().to_vec();
                return Ok(Some(Entry { name, metadata: facts(&metadata) }));
            }
        }
        Ok(None)
    }
}

impl Accounts for Tree {
    fn authenticate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        Ok(Account {
            name: credentials.user.clone(),
            storage: Arc::new(self.clone()),
            rights: RightsByPath::everywhere(Rights::READ_ONLY),
            home: VirtualPath::root(),
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args_os().nth(1).ok_or("which directory?")?;
    let options = ftp_sync::Options {
        control: vec!["127.0.0.1:2121".parse()?],
        ..ftp_sync::Options::new(Arc::default(), Arc::new(Tree(root.into())))
    };
    let server = ftp_sync::start(options)?;
    println!("serving on {:?}", server.control_addrs());
    loop {
        std::thread::park();
    }
}
