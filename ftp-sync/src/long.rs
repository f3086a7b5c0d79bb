//! Jobs that take long, on threads of their own: their sessions listen on meanwhile.

use crate::shared::{Mail, Mailbox, Shared};
use crate::wait::lock;
use ftp_proto::event::{Done, Event, Job, Ticket};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How many run at a time; the others wait for their turn. They keep disks and processors busy, of which there are few.
const AT_ONCE: usize = 32;
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
    queue: Mutex<Queue>,
    none_left: Condvar,
}

#[derive(Default)]
struct Queue {
    running: usize,
    waiting: VecDeque<Errand>,
}

impl LongJobs {
    /// Waits until none runs any more. One that is stuck in a storage can't be ended.
    pub(crate) fn wait_until_idle(&self, patience: Duration) {
        let queue = lock(&self.queue);
        drop(self.none_left.wait_timeout_while(queue, patience, |queue| queue.running > 0));
    }
}

impl Errand {
    /// In order, as places come free; the mailbox gets the answer.
    pub(crate) fn send(self, shared: &Arc<Shared>) {
        let mut queue = lock(&shared.long_jobs.queue);
        // Whoever asks and gives up again and again must not fill the memory.
        queue.waiting.retain(|errand| !errand.job.is_unwanted());
        if queue.running >= AT_ONCE {
            queue.waiting.push_back(self);
            return;
        }
        queue.running += 1;
        drop(queue);
        let its_shared = Arc::clone(shared);
        let (ticket, mailbox) = (self.ticket, Arc::clone(&self.mailbox));
        let spawned = std::thread::Builder::new().stack_size(STACK).spawn(move || {
            let mut errand = Some(self);
            while let Some(next) = errand {
                next.run(&its_shared);
                errand = its_shared.long_jobs.next();
            }
        });
        if spawned.is_err() {
            lock(&shared.long_jobs.queue).running -= 1;
            // The system has no thread to give; only this session is to suffer from it.
            answer(shared, &mailbox, ticket, Done::Panicked);
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
    /// The one that waits longest. Without any the place is given up.
    fn next(&self) -> Option<Errand> {
        let mut queue = lock(&self.queue);
        let next = queue.waiting.pop_front();
        queue.running -= usize::from(next.is_none());
        if queue.running == 0 {
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
