//! Listings: LIST NLST MLSD over a data connection, STAT of a path over the control connection.

use super::args::Arg;
use crate::account::Rights;
use crate::charset::Charset;
use crate::event::FileJob;
use crate::host::Wanted;
use crate::listing::{Format, ListStyle, Listing, Permissions, Search, Selection, SelectionError};
use crate::path::PathError;
use crate::reply::Reply;
use crate::session::{Opening, Pending, Reaction, StatListing, Turn};
use alloc::boxed::Box;

impl Turn<'_> {
    /// A listing for this client.
    fn listing(&self, format: Format) -> Listing {
        Listing {
            charset: self.session.charset(),
            file_mode: self.session.quirks.file_mode,
            ..Listing::new(format, self.now.unix)
        }
    }

    /// What LIST looks like for this client.
    fn list_format(&self) -> Format {
        match self.session.list_style() {
            ListStyle::Unix => Format::Unix,
            ListStyle::Dos => Format::Dos,
        }
    }

    /// For the backend, if the client may list that at all.
    fn search(&self, selection: Selection, format: Format, full_names: bool) -> Result<Search, Reply> {
        let Some(account) = self.session.login.account() else {
            return Err(Reply::new(530, "Log in first."));
        };
        let may_list = |path| account.rights.on(path).contains(Rights::LIST);
        if !selection.ways_in().any(may_list) {
            return Err(Reply::new(550, "Permission denied."));
        }
        let wanted = if format == Format::Names { Wanted::Names } else { Wanted::Facts };
        Ok(Search { selection, rights: account.rights.clone(), wanted, full_names })
    }

    /// What the argument of LIST, NLST and STAT means.
    fn selection(&self, arg: &Arg<'_>) -> Result<Selection, Reply> {
        let Arg::Text(text) = arg else { return Err(Reply::new(501, "An argument is wrong.")) };
        Selection::parse(text, &self.session.modes.directory).map_err(|error| match error {
            SelectionError::Path(PathError::ControlCharacter) => {
                Reply::new(501, "A name can't contain a line end or NUL.")
            }
            SelectionError::Path(PathError::TooLong) => Reply::new(553, "The name is too long."),
            SelectionError::Pattern(_) => {
                Reply::new(501, "The pattern is too long or has too many alternatives.")
            }
        })
    }
}

/// RFC 959 section 4.1.3; no RFC says what its lines look like. `-1` asks for names alone.
// req: 959-4.1.3-list
pub(super) fn list(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let selection = turn.selection(&arg);
    let names_only = selection.as_ref().is_ok_and(|selection| selection.options.names_only);
    let format = if names_only { Format::Names } else { turn.list_format() };
    listing(turn, "LIST", selection, format)
}

/// RFC 959 section 4.1.3, RFC 1123 section 4.1.2.7: names that can be used as they are. A pattern that matches nothing is an
/// empty listing, as an empty directory is: 226, since whether it is the one or the other shows only at its end.
// req: 959-4.1.3-nlst
pub(super) fn nlst(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let selection = turn.selection(&arg);
    listing(turn, "NLST", selection, Format::Names)
}

fn listing(
    turn: &mut Turn<'_>,
    verb: &'static str,
    selection: Result<Selection, Reply>,
    format: Format,
) -> Reaction {
    match selection {
        Ok(selection) => open(turn, verb, selection, format),
        Err(reply) => {
            turn.session.modes.take_restart();
            reply.into()
        }
    }
}

/// RFC 3659 section 7.2: of a directory only, and no pattern. The entries `cdir` and `pdir` are optional and left out.
// req: 3659-7.1-mlsd, 3659-7.3.1-names-only
pub(super) fn mlsd(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    let format = Format::Facts(turn.session.modes.facts);
    open(turn, "MLSD", Selection::of(path), format)
}

// req: 3659-7.2-permission
fn open(turn: &mut Turn<'_>, verb: &'static str, selection: Selection, format: Format) -> Reaction {
    turn.session.modes.take_restart();
    let full_names = verb == "NLST";
    let search = match turn.search(selection, format, full_names) {
        Ok(search) => search,
        Err(reply) => return reply.into(),
    };
    if let Err(reply) = turn.session.check_link() {
        return reply.into();
    }
    let directories_only = matches!(format, Format::Facts(_));
    let path = search.selection.base().clone();
    let coding = if directories_only { turn.coding().of_facts() } else { turn.coding() };
    let permissions = directories_only.then(|| Permissions::new(search.rights.clone(), path.clone()));
    let listing = Listing { permissions, ..turn.listing(format) };
    turn.files(
        |_| FileJob::OpenListing(Box::new(search)),
        path,
        |path| Pending::Open(Box::new(Opening::Listing { verb, path, listing, directories_only, coding })),
    )
}

/// RFC 959 section 4.1.3: STAT of a path is LIST over the control connection.
// req: 959-4.1.3-stat-path
pub(super) fn stat_path(turn: &mut Turn<'_>, arg: &Arg<'_>) -> Reaction {
    let selection = turn.selection(arg);
    let format = turn.list_format();
    // The reply as a whole is put into the client's characters.
    let listing = Listing { charset: Charset::UTF_8, ..turn.listing(format) };
    match selection.and_then(|selection| turn.search(selection, format, false)) {
        Ok(search) => {
            let path = search.selection.base().clone();
            turn.files(
                |_| FileJob::OpenListing(Box::new(search)),
                path,
                |path| Pending::Stat(Box::new(StatListing { path, listing, code: 213 })),
            )
        }
        Err(reply) => reply.into(),
    }
}
