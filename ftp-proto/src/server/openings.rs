//! Opening the ports of the range: what is wanted, what failed and when it is tried again.

use crate::config::PassivePorts;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The adapter was asked.
    #[default]
    Asked,
    Open,
    /// Tried again then, after this long.
    Failed(Instant, Duration),
}

/// What becomes of a port that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Wanted,
    /// The range has changed meanwhile.
    NoLongerWanted,
}

#[derive(Debug, Default)]
pub(crate) struct Openings {
    ports: BTreeMap<u16, State>,
    /// How many ports the system was asked to choose and has not yet.
    anonymous: usize,
    /// Listened on and no longer wanted, until the last lease ends.
    closing: BTreeSet<u16>,
    /// Of these, the ones that are wanted again.
    still_open: Vec<u16>,
}

pub(crate) fn contains(range: &PassivePorts, port: u16) -> bool {
    match range {
        PassivePorts::Range(range) => range.contains(&port),
        PassivePorts::Auto(_) => true,
    }
}

impl Openings {
    /// The ports that have to be opened now, 0 for any.
    pub(crate) fn want(&mut self, range: &PassivePorts) -> Vec<u16> {
        match range {
            PassivePorts::Range(range) => {
                let mut missing = Vec::new();
                for port in range.clone() {
                    if self.closing.remove(&port) {
                        self.ports.insert(port, State::Open);
                        self.still_open.push(port);
                    } else if !self.ports.contains_key(&port) {
                        self.ports.insert(port, State::Asked);
                        missing.push(port);
                    }
                }
                missing
            }
            PassivePorts::Auto(count) => {
                let missing = usize::from(*count).saturating_sub(self.ports.len() + self.anonymous);
                self.anonymous += missing;
                alloc::vec![0; missing]
            }
        }
    }

    pub(crate) fn take_still_open(&mut self) -> Vec<u16> {
        core::mem::take(&mut self.still_open)
    }

    pub(crate) fn opened(&mut self, port: u16) -> Opened {
        if let Some(state) = self.ports.get_mut(&port) {
            *state = State::Open;
            return Opened::Wanted;
        }
        if self.anonymous > 0 {
            self.anonymous -= 1;
            self.ports.insert(port, State::Open);
            return Opened::Wanted;
        }
        Opened::NoLongerWanted
    }

    /// `true`: it is the first time in a row, and worth a word.
    pub(crate) fn failed(&mut self, now: Instant, port: u16) -> bool {
        if port == 0 {
            self.anonymous = self.anonymous.saturating_sub(1);
            return true;
        }
        let Some(state) = self.ports.get_mut(&port) else { return false };
        let (wait, first) = match *state {
            State::Failed(_, before) => ((before * 2).min(LAST_RETRY), false),
            State::Asked | State::Open => (FIRST_RETRY, true),
        };
        *state = State::Failed(now + wait, wait);
        first
    }

    pub(crate) fn closed(&mut self, port: u16) {
        self.closing.remove(&port);
    }

    /// Forgets all ports but these; the open ones among the others close when their last lease ends.
    pub(crate) fn retain(&mut self, keep: &impl Fn(u16) -> bool) {
        let closing = &mut self.closing;
        self.ports.retain(|&port, state| {
            if !keep(port) && *state == State::Open {
                closing.insert(port);
            }
            keep(port)
        });
    }

    /// The ports to try again. They count as asked for; how long they were failing is remembered.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<u16> {
        let mut due = Vec::new();
        for (&port, state) in &mut self.ports {
            if let State::Failed(at, wait) = *state
                && at <= now
            {
                // Until the answer comes; it sets the next time.
                *state = State::Failed(now + LAST_RETRY, wait);
                due.push(port);
            }
        }
        due
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.ports
            .values()
            .filter_map(|state| if let State::Failed(at, _) = state { Some(*at) } else { None })
            .min()
    }
}
