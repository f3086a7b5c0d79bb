//! The watch over the configuration file: an edit acts at once. (The accounts file is looked at when somebody logs in,
//! certificates every minute.)
//!
//! The file is looked at as certificates are (see [`Stamp`]), but every second. Editors write in steps, so a new version
//! counts when two looks in a row have seen it.

use super::signals::Wish;
use crate::config_file::reader::plain;
use crate::stamp::Stamp;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The file that is watched, and which version of it was read.
#[derive(Default)]
pub(super) struct Watch(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    enabled: bool,
    path: Option<PathBuf>,
    read: Option<Stamp>,
    /// Another version that the last look has seen.
    seen: Option<Option<Stamp>>,
}

impl Watch {
    /// The file is about to be read. Call it before: a version that comes later shows then.
    pub(super) fn reading(&self, path: &Path) {
        let mut watched = self.watched();
        watched.read = Stamp::of(path);
        watched.path = Some(path.to_owned());
        watched.seen = None;
    }

    /// Whether changes are told of.
    pub(super) fn enable(&self, enabled: bool) {
        self.watched().enabled = enabled;
    }

    /// Looks once: whether there is another version than was read, and it has come to rest. Told once.
    fn look(&self) -> bool {
        let mut watched = self.watched();
        let Some(path) = watched.path.as_deref().filter(|_| watched.enabled) else { return false };
        let now = Stamp::of(path);
        if now == watched.read {
            watched.seen = None;
            return false;
        }
        if watched.seen.replace(now) != Some(now) {
            return false;
        }
        watched.read = now;
        true
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks as long as the process lives.
    pub(super) fn start(self: &Arc<Self>, wishes: Sender<Wish>) {
        let watch = Arc::clone(self);
        let work = move || loop {
            std::thread::sleep(LOOK_EVERY);
            if watch.look() && wishes.send(Wish::Edited).is_err() {
                return;
            }
        };
        if let Err(error) = std::thread::Builder::new().name("watch".to_owned()).spawn(work) {
            tracing::warn!(reason = %plain(&error), "the configuration is not watched; after a change send SIGHUP");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_version_counts_once_when_it_has_come_to_rest() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ftpd.toml");
        fs::write(&file, "a").unwrap();
        let watch = Watch::default();
        let looks = || [watch.look(), watch.look(), watch.look()];
        watch.reading(&file);
        fs::write(&file, "ab").unwrap();
        assert_eq!(looks(), [false; 3], "nobody wants to know");
        watch.enable(true);
        assert!(!watch.look());
        fs::write(&file, "abc").unwrap();
        assert!(!watch.look(), "it is still being written");
        assert_eq!(looks(), [true, false, false]);
        // Replaced, and not there for a moment.
        fs::remove_file(&file).unwrap();
        assert!(!watch.look());
        fs::write(&file, "abcd").unwrap();
        assert_eq!(looks(), [false, true, false]);
        // What was read meanwhile is no news, nor is what is as it was.
        fs::write(&file, "x").unwrap();
        watch.reading(&file);
        assert_eq!(looks(), [false; 3]);
        fs::rename(&file, directory.path().join("other")).unwrap();
        assert!(!watch.look());
        fs::rename(directory.path().join("other"), &file).unwrap();
        watch.reading(&file);
        assert_eq!(looks(), [false; 3]);
    }
}
