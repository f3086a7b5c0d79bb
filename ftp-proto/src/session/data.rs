//! How a session comes to its data connection: it asks for a port or takes an address, hears the server's answers, and
//! carries out what the link's machine wants.

use super::link::{self, Effect, Input, Link};
use super::timers::Timer;
use super::{Pending, SECOND_CHANCE, Session};
use crate::advertise::Advertised;
use crate::diagnose::{Cause, Form, Mode, Way};
use crate::event::{Action, Answer, LinkId, Request, Seen, TransferId};
use crate::time::{Instant, Now};
use core::net::{IpAddr, SocketAddr};

impl Session {
    /// A port for a passive data connection is asked for; the command awaits the answer.
    // req: 1123-4.1.2.6-each-transfer, 2428-3-same-address
    pub(crate) fn lease(&mut self, now: Now, form: Form) {
        let link = self.next_link();
        self.step_link(now, Input::Reset);
        self.way = self.passive_way(form);
        let way = self.way;
        let open = self.waits_openly();
        self.link = Link::Leasing(link::Leasing { link, open });
        let until = now.mono + self.config.timeouts.data_connection;
        self.timers.set(Timer::Lease, until + self.config.timeouts.linger);
        self.actions.push_back(Action::Consult(Request::Lease { session: self.id, link, until, open, way }));
    }

    /// What was announced and still waits for the client, now for some time more.
    pub(crate) fn announced(&mut self, now: Now, form: Form) -> Option<Advertised> {
        let Link::Waiting(waiting) = &mut self.link else { return None };
        if waiting.has_own() || waiting.outdated {
            return None;
        }
        waiting.form = form;
        let announced = waiting.advertised;
        let way = self.passive_way(form);
        if core::mem::replace(&mut self.way, way) != way {
            self.witness(None, Seen::Announced);
        }
        self.arm_data_connection(now);
        Some(announced)
    }

    /// PORT, EPRT, LPRT: where the next transfer connects to.
    // req: 959-3.2-close-on-new-port, 1123-4.1.2.5-stream-port
    pub(crate) fn give_target(&mut self, now: Now, target: SocketAddr, form: Form) {
        self.step_link(now, Input::Reset);
        self.way = Way { mode: Mode::Active, encrypted: self.protection.is_secure() };
        self.link = Link::Given(link::Given { target, form });
    }

    /// ABOR without a transfer: whatever was set up for one is forgotten.
    pub(crate) fn reset_link(&mut self, now: Now) {
        self.step_link(now, Input::Reset);
    }

    /// Whether this address counts as the client's own.
    pub(crate) fn is_clients(&self, address: IpAddr) -> bool {
        // Unless a balancer says whose it is, its connection is anybody's.
        let is_anybodys = address != self.peer.ip() && self.config.proxy.trusts(address);
        !is_anybodys && self.config.client(self.peer.ip()).contains(address)
    }

    pub(super) fn next_link(&mut self) -> LinkId {
        self.ids.link = self.ids.link.wrapping_add(1);
        LinkId::new(self.ids.link)
    }

    pub(super) fn next_transfer(&mut self) -> TransferId {
        self.ids.transfer = self.ids.transfer.wrapping_add(1);
        TransferId(self.ids.transfer)
    }

    pub(super) fn answered(&mut self, now: Now, answer: Answer) {
        match answer {
            Answer::Leased { link, port, advertised, outlook } => {
                self.outlook = outlook;
                let form = match self.pending {
                    Some((_, Pending::Lease { form })) => form,
                    _ => Form::default(),
                };
                self.step_link(now, Input::Leased { link, port, advertised, form });
                let current = matches!(&self.link, Link::Waiting(waiting) if waiting.link == link);
                if current {
                    self.timers.clear(Timer::Lease);
                    self.arm_data_connection(now);
                    self.lease_answered(now, Ok(advertised));
                }
            }
            Answer::NoPort { link } => {
                self.step_link(now, Input::NoPort { link, cause: Cause::NoPortFree });
            }
            Answer::NoneOpen { link } => {
                self.step_link(now, Input::NoPort { link, cause: Cause::NoPortOpen });
            }
            Answer::Outlook(outlook) => self.outlook = outlook,
            Answer::Recalled { sends_close_notify } => self.recalled(sends_close_notify),
            Answer::Roster { seats, count } => self.roster_answered(now, &seats, count),
            Answer::Standing(standing) => self.attempt_judged(now, standing),
            Answer::Failed { delay, banned } => self.failure_counted(delay, banned),
            Answer::Introduced { local, peer } => self.introduced(local, peer),
            Answer::TurnedAway { why } => self.turned_away(now, why),
            Answer::Queued { .. } | Answer::Noted => {}
        }
    }

    /// The data connection has until then, and no longer than it had.
    pub(super) fn hasten_data_connection(&mut self, until: Instant) {
        let earlier = self.timers.at(Timer::DataConnection).map_or(until, |at| at.min(until));
        self.timers.set(Timer::DataConnection, earlier);
    }

    pub(super) fn arm_data_connection(&mut self, now: Now) {
        self.timers.set(Timer::DataConnection, now.mono + self.config.timeouts.data_connection);
    }

    /// Tells the link's machine, and does what it asks for.
    pub(super) fn step_link(&mut self, now: Now, input: Input) {
        // Most fresh starts, of a login or a PASV, have nothing to end. (And an idle session's stack stays a page shorter.)
        if matches!((&self.link, &input), (Link::Idle, Input::Reset)) {
            self.timers.clear(Timer::DataConnection);
        } else {
            self.run_link(now, input);
        }
        self.answer_established(now);
    }

    #[inline(never)]
    fn run_link(&mut self, now: Now, input: Input) {
        let (next, effects) = core::mem::take(&mut self.link).step(input);
        self.link = next;
        if !matches!(self.link, Link::Waiting(_) | Link::Dialing(_) | Link::Securing(_)) {
            self.timers.clear(Timer::DataConnection);
        }
        // Who was here when its time was over has left again: somebody else may still come, but not for ever.
        if matches!(&self.link, Link::Waiting(waiting) if waiting.candidates.is_empty())
            && self.timers.at(Timer::DataConnection).is_none()
        {
            self.arm_data_connection(now);
        }
        for effect in effects {
            match effect {
                Effect::Release(link) => {
                    self.actions.push_back(Action::Consult(Request::Release { session: self.id, link }));
                }
                Effect::Drop(link) => self.actions.push_back(Action::Drop(link)),
                Effect::Connect(link, target) => self.connect(now, link, target),
                Effect::Secure(link) => self.secure(now, link),
                Effect::BecameReady => self.connected(now),
                Effect::BecameLost => self.link_lost(now),
                Effect::Hasten => self.hasten_data_connection(now.mono + SECOND_CHANCE),
                Effect::Abort(transfer) => self.actions.push_back(Action::Abort(transfer)),
            }
        }
    }
}
