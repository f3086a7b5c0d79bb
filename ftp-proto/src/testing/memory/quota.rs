//! What an account may store in a tree in memory.

use super::{MemoryStorage, Tree};
use crate::host::{OverQuota, Share, StorageError, Usage};
use crate::path::VirtualPath;

/// `None`: any number.
#[derive(Default)]
pub(super) struct Quota {
    bytes: Option<u64>,
    files: Option<u64>,
}

impl Quota {
    pub(super) const fn is_set(&self) -> bool {
        self.bytes.is_some() || self.files.is_some()
    }
}

impl MemoryStorage {
    /// Sets how many bytes may be stored in all; what goes beyond fails with [`StorageError::OverQuota`]. What an upload
    /// replaces makes room for it.
    #[must_use]
    pub fn quota(self, bytes: u64) -> Self {
        self.lock().quota.bytes = Some(bytes);
        self
    }

    /// Sets how many files and directories there may be.
    #[must_use]
    pub fn quota_files(self, files: u64) -> Self {
        self.lock().quota.files = Some(files);
        self
    }
}

impl Tree {
    pub(super) fn usage(&self) -> Result<Usage, StorageError> {
        let files = (self.nodes.len() + self.parts.len()).saturating_sub(1) as u64;
        Ok(Usage {
            bytes: Share { used: Some(self.used()), limit: self.quota.bytes },
            files: Share { used: Some(files), limit: self.quota.files },
        })
    }

    /// Whether one more file or directory may be made.
    pub(super) fn check_files(&self) -> Result<(), StorageError> {
        match self.usage()?.files.left() {
            Some(0) => Err(StorageError::OverQuota(OverQuota::Files)),
            _ => Ok(()),
        }
    }

    /// Whether an upload may begin that goes on behind `start`.
    pub(super) fn check_quota(&self, path: &VirtualPath, start: u64) -> Result<(), StorageError> {
        if !self.nodes.contains_key(path.as_bytes()) && !self.parts.contains_key(path.as_bytes()) {
            self.check_files()?;
        }
        self.check_bytes(path, start, start.saturating_add(1))
    }

    /// Whether an upload may become so long.
    pub(super) fn check_bytes(&self, path: &VirtualPath, start: u64, end: u64) -> Result<(), StorageError> {
        match self.room(path) {
            Some(room) if end > room => {
                Err(StorageError::OverQuota(OverQuota::Bytes(room.saturating_sub(start))))
            }
            _ => Ok(()),
        }
    }

    /// How long an upload to this name may become.
    fn room(&self, path: &VirtualPath) -> Option<u64> {
        let replaced = self.nodes.get(path.as_bytes()).map_or(0, |node| node.content.len());
        let continued = self.parts.get(path.as_bytes()).map_or(0, |part| part.bytes.len() as u64);
        let others = self.used().saturating_sub(replaced).saturating_sub(continued);
        Some(self.quota.bytes?.saturating_sub(others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Create, Storage as _};
    use crate::testing::memory::virtual_path;

    /// What made room was there when the bytes came, and is somewhere else when they are published.
    #[test]
    fn what_was_to_be_replaced_and_is_gone_makes_no_room() {
        let storage = MemoryStorage::new().file("/a", "0123456789").quota(10);
        let a = virtual_path(b"/a");
        let mut file = storage.create(&a, Create::Replace { overwrite: true }).unwrap();
        file.write_at(0, b"abcdefghij").unwrap();
        storage.rename(&a, &virtual_path(b"/b"), false).unwrap();
        assert_eq!(file.finish(true), Err(StorageError::OverQuota(OverQuota::Bytes(0))));
        assert_eq!((storage.contents("/a"), storage.part_of("/a")), (None, None));
        assert_eq!(storage.contents("/b").unwrap(), b"0123456789");
    }
}
