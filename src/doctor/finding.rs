//! What the doctor has to say.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It was looked at, and is right.
    Ok,
    /// Good to know.
    Note,
    /// Some users will be in trouble, or will be later.
    Warning,
    /// Users are in trouble.
    Error,
}

impl Severity {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What it is about; findings are shown in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The files that say how to serve.
    Configuration,
    /// Control ports and the passive range.
    Ports,
    /// What clients are told to connect to.
    Address,
    /// What stands in the way on this machine.
    Firewall,
    /// How much fits.
    Capacity,
    /// Certificates and what they protect.
    Tls,
    /// Directories and files.
    Files,
    /// The running server, tried from this machine.
    Live,
    /// A server, tried from outside.
    Outside,
}

impl Group {
    /// All, in their order.
    pub const ALL: [Self; 9] = [
        Self::Configuration,
        Self::Ports,
        Self::Address,
        Self::Firewall,
        Self::Capacity,
        Self::Tls,
        Self::Files,
        Self::Live,
        Self::Outside,
    ];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Ports => "ports",
            Self::Address => "address",
            Self::Firewall => "firewall",
            Self::Capacity => "capacity",
            Self::Tls => "tls",
            Self::Files => "files",
            Self::Live => "live",
            Self::Outside => "outside",
        }
    }
}

/// A kind of finding: a row of [`catalogue::ALL`](super::catalogue::ALL).
#[derive(Debug)]
pub struct Kind {
    /// Its name for scripts; it stays.
    pub id: &'static str,
    /// What it is about.
    pub group: Group,
    /// How bad it is.
    pub severity: Severity,
    /// What it means.
    pub meaning: &'static str,
    /// What helps; empty where nothing has to be done.
    pub remedy: &'static str,
}

impl Kind {
    /// It was found.
    pub fn found(&'static self, text: impl Into<String>) -> Finding {
        Finding { kind: self, text: text.into(), fix: None }
    }
}

/// One thing that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which kind.
    pub kind: &'static Kind,
    /// A sentence with the facts of this machine.
    pub text: String,
    /// What to write or run.
    pub fix: Option<String>,
}

impl Finding {
    /// The same, with what helps.
    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

/// Kind, sentence and, on a line of its own, what helps.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:<8}{} [{}]", self.kind.severity.name(), self.text, self.kind.id)?;
        match &self.fix {
            Some(fix) => write!(out, "\n        -> {fix}"),
            None => Ok(()),
        }
    }
}
