//! A storage whose calls fail, each of them, when the world says so.

use super::choices::Choices;
use super::faults::Fault;
use super::tally::Tally;
use crate::host::{Abilities, Create, Directory, Entry, File, Metadata, Storage, StorageError, Wanted};
use crate::path::VirtualPath;
use crate::time::UnixTime;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, PoisonError};

/// Why they fail. What a system can say at any time: a file that was there is gone, the disk is full.
pub(super) const ERRORS: &[(&str, StorageError)] = &[
    ("no space", StorageError::NoSpace),
    ("input/output", StorageError::Io(String::new())),
    ("denied", StorageError::Denied),
    ("not found", StorageError::NotFound),
    ("busy", StorageError::Busy),
];

/// Calls that need space.
const WRITING: &[&str] = &["create", "create_dir", "write_at", "copy_from", "finish", "rename", "symlink"];

/// Calls on what is open.
const OPEN: &[&str] = &["read_at", "write_at", "copy_from", "finish", "discard", "next_entry"];

/// Calls that come so seldom that they are not met by counting.
const RARE: &[&str] = &["copy_from", "discard", "rename", "symlink", "set_created", "set_modified"];

/// Which call fails.
#[derive(Clone, Copy)]
enum When {
    /// The one behind so many others.
    After(usize),
    /// The first rare one.
    Rare,
}

/// What is to fail, and what did.
#[derive(Default)]
struct State {
    /// Which call, and how.
    next: Option<(When, &'static (&'static str, StorageError))>,
    failed: Vec<(&'static str, &'static str)>,
}

/// Decides which call fails.
#[derive(Clone, Default)]
pub(super) struct Trouble(Arc<Mutex<State>>);

impl Trouble {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// No more of it. Which calls failed, and why.
    fn end(&self) -> Vec<(&'static str, &'static str)> {
        self.with(|state| {
            state.next = None;
            core::mem::take(&mut state.failed)
        })
    }

    /// Does something on the storage, in which a call may fail.
    pub(super) fn during<T>(
        &self,
        choices: &mut Choices<'_>,
        tally: &mut Tally,
        work: impl FnOnce() -> T,
    ) -> T {
        let when = match choices.below(40) {
            1 | 2 => Some(When::After(0)),
            3 | 4 => Some(When::After(choices.below(8))),
            5..=9 => Some(When::Rare),
            _ => None,
        };
        let next = when.zip(choices.pick(ERRORS));
        self.with(|state| state.next = next);
        let done = work();
        for (call, why) in self.end() {
            tally.faults.met(Fault::Storage(call));
            tally.faults.met(Fault::StorageError(why));
        }
        done
    }

    fn call(&self, name: &'static str) -> Result<(), StorageError> {
        self.with(|state| {
            let Some((when, error)) = &mut state.next else { return Ok(()) };
            match when {
                When::After(0) => {}
                When::After(calls) => {
                    *calls -= 1;
                    return Ok(());
                }
                When::Rare if RARE.contains(&name) => {}
                When::Rare => return Ok(()),
            }
            let (why, error) = *error;
            // What only reads is not told that the disk is full, nor what is open that somebody has it.
            let may_be = match error {
                StorageError::NoSpace => WRITING.contains(&name),
                StorageError::Busy => !OPEN.contains(&name),
                _ => true,
            };
            if !may_be {
                return Ok(());
            }
            state.next = None;
            state.failed.push((name, why));
            Err(error.clone())
        })
    }
}

/// Another storage, with trouble.
pub(super) struct Troubled {
    pub(super) inner: Arc<dyn Storage>,
    pub(super) trouble: Trouble,
}

impl Storage for Troubled {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.trouble.call("metadata")?;
        self.inner.metadata(path)
    }

    fn metadata_to_resume(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.trouble.call("metadata_to_resume")?;
        self.inner.metadata_to_resume(path)
    }

    fn open(&self, path: &VirtualPath) -> Result<Box<dyn File>, StorageError> {
        self.trouble.call("open")?;
        let inner = self.inner.open(path)?;
        Ok(Box::new(TroubledFile { inner, trouble: self.trouble.clone() }))
    }

    fn create(&self, path: &VirtualPath, how: Create) -> Result<Box<dyn File>, StorageError> {
        self.trouble.call("create")?;
        let inner = self.inner.create(path, how)?;
        Ok(Box::new(TroubledFile { inner, trouble: self.trouble.clone() }))
    }

    fn read_dir(&self, path: &VirtualPath, wanted: Wanted) -> Result<Box<dyn Directory>, StorageError> {
        self.trouble.call("read_dir")?;
        let inner = self.inner.read_dir(path, wanted)?;
        Ok(Box::new(TroubledDirectory { inner, trouble: self.trouble.clone() }))
    }

    fn create_dir(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.trouble.call("create_dir")?;
        self.inner.create_dir(path)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.trouble.call("remove_file")?;
        self.inner.remove_file(path)
    }

    fn remove_dir(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.trouble.call("remove_dir")?;
        self.inner.remove_dir(path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError> {
        self.trouble.call("rename")?;
        self.inner.rename(from, to, replace)
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), StorageError> {
        self.trouble.call("set_modified")?;
        self.inner.set_modified(path, time)
    }

    fn set_created(&self, path: &VirtualPath, time: UnixTime) -> Result<(), StorageError> {
        self.trouble.call("set_created")?;
        self.inner.set_created(path, time)
    }

    fn available(&self, path: &VirtualPath) -> Result<u64, StorageError> {
        self.trouble.call("available")?;
        self.inner.available(path)
    }

    fn symlink(&self, target: &VirtualPath, link: &VirtualPath) -> Result<(), StorageError> {
        self.trouble.call("symlink")?;
        self.inner.symlink(target, link)
    }

    fn set_permissions(&self, path: &VirtualPath, mode: u32) -> Result<(), StorageError> {
        self.trouble.call("set_permissions")?;
        self.inner.set_permissions(path, mode)
    }

    fn with_umask(&self, umask: u32) -> Option<Arc<dyn Storage>> {
        let inner = self.inner.with_umask(umask)?;
        Some(Arc::new(Self { inner, trouble: self.trouble.clone() }))
    }
}

struct TroubledFile {
    inner: Box<dyn File>,
    trouble: Trouble,
}

impl File for TroubledFile {
    fn size(&self) -> Option<u64> {
        self.inner.size()
    }

    fn start(&self) -> u64 {
        self.inner.start()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.trouble.call("read_at")?;
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.trouble.call("write_at")?;
        self.inner.write_at(offset, bytes)
    }

    fn copy_from(
        &mut self,
        offset: u64,
        source: &mut dyn File,
        from: u64,
        length: u64,
    ) -> Result<u64, StorageError> {
        self.trouble.call("copy_from")?;
        self.inner.copy_from(offset, source, from, length)
    }

    fn discard(self: Box<Self>) -> Result<(), StorageError> {
        self.trouble.call("discard")?;
        self.inner.discard()
    }

    fn finish(self: Box<Self>, commit: bool) -> Result<(), StorageError> {
        self.trouble.call("finish")?;
        self.inner.finish(commit)
    }
}

struct TroubledDirectory {
    inner: Box<dyn Directory>,
    trouble: Trouble,
}

impl Directory for TroubledDirectory {
    fn next_entry(&mut self) -> Result<Option<Entry>, StorageError> {
        self.trouble.call("next_entry")?;
        self.inner.next_entry()
    }
}
