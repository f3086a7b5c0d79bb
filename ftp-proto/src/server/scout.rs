//! What the server knows of its surroundings, and when it asks again.
//!
//! Theory of operation: only what the settings depend on is asked for. The host's networks are looked at once a minute:
//! interfaces come and go. A name is asked for once a minute, too, since the system's resolver tells no time to live
//! and keeps answers for as long as they hold; after a failure sooner, and then at growing intervals. The last good
//! address of a name holds until another comes. A question that was asked is not asked again before its answer.

use crate::advertise::{Networks, Surroundings};
use crate::config::{External, LanClients, Passive};
use crate::diagnose::is_public;
use crate::event::Task;
use crate::notice::Notice;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

/// How often a name is resolved, and the host's networks are looked at.
const REFRESH: Duration = Duration::from_secs(60);
/// How long after its first failure a name is tried again; the time doubles up to [`REFRESH`].
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// How a name fares.
#[derive(Clone, Copy, Debug, Default)]
struct Name {
    /// When it is asked for again; `None`: an answer is awaited.
    again: Option<Instant>,
    /// How long was waited the last time in this row of failures; zero: there is none.
    waited: Duration,
    /// It was said that no address of it is of any use.
    told_useless: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Scout {
    known: Surroundings,
    names: BTreeMap<String, Name>,
    /// When the host's networks are looked at again; `None`: nothing depends on them.
    look: Option<Instant>,
}

impl Scout {
    pub(crate) fn known(&self) -> &Surroundings {
        &self.known
    }

    /// New settings: what they depend on is asked for, the rest is forgotten.
    pub(crate) fn want(&mut self, passive: &Passive) -> Vec<Task> {
        let wanted: BTreeSet<&String> =
            if passive.enabled { names(passive).collect() } else { BTreeSet::new() };
        self.names.retain(|name, _| wanted.contains(name));
        self.known.names.retain(|name, _| wanted.contains(name));
        let mut tasks = Vec::new();
        for name in wanted {
            if !self.names.contains_key(name) {
                self.names.insert(name.clone(), Name::default());
                tasks.push(Task::Resolve(name.clone()));
            }
        }
        if !passive.enabled || !depends_on_networks(passive) {
            self.look = None;
        } else if self.look.is_none() {
            // At once: it is long due.
            self.look = Some(Instant::ZERO);
        }
        tasks
    }

    /// What is to be asked now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Task> {
        let mut tasks = Vec::new();
        if self.look.is_some_and(|at| at <= now) {
            self.look = Some(now + REFRESH);
            tasks.push(Task::LookAround);
        }
        for (name, state) in &mut self.names {
            if state.again.take_if(|at| *at <= now).is_some() {
                tasks.push(Task::Resolve(name.clone()));
            }
        }
        tasks
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.names.values().filter_map(|name| name.again).chain(self.look).min()
    }

    pub(crate) fn networks(&mut self, networks: Networks) {
        self.known.networks = networks;
    }

    /// A name's answer, and what the log should hear of it.
    pub(crate) fn resolved(
        &mut self,
        now: Instant,
        name: String,
        answer: Result<Vec<IpAddr>, String>,
    ) -> Option<Notice> {
        let state = self.names.get_mut(&name)?;
        let kept = self.known.names.get(&name).copied();
        match answer {
            Ok(addresses) => {
                (state.again, state.waited) = (Some(now + REFRESH), Duration::ZERO);
                let chosen = choose(&addresses, kept);
                let told_useless = core::mem::replace(&mut state.told_useless, chosen.is_none());
                if let Some(chosen) = chosen {
                    self.known.names.insert(name.clone(), chosen);
                }
                let is_news = if chosen.is_some() { chosen != kept } else { !told_useless };
                is_news.then_some(Notice::NameResolved { name, address: chosen, before: kept })
            }
            Err(reason) => {
                let is_first = state.waited.is_zero();
                state.waited = (state.waited * 2).clamp(FIRST_RETRY, REFRESH);
                state.again = Some(now + state.waited);
                is_first.then_some(Notice::NameFailed { name, reason, kept })
            }
        }
    }
}

/// The names that an external address is to come from.
fn names(passive: &Passive) -> impl Iterator<Item = &String> {
    let rules = passive.rules.iter().map(|rule| &rule.external);
    rules.chain([&passive.external]).filter_map(|external| match external {
        External::Name(name) => Some(name),
        External::Literal(_) | External::ControlConnection => None,
    })
}

/// Whether clients in the host's networks may be told something else than all others.
fn depends_on_networks(passive: &Passive) -> bool {
    let is_mapped = passive.exposed_ports.is_some() || passive.external != External::ControlConnection;
    is_mapped && passive.lan_clients == LanClients::Inside
}

/// The address to tell: of many it stays the same as long as it is among them, and a public one comes first.
fn choose(addresses: &[IpAddr], kept: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    let usable = || {
        addresses.iter().filter_map(|address| match address.to_canonical() {
            IpAddr::V4(address) => Some(address).filter(|address| !address.is_unspecified()),
            IpAddr::V6(_) => None,
        })
    };
    let public = || usable().filter(|address| is_public((*address).into()));
    let stays = |kept: &Ipv4Addr| usable().any(|address| address == *kept);
    let stays_public = |kept: &Ipv4Addr| public().any(|address| address == *kept);
    kept.filter(stays_public)
        .or_else(|| public().next())
        .or_else(|| kept.filter(stays))
        .or_else(|| usable().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_address_of_many() {
        let chosen = |addresses: &[&str], kept: Option<&str>| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
            choose(&addresses, kept.map(|text| text.parse().unwrap())).map(|address| address.octets())
        };
        assert_eq!(chosen(&[], None), None);
        assert_eq!(chosen(&["2001:db8::1", "::1", "0.0.0.0"], None), None);
        assert_eq!(chosen(&["2001:db8::1", "198.51.100.1"], None), Some([198, 51, 100, 1]));
        assert_eq!(chosen(&["::ffff:198.51.100.1"], None), Some([198, 51, 100, 1]));
        assert_eq!(chosen(&["10.0.0.1", "198.51.100.1"], None), Some([198, 51, 100, 1]));
        assert_eq!(chosen(&["10.0.0.1"], None), Some([10, 0, 0, 1]));
        let two = ["198.51.100.1", "198.51.100.2", "10.0.0.1"];
        assert_eq!(chosen(&two, Some("198.51.100.2")), Some([198, 51, 100, 2]), "it stays");
        assert_eq!(chosen(&two, Some("10.0.0.1")), Some([198, 51, 100, 1]), "a public one is better");
        assert_eq!(chosen(&two, Some("198.51.100.3")), Some([198, 51, 100, 1]), "it is gone");
        assert_eq!(chosen(&["10.0.0.1", "10.0.0.2"], Some("10.0.0.2")), Some([10, 0, 0, 2]));
    }
}
