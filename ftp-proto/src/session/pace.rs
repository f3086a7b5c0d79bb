//! How many commands a client may send, and how fast.
//!
//! Who is too fast is not refused: its next command waits, and nothing is read meanwhile, so that a client that pipelines
//! only gets slower. What has waited is one time: when the commands so far would have come at the right pace.

use super::Session;
use super::timers::Timer;
use crate::reply::Reply;
use crate::time::Now;
use core::time::Duration;

/// How many commands may come at once: a login and the first listing.
const BURST: u32 = 10;

impl Session {
    /// Whether the next command may run already; if not, there is a timer for it.
    pub(super) fn is_in_pace(&mut self, now: Now) -> bool {
        let most = self.config.limits.commands_per_second;
        most == 0 || self.take_turn(now, Duration::from_secs(1) / most)
    }

    fn take_turn(&mut self, now: Now, interval: Duration) -> bool {
        let turn = self.next_turn.max(now.mono);
        let ahead = interval * (BURST - 1);
        if turn.duration_since(now.mono) > ahead {
            // Those that may run ahead have.
            self.timers.set(Timer::Pace, now.mono + (turn.duration_since(now.mono) - ahead));
            return false;
        }
        self.timers.clear(Timer::Pace);
        self.next_turn = turn + interval;
        true
    }

    /// Whether the client waits for its next command's time.
    pub(super) fn is_paced(&self) -> bool {
        self.timers.at(Timer::Pace).is_some()
    }

    /// One more command; without a login there may be only so many. `false`: that was one too many.
    pub(super) fn count_command(&mut self, now: Now) -> bool {
        if self.login.account().is_some() {
            self.commands_without_login = 0;
            return true;
        }
        self.commands_without_login += 1;
        let most = self.config.limits.commands_before_login;
        if most == 0 || self.commands_without_login <= most {
            return true;
        }
        self.finish(
            now,
            Reply::new(421, "Too many commands without a login."),
            "too many commands without a login",
        );
        false
    }
}
