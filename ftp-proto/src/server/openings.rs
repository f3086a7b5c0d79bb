//! Opening the ports of the range: what is wanted, what failed and when it is tried again.

use crate::config::PassivePorts;
use crate::time::Instant;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
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

/// Ports whose number the system chooses.
#[derive(Debug, Default)]
struct Anonymous {
    /// How many ports there should be in all; 0 when the range names them.
    wanted: usize,
    /// How many the system was asked for and has not yet given.
    asked: usize,
    /// Asked again then for what is missing.
    retry: Option<Instant>,
    /// How long was waited the last time in this row of failures; zero: there is none.
    waited: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Openings {
    ports: BTreeMap<u16, State>,
    /// In the system's words, why those that failed did; 0 for ports whose number the system chooses.
    reasons: BTreeMap<u16, String>,
    /// No port is tried again before; asked for after every call, so it is not looked for in `ports`.
    next_retry: Option<Instant>,
    anonymous: Anonymous,
    /// Listened on and no longer wanted, until the last lease ends.
    closing: BTreeSet<u16>,
    /// Of these, the ones that are wanted again.
    still_open: Vec<u16>,
}

impl Openings {
    /// The ports that have to be opened now, 0 for any.
    pub(crate) fn want(&mut self, range: &PassivePorts) -> Vec<u16> {
        match range {
            PassivePorts::Range(_) => {
                let mut missing = Vec::new();
                for port in range.listened() {
                    if self.closing.remove(&port) {
                        self.ports.insert(port, State::Open);
                        self.still_open.push(port);
                    } else if let Entry::Vacant(entry) = self.ports.entry(port) {
                        entry.insert(State::Asked);
                        missing.push(port);
                    }
                }
                missing
            }
            PassivePorts::Auto(count) => {
                self.anonymous.wanted = usize::from(*count);
                self.ask_for_anonymous()
            }
        }
    }

    fn ask_for_anonymous(&mut self) -> Vec<u16> {
        let missing = self.anonymous.wanted.saturating_sub(self.ports.len() + self.anonymous.asked);
        self.anonymous.asked += missing;
        alloc::vec![0; missing]
    }

    pub(crate) fn take_still_open(&mut self) -> Vec<u16> {
        core::mem::take(&mut self.still_open)
    }

    /// Whether the adapter was asked for a port and has not answered.
    pub(crate) fn is_awaiting(&self) -> bool {
        self.anonymous.asked > 0 || self.ports.values().any(|state| *state == State::Asked)
    }

    /// How many answers of the adapter are awaited.
    pub(crate) fn awaited(&self) -> usize {
        self.anonymous.asked + self.ports.values().filter(|state| **state == State::Asked).count()
    }

    /// Why ports can't be opened that should be.
    pub(crate) fn reasons(&self) -> Vec<(u16, String)> {
        self.reasons.iter().map(|(&port, reason)| (port, reason.clone())).collect()
    }

    pub(crate) fn opened(&mut self, port: u16) -> Opened {
        self.reasons.remove(&port);
        if let Some(state) = self.ports.get_mut(&port) {
            if matches!(core::mem::replace(state, State::Open), State::Failed(..)) {
                self.find_next_retry();
            }
            return Opened::Wanted;
        }
        if self.anonymous.asked == 0 {
            return Opened::NoLongerWanted;
        }
        self.anonymous.asked -= 1;
        self.ports.insert(port, State::Open);
        if self.ports.len() >= self.anonymous.wanted {
            self.reasons.remove(&0);
            self.anonymous.waited = Duration::ZERO;
        }
        Opened::Wanted
    }

    /// `true`: it is the first time in a row, and worth a word.
    pub(crate) fn failed(&mut self, now: Instant, port: u16, reason: &str) -> bool {
        if port == 0 {
            if self.anonymous.wanted > 0 {
                self.reasons.insert(0, reason.into());
            }
            return self.anonymous_failed(now);
        }
        let Some(state) = self.ports.get_mut(&port) else { return false };
        let (wait, first) = match *state {
            State::Failed(_, before) => ((before * 2).min(LAST_RETRY), false),
            State::Asked => (FIRST_RETRY, true),
            // It was asked for twice, after the range had changed to and fro.
            State::Open => return false,
        };
        self.reasons.insert(port, reason.into());
        *state = State::Failed(now + wait, wait);
        self.next_retry = Some(self.next_retry.map_or(now + wait, |at| at.min(now + wait)));
        first
    }

    fn anonymous_failed(&mut self, now: Instant) -> bool {
        let anonymous = &mut self.anonymous;
        anonymous.asked = anonymous.asked.saturating_sub(1);
        if anonymous.wanted == 0 || anonymous.retry.is_some() {
            return false;
        }
        let first = anonymous.waited.is_zero();
        anonymous.waited = (anonymous.waited * 2).clamp(FIRST_RETRY, LAST_RETRY);
        anonymous.retry = Some(now + anonymous.waited);
        first
    }

    pub(crate) fn closed(&mut self, port: u16) {
        self.closing.remove(&port);
    }

    /// Forgets what is not in the new range (`None`: no port is wanted). Returns the open ones among them, which
    /// are to be closed when their last lease ends.
    pub(crate) fn restrict(&mut self, range: Option<&PassivePorts>) -> Vec<u16> {
        let mut left = match range {
            Some(PassivePorts::Auto(count)) => usize::from(*count),
            Some(PassivePorts::Range(_)) | None => 0,
        };
        let mut keep = |port: u16, state: State| match range {
            Some(ports @ PassivePorts::Range(_)) => ports.listened().contains(&port),
            Some(PassivePorts::Auto(_)) if left > 0 && state == State::Open => {
                left -= 1;
                true
            }
            Some(PassivePorts::Auto(_)) | None => false,
        };
        let mut to_close = Vec::new();
        self.ports.retain(|&port, state| {
            let kept = keep(port, *state);
            if !kept && *state == State::Open {
                to_close.push(port);
            }
            kept
        });
        self.find_next_retry();
        let ports = &self.ports;
        self.reasons.retain(|port, _| ports.contains_key(port));
        self.closing.extend(&to_close);
        // What the system still gives beyond this is closed at once.
        self.anonymous = Anonymous { asked: self.anonymous.asked.min(left), ..Anonymous::default() };
        to_close
    }

    /// The ports to try again. They count as asked for; how long they were failing is remembered.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<u16> {
        let mut due = Vec::new();
        if self.anonymous.retry.take_if(|at| *at <= now).is_some() {
            due = self.ask_for_anonymous();
        }
        for (&port, state) in &mut self.ports {
            if let State::Failed(at, wait) = *state
                && at <= now
            {
                // Until the answer comes; it sets the next time.
                *state = State::Failed(now + LAST_RETRY, wait);
                due.push(port);
            }
        }
        self.find_next_retry();
        due
    }

    fn find_next_retry(&mut self) {
        let failing = self.ports.values();
        self.next_retry =
            failing.filter_map(|state| if let State::Failed(at, _) = state { Some(*at) } else { None }).min();
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.next_retry.into_iter().chain(self.anonymous.retry).min()
    }
}
