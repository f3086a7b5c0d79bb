//! What `ufw status verbose` prints.

use super::super::needs::Family;
use super::super::rules::{Base, Chain, Condition, Hook, Rule, Ruleset, Verdict};
use super::{network, ports};

const CHAINS: [(&str, Hook, &str); 2] =
    [("ufw in", Hook::Input, "(incoming)"), ("ufw out", Hook::Output, "(outgoing)")];

/// Reads the rules and the defaults.
///
/// # Errors
/// What is wrong with the text.
pub fn read(text: &str) -> Result<Ruleset, String> {
    let mut ruleset = Ruleset::default();
    let status = text.lines().find_map(|line| line.trim().strip_prefix("Status:"));
    match status.map(str::trim) {
        Some("active") => {}
        Some("inactive") => return Ok(ruleset),
        _ => return Err("no \"Status:\" in it; expected what `ufw status verbose` prints".to_owned()),
    }
    let defaults = text.lines().find_map(|line| line.trim().strip_prefix("Default:"));
    for (key, hook, direction) in CHAINS {
        ruleset.chains.insert(key.to_owned(), Chain { title: key.to_owned(), rules: Vec::new() });
        let policy = policy(defaults, direction);
        ruleset.bases.push(Base {
            hook,
            priority: 0,
            families: Family::BOTH.to_vec(),
            chain: key.to_owned(),
            policy,
            first_only: true,
        });
    }
    for line in text.lines() {
        if let Some((key, rule)) = rule(line) {
            ruleset.chains.entry(key.to_owned()).or_default().rules.push(rule);
        }
    }
    Ok(ruleset)
}

/// `Default: deny (incoming), allow (outgoing), disabled (routed)`.
fn policy(defaults: Option<&str>, direction: &str) -> Verdict {
    let Some(defaults) = defaults else {
        return Verdict::Unclear(
            "the default is not shown; take what `ufw status verbose` prints".to_owned(),
        );
    };
    let word = defaults.split(',').find_map(|part| part.trim().strip_suffix(direction)).map(str::trim);
    match word {
        Some("allow") => Verdict::Accept,
        Some("deny" | "reject") => Verdict::Drop,
        _ => Verdict::Unclear(format!("the default {direction} is not understood: {}", defaults.trim())),
    }
}

/// A line of the table: `21/tcp  ALLOW IN  Anywhere  # comment`.
fn rule(line: &str) -> Option<(&'static str, Rule)> {
    let actions = [
        ("ALLOW", Verdict::Accept),
        ("LIMIT", Verdict::Accept),
        ("DENY", Verdict::Drop),
        ("REJECT", Verdict::Drop),
    ];
    let (to, verdict, rest) = actions.into_iter().find_map(|(word, verdict)| {
        let (to, rest) = line.split_once(&format!(" {word}"))?;
        (rest.is_empty() || rest.starts_with(' ')).then_some((to, verdict, rest))
    })?;
    let (rest, comment) = match rest.split_once(" # ") {
        Some((rest, comment)) => (rest, Some(comment.trim().to_owned())),
        None => (rest, None),
    };
    let mut rest = rest.trim();
    // Numbered lines begin with `[ 1]`.
    let to = to.trim();
    let to = to.split_once(']').filter(|_| to.starts_with('[')).map_or(to, |(_, to)| to.trim());
    let (mut key, mut is_in) = (CHAINS[0].0, true);
    for (word, target) in [("IN", Some(true)), ("OUT", Some(false)), ("FWD", None)] {
        if let Some(behind) = rest.strip_prefix(word).filter(|behind| behind.starts_with(' ')) {
            is_in = target?;
            key = if is_in { CHAINS[0].0 } else { CHAINS[1].0 };
            rest = behind.trim();
            break;
        }
    }
    let from = rest.trim_start_matches("(log)").trim_start_matches("(log-all)").trim();
    let title = format!("ufw rule \"{}\"", line.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut conditions = vec![family(to, from)];
    side(to, true, is_in, &title, &mut conditions);
    side(from, false, is_in, &title, &mut conditions);
    Some((key, Rule { title, comment, handle: None, conditions, verdict }))
}

/// ufw shows each rule once for each IP version.
fn family(to: &str, from: &str) -> Condition {
    let is_v6 = to.contains("(v6)") || from.contains("(v6)");
    let is_v6_network = |word: &str| network(word).is_some_and(|network| network.base().is_ipv6());
    let has_v6_address = [to, from].iter().any(|side| side.split_whitespace().any(is_v6_network));
    Condition::Family(if is_v6 || has_v6_address { Family::V6 } else { Family::V4 })
}

/// `Anywhere`, `192.0.2.1 21/tcp on eth0`, `21,41000:41099/tcp (FTP Service)`.
fn side(text: &str, is_destination: bool, is_in: bool, title: &str, conditions: &mut Vec<Condition>) {
    let text = text.replace("(v6)", "");
    let text = match text.split_once('(') {
        Some((before, _)) if !before.trim().is_empty() => before.to_owned(),
        _ => text,
    };
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if word == "Anywhere" {
        } else if word == "on" {
            let names = words.next().map(|name| vec![name.to_owned()]).unwrap_or_default();
            conditions.push(if is_in { Condition::Inside(names) } else { Condition::Outside(names) });
        } else if let Some(protocol) =
            ["tcp", "udp", "ah", "esp", "gre", "ipv6", "igmp"].iter().find(|known| **known == word)
        {
            conditions.push(Condition::Constant(*protocol == "tcp"));
        } else if let Some(network) = network(word.strip_suffix("/tcp").unwrap_or(word)) {
            conditions.push(if is_destination {
                Condition::To(vec![network])
            } else {
                Condition::From(vec![network])
            });
        } else {
            conditions.push(port_condition(word, is_destination, title));
        }
    }
}

/// `21/tcp`, `21,41000:41099/tcp`, `21`.
fn port_condition(word: &str, is_destination: bool, title: &str) -> Condition {
    let (list, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let all = list.split(',').map(ports).collect::<Option<Vec<_>>>();
    match all.map(|all| all.iter().fold(super::PortSet::EMPTY, |all, one| all.or(one))) {
        Some(_) if protocol != "tcp" => Condition::Constant(false),
        Some(ports) if is_destination => Condition::Destination(ports),
        Some(ports) => Condition::SourcePort(ports),
        None => Condition::Unknown(format!(
            "{title}: {word} is not understood (`ufw status verbose` shows the ports of profiles)"
        )),
    }
}
