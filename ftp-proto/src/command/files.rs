//! Files and directories without a transfer: DELE RMD MKD RNFR RNTO SIZE MDTM MFMT MFCT MFF MLST and SITE CHMOD.

use super::args::Arg;
use super::navigation::named;
use crate::account::Rights;
use crate::event::{FileJob, NewFacts};
use crate::host::{Abilities, Metadata};
use crate::listing::{mlst_line, permissions};
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::session::{Change, Pending, Reaction, Turn};
use crate::time::CivilTime;
use crate::transfer::{Coding, Mode};
use alloc::boxed::Box;
use alloc::vec::Vec;

const DENIED: Reply = Reply::new(550, "Permission denied.");

impl Turn<'_> {
    pub(super) fn change(
        &mut self,
        verb: &'static str,
        path: VirtualPath,
        reply: Reply,
        job: impl FnOnce(VirtualPath) -> FileJob,
    ) -> Reaction {
        self.files(job, path, |path| Pending::Change(Box::new(Change { verb, path, to: None, reply })))
    }

    pub(super) fn may(&self, path: &VirtualPath, rights: Rights) -> bool {
        self.session.login.account().is_some_and(|account| account.rights.on(path).contains(rights))
    }
}

// req: 959-4.1.3-dele, 959-4.2.2-250
pub(super) fn dele(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    turn.change("DELE", path, Reply::new(250, "Deleted."), FileJob::RemoveFile)
}

// req: 959-4.1.3-rmd
pub(super) fn rmd(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    if path.is_root() {
        return DENIED.into();
    }
    turn.change("RMD", path, Reply::new(250, "The directory is removed."), FileJob::RemoveDirectory)
}

// req: 959-4.1.3-mkd
pub(super) fn mkd(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    let reply = Reply::with(257, named(b"", &path, b" was made."));
    turn.change("MKD", path, reply, FileJob::MakeDirectory)
}

pub(super) fn rnfr(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    // What a rule by path forbids must not become allowed under another path.
    let ruled = turn.session.login.account().is_none_or(|account| account.rights.rule_within(&path));
    if path.is_root() || ruled {
        return DENIED.into();
    }
    turn.files(FileJob::Metadata, path, |path| Pending::Metadata(path, rename_from))
}

// req: 959-4.2-sequences, 959-4.2.2-350
fn rename_from(turn: &mut Turn<'_>, path: VirtualPath, _: &Metadata) -> Reaction {
    turn.session.modes.set_rename_from(path);
    Reply::new(350, "Send the new name by RNTO.").into()
}

// req: 959-4.1.3-rnto, 959-4.2.2-503
pub(super) fn rnto(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(to) = arg else { return Reaction::Silent };
    let Some(from) = turn.session.modes.take_renaming() else {
        return Reply::new(503, "Send RNFR first.").into();
    };
    if to.is_root() || to.starts_with(&from) && to != from {
        return Reply::new(553, "A directory can't be moved into itself.").into();
    }
    if to.parent() != from.parent() && !turn.may(&to, Rights::CREATE) {
        return DENIED.into();
    }
    // Or a rule that keeps somebody from reading would be left by a move.
    if turn.may(&to, Rights::READ) && !turn.may(&from, Rights::READ) {
        return DENIED.into();
    }
    let replace = turn.may(&to, Rights::OVERWRITE);
    let target = to.clone();
    turn.files(
        |from| FileJob::Rename { from, to: target, replace },
        from,
        |path| {
            let reply = Reply::new(250, "Renamed.");
            Pending::Change(Box::new(Change { verb: "RNTO", path, to: Some(to), reply }))
        },
    )
}

/// RFC 3659 section 4: what a transfer would send, under the parameters that hold now. Where that is more or less than
/// what is stored the file has to be read. What goes into a block, and how well something is compressed, nobody knows
/// before it is sent.
// req: 3659-4-exact, 3659-4-parameters, 3659-4.2-550
pub(super) fn size(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    let coding = turn.session.coding();
    if coding.has_markers() {
        return Reply::new(550, "SIZE needs MODE S.").into();
    }
    // In MODE Z clients mean what is compressed, and nobody knows what becomes of that.
    let coding = Coding { mode: Mode::Stream, ..coding };
    if !coding.keeps_offsets() {
        // It tells something of what is in it: how many lines there are.
        if !turn.may(&path, Rights::READ) {
            return DENIED.into();
        }
        return turn.files(|path| FileJob::Measure(path, coding), path, |_| Pending::Measure);
    }
    turn.files(FileJob::MetadataToResume, path, |path| Pending::Metadata(path, size_known))
}

// req: 959-4.2.2-213, 3659-4.1-213
fn size_known(_: &mut Turn<'_>, _: VirtualPath, metadata: &Metadata) -> Reaction {
    if metadata.is_file() {
        Reply::with(213, alloc::format!("{}", metadata.size)).into()
    } else {
        Reply::new(550, "It is not a file.").into()
    }
}

/// SIZE: the file was read.
pub(crate) fn measured(octets: Option<u64>) -> Reply {
    octets.map_or(
        Reply::new(550, "The file is too long to be read for its size; SIZE needs TYPE I."),
        |octets| Reply::with(213, alloc::format!("{octets}")),
    )
}

/// RFC 3659 section 3. Older clients set the time by it, as in `MDTM 20261125100000 a.txt` (NcFTP, lftp, and vsftpd serves
/// them): so it is read if there is no file of that whole name.
pub(super) fn mdtm(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    match arg {
        Arg::Path(path) => {
            turn.files(FileJob::MetadataToResume, path, |path| Pending::Metadata(path, time_known))
        }
        Arg::Either(whole, time, path) if turn.may(&whole, Rights::LIST) => {
            turn.files(FileJob::MetadataToResume, whole, |_| Pending::NoSuchFile(time, path))
        }
        Arg::Either(_, time, path) => set_modified(turn, "MDTM", time, path),
        _ => Reaction::Silent,
    }
}

// req: 3659-3.1-213, 3659-3.1-not-retrievable, 3659-3.2-550
pub(crate) fn time_known(_: &mut Turn<'_>, _: VirtualPath, metadata: &Metadata) -> Reaction {
    let time = CivilTime::from_unix(metadata.modified);
    if !time.can_be_told() {
        return Reply::new(550, "Its time can't be told: the year has no four digits.").into();
    }
    Reply::with(213, alloc::format!("{time}")).into()
}

pub(super) fn mfmt(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::TimeAndPath(time, path) = arg else { return Reaction::Silent };
    set_modified(turn, "MFMT", time, path)
}

pub(crate) fn set_modified(
    turn: &mut Turn<'_>,
    verb: &'static str,
    time: CivilTime,
    path: VirtualPath,
) -> Reaction {
    if !turn.may(&path, Rights::ATTRIBUTES) {
        return DENIED.into();
    }
    let text = [alloc::format!("Modify={time}; ").as_bytes(), path.as_bytes()].concat();
    turn.change(verb, path, Reply::with(213, text), |path| FileJob::SetModified(path, time.to_unix()))
}

pub(super) fn mfct(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::TimeAndPath(time, path) = arg else { return Reaction::Silent };
    if !turn.may(&path, Rights::ATTRIBUTES) {
        return DENIED.into();
    }
    let text = [alloc::format!("Create={time}; ").as_bytes(), path.as_bytes()].concat();
    turn.change("MFCT", path, Reply::with(213, text), |path| FileJob::SetCreated(path, time.to_unix()))
}

/// Facts that MFF can set: the name, what the storage must be able to do, and how the value is read.
type Settable = (&'static str, Abilities, fn(&[u8], &mut NewFacts) -> bool);

const SETTABLE: &[Settable] = &[
    ("Modify", Abilities::NONE, |value, facts| {
        facts.modified = CivilTime::parse(value).map(|time| time.to_unix());
        facts.modified.is_some()
    }),
    ("Create", Abilities::SET_CREATED, |value, facts| {
        facts.created = CivilTime::parse(value).map(|time| time.to_unix());
        facts.created.is_some()
    }),
    ("UNIX.mode", Abilities::SET_PERMISSIONS, |value, facts| {
        facts.mode = octal_mode(value);
        facts.mode.is_some()
    }),
];

/// At most `0o7777`.
pub(super) fn octal_mode(text: &[u8]) -> Option<u32> {
    let digits = text.iter().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = core::str::from_utf8(text).ok().filter(|_| digits)?;
    u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777)
}

/// The line of FEAT: what the account's storage can set.
pub(super) fn mff_feature(selected: super::Selected) -> Vec<u8> {
    let able = SETTABLE.iter().filter(|(_, needs, _)| selected.abilities.contains(*needs));
    let names: Vec<u8> = able.flat_map(|(name, ..)| [name.as_bytes(), b";"].concat()).collect();
    [b"MFF ", names.as_slice()].concat()
}

/// draft-somers-ftp-mfxx-04 section 3.3: if one can't be set, none is.
pub(super) fn mff(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let usage = || Reply::new(501, "The argument is wrong; the syntax is MFF <fact>=<value>; ... <path>");
    // The path is what stands behind the first space, as in MLST.
    let (facts, name) = super::split(text);
    let Some(name) = name.filter(|name| !name.is_empty() && facts.ends_with(b";")) else {
        return usage().into();
    };
    let abilities = turn.session.login.account().map(|account| account.storage.abilities());
    let (mut new, mut said) = (NewFacts::default(), Vec::new());
    for pair in facts.split(|&byte| byte == b';').filter(|pair| !pair.is_empty()) {
        let mut parts = pair.splitn(2, |&byte| byte == b'=');
        let (Some(fact), Some(value)) = (parts.next(), parts.next()) else { return usage().into() };
        let known = SETTABLE.iter().find(|(name, needs, _)| {
            name.as_bytes().eq_ignore_ascii_case(fact) && abilities.unwrap_or_default().contains(*needs)
        });
        let Some((fact, _, take)) = known else {
            return Reply::new(504, "That fact can't be set here; nothing is changed.").into();
        };
        if !take(value, &mut new) {
            return usage().into();
        }
        said.extend_from_slice(&[fact.as_bytes(), b"=", value, b";"].concat());
    }
    let path = match super::args::resolved(&turn.session.modes.directory, name) {
        Ok(path) => path,
        Err(reply) => return reply.into(),
    };
    if !turn.may(&path, Rights::ATTRIBUTES) {
        return DENIED.into();
    }
    let text = [said.as_slice(), b" ", path.as_bytes()].concat();
    turn.change("MFF", path, Reply::with(213, text), |path| FileJob::SetFacts(path, new))
}

// req: 3659-2.2.2-no-patterns, 3659-7.1-mlst
pub(super) fn mlst(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    turn.files(FileJob::Metadata, path, |path| Pending::Metadata(path, facts_known))
}

// req: 3659-7.2-250, 3659-7.3.1-full-path
fn facts_known(turn: &mut Turn<'_>, path: VirtualPath, metadata: &Metadata) -> Reaction {
    let mut line = Vec::new();
    let account = turn.session.login.account();
    let perm = account.map(|account| permissions(&account.rights, &path, metadata.kind));
    mlst_line(turn.session.modes.facts, metadata, perm.as_deref(), path.as_bytes(), &mut line);
    Reply::block(250, &b"Facts:"[..], alloc::vec![line], "End.").into()
}

/// SITE CHMOD: octal digits, then a path.
pub(super) fn chmod(turn: &mut Turn<'_>, argument: &[u8]) -> Reaction {
    let (mode, path) = super::split(argument.trim_ascii_start());
    let (Some(mode), Some(path)) = (octal_mode(mode), path.filter(|path| !path.is_empty())) else {
        return super::site::usage("CHMOD");
    };
    let path = match super::args::resolved(&turn.session.modes.directory, path) {
        Ok(path) => path,
        Err(reply) => return reply.into(),
    };
    if !turn.may(&path, Rights::ATTRIBUTES) {
        return DENIED.into();
    }
    turn.change("SITE CHMOD", path, Reply::new(200, "The mode is changed."), |path| {
        FileJob::SetPermissions(path, mode)
    })
}
