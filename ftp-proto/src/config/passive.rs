//! Passive mode: ports, the address clients are told, and whose data connections are accepted.

use super::{ConfigError, Listener, Network};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::RangeInclusive;

/// Ports in a row, both ends included.
pub type Ports = RangeInclusive<u16>;

/// Passive mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passive {
    /// Whether PASV and EPSV are offered. Default yes.
    pub enabled: bool,
    /// The ports that are listened on.
    pub ports: PassivePorts,
    /// The same ports as clients see them, where a router maps them to others: as many, in the same order. Default:
    /// as they are listened on.
    pub exposed_ports: Option<Ports>,
    /// The address clients are told.
    pub external: External,
    /// Other addresses for some clients. The last rule that applies wins.
    pub rules: Vec<AddressRule>,
    /// What clients in the server's own networks are told where no rule applies.
    pub lan_clients: LanClients,
    /// The inside addresses of routers that turn connections of LAN clients around (hairpin NAT), so that these
    /// seem to come from the router: they are told the external address. Default (`None`): the routers of the system's
    /// default routes.
    pub routers: Option<Vec<IpAddr>>,
    /// Who may come to a passive port, and where active mode may connect to.
    pub peers: Peers,
    /// Whether a port that can't be opened is fatal. Default no: it is named and retried.
    pub strict_ports: bool,
}

impl Default for Passive {
    fn default() -> Self {
        Self {
            enabled: true,
            ports: PassivePorts::Range(21_000..=21_099),
            exposed_ports: None,
            external: External::ControlConnection,
            rules: Vec::new(),
            lan_clients: LanClients::Inside,
            routers: None,
            peers: Peers::default(),
            strict_ports: false,
        }
    }
}

/// Which ports passive mode listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassivePorts {
    /// All of these, both ends included; one port is enough.
    Range(Ports),
    /// This many free ports, chosen by the system (tests, laptops).
    Auto(u16),
}

/// How many ports are listened on at most. Established data connections don't hold a port, so a range only
/// bounds how many of them one client address can be waiting for at the same time; each listener costs a
/// descriptor, which sessions need more.
pub const MAX_LISTENERS: u16 = 1_024;

impl PassivePorts {
    /// The ports of the range that are listened on: all, or the first [`MAX_LISTENERS`] of a wider range. None
    /// for ports that the system chooses.
    pub fn listened(&self) -> Ports {
        match self {
            Self::Range(range) => {
                let last = range.start().saturating_add(MAX_LISTENERS - 1);
                *range.start()..=last.min(*range.end())
            }
            #[expect(clippy::reversed_empty_ranges, reason = "that is how an inclusive range is empty")]
            Self::Auto(_) => 1..=0,
        }
    }
}

impl core::fmt::Display for PassivePorts {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Range(range) => write!(out, "{}-{}", range.start(), range.end()),
            Self::Auto(count) => write!(out, "auto:{count}"),
        }
    }
}

/// `21000-21099`, `21000` or `auto:4`.
impl core::str::FromStr for PassivePorts {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let wrong = || ConfigError {
            key: "passive.ports",
            problem: alloc::format!(
                "\"{text}\" is not a port range; write it like 21000-21099, 21000 or auto:4"
            ),
        };
        if let Some(count) = text.strip_prefix("auto:") {
            return count.trim().parse().map(Self::Auto).map_err(|_| wrong());
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let first = first.trim().parse().map_err(|_| wrong())?;
        let last = last.trim().parse().map_err(|_| wrong())?;
        Ok(Self::Range(first..=last))
    }
}

/// Where the address in 227 comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum External {
    /// The local address of the client's own control connection.
    #[default]
    ControlConnection,
    /// This one.
    Literal(IpAddr),
    /// What this name stands for in the DNS, asked again and again; the last good answer holds.
    Name(String),
}

/// The external address for some clients. A condition that is empty says nothing; all others must be true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressRule {
    /// The client connected to one of these.
    pub listeners: Vec<Listener>,
    /// The server's end of the control connection is in one of these.
    pub local: Vec<Network>,
    /// The client's address is in one of these.
    pub networks: Vec<Network>,
    /// What these clients are told.
    pub external: External,
    /// As [`Passive::exposed_ports`], for these clients; `None`: the same as for all.
    pub exposed_ports: Option<Ports>,
}

/// What clients in the server's own networks are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LanClients {
    /// The address they connected to, if the external one is public.
    #[default]
    Inside,
    /// The external address, like everybody.
    External,
}

/// Whether an address is the client's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerCheck {
    /// It is the one of the control connection.
    #[default]
    Exact,
    /// It is in the same network as the one of the control connection: alike in the first 24 bits (IPv4) or 64
    /// (IPv6).
    SameNetwork,
}

/// Whose data connections are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// Addresses that count as the client's own.
    pub check: PeerCheck,
    /// Networks whose addresses all count as one client, like the pool of a provider's NAT. Default none.
    pub networks: Vec<Network>,
    /// Whether a data connection that resumes the control connection's TLS session may come from any address.
    /// Default yes: it has proven whose it is.
    pub tls_proof: bool,
}

impl Default for Peers {
    fn default() -> Self {
        Self { check: PeerCheck::Exact, networks: Vec::new(), tls_proof: true }
    }
}

impl Peers {
    /// All addresses that count as the same client as this one. Any two clients have either all addresses in common
    /// or none.
    pub fn client(&self, address: IpAddr) -> Network {
        let address = address.to_canonical();
        let alike = match self.check {
            PeerCheck::Exact => 128,
            PeerCheck::SameNetwork if address.is_ipv4() => 24,
            PeerCheck::SameNetwork => 64,
        };
        let networks = self.networks.iter().filter(|network| network.contains(address));
        // The widest one: networks that overlap lie inside each other.
        Network::around(address, networks.map(Network::prefix).fold(alike, u8::min))
    }
}

impl Passive {
    /// What can't be.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, problem: &str| Err(ConfigError { key, problem: String::from(problem) });
        match &self.ports {
            PassivePorts::Range(range) if range.is_empty() => {
                return wrong("passive.ports", "the first port is above the last; write it like 21000-21099");
            }
            PassivePorts::Range(range) if *range.start() == 0 => {
                return wrong(
                    "passive.ports",
                    "port 0 can't be listened on; for ports chosen by the system write auto:4",
                );
            }
            PassivePorts::Auto(count) if *count > MAX_LISTENERS => {
                return wrong(
                    "passive.ports",
                    "write at most auto:1024; a few ports serve any number of transfers",
                );
            }
            PassivePorts::Auto(0) => {
                return wrong("passive.ports", "write a number of ports from 1 up, like auto:4");
            }
            PassivePorts::Range(_) | PassivePorts::Auto(_) => {}
        }
        check_external("passive.external_address", &self.external)?;
        self.check_exposed("passive.exposed_ports", self.exposed_ports.as_ref())?;
        for rule in &self.rules {
            check_external("passive.rule", &rule.external)?;
            self.check_exposed("passive.rule", rule.exposed_ports.as_ref())?;
        }
        Ok(())
    }

    /// A mapping leads from one port to one port.
    fn check_exposed(&self, key: &'static str, exposed: Option<&Ports>) -> Result<(), ConfigError> {
        let Some(exposed) = exposed else { return Ok(()) };
        let wrong = |problem| Err(ConfigError { key, problem });
        match &self.ports {
            PassivePorts::Range(range) if *exposed.start() == 0 || range.len() != exposed.len() => {
                wrong(alloc::format!(
                    "write as many ports as are listened on ({}), like {}-{}",
                    self.ports,
                    range.start(),
                    range.end()
                ))
            }
            PassivePorts::Range(_) => Ok(()),
            PassivePorts::Auto(_) => {
                wrong(String::from("ports that the system chooses can't be mapped; write a range as ports"))
            }
        }
    }
}

fn check_external(key: &'static str, external: &External) -> Result<(), ConfigError> {
    let problem = match external {
        External::Literal(address)
            if address.is_unspecified() || address.is_multicast() || *address == IpAddr::from([255; 4]) =>
        {
            "write the address clients connect to, like 203.0.113.7"
        }
        External::Name(name) if !is_host_name(name) => {
            "is no address and no name; write one like 203.0.113.7 or ftp.example.org"
        }
        External::ControlConnection | External::Literal(_) | External::Name(_) => return Ok(()),
    };
    Err(ConfigError { key, problem: String::from(problem) })
}

/// Whether it can be asked for in the DNS (RFC 1123 section 2.1): a mistyped address can't.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_count_as_one_client() {
        let exact = Peers::default();
        let alike = Peers { check: PeerCheck::SameNetwork, ..Peers::default() };
        let networks =
            ["100.64.0.0/10", "203.0.113.128/25", "198.51.100.0/24", "198.51.100.64/26", "2001:db8::/32"];
        let networks: Vec<Network> = networks.iter().map(|text| text.parse().unwrap()).collect();
        let pools = Peers { networks: networks.clone(), ..Peers::default() };
        let both = Peers { networks, ..alike.clone() };
        for (peers, address, client) in [
            (&exact, "203.0.113.5", "203.0.113.5/32"),
            (&exact, "::ffff:203.0.113.5", "203.0.113.5/32"),
            (&exact, "2001:db8::5", "2001:db8::5/128"),
            (&alike, "203.0.113.5", "203.0.113.0/24"),
            (&alike, "::ffff:203.0.113.5", "203.0.113.0/24"),
            (&alike, "2001:db8:1:2:3::5", "2001:db8:1:2::/64"),
            (&pools, "100.127.255.255", "100.64.0.0/10"),
            (&pools, "100.128.0.0", "100.128.0.0/32"),
            (&pools, "203.0.113.5", "203.0.113.5/32"),
            (&pools, "203.0.113.200", "203.0.113.128/25"),
            // Inside each other: one client.
            (&pools, "198.51.100.65", "198.51.100.0/24"),
            (&pools, "2001:db8:1::5", "2001:db8::/32"),
            (&both, "203.0.113.200", "203.0.113.0/24"),
            (&both, "203.0.113.5", "203.0.113.0/24"),
            (&both, "100.64.0.1", "100.64.0.0/10"),
        ] {
            let found = peers.client(address.parse().unwrap());
            assert_eq!(found, client.parse().unwrap(), "{address} {peers:?}");
            assert!(found.contains(address.parse().unwrap()));
        }
        let everybody = Peers { networks: alloc::vec!["0.0.0.0/0".parse().unwrap()], ..Peers::default() };
        assert_eq!(everybody.client([203, 0, 113, 5].into()), "0.0.0.0/0".parse().unwrap());
    }
}
