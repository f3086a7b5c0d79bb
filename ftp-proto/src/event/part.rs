//! A part of a file, as RANG and REST name it.

use crate::host::{File, StorageError};
use alloc::boxed::Box;

/// A part of a file, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The first byte.
    pub start: u64,
    /// The byte behind the last; `None`: the file's end.
    pub end: Option<u64>,
}

impl Part {
    /// A file that ends where the part does, and where to begin to read it.
    pub(crate) fn of(self, file: Box<dyn File>) -> Result<(Box<dyn File>, u64), StorageError> {
        let size = file.size();
        if size.is_some_and(|size| self.start > size) {
            return Err(StorageError::BadOffset);
        }
        Ok(match self.end {
            Some(end) if size.is_none_or(|size| end < size) => (Box::new(Until { file, end }), self.start),
            _ => (file, self.start),
        })
    }

    /// What it is of a file of this size. A start behind the end is [`StorageError::BadOffset`]; an end behind it is the
    /// file's own.
    #[cfg(feature = "digests")]
    pub(crate) fn within(self, size: u64) -> Result<(u64, u64), StorageError> {
        let end = self.end.map_or(size, |end| end.min(size));
        if self.start > end { Err(StorageError::BadOffset) } else { Ok((self.start, end)) }
    }
}

/// A file that is read as if it ended earlier.
struct Until {
    file: Box<dyn File>,
    end: u64,
}

impl File for Until {
    fn size(&self) -> Option<u64> {
        self.file.size().map(|size| size.min(self.end))
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let left = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        self.file.read_at(offset, buffer.get_mut(..room).unwrap_or_default())
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    fn finish(self: Box<Self>, commit: bool) -> Result<(), StorageError> {
        self.file.finish(commit)
    }

    /// Only a length keeps whoever moves the bytes himself from going too far.
    #[cfg(feature = "std")]
    fn os_file(&self) -> Option<&std::fs::File> {
        self.file.size().and_then(|_| self.file.os_file())
    }
}
