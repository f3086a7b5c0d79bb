//! The threads that accept and serve control connections, in turn: whoever accepts one makes sure that
//! another thread waits in accept, serves the session itself and comes back. That saves the start of a thread
//! per login, and hands no connection from one thread to another.

use crate::net::{self, AcceptTrouble, Reserve};
use crate::session;
use crate::shared::Shared;
use crate::wait::lock;
use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many idle threads stay at each listener. Each holds a descriptor, which no list shows: Linux takes one before it
/// waits in accept.
const SPARE: usize = 32;
/// How long a thread rests when the system has no descriptors left.
const EXHAUSTED_REST: Duration = Duration::from_millis(50);
/// Only touched pages cost memory; code without optimisations needs larger frames. (Of a release, MODE Z needs most: a
/// compressor is made in a frame of 80 KiB.)
const STACK: usize = if cfg!(debug_assertions) { 768 << 10 } else { 256 << 10 };

/// One listener of control connections.
pub(crate) struct Door {
    listener: TcpListener,
    /// TLS begins at once.
    implicit_tls: bool,
    /// Threads that accept here, or are on their way to it.
    waiting: AtomicUsize,
    reserve: Reserve,
}

impl Door {
    pub(crate) fn new(listener: TcpListener, implicit_tls: bool) -> Self {
        Self { listener, implicit_tls, waiting: AtomicUsize::new(0), reserve: Reserve::new() }
    }

    /// A thread that goes to serve a client no longer waits; whether it was the last.
    fn leave_place(&self) -> bool {
        self.waiting.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// A thread comes back; whether there is a place for it. One that has none was never counted: who accepts meanwhile
    /// would rely on it.
    fn take_place(&self) -> bool {
        let one_more = |waiting| (waiting < SPARE).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }
}

/// All of them, and their threads.
pub(crate) struct Crew {
    doors: Vec<Arc<Door>>,
    threads: Mutex<Threads>,
    closed: AtomicBool,
}

#[derive(Default)]
struct Threads {
    running: HashMap<u64, JoinHandle<()>>,
    /// The last that has left.
    left: Option<JoinHandle<()>>,
    next: u64,
}

impl Crew {
    pub(crate) fn new(doors: Vec<Door>) -> Self {
        Self {
            doors: doors.into_iter().map(Arc::new).collect(),
            threads: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Makes sure that somebody waits at each door.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn open(self: &Arc<Self>, shared: &Arc<Shared>) -> io::Result<()> {
        self.doors.iter().try_for_each(|door| self.attend(door, shared))
    }

    /// As [`open`](Self::open), when it may have failed before; whether all is well.
    pub(crate) fn stand_by(self: &Arc<Self>, shared: &Arc<Shared>) -> bool {
        self.open(shared).is_ok()
    }

    fn attend(self: &Arc<Self>, door: &Arc<Door>, shared: &Arc<Shared>) -> io::Result<()> {
        let is_attended = || door.waiting.load(Ordering::SeqCst) > 0;
        if is_attended() {
            return Ok(());
        }
        let mut threads = lock(&self.threads);
        // In a flood many come here at once, having turned somebody away in no time; one thread is enough for them all,
        // and one that is too many would stand in accept for good.
        if is_attended() || self.closed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let number = threads.next;
        threads.next += 1;
        door.waiting.fetch_add(1, Ordering::SeqCst);
        let (crew, its_door, its_shared) = (Arc::clone(self), Arc::clone(door), Arc::clone(shared));
        let spawned = std::thread::Builder::new().stack_size(STACK).spawn(move || {
            crew.work(&its_door, &its_shared);
            crew.leave(number);
        });
        match spawned {
            Ok(thread) => {
                threads.running.insert(number, thread);
                Ok(())
            }
            Err(error) => {
                door.waiting.fetch_sub(1, Ordering::SeqCst);
                Err(error)
            }
        }
    }

    fn work(self: &Arc<Self>, door: &Arc<Door>, shared: &Arc<Shared>) {
        while !self.closed.load(Ordering::SeqCst) {
            match net::accept_control(&door.listener) {
                // Where a door can't be shut, this one only came to wake whoever stands there.
                Ok(_) if self.closed.load(Ordering::SeqCst) => break,
                // This one has the last descriptor, and could do nothing with its session.
                Ok((socket, peer)) if !door.reserve.refill() => {
                    session::turn_away(shared, socket, peer, door.implicit_tls);
                    door.reserve.refill();
                }
                Ok((socket, peer)) => {
                    if door.leave_place()
                        && let Err(error) = self.attend(door, shared)
                    {
                        // Nobody would accept any more: who comes now is told so by this thread, which stays.
                        door.waiting.fetch_add(1, Ordering::SeqCst);
                        shared.accept_failed(&error);
                        session::turn_away(shared, socket, peer, door.implicit_tls);
                        continue;
                    }
                    session::serve(shared, socket, peer, door.implicit_tls);
                    if !door.take_place() {
                        return;
                    }
                }
                Err(error) => match AcceptTrouble::from(&error) {
                    AcceptTrouble::Closed => break,
                    AcceptTrouble::Exhausted => {
                        // Linux wants a descriptor before anybody has come.
                        if net::somebody_waits(&door.listener) {
                            shared.accept_failed(&error);
                        }
                        if !door.reserve.give_back() {
                            std::thread::sleep(EXHAUSTED_REST);
                            door.reserve.refill();
                        }
                    }
                    AcceptTrouble::Nobody | AcceptTrouble::Gone => {}
                },
            }
        }
        door.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// The last words of a thread: it sees off whoever left before, whose stack stays until then.
    fn leave(&self, number: u64) {
        let before = {
            let mut threads = lock(&self.threads);
            let thread = threads.running.remove(&number);
            std::mem::replace(&mut threads.left, thread)
        };
        before.map(JoinHandle::join);
    }

    /// Nobody accepts any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for door in &self.doors {
            // Where a door can't be closed for good, each waiting thread is woken by itself.
            for _ in 0..door.waiting.load(Ordering::SeqCst).max(1) {
                net::close_door(&door.listener);
            }
        }
    }

    /// Waits for all threads. One that is stuck in a storage can't be ended; it is left behind.
    pub(crate) fn join(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let (left, running) = {
                let mut threads = lock(&self.threads);
                (threads.left.take(), threads.running.len())
            };
            left.map(JoinHandle::join);
            if running == 0 || Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else all others could accept meanwhile, none of them the last to do so, and then it is gone.
    #[test]
    fn a_thread_that_goes_never_counts() {
        let door = Door::new(TcpListener::bind("127.0.0.1:0").unwrap(), false);
        door.waiting.store(SPARE, Ordering::SeqCst);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let stay = (0..1_000_000).filter(|_| door.take_place()).count();
                done.store(true, Ordering::SeqCst);
                assert_eq!(stay, 0);
            });
            while !done.load(Ordering::SeqCst) {
                assert_eq!(door.waiting.load(Ordering::SeqCst), SPARE);
            }
        });
        assert!(!door.leave_place() && door.take_place());
    }
}
