//! Who has failed to log in how often, and who is banned for it.
//!
//! Theory of operation: each failure is counted twice, for its address and for the user name from that address. A count
//! that is full becomes a ban and begins anew; a ban that is over leaves a count of zero that knows how often there was
//! one. A failure that was refused without a look at the password is no guess and counts for the delay alone. What a name
//! fails behind its first ban is nothing new for its address: devices with old passwords never stop, and wait longer each
//! time, while who guesses has other names to try.
//!
//! Nothing of it may grow: both tables have so many places, and who fills them loses what it brought itself
//! ([`Crowds`]): an attacker with many addresses pushes out neither the counts nor the bans of others.

use super::crowds::Crowds;
use crate::config::{Bans as Settings, Limits, Network, client_of};
use crate::event::Standing;
use crate::time::{Instant, Now, UnixTime};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

/// How many counts, and how many bans, are kept: some 5 MB of each at most.
const MOST: usize = 8_192;

/// So much of a name is remembered. Who types longer ones has one of them only.
const MOST_OF_A_NAME: usize = 128;

/// A name on a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Person {
    user: String,
    host: Option<String>,
}

impl Person {
    pub(super) fn new(mut user: String, host: Option<String>) -> Self {
        let mut end = MOST_OF_A_NAME.min(user.len());
        while !user.is_char_boundary(end) {
            end -= 1;
        }
        user.truncate(end);
        Self { user, host }
    }
}

/// Whose failures: a client's, or those of one name from there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Whose {
    client: Network,
    person: Option<Person>,
}

/// So many values by whose they are.
#[derive(Debug)]
struct Shelf<Value> {
    values: BTreeMap<Whose, (u64, Value)>,
    crowds: Crowds,
    by_number: BTreeMap<u64, Whose>,
    next: u64,
}

impl<Value> Default for Shelf<Value> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), crowds: Crowds::default(), by_number: BTreeMap::new(), next: 0 }
    }
}

impl<Value> Shelf<Value> {
    fn get(&self, whose: &Whose) -> Option<&Value> {
        self.values.get(whose).map(|(_, value)| value)
    }

    fn take(&mut self, whose: &Whose) -> Option<Value> {
        let (number, value) = self.values.remove(whose)?;
        self.by_number.remove(&number);
        self.crowds.remove(whose.client.base(), number);
        Some(value)
    }

    /// The newest now. Returns what had to make room.
    fn put(&mut self, whose: Whose, value: Value) -> Option<(Whose, Value)> {
        self.take(&whose);
        self.next += 1;
        self.crowds.insert(whose.client.base(), self.next);
        self.by_number.insert(self.next, whose.clone());
        self.values.insert(whose, (self.next, value));
        if self.crowds.len() <= MOST {
            return None;
        }
        let crowding = self.by_number.get(&self.crowds.most_crowding()?)?.clone();
        let value = self.take(&crowding)?;
        Some((crowding, value))
    }

    /// All for which this holds, taken out.
    fn take_all(&mut self, is_wanted: impl Fn(&Whose) -> bool) -> Vec<(Whose, Value)> {
        let wanted: Vec<Whose> = self.values.keys().filter(|whose| is_wanted(whose)).cloned().collect();
        wanted.into_iter().filter_map(|whose| self.take(&whose).map(|value| (whose, value))).collect()
    }
}

/// Failures that count.
#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    failures: u32,
    /// With those that were refused unseen.
    tries: u32,
    /// How many bans there were, and when the last of them ended.
    bans: u32,
    ended: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Active {
    since: UnixTime,
    until: Instant,
    failures: u32,
    times: u32,
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Of which client: an address of IPv4, a /64 of IPv6.
    pub client: Network,
    /// Of this name alone; `None`: of the client, whatever the name.
    pub user: Option<String>,
    /// The virtual host on which that name is banned.
    pub host: Option<String>,
    /// Since when.
    pub since: UnixTime,
    /// Until when.
    pub until: UnixTime,
    /// After how many failures.
    pub failures: u32,
    /// The how many-th in a row.
    pub times: u32,
}

/// `192.0.2.1`, `2001:db8::/64`
impl fmt::Display for Ban {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.client.base() {
            IpAddr::V4(address) => address.fmt(out),
            IpAddr::V6(_) => self.client.fmt(out),
        }
    }
}

/// What happened to a ban.
#[derive(Debug)]
pub(super) enum Change {
    Begun(Ban),
    Ended { ban: Ban, lifted: bool },
}

/// Failures and bans.
#[derive(Debug, Default)]
pub(super) struct Bans {
    counts: Shelf<Count>,
    active: Shelf<Active>,
    ends: BTreeSet<(Instant, Whose)>,
    changes: VecDeque<Change>,
}

impl Bans {
    /// Whether somebody may try to log in from here. Without a name: whether anybody may.
    pub(super) fn standing(&self, now: Instant, address: IpAddr, person: Option<Person>) -> Standing {
        if self.active.values.is_empty() {
            return Standing::Free;
        }
        let left = |person| {
            let active = self.active.get(&Whose { client: client_of(address), person })?;
            Some(active.until.duration_since(now)).filter(|left| !left.is_zero())
        };
        match left(None) {
            Some(left) => Standing::Banned(left),
            None if person.is_some() && left(person).is_some() => Standing::Refused,
            None => Standing::Free,
        }
    }

    /// A login failed; how long its reply is held back. `checked`: the password was looked at.
    pub(super) fn failed(
        &mut self,
        settings: &Settings,
        limits: &Limits,
        now: Now,
        address: IpAddr,
        person: Option<Person>,
        checked: bool,
    ) -> Duration {
        self.handle_timeout(now);
        let client = client_of(address);
        let mut counts = checked;
        if let Some(person) = person.filter(|_| checked) {
            let whose = Whose { client, person: Some(person) };
            counts = !self.was_banned(settings, now.mono, &whose);
            self.count(settings, settings.user_failures, now, whose, checked);
        }
        let whose = Whose { client, person: None };
        let tries = self.count(settings, settings.address_failures, now, whose, counts);
        let doubled = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = limits.longest_login_delay.max(limits.login_delay);
        limits.login_delay.checked_mul(doubled).unwrap_or(longest).min(longest)
    }

    /// Whether the next ban would be longer.
    fn was_banned(&self, settings: &Settings, now: Instant, whose: &Whose) -> bool {
        let is_recent = |count: &Count| now.duration_since(count.ended) < settings.longest;
        self.counts.get(whose).is_some_and(|count| count.bans > 0 && is_recent(count))
    }

    /// Returns how many tries there were.
    fn count(&mut self, settings: &Settings, most: u32, now: Now, whose: Whose, checked: bool) -> u32 {
        // It was checked while another one brought the ban.
        if self.active.get(&whose).is_some() {
            return u32::MAX;
        }
        let fresh = Count { since: now.mono, failures: 0, tries: 0, bans: 0, ended: now.mono };
        let mut count = self.counts.take(&whose).unwrap_or(fresh);
        if now.mono.duration_since(count.since) >= settings.window {
            count = Count { bans: count.bans, ended: count.ended, ..fresh };
        }
        if now.mono.duration_since(count.ended) >= settings.longest {
            count.bans = 0;
        }
        count.failures += u32::from(checked);
        count.tries = count.tries.saturating_add(1);
        if settings.enabled && checked && most > 0 && count.failures >= most {
            self.ban(settings, now, whose, count);
        } else {
            // What makes room is forgotten.
            self.counts.put(whose, count);
        }
        count.tries
    }

    fn ban(&mut self, settings: &Settings, now: Now, whose: Whose, count: Count) {
        let longer = 1_u32.checked_shl(count.bans).unwrap_or(u32::MAX);
        let duration =
            settings.duration.checked_mul(longer).unwrap_or(settings.longest).min(settings.longest);
        let until = now.mono + duration;
        let times = count.bans.saturating_add(1);
        let active = Active { since: now.unix, until, failures: count.failures, times };
        self.changes.push_back(Change::Begun(shown(&whose, active, now)));
        self.ends.insert((until, whose.clone()));
        if let Some((whose, active)) = self.active.put(whose, active) {
            self.ends.remove(&(active.until, whose.clone()));
            self.changes.push_back(Change::Ended { ban: shown(&whose, active, now), lifted: false });
        }
    }

    /// A login succeeded: what this name failed from here is forgiven, what others did is not.
    pub(super) fn succeeded(&mut self, address: IpAddr, person: Person) {
        self.counts.take(&Whose { client: client_of(address), person: Some(person) });
    }

    /// Ends all bans of clients in this network, or that it is part of (`None`: all bans), and forgets what they failed.
    /// How many there were.
    pub(super) fn lift(&mut self, now: Now, network: Option<Network>) -> usize {
        let is_part = |network: Network, of: Network| of.contains(network.base());
        self.end_if(now, |whose| {
            network.is_none_or(|network| is_part(whose.client, network) || is_part(network, whose.client))
        })
    }

    /// Other settings: clients that are exempt now are free, and nobody is banned if nobody is to be.
    pub(super) fn reconfigure(&mut self, settings: &Settings, now: Now) {
        let covers = |network: &Network, client: Network| {
            network.prefix() <= client.prefix() && network.contains(client.base())
        };
        let is_exempt = |whose: &Whose| settings.exempt.iter().any(|network| covers(network, whose.client));
        self.end_if(now, |whose| !settings.enabled || is_exempt(whose));
    }

    fn end_if(&mut self, now: Now, is_wanted: impl Fn(&Whose) -> bool) -> usize {
        self.counts.take_all(&is_wanted);
        let lifted = self.active.take_all(is_wanted);
        for (whose, active) in &lifted {
            self.ends.remove(&(active.until, whose.clone()));
            self.changes.push_back(Change::Ended { ban: shown(whose, *active, now), lifted: true });
        }
        lifted.len()
    }

    /// Those that hold, in order of their addresses.
    pub(super) fn list(&self, now: Now) -> Vec<Ban> {
        self.active.values.iter().map(|(whose, (_, active))| shown(whose, *active, now)).collect()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ends.first().map(|(end, _)| *end)
    }

    pub(super) fn handle_timeout(&mut self, now: Now) {
        while self.ends.first().is_some_and(|(end, _)| *end <= now.mono) {
            let Some((_, whose)) = self.ends.pop_first() else { return };
            let Some(active) = self.active.take(&whose) else { continue };
            self.changes.push_back(Change::Ended { ban: shown(&whose, active, now), lifted: false });
            let count =
                Count { since: active.until, failures: 0, tries: 0, bans: active.times, ended: active.until };
            self.counts.put(whose, count);
        }
    }

    pub(super) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }
}

fn shown(whose: &Whose, active: Active, now: Now) -> Ban {
    let left = i64::try_from(active.until.duration_since(now.mono).as_secs()).unwrap_or(i64::MAX);
    let person = whose.person.as_ref();
    Ban {
        client: whose.client,
        user: person.map(|person| person.user.clone()),
        host: person.and_then(|person| person.host.clone()),
        since: active.since,
        until: UnixTime::from_seconds(now.unix.seconds.saturating_add(left)),
        failures: active.failures,
        times: active.times,
    }
}

#[cfg(test)]
mod tests;
