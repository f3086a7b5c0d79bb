//! The jail on Linux 5.6 and later: openat2 with `RESOLVE_IN_ROOT`, by which the kernel itself resolves each
//! path as if the tree were all there is. Absolute links mean "from the top of the tree", as people who
//! come from chroot expect; `..` at the top stays there; no race with a rename can change that.
//!
//! Calls that know no openat2 (unlink, rename ...) get an open parent directory and one name, and never
//! follow a link at that name.

mod entries;

use super::jail::{Creation, Folder, Jail, Opening, Result, Stat, failure, path_failure};
use entries::{Entries, Names, Reading};
use ftp_proto::host::{Kind, StorageError, Wanted};
use ftp_proto::path::VirtualPath;
use ftp_proto::time::UnixTime;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, StatxFlags, StatxTimestamp, Timespec,
    Timestamps,
};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// How often a path is resolved again when something was renamed meanwhile (the kernel says EAGAIN).
const RESOLVE_TRIES: u32 = 64;

/// The tree, by its open top directory.
#[derive(Debug)]
pub(super) struct Root {
    top: Arc<OwnedFd>,
}

/// A directory inside it, opened as a place only (`O_PATH`), so that one without read permission works too.
#[derive(Debug)]
pub(super) struct Place {
    fd: Arc<OwnedFd>,
}

/// A path for use below an open directory.
fn below(path: &VirtualPath) -> &[u8] {
    if path.is_root() { b"." } else { path.relative() }
}

fn mode_of(creation: Creation) -> (OFlags, Mode) {
    match creation {
        Creation::Never => (OFlags::empty(), Mode::empty()),
        Creation::IfAbsent(mode) => (OFlags::CREATE, Mode::from_raw_mode(mode)),
        Creation::Exclusive(mode) => (OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(mode)),
    }
}

/// `O_NONBLOCK`: opening a pipe must not wait for its other end. `O_NOCTTY`: nor take a terminal.
fn flags_of(how: Opening) -> OFlags {
    let access = match (how.read, how.write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    };
    access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC
}

/// Facts about what is open (with an empty name) or about a name in it. statx is one call as stat is, and alone knows
/// when a file was made. Unlike stat it would have a file system mounted for that, if it wasn't told not to.
fn look_at(fd: impl AsFd, name: impl rustix::path::Arg, flags: AtFlags) -> Result<Stat> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let stat = rustix::fs::statx(fd, name, flags | AtFlags::NO_AUTOMOUNT, wanted)
        .map_err(|error| failure(error.into()))?;
    let created = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    Ok(Stat {
        kind: kind_of(FileType::from_raw_mode(stat.stx_mode.into())),
        size: stat.stx_size,
        modified: unix_time(stat.stx_mtime),
        created: created.then(|| unix_time(stat.stx_btime)),
        mode: Some(u32::from(stat.stx_mode) & 0o7777),
        owner: Some((stat.stx_uid, stat.stx_gid)),
        links: stat.stx_nlink,
        unique: Some((rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino)),
    })
}

fn unix_time(time: StatxTimestamp) -> UnixTime {
    UnixTime { seconds: time.tv_sec, nanos: time.tv_nsec }
}

fn kind_of(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    }
}

impl Root {
    fn resolve(&self, path: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let rules = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..RESOLVE_TRIES {
            match rustix::fs::openat2(&*self.top, path, flags | OFlags::CLOEXEC, mode, rules) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// As [`resolve`](Self::resolve), from the names the kernel has cached: it never waits for a disk.
    fn resolve_cached(&self, path: &VirtualPath, flags: OFlags) -> Option<OwnedFd> {
        let rules = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::CACHED;
        rustix::fs::openat2(&*self.top, below(path), flags | OFlags::CLOEXEC, Mode::empty(), rules).ok()
    }

    fn stat_below(&self, path: &[u8]) -> Result<Stat> {
        let fd = self.resolve(path, OFlags::PATH, Mode::empty()).map_err(path_failure)?;
        look_at(&fd, c"", AtFlags::EMPTY_PATH)
    }
}

impl Jail for Root {
    type Folder = Place;
    type Entries = Entries;

    /// Fails with [`io::ErrorKind::Unsupported`] where openat2 is missing: an old kernel, or a filter on
    /// system calls that doesn't know it.
    fn open_root(root: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let jail = Self { top: Arc::new(rustix::fs::openat(CWD, root, flags, Mode::empty())?) };
        match jail.resolve(b".", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()) {
            Ok(_) => Ok(jail),
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOSYS | Errno::PERM)) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            Err(error) => Err(error),
        }
    }

    fn stat(&self, path: &VirtualPath) -> Result<Stat> {
        self.stat_below(below(path))
    }

    fn open(&self, path: &VirtualPath, how: Opening) -> Result<File> {
        let (creation, mode) = mode_of(how.creation);
        self.resolve(below(path), flags_of(how) | creation, mode).map(File::from).map_err(path_failure)
    }

    fn open_cached(&self, path: &VirtualPath) -> Option<File> {
        self.resolve_cached(path, flags_of(Opening::READ)).map(File::from)
    }

    fn stat_cached(&self, path: &VirtualPath) -> Option<Stat> {
        let fd = self.resolve_cached(path, OFlags::PATH)?;
        look_at(&fd, c"", AtFlags::EMPTY_PATH).ok()
    }

    fn folder(&self, path: &VirtualPath) -> Result<Place> {
        if path.is_root() {
            return Ok(Place { fd: Arc::clone(&self.top) });
        }
        let fd = self
            .resolve(below(path), OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
            .map_err(path_failure)?;
        Ok(Place { fd: Arc::new(fd) })
    }

    fn entries(self: &Arc<Self>, path: &VirtualPath, wanted: Wanted) -> Result<Entries> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        match self.resolve(below(path), flags, Mode::empty()) {
            Ok(fd) => {
                let root = Arc::clone(self);
                Ok(Entries { reading: Reading::new(fd), root, path: below(path).to_vec(), wanted })
            }
            Err(error) => match failure(error) {
                // It may be the path itself that is a file, or a part above it.
                StorageError::NotADirectory => self.stat(path).and(Err(StorageError::NotADirectory)),
                other => Err(other),
            },
        }
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
            last_modification: Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanos) },
        };
        // As a place only, so that no permission to read is needed (Linux 5.8) ...
        let fd = self.resolve(below(path), OFlags::PATH, Mode::empty()).map_err(path_failure)?;
        match rustix::fs::utimensat(&fd, c"", &times, AtFlags::EMPTY_PATH) {
            // ... and otherwise by opening it.
            Err(Errno::INVAL) => {
                let file = self.open(path, Opening::READ)?;
                rustix::fs::futimens(&file, &times).map_err(|error| failure(error.into()))
            }
            other => other.map_err(|error| failure(error.into())),
        }
    }

    fn set_permissions(
        &self,
        path: &VirtualPath,
        mode: u32,
        may: &dyn Fn(&Stat) -> Result<()>,
    ) -> Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self.open(path, Opening::READ) {
            Ok(file) => {
                may(&Self::stat_file(&file)?)?;
                rustix::fs::fchmod(&file, mode).map_err(|error| failure(error.into()))
            }
            // Its owner may change a file that he may not read. There is no call for that on a mere place
            // before Linux 6.6, but the process file system leads to exactly what is open.
            Err(StorageError::Denied) => {
                let place = self.resolve(below(path), OFlags::PATH, Mode::empty()).map_err(path_failure)?;
                may(&look_at(&place, c"", AtFlags::EMPTY_PATH)?)?;
                let name = format!("/proc/self/fd/{}", place.as_raw_fd());
                rustix::fs::chmod(name, mode).map_err(|_| StorageError::Denied)
            }
            Err(other) => Err(other),
        }
    }

    fn stat_file(file: &File) -> Result<Stat> {
        look_at(file, c"", AtFlags::EMPTY_PATH)
    }
}

impl Folder for Place {
    type Names = Names;

    fn stat(&self, name: &[u8]) -> Result<Stat> {
        look_at(&*self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn open(&self, name: &[u8], how: Opening) -> Result<File> {
        let (creation, mode) = mode_of(how.creation);
        let flags = flags_of(how) | creation | OFlags::NOFOLLOW;
        rustix::fs::openat(&*self.fd, name, flags, mode)
            .map(File::from)
            .map_err(|error| failure(error.into()))
    }

    fn child(&self, name: &[u8]) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*self.fd, name, flags, Mode::empty());
        Ok(Self { fd: Arc::new(fd.map_err(|error| failure(error.into()))?) })
    }

    fn names(&self) -> Result<Names> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*self.fd, c".", flags, Mode::empty());
        Ok(Names { reading: Reading::new(fd.map_err(|error| failure(error.into()))?) })
    }

    fn create_dir(&self, name: &[u8], mode: u32) -> Result<()> {
        rustix::fs::mkdirat(&*self.fd, name, Mode::from_raw_mode(mode)).map_err(|error| failure(error.into()))
    }

    fn symlink(&self, text: &[u8], name: &[u8]) -> Result<()> {
        rustix::fs::symlinkat(text, &*self.fd, name).map_err(|error| failure(error.into()))
    }

    fn remove_file(&self, name: &[u8]) -> Result<()> {
        rustix::fs::unlinkat(&*self.fd, name, AtFlags::empty()).map_err(|error| failure(error.into()))
    }

    fn remove_dir(&self, name: &[u8]) -> Result<()> {
        match rustix::fs::unlinkat(&*self.fd, name, AtFlags::REMOVEDIR) {
            // POSIX lets a file system say either.
            Err(Errno::EXIST | Errno::NOTEMPTY) => Err(StorageError::NotEmpty),
            other => other.map_err(|error| failure(error.into())),
        }
    }

    fn rename(&self, name: &[u8], to: &Self, new: &[u8], replace: bool) -> Result<()> {
        // The system would let a directory take the place of an empty one.
        if replace && self.stat(name)?.kind != Kind::Directory {
            return rustix::fs::renameat(&*self.fd, name, &*to.fd, new).map_err(rename_failure);
        }
        match rustix::fs::renameat_with(&*self.fd, name, &*to.fd, new, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => self.rename_unsupported(name, to, new),
            other => other.map_err(rename_failure),
        }
    }

    fn replace_by_file(&self, name: &[u8], new: &[u8]) -> Result<()> {
        rustix::fs::renameat(&*self.fd, name, &*self.fd, new).map_err(rename_failure)
    }
}

impl Place {
    /// Renames without replacing, where the file system has no call for it.
    fn rename_unsupported(&self, name: &[u8], to: &Self, new: &[u8]) -> Result<()> {
        // A second name fails if there is one already, and that in one step; directories can't have one.
        match rustix::fs::linkat(&*self.fd, name, &*to.fd, new, AtFlags::empty()) {
            Ok(()) => return self.remove_file(name),
            Err(Errno::EXIST) => return Err(StorageError::AlreadyExists),
            Err(_) => {}
        }
        match to.stat(new) {
            Ok(_) => Err(StorageError::AlreadyExists),
            Err(StorageError::NotFound) => {
                rustix::fs::renameat(&*self.fd, name, &*to.fd, new).map_err(rename_failure)
            }
            Err(error) => Err(error),
        }
    }
}

fn rename_failure(error: Errno) -> StorageError {
    match error {
        // A directory into itself.
        Errno::INVAL => StorageError::BadName,
        // Another file system is mounted there.
        Errno::XDEV => StorageError::Unsupported,
        // A directory stands where the file should go.
        Errno::ISDIR | Errno::NOTEMPTY => StorageError::AlreadyExists,
        other => failure(other.into()),
    }
}
