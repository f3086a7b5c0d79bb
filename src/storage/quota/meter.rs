//! What one upload takes of a quota.

use super::{Key, Quota};
use crate::storage::jail::{Result, Stat};
use ftp_proto::host::{OverQuota, StorageError};

/// So much is taken at once, where there is plenty: no lock for each piece, and splice gets its whole pieces.
const CHUNK: u64 = 1 << 20;

/// Counts what one upload writes, before it is written.
pub(in crate::storage) struct Meter {
    quota: Quota,
    key: Key,
    /// The length of the file that it replaces when it is complete; `None`: there is none. Until then both are there; but
    /// somebody whose quota is nearly used up has to be able to replace files, too.
    credit: Option<u64>,
    /// Where it begins.
    start: u64,
    /// It may write up to here.
    paid: u64,
    /// Its file has been removed.
    removed: bool,
}

impl Meter {
    /// For a file that was just opened, or made.
    pub(in crate::storage) fn new(quota: &Quota, opened: &Stat, credit: Option<u64>) -> Self {
        // What has lost its name was taken from the count as it went.
        let counted = if opened.has_no_name() { 0 } else { opened.size };
        let key = quota.ledger.open(opened.unique, counted);
        let (start, paid) = (opened.size, opened.size);
        Self { quota: quota.clone(), key, credit, start, paid, removed: false }
    }

    /// The file was cut off where writing begins.
    pub(in crate::storage) fn cut(&mut self, start: u64) {
        self.quota.ledger.cut(self.key, start);
        (self.start, self.paid) = (start, start);
    }

    /// No more comes, and the file has this length: what was taken ahead is given back.
    pub(in crate::storage) fn end_at(&mut self, length: u64) {
        self.quota.ledger.cut(self.key, length);
        self.paid = length;
    }

    /// How much may be stored until it is complete.
    fn limit(&self) -> Option<u64> {
        self.quota.limits.bytes.map(|limit| limit.saturating_add(self.credit.unwrap_or(0)))
    }

    /// Before the file, which is complete, takes the place of `replaced`. What was to make room may be gone, or be shorter by
    /// now: then it makes none.
    pub(in crate::storage) fn check_credit(&self, replaced: Option<&Stat>) -> Result<()> {
        let Some(credit) = self.credit else { return Ok(()) };
        let limits = self.quota.limits;
        let (bytes, files) = self.quota.ledger.counted_or_since();
        let room = replaced.map_or(0, Quota::room_made_by);
        let limit = limits.bytes.map(|limit| limit.saturating_add(room)).filter(|_| room < credit);
        if let Some(limit) = limit.filter(|limit| bytes > *limit) {
            let others = bytes.saturating_sub(self.paid.saturating_sub(self.start));
            return Err(StorageError::OverQuota(OverQuota::Bytes(limit.saturating_sub(others))));
        }
        match limits.files {
            Some(limit) if replaced.is_none() && files > limit => {
                Err(StorageError::OverQuota(OverQuota::Files))
            }
            _ => Ok(()),
        }
    }

    /// Before the file is written up to this offset.
    pub(in crate::storage) fn pay(&mut self, to: u64) -> Result<()> {
        if to <= self.paid {
            return Ok(());
        }
        match self.quota.ledger.pay(self.key, self.limit(), to, CHUNK) {
            Ok(paid) => {
                self.paid = paid;
                Ok(())
            }
            Err(left) => {
                let room = left.saturating_add(self.paid.saturating_sub(self.start));
                Err(StorageError::OverQuota(OverQuota::Bytes(room)))
            }
        }
    }

    /// Up to which offset may be written.
    pub(in crate::storage) const fn paid(&self) -> u64 {
        self.paid
    }

    /// As [`pay`](Self::pay), for as much as is taken at once; less, or nothing, is no error.
    pub(in crate::storage) fn pay_ahead(&mut self, from: u64) {
        if self.paid <= from {
            self.paid = self.quota.ledger.pay(self.key, self.limit(), from, CHUNK).unwrap_or(self.paid);
        }
    }

    /// The file has no name any more.
    pub(in crate::storage) fn removed(&mut self) {
        self.removed = true;
    }

    pub(in crate::storage) const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The upload has ended, and this is its file: what was taken and not written is given back.
    pub(in crate::storage) fn settle(self, file: impl FnOnce() -> Option<Stat>) {
        let _names = self.quota.names();
        let size = match file() {
            _ if self.removed => Some(0),
            Some(stat) if stat.has_no_name() => Some(0),
            other => other.map(|stat| stat.size),
        };
        self.quota.ledger.close(self.key, size);
    }
}
