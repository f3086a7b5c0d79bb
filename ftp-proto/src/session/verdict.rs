//! What a session tells of its data connections: to the server, which learns from them, and, when one failed, to the
//! client and the log.

use super::Session;
use super::link::{self, Link};
use crate::diagnose::{Cause, Form, Setup, Verdict, Way};
use crate::event::{Action, LinkError, Request, Seen};
use crate::notice::Notice;
use crate::reply::Reply;
use crate::transfer::Direction;
use core::net::SocketAddr;

impl Session {
    // What the server learns.

    pub(super) fn passive_way(&self, form: Form) -> Way {
        Way { mode: form.mode(), encrypted: self.protection.is_secure() }
    }

    /// Tells the server what it can't see of a data connection. One with another server says nothing about the client.
    pub(super) fn witness(&mut self, setup: Option<Setup>, seen: Seen) {
        if matches!(setup, Some(Setup::Active { target, .. }) if !self.is_clients(target.ip())) {
            return;
        }
        let request = Request::Witness { session: self.id, way: self.way, seen };
        self.actions.push_back(Action::Consult(request));
    }

    // Verdicts.

    /// The client's own data connection was refused, and the client leaves before it is told: the log still says why.
    pub(super) fn note_refused(&mut self) {
        if let Link::Waiting(waiting) = &self.link
            && waiting.lost_its_own()
            && let Some(cause) = waiting.refused.clone()
        {
            let verdict = self.verdict(self.link.setup(), cause, None);
            self.pronounce(verdict);
        }
    }

    /// No transfer waits: the client hears of the loss when it asks for one. The log hears at once that nobody
    /// came, since clients that connect first never ask. One who came and left again may have changed its mind.
    pub(super) fn note_lost(&mut self) {
        let Link::Lost(lost) = &mut self.link else { return };
        if matches!(lost.cause, Cause::NobodyConnected | Cause::WrongPeer(_)) {
            lost.noted = true;
            let (setup, cause) = (lost.setup, lost.cause.clone());
            let verdict = self.verdict(setup, cause, None);
            self.pronounce(verdict);
        }
    }

    // req: 959-4.2.2-425, 1123-4.1.2.11-other-codes, 4217-10.2-522
    pub(super) fn lost_reply(&mut self, lost: link::Lost) -> Reply {
        // RFC 4217 section 10: a client that does not resume will not the next time either.
        let code = if matches!(lost.cause, Cause::NotResumed(_)) { 522 } else { 425 };
        if lost.noted {
            return Reply::with(code, self.verdict(lost.setup, lost.cause, None).reply_text());
        }
        self.verdict_reply(code, lost.setup, lost.cause, None)
    }

    /// `moved`: which way bytes went, and how many.
    fn verdict(&self, setup: Option<Setup>, cause: Cause, moved: Option<(Direction, u64)>) -> Verdict {
        let cause = match cause {
            // Whose it is a balancer has to say; a stranger of that address is one for whom it did not.
            Cause::WrongPeer(strangers) => {
                let trusts = |stranger: &&SocketAddr| self.config.proxy.trusts(stranger.ip());
                match strangers.iter().find(trusts) {
                    Some(balancer) => Cause::NoProxyHeader(*balancer),
                    None => Cause::WrongPeer(strangers),
                }
            }
            other => other,
        };
        Verdict {
            peer: self.peer,
            local: self.local,
            setup,
            cause,
            bytes: moved.map_or(0, |(_, bytes)| bytes),
            direction: moved.map(|(direction, _)| direction),
            encrypted: self.way.encrypted,
            software: self.software.clone(),
            outlook: self.outlook,
        }
    }

    pub(super) fn verdict_reply(
        &mut self,
        code: u16,
        setup: Option<Setup>,
        cause: Cause,
        moved: Option<(Direction, u64)>,
    ) -> Reply {
        let verdict = self.verdict(setup, cause, moved);
        let reply = Reply::with(code, verdict.reply_text());
        self.pronounce(verdict);
        reply
    }

    /// The server learns from it, and the log gets it.
    fn pronounce(&mut self, verdict: Verdict) {
        let got_no_answer = matches!(
            verdict.cause,
            Cause::NobodyConnected | Cause::ConnectFailed(LinkError::TimedOut | LinkError::Unreachable)
        );
        if got_no_answer {
            self.witness(verdict.setup, Seen::Failed);
        }
        self.notify(Notice::DataConnectionFailed(verdict));
    }
}
