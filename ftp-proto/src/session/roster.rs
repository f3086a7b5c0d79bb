//! Which sessions are of the same account: told to the server, and asked of it by SITE WHO.

use super::pending::Pending;
use super::{Reaction, Session};
use crate::command;
use crate::config::is_anonymous;
use crate::event::{Action, Request, Seat, Whom};
use crate::time::Now;
use alloc::borrow::ToOwned as _;
use alloc::string::String;

impl Session {
    /// Somebody has logged in.
    pub(super) fn enter(&mut self, typed: String) {
        let Some(account) = self.login.account() else { return };
        let user = Some(&account.name).filter(|name| !is_anonymous(name)).cloned();
        let whom = Whom { user, host: self.host_for_login().map(|host| host.to_owned()) };
        self.actions.push_back(Action::Consult(Request::Enter {
            session: self.id,
            whom: Some(whom),
            typed: Some(typed),
        }));
    }

    /// Nobody is logged in any longer.
    pub(super) fn leave(&mut self) {
        if self.login.account().is_some() {
            self.actions.push_back(Action::Consult(Request::Enter {
                session: self.id,
                whom: None,
                typed: None,
            }));
        }
    }

    /// SITE WHO.
    pub(crate) fn ask_for_roster(&mut self) -> Reaction {
        self.actions.push_back(Action::Consult(Request::Roster { session: self.id }));
        Reaction::Await(Pending::Roster)
    }

    pub(super) fn roster_answered(&mut self, now: Now, seats: &[Seat], count: usize) {
        if self.pending.take_if(|(_, pending)| matches!(pending, Pending::Roster)).is_some() {
            self.reply(command::roster(self.id, seats, count));
            self.rearm_idle(now);
        }
    }
}
