//! What a jailed directory tree must be able to do: the seam between the rules of this storage (hidden
//! parts, publishing, resuming), which are the same everywhere, and the systems, which are not.
//!
//! Two kinds of access, and no third:
//! - [`Jail`] follows links, whole paths at a time, and whatever the links say, it ends inside the tree.
//! - [`Folder`] is an open directory inside the tree; it takes single names and never follows a link.

use ftp_proto::host::{Kind, OverQuota, StorageError, Wanted};
use ftp_proto::path::VirtualPath;
use ftp_proto::time::UnixTime;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What all operations here return.
pub(super) type Result<T> = core::result::Result<T, StorageError>;

/// Facts about a file, as the system has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stat {
    /// File, directory, link or else.
    pub(super) kind: Kind,
    /// Length in bytes.
    pub(super) size: u64,
    /// Last modification.
    pub(super) modified: UnixTime,
    /// Creation, where the system and the file system know it.
    pub(super) created: Option<UnixTime>,
    /// Permission bits, where the system has them.
    pub(super) mode: Option<u32>,
    /// Numbers of the owner and the group, where the system has them.
    pub(super) owner: Option<(u32, u32)>,
    /// Number of names.
    pub(super) links: u32,
    /// Device and inode.
    pub(super) unique: Option<(u64, u64)>,
}

impl Stat {
    /// Whether it is open only, and gone when it is closed.
    pub(super) fn has_no_name(&self) -> bool {
        self.links == 0 && self.unique.is_some()
    }
}

/// Whether opening makes the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    /// It must be there.
    Never,
    /// It is made with this mode if it isn't there.
    IfAbsent(u32),
    /// It is made with this mode, and must not be there.
    Exclusive(u32),
}

/// How to open a file. Nothing is ever truncated by opening: what was opened must be looked at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// For reading.
    pub(super) read: bool,
    /// For writing.
    pub(super) write: bool,
    /// Whether it is made.
    pub(super) creation: Creation,
}

impl Opening {
    /// An existing file, for reading.
    pub(super) const READ: Self = Self { read: true, write: false, creation: Creation::Never };

    /// A file for writing.
    pub(super) const fn write(creation: Creation) -> Self {
        Self { read: false, write: true, creation }
    }
}

/// A tree that nothing leads out of.
pub(super) trait Jail: Send + Sync + Sized + 'static {
    /// An open directory of the tree.
    type Folder: Folder;
    /// A directory that is being read.
    type Entries: Iterator<Item = Result<(Vec<u8>, Stat)>> + Send + 'static;

    /// Opens the directory on which the tree stands.
    fn open_root(root: &Path) -> io::Result<Self>;

    /// Facts about what the path leads to, links followed; an error if a link leads nowhere.
    fn stat(&self, path: &VirtualPath) -> Result<Stat>;

    /// Opens, links followed. Never waits, whatever it is. The caller looks whether it is a file.
    fn open(&self, path: &VirtualPath, how: Opening) -> Result<File>;

    /// Opens for reading if all that is needed for it is in memory; `None` if not, or if it fails.
    fn open_cached(&self, path: &VirtualPath) -> Option<File> {
        let _ = path;
        None
    }

    /// As [`stat`](Self::stat), with the same restriction.
    fn stat_cached(&self, path: &VirtualPath) -> Option<Stat> {
        let _ = path;
        None
    }

    /// Opens a directory, links followed.
    fn folder(&self, path: &VirtualPath) -> Result<Self::Folder>;

    /// Reads a directory, links followed. Each entry is what its links lead to, or the link itself if they
    /// lead nowhere. For [`Wanted::Names`] only the kind needs to be true. No `.` and `..`.
    fn entries(self: &Arc<Self>, path: &VirtualPath, wanted: Wanted) -> Result<Self::Entries>;

    /// Sets the time of last modification, links followed.
    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<()>;

    /// Sets the permission bits, links followed, of what `may` lets pass once it is open: it can't become another thing then.
    fn set_permissions(&self, path: &VirtualPath, mode: u32, may: &dyn Fn(&Stat) -> Result<()>)
    -> Result<()>;

    /// Facts about an open file.
    fn stat_file(file: &File) -> Result<Stat>;
}

/// An open directory of the tree. Names are single: no slash, not `.` or `..`.
pub(super) trait Folder: Send + Sized + 'static {
    /// The names in it, being read.
    type Names: Iterator<Item = Result<(Vec<u8>, Kind)>>;

    /// Facts about a name; a link is a link.
    fn stat(&self, name: &[u8]) -> Result<Stat>;

    /// Opens a file. A link is refused. Never waits. The caller looks whether it is a file.
    fn open(&self, name: &[u8], how: Opening) -> Result<File>;

    /// Opens a directory in it. A link is refused.
    fn child(&self, name: &[u8]) -> Result<Self>;

    /// All names in it but `.` and `..`, hidden parts included.
    fn names(&self) -> Result<Self::Names>;

    /// Makes a directory.
    fn create_dir(&self, name: &[u8], mode: u32) -> Result<()>;

    /// Makes a symbolic link that says `text`.
    fn symlink(&self, text: &[u8], name: &[u8]) -> Result<()>;

    /// Removes a name that is not a directory.
    fn remove_file(&self, name: &[u8]) -> Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, name: &[u8]) -> Result<()>;

    /// Renames, within the tree. What is at `new` is replaced only if `replace`; a directory never is.
    fn rename(&self, name: &[u8], to: &Self, new: &[u8], replace: bool) -> Result<()>;

    /// Renames within this directory what is known to be a file; it takes the place of a file, never of a directory.
    fn replace_by_file(&self, name: &[u8], new: &[u8]) -> Result<()> {
        self.rename(name, self, new, true)
    }
}

/// Refuses what is not a regular file. Devices and pipes block, answer oddly or do things when opened, so
/// clients get none of them.
pub(super) fn regular(stat: &Stat) -> Result<()> {
    match stat.kind {
        Kind::File => Ok(()),
        Kind::Directory => Err(StorageError::IsADirectory),
        Kind::Link | Kind::Other => Err(StorageError::Denied),
    }
}

/// The system's error as the storage's. The text of what has no name of its own goes to the log only.
pub(super) fn failure(error: io::Error) -> StorageError {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        match Errno::from_io_error(&error) {
            // A link that leads out of the tree or in circles; a socket or a pipe that nobody reads.
            Some(Errno::LOOP | Errno::XDEV | Errno::NXIO | Errno::PERM) => return StorageError::Denied,
            Some(Errno::NAMETOOLONG | Errno::ILSEQ) => return StorageError::BadName,
            Some(Errno::NOSPC | Errno::FBIG) => return StorageError::NoSpace,
            Some(Errno::DQUOT) => return StorageError::OverQuota(OverQuota::System),
            Some(Errno::STALE | Errno::NODEV) => return StorageError::NotFound,
            Some(Errno::AGAIN | Errno::BUSY | Errno::TXTBSY) => return StorageError::Busy,
            Some(Errno::OPNOTSUPP) => return StorageError::Unsupported,
            _ => {}
        }
    }
    StorageError::from(error)
}

/// As [`failure`], where the system's word "not a directory" is about a part of the path above the name:
/// for a client that is a path that doesn't exist.
pub(super) fn path_failure(error: io::Error) -> StorageError {
    match failure(error) {
        StorageError::NotADirectory => StorageError::NotFound,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_full_disk_is_told_from_a_quota() {
        use rustix::io::Errno;
        let over = StorageError::OverQuota(OverQuota::System);
        for (errno, want) in [(Errno::NOSPC, StorageError::NoSpace), (Errno::DQUOT, over)] {
            assert_eq!(failure(errno.into()), want);
            // What an adapter makes of it, where bytes go past the storage.
            assert_eq!(StorageError::from(io::Error::from(errno)), want);
        }
    }
}
