//! What a server needs from the firewalls in front of it.

use super::ports::PortSet;
use crate::config_file::{Bind, ServerConfig};
use ftp_proto::config::{External, Network, PassivePorts, Ports};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The name rules are tagged with when nothing else is said.
pub const DEFAULT_SERVICE: &str = "ftpd";

/// What has to pass, and nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The name of the service; the tag of rules made for it.
    pub service: String,
    /// The program's file, for rules by program.
    pub program: Option<String>,
    /// Where clients connect to.
    pub openings: Vec<Opening>,
    /// The passive ports as clients see them, where a router maps them to others.
    pub exposed: Option<Ports>,
    /// Active mode; `None`: off.
    pub active: Option<Active>,
    /// Where clients come from; empty: from anywhere.
    pub sources: Vec<Network>,
    /// Whether control connections can be encrypted, so that no firewall can read them.
    pub tls: bool,
    /// The address clients are told instead of the server's own, as it is written in the configuration.
    pub external: Option<String>,
}

/// Ports that are listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// What for.
    pub purpose: Purpose,
    /// The ports.
    pub ports: PortSet,
    /// The address they are listened on; `None`: on all.
    pub address: Option<IpAddr>,
    /// The IP versions.
    pub families: Vec<Family>,
}

/// What ports are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Control connections that begin in plain text.
    Control,
    /// Control connections that begin with TLS.
    ImplicitTls,
    /// Passive data connections.
    Passive,
}

impl fmt::Display for Purpose {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Control => "control",
            Self::ImplicitTls => "implicit TLS",
            Self::Passive => "passive data",
        })
    }
}

/// A version of the Internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// That of an address; IPv4-mapped ones are IPv4.
    pub fn of(address: IpAddr) -> Self {
        if address.to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Connections the server makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    /// The port they come from; `None`: any.
    pub source_port: Option<u16>,
}

impl Needs {
    /// Nothing but a name.
    pub fn named(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            program: None,
            openings: Vec::new(),
            exposed: None,
            active: None,
            sources: Vec::new(),
            tls: false,
            external: None,
        }
    }

    /// What a configuration needs.
    ///
    /// # Errors
    /// A sentence, if the ports are not known before the server runs.
    pub fn of_config(config: &ServerConfig) -> Result<Self, String> {
        let core = &config.core;
        let control = match &config.bind {
            // The same on each machine, whether it has IPv6 or not.
            Bind::Everywhere => vec![SocketAddr::from(([0_u16; 8], crate::config_file::DEFAULT_PORT))],
            Bind::At(addresses) => addresses.clone(),
        };
        let mut needs = Self {
            exposed: core.passive.enabled.then(|| core.passive.exposed_ports.clone()).flatten(),
            active: core.active.enabled.then_some(Active { source_port: core.active.source_port }),
            tls: config.tls.is_some(),
            external: match &core.passive.external {
                External::ControlConnection => None,
                External::Literal(address) => Some(address.to_string()),
                External::Name(name) => Some(name.clone()),
            },
            ..Self::named(DEFAULT_SERVICE)
        };
        for address in &control {
            needs.listen(Purpose::Control, address.ip(), &PortSet::one(address.port()));
        }
        for address in &config.bind_implicit_tls {
            needs.listen(Purpose::ImplicitTls, address.ip(), &PortSet::one(address.port()));
        }
        if core.passive.enabled {
            let ports = match &core.passive.ports {
                PassivePorts::Range(_) => PortSet::from(core.passive.ports.listened()),
                PassivePorts::Auto(count) => return Err(auto_ports(*count)),
            };
            for place in control.iter().chain(&config.bind_implicit_tls) {
                needs.listen(Purpose::Passive, place.ip(), &ports);
            }
        }
        needs.check()?;
        Ok(needs)
    }

    /// What is listened on at one address. Nobody comes to a loopback address from outside.
    pub fn listen(&mut self, purpose: Purpose, at: IpAddr, ports: &PortSet) {
        let at = at.to_canonical();
        if at.is_loopback() {
            return;
        }
        let (address, families) = match at {
            // It takes IPv4, too.
            IpAddr::V6(any) if any.is_unspecified() => (None, Family::BOTH.to_vec()),
            any if any.is_unspecified() => (None, vec![Family::of(any)]),
            one => (Some(one), vec![Family::of(one)]),
        };
        let same = |opening: &&mut Opening| {
            opening.purpose == purpose && opening.address == address && opening.families == families
        };
        match self.openings.iter_mut().find(same) {
            Some(opening) => opening.ports = opening.ports.or(ports),
            None => self.openings.push(Opening { purpose, ports: ports.clone(), address, families }),
        }
    }

    /// What can't be.
    fn check(&self) -> Result<(), String> {
        if self.openings.iter().any(|opening| opening.ports.and(&PortSet::one(0)) != PortSet::EMPTY) {
            return Err(
                "the control port is chosen by the system at each start, so no rule can name it; write one, \
                 like bind = [\"[::]:21\"]"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The ports of one purpose, whatever the address.
    pub fn ports_for(&self, purpose: Purpose) -> PortSet {
        self.select(|opening| opening.purpose == purpose)
    }

    /// The ports on which control connections begin.
    pub fn control_ports(&self) -> PortSet {
        self.select(|opening| opening.purpose != Purpose::Passive)
    }

    /// All ports, whatever the address.
    pub fn ports(&self) -> PortSet {
        self.select(|_| true)
    }

    fn select(&self, wanted: impl Fn(&Opening) -> bool) -> PortSet {
        self.openings
            .iter()
            .filter(|opening| wanted(opening))
            .fold(PortSet::EMPTY, |ports, opening| ports.or(&opening.ports))
    }

    /// The IP versions that are served.
    pub fn families(&self) -> Vec<Family> {
        let served = |family: &Family| self.openings.iter().any(|opening| opening.families.contains(family));
        Family::BOTH.into_iter().filter(served).collect()
    }

    /// The sources of one IP version; empty: from anywhere.
    pub fn sources_of(&self, family: Family) -> Vec<Network> {
        self.sources.iter().copied().filter(|network| Family::of(network.base()) == family).collect()
    }

    /// Whether clients of this IP version are wanted: not if all sources are of the other.
    pub fn wants(&self, family: Family) -> bool {
        self.sources.is_empty() || !self.sources_of(family).is_empty()
    }
}

/// Why nothing can be said about ports that the system chooses.
pub fn auto_ports(count: u16) -> String {
    format!(
        "passive.ports = \"auto:{count}\" takes other ports at each start, so no firewall rule can name them; \
         write a range, like ports = \"21000-21099\""
    )
}

/// Checks the name of a service: it goes into names of chains, comments and files.
///
/// # Errors
/// What to write instead.
pub fn check_service(name: &str) -> Result<(), String> {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    // iptables takes 28 characters for a chain, three of which are "-IN".
    if letters
        && (1..=20).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
    {
        return Ok(());
    }
    Err(format!("{name:?} is no name of a service; write up to 20 letters, digits, - and _, like ftpd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> Result<Needs, String> {
        let text = format!("[accounts]\nanonymous = {{ root = \"/srv\" }}\n{text}");
        Needs::of_config(&crate::config_file::parse("ftpd.toml".as_ref(), &text).unwrap())
    }

    #[test]
    fn they_follow_from_a_configuration() {
        let found = needs(
            "[server]\nbind = [\"[::]:21\", \"192.0.2.1:2121\", \"127.0.0.1:2122\"]\n[passive]\nports = \"41000-41099\"\n\
             exposed_ports = \"51000-51099\"\nexternal_address = \"203.0.113.7\"\n[active]\nsource_port = 20\n",
        )
        .unwrap();
        let seen: Vec<_> = found
            .openings
            .iter()
            .map(|opening| {
                (opening.purpose, opening.ports.to_string(), opening.address, opening.families.len())
            })
            .collect();
        let one = Some(IpAddr::from([192, 0, 2, 1]));
        assert_eq!(
            seen,
            [
                (Purpose::Control, "21".to_owned(), None, 2),
                (Purpose::Control, "2121".to_owned(), one, 1),
                (Purpose::Passive, "41000-41099".to_owned(), None, 2),
                (Purpose::Passive, "41000-41099".to_owned(), one, 1),
            ]
        );
        assert_eq!(found.exposed, Some(51000..=51099));
        assert_eq!(found.external.as_deref(), Some("203.0.113.7"));
        assert_eq!(found.active, Some(Active { source_port: Some(20) }));
        assert!(!found.tls);
    }

    #[test]
    fn only_ports_that_are_listened_on_are_needed() {
        let found = needs("[passive]\nports = \"21000-29999\"\n").unwrap();
        assert_eq!(found.ports_for(Purpose::Passive).to_string(), "21000-22023");
        let found = needs("[passive]\nenabled = false\n[active]\nenabled = false\n").unwrap();
        assert_eq!(found.ports().to_string(), "2121");
        assert_eq!(found.active, None);
        let found = needs("[server]\nbind = \"0.0.0.0:21\"\n").unwrap();
        assert_eq!(found.families(), [Family::V4]);
    }

    #[test]
    fn ports_chosen_by_the_system_are_refused() {
        assert!(needs("[passive]\nports = \"auto:4\"\n").unwrap_err().contains("auto:4"));
        assert!(needs("[server]\nbind = \"[::]:0\"\n").unwrap_err().contains("chosen by the system"));
    }

    #[test]
    fn names_of_services_fit_everywhere() {
        assert!(check_service("ftpd-2").is_ok());
        for name in ["", "two words", "-x", "a\"b", "aaaaaaaaaaaaaaaaaaaaa"] {
            assert!(check_service(name).is_err(), "{name}");
        }
    }
}
