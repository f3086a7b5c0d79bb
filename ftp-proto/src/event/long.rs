//! Jobs that may take long: they run beside the session, which goes on listening and may stop them.

use super::Done;
#[cfg(feature = "digests")]
use super::Part;
use super::course::Course;
#[cfg(feature = "digests")]
use crate::digest::{Algorithm, Hasher};
use crate::host::{Create, File, Metadata, Storage, StorageError, Wanted};
use crate::path::VirtualPath;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
#[cfg(feature = "digests")]
use alloc::string::String;
use alloc::vec::Vec;

/// Bytes done in one piece: few enough that a job that is stopped ends at once.
const PIECE: u64 = 256 * 1024;
/// How many directories one job remembers: those it still has to read, or has read.
const MOST_DIRECTORIES: usize = 100_000;
/// How many bytes the paths of those may have that it still has to read: deep in a tree each is long.
const MOST_PATH_BYTES: usize = 16 * 1024 * 1024;

/// A question to a [`Storage`] whose answer may take long.
pub enum LongJob {
    /// The digest of each of these files. Only the first may be of a part of it.
    #[cfg(feature = "digests")]
    Digest {
        /// The files.
        paths: Vec<VirtualPath>,
        /// How.
        algorithm: Algorithm,
        /// Of which part.
        part: Part,
    },
    /// How many bytes all files below a directory have, or one file has.
    Measure(VirtualPath),
    /// Removes a directory with all that is in it. Links in it are removed, never followed.
    RemoveTree(VirtualPath),
    /// Makes a copy of a file, which is seen when it is complete.
    Copy {
        /// The file.
        from: VirtualPath,
        /// The copy.
        to: VirtualPath,
        /// Whether an existing file may be replaced.
        overwrite: bool,
    },
    /// Appends files to one, which is made if it is not there, and removes them, as far as it can, when all are in it.
    Combine {
        /// What becomes longer.
        target: VirtualPath,
        /// What is put behind each other.
        parts: Vec<VirtualPath>,
    },
}

/// A digest that was computed.
#[cfg(feature = "digests")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digested {
    /// Of which file.
    pub path: VirtualPath,
    /// From which byte on.
    pub start: u64,
    /// Up to and without this byte.
    pub end: u64,
    /// In hexadecimal digits, small ones.
    pub digest: String,
}

impl core::fmt::Debug for LongJob {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            #[cfg(feature = "digests")]
            Self::Digest { paths, algorithm, part } => {
                write!(out, "Digest {paths:?} {} {part:?}", algorithm.name())
            }
            Self::Measure(path) => write!(out, "Measure {path}"),
            Self::RemoveTree(path) => write!(out, "RemoveTree {path}"),
            Self::Copy { from, to, overwrite } => write!(out, "Copy {from} {to} overwrite={overwrite}"),
            Self::Combine { target, parts } => write!(out, "Combine {target} {parts:?}"),
        }
    }
}

impl LongJob {
    pub(super) fn perform(self, storage: &dyn Storage, course: &Course) -> Done {
        course.begin();
        let mut work = Work { storage, course, bytes: 0 };
        match self {
            #[cfg(feature = "digests")]
            Self::Digest { paths, algorithm, part } => {
                Done::Digested(paths.into_iter().map(|path| work.digest(path, algorithm, part)).collect())
            }
            Self::Measure(path) => Done::Measured(work.measure(path)),
            Self::RemoveTree(path) => Done::Changed(work.remove_tree(path)),
            Self::Copy { from, to, overwrite } => Done::Changed(work.copy(&from, &to, overwrite)),
            Self::Combine { target, parts } => Done::Combined(work.combine(&target, &parts)),
        }
    }
}

/// One of them while it runs.
struct Work<'a> {
    storage: &'a dyn Storage,
    course: &'a Course,
    /// In all pieces so far.
    bytes: u64,
}

impl Work<'_> {
    /// Between two pieces: tells how far it is, and looks whether to end.
    fn go_on(&mut self, bytes: u64) -> Result<(), StorageError> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.course.go_on(self.bytes);
        if self.course.is_stopped() { Err(StorageError::Interrupted) } else { Ok(()) }
    }

    #[cfg(feature = "digests")]
    fn digest(
        &mut self,
        path: VirtualPath,
        algorithm: Algorithm,
        part: Part,
    ) -> Result<Digested, StorageError> {
        self.go_on(0)?;
        let mut file = self.storage.open(&path)?;
        // Without a size the end shows when it comes.
        let (start, end) = part.within(file.size().unwrap_or(u64::MAX))?;
        let mut hasher = Hasher::new(algorithm);
        let mut buffer = alloc::vec![0; usize::try_from(PIECE).unwrap_or(4096)];
        let mut position = start;
        while position < end {
            let wanted = usize::try_from(end - position).unwrap_or(usize::MAX).min(buffer.len());
            let room = buffer.get_mut(..wanted).unwrap_or_default();
            let count = file.read_at(position, room)?.min(wanted);
            if count == 0 {
                break;
            }
            hasher.update(buffer.get(..count).unwrap_or_default());
            position += count as u64;
            self.go_on(count as u64)?;
        }
        if file.size().is_some() && position < end {
            return Err(StorageError::Io("file became shorter".into()));
        }
        Ok(Digested { path, start, end: position, digest: hasher.finish() })
    }

    /// Links that lead to a directory are entries like it, so that what was seen has to be known.
    fn measure(&mut self, top: VirtualPath) -> Result<u64, StorageError> {
        let metadata = self.storage.metadata(&top)?;
        if !metadata.is_dir() {
            return Ok(metadata.size);
        }
        let mut total = 0u64;
        let mut seen: BTreeSet<(u64, u64)> = metadata.unique.into_iter().collect();
        let mut path_bytes = top.as_bytes().len();
        let mut unread = Vec::from([top]);
        while let Some(path) = unread.pop() {
            // Of empty directories there may be many, too.
            self.go_on(0)?;
            path_bytes -= path.as_bytes().len();
            let mut directory = match self.storage.read_dir(&path, Wanted::Facts) {
                Ok(directory) => directory,
                // Removed meanwhile, or nobody may look into it.
                Err(StorageError::NotFound | StorageError::Denied | StorageError::NotADirectory) => continue,
                Err(error) => return Err(error),
            };
            while let Some(entry) = directory.next_entry()? {
                self.go_on(0)?;
                if entry.metadata.is_file() {
                    total = total.saturating_add(entry.metadata.size);
                } else if entry.metadata.is_dir()
                    && entry.metadata.unique.is_none_or(|unique| seen.insert(unique))
                    // One whose path is too long can't be named by a client either.
                    && let Ok(below) = path.resolve(&entry.name)
                {
                    path_bytes += below.as_bytes().len();
                    unread.push(below);
                }
                if unread.len().max(seen.len()) > MOST_DIRECTORIES || path_bytes > MOST_PATH_BYTES {
                    return Err(StorageError::Unsupported);
                }
            }
        }
        Ok(total)
    }

    /// From the bottom to the top. Each entry is first taken for a file: so a link to a directory goes, and not what it
    /// leads to.
    fn remove_tree(&mut self, top: VirtualPath) -> Result<(), StorageError> {
        self.go_on(0)?;
        // The top could be a link to a directory, which this refuses; or empty.
        match self.storage.remove_dir(&top) {
            Err(StorageError::NotEmpty) => {}
            other => return other,
        }
        let mut above = Vec::from([top]);
        while let Some(path) = above.last() {
            match self.clear(path)? {
                Some(below) => above.push(below),
                None => {
                    self.storage.remove_dir(path)?;
                    above.pop();
                }
            }
        }
        Ok(())
    }

    /// Removes the files in a directory. Stops at the first directory in it.
    fn clear(&mut self, path: &VirtualPath) -> Result<Option<VirtualPath>, StorageError> {
        let mut directory = self.storage.read_dir(path, Wanted::Names)?;
        while let Some(entry) = directory.next_entry()? {
            self.go_on(0)?;
            let below = path.resolve(&entry.name).map_err(|_| StorageError::BadName)?;
            match self.storage.remove_file(&below) {
                Err(StorageError::IsADirectory) => return Ok(Some(below)),
                Ok(()) | Err(StorageError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn copy(&mut self, from: &VirtualPath, to: &VirtualPath, overwrite: bool) -> Result<(), StorageError> {
        self.go_on(0)?;
        let mut source = self.storage.open(from)?;
        self.refuse_the_same(from, to)?;
        let mut target = self.storage.create(to, Create::Replace { overwrite })?;
        match self.append(&mut *target, &mut *source, 0) {
            Ok(_) => target.finish(true),
            Err(error) => Err(give_up(target, error)),
        }
    }

    /// A file must not be written over itself, whatever its names are.
    fn refuse_the_same(&self, one: &VirtualPath, other: &VirtualPath) -> Result<(), StorageError> {
        let unique = |path| self.storage.metadata(path).ok().and_then(|metadata| metadata.unique);
        let is_same = one == other || unique(one).is_some_and(|known| unique(other) == Some(known));
        if is_same { Err(StorageError::BadName) } else { Ok(()) }
    }

    /// Puts `source` into `target` at an offset; returns where it ends.
    fn append(&mut self, target: &mut dyn File, source: &mut dyn File, at: u64) -> Result<u64, StorageError> {
        let size = source.size();
        let mut read = 0;
        while size.is_none_or(|size| read < size) {
            let wanted = size.map_or(PIECE, |size| PIECE.min(size - read));
            let count = target.copy_from(at.saturating_add(read), source, read, wanted)?;
            if count == 0 {
                break;
            }
            read = read.saturating_add(count);
            self.go_on(count)?;
        }
        if size.is_some_and(|size| read < size) {
            return Err(StorageError::Io("file became shorter".into()));
        }
        Ok(at.saturating_add(read))
    }

    /// How many parts stay, because they can't be removed or are other files by now. That is no failure: who heard of one would
    /// append them again.
    fn combine(&mut self, target: &VirtualPath, parts: &[VirtualPath]) -> Result<usize, StorageError> {
        // Nothing is written before all parts were found.
        let mut seen = Vec::new();
        for part in parts {
            self.go_on(0)?;
            seen.push(self.storage.metadata(part)?);
            self.storage.open(part)?;
            self.refuse_the_same(part, target)?;
        }
        let known = match self.storage.metadata(target) {
            Ok(_) => true,
            Err(StorageError::NotFound) => false,
            Err(error) => return Err(error),
        };
        let mut file = self.storage.create(target, if known { Create::Append } else { Create::New })?;
        // Until here the target is nobody else's: it is cut off by its own file, not by another one later.
        if let Err(error) = self.append_all(&mut *file, parts, &seen) {
            return Err(give_up(file, error));
        }
        file.finish(true)?;
        let mut kept = 0;
        for (part, seen) in parts.iter().zip(&seen) {
            // What another session has stored there meanwhile is not in the target.
            kept += match self.check_unchanged(part, seen).and_then(|()| self.storage.remove_file(part)) {
                Ok(()) | Err(StorageError::NotFound) => 0,
                Err(_) => 1,
            };
            self.course.go_on(self.bytes);
        }
        Ok(kept)
    }

    fn append_all(
        &mut self,
        target: &mut dyn File,
        parts: &[VirtualPath],
        seen: &[Metadata],
    ) -> Result<(), StorageError> {
        let mut end = target.start();
        for part in parts {
            let mut source = self.storage.open(part)?;
            end = self.append(target, &mut *source, end)?;
        }
        // Another session may have put them together, too, and be about to remove them.
        parts.iter().zip(seen).try_for_each(|(part, seen)| self.check_unchanged(part, seen))
    }

    fn check_unchanged(&self, path: &VirtualPath, seen: &Metadata) -> Result<(), StorageError> {
        let now = self.storage.metadata(path)?;
        let facts = |of: &Metadata| (of.kind, of.unique, of.size, of.modified);
        if facts(&now) == facts(seen) { Ok(()) } else { Err(StorageError::Busy) }
    }
}

/// What was written goes, as far as it can. `error` led here, and is the one to tell.
fn give_up(target: Box<dyn File>, error: StorageError) -> StorageError {
    let _ = target.discard();
    error
}

#[cfg(test)]
mod tests;
