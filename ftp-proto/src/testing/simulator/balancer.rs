//! Clients behind a balancer: what it says of them, and their data connections until it has said it.

use super::World;
use super::choices::Choices;
use super::faults::Fault;
use crate::Naming;
use crate::event::{LinkId, SessionId};
use crate::proxy::Undecided;
use crate::testing::balancer::{binary_header, local_header, text_header};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Where balanced connections come from.
pub(super) fn balancer() -> SocketAddr {
    SocketAddr::new([10, 0, 0, 9].into(), 6_000)
}

/// The balancer's own address, to which clients connect.
fn public() -> SocketAddr {
    SocketAddr::new([198, 51, 100, 9].into(), 21)
}

/// What the balancer says of a client.
pub(super) fn header(source: SocketAddr, choices: &mut Choices<'_>) -> Vec<u8> {
    if choices.one_in(2) { text_header(source, public()) } else { binary_header(source, public()) }
}

/// A data connection that waits to be decided.
pub(super) struct Parked {
    undecided: Undecided,
    /// On its way to the server. Nothing follows.
    to_server: VecDeque<u8>,
    /// Whose it is.
    comer: SessionId,
    /// Whose the header says it is, if it says it.
    named: Option<SocketAddr>,
    /// Who waited on the port when it was accepted.
    waits: Vec<(SessionId, LinkId)>,
}

impl World<'_> {
    /// A data connection to this port comes through the balancer.
    pub(super) fn pass_on(&mut self, comer: SessionId, port: u16, source: SocketAddr) {
        let undecided = match self.server.naming(self.now, port, balancer()) {
            Naming::Peer => return self.arrive(comer, port, balancer()),
            Naming::Header(undecided) => undecided,
            Naming::TooMany => return self.tasks(),
        };
        let wait = |(link, watched): (LinkId, u16)| (watched == port).then_some(link);
        let waits = self.clients.iter().filter_map(|other| Some((other.id, wait(other.watched?)?)));
        let waits = waits.collect();
        let mut named = Some(source);
        let mut header = header(source, &mut self.choices);
        match self.choices.below(16) {
            0 => {
                (header, named) = (local_header(), None);
                self.tally.faults.met(Fault::BalancerSilent);
            }
            1 => {
                (header, named) = (b"hello".to_vec(), None);
                self.tally.faults.met(Fault::BalancerBroken);
            }
            2 => {
                header.truncate(self.choices.below(header.len()));
                self.tally.faults.met(Fault::BalancerBroken);
                named = None;
            }
            _ => {}
        }
        self.parked.push(Parked { undecided, to_server: header.into(), comer, named, waits });
    }

    /// One of them gets further.
    pub(super) fn look_at_parked(&mut self) -> Result<(), String> {
        let Self { choices, parked, now, .. } = self;
        let which = choices.below(parked.len());
        let Some(one) = parked.get_mut(which) else { return Ok(()) };
        let count = (1 + choices.below(60)).min(one.to_server.len());
        let piece: Vec<u8> = one.to_server.drain(..count).collect();
        let taken = one.undecided.offer(&piece);
        if one.to_server.is_empty() && choices.one_in(3) {
            one.undecided.end();
        }
        if !one.undecided.is_ready(now.mono) {
            return if taken == count { Ok(()) } else { Err(format!("{taken} of {count} bytes taken")) };
        }
        let one = parked.remove(which);
        self.decide(one)
    }

    fn decide(&mut self, parked: Parked) -> Result<(), String> {
        let Parked { undecided, comer, named, waits, .. } = parked;
        if let Some((session, link, peer)) = self.server.decide(self.now, undecided) {
            if named != Some(peer) {
                return Err(format!("a connection of {named:?} was taken for {peer}'s"));
            }
            if !waits.contains(&(session, link.wait())) {
                return Err(format!("{session:?} got {link:?}, which came before its lease"));
            }
            self.tally.balanced += 1;
            self.hand_over(comer, session, link, peer);
        }
        self.tasks();
        Ok(())
    }
}
