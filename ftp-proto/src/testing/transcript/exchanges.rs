//! Which command got which replies, by what the log is told of them.

use crate::command::{self, CommandSpec};
use crate::notice::Notice;
use alloc::vec::Vec;

/// A command line of a client, and the codes of its replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The line, with secrets masked.
    pub line: Vec<u8>,
    /// The codes, in order.
    pub replies: Vec<u16>,
}

impl Exchange {
    /// The row of its verb.
    pub fn spec(&self) -> Option<&'static CommandSpec> {
        command::lookup(&self.line)
    }

    /// Whether its reply comes behind that of the transfer that runs (RFC 959 section 4.1.3). With an argument, which
    /// is wrong, it does not.
    fn waits_for_the_transfer(&self) -> bool {
        let line = self.line.trim_ascii();
        self.spec().is_some_and(|spec| matches!(spec.name, "ABOR" | "QUIT")) && !line.contains(&b' ')
    }
}

/// All of one control connection.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    pub(super) all: Vec<Exchange>,
    /// Codes of replies that no command asked for: the greeting, and the last word of a session that is ended.
    pub(super) unasked: Vec<u16>,
    /// Those that have no final reply yet: at most the transfer that runs, and a command in it.
    unanswered: Vec<usize>,
}

impl Exchanges {
    pub(super) fn observe(&mut self, notice: &Notice) {
        match notice {
            Notice::Command { line } => {
                self.unanswered.push(self.all.len());
                self.all.push(Exchange { line: line.clone(), replies: Vec::new() });
            }
            Notice::Replied { code } => self.replied(*code),
            _ => {}
        }
    }

    fn replied(&mut self, code: u16) {
        let Some(&newest) = self.unanswered.last() else { return self.unasked.push(code) };
        let waits = self.all.get(newest).is_some_and(Exchange::waits_for_the_transfer);
        let is_preliminary = code < 200;
        let position = if waits || is_preliminary { 0 } else { self.unanswered.len() - 1 };
        let Some(&index) = self.unanswered.get(position) else { return };
        if !is_preliminary {
            self.unanswered.remove(position);
        }
        if let Some(exchange) = self.all.get_mut(index) {
            exchange.replies.push(code);
        }
    }
}
