//! Counting what is below a directory, in a thread of its own.

use super::{Key, Ledger, Sum, signed};
use crate::storage::jail::{Folder, Jail};
use ftp_proto::host::Kind;
use ftp_proto::path::VirtualPath;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many walks at the same time; others wait.
const AT_ONCE: usize = 2;
/// How often a walk is begun anew because sessions changed something meanwhile.
const TRIES: usize = 3;
/// How much memory may be used for the paths of directories that are still to be read.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// How deep a walk goes: the way to each directory is gone from the top.
const MOST_DEPTH: usize = 500;
/// What each costs beside its letters.
const OVERHEAD: usize = 48;

/// A ledger, and what counts for it; whether the number is exact.
type Task = (Arc<Ledger>, Box<dyn FnOnce(&Ledger) -> bool + Send>);

struct Queue {
    tasks: VecDeque<Task>,
    running: usize,
}

/// Each ledger is in it once at most.
static QUEUE: Mutex<Queue> = Mutex::new(Queue { tasks: VecDeque::new(), running: 0 });

/// Counts, now or soon.
pub(super) fn in_background<J: Jail>(ledger: Arc<Ledger>, jail: Arc<J>) {
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    queue.tasks.push_back((ledger, Box::new(move |ledger| count(ledger, &*jail))));
    if queue.running >= AT_ONCE {
        return;
    }
    match std::thread::Builder::new().name("quota".to_owned()).spawn(work) {
        Ok(_) => queue.running += 1,
        Err(_) if queue.running > 0 => {}
        // Nobody is there to do it: soon again.
        Err(error) => {
            tracing::warn!(reason = %error, "nobody can count what is stored");
            queue.tasks.drain(..).for_each(|(ledger, _)| ledger.end_counting(false, Duration::ZERO));
        }
    }
}

/// Does what is to be done, then ends.
fn work() {
    loop {
        let task = {
            let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
            match queue.tasks.pop_front() {
                Some(task) => task,
                None => {
                    queue.running -= 1;
                    return;
                }
            }
        };
        let (ledger, count) = task;
        let began = Instant::now();
        let is_exact = count(&ledger);
        ledger.end_counting(is_exact, began.elapsed());
    }
}

/// Walks until nothing has come between, or several times did. Whether the number is exact.
pub(super) fn count<J: Jail>(ledger: &Ledger, jail: &J) -> bool {
    for _ in 0..TRIES {
        let left_out = ledger.begin_walk();
        let found = measure(jail, &left_out, MOST_BYTES);
        let is_given_up = found.is_none();
        let is_exact = ledger.end_walk(found);
        if is_exact || is_given_up {
            return is_exact;
        }
    }
    false
}

/// Directories that are still to be read. By paths, not open: a client can make a tree that is deeper than there are
/// descriptors.
struct Unread {
    paths: Vec<Vec<u8>>,
    bytes: usize,
    most: usize,
}

impl Unread {
    const fn new(most: usize) -> Self {
        Self { paths: Vec::new(), bytes: 0, most }
    }

    /// Whether it is within bounds.
    fn push(&mut self, path: Vec<u8>) -> bool {
        let bytes = self.bytes + path.len() + OVERHEAD;
        let depth = path.iter().filter(|&&byte| byte == b'/').count();
        let fits = bytes <= self.most && depth <= MOST_DEPTH;
        if fits {
            self.bytes = bytes;
            self.paths.push(path);
        }
        fits
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let path = self.paths.pop()?;
        self.bytes -= path.len() + OVERHEAD;
        Some(path)
    }
}

/// Everything below the top but these files. What can't be read is left out, too; `None`: the top can't, or it is too wide
/// or too deep.
fn measure<J: Jail>(jail: &J, left_out: &HashSet<Key>, most: usize) -> Option<Sum> {
    let top = jail.folder(&VirtualPath::root()).ok()?;
    drop(top.names().ok()?);
    let mut sum = Sum::default();
    let mut unread = Unread::new(most);
    let mut fits = read::<J>(&top, b"", left_out, &mut sum, &mut unread);
    while fits && let Some(path) = unread.pop() {
        if let Some(folder) = descend::<J>(&top, &path) {
            fits = read::<J>(&folder, &path, left_out, &mut sum, &mut unread);
        }
    }
    if !fits {
        tracing::warn!(
            "what is stored can't be counted for a quota: too many directories are beside each other or in each other; bound them by quota_files"
        );
    }
    fits.then_some(sum)
}

/// Goes down step by step, and through no link.
fn descend<J: Jail>(top: &J::Folder, path: &[u8]) -> Option<J::Folder> {
    let mut parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
    let first = top.child(parts.next()?).ok()?;
    parts.try_fold(first, |folder, part| folder.child(part).ok())
}

/// Counts one directory, and notes those in it. `false`: there are too many, or too deep ones.
fn read<J: Jail>(
    folder: &J::Folder,
    path: &[u8],
    left_out: &HashSet<Key>,
    sum: &mut Sum,
    unread: &mut Unread,
) -> bool {
    let Ok(names) = folder.names() else { return true };
    for entry in names {
        // An entry that can't be read would be met again and again.
        let Ok((name, kind)) = entry else { break };
        let mut one = Sum::files(1);
        match kind {
            Kind::File => match folder.stat(&name) {
                Ok(stat) if stat.unique.is_some_and(|key| left_out.contains(&key)) => continue,
                Ok(stat) => one.bytes = signed(stat.size),
                // Removed meanwhile.
                Err(_) => continue,
            },
            Kind::Directory if !unread.push([path, b"/", &name].concat()) => return false,
            Kind::Directory | Kind::Link | Kind::Other => {}
        }
        *sum = sum.plus(one);
    }
    true
}

#[cfg(test)]
mod tests;
