//! Jobs of the simulated world that take long: so many have a place at a time, the others wait for one. They go on a
//! little at a time, stand still or fail.

use super::choices::Choices;
use super::faults::Fault;
use super::storage::Trouble;
use super::tally::Tally;
use crate::event::{Contender, Done, Event, Job, SessionId, Ticket, Turns};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A long job, and whose it is.
struct Errand {
    session: SessionId,
    ticket: Ticket,
    job: Job,
    contender: Contender,
    /// It never ends.
    stands_still: bool,
}

/// All long jobs of a server.
pub(super) struct LongJobs {
    turns: Turns<Errand>,
    places: usize,
    of_one_client: usize,
    running: Vec<Errand>,
}

impl LongJobs {
    /// Few places as a rule, since there are few clients.
    pub(super) fn new(choices: &mut Choices<'_>) -> Self {
        let (places, of_one_client) = if choices.one_in(4) { (32, 16) } else { (2, 1) };
        Self { turns: Turns::with_places(places, of_one_client), places, of_one_client, running: Vec::new() }
    }

    /// A session wants one done.
    pub(super) fn begin(
        &mut self,
        session: SessionId,
        ticket: Ticket,
        job: Job,
        choices: &mut Choices<'_>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let contender = Contender::of(&job);
        let stands_still = choices.below(12) == 11;
        let errand = Errand { session, ticket, job, contender, stands_still };
        let is_free = self.turns.running() < self.places;
        match self.turns.begin(contender, errand, |errand| !errand.job.is_unwanted()) {
            Some(errand) => self.run(errand, choices, tally),
            None => {
                tally.faults.met(Fault::LongJobWaits);
                tally.faults.met_if(is_free, Fault::LongJobsOfOneClient);
            }
        }
        self.check()
    }

    fn run(&mut self, errand: Errand, choices: &mut Choices<'_>, tally: &mut Tally) {
        tally.faults.met_if(errand.stands_still, Fault::LongJobStalls);
        if let (true, Job::Long(_, _, course)) = (errand.stands_still && choices.one_in(2), &errand.job) {
            course.begin();
        }
        self.running.push(errand);
    }

    /// One of them gets further: who hears of it, if it ends.
    pub(super) fn go_on(
        &mut self,
        choices: &mut Choices<'_>,
        trouble: &Trouble,
        tally: &mut Tally,
    ) -> Result<Option<(SessionId, Event)>, String> {
        let moving = (0..).zip(&self.running).filter(|(_, errand)| !errand.stands_still);
        let moving: Vec<usize> = moving.map(|(at, _)| at).collect();
        let Some(&which) = choices.pick(&moving) else { return Ok(None) };
        if let Some(Errand { job: Job::Long(_, _, course), .. }) = self.running.get(which) {
            match choices.below(8) {
                1 | 2 => {
                    course.begin();
                    course.go_on(choices.below(1 << 16) as u64);
                    return Ok(None);
                }
                3 => return Ok(None),
                _ => {}
            }
        }
        let Errand { session, ticket, job, contender, .. } = self.running.remove(which);
        tally.long_jobs += 1;
        tally.stopped_jobs += usize::from(job.is_unwanted());
        let done = if choices.below(32) == 31 {
            tally.faults.met(Fault::LongJobPanics);
            Done::Panicked
        } else {
            trouble.during(choices, tally, || job.perform())
        };
        let before = self.waiting_contenders();
        if let Some(next) = self.turns.end(contender) {
            self.check_turn(next.contender, &before)?;
            self.run(next, choices, tally);
        }
        self.check()?;
        Ok(Some((session, Event::Done(ticket, done))))
    }

    fn waiting_contenders(&self) -> Vec<Contender> {
        self.turns.waiting().map(|errand| errand.contender).collect()
    }

    fn running_of(&self, contender: Contender) -> usize {
        self.running.iter().filter(|errand| errand.contender == contender).count()
    }

    /// The next is one of those who have fewest.
    fn check_turn(&self, next: Contender, waiting: &[Contender]) -> Result<(), String> {
        let fewest = waiting.iter().map(|contender| self.running_of(*contender)).min();
        if fewest == Some(self.running_of(next)) {
            Ok(())
        } else {
            Err("a client's turn came before that of one who has fewer long jobs".into())
        }
    }

    /// Nobody has more than its part, and nobody waits for a place that is free.
    fn check(&self) -> Result<(), String> {
        let mut counts: BTreeMap<Contender, usize> = BTreeMap::new();
        for errand in &self.running {
            *counts.entry(errand.contender).or_default() += 1;
        }
        let (running, most) = (self.running.len(), counts.values().copied().max().unwrap_or(0));
        if running != self.turns.running() || running > self.places || most > self.of_one_client {
            return Err(format!("{running} long jobs run, {most} of one client"));
        }
        let may_run = |contender: Contender| self.running_of(contender) < self.of_one_client;
        if running < self.places && self.waiting_contenders().into_iter().any(may_run) {
            return Err("a long job waits, though there is a place".into());
        }
        Ok(())
    }

    /// Whether this session has one.
    pub(super) fn has(&self, session: SessionId) -> bool {
        let is_wanted = |errand: &Errand| errand.session == session && !errand.job.is_unwanted();
        self.running.iter().chain(self.turns.waiting()).any(is_wanted)
    }

    /// Whether there is nothing that will go on by itself.
    pub(super) fn stand_still(&self) -> bool {
        self.running.iter().all(|errand| errand.stands_still)
    }

    /// A session is gone: whoever performs its long jobs knows that nobody waits for them. How many there are.
    pub(super) fn check_left(&self, session: SessionId) -> Result<usize, String> {
        let its = |errand: &&Errand| errand.session == session;
        let left: Vec<&Errand> = self.running.iter().chain(self.turns.waiting()).filter(its).collect();
        match left.iter().find(|errand| !errand.job.is_unwanted()) {
            Some(errand) => Err(format!("{:?} goes on, though its session is gone", errand.job)),
            None => Ok(left.len()),
        }
    }
}
