use super::*;
use crate::host::{Directory, Metadata, Wanted};
use crate::testing::MemoryStorage;
use crate::time::UnixTime;

/// In which files whose names begin with `kept` can't be removed, and what was discarded can't be cleaned up.
struct Clinging(MemoryStorage);

struct ClingingFile(Box<dyn File>);

impl Storage for Clinging {
    fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.0.metadata(path)
    }

    fn open(&self, path: &VirtualPath) -> Result<Box<dyn File>, StorageError> {
        self.0.open(path)
    }

    fn create(&self, path: &VirtualPath, how: Create) -> Result<Box<dyn File>, StorageError> {
        Ok(Box::new(ClingingFile(self.0.create(path, how)?)))
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
        self.0.write_at(offset, bytes)
    }

    fn discard(self: Box<Self>) -> Result<(), StorageError> {
        self.0.discard().and(Err(StorageError::Busy))
    }

    fn finish(self: Box<Self>, commit: bool) -> Result<(), StorageError> {
        self.0.finish(commit)
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

#[test]
fn parts_that_cannot_be_removed_are_counted_and_stay() {
    let memory = MemoryStorage::new().file("/a", "1").file("/kept", "2").file("/b", "3").file("/whole", "0");
    let job = combine("/whole", &["/a", "/kept", "/b"]);
    let done = job.perform(&Clinging(memory.clone()), &Course::default());
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
        let done = job.perform(&Clinging(memory.clone()), &Course::default());
        let (Done::Changed(Err(error)) | Done::Combined(Err(error))) = done else {
            panic!("{name}: {done:?}")
        };
        assert_eq!(error, StorageError::NoSpace, "{name}");
        assert!(!memory.exists("/new") && memory.exists("/a") && memory.exists("/c"), "{name}");
        assert_eq!(memory.contents("/whole").unwrap(), b"0");
    }
}
