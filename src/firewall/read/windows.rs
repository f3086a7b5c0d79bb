//! Rules of Windows' firewall, as netsh prints them and as PowerShell writes them in JSON.

use super::super::needs::Family;
use super::super::ports::PortSet;
use super::super::rules::{Base, Chain, Condition, Hook, Rule, Ruleset, Verdict};
use super::{network, networks_between, ports};
use serde_json::Value;
use std::collections::BTreeMap;

/// The command whose output [`read_powershell`] reads.
pub const POWERSHELL_EXPORT: &str = r#"$rules = Get-NetFirewallRule -PolicyStore ActiveStore -Enabled True | ForEach-Object {
  $p = $_ | Get-NetFirewallPortFilter; $a = $_ | Get-NetFirewallAddressFilter; $i = $_ | Get-NetFirewallInterfaceFilter
  $x = $_ | Get-NetFirewallApplicationFilter; $s = $_ | Get-NetFirewallServiceFilter
  @{ Name = $_.DisplayName; Direction = "$($_.Direction)"; Action = "$($_.Action)"; Profiles = "$($_.Profile)"
     Protocol = $p.Protocol; LocalPort = $p.LocalPort; RemotePort = $p.RemotePort; LocalIP = $a.LocalAddress
     RemoteIP = $a.RemoteAddress; Program = $x.Program; Service = $s.Service; Interface = $i.InterfaceAlias } }
$profiles = Get-NetFirewallProfile -PolicyStore ActiveStore | ForEach-Object {
  @{ Name = $_.Name; Enabled = "$($_.Enabled)"; Inbound = "$($_.DefaultInboundAction)"; Outbound = "$($_.DefaultOutboundAction)" } }
@{ Rules = @($rules); Profiles = @($profiles)
   StatefulFtp = "$((Get-NetFirewallSetting -PolicyStore ActiveStore).EnableStatefulFtp)" } | ConvertTo-Json -Depth 4"#;

type Fields = BTreeMap<String, String>;

const CHAINS: [(&str, Hook); 2] =
    [("Windows firewall, inbound", Hook::Input), ("Windows firewall, outbound", Hook::Output)];

/// What `netsh advfirewall firewall show rule name=all verbose`, `netsh advfirewall show allprofiles` and
/// `netsh advfirewall show global` print, one behind the other.
///
/// # Errors
/// What is wrong with the text.
pub fn read_netsh(text: &str) -> Result<Ruleset, String> {
    let mut rules: Vec<Fields> = Vec::new();
    let mut policies: Vec<(bool, bool, bool)> = Vec::new();
    let (mut is_on, mut stateful) = (true, false);
    for line in text.lines().map(str::trim_end) {
        let folded = line.trim().to_ascii_lowercase();
        if let Some(state) = folded.strip_prefix("state ") {
            is_on = state.trim() == "on";
        } else if let Some(policy) = folded.strip_prefix("firewall policy ") {
            policies.push((is_on, !policy.contains("allowinbound"), policy.contains("blockoutbound")));
        } else if let Some(value) = folded.strip_prefix("statefulftp ") {
            stateful = value.trim().starts_with("enable");
        } else if let Some((key, value)) = line.split_once(':') {
            let key = key.trim().to_ascii_lowercase();
            if key == "rule name" {
                rules.push(Fields::new());
            }
            if let Some(rule) = rules.last_mut() {
                rule.insert(key, value.trim().to_owned());
            }
        }
    }
    if rules.is_empty() && policies.is_empty() {
        return Err(
            "no \"Rule Name:\" in it; expected what `netsh advfirewall firewall show rule name=all verbose` prints"
                .to_owned(),
        );
    }
    rules.retain(|rule| rule.get("enabled").is_none_or(|word| word.eq_ignore_ascii_case("yes")));
    Ok(ruleset(&rules, &policies, stateful))
}

/// What [`POWERSHELL_EXPORT`] prints.
///
/// # Errors
/// What is wrong with the text.
pub fn read_powershell(text: &str) -> Result<Ruleset, String> {
    let advice = "expected what the PowerShell command of `ftpd firewall check --help` prints";
    let document: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| format!("{error}; {advice}"))?;
    let list =
        document.get("Rules").and_then(Value::as_array).ok_or(format!("no \"Rules\" in it; {advice}"))?;
    let names = [("Name", "rule name")];
    let rules: Vec<Fields> = list
        .iter()
        .filter_map(Value::as_object)
        .map(|object| {
            let name = |key: &String| {
                names
                    .iter()
                    .find(|(theirs, _)| theirs == key)
                    .map_or(key.to_ascii_lowercase(), |(_, ours)| (*ours).to_owned())
            };
            object.iter().map(|(key, value)| (name(key), joined(value))).collect()
        })
        .collect();
    let profiles = document.get("Profiles").and_then(Value::as_array).into_iter().flatten();
    let word =
        |profile: &Value, key: &str| joined(profile.get(key).unwrap_or(&Value::Null)).to_ascii_lowercase();
    let policies: Vec<_> = profiles
        .map(|profile| {
            let (enabled, inbound) = (word(profile, "Enabled"), word(profile, "Inbound"));
            (enabled != "false", inbound != "allow", word(profile, "Outbound") == "block")
        })
        .collect();
    let stateful =
        document.get("StatefulFtp").is_some_and(|value| joined(value).eq_ignore_ascii_case("true"));
    Ok(ruleset(&rules, &policies, stateful))
}

/// One value, or several with commas.
fn joined(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(joined).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A rule that blocks wins over all that allow.
fn ruleset(rules: &[Fields], policies: &[(bool, bool, bool)], stateful_ftp: bool) -> Ruleset {
    let mut ruleset = Ruleset { stateful_ftp, ..Ruleset::default() };
    for (index, (key, hook)) in CHAINS.into_iter().enumerate() {
        let direction = if hook == Hook::Input { "in" } else { "out" };
        let is_ours = |rule: &&Fields| text(rule, "direction").to_ascii_lowercase().starts_with(direction);
        let mut rules: Vec<_> = rules.iter().filter(is_ours).map(|fields| rule(fields, hook)).collect();
        rules.sort_by_key(|rule| rule.verdict != Verdict::Drop);
        ruleset.chains.insert(key.to_owned(), Chain { title: key.to_owned(), rules });
        let blocks: Vec<_> = policies
            .iter()
            .map(|(is_on, inbound, outbound)| *is_on && [*inbound, *outbound][index])
            .collect();
        let policy = match blocks[..] {
            [] => Verdict::Unclear(
                "what is done without a rule is not shown (`netsh advfirewall show allprofiles`)".to_owned(),
            ),
            [first, ref rest @ ..] if rest.iter().all(|next| *next == first) => {
                if first {
                    Verdict::Drop
                } else {
                    Verdict::Accept
                }
            }
            _ => Verdict::Unclear("what is done without a rule depends on the network's profile".to_owned()),
        };
        ruleset.bases.push(Base {
            hook,
            priority: 0,
            families: Family::BOTH.to_vec(),
            chain: key.to_owned(),
            policy,
            first_only: true,
        });
    }
    ruleset
}

fn text<'a>(rule: &'a Fields, key: &str) -> &'a str {
    rule.get(key).map_or("", String::as_str)
}

/// Local is the destination of what comes in, and the source of what goes out.
fn rule(fields: &Fields, hook: Hook) -> Rule {
    let name = text(fields, "rule name");
    let title = format!("rule \"{name}\"");
    let verdict = match text(fields, "action").to_ascii_lowercase().as_str() {
        "allow" | "bypass" => Verdict::Accept,
        "block" => Verdict::Drop,
        other => Verdict::Unclear(format!("{title}: action {other:?} is not understood")),
    };
    let conditions = FIELDS.iter().filter_map(|(key, read)| {
        let key = match *key {
            "localport" if hook == Hook::Output => "remoteport",
            "remoteport" if hook == Hook::Output => "localport",
            "localip" if hook == Hook::Output => "remoteip",
            "remoteip" if hook == Hook::Output => "localip",
            key => key,
        };
        let value = text(fields, key);
        let is_any = value.is_empty() || value.eq_ignore_ascii_case("any") || value == "*";
        (!is_any).then(|| read(value, &title))
    });
    Rule {
        title: title.clone(),
        comment: Some(name.to_owned()),
        handle: None,
        conditions: conditions.collect(),
        verdict,
    }
}

type ReadField = fn(&str, &str) -> Condition;

const FIELDS: &[(&str, ReadField)] = &[
    ("protocol", |value, _| Condition::Constant(value.eq_ignore_ascii_case("tcp") || value == "6")),
    ("localport", |value, title| port_list(value, title, Condition::Destination)),
    ("remoteport", |value, title| port_list(value, title, Condition::SourcePort)),
    ("remoteip", |value, title| address_list(value, title, Condition::From)),
    ("localip", |value, title| address_list(value, title, Condition::To)),
    ("program", |value, _| Condition::Program(value.to_owned())),
    ("service", |value, _| Condition::Service(value.to_owned())),
    ("interface", |value, _| {
        Condition::Inside(value.split(',').map(|name| name.trim().to_owned()).collect())
    }),
    ("interfacetypes", |value, title| {
        Condition::Unknown(format!("{title}: only on interfaces of type {value}"))
    }),
    ("profiles", |value, title| {
        let value = value.to_ascii_lowercase();
        match ["domain", "private", "public"].iter().all(|profile| value.contains(profile)) {
            true => Condition::Constant(true),
            false => Condition::Unknown(format!("{title}: only in networks of profile {value}")),
        }
    }),
];

fn port_list(value: &str, title: &str, make: fn(PortSet) -> Condition) -> Condition {
    // Words like RPC stand for ports that are none of ours.
    let is_word = |part: &&str| part.trim().starts_with(|letter: char| letter.is_ascii_alphabetic());
    let all = value.split(',').filter(|part| !is_word(part)).map(|part| ports(part.trim()));
    match all.collect::<Option<Vec<_>>>() {
        Some(all) => make(all.iter().fold(PortSet::EMPTY, |all, one| all.or(one))),
        None => Condition::Unknown(format!("{title}: ports {value} are not understood")),
    }
}

fn address_list(
    value: &str,
    title: &str,
    make: fn(Vec<ftp_proto::config::Network>) -> Condition,
) -> Condition {
    let one = |part: &str| {
        let part = part.trim();
        // A class of neighbours: an ordinary client is not one of them.
        if part.starts_with(|letter: char| letter.is_ascii_alphabetic()) && !part.contains(':') {
            return Some(Vec::new());
        }
        match part.split_once('-') {
            Some((first, last)) => Some(networks_between(first.parse().ok()?, last.parse().ok()?)),
            None => Some(vec![network(part)?]),
        }
    };
    match value.split(',').map(one).collect::<Option<Vec<_>>>() {
        Some(all) => make(all.concat()),
        None => Condition::Unknown(format!("{title}: addresses {value} are not understood")),
    }
}
