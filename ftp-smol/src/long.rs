//! Jobs that take long, on the pool of workers: no more of them than leave room there for logins and the like.

use crate::shared::{Mail, Mailbox, Shared};
use crate::wait::lock;
use ftp_proto::event::{Contender, Done, Event, Job, Ticket, Turns};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

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
}

impl Errand {
    /// When its turn comes; the mailbox gets the answer.
    pub(crate) fn send(self, shared: &Arc<Shared>) {
        let contender = Contender::of(&self.job);
        let is_wanted = |errand: &Self| !errand.job.is_unwanted();
        let begun = lock(&shared.long_jobs.turns).begin(contender, self, is_wanted);
        if let Some(errand) = begun {
            errand.set_out(shared);
        }
    }

    /// Whose turn it is then goes to the end of the workers' queue: where threads are few a login would wait for all of them.
    fn set_out(self, shared: &Arc<Shared>) {
        let its_shared = Arc::clone(shared);
        shared.workers.give(move || {
            let contender = Contender::of(&self.job);
            self.run();
            let next = lock(&its_shared.long_jobs.turns).end(contender);
            if let Some(next) = next {
                next.set_out(&its_shared);
            }
        });
    }

    /// Its panic is an answer like any other.
    fn run(self) {
        let job = self.job;
        let done = catch_unwind(AssertUnwindSafe(|| job.perform())).unwrap_or(Done::Panicked);
        self.mailbox.leave(Mail::Event(Event::Done(self.ticket, done)));
    }
}
