//! Jobs that take long, on the blocking pool: no more of them than leave room there for logins and the like.

use crate::crew::Busy;
use crate::shared::{Mail, Mailbox, Shared};
use crate::wait::lock;
use ftp_proto::event::{Done, Event, Job, Ticket};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

/// How many run at a time; the others wait for their turn. They keep disks and processors busy, of which there are few.
const AT_ONCE: usize = 32;

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
}

#[derive(Default)]
struct Queue {
    running: usize,
    waiting: VecDeque<Errand>,
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
        let busy = Busy::new(shared);
        smol::unblock(move || {
            let mut errand = Some(self);
            while let Some(next) = errand {
                next.run();
                errand = busy.shared().long_jobs.next();
            }
        })
        .detach();
    }

    /// Its panic is an answer like any other.
    fn run(self) {
        let job = self.job;
        let done = catch_unwind(AssertUnwindSafe(|| job.perform())).unwrap_or(Done::Panicked);
        self.mailbox.leave(Mail::Event(Event::Done(self.ticket, done)));
    }
}

impl LongJobs {
    /// The one that waits longest. Without any the place is given up.
    fn next(&self) -> Option<Errand> {
        let mut queue = lock(&self.queue);
        let next = queue.waiting.pop_front();
        queue.running -= usize::from(next.is_none());
        next
    }
}
