//! A door for few at a time. Each check of a hash takes 19 MiB and a core: a flood of logins must wait
//! outside, not eat the memory, and one client's flood must not fill the waiting room.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long somebody waits outside before being told to come back later.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many may wait. Each of them holds a thread, of which there are 500 for what may block where sessions have none.
const QUEUE: usize = 448;

/// The stack of a check; only what is touched of it takes memory. More than four times as large as a session's, since the C
/// library hands the stack of an ended thread to the next one that asks for at least a quarter of it.
const STACK: usize = 1088 << 10;

/// At most so many inside, at most so many waiting.
pub(super) struct Gate {
    counts: Mutex<Counts>,
    left: Condvar,
    places: usize,
    queue: usize,
    patience: Duration,
}

#[derive(Default)]
struct Counts {
    inside: usize,
    waiting: usize,
    waiting_of: HashMap<IpAddr, usize>,
}

impl Gate {
    /// A place for each core.
    pub(super) fn for_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(cores, QUEUE, PATIENCE)
    }

    fn new(places: usize, queue: usize, patience: Duration) -> Self {
        Self { counts: Mutex::default(), left: Condvar::new(), places, queue, patience }
    }

    /// Runs `work` inside; `None` if there was no place in time.
    pub(super) fn pass<T: Send>(&self, peer: IpAddr, work: impl FnOnce() -> T + Send) -> Option<T> {
        let mut counts = self.lock();
        if counts.inside >= self.places {
            let client = client(peer);
            let of_client = counts.waiting_of.get(&client).copied().unwrap_or(0);
            // The second half of the queue is for clients that don't fill it.
            let crowded = counts.waiting >= self.queue / 2 && of_client >= self.queue / 8;
            if crowded || counts.waiting >= self.queue {
                return None;
            }
            counts.enter_queue(client);
            counts = self
                .left
                .wait_timeout_while(counts, self.patience, |counts| counts.inside >= self.places)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            counts.leave_queue(client);
            if counts.inside >= self.places {
                return None;
            }
        }
        counts.inside += 1;
        drop(counts);
        let _inside = Inside(self);
        apart(work)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does the work on a thread of its own, whose stack goes with it. On a session's thread the pages that a check of a hash
/// touches would stay for as long as the session does: half of what it has. If the system has no thread to give, that is
/// better than to turn away who is in.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    let work = Mutex::new(Some(work));
    let run = || work.lock().unwrap_or_else(PoisonError::into_inner).take().map(|work| work());
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run).ok()?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    done.or_else(run)
}

impl Counts {
    fn enter_queue(&mut self, client: IpAddr) {
        self.waiting += 1;
        *self.waiting_of.entry(client).or_default() += 1;
    }

    fn leave_queue(&mut self, client: IpAddr) {
        self.waiting -= 1;
        if let Some(count) = self.waiting_of.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                self.waiting_of.remove(&client);
            }
        }
    }
}

/// Whom an address stands for: with IPv6 whoever has one address has the 2^64 beside it.
fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Leaves the gate when dropped, so also when the work panics.
struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn never_more_inside_than_places() {
        let gate = Gate::new(2, 100, Duration::from_secs(60));
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    gate.pass(PEER, || {
                        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    })
                    .unwrap();
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
        assert_eq!(gate.pass(PEER, || 1), Some(1));
    }

    #[test]
    fn a_full_queue_and_a_long_wait_are_refused() {
        let full = Gate::new(1, 0, Duration::from_secs(60));
        assert_eq!(full.pass(PEER, || full.pass(PEER, || ())), Some(None));
        let slow = Gate::new(1, 1, Duration::from_millis(1));
        assert_eq!(slow.pass(PEER, || slow.pass(PEER, || ())), Some(None));
        assert_eq!(slow.pass(PEER, || ()), Some(()));
    }

    #[test]
    fn one_client_does_not_fill_the_queue() {
        let gate = &Gate::new(1, 16, Duration::from_secs(60));
        let other = IpAddr::from([192, 0, 2, 1]);
        std::thread::scope(|scope| {
            gate.pass(PEER, || {
                let wait = |peer| {
                    let before = gate.lock().waiting;
                    let waiter = scope.spawn(move || gate.pass(peer, || ()).is_some());
                    // It waits, or it was sent away.
                    while gate.lock().waiting == before && !waiter.is_finished() {
                        std::thread::yield_now();
                    }
                    gate.lock().waiting > before
                };
                assert_eq!((0..12).filter(|_| wait(PEER)).count(), 8);
                assert!(wait(other) && wait(other) && !wait(other));
            });
        });
        assert_eq!(gate.lock().waiting_of.len(), 0);
    }

    #[test]
    fn neighbours_in_ipv6_are_one_client() {
        let of = |text: &str| client(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
