//! Transfers: RETR STOR APPE STOU, the listings LIST NLST MLSD, and ABOR.

use super::args::Arg;
use crate::account::Rights;
use crate::event::FileJob;
use crate::host::{Create, StorageError, Wanted};
use crate::listing::{Format, Listing};
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::session::{Opening, Pending, Reaction, Turn};
use crate::transfer::{Coding, Kind};
use alloc::vec::Vec;

const DENIED: Reply = Reply::new(550, "Permission denied.");

impl Turn<'_> {
    fn coding(&self) -> Coding {
        self.session.coding()
    }

    fn rights_on(&self, path: &VirtualPath) -> Rights {
        self.session.login.account().map_or(Rights::NONE, |account| account.rights.on(path))
    }

    /// A listing for this client.
    fn listing(&self, format: Format) -> Listing {
        Listing { charset: self.session.charset(), ..Listing::new(format, self.now.unix) }
    }

    /// The restart point for this transfer. In ASCII the client's count and the file's differ.
    fn restart(&mut self) -> Result<u64, Reply> {
        match self.session.modes.take_restart() {
            offset if offset > 0 && self.coding().kind == Kind::Ascii => {
                Err(Reply::new(554, "REST needs TYPE I."))
            }
            offset => Ok(offset),
        }
    }
}

pub(super) fn retr(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    let offset = match turn.restart().and_then(|offset| turn.session.check_link().map(|()| offset)) {
        Ok(offset) => offset,
        Err(reply) => return reply.into(),
    };
    let coding = turn.coding();
    turn.files(FileJob::OpenRead, path, |path| Pending::Open(Opening::Download { path, offset, coding }))
}

pub(super) fn stor(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    let rights = turn.rights_on(&path);
    let how = match turn.restart() {
        Ok(0) => Create::Replace { overwrite: rights.contains(Rights::OVERWRITE) },
        Ok(_) if !rights.contains(Rights::APPEND) => return DENIED.into(),
        Ok(at) if !rights.contains(Rights::OVERWRITE) => return only_append(turn, "STOR", path, Some(at)),
        Ok(at) => Create::Resume { at },
        Err(reply) => return reply.into(),
    };
    upload(turn, "STOR", path, how)
}

pub(super) fn appe(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    turn.session.modes.take_restart();
    if turn.rights_on(&path).contains(Rights::CREATE) {
        upload(turn, "APPE", path, Create::Append)
    } else {
        only_append(turn, "APPE", path, None)
    }
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

fn upload(turn: &mut Turn<'_>, verb: &'static str, path: VirtualPath, how: Create) -> Reaction {
    if let Err(reply) = turn.session.check_link() {
        return reply.into();
    }
    let coding = turn.coding();
    turn.files(
        |path| FileJob::OpenWrite(path, how),
        path,
        |path| Pending::Open(Opening::Upload { verb, path, coding }),
    )
}

/// RFC 959 section 4.1.3: a name nobody has, in the current directory or made from the one given.
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
    let coding = turn.coding();
    turn.files(FileJob::OpenUnique, path, |_| Pending::Open(Opening::Unique { coding }))
}

pub(super) fn list(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    listing(turn, "LIST", text, Format::Unix)
}

pub(super) fn nlst(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    listing(turn, "NLST", text, Format::Names)
}

pub(super) fn mlsd(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    let format = Format::Facts(turn.session.modes.facts);
    let listing = turn.listing(format);
    open_listing(turn, "MLSD", path, listing, true)
}

fn listing(turn: &mut Turn<'_>, verb: &'static str, text: &[u8], format: Format) -> Reaction {
    match target(text, &turn.session.modes.directory) {
        Ok(target) => {
            let Target { path, pattern, prefix } = target;
            let prefix = if format == Format::Names { prefix } else { Vec::new() };
            let listing = Listing { pattern, prefix, ..turn.listing(format) };
            open_listing(turn, verb, path, listing, false)
        }
        Err(reply) => reply.into(),
    }
}

fn open_listing(
    turn: &mut Turn<'_>,
    verb: &'static str,
    path: VirtualPath,
    listing: Listing,
    directories_only: bool,
) -> Reaction {
    turn.session.modes.take_restart();
    if !turn.rights_on(&path).contains(Rights::LIST) {
        return DENIED.into();
    }
    if let Err(reply) = turn.session.check_link() {
        return reply.into();
    }
    let coding = turn.coding();
    let wanted = if listing.format == Format::Names { Wanted::Names } else { Wanted::Facts };
    turn.files(
        |path| FileJob::OpenDirectory(path, wanted),
        path,
        |path| Pending::Open(Opening::Listing { verb, path, listing, directories_only, coding }),
    )
}

/// What a listing is of.
pub(super) struct Target {
    pub(super) path: VirtualPath,
    pub(super) pattern: Option<Vec<u8>>,
    /// The directory as it was typed, with a slash; NLST puts it before each name.
    pub(super) prefix: Vec<u8>,
}

/// Reads the argument of LIST, NLST and STAT: options as for `ls` are passed over (clients send `-la`), the
/// last part may be a pattern.
pub(super) fn target(text: &[u8], directory: &VirtualPath) -> Result<Target, Reply> {
    let mut text = text;
    while text.first() == Some(&b'-') {
        let end = text.iter().position(|&byte| byte == b' ').unwrap_or(text.len());
        text = text.get(end..).unwrap_or_default().trim_ascii_start();
    }
    let refused = |error| match error {
        crate::path::PathError::ControlCharacter => {
            Reply::new(501, "A name can't contain a line end or NUL.")
        }
        crate::path::PathError::TooLong => Reply::new(553, "The name is too long."),
    };
    let slash = text.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let (above, last) = text.split_at(slash);
    if last.iter().any(|byte| matches!(byte, b'*' | b'?')) {
        let path = directory.resolve(above).map_err(refused)?;
        return Ok(Target { path, pattern: Some(last.to_vec()), prefix: above.to_vec() });
    }
    let path = directory.resolve(text).map_err(refused)?;
    let mut prefix = text.to_vec();
    if !prefix.is_empty() && prefix.last() != Some(&b'/') {
        prefix.push(b'/');
    }
    Ok(Target { path, pattern: None, prefix })
}

/// RFC 959 section 4.1.3: 426 for the transfer, then 226; 226 alone if there is none. A data connection that
/// waits is closed either way.
pub(super) fn abor(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    if turn.session.abort_transfer(turn.now) {
        return Reaction::Silent;
    }
    turn.session.reset_link(turn.now);
    Reply::new(226, "There is nothing to abort.").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_arguments_are_read_as_clients_mean_them() {
        let directory = VirtualPath::new(b"/d").unwrap();
        for (text, path, pattern, prefix) in [
            ("", "/d", None, ""),
            ("-la", "/d", None, ""),
            ("-l -a x", "/d/x", None, "x/"),
            ("*.txt", "/d", Some("*.txt"), ""),
            ("a/*", "/d/a", Some("*"), "a/"),
            ("/x y/?", "/x y", Some("?"), "/x y/"),
            ("a/", "/d/a", None, "a/"),
        ] {
            let target = target(text.as_bytes(), &directory).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(target.path, VirtualPath::new(path.as_bytes()).unwrap(), "{text}");
            assert_eq!(target.pattern.as_deref(), pattern.map(str::as_bytes), "{text}");
            assert_eq!(target.prefix, prefix.as_bytes(), "{text}");
        }
    }
}
