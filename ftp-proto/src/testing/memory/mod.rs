//! A tree of files in memory.

mod opened;
mod quota;

use crate::account::{Account, Rights, RightsByPath};
use crate::host::{
    Abilities, Create, Directory, Entry, File, Kind, Metadata, Storage, StorageError, Usage, Wanted,
};

use crate::path::VirtualPath;
use crate::time::UnixTime;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use opened::{Download, Entries, Upload};
use quota::Quota;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A [`Storage`] in memory. Clones share one tree.
///
/// Uploads are atomic: what is written goes to a buffer that [`File::finish`] publishes. A broken upload
/// (committed with `false`, or dropped) leaves its buffer as the hidden part of that path, which
/// [`Storage::metadata_to_resume`], [`Create::Append`] and [`Create::Resume`] see while there is no file of
/// that name.
///
/// The tree has one owner; times come from [`set_now`](Self::set_now) alone.
///
/// ```
/// use ftp_proto::testing::MemoryStorage;
/// let storage = MemoryStorage::new().dir("/pub").file("/pub/a.txt", b"hello\n");
/// assert_eq!(storage.contents("/pub/a.txt").as_deref(), Some(&b"hello\n"[..]));
/// ```
#[derive(Clone)]
pub struct MemoryStorage {
    tree: Arc<Mutex<Tree>>,
    /// Bits that what is made does not get.
    umask: u32,
}

struct Tree {
    /// By path; the parent of each is there and a directory.
    nodes: BTreeMap<Vec<u8>, Node>,
    /// Broken uploads, by the path they were meant for.
    parts: BTreeMap<Vec<u8>, Part>,
    /// How many uploads run for a path.
    uploading: BTreeMap<Vec<u8>, usize>,
    /// What fails on purpose.
    failures: BTreeMap<Vec<u8>, StorageError>,
    /// Bytes that fit in all, files and parts together.
    capacity: Option<u64>,
    /// Of an account: what it may store.
    quota: Quota,
    now: UnixTime,
    next_unique: u64,
}

#[derive(Clone)]
struct Node {
    content: Content,
    modified: UnixTime,
    /// If it was set.
    created: Option<UnixTime>,
    mode: u32,
    unique: u64,
}

#[derive(Clone)]
enum Content {
    Directory,
    Bytes(Arc<Vec<u8>>),
    /// This many zero bytes that take no memory.
    Zeros(u64),
}

struct Part {
    bytes: Vec<u8>,
    modified: UnixTime,
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Self::Directory => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(len) => *len,
        }
    }
}

impl Node {
    fn metadata(&self) -> Metadata {
        let directory = matches!(self.content, Content::Directory);
        Metadata {
            kind: if directory { Kind::Directory } else { Kind::File },
            size: self.content.len(),
            modified: self.modified,
            created: self.created,
            mode: Some(self.mode),
            owner: Some(Arc::from("ftp")),
            group: Some(Arc::from("ftp")),
            links: if directory { 2 } else { 1 },
            unique: Some((1, self.unique)),
        }
    }
}

impl Tree {
    fn add(&mut self, path: &[u8], content: Content, mode: u32) {
        let unique = self.next_unique;
        self.next_unique += 1;
        let node = Node { content, modified: self.now, created: None, mode, unique };
        self.nodes.insert(path.to_vec(), node);
    }

    /// Adds the directories above `path` that are missing.
    fn add_parents(&mut self, path: &VirtualPath) {
        let mut parent = VirtualPath::root();
        for part in path.parent().components() {
            parent = child(&parent, part);
            if !self.nodes.contains_key(parent.as_bytes()) {
                self.add(parent.as_bytes(), Content::Directory, 0o755);
            }
        }
    }

    fn check(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.failures.get(path.as_bytes()).map_or(Ok(()), |error| Err(error.clone()))
    }

    fn node(&self, path: &VirtualPath) -> Result<&Node, StorageError> {
        self.check(path)?;
        match self.nodes.get(path.as_bytes()) {
            Some(node) => Ok(node),
            None => Err(self.parent_error(path).unwrap_or(StorageError::NotFound)),
        }
    }

    /// Why nothing can be made at `path`, if its parent is the reason.
    fn parent_error(&self, path: &VirtualPath) -> Option<StorageError> {
        let parent = path.parent();
        match self.nodes.get(parent.as_bytes()) {
            Some(node) => {
                (!matches!(node.content, Content::Directory)).then_some(StorageError::NotADirectory)
            }
            None => Some(self.parent_error(&parent).unwrap_or(StorageError::NotFound)),
        }
    }

    fn check_parent(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.check(path)?;
        self.parent_error(path).map_or(Ok(()), Err)
    }

    /// Keys of all that lies below a directory.
    fn below(&self, path: &VirtualPath) -> impl Iterator<Item = (&Vec<u8>, &Node)> {
        let mut prefix = path.as_bytes().to_vec();
        if !path.is_root() {
            prefix.push(b'/');
        }
        let start = prefix.clone();
        self.nodes
            .range(start..)
            .take_while(move |(key, _)| key.starts_with(&prefix))
            .filter(|(key, _)| key.len() > 1)
    }

    fn used(&self) -> u64 {
        let files: u64 = self.nodes.values().map(|node| node.content.len()).sum();
        let parts: u64 = self.parts.values().map(|part| part.bytes.len() as u64).sum();
        files + parts
    }
}

/// `name` in the directory `parent`. Names come from paths that were built before, so they fit.
fn child(parent: &VirtualPath, name: &[u8]) -> VirtualPath {
    parent.resolve(name).unwrap_or_else(|_| parent.clone())
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

/// Building and looking, for tests. Paths are written as in FTP; one that can't be is taken for `/`.
impl MemoryStorage {
    /// An empty tree. Its clock stands at 2026-11-25 10:00:00 UTC.
    pub fn new() -> Self {
        let mut tree = Tree {
            nodes: BTreeMap::new(),
            parts: BTreeMap::new(),
            uploading: BTreeMap::new(),
            failures: BTreeMap::new(),
            capacity: None,
            quota: Quota::default(),
            now: UnixTime::from_seconds(1_795_600_800),
            next_unique: 1,
        };
        tree.add(b"/", Content::Directory, 0o755);
        Self { tree: Arc::new(Mutex::new(tree)), umask: 0o022 }
    }

    /// Adds or replaces a file, and the directories above it that are missing.
    #[must_use]
    pub fn file(self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Self {
        self.put(path.as_ref(), Content::Bytes(Arc::new(bytes.as_ref().to_vec())), 0o644)
    }

    /// Adds a file of zero bytes that takes no memory, however long. It can be read, not appended to.
    #[must_use]
    pub fn zeros(self, path: impl AsRef<[u8]>, len: u64) -> Self {
        self.put(path.as_ref(), Content::Zeros(len), 0o644)
    }

    /// Adds a directory, and those above it that are missing.
    #[must_use]
    pub fn dir(self, path: impl AsRef<[u8]>) -> Self {
        self.put(path.as_ref(), Content::Directory, 0o755)
    }

    /// Leaves the hidden part of a broken upload.
    #[must_use]
    pub fn part(self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Self {
        let path = virtual_path(path.as_ref());
        let mut tree = self.lock();
        tree.add_parents(&path);
        let part = Part { bytes: bytes.as_ref().to_vec(), modified: tree.now };
        tree.parts.insert(path.as_bytes().to_vec(), part);
        drop(tree);
        self
    }

    /// Sets the permission bits of what is there.
    #[must_use]
    pub fn mode(self, path: impl AsRef<[u8]>, mode: u32) -> Self {
        if let Some(node) = self.lock().nodes.get_mut(virtual_path(path.as_ref()).as_bytes()) {
            node.mode = mode;
        }
        self
    }

    /// Sets the time of last modification of what is there.
    #[must_use]
    pub fn modified(self, path: impl AsRef<[u8]>, time: UnixTime) -> Self {
        if let Some(node) = self.lock().nodes.get_mut(virtual_path(path.as_ref()).as_bytes()) {
            node.modified = time;
        }
        self
    }

    /// Lets everything that touches exactly this path fail.
    #[must_use]
    pub fn failing(self, path: impl AsRef<[u8]>, error: StorageError) -> Self {
        self.lock().failures.insert(virtual_path(path.as_ref()).as_bytes().to_vec(), error);
        self
    }

    /// Sets how many bytes fit in all; what goes beyond fails with [`StorageError::NoSpace`].
    #[must_use]
    pub fn capacity(self, bytes: u64) -> Self {
        self.lock().capacity = Some(bytes);
        self
    }

    /// Sets the clock by which new files and directories get their times.
    pub fn set_now(&self, now: UnixTime) {
        self.lock().now = now;
    }

    /// What is published under `path`; `None` if there is no such file.
    pub fn contents(&self, path: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        match &self.lock().nodes.get(virtual_path(path.as_ref()).as_bytes())?.content {
            Content::Directory => None,
            Content::Bytes(bytes) => Some(bytes.to_vec()),
            Content::Zeros(len) => Some(alloc::vec![0; usize::try_from(*len).ok()?]),
        }
    }

    /// The hidden part of a broken upload to `path`, if there is one.
    pub fn part_of(&self, path: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let path = virtual_path(path.as_ref());
        self.lock().parts.get(path.as_bytes()).map(|part| part.bytes.clone())
    }

    /// Whether there is a file or directory of this name.
    pub fn exists(&self, path: impl AsRef<[u8]>) -> bool {
        self.lock().nodes.contains_key(virtual_path(path.as_ref()).as_bytes())
    }

    /// All paths but the root, in the order of their bytes.
    pub fn paths(&self) -> Vec<VirtualPath> {
        self.lock().nodes.keys().filter(|key| key.len() > 1).map(|key| virtual_path(key)).collect()
    }

    /// An account in this tree that starts in its root.
    pub fn account(&self, name: &str, rights: Rights) -> Account {
        Account {
            name: name.to_owned(),
            storage: Arc::new(self.clone()),
            rights: RightsByPath::everywhere(rights),
            home: VirtualPath::root(),
        }
    }

    fn put(self, path: &[u8], content: Content, mode: u32) -> Self {
        let path = virtual_path(path);
        let mut tree = self.lock();
        tree.add_parents(&path);
        tree.add(path.as_bytes(), content, mode);
        drop(tree);
        self
    }

    /// A panic elsewhere must not hide what a test looks for, so a poisoned lock is taken as it is.
    fn lock(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn virtual_path(bytes: &[u8]) -> VirtualPath {
    VirtualPath::new(bytes).unwrap_or_else(|_| VirtualPath::root())
}

impl Storage for MemoryStorage {
    fn abilities(&self) -> Abilities {
        let times = Abilities::SET_CREATED;
        let modes = Abilities::SET_PERMISSIONS.with(Abilities::UMASK);
        let quota = if self.lock().quota.is_set() { Abilities::QUOTA } else { Abilities::NONE };
        modes.with(times).with(Abilities::AVAILABLE).with(Abilities::SYMLINK).with(quota)
    }

    fn usage(&self) -> Result<Usage, StorageError> {
        self.lock().usage()
    }

    /// What [`capacity`](Self::capacity) and [`quota`](Self::quota) leave, or as much as can be counted.
    fn available(&self, path: &VirtualPath) -> Result<u64, StorageError> {
        let tree = self.lock();
        tree.node(path)?;
        let of_disk = tree.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(tree.used()));
        Ok(of_disk.min(tree.usage()?.bytes.left().unwrap_or(u64::MAX)))
    }

    fn with_umask(&self, umask: u32) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(Self { tree: Arc::clone(&self.tree), umask }))
    }

    fn set_created(&self, path: &VirtualPath, time: UnixTime) -> Result<(), StorageError> {
        let mut tree = self.lock();
        tree.node(path)?;
        if let Some(node) = tree.nodes.get_mut(path.as_bytes()) {
            node.created = Some(time);
        }
        Ok(())
    }

    fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.lock().node(path).map(Node::metadata)
    }

    fn metadata_to_resume(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let tree = self.lock();
        match tree.node(path) {
            Err(StorageError::NotFound) => match tree.parts.get(path.as_bytes()) {
                Some(part) => Ok(Metadata {
                    size: part.bytes.len() as u64,
                    modified: part.modified,
                    ..Metadata::default()
                }),
                None => Err(StorageError::NotFound),
            },
            other => other.map(Node::metadata),
        }
    }

    fn open(&self, path: &VirtualPath) -> Result<Box<dyn File>, StorageError> {
        let content = self.lock().node(path)?.content.clone();
        match content {
            Content::Directory => Err(StorageError::IsADirectory),
            content => Ok(Box::new(Download(content))),
        }
    }

    fn create(&self, path: &VirtualPath, how: Create) -> Result<Box<dyn File>, StorageError> {
        let mut tree = self.lock();
        tree.check_parent(path)?;
        let existing = match tree.nodes.get(path.as_bytes()).map(|node| &node.content) {
            Some(Content::Directory) => return Err(StorageError::IsADirectory),
            Some(Content::Bytes(bytes)) => Some(Arc::clone(bytes)),
            Some(Content::Zeros(_)) if matches!(how, Create::Append | Create::Resume { .. }) => {
                return Err(StorageError::Unsupported);
            }
            Some(Content::Zeros(_)) => Some(Arc::new(Vec::new())),
            None => None,
        };
        let mut bytes = Vec::new();
        let mut replace = true;
        match how {
            Create::Replace { overwrite } => {
                if existing.is_some() && !overwrite {
                    return Err(StorageError::AlreadyExists);
                }
                replace = overwrite;
            }
            Create::New => {
                if existing.is_some() {
                    return Err(StorageError::AlreadyExists);
                }
                if tree.uploading.contains_key(path.as_bytes()) {
                    return Err(StorageError::Busy);
                }
                replace = false;
            }
            Create::Append | Create::Resume { .. } => {
                let known = match &existing {
                    Some(bytes) => bytes.as_slice(),
                    None => tree.parts.get(path.as_bytes()).map_or(&[][..], |part| &part.bytes),
                };
                let keep = match how {
                    Create::Resume { at } => usize::try_from(at).map_err(|_| StorageError::BadOffset)?,
                    _ => known.len(),
                };
                bytes = known.get(..keep).ok_or(StorageError::BadOffset)?.to_vec();
            }
        }
        // Before anything is changed.
        tree.check_quota(path, bytes.len() as u64)?;
        // The new upload takes the place of an older part of the same name.
        tree.parts.remove(path.as_bytes());
        *tree.uploading.entry(path.as_bytes().to_vec()).or_default() += 1;
        let start = bytes.len() as u64;
        Ok(Box::new(Upload { storage: self.clone(), path: path.clone(), bytes, start, replace, open: true }))
    }

    fn read_dir(&self, path: &VirtualPath, _: Wanted) -> Result<Box<dyn Directory>, StorageError> {
        let tree = self.lock();
        if !matches!(tree.node(path)?.content, Content::Directory) {
            return Err(StorageError::NotADirectory);
        }
        let skip = if path.is_root() { 1 } else { path.as_bytes().len() + 1 };
        let mut entries = Vec::new();
        for (key, node) in tree.below(path) {
            let name = key.get(skip..).unwrap_or_default();
            if !name.contains(&b'/') {
                entries.push(Entry { name: name.to_vec(), metadata: node.metadata() });
            }
        }
        Ok(Box::new(Entries(entries.into_iter())))
    }

    fn create_dir(&self, path: &VirtualPath) -> Result<(), StorageError> {
        let mut tree = self.lock();
        tree.check_parent(path)?;
        if tree.nodes.contains_key(path.as_bytes()) {
            return Err(StorageError::AlreadyExists);
        }
        tree.check_files()?;
        tree.add(path.as_bytes(), Content::Directory, 0o777 & !self.umask);
        Ok(())
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), StorageError> {
        let mut tree = self.lock();
        if matches!(tree.node(path)?.content, Content::Directory) {
            return Err(StorageError::IsADirectory);
        }
        tree.nodes.remove(path.as_bytes());
        Ok(())
    }

    fn remove_dir(&self, path: &VirtualPath) -> Result<(), StorageError> {
        let mut tree = self.lock();
        if !matches!(tree.node(path)?.content, Content::Directory) {
            return Err(StorageError::NotADirectory);
        }
        if path.is_root() {
            return Err(StorageError::Denied);
        }
        if tree.below(path).next().is_some() {
            return Err(StorageError::NotEmpty);
        }
        tree.nodes.remove(path.as_bytes());
        Ok(())
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError> {
        let mut tree = self.lock();
        let node = tree.node(from)?.clone();
        tree.check_parent(to)?;
        if from == to {
            return Ok(());
        }
        // Nothing can be moved into itself.
        if from.is_root() || to.starts_with(from) {
            return Err(StorageError::Denied);
        }
        let directory = matches!(node.content, Content::Directory);
        match tree.nodes.get(to.as_bytes()).map(|node| &node.content) {
            None => {}
            Some(Content::Directory) => return Err(StorageError::AlreadyExists),
            Some(_) if directory || !replace => return Err(StorageError::AlreadyExists),
            Some(_) => {}
        }
        let below: Vec<Vec<u8>> = tree.below(from).map(|(key, _)| key.clone()).collect();
        for key in below {
            if let Some(moved) = tree.nodes.remove(&key) {
                let rest = key.get(from.as_bytes().len()..).unwrap_or_default();
                tree.nodes.insert([to.as_bytes(), rest].concat(), moved);
            }
        }
        tree.nodes.remove(from.as_bytes());
        tree.nodes.insert(to.as_bytes().to_vec(), node);
        Ok(())
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), StorageError> {
        let mut tree = self.lock();
        tree.node(path)?;
        if let Some(node) = tree.nodes.get_mut(path.as_bytes()) {
            node.modified = time;
        }
        Ok(())
    }

    /// Of a file, by another name for what is in it now.
    fn symlink(&self, target: &VirtualPath, link: &VirtualPath) -> Result<(), StorageError> {
        let mut tree = self.lock();
        let node = tree.node(target)?.clone();
        tree.check_parent(link)?;
        match node.content {
            Content::Directory => return Err(StorageError::Unsupported),
            _ if tree.nodes.contains_key(link.as_bytes()) => return Err(StorageError::AlreadyExists),
            Content::Bytes(_) | Content::Zeros(_) => {}
        }
        tree.check_files()?;
        tree.nodes.insert(link.as_bytes().to_vec(), node);
        Ok(())
    }

    fn set_permissions(&self, path: &VirtualPath, mode: u32) -> Result<(), StorageError> {
        let mut tree = self.lock();
        tree.node(path)?;
        if let Some(node) = tree.nodes.get_mut(path.as_bytes()) {
            node.mode = mode;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_upload_is_seen_when_it_is_published_and_resumed_when_it_broke() {
        let storage = MemoryStorage::new();
        let how = Create::Replace { overwrite: true };
        let mut file = storage.create(&path("/a"), how).unwrap();
        file.write_at(0, b"half").unwrap();
        assert!(storage.metadata(&path("/a")).is_err());
        drop(file);
        assert_eq!(storage.metadata(&path("/a")), Err(StorageError::NotFound));
        assert_eq!(storage.metadata_to_resume(&path("/a")).unwrap().size, 4);
        assert!(matches!(
            storage.create(&path("/a"), Create::Resume { at: 5 }),
            Err(StorageError::BadOffset)
        ));
        let mut file = storage.create(&path("/a"), Create::Resume { at: 2 }).unwrap();
        assert_eq!(file.start(), 2);
        file.write_at(2, b"whole").unwrap();
        file.finish(true).unwrap();
        assert_eq!(storage.contents("/a").unwrap(), b"hawhole");
        assert_eq!(storage.part_of("/a"), None);
    }

    #[test]
    fn a_directory_moves_with_all_below_it() {
        let storage = MemoryStorage::new().file("/a/b/c", "1").file("/a-b", "2").dir("/z");
        storage.rename(&path("/a"), &path("/z/y"), false).unwrap();
        let names: Vec<alloc::string::String> =
            storage.paths().iter().map(alloc::string::ToString::to_string).collect();
        assert_eq!(names, ["/a-b", "/z", "/z/y", "/z/y/b", "/z/y/b/c"]);
        assert_eq!(storage.rename(&path("/z"), &path("/z/y/z"), false), Err(StorageError::Denied));
        assert_eq!(storage.remove_dir(&path("/z")), Err(StorageError::NotEmpty));
        assert_eq!(storage.metadata(&path("/a-b/x")), Err(StorageError::NotADirectory));
    }

    #[test]
    fn listings_show_children_only_and_full_disks_say_so() {
        let storage = MemoryStorage::new().file("/a/b", "12345").dir("/a/c/d").capacity(8);
        let mut directory = storage.read_dir(&path("/a"), Wanted::Facts).unwrap();
        assert_eq!(directory.next_entry().unwrap().unwrap().name, b"b");
        assert_eq!(directory.next_entry().unwrap().unwrap().name, b"c");
        assert_eq!(directory.next_entry().unwrap(), None);
        let mut file = storage.create(&path("/x"), Create::New).unwrap();
        assert!(matches!(storage.create(&path("/x"), Create::New), Err(StorageError::Busy)));
        file.write_at(0, b"123").unwrap();
        assert_eq!(file.write_at(3, b"4"), Err(StorageError::NoSpace));
    }
}
