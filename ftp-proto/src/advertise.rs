//! What a client is told in 227 and 229: the address and the port, decided anew for each lease from nothing but the
//! settings, what is known of the server's surroundings, and the two ends of the client's control connection.
//!
//! A connection that reaches the server at its own address needs no help; one that comes through a router that maps
//! addresses must be told the router's. Which of both a client's is can't be seen for certain, so that the rules
//! decide first, and then where the client is: on this host, in one of its networks, behind a router that turns
//! connections around (hairpin NAT), or elsewhere.

use crate::config::{AddressRule, External, LanClients, Network, Passive, PassivePorts, Ports};
use crate::diagnose::is_public;
use crate::session::canonical;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What is known of the host's place in the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// The networks of the host's interfaces: who is in one of them reaches the server without a router.
    pub own: Vec<Network>,
    /// The routers of the default routes, by their inside addresses.
    pub routers: Vec<IpAddr>,
}

/// What is known outside the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The host's place.
    pub networks: Networks,
    /// The last good address of each name that the settings mention. 227 can name IPv4 only.
    pub names: BTreeMap<String, Ipv4Addr>,
}

/// Whom it is for: the ends of the control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The server's end: an address that worked for this client.
    pub local: SocketAddr,
    /// The client's end.
    pub peer: SocketAddr,
    /// The server's end of the socket: another than `local` if a balancer is between.
    pub listener: SocketAddr,
}

/// What the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// The address, for 227.
    pub address: IpAddr,
    /// The port, for 227 and 229: that of the lease, or what a router makes of it.
    pub port: u16,
    /// Why this address.
    pub why: Reason,
}

impl Advertised {
    /// A port as it is, at the address that the client has connected to.
    pub const fn plain(address: IpAddr, port: u16) -> Self {
        Self { address, port, why: Reason::ControlConnection }
    }
}

/// Why a client is told its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The client is on the server's own host.
    Loopback,
    /// A rule of the settings is for this client.
    Rule,
    /// The client is in one of the server's own networks and reaches it without the router that has the external
    /// address.
    Inside,
    /// The connection seems to come from a router: it was turned around there (hairpin NAT), or the router hides where
    /// it comes from.
    Hairpin,
    /// It is the external address of the settings.
    Literal,
    /// It is what the external name stands for.
    Name,
    /// The settings say that it is the one the client has connected to.
    ControlConnection,
    /// The external name was not resolved yet, so that it is the one the client has connected to.
    Unresolved,
    /// The external address is of the other family, so that it is the one the client has connected to.
    OtherFamily,
}

impl Reason {
    /// In a few words, as they stand behind an address.
    pub fn words(self) -> &'static str {
        match self {
            Self::Loopback => "the client is on this host",
            Self::Rule => "by a rule",
            Self::Inside => "the client is in a network of this host",
            Self::Hairpin => "the client came by way of the router",
            Self::Literal => "the external address",
            Self::Name => "the external name",
            Self::ControlConnection => "the address the client connected to",
            Self::Unresolved => "the external name is not resolved yet",
            Self::OtherFamily => "the external address is of the other family",
        }
    }
}

/// What this client is told of a leased port.
pub fn advertise(passive: &Passive, surroundings: &Surroundings, client: &Client, port: u16) -> Advertised {
    let place = Place {
        passive,
        surroundings,
        local: client.local.ip().to_canonical(),
        peer: client.peer.ip().to_canonical(),
        listener: client.listener,
        is_balanced: canonical(client.listener) != canonical(client.local),
    };
    let told = place.decide();
    let exposed = told.mapping.and_then(|exposed| map(&passive.ports, exposed, port));
    Advertised { address: told.address, port: exposed.unwrap_or(port), why: told.why }
}

/// An address, and the ports that lead through the router which has it.
struct Told<'a> {
    address: IpAddr,
    mapping: Option<&'a Ports>,
    why: Reason,
}

/// Everything that the decision depends on; the addresses are canonical (IPv4-mapped is IPv4).
struct Place<'a> {
    passive: &'a Passive,
    surroundings: &'a Surroundings,
    local: IpAddr,
    peer: IpAddr,
    listener: SocketAddr,
    /// A balancer is between.
    is_balanced: bool,
}

impl<'a> Place<'a> {
    fn decide(&self) -> Told<'a> {
        let rule = self.passive.rules.iter().rev().find(|rule| self.is_met(rule));
        // Rules are for clients elsewhere, unless they name this host's inside.
        let is_this_host = self.peer.is_loopback() || self.peer == self.local;
        if is_this_host && !rule.is_some_and(names_loopback) {
            return self.direct(Reason::Loopback);
        }
        match rule {
            Some(rule) => {
                let exposed = rule.exposed_ports.as_ref().or(self.passive.exposed_ports.as_ref());
                let told = self.external(&rule.external, exposed);
                let why = match told.why {
                    Reason::Unresolved | Reason::OtherFamily => told.why,
                    _ => Reason::Rule,
                };
                Told { why, ..told }
            }
            None => self.without_rule(),
        }
    }

    fn without_rule(&self) -> Told<'a> {
        let told = self.external(&self.passive.external, self.passive.exposed_ports.as_ref());
        let is_mapped = match told.why {
            // There is a router only if it maps ports.
            Reason::ControlConnection | Reason::Unresolved => told.mapping.is_some(),
            Reason::OtherFamily => false,
            _ => is_public(told.address),
        };
        if !is_mapped || self.passive.lan_clients == LanClients::External {
            return told;
        }
        let is_own = self.surroundings.networks.own.iter().any(|network| network.contains(self.peer));
        match (self.is_router(), is_own) {
            (true, _) => {
                let is_external = matches!(told.why, Reason::Literal | Reason::Name);
                Told { why: if is_external { Reason::Hairpin } else { told.why }, ..told }
            }
            (false, true) => self.direct(Reason::Inside),
            (false, false) => told,
        }
    }

    /// The address that has worked for the control connection, without a router between. A balancer is still between if
    /// there is one, and with it the ports that it passes on.
    fn direct(&self, why: Reason) -> Told<'a> {
        let mapping = self.passive.exposed_ports.as_ref().filter(|_| self.is_balanced);
        Told { address: self.local, mapping, why }
    }

    /// What the setting says for everybody.
    fn external(&self, external: &External, mapping: Option<&'a Ports>) -> Told<'a> {
        let (address, why) = match external {
            External::ControlConnection => (self.local, Reason::ControlConnection),
            External::Literal(address) => (address.to_canonical(), Reason::Literal),
            External::Name(name) => match self.surroundings.names.get(name) {
                Some(address) => (IpAddr::V4(*address), Reason::Name),
                None => (self.local, Reason::Unresolved),
            },
        };
        if address.is_ipv4() == self.local.is_ipv4() {
            Told { address, mapping, why }
        } else {
            self.direct(Reason::OtherFamily)
        }
    }

    fn is_router(&self) -> bool {
        let routers = self.passive.routers.as_ref().unwrap_or(&self.surroundings.networks.routers);
        routers.iter().any(|router| router.to_canonical() == self.peer)
    }

    fn is_met(&self, rule: &AddressRule) -> bool {
        let is_in = |networks: &[Network], address| {
            networks.is_empty() || networks.iter().any(|network| network.contains(address))
        };
        (rule.listeners.is_empty() || rule.listeners.iter().any(|listener| listener.is(self.listener)))
            && is_in(&rule.local, self.local)
            && is_in(&rule.networks, self.peer)
    }
}

/// Whether somebody meant this host's inside: a balancer or a container's door that hides its clients may be there.
fn names_loopback(rule: &AddressRule) -> bool {
    rule.local.iter().chain(&rule.networks).any(|network| network.base().is_loopback())
}

/// What a router makes of a port: ranges correspond in order.
fn map(listened: &PassivePorts, exposed: &Ports, port: u16) -> Option<u16> {
    let PassivePorts::Range(listened) = listened else { return None };
    let mapped = exposed.start().checked_add(port.checked_sub(*listened.start())?)?;
    exposed.contains(&mapped).then_some(mapped)
}

#[cfg(test)]
mod tests;
