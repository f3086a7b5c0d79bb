//! Uploads that are atomic and can be resumed.
//!
//! Bytes go to a hidden part in the directory of the target, locked as long as an upload writes to it, and
//! the part gets the target's name in one step when the upload is complete. So nobody ever sees half a
//! file, and a kill at any moment leaves a part at most, which the same account goes on with.
//!
//! The rule that keeps this true: **a part may be touched only after it was locked and after its hidden
//! name was found to be still its name**, because whoever held the lock before may have published it, and
//! then the open file is somebody's finished file.

use super::jail::{Creation, Folder, Jail, Opening, Result, Stat, failure, regular};
use super::names;
use super::{Options, Partial};
use ftp_proto::host::{Create, File, Kind, StorageError};
use ftp_proto::path::VirtualPath;
use std::fs::TryLockError;

/// How often a part is opened again that was published or removed while it was being opened.
const OPEN_TRIES: u32 = 16;

/// The mode of a part: nobody else's business until it is published.
const PART_MODE: u32 = 0o600;

/// A file being written.
pub(super) struct Upload<J: Jail> {
    file: std::fs::File,
    start: u64,
    /// What `finish` has to do; nothing if the file is written in place.
    part: Option<Part<J>>,
    durable: bool,
}

/// A part and where it belongs.
struct Part<J: Jail> {
    folder: J::Folder,
    hidden: Vec<u8>,
    /// What identifies the part itself, whatever its name leads to by now; known once it is open.
    unique: Option<(u64, u64)>,
    name: Vec<u8>,
    /// Whether a file of that name may be replaced.
    replace: bool,
    /// The mode of a new file.
    mode: u32,
    /// What becomes of it if the upload breaks.
    if_broken: Partial,
}

/// Opens an upload that is published at its end.
pub(super) fn atomic<J: Jail>(
    jail: &J,
    options: &Options,
    if_broken: Partial,
    path: &VirtualPath,
    how: Create,
) -> Result<Upload<J>> {
    let folder = jail.folder(&path.parent())?;
    let target = target(jail, &folder, path)?;
    let plan = |folder, replace| Part::<J> {
        folder,
        hidden: names::part_name(&options.account, path.name()),
        unique: None,
        name: path.name().to_vec(),
        replace,
        mode: options.file_mode,
        if_broken,
    };
    match (how, target) {
        (Create::Replace { overwrite: false } | Create::New, Some(_)) => Err(StorageError::AlreadyExists),
        (Create::Replace { overwrite }, _) => start(plan(folder, overwrite), Some(0), options),
        (Create::New, None) => start(plan(folder, false), Some(0), options),
        (Create::Resume { at: 0 }, target) => start(plan(folder, target.is_some()), Some(0), options),
        (Create::Append, Some(target)) if target.kind == Kind::File => {
            match unfinished(&plan(folder, true), &target)? {
                // An interrupted replacement: a client that goes on from the old file's length would mix
                // the old with the new. It has to begin again, or remove the file.
                Some(_) => Err(StorageError::BadOffset),
                None => in_place(jail, options, path, None),
            }
        }
        (Create::Resume { at }, Some(target)) if target.kind == Kind::File => {
            let part = plan(folder, true);
            match unfinished(&part, &target)? {
                Some(_) => start(part, Some(at), options),
                None => in_place(jail, options, path, Some(at)),
            }
        }
        (Create::Append, _) => start(plan(folder, false), None, options),
        (Create::Resume { at }, _) => start(plan(folder, false), Some(at), options),
    }
}

/// Opens an upload that is written where it belongs, from the start.
pub(super) fn direct<J: Jail>(
    jail: &J,
    options: &Options,
    path: &VirtualPath,
    how: Create,
) -> Result<Upload<J>> {
    let (creation, at) = match how {
        Create::Replace { overwrite: true } | Create::Resume { at: 0 } => {
            (Creation::IfAbsent(options.file_mode), Some(0))
        }
        Create::Replace { overwrite: false } | Create::New => {
            (Creation::Exclusive(options.file_mode), Some(0))
        }
        Create::Append => (Creation::IfAbsent(options.file_mode), None),
        Create::Resume { at } => return in_place(jail, options, path, Some(at)),
    };
    open_in_place(jail, options, path, creation, at)
}

/// The file at the target's name, if there is one that an upload may have to do with; a link that leads
/// nowhere counts as one.
fn target<J: Jail>(jail: &J, folder: &J::Folder, path: &VirtualPath) -> Result<Option<Stat>> {
    let stat = match folder.stat(path.name()) {
        Ok(stat) if stat.kind == Kind::Link => jail.stat(path).unwrap_or(stat),
        Ok(stat) => stat,
        Err(StorageError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    match stat.kind {
        Kind::File | Kind::Link => Ok(Some(stat)),
        Kind::Directory => Err(StorageError::IsADirectory),
        Kind::Other => Err(StorageError::Denied),
    }
}

/// This account's part, if it is the rest of an interrupted upload over what is there now.
fn unfinished<J: Jail>(part: &Part<J>, target: &Stat) -> Result<Option<Stat>> {
    match part.folder.stat(&part.hidden) {
        Ok(stat) if stat.kind == Kind::File && stat.modified >= target.modified => Ok(Some(stat)),
        Ok(_) | Err(StorageError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Begins or continues a part: at this offset, or at its end.
fn start<J: Jail>(part: Part<J>, at: Option<u64>, options: &Options) -> Result<Upload<J>> {
    let creation = if at.unwrap_or(0) == 0 { Creation::IfAbsent(PART_MODE) } else { Creation::Never };
    let (file, stat) = match open_part::<J>(&part.folder, &part.hidden, creation) {
        Err(StorageError::NotFound) if creation == Creation::Never => return Err(StorageError::BadOffset),
        other => other?,
    };
    let start = cut(&file, &stat, at)?;
    let part = Part { unique: stat.unique, ..part };
    Ok(Upload { file, start, part: Some(part), durable: options.durable })
}

/// Opens an existing file to write on in it.
fn in_place<J: Jail>(jail: &J, options: &Options, path: &VirtualPath, at: Option<u64>) -> Result<Upload<J>> {
    match open_in_place(jail, options, path, Creation::Never, at) {
        Err(StorageError::NotFound) => Err(StorageError::BadOffset),
        other => other,
    }
}

fn open_in_place<J: Jail>(
    jail: &J,
    options: &Options,
    path: &VirtualPath,
    creation: Creation,
    at: Option<u64>,
) -> Result<Upload<J>> {
    let file = open_or_make(jail, options, path, creation)?;
    let stat = J::stat_file(&file)?;
    regular(&stat)?;
    let start = cut(&file, &stat, at)?;
    Ok(Upload { file, start, part: None, durable: options.durable })
}

/// If modes are to be exact, what is made is told from what is there, which keeps its own.
fn open_or_make<J: Jail>(
    jail: &J,
    options: &Options,
    path: &VirtualPath,
    creation: Creation,
) -> Result<std::fs::File> {
    let mode = match creation {
        Creation::IfAbsent(mode) | Creation::Exclusive(mode) if options.exact_modes => mode,
        _ => return jail.open(path, Opening::write(creation)),
    };
    match jail.open(path, Opening::write(Creation::Exclusive(mode))) {
        Ok(file) => {
            set_mode(&file, mode);
            Ok(file)
        }
        Err(StorageError::AlreadyExists) if creation != Creation::Exclusive(mode) => {
            jail.open(path, Opening::write(creation))
        }
        Err(error) => Err(error),
    }
}

/// Cuts the file off at the offset where writing begins, and says which it is.
fn cut(file: &std::fs::File, stat: &Stat, at: Option<u64>) -> Result<u64> {
    match at {
        None => Ok(stat.size),
        Some(at) if at > stat.size => Err(StorageError::BadOffset),
        Some(at) => {
            if at < stat.size {
                file.set_len(at).map_err(failure)?;
            }
            Ok(at)
        }
    }
}

/// Opens and locks a part, such that it is this part and no other file.
fn open_part<J: Jail>(
    folder: &J::Folder,
    hidden: &[u8],
    creation: Creation,
) -> Result<(std::fs::File, Stat)> {
    for _ in 0..OPEN_TRIES {
        let file = folder.open(hidden, Opening::write(creation))?;
        lock(&file)?;
        // Only now: the one before may have written until it let go of the lock.
        let stat = J::stat_file(&file)?;
        regular(&stat)?;
        match folder.stat(hidden) {
            Ok(named) if named.unique != stat.unique => {}
            // Killed between the two steps by which some file systems rename, or given a second name by
            // somebody else: the other name is not ours to change.
            Ok(_) if stat.links > 1 => folder.remove_file(hidden)?,
            Ok(_) => return Ok((file, stat)),
            Err(StorageError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StorageError::Busy)
}

fn lock(file: &std::fs::File) -> Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => StorageError::Busy,
        TryLockError::Error(error) => StorageError::Io(format!(
            "can't lock a file here ({error}); a file system without locks needs direct uploads"
        )),
    })
}

/// Facts about a part that nobody writes to. [`StorageError::Busy`] if somebody does: a client whose
/// connection broke is often back before the server has stored the last bytes that were on their way, and a
/// length told too early would be wrong when it goes on from there.
pub(super) fn resumable<J: Jail>(folder: &J::Folder, hidden: &[u8]) -> Result<Stat> {
    let file = folder.open(hidden, Opening::READ)?;
    match file.try_lock_shared() {
        // Without locks nobody can hold one.
        Ok(()) | Err(TryLockError::Error(_)) => {}
        Err(TryLockError::WouldBlock) => return Err(StorageError::Busy),
    }
    let stat = J::stat_file(&file)?;
    regular(&stat).map_err(|_| StorageError::NotFound)?;
    Ok(stat)
}

/// Removes a part that nobody writes to. [`StorageError::Busy`] if somebody does.
pub(super) fn discard<J: Jail>(folder: &J::Folder, hidden: &[u8]) -> Result<()> {
    let (_locked, _) = open_part::<J>(folder, hidden, Creation::Never)?;
    folder.remove_file(hidden)
}

impl<J: Jail> Part<J> {
    /// Facts about the part; an error if the hidden name is not its name any more.
    fn check(&self) -> Result<Stat> {
        match self.folder.stat(&self.hidden) {
            Ok(named) if named.unique == self.unique => Ok(named),
            Ok(_) | Err(StorageError::NotFound) => {
                Err(StorageError::Io("the hidden part of the upload was removed or replaced".into()))
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the file its name.
    fn publish(&self, file: &std::fs::File) -> Result<()> {
        let part = self.check()?;
        let mode = match self.folder.stat(&self.name) {
            Ok(old) if old.kind == Kind::Directory => return Err(StorageError::IsADirectory),
            Ok(old) if old.kind == Kind::File => old.mode.map_or(self.mode, |mode| mode & 0o777),
            _ => self.mode,
        };
        if part.mode != Some(mode) {
            set_mode(file, mode);
        }
        if self.replace {
            self.folder.replace_by_file(&self.hidden, &self.name)
        } else {
            self.folder.rename(&self.hidden, &self.folder, &self.name, false)
        }
    }

    /// The upload broke: what came stays to be continued, if that is wanted and anything came.
    fn give_up(&self) -> Result<()> {
        let size = self.check()?.size;
        if size == 0 || self.if_broken == Partial::Discard {
            self.folder.remove_file(&self.hidden)
        } else {
            Ok(())
        }
    }
}

/// Best effort: some file systems have no modes, and the upload is not to fail over it.
fn set_mode(file: &std::fs::File, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let _ = file.set_permissions(std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = (file, mode);
}

impl<J: Jail> File for Upload<J> {
    fn size(&self) -> Option<u64> {
        Some(self.start)
    }

    fn start(&self) -> u64 {
        self.start
    }

    fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<usize> {
        Err(StorageError::Unsupported)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        write_all_at(&self.file, offset, bytes).map_err(failure)
    }

    /// The system copies by itself where it can, on some file systems without moving a byte.
    #[cfg(target_os = "linux")]
    fn copy_from(&mut self, offset: u64, source: &mut dyn File, from: u64, length: u64) -> Result<u64> {
        use rustix::io::Errno;
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        if let Some(other) = source.os_file() {
            let (mut read, mut write) = (from, offset);
            match rustix::fs::copy_file_range(other, Some(&mut read), &self.file, Some(&mut write), wanted) {
                // Other file systems, and some files: then by reading and writing.
                Err(
                    Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::BADF,
                ) => {}
                // Files that the kernel makes up have no bytes for it.
                Ok(0) => {}
                other => {
                    return other
                        .map(|count| u64::try_from(count).unwrap_or(0))
                        .map_err(|error| failure(error.into()));
                }
            }
        }
        let mut buffer = vec![0; wanted];
        let count = source.read_at(from, &mut buffer)?;
        self.write_at(offset, buffer.get(..count).unwrap_or_default())?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn finish(self: Box<Self>, commit: bool) -> Result<()> {
        if commit && self.durable {
            self.file.sync_data().map_err(failure)?;
        }
        match &self.part {
            Some(part) if commit => part.publish(&self.file),
            Some(part) => part.give_up(),
            None => Ok(()),
        }
    }

    fn discard(self: Box<Self>) -> Result<()> {
        self.file.set_len(self.start).map_err(failure)?;
        self.finish(false)
    }

    fn os_file(&self) -> Option<&std::fs::File> {
        Some(&self.file)
    }
}

#[cfg(unix)]
fn write_all_at(file: &std::fs::File, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &std::fs::File, mut offset: u64, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        offset += u64::try_from(written).unwrap_or(0);
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}
