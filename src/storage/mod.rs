//! Storage on disk: a directory of the system as the whole world of a client.
//!
//! Nothing leads outside: no name, no `..`, no link, no rename at the wrong moment. The system checks each
//! path while it resolves it, so there is no moment between the check and the use. Where the system has
//! openat2 (Linux 5.6), absolute links mean "from the top of the tree", as after chroot; elsewhere only
//! relative links work.
//!
//! Uploads appear under their name when they are complete, see [`Uploads`].
//!
//! ```
//! use ftp_proto::host::{Abilities, Create, Storage as _};
//! use ftp_proto::path::VirtualPath;
//! use ftpd::storage::{DiskStorage, Options};
//!
//! let directory = tempfile::tempdir()?;
//! let storage = DiskStorage::open(directory.path(), Options::for_account("anna"))?;
//! let path = VirtualPath::new(b"/report.txt")?;
//! let mut file = storage.create(&path, Create::Replace { overwrite: true })?;
//! file.write_at(0, b"complete")?;
//! assert!(!directory.path().join("report.txt").exists());
//! file.finish(true)?;
//! assert_eq!(std::fs::read(directory.path().join("report.txt"))?, b"complete");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod jail;
#[cfg(target_os = "linux")]
mod linux;
mod names;
mod portable;
mod quota;
mod sweep;
#[cfg(test)]
#[cfg(unix)]
mod tests;
mod tree;
mod upload;

use ftp_proto::host::{Abilities, Create, Directory, File, Metadata, Storage, StorageError, Usage, Wanted};
use ftp_proto::path::VirtualPath;
use ftp_proto::time::UnixTime;
use jail::Jail;
pub use quota::{Ledger, Limits};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tree::{AnyTree, Tree};

/// How uploads reach their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Uploads {
    /// Written to a hidden part in the same directory, and renamed when complete. A broken upload never
    /// shows under its name; if it is kept, the same account resumes it by REST or APPE. A file that exists is appended
    /// to and resumed in place. A link at the name is replaced, not followed.
    Atomic {
        /// What becomes of the part of a broken upload.
        partial: Partial,
    },
    /// Written under their name from the first byte, as other servers do. A link at the name is followed.
    Direct,
}

impl Default for Uploads {
    fn default() -> Self {
        Self::Atomic { partial: Partial::default() }
    }
}

/// What becomes of the hidden part of an upload that broke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Partial {
    /// It stays, and the same account goes on with it.
    #[default]
    Keep,
    /// It is removed; the client begins again. What a killed server leaves is swept later all the same.
    Discard,
}

/// How an account uses a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whose uploads these are: only the same account resumes an unfinished one.
    pub account: String,
    /// How uploads reach their name.
    pub uploads: Uploads,
    /// Permission bits of new files, whatever the umask. One that is replaced hands on its own.
    pub file_mode: u32,
    /// Permission bits of new directories; the process's umask is taken off.
    pub directory_mode: u32,
    /// Whether new files and directories get exactly these modes, as a client asked for it: nothing is taken off.
    pub exact_modes: bool,
    /// Whether a complete upload is on the disk, beyond any cache, before it is published and confirmed.
    pub durable: bool,
    /// Whether listings show the names of owners and groups instead of their numbers. Names tell strangers
    /// who has an account on the machine.
    pub named_owners: bool,
}

impl Options {
    /// The defaults for an account: atomic uploads, modes 0644 and 0755, numbers for owners.
    pub fn for_account(account: impl Into<String>) -> Self {
        Self { account: account.into(), ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            account: String::new(),
            uploads: Uploads::default(),
            file_mode: 0o644,
            directory_mode: 0o755,
            exact_modes: false,
            durable: false,
            named_owners: false,
        }
    }
}

/// A directory on disk as a [`Storage`]. Clones are cheap and share the open top directory; so do the
/// storages of several accounts made by [`with_options`](Self::with_options).
#[derive(Clone)]
pub struct DiskStorage {
    tree: Arc<dyn AnyTree>,
}

impl DiskStorage {
    /// Opens the directory `root`. It stays this directory, whatever its path leads to later.
    ///
    /// # Errors
    /// What the system says to opening it: it is missing, no directory, or not to be searched.
    pub fn open(root: &Path, options: Options) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        match linux::Root::open_root(root) {
            Ok(jail) => return Ok(Self { tree: Arc::new(Tree::new(jail, options)) }),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error) => return Err(error),
        }
        Self::open_portable(root, options)
    }

    /// As [`open`](Self::open), with the means that every system has, even if this one has better ones.
    /// Absolute links don't work then.
    ///
    /// # Errors
    /// As for [`open`](Self::open); it must be readable, too.
    pub fn open_portable(root: &Path, options: Options) -> io::Result<Self> {
        let jail = portable::Root::open_root(root)?;
        Ok(Self { tree: Arc::new(Tree::new(jail, options)) })
    }

    /// The same tree for another account, or used in another way.
    #[must_use]
    pub fn with_options(&self, options: Options) -> Self {
        Self { tree: self.tree.with_options(options) }
    }

    /// The same tree, where what is stored is counted in this ledger, and bounded. Every tree that leads to the same
    /// directory has to have the same ledger, those of accounts without limits, too. What is there is counted in the
    /// background, in threads that begin when somebody first asks for the usage or stores something, and every hour in
    /// which that happens again. Until it is known, what is added counts alone.
    #[must_use]
    pub fn with_quota(&self, ledger: Arc<Ledger>, limits: Limits) -> Self {
        Self { tree: self.tree.with_quota(ledger, limits) }
    }

    /// What identifies the directory on this system, whatever its path is; `None` if the system doesn't tell.
    pub fn identity(&self) -> Option<(u64, u64)> {
        self.tree.identity()
    }

    /// How it is used.
    pub fn options(&self) -> &Options {
        self.tree.options()
    }

    /// Removes parts of uploads, of any account, that nobody has touched for so long. Links are not
    /// followed; a limit on depth and number bounds the walk. Returns how many were removed.
    ///
    /// # Errors
    /// The top directory can't be read. What can't be read or removed below is left alone.
    pub fn sweep(&self, older_than: Duration) -> Result<u64, StorageError> {
        self.tree.sweep(older_than)
    }
}

/// [`DiskStorage::sweep`] for a directory that is not open yet: what a server does when it starts.
///
/// # Errors
/// The directory can't be opened or read.
pub fn sweep(root: &Path, older_than: Duration) -> io::Result<u64> {
    DiskStorage::open(root, Options::default())?.sweep(older_than).map_err(io::Error::other)
}

impl core::fmt::Debug for DiskStorage {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("DiskStorage").field("options", self.options()).finish_non_exhaustive()
    }
}

impl Storage for DiskStorage {
    fn abilities(&self) -> Abilities {
        self.tree.abilities()
    }

    fn available(&self, path: &VirtualPath) -> Result<u64, StorageError> {
        self.tree.available(path)
    }

    fn usage(&self) -> Result<Usage, StorageError> {
        self.tree.usage()
    }

    fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.tree.metadata(path)
    }

    fn metadata_to_resume(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.tree.metadata_to_resume(path)
    }

    fn metadata_now(&self, path: &VirtualPath) -> Option<Metadata> {
        self.tree.metadata_now(path)
    }

    fn open_now(&self, path: &VirtualPath) -> Option<Box<dyn File>> {
        self.tree.open_now(path)
    }

    fn open(&self, path: &VirtualPath) -> Result<Box<dyn File>, StorageError> {
        self.tree.open(path)
    }

    fn create(&self, path: &VirtualPath, how: Create) -> Result<Box<dyn File>, StorageError> {
        self.tree.create(path, how)
    }

    fn read_dir(&self, path: &VirtualPath, wanted: Wanted) -> Result<Box<dyn Directory>, StorageError> {
        self.tree.read_dir(path, wanted)
    }

    fn create_dir(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.tree.create_dir(path)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.tree.remove_file(path)
    }

    fn remove_dir(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.tree.remove_dir(path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError> {
        self.tree.rename(from, to, replace)
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), StorageError> {
        self.tree.set_modified(path, time)
    }

    fn symlink(&self, target: &VirtualPath, link: &VirtualPath) -> Result<(), StorageError> {
        self.tree.symlink(target, link)
    }

    fn set_permissions(&self, path: &VirtualPath, mode: u32) -> Result<(), StorageError> {
        self.tree.set_permissions(path, mode)
    }

    fn with_umask(&self, umask: u32) -> Option<Arc<dyn Storage>> {
        self.tree.with_umask(umask)
    }
}
