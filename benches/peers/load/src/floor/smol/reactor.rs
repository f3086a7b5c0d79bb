//! The two reactors: async-io's, and an epoll set per core, edge-triggered, in which nothing is ever re-armed.

use async_io::Async;
use rustix::event::epoll::{self, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A registered descriptor.
pub(super) trait Readiness: AsFd + Sized + 'static {
    fn register(fd: OwnedFd) -> io::Result<Self>;
    /// For a duplicate of a descriptor that lives on: closing it does not take it out of an epoll set.
    fn register_duplicate(fd: OwnedFd) -> io::Result<Self> {
        Self::register(fd)
    }
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// The last read came back short: only a new event makes it readable again.
    fn drained(&self) {}
}

/// Up to the first wake-up, whatever it was: the caller tries again anyway.
pub(super) async fn once(mut wait: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>) -> io::Result<()> {
    let mut armed = false;
    poll_fn(|context| {
        if std::mem::replace(&mut armed, true) {
            return Poll::Ready(Ok(()));
        }
        wait(context)
    })
    .await
}

impl Readiness for Async<OwnedFd> {
    fn register(fd: OwnedFd) -> io::Result<Self> {
        Async::new_nonblocking(fd)
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Async::poll_readable(self, context)
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Async::poll_writable(self, context)
    }
}

const READ: usize = 0;
const WRITE: usize = 1;

#[derive(Default)]
struct Ready {
    /// For reading and writing.
    can: [bool; 2],
    /// No further edge will come: ready for good. (With edges, a FIN that comes with data does not signal again.)
    ended: bool,
    wakers: [Option<Waker>; 2],
}

struct Set {
    epoll: OwnedFd,
    descriptors: slab::Slab<Ready>,
}

thread_local! {
    static SET: RefCell<Option<Set>> = const { RefCell::new(None) };
}

/// Opens this core's set.
pub(super) fn start() -> io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    SET.set(Some(Set { epoll, descriptors: slab::Slab::new() }));
    Ok(())
}

fn with_set<T>(what: impl FnOnce(&mut Set) -> io::Result<T>) -> io::Result<T> {
    SET.with_borrow_mut(|set| what(set.as_mut().ok_or(io::ErrorKind::NotConnected)?))
}

/// A descriptor in this core's set.
pub(super) struct Edges {
    fd: OwnedFd,
    key: usize,
    duplicate: bool,
}

impl AsFd for Edges {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Edges {
    fn add(fd: OwnedFd, duplicate: bool) -> io::Result<Self> {
        with_set(|set| {
            let key = set.descriptors.insert(Ready::default());
            let all = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&set.epoll, &fd, epoll::EventData::new_u64(key as u64), all)?;
            Ok(Self { fd, key, duplicate })
        })
    }

    fn poll(&self, direction: usize, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = with_set(|set| {
            let ready = &mut set.descriptors[self.key];
            if std::mem::take(&mut ready.can[direction]) || ready.ended {
                return Ok(true);
            }
            let waker = &mut ready.wakers[direction];
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
            Ok(false)
        });
        match polled {
            Ok(false) => Poll::Pending,
            other => Poll::Ready(other.map(drop)),
        }
    }
}

impl Readiness for Edges {
    fn register(fd: OwnedFd) -> io::Result<Self> {
        Self::add(fd, false)
    }

    fn register_duplicate(fd: OwnedFd) -> io::Result<Self> {
        Self::add(fd, true)
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(READ, context)
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(WRITE, context)
    }

    fn drained(&self) {
        let _ = with_set(|set| {
            set.descriptors[self.key].can[READ] = false;
            Ok(())
        });
    }
}

impl Drop for Edges {
    fn drop(&mut self) {
        let _ = with_set(|set| {
            drop(set.descriptors.remove(self.key));
            if self.duplicate {
                epoll::delete(&set.epoll, &self.fd)?;
            }
            Ok(())
        });
    }
}

/// Wakes a core from other threads.
struct Bell {
    event: OwnedFd,
    rung: AtomicBool,
    asleep: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::SeqCst) && self.asleep.load(Ordering::SeqCst) {
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }
}

/// Runs a future on this core's set, which [`start`] opened.
pub(super) fn block_on(future: impl Future<Output = ()>) -> io::Result<()> {
    let bell = Arc::new(Bell {
        event: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        rung: AtomicBool::new(true),
        asleep: AtomicBool::new(false),
    });
    let set = with_set(|set| {
        let key = epoll::EventData::new_u64(u64::MAX);
        epoll::add(&set.epoll, &bell.event, key, EventFlags::IN | EventFlags::ET)?;
        set.epoll.try_clone()
    })?;
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
    let mut wakers = Vec::new();
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        if bell.rung.swap(false, Ordering::SeqCst) && future.as_mut().poll(&mut context).is_ready() {
            return Ok(());
        }
        bell.asleep.store(true, Ordering::SeqCst);
        let wait = bell.rung.load(Ordering::SeqCst).then_some(&at_once);
        events.clear();
        let _ = epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), wait);
        bell.asleep.store(false, Ordering::SeqCst);
        with_set(|set| {
            for event in &events {
                // The bell has no place among the descriptors.
                let key = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                if let Some(ready) = set.descriptors.get_mut(key) {
                    note(ready, event.flags, &mut wakers);
                }
            }
            Ok(())
        })?;
        wakers.drain(..).for_each(Waker::wake);
    }
}

fn note(ready: &mut Ready, flags: EventFlags, wakers: &mut Vec<Waker>) {
    let ended = flags.intersects(EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP);
    ready.ended |= ended;
    for (direction, flag) in [(READ, EventFlags::IN), (WRITE, EventFlags::OUT)] {
        if ended || flags.contains(flag) {
            ready.can[direction] = true;
            wakers.extend(ready.wakers[direction].take());
        }
    }
}
