//! Conditions of nft rules: an expression, an operator, and what to compare with.

use super::super::needs::Family;
use super::super::ports::PortSet;
use super::super::rules::{Condition, States};
use super::{network, networks_between, ports, tcp_flag};
use ftp_proto::config::Network;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

type Name = (String, String, String);

/// Named sets and maps, and helpers for FTP.
pub(super) struct Sets<'a> {
    elements: BTreeMap<Name, &'a [Value]>,
    pub(super) ftp_helpers: BTreeSet<Name>,
}

fn name(object: &Value) -> Name {
    let word = |key| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    (word("family"), word("table"), word("name"))
}

impl<'a> Sets<'a> {
    pub(super) fn collect(objects: &'a [Value]) -> Self {
        let mut sets = Self { elements: BTreeMap::new(), ftp_helpers: BTreeSet::new() };
        for object in objects {
            if let Some(set) = object.get("set").or_else(|| object.get("map")) {
                let elements = set.get("elem").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                sets.elements.insert(name(set), elements);
            }
            if let Some(helper) = object.get("ct helper")
                && helper.get("type").and_then(Value::as_str) == Some("ftp")
            {
                sets.ftp_helpers.insert(name(helper));
            }
        }
        sets
    }

    /// The elements of a set or map, named (`"@name"`) or written in place.
    pub(super) fn elements(&self, rule: &Value, set: &'a Value) -> Option<&[Value]> {
        if let Some(text) = set.as_str() {
            let (family, table, _) = name(rule);
            return self.elements.get(&(family, table, text.strip_prefix('@')?.to_owned())).copied();
        }
        set.get("set").and_then(Value::as_array).map(Vec::as_slice)
    }
}

/// `match` of a rule. The rule is needed to know its table: `sets` are looked up there.
pub(super) fn condition(value: &Value, sets: &Sets<'_>, rule: &Value, title: &str) -> Condition {
    let part = |key| value.get(key).unwrap_or(&Value::Null);
    let (left, right) = (part("left"), part("right"));
    let operator = part("op").as_str().unwrap_or("==");
    match operator {
        "==" | "in" => key_condition(left, right, sets, rule, title),
        "!=" => key_condition(left, right, sets, rule, title).negated(true),
        "<" | "<=" | ">" | ">=" => {
            match (key(left), right.as_u64().and_then(|port| u16::try_from(port).ok())) {
                (Some(Key::Port(is_destination)), Some(port)) => {
                    let low = PortSet::from(0..=port);
                    let low =
                        if matches!(operator, "<" | ">=") { low.without(&PortSet::one(port)) } else { low };
                    port_condition(
                        is_destination,
                        if operator.starts_with('<') { low } else { low.complement() },
                    )
                }
                _ => unknown(left, title),
            }
        }
        _ => unknown(left, title),
    }
}

/// What a packet has to be so that an expression means anything: nft adds these conditions by itself and does not
/// show them.
pub(super) fn dependencies(left: &Value) -> Vec<Condition> {
    let parts = left.get("concat").or_else(|| left.get("&")).and_then(Value::as_array);
    if let Some(parts) = parts {
        return parts.iter().flat_map(dependencies).collect();
    }
    let protocol = left.get("payload").and_then(|payload| payload.get("protocol")).and_then(Value::as_str);
    match protocol {
        Some("ip") => vec![Condition::Family(Family::V4)],
        Some("ip6") => vec![Condition::Family(Family::V6)],
        Some(_) if matches!(key(left), Some(Key::Foreign)) => vec![Condition::Constant(false)],
        _ => Vec::new(),
    }
}

/// Whether an expression has one of these values.
pub(super) fn key_condition(
    left: &Value,
    right: &Value,
    sets: &Sets<'_>,
    rule: &Value,
    title: &str,
) -> Condition {
    if let Some(parts) = left.get("concat").and_then(Value::as_array) {
        return concatenation(parts, right, sets, rule, title);
    }
    let Some(kind) = key(left) else { return unknown(left, title) };
    let named = right.as_str().is_some_and(|text| text.starts_with('@')) || right.get("set").is_some();
    let single;
    let values: &[Value] = if named {
        match sets.elements(rule, right) {
            Some(elements) => elements,
            None => return unknown(right, title),
        }
    } else {
        single = [right.clone()];
        &single
    };
    kind.condition(values).unwrap_or_else(|| unknown(left, title))
}

/// All parts have the values of one element.
fn concatenation(parts: &[Value], right: &Value, sets: &Sets<'_>, rule: &Value, title: &str) -> Condition {
    let elements = match sets.elements(rule, right) {
        Some(elements) => elements.to_vec(),
        None if right.get("concat").is_some() => vec![right.clone()],
        None => return unknown(right, title),
    };
    let choice = |element: &Value| {
        let values = plain(element).get("concat")?.as_array()?;
        let both = parts.iter().zip(values).filter(|_| parts.len() == values.len());
        let all: Vec<_> = both.map(|(part, value)| key_condition(part, value, sets, rule, title)).collect();
        (!all.is_empty()).then_some(all)
    };
    match elements.iter().map(choice).collect::<Option<Vec<_>>>() {
        Some(choices) => Condition::Any(choices),
        None => unknown(right, title),
    }
}

fn unknown(what: &Value, title: &str) -> Condition {
    Condition::Unknown(format!("{title}: {what} is not understood"))
}

/// What is compared.
enum Key {
    /// A port of TCP: that of the destination, or of the source.
    Port(bool),
    /// A port of another protocol, or anything else that TCP packets over IP don't have.
    Foreign,
    Source,
    Destination,
    Protocol,
    Version,
    Inside,
    Outside,
    State,
    Status,
    /// Flags of TCP, under a mask.
    Flags(u8),
    /// The kind of the destination's address.
    AddressType,
    /// Whether the source's address is routed.
    Routed,
    PacketType,
}

fn key(left: &Value) -> Option<Key> {
    if let Some(payload) = left.get("payload") {
        let text = |key| payload.get(key).and_then(Value::as_str).unwrap_or_default();
        return match (text("protocol"), text("field")) {
            ("tcp" | "th", "dport") => Some(Key::Port(true)),
            ("tcp" | "th", "sport") => Some(Key::Port(false)),
            ("tcp", "flags") => Some(Key::Flags(u8::MAX)),
            ("ip" | "ip6", "saddr") => Some(Key::Source),
            ("ip" | "ip6", "daddr") => Some(Key::Destination),
            ("ip", "protocol") | ("ip6", "nexthdr") => Some(Key::Protocol),
            (
                "udp" | "udplite" | "sctp" | "dccp" | "icmp" | "icmpv6" | "igmp" | "ah" | "esp" | "comp"
                | "arp",
                _,
            ) => Some(Key::Foreign),
            _ => None,
        };
    }
    if let Some(meta) = left.get("meta") {
        return match meta.get("key").and_then(Value::as_str)? {
            "l4proto" => Some(Key::Protocol),
            "nfproto" => Some(Key::Version),
            "protocol" => Some(Key::Version),
            "iif" | "iifname" => Some(Key::Inside),
            "oif" | "oifname" => Some(Key::Outside),
            "pkttype" => Some(Key::PacketType),
            _ => None,
        };
    }
    if let Some(tracking) = left.get("ct") {
        return match tracking.get("key").and_then(Value::as_str)? {
            "state" => Some(Key::State),
            "status" => Some(Key::Status),
            _ => None,
        };
    }
    if let Some(fib) = left.get("fib") {
        let flags: Vec<_> =
            fib.get("flags").and_then(Value::as_array)?.iter().filter_map(Value::as_str).collect();
        return match fib.get("result").and_then(Value::as_str)? {
            "type" if flags.contains(&"daddr") => Some(Key::AddressType),
            "oif" | "oifname" if flags.contains(&"saddr") => Some(Key::Routed),
            _ => None,
        };
    }
    if let Some([inner, mask]) = left.get("&").and_then(Value::as_array).map(Vec::as_slice)
        && matches!(key(inner), Some(Key::Flags(_)))
    {
        return flags(mask).map(Key::Flags);
    }
    None
}

fn port_condition(is_destination: bool, ports: PortSet) -> Condition {
    if is_destination { Condition::Destination(ports) } else { Condition::SourcePort(ports) }
}

impl Key {
    /// `None` if a value is not understood.
    fn condition(&self, values: &[Value]) -> Option<Condition> {
        let each = || values.iter().map(plain);
        // Words alone or in a list: `in ["established", "related"]`.
        let words = || {
            let list = |value: &Value| match value.as_array() {
                Some(list) => list.iter().map(text).collect::<Option<Vec<_>>>(),
                None => text(value).map(|text| vec![text]),
            };
            Some(each().map(list).collect::<Option<Vec<_>>>()?.concat())
        };
        let is = |known: &[&str]| Some(words()?.iter().any(|word| known.contains(&word.as_str())));
        Some(match self {
            Self::Port(is_destination) => {
                let all = each().map(port_range).collect::<Option<Vec<_>>>()?;
                let all = all.iter().fold(PortSet::EMPTY, |all, one| all.or(one));
                port_condition(*is_destination, all)
            }
            Self::Foreign => Condition::Constant(false),
            Self::Source => Condition::From(each().map(addresses).collect::<Option<Vec<_>>>()?.concat()),
            Self::Destination => Condition::To(each().map(addresses).collect::<Option<Vec<_>>>()?.concat()),
            Self::Protocol => Condition::Constant(is(&["tcp", "6"])?),
            Self::Version => {
                match (is(&["ipv4", "ip", "2", "2048"])?, is(&["ipv6", "ip6", "10", "34525"])?) {
                    (true, true) => Condition::Constant(true),
                    (true, false) => Condition::Family(Family::V4),
                    (false, true) => Condition::Family(Family::V6),
                    (false, false) => Condition::Constant(false),
                }
            }
            Self::Inside => Condition::Inside(words()?),
            Self::Outside => Condition::Outside(words()?),
            Self::State => {
                let states: Vec<_> = words()?.iter().map(|word| States::named(word)).collect();
                Condition::State(states.into_iter().reduce(States::or)?)
            }
            Self::Status if !is(&["dnat", "snat", "expected"])? => Condition::Confirmed,
            Self::Status => return None,
            Self::Flags(mask) => {
                Condition::Flags { mask: *mask, wanted: each().map(flags).collect::<Option<Vec<_>>>()? }
            }
            Self::AddressType => match (is(&["local", "2"])?, is(&["unicast", "1"])?) {
                (true, true) => Condition::Constant(true),
                (true, false) => Condition::ToHost,
                (false, true) => Condition::ToHost.negated(true),
                (false, false) => Condition::Constant(false),
            },
            Self::Routed => match each().map(Value::as_bool).collect::<Option<Vec<_>>>()?[..] {
                [is_routed] => Condition::Constant(is_routed),
                _ => return None,
            },
            Self::PacketType => Condition::Constant(is(&["host", "unicast", "0"])?),
        })
    }
}

/// An element may carry more: `{"elem": {"val": 21, "comment": "x"}}`.
fn plain(value: &Value) -> &Value {
    value.get("elem").and_then(|elem| elem.get("val")).unwrap_or(value)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn port_range(value: &Value) -> Option<PortSet> {
    if let Some([first, last]) = value.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        let number = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
        return Some(PortSet::from(number(first)?..=number(last)?));
    }
    ports(&text(value)?)
}

fn addresses(value: &Value) -> Option<Vec<Network>> {
    if let Some(prefix) = value.get("prefix") {
        let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
        return Some(vec![Network::new(prefix.get("addr")?.as_str()?.parse().ok()?, length).ok()?]);
    }
    if let Some([first, last]) = value.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        let address = |value: &Value| value.as_str()?.parse().ok();
        return Some(networks_between(address(first)?, address(last)?));
    }
    Some(vec![network(value.as_str()?)?])
}

/// The bits of TCP's flags.
fn flags(value: &Value) -> Option<u8> {
    if let Some(number) = value.as_u64() {
        return u8::try_from(number).ok();
    }
    let list = value.as_array().or_else(|| value.get("|").and_then(Value::as_array));
    let one = std::slice::from_ref(value);
    list.map_or(one, Vec::as_slice).iter().try_fold(0, |bits, name| Some(bits | tcp_flag(name.as_str()?)?))
}
