//! Telling about the server and the session: FEAT HELP SYST STAT NOOP.

use super::args::Arg;
use super::table::COMMANDS;
use super::{Availability, Feat, Gate, availability, find, is_open};
use crate::listing::ListStyle;
use crate::path::Escaped;
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::session::{Reaction, Session, Turn};
use alloc::format;
use alloc::string::ToString as _;
use alloc::vec::Vec;

// req: 959-4.1.3-noop, 959-4.2.2-200
pub(super) fn noop(_: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    Reply::new(200, "Yes.").into()
}

/// What listings look like, not what the machine is: Apache Commons Net, and whatever uses it, reads LIST by this alone.
// req: 959-4.1.3-syst, 959-4.2.2-215
pub(super) fn syst(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    match turn.session.list_style() {
        ListStyle::Unix => Reply::new(215, "UNIX Type: L8").into(),
        ListStyle::Dos => Reply::new(215, "Windows_NT").into(),
    }
}

/// Whether FEAT and HELP may name it: not what can't work. Before login nobody knows the rights yet,
/// and what hardly any storage can do is not promised then.
// req: 2389-3-nothing-else
fn is_offered(session: &Session, spec: &super::CommandSpec) -> bool {
    match availability(spec, session) {
        Availability::Available => true,
        Availability::NotLoggedIn => !matches!(spec.gate, Gate::Able(_)),
        Availability::Disabled | Availability::Denied | Availability::Forbidden => false,
    }
}

fn selected(session: &Session) -> super::Selected {
    super::Selected {
        facts: session.modes.facts,
        #[cfg(feature = "digests")]
        algorithm: session.modes.algorithm,
        abilities: session.login.account().map(|account| account.storage.abilities()).unwrap_or_default(),
    }
}

/// RFC 2389 section 3: computed from the table and the live configuration.
// req: 2389-3-documented, 2389-3.2-end, 2389-3.2-one-line-each, 2640-3.2-feat, 3659-6.3-feat
// req: 3659-7.5.9-charset, 5797-2.2-codes, 5797-2.2-no-pseudo-codes
pub(super) fn feat(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    let session = &*turn.session;
    let mut lines: Vec<Vec<u8>> = COMMANDS
        .iter()
        .filter(|spec| is_offered(session, spec))
        .filter_map(|spec| match spec.feat {
            Feat::None => None,
            Feat::Line(line) => Some(line.as_bytes().to_vec()),
            Feat::Part(gate, line) => is_open(gate, session).then(|| line.as_bytes().to_vec()),
            Feat::Computed(line) => Some(line(selected(session))),
        })
        .collect();
    // Whoever has no right at all has no path either.
    if session.login.account().is_none_or(|account| account.rights.reaches(&VirtualPath::root())) {
        lines.push(b"TVFS".to_vec());
    }
    lines.push(b"UTF8".to_vec());
    Reply::block(211, &b"Features:"[..], lines, "End").into()
}

/// RFC 3659 section 7.8: the selected facts carry an asterisk.
// req: 3659-7.8-feat
pub(super) fn mlst_feature(selected: super::Selected) -> Vec<u8> {
    selected.facts.feat_line().into_bytes()
}

// req: 959-4.1.3-help, 959-4.1.3-help-command, 959-4.2.2-214
pub(super) fn help(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(verb) = arg else { return Reaction::Silent };
    let session = &*turn.session;
    if !verb.is_empty() {
        return match find(verb) {
            Some(spec) if is_offered(session, spec) => {
                Reply::with(214, format!("{} {}", spec.name, spec.help)).into()
            }
            _ => Reply::new(501, "There is no such command here.").into(),
        };
    }
    let names: Vec<&str> =
        COMMANDS.iter().filter(|spec| is_offered(session, spec)).map(|spec| spec.name).collect();
    let lines = names.chunks(8).map(|row| row.join(" ").into_bytes()).collect();
    Reply::block(214, &b"Commands:"[..], lines, "HELP <command> tells more.").into()
}

/// RFC 959 section 4.1.3: the session's state, in a transfer its progress, with an argument a listing.
pub(super) fn stat(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    match arg {
        Arg::Text(b"") => status(turn.session).into(),
        path => super::listings::stat_path(turn, &path),
    }
}

// req: 959-4.1.3-stat, 959-4.1.3-stat-in-a-transfer, 959-4.2.2-211
pub(super) fn status(session: &Session) -> Reply {
    let mut lines = Vec::new();
    lines.push(format!("Connected from {}", session.peer).into_bytes());
    if let Some(account) = session.login.account() {
        lines.push(format!("Logged in as {}", Escaped(account.name.as_bytes())).into_bytes());
    }
    lines.push(session.coding().to_string().into_bytes());
    if let Some((verb, path, bytes)) = session.transfer_progress() {
        lines.push(format!("{verb} {path}: {bytes} bytes so far").into_bytes());
    } else if let Some((verb, path, kibibytes)) = session.work_progress() {
        lines.push(format!("{verb} {path}: {kibibytes} KiB so far").into_bytes());
    } else {
        lines.push(b"No transfer runs".to_vec());
    }
    Reply::block(211, &b"Status:"[..], lines, "End of status.")
}
