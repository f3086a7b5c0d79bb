//! The jail on every system, by cap-std: it resolves each path inside an open directory, with the system's
//! help where there is any and part by part otherwise. Links work as long as they are relative and stay
//! inside; absolute links are refused wherever they lead.
//!
//! On Linux this stands in where openat2 is missing, and the tests run on both, so that it stays true.

use super::jail::{Creation, Folder, Jail, Opening, Result, Stat, failure, path_failure};
use cap_fs_ext::{DirExt, FollowSymlinks, MetadataExt, OpenOptionsFollowExt, OpenOptionsMaybeDirExt};
use cap_std::fs::{Dir, DirEntry, FileType, Metadata, OpenOptions, ReadDir};
use ftp_proto::host::{Kind, StorageError, Wanted};
use ftp_proto::path::VirtualPath;
use ftp_proto::time::UnixTime;
use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The tree, by its open top directory.
#[derive(Debug)]
pub(super) struct Root {
    top: Dir,
}

/// A directory inside it.
#[derive(Debug)]
pub(super) struct Place {
    directory: Dir,
}

/// A name as this system writes it.
fn system_name(name: &[u8]) -> Result<PathBuf> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        Ok(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
    }
    #[cfg(not(unix))]
    {
        let text = core::str::from_utf8(name).map_err(|_| StorageError::BadName)?;
        if cfg!(windows) && !super::names::allowed_on_windows(text) {
            return Err(StorageError::BadName);
        }
        Ok(PathBuf::from(text))
    }
}

/// A path for use below an open directory.
fn below(path: &VirtualPath) -> Result<PathBuf> {
    let mut system = PathBuf::new();
    for part in path.components() {
        system.push(system_name(part)?);
    }
    Ok(if path.is_root() { PathBuf::from(".") } else { system })
}

/// A name as clients see it.
fn client_name(name: OsString) -> Option<Vec<u8>> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        Some(name.into_vec())
    }
    #[cfg(not(unix))]
    {
        name.into_string().ok().map(String::into_bytes)
    }
}

fn options(how: Opening, follow: FollowSymlinks) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(how.read).write(how.write).follow(follow).maybe_dir(!how.write);
    let mode = match how.creation {
        Creation::Never => None,
        Creation::IfAbsent(mode) => {
            options.create(true);
            Some(mode)
        }
        Creation::Exclusive(mode) => {
            options.create_new(true);
            Some(mode)
        }
    };
    #[cfg(unix)]
    {
        use cap_fs_ext::OpenOptionsSyncExt as _;
        use cap_std::fs::OpenOptionsExt as _;
        // Opening a pipe must not wait for its other end.
        options.nonblock(true).mode(mode.unwrap_or(0));
    }
    #[cfg(not(unix))]
    let _ = mode;
    options
}

fn kind_of(file_type: FileType) -> Kind {
    if file_type.is_file() {
        Kind::File
    } else if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}

/// A point in time before 1970 is a negative distance.
fn unix_time(time: SystemTime) -> UnixTime {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => UnixTime {
            seconds: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            nanos: after.subsec_nanos(),
        },
        Err(error) => {
            let before = error.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => UnixTime::from_seconds(-seconds),
                nanos => UnixTime { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
            }
        }
    }
}

fn system_time(time: UnixTime) -> Option<SystemTime> {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let whole =
        if time.seconds < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
    whole?.checked_add(Duration::from_nanos(u64::from(time.nanos)))
}

/// `identified`: the facts come from an open file, which is where Windows keeps a file's number.
fn from_metadata(metadata: &Metadata, identified: bool) -> Stat {
    let identified = identified || cfg!(unix);
    #[cfg(unix)]
    let (mode, owner) = {
        use cap_std::fs::MetadataExt as Unix;
        (Some(Unix::mode(metadata) & 0o7777), Some((Unix::uid(metadata), Unix::gid(metadata))))
    };
    #[cfg(not(unix))]
    let (mode, owner) = (None, None);
    Stat {
        kind: kind_of(metadata.file_type()),
        size: metadata.len(),
        modified: metadata.modified().map(|time| unix_time(time.into_std())).unwrap_or_default(),
        created: metadata.created().ok().map(|time| unix_time(time.into_std())),
        mode,
        owner,
        links: if identified { u32::try_from(MetadataExt::nlink(metadata)).unwrap_or(u32::MAX) } else { 1 },
        unique: identified.then(|| (MetadataExt::dev(metadata), MetadataExt::ino(metadata))),
    }
}

impl Root {
    fn stat_below(&self, path: &Path) -> Result<Stat> {
        let metadata = self.top.metadata(path).map_err(path_failure)?;
        Ok(from_metadata(&metadata, true))
    }
}

impl Jail for Root {
    type Folder = Place;
    type Entries = Entries;

    fn open_root(root: &Path) -> io::Result<Self> {
        Ok(Self { top: Dir::open_ambient_dir(root, cap_std::ambient_authority())? })
    }

    fn stat(&self, path: &VirtualPath) -> Result<Stat> {
        self.stat_below(&below(path)?)
    }

    fn open(&self, path: &VirtualPath, how: Opening) -> Result<File> {
        let file = self.top.open_with(below(path)?, &options(how, FollowSymlinks::Yes));
        Ok(file.map_err(path_failure)?.into_std())
    }

    fn folder(&self, path: &VirtualPath) -> Result<Place> {
        let directory = if path.is_root() { self.top.try_clone() } else { self.top.open_dir(below(path)?) };
        Ok(Place { directory: directory.map_err(path_failure)? })
    }

    fn entries(self: &Arc<Self>, path: &VirtualPath, wanted: Wanted) -> Result<Entries> {
        let system = below(path)?;
        match self.top.read_dir(&system) {
            Ok(reader) => Ok(Entries { reader, root: Arc::clone(self), path: system, wanted }),
            // It may be the path itself that is a file, or a part above it. Windows has a word of its own.
            Err(error) => match self.stat(path) {
                Ok(stat) if stat.kind != Kind::Directory => Err(StorageError::NotADirectory),
                Ok(_) => Err(failure(error)),
                Err(other) => Err(other),
            },
        }
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<()> {
        let time = system_time(time).ok_or(StorageError::Unsupported)?;
        if cfg!(unix) {
            let file = self.open(path, Opening::READ)?;
            return file.set_modified(time).map_err(failure);
        }
        let time = cap_fs_ext::SystemTimeSpec::Absolute(cap_std::time::SystemTime::from_std(time));
        self.top.set_mtime(below(path)?, time).map_err(path_failure)
    }

    fn set_permissions(
        &self,
        path: &VirtualPath,
        mode: u32,
        may: &dyn Fn(&Stat) -> Result<()>,
    ) -> Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let file = self.open(path, Opening::READ)?;
            may(&Self::stat_file(&file)?)?;
            file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(failure)
        }
        #[cfg(not(unix))]
        {
            let _ = (path, mode, may);
            Err(StorageError::Unsupported)
        }
    }

    fn stat_file(file: &File) -> Result<Stat> {
        Ok(from_metadata(&Metadata::from_file(file).map_err(failure)?, true))
    }
}

impl Folder for Place {
    type Names = Names;

    fn stat(&self, name: &[u8]) -> Result<Stat> {
        let metadata = self.directory.symlink_metadata(system_name(name)?).map_err(failure)?;
        Ok(from_metadata(&metadata, true))
    }

    fn open(&self, name: &[u8], how: Opening) -> Result<File> {
        let file = self.directory.open_with(system_name(name)?, &options(how, FollowSymlinks::No));
        Ok(file.map_err(failure)?.into_std())
    }

    fn child(&self, name: &[u8]) -> Result<Self> {
        let directory = self.directory.open_dir_nofollow(system_name(name)?).map_err(failure)?;
        Ok(Self { directory })
    }

    fn names(&self) -> Result<Names> {
        Ok(Names { reader: self.directory.entries().map_err(failure)? })
    }

    #[cfg(unix)]
    fn symlink(&self, text: &[u8], name: &[u8]) -> Result<()> {
        self.directory.symlink(system_name(text)?, system_name(name)?).map_err(failure)
    }

    #[cfg(not(unix))]
    fn symlink(&self, _: &[u8], _: &[u8]) -> Result<()> {
        Err(StorageError::Unsupported)
    }

    fn create_dir(&self, name: &[u8], mode: u32) -> Result<()> {
        #[cfg(unix)]
        let builder = {
            use cap_std::fs::DirBuilderExt as _;
            let mut builder = cap_std::fs::DirBuilder::new();
            builder.mode(mode);
            builder
        };
        #[cfg(not(unix))]
        let (builder, _) = (cap_std::fs::DirBuilder::new(), mode);
        self.directory.create_dir_with(system_name(name)?, &builder).map_err(failure)
    }

    fn remove_file(&self, name: &[u8]) -> Result<()> {
        // Some systems let the administrator unlink a directory, which breaks the file system.
        if self.stat(name)?.kind == Kind::Directory {
            return Err(StorageError::IsADirectory);
        }
        self.directory.remove_file_or_symlink(system_name(name)?).map_err(failure)
    }

    fn remove_dir(&self, name: &[u8]) -> Result<()> {
        if self.stat(name)?.kind != Kind::Directory {
            return Err(StorageError::NotADirectory);
        }
        match self.directory.remove_dir(system_name(name)?).map_err(failure) {
            // POSIX lets a file system say either.
            Err(StorageError::AlreadyExists) => Err(StorageError::NotEmpty),
            other => other,
        }
    }

    fn rename(&self, name: &[u8], to: &Self, new: &[u8], replace: bool) -> Result<()> {
        let (from, target) = (system_name(name)?, system_name(new)?);
        let kind = self.stat(name)?.kind;
        if !replace && kind == Kind::File {
            // A second name fails if there is one already, and that in one step.
            match self.directory.hard_link(&from, &to.directory, &target) {
                Ok(()) => return self.remove_file(name),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(StorageError::AlreadyExists);
                }
                // No second names on this file system: look first, then rename.
                Err(_) => {}
            }
        }
        match to.stat(new) {
            Ok(found) if !replace || kind == Kind::Directory || found.kind == Kind::Directory => {
                return Err(StorageError::AlreadyExists);
            }
            Ok(_) | Err(StorageError::NotFound) => {}
            Err(error) => return Err(error),
        }
        self.directory.rename(from, &to.directory, target).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => StorageError::BadName,
            io::ErrorKind::CrossesDevices => StorageError::Unsupported,
            _ => failure(error),
        })
    }
}

/// A directory being read for clients.
pub(super) struct Entries {
    reader: ReadDir,
    root: Arc<Root>,
    path: PathBuf,
    wanted: Wanted,
}

impl Entries {
    fn look(&self, entry: &DirEntry) -> io::Result<Stat> {
        let known = Stat { kind: kind_of(entry.file_type()?), ..Stat::default() };
        if known.kind == Kind::Link {
            let path: Cow<'_, Path> = match self.path.as_path() {
                top if top == Path::new(".") => Cow::Owned(PathBuf::from(entry.file_name())),
                path => Cow::Owned(path.join(entry.file_name())),
            };
            if let Ok(target) = self.root.stat_below(&path) {
                return Ok(target);
            }
        }
        if self.wanted == Wanted::Names {
            return Ok(known);
        }
        match entry.metadata() {
            Ok(metadata) => Ok(from_metadata(&metadata, false)),
            // A directory that may be read but not searched: the kind is known all the same.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(known),
            Err(error) => Err(error),
        }
    }
}

impl Iterator for Entries {
    type Item = Result<(Vec<u8>, Stat)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.reader.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(failure(error))),
            };
            let Some(name) = client_name(entry.file_name()) else { continue };
            match self.look(&entry) {
                Ok(stat) => return Some(Ok((name, stat))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Some(Err(failure(error))),
            }
        }
    }
}

/// The names in a directory, being read.
pub(super) struct Names {
    reader: ReadDir,
}

impl Iterator for Names {
    type Item = Result<(Vec<u8>, Kind)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.reader.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(failure(error))),
            };
            let Some(name) = client_name(entry.file_name()) else { continue };
            match entry.file_type() {
                Ok(file_type) => return Some(Ok((name, kind_of(file_type)))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Some(Err(failure(error))),
            }
        }
    }
}
