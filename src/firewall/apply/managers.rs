//! Rules by way of ufw and firewalld, which keep them and write those of the kernel themselves.

use super::super::check::Site;
use super::super::needs::Needs;
use super::super::ports::PortSet;
use super::super::rules::{Rule, Ruleset};
use super::super::show::{Grant, firewalld_ports, grants, ufw_arguments};
use super::super::walk::Stop;
use super::{Plan, Step, elsewhere, wanted, without_ours};
use std::collections::BTreeSet;

fn step(words: Vec<String>, undo: Option<Vec<String>>) -> Step {
    Step { command: words, input: Vec::new(), undo }
}

fn split(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// A rule as `ufw show added` prints it: what follows `ufw allow`, and the comment.
type Added = (Vec<String>, String);

/// Our rules among what `ufw show added` prints.
fn added(needs: &Needs, text: &str) -> Vec<Added> {
    let ours = |line: &str| {
        let (rule, comment) = line.trim().strip_prefix("ufw allow ")?.split_once(" comment '")?;
        let comment = comment.strip_suffix('\'')?;
        let rest = comment.strip_prefix(needs.service.as_str())?;
        (rest.is_empty() || rest.starts_with(' ')).then(|| (split(rule), comment.to_owned()))
    };
    text.lines().filter_map(ours).collect()
}

fn ufw_allow((arguments, comment): &Added) -> Vec<String> {
    [split("ufw allow"), arguments.clone(), vec!["comment".to_owned(), comment.clone()]].concat()
}

fn ufw_delete((arguments, _): &Added) -> Vec<String> {
    [split("ufw delete allow"), arguments.clone()].concat()
}

/// Lets in what is dropped. `status` is what `ufw status verbose` said, `show_added` what `ufw show added` prints.
pub fn apply_ufw(needs: &Needs, status: &Ruleset, show_added: &str, site: &Site) -> Plan {
    let is_ours = |key: &str, rule: &Rule| key.starts_with("ufw ") && rule.is_tagged(&needs.service);
    let (bare, _) = without_ours(status, is_ours);
    let is_policy = |stop: &Stop| {
        stop.path
            .last()
            .is_some_and(|(key, index)| bare.chains.get(key).is_some_and(|chain| chain.rules.len() == *index))
    };
    let dropped = wanted(needs, &bare, site, |stop| is_policy(stop).then(|| (String::new(), 0)));
    let dropped = dropped.iter().fold(PortSet::EMPTY, |all, (_, grant)| all.or(&grant.ports));
    // One rule for each purpose says what it is for.
    let narrow = |grant: Grant| Grant { ports: grant.ports.and(&dropped), ..grant };
    let want: Vec<Added> = grants(needs, false)
        .into_iter()
        .map(narrow)
        .filter(|grant| !grant.ports.is_empty())
        .flat_map(|grant| ufw_arguments(&grant).into_iter().map(move |rule| (rule, grant.comment.clone())))
        .collect();
    let have = added(needs, show_added);
    let mut plan = Plan::default();
    for old in have.iter().filter(|old| !want.contains(old)) {
        plan.steps.push(step(ufw_delete(old), Some(ufw_allow(old))));
    }
    for new in want.iter().filter(|new| !have.contains(new)) {
        plan.steps.push(step(ufw_allow(new), Some(ufw_delete(new))));
    }
    plan.notes = elsewhere(needs, &bare, site, is_policy);
    plan
}

/// Takes back our rules.
pub fn remove_ufw(needs: &Needs, show_added: &str) -> Plan {
    let undo = |old: &Added| step(ufw_delete(old), Some(ufw_allow(old)));
    Plan { steps: added(needs, show_added).iter().map(undo).collect(), notes: Vec::new() }
}

/// What firewalld has of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirewalldState {
    /// The zone of the interface that clients come by.
    pub zone: String,
    /// The ports of our service, as `--permanent --service=NAME --get-ports` prints them; `None`: there is none.
    pub service: Option<Vec<String>>,
    /// The zones that have our service for good.
    pub zones: Vec<String>,
    /// Whether what runs differs from what is kept, so that a reload would lose it.
    pub is_unsaved: bool,
    /// `firewall-cmd`, or `firewall-offline-cmd` where no daemon runs.
    pub program: Vec<String>,
}

impl FirewalldState {
    fn permanent(&self, words: String) -> Vec<String> {
        [self.program.clone(), split(&words)].concat()
    }

    fn reload(&self) -> Option<Step> {
        let is_live = self.program.first().is_some_and(|program| program == "firewall-cmd");
        is_live.then(|| step(split("firewall-cmd --reload"), None))
    }
}

/// Lets in what is dropped, by a service of ours in the zone.
///
/// # Errors
/// A sentence, if it would lose somebody's rules or can't be said this way.
pub fn apply_firewalld(
    needs: &Needs,
    zones: &Ruleset,
    state: &FirewalldState,
    site: &Site,
) -> Result<Plan, String> {
    if needs.openings.iter().any(|opening| opening.address.is_some()) || !needs.sources.is_empty() {
        return Err("a service opens ports for all addresses of a zone; take the rich rules of \
                    `ftpd firewall show --for firewalld` instead"
            .to_owned());
    }
    let (service, zone) = (needs.service.as_str(), state.zone.as_str());
    let (bare, _) = without_ours(zones, |_, rule| rule.comment.as_deref() == Some(service));
    let dropped = wanted(needs, &bare, site, |_| Some((String::new(), 0)));
    let dropped = dropped.iter().fold(PortSet::EMPTY, |all, (_, grant)| all.or(&grant.ports));
    let want: BTreeSet<_> = firewalld_ports(&dropped).into_iter().collect();
    let have: BTreeSet<_> = state.service.iter().flatten().cloned().collect();
    let mut plan = Plan::default();
    if dropped.is_empty() {
        return if have.is_empty() && state.zones.is_empty() {
            Ok(plan)
        } else {
            remove_firewalld(needs, state)
        };
    }
    if state.service.is_none() {
        plan.steps.push(step(
            state.permanent(format!("--new-service={service}")),
            Some(state.permanent(format!("--delete-service={service}"))),
        ));
    }
    let ports =
        |action: &str, port: &String| state.permanent(format!("--service={service} --{action}-port={port}"));
    for port in have.difference(&want) {
        plan.steps.push(step(ports("remove", port), Some(ports("add", port))));
    }
    for port in want.difference(&have) {
        plan.steps.push(step(ports("add", port), Some(ports("remove", port))));
    }
    let zoned = |action: &str| state.permanent(format!("--zone={zone} --{action}-service={service}"));
    if !state.zones.contains(&state.zone) {
        plan.steps.push(step(zoned("add"), Some(zoned("remove"))));
    }
    finish_firewalld(plan, state)
}

/// What is kept holds after a reload.
fn finish_firewalld(mut plan: Plan, state: &FirewalldState) -> Result<Plan, String> {
    if plan.steps.is_empty() {
        return Ok(plan);
    }
    if state.is_unsaved {
        return Err("firewalld has rules that a reload would lose; keep them with \
                    `firewall-cmd --runtime-to-permanent`, or drop them with `firewall-cmd --reload`, first"
            .to_owned());
    }
    plan.steps.extend(state.reload());
    Ok(plan)
}

/// Takes back our service.
///
/// # Errors
/// A sentence, if it would lose somebody's rules.
pub fn remove_firewalld(needs: &Needs, state: &FirewalldState) -> Result<Plan, String> {
    let service = needs.service.as_str();
    let mut plan = Plan::default();
    for zone in &state.zones {
        let zoned = |action: &str| state.permanent(format!("--zone={zone} --{action}-service={service}"));
        plan.steps.push(step(zoned("remove"), Some(zoned("add"))));
    }
    if state.service.is_some() {
        let undo = state.permanent(format!("--new-service={service}"));
        plan.steps.push(step(state.permanent(format!("--delete-service={service}")), Some(undo)));
    }
    finish_firewalld(plan, state)
}
