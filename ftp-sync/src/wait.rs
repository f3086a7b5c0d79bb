//! Time, bells and the one place where a session sleeps.
//!
//! An idle session must cost one descriptor, its control connection; yet it has to be woken when it is kicked
//! or the server stops. So a fixed number of [`Bells`] is shared: each session sleeps on the bell of its group.
//! A shared bell is rung by replacing it with a fresh one first: whoever slept on the old one wakes exactly
//! once, looks into its mailbox and goes on with the new one. Sessions that wait for a data connection, which
//! somebody else may hand to them at any moment, have a [`Bell`] of their own for that time.

use crate::links::Link;
use ftp_proto::time::{Instant, Now, UnixTime};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks, whatever happened to the last holder: what these locks guard is consistent after each statement,
/// and a panic in one session must not reach the others.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The only clock of this crate.
pub(crate) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// Both clocks, as the core wants them.
    pub(crate) fn now(&self) -> Now {
        let nanos = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Now { mono: Instant::from_nanos(nanos), unix: wall_clock() }
    }

    /// How long until `deadline`; zero when it has passed.
    pub(crate) fn until(&self, deadline: Instant) -> Duration {
        deadline.duration_since(self.now().mono)
    }
}

/// The time of day. To some milliseconds, as far as Linux keeps it at hand: it is for people, and asked for at each turn.
#[cfg(target_os = "linux")]
fn wall_clock() -> UnixTime {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    UnixTime { seconds: time.tv_sec, nanos: u32::try_from(time.tv_nsec).unwrap_or(0) }
}

/// The time of day.
#[cfg(not(target_os = "linux"))]
fn wall_clock() -> UnixTime {
    use std::time::{SystemTime, UNIX_EPOCH};
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => UnixTime {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: since.subsec_nanos(),
        },
        Err(_) => UnixTime::default(),
    }
}

/// Wakes a thread that sleeps in poll(2). Rung once, it stays rung until [`hush`](Self::hush).
#[cfg(target_os = "linux")]
pub(crate) struct Bell(std::os::fd::OwnedFd);

#[cfg(target_os = "linux")]
impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(crate) fn ring(&self) {
        // The only failure is a counter that is full, and then it is rung already.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    pub(crate) fn hush(&self) {
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
    }
}

/// Wakes a thread that sleeps in poll(2). Rung once, it stays rung until [`hush`](Self::hush).
#[cfg(not(target_os = "linux"))]
pub(crate) struct Bell(std::os::unix::net::UnixStream, std::os::unix::net::UnixStream);

#[cfg(not(target_os = "linux"))]
impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        let (near, far) = std::os::unix::net::UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        Ok(Self(near, far))
    }

    pub(crate) fn ring(&self) {
        use io::Write as _;
        let _ = (&self.1).write(&[1]);
    }

    pub(crate) fn hush(&self) {
        use io::Read as _;
        while matches!((&self.0).read(&mut [0u8; 64]), Ok(64)) {}
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How many bells the sessions share: few descriptors, and a kick wakes a small part of the sessions.
const GROUPS: usize = 64;

/// The shared bells.
pub(crate) struct Bells {
    groups: Vec<Mutex<Group>>,
    owed: AtomicBool,
}

struct Group {
    bell: Arc<Bell>,
    /// It was rung when no descriptor was left for a fresh one: whoever slept on it is awake, and nobody can any more.
    owed: bool,
}

impl Bells {
    pub(crate) fn new() -> io::Result<Self> {
        let group = |_| Ok(Mutex::new(Group { bell: Arc::new(Bell::new()?), owed: false }));
        Ok(Self { groups: (0..GROUPS).map(group).collect::<io::Result<_>>()?, owed: AtomicBool::new(false) })
    }

    /// The group of the session with this number.
    pub(crate) fn group_of(session: u64) -> u8 {
        (session % GROUPS as u64) as u8
    }

    /// The bell this group sleeps on now. `None`: it is rung already, and there is no descriptor for a fresh one; who
    /// sleeps then has to look for mail again and again.
    pub(crate) fn bell(&self, group: u8) -> Option<Arc<Bell>> {
        let group = lock(self.groups.get(usize::from(group))?);
        (!group.owed).then(|| Arc::clone(&group.bell))
    }

    /// Wakes every group whose bit is set, each session in it once.
    pub(crate) fn ring(&self, groups: u64) {
        for (number, group) in self.groups.iter().enumerate() {
            if groups >> number & 1 == 1 {
                let mut group = lock(group);
                match Bell::new() {
                    Ok(fresh) => {
                        std::mem::replace(&mut group.bell, Arc::new(fresh)).ring();
                        group.owed = false;
                    }
                    Err(_) => {
                        group.bell.ring();
                        group.owed = true;
                        self.owed.store(true, Ordering::SeqCst);
                    }
                }
            }
        }
    }

    /// Tries again to get the fresh bells that there was no descriptor for; whether there are still some to get.
    pub(crate) fn ring_owed(&self) -> bool {
        if self.owed.swap(false, Ordering::SeqCst) {
            let mut groups = 0u64;
            for (number, group) in self.groups.iter().enumerate() {
                groups |= u64::from(lock(group).owed) << number;
            }
            self.ring(groups);
        }
        self.owed.load(Ordering::SeqCst)
    }
}

/// What a session was woken by; what concerns a link is noted in the link.
pub(crate) struct Woken {
    pub(crate) control: PollFlags,
    pub(crate) bell: bool,
}

/// Sleeps until something happens on the control connection, the bell or a link, or `timeout` is over.
/// `control` is left out when there is nothing to learn from it any more.
pub(crate) fn sleep(
    control: Option<(BorrowedFd<'_>, PollFlags)>,
    bell: Option<&Bell>,
    links: &mut [Link],
    timeout: Option<Duration>,
) -> Woken {
    let mut places = Vec::with_capacity(2 + links.len());
    places.extend(control.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
    places.extend(bell.map(|bell| PollFd::new(bell, PollFlags::IN)));
    places.extend(
        links.iter().filter_map(Link::interest).map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)),
    );
    let happened = poll_for(&mut places, timeout);
    let flags: Vec<PollFlags> =
        if happened { places.iter().map(PollFd::revents).collect() } else { Vec::new() };
    drop(places);

    let mut flags = flags.into_iter();
    let mut next = || flags.next().unwrap_or(PollFlags::empty());
    let woken = Woken {
        control: if control.is_some() { next() } else { PollFlags::empty() },
        bell: bell.is_some() && !next().is_empty(),
    };
    for link in links.iter_mut() {
        let ready = if link.interest().is_some() { next() } else { PollFlags::empty() };
        link.note_ready(ready);
    }
    woken
}

/// poll(2) with a timeout; whether anything happened. A signal counts as nothing.
pub(crate) fn poll_for(places: &mut [PollFd<'_>], timeout: Option<Duration>) -> bool {
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    poll(places, timeout.as_ref()).is_ok_and(|count| count > 0)
}
