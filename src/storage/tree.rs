//! The storage's rules on top of a [`Jail`]: what is hidden, what is refused, what belongs together.

use super::jail::{Folder, Jail, Opening, Result, Stat, failure, regular};
use super::names::{self, Owners};
use super::quota::{Ledger, Limits, Quota};
use super::{Options, Uploads, sweep, upload};
use ftp_proto::host::{
    Abilities, Create, Directory, Entry, File, Kind, Metadata, Storage, StorageError, Usage, Wanted,
};
use ftp_proto::path::VirtualPath;
use ftp_proto::time::UnixTime;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many parts may be in the way of removing a directory.
const MAX_PARTS_TO_REMOVE: usize = 10_000;

/// A tree, whatever its jail.
pub(super) trait AnyTree: Storage {
    fn options(&self) -> &Options;
    fn with_options(&self, options: Options) -> Arc<dyn AnyTree>;
    fn with_quota(&self, ledger: Arc<Ledger>, limits: Limits) -> Arc<dyn AnyTree>;
    /// Which directory it is, if the system tells.
    fn identity(&self) -> Option<(u64, u64)>;
    fn sweep(&self, older_than: Duration) -> Result<u64>;
}

/// A jail and the rules for it.
pub(super) struct Tree<J: Jail> {
    jail: Arc<J>,
    options: Options,
    /// Where what is stored is counted.
    quota: Option<Quota>,
}

impl<J: Jail> Tree<J> {
    pub(super) fn new(jail: J, options: Options) -> Self {
        Self { jail: Arc::new(jail), options, quota: None }
    }

    fn terms(&self) -> upload::Terms<'_> {
        upload::Terms { options: &self.options, quota: self.quota.as_ref() }
    }

    /// Makes something that counts as a file.
    fn make(&self, make: impl FnOnce() -> Result<()>) -> Result<()> {
        match &self.quota {
            Some(quota) => quota.make(0, make),
            None => make(),
        }
    }

    /// Removes a directory, which must be empty.
    fn remove_empty(&self, folder: &J::Folder, name: &[u8]) -> Result<()> {
        let Some(quota) = &self.quota else { return folder.remove_dir(name) };
        let _names = quota.names();
        let stat = folder.stat(name)?;
        folder.remove_dir(name)?;
        quota.removed(&stat);
        Ok(())
    }

    /// What a directory has to let this process do: where there is a quota, be counted.
    fn own_bits(&self) -> u32 {
        if self.quota.is_some() { 0o500 } else { 0 }
    }

    fn describe(&self, stat: Stat) -> Metadata {
        describe(stat, &mut Owners::new(self.options.named_owners))
    }

    /// The directory that holds the path's last part.
    fn parent(&self, path: &VirtualPath) -> Result<J::Folder> {
        self.jail.folder(&path.parent())
    }

    fn part_name(&self, path: &VirtualPath) -> Vec<u8> {
        names::part_name(&self.options.account, path.name())
    }

    /// What the process's umask took off a new directory comes back; what the directory above hands down (set-group-id)
    /// stays. Best effort, as for files: it never has more than was asked for.
    fn give_mode(&self, path: &VirtualPath, folder: &J::Folder, mode: u32) {
        let now = folder.stat(path.name()).ok().filter(|stat| stat.kind == Kind::Directory);
        if let Some(now) = now.and_then(|stat| stat.mode).filter(|now| now & 0o777 != mode) {
            let _ = self.jail.set_permissions(path, now & 0o7000 | mode, &|_| Ok(()));
        }
    }

    /// Removes what is in a directory if it is nothing but parts that nobody writes to.
    fn remove_parts(&self, folder: &J::Folder, name: &[u8]) -> Result<()> {
        let inside = folder.child(name)?;
        let mut parts = Vec::new();
        for entry in inside.names()? {
            let (name, kind) = entry?;
            if kind != Kind::File || !names::is_hidden(&name) || parts.len() >= MAX_PARTS_TO_REMOVE {
                return Err(StorageError::NotEmpty);
            }
            parts.push(name);
        }
        parts.iter().try_for_each(|part| match upload::discard::<J>(&inside, part, self.quota.as_ref()) {
            Err(StorageError::NotFound) => Ok(()),
            other => other,
        })
    }
}

/// For paths that must lead to something: a hidden name leads nowhere.
fn visible(path: &VirtualPath) -> Result<()> {
    if path.components().any(names::is_hidden) { Err(StorageError::NotFound) } else { Ok(()) }
}

/// For names to be made: none of the hidden ones, and not the top of the tree.
fn nameable(path: &VirtualPath, if_root: StorageError) -> Result<()> {
    if path.is_root() {
        return Err(if_root);
    }
    visible(path).map_err(|_| StorageError::BadName)
}

fn describe(stat: Stat, owners: &mut Owners) -> Metadata {
    let (owner, group) = stat.owner.map(|(user, group)| owners.of(user, group)).unzip();
    Metadata {
        kind: stat.kind,
        size: stat.size,
        modified: stat.modified,
        created: stat.created,
        mode: stat.mode,
        owner,
        group,
        links: stat.links,
        unique: stat.unique,
    }
}

impl<J: Jail> AnyTree for Tree<J> {
    fn options(&self) -> &Options {
        &self.options
    }

    fn with_options(&self, options: Options) -> Arc<dyn AnyTree> {
        Arc::new(Self { jail: Arc::clone(&self.jail), options, quota: self.quota.clone() })
    }

    fn with_quota(&self, ledger: Arc<Ledger>, limits: Limits) -> Arc<dyn AnyTree> {
        let quota = Some(Quota::new(ledger, limits));
        Arc::new(Self { jail: Arc::clone(&self.jail), options: self.options.clone(), quota })
    }

    fn identity(&self) -> Option<(u64, u64)> {
        self.jail.stat(&VirtualPath::root()).ok()?.unique
    }

    fn sweep(&self, older_than: Duration) -> Result<u64> {
        let limit = SystemTime::now()
            .checked_sub(older_than)
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .unwrap_or_default();
        let limit = UnixTime {
            seconds: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            nanos: limit.subsec_nanos(),
        };
        sweep::sweep(&*self.jail, limit, self.quota.as_ref())
    }
}

impl<J: Jail> Storage for Tree<J> {
    fn abilities(&self) -> Abilities {
        let modes = Abilities::SET_PERMISSIONS.with(Abilities::UMASK).with(Abilities::SYMLINK);
        let system = if cfg!(unix) { modes.with(Abilities::AVAILABLE) } else { Abilities::NONE };
        let has_quota = self.quota.as_ref().is_some_and(|quota| quota.limits().is_set());
        if has_quota { system.with(Abilities::QUOTA) } else { system }
    }

    fn usage(&self) -> Result<Usage> {
        let quota = self.quota.as_ref().ok_or(StorageError::Unsupported)?;
        quota.count(&self.jail);
        Ok(quota.usage())
    }

    fn available(&self, path: &VirtualPath) -> Result<u64> {
        visible(path)?;
        #[cfg(unix)]
        {
            let directory = self.jail.open(path, Opening::READ)?;
            let system = rustix::fs::fstatvfs(&directory).map_err(|error| failure(error.into()))?;
            // What is kept for the administrator does not count.
            let of_disk = system.f_bavail.saturating_mul(system.f_frsize);
            Ok(of_disk.min(self.quota.as_ref().and_then(Quota::left).unwrap_or(u64::MAX)))
        }
        #[cfg(not(unix))]
        Err(StorageError::Unsupported)
    }

    /// A link that leads nowhere shows as itself, so that it can be listed, renamed and removed.
    fn metadata(&self, path: &VirtualPath) -> Result<Metadata> {
        visible(path)?;
        let error = match self.jail.stat(path) {
            Ok(stat) => return Ok(self.describe(stat)),
            Err(error) => error,
        };
        match self.parent(path).and_then(|folder| folder.stat(path.name())) {
            Ok(stat) if stat.kind == Kind::Link => Ok(self.describe(stat)),
            _ => Err(error),
        }
    }

    fn metadata_now(&self, path: &VirtualPath) -> Option<Metadata> {
        visible(path).ok()?;
        Some(self.describe(self.jail.stat_cached(path)?))
    }

    fn open_now(&self, path: &VirtualPath) -> Option<Box<dyn File>> {
        visible(path).ok()?;
        let file = self.jail.open_cached(path)?;
        let stat = J::stat_file(&file).ok()?;
        regular(&stat).ok()?;
        Some(Box::new(Download { file, size: stat.size }))
    }

    fn metadata_to_resume(&self, path: &VirtualPath) -> Result<Metadata> {
        match self.metadata(path) {
            Err(StorageError::NotFound) if self.options.uploads != Uploads::Direct => {}
            other => return other,
        }
        visible(path)?;
        let stat = upload::resumable::<J>(&self.parent(path)?, &self.part_name(path))?;
        Ok(self.describe(Stat { mode: stat.mode.map(|_| self.options.file_mode), ..stat }))
    }

    fn open(&self, path: &VirtualPath) -> Result<Box<dyn File>> {
        visible(path)?;
        let file = self.jail.open(path, Opening::READ)?;
        let stat = J::stat_file(&file)?;
        regular(&stat)?;
        Ok(Box::new(Download { file, size: stat.size }))
    }

    fn create(&self, path: &VirtualPath, how: Create) -> Result<Box<dyn File>> {
        nameable(path, StorageError::IsADirectory)?;
        if let Some(quota) = &self.quota {
            quota.count(&self.jail);
        }
        Ok(Box::new(match self.options.uploads {
            Uploads::Atomic { partial } => upload::atomic(&*self.jail, self.terms(), partial, path, how)?,
            Uploads::Direct => upload::direct(&*self.jail, self.terms(), path, how)?,
        }))
    }

    fn read_dir(&self, path: &VirtualPath, wanted: Wanted) -> Result<Box<dyn Directory>> {
        visible(path)?;
        let entries = self.jail.entries(path, wanted)?;
        Ok(Box::new(Listing { entries, owners: Owners::new(self.options.named_owners) }))
    }

    fn create_dir(&self, path: &VirtualPath) -> Result<()> {
        nameable(path, StorageError::AlreadyExists)?;
        let mode = self.options.directory_mode & 0o777;
        let folder = self.parent(path)?;
        self.make(|| folder.create_dir(path.name(), mode))?;
        if self.options.exact_modes {
            self.give_mode(path, &folder, mode);
        }
        Ok(())
    }

    fn with_umask(&self, umask: u32) -> Option<Arc<dyn Storage>> {
        cfg!(unix).then(|| -> Arc<dyn Storage> {
            let options = Options {
                file_mode: 0o666 & !umask,
                directory_mode: 0o777 & !umask | self.own_bits(),
                exact_modes: true,
                ..self.options.clone()
            };
            Arc::new(Self { jail: Arc::clone(&self.jail), options, quota: self.quota.clone() })
        })
    }

    /// With the file goes what this account has left of an upload to its name, so that what is removed is
    /// removed; without a file, that alone.
    fn remove_file(&self, path: &VirtualPath) -> Result<()> {
        visible(path)?;
        if path.is_root() {
            return Err(StorageError::IsADirectory);
        }
        let folder = self.parent(path)?;
        let quota = self.quota.as_ref();
        let removed = upload::remove_file::<J>(&folder, path.name(), quota);
        if self.options.uploads == Uploads::Direct {
            return removed;
        }
        match removed {
            Ok(()) => {
                // Gone, locked or stubborn: the file itself is removed all the same.
                let _ = upload::discard::<J>(&folder, &self.part_name(path), quota);
                Ok(())
            }
            Err(StorageError::NotFound) => upload::discard::<J>(&folder, &self.part_name(path), quota),
            other => other,
        }
    }

    fn remove_dir(&self, path: &VirtualPath) -> Result<()> {
        visible(path)?;
        if path.is_root() {
            return Err(StorageError::Denied);
        }
        let folder = self.parent(path)?;
        match self.remove_empty(&folder, path.name()) {
            // Clients can't see parts, so they could never empty it.
            Err(StorageError::NotEmpty) => {
                self.remove_parts(&folder, path.name())?;
                self.remove_empty(&folder, path.name())
            }
            other => other,
        }
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<()> {
        visible(from)?;
        nameable(to, StorageError::AlreadyExists)?;
        if from.is_root() {
            return Err(StorageError::Denied);
        }
        let (above, below) = (self.parent(from)?, self.parent(to)?);
        let (quota, anything) = (self.quota.as_ref(), |_: &Stat, _: Option<&Stat>| Ok(()));
        upload::rename::<J>((&above, from.name()), (&below, to.name()), quota, anything, || {
            above.rename(from.name(), &below, to.name(), replace)
        })
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<()> {
        visible(path)?;
        self.jail.set_modified(path, time)
    }

    /// The link is relative, so that it leads to the same place for whoever looks at the tree from outside, and its
    /// directory is come to without another link, or its `..` would count from elsewhere.
    fn symlink(&self, target: &VirtualPath, link: &VirtualPath) -> Result<()> {
        nameable(link, StorageError::AlreadyExists)?;
        visible(target)?;
        self.jail.stat(target)?;
        let mut folder = self.jail.folder(&VirtualPath::root())?;
        let mut text = Vec::new();
        for part in link.parent().components() {
            folder = folder.child(part)?;
            text.extend_from_slice(b"../");
        }
        text.extend_from_slice(if target.is_root() { b"." } else { target.relative() });
        self.make(|| folder.symlink(&text, link.name()))
    }

    /// Permissions only: set-user-id and the like are never set over the network. Nor can a directory be hidden from the count.
    fn set_permissions(&self, path: &VirtualPath, mode: u32) -> Result<()> {
        visible(path)?;
        let may = |stat: &Stat| match stat.kind {
            Kind::Directory if mode & self.own_bits() != self.own_bits() => Err(StorageError::Denied),
            Kind::File | Kind::Directory => Ok(()),
            Kind::Link | Kind::Other => Err(StorageError::Denied),
        };
        // Devices are not even opened.
        may(&self.jail.stat(path)?)?;
        self.jail.set_permissions(path, mode & 0o777, &may)
    }
}

/// A file being read.
struct Download {
    file: std::fs::File,
    size: u64,
}

impl File for Download {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        read_at(&self.file, offset, buffer).map_err(failure)
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<()> {
        Err(StorageError::Denied)
    }

    fn finish(self: Box<Self>, _: bool) -> Result<()> {
        Ok(())
    }

    fn os_file(&self) -> Option<&std::fs::File> {
        Some(&self.file)
    }
}

fn read_at(file: &std::fs::File, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        #[cfg(unix)]
        let result = std::os::unix::fs::FileExt::read_at(file, buffer, offset);
        #[cfg(windows)]
        let result = std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
        match result {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A directory being listed.
struct Listing<E> {
    entries: E,
    owners: Owners,
}

impl<E: Iterator<Item = Result<(Vec<u8>, Stat)>> + Send> Directory for Listing<E> {
    fn next_entry(&mut self) -> Result<Option<Entry>> {
        for entry in self.entries.by_ref() {
            let (name, stat) = entry?;
            if !names::is_hidden(&name) {
                return Ok(Some(Entry { name, metadata: describe(stat, &mut self.owners) }));
            }
        }
        Ok(None)
    }
}
