//! The sections `[passive]` and `[proxy]`, as far as a value is more than a word or a number.

use super::Draft;
use super::keys::{one_or_many, put};
use super::reader::{FileError, Node};
use ftp_proto::config::{
    AddressRule, ConfigError, External, LanClients, Listener, Network, PassivePorts, PeerCheck, Ports,
};
use std::net::IpAddr;

/// The names of [`LanClients`].
pub const LAN_CLIENTS_NAMES: &[(&str, LanClients)] =
    &[("inside", LanClients::Inside), ("external", LanClients::External)];
/// The names of [`PeerCheck`].
pub const PEER_CHECK_NAMES: &[(&str, PeerCheck)] =
    &[("exact", PeerCheck::Exact), ("same-network", PeerCheck::SameNetwork)];

/// How it is written that clients are told the address they connected to.
pub const CONTROL_CONNECTION: &str = "control-connection";

/// A number, or a text that may be one.
fn number_or_text(node: &Node<'_>, example: &str) -> Result<String, FileError> {
    match node.as_integer() {
        Some(number) => Ok(number.to_string()),
        None => node.text(example).map(str::to_owned),
    }
}

fn parsed<T: std::str::FromStr<Err = ConfigError>>(node: &Node<'_>, text: &str) -> Result<T, FileError> {
    text.parse().map_err(|error: ConfigError| node.wrong(error.problem))
}

pub(super) fn ports(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    let ports = number_or_text(node, "21000-21099").and_then(|text| parsed(node, &text));
    put(&mut draft.settings.passive.ports, ports)
}

pub(super) fn exposed_ports(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    put(&mut draft.settings.passive.exposed_ports, range(node).map(Some))
}

fn range(node: &Node<'_>) -> Result<Ports, FileError> {
    match parsed(node, &number_or_text(node, "51000-51099")?)? {
        PassivePorts::Range(range) => Ok(range),
        PassivePorts::Auto(_) => Err(node.wrong("write the ports that clients connect to, like 51000-51099")),
    }
}

pub(super) fn external_address(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    put(&mut draft.settings.passive.external, external(node))
}

fn external(node: &Node<'_>) -> Result<External, FileError> {
    parse_external(node.text("203.0.113.7")?).map_err(|problem| node.wrong(problem))
}

/// An address, a name, or the word for the control connection's own.
pub(crate) fn parse_external(text: &str) -> Result<External, String> {
    if text == CONTROL_CONNECTION {
        return Ok(External::ControlConnection);
    }
    if let Ok(address) = text.parse() {
        return Ok(External::Literal(address));
    }
    let looks_like_address = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if looks_like_address || text.contains([':', '/', ' ']) || text.is_empty() {
        return Err(format!(
            "{text:?} is no IP address and no name; write \"203.0.113.7\", \"ftp.example.org\" or \"{CONTROL_CONNECTION}\""
        ));
    }
    Ok(External::Name(text.to_owned()))
}

pub(super) fn routers(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    let router = |entry: &Node<'_>| {
        let text = entry.text("10.0.0.1")?;
        text.parse::<IpAddr>().map_err(|_| {
            entry.wrong(format_args!(
                "{text:?} is no IP address; write the router's inside address, like \"10.0.0.1\""
            ))
        })
    };
    // An empty list says that there is none.
    let routers = match node.members() {
        Some(members) => members.iter().map(router).collect(),
        None => router(node).map(|router| vec![router]),
    };
    put(&mut draft.settings.passive.routers, routers.map(Some))
}

pub(super) fn networks(node: &Node<'_>) -> Result<Vec<Network>, FileError> {
    one_or_many(node, "[\"10.0.0.0/8\"]", |entry| parsed(entry, entry.text("10.0.0.0/8")?))
}

/// The same, or an empty list.
pub(super) fn networks_or_none(node: &Node<'_>) -> Result<Vec<Network>, FileError> {
    match node.members() {
        Some(members) if members.is_empty() => Ok(Vec::new()),
        _ => networks(node),
    }
}

pub(super) fn listeners(node: &Node<'_>) -> Result<Vec<Listener>, FileError> {
    one_or_many(node, "[\"990\"]", |entry| parsed(entry, &number_or_text(entry, "990")?))
}

pub(super) fn client_networks(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    put(&mut draft.settings.passive.peers.networks, networks(node))
}

pub(super) fn trusted(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    put(&mut draft.settings.proxy.trusted, networks(node))
}

/// `[[passive.rule]]`, as often as it stands there.
pub(super) fn rules(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    let example =
        "[[passive.rule]] with networks = [\"10.0.0.0/8\"] and external_address = \"10.0.0.2\" below it";
    put(&mut draft.settings.passive.rules, one_or_many(node, example, rule))
}

const RULE_KEYS: [&str; 5] = [
    "passive.rule.listeners",
    "passive.rule.local",
    "passive.rule.networks",
    "passive.rule.external_address",
    "passive.rule.exposed_ports",
];

fn rule(node: &Node<'_>) -> Result<AddressRule, FileError> {
    if !node.is_table() {
        return Err(node.wrong(format_args!("expected a rule, not {}; write [[passive.rule]]", node.kind())));
    }
    let mut rule = AddressRule::default();
    let mut has_address = false;
    for entry in node.entries()? {
        match entry.key() {
            "passive.rule.listeners" => rule.listeners = listeners(&entry)?,
            "passive.rule.local" => rule.local = networks(&entry)?,
            "passive.rule.networks" => rule.networks = networks(&entry)?,
            "passive.rule.external_address" => {
                rule.external = external(&entry)?;
                has_address = true;
            }
            "passive.rule.exposed_ports" => rule.exposed_ports = Some(range(&entry)?),
            _ => return Err(entry.unknown(RULE_KEYS.into_iter())),
        }
    }
    if !has_address {
        return Err(node.wrong(format_args!(
            "changes nothing; write external_address = \"203.0.113.7\" or \"{CONTROL_CONNECTION}\""
        )));
    }
    Ok(rule)
}
