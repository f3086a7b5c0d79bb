//! What is open in a tree in memory: files being read, uploads, directories.

use super::{Content, MemoryStorage, Part, Tree};
use crate::host::{Directory, Entry, File, StorageError};
use crate::path::VirtualPath;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A file opened for reading: as it was at that moment, whatever happens to it later.
pub(super) struct Download(pub(super) Content);

impl File for Download {
    fn size(&self) -> Option<u64> {
        Some(self.0.len())
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let left = self.0.len().saturating_sub(offset);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(target) = buffer.get_mut(..len) else { return Ok(0) };
        match &self.0 {
            Content::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let Some(source) = start.checked_add(len).and_then(|end| bytes.get(start..end)) else {
                    return Ok(0);
                };
                target.copy_from_slice(source);
            }
            Content::Zeros(_) | Content::Directory => target.fill(0),
        }
        Ok(len)
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn finish(self: Box<Self>, _: bool) -> Result<(), StorageError> {
        Ok(())
    }
}

/// A file opened for writing: its buffer until it is published.
pub(super) struct Upload {
    pub(super) storage: MemoryStorage,
    pub(super) path: VirtualPath,
    pub(super) bytes: Vec<u8>,
    pub(super) start: u64,
    pub(super) replace: bool,
    pub(super) open: bool,
}

impl File for Upload {
    fn size(&self) -> Option<u64> {
        Some(self.bytes.len() as u64)
    }

    fn start(&self) -> u64 {
        self.start
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.bytes.get(start..)).unwrap_or(&[]);
        let len = rest.len().min(buffer.len());
        if let (Some(target), Some(source)) = (buffer.get_mut(..len), rest.get(..len)) {
            target.copy_from_slice(source);
        }
        Ok(len)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let start = usize::try_from(offset).map_err(|_| StorageError::NoSpace)?;
        let end = start.checked_add(bytes.len()).ok_or(StorageError::NoSpace)?;
        let tree = self.storage.lock();
        if tree.capacity.is_some_and(|capacity| tree.used().saturating_add(end as u64) > capacity) {
            return Err(StorageError::NoSpace);
        }
        tree.check_bytes(&self.path, self.start, end as u64)?;
        drop(tree);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(target) = self.bytes.get_mut(start..end) {
            target.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, commit: bool) -> Result<(), StorageError> {
        if !commit {
            return Ok(());
        }
        let storage = self.storage.clone();
        let mut tree = storage.lock();
        tree.check_parent(&self.path)?;
        // Somebody else may have taken the room meanwhile, or the file away that was to make it.
        if let Err(error) = tree.check_bytes(&self.path, self.start, self.bytes.len() as u64) {
            self.forget_what_came(&tree);
            return Err(error);
        }
        let key = self.path.as_bytes().to_vec();
        match tree.nodes.get(&key).map(|node| (&node.content, node.mode)) {
            Some((Content::Directory, _)) => return Err(StorageError::IsADirectory),
            Some(_) if !self.replace => return Err(StorageError::AlreadyExists),
            Some((_, mode)) => {
                let bytes = core::mem::take(&mut self.bytes);
                tree.add(&key, Content::Bytes(Arc::new(bytes)), mode);
            }
            None => {
                let bytes = core::mem::take(&mut self.bytes);
                tree.add(&key, Content::Bytes(Arc::new(bytes)), 0o666 & !storage.umask);
            }
        }
        self.open = false;
        end_upload(&mut tree, &key);
        Ok(())
    }

    fn discard(mut self: Box<Self>) -> Result<(), StorageError> {
        let storage = self.storage.clone();
        self.forget_what_came(&storage.lock());
        self.finish(false)
    }
}

impl Upload {
    /// What it began with stays, unless that is the file itself.
    fn forget_what_came(&mut self, tree: &Tree) {
        let stands = tree.nodes.contains_key(self.path.as_bytes());
        let kept = if stands { 0 } else { usize::try_from(self.start).unwrap_or(usize::MAX) };
        self.bytes.truncate(kept);
    }
}

/// An upload that was not published stays as the part to resume.
impl Drop for Upload {
    fn drop(&mut self) {
        if self.open {
            let storage = self.storage.clone();
            let mut tree = storage.lock();
            let key = self.path.as_bytes().to_vec();
            end_upload(&mut tree, &key);
            let part = Part { bytes: core::mem::take(&mut self.bytes), modified: tree.now };
            if part.bytes.is_empty() {
                tree.parts.remove(&key);
            } else {
                tree.parts.insert(key, part);
            }
        }
    }
}

fn end_upload(tree: &mut Tree, key: &[u8]) {
    if let Some(count) = tree.uploading.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            tree.uploading.remove(key);
        }
    }
}

pub(super) struct Entries(pub(super) alloc::vec::IntoIter<Entry>);

impl Directory for Entries {
    fn next_entry(&mut self) -> Result<Option<Entry>, StorageError> {
        Ok(self.0.next())
    }
}
