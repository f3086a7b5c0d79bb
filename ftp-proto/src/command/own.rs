//! SITE commands about the session and its account: IDLE QUOTA UMASK WHO.

use crate::event::{FileJob, Seat, SessionId};
use crate::host::{Share, Usage};
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::session::{Login, Pending, Reaction, Turn};
use crate::time::CivilTime;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// The shortest that a client may ask for: enough to type a command.
const SHORTEST_IDLE: Duration = Duration::from_secs(10);

/// SITE IDLE: the time without a command after which this session ends. A client may shorten what the settings say, and
/// take that back, never lengthen it (RFC 1123 section 4.1.3.2 leaves the time to the server).
pub(super) fn idle(turn: &mut Turn<'_>, argument: &[u8]) -> Reaction {
    let longest = turn.session.config.timeouts.idle;
    let shortest = SHORTEST_IDLE.min(longest);
    let argument = argument.trim_ascii();
    if argument.is_empty() {
        let current = turn.session.idle_timeout().as_secs();
        let text = format!(
            "This session ends after {current} s without a command; at most {} s.",
            longest.as_secs()
        );
        return Reply::with(200, text).into();
    }
    let Some(seconds) = super::args::number(argument) else {
        return super::site::usage("IDLE");
    };
    let wanted = Duration::from_secs(seconds);
    if wanted < shortest || wanted > longest {
        let text = format!("It can be {} to {} seconds.", shortest.as_secs(), longest.as_secs());
        return Reply::with(504, text).into();
    }
    turn.session.modes.idle = Some(wanted);
    Reply::with(200, format!("This session ends after {seconds} s without a command.")).into()
}

/// SITE UMASK: what new files and directories of this session are not allowed to others. Until it is set the storage does
/// as it is set up.
pub(super) fn umask(turn: &mut Turn<'_>, argument: &[u8]) -> Reaction {
    let argument = argument.trim_ascii();
    if argument.is_empty() {
        return match turn.session.modes.umask {
            Some(umask) => Reply::with(200, format!("The umask is {umask:03o}.")).into(),
            None => Reply::new(200, "No umask is set; the server decides.").into(),
        };
    }
    let Some(umask) = super::files::octal_mode(argument).filter(|umask| *umask <= 0o777) else {
        return super::site::usage("UMASK");
    };
    let Login::In(account) = &mut turn.session.login else {
        return Reply::new(530, "Log in first.").into();
    };
    let Some(storage) = account.storage.with_umask(umask) else {
        return Reply::new(504, "There is no umask here.").into();
    };
    account.storage = storage;
    turn.session.modes.umask = Some(umask);
    Reply::with(200, format!("The umask is {umask:03o}.")).into()
}

/// SITE QUOTA: what the account has stored of what it may store.
pub(super) fn quota(turn: &mut Turn<'_>, argument: &[u8]) -> Reaction {
    if !argument.trim_ascii().is_empty() {
        return super::site::usage("QUOTA");
    }
    turn.files(|_| FileJob::Usage, VirtualPath::root(), |_| Pending::Usage)
}

/// What the storage has answered.
pub(crate) fn usage_known(usage: Usage) -> Reply {
    let line = |what: &str, share: Share| {
        let used = share.used.map_or_else(|| "not counted yet".into(), |used| format!("{used} used"));
        let limit =
            share.limit.map_or_else(|| "any number allowed".into(), |limit| format!("{limit} allowed"));
        let left = share.left().map_or_else(String::new, |left| format!(", {left} left"));
        format!("{what}: {used}, {limit}{left}").into_bytes()
    };
    let lines = [line("Bytes", usage.bytes), line("Files and directories", usage.files)].into();
    Reply::block(200, &b"Quota of this account:"[..], lines, "End.")
}

/// SITE WHO: the sessions of this account alone. Of others nobody hears anything.
pub(super) fn who(turn: &mut Turn<'_>, argument: &[u8]) -> Reaction {
    if !argument.trim_ascii().is_empty() {
        return super::site::usage("WHO");
    }
    turn.session.ask_for_roster()
}

/// What the server has answered.
pub(crate) fn roster(own: SessionId, seats: &[Seat], count: usize) -> Reply {
    let mut lines: Vec<Vec<u8>> = seats
        .iter()
        .map(|seat| {
            let this = if seat.session == own { " (this one)" } else { "" };
            let since = CivilTime::from_unix(seat.since);
            format!("{} since {since} UTC from {}{this}", seat.session.0, seat.peer).into_bytes()
        })
        .collect();
    let more = count.saturating_sub(seats.len());
    if seats.is_empty() {
        lines.push(format!("Guests: {count}").into_bytes());
    } else if more > 0 {
        lines.push(format!("and {more} more").into_bytes());
    }
    Reply::block(211, &b"Sessions of this account:"[..], lines, "End.")
}
