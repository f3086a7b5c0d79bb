//! What clients are told to connect to, as far as it can be judged without one.

use super::or_ok;
use crate::doctor::catalogue as kinds;
use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;
use ftp_proto::config::External;
use ftp_proto::diagnose::is_public;
use std::net::IpAddr;

const WRITE: &str = "write external_address = \"PUBLIC-ADDRESS\" below [passive]";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let passive = &facts.config.core.passive;
    if !passive.enabled {
        return Vec::new();
    }
    let mut findings = match &passive.external {
        External::ControlConnection => unset(facts).into_iter().collect(),
        External::Literal(address) => literal(facts, *address, &address.to_string()).into_iter().collect(),
        External::Name(name) => by_name(facts, name),
    };
    for (number, rule) in passive.rules.iter().enumerate() {
        // Addresses for some clients may well be private; what can't work at all can't for them either.
        let of_rule = match &rule.external {
            External::Literal(address) if address.is_loopback() || address.is_ipv6() => {
                literal(facts, *address, &address.to_string()).into_iter().collect()
            }
            External::Name(name) => by_name(facts, name),
            External::ControlConnection | External::Literal(_) => Vec::new(),
        };
        findings.extend(of_rule.into_iter().map(|finding| Finding {
            text: format!("passive.rule {}: {}", number + 1, finding.text),
            ..finding
        }));
    }
    or_ok(findings, || {
        kinds::ADDRESS_OK.found(match &passive.external {
            External::ControlConnection => "clients are told the address they connected to".to_owned(),
            External::Literal(address) => format!("clients are told {address}"),
            External::Name(name) => format!("clients are told {name}, {}", words(&facts.resolved(name))),
        })
    })
}

impl Facts {
    fn resolved(&self, name: &str) -> Vec<IpAddr> {
        self.system.resolved.get(name).and_then(|found| found.clone().ok()).unwrap_or_default()
    }

    /// The addresses that clients can be told: no loopback, no link-local ones.
    fn own_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let usable = |address: &IpAddr| match address {
            IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
            IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
        };
        self.system.interfaces.iter().copied().filter(usable)
    }

    /// Control connections can come from other machines.
    fn is_reachable(&self) -> bool {
        self.control_addresses().iter().any(|address| !address.ip().to_canonical().is_loopback())
    }
}

fn words(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// 227 names IPv4 addresses only, so they are what counts.
fn unset(facts: &Facts) -> Option<Finding> {
    let own: Vec<_> = facts.own_addresses().filter(IpAddr::is_ipv4).collect();
    let ruled =
        facts.config.core.passive.rules.iter().any(|rule| rule.external != External::ControlConnection);
    if !facts.is_reachable() || own.is_empty() || own.iter().any(|address| is_public(*address)) || ruled {
        return None;
    }
    let addresses = words(&own);
    Some(match facts.system.container {
        Some(container) => kinds::CONTAINER_WITHOUT_ADDRESS
            .found(format!("this is a container ({container}) with {addresses}, and no external address is set"))
            .fix(
                "write external_address = \"ADDRESS-OF-THE-HOST\" below [passive], and publish the range with equal \
                 numbers (docker run -p 21000-21099:21000-21099)",
            ),
        None => kinds::EXTERNAL_ADDRESS_UNSET
            .found(format!("this machine has only private addresses ({addresses}), and no external address is set"))
            .fix(WRITE),
    })
}

/// What is wrong with an address, which is shown as `name`.
fn literal(facts: &Facts, address: IpAddr, name: &str) -> Option<Finding> {
    let address = address.to_canonical();
    if address.is_loopback() {
        let text = format!("the external address {name} is loopback: clients would connect to themselves");
        return Some(kinds::EXTERNAL_ADDRESS_LOOPBACK.found(text).fix(WRITE));
    }
    if address.is_ipv6() {
        let text = format!("the external address {name} is IPv6 and has no effect");
        return Some(
            kinds::EXTERNAL_ADDRESS_IPV6.found(text).fix("write the IPv4 address, or remove the line"),
        );
    }
    if is_public(address) {
        return None;
    }
    let own: Vec<_> = facts.own_addresses().filter(|own| own.is_ipv4() && is_public(*own)).collect();
    if let Some(public) = own.first() {
        let text =
            format!("the external address {name} is private, and this machine has the public {public}");
        return Some(
            kinds::EXTERNAL_ADDRESS_HIDES_PUBLIC.found(text).fix("remove external_address below [passive]"),
        );
    }
    let on_interface = facts.own_addresses().any(|own| own == address);
    (!on_interface).then(|| {
        let own = words(&facts.own_addresses().collect::<Vec<_>>());
        let text = format!("the external address {name} is private and none of this machine's ({own})");
        kinds::EXTERNAL_ADDRESS_PRIVATE.found(text).fix(WRITE)
    })
}

fn by_name(facts: &Facts, name: &str) -> Vec<Finding> {
    let addresses = match facts.system.resolved.get(name) {
        None => return Vec::new(),
        Some(Err(problem)) => {
            let text = format!("{name} can't be resolved: {problem}");
            return vec![
                kinds::EXTERNAL_NAME_UNRESOLVED.found(text).fix(format!("look at `getent hosts {name}`")),
            ];
        }
        Some(Ok(addresses)) => addresses,
    };
    let Some(first) = addresses.iter().find(|address| address.is_ipv4()) else {
        let text = format!("{name} has no IPv4 address, only {}", words(addresses));
        return vec![
            kinds::EXTERNAL_NAME_IPV6_ONLY.found(text).fix("add an A record, or write the IPv4 address"),
        ];
    };
    if first.is_loopback() {
        return literal(facts, *first, &format!("{name} ({first})")).into_iter().collect();
    }
    let own_is_public = facts.own_addresses().any(|own| own.is_ipv4() && is_public(own));
    if !is_public(*first) && (own_is_public || !facts.own_addresses().any(|own| own == *first)) {
        let text = format!("{name} resolves to the private address {first} here");
        return vec![kinds::EXTERNAL_NAME_PRIVATE.found(text).fix(WRITE)];
    }
    Vec::new()
}
