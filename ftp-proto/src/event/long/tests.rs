use super::*;
use crate::host::{Directory, Metadata, Wanted};
use crate::testing::MemoryStorage;
use crate::time::UnixTime;

/// In which files whose names begin with `kept` can't be removed, what was discarded can't be cleaned up, and another session
/// does something while an upload goes on, or as soon as it has ended.
struct Clinging(MemoryStorage, Another);

struct ClingingFile(Box<dyn File>, MemoryStorage, Another);

type Another = fn(&MemoryStorage, When);

#[derive(PartialEq, Eq)]
enum When {
    Written,
    Ended,
}

const NOBODY: Another = |_, _| {};

impl Storage for Clinging {
    fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.0.metadata(path)
    }

    fn open(&self, path: &VirtualPath) -> Result<Box<dyn File>, StorageError> {
        self.0.open(path)
    }

    fn create(&self, path: &VirtualPath, how: Create) -> Result<Box<dyn File>, StorageError> {
        Ok(Box::new(ClingingFile(self.0.create(path, how)?, self.0.clone(), self.1)))
    }

    fn read_dir(&self, path: &VirtualPath, wanted: Wanted) -> Result<Box<dyn Directory>, StorageError> {
        self.0.read_dir(path, wanted)
    }

    fn create_dir(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.0.create_dir(path)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), StorageError> {
        if path.as_bytes().starts_with(b"/kept") {
            Err(StorageError::Denied)
        } else {
            self.0.remove_file(path)
        }
    }

    fn remove_dir(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.0.remove_dir(path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError> {
        self.0.rename(from, to, replace)
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), StorageError> {
        self.0.set_modified(path, time)
    }
}

impl File for ClingingFile {
    fn size(&self) -> Option<u64> {
        self.0.size()
    }

    fn start(&self) -> u64 {
        self.0.start()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.0.write_at(offset, bytes)?;
        (self.2)(&self.1, When::Written);
        Ok(())
    }

    fn discard(self: Box<Self>) -> Result<(), StorageError> {
        let Self(file, memory, another) = *self;
        file.discard()?;
        another(&memory, When::Ended);
        Err(StorageError::Busy)
    }

    fn finish(self: Box<Self>, commit: bool) -> Result<(), StorageError> {
        let Self(file, memory, another) = *self;
        file.finish(commit)?;
        another(&memory, When::Ended);
        Ok(())
    }
}

fn path(name: &str) -> VirtualPath {
    VirtualPath::new(name.as_bytes()).unwrap()
}

fn combine(target: &str, parts: &[&str]) -> LongJob {
    LongJob::Combine { target: path(target), parts: parts.iter().map(|part| path(part)).collect() }
}

fn copy(from: &str, to: &str) -> LongJob {
    LongJob::Copy { from: path(from), to: path(to), overwrite: true }
}

fn upload(memory: &MemoryStorage, to: &str, how: Create, text: &str) {
    let mut file = memory.create(&path(to), how).unwrap();
    file.write_at(file.start(), text.as_bytes()).unwrap();
    file.finish(true).unwrap();
}

fn stored(memory: &MemoryStorage, name: &str) -> alloc::string::String {
    alloc::string::String::from_utf8(memory.contents(name).unwrap()).unwrap()
}

#[test]
fn parts_that_cannot_be_removed_are_counted_and_stay() {
    let memory = MemoryStorage::new().file("/a", "1").file("/kept", "2").file("/b", "3").file("/whole", "0");
    let job = combine("/whole", &["/a", "/kept", "/b"]);
    let done = job.perform(&Clinging(memory.clone(), NOBODY), &Course::default());
    assert!(matches!(done, Done::Combined(Ok(1))), "{done:?}");
    assert_eq!(memory.contents("/whole").unwrap(), b"0123");
    assert!(memory.exists("/kept") && !memory.exists("/a") && !memory.exists("/b"));
}

#[test]
fn the_first_error_is_told_and_not_that_of_cleaning_up() {
    let memory = MemoryStorage::new()
        .file("/a", "1")
        .file("/b", "2")
        .file("/c", "345")
        .file("/whole", "0")
        .capacity(7);
    for job in [copy("/c", "/new"), combine("/new", &["/a", "/c"]), combine("/whole", &["/a", "/c"])] {
        let name = alloc::format!("{job:?}");
        let done = job.perform(&Clinging(memory.clone(), NOBODY), &Course::default());
        let (Done::Changed(Err(error)) | Done::Combined(Err(error))) = done else {
            panic!("{name}: {done:?}")
        };
        assert_eq!(error, StorageError::NoSpace, "{name}");
        assert!(!memory.exists("/new") && memory.exists("/a") && memory.exists("/c"), "{name}");
        assert_eq!(memory.contents("/whole").unwrap(), b"0");
    }
}

/// The target is anybody's again from the moment on in which it was given up.
#[test]
fn what_another_appends_to_a_target_that_was_given_up_stays() {
    let memory = MemoryStorage::new().file("/a", "1").file("/c", "3456").file("/whole", "0").capacity(10);
    let another: Another = |memory, when| {
        if when == When::Ended && !memory.exists("/once") {
            upload(memory, "/once", Create::New, "");
            upload(memory, "/whole", Create::Append, "9");
        }
    };
    let done =
        combine("/whole", &["/a", "/c"]).perform(&Clinging(memory.clone(), another), &Course::default());
    assert!(matches!(done, Done::Combined(Err(StorageError::NoSpace))), "{done:?}");
    assert_eq!(stored(&memory, "/whole"), "09");
}

/// What is not in the target is not removed.
#[test]
fn a_part_that_another_has_uploaded_anew_stays() {
    let memory = MemoryStorage::new().file("/a", "1").file("/b", "2");
    let another: Another = |memory, when| {
        if when == When::Ended {
            upload(memory, "/a", Create::Replace { overwrite: true }, "7");
            upload(memory, "/b", Create::Append, "8");
        }
    };
    let done =
        combine("/whole", &["/a", "/b"]).perform(&Clinging(memory.clone(), another), &Course::default());
    assert!(matches!(done, Done::Combined(Ok(2))), "{done:?}");
    assert_eq!(["/whole", "/a", "/b"].map(|name| stored(&memory, name)), ["12", "7", "28"]);
}

/// Another session may have put the same parts together, and removes them: they would be in the target twice.
#[test]
fn parts_that_change_while_they_are_put_together_are_not() {
    let removed: Another = |memory, _| drop(memory.remove_file(&path("/a")));
    let replaced: Another = |memory, _| upload(memory, "/a", Create::Replace { overwrite: true }, "7");
    for (another, error) in [(removed, StorageError::NotFound), (replaced, StorageError::Busy)] {
        let memory = MemoryStorage::new().file("/a", "1").file("/b", "2").file("/whole", "0");
        let done =
            combine("/whole", &["/a", "/b"]).perform(&Clinging(memory.clone(), another), &Course::default());
        let Done::Combined(Err(found)) = done else { panic!("{done:?}") };
        assert_eq!(found, error);
        assert_eq!((stored(&memory, "/whole"), stored(&memory, "/b")), ("0".into(), "2".into()));
    }
}

/// Its session has told the client by then that it was aborted, or is gone.
#[test]
fn one_that_is_stopped_before_its_turn_does_nothing() {
    let course = Course::default();
    course.stop();
    for job in [
        LongJob::RemoveTree(path("/empty")),
        LongJob::RemoveTree(path("/full")),
        copy("/nothing", "/new"),
        combine("/new", &["/nothing"]),
    ] {
        let memory = MemoryStorage::new().dir("/empty").file("/full/a", "1").file("/nothing", "");
        let before = memory.paths();
        let name = alloc::format!("{job:?}");
        let done = job.perform(&memory, &course);
        let interrupted = matches!(
            done,
            Done::Changed(Err(StorageError::Interrupted)) | Done::Combined(Err(StorageError::Interrupted))
        );
        assert!(interrupted, "{name}: {done:?}");
        assert_eq!(memory.paths(), before, "{name}");
    }
}
