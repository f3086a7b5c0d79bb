//! Counting what is below a directory, in a thread of its own.

use super::{Key, Ledger, Sum, signed};
use crate::storage::jail::{Folder, Jail};
use ftp_proto::host::Kind;
use ftp_proto::path::VirtualPath;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// So many walks at the same time; others wait.
const AT_ONCE: usize = 2;
/// How often a walk is begun anew because sessions changed something meanwhile.
const TRIES: usize = 3;
/// How many bytes the paths of directories may have that are still to be read.
const MOST_PATH_BYTES: usize = 64 * 1024 * 1024;

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
            queue.tasks.drain(..).for_each(|(ledger, _)| ledger.end_counting(false));
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
        let exact = count(&ledger);
        ledger.end_counting(exact);
    }
}

/// Walks until nothing has come between, or several times did. Whether the number is exact.
pub(super) fn count<J: Jail>(ledger: &Ledger, jail: &J) -> bool {
    (0..TRIES).any(|_| {
        let left_out = ledger.begin_walk();
        ledger.end_walk(measure(jail, &left_out))
    })
}

/// Everything below the top but these files. What can't be read is left out, too; `None`: the top can't, or there is too
/// much to remember.
fn measure<J: Jail>(jail: &J, left_out: &HashSet<Key>) -> Option<Sum> {
    let top = jail.folder(&VirtualPath::root()).ok()?;
    let mut sum = Sum::default();
    // By paths, not by open directories: a client can make a tree that is deeper than there are descriptors.
    let mut unread: Vec<Vec<u8>> = Vec::new();
    read::<J>(&top, b"", left_out, &mut sum, &mut unread).then_some(())?;
    let mut path_bytes = unread.iter().map(Vec::len).sum::<usize>();
    while let Some(path) = unread.pop() {
        path_bytes -= path.len();
        let before = unread.len();
        if let Some(folder) = descend::<J>(&top, &path) {
            read::<J>(&folder, &path, left_out, &mut sum, &mut unread);
        }
        path_bytes += unread.iter().skip(before).map(Vec::len).sum::<usize>();
        if path_bytes > MOST_PATH_BYTES {
            return None;
        }
    }
    Some(sum)
}

/// Goes down step by step, and through no link.
fn descend<J: Jail>(top: &J::Folder, path: &[u8]) -> Option<J::Folder> {
    let mut parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
    let first = top.child(parts.next()?).ok()?;
    parts.try_fold(first, |folder, part| folder.child(part).ok())
}

/// Counts one directory, and notes those in it. Whether it could be read.
fn read<J: Jail>(
    folder: &J::Folder,
    path: &[u8],
    left_out: &HashSet<Key>,
    sum: &mut Sum,
    unread: &mut Vec<Vec<u8>>,
) -> bool {
    let Ok(names) = folder.names() else { return false };
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
            Kind::Directory => unread.push([path, b"/", &name].concat()),
            Kind::Link | Kind::Other => {}
        }
        *sum = sum.plus(one);
    }
    true
}
