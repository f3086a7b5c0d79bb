//! Active mode: where the server connects to for its clients.

use super::{ActiveAddress, ConfigError, Network};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Active mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// Whether PORT, EPRT and LPRT are offered. Default yes.
    pub enabled: bool,
    /// The port data connections come from; 20 is what some client firewalls expect. Default any.
    pub source_port: Option<u16>,
    /// Where they lead to. Default the address that the client sent, which has to be its own.
    pub address: ActiveAddress,
    /// Clients that may have the server connect to others than themselves, and to whom. Default none.
    pub rules: Vec<ActiveRule>,
}

impl Default for Active {
    fn default() -> Self {
        Self { enabled: true, source_port: None, address: ActiveAddress::AsSent, rules: Vec::new() }
    }
}

/// An exception from the rule that active mode connects to the client alone (RFC 2577 section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActiveRule {
    /// The client's address is in one of these.
    pub networks: Vec<Network>,
    /// It may name addresses in these. Those of this host, of one link and of a cloud's metadata are in none unless
    /// they are written by themselves.
    pub targets: Vec<Network>,
}

impl ActiveRule {
    /// Whether this client may name an address; `alone`: it has to be written by itself, not as part of a network.
    fn allows(&self, client: IpAddr, target: IpAddr, alone: bool) -> bool {
        let itself = Network::around(target, u8::MAX);
        self.networks.iter().any(|network| network.contains(client))
            && self
                .targets
                .iter()
                .any(|network| if alone { *network == itself } else { network.contains(target) })
    }
}

impl Active {
    /// Whether a rule lets this client name an address.
    pub(crate) fn allows(&self, client: IpAddr, target: IpAddr, alone: bool) -> bool {
        self.rules.iter().any(|rule| rule.allows(client, target, alone))
    }

    /// What can't be.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, problem: &str| Err(ConfigError { key, problem: String::from(problem) });
        if self.source_port == Some(0) {
            return wrong(
                "active.source_port",
                "write a port from 1 to 65535 (20 by tradition), or leave it out",
            );
        }
        for rule in &self.rules {
            if rule.networks.is_empty() {
                return wrong("active.rule", "write whose rule it is, like networks = [\"10.0.0.0/8\"]");
            }
            if rule.targets.is_empty() {
                return wrong(
                    "active.rule",
                    "write where these clients may have the server connect to, like targets = [\"10.1.2.3\"]",
                );
            }
        }
        Ok(())
    }
}
