//! The ledger beside what is on the disk.

mod sessions;

use super::{Ledger, Limits, Sum, ledger};
use crate::storage::{DiskStorage, Options, Partial, Uploads};
use ftp_proto::host::{Create, File, OverQuota, Storage as _, StorageError};
use ftp_proto::path::VirtualPath;
use quickcheck::QuickCheck;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn path(text: &str) -> VirtualPath {
    VirtualPath::new(text.as_bytes()).unwrap()
}

/// Bytes and files below a directory, by the plainest means.
fn on_disk(directory: &Path) -> (u64, u64) {
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let facts = entry.path().symlink_metadata().unwrap();
        sum.1 += 1;
        if facts.is_dir() {
            let below = on_disk(&entry.path());
            sum = (sum.0 + below.0, sum.1 + below.1);
        } else if facts.is_file() {
            sum.0 += facts.len();
        }
    }
    sum
}

fn used(storage: &DiskStorage) -> (u64, u64) {
    let usage = storage.usage().unwrap();
    (usage.bytes.used.unwrap(), usage.files.used.unwrap())
}

/// Waits for the first count.
fn counted(storage: DiskStorage) -> DiskStorage {
    let deadline = Instant::now() + Duration::from_secs(60);
    while storage.usage().unwrap().bytes.used.is_none() {
        assert!(Instant::now() < deadline, "never counted");
        std::thread::sleep(Duration::from_millis(1));
    }
    storage
}

const BYTES: fn(u64) -> Limits = |bytes| Limits { bytes: Some(bytes), files: None };

fn limited(directory: &Path, limits: Limits) -> DiskStorage {
    let storage = DiskStorage::open(directory, Options::for_account("anna")).unwrap();
    counted(storage.with_quota(Arc::default(), limits))
}

fn over(bytes: u64) -> StorageError {
    StorageError::OverQuota(OverQuota::Bytes(bytes))
}

fn put(storage: &DiskStorage, name: &str, bytes: usize) -> Result<(), StorageError> {
    let mut file = storage.create(&path(name), Create::Replace { overwrite: true })?;
    match file.write_at(0, &vec![b'x'; bytes]) {
        Ok(()) => file.finish(true),
        Err(error) => file.discard().and(Err(error)),
    }
}

#[test]
fn what_was_there_counts_and_the_last_byte_fits() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("d")).unwrap();
    std::fs::write(directory.path().join("d/old"), "12345").unwrap();
    let storage = limited(directory.path(), BYTES(10));
    assert_eq!(used(&storage), (5, 2));
    assert_eq!(put(&storage, "/a", 6), Err(over(5)));
    assert_eq!(used(&storage), (5, 2));
    assert_eq!(on_disk(directory.path()), (5, 2), "no part either");
    assert_eq!(put(&storage, "/a", 5), Ok(()));
    assert_eq!((used(&storage), storage.available(&path("/"))), ((10, 3), Ok(0)));
    assert_eq!(put(&storage, "/b", 0), Err(over(0)), "refused before anything is sent");
    storage.remove_file(&path("/a")).unwrap();
    assert_eq!(put(&storage, "/b", 5), Ok(()));
}

#[test]
fn what_is_replaced_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let storage = limited(directory.path(), Limits { bytes: Some(10), files: Some(1) });
    put(&storage, "/a", 10).unwrap();
    put(&storage, "/a", 9).unwrap();
    assert_eq!(put(&storage, "/a", 11), Err(over(10)));
    assert_eq!(put(&storage, "/b", 1), Err(StorageError::OverQuota(OverQuota::Files)));
    assert_eq!((used(&storage), on_disk(directory.path())), ((9, 1), (9, 1)));
    // While it is uploaded both are there. What breaks then is too much to be kept.
    let mut file = storage.create(&path("/a"), Create::Replace { overwrite: true }).unwrap();
    file.write_at(0, &[b'x'; 8]).unwrap();
    assert_eq!(used(&storage), (17, 2));
    file.finish(false).unwrap();
    assert_eq!((used(&storage), on_disk(directory.path())), ((9, 1), (9, 1)));
}

/// Else an account could go on and on: begin over a file, take that away, and store as much again as it had.
#[test]
fn what_was_to_be_replaced_and_is_gone_makes_no_room() {
    let limits = Limits { bytes: Some(10), files: Some(1) };
    type Change = fn(&DiskStorage);
    let moved_away: Change = |storage| storage.rename(&path("/a"), &path("/b"), false).unwrap();
    let removed: Change = |storage| storage.remove_file(&path("/a")).unwrap();
    let shorter: Change = |storage| {
        let mut file = storage.create(&path("/a"), Create::Resume { at: 3 }).unwrap();
        file.write_at(3, b"1").unwrap();
        file.finish(true).unwrap();
    };
    for (change, length, result, left) in [
        (moved_away, 10, Err(over(0)), (10, 1)),
        (removed, 20, Err(over(10)), (0, 0)),
        (removed, 11, Err(over(10)), (0, 0)),
        (removed, 10, Ok(()), (10, 1)),
        (shorter, 11, Err(over(10)), (4, 1)),
        (shorter, 10, Ok(()), (10, 1)),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let storage = limited(directory.path(), limits);
        put(&storage, "/a", 10).unwrap();
        // Another account's, since one name has one upload of each.
        let other = storage.with_options(Options::for_account("bob"));
        let mut file = other.create(&path("/a"), Create::Replace { overwrite: true }).unwrap();
        change(&storage);
        file.write_at(0, &vec![b'x'; length]).unwrap();
        assert_eq!(file.finish(true), result, "{length}");
        assert_eq!((used(&storage), on_disk(directory.path())), (left, left), "{length}");
    }
    // What was there before a resumed one stays, if there is room for that.
    let directory = tempfile::tempdir().unwrap();
    let storage = limited(directory.path(), BYTES(10));
    put(&storage, "/a", 6).unwrap();
    let mut file = storage.create(&path("/a"), Create::Replace { overwrite: true }).unwrap();
    file.write_at(0, b"123").unwrap();
    file.finish(false).unwrap();
    let mut file = storage.create(&path("/a"), Create::Resume { at: 3 }).unwrap();
    storage.rename(&path("/a"), &path("/b"), false).unwrap();
    file.write_at(3, b"45678").unwrap();
    assert_eq!(file.finish(true), Err(over(1)));
    assert_eq!((used(&storage), on_disk(directory.path())), ((9, 2), (9, 2)));
    assert_eq!(storage.metadata_to_resume(&path("/a")).unwrap().size, 3);
    // The same where files alone are counted: one more than allowed, under a new name.
    let directory = tempfile::tempdir().unwrap();
    let storage = limited(directory.path(), Limits { bytes: None, files: Some(1) });
    put(&storage, "/a", 10).unwrap();
    let mut file = storage.create(&path("/a"), Create::Replace { overwrite: true }).unwrap();
    file.write_at(0, b"x").unwrap();
    storage.rename(&path("/a"), &path("/b"), false).unwrap();
    assert_eq!(file.finish(true), Err(StorageError::OverQuota(OverQuota::Files)));
    assert_eq!((used(&storage), on_disk(directory.path())), ((10, 1), (10, 1)));
}

/// What is taken ahead is given back before anybody asks whether it is too much.
#[test]
fn room_that_was_taken_ahead_does_not_count_at_the_end() {
    const HALF: usize = 1 << 19;
    let directory = tempfile::tempdir().unwrap();
    let storage = limited(directory.path(), BYTES(80 * HALF as u64));
    put(&storage, "/a", 60 * HALF).unwrap();
    let begin = || {
        let mut file = storage.create(&path("/a"), Create::Replace { overwrite: true }).unwrap();
        file.write_at(0, &vec![b'x'; 19 * HALF]).unwrap();
        assert!(used(&storage).0 > 80 * HALF as u64, "with what was taken ahead it is too much");
        file
    };
    begin().finish(false).unwrap();
    assert_eq!(used(&storage), (79 * HALF as u64, 2), "there is room for what came");
    let file = begin();
    storage.rename(&path("/a"), &path("/b"), false).unwrap();
    assert_eq!(file.finish(true), Ok(()));
    assert_eq!(used(&storage), (79 * HALF as u64, 2));
}

/// Else each file could have a hidden one beside it.
#[test]
fn a_broken_replacement_is_not_kept_as_one_file_too_many() {
    let directory = tempfile::tempdir().unwrap();
    let storage = limited(directory.path(), Limits { bytes: None, files: Some(2) });
    for name in ["/a", "/b"] {
        put(&storage, name, 3).unwrap();
    }
    for name in ["/a", "/b"] {
        let mut file = storage.create(&path(name), Create::Replace { overwrite: true }).unwrap();
        file.write_at(0, b"x").unwrap();
        file.finish(false).unwrap();
        assert_eq!((used(&storage), on_disk(directory.path())), ((6, 2), (6, 2)));
    }
}

/// What a kill leaves between the two steps by which some file systems rename.
#[test]
fn a_part_with_a_second_name_is_taken_from_the_count() {
    let directory = tempfile::tempdir().unwrap();
    let storage = limited(directory.path(), BYTES(100));
    let mut file = storage.create(&path("/a"), Create::New).unwrap();
    file.write_at(0, b"12345").unwrap();
    file.finish(false).unwrap();
    let part = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::hard_link(part, directory.path().join("published")).unwrap();
    let storage = limited(directory.path(), BYTES(100));
    assert_eq!(used(&storage), (10, 2));
    assert_eq!(put(&storage, "/b", 1), Ok(()));
    assert_eq!(put(&storage, "/a", 2), Ok(()));
    assert_eq!((used(&storage), on_disk(directory.path())), ((8, 3), (8, 3)));
}

#[test]
fn two_uploads_never_get_more_than_one_could() {
    let directory = tempfile::tempdir().unwrap();
    let storage = limited(directory.path(), BYTES(100));
    let mut files: Vec<_> = ["/a", "/b"].map(|name| storage.create(&path(name), Create::New).unwrap()).into();
    assert_eq!(files[0].write_at(0, &[b'x'; 60]), Ok(()));
    assert_eq!(files[1].write_at(0, &[b'x'; 41]), Err(over(40)));
    assert_eq!(files[1].write_at(0, &[b'x'; 40]), Ok(()));
    for file in files {
        file.finish(true).unwrap();
    }
    assert_eq!(used(&storage), (100, 2));
}

#[test]
fn many_threads_fill_it_to_the_last_byte() {
    let directory = tempfile::tempdir().unwrap();
    let storage = limited(directory.path(), BYTES(100_000));
    let stored: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let storage = storage.with_options(Options::for_account(format!("{thread}")));
                scope.spawn(move || {
                    let store = |size: u64| {
                        (0..)
                            .map(|file| put(&storage, &format!("/{thread}-{size}-{file}"), size as usize))
                            .take_while(Result::is_ok)
                            .count() as u64
                    };
                    store(1_000 + thread) * (1_000 + thread) + store(1)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(on_disk(directory.path()).0, stored);
    assert_eq!(used(&storage), on_disk(directory.path()));
    assert!(stored <= 100_000);
    while put(&storage, "/rest", 1).is_ok() && used(&storage).0 < 100_000 {
        storage.rename(&path("/rest"), &path(&format!("/{}", used(&storage).0)), false).unwrap();
    }
    assert_eq!(used(&storage).0, 100_000);
}

#[test]
fn a_panic_gives_back_what_it_held() {
    let directory = tempfile::tempdir().unwrap();
    let storage = limited(directory.path(), BYTES(1 << 40));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut file = storage.create(&path("/a"), Create::New).unwrap();
        file.write_at(0, b"123").unwrap();
        assert_eq!(used(&storage).0, 3 + (1 << 20), "taken in large pieces");
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!((used(&storage), on_disk(directory.path())), ((3, 1), (3, 1)), "the part stays");
    // It is what the same account goes on with.
    let mut file = storage.create(&path("/a"), Create::Append).unwrap();
    file.write_at(3, b"4").unwrap();
    file.finish(true).unwrap();
    assert_eq!(used(&storage), (4, 1));
}

#[test]
fn what_goes_past_the_storage_was_counted_before() {
    let directory = tempfile::tempdir().unwrap();
    let storage = limited(directory.path(), BYTES(64 << 20));
    let mut file = storage.create(&path("/a"), Create::New).unwrap();
    let mut offset = 0;
    loop {
        let room = file.make_room(offset);
        if room <= offset {
            break;
        }
        assert_eq!(room, file.room_until());
        assert!(used(&storage).0 >= room);
        std::os::unix::fs::FileExt::write_all_at(file.os_file().unwrap(), b"x", room - 1).unwrap();
        offset = room;
    }
    // Near the end it is counted exactly.
    assert!((40 << 20..64 << 20).contains(&offset), "{offset}");
    let rest = vec![b'x'; usize::try_from((64 << 20) - offset).unwrap()];
    file.write_at(offset, &rest).unwrap();
    assert_eq!(file.write_at(64 << 20, b"x"), Err(over(64 << 20)));
    file.finish(true).unwrap();
    assert_eq!(used(&storage), (64 << 20, 1));
}

#[test]
fn a_file_that_is_removed_while_it_grows_counts_until_it_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let direct = Options { uploads: Uploads::Direct, ..Options::default() };
    let storage = limited(directory.path(), BYTES(20)).with_options(direct);
    put(&storage, "/log", 5).unwrap();
    let mut one = storage.create(&path("/log"), Create::Append).unwrap();
    let mut two = storage.create(&path("/log"), Create::Append).unwrap();
    one.write_at(5, b"12345").unwrap();
    two.write_at(5, b"1234567").unwrap();
    assert_eq!(used(&storage), (12, 1), "both write to one file");
    storage.remove_file(&path("/log")).unwrap();
    assert_eq!(used(&storage), (12, 0));
    assert_eq!(two.write_at(12, &[b'x'; 9]), Err(over(15)));
    one.finish(true).unwrap();
    assert_eq!(used(&storage), (12, 0));
    two.finish(true).unwrap();
    assert_eq!(used(&storage), (0, 0));
}

/// Not every file system tells of an open file that its name is gone.
#[test]
fn what_is_gone_counts_nothing_once_it_is_closed() {
    let ledger = Ledger::default();
    ledger.begin_walk();
    assert!(ledger.end_walk(Some(Sum::default())));
    let key = ledger.open(Some((1, 1)), 0);
    assert!(ledger.add_file(None));
    ledger.pay(key, None, 50, 0).unwrap();
    ledger.removed(50, Some(key));
    ledger.close(key, Some(50));
    assert_eq!(ledger.used(), Some((0, 0)));
}

/// Else a directory that takes the place of a file just then would go as that file, and what the file has could be stored
/// once more.
#[test]
fn a_directory_is_not_removed_while_another_is_about_to_change_names() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Arc::<Ledger>::default();
    let storage = DiskStorage::open(directory.path(), Options::default()).unwrap();
    let storage = counted(storage.with_quota(Arc::clone(&ledger), BYTES(100)));
    storage.create_dir(&path("/d")).unwrap();
    std::thread::scope(|scope| {
        let names = ledger.names();
        let removal = scope.spawn(|| storage.remove_dir(&path("/d")));
        std::thread::sleep(Duration::from_millis(100));
        assert!(storage.metadata(&path("/d")).is_ok() && !removal.is_finished());
        drop(names);
        removal.join().unwrap().unwrap();
    });
    assert_eq!((used(&storage), on_disk(directory.path())), ((0, 0), (0, 0)));
}

/// A direct upload has its name from the beginning.
#[test]
fn of_a_direct_upload_that_is_too_much_an_empty_file_stays() {
    let directory = tempfile::tempdir().unwrap();
    let direct = Options { uploads: Uploads::Direct, ..Options::default() };
    let storage = limited(directory.path(), BYTES(10)).with_options(direct);
    assert_eq!(put(&storage, "/a", 11), Err(over(10)));
    assert_eq!((used(&storage), on_disk(directory.path())), ((0, 1), (0, 1)));
}

#[test]
fn until_it_is_counted_what_was_added_since_is_bounded() {
    let ledger = Arc::new(Ledger::default());
    // Somebody counts, and takes long.
    assert!(ledger.begin_counting_if_due());
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("old"), [b'x'; 95]).unwrap();
    let storage = DiskStorage::open(directory.path(), Options::default()).unwrap();
    let storage = storage.with_quota(Arc::clone(&ledger), BYTES(100));
    put(&storage, "/a", 60).unwrap();
    assert_eq!(storage.usage().unwrap().bytes.used, None);
    assert_eq!(put(&storage, "/b", 41), Err(over(40)));
    ledger.begin_walk();
    assert!(ledger.end_walk(Some(Sum { bytes: 155, files: 2 })));
    assert_eq!(used(&storage), (155, 2));
    assert_eq!(put(&storage, "/b", 1), Err(over(0)));
}

#[test]
fn a_count_in_the_middle_of_changes_knows_how_far_it_may_be_wrong() {
    let bytes = |bytes: i64| Sum { bytes, files: 1 };
    for found in [90, 100, 105, 125, 126, 130] {
        let ledger = Ledger::default();
        ledger.begin_walk();
        assert!(ledger.end_walk(Some(bytes(110))));
        ledger.begin_walk();
        ledger.add(Sum { bytes: 15, files: 0 });
        ledger.add(Sum { bytes: -10, files: 0 });
        assert!(!ledger.end_walk(Some(bytes(found))), "not exact");
        let used = i64::try_from(ledger.used().unwrap().0).unwrap();
        assert!((found - 10..=found + 15).contains(&used), "{found}: {used}");
        if (100..=125).contains(&found) {
            assert_eq!(used, 115, "{found}: what was known fits");
        }
    }
    // One that is open at the beginning is left out, and known exactly.
    let ledger = Ledger::default();
    let key = ledger.open(Some((1, 1)), 0);
    assert_eq!(ledger.begin_walk(), [key].into());
    ledger.pay(key, None, 50, 0).unwrap();
    ledger.close(key, Some(40));
    assert!(ledger.end_walk(Some(Sum::bytes(7))));
    assert_eq!(ledger.used(), Some((47, 1)));
    // A directory that moved may have been seen twice: what was known stays.
    ledger.begin_walk();
    ledger.moved(true, 0);
    assert!(!ledger.end_walk(Some(Sum::bytes(1_000))));
    assert_eq!(ledger.used(), Some((47, 1)));
}

/// Or what is in it would not be counted, and could be stored once more.
#[test]
fn nobody_hides_a_directory_from_the_count() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let free = DiskStorage::open(directory.path(), Options::default()).unwrap();
    free.create_dir(&path("/d")).unwrap();
    free.set_permissions(&path("/d"), 0).unwrap();
    free.set_permissions(&path("/d"), 0o755).unwrap();
    let counted = free.with_quota(Arc::default(), BYTES(100));
    for mode in [0, 0o077, 0o300, 0o400, 0o100] {
        assert_eq!(counted.set_permissions(&path("/d"), mode), Err(StorageError::Denied), "{mode:o}");
    }
    counted.set_permissions(&path("/d"), 0o500).unwrap();
    counted.set_permissions(&path("/d"), 0o700).unwrap();
    put(&counted, "/d/f", 1).unwrap();
    counted.set_permissions(&path("/d/f"), 0).unwrap();
    let mode = |name: &str| directory.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
    for (storage, name, want) in [(&free, "free", 0o300), (&counted, "counted", 0o700)] {
        storage.with_umask(0o477).unwrap().create_dir(&path(&format!("/{name}"))).unwrap();
        assert_eq!(mode(name), want, "{name}");
    }
}

/// Nor by another session that puts it in the place of a file at the right moment.
#[test]
fn nobody_is_quick_enough_to_hide_a_directory() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::atomic::{AtomicBool, Ordering};
    for portable in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let open = if portable { DiskStorage::open_portable } else { DiskStorage::open };
        let storage = open(directory.path(), Options::default()).unwrap();
        let storage = counted(storage.with_quota(Arc::default(), BYTES(100)));
        storage.create_dir(&path("/d")).unwrap();
        put(&storage, "/f", 1).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for (from, to) in [("/f", "/x"), ("/x", "/f"), ("/d", "/x"), ("/x", "/d")] {
                        storage.rename(&path(from), &path(to), false).unwrap();
                    }
                }
            });
            for _ in 0..20_000 {
                let _ = storage.set_permissions(&path("/x"), 0);
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let mode = directory.path().join("d").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
}

/// Counting what changes all the time must not keep a disk busy all the time.
#[test]
fn a_count_that_takes_long_is_not_repeated_soon() {
    let seconds = Duration::from_secs;
    for (is_exact, took, pause) in
        [(true, 0, 3_600), (true, 100_000, 3_600), (false, 0, 5), (false, 6, 120), (false, 100_000, 3_600)]
    {
        assert_eq!(ledger::pause(is_exact, seconds(took)), seconds(pause), "{is_exact} {took}");
    }
}

#[test]
fn deep_trees_and_links_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("much"), [b'x'; 1000]).unwrap();
    let mut deep = directory.path().to_owned();
    for _ in 0..300 {
        deep.push("deep");
        std::fs::create_dir(&deep).unwrap();
        std::fs::write(deep.join("file"), "x").unwrap();
    }
    std::os::unix::fs::symlink(outside.path(), directory.path().join("link")).unwrap();
    std::os::unix::fs::symlink(directory.path(), directory.path().join("circle")).unwrap();
    assert_eq!(used(&limited(directory.path(), BYTES(1))), (300, 602));
    for portable in [false, true] {
        let open = if portable { DiskStorage::open_portable } else { DiskStorage::open };
        let storage = open(directory.path(), Options::default()).unwrap();
        assert_eq!(used(&counted(storage.with_quota(Arc::default(), BYTES(1)))), (300, 602));
    }
}

/// Two accounts in one directory, one of them without limits, and what both have open.
struct World {
    directory: tempfile::TempDir,
    accounts: [DiskStorage; 2],
    open: Vec<(Box<dyn File>, u64)>,
}

const LIMIT: u64 = 300;
const NAMES: [&str; 6] = ["/a", "/b", "/d", "/d/a", "/d/b", "/e"];

impl World {
    fn new(portable: bool, uploads: Uploads) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Ledger::default());
        let open = if portable { DiskStorage::open_portable } else { DiskStorage::open };
        let account = |name: &str, limits| {
            let options = Options { uploads, ..Options::for_account(name) };
            counted(open(directory.path(), options).unwrap().with_quota(Arc::clone(&ledger), limits))
        };
        let limits = Limits { bytes: Some(LIMIT), files: Some(6) };
        let accounts = [account("anna", limits), account("bob", Limits::default())];
        Self { directory, accounts, open: Vec::new() }
    }

    fn step(&mut self, what: u8, name: u8, number: u8) {
        let storage = &self.accounts[usize::from(what >> 7)];
        let to = path(NAMES[usize::from(number) % NAMES.len()]);
        let name = path(NAMES[usize::from(name) % NAMES.len()]);
        let number = u64::from(number);
        let create = match what & 15 {
            0 | 1 => Create::Replace { overwrite: true },
            2 => Create::New,
            3 => Create::Append,
            4 => Create::Resume { at: number },
            5 | 6 => return self.write(number),
            7 => return self.end(number, true),
            8 => return self.end(number, false),
            9 => return drop(storage.create_dir(&name)),
            10 => return drop(storage.remove_file(&name)),
            11 => return drop(storage.remove_dir(&name)),
            12 => return drop(storage.rename(&name, &to, what & 16 == 0)),
            13 => return drop(storage.symlink(&name, &to)),
            14 => return drop(storage.sweep(Duration::ZERO)),
            _ if number % 3 == 0 => return self.open.clear(),
            _ => {
                let copied = storage.create(&to, Create::Replace { overwrite: true }).and_then(|mut file| {
                    let mut source = storage.open(&name)?;
                    let size = source.size().unwrap();
                    match file.copy_from(0, &mut *source, 0, size) {
                        Ok(_) => file.finish(true),
                        Err(error) => file.discard().and(Err(error)),
                    }
                });
                return drop(copied);
            }
        };
        if what & 15 < 5 && self.open.len() < 3 {
            let file = self.accounts[usize::from(what >> 7)].create(&name, create);
            self.open.extend(file.ok().map(|file| (file.start(), file)).map(|(start, file)| (file, start)));
        }
    }

    fn write(&mut self, number: u64) {
        let count = self.open.len().max(1);
        if let Some((file, offset)) = self.open.get_mut(usize::try_from(number).unwrap() % count)
            && file.write_at(*offset, &vec![b'x'; number as usize]).is_ok()
        {
            *offset += number;
        }
    }

    fn end(&mut self, number: u64, commit: bool) {
        if !self.open.is_empty() {
            let (file, _) = self.open.remove(usize::try_from(number).unwrap() % self.open.len());
            let _ = if number & 64 == 0 { file.finish(commit) } else { file.discard() };
        }
    }
}

fn the_ledger_is_what_is_on_the_disk(portable: bool, uploads: Uploads) {
    let property = move |steps: Vec<(u8, u8, u8)>| {
        let mut world = World::new(portable, uploads);
        for (what, name, number) in steps {
            world.step(what, name, number);
            let (ledger, disk) = (used(&world.accounts[0]), on_disk(world.directory.path()));
            if world.open.is_empty() {
                assert_eq!(ledger, disk, "{what} {name} {number}");
            } else {
                assert!(
                    ledger.0 >= disk.0 && ledger.1 == disk.1,
                    "{what} {name} {number}: {ledger:?} {disk:?}"
                );
            }
        }
        world.open.clear();
        assert_eq!(used(&world.accounts[0]), on_disk(world.directory.path()));
    };
    struct Steps<P>(P);
    impl<P: Fn(Vec<(u8, u8, u8)>) + Send + Sync + 'static> quickcheck::Testable for Steps<P> {
        fn result(&self, source: &mut quickcheck::Gen) -> quickcheck::TestResult {
            (self.0)(quickcheck::Arbitrary::arbitrary(source));
            quickcheck::TestResult::passed()
        }
    }
    QuickCheck::new().tests(300).quickcheck(Steps(property));
}

#[test]
fn the_ledger_is_what_is_on_the_disk_where_uploads_are_kept() {
    the_ledger_is_what_is_on_the_disk(false, Uploads::Atomic { partial: Partial::Keep });
}

#[test]
fn the_ledger_is_what_is_on_the_disk_where_uploads_are_discarded() {
    the_ledger_is_what_is_on_the_disk(true, Uploads::Atomic { partial: Partial::Discard });
}

#[test]
fn the_ledger_is_what_is_on_the_disk_where_uploads_are_direct() {
    the_ledger_is_what_is_on_the_disk(false, Uploads::Direct);
}
