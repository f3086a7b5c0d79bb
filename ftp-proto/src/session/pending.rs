//! Commands that wait for an answer from outside: plain data, resumed by one `match`.

use super::link::Link;
use super::listings::{self, StatListing};
use super::timers::Timer;
use super::{Login, Reaction, Session, Turn};
use crate::account::{Account, Credentials};
use crate::advertise::Advertised;
use crate::command;
use crate::diagnose::{Form, Setup};
use crate::event::{Done, Part, Ticket};
use crate::host::{File, Metadata, StorageError};
use crate::listing::{Listing, Walk};
use crate::notice::Notice;
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::time::{CivilTime, Instant, Now};
use crate::transfer::{Coding, Kind, Pipe};
use alloc::boxed::Box;
use alloc::string::String;

/// What a command waits for, and what it needs to go on. What is large is apart: most sessions wait for nothing.
pub(crate) enum Pending {
    /// PASS: whether the client may try at all.
    Attempt { credentials: Box<Credentials>, at: Instant },
    /// PASS, which came at this time: whether the login is right.
    Login { user: String, at: Instant },
    /// USER: whether the certificate is enough.
    CertificateLogin { user: String },
    /// PASS: the reply to a wrong one is held back. `end` says why the session ends with it, if it does.
    LoginDelay { reply: Reply, end: Option<&'static str>, at: Instant },
    /// PASV, EPSV, LPSV: a port.
    Lease { form: Form },
    /// SITE WHO: the account's sessions.
    Roster,
    /// ESTA, ESTP: the data connection.
    Established { active: bool },
    /// A command that only asks for metadata.
    Metadata(VirtualPath, fn(&mut Turn<'_>, VirtualPath, &Metadata) -> Reaction),
    /// MDTM, whose argument is a path unless there is nothing of that name: then it sets this time of this path.
    NoSuchFile(CivilTime, VirtualPath),
    /// SIZE, where the file has to be read for it.
    Measure,
    /// STOR behind REST and APPE of an account that may only append: how long the file is. `at`: where to begin.
    Append { verb: &'static str, path: VirtualPath, at: Option<u64> },
    /// AVBL: how many bytes.
    Measured,
    /// ALLO: whether there is room for so many bytes, and the code of the reply.
    Room { wanted: u64, code: u16 },
    /// SITE QUOTA.
    Usage,
    /// A command that changes something.
    Change(Box<Change>),
    /// A transfer command: its file or directory.
    Open(Box<Opening>),
    /// STAT of a path.
    Stat(Box<StatListing>),
    /// STAT of a path, while the client does not read what was sent already.
    StatPaused(Box<StatListing>, Box<Walk>),
}

impl Pending {
    /// Whether a job's answer is what it waits for.
    pub(super) fn awaits_job(&self) -> bool {
        match self {
            Self::Attempt { .. }
            | Self::LoginDelay { .. }
            | Self::Lease { .. }
            | Self::Roster
            | Self::Established { .. }
            | Self::StatPaused(..) => false,
            Self::Login { .. }
            | Self::CertificateLogin { .. }
            | Self::Metadata(..)
            | Self::NoSuchFile(..)
            | Self::Measure
            | Self::Append { .. }
            | Self::Measured
            | Self::Room { .. }
            | Self::Usage
            | Self::Change(_)
            | Self::Open(_)
            | Self::Stat(_) => true,
        }
    }
}

/// A change, and what is said when it is done.
pub(crate) struct Change {
    pub(crate) verb: &'static str,
    pub(crate) path: VirtualPath,
    pub(crate) to: Option<VirtualPath>,
    pub(crate) reply: Reply,
}

/// What a transfer command opens.
pub(crate) enum Opening {
    Download {
        path: VirtualPath,
        part: Part,
        /// So many octets of what goes over the wire are left out at the beginning.
        skip: u64,
        coding: Coding,
    },
    Upload {
        verb: &'static str,
        path: VirtualPath,
        coding: Coding,
    },
    Unique {
        coding: Coding,
    },
    Listing {
        verb: &'static str,
        path: VirtualPath,
        listing: Listing,
        directories_only: bool,
        coding: Coding,
    },
}

impl Session {
    pub(super) fn done(&mut self, now: Now, ticket: Ticket, done: Done) {
        let Some(done) = self.work_done(now, ticket, done) else { return };
        let Some((_, pending)) = self.pending.take_if(|(awaited, _)| *awaited == ticket) else { return };
        if matches!(done, Done::Panicked) {
            return self.finish(
                now,
                Reply::new(421, "Internal error; closing the connection."),
                "internal error",
            );
        }
        let reaction = resume(&mut Turn { now, session: self }, pending, done);
        self.react(now, reaction);
    }

    /// PASV, EPSV and LPSV come to their end.
    pub(super) fn lease_answered(&mut self, now: Now, answer: Result<Advertised, Reply>) {
        let Some((_, Pending::Lease { form })) =
            self.pending.take_if(|(_, pending)| matches!(pending, Pending::Lease { .. }))
        else {
            return;
        };
        let reply = match answer {
            Ok(advertised) => command::passive_reply(advertised, form),
            Err(reply) => reply,
        };
        self.reply(reply);
        self.rearm_idle(now);
    }

    /// ESTA and ESTP: answered as soon as there is a data connection, or none any more.
    pub(crate) fn establish(&mut self, now: Now, active: bool) -> Reaction {
        let is_active = matches!(self.link.setup(), Some(Setup::Active { .. }));
        if self.link.setup().is_none() || is_active != active {
            return Reply::new(520, "No data connection of that kind was asked for.").into();
        }
        if let Link::Given(_) = &self.link {
            self.dial(now);
        }
        match self.established(active) {
            Some(reply) => reply.into(),
            None => Reaction::Await(Pending::Established { active }),
        }
    }

    /// What there is to say of the data connection, if it is decided.
    fn established(&mut self, active: bool) -> Option<Reply> {
        let passive_end = match core::mem::take(&mut self.link) {
            Link::Lost(lost) => return Some(self.lost_reply(lost)),
            link => {
                self.link = link;
                match &self.link {
                    Link::Ready(ready) => Some(ready.peer),
                    Link::Waiting(waiting) => waiting.likely().and_then(|link| self.link.peer_of(link)),
                    Link::Dialing(_) => None,
                    _ => return Some(Reply::new(425, "There is no data connection.")),
                }
            }
        };
        let end = if active { passive_end.and(self.own_end) } else { passive_end };
        end.map(|end| command::established_reply(end, active))
    }

    /// Something has become of the data connection.
    pub(super) fn answer_established(&mut self, now: Now) {
        if let Some((_, Pending::Established { active })) = self.pending
            && let Some(reply) = self.established(active)
        {
            self.pending = None;
            self.reply(reply);
            self.rearm_idle(now);
        }
    }
}

// req: 959-4.2.2-230, 2228-4-232
fn resume(turn: &mut Turn<'_>, pending: Pending, done: Done) -> Reaction {
    match (pending, done) {
        (Pending::Login { user, .. }, Done::Login(Ok(account))) => {
            logged_in(turn, user, account, Reply::new(230, "Logged in."))
        }
        (Pending::CertificateLogin { user }, Done::Login(Ok(account))) => {
            // RFC 2228 section 4: no password is needed.
            logged_in(turn, user, account, Reply::new(232, "Logged in by your certificate."))
        }
        (Pending::CertificateLogin { user }, Done::Login(Err(_))) => turn.ask_for_password(Some(user)),
        (Pending::Login { user, at }, Done::Login(Err(error))) => turn.login_failed(Some(user), error, at),
        (Pending::Metadata(path, next), Done::Metadata(Ok(metadata))) => next(turn, path, &metadata),
        (Pending::NoSuchFile(..), Done::Metadata(Ok(metadata))) => {
            command::time_known(turn, VirtualPath::root(), &metadata)
        }
        (Pending::NoSuchFile(time, path), Done::Metadata(Err(StorageError::NotFound))) => {
            command::set_modified(turn, "MDTM", time, path)
        }
        (Pending::Measure, Done::Octets(Ok(octets))) => command::measured(octets).into(),
        (Pending::Append { verb, path, at }, Done::Metadata(Ok(metadata))) => {
            command::append_known(turn, verb, path, at, metadata.size)
        }
        (Pending::Measured, Done::Measured(Ok(bytes))) => Reply::with(213, alloc::format!("{bytes}")).into(),
        (Pending::Room { wanted, code }, Done::Measured(available)) => {
            command::room_known(wanted, code, available.ok()).into()
        }
        (Pending::Usage, Done::Usage(Ok(usage))) => command::usage_known(usage).into(),
        (Pending::Change(change), Done::Changed(Ok(()))) => changed(turn, *change),
        (Pending::Open(opening), Done::File(Ok(file))) => opened(turn, *opening, file),
        (Pending::Open(opening), Done::Unique(Ok((path, file)))) => match *opening {
            Opening::Unique { coding } => unique(turn, path, file, coding),
            _ => failed(turn, Done::Panicked),
        },
        (Pending::Open(opening), Done::Listing(Ok((walk, is_dir)))) => {
            listings::opened(turn, *opening, walk, is_dir)
        }
        (Pending::Stat(stat), Done::Listing(Ok((walk, is_dir)))) => {
            listings::begin_status(turn, stat, walk, is_dir)
        }
        (Pending::Stat(stat), Done::Lines(lines)) => listings::go_on(turn, stat, lines),
        (_, done) => failed(turn, done),
    }
}

/// The backend said no, or answered another question (which only a broken adapter does).
pub(super) fn failed(turn: &mut Turn<'_>, done: Done) -> Reaction {
    let error = match done {
        Done::Metadata(Err(error))
        | Done::Octets(Err(error))
        | Done::Changed(Err(error))
        | Done::Measured(Err(error))
        | Done::Usage(Err(error))
        | Done::File(Err(error))
        | Done::Unique(Err(error))
        | Done::Listing(Err(error)) => error,
        _ => StorageError::Io(String::from("the backend gave an answer to another question")),
    };
    turn.session.storage_failed(&error).into()
}

// req: 959-4.1.1-acct
fn logged_in(turn: &mut Turn<'_>, user: String, account: Account, reply: Reply) -> Reaction {
    let session = &mut *turn.session;
    // Who keeps the accounts may know somebody by another name than the one that was typed.
    if let Err(reply) = session.check_login_protection(Some(&account.name)) {
        session.set_login(Login::Nobody);
        return reply.into();
    }
    session.timers.clear(Timer::Login);
    session.modes.directory = account.home.clone();
    session.set_login(Login::In(Box::new(account)));
    session.notify(Notice::LoggedIn { user: user.clone() });
    session.enter(user);
    session.recall_habits();
    reply.into()
}

fn changed(turn: &mut Turn<'_>, change: Change) -> Reaction {
    let Change { verb, path, to, reply } = change;
    turn.session.notify(Notice::Changed { verb, path, to });
    reply.into()
}

// req: 3659-5.3-beyond
fn opened(turn: &mut Turn<'_>, opening: Opening, file: Box<dyn File>) -> Reaction {
    let kind = |coding: Coding| match coding.kind {
        // Some clients look for this word.
        Kind::Image => "BINARY",
        kind => kind.name(),
    };
    match opening {
        Opening::Download { path, part, skip, coding } => {
            let (file, offset) = match part.of(file) {
                Ok(cut) => cut,
                Err(error) => return Reply::storage(&error).into(),
            };
            let size = file.size();
            let kind = kind(coding);
            let text = match size.filter(|_| coding.keeps_offsets()) {
                Some(size) => {
                    alloc::format!("Opening {kind} mode data connection ({} bytes).", size - offset)
                }
                None => alloc::format!("Opening {kind} mode data connection."),
            };
            let pipe = Pipe::download(file, offset, None, coding).skipping(skip);
            turn.session.begin_transfer(turn.now, "RETR", path, pipe, text.into_bytes());
        }
        Opening::Upload { verb, path, coding } => {
            let text = alloc::format!("Opening {} mode data connection.", kind(coding)).into_bytes();
            turn.session.begin_transfer(turn.now, verb, path, Pipe::upload(file, coding), text);
        }
        Opening::Unique { .. } | Opening::Listing { .. } => return failed(turn, Done::Panicked),
    }
    Reaction::Silent
}

/// RFC 1123 section 4.1.2.9: the name stands in the 150 reply as `FILE: name`; the whole path, if that is not in
/// the current directory.
// req: 1123-4.1.2.9-150, 1123-4.1.2.9-name
fn unique(turn: &mut Turn<'_>, path: VirtualPath, file: Box<dyn File>, coding: Coding) -> Reaction {
    let here = path.parent() == turn.session.modes.directory;
    let text = [&b"FILE: "[..], if here { path.name() } else { path.as_bytes() }].concat();
    turn.session.begin_transfer(turn.now, "STOU", path, Pipe::upload(file, coding), text);
    Reaction::Silent
}
