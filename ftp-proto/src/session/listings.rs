//! Listings that were opened: for a data connection, or piece by piece for STAT.

use super::pending::failed;
use super::{Opening, Pending, Reaction, Session, Turn};
use crate::event::{Batch, Done, FileJob, Job};
use crate::host::StorageError;
use crate::listing::{Found, Listing, Walk};
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::time::Now;
use crate::transfer::Pipe;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How many lines STAT of a path asks for at a time.
const BATCH: usize = 64;

/// A listing on the control connection (STAT of a path).
pub(crate) struct StatListing {
    pub(crate) path: VirtualPath,
    pub(crate) listing: Listing,
    /// 212 for a directory or a pattern, 213 for a file (RFC 959 section 4.2.2).
    pub(crate) code: u16,
}

/// LIST, NLST, MLSD.
// req: 3659-7.1-mlsd-501, 3659-7.2-mlsd-replies
pub(super) fn opened(turn: &mut Turn<'_>, opening: Opening, walk: Walk, is_dir: bool) -> Reaction {
    let Opening::Listing { verb, path, listing, directories_only, coding } = opening else {
        return failed(turn, Done::Panicked);
    };
    if directories_only && !is_dir {
        return Reply::new(501, "It is not a directory; MLST tells about a file.").into();
    }
    let text = b"Opening data connection for the listing.".to_vec();
    turn.session.begin_transfer(turn.now, verb, path, Pipe::listing(walk, listing, coding), text);
    Reaction::Silent
}

/// STAT. lftp takes the first and the last line for what they are by their first words.
// req: 959-4.2.2-212
pub(super) fn begin_status(
    turn: &mut Turn<'_>,
    mut stat: Box<StatListing>,
    walk: Walk,
    is_dir: bool,
) -> Reaction {
    stat.code = if is_dir { 212 } else { 213 };
    let first = alloc::format!("Status of {}:", stat.path).into_bytes();
    turn.session.open_block(stat.code, &first);
    more(turn, stat, walk)
}

/// The next lines of STAT. The block is open: it has to be closed by the same code, whatever happens.
pub(super) fn go_on(
    turn: &mut Turn<'_>,
    stat: Box<StatListing>,
    lines: Result<Batch, StorageError>,
) -> Reaction {
    let (found, rest) = match lines {
        Ok(batch) => batch,
        Err(error) => {
            turn.session.storage_failed(&error);
            return Reply::new(stat.code, "End of status; it is not complete: local error.").into();
        }
    };
    for one in &found {
        if *one == Found::Cut {
            return Reply::new(stat.code, "End of status; it is not complete: too many entries.").into();
        }
        turn.session.reply_line(&stat.listing, one);
    }
    match rest {
        Some(walk) => more(turn, stat, walk),
        None => Reply::new(stat.code, "End of status.").into(),
    }
}

fn more(turn: &mut Turn<'_>, stat: Box<StatListing>, walk: Walk) -> Reaction {
    if turn.session.outbox.is_full() {
        return Reaction::Await(Pending::StatPaused(stat, Box::new(walk)));
    }
    let Some(account) = turn.session.login.account() else {
        return Reply::new(530, "Log in first.").into();
    };
    let storage = Arc::clone(&account.storage);
    turn.session.perform(Job::Files(storage, FileJob::ReadListing(walk, BATCH)));
    Reaction::Await(Pending::Stat(stat))
}

impl Session {
    /// STAT goes on when the client has read enough.
    pub(super) fn resume_stat(&mut self, now: Now) {
        if self.outbox.is_full() {
            return;
        }
        let paused = self.pending.take_if(|(_, pending)| matches!(pending, Pending::StatPaused(..)));
        if let Some((_, Pending::StatPaused(stat, walk))) = paused {
            let reaction = more(&mut Turn { now, session: self }, stat, *walk);
            self.react(now, reaction);
        }
    }

    /// A line begins with a space, so that none can be taken for the end of the reply.
    fn reply_line(&mut self, listing: &Listing, found: &Found) {
        let mut lines = Vec::new();
        match found {
            Found::Entry(entry) => listing.append(entry, &mut lines),
            Found::Heading(path) => listing.append_heading(path, &mut lines),
            Found::Nothing | Found::Cut => {}
        }
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let text = line.strip_suffix(b"\r\n").unwrap_or(line);
            self.push_line(&[b" ", text].concat());
        }
    }
}
