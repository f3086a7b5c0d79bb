use super::super::pattern;
use super::*;
use crate::testing::MemoryStorage;
use crate::time::UnixTime;
use alloc::string::String;
use quickcheck::QuickCheck;
use std::collections::BTreeSet;

/// What the argument lists, one line for each thing found; and whether it is of a directory.
fn lines(storage: MemoryStorage, argument: &str, full_names: bool) -> (Vec<String>, bool) {
    let rights =
        RightsByPath::everywhere(Rights::ALL).and_below(VirtualPath::new(b"/closed").unwrap(), Rights::NONE);
    let selection = Selection::parse(argument.as_bytes(), &VirtualPath::root()).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(storage);
    let search = Search { selection, rights, wanted: Wanted::Facts, full_names };
    let (mut walk, is_dir) = search.open(&storage).unwrap();
    let mut lines = Vec::new();
    while let Some(found) = walk.advance().unwrap() {
        match found {
            Found::Entry(entry) => lines.push(String::from_utf8(entry.name).unwrap()),
            Found::Heading(path) => lines.push(String::from_utf8([&path[..], b":"].concat()).unwrap()),
            Found::Nothing => {}
            Found::Cut => lines.push("cut".into()),
        }
    }
    assert!(walk.advance().unwrap().is_none());
    (lines, is_dir)
}

fn tree() -> MemoryStorage {
    let files = ["/a/x.c", "/a/y.h", "/a/deep/z.c", "/b/x.c", "/b/[x].c", "/closed/x.c", "/top.c"];
    files.iter().fold(MemoryStorage::new(), |storage, path| storage.file(path.as_bytes(), b"1"))
}

#[test]
fn patterns_go_through_directories() {
    for (argument, full, short) in [
        ("*.c", &["top.c"][..], &["top.c"][..]),
        ("*/*.c", &["a/x.c", "b/[x].c", "b/x.c"], &["a/x.c", "b/[x].c", "b/x.c"]),
        ("/*/*.c", &["/a/x.c", "/b/[x].c", "/b/x.c"], &["a/x.c", "b/[x].c", "b/x.c"]),
        ("?/x.c", &["a/x.c", "b/x.c"], &["a/x.c", "b/x.c"]),
        ("*/deep/*", &["a/deep/z.c"], &["a/deep/z.c"]),
        ("{a,b}/{x,y}.?", &["a/x.c", "a/y.h", "b/x.c"], &["a/x.c", "a/y.h", "b/x.c"]),
        ("a/*", &["a/deep", "a/x.c", "a/y.h"], &["deep", "x.c", "y.h"]),
        ("b/[x].c", &["b/[x].c"], &["[x].c"]),
        ("b/\\[x].c", &["b/[x].c"], &["[x].c"]),
        ("a/../?/../b/[y].c", &[], &[]),
        ("nothing*", &[], &[]),
        ("clos*/x.c", &[], &[]),
        ("clos*", &["closed"], &["closed"]),
        ("top.c/*", &[], &[]),
    ] {
        if argument == "top.c/*" {
            let selection = Selection::parse(argument.as_bytes(), &VirtualPath::root()).unwrap();
            let (storage, rights): (Arc<dyn Storage>, _) =
                (Arc::new(tree()), RightsByPath::everywhere(Rights::ALL));
            let search = Search { selection, rights, wanted: Wanted::Names, full_names: true };
            assert_eq!(search.open(&storage).err(), Some(StorageError::NotADirectory));
            continue;
        }
        assert_eq!(lines(tree(), argument, true).0, full, "{argument}");
        assert_eq!(lines(tree(), argument, false).0, short, "{argument}");
    }
}

#[test]
fn recursive_listings_have_headings_or_whole_names() {
    let short = [
        "a",
        "b",
        "closed",
        "top.c",
        "./a:",
        "deep",
        "x.c",
        "y.h",
        "./a/deep:",
        "z.c",
        "./b:",
        "[x].c",
        "x.c",
    ];
    assert_eq!(lines(tree(), "-R", false).0, short);
    assert_eq!(lines(tree(), "-R a", false).0, ["deep", "x.c", "y.h", "a/deep:", "z.c"]);
    assert_eq!(lines(tree(), "-R /a", false).0, ["deep", "x.c", "y.h", "/a/deep:", "z.c"]);
    assert_eq!(lines(tree(), "-R a", true).0, ["a/deep", "a/x.c", "a/y.h", "a/deep/z.c"]);
    assert_eq!(lines(tree(), "-R top.c", true).0, ["top.c"]);
}

#[test]
fn files_and_directories_themselves() {
    for (argument, full, short) in [
        ("a/x.c", "a/x.c", "x.c"),
        ("-d a", "a", "a"),
        ("-d a/", "a", "a"),
        ("-d", ".", "."),
        ("-d /", "/", "/"),
    ] {
        assert_eq!(lines(tree(), argument, true), (Vec::from([full.into()]), false), "{argument}");
        assert_eq!(lines(tree(), argument, false), (Vec::from([short.into()]), false), "{argument}");
    }
}

#[test]
fn entries_are_sorted_if_asked_for() {
    let storage = || {
        MemoryStorage::new()
            .file(b"/a", b"1")
            .file(b"/b", b"333")
            .file(b"/c", b"22")
            .modified(b"/a", UnixTime::from_seconds(2))
            .modified(b"/b", UnixTime::from_seconds(1))
            .modified(b"/c", UnixTime::from_seconds(3))
    };
    for (argument, order) in [
        ("-t", ["c", "a", "b"]),
        ("-tr", ["b", "a", "c"]),
        ("-S", ["b", "c", "a"]),
        ("-r *", ["c", "b", "a"]),
    ] {
        assert_eq!(lines(storage(), argument, true).0, order, "{argument}");
    }
}

/// A directory in which everything leads back to itself, by links.
struct Circle {
    unique: Option<(u64, u64)>,
}

impl Circle {
    fn metadata(&self) -> crate::host::Metadata {
        crate::host::Metadata {
            kind: crate::host::Kind::Directory,
            unique: self.unique,
            ..Default::default()
        }
    }
}

struct Turns(u8, crate::host::Metadata);

impl Directory for Turns {
    fn next_entry(&mut self) -> Result<Option<Entry>, StorageError> {
        self.0 += 1;
        Ok((self.0 <= 2).then(|| Entry { name: Vec::from([b'a' + self.0]), metadata: self.1.clone() }))
    }
}

impl Storage for Circle {
    fn metadata(&self, path: &VirtualPath) -> Result<crate::host::Metadata, StorageError> {
        if path.as_bytes().contains(&b'*') { Err(StorageError::NotFound) } else { Ok(self.metadata()) }
    }
    fn read_dir(&self, _: &VirtualPath, _: Wanted) -> Result<Box<dyn Directory>, StorageError> {
        Ok(Box::new(Turns(0, self.metadata())))
    }
    fn open(&self, _: &VirtualPath) -> Result<Box<dyn crate::host::File>, StorageError> {
        Err(StorageError::Denied)
    }
    fn create(
        &self,
        _: &VirtualPath,
        _: crate::host::Create,
    ) -> Result<Box<dyn crate::host::File>, StorageError> {
        Err(StorageError::Denied)
    }
    fn create_dir(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }
    fn remove_file(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }
    fn remove_dir(&self, _: &VirtualPath) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }
    fn rename(&self, _: &VirtualPath, _: &VirtualPath, _: bool) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }
    fn set_modified(&self, _: &VirtualPath, _: UnixTime) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }
}

fn count(unique: Option<(u64, u64)>, argument: &str) -> (usize, bool) {
    let storage: Arc<dyn Storage> = Arc::new(Circle { unique });
    let selection = Selection::parse(argument.as_bytes(), &VirtualPath::root()).unwrap();
    let rights = RightsByPath::everywhere(Rights::ALL);
    let search = Search { selection, rights, wanted: Wanted::Facts, full_names: false };
    let (mut walk, _) = search.open(&storage).unwrap();
    let (mut steps, mut cut) = (0, false);
    while let Some(found) = walk.advance().unwrap() {
        steps += 1;
        cut |= found == Found::Cut;
    }
    (steps, cut)
}

#[test]
fn circles_of_links_end() {
    // Known by what identifies a directory: two entries, and not gone into.
    assert_eq!(count(Some((1, 2)), "-R"), (6, false));
    // Not known: the depth ends it, and it is told.
    let (steps, cut) = count(None, "-R");
    assert!(cut && steps < 200, "{steps}");
    // 2 to the 16th directories.
    let (steps, cut) = count(None, &"*/".repeat(16));
    assert!(cut && steps < 200_000, "{steps}");
}

/// All paths of the tree, by the definition: as many parts as the pattern, each of which matches.
#[test]
fn patterns_find_what_their_definition_says() {
    fn property(paths: Vec<Vec<u8>>, patterns: Vec<u8>) -> bool {
        let name = |byte: u8| ["a", "b", "ab", "ba"][usize::from(byte) % 4];
        let mut storage = MemoryStorage::new();
        let mut known = BTreeSet::new();
        for path in paths.iter().filter(|path| !path.is_empty()) {
            let names: Vec<&str> = path.iter().take(4).map(|byte| name(*byte)).collect();
            storage = storage.dir(["/", &names.join("/")].concat().as_bytes());
            (1..=names.len()).for_each(|depth| {
                known.insert(names[..depth].join("/"));
            });
        }
        let parts: Vec<&str> = patterns
            .iter()
            .take(4)
            .map(|byte| ["*", "a", "?", "a*", "[!a]*", "{b,ab}"][usize::from(*byte) % 6])
            .collect();
        let argument = parts.join("/");
        if !pattern::Pattern::is_one(argument.as_bytes()) {
            return true;
        }
        let expected: BTreeSet<String> = known
            .into_iter()
            .filter(|path| {
                let names: Vec<&str> = path.split('/').collect();
                names.len() == parts.len()
                    && names.iter().zip(&parts).all(|(name, part)| {
                        pattern::Pattern::parse(part.as_bytes()).unwrap().matches(name.as_bytes())
                    })
            })
            .collect();
        // What stands before the first pattern has to be there.
        let base: Vec<&str> = parts.iter().copied().take_while(|part| *part == "a").collect();
        let path = VirtualPath::new(base.join("/").as_bytes()).unwrap();
        if storage.metadata(&path).is_err() {
            return expected.is_empty();
        }
        let found = lines(storage, &argument, true).0;
        found.len() == expected.len() && found.into_iter().collect::<BTreeSet<_>>() == expected
    }
    QuickCheck::new().tests(500).quickcheck(property as fn(Vec<Vec<u8>>, Vec<u8>) -> bool);
}
