//! The directories that accounts live in, opened at the login and shared by all sessions of one account.

use crate::config_file::reader::plain;
use crate::sandbox;
use crate::storage::{DiskStorage, Options, Uploads};
use ftp_proto::host::Storage;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// So many trees nobody uses any more may be remembered before they are swept out.
const FORGOTTEN: usize = 64;

/// All trees that are in use.
#[derive(Default)]
pub(super) struct Trees {
    open: Mutex<HashMap<Key, Weak<dyn Storage>>>,
}

/// The same directory is another tree for another account: its unfinished uploads are its own.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    root: PathBuf,
    account: String,
    uploads: Uploads,
}

impl Trees {
    /// The tree of an account.
    pub(super) fn get(
        &self,
        root: &Path,
        account: &str,
        uploads: Uploads,
    ) -> Result<Arc<dyn Storage>, String> {
        let key = Key { root: root.to_owned(), account: account.to_owned(), uploads };
        let lock = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = lock().get(&key).and_then(Weak::upgrade) {
            return Ok(tree);
        }
        // Without the lock: one slow disk must not hold up everybody's login.
        let tree = open_tree(root, account, uploads)?;
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
}

/// Opens a directory. That it can be listed is asked at once, or a start would succeed and every login fail.
fn open_tree(root: &Path, account: &str, uploads: Uploads) -> Result<Arc<dyn Storage>, String> {
    let options = Options { uploads, ..Options::for_account(account) };
    let tree = std::fs::read_dir(root).and_then(|_| DiskStorage::open(root, options));
    match tree {
        Ok(tree) => Ok(Arc::new(tree)),
        Err(error) => Err(format!("{}: {}", root.display(), unusable(root, &error))),
    }
}

/// Why a directory can't be served: the system's word, or that it is out of reach for this process.
pub(super) fn unusable(root: &Path, error: &io::Error) -> String {
    let refused = error.kind() == io::ErrorKind::PermissionDenied;
    let outside = if refused { sandbox::outside(root, sandbox::Use::Serve) } else { None };
    outside.unwrap_or_else(|| plain(error))
}
