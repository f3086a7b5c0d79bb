//! A storage on disk without any jail, for files that have a descriptor. One directory, no more.

use ftp_proto::account::{Account, Credentials, LoginError, Rights, RightsByPath};
use ftp_proto::host::{Accounts, Create, Directory, File, Metadata, Storage, StorageError, Wanted};
use ftp_proto::path::VirtualPath;
use ftp_proto::time::UnixTime;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone)]
pub struct Disk(pub PathBuf);

impl Disk {
    fn real(&self, path: &VirtualPath) -> PathBuf {
        self.0.join(OsStr::from_bytes(path.relative()))
    }
}

impl Storage for Disk {
    fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let size = std::fs::metadata(self.real(path))?.len();
        Ok(Metadata { size, ..Metadata::default() })
    }

    fn open(&self, path: &VirtualPath) -> Result<Box<dyn File>, StorageError> {
        let file = std::fs::File::open(self.real(path))?;
        let size = file.metadata()?.len();
        Ok(Box::new(Opened(file, size)))
    }

    fn create(&self, path: &VirtualPath, _: Create) -> Result<Box<dyn File>, StorageError> {
        Ok(Box::new(Opened(std::fs::File::create(self.real(path))?, 0)))
    }

    fn read_dir(&self, _: &VirtualPath, _: Wanted) -> Result<Box<dyn Directory>, StorageError> {
        Err(StorageError::Unsupported)
    }

    fn create_dir(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), StorageError> {
        Ok(std::fs::remove_file(self.real(path))?)
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

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        Ok(self.0.write_all_at(bytes, offset)?)
    }

    fn finish(self: Box<Self>, _: bool) -> Result<(), StorageError> {
        Ok(())
    }

    fn os_file(&self) -> Option<&std::fs::File> {
        Some(&self.0)
    }
}

impl Accounts for Disk {
    fn authenticate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        Ok(Account {
            name: credentials.user.clone(),
            storage: Arc::new(self.clone()),
            rights: RightsByPath::everywhere(Rights::ALL),
            home: VirtualPath::root(),
        })
    }
}
