//! What befalls sessions and their server rarely: ends, new settings, clocks that jump, and middleboxes.

use super::World;
use super::choices::Choices;
use super::client::Client;
use super::faults::{Fault, Faults};
use super::policy::config;
use crate::config::Settings;
use crate::event::{Answer, Event, LinkError, LinkId, Message, TransferId};
use crate::transfer::TransferEnd;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// How far clocks are set: an hour, for years, and out of the calendar.
const JUMPS: &[i64] = &[3_600, 400 * 86_400, 1_800_000_000, 1 << 40, i64::MAX];

impl World<'_> {
    pub(super) fn something_rare(&mut self, index: usize) {
        let Self { choices, clients, now, tally, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        match choices.below(400) {
            0 | 1 => self.reset(index),
            2..=4 => self.close_half(index),
            5 => self.kick(index),
            6 => self.drain(),
            7 | 8 => {
                if let Some(link) = client.sockets.first().map(|socket| socket.link) {
                    tally.faults.met(Fault::DataResetEarly);
                    client.connection.handle(*now, Event::LinkFailed(link, LinkError::Reset));
                }
            }
            9..=11 => {
                if let Some(transfer) = client.transfers.first_mut() {
                    tally.faults.met(Fault::DataStalls);
                    transfer.stalls = true;
                }
            }
            12..=15 => self.reconfigure(),
            16..=19 => {
                let is_forward = choices.one_in(2);
                self.set_clock(is_forward);
            }
            20..=29 => stale_news(client, choices, *now),
            30 | 31 => client.control.spoil(choices),
            32..=39 => client.control.update_keys(),
            _ => {}
        }
    }

    /// What was planned for a session at such a place.
    pub(super) fn carry_out_plan(&mut self, index: usize) {
        let Some(client) = self.clients.get(index).filter(|client| !client.gone) else { return };
        let Some(plan) = self.plan else { return };
        let place = client.place(&self.long_jobs);
        let is_there = Fault::at(place).contains(&plan);
        if !is_there || !self.choices.one_in(3) {
            return;
        }
        self.plan = None;
        match plan {
            Fault::Reset(_) => self.reset(index),
            Fault::HalfClose(_) => self.close_half(index),
            Fault::Kick(_) => self.kick(index),
            Fault::Drain(_) => self.drain(),
            Fault::Reconfigured(_) => self.reconfigure(),
            _ => self.set_clock(matches!(plan, Fault::WallForward(_))),
        }
    }

    fn reset(&mut self, index: usize) {
        let Self { clients, now, long_jobs, tally, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        tally.faults.met(Fault::Reset(client.place(long_jobs)));
        client.broken = true;
        client.control.reset();
        if !core::mem::replace(&mut client.gone, true) {
            client.connection.handle(*now, Event::PeerClosed);
        }
    }

    /// What the client has said arrives first, as far as the server reads it; if it does at once, this is the place.
    fn close_half(&mut self, index: usize) {
        let Self { clients, now, long_jobs, tally, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        client.control.is_closing = true;
        while !client.gone && client.connection.wants_input() && !client.control.stalls() {
            client.hear_client(*now, usize::MAX, long_jobs, tally);
        }
    }

    fn kick(&mut self, index: usize) {
        let Self { clients, now, long_jobs, tally, server, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        tally.faults.met(Fault::Kick(client.place(long_jobs)));
        server.kick(*now, client.id);
        self.tasks();
    }

    fn drain(&mut self) {
        for client in &self.clients {
            self.tally.faults.met(Fault::Drain(client.place(&self.long_jobs)));
        }
        let grace = Duration::from_secs(self.choices.below(10) as u64);
        self.server.drain(self.now, grace);
        self.tasks();
    }

    /// New settings, another range of ports among them; some time with no passive mode at all.
    fn reconfigure(&mut self) {
        let Self { choices, clients, now, server, peers, long_jobs, tally, policy, .. } = self;
        for client in &*clients {
            tally.faults.met(Fault::Reconfigured(client.place(long_jobs)));
        }
        let mut settings = Settings::clone(&config(choices, *policy, peers));
        settings.passive.enabled = !choices.one_in(6);
        server.reconfigure(*now, Arc::new(settings.validate().unwrap_or_default()));
        self.tasks();
    }

    /// Somebody sets the host's clock, or it was wrong before.
    fn set_clock(&mut self, is_forward: bool) {
        let Self { choices, clients, long_jobs, tally, .. } = self;
        let jump = choices.pick(JUMPS).copied().unwrap_or(0);
        for client in &*clients {
            let place = client.place(long_jobs);
            tally.faults.met(if is_forward { Fault::WallForward(place) } else { Fault::WallBack(place) });
        }
        self.wall_offset = if is_forward { jump } else { jump.saturating_neg() };
        self.pass(self.now.mono);
    }
}

/// What is long over, or nobody's, must do no harm.
fn stale_news(client: &mut Client, choices: &mut Choices<'_>, now: crate::time::Now) {
    let link = LinkId::new(9_999);
    let event = match choices.below(8) {
        0 => Event::Arrived(link, client.peer),
        1 => Event::Moved(TransferId(9_999), 1),
        2 => Event::Answer(Answer::NoPort { link }),
        3 => Event::Message(Message::Stranger { link, peer: client.peer, port: 1 }),
        4 => Event::LinkFailed(link, LinkError::Reset),
        5 => Event::Connected(link, client.peer),
        6 => Event::Ended(TransferId(9_999), TransferEnd::failed(0, crate::transfer::EndReason::Aborted)),
        _ => Event::Answer(Answer::Queued { link }),
    };
    client.connection.handle(now, event);
}

/// A middlebox changes what passes.
pub(super) fn rewrite(lines: &mut Vec<String>, choices: &mut Choices<'_>, faults: &mut Faults) {
    let Some(line) = lines.first_mut() else { return };
    match choices.below(3) {
        0 => {
            faults.met(Fault::LinesJoined);
            line.push_str("NOOP");
        }
        1 if line.len() > 1 => {
            let cut = 1 + choices.below(line.len() - 1);
            if line.is_char_boundary(cut) {
                faults.met(Fault::LineSplit);
                let rest = line.split_off(cut);
                lines.insert(1, rest);
            }
        }
        _ => {
            faults.met(Fault::ActiveRewritten);
            let rewritten = choices.pick(&[
                "PORT 192,168,0,2,15,160",
                "EPRT |1|203.0.113.6|4001|",
                "PORT 203,0,113,5,15",
            ]);
            *line = rewritten.copied().unwrap_or_default().to_string();
        }
    }
}
