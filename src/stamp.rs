//! What tells one version of a file from another, without reading it.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

/// A version of a file. Links are followed, so a link that leads elsewhere makes another version, too: that is how
/// certbot and Kubernetes replace files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    identity: Identity,
}

impl Stamp {
    /// The version that is there now; `None` if none can be seen.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let facts = std::fs::metadata(path).ok()?;
        Some(Self { length: facts.len(), modified: facts.modified().ok(), identity: Identity::of(&facts) })
    }
}

/// Tells a file from the one that replaced it, where the system has numbers for that. The time of the last change of
/// its inode shows what the time of its contents doesn't: that it became readable, or was given back its old time.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

#[cfg(unix)]
impl Identity {
    fn of(facts: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { device: facts.dev(), inode: facts.ino(), changed: (facts.ctime(), facts.ctime_nsec()) }
    }
}

#[cfg(not(unix))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity;

#[cfg(not(unix))]
impl Identity {
    fn of(_: &Metadata) -> Self {
        Self
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_way_to_replace_a_file_shows() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let (file, time) = (at("file"), SystemTime::UNIX_EPOCH);
        let write = |name: &str, text: &str| {
            std::fs::write(at(name), text).unwrap();
            std::fs::File::options().write(true).open(at(name)).unwrap().set_modified(time).unwrap();
        };
        assert_eq!(Stamp::of(&file), None);
        write("file", "one");
        let first = Stamp::of(&file);
        assert_eq!(Stamp::of(&file), first);
        // The same length and time: only the inode tells.
        write("new", "two");
        std::fs::rename(at("new"), &file).unwrap();
        let second = Stamp::of(&file);
        assert_ne!(second, first);
        // A link, and a directory on the way that is a link (as ..data in Kubernetes).
        for version in ["v1", "v2"] {
            std::fs::create_dir(at(version)).unwrap();
            write(&format!("{version}/file"), "abc");
        }
        symlink("v1", at("data")).unwrap();
        symlink("data/file", at("link")).unwrap();
        let before = Stamp::of(&at("link"));
        symlink("v2", at("data.new")).unwrap();
        std::fs::rename(at("data.new"), at("data")).unwrap();
        assert_ne!(Stamp::of(&at("link")), before);
    }
}
