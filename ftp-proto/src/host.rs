//! What an embedder implements: [`Accounts`], [`Storage`], [`File`], [`Directory`]. All of it may block; the
//! adapters call it where blocking is allowed.

use crate::account::{Account, Credentials, LoginError};
use crate::path::VirtualPath;
use crate::time::UnixTime;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Decides who may log in.
pub trait Accounts: Send + Sync {
    /// Checks a name and a password. Should take the same time whether the user exists or not.
    ///
    /// # Errors
    /// [`LoginError`]; the client never learns which part was wrong.
    fn authenticate(&self, credentials: &Credentials) -> Result<Account, LoginError>;

    /// Whether this user may enter by the certificate alone (RFC 2228 section 4): asked at USER, if the client has
    /// shown one; there is no password yet.
    ///
    /// # Errors
    /// [`LoginError::Refused`], the default: the password is asked for.
    fn authenticate_by_certificate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        let _ = credentials;
        Err(LoginError::Refused)
    }
}

/// One tree of files. Rights were checked and paths are normalised before anything here is called.
pub trait Storage: Send + Sync {
    /// What it can do beyond what every storage can. FEAT and HELP list nothing that always fails. Default: nothing.
    fn abilities(&self) -> Abilities {
        Abilities::NONE
    }

    /// Facts about a file or directory, links followed.
    ///
    /// # Errors
    /// [`StorageError`], as for every method here.
    fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError>;

    /// As [`metadata`](Self::metadata), but sees the hidden part of a broken upload of this account when
    /// there is no such file, so that SIZE, REST and APPE resume it.
    fn metadata_to_resume(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.metadata(path)
    }

    /// As [`metadata`](Self::metadata), if the answer is at hand and finding it can't block; `None`: ask where
    /// blocking is allowed. An async runtime asks this first, since a hop to another thread costs more than a
    /// look at what is cached.
    fn metadata_now(&self, path: &VirtualPath) -> Option<Metadata> {
        let _ = path;
        None
    }

    /// As [`open`](Self::open), with the same restriction as [`metadata_now`](Self::metadata_now).
    fn open_now(&self, path: &VirtualPath) -> Option<Box<dyn File>> {
        let _ = path;
        None
    }

    /// Opens a file for reading.
    fn open(&self, path: &VirtualPath) -> Result<Box<dyn File>, StorageError>;

    /// Opens a file for writing. What is written is seen under `path` when [`File::finish`] commits it, or
    /// at once where the storage works in place.
    fn create(&self, path: &VirtualPath, how: Create) -> Result<Box<dyn File>, StorageError>;

    /// Opens a directory. [`StorageError::NotADirectory`] for a file: the caller then asks for its metadata.
    fn read_dir(&self, path: &VirtualPath, wanted: Wanted) -> Result<Box<dyn Directory>, StorageError>;

    /// Makes a directory.
    fn create_dir(&self, path: &VirtualPath) -> Result<(), StorageError>;

    /// Removes a file or link, never a directory.
    fn remove_file(&self, path: &VirtualPath) -> Result<(), StorageError>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &VirtualPath) -> Result<(), StorageError>;

    /// Renames. An existing file at `to` is replaced only if `replace`, otherwise
    /// [`StorageError::AlreadyExists`].
    fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError>;

    /// Sets the time of last modification.
    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), StorageError>;

    /// Sets the time of creation, for one with [`Abilities::SET_CREATED`]. Default: [`StorageError::Unsupported`].
    fn set_created(&self, path: &VirtualPath, time: UnixTime) -> Result<(), StorageError> {
        let _ = (path, time);
        Err(StorageError::Unsupported)
    }

    /// How many bytes can still be written below a directory, for one with [`Abilities::AVAILABLE`]. Default:
    /// [`StorageError::Unsupported`].
    fn available(&self, path: &VirtualPath) -> Result<u64, StorageError> {
        let _ = path;
        Err(StorageError::Unsupported)
    }

    /// How much of what it may store the account has stored, for one with [`Abilities::QUOTA`]. Default:
    /// [`StorageError::Unsupported`].
    fn usage(&self) -> Result<Usage, StorageError> {
        Err(StorageError::Unsupported)
    }

    /// Makes a symbolic link at `link` to the file or directory `target`, so that the link leads there and nowhere else;
    /// for one with [`Abilities::SYMLINK`]. [`StorageError::AlreadyExists`] if anything is at `link`. Default:
    /// [`StorageError::Unsupported`].
    fn symlink(&self, target: &VirtualPath, link: &VirtualPath) -> Result<(), StorageError> {
        let _ = (target, link);
        Err(StorageError::Unsupported)
    }

    /// Sets the permission bits (`0o7777` at most), for one with [`Abilities::SET_PERMISSIONS`]. Default:
    /// [`StorageError::Unsupported`].
    fn set_permissions(&self, path: &VirtualPath, mode: u32) -> Result<(), StorageError> {
        let _ = (path, mode);
        Err(StorageError::Unsupported)
    }

    /// The same tree, where files and directories made from now on get the permissions `0o666` and `0o777` without the
    /// bits of `umask`, whatever else is set up; for one with [`Abilities::UMASK`]. What is there keeps its own. Default:
    /// `None`, it can't.
    fn with_umask(&self, umask: u32) -> Option<Arc<dyn Storage>> {
        let _ = umask;
        None
    }
}

/// What a [`Storage`] can do that not every one can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Abilities(u8);

impl Abilities {
    /// Nothing of it.
    pub const NONE: Self = Self(0);
    /// [`Storage::set_permissions`].
    pub const SET_PERMISSIONS: Self = Self(1);
    /// [`Storage::set_created`].
    pub const SET_CREATED: Self = Self(1 << 1);
    /// [`Storage::available`].
    pub const AVAILABLE: Self = Self(1 << 2);
    /// [`Storage::with_umask`].
    pub const UMASK: Self = Self(1 << 3);
    /// [`Storage::symlink`].
    pub const SYMLINK: Self = Self(1 << 4);
    /// [`Storage::usage`].
    pub const QUOTA: Self = Self(1 << 5);

    /// Whether all of `other` is in here.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The union.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How [`Storage::create`] opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Create {
    /// Starts empty. An existing file is replaced when the upload is published, and only if `overwrite`;
    /// otherwise [`StorageError::AlreadyExists`].
    Replace {
        /// Whether an existing file may be replaced.
        overwrite: bool,
    },
    /// Must not exist; [`StorageError::AlreadyExists`] otherwise.
    New,
    /// Goes on at the end of the file or of its hidden part; starts it if there is neither.
    Append,
    /// Goes on at this offset of the file or of its hidden part; [`StorageError::BadOffset`] if that is
    /// shorter. What lies behind the offset is cut off.
    Resume {
        /// Bytes from the start.
        at: u64,
    },
}

/// How much [`File::copy_from`] holds in memory, if it isn't the system that copies.
const COPY_AT_ONCE: u64 = 256 * 1024;

/// An open file. [`read_at`](Self::read_at) and [`write_at`](Self::write_at) work on absolute offsets.
pub trait File: Send {
    /// Length at the time of opening, if known. A download stops there.
    fn size(&self) -> Option<u64>;

    /// Where writing begins: 0, or the end or offset that [`Create`] asked for.
    fn start(&self) -> u64 {
        0
    }

    /// Reads at `offset`; 0 at the end. May return less than asked for.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError>;

    /// Writes all of `bytes` at `offset`.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;

    /// Writes at `offset` up to `length` bytes of another file, from its byte `from` on, and returns how many; 0 at
    /// the other's end. Default: reads and writes them. A storage whose system copies by itself does better.
    fn copy_from(
        &mut self,
        offset: u64,
        source: &mut dyn File,
        from: u64,
        length: u64,
    ) -> Result<u64, StorageError> {
        let mut buffer = alloc::vec![0; usize::try_from(length.min(COPY_AT_ONCE)).unwrap_or(0)];
        let count = source.read_at(from, &mut buffer)?;
        self.write_at(offset, buffer.get(..count).unwrap_or_default())?;
        Ok(count as u64)
    }

    /// Up to which offset bytes may go past this trait into [`os_file`](Self::os_file). Default: without end. A storage
    /// that counts what is written lets so many go past it as it has counted beforehand.
    fn room_until(&self) -> u64 {
        u64::MAX
    }

    /// Makes room for more bytes to go past this trait from `offset` on, if it can; up to which offset they may now. Not
    /// behind `offset`: what comes goes through [`write_at`](Self::write_at), which tells why, if there is no room.
    fn make_room(&mut self, offset: u64) -> u64 {
        let _ = offset;
        u64::MAX
    }

    /// Ends an upload with which nobody may go on, since its bytes are damaged or nobody will: of what was written since
    /// it was opened nothing stays, as far as the storage can do that. Default: [`finish`](Self::finish) without
    /// committing.
    fn discard(self: Box<Self>) -> Result<(), StorageError> {
        self.finish(false)
    }

    /// Ends an upload: publishes it under its name, or keeps or discards the part, as the storage is set
    /// up. 226 is sent only after `finish(true)` was `Ok`. If it fails, of what was written in place since it was opened nothing
    /// stays, as far as the storage can do that. Downloads are ended by dropping the file.
    fn finish(self: Box<Self>, commit: bool) -> Result<(), StorageError>;

    /// The operating system's file, if bytes may go past this trait straight between it and a socket.
    #[cfg(feature = "std")]
    fn os_file(&self) -> Option<&std::fs::File> {
        None
    }
}

/// An open directory, read as a stream. No `.` or `..`, no hidden parts of uploads.
pub trait Directory: Send {
    /// The next entry; `None` at the end. An entry that vanished meanwhile is left out.
    fn next_entry(&mut self) -> Result<Option<Entry>, StorageError>;
}

/// How much a directory reader has to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Names and kinds: the rest of [`Metadata`] may be empty (NLST).
    Names,
    /// Everything (LIST, MLSD).
    Facts,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, any bytes but `/` and NUL. The listing leaves out names with CR or LF.
    pub name: Vec<u8>,
    /// What is known about it.
    pub metadata: Metadata,
}

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    #[default]
    File,
    /// A directory.
    Directory,
    /// A symbolic link that leads nowhere a client may go.
    Link,
    /// A device, socket or pipe.
    Other,
}

/// Facts about a file. Every storage knows the kind; what else it doesn't know it leaves at the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// File, directory or else.
    pub kind: Kind,
    /// Length in bytes.
    pub size: u64,
    /// Last modification.
    pub modified: UnixTime,
    /// Creation, if the storage knows it.
    pub created: Option<UnixTime>,
    /// Unix permission bits (`0o7777`), if the storage has them.
    pub mode: Option<u32>,
    /// Owner, for LIST.
    pub owner: Option<Arc<str>>,
    /// Group, for LIST.
    pub group: Option<Arc<str>>,
    /// Number of names, for LIST.
    pub links: u32,
    /// Identifies the file beyond its name, for MLST's `unique` (device and inode, say).
    pub unique: Option<(u64, u64)>,
}

impl Metadata {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == Kind::File
    }
}

/// What an account has stored of what it may store ([`Storage::usage`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in files, hidden parts of uploads among them.
    pub bytes: Share,
    /// Files and directories.
    pub files: Share,
}

/// One number of a [`Usage`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// So many are there; `None`: they are being counted.
    pub used: Option<u64>,
    /// So many may be there; `None`: any number.
    pub limit: Option<u64>,
}

impl Share {
    /// How many may be added, if both numbers are known. None if there are too many already.
    pub fn left(self) -> Option<u64> {
        Some(self.limit?.saturating_sub(self.used?))
    }
}

/// What an account has stored as much of as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverQuota {
    /// Bytes: there was room for so many.
    #[error("room for {0} bytes")]
    Bytes(u64),
    /// Files and directories.
    #[error("no more files")]
    Files,
    /// The system says so, and not of what.
    #[error("the system's quota")]
    System,
}

/// Why a storage did not do it. The kind alone makes the reply, so nothing about the host leaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No such file or directory.
    #[error("no such file or directory")]
    NotFound,
    /// The system says no, or the path leads out of the tree.
    #[error("permission denied")]
    Denied,
    /// Something of that name is there.
    #[error("the name exists already")]
    AlreadyExists,
    /// The directory has entries.
    #[error("the directory is not empty")]
    NotEmpty,
    /// A file was wanted.
    #[error("it is a directory")]
    IsADirectory,
    /// A directory was wanted.
    #[error("it is not a directory")]
    NotADirectory,
    /// The storage can't hold such a name.
    #[error("the name is not allowed")]
    BadName,
    /// REST pointed behind the end.
    #[error("the offset is behind the end of the file")]
    BadOffset,
    /// The disk is full.
    #[error("no space left")]
    NoSpace,
    /// The account has stored as much as it may.
    #[error("over quota: {0}")]
    OverQuota(OverQuota),
    /// Somebody else has it just now.
    #[error("the file is in use")]
    Busy,
    /// This storage can't.
    #[error("not supported here")]
    Unsupported,
    /// The job was stopped, because nobody wants its end any more ([`Course`](crate::event::Course)).
    #[error("interrupted")]
    Interrupted,
    /// Anything else; the text goes to the log only.
    #[error("input/output error: {0}")]
    Io(String),
}

#[cfg(feature = "std")]
impl From<std::io::Error> for StorageError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        match error.kind() {
            K::NotFound => Self::NotFound,
            K::PermissionDenied | K::ReadOnlyFilesystem => Self::Denied,
            K::AlreadyExists => Self::AlreadyExists,
            K::DirectoryNotEmpty => Self::NotEmpty,
            K::IsADirectory => Self::IsADirectory,
            K::NotADirectory => Self::NotADirectory,
            K::InvalidFilename => Self::BadName,
            K::StorageFull | K::FileTooLarge => Self::NoSpace,
            K::QuotaExceeded => Self::OverQuota(OverQuota::System),
            K::ResourceBusy | K::ExecutableFileBusy => Self::Busy,
            K::Unsupported => Self::Unsupported,
            _ => Self::Io(alloc::string::ToString::to_string(&error)),
        }
    }
}
