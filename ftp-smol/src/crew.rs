//! The threads: one executor per core, where sessions are born, live and end, and what they give to the workers,
//! which may block.

use crate::links::Owner;
use crate::long::Errand;
use crate::net::{self, AcceptTrouble};
use crate::pump::{Pump, Report, free_buffer};
use crate::session;
use crate::shared::{Mail, Mailbox, Shared};
use crate::sweeper;
use crate::undecided;
use crate::wait::{Alarms, Bell, lock, wait_until};
use async_io::{Async, Timer};
use ftp_proto::event::{Done, Event, Job, Ticket};
use ftp_proto::transfer::{EndReason, TransferEnd};
use smol::LocalExecutor;
use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a listener rests when the system has no descriptors left.
const EXHAUSTED_REST: Duration = Duration::from_millis(50);
/// How many control connections are accepted before the others on the executor have their turn.
const BATCH: usize = 64;
/// How many threads move the bytes of transfers, of the 500 workers that there are at most: logins and opens must not
/// queue behind bulk.
const CARRIERS: usize = 256;

/// The executors' threads.
pub(crate) struct Crew {
    members: Vec<Member>,
    stage: Arc<Stage>,
}

/// How far the crew's life has come.
#[derive(Default)]
struct Stage {
    reached: AtomicUsize,
    /// Executors that still let clients in.
    open: AtomicUsize,
}

struct Member {
    thread: JoinHandle<()>,
    bell: Arc<Bell>,
}

/// Sessions come and go.
const OPEN: usize = 0;
/// No new sessions.
const CLOSED: usize = 1;
/// Nothing runs any more.
const ENDED: usize = 2;

impl Crew {
    /// Starts one executor for each set of doors.
    ///
    /// # Errors
    /// The system has no threads or descriptors to give. Nothing runs then.
    pub(crate) fn start(shared: &Arc<Shared>, doors: Vec<Vec<Door>>) -> io::Result<Self> {
        let mut crew = Self { members: Vec::new(), stage: Arc::default() };
        for (number, doors) in doors.into_iter().enumerate() {
            let started = crew.add(shared, number, doors);
            if let Err(error) = started {
                crew.end(Duration::MAX);
                return Err(error);
            }
        }
        Ok(crew)
    }

    fn add(&mut self, shared: &Arc<Shared>, number: usize, doors: Vec<Door>) -> io::Result<()> {
        let bell = Arc::new(Bell::default());
        let (shared, its_bell, stage) = (Arc::clone(shared), Arc::clone(&bell), Arc::clone(&self.stage));
        let thread = std::thread::Builder::new().name(format!("ftp-smol-{number}"));
        let thread = thread.spawn(move || work(&shared, number == 0, doors, &its_bell, &stage))?;
        self.stage.open.fetch_add(1, Ordering::SeqCst);
        self.members.push(Member { thread, bell });
        Ok(())
    }

    /// Nobody is let in any more.
    pub(crate) fn close(&self, patience: Duration) {
        self.advance(CLOSED);
        wait_until(patience, || self.stage.open.load(Ordering::SeqCst) == 0);
    }

    fn advance(&self, stage: usize) {
        self.stage.reached.store(stage, Ordering::SeqCst);
        for member in &self.members {
            member.bell.ring();
        }
    }

    /// Drops whatever still runs, and waits for the threads. One that is stuck in the embedder's code can't be
    /// ended; it is left behind.
    pub(crate) fn end(&mut self, patience: Duration) {
        self.advance(ENDED);
        let members = std::mem::take(&mut self.members);
        if wait_until(patience, || members.iter().all(|member| member.thread.is_finished())) {
            members.into_iter().for_each(|member| drop(member.thread.join()));
        }
    }
}

/// One executor's life.
fn work(shared: &Arc<Shared>, is_first: bool, mut doors: Vec<Door>, bell: &Bell, stage: &Stage) {
    let executor = LocalExecutor::new();
    let alarms = Rc::new(Alarms::default());
    if is_first {
        executor.spawn(sweeper::run(Arc::clone(shared))).detach();
        executor.spawn(undecided::run(Arc::clone(shared))).detach();
    }
    let mut closed = false;
    let main = poll_fn(|cx| {
        bell.was_rung(cx);
        let reached = stage.reached.load(Ordering::SeqCst);
        if reached != OPEN && !std::mem::replace(&mut closed, true) {
            doors.clear();
            stage.open.fetch_sub(1, Ordering::SeqCst);
        }
        if reached == ENDED {
            return Poll::Ready(());
        }
        for door in &mut doors {
            let implicit_tls = door.implicit_tls;
            door.attend(shared, cx, |control, peer| {
                // A panic would end the whole executor.
                let served = catch_unwind(AssertUnwindSafe(|| {
                    session::serve(shared, &alarms, control, peer, implicit_tls)
                }));
                if let Ok(Some(session)) = served {
                    executor.spawn(session).detach();
                }
            });
        }
        alarms.keep(&shared.clock, cx);
        Poll::Pending
    });
    async_io::block_on(executor.run(main));
}

/// One listener of control connections.
pub(crate) struct Door {
    listener: Async<TcpListener>,
    /// TLS begins at once.
    implicit_tls: bool,
    /// Until when it rests.
    rest: Option<Timer>,
}

impl Door {
    pub(crate) fn new(listener: TcpListener, implicit_tls: bool) -> io::Result<Self> {
        Ok(Self { listener: Async::new_nonblocking(listener)?, implicit_tls, rest: None })
    }

    /// Accepts a client in place of the reserve, and tells him that there is no place. Whether that could be done.
    fn turn_one_away(&self, shared: &Shared) -> bool {
        let accept = || {
            let (control, peer) = net::accept(self.listener.get_ref()).ok()?;
            session::turn_away(shared, control, peer, self.implicit_tls);
            Some(())
        };
        shared.reserve.lend(accept).is_some()
    }

    fn attend(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
        mut admit: impl FnMut(std::net::TcpStream, std::net::SocketAddr),
    ) {
        loop {
            if let Some(rest) = &mut self.rest {
                if Pin::new(rest).poll(cx).is_pending() {
                    return;
                }
                self.rest = None;
            }
            if self.listener.poll_readable(cx).is_pending() {
                return;
            }
            for _ in 0..BATCH {
                match net::accept(self.listener.get_ref()) {
                    Ok((control, peer)) if shared.reserve.refill() => admit(control, peer),
                    // This one has the last descriptor, and could do nothing with its session.
                    Ok((control, peer)) => {
                        session::turn_away(shared, control, peer, self.implicit_tls);
                        shared.reserve.refill();
                    }
                    Err(error) => match AcceptTrouble::from(&error) {
                        AcceptTrouble::Gone => {}
                        AcceptTrouble::Nobody => break,
                        AcceptTrouble::Exhausted => {
                            shared.accept_failed(&error);
                            if !self.turn_one_away(shared) {
                                self.rest = Some(Timer::after(EXHAUSTED_REST));
                                break;
                            }
                        }
                    },
                }
                if !net::somebody_waits(self.listener.get_ref()) {
                    break;
                }
            }
        }
    }
}

/// How the threads that carry transfers are shared out.
#[derive(Default)]
pub(crate) struct Carriers {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    carriers: usize,
    waiting: VecDeque<Load>,
}

/// Does a job; its panic is an answer like any other.
pub(crate) fn perform(owner: &Owner, ticket: Ticket, job: Job) {
    let mailbox = Arc::clone(&owner.mailbox);
    if job.is_long() {
        return Errand { ticket, job, mailbox }.send(&owner.shared);
    }
    let workers = &owner.shared.workers;
    let is_login = job.is_login();
    let perform = move || {
        let done = catch_unwind(AssertUnwindSafe(|| job.perform())).unwrap_or(Done::Panicked);
        mailbox.leave(Mail::Event(Event::Done(ticket, done)));
    };
    if is_login { workers.give_for(&owner.mailbox, perform) } else { workers.give(perform) }
}

/// A transfer on its way to a thread that may block.
pub(crate) struct Load {
    pub(crate) pump: Box<Pump>,
    pub(crate) mailbox: Arc<Mailbox>,
}

impl Load {
    /// In order, as threads come free; the mailbox gets its reports.
    pub(crate) fn send(self, shared: &Arc<Shared>) {
        let mut queue = lock(&shared.carriers.queue);
        if queue.carriers >= CARRIERS {
            queue.waiting.push_back(self);
            return;
        }
        queue.carriers += 1;
        drop(queue);
        self.go_on(shared);
    }

    /// Waits for a thread among all else that does.
    fn go_on(self, shared: &Arc<Shared>) {
        let its_shared = Arc::clone(shared);
        shared.workers.give(move || {
            let mut load = Some(self);
            while let Some(carried) = load {
                load = next_load(&its_shared, carried.carry(&its_shared));
                // Where threads are few a login would wait for the end of all transfers.
                if let Some(next) = load.take_if(|_| its_shared.workers.are_awaited()) {
                    next.go_on(&its_shared);
                }
            }
            free_buffer();
        });
    }

    /// Carries it as far as it goes. It comes back if others wait and it could go on.
    fn carry(self, shared: &Shared) -> Option<Self> {
        let Self { pump, mailbox } = self;
        let transfer = pump.transfer();
        let moved = pump.moved();
        let others_wait = || !lock(&shared.carriers.queue).waiting.is_empty() || shared.workers.are_awaited();
        let report = |report| mailbox.leave(Mail::Transfer(report));
        match catch_unwind(AssertUnwindSafe(|| pump.run_there(&shared.clock, others_wait, report))) {
            Ok(pump) => pump.map(|pump| Self { pump, mailbox }),
            Err(_) => {
                let end = TransferEnd::failed(moved, EndReason::Panicked);
                mailbox.leave(Mail::Transfer(Report::Ended(transfer, end)));
                None
            }
        }
    }
}

/// What a carrier takes up next: the one that waits longest. Without any it has ended.
fn next_load(shared: &Shared, unfinished: Option<Load>) -> Option<Load> {
    let mut queue = lock(&shared.carriers.queue);
    queue.waiting.extend(unfinished);
    let next = queue.waiting.pop_front();
    queue.carriers -= usize::from(next.is_none());
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Ports;
    use crate::wait::Clock;
    use crate::workers::Workers;
    use ftp_proto::Server;
    use ftp_proto::account::Credentials;
    use ftp_proto::advertise::Networks;
    use ftp_proto::config::Config;
    use ftp_proto::event::{Course, LongJob, SessionId, TransferId};
    use ftp_proto::host::{File, StorageError};
    use ftp_proto::path::VirtualPath;
    use ftp_proto::testing::{MemoryAccounts, MemoryStorage};
    use ftp_proto::transfer::{Coding, Pipe};
    use std::net::{Ipv4Addr, TcpStream};
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn with(workers: Workers) -> Arc<Shared> {
        let server = Server::new(Arc::new(Config::default()), Arc::new(MemoryAccounts::new()), 1);
        let (ports, networks) = (Ports::new(Ipv4Addr::LOCALHOST.into()), Arc::new(Networks::default));
        Arc::new(Shared::new(server, Clock::new(), ports, workers, Arc::new(()), PATIENCE, networks))
    }

    fn with_one_thread() -> Arc<Shared> {
        with(Workers::of(1, |life| std::thread::Builder::new().spawn(life)))
    }

    /// A file without end; whether a panic is in it when it is closed.
    struct Endless(bool);

    impl File for Endless {
        fn size(&self) -> Option<u64> {
            None
        }

        fn read_at(&mut self, _: u64, room: &mut [u8]) -> Result<usize, StorageError> {
            Ok(room.len().min(64))
        }

        fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), StorageError> {
            Err(StorageError::Denied)
        }

        fn finish(self: Box<Self>, _: bool) -> Result<(), StorageError> {
            Ok(())
        }
    }

    impl Drop for Endless {
        fn drop(&mut self) {
            assert!(!self.0, "on purpose");
        }
    }

    /// A download of it, of which so much is read and not sent, and its client.
    fn download(file: Endless, skipped: u64) -> (Load, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let pipe = Pipe::download(Box::new(file), 0, None, Coding::ASCII).skipping(skipped);
        let pump = Box::new(Pump::new(TransferId(1), Box::new(pipe), Some(Arc::new(socket))));
        (Load { pump, mailbox: Arc::default() }, client)
    }

    #[test]
    fn a_login_waits_for_no_transfer_though_there_is_only_one_thread() {
        let shared = with_one_thread();
        let (mut load, _client) = download(Endless(false), u64::MAX);
        let leash = load.pump.leash();
        load.send(&shared);
        let (tell, told) = mpsc::channel();
        for _ in 0..3 {
            let tell = tell.clone();
            shared.workers.give(move || tell.send(()).unwrap());
            told.recv_timeout(PATIENCE).expect("it has its turn");
        }
        assert_eq!(lock(&shared.carriers.queue).carriers, 1, "the transfer goes on");
        leash.pull();
        assert!(wait_until(PATIENCE, || lock(&shared.carriers.queue).carriers == 0));
    }

    #[test]
    fn a_panic_in_what_is_left_of_a_session_costs_no_carrier() {
        let shared = with_one_thread();
        // Its client takes nothing, and nobody is there to wait for it.
        let (load, _client) = download(Endless(true), 0);
        load.send(&shared);
        assert!(wait_until(PATIENCE, || lock(&shared.carriers.queue).carriers == 0));
    }

    /// One that does something long, in a server where nothing else happens.
    #[test]
    fn what_found_no_thread_gets_one_as_soon_as_there_is_one() {
        let lack = Arc::new(AtomicBool::new(false));
        let its_lack = Arc::clone(&lack);
        let shared = with(Workers::of(2, move |life| match its_lack.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => std::thread::Builder::new().spawn(life),
        }));
        let its_shared = Arc::clone(&shared);
        std::thread::spawn(move || async_io::block_on(sweeper::run(its_shared)));
        std::thread::sleep(Duration::from_millis(100));
        lack.store(true, Ordering::SeqCst);
        let (end, is_ended) = mpsc::channel::<()>();
        shared.workers.give(move || {
            let _ = is_ended.recv();
        });
        let (tell, told) = mpsc::channel();
        shared.workers.give(move || tell.send(()).unwrap());
        assert!(told.recv_timeout(Duration::from_millis(300)).is_err(), "there is no thread");
        lack.store(false, Ordering::SeqCst);
        told.recv_timeout(PATIENCE).expect("it has its turn");
        drop(end);
    }

    #[test]
    fn a_login_waits_for_no_queue_of_long_jobs_though_there_is_only_one_thread() {
        let shared = with_one_thread();
        let mailbox = Arc::<Mailbox>::default();
        let (begin, is_begun) = mpsc::channel::<()>();
        shared.workers.give(move || {
            let _ = is_begun.recv();
        });
        for _ in 0..100 {
            let job = LongJob::Measure(VirtualPath::root());
            let job = Job::Long(Arc::new(MemoryStorage::new()), job, Arc::new(Course::default()));
            Errand { ticket: Ticket(1), job, mailbox: Arc::clone(&mailbox) }.send(&shared);
        }
        let (tell, told) = mpsc::channel();
        let its_mailbox = Arc::clone(&mailbox);
        shared.workers.give(move || tell.send(std::iter::from_fn(|| its_mailbox.take()).count()).unwrap());
        drop(begin);
        let before = told.recv_timeout(PATIENCE).unwrap();
        assert!(before < 50, "{before} jobs had their turn before it");
        let done = std::cell::Cell::new(before);
        let are_all_done = || {
            done.set(done.get() + std::iter::from_fn(|| mailbox.take()).count());
            done.get() == 100
        };
        assert!(wait_until(PATIENCE, are_all_done));
    }

    #[test]
    fn logins_of_those_who_have_gone_fill_no_memory_while_all_threads_are_stuck() {
        let shared = with_one_thread();
        let (end, is_ended) = mpsc::channel::<()>();
        shared.workers.give(move || {
            let _ = is_ended.recv();
        });
        let log_in = |mailbox: &Arc<Mailbox>| {
            let credentials = Credentials {
                user: "somebody".to_owned(),
                password: b"secret".to_vec(),
                host: None,
                peer: (Ipv4Addr::LOCALHOST, 4000).into(),
                certificate: None,
            };
            let (shared, mailbox) = (Arc::clone(&shared), Arc::clone(mailbox));
            let owner = Owner { shared, session: SessionId(1), mailbox };
            perform(
                &owner,
                Ticket(1),
                Job::Authenticate(Arc::new(MemoryAccounts::new()), Box::new(credentials)),
            );
        };
        // These wait for their answer, among many who don't.
        let patient: Vec<Arc<Mailbox>> = (0..100).map(|_| Arc::default()).collect();
        for number in 0..20_000 {
            log_in(&Arc::default());
            if number % 200 == 0 {
                log_in(&patient[number / 200]);
            }
        }
        let waiting = shared.workers.waiting();
        assert!((100..3_000).contains(&waiting), "{waiting} wait");
        drop(end);
        assert!(wait_until(PATIENCE, || shared.workers.waiting() == 0));
        assert!(patient.iter().all(|mailbox| wait_until(PATIENCE, || mailbox.take().is_some())));
    }
}
