//! Space, and more than one file at a time: AVBL DSIZ RMDA COMB, copies and links.

use super::args::{Arg, quoted_words, resolved};
use crate::account::Rights;
use crate::event::{FileJob, LongJob};
use crate::host::Metadata;
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::session::{Change, Finish, Pending, Reaction, Turn};
use alloc::boxed::Box;
use alloc::vec::Vec;

const DENIED: Reply = Reply::new(550, "Permission denied.");
/// How many files one COMB may put together.
const MOST_PARTS: usize = 100;

impl Turn<'_> {
    /// Whether this is allowed on `path` and on all below it.
    fn may_throughout(&self, path: &VirtualPath, rights: Rights) -> bool {
        self.session.login.account().is_some_and(|account| account.rights.throughout(path, rights))
    }
}

/// draft-peterson-streamlined-ftp-command-extensions-10 section 4: for who wants to upload something.
pub(super) fn avbl(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    turn.files(FileJob::Available, path, |_| Pending::Measured)
}

/// The bytes of all files below a directory.
pub(super) fn dsiz(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    // What may not be listed is not counted, or its size would be known.
    if !turn.may_throughout(&path, Rights::LIST) {
        return DENIED.into();
    }
    turn.long("DSIZ", path.clone(), LongJob::Measure(path), Finish::Measured)
}

/// Removes a directory with all that is in it.
pub(super) fn rmda(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    if path.is_root() || !turn.may_throughout(&path, Rights::DELETE | Rights::REMOVE_DIRECTORY) {
        return DENIED.into();
    }
    let reply = Reply::new(250, "The directory and all that was in it are removed.");
    turn.long("RMDA", path.clone(), LongJob::RemoveTree(path), Finish::Changed { to: None, reply })
}

/// The target, and the parts that are put behind it. A client that uploads a file in parts at the same time has it put
/// together by this.
pub(super) fn comb(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let names = quoted_words(text).unwrap_or_default();
    let directory = &turn.session.modes.directory;
    let paths: Result<Vec<VirtualPath>, Reply> = names.iter().map(|name| resolved(directory, name)).collect();
    let mut paths = match paths {
        Ok(paths) if (2..=MOST_PARTS + 1).contains(&paths.len()) => paths,
        Ok(_) => {
            return Reply::new(501, "The argument is wrong; the syntax is COMB \"<target>\" \"<part>\" ...")
                .into();
        }
        Err(reply) => return reply.into(),
    };
    let target = paths.remove(0);
    let may = turn.may(&target, Rights::CREATE | Rights::APPEND)
        && paths.iter().all(|part| turn.may(part, Rights::READ | Rights::DELETE));
    if !may {
        return DENIED.into();
    }
    // Each would be read again after it was removed.
    let is_twice = |path| paths.iter().filter(|other| *other == path).count() > 1;
    if paths.iter().any(|part| *part == target || is_twice(part)) {
        return Reply::new(553, "A file can't be put together with itself.").into();
    }
    let job = LongJob::Combine { target: target.clone(), parts: paths };
    turn.long("COMB", target, job, Finish::Combined)
}

/// Two paths, between quotes if there are spaces in them.
fn two_paths(turn: &Turn<'_>, name: &str, argument: &[u8]) -> Result<(VirtualPath, VirtualPath), Reaction> {
    let words = quoted_words(argument);
    let Some([first, second]) = words.as_deref() else {
        return Err(super::site::usage(name));
    };
    let directory = &turn.session.modes.directory;
    Ok((resolved(directory, first)?, resolved(directory, second)?))
}

/// SITE COPY.
pub(super) fn copy(turn: &mut Turn<'_>, argument: &[u8]) -> Reaction {
    match two_paths(turn, "COPY", argument) {
        Ok((from, to)) => copy_from_to(turn, "SITE COPY", from, to, 200),
        Err(reaction) => reaction,
    }
}

/// SITE SYMLINK: what is there, and another name for it. Not where rules by path hold: they would not under that name.
pub(super) fn symlink(turn: &mut Turn<'_>, argument: &[u8]) -> Reaction {
    let (target, link) = match two_paths(turn, "SYMLINK", argument) {
        Ok(paths) => paths,
        Err(reaction) => return reaction,
    };
    let account = turn.session.login.account();
    if !account.is_some_and(|account| account.rights.are_everywhere_the_same()) {
        return DENIED.into();
    }
    let to = Some(link.clone());
    turn.files(
        |target| FileJob::Symlink { target, link },
        target,
        |path| {
            let reply = Reply::new(200, "The link is made.");
            Pending::Change(Box::new(Change { verb: "SITE SYMLINK", path, to, reply }))
        },
    )
}

/// SITE CPFR: what the next SITE CPTO copies.
pub(super) fn copy_from(turn: &mut Turn<'_>, argument: &[u8]) -> Reaction {
    if argument.is_empty() {
        return super::site::usage("CPFR");
    }
    match resolved(&turn.session.modes.directory, argument) {
        Ok(path) if turn.may(&path, Rights::READ) => {
            turn.files(FileJob::Metadata, path, |path| Pending::Metadata(path, source_known))
        }
        Ok(_) => DENIED.into(),
        Err(reply) => reply.into(),
    }
}

fn source_known(turn: &mut Turn<'_>, path: VirtualPath, metadata: &Metadata) -> Reaction {
    if !metadata.is_file() {
        return Reply::new(550, "It is not a file.").into();
    }
    turn.session.modes.set_copy_from(path);
    Reply::new(350, "Send the copy's name by SITE CPTO.").into()
}

/// SITE CPTO.
pub(super) fn copy_to(turn: &mut Turn<'_>, argument: &[u8]) -> Reaction {
    let Some(from) = turn.session.modes.take_copying() else {
        return Reply::new(503, "Send SITE CPFR first.").into();
    };
    if argument.is_empty() {
        return super::site::usage("CPTO");
    }
    match resolved(&turn.session.modes.directory, argument) {
        Ok(to) => copy_from_to(turn, "SITE CPTO", from, to, 250),
        Err(reply) => reply.into(),
    }
}

fn copy_from_to(
    turn: &mut Turn<'_>,
    verb: &'static str,
    from: VirtualPath,
    to: VirtualPath,
    code: u16,
) -> Reaction {
    if !turn.may(&from, Rights::READ) || !turn.may(&to, Rights::CREATE) {
        return DENIED.into();
    }
    let overwrite = turn.may(&to, Rights::OVERWRITE);
    let job = LongJob::Copy { from: from.clone(), to: to.clone(), overwrite };
    turn.long(verb, from, job, Finish::Changed { to: Some(to), reply: Reply::new(code, "Copied.") })
}
