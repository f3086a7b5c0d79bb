//! What an adapter owes the core: it moves bytes, carries out actions and tasks, and takes out what has ended.

use super::World;
use super::choices::Choices;
use super::client::{Transfer, check_transfer};
use super::faults::{Fault, Faults};
use crate::advertise::Networks;
use crate::event::{Action, Event, LinkError, Message, News, Request, SessionId, Task};
use crate::notice::Notice;
use crate::transfer::{Direction, EndReason, Mode, Step};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl World<'_> {
    /// One step of one running transfer.
    pub(super) fn pump(&mut self, index: usize) -> Result<(), String> {
        let Self { choices, clients, now, policy, tally, storage_trouble, .. } = self;
        let Some(client) = clients.get_mut(index) else { return Ok(()) };
        let which = choices.below(client.transfers.len());
        let Some(transfer) = client.transfers.get_mut(which).filter(|transfer| !transfer.stands_still())
        else {
            return Ok(());
        };
        let step = transfer.pipe.step(*now);
        if choices.below(60) == 59 && break_off(transfer, &step, choices, &mut tally.faults) {
            return Ok(());
        }
        match step {
            Step::Write => {
                let shown = transfer.pipe.transmit();
                let count = if choices.one_in(2) { shown.len() } else { 1 + choices.below(shown.len()) };
                tally.faults.met_if(count < shown.len(), Fault::DataShortWrite);
                let bytes = transfer.socket.receive(shown.get(..count).unwrap_or(shown), choices)?;
                transfer.bytes.extend(bytes);
                let tickets = transfer.socket.take_tickets().into_iter();
                if !transfer.socket.is_thief {
                    client.control.tickets.extend(tickets.map(|ticket| (ticket, false)));
                }
                transfer.pipe.transmitted(*now, count);
            }
            Step::Read => {
                // When there is nothing to choose any more, the world still has to come to its end.
                let count = if choices.is_exhausted() { 200 } else { choices.below(200) };
                let bytes = transfer.socket.deliver(count);
                tally.faults.met_if(!bytes.is_empty() && transfer.socket.has_more(), Fault::DataShortRead);
                tally.faults.met_if(bytes.is_empty() && transfer.socket.is_cut_off(), Fault::DataCut);
                if !bytes.is_empty() || transfer.socket.is_silent() {
                    transfer.pipe.receive(*now, &bytes);
                }
            }
            Step::Turn => storage_trouble.during(choices, tally, || transfer.pipe.turn()),
            Step::Marked(mark) => client.connection.handle(*now, Event::Marked(transfer.id, mark)),
            Step::Report(bytes) => client.connection.handle(*now, Event::Moved(transfer.id, bytes)),
            Step::Direct { .. } => return Err("a memory file has no way past the pipe".to_string()),
            Step::End(end) => {
                let transfer = client.transfers.remove(which);
                if !transfer.aborted {
                    client.verdicts.ended(transfer.id, &end);
                }
                transfer.check_end(&end, *policy)?;
                match (end.outcome.is_ok(), transfer.pipe.is_secure()) {
                    (true, true) => tally.secure_transfers += 1,
                    (true, false) => tally.clear_transfers += 1,
                    (false, _) => {}
                }
                let coding = transfer.pipe.coding();
                if end.outcome.is_ok() && !coding.is_verbatim() {
                    match coding.mode {
                        Mode::Stream => tally.texts += 1,
                        Mode::Block | Mode::Compressed => tally.blocks += 1,
                        Mode::Deflate(_) => tally.deflated += 1,
                    }
                }
                // The session hears nothing any more of one that it has given up.
                client.control.has_habit |=
                    end.close_notify && transfer.pipe.direction() == Direction::Upload && !transfer.aborted;
                client.ended.push((transfer.pipe.coding(), transfer.crossed().to_vec()));
                client.connection.handle(*now, Event::Ended(transfer.id, end));
            }
        }
        Ok(())
    }

    // The adapter's duties.

    pub(super) fn tasks(&mut self) {
        while let Some(task) = self.server.poll_task() {
            match task {
                Task::OpenPort(port) => {
                    let news = if self.choices.one_in(6) {
                        self.tally.faults.met(Fault::PortFailed);
                        News::PortFailed(port, "in use".to_string())
                    } else {
                        News::PortOpened(port)
                    };
                    self.server.handle(self.now, news);
                }
                Task::Deliver(session, event) => self.deliver(session, event),
                Task::LookAround => self.look_around(),
                Task::Resolve(name) => self.resolve(name),
                Task::Notify(notice) => self.tally.count(&notice),
                Task::ClosePort(_) => {}
            }
        }
    }

    fn look_around(&mut self) {
        let networks = if self.choices.one_in(2) {
            let own = "203.0.113.0/29".parse().into_iter().collect();
            Networks { own, routers: Vec::from([[203, 0, 113, 6].into()]) }
        } else {
            Networks::default()
        };
        self.server.handle(self.now, News::Networks(networks));
    }

    /// The resolver has an answer, another one or none; now or never.
    fn resolve(&mut self, name: String) {
        let answer = match self.choices.below(4) {
            0 => return,
            1 => {
                self.tally.faults.met(Fault::NameUnknown);
                Err("not found".to_string())
            }
            last => Ok(Vec::from([[192, 0, 2, u8::try_from(last).unwrap_or(0)].into()])),
        };
        self.server.handle(self.now, News::Resolved(name, answer));
    }

    pub(super) fn deliver(&mut self, session: SessionId, event: Event) {
        if let Event::Answer(answer) = &event
            && let Some((link, _)) = answer.port_to_drain()
        {
            self.server.activate(self.now, session, link);
        }
        let Some(client) = self.clients.iter_mut().find(|client| client.id == session) else { return };
        self.tally.faults.met_if(matches!(event, Event::Message(Message::MakeRoom)), Fault::CrowdedOut);
        if let Event::Answer(answer) = &event {
            client.watched = answer.port_to_drain().or(client.watched);
        }
        client.connection.handle(self.now, event);
    }

    /// Carries out the actions of a client, takes its replies, checks the invariants.
    pub(super) fn settle(&mut self, index: usize) -> Result<(), String> {
        self.actions(index)?;
        let fast = !self.choices.one_in(4);
        let count = if fast { usize::MAX } else { self.choices.below(30) };
        let now = self.now;
        if let Some(client) = self.clients.get_mut(index) {
            client.read_replies(now, count)?;
            if let Some((ticket, _)) =
                client.control.tickets.first().filter(|(ticket, _)| !self.stolen.contains(ticket))
            {
                self.stolen.push(ticket.clone());
            }
        }
        self.actions(index)?;
        if let Some(client) = self.clients.get(index) {
            client.verdicts.check(&client.control.told)?;
        }
        self.bury(index)
    }

    fn actions(&mut self, index: usize) -> Result<(), String> {
        while let Some(action) =
            self.clients.get_mut(index).and_then(|client| client.connection.poll_action())
        {
            self.action(index, action)?;
        }
        Ok(())
    }

    fn action(&mut self, index: usize, action: Action) -> Result<(), String> {
        let Some(client) = self.clients.get_mut(index) else { return Ok(()) };
        match action {
            Action::Consult(request) => {
                let id = client.id;
                client.verdicts.attempts += usize::from(matches!(request, Request::Lease { .. }));
                let answer = self.server.consult(self.now, request);
                self.deliver(id, Event::Answer(answer));
                self.tasks();
            }
            Action::Perform(ticket, job) if job.is_long() => {
                self.long_jobs.begin(client.id, ticket, job, &mut self.choices, &mut self.tally)?;
            }
            Action::Perform(ticket, job) => client.jobs.push((ticket, job)),
            Action::Connect(link, spec) => {
                client.verdicts.attempts += 1;
                client.dialled.push((link, spec.target));
            }
            Action::Secure(link, handshake) => {
                let found = client.sockets.iter().find(|socket| socket.link == link);
                let Some(is_thief) =
                    found.filter(|socket| !socket.was_secured()).map(|socket| socket.is_thief)
                else {
                    return Err(format!("Secure on {link:?}, which has no socket or is secured"));
                };
                let hello = self.hello(index, is_thief);
                let sockets = self.clients.get_mut(index).map(|client| client.sockets.iter_mut());
                if let Some(socket) = sockets.and_then(|mut all| all.find(|socket| socket.link == link)) {
                    socket.secure(handshake, hello, &mut self.choices, &mut self.tally.faults);
                }
            }
            Action::Start(link, id, pipe) => {
                let Some(place) = client.sockets.iter().position(|socket| socket.link == link) else {
                    return Err(format!("Start on {link:?}, which has no socket"));
                };
                let mut socket = client.sockets.remove(place);
                socket.coding = pipe.coding();
                let mut transfer = Transfer {
                    id,
                    socket,
                    pipe,
                    bytes: Vec::new(),
                    aborted: false,
                    has_habit: client.control.has_habit,
                    stalls: false,
                };
                transfer.check_begin(&client.control, self.policy, &self.peers)?;
                let is_elsewhere = transfer.socket.peer.ip() != client.peer.ip();
                let noted = client.noted_elsewhere.take();
                if noted != is_elsewhere.then_some(transfer.socket.peer) {
                    return Err(format!("the log heard of {noted:?}"));
                }
                if transfer.pipe.direction() == Direction::Upload {
                    transfer.socket.upload(&mut self.choices);
                }
                client.transfers.push(transfer);
            }
            Action::Abort(id) => {
                client.verdicts.stopped(id);
                if let Some(transfer) = client.transfers.iter_mut().find(|transfer| transfer.id == id) {
                    transfer.aborted = true;
                    transfer.pipe.fail(EndReason::Aborted);
                }
            }
            Action::Drop(link) => {
                client.sockets.retain(|socket| socket.link != link);
                client.dialled.retain(|&(dialled, _)| dialled != link);
                if client.watched.is_some_and(|(watched, _)| watched == link) {
                    client.watched = None;
                }
            }
            Action::Notify(Notice::TransferEnded(record)) => {
                check_transfer(client, &record, &self.storage)?;
            }
            Action::Notify(Notice::SessionOpened { .. }) => client.opened += 1,
            Action::Notify(Notice::SessionClosed { .. }) => client.closed += 1,
            Action::Notify(notice) => {
                self.tally.count(&notice);
                match notice {
                    Notice::DataElsewhere { data, .. } => client.noted_elsewhere = Some(data),
                    Notice::DataConnectionFailed(verdict) => client.verdicts.said(&verdict.cause),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// A session that has ended is taken out; what it held comes back.
    fn bury(&mut self, index: usize) -> Result<(), String> {
        let Some(client) = self.clients.get(index) else { return Ok(()) };
        if !client.connection.is_finished() {
            return client.check_alive();
        }
        client.check_ended()?;
        let client = self.clients.remove(index);
        self.forbidden.extend(client.control.forbidden);
        self.tally.faults.add(&client.control.faults);
        self.tally.overtaken += client.control.overtaken;
        drop(client.connection);
        self.tally.stopped_jobs += self.long_jobs.check_left(client.id)?;
        self.server.handle(self.now, News::Gone(client.id));
        self.tasks();
        Ok(())
    }
}

/// The network or the storage breaks a transfer off, where it wants to do this next. Whether it could.
fn break_off(transfer: &mut Transfer, step: &Step, choices: &mut Choices<'_>, faults: &mut Faults) -> bool {
    let (fault, why) = match step {
        Step::Write => (Fault::DataResetAtWrite, EndReason::Link(LinkError::Reset)),
        Step::Read => (Fault::DataResetAtRead, EndReason::Link(LinkError::Reset)),
        Step::Turn if choices.one_in(2) => (Fault::TransferPanics, EndReason::Panicked),
        Step::Turn => (Fault::DataResetAtTurn, EndReason::Link(LinkError::Reset)),
        _ => return false,
    };
    faults.met(fault);
    transfer.pipe.fail(why);
    true
}
