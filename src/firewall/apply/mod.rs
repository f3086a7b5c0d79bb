//! Plans: commands that make a firewall grant what is needed, or that take back what such a plan made. A plan is
//! made of what the firewall has, with our own rules thought away: what is dropped then is let in, nothing else.

pub mod iptables;
pub mod managers;
pub mod nftables;

use super::check::{Site, stops};
use super::needs::{Family, Needs, Purpose};
use super::ports::PortSet;
use super::rules::{Condition, Rule, Ruleset, Verdict};
use super::show::{Grant, comment};
use super::walk::{Probe, Stop};

/// Commands, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to run.
    pub steps: Vec<Step>,
    /// What to know besides: what is not touched, what a restart forgets.
    pub notes: Vec<String>,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Lines for its standard input. All of them hold, or none.
    pub input: Vec<String>,
    /// The command that takes it back.
    pub undo: Option<Vec<String>>,
}

impl Step {
    /// As for a shell: each line of the input is a command of its own.
    pub fn lines(&self) -> Vec<String> {
        if self.input.is_empty() {
            return vec![shell(&self.command)];
        }
        let program = self.command.first().map_or("", String::as_str);
        self.input.iter().map(|line| format!("{program} '{line}'")).collect()
    }
}

/// A command as it is typed.
pub fn shell(words: &[String]) -> String {
    let is_plain = |word: &String| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:,=@%+".contains(&byte))
    };
    let one = |word: &String| if is_plain(word) { word.clone() } else { format!("'{word}'") };
    words.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// The ruleset as if our rules were not there, and the rules that are ours with their chains.
fn without_ours(ruleset: &Ruleset, is_ours: impl Fn(&str, &Rule) -> bool) -> (Ruleset, Vec<(String, Rule)>) {
    let mut bare = ruleset.clone();
    let mut ours = Vec::new();
    for (key, chain) in &mut bare.chains {
        chain.rules.retain(|rule| {
            let is_ours = is_ours(key, rule);
            if is_ours {
                ours.push((key.clone(), rule.clone()));
            }
            !is_ours
        });
    }
    (bare, ours)
}

/// Where something is dropped.
type Place = (String, usize);

/// What has to be let in before each place; `place` says where a drop is met best, if at all.
fn wanted(
    needs: &Needs,
    bare: &Ruleset,
    site: &Site,
    place: impl Fn(&Stop) -> Option<Place>,
) -> Vec<(Place, Grant)> {
    let mut found: Vec<(Place, Probe, PortSet)> = Vec::new();
    for (probe, stop) in stops(needs, bare, site) {
        let Some(place) = place(&stop) else { continue };
        let same = |entry: &&mut (Place, Probe, PortSet)| {
            entry.0 == place
                && entry.1.family == probe.family
                && entry.1.peer == probe.peer
                && entry.1.host == probe.host
        };
        match found.iter_mut().find(same) {
            Some(entry) => entry.2 = entry.2.or(&stop.ports),
            None => found.push((place, probe, stop.ports)),
        }
    }
    merged(needs, found)
}

/// One grant for both IP versions, or for several sources, where all else is the same.
fn merged(needs: &Needs, found: Vec<(Place, Probe, PortSet)>) -> Vec<(Place, Grant)> {
    let mut grants: Vec<(Place, Grant)> = Vec::new();
    for (place, probe, ports) in found {
        let purposes: Vec<_> = [Purpose::Control, Purpose::ImplicitTls, Purpose::Passive]
            .into_iter()
            .filter(|purpose| !needs.ports_for(*purpose).and(&ports).is_empty())
            .collect();
        let grant = Grant {
            comment: comment(&needs.service, &purposes),
            ports,
            address: probe.host,
            family: Some(probe.family),
            sources: probe.peer.into_iter().collect(),
        };
        let fits = |known: &Grant| known.ports == grant.ports && known.address == grant.address;
        let twin = grants.iter_mut().find(|(at, known)| *at == place && fits(known));
        match twin {
            Some((_, known)) if known.family == grant.family => known.sources.extend(grant.sources),
            Some((_, known)) if known.sources.is_empty() && grant.sources.is_empty() => known.family = None,
            _ => grants.push((place, grant)),
        }
    }
    grants
}

/// What a rule of ours says, to compare it with what is wanted.
fn as_grant(rule: &Rule) -> Option<Grant> {
    if rule.verdict != Verdict::Accept {
        return None;
    }
    let mut grant = Grant {
        comment: rule.comment.clone()?,
        ports: rule.destination_ports()?,
        address: None,
        family: None,
        sources: Vec::new(),
    };
    for condition in &rule.conditions {
        match condition {
            Condition::From(networks) => grant.sources.clone_from(networks),
            Condition::To(networks) => grant.address = networks.first().map(ftp_proto::config::Network::base),
            Condition::Family(family) => grant.family = Some(*family),
            _ => {}
        }
    }
    // Addresses say which version it is.
    let address = grant.address.or_else(|| grant.sources.first().map(ftp_proto::config::Network::base));
    grant.family = grant.family.or(address.map(Family::of));
    Some(grant)
}

/// Notes about ports that are dropped where this plan does not reach.
fn elsewhere(needs: &Needs, bare: &Ruleset, site: &Site, is_ours: impl Fn(&Stop) -> bool) -> Vec<String> {
    let mut notes = Vec::new();
    for (_, stop) in stops(needs, bare, site).into_iter().filter(|(_, stop)| !is_ours(stop)) {
        let note = format!("{} dropped by {}: not touched", stop.ports, stop.by);
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}
