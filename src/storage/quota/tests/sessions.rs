//! Several sessions in one directory at the same time.

use super::*;
use crate::storage::jail::Jail as _;
use crate::storage::portable::Root;
use crate::storage::quota::walk;
use ftp_proto::event::{Course, Job, LongJob};

const NAMES: [&str; 8] = ["/a", "/b", "/c", "/d", "/d/a", "/d/b", "/d/e", "/d/e/a"];

/// The same numbers each time, of which only the order in which sessions come to their turn is new.
struct Choices(u64);

impl Choices {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % limit
    }

    fn path(&mut self) -> VirtualPath {
        path(NAMES[self.below(NAMES.len())])
    }
}

fn upload(storage: &DiskStorage, choices: &mut Choices) -> Result<(), StorageError> {
    let how = match choices.below(6) {
        0 | 1 => Create::Replace { overwrite: true },
        2 => Create::New,
        3 | 4 => Create::Append,
        _ => Create::Resume { at: 3 },
    };
    let mut file = storage.create(&choices.path(), how)?;
    // Too much is an end like any other.
    let _ = file.write_at(file.start(), &vec![b'x'; choices.below(1_500)]);
    match choices.below(5) {
        0 | 1 => file.finish(true),
        2 => file.finish(false),
        3 => file.discard(),
        _ => Ok(()),
    }
}

/// What becomes of one thing is not looked at: most are in each other's way.
fn something(storage: &DiskStorage, choices: &mut Choices) {
    let (one, other) = (choices.path(), choices.path());
    let long = |job| drop(Job::Long(Arc::new(storage.clone()), job, Arc::<Course>::default()).perform());
    match choices.below(11) {
        0..=3 => drop(upload(storage, choices)),
        4 => drop(storage.rename(&one, &other, choices.below(2) == 0)),
        5 => drop(storage.remove_file(&one)),
        6 => drop(storage.remove_dir(&one)),
        7 => drop(storage.create_dir(&one)),
        8 => drop(storage.symlink(&one, &other)),
        9 => long(LongJob::Copy { from: one, to: other, overwrite: true }),
        _ => long(LongJob::Combine { target: one, parts: vec![other] }),
    }
}

/// A number (inode) is used anew as soon as it is free, a file may lose its name at any moment of its upload, and a walk may
/// begin and end in the middle of anything.
#[test]
fn what_many_do_at_once_is_counted_exactly() {
    for seed in 0..12u64 {
        let directory = tempfile::tempdir().unwrap();
        let open = if seed % 4 == 3 { DiskStorage::open_portable } else { DiskStorage::open };
        let storage = open(directory.path(), Options::default()).unwrap();
        let (ledger, sessions) = (Arc::<Ledger>::default(), Arc::new(()));
        let limits = Limits { bytes: Some(3_000), files: Some(30) };
        let storage = counted(storage.with_quota(Arc::clone(&ledger), limits));
        std::thread::scope(|scope| {
            for session in 0..4 {
                let is_direct = session == 3 && seed % 2 == 0;
                let uploads = if is_direct { Uploads::Direct } else { Uploads::default() };
                let account = Options::for_account(format!("{}", session / 2));
                let storage = storage.with_options(Options { uploads, ..account });
                let mut choices = Choices::of(seed * 4 + session);
                let running = Arc::clone(&sessions);
                scope.spawn(move || {
                    (0..600).for_each(|_| something(&storage, &mut choices));
                    drop(running);
                });
            }
            let jail = Root::open_root(directory.path()).unwrap();
            while Arc::strong_count(&sessions) > 1 {
                walk::count(&ledger, &jail);
            }
        });
        assert_eq!(used(&storage), on_disk(directory.path()), "seed {seed}");
        assert!(used(&storage).0 <= 3_000 && used(&storage).1 <= 30, "seed {seed}");
    }
}
