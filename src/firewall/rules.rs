//! What a firewall has, in one form for all of them: chains of rules that are hooked into the path of a packet.
//! Readers (`read`) make it of what each system prints, and `walk` follows connections through it.

use super::needs::Family;
use super::ports::PortSet;
use ftp_proto::config::Network;
use std::collections::BTreeMap;

/// All chains of a system.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    /// Where packets enter, in no order.
    pub bases: Vec<Base>,
    /// All chains, by the name that jumps use.
    pub chains: BTreeMap<String, Chain>,
    /// What was read but could not be understood as a whole, a sentence each.
    pub doubts: Vec<String>,
    /// Whether a stateful FTP filter is on for the whole system (Windows).
    pub stateful_ftp: bool,
}

/// A chain that packets enter.
#[derive(Clone, Debug)]
pub struct Base {
    /// Where on the packet's path.
    pub hook: Hook,
    /// Lower ones come first.
    pub priority: i64,
    /// The IP versions it sees.
    pub families: Vec<Family>,
    /// The chain.
    pub chain: String,
    /// What becomes of packets that no rule decided.
    pub policy: Verdict,
    /// Whether it only sees the first packet of each connection, or lets all others pass by itself.
    pub first_only: bool,
}

/// Where on a packet's path, in the order of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Before anything else.
    Ingress,
    /// Before it is known whether the packet is for this host.
    Prerouting,
    /// It is for this host.
    Input,
    /// It was made on this host.
    Output,
    /// It leaves.
    Postrouting,
}

impl Hook {
    /// Whether packets to this host pass here, not those it sends.
    pub fn is_inbound(self) -> bool {
        self <= Self::Input
    }
}

/// Rules in order.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// What people call it, like `inet filter input`.
    pub title: String,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// One rule: if all conditions hold, the verdict.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it is called in findings.
    pub title: String,
    /// Its comment, or the name of its service.
    pub comment: Option<String>,
    /// The kernel's number, where there is one.
    pub handle: Option<u64>,
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// What follows.
    pub verdict: Verdict,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes this base chain.
    Accept,
    /// It is gone, silently or with an answer.
    Drop,
    /// Back to the calling chain.
    Return,
    /// To another chain and perhaps back.
    Jump(String),
    /// To another chain, and from there to where this one was called.
    Goto(String),
    /// The next rule.
    Continue,
    /// The FTP helper reads this control connection; the next rule.
    FtpHelper,
    /// It can't be said what becomes of it, for this reason.
    Unclear(String),
}

/// One condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It holds always, or never.
    Constant(bool),
    /// The destination port is one of these (and it is TCP).
    Destination(PortSet),
    /// The source port is one of these (and it is TCP).
    SourcePort(PortSet),
    /// The IP version.
    Family(Family),
    /// The source is in one of these. Clients from anywhere are in none of a few networks.
    From(Vec<Network>),
    /// The destination is in one of these.
    To(Vec<Network>),
    /// The interface on which it comes in; a `*` or `+` at the end stands for anything.
    Inside(Vec<String>),
    /// The interface on which it leaves.
    Outside(Vec<String>),
    /// The state of its connection is one of these.
    State(States),
    /// Of its TCP flags those of the mask are one of these.
    Flags {
        /// Which flags are looked at.
        mask: u8,
        /// How they have to be.
        wanted: Vec<u8>,
    },
    /// Something that no connection is before its first packet was accepted.
    Confirmed,
    /// The destination is an address of this host.
    ToHost,
    /// The program that listens is this one.
    Program(String),
    /// The service that listens is this one.
    Service(String),
    /// Nobody knows, for this reason.
    Unknown(String),
    /// It does not hold.
    Not(Box<Self>),
    /// All of one of these hold.
    Any(Vec<Vec<Self>>),
}

/// Bits of TCP's flags (RFC 9293 section 3.1).
pub mod flags {
    /// The first packet of each side.
    pub const SYN: u8 = 1 << 1;
    /// On the last packet of what a side has to say.
    pub const PSH: u8 = 1 << 3;
    /// All packets but the very first.
    pub const ACK: u8 = 1 << 4;
    /// Their names, the lowest bit first.
    pub const NAMES: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];
}

/// States of connections, as the kernel tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct States(u8);

impl States {
    /// The first packet.
    pub const NEW: Self = Self(1);
    /// Known by a helper.
    pub const RELATED: Self = Self(2);
    /// All packets behind the first.
    pub const ESTABLISHED: Self = Self(4);
    /// All others: none comes up in what is asked here.
    pub const OTHERS: Self = Self(8);

    /// The state of this name.
    pub fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "new" => Self::NEW,
            "related" => Self::RELATED,
            "established" => Self::ESTABLISHED,
            _ => Self::OTHERS,
        }
    }

    /// Any of both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether they have one in common.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Condition {
    /// The opposite.
    #[must_use]
    pub fn negated(self, negated: bool) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(value != negated),
            other if negated => Self::Not(Box::new(other)),
            other => other,
        }
    }
}

impl Rule {
    /// The destination ports it is limited to; `None`: it is not.
    pub fn destination_ports(&self) -> Option<PortSet> {
        let named = self.conditions.iter().filter_map(|condition| match condition {
            Condition::Destination(ports) => Some(ports.clone()),
            Condition::Not(inner) => match &**inner {
                Condition::Destination(ports) => Some(ports.complement()),
                _ => None,
            },
            _ => None,
        });
        named.reduce(|left, right| left.and(&right))
    }

    /// Whether it can't hold for any TCP packet.
    pub fn is_never(&self) -> bool {
        self.conditions.contains(&Condition::Constant(false))
    }

    /// Whether it was made for this service: rules are tagged with its name, alone or before a blank.
    pub fn is_tagged(&self, service: &str) -> bool {
        let tag = self.comment.as_deref().and_then(|comment| comment.strip_prefix(service));
        tag.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }
}

impl Ruleset {
    /// Takes in another one. Names of chains must differ.
    pub fn add(&mut self, other: Self) {
        self.bases.extend(other.bases);
        self.chains.extend(other.chains);
        self.doubts.extend(other.doubts);
        self.stateful_ftp |= other.stateful_ftp;
    }

    /// All rules, each with its chain's key.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.chains.iter().flat_map(|(key, chain)| chain.rules.iter().map(move |rule| (key.as_str(), rule)))
    }
}
