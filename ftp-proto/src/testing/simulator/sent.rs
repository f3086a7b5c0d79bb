//! Commands that a client has sent, and what may be said to them.

use crate::command::docs::ALWAYS;
use crate::command::{Busy, CommandSpec, lookup};
use crate::transfer::{CodePage, Deflate, Kind, Mode, Structure};

/// A command that was sent.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) what: What,
    verb: Verb,
}

/// What the server takes it for.
#[derive(Clone, Copy)]
enum Verb {
    Known(&'static CommandSpec),
    Unknown,
    /// There are bytes in it that Telnet may take out: anything may be left.
    Mangled,
}

/// As far as its reply changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Auth {
        private: bool,
    },
    Prot {
        private: bool,
    },
    Ccc,
    Rein,
    /// TYPE, STRU and MODE.
    Parameter(Parameter),
    /// What may take long.
    Long,
    Noop,
    Other,
}

/// What a transfer is done by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    Kind(Kind),
    Structure(Structure),
    Mode(Mode),
}

/// Commands that may take long.
const LONG: &[&[u8]] =
    &[b"HASH", b"XCRC", b"XSHA", b"MD5 ", b"MMD5", b"DSIZ", b"RMDA", b"COMB", b"SITE CPTO"];

/// To what is no command, or none that is known.
const UNKNOWN: &[u16] = &[500, 501, 502, 530];

impl core::fmt::Debug for Sent {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = match self.verb {
            Verb::Known(spec) => spec.name,
            Verb::Unknown => "?",
            Verb::Mangled => "anything",
        };
        write!(out, "{name} ({:?})", self.what)
    }
}

impl Sent {
    /// This line.
    pub(super) fn of(line: &[u8]) -> Self {
        let verb = match lookup(line) {
            Some(spec) => Verb::Known(spec),
            None if line.iter().all(|byte| matches!(byte, b' '..=b'~')) => Verb::Unknown,
            None => Verb::Mangled,
        };
        Self { what: What::of(line), verb }
    }

    /// Whether its reply may have this code.
    pub(super) fn may_be_answered(&self, code: u16) -> bool {
        match self.verb {
            Verb::Known(spec) => spec.replies.contains(&code) || ALWAYS.contains(&code),
            Verb::Unknown => UNKNOWN.contains(&code),
            Verb::Mangled => true,
        }
    }

    /// Whether others may be answered before it.
    pub(super) fn may_be_overtaken(&self) -> bool {
        match self.verb {
            Verb::Known(spec) => self.what == What::Long || spec.replies.contains(&150),
            Verb::Unknown => self.what == What::Long,
            Verb::Mangled => true,
        }
    }

    /// Whether it may be answered before others.
    pub(super) fn may_overtake(&self) -> bool {
        match self.verb {
            Verb::Known(spec) => spec.busy != Busy::Later,
            Verb::Unknown => false,
            Verb::Mangled => true,
        }
    }
}

impl What {
    fn of(line: &[u8]) -> Self {
        match line {
            b"AUTH TLS" | b"AUTH TLS-C" => Self::Auth { private: false },
            b"AUTH SSL" | b"AUTH TLS-P" => Self::Auth { private: true },
            b"PROT P" => Self::Prot { private: true },
            b"PROT C" => Self::Prot { private: false },
            b"CCC" => Self::Ccc,
            b"REIN" => Self::Rein,
            b"TYPE A" => Self::Parameter(Parameter::Kind(Kind::Ascii)),
            b"TYPE E" => Self::Parameter(Parameter::Kind(Kind::Ebcdic(CodePage::Ibm1047))),
            b"TYPE I" | b"TYPE L 8" => Self::Parameter(Parameter::Kind(Kind::Image)),
            b"STRU F" => Self::Parameter(Parameter::Structure(Structure::File)),
            b"STRU R" => Self::Parameter(Parameter::Structure(Structure::Record)),
            b"MODE S" => Self::Parameter(Parameter::Mode(Mode::Stream)),
            b"MODE B" => Self::Parameter(Parameter::Mode(Mode::Block)),
            b"MODE C" => Self::Parameter(Parameter::Mode(Mode::Compressed)),
            b"MODE Z" => Self::Parameter(Parameter::Mode(Mode::Deflate(Deflate { level: 0, ratio: 0 }))),
            b"NOOP" => Self::Noop,
            _ if LONG.iter().any(|verb| line.starts_with(verb)) => Self::Long,
            _ => Self::Other,
        }
    }

    pub(super) fn of_reply(line: &[u8]) -> Self {
        match line {
            b"234 Begin TLS now.\r\n" => Self::Auth { private: false },
            b"200 The control connection goes on in the clear.\r\n" => Self::Ccc,
            b"220 Ready for a new user.\r\n" => Self::Rein,
            _ => Self::Other,
        }
    }
}
