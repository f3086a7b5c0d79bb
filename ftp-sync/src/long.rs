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
        // A thread that can't be started takes what it was given with it.
        let given = Arc::new(Mutex::new(Some(errand)));
        let (its_shared, its_given) = (Arc::clone(shared), Arc::clone(&given));
        let thread = std::thread::Builder::new().stack_size(STACK);
        let spawned = thread.spawn(move || work(&its_shared, lock(&its_given).take()));
        if spawned.is_err() {
            // The system has no thread to give: the session waits for the job, as for a short one, and for those whose turn
            // it is then, which nobody else would do.
            let errand = lock(&given).take();
            work(shared, errand);
        }
    }

    /// Its panic is an answer like any other.
    fn run(self, shared: &Shared) {
        let job = self.job;
        let done = catch_unwind(AssertUnwindSafe(|| job.perform())).unwrap_or(Done::Panicked);
        answer(shared, &self.mailbox, self.ticket, done);
    }
}

/// Does the job, and those whose turn it is then.
fn work(shared: &Shared, mut errand: Option<Errand>) {
    while let Some(next) = errand {
        let contender = Contender::of(&next.job);
        next.run(shared);
        errand = shared.long_jobs.end(contender);
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
