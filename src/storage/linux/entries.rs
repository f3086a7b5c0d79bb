//! Directories as they are read.

use super::{Root, failure, kind_of, look_at};
use crate::storage::jail::{Result, Stat};
use ftp_proto::host::{Kind, StorageError, Wanted};
use rustix::fs::{AtFlags, FileType, RawDir};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Bytes that are read at once to begin with: most directories are small.
const FIRST: usize = 2 << 10;
/// And later.
const LATER: usize = 32 << 10;

/// A directory being read for clients.
#[derive(Debug)]
pub(in crate::storage) struct Entries {
    pub(super) reading: Reading,
    pub(super) root: Arc<Root>,
    pub(super) path: Vec<u8>,
    pub(super) wanted: Wanted,
}

impl Entries {
    /// Facts about one entry; `None` if it is gone.
    fn look(&self, name: &[u8], seen: FileType) -> Result<Option<Stat>> {
        let known = Stat { kind: kind_of(seen), ..Stat::default() };
        let stat = match seen {
            FileType::Symlink => known.clone(),
            FileType::Unknown => self.stat(name)?,
            _ if self.wanted == Wanted::Names => return Ok(Some(known)),
            _ => self.stat_or(name, &known)?,
        };
        if stat.kind != Kind::Link {
            return Ok(Some(stat));
        }
        // Links are followed from the top of the tree, or their `..` would count from the wrong place.
        let path = [&self.path, b"/".as_slice(), name].concat();
        match self.root.stat_below(&path) {
            Ok(target) => Ok(Some(target)),
            Err(_) if self.wanted == Wanted::Names => Ok(Some(stat)),
            Err(_) => self.stat_or(name, &stat).map(Some),
        }
    }

    /// In a directory that may be read but not searched no more is known than was.
    fn stat_or(&self, name: &[u8], known: &Stat) -> Result<Stat> {
        match self.stat(name) {
            Err(StorageError::Denied) => Ok(known.clone()),
            other => other,
        }
    }

    fn stat(&self, name: &[u8]) -> Result<Stat> {
        look_at(&self.reading.directory, name, AtFlags::SYMLINK_NOFOLLOW)
    }
}

impl Iterator for Entries {
    type Item = Result<(Vec<u8>, Stat)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (name, file_type) = match self.reading.next()? {
                Ok(found) => found,
                Err(error) => return Some(Err(error)),
            };
            match self.look(&name, file_type) {
                Ok(Some(stat)) => return Some(Ok((name, stat))),
                Ok(None) | Err(StorageError::NotFound) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The names in a directory, being read.
#[derive(Debug)]
pub(in crate::storage) struct Names {
    pub(super) reading: Reading,
}

impl Iterator for Names {
    type Item = Result<(Vec<u8>, Kind)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (name, file_type) = match self.reading.next()? {
                Ok(found) => found,
                Err(error) => return Some(Err(error)),
            };
            if file_type != FileType::Unknown {
                return Some(Ok((name, kind_of(file_type))));
            }
            match rustix::fs::statat(&self.reading.directory, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    return Some(Ok((name, kind_of(FileType::from_raw_mode(stat.st_mode)))));
                }
                Err(Errno::NOENT) => {}
                Err(error) => return Some(Err(failure(error.into()))),
            }
        }
    }
}

/// Reads names in pieces of a fixed size, so that memory does not grow with the directory. Of each piece there is one copy,
/// which costs less than memory for each name.
#[derive(Debug)]
pub(super) struct Reading {
    directory: OwnedFd,
    /// What the kernel writes into.
    piece: Vec<u8>,
    /// The names of the last piece, one behind the other, and where each of them ends.
    names: Vec<u8>,
    ends: Vec<(usize, FileType)>,
    /// How many of them were handed out, and where the next begins.
    handed_out: usize,
    begin: usize,
    is_over: bool,
}

impl Reading {
    pub(super) fn new(directory: OwnedFd) -> Self {
        let (piece, names, ends) = (Vec::with_capacity(FIRST), Vec::new(), Vec::new());
        Self { directory, piece, names, ends, handed_out: 0, begin: 0, is_over: false }
    }

    /// The next name, but for `.` and `..`; after an error there is none.
    fn next(&mut self) -> Option<Result<(Vec<u8>, FileType)>> {
        loop {
            if let Some(&(end, file_type)) = self.ends.get(self.handed_out) {
                let name = self.names.get(self.begin..end).unwrap_or_default().to_vec();
                (self.handed_out, self.begin) = (self.handed_out + 1, end);
                return Some(Ok((name, file_type)));
            }
            if self.is_over {
                return None;
            }
            match self.read_piece() {
                Ok(()) => {}
                // The directory was removed while it was open.
                Err(Errno::NOENT) => self.is_over = true,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(failure(error.into())));
                }
            }
        }
    }

    fn read_piece(&mut self) -> rustix::io::Result<()> {
        (self.handed_out, self.begin) = (0, 0);
        self.names.clear();
        self.ends.clear();
        let mut entries = RawDir::new(&self.directory, self.piece.spare_capacity_mut());
        loop {
            match entries.next() {
                None => {
                    self.is_over = true;
                    return Ok(());
                }
                Some(entry) => {
                    let entry = entry?;
                    let name = entry.file_name().to_bytes();
                    if name != b"." && name != b".." {
                        self.names.extend_from_slice(name);
                        self.ends.push((self.names.len(), entry.file_type()));
                    }
                }
            }
            if entries.is_buffer_empty() {
                self.piece.reserve(LATER);
                return Ok(());
            }
        }
    }
}
