//! The threads that do what may block: jobs of storages and accounts, and the bulk of transfers.
//!
//! A pool of its own, since that of the crate `blocking` (1.7) takes a passing lack of threads for its limit for good, lets
//! no thread go that it once had, and wakes one while it holds the lock that this one needs first.

use crate::shared::Mailbox;
use crate::wait::{Bell, lock, wait_until};
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

/// How many threads there are at most. What comes then waits in order.
const MOST: usize = 500;
/// How long a thread without work stays.
const REST: Duration = Duration::from_millis(500);
/// How many tasks wait for each thread that is being started before another one is: most of them are short.
const FOR_EACH_NEW: usize = 5;
/// With so much waiting it is looked through for what nobody needs any more.
const CROWDED: usize = 1024;

type Task = Box<dyn FnOnce() + Send>;
/// Starts a thread.
type Start = Box<dyn Fn(Task) -> io::Result<JoinHandle<()>> + Send + Sync>;

/// All of one server.
pub(crate) struct Workers(Arc<Pool>);

struct Pool {
    state: Mutex<State>,
    /// Rung when a thread is wanted and can't be had.
    lack: Bell,
    start: Start,
    most: usize,
    rest: Duration,
}

#[derive(Default)]
struct State {
    threads: usize,
    /// Of these, those that were started and have not looked for work yet.
    new: usize,
    /// Those without work. Who came last has the warmest stack, and goes on; the others have their rest and end.
    idle: Vec<Arc<Seat>>,
    waiting: VecDeque<Waiting>,
    /// So much of it was of use when it was looked through last.
    of_use: usize,
    ended: bool,
    /// Those of the threads, and of some that have ended.
    handles: Vec<JoinHandle<()>>,
}

/// A task that waits.
struct Waiting {
    task: Task,
    /// Whose it is, if it is of no use to anybody else. The task has a share of it as well.
    whose: Option<Weak<Mailbox>>,
}

impl Waiting {
    fn is_of_use(&self) -> bool {
        self.whose.as_ref().is_none_or(|whose| whose.strong_count() > 1)
    }
}

/// Where a thread without work finds the next.
struct Seat {
    thread: Thread,
    task: Mutex<Option<Task>>,
}

impl Workers {
    /// One thread is there from now on, so that whatever is given gets done.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn begin() -> io::Result<Self> {
        let start = |life: Task| std::thread::Builder::new().name("ftp-smol-work".to_owned()).spawn(life);
        Self::begin_with(MOST, REST, Box::new(start))
    }

    fn begin_with(most: usize, rest: Duration, start: Start) -> io::Result<Self> {
        let pool = Arc::new(Pool { state: Mutex::default(), lack: Bell::default(), start, most, rest });
        lock(&pool.state).expect_thread();
        pool.start_thread()?;
        Ok(Self(pool))
    }

    /// With other threads than the system's.
    #[cfg(test)]
    pub(crate) fn of(
        most: usize,
        start: impl Fn(Task) -> io::Result<JoinHandle<()>> + Send + Sync + 'static,
    ) -> Self {
        Self::begin_with(most, REST, Box::new(start)).unwrap()
    }

    /// Has it done by the next thread that is free. Its panic costs nobody else anything.
    pub(crate) fn give(&self, task: impl FnOnce() + Send + 'static) {
        self.add(Waiting { task: Box::new(task), whose: None });
    }

    /// The same for what is of use to nobody else. It may be dropped when whose it is has gone: strangers who come and go
    /// must not fill the memory while all threads are stuck.
    pub(crate) fn give_for(&self, whose: &Arc<Mailbox>, task: impl FnOnce() + Send + 'static) {
        self.add(Waiting { task: Box::new(task), whose: Some(Arc::downgrade(whose)) });
    }

    fn add(&self, one: Waiting) {
        let mut state = lock(&self.0.state);
        if let Some(seat) = state.idle.pop() {
            *lock(&seat.task) = Some(one.task);
            drop(state);
            seat.thread.unpark();
            return;
        }
        state.waiting.push_back(one);
        let useless = state.take_useless();
        self.0.grow_or_ring(state);
        // It may hold code of the embedder, which whoever is here is not to blame for.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(useless)));
    }

    /// What has to be heard by whoever promises to [`stand by`](Self::stand_by).
    pub(crate) fn lack(&self) -> &Bell {
        &self.0.lack
    }

    /// Tries once more to start a thread that is wanted; `false` if that is still in vain. Without it whatever waits would
    /// do so until something else is given or done.
    pub(crate) fn stand_by(&self) -> bool {
        self.0.grow(lock(&self.0.state))
    }

    /// Whether something waits for a thread.
    pub(crate) fn are_awaited(&self) -> bool {
        !lock(&self.0.state).waiting.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.0.state).waiting.len()
    }

    /// Whatever was given is done, then all threads end. One that is stuck is left behind.
    pub(crate) fn end(&self, patience: Duration) {
        self.0.let_go();
        // Until there is none, one of them may start another.
        if wait_until(patience, || lock(&self.0.state).threads == 0) {
            let handles = std::mem::take(&mut lock(&self.0.state).handles);
            handles.into_iter().for_each(|thread| drop(thread.join()));
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

impl State {
    fn expect_thread(&mut self) {
        self.threads += 1;
        self.new += 1;
    }

    /// Of what waits, that which nobody needs any more, whenever so much has come that it may be half of it.
    fn take_useless(&mut self) -> Vec<Waiting> {
        if self.waiting.len() < CROWDED.max(2 * self.of_use) {
            return Vec::new();
        }
        let (of_use, useless) = std::mem::take(&mut self.waiting).into_iter().partition(Waiting::is_of_use);
        self.waiting = of_use;
        self.of_use = self.waiting.len();
        Vec::from(useless)
    }

    /// Whether only one thread has come so far; it is not known of others whether they will.
    fn has_only_one(&self) -> bool {
        self.threads - self.new == 1
    }
}

impl Pool {
    /// Starts another thread if too much waits. If that fails it is the turn of those that there are: each looks again
    /// whether another one is to be had when it takes what waits.
    fn grow_or_ring(self: &Arc<Self>, state: MutexGuard<'_, State>) {
        if !self.grow(state) {
            self.lack.ring();
        }
    }

    /// Starts another thread if too much waits; `false` if that fails.
    fn grow(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> bool {
        let is_enough = state.waiting.len() <= FOR_EACH_NEW * state.new;
        if is_enough || state.threads >= self.most || state.ended {
            return true;
        }
        state.expect_thread();
        drop(state);
        self.start_thread().is_ok()
    }

    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let pool = Arc::clone(self);
        let started = (self.start)(Box::new(move || pool.work()));
        let mut state = lock(&self.state);
        match started {
            Ok(thread) => {
                state.handles.retain(|thread| !thread.is_finished());
                state.handles.push(thread);
                Ok(())
            }
            Err(error) => {
                state.threads -= 1;
                state.new -= 1;
                Err(error)
            }
        }
    }

    /// All threads end when nothing is left to do.
    fn let_go(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        state.idle.drain(..).for_each(|seat| seat.thread.unpark());
    }

    /// A thread's life.
    fn work(self: &Arc<Self>) {
        let seat = Arc::new(Seat { thread: std::thread::current(), task: Mutex::default() });
        lock(&self.state).new -= 1;
        while let Some(task) = self.next(&seat) {
            let _ = catch_unwind(AssertUnwindSafe(task));
        }
    }

    /// What is to be done next; without any, the thread ends.
    fn next(self: &Arc<Self>, seat: &Arc<Seat>) -> Option<Task> {
        let mut state = lock(&self.state);
        if let Some(one) = state.waiting.pop_front() {
            self.grow_or_ring(state);
            return Some(one.task);
        }
        if state.ended {
            state.threads -= 1;
            return None;
        }
        state.idle.push(Arc::clone(seat));
        loop {
            let is_last = state.has_only_one();
            drop(state);
            // The last one stays.
            if is_last {
                std::thread::park()
            } else {
                std::thread::park_timeout(self.rest)
            }
            let task = lock(&seat.task).take();
            if task.is_some() {
                return task;
            }
            state = lock(&self.state);
            match state.idle.iter().position(|other| Arc::ptr_eq(other, seat)) {
                Some(place) if !state.has_only_one() => {
                    state.idle.remove(place);
                    state.threads -= 1;
                    return None;
                }
                Some(_) => {}
                // It was given something just now, or the pool ends.
                None => {
                    let task = lock(&seat.task).take();
                    state.threads -= usize::from(task.is_none());
                    return task;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc;

    const PATIENCE: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(20);

    fn begin(most: usize, rest: Duration) -> Workers {
        let start = |life: Task| std::thread::Builder::new().spawn(life);
        Workers::begin_with(most, rest, Box::new(start)).unwrap()
    }

    fn threads(workers: &Workers) -> usize {
        lock(&workers.0.state).threads
    }

    /// Tasks that wait until they are let go.
    fn hold(workers: &Workers, count: usize) -> (mpsc::Receiver<()>, Vec<mpsc::Sender<()>>) {
        let (begun, has_begun) = mpsc::channel();
        let holds = (0..count).map(|_| {
            let (hold, held) = mpsc::channel::<()>();
            let begun = begun.clone();
            workers.give(move || {
                begun.send(()).unwrap();
                let _ = held.recv();
            });
            hold
        });
        let holds = holds.collect();
        (has_begun, holds)
    }

    #[test]
    fn many_at_once_and_the_rest_in_order() {
        let workers = begin(40, PATIENCE);
        let (has_begun, mut holds) = hold(&workers, 41);
        (0..40).for_each(|_| has_begun.recv_timeout(PATIENCE).unwrap());
        assert_eq!(threads(&workers), 40);
        assert!(has_begun.recv_timeout(SHORT).is_err(), "one has to wait");
        holds.remove(0);
        has_begun.recv_timeout(PATIENCE).unwrap();
        assert_eq!(threads(&workers), 40);
    }

    #[test]
    fn one_thread_does_what_comes_one_after_the_other() {
        let workers = begin(40, PATIENCE);
        let (done, is_done) = mpsc::channel();
        for number in 0..1000 {
            let done = done.clone();
            workers.give(move || done.send((number, std::thread::current().id())).unwrap());
            let (got, thread) = is_done.recv_timeout(PATIENCE).unwrap();
            assert_eq!(got, number);
            // It may not have come back for the next one yet.
            wait_until(PATIENCE, || !lock(&workers.0.state).idle.is_empty());
            assert_eq!(threads(&workers), 1, "{thread:?}");
        }
    }

    #[test]
    fn all_but_one_go_when_there_is_nothing_to_do() {
        let workers = begin(40, SHORT);
        let (has_begun, holds) = hold(&workers, 20);
        (0..20).for_each(|_| has_begun.recv_timeout(PATIENCE).unwrap());
        assert_eq!(threads(&workers), 20);
        drop(holds);
        assert!(wait_until(PATIENCE, || threads(&workers) == 1));
        std::thread::sleep(5 * SHORT);
        assert_eq!(threads(&workers), 1);
        let (has_begun, _hold) = hold(&workers, 1);
        has_begun.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn a_panic_costs_one_task() {
        let workers = begin(1, PATIENCE);
        workers.give(|| panic!("on purpose"));
        let (has_begun, _hold) = hold(&workers, 1);
        has_begun.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn a_lack_of_threads_is_over_when_it_is_over() {
        let lack = Arc::new(AtomicBool::new(false));
        let its_lack = Arc::clone(&lack);
        let start = move |life: Task| {
            if its_lack.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            std::thread::Builder::new().spawn(life)
        };
        let workers = Workers::begin_with(40, PATIENCE, Box::new(start)).unwrap();
        lack.store(true, Ordering::SeqCst);
        let (has_begun, mut holds) = hold(&workers, 10);
        has_begun.recv_timeout(PATIENCE).unwrap();
        assert!(has_begun.recv_timeout(SHORT).is_err(), "there is one thread");
        assert_eq!(threads(&workers), 1);
        holds.remove(0);
        has_begun.recv_timeout(PATIENCE).unwrap();
        lack.store(false, Ordering::SeqCst);
        // Whatever is given or done next finds that there are threads again.
        let (has_begun_too, _holds) = hold(&workers, 1);
        (0..8).for_each(|_| has_begun.recv_timeout(PATIENCE).unwrap());
        has_begun_too.recv_timeout(PATIENCE).unwrap();
        assert_eq!(threads(&workers), 10);
    }

    #[test]
    fn without_a_first_thread_there_is_no_pool() {
        let start = |_: Task| Err(io::ErrorKind::WouldBlock.into());
        assert!(Workers::begin_with(40, PATIENCE, Box::new(start)).is_err());
    }

    #[test]
    fn the_end_comes_when_everything_is_done() {
        let workers = begin(3, PATIENCE);
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let done = Arc::clone(&done);
            workers.give(move || {
                std::thread::sleep(Duration::from_millis(1));
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        workers.end(PATIENCE);
        assert_eq!((done.load(Ordering::SeqCst), threads(&workers)), (100, 0));
    }

    #[test]
    fn the_last_thread_does_not_go_for_one_that_never_comes() {
        let tries = Arc::new(AtomicUsize::new(0));
        let its_tries = Arc::clone(&tries);
        // All but the first take their time, and fail.
        let start = move |life: Task| {
            if its_tries.fetch_add(1, Ordering::SeqCst) == 0 {
                return std::thread::Builder::new().spawn(life);
            }
            std::thread::sleep(10 * SHORT);
            Err(io::ErrorKind::WouldBlock.into())
        };
        let workers = Workers::begin_with(40, SHORT, Box::new(start)).unwrap();
        let (has_begun, holds) = hold(&workers, 1);
        has_begun.recv_timeout(PATIENCE).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| workers.give(|| {}));
            assert!(wait_until(PATIENCE, || tries.load(Ordering::SeqCst) == 2));
            // It has nothing to do from now on, while the other one is expected.
            drop(holds);
        });
        assert_eq!(threads(&workers), 1);
        let (has_begun, _hold) = hold(&workers, 1);
        has_begun.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn the_end_waits_for_a_thread_that_another_one_started() {
        let lack = Arc::new(AtomicBool::new(false));
        let its_lack = Arc::clone(&lack);
        let (starting, is_starting) = mpsc::channel();
        let start = move |life: Task| {
            if its_lack.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            starting.send(()).unwrap();
            let started = std::thread::Builder::new().spawn(life);
            std::thread::sleep(SHORT);
            started
        };
        let workers = Workers::begin_with(40, PATIENCE, Box::new(start)).unwrap();
        is_starting.recv_timeout(PATIENCE).unwrap();
        lack.store(true, Ordering::SeqCst);
        let (has_begun, holds) = hold(&workers, 1);
        has_begun.recv_timeout(PATIENCE).unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        for time in [0, 10] {
            let done = Arc::clone(&done);
            workers.give(move || {
                std::thread::sleep(time * SHORT);
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        lack.store(false, Ordering::SeqCst);
        drop(holds);
        // Two wait, and so the first thread starts another one, which has the longer one of them.
        is_starting.recv_timeout(PATIENCE).unwrap();
        workers.end(PATIENCE);
        assert_eq!((done.load(Ordering::SeqCst), threads(&workers)), (2, 0));
    }

    #[test]
    fn given_by_many_while_threads_come_and_go() {
        let workers = begin(8, Duration::from_micros(50));
        let done = AtomicUsize::new(0);
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let (workers, tell) = (&workers, tell.clone());
                scope.spawn(move || {
                    for number in 0..2000u64 {
                        let tell = tell.clone();
                        workers.give(move || tell.send(()).unwrap());
                        if number % 16 == 0 {
                            std::thread::sleep(Duration::from_micros(number % 150));
                        }
                    }
                });
            }
            for _ in 0..8000 {
                told.recv_timeout(PATIENCE).unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(done.into_inner(), 8000);
        workers.end(PATIENCE);
        assert_eq!(threads(&workers), 0);
    }
}
