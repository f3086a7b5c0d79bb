//! What is known of data connections from where a client is: the facts a verdict is made of.

use core::fmt;
use core::net::IpAddr;

/// A network of clients: the addresses that are alike in their first 24 bits (IPv4) or 64 bits (IPv6). What stands
/// between them and the server is the same as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Neighbourhood(IpAddr);

impl Neighbourhood {
    /// The one of this address; an IPv4-mapped one counts as IPv4.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4((address.to_bits() & !0xff).into()),
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        })
    }
}

/// `203.0.113.0/24`, `2001:db8::/64`.
impl fmt::Display for Neighbourhood {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.0, if self.0.is_ipv4() { 24 } else { 64 })
    }
}

/// In which form addresses are written by the command that sets a data connection up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// PASV and PORT (RFC 959).
    #[default]
    Plain,
    /// EPSV and EPRT (RFC 2428).
    Extended,
    /// LPSV and LPRT (RFC 1639).
    Long,
}

impl Form {
    /// The verb by which the client is to connect.
    pub const fn passive(self) -> &'static str {
        match self {
            Self::Plain => "PASV",
            Self::Extended => "EPSV",
            Self::Long => "LPSV",
        }
    }

    /// The verb by which the server is to connect.
    pub const fn active(self) -> &'static str {
        match self {
            Self::Plain => "PORT",
            Self::Extended => "EPRT",
            Self::Long => "LPRT",
        }
    }

    /// What it is where it is counted: LPSV names an address, as PASV does.
    pub(crate) const fn mode(self) -> Mode {
        match self {
            Self::Plain | Self::Long => Mode::Pasv,
            Self::Extended => Mode::Epsv,
        }
    }

    /// Whether the reply to the passive command names an address.
    pub(crate) const fn names_address(self) -> bool {
        !matches!(self, Self::Extended)
    }
}

/// By which command a data connection is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// PASV or LPSV: the client connects, to the address and port it is told.
    #[default]
    Pasv,
    /// EPSV: the client connects, to the control connection's address.
    Epsv,
    /// PORT, EPRT or LPRT: the server connects.
    Active,
}

/// How a data connection is set up, as far as a firewall that reads the control connection cares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Way {
    /// By which command.
    pub mode: Mode,
    /// Whether the control connection was under TLS, so that nobody on the way could read that command.
    pub encrypted: bool,
}

impl Way {
    /// How many there are.
    pub(crate) const COUNT: usize = 6;

    pub(crate) const fn new(mode: Mode, encrypted: bool) -> Self {
        Self { mode, encrypted }
    }

    /// Its place among all.
    pub(crate) const fn index(self) -> usize {
        self.mode as usize * 2 + self.encrypted as usize
    }

    pub(crate) const fn all() -> [Self; Self::COUNT] {
        [
            Self::new(Mode::Pasv, false),
            Self::new(Mode::Pasv, true),
            Self::new(Mode::Epsv, false),
            Self::new(Mode::Epsv, true),
            Self::new(Mode::Active, false),
            Self::new(Mode::Active, true),
        ]
    }
}

/// A set of ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways(u8);

impl Ways {
    pub(crate) fn of(is_in: impl Fn(Way) -> bool) -> Self {
        Way::all().into_iter().filter(|way| is_in(*way)).fold(Self::default(), Self::with)
    }

    /// This one, too.
    #[must_use]
    pub const fn with(self, way: Way) -> Self {
        Self(self.0 | 1 << way.index())
    }

    /// Those of either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether this one is in it.
    pub const fn has(self, mode: Mode, encrypted: bool) -> bool {
        self.0 & (1 << Way::new(mode, encrypted).index()) != 0
    }

    /// Whether passive mode is, with a control connection like this.
    pub const fn has_passive(self, encrypted: bool) -> bool {
        self.has(Mode::Pasv, encrypted) || self.has(Mode::Epsv, encrypted)
    }

    /// Whether active mode is, in any way.
    pub const fn has_active(self) -> bool {
        self.has(Mode::Active, false) || self.has(Mode::Active, true)
    }
}

/// Ports in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl Span {
    /// Whether a port is in it.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// The smallest span that holds both.
    pub(crate) fn join(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// `41000-41099`, or `41000`.
impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(out, "{}", self.first)
        } else {
            write!(out, "{}-{}", self.first, self.last)
        }
    }
}

/// Passive ports that were reached from where the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// From the lowest to the highest of them.
    pub span: Option<Span>,
    /// How many.
    pub count: u16,
}

impl Reached {
    /// Those of either; counts the same port twice.
    pub(crate) fn or(self, other: Self) -> Self {
        let span = match (self.span, other.span) {
            (Some(one), Some(another)) => Some(one.join(another)),
            (one, another) => one.or(another),
        };
        Self { span, count: self.count.saturating_add(other.count) }
    }
}

/// What is known for one client, of the last day. "Here" is from where it is: from the Internet or from a private
/// network, over its version of IP. Nothing is known of a server that has just started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// The passive ports, as clients see them; `None`: chosen by the system.
    pub ports: Option<Span>,
    /// How data connections with the client's own network came up.
    pub own: Ways,
    /// How those with other networks here did.
    pub others: Ways,
    /// In which ways some with the client's own network failed, since nobody came or answered.
    pub own_failed: Ways,
    /// In which ways some with other networks here did.
    pub others_failed: Ways,
    /// The passive ports that were reached from here while the control connection was in the clear.
    pub plain: Reached,
    /// And under TLS.
    pub encrypted: Reached,
}

impl Outlook {
    /// How data connections with anybody here came up.
    pub(crate) fn all(&self) -> Ways {
        self.own.or(self.others)
    }

    /// The passive ports that say something about one that was announced so: what came in the clear may have been let
    /// in by a firewall that had read the announcement.
    pub(crate) fn reached(&self, encrypted: bool) -> Reached {
        if encrypted { self.encrypted } else { self.plain.or(self.encrypted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn neighbours_share_their_first_bits() {
        for (address, expected) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(Neighbourhood::of(address.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn each_way_has_a_place_of_its_own() {
        for (index, way) in Way::all().into_iter().enumerate() {
            assert_eq!(way.index(), index);
            let ways = Ways::default().with(way);
            let found: std::vec::Vec<Way> =
                Way::all().into_iter().filter(|other| ways.has(other.mode, other.encrypted)).collect();
            assert_eq!(found, [way]);
        }
    }
}
