//! The files an import reads, by an interface, so that tests have theirs in memory.

use crate::config_file::FileError;
use crate::config_file::reader::Source;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// More than any configuration has.
const LARGEST: u64 = 16 << 20;

/// Where files are read.
pub trait Files {
    /// The whole file.
    ///
    /// # Errors
    /// When it can't be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The files of a directory, without those that begin with a dot, by name.
    ///
    /// # Errors
    /// When it is none, or can't be read.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
            return Err(io::Error::other("larger than 16 MiB"));
        }
        Ok(bytes)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_file() && !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
            {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// The text of a file.
pub(super) fn text(files: &dyn Files, path: &Path) -> Result<Source, FileError> {
    Source::from_bytes(path, files.read(path))
}
