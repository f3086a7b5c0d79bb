//! Jobs that take long, on threads of their own: their sessions listen on meanwhile.

use crate::shared::{Mail, Mailbox, Shared};
use crate::wait::lock;
use ftp_proto::event::{Contender, Done, Event, Job, Ticket, Turns};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const STACK: usize = if cfg!(debug_assertions) { 512 << 10 } else { 128 << 10 };

/// What a thread is for.
type Work = Box<dyn FnOnce() + Send>;

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
        if let Some(errand) = begun {
            set_out(shared, errand, |work| {
                std::thread::Builder::new().stack_size(STACK).spawn(work).map(drop)
            });
        }
    }

    /// Does the job; whose turn it is then. Its panic is an answer like any other.
    fn run(self, shared: &Shared) -> Option<Self> {
        let contender = Contender::of(&self.job);
        let job = self.job;
        let done = catch_unwind(AssertUnwindSafe(|| job.perform())).unwrap_or(Done::Panicked);
        answer(shared, &self.mailbox, self.ticket, done);
        shared.long_jobs.end(contender)
    }
}

/// Gives it a thread. If the system has none, the session waits for the job, as for a short one, and then sees to those
/// whose turn it is, which nobody else would do; they are given a thread as soon as there is one.
fn set_out(shared: &Arc<Shared>, errand: Errand, start: impl Fn(Work) -> io::Result<()>) {
    let mut next = Some(errand);
    while let Some(errand) = next {
        // A thread that can't be started takes what it was given with it.
        let given = Arc::new(Mutex::new(Some(errand)));
        let (its_shared, its_given) = (Arc::clone(shared), Arc::clone(&given));
        let started = start(Box::new(move || {
            let mut next = lock(&its_given).take();
            while let Some(errand) = next {
                next = errand.run(&its_shared);
            }
        }));
        if started.is_ok() {
            return;
        }
        let errand = lock(&given).take();
        next = errand.and_then(|errand| errand.run(shared));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Ports;
    use crate::shared::Admitted;
    use crate::wait::Clock;
    use ftp_proto::Server;
    use ftp_proto::advertise::Networks;
    use ftp_proto::config::Config;
    use ftp_proto::event::{Arrival, Course, LongJob};
    use ftp_proto::path::VirtualPath;
    use ftp_proto::testing::{MemoryAccounts, MemoryStorage};
    use std::cell::Cell;
    use std::net::{Ipv4Addr, SocketAddr};

    fn shared() -> Arc<Shared> {
        let server = Server::new(Arc::new(Config::default()), Arc::new(MemoryAccounts::new()), 1);
        let (clock, ports) = (Clock::new(), Ports::new(Ipv4Addr::LOCALHOST.into()));
        let (minute, networks) = (Duration::from_secs(60), Arc::new(Networks::default));
        Arc::new(Shared::new(server, clock, ports, Arc::new(()), minute, networks).unwrap())
    }

    #[test]
    fn who_waited_for_a_thread_does_the_work_of_nobody_else_when_there_is_one() {
        let shared = shared();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 21));
        let Admitted::Accepted(_session, mailbox) = shared.admit(Arrival::new(address, address)) else {
            panic!("it is not let in");
        };
        let errand = || {
            let job = LongJob::Measure(VirtualPath::root());
            let job = Job::Long(Arc::new(MemoryStorage::new()), job, Arc::new(Course::default()));
            Errand { ticket: Ticket(1), job, mailbox: Arc::clone(&mailbox) }
        };
        let begin = || {
            let errand = errand();
            let contender = Contender::of(&errand.job);
            lock(&shared.long_jobs.turns).begin(contender, errand, |_| true)
        };
        // As many as one client may have, and two that wait.
        let first = std::iter::from_fn(begin).last().unwrap();
        assert!(begin().is_none());
        let tries = Cell::new(0);
        let (give, given) = std::sync::mpsc::channel();
        set_out(&shared, first, |work| {
            tries.set(tries.get() + 1);
            if tries.get() == 1 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            give.send(work).unwrap();
            Ok(())
        });
        let answers = || std::iter::from_fn(|| mailbox.take()).count();
        assert_eq!((tries.get(), answers()), (2, 1), "its own is done, and the next one has a thread");
        given.recv().unwrap()();
        assert_eq!(answers(), 2);
    }
}
