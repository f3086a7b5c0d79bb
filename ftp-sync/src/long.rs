//! Jobs that take long, on threads of their own: their sessions listen on meanwhile.

use crate::shared::{Mail, Mailbox, Shared};
use crate::wait::lock;
use ftp_proto::event::{Contender, Done, Event, Job, Ticket, Turns};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const STACK: usize = if cfg!(debug_assertions) { 512 << 10 } else { 128 << 10 };

/// A job, and who waits for it.
pub(crate) struct Errand {
    pub(crate) ticket: Ticket,
    pub(crate) job: Job,
    pub(crate) mailbox: Arc<Mailbox>,
}

/// All of one server.
#[derive(Default)]
pub(crate) struct LongJobs {
    turns: Mutex<Turns<Errand>>,
    none_left: Condvar,
}

impl LongJobs {
    /// Waits until none runs any more. One that is stuck in a storage can't be ended.
    pub(crate) fn wait_until_idle(&self, patience: Duration) {
        let turns = lock(&self.turns);
        drop(self.none_left.wait_timeout_while(turns, patience, |turns| turns.running() > 0));
    }
}

impl Errand {
    /// When its turn comes; the mailbox gets the answer.
    pub(crate) fn send(self, shared: &Arc<Shared>) {
        let contender = Contender::of(&self.job);
        let is_wanted = |errand: &Self| !errand.job.is_unwanted();
        let begun = lock(&shared.long_jobs.turns).begin(contender, self, is_wanted);
        let Some(errand) = begun else { return };
        let its_shared = Arc::clone(shared);
        let (ticket, mailbox) = (errand.ticket, Arc::clone(&errand.mailbox));
        let spawned = std::thread::Builder::new().stack_size(STACK).spawn(move || {
            let mut errand = Some(errand);
            while let Some(next) = errand {
                let contender = Contender::of(&next.job);
                next.run(&its_shared);
                errand = its_shared.long_jobs.end(contender);
            }
        });
        if spawned.is_err() {
            // The system has no thread to give; only this session is to suffer from it, and whose turn it would be now.
            answer(shared, &mailbox, ticket, Done::Panicked);
            let mut errand = shared.long_jobs.end(contender);
            while let Some(next) = errand {
                let contender = Contender::of(&next.job);
                answer(shared, &next.mailbox, next.ticket, Done::Panicked);
                errand = shared.long_jobs.end(contender);
            }
        }
    }

    /// Its panic is an answer like any other.
    fn run(self, shared: &Shared) {
        let job = self.job;
        let done = catch_unwind(AssertUnwindSafe(|| job.perform())).unwrap_or(Done::Panicked);
        answer(shared, &self.mailbox, self.ticket, done);
    }
}

impl LongJobs {
    /// A place is free: whose turn it is.
    fn end(&self, contender: Contender) -> Option<Errand> {
        let mut turns = lock(&self.turns);
        let next = turns.end(contender);
        if turns.running() == 0 {
            self.none_left.notify_all();
        }
        next
    }
}

fn answer(shared: &Shared, mailbox: &Mailbox, ticket: Ticket, done: Done) {
    if mailbox.leave(Mail::Event(Event::Done(ticket, done))) {
        shared.bells.ring(1 << mailbox.group());
    }
}
