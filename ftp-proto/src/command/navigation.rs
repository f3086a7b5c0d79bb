//! Moving about: CWD CDUP PWD.

use super::args::Arg;
use crate::event::FileJob;
use crate::host::Metadata;
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::session::{Pending, Reaction, Turn};
use alloc::vec::Vec;

// req: 959-4.1.1-cwd
pub(super) fn cwd(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    change_to(turn, path)
}

// req: 959-4.1.1-cdup-parent
pub(super) fn cdup(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    let parent = turn.session.modes.directory.parent();
    change_to(turn, parent)
}

// req: 959-4.1.1-cdup-codes
fn change_to(turn: &mut Turn<'_>, path: VirtualPath) -> Reaction {
    if !turn.session.login.account().is_some_and(|account| account.rights.reaches(&path)) {
        return Reply::new(550, "Permission denied.").into();
    }
    turn.files(FileJob::Metadata, path, |path| Pending::Metadata(path, changed_to))
}

// req: 959-4.1.1-cwd-keeps-parameters
fn changed_to(turn: &mut Turn<'_>, path: VirtualPath, metadata: &Metadata) -> Reaction {
    if !metadata.is_dir() {
        return Reply::new(550, "It is not a directory.").into();
    }
    let reply = Reply::with(250, named(b"The current directory is ", &path, b"."));
    turn.session.modes.directory = path;
    reply.into()
}

// req: 959-4.1.3-pwd
pub(super) fn pwd(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    let path = &turn.session.modes.directory;
    Reply::with(257, named(b"", path, b" is the current directory.")).into()
}

/// `before "path" after`, with the path quoted as RFC 959 appendix II demands.
// req: 959-4.2.2-257
pub(super) fn named(before: &[u8], path: &VirtualPath, after: &[u8]) -> Vec<u8> {
    [before, b"\"", &path.quoted(), b"\"", after].concat()
}
