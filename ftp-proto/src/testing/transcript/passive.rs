//! Passive mode in a transcript's settings, by the names it has in a configuration file.

use super::policy::{boolean, list, one_of};
use crate::config::{AddressRule, External, LanClients, Passive, PeerCheck, Ports};
use alloc::format;
use alloc::string::{String, ToString as _};

/// `passive.KEY`.
pub(super) fn setting(passive: &mut Passive, key: &str, value: &str) -> Result<(), String> {
    match key {
        "enabled" => passive.enabled = boolean(value)?,
        "ports" => passive.ports = value.parse().map_err(|_| format!("no ports: \"{value}\""))?,
        "exposed_ports" => passive.exposed_ports = Some(ports(value)?),
        "external_address" => passive.external = external(value),
        "lan_clients" => {
            let names = [("inside", LanClients::Inside), ("external", LanClients::External)];
            passive.lan_clients = one_of(value, &names)?;
        }
        "routers" => passive.routers = Some(list(value)?),
        "peer_check" => {
            let names = [("exact", PeerCheck::Exact), ("same-network", PeerCheck::SameNetwork)];
            passive.peers.check = one_of(value, &names)?;
        }
        "client_networks" => passive.peers.networks = list(value)?,
        "tls_proof" => passive.peers.tls_proof = boolean(value)?,
        "rule" => passive.rules.push(rule(value)?),
        _ => return Err(format!("no such setting of passive mode: \"{key}\"")),
    }
    Ok(())
}

/// Whether a setting is about addresses or ports that a real connection can't choose.
pub(super) fn needs_addresses(key: &str) -> bool {
    !matches!(key, "passive.enabled" | "passive.tls_proof" | "passive.peer_check")
}

/// `networks=10.0.0.0/8 external_address=10.0.0.2`: conditions and what they lead to, in any order.
fn rule(text: &str) -> Result<AddressRule, String> {
    let mut rule = AddressRule::default();
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').ok_or("write a rule as key=value key=value")?;
        match key {
            "listeners" => rule.listeners = list(value)?,
            "local" => rule.local = list(value)?,
            "networks" => rule.networks = list(value)?,
            "external_address" => rule.external = external(value),
            "exposed_ports" => rule.exposed_ports = Some(ports(value)?),
            _ => return Err(format!("no such part of a rule: \"{key}\"")),
        }
    }
    Ok(rule)
}

fn external(value: &str) -> External {
    match value.parse() {
        Ok(address) => External::Literal(address),
        Err(_) if value == "control-connection" => External::ControlConnection,
        Err(_) => External::Name(value.to_string()),
    }
}

fn ports(value: &str) -> Result<Ports, String> {
    let range =
        value.split_once('-').and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    range.ok_or_else(|| format!("no ports: \"{value}\""))
}
