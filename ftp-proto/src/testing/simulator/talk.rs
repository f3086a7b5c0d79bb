//! One control connection from near: what its bytes do, in the clear, under TLS and between the two.

use super::choices::{Choices, LINES, LOGINS, NOVELTIES, SECURITY, TRANSFERS};
use super::control::{Control, Style};
use super::tally::Tally;
use crate::Connection;
use crate::account::Rights;
use crate::advertise::Advertised;
use crate::config::{ClientCertificates, Config, Settings, TlsPolicies, TlsPolicy};
use crate::diagnose::Outlook;
use crate::event::{Action, Answer, Arrival, Event, Job, Request, SessionId, Standing, Ticket};
use crate::testing::{FakeTls, MemoryAccounts, MemoryStorage};
use crate::time::{Instant, Now, UnixTime};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

struct Talk<'a> {
    choices: Choices<'a>,
    now: Now,
    connection: Connection,
    control: Control,
    jobs: Vec<(Ticket, Job)>,
    tally: Tally,
}

/// Lets a client and a session talk until the session has ended. The client's own TLS tells what may come at each
/// place.
///
/// # Errors
/// What the server has broken, in words.
pub fn simulate_control_connection(choices: Choices<'_>) -> Result<Tally, String> {
    let mut talk = Talk::new(choices);
    for _ in 0..600 {
        if talk.connection.is_finished() || talk.choices.is_exhausted() {
            break;
        }
        talk.step()?;
        talk.settle()?;
    }
    talk.wind_up()?;
    Ok(talk.tally)
}

impl<'a> Talk<'a> {
    fn new(mut choices: Choices<'a>) -> Self {
        let policy = TlsPolicy {
            clear_command_channel: !choices.one_in(4),
            client_certificates: match choices.below(2) {
                0 => ClientCertificates::Ignore,
                _ => ClientCertificates::Request,
            },
            ..TlsPolicy::default()
        };
        let settings = Settings {
            tls: TlsPolicies { default: policy, ..TlsPolicies::default() },
            ..Settings::default()
        };
        let config = settings.validate().unwrap_or_else(|_| Config::default());
        let style = match choices.below(3) {
            0 => Style::Clear,
            1 => Style::Explicit,
            _ => Style::Implicit,
        };
        let storage = MemoryStorage::new().file("/a", "alpha").dir("/up");
        let accounts = MemoryAccounts::new().user("u", "p", storage.account("u", Rights::ALL));
        let now = Now { mono: Instant::ZERO, unix: UnixTime::from_seconds(1_800_000_000) };
        let end = |port| SocketAddr::new([127, 0, 0, 1].into(), port);
        let arrival = Arrival { implicit_tls: style == Style::Implicit, ..Arrival::new(end(21), end(4_000)) };
        let tls = FakeTls::new().name("ftp.example.com");
        let connection = Connection::new(
            now,
            SessionId(1),
            Arc::new(config),
            Arc::new(accounts),
            Some(Arc::new(tls)),
            arrival,
        );
        let control = Control::new(style, &[], &mut choices);
        Self { choices, now, connection, control, jobs: Vec::new(), tally: Tally::default() }
    }

    fn step(&mut self) -> Result<(), String> {
        let Self { choices, control, connection, now, .. } = self;
        match choices.below(32) {
            0..=7 => self.say(),
            8..=11 => self.deliver(usize::MAX),
            12..=15 => {
                let count = 1 + self.choices.below(32);
                self.deliver(count);
            }
            16..=19 => return self.read(usize::MAX),
            20..=22 => {
                let count = 1 + choices.below(32);
                return self.read(count);
            }
            23..=25 => self.job_done(),
            26 => control.update_keys(),
            27 => control.inject("/injected".into()),
            28 if choices.one_in(4) => control.spoil(choices),
            29 => {
                let kind = 19 + u8::try_from(choices.below(6)).unwrap_or(0);
                let body = any_bytes(choices, 12);
                if choices.one_in(4) || kind == 20 {
                    control.send_record(kind, &body);
                }
            }
            30 => {
                let jumps = choices.one_in(8);
                return self.time_passes(jumps);
            }
            31 if choices.one_in(8) => connection.handle(*now, Event::PeerClosed),
            _ => {}
        }
        Ok(())
    }

    /// A line from the list, or one that nobody thought of.
    fn say(&mut self) {
        let Self { choices, control, .. } = self;
        if control.is_waiting() {
            return;
        }
        let list = match choices.below(8) {
            0 => LINES,
            1 if choices.one_in(2) => NOVELTIES,
            1 => LOGINS,
            2 => TRANSFERS,
            3..=5 => SECURITY,
            _ => {
                let mut line = any_bytes(choices, 40);
                line.retain(|byte| !matches!(byte, b'\r' | b'\n' | 20..=24));
                return control.say(&line);
            }
        };
        for line in choices.pick(list).copied().unwrap_or("NOOP").split('\n') {
            control.say(line.as_bytes());
        }
    }

    fn deliver(&mut self, count: usize) {
        if self.connection.wants_input() {
            let bytes = self.control.deliver(self.now.mono, count);
            self.connection.receive(self.now, &bytes);
        }
    }

    fn read(&mut self, mut count: usize) -> Result<(), String> {
        while count > 0 && !self.connection.transmit().is_empty() {
            let shown = self.connection.transmit();
            let shown = shown.get(..count).unwrap_or(shown).to_vec();
            self.control.check_cuts(self.connection.transmit())?;
            count -= shown.len();
            self.connection.transmitted(self.now, shown.len());
            self.control.take(&shown)?;
        }
        Ok(())
    }

    fn job_done(&mut self) {
        if let Some((ticket, job)) = self.jobs.pop() {
            self.connection.handle(self.now, Event::Done(ticket, job.perform()));
        }
    }

    /// A little, or until the session wants to do something.
    fn time_passes(&mut self, jumps: bool) -> Result<(), String> {
        match self.connection.deadline() {
            Some(deadline) if jumps => self.now.mono = self.now.mono.max(deadline),
            _ => self.now.mono = self.now.mono + Duration::from_millis(100),
        }
        self.connection.handle_timeout(self.now);
        let is_overdue = self.connection.deadline().is_some_and(|deadline| deadline <= self.now.mono);
        if is_overdue {
            Err(format!("a deadline that has passed stays: {:?}", self.connection))
        } else {
            Ok(())
        }
    }

    /// Carries out what the session wants, and looks whether it keeps its promises.
    fn settle(&mut self) -> Result<(), String> {
        while let Some(action) = self.connection.poll_action() {
            match action {
                Action::Consult(Request::Lease { link, .. }) => {
                    let advertised = Advertised::plain([127, 0, 0, 1].into(), 2_000);
                    let outlook = Outlook::default();
                    let answer = Answer::Leased { link, port: 2_000, advertised, outlook };
                    self.connection.handle(self.now, Event::Answer(answer));
                }
                Action::Consult(Request::Attempt { .. }) => {
                    self.connection.handle(self.now, Event::Answer(Answer::Standing(Standing::Free)));
                }
                Action::Perform(ticket, job) => self.jobs.push((ticket, job)),
                Action::Notify(notice) => self.tally.count(&notice),
                Action::Start(..) | Action::Secure(..) => return Err("nobody has connected".into()),
                Action::Consult(_) | Action::Connect(..) | Action::Abort(_) | Action::Drop(_) => {}
            }
        }
        match (self.connection.is_finished(), self.connection.deadline()) {
            (false, None) => Err(format!("alive without a deadline: {:?}", self.connection)),
            (true, _) if self.connection.wants_input() || !self.connection.transmit().is_empty() => {
                Err(format!("finished, and not silent: {:?}", self.connection))
            }
            _ => Ok(()),
        }
    }

    /// The client is gone, and the session ends.
    fn wind_up(&mut self) -> Result<(), String> {
        self.connection.handle(self.now, Event::PeerClosed);
        for _ in 0..200 {
            self.settle()?;
            if self.connection.is_finished() {
                return self.control.check_count();
            }
            self.read(usize::MAX)?;
            self.job_done();
            self.time_passes(true)?;
        }
        Err(format!("a session never ended: {:?}", self.connection))
    }
}

fn any_bytes(choices: &mut Choices<'_>, most: usize) -> Vec<u8> {
    (0..choices.below(most)).map(|_| u8::try_from(choices.below(256)).unwrap_or(0)).collect()
}
