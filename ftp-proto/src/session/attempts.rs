//! PASS: whether the client may try, what becomes of a failure, and when it is told.
//!
//! A name that is banned for this client is told what a wrong password is told, and at the same time: the delay counts from
//! PASS on, so that it doesn't show whether the password was looked at.

use super::pending::Pending;
use super::timers::Timer;
use super::{Login, Reaction, Session, Turn};
use crate::account::{Credentials, LoginError};
use crate::config::is_anonymous;
use crate::event::{Action, Attempt, Job, Request, Standing};
use crate::notice::{Notice, Refusal};
use crate::reply::Reply;
use crate::time::{Instant, Now};
use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use core::time::Duration;

/// In the log, for a name that is no text.
const NO_UTF_8: &str = "(not UTF-8)";

/// By then the server has counted a failure.
const ANSWERED: Duration = Duration::from_secs(1);

impl Turn<'_> {
    /// Asks the server first whether this client may try.
    pub(crate) fn attempt(&mut self, credentials: Credentials) -> Reaction {
        let Credentials { user, host, .. } = &credentials;
        let attempt = Attempt { user: Some(user.clone()), host: host.clone() };
        let session = self.session.id;
        self.session.actions.push_back(Action::Consult(Request::Attempt { session, attempt }));
        Reaction::Await(Pending::Attempt { credentials: Box::new(credentials), at: self.now.mono })
    }

    /// The password that came `at` this time was wrong.
    pub(crate) fn login_failed(&mut self, user: Option<String>, why: LoginError, at: Instant) -> Reaction {
        self.failed(user, why, at, true)
    }

    /// The reply is the same whatever the client had wrong, and comes late: guessing shall cost time. Accounts
    /// that can't be read are not the client's fault: 421 lets it come back later, while 530 makes many forget a
    /// right password.
    // req: 959-4.1.1-pass-once, 959-6-repeat
    fn failed(&mut self, user: Option<String>, why: LoginError, at: Instant, checked: bool) -> Reaction {
        let session = &mut *self.session;
        session.set_login(Login::Nobody);
        session.failed_logins += 1;
        let is_refused = matches!(why, LoginError::Refused);
        let (reply, end) = if !is_refused {
            let reply = Reply::new(421, "Logins can't be checked just now; try again later.");
            (reply, Some("accounts unavailable"))
        } else if session.failed_logins >= session.config.limits.login_attempts {
            (Reply::new(421, "Too many failed logins."), Some("too many failed logins"))
        } else {
            (Reply::new(530, "Login incorrect."), None)
        };
        // A guest has no password that could be guessed, and many programs try that name first.
        let counts = is_refused && !user.as_deref().is_some_and(is_anonymous);
        if counts {
            let attempt = Attempt { user: user.clone(), host: session.host_for_login() };
            let request = Request::Failed { session: session.id, attempt, checked };
            session.actions.push_back(Action::Consult(request));
        }
        let user = user.unwrap_or_else(|| String::from(NO_UTF_8));
        session.notify(Notice::LoginFailed { user, why, checked });
        let delay = session.config.limits.login_delay;
        // The server says when, and perhaps another reply. It does so at once, however late it is already: nothing is
        // said before.
        let due = if counts { self.now.mono + delay.max(ANSWERED) } else { at + delay };
        session.timers.set(Timer::LoginDelay, due);
        Reaction::Await(Pending::LoginDelay { reply, end, at })
    }
}

impl Session {
    /// The server has said whether the client may try.
    pub(super) fn attempt_judged(&mut self, now: Now, standing: Standing) {
        let Some((_, Pending::Attempt { credentials, at })) =
            self.pending.take_if(|(_, pending)| matches!(pending, Pending::Attempt { .. }))
        else {
            return;
        };
        let user = credentials.user.clone();
        let reaction = match standing {
            Standing::Free => {
                self.perform(Job::Authenticate(Arc::clone(&self.accounts), credentials));
                Reaction::Await(Pending::Login { user, at })
            }
            Standing::Refused => {
                Turn { now, session: self }.failed(Some(user), LoginError::Refused, at, false)
            }
            Standing::Banned(left) => {
                self.finish(now, banned(left), "banned");
                Reaction::Silent
            }
        };
        self.react(now, reaction);
    }

    /// The server has counted the failure.
    pub(super) fn failure_counted(&mut self, delay: Duration, ban: Option<Duration>) {
        if let Some((_, Pending::LoginDelay { reply, end, at })) = &mut self.pending {
            self.timers.set(Timer::LoginDelay, *at + delay);
            if let Some(left) = ban {
                (*reply, *end) = (banned(left), Some("banned"));
            }
        }
    }

    pub(super) fn login_delay_over(&mut self, now: Now) {
        let Some((_, Pending::LoginDelay { reply, end, .. })) =
            self.pending.take_if(|(_, pending)| matches!(pending, Pending::LoginDelay { .. }))
        else {
            return;
        };
        if let Some(why) = end {
            self.finish(now, reply, why);
        } else {
            self.reply(reply);
            self.rearm_idle(now);
        }
    }
}

fn banned(left: Duration) -> Reply {
    Reply::with(421, Refusal::Banned(left).to_string())
}
