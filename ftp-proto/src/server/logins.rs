//! Logins as the server sees them: who may try, who has failed, who is in.

use super::bans::{Change, Person};
use super::{Ban, Server};
use crate::config::Network;
use crate::event::{Answer, Attempt, SessionId, Standing, Whom};
use crate::notice::{Notice, Refusal};
use crate::time::Now;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

impl Server {
    /// A client's address is banned.
    pub(super) fn check_ban(&self, now: Now, address: IpAddr) -> Result<(), Refusal> {
        match self.standing(now, address, None) {
            Standing::Banned(left) => Err(Refusal::Banned(left)),
            Standing::Free | Standing::Refused => Ok(()),
        }
    }

    /// One address may be exempt where the network that is its client is not: then it is free even if that is banned.
    fn standing(&self, now: Now, address: IpAddr, person: Option<Person>) -> Standing {
        if self.is_exempt(address) {
            return Standing::Free;
        }
        self.bans.standing(now.mono, address, person)
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        // A balancer stands for all who come through it.
        self.config.proxy.trusts(address)
            || self.config.bans.exempt.iter().any(|network| network.contains(address))
    }

    pub(super) fn attempt(&mut self, now: Now, session: SessionId, attempt: Attempt) -> Answer {
        let Some(arrival) = self.sessions.arrival(session) else { return Answer::Noted };
        let Attempt { user, host } = attempt;
        let person = user.map(|user| Person::new(user, host));
        Answer::Standing(self.standing(now, arrival.peer.ip(), person))
    }

    pub(super) fn login_failed(
        &mut self,
        now: Now,
        session: SessionId,
        attempt: Attempt,
        checked: bool,
    ) -> Answer {
        let Some(arrival) = self.sessions.arrival(session) else { return Answer::Noted };
        let (address, limits) = (arrival.peer.ip(), &self.config.limits);
        if self.is_exempt(address) {
            return Answer::Failed { delay: limits.login_delay, banned: None };
        }
        let person = attempt.user.map(|user| Person::new(user, attempt.host));
        let delay = self.bans.failed(&self.config.bans, limits, now, address, person, checked);
        let banned = match self.bans.standing(now.mono, address, None) {
            Standing::Banned(left) => Some(left),
            Standing::Free | Standing::Refused => None,
        };
        self.tell_of_bans();
        Answer::Failed { delay, banned }
    }

    /// Somebody has logged in, or nobody is any longer.
    pub(super) fn enter(&mut self, now: Now, session: SessionId, whom: Option<Whom>, typed: Option<String>) {
        if let (Some(whom), Some(typed), Some(arrival)) = (&whom, typed, self.sessions.arrival(session)) {
            self.bans.succeeded(arrival.peer.ip(), Person::new(typed, whom.host.clone()));
        }
        self.sessions.enter(session, whom, now.unix);
        self.make_room();
    }

    /// The bans that hold, in order of their addresses.
    pub fn bans(&self, now: Now) -> Vec<Ban> {
        self.bans.list(now)
    }

    /// Ends the bans of clients in this network or around it (`None`: of all), and forgets what they failed. How many there were.
    pub fn lift_bans(&mut self, now: Now, network: Option<Network>) -> usize {
        let lifted = self.bans.lift(now, network);
        self.tell_of_bans();
        lifted
    }

    pub(super) fn tell_of_bans(&mut self) {
        while let Some(change) = self.bans.poll_change() {
            self.notify(match change {
                Change::Begun(ban) => Notice::Banned { ban },
                Change::Ended { ban, lifted } => Notice::BanEnded { ban, lifted },
            });
        }
    }
}
