//! The PROXY protocol, versions 1 and 2: a balancer's word about whose connection it passes on, said before anything
//! else (HAProxy's `proxy-protocol.txt`).
//!
//! Only bytes are judged here. Whether somebody may say so at all is a setting,
//! [`Proxy::trusts`](crate::config::Proxy::trusts).

use crate::time::Instant;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;

/// How long a balancer has for its header. It is meant to be the first thing it sends.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The longest header of version 1, its line end included.
const MAX_TEXT: usize = 107;
/// The longest header of version 2. The addresses need 52 bytes at most; what follows them (a balancer's TLS facts, a
/// cloud's marks) is a few hundred bytes. The specification asks for 536 at least, and leaves the limit to the
/// receiver.
const MAX_BINARY: usize = 4096;

const TEXT_SIGNATURE: &[u8] = b"PROXY";
const BINARY_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const BINARY_FIXED: usize = 16;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client's: these are its two ends as the balancer sees them.
    Client {
        /// The client.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
    /// The balancer's own (a health check), or one whose client it can't name: LOCAL, UNKNOWN, or a family that has no
    /// IP addresses.
    Balancer,
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// All of them belong to a header that isn't whole yet.
    Incomplete,
    /// The first `len` of them are a header.
    Header {
        /// Its length in bytes.
        len: usize,
        /// What it says.
        origin: Origin,
    },
    /// They are no header.
    Invalid(Fault),
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Neither version begins like this.
    #[error("it does not begin with a PROXY header")]
    NoSignature,
    /// A header of version 2 says that it belongs to another version.
    #[error("its version is unknown")]
    Version,
    /// Neither LOCAL nor PROXY.
    #[error("its command is unknown")]
    Command,
    /// A family or transport that is not assigned.
    #[error("its address family is unknown")]
    Family,
    /// Addresses or ports that can't be read, or are missing.
    #[error("its addresses can't be read")]
    Addresses,
    /// Longer than any header may be.
    #[error("it is too long")]
    TooLong,
}

/// Reads the header at the beginning of a connection from the bytes received so far. However they were cut, the
/// outcome is the same, and comes at the same byte.
pub fn parse(bytes: &[u8]) -> Parsed {
    match parse_or_wait(bytes) {
        Ok(Some((len, origin))) => Parsed::Header { len, origin },
        Ok(None) => Parsed::Incomplete,
        Err(fault) => Parsed::Invalid(fault),
    }
}

type Found = Result<Option<(usize, Origin)>, Fault>;

fn parse_or_wait(bytes: &[u8]) -> Found {
    if begins_with(bytes, BINARY_SIGNATURE) {
        binary(bytes)
    } else if begins_with(bytes, TEXT_SIGNATURE) {
        text(bytes)
    } else {
        Err(Fault::NoSignature)
    }
}

/// Whether they agree as far as both go.
fn begins_with(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(found, wanted)| found == wanted)
}

// Version 2.

fn binary(bytes: &[u8]) -> Found {
    let Some((version_and_command, rest)) = bytes.get(BINARY_SIGNATURE.len()..).and_then(<[u8]>::split_first)
    else {
        return Ok(None);
    };
    if version_and_command >> 4 != 2 {
        return Err(Fault::Version);
    }
    let is_local = match version_and_command & 0xf {
        0 => true,
        1 => false,
        _ => return Err(Fault::Command),
    };
    let Some((&family, rest)) = rest.split_first() else { return Ok(None) };
    // LOCAL: whatever else it says is to be ignored.
    let needed = if is_local { 0 } else { address_len(family)? };
    let Some((&length, rest)) = rest.split_first_chunk() else { return Ok(None) };
    let body = usize::from(u16::from_be_bytes(length));
    if body < needed {
        return Err(Fault::Addresses);
    }
    let len = BINARY_FIXED + body;
    if len > MAX_BINARY {
        return Err(Fault::TooLong);
    }
    if rest.len() < body {
        return Ok(None);
    }
    Ok(Some((len, rest.get(..needed).and_then(ends).unwrap_or(Origin::Balancer))))
}

/// How long the addresses are that name the client; none for a family or transport in which it has no IP address and
/// TCP port.
fn address_len(family: u8) -> Result<usize, Fault> {
    match (family >> 4, family & 0xf) {
        (1, 1) => Ok(12),
        (2, 1) => Ok(36),
        (0..=3, 0..=2) => Ok(0),
        _ => Err(Fault::Family),
    }
}

/// The two ends in a header of version 2, if it names any.
fn ends(addresses: &[u8]) -> Option<Origin> {
    let (rest, &to) = addresses.split_last_chunk()?;
    let (hosts, &from) = rest.split_last_chunk()?;
    let (source, destination) = hosts.split_at_checked(hosts.len() / 2)?;
    Some(Origin::Client {
        source: canonical(host(source)?, u16::from_be_bytes(from)),
        destination: canonical(host(destination)?, u16::from_be_bytes(to)),
    })
}

fn host(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

/// `::ffff:192.0.2.1` is an IPv4 client here as everywhere.
fn canonical(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

// Version 1.

fn text(bytes: &[u8]) -> Found {
    let seen = bytes.get(..MAX_TEXT).unwrap_or(bytes);
    let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        return if seen.len() == MAX_TEXT { Err(Fault::TooLong) } else { Ok(None) };
    };
    let line = seen.get(TEXT_SIGNATURE.len()..end).and_then(|line| core::str::from_utf8(line).ok());
    let mut words = line.ok_or(Fault::Addresses)?.split(' ');
    if words.next() != Some("") {
        return Err(Fault::NoSignature);
    }
    let origin = match words.next() {
        Some("UNKNOWN") => Origin::Balancer,
        Some("TCP4") => text_ends::<Ipv4Addr>(words)?,
        Some("TCP6") => text_ends::<Ipv6Addr>(words)?,
        _ => return Err(Fault::Family),
    };
    Ok(Some((end + 2, origin)))
}

fn text_ends<'a, A>(mut words: impl Iterator<Item = &'a str>) -> Result<Origin, Fault>
where
    A: core::str::FromStr + Into<IpAddr>,
{
    let mut word = || words.next().ok_or(Fault::Addresses);
    let [source, destination] =
        [word()?, word()?].map(|word| word.parse::<A>().map_err(|_| Fault::Addresses));
    let [from, to] = [word()?, word()?].map(text_port);
    let origin = Origin::Client {
        source: canonical(source?.into(), from?),
        destination: canonical(destination?.into(), to?),
    };
    if words.next().is_some() { Err(Fault::Addresses) } else { Ok(origin) }
}

/// Digits alone, and no zero before others.
fn text_port(word: &str) -> Result<u16, Fault> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| is_plain).ok_or(Fault::Addresses)
}

/// Collects a header from pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reader {
    bytes: Vec<u8>,
    outcome: Option<Result<Origin, Fault>>,
}

impl Reader {
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// The next bytes; how many of them belong to the header. What no longer does is the client's.
    pub(crate) fn offer(&mut self, bytes: &[u8]) -> usize {
        if self.outcome.is_some() {
            return 0;
        }
        let before = self.bytes.len();
        // More than the longest header need not be looked at.
        let bytes = bytes.get(..MAX_BINARY + 1 - before).unwrap_or(bytes);
        self.bytes.extend_from_slice(bytes);
        let (taken, outcome) = match parse(&self.bytes) {
            Parsed::Incomplete => return bytes.len(),
            Parsed::Header { len, origin } => (len.saturating_sub(before), Ok(origin)),
            Parsed::Invalid(fault) => (0, Err(fault)),
        };
        self.outcome = Some(outcome);
        self.bytes = Vec::new();
        taken
    }

    /// What the header says, once it is whole, or why it is none.
    pub(crate) fn outcome(&self) -> Option<Result<Origin, Fault>> {
        self.outcome
    }

    /// Whether nothing has come.
    fn is_untouched(&self) -> bool {
        self.bytes.is_empty() && self.outcome.is_none()
    }

    /// What to say of a connection that has ended by now, or whose time is over.
    pub(crate) fn problem(&self, ended: bool) -> Problem {
        match self.outcome {
            Some(Err(fault)) => Problem::Invalid(fault),
            _ if self.is_untouched() && ended => Problem::Silent,
            _ if ended => Problem::Ended,
            _ => Problem::TimedOut,
        }
    }
}

/// Why a balancer's connection was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// What came is no header.
    #[error("{0}")]
    Invalid(#[from] Fault),
    /// It was closed in the middle of the header.
    #[error("it was closed before its PROXY header was complete")]
    Ended,
    /// It was closed before anything came, as balancers do that only look whether a port is open.
    #[error("it was closed before anything came")]
    Silent,
    /// Its time was over before the header was whole.
    #[error("no PROXY header came in time")]
    TimedOut,
    /// Too many others wait for theirs.
    #[error("too many connections wait for their PROXY header")]
    TooMany,
}

/// A data connection from a balancer that has not said yet whose it is. It was accepted when only some of the leases
/// were there, and never goes to one that was made later; so it is no copy of anything.
#[derive(Debug)]
pub struct Undecided {
    /// The passive port it came to.
    pub(crate) port: u16,
    /// The socket's peer.
    pub(crate) balancer: SocketAddr,
    /// How many leases had been activated when it was accepted.
    pub(crate) activations: u64,
    pub(crate) until: Instant,
    pub(crate) reader: Reader,
    pub(crate) ended: bool,
}

impl Undecided {
    /// What can be read from it, without taking it off the socket; exactly so many bytes are then to be taken off, and
    /// nothing more: what follows is the file, or TLS.
    pub fn offer(&mut self, bytes: &[u8]) -> usize {
        self.reader.offer(bytes)
    }

    /// It was closed, or broke.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether it is time for `Server::decide`.
    pub fn is_ready(&self, now: Instant) -> bool {
        self.ended || self.reader.outcome().is_some() || self.until <= now
    }

    /// When it is given up.
    pub fn deadline(&self) -> Instant {
        self.until
    }
}

/// How much to read from an undecided connection at most: no header is longer.
pub const LOOK: usize = MAX_BINARY;

#[cfg(test)]
mod tests;
