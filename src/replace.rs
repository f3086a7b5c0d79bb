//! Files that are replaced in one step: who reads one at any moment sees the old or the new, and never a half.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The directory a file is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a new file beside the old one and renames it over it. A new file is its owner's alone; one that
/// replaces another keeps that one's owner and mode, or a server that runs as somebody else could no longer
/// read it.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (temporary, mut file) = create_beside(path)?;
    let written = (|| {
        if let Ok(old) = std::fs::metadata(path) {
            hand_on(&old, &file)?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// How many names are tried for a new file.
const NAMES: u32 = 100;

/// A new file in the same directory, and where it is. Who was killed in the middle has left one, and in a container
/// everybody has the same number.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let own = std::process::id();
    for number in 0..NAMES {
        let temporary = directory_of(path).join(format!(".{name}.{own}-{number}"));
        match create(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (temporary, file)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A new file, its owner's alone.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Gives a new file the owner and mode of the old one.
#[cfg(unix)]
fn hand_on(old: &Metadata, file: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let new = file.metadata()?;
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(old.permissions())
}

#[cfg(not(unix))]
fn hand_on(_: &Metadata, _: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_in_the_middle_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ftpd.toml");
        let left = directory.path().join(format!(".ftpd.toml.{}-0", std::process::id()));
        std::fs::write(&left, "half").unwrap();
        for text in ["one", "two"] {
            replace_file(&path, text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_to_string(left).unwrap(), "half", "it may be somebody else's");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
