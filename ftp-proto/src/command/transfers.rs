//! Transfers: RETR STOR APPE STOU, and ABOR.

use super::args::Arg;
use crate::account::Rights;
use crate::event::{FileJob, Part};
use crate::host::{Create, StorageError};
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::session::{Opening, Pending, Reaction, Turn};
use crate::transfer::{Coding, Structure};
use alloc::boxed::Box;

const DENIED: Reply = Reply::new(550, "Permission denied.");

impl Turn<'_> {
    pub(super) fn coding(&self) -> Coding {
        self.session.coding()
    }

    fn rights_on(&self, path: &VirtualPath) -> Rights {
        self.session.login.account().map_or(Rights::NONE, |account| account.rights.on(path))
    }

    /// What this download is of, by RANG or from the restart point on, and how much of what goes over the wire is left out
    /// at its beginning. In MODE S a restart point is counted in what was transferred (RFC 3659 section 5.1), and told for
    /// STRU F only; with markers it is a place in the file.
    // req: 1123-4.1.3.4-rest, 3659-5.3-retr
    fn part(&mut self) -> Result<(Part, u64), Reply> {
        let coding = self.coding();
        let range = self.session.modes.take_range();
        let restart = self.session.modes.take_restart();
        let from = |start| Part { start, end: None };
        match range {
            Some(_) if !coding.keeps_offsets() => Err(Reply::new(554, "RANG needs TYPE I.")),
            Some(part) => Ok((part, 0)),
            None if restart == 0 || coding.keeps_offsets() || coding.has_markers() => Ok((from(restart), 0)),
            None if coding.structure == Structure::File => Ok((from(0), restart)),
            None => Err(Reply::new(554, "REST needs STRU F, or MODE B or C.")),
        }
    }

    /// Where in the file this upload begins. What the client counts can't be found in what was stored of it: a line end
    /// of the file may have come as two octets or as one.
    fn restart_upload(&mut self) -> Result<u64, Reply> {
        let coding = self.coding();
        let range = self.session.modes.take_range();
        match self.session.modes.take_restart() {
            _ if range.is_some() => Err(Reply::new(554, "RANG is for RETR and HASH only.")),
            at if at == 0 || coding.keeps_offsets() || coding.has_markers() => Ok(at),
            _ => Err(Reply::new(554, "To resume an upload, REST needs TYPE I, or MODE B or C.")),
        }
    }
}

// req: 959-4.1.3-retr
pub(super) fn retr(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    let (part, skip) = match turn.part().and_then(|part| turn.session.check_link().map(|()| part)) {
        Ok(part) => part,
        Err(reply) => return reply.into(),
    };
    let coding = turn.coding();
    turn.files(FileJob::OpenRead, path, |path| {
        Pending::Open(Box::new(Opening::Download { path, part, skip, coding }))
    })
}

// req: 959-4.1.3-stor, 3659-5.3-stor
pub(super) fn stor(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    match turn.restart_upload() {
        Ok(0) => {
            let overwrite = turn.rights_on(&path).contains(Rights::OVERWRITE);
            upload(turn, "STOR", path, Create::Replace { overwrite })
        }
        Ok(at) => resume(turn, "STOR", path, at),
        Err(reply) => reply.into(),
    }
}

/// A marker is for APPE as well (RFC 959 section 3.5); the count of RFC 3659 is not.
// req: 959-4.1.3-appe
pub(super) fn appe(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    match turn.session.modes.take_restart() {
        at if at > 0 && turn.coding().has_markers() => resume(turn, "APPE", path, at),
        _ if turn.rights_on(&path).contains(Rights::CREATE) => upload(turn, "APPE", path, Create::Append),
        _ => only_append(turn, "APPE", path, None),
    }
}

/// An upload that goes on at this offset.
fn resume(turn: &mut Turn<'_>, verb: &'static str, path: VirtualPath, at: u64) -> Reaction {
    let rights = turn.rights_on(&path);
    if !rights.contains(Rights::APPEND) {
        return DENIED.into();
    }
    if rights.contains(Rights::CREATE) && rights.contains(Rights::OVERWRITE) {
        return upload(turn, verb, path, Create::Resume { at });
    }
    only_append(turn, verb, path, Some(at))
}

/// An upload that may make no new file and take nothing away from an old one: first it is looked at.
fn only_append(turn: &mut Turn<'_>, verb: &'static str, path: VirtualPath, at: Option<u64>) -> Reaction {
    turn.files(FileJob::MetadataToResume, path, |path| Pending::Append { verb, path, at })
}

/// Such an upload goes on, where the file ends and nowhere else: `Create::Append` can't cut anything off, even
/// if the file has grown meanwhile.
pub(crate) fn append_known(
    turn: &mut Turn<'_>,
    verb: &'static str,
    path: VirtualPath,
    at: Option<u64>,
    size: u64,
) -> Reaction {
    match at {
        Some(at) if at > size => Reply::storage(&StorageError::BadOffset).into(),
        Some(at) if at < size => DENIED.into(),
        _ => upload(turn, verb, path, Create::Append),
    }
}

// req: 959-3.2-direction
fn upload(turn: &mut Turn<'_>, verb: &'static str, path: VirtualPath, how: Create) -> Reaction {
    if let Err(reply) = turn.session.check_link() {
        return reply.into();
    }
    let coding = turn.coding();
    turn.files(
        |path| FileJob::OpenWrite(path, how),
        path,
        |path| Pending::Open(Box::new(Opening::Upload { verb, path, coding })),
    )
}

/// RFC 959 section 4.1.3: a name nobody has, in the current directory or made from the one given.
// req: 959-4.1.3-stou
pub(super) fn stou(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(mut path) = arg else { return Reaction::Silent };
    turn.session.modes.take_restart();
    if path == turn.session.modes.directory {
        let name = alloc::format!("upload-{}", crate::time::CivilTime::from_unix(turn.now.unix));
        path = match path.resolve(name.as_bytes()) {
            Ok(path) => path,
            Err(_) => return Reply::new(553, "The name is too long.").into(),
        };
    }
    if let Err(reply) = turn.session.check_link() {
        return reply.into();
    }
    let Some(account) = turn.session.login.account() else {
        return Reply::new(530, "Log in first.").into();
    };
    let (coding, rights) = (turn.coding(), account.rights.clone());
    turn.files(
        |path| FileJob::OpenUnique(path, rights),
        path,
        |_| Pending::Open(Box::new(Opening::Unique { coding })),
    )
}

/// RFC 959 section 4.1.3: 426 for the transfer, then 226; 226 alone if there is none. A data connection that
/// waits is closed either way.
// req: 959-4.1.3-abor, 959-4.1.3-abor-idle
pub(super) fn abor(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    let has_stopped = core::mem::take(&mut turn.session.has_heeded_abort);
    if turn.session.abort_transfer(turn.now) || turn.session.abort_work(turn.now) {
        return Reaction::Silent;
    }
    turn.session.reset_link(turn.now);
    let text = if has_stopped { "Abort successful." } else { "There is nothing to abort." };
    Reply::new(226, text).into()
}
