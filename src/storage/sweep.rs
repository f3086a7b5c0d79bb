//! Removing the parts of uploads that nobody will resume any more.

use super::jail::{Folder, Jail, Result};
use super::quota::Quota;
use super::{names, upload};
use ftp_proto::host::Kind;
use ftp_proto::path::VirtualPath;
use ftp_proto::time::UnixTime;

/// How deep the walk goes; each level holds two open directories.
const MAX_DEPTH: usize = 64;

/// How many names the walk looks at, so that it ends in bounded time on any tree.
const MAX_NAMES: u64 = 10_000_000;

/// Removes all unlocked parts in the tree that were last written before `limit`; returns how many.
pub(super) fn sweep<J: Jail>(jail: &J, limit: UnixTime, quota: Option<&Quota>) -> Result<u64> {
    let top = jail.folder(&VirtualPath::root())?;
    let names = top.names()?;
    let mut open = vec![(top, names)];
    let (mut seen, mut removed) = (0, 0);
    while let Some((folder, entries)) = open.last_mut() {
        let Some(entry) = entries.next() else {
            open.pop();
            continue;
        };
        seen += 1;
        if seen > MAX_NAMES {
            break;
        }
        match entry {
            Ok((name, Kind::File)) if names::is_hidden(&name) => {
                removed += u64::from(is_old::<J>(folder, &name, limit) && discard::<J>(folder, &name, quota));
            }
            Ok((name, Kind::Directory)) if open.len() < MAX_DEPTH => {
                open.extend(enter::<J>(open.last(), &name));
            }
            Ok(_) => {}
            // A directory that fails once fails again: leave it.
            Err(_) => {
                open.pop();
            }
        }
    }
    Ok(removed)
}

type Level<J> = (<J as Jail>::Folder, <<J as Jail>::Folder as Folder>::Names);

/// Opens a directory and its names; `None` if it may not be read or is gone.
fn enter<J: Jail>(above: Option<&Level<J>>, name: &[u8]) -> Option<Level<J>> {
    let folder = above?.0.child(name).ok()?;
    let names = folder.names().ok()?;
    Some((folder, names))
}

fn is_old<J: Jail>(folder: &J::Folder, name: &[u8], limit: UnixTime) -> bool {
    folder.stat(name).is_ok_and(|stat| stat.kind == Kind::File && stat.modified < limit)
}

fn discard<J: Jail>(folder: &J::Folder, name: &[u8], quota: Option<&Quota>) -> bool {
    upload::discard::<J>(folder, name, quota).is_ok()
}
