//! How much an account may store: a [`Limits`] of its own, and a [`Ledger`] of what is there, which all accounts share
//! that have the same directory.
//!
//! **What counts** is what stands on the disk below the directory: the lengths of files, hidden parts of uploads among
//! them, and the number of files, links and directories. A file with several names counts once for each.
//!
//! **Nothing is written before it was counted.** An upload takes from the ledger in pieces, and gives back what it did
//! not use when it ends, however it ends ([`Meter`]). While it is open the ledger knows it by its inode. So it counts
//! once, if several write to one file; it goes on to count when its name is removed, until it is closed; and the walk that
//! counts everything ([`walk`]) can leave it out and take the exact number from here.
//!
//! **The walk is beside the sessions.** What they change meanwhile it may have seen or not; the ledger keeps a count of
//! these changes, so that it knows between which two numbers the truth lies.

mod ledger;
mod meter;
#[cfg(test)]
mod tests;
mod walk;

pub use ledger::Ledger;
pub(super) use meter::Meter;

use super::jail::{Jail, Result, Stat};
use ftp_proto::host::{Kind, OverQuota, Share, StorageError, Usage};
use std::sync::{Arc, MutexGuard};

/// How much an account may store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes; `None`: any number.
    pub bytes: Option<u64>,
    /// Files, links and directories; `None`: any number.
    pub files: Option<u64>,
}

impl Limits {
    /// Whether there is any.
    pub const fn is_set(self) -> bool {
        self.bytes.is_some() || self.files.is_some()
    }
}

/// What identifies an open file.
type Key = (u64, u64);

/// Bytes and files; also differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    bytes: i64,
    files: i64,
}

impl Sum {
    const fn bytes(bytes: i64) -> Self {
        Self { bytes, files: 0 }
    }

    const fn files(files: i64) -> Self {
        Self { bytes: 0, files }
    }

    const fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), files: self.files.saturating_add(other.files) }
    }

    const fn minus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_sub(other.bytes), files: self.files.saturating_sub(other.files) }
    }
}

/// A length as a number that can be subtracted.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The ledger as one account uses it.
#[derive(Clone)]
pub(super) struct Quota {
    ledger: Arc<Ledger>,
    limits: Limits,
}

impl Quota {
    pub(super) fn new(ledger: Arc<Ledger>, limits: Limits) -> Self {
        Self { ledger, limits }
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Begins a walk in the background, if the last one is long ago.
    pub(super) fn count<J: Jail>(&self, jail: &Arc<J>) {
        if self.ledger.begin_counting_if_due() {
            walk::in_background(Arc::clone(&self.ledger), Arc::clone(jail));
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let used = self.ledger.used();
        let share = |used: Option<u64>, limit| Share { used, limit };
        Usage {
            bytes: share(used.map(|(bytes, _)| bytes), self.limits.bytes),
            files: share(used.map(|(_, files)| files), self.limits.files),
        }
    }

    /// How many bytes may be added. As long as nobody knows how much is there, what was added since counts alone.
    pub(super) fn left(&self) -> Option<u64> {
        self.limits.bytes.map(|limit| limit.saturating_sub(self.ledger.counted_or_since().0))
    }

    /// Whether more is stored than may be.
    pub(super) fn is_exceeded(&self) -> bool {
        let (bytes, files) = self.ledger.counted_or_since();
        let is_above = |number: u64, limit: Option<u64>| limit.is_some_and(|limit| number > limit);
        is_above(bytes, self.limits.bytes) || is_above(files, self.limits.files)
    }

    /// How much is freed when this is replaced. A file with another name stays, and a link is no file.
    pub(super) fn room_made_by(replaced: &Stat) -> u64 {
        if replaced.kind == Kind::File && replaced.links <= 1 { replaced.size } else { 0 }
    }

    /// Refuses what is to begin with `credit` bytes of room that it makes by itself, if there is no other.
    pub(super) fn check_room(&self, credit: u64) -> Result<()> {
        match self.left().map(|left| left.saturating_add(credit)) {
            Some(0) => Err(StorageError::OverQuota(OverQuota::Bytes(0))),
            _ => Ok(()),
        }
    }

    /// Counts a file, link or directory that is made by `make`; `credit`: so many others it replaces soon.
    pub(super) fn make<T>(&self, credit: u64, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let _names = self.names();
        self.make_named(credit, make)
    }

    /// What is found, or else is made, which counts then.
    pub(super) fn find_or_make<T>(
        &self,
        find: impl FnOnce() -> Result<T>,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let _names = self.names();
        match find() {
            Err(StorageError::NotFound) => self.make_named(0, make),
            other => other,
        }
    }

    fn make_named<T>(&self, credit: u64, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let limit = self.limits.files.map(|limit| limit.saturating_add(credit));
        if !self.ledger.add_file(limit) {
            return Err(StorageError::OverQuota(OverQuota::Files));
        }
        make().inspect_err(|_| self.ledger.add(Sum::files(-1)))
    }

    /// One who is about to make, remove or replace a name, or begins or ends to write to a file: nobody else does meanwhile. So
    /// what was looked at is what goes, and a number (inode) that is free again is not counted for the one that had it.
    pub(super) fn names(&self) -> MutexGuard<'_, ()> {
        self.ledger.names()
    }

    /// A name is gone; this is what it stood for.
    pub(super) fn removed(&self, stat: &Stat) {
        let is_file = stat.kind == Kind::File;
        let size = if is_file { stat.size } else { 0 };
        self.ledger.removed(size, stat.unique.filter(|_| is_file && stat.links <= 1));
    }

    /// A directory has got another place: a walk may see it twice, or never.
    pub(super) fn moved(&self, stat: &Stat) {
        self.ledger.moved(stat.kind == Kind::Directory, signed(stat.size));
    }
}
