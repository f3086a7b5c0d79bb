//! The deadlines of a session: an array by enum, no allocation, earliest first by looking at all.

use crate::time::Instant;

/// What a session waits for with a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// When the client has not logged in.
    Login,
    /// When no command came and nothing runs.
    Idle,
    /// When the data connection of a transfer, or of a PASV, did not come up.
    DataConnection,
    /// When no byte of a transfer moved, or nothing was heard of a long job.
    Stall,
    /// When the reply to a failed login may be sent.
    LoginDelay,
    /// When the server has not answered about a port.
    Lease,
    /// When a transfer or a long job that was told to stop has not.
    Abort,
    /// When a shutdown's grace is over.
    Drain,
    /// When the last replies have not left.
    Linger,
    /// When the next command of a client that was too fast may run.
    Pace,
    /// When a balancer has not said whose connection it is.
    Header,
}

impl Timer {
    const ALL: [Self; 11] = [
        Self::Login,
        Self::Idle,
        Self::DataConnection,
        Self::Stall,
        Self::LoginDelay,
        Self::Lease,
        Self::Abort,
        Self::Drain,
        Self::Linger,
        Self::Pace,
        Self::Header,
    ];
}

/// Never: half the room of an `Option`, in every session.
const NEVER: Instant = Instant::from_nanos(u64::MAX);
/// The last moment that a deadline can be.
const LAST: Instant = Instant::from_nanos(u64::MAX - 1);

#[derive(Debug)]
pub(crate) struct Timers([Instant; Timer::ALL.len()]);

impl Default for Timers {
    fn default() -> Self {
        Self([NEVER; Timer::ALL.len()])
    }
}

impl Timers {
    fn slot(&mut self, timer: Timer) -> &mut Instant {
        // The enum has as many variants as the array has places.
        &mut self.0[timer as usize]
    }

    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        *self.slot(timer) = at.min(LAST);
    }

    pub(crate) fn at(&self, timer: Timer) -> Option<Instant> {
        self.0.get(timer as usize).copied().filter(|&at| at != NEVER)
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        *self.slot(timer) = NEVER;
    }

    pub(crate) fn clear_all(&mut self) {
        *self = Self::default();
    }

    /// The earliest deadline.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.0.iter().min().copied().filter(|&at| at != NEVER)
    }

    /// Takes a timer whose time has come.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<Timer> {
        let timer = Timer::ALL.into_iter().find(|&timer| *self.slot(timer) <= now)?;
        self.clear(timer);
        Some(timer)
    }
}
