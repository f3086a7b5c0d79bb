//! A backend that answers at once and does next to nothing, so that what is counted is the core's.

use ftp_proto::account::{Account, Credentials, LoginError, Rights, RightsByPath};
use ftp_proto::host::{
    Accounts, Create, Directory, Entry, File, Kind, Metadata, Storage, StorageError, Wanted,
};
use ftp_proto::path::VirtualPath;
use ftp_proto::time::UnixTime;
use std::sync::Arc;

/// How many entries each directory has.
pub(crate) const ENTRIES: u32 = 1_000;

/// Every file has these bytes, every directory these entries, and what is written is forgotten. What has a dot in its
/// name is a file.
#[derive(Clone)]
pub(crate) struct Still {
    content: Arc<[u8]>,
    entries: Arc<[Entry]>,
}

impl Still {
    /// With this in every file.
    pub(crate) fn new(content: impl Into<Arc<[u8]>>) -> Self {
        let (owner, group): (Arc<str>, Arc<str>) = ("ftp".into(), "users".into());
        let entry = |number: u32| Entry {
            name: format!("file-{number:06}.dat").into_bytes(),
            metadata: Metadata {
                kind: Kind::File,
                size: u64::from(number) * 977,
                modified: UnixTime::from_seconds(1_790_000_000 - i64::from(number)),
                mode: Some(0o644),
                owner: Some(Arc::clone(&owner)),
                group: Some(Arc::clone(&group)),
                links: 1,
                ..Metadata::default()
            },
        };
        Self { content: content.into(), entries: (0..ENTRIES).map(entry).collect() }
    }

    /// Any file of it, for a pipe.
    pub(crate) fn open_file(&self) -> Box<dyn File> {
        Box::new(Opened(Arc::clone(&self.content)))
    }

    /// The entries of any directory.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Lets anybody in who has this password.
    pub(crate) fn accounts(self, password: &'static str) -> Arc<dyn Accounts> {
        Arc::new(Anybody { password, storage: Arc::new(self) })
    }
}

struct Anybody {
    password: &'static str,
    storage: Arc<dyn Storage>,
}

impl Accounts for Anybody {
    fn authenticate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        if credentials.password != self.password.as_bytes() {
            return Err(LoginError::Refused);
        }
        Ok(Account {
            name: credentials.user.clone(),
            storage: Arc::clone(&self.storage),
            rights: RightsByPath::everywhere(Rights::ALL),
            home: VirtualPath::root(),
        })
    }
}

impl Storage for Still {
    fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let kind = if path.name().contains(&b'.') { Kind::File } else { Kind::Directory };
        Ok(Metadata { kind, size: self.content.len() as u64, ..Metadata::default() })
    }

    fn open(&self, _: &VirtualPath) -> Result<Box<dyn File>, StorageError> {
        Ok(self.open_file())
    }

    fn create(&self, _: &VirtualPath, _: Create) -> Result<Box<dyn File>, StorageError> {
        Ok(self.open_file())
    }

    fn read_dir(&self, _: &VirtualPath, _: Wanted) -> Result<Box<dyn Directory>, StorageError> {
        Ok(Box::new(Listed { entries: Arc::clone(&self.entries), next: 0 }))
    }

    fn create_dir(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Ok(())
    }

    fn remove_file(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Ok(())
    }

    fn remove_dir(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Ok(())
    }

    fn rename(&self, _: &VirtualPath, _: &VirtualPath, _: bool) -> Result<(), StorageError> {
        Ok(())
    }

    fn set_modified(&self, _: &VirtualPath, _: UnixTime) -> Result<(), StorageError> {
        Ok(())
    }
}

struct Opened(Arc<[u8]>);

impl File for Opened {
    fn size(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(target), Some(source)) = (buffer.get_mut(..count), rest.get(..count)) {
            target.copy_from_slice(source);
        }
        Ok(count)
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }

    fn finish(self: Box<Self>, _: bool) -> Result<(), StorageError> {
        Ok(())
    }
}

struct Listed {
    entries: Arc<[Entry]>,
    next: usize,
}

impl Directory for Listed {
    fn next_entry(&mut self) -> Result<Option<Entry>, StorageError> {
        let entry = self.entries.get(self.next).cloned();
        self.next += 1;
        Ok(entry)
    }
}
