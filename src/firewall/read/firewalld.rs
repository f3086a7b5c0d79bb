//! What `firewall-cmd --list-all-zones` prints, and `firewall-cmd --info-service=NAME` for services, one behind
//! the other.

use super::super::needs::Family;
use super::super::ports::PortSet;
use super::super::rules::{Base, Chain, Condition, Hook, Rule, Ruleset, Verdict};
use super::{iptables, network, ports};
use std::collections::BTreeMap;

/// Services that are in nearly every zone. Others have to be shown.
const SERVICES: &[(&str, &[u16])] = &[
    ("ssh", &[22]),
    ("http", &[80]),
    ("https", &[443]),
    ("cockpit", &[9090]),
    ("dhcpv6-client", &[]),
    ("mdns", &[]),
    ("ipp-client", &[]),
    ("samba-client", &[]),
    ("ftp", &[21]),
];

/// A zone or a service: its name, and its keys.
struct Block<'a> {
    name: &'a str,
    is_active: bool,
    is_default: bool,
    keys: BTreeMap<&'a str, Vec<&'a str>>,
}

impl Block<'_> {
    fn words(&self, key: &str) -> impl Iterator<Item = &str> {
        self.keys.get(key).into_iter().flatten().flat_map(|line| line.split_whitespace())
    }
}

/// Reads zones and services.
///
/// # Errors
/// What is wrong with the text.
pub fn read(text: &str) -> Result<Ruleset, String> {
    let blocks = blocks(text);
    let (zones, services): (Vec<_>, Vec<_>) =
        blocks.into_iter().partition(|block| block.keys.contains_key("target"));
    if zones.is_empty() {
        return Err("no zone in it; expected what `firewall-cmd --list-all-zones` prints".to_owned());
    }
    let mut ruleset = Ruleset::default();
    for zone in &zones {
        let key = format!("firewalld zone {}", zone.name);
        let rules = zone_rules(zone, &services, &key);
        ruleset.chains.insert(key.clone(), Chain { title: key, rules });
    }
    let dispatch = Chain { title: "firewalld".to_owned(), rules: dispatch(&zones) };
    ruleset.chains.insert(dispatch.title.clone(), dispatch);
    ruleset.bases.push(Base {
        hook: Hook::Input,
        priority: 0,
        families: Family::BOTH.to_vec(),
        chain: "firewalld".to_owned(),
        policy: Verdict::Unclear(
            "which zone is for all other interfaces is not shown (`firewall-cmd --get-default-zone`)"
                .to_owned(),
        ),
        first_only: true,
    });
    Ok(ruleset)
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut last = "";
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if !line.starts_with([' ', '\t']) {
            let (name, flags) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            let has = |flag| flags.contains(flag);
            blocks.push(Block {
                name,
                is_active: has("active"),
                is_default: has("default"),
                keys: BTreeMap::new(),
            });
            continue;
        }
        let Some(block) = blocks.last_mut() else { continue };
        // A rich rule has a line of its own, and may have colons in it.
        match line.trim().split_once(':') {
            Some((key, value)) if !line.starts_with('\t') && !key.contains(['"', '=']) => {
                last = key;
                block.keys.entry(key).or_default().push(value.trim());
            }
            _ => block.keys.entry(last).or_default().push(line.trim()),
        }
    }
    blocks
}

/// Sources come first, then interfaces, then the default zone.
fn dispatch(zones: &[Block<'_>]) -> Vec<Rule> {
    let jump = |zone: &Block<'_>, condition: Option<Condition>| Rule {
        title: format!("firewalld zone {}", zone.name),
        comment: None,
        handle: None,
        conditions: condition.into_iter().collect(),
        verdict: Verdict::Goto(format!("firewalld zone {}", zone.name)),
    };
    let mut rules = Vec::new();
    for zone in zones {
        let sources: Vec<_> = zone.words("sources").collect();
        if !sources.is_empty() {
            let networks = sources.iter().map(|text| network(text)).collect::<Option<Vec<_>>>();
            let condition = networks.map_or_else(
                || Condition::Unknown(format!("firewalld zone {}: sources {}", zone.name, sources.join(" "))),
                Condition::From,
            );
            rules.push(jump(zone, Some(condition)));
        }
    }
    let with_interfaces: Vec<_> =
        zones.iter().filter(|zone| zone.words("interfaces").next().is_some()).collect();
    if let [only] = with_interfaces[..] {
        // Whatever clients come by.
        rules.push(jump(only, None));
        return rules;
    }
    for zone in &with_interfaces {
        let names = zone.words("interfaces").map(str::to_owned).collect();
        rules.push(jump(zone, Some(Condition::Inside(names))));
    }
    let active: Vec<_> = zones.iter().filter(|zone| zone.is_active).collect();
    let default = zones.iter().find(|zone| zone.is_default);
    rules.extend(
        default.or(if let [only] = active[..] { Some(only) } else { None }).map(|zone| jump(zone, None)),
    );
    rules
}

fn zone_rules(zone: &Block<'_>, services: &[Block<'_>], title: &str) -> Vec<Rule> {
    let rule = |what: &str, comment: Option<&str>, conditions, verdict| Rule {
        title: format!("{title}, {what}"),
        comment: comment.map(str::to_owned),
        handle: None,
        conditions,
        verdict,
    };
    let mut rich: Vec<_> = zone
        .keys
        .get("rich rules")
        .into_iter()
        .flatten()
        .filter(|line| !line.is_empty())
        .map(|line| rich_rule(line, services, title))
        .collect();
    // Without priorities, denials come first.
    rich.sort_by_key(|(priority, rule)| (*priority, rule.verdict != Verdict::Drop));
    let (early, late): (Vec<_>, Vec<_>) = rich.into_iter().partition(|(priority, _)| *priority <= 0);
    let mut rules: Vec<_> = early.into_iter().map(|(_, rule)| rule).collect();
    for name in zone.words("services") {
        let conditions = service(name, services, title);
        let helper = helper(name, services);
        if helper {
            rules.push(rule(&format!("service {name}"), Some(name), conditions.clone(), Verdict::FtpHelper));
        }
        rules.push(rule(&format!("service {name}"), Some(name), conditions, Verdict::Accept));
    }
    for word in zone.words("ports") {
        rules.push(rule(&format!("port {word}"), None, vec![port(word, title)], Verdict::Accept));
    }
    for word in zone.words("source-ports") {
        let condition = match port(word, title) {
            Condition::Destination(ports) => Condition::SourcePort(ports),
            other => other,
        };
        rules.push(rule(&format!("source port {word}"), None, vec![condition], Verdict::Accept));
    }
    for word in zone.words("protocols") {
        let condition = Condition::Constant(word == "tcp" || word == "6");
        rules.push(rule(&format!("protocol {word}"), None, vec![condition], Verdict::Accept));
    }
    for word in zone.words("forward-ports") {
        rules.push(rule(
            "forward-ports",
            None,
            Vec::new(),
            Verdict::Unclear(format!("{title}: it leads ports elsewhere ({word})")),
        ));
    }
    rules.extend(late.into_iter().map(|(_, rule)| rule));
    let target: Vec<_> = zone.words("target").collect();
    let verdict = match target[..] {
        ["ACCEPT"] => Verdict::Accept,
        ["default" | "DROP" | "%%REJECT%%" | "REJECT"] => Verdict::Drop,
        _ => Verdict::Unclear(format!("{title}: target {} is not understood", target.join(" "))),
    };
    rules.push(rule("target", None, Vec::new(), verdict));
    rules
}

/// `21/tcp`, `41000-41099/tcp`.
fn port(word: &str, title: &str) -> Condition {
    let (list, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    match ports(list) {
        Some(_) if protocol != "tcp" => Condition::Constant(false),
        Some(ports) => Condition::Destination(ports),
        None => Condition::Unknown(format!("{title}: port {word} is not understood")),
    }
}

fn service(name: &str, services: &[Block<'_>], title: &str) -> Vec<Condition> {
    if let Some(block) = services.iter().find(|block| block.name == name) {
        let tcp = block.words("ports").filter_map(|word| ports(word.strip_suffix("/tcp")?));
        return vec![Condition::Destination(tcp.fold(PortSet::EMPTY, |all, one| all.or(&one)))];
    }
    match SERVICES.iter().find(|(known, _)| *known == name) {
        Some((_, known)) => vec![Condition::Destination(PortSet::of(known.iter().map(|port| *port..=*port)))],
        None => vec![Condition::Unknown(format!(
            "{title}: the ports of service {name} are not shown (`firewall-cmd --info-service={name}`)"
        ))],
    }
}

fn helper(name: &str, services: &[Block<'_>]) -> bool {
    match services.iter().find(|block| block.name == name) {
        Some(block) => block.words("helpers").chain(block.words("modules")).any(|word| word.ends_with("ftp")),
        None => name == "ftp",
    }
}

/// `rule priority="-1" family="ipv4" source address="10.0.0.0/8" port port="21" protocol="tcp" accept`.
fn rich_rule(line: &str, services: &[Block<'_>], title: &str) -> (i32, Rule) {
    let title = format!("{title}, {line}");
    let mut conditions = Vec::new();
    let unknown = |what: &str| Condition::Unknown(format!("{title}: {what} is not understood"));
    let (mut priority, mut verdict, mut element, mut negated) = (0, Verdict::Continue, String::new(), false);
    for word in iptables::words(line) {
        let Some((key, value)) = word.split_once('=') else {
            match word.as_str() {
                "accept" => verdict = Verdict::Accept,
                "reject" | "drop" => verdict = Verdict::Drop,
                "NOT" | "not" => negated = true,
                "rule" | "log" | "audit" | "mark" | "nflog" | "limit" => element = word,
                "source" | "destination" | "port" | "service" | "source-port" => element = word,
                "protocol" => element = word,
                other => conditions.push(unknown(other)),
            }
            continue;
        };
        let condition = match (element.as_str(), key) {
            ("rule", "priority") => {
                priority = value.parse().unwrap_or(0);
                None
            }
            ("rule", "family") => {
                Some(Condition::Family(if value == "ipv6" { Family::V6 } else { Family::V4 }))
            }
            ("source", "address") => {
                Some(network(value).map_or_else(|| unknown(value), |one| Condition::From(vec![one])))
            }
            ("source", "ipset") => Some(Condition::From(Vec::new())),
            ("destination", "address") => {
                Some(network(value).map_or_else(|| unknown(value), |one| Condition::To(vec![one])))
            }
            ("port", "port") => Some(ports(value).map_or_else(|| unknown(value), Condition::Destination)),
            ("source-port", "port") => {
                Some(ports(value).map_or_else(|| unknown(value), Condition::SourcePort))
            }
            ("port" | "source-port", "protocol") | ("protocol", "value") => {
                Some(Condition::Constant(value == "tcp"))
            }
            ("service", "name") => {
                conditions.extend(service(value, services, &title));
                None
            }
            ("source" | "destination", "invert") => {
                negated = value.eq_ignore_ascii_case("true");
                None
            }
            ("limit", "value") if verdict == Verdict::Accept => {
                Some(Condition::Unknown(format!("{title}: it holds up to a rate only")))
            }
            ("log" | "audit" | "mark" | "nflog" | "limit", _) | (_, "type" | "burst") => None,
            _ => Some(unknown(&word)),
        };
        if let Some(condition) = condition {
            conditions.push(condition.negated(std::mem::take(&mut negated)));
        }
    }
    (priority, Rule { title, comment: None, handle: None, conditions, verdict })
}
