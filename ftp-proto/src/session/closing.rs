//! The end of a session: last replies, what the client is still owed, and what a shutdown waits for.

use super::{Pending, Phase, Session};
use crate::notice::Notice;
use crate::reply::Reply;
use crate::session::link::Input;
use crate::session::timers::Timer;
use crate::time::Now;
use crate::tls::TlsError;

impl Session {
    /// The last reply: whatever runs is stopped, then the connection closes. Only the first last reply counts.
    // req: 959-4.2.2-421
    pub(crate) fn finish(&mut self, now: Now, reply: Reply, why: &'static str) {
        if self.is_serving() {
            self.reply(reply);
            let before_tls = self.protection.is_implicit() && !self.introduction.is_over();
            if self.protection.is_handshaking() || before_tls {
                // Nothing can be said before TLS is there, and nothing may be said in the clear.
                self.outbox.discard();
            }
            self.begin_closing(now, why);
        }
    }

    pub(super) fn begin_closing(&mut self, now: Now, why: &'static str) {
        if !self.is_serving() {
            return;
        }
        // First of all, so that the end of what is stopped here does not close the session a second time.
        self.phase = Phase::Closing(why);
        self.pending = None;
        self.work = None;
        self.timers.clear_all();
        self.timers.set(Timer::Linger, now.mono + self.config.timeouts.linger);
        self.abandon_transfer(now);
        self.step_link(now, Input::Reset);
        self.close_if_done(now);
    }

    // req: 959-5.2-closed-by-the-server
    pub(super) fn close_if_done(&mut self, now: Now) {
        if self.outbox.is_empty() && self.transfer.is_none() {
            self.close(now);
        }
    }

    pub(super) fn close(&mut self, now: Now) {
        let Phase::Closing(why) = self.phase else { return };
        self.phase = Phase::Closed;
        self.timers.clear_all();
        if self.introduction.is_over() {
            let lasted = now.mono.duration_since(self.opened);
            let user = self.login.account().map(|account| account.name.clone());
            self.notify(Notice::SessionClosed { user, lasted, why });
        }
    }

    /// The client has said by TLS that it sends nothing more on the control connection.
    pub(crate) fn client_ended(&mut self, now: Now) {
        if !self.peer_closed {
            self.peer_closed(now);
            self.advance(now);
        }
    }

    pub(super) fn peer_closed(&mut self, now: Now) {
        self.peer_closed = true;
        self.balancer_left();
        if self.protection.is_handshaking() && self.is_serving() {
            self.notify(Notice::ControlTlsFailed(TlsError::Ended));
        }
        if self.owes_answers() {
            // It may have closed its sending side only, and read on: scripts send all they have at once.
            return;
        }
        self.outbox.discard();
        if self.outlive_client(now) {
            return;
        }
        self.begin_closing(now, "client closed the connection");
        self.outbox.discard();
        self.close_if_done(now);
    }

    /// Whether a command came that will be answered soon, without anything more from the client. A port may be
    /// waited for long, and others wait behind; a client that reads no listing may be gone.
    pub(super) fn owes_answers(&self) -> bool {
        let soon = match &self.pending {
            Some((_, Pending::Lease { .. } | Pending::Established { .. } | Pending::StatPaused(..))) => false,
            Some(_) => true,
            None => self.inbox.peek().is_some(),
        };
        soon && self.is_serving() && self.transfer.is_none() && self.work.is_none()
    }

    /// The last answer to a client that has closed its side.
    pub(super) fn close_if_answered(&mut self, now: Now) {
        if self.peer_closed && self.is_serving() && self.transfer.is_none() && !self.owes_answers() {
            self.begin_closing(now, "client closed the connection");
        }
    }

    pub(super) fn drain_if_idle(&mut self, now: Now) {
        let is_idle = self.transfer.is_none() && self.work.is_none() && self.pending.is_none();
        if self.phase == Phase::Draining && is_idle {
            self.finish(now, Reply::new(421, "The server is shutting down."), "server shut down");
        }
    }
}
