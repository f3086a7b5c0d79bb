//! Commands: one [table](table::COMMANDS) gives dispatch, FEAT, HELP, permissions, docs and the fuzz
//! dictionary. No command is known anywhere else.

mod access;
mod args;
mod client;
pub mod codes;
mod data;
#[cfg(feature = "digests")]
mod digests;
pub mod docs;
mod files;
mod host;
mod information;
mod listings;
mod navigation;
mod own;
mod parameters;
mod security;
pub mod site;
pub mod table;
mod target;
mod transfers;
mod trees;

pub(crate) use data::{established_reply, passive_reply};
pub(crate) use files::{measured, set_modified, time_known};
pub(crate) use own::{roster, usage_known};
pub(crate) use parameters::room_known;
pub(crate) use transfers::append_known;

use crate::account::Rights;
use crate::host::Abilities;
use crate::listing::Facts;
use crate::notice::Notice;
use crate::reply::Reply;
use crate::session::{Reaction, Session, Turn};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use args::{Arg, Syntax};
use table::COMMANDS;

/// One row of the command table.
pub struct CommandSpec {
    /// The verb, in capitals.
    pub name: &'static str,
    /// Other verbs for the same (RFC 775's X forms).
    pub aliases: &'static [&'static str],
    /// What may follow it.
    pub(crate) syntax: Syntax,
    /// When it may come.
    pub stage: Stage,
    /// Whether it may come while a transfer runs.
    pub busy: Busy,
    /// The rights it needs on its path.
    pub needs: Rights,
    /// What has to be switched on for it.
    pub gate: Gate,
    /// Whether it is one that REST is for, and uses a restart point up even when it is refused: a later
    /// transfer must not begin in the middle for its sake.
    pub transfers: bool,
    /// Whether its argument is a secret, which no log may show.
    pub secret: bool,
    /// Its line in FEAT (RFC 2389 section 3).
    pub feat: Feat,
    /// Where it is defined.
    pub source: &'static str,
    /// The codes of the replies that it may get, in order, beside those that any command may get
    /// ([`ALWAYS`](docs::ALWAYS)): the documentation lists them, and a test compares them with the transcripts.
    pub replies: &'static [u16],
    /// Its argument and meaning, for HELP and the documentation.
    pub help: &'static str,
    /// Legal lines: tests parse them, docs show them, fuzzing starts from them.
    pub samples: &'static [&'static str],
    pub(crate) run: fn(&mut Turn<'_>, Arg<'_>) -> Reaction,
}

impl CommandSpec {
    /// What may stand behind the verb.
    pub fn syntax_text(&self) -> &'static str {
        self.parts_of_help().0
    }

    /// What it does.
    pub fn meaning(&self) -> &'static str {
        self.parts_of_help().1
    }

    /// The help without the parentheses at its end, and what they hold.
    fn parts_of_help(&self) -> (&'static str, &'static str) {
        let inner = self.help.strip_suffix(')');
        let parts = inner.and_then(|inner| inner.strip_prefix('(').map(|all| ("", all)));
        parts.or_else(|| inner?.split_once(" (")).unwrap_or((self.help, ""))
    }
}

/// When a command may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// At any time.
    Anytime,
    /// After login.
    LoggedIn,
}

/// Whether a command may come while a transfer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// It waits for the end of the transfer.
    Later,
    /// It runs at once (RFC 959 section 4.1.3, RFC 1123 section 4.1.3.3).
    Now,
    /// It runs at once without an argument. With one it waits: its reply takes several turns, and the transfer's
    /// own would fall into its middle (STAT of a path).
    NowIfAlone,
    /// It runs at once, and stops what runs also from behind commands that wait for its end.
    Stops,
}

/// What has to be switched on for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Nothing.
    Always,
    /// The account's storage can do this.
    Able(Abilities),
    /// Passive mode.
    Passive,
    /// Passive mode, and no device profile that hides EPSV from this client.
    ExtendedPassive,
    /// Active mode.
    Active,
    /// Virtual hosts, or TLS with its certificates for names.
    Hosts,
    /// TLS.
    Tls,
    /// The policy lets this client leave TLS on the control connection.
    ClearCommandChannel,
    /// The policy lets this client have two servers exchange files.
    ServerToServer,
    /// MODE Z.
    Deflate,
}

/// A command's line in FEAT.
#[derive(Clone, Copy)]
pub enum Feat {
    /// None: it is part of RFC 959.
    None,
    /// A fixed one.
    Line(&'static str),
    /// A fixed one for a part of the command, as long as that is switched on.
    Part(Gate, &'static str),
    /// One that depends on what a session selected.
    Computed(fn(Selected) -> Vec<u8>),
}

/// What lines of FEAT depend on: what a session selected by OPTS, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Selected {
    /// Facts for MLST and MLSD.
    pub facts: Facts,
    /// The algorithm of HASH.
    #[cfg(feature = "digests")]
    pub algorithm: crate::digest::Algorithm,
    /// What the account's storage can do.
    pub abilities: Abilities,
}

/// What becomes of a command in a session, decided in one place for dispatch, FEAT and HELP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    Available,
    NotLoggedIn,
    /// Switched off.
    Disabled,
    /// The policy denies it to this client, and the command itself says so.
    Denied,
    /// The account may do this nowhere.
    Forbidden,
}

/// Whether it is switched on.
pub(crate) fn is_open(gate: Gate, session: &Session) -> bool {
    match gate {
        Gate::Always => true,
        // Whose storage it will be nobody knows before the login.
        Gate::Able(wanted) => {
            session.login.account().is_none_or(|account| account.storage.abilities().contains(wanted))
        }
        Gate::Passive => session.config.passive.enabled,
        Gate::ExtendedPassive => session.config.passive.enabled && session.quirks.extended_passive,
        Gate::Active => session.config.active.enabled,
        Gate::Hosts => session.protection.is_offered() || !session.config.hosts.is_empty(),
        Gate::Tls | Gate::ClearCommandChannel | Gate::ServerToServer => session.protection.is_offered(),
        Gate::Deflate => session.config.transfers.deflate,
    }
}

pub(crate) fn availability(spec: &CommandSpec, session: &Session) -> Availability {
    let open = is_open(spec.gate, session);
    let denied = match spec.gate {
        Gate::ClearCommandChannel => !session.tls_policy().clear_command_channel,
        Gate::ServerToServer => !session.tls_policy().server_to_server,
        Gate::Always
        | Gate::Able(_)
        | Gate::Passive
        | Gate::ExtendedPassive
        | Gate::Active
        | Gate::Hosts
        | Gate::Tls
        | Gate::Deflate => false,
    };
    if open && denied {
        return Availability::Denied;
    }
    match (open, spec.stage, session.login.account()) {
        (false, ..) => Availability::Disabled,
        (true, Stage::LoggedIn, None) => Availability::NotLoggedIn,
        (true, Stage::LoggedIn, Some(account)) if !account.rights.anywhere(spec.needs) => {
            Availability::Forbidden
        }
        (true, ..) => Availability::Available,
    }
}

/// The row of a verb, in any case.
// req: 959-5.3-case, 1123-4.1.3.1-x-verbs, 1123-4.1.4.2-quote, 3659-3.1-any-case, 5797-3-x-verbs
pub fn find(verb: &[u8]) -> Option<&'static CommandSpec> {
    let capitals = || verb.iter().map(u8::to_ascii_uppercase);
    match COMMANDS.binary_search_by(|spec| spec.name.bytes().cmp(capitals())) {
        Ok(row) => COMMANDS.get(row),
        Err(_) => COMMANDS
            .iter()
            .find(|spec| spec.aliases.iter().any(|alias| alias.as_bytes().eq_ignore_ascii_case(verb))),
    }
}

/// The row of a command line's verb.
pub fn lookup(line: &[u8]) -> Option<&'static CommandSpec> {
    find(split(line).0)
}

/// Cuts a line into verb and argument: one space stands between them, whatever follows is the argument's own.
// req: 3659-2.2-one-space
pub(crate) fn split(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match line.iter().position(|&byte| byte == b' ') {
        Some(space) => (line.get(..space).unwrap_or_default(), line.get(space + 1..)),
        None => (line, None),
    }
}

/// Whether a queued line may run while a transfer does.
// req: 959-2.3-commands-and-data-at-once, 959-4.1-many-in-a-transfer, 959-4.1.1-rein-in-a-transfer
// req: 959-4.1.1-user-in-a-transfer, 1123-4.1.3.3-at-once, 4217-14-stat-abor
pub(crate) fn runs_now(line: &[u8]) -> bool {
    let (verb, argument) = split(line);
    find(verb).is_some_and(|spec| match spec.busy {
        Busy::Later => false,
        Busy::Now | Busy::Stops => true,
        Busy::NowIfAlone => argument.is_none_or(|text| text.trim_ascii().is_empty()),
    })
}

/// Whether a queued line stops what runs. `None`: it does not, nor would it begin what a stop behind it could be for.
pub(crate) fn stops(line: &[u8]) -> Option<bool> {
    let (verb, argument) = split(line);
    let spec = find(verb)?;
    let begins = spec.replies.contains(&150);
    // With an argument it is refused.
    let stops = spec.busy == Busy::Stops && argument.is_none_or(|text| text.trim_ascii().is_empty());
    (begins || stops).then_some(!begins)
}

/// Runs one command line.
// req: 959-4.2-every-command
pub(crate) fn run(turn: &mut Turn<'_>, line: &[u8]) -> Reaction {
    if turn.session.hangs_up(turn.now, line, true) {
        return Reaction::Silent;
    }
    let (verb, argument) = split(line);
    if turn.session.config.notify_commands {
        turn.session.notify(Notice::Command { line: masked(line) });
    }
    turn.session.modes.begin_command();
    let Some(spec) = find(verb) else { return unknown(verb) };
    let text = in_utf_8(turn.session, spec, argument.unwrap_or_default());
    match text.as_ref().map_err(Reply::clone).and_then(|text| checked(turn.session, spec, text)) {
        Ok(arg) => (spec.run)(turn, arg),
        Err(reply) => {
            if spec.transfers {
                turn.session.modes.set_restart(0);
            }
            reply.into()
        }
    }
}

/// The argument of a command that may run now, in UTF-8 whatever its characters are on the wire. What comes before login
/// holds no names of files and stays as it is: a password is bytes.
// req: 959-4.2.2-530
fn in_utf_8<'a>(session: &Session, spec: &CommandSpec, argument: &'a [u8]) -> Result<Cow<'a, [u8]>, Reply> {
    match availability(spec, session) {
        Availability::Available | Availability::Denied => {}
        Availability::NotLoggedIn => return Err(Reply::new(530, "Log in first.")),
        Availability::Disabled => return Err(Reply::new(502, "That command is switched off here.")),
        Availability::Forbidden => return Err(Reply::new(550, "Permission denied.")),
    }
    if spec.stage == Stage::Anytime {
        return Ok(Cow::Borrowed(argument));
    }
    let charset = session.charset();
    charset.decode(argument).map_err(|_| {
        let name = charset.label();
        Reply::with(501, alloc::format!("That is no text in {name}; OPTS UTF8 ON changes to UTF-8."))
    })
}

/// The argument as its verb needs it, or the reply that refuses it.
fn checked<'a>(session: &Session, spec: &CommandSpec, argument: &'a [u8]) -> Result<Arg<'a>, Reply> {
    let arg = args::parse(spec.syntax, argument, &session.modes.directory)
        .map_err(|problem| problem.reply(spec))?;
    match (&arg, session.login.account()) {
        (Arg::Path(path), Some(account)) if !account.rights.on(path).contains(spec.needs) => {
            Err(Reply::new(550, "Permission denied."))
        }
        _ => Ok(arg),
    }
}

// req: 959-4.2.2-500, 959-4.2.2-502, 959-5.4-smnt, 2228-3-adat, 2228-3-mic-conf-enc, 5797-3-recognised
fn unknown(verb: &[u8]) -> Reaction {
    if table::is_not_implemented(verb) {
        return Reply::new(502, "Command not implemented.").into();
    }
    Reply::new(500, "Unknown command.").into()
}

/// A line for the log, without secrets: not behind PASS, not behind a PASS that is none, since a tab follows it
/// or something stands before it, and not behind a verb that nobody knows: it may be a PASS with a slip of the
/// finger, or another server's way to change a password (`SITE PSWD`).
// req: 959-4.1.1-pass-secret
fn masked(line: &[u8]) -> Vec<u8> {
    let start = line.iter().position(u8::is_ascii_alphabetic).unwrap_or(0);
    let begin = |name: &str| line.get(start..start + name.len());
    let secrets = COMMANDS.iter().filter(|spec| spec.secret);
    let mut words = secrets
        .filter_map(|spec| begin(spec.name).filter(|word| word.eq_ignore_ascii_case(spec.name.as_bytes())));
    if let Some(word) = words.next() {
        return [word, b" ****"].concat();
    }
    let (verb, argument) = split(line);
    match argument {
        Some(text) if verb.eq_ignore_ascii_case(b"SITE") => match split(text) {
            (own, Some(_)) if site::find(own).is_none() => [verb, b" ", own, b" ****"].concat(),
            _ => line.to_vec(),
        },
        Some(_) if find(verb).is_none() && !table::is_not_implemented(verb) => [verb, b" ****"].concat(),
        _ => line.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_may_stand() {
        for line in [
            &b"PASS secret"[..],
            b"pass secret",
            b" PASS secret",
            b"PASSsecret",
            b"PASS\tsecret",
            b"\xffPASS secret",
            b"ACCT secret",
            b"P@SS secret",
            b"PSAS secret",
            b"QUOTE PASS secret",
            b"SITE PSWD secret secret",
        ] {
            let shown = masked(line);
            assert!(shown.ends_with(b" ****"), "{}", shown.escape_ascii());
            assert!(!shown.windows(6).any(|part| part == b"secret"), "{}", shown.escape_ascii());
        }
        for line in
            ["RETR a b", "site chmod 644 a", "SITE HELP", "XSHA256 a", "NOSUCH", "PASV", "P@SW", "PBSZ 0"]
        {
            assert_eq!(masked(line.as_bytes()), line.as_bytes());
        }
    }
}
