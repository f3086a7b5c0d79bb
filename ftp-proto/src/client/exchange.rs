//! Steps that are nothing but commands and replies.

use super::Step;
use super::reply::Reply;
use alloc::string::String;

/// Commands sent one after the other, each when the one before was answered well.
#[derive(Debug)]
pub(super) struct Exchange {
    lines: [Option<(&'static str, String)>; 2],
    at: usize,
    then: Then,
}

/// What a good end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    Tls,
    Protected,
    Gone,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Refused,
    Go,
    Secure,
    Done,
}

impl Exchange {
    /// The commands of a step. `None`: an argument can't be sent (or it is a transfer).
    pub(super) fn of(step: Step) -> Option<Self> {
        let line = |command: &'static str, argument: &str| {
            let sane = !argument.contains(['\r', '\n', '\0']);
            sane.then(|| (command, join(command, argument)))
        };
        let one = |command, argument: &str, then| {
            Some(Self { lines: [Some(line(command, argument)?), None], at: 0, then })
        };
        match step {
            Step::Secure => one("AUTH", "TLS", Then::Tls),
            Step::ProtectData => {
                Some(Self { lines: [line("PBSZ", "0"), line("PROT", "P")], at: 0, then: Then::Protected })
            }
            Step::Login { user, password } => Some(Self {
                lines: [Some(line("USER", &user)?), Some(line("PASS", &password)?)],
                at: 0,
                then: Then::Nothing,
            }),
            Step::Features => one("FEAT", "", Then::Nothing),
            Step::System => one("SYST", "", Then::Nothing),
            Step::Directory => one("PWD", "", Then::Nothing),
            Step::Binary => one("TYPE", "I", Then::Nothing),
            Step::Delete(path) => one("DELE", &path, Then::Nothing),
            Step::Quit => one("QUIT", "", Then::Gone),
            Step::Transfer(_) => None,
        }
    }

    fn current(&self) -> Option<&(&'static str, String)> {
        self.lines.get(self.at).and_then(Option::as_ref)
    }

    /// The verb that waits for its reply.
    pub(super) fn command(&self) -> &'static str {
        self.current().map_or("nothing", |(command, _)| command)
    }

    /// The line to send.
    pub(super) fn line(&self) -> &str {
        self.current().map_or("", |(_, line)| line)
    }

    /// Takes the reply to the line.
    pub(super) fn answer(&mut self, reply: &Reply) -> Next {
        let asks_for_more = self.command() == "USER" && reply.code == 331;
        if !reply.is_success() && !asks_for_more {
            return Next::Refused;
        }
        // Who is in without a password is not asked for one.
        if self.command() == "USER" && !asks_for_more {
            return Next::Done;
        }
        self.at += 1;
        match (self.current(), self.then) {
            (Some(_), _) => Next::Go,
            (None, Then::Tls) => Next::Secure,
            (None, _) => Next::Done,
        }
    }

    /// Data connections are under TLS from here on.
    pub(super) fn protects(&self) -> bool {
        self.then == Then::Protected
    }

    /// The server closes now.
    pub(super) fn ends(&self) -> bool {
        self.then == Then::Gone
    }
}

/// A command line without its end.
pub(super) fn join(command: &str, argument: &str) -> String {
    let space = if argument.is_empty() { "" } else { " " };
    alloc::format!("{command}{space}{argument}")
}
