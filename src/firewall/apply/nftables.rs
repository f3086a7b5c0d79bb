//! Rules in chains of nft: where ports are dropped, right before that.

use super::super::check::{Site, stops};
use super::super::needs::Needs;
use super::super::rules::{Rule, Ruleset};
use super::super::show::{Grant, nftables_matches};
use super::super::walk::Stop;
use super::{Place, Plan, Step, as_grant, wanted, without_ours};

/// Whether a chain is one of nft: `family table chain`.
fn is_nft(key: &str) -> bool {
    ["ip ", "ip6 ", "inet ", "netdev "].iter().any(|family| key.starts_with(family))
}

fn is_ours(needs: &Needs, key: &str, rule: &Rule) -> bool {
    is_nft(key) && rule.handle.is_some() && rule.is_tagged(&needs.service)
}

/// Before the rule that drops, in its own chain: that is where the others of its kind are.
fn place(stop: &Stop) -> Option<Place> {
    stop.path.last().filter(|(key, _)| is_nft(key)).cloned()
}

/// Whether this is a place where rules of nft help.
pub fn reaches(stop: &Stop) -> bool {
    place(stop).is_some()
}

/// Lets in what is dropped.
pub fn apply(needs: &Needs, ruleset: &Ruleset, site: &Site) -> Plan {
    let (bare, ours) = without_ours(ruleset, |key, rule| is_ours(needs, key, rule));
    let wanted = wanted(needs, &bare, site, place);
    let mut have: Vec<_> = ours.iter().map(|(key, rule)| (key.clone(), as_grant(rule))).collect();
    let all_pass = stops(needs, ruleset, site).into_iter().all(|(_, stop)| !reaches(&stop));
    let is_same = |key: &str, grant: &Grant, have: &mut Vec<(String, Option<Grant>)>| {
        let found = have.iter().position(|(at, known)| at == key && known.as_ref() == Some(grant));
        found.map(|index| have.remove(index)).is_some()
    };
    if all_pass && wanted.iter().all(|((key, _), grant)| is_same(key, grant, &mut have)) && have.is_empty() {
        return Plan::default();
    }
    let mut lines = deletions(&ours);
    for ((key, index), grant) in &wanted {
        let rule = format!("{} accept comment \"{}\"", nftables_matches(grant), grant.comment);
        let before =
            bare.chains.get(key).and_then(|chain| chain.rules.get(*index)).and_then(|rule| rule.handle);
        lines.push(match before {
            Some(handle) => format!("insert rule {key} handle {handle} {rule}"),
            None => format!("add rule {key} {rule}"),
        });
    }
    let mut plan = transaction(lines);
    if !wanted.is_empty() {
        plan.notes.push(
            "these rules hold until the next restart; to keep them: write them into /etc/nftables.conf, or save all \
             with: (echo 'flush ruleset'; nft list ruleset) > /etc/nftables.conf && systemctl enable nftables"
                .to_owned(),
        );
    }
    plan
}

/// Takes back all rules of ours, and tables of ours.
pub fn remove(needs: &Needs, ruleset: &Ruleset) -> Plan {
    let (_, ours) = without_ours(ruleset, |key, rule| is_ours(needs, key, rule));
    let mut tables: Vec<String> = ruleset.chains.keys().filter_map(|key| own_table(needs, key)).collect();
    tables.dedup();
    let rest: Vec<_> = ours.into_iter().filter(|(key, _)| own_table(needs, key).is_none()).collect();
    let mut lines = deletions(&rest);
    lines.extend(tables.iter().map(|table| format!("delete table {table}")));
    transaction(lines)
}

/// The table of a chain, if it is one that `show` names after the service.
fn own_table(needs: &Needs, key: &str) -> Option<String> {
    let mut words = key.split(' ');
    let (family, table) = (words.next()?, words.next()?);
    let is_own = table
        .strip_prefix(needs.service.as_str())
        .is_some_and(|rest| ["", "-helper", "-nat"].contains(&rest));
    (is_nft(key) && is_own).then(|| format!("{family} {table}"))
}

fn deletions(ours: &[(String, Rule)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, rule) in ours {
        let line = rule.handle.map(|handle| format!("delete rule {key} handle {handle}"));
        lines.extend(line.filter(|line| !lines.contains(line)));
    }
    lines
}

fn transaction(lines: Vec<String>) -> Plan {
    let command = ["nft", "-f", "-"].map(str::to_owned).to_vec();
    // The kernel takes all lines or none.
    let steps = if lines.is_empty() { Vec::new() } else { vec![Step { command, input: lines, undo: None }] };
    Plan { steps, notes: Vec::new() }
}
