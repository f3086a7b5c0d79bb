//! Uploads that are atomic and can be resumed.
//!
//! Bytes go to a hidden part in the directory of the target, locked as long as an upload writes to it, and
//! the part gets the target's name in one step when the upload is complete. So nobody ever sees half a
//! file, and a kill at any moment leaves a part at most, which the same account goes on with.
//!
//! The rule that keeps this true: **a part may be touched only after it was locked and after its hidden
//! name was found to be still its name**, because whoever held the lock before may have published it, and
//! then the open file is somebody's finished file.
//!
//! Where there is a quota, whoever makes a file counts it, whoever writes counts before ([`Meter`]), and whoever removes
//! or replaces a name takes from the count what it stood for.

use super::jail::{Creation, Folder, Jail, Opening, Result, Stat, failure, regular};
use super::names;
use super::quota::{Meter, Quota};
use super::{Options, Partial, Uploads};
use ftp_proto::host::{Create, File, Kind, StorageError};
use ftp_proto::path::VirtualPath;
use std::cmp::Ordering;
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
    /// Of an account with a quota.
    meter: Option<Meter>,
}

/// How an account uses the tree.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) options: &'a Options,
    pub(super) quota: Option<&'a Quota>,
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
    terms: Terms<'_>,
    if_broken: Partial,
    path: &VirtualPath,
    how: Create,
) -> Result<Upload<J>> {
    let options = terms.options;
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
        (Create::Replace { overwrite }, _) => start(plan(folder, overwrite), Some(0), terms),
        (Create::New, None) => start(plan(folder, false), Some(0), terms),
        (Create::Resume { at: 0 }, target) => start(plan(folder, target.is_some()), Some(0), terms),
        (Create::Append, Some(target)) if target.kind == Kind::File => {
            match unfinished(&plan(folder, true), &target)? {
                // An interrupted replacement: a client that goes on from the old file's length would mix
                // the old with the new. It has to begin again, or remove the file.
                Some(_) => Err(StorageError::BadOffset),
                None => in_place(jail, terms, path, None),
            }
        }
        (Create::Resume { at }, Some(target)) if target.kind == Kind::File => {
            let part = plan(folder, true);
            match unfinished(&part, &target)? {
                Some(_) => start(part, Some(at), terms),
                None => in_place(jail, terms, path, Some(at)),
            }
        }
        (Create::Append, None) => start(plan(folder, false), None, terms),
        // A link that leads nowhere: replacing it was not asked for.
        (Create::Append, Some(_)) => Err(StorageError::AlreadyExists),
        (Create::Resume { at }, target) => start(plan(folder, target.is_some()), Some(at), terms),
    }
}

/// Opens an upload that is written where it belongs, from the start.
pub(super) fn direct<J: Jail>(
    jail: &J,
    terms: Terms<'_>,
    path: &VirtualPath,
    how: Create,
) -> Result<Upload<J>> {
    let options = terms.options;
    let (creation, at) = match how {
        Create::Replace { overwrite: true } | Create::Resume { at: 0 } => {
            (Creation::IfAbsent(options.file_mode), Some(0))
        }
        Create::Replace { overwrite: false } | Create::New => {
            (Creation::Exclusive(options.file_mode), Some(0))
        }
        Create::Append => (Creation::IfAbsent(options.file_mode), None),
        Create::Resume { at } => return in_place(jail, terms, path, Some(at)),
    };
    open_in_place(jail, terms, path, creation, at)
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
fn start<J: Jail>(part: Part<J>, at: Option<u64>, terms: Terms<'_>) -> Result<Upload<J>> {
    let creation = if at.unwrap_or(0) == 0 { Creation::IfAbsent(PART_MODE) } else { Creation::Never };
    let credit = terms.quota.map(|quota| credit(&part, at, quota)).transpose()?.unwrap_or_default();
    let replaces = u64::from(credit.is_some());
    let opened = open_part::<J>(&part.folder, &part.hidden, creation, terms.quota, replaces);
    let (file, stat) = match opened {
        Err(StorageError::NotFound) if creation == Creation::Never => return Err(StorageError::BadOffset),
        other => other?,
    };
    let part = Part { unique: stat.unique, ..part };
    let meter = terms.quota.map(|quota| meter::<J>(quota, &file, credit)).transpose()?;
    let mut upload = Upload { file, start: 0, part: Some(part), durable: terms.options.durable, meter };
    upload.cut(&stat, at)?;
    Ok(upload)
}

/// The length of the file that is replaced by the upload, if there is one; a link has none. Refuses the upload if there is
/// no room to begin with.
fn credit<J: Jail>(part: &Part<J>, at: Option<u64>, quota: &Quota) -> Result<Option<u64>> {
    let credit = part.folder.stat(&part.name).ok().map(|stat| Quota::room_made_by(&stat));
    let part = part.folder.stat(&part.hidden).map_or(0, |stat| stat.size);
    let cut_off = at.map_or(0, |at| part.saturating_sub(at));
    quota.check_room(credit.unwrap_or(0).saturating_add(cut_off))?;
    Ok(credit)
}

/// Counts what is written to a file from now on. While nobody changes names: the file may have lost its own before, and then
/// its number must not be that of another one whose removal is still to be counted.
fn meter<J: Jail>(quota: &Quota, file: &std::fs::File, credit: Option<u64>) -> Result<Meter> {
    let _names = quota.names();
    Ok(Meter::new(quota, &J::stat_file(file)?, credit))
}

/// Opens a file such that one that is made is counted, and no other.
fn make(
    quota: &Quota,
    credit: u64,
    creation: Creation,
    open: impl Fn(Creation) -> Result<std::fs::File>,
) -> Result<std::fs::File> {
    match creation {
        Creation::Never => open(creation),
        Creation::Exclusive(_) => quota.make(credit, || open(creation)),
        Creation::IfAbsent(mode) => match open(Creation::Never) {
            Err(StorageError::NotFound) => quota.make(credit, || open(Creation::Exclusive(mode))),
            other => other,
        },
    }
}

/// Opens an existing file to write on in it.
fn in_place<J: Jail>(jail: &J, terms: Terms<'_>, path: &VirtualPath, at: Option<u64>) -> Result<Upload<J>> {
    match open_in_place(jail, terms, path, Creation::Never, at) {
        Err(StorageError::NotFound) => Err(StorageError::BadOffset),
        other => other,
    }
}

fn open_in_place<J: Jail>(
    jail: &J,
    terms: Terms<'_>,
    path: &VirtualPath,
    creation: Creation,
    at: Option<u64>,
) -> Result<Upload<J>> {
    if let (Some(quota), false) = (terms.quota, creation == Creation::Never) {
        // Before anything is made or cut off. A file that is there makes room by that.
        quota.check_room(jail.stat(path).map_or(0, |stat| stat.size))?;
    }
    let file = open_or_make(jail, terms, path, creation)?;
    if terms.options.uploads != Uploads::Direct && cfg!(unix) {
        // One at a time, since each writes from where it finds the end. Elsewhere a lock would keep readers out.
        lock(&file)?;
    }
    let stat = J::stat_file(&file)?;
    regular(&stat)?;
    if let Some(quota) = terms.quota {
        quota.check_room(at.map_or(0, |at| stat.size.saturating_sub(at)))?;
    }
    let meter = terms.quota.map(|quota| meter::<J>(quota, &file, None)).transpose()?;
    let mut upload = Upload { file, start: 0, part: None, durable: terms.options.durable, meter };
    upload.cut(&stat, at)?;
    Ok(upload)
}

/// If modes are to be exact, what is made is told from what is there, which keeps its own.
fn open_or_make<J: Jail>(
    jail: &J,
    terms: Terms<'_>,
    path: &VirtualPath,
    creation: Creation,
) -> Result<std::fs::File> {
    let open = |creation| jail.open(path, Opening::write(creation));
    let counted = |creation| match terms.quota {
        Some(quota) => make(quota, 0, creation, open),
        None => open(creation),
    };
    // What is there, or a link that leads nowhere yet: then its file is made.
    let follow = || match terms.quota {
        Some(quota) => quota.find_or_make(|| open(Creation::Never), || open(creation)),
        None => open(creation),
    };
    let is_exclusive = matches!(creation, Creation::Exclusive(_));
    let mode = match creation {
        Creation::IfAbsent(mode) | Creation::Exclusive(mode) if terms.options.exact_modes => mode,
        _ => {
            return match counted(creation) {
                Err(StorageError::AlreadyExists) if !is_exclusive => follow(),
                other => other,
            };
        }
    };
    match counted(Creation::Exclusive(mode)) {
        Ok(file) => {
            set_mode(&file, mode);
            Ok(file)
        }
        // Where no file is left to be made, there may be one.
        Err(StorageError::AlreadyExists | StorageError::OverQuota(_)) if !is_exclusive => follow(),
        Err(error) => Err(error),
    }
}

/// Opens and locks a part, such that it is this part and no other file. One that is made counts as a file, beyond the quota
/// if it replaces others.
fn open_part<J: Jail>(
    folder: &J::Folder,
    hidden: &[u8],
    creation: Creation,
    quota: Option<&Quota>,
    replaces: u64,
) -> Result<(std::fs::File, Stat)> {
    let open = |creation| folder.open(hidden, Opening::write(creation));
    for _ in 0..OPEN_TRIES {
        let opened = match quota {
            Some(quota) => make(quota, replaces, creation, open),
            None => open(creation),
        };
        let file = match opened {
            // Somebody else was quicker to make it.
            Err(StorageError::AlreadyExists) => continue,
            other => other?,
        };
        lock(&file)?;
        // Only now: the one before may have written until it let go of the lock.
        let stat = J::stat_file(&file)?;
        regular(&stat)?;
        match folder.stat(hidden) {
            Ok(named) if named.unique != stat.unique => {}
            // Killed between the two steps by which some file systems rename, or given a second name by
            // somebody else: the other name is not ours to change.
            Ok(_) if stat.links > 1 => remove_file::<J>(folder, hidden, quota)?,
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
pub(super) fn discard<J: Jail>(folder: &J::Folder, hidden: &[u8], quota: Option<&Quota>) -> Result<()> {
    let (_locked, _) = open_part::<J>(folder, hidden, Creation::Never, quota, 0)?;
    remove_file::<J>(folder, hidden, quota)
}

/// Removes a name that is not a directory, and what it stood for from what is counted.
pub(super) fn remove_file<J: Jail>(folder: &J::Folder, name: &[u8], quota: Option<&Quota>) -> Result<()> {
    let Some(quota) = quota else { return folder.remove_file(name) };
    let _names = quota.names();
    let stat = folder.stat(name)?;
    folder.remove_file(name)?;
    quota.removed(&stat);
    Ok(())
}

/// Renames by `rename`, and takes what is replaced from what is counted. `check`: whether it may be, by what is moved and
/// what is replaced.
pub(super) fn rename<J: Jail>(
    from: (&J::Folder, &[u8]),
    to: (&J::Folder, &[u8]),
    quota: Option<&Quota>,
    check: impl FnOnce(&Stat, Option<&Stat>) -> Result<()>,
    rename: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let Some(quota) = quota else { return rename() };
    let _names = quota.names();
    let moved = from.0.stat(from.1)?;
    let replaced = to.0.stat(to.1).ok();
    check(&moved, replaced.as_ref())?;
    rename()?;
    // The same file under both names: nothing happens to either.
    if let Some(replaced) = replaced.filter(|stat| stat.unique.is_none() || stat.unique != moved.unique) {
        quota.removed(&replaced);
    }
    quota.moved(&moved);
    Ok(())
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
    fn publish(&self, file: &std::fs::File, meter: Option<&mut Meter>) -> Result<()> {
        let part = self.check()?;
        let mode = match self.folder.stat(&self.name) {
            Ok(old) if old.kind == Kind::Directory => return Err(StorageError::IsADirectory),
            Ok(old) if old.kind == Kind::File => old.mode.map_or(self.mode, |mode| mode & 0o777),
            _ => self.mode,
        };
        if part.mode != Some(mode) {
            set_mode(file, mode);
        }
        let quota = meter.as_ref().map(|meter| meter.quota().clone());
        rename::<J>(
            (&self.folder, &self.hidden),
            (&self.folder, &self.name),
            quota.as_ref(),
            |part, replaced| {
                let Some(meter) = meter else { return Ok(()) };
                meter.end_at(part.size);
                meter.check_credit(replaced)
            },
            || {
                if self.replace {
                    self.folder.replace_by_file(&self.hidden, &self.name)
                } else {
                    self.folder.rename(&self.hidden, &self.folder, &self.name, false)
                }
            },
        )
    }

    /// The upload broke: what came stays to be continued, if that is wanted and anything came. Not if it was to replace
    /// a file, and both together are more than the quota has: there must be an end to that.
    fn give_up(&self, mut meter: Option<&mut Meter>) -> Result<()> {
        let size = self.check()?.size;
        let is_too_much = meter.as_mut().is_some_and(|meter| {
            meter.end_at(size);
            meter.quota().is_exceeded()
        });
        if size == 0 || is_too_much || self.if_broken == Partial::Discard {
            remove_file::<J>(&self.folder, &self.hidden, meter.as_ref().map(|meter| meter.quota()))?;
            if let Some(meter) = meter {
                meter.removed();
            }
        }
        Ok(())
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

impl<J: Jail> Upload<J> {
    /// Cuts the file off at the offset where writing begins.
    fn cut(&mut self, stat: &Stat, at: Option<u64>) -> Result<()> {
        self.start = at.unwrap_or(stat.size);
        let quota = self.meter.as_ref().map(|meter| meter.quota().clone());
        let _names = quota.as_ref().map(Quota::names);
        match stat.size.cmp(&self.start) {
            Ordering::Less => return Err(StorageError::BadOffset),
            Ordering::Equal => return Ok(()),
            Ordering::Greater => self.file.set_len(self.start).map_err(failure)?,
        }
        if let Some(meter) = &mut self.meter {
            meter.cut(self.start);
        }
        Ok(())
    }

    /// Before so many bytes are written.
    fn pay(&mut self, offset: u64, count: u64) -> Result<()> {
        self.meter.as_mut().map_or(Ok(()), |meter| meter.pay(offset.saturating_add(count)))
    }
}

/// However it ends, also by a panic, or because nobody is there any more to end it: it has broken then, and what was not
/// used of a quota is given back.
impl<J: Jail> Drop for Upload<J> {
    fn drop(&mut self) {
        if let Some(part) = self.part.take() {
            // Nobody is there to hear of it.
            let _ = part.give_up(self.meter.as_mut());
        }
        if let Some(meter) = self.meter.take() {
            meter.settle(|| J::stat_file(&self.file).ok());
        }
    }
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
        self.pay(offset, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        write_all_at(&self.file, offset, bytes).map_err(failure)
    }

    /// The system copies by itself where it can, on some file systems without moving a byte.
    #[cfg(target_os = "linux")]
    fn copy_from(&mut self, offset: u64, source: &mut dyn File, from: u64, length: u64) -> Result<u64> {
        use rustix::io::Errno;
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        self.pay(offset, length)?;
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

    fn finish(mut self: Box<Self>, commit: bool) -> Result<()> {
        if commit
            && self.durable
            && let Err(error) = self.file.sync_data()
        {
            // Nobody knows now which bytes are on the disk, also of those that an earlier upload left in the part: the next sync
            // would succeed without them (Linux). So nobody may go on with them either.
            if self.part.is_some() {
                self.start = 0;
            }
            let _ = self.discard();
            return Err(failure(error));
        }
        let Self { file, start, part, meter, .. } = &mut *self;
        match part.take() {
            Some(part) if commit => {
                let published = part.publish(file, meter.as_mut());
                if matches!(published, Err(StorageError::OverQuota(_))) {
                    // What came goes, what was there before stays.
                    let _ = file.set_len(*start);
                    if let Some(meter) = meter {
                        meter.cut(*start);
                    }
                }
                if published.is_err() {
                    // The error that led here is the one to tell.
                    let _ = part.give_up(meter.as_mut());
                }
                published
            }
            Some(part) => part.give_up(meter.as_mut()),
            None => Ok(()),
        }
    }

    fn room_until(&self) -> u64 {
        self.meter.as_ref().map_or(u64::MAX, Meter::paid)
    }

    fn make_room(&mut self, offset: u64) -> u64 {
        if let Some(meter) = &mut self.meter {
            meter.pay_ahead(offset);
        }
        self.room_until()
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
