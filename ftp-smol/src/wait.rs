//! Time, bells and alarms: what sessions and the other tasks wait for, apart from sockets.
//!
//! A reactor's timer is not cheap to set, and most deadlines never pass: they are moved by the next command. So
//! each executor has one timer for all of its sessions, and a session that has set an alarm lets it stand as
//! long as its deadline only moves away; woken too early, it sets the next one.

use async_io::Timer;
use ftp_proto::event::SessionId;
use ftp_proto::time::{Instant, Now, UnixTime};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

/// Locks, whatever happened to the last holder: what these locks guard is consistent after each statement,
/// and a panic in one session must not reach the others.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks again and again; whether it became so.
pub(crate) fn wait_until(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let begin = std::time::Instant::now();
    while !is_so() {
        if begin.elapsed() >= patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
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

/// Keeps the waker of the one task that waits.
pub(crate) fn keep_waker(place: &mut Option<Waker>, cx: &Context<'_>) {
    if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
}

/// Wakes the one task that listens to it. Rung once, it stays rung until that was heard.
#[derive(Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
    listener: Mutex<Option<Waker>>,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.rung.store(true, Ordering::SeqCst);
        if let Some(waker) = &*lock(&self.listener) {
            waker.wake_by_ref();
        }
    }

    /// Whether it was rung; it is silent again then. If not, the task is woken when it is.
    pub(crate) fn was_rung(&self, cx: &Context<'_>) -> bool {
        keep_waker(&mut lock(&self.listener), cx);
        self.rung.swap(false, Ordering::SeqCst)
    }
}

/// The alarms of all sessions on one executor.
#[derive(Default)]
pub(crate) struct Alarms(RefCell<Queue>);

#[derive(Default)]
struct Queue {
    alarms: BTreeMap<(Instant, SessionId), Waker>,
    /// The timer, and what it is set to.
    timer: Option<(Instant, Timer)>,
    /// Whoever polls the timer.
    keeper: Option<Waker>,
}

impl Alarms {
    fn set(&self, at: Instant, session: SessionId, waker: Waker) {
        let mut queue = self.0.borrow_mut();
        queue.alarms.insert((at, session), waker);
        if queue.timer.as_ref().is_none_or(|(set_to, _)| at < *set_to)
            && let Some(keeper) = &queue.keeper
        {
            keeper.wake_by_ref();
        }
    }

    fn cancel(&self, at: Instant, session: SessionId) {
        self.0.borrow_mut().alarms.remove(&(at, session));
    }

    /// Wakes whose time has come, and sees to it that the task is woken for the next.
    pub(crate) fn keep(&self, clock: &Clock, cx: &mut Context<'_>) {
        let mut queue = self.0.borrow_mut();
        let queue = &mut *queue;
        keep_waker(&mut queue.keeper, cx);
        while let Some((&(earliest, _), _)) = queue.alarms.first_key_value() {
            if queue.timer.as_ref().is_none_or(|(set_to, _)| earliest < *set_to) {
                queue.timer = Some((earliest, Timer::after(clock.until(earliest))));
            }
            let Some((_, timer)) = &mut queue.timer else { return };
            if Pin::new(timer).poll(cx).is_pending() {
                return;
            }
            queue.timer = None;
            let now = clock.now().mono;
            while let Some(alarm) = queue.alarms.first_entry()
                && alarm.key().0 <= now
            {
                alarm.remove().wake();
            }
        }
        // One that has rung for nobody would pass for one that is still to ring.
        if let Some((_, timer)) = &mut queue.timer
            && Pin::new(timer).poll(cx).is_ready()
        {
            queue.timer = None;
        }
    }
}

/// One session's alarm.
pub(crate) struct Alarm {
    alarms: Rc<Alarms>,
    session: SessionId,
    set_to: Option<Instant>,
}

impl Alarm {
    pub(crate) fn new(alarms: Rc<Alarms>, session: SessionId) -> Self {
        Self { alarms, session, set_to: None }
    }

    /// Makes sure that the task is woken at `deadline`, or a little before.
    pub(crate) fn set(&mut self, now: Instant, deadline: Instant, cx: &Context<'_>) {
        // One whose time is over has rung, or will in a moment.
        let set_to = self.set_to.filter(|set_to| *set_to > now);
        if set_to.is_some_and(|set_to| set_to <= deadline) {
            return;
        }
        self.cancel();
        self.alarms.set(deadline, self.session, cx.waker().clone());
        self.set_to = Some(deadline);
    }

    fn cancel(&mut self) {
        if let Some(at) = self.set_to.take() {
            self.alarms.cancel(at, self.session);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// poll(2) with a timeout; whether anything happened. A signal counts as nothing.
pub(crate) fn poll_for(places: &mut [PollFd<'_>], timeout: Duration) -> bool {
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    poll(places, Some(&timeout)).is_ok_and(|count| count > 0)
}

/// Whether a connection is broken, as far as the system knows by now.
pub(crate) fn is_broken(socket: &std::net::TcpStream) -> bool {
    let mut places = [PollFd::new(socket, PollFlags::empty())];
    poll_for(&mut places, Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::Poll;

    /// Lets the alarms ring until `done`.
    fn keep_until(alarms: &Alarms, clock: &Clock, mut done: impl FnMut(&mut Context<'_>) -> bool) {
        async_io::block_on(poll_fn(|cx| {
            alarms.keep(clock, cx);
            if done(cx) { Poll::Ready(()) } else { Poll::Pending }
        }));
    }

    fn after(clock: &Clock, millis: u64) -> Instant {
        clock.now().mono + Duration::from_millis(millis)
    }

    #[test]
    fn an_alarm_rings_at_its_time() {
        let (alarms, clock) = (Rc::new(Alarms::default()), Clock::new());
        let mut alarm = Alarm::new(Rc::clone(&alarms), SessionId(1));
        let deadline = after(&clock, 30);
        keep_until(&alarms, &clock, |cx| {
            alarm.set(clock.now().mono, deadline, cx);
            clock.now().mono >= deadline
        });
        assert!(clock.now().mono.duration_since(deadline) < Duration::from_secs(5));
    }

    #[test]
    fn a_deadline_that_moves_away_sets_no_new_alarm() {
        let (alarms, clock) = (Rc::new(Alarms::default()), Clock::new());
        let mut alarm = Alarm::new(Rc::clone(&alarms), SessionId(1));
        let cx = Context::from_waker(Waker::noop());
        let first = after(&clock, 10_000);
        for moved in 0..10 {
            alarm.set(clock.now().mono, first + Duration::from_secs(moved), &cx);
            assert_eq!(alarm.set_to, Some(first));
        }
        let earlier = after(&clock, 5_000);
        alarm.set(clock.now().mono, earlier, &cx);
        assert_eq!(alarm.set_to, Some(earlier));
        assert_eq!(alarms.0.borrow().alarms.len(), 1);
        drop(alarm);
        assert!(alarms.0.borrow().alarms.is_empty());
    }

    #[test]
    fn alarms_of_many_sessions_share_a_timer_and_ring_in_order() {
        let (alarms, clock) = (Rc::new(Alarms::default()), Clock::new());
        let mut pending: Vec<(Instant, Alarm)> = [40, 10, 30, 20]
            .into_iter()
            .enumerate()
            .map(|(number, millis)| {
                let alarm = Alarm::new(Rc::clone(&alarms), SessionId(number as u64));
                (after(&clock, millis), alarm)
            })
            .collect();
        keep_until(&alarms, &clock, |cx| {
            let now = clock.now().mono;
            pending.retain_mut(|(deadline, alarm)| {
                alarm.set(now, *deadline, cx);
                *deadline > now
            });
            pending.is_empty()
        });
        assert!(alarms.0.borrow().alarms.is_empty());
    }

    struct Woken(AtomicBool);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_timer_that_nobody_waited_for_in_the_end_holds_back_no_alarm() {
        let (alarms, clock) = (Rc::new(Alarms::default()), Clock::new());
        let keeper = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&keeper));
        let mut cx = Context::from_waker(&waker);
        let mut first = Alarm::new(Rc::clone(&alarms), SessionId(1));
        first.set(clock.now().mono, after(&clock, 20), &cx);
        alarms.keep(&clock, &mut cx);
        drop(first);
        let begin = std::time::Instant::now();
        while !keeper.0.swap(false, Ordering::SeqCst) && begin.elapsed() < Duration::from_secs(20) {
            async_io::block_on(Timer::after(Duration::from_millis(5)));
        }
        alarms.keep(&clock, &mut cx);
        let mut second = Alarm::new(Rc::clone(&alarms), SessionId(2));
        second.set(clock.now().mono, after(&clock, 20), &Context::from_waker(Waker::noop()));
        assert!(keeper.0.load(Ordering::SeqCst), "nobody looks after it");
    }

    #[test]
    fn a_bell_is_heard_once() {
        let bell = Bell::default();
        let cx = Context::from_waker(Waker::noop());
        assert!(!bell.was_rung(&cx));
        bell.ring();
        bell.ring();
        assert!(bell.was_rung(&cx));
        assert!(!bell.was_rung(&cx));
    }
}
