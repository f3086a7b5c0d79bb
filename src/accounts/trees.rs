//! The directories that accounts live in, opened at the login and shared by all sessions of one account.

use crate::config_file::reader::plain;
use crate::sandbox;
use crate::storage::{DiskStorage, Ledger, Limits, Options, Uploads};
use ftp_proto::host::Storage;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// So many trees nobody uses any more may be remembered before they are swept out.
const FORGOTTEN: usize = 64;

/// All trees that are in use.
#[derive(Default)]
pub(super) struct Trees {
    open: Mutex<HashMap<Key, Weak<dyn Storage>>>,
    /// What is stored in directories with quotas, whoever uses them. Kept while nobody is logged in, or each login would
    /// count anew, and store meanwhile.
    ledgers: Mutex<HashMap<Place, Arc<Ledger>>>,
    /// By whoever has a limit and has logged in: the ledger of the directory.
    limited: Mutex<HashMap<String, Arc<Ledger>>>,
}

/// A directory, by what it is, or by its path where the system doesn't tell.
#[derive(PartialEq, Eq, Hash)]
enum Place {
    Known(u64, u64),
    Path(PathBuf),
}

impl Place {
    fn of(tree: &DiskStorage, root: &Path) -> Self {
        tree.identity()
            .map_or_else(|| Self::Path(root.to_owned()), |(device, inode)| Self::Known(device, inode))
    }
}

/// The same directory is another tree for another account: its unfinished uploads are its own.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    root: PathBuf,
    account: String,
    uploads: Uploads,
    limits: Option<Limits>,
}

impl Trees {
    /// The tree of an account. `limits`: what is stored there is counted, whether this account has limits or others; `None`:
    /// nobody of its realm has any, so that it counts only where others have some or had.
    pub(super) fn get(
        &self,
        root: &Path,
        account: &str,
        uploads: Uploads,
        limits: Option<Limits>,
    ) -> Result<Arc<dyn Storage>, String> {
        let key = Key { root: root.to_owned(), account: account.to_owned(), uploads, limits };
        let lock = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = lock().get(&key).and_then(Weak::upgrade) {
            return Ok(tree);
        }
        // Without the lock: one slow disk must not hold up everybody's login.
        let tree = open_tree(root, account, uploads)?;
        let tree: Arc<dyn Storage> = Arc::new(self.counted(tree, root, account, limits));
        let mut open = lock();
        if let Some(first) = open.get(&key).and_then(Weak::upgrade) {
            return Ok(first);
        }
        if open.len() >= FORGOTTEN {
            open.retain(|_, tree| tree.strong_count() > 0);
        }
        open.insert(key, Arc::downgrade(&tree));
        Ok(tree)
    }

    /// A ledger that was begun goes on, or it would be wrong when it is needed again.
    fn counted(&self, tree: DiskStorage, root: &Path, account: &str, limits: Option<Limits>) -> DiskStorage {
        let place = Place::of(&tree, root);
        let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = match limits {
            Some(_) => Some(Arc::clone(ledgers.entry(place).or_default())),
            None => ledgers.get(&place).map(Arc::clone),
        };
        drop(ledgers);
        if let Some(ledger) = ledger.as_ref().filter(|_| limits.is_some_and(Limits::is_set)) {
            let mut limited = self.limited.lock().unwrap_or_else(PoisonError::into_inner);
            limited.insert(account.to_owned(), Arc::clone(ledger));
        }
        match ledger {
            Some(ledger) => tree.with_quota(ledger, limits.unwrap_or_default()),
            None => tree,
        }
    }

    /// How many bytes and files are where this account has a limit, if that was counted since the start.
    pub(super) fn used(&self, account: &str) -> Option<(u64, u64)> {
        self.limited.lock().unwrap_or_else(PoisonError::into_inner).get(account)?.used()
    }

    /// Removes what broken uploads have left long ago. Where it counts, it doesn't any more.
    pub(super) fn sweep(&self, root: &Path, older_than: Duration) -> io::Result<u64> {
        let tree = DiskStorage::open(root, Options::default())?;
        self.counted(tree, root, "", None).sweep(older_than).map_err(io::Error::other)
    }
}

/// Somebody logs in: how much is there should be known when something is stored. Not before, when trees are opened: a
/// server that confines itself may have no threads then.
pub(super) fn begin_counting(tree: &dyn Storage) {
    // Asking does it. What is not counted has no answer.
    let _ = tree.usage();
}

/// Opens a directory. That it can be listed is asked at once, or a start would succeed and every login fail.
fn open_tree(root: &Path, account: &str, uploads: Uploads) -> Result<DiskStorage, String> {
    let options = Options { uploads, ..Options::for_account(account) };
    let tree = std::fs::read_dir(root).and_then(|_| DiskStorage::open(root, options));
    tree.map_err(|error| format!("{}: {}", root.display(), unusable(root, &error)))
}

/// Why a directory can't be served: the system's word, or that it is out of reach for this process.
pub(super) fn unusable(root: &Path, error: &io::Error) -> String {
    let refused = error.kind() == io::ErrorKind::PermissionDenied;
    let outside = if refused { sandbox::outside(root, sandbox::Use::Serve) } else { None };
    outside.unwrap_or_else(|| plain(error))
}
