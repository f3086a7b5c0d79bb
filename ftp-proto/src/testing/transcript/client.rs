//! One control connection of a transcript played in memory, with its data connections: what an adapter and
//! a client together would do, without either.

use super::data::Link;
use super::exchanges::Exchanges;
use super::secure::{DataTls, next_ticket};
use super::text::{escape, is_announcement};
use crate::Connection;
use crate::Server;
use crate::event::{
    Action, Answer, ConnectSpec, Done, Event, Job, LinkError, LinkId, SessionId, Ticket, TransferId,
};
use crate::notice::Notice;
use crate::testing::FakeTlsClient;
use crate::time::Now;
use crate::tls::{Handshake, HandshakeStep};
use crate::transfer::{EndReason, Pipe, Step};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// How many steps a pipe may take without being blocked before the test calls it stuck.
const PIPE_STEPS: u32 = 1_000_000;
/// The port a client listens on for active mode.
pub(super) const ACTIVE_PORT: u16 = 40_001;

/// How bytes are cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Not at all.
    Whole,
    /// Into single bytes.
    Bytes,
    /// At random places; the number is the seed.
    Random(u64),
}

/// A source of lengths for [`Split`].
pub(super) struct Cutter {
    split: Split,
    state: u64,
}

impl Cutter {
    pub(super) fn new(split: Split) -> Self {
        let seed = if let Split::Random(seed) = split { seed } else { 0 };
        Self { split, state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// How many of `len` bytes go next.
    pub(super) fn next(&mut self, len: usize) -> usize {
        match self.split {
            Split::Whole => len,
            Split::Bytes => len.min(1),
            Split::Random(_) => {
                self.state ^= self.state << 13;
                self.state ^= self.state >> 7;
                self.state ^= self.state << 17;
                let most = usize::try_from(self.state % 23).unwrap_or(0) + 1;
                len.min(most)
            }
        }
    }
}

/// What all sessions of a transcript share.
pub(super) struct Shared {
    pub(super) server: Server,
    pub(super) now: Now,
    pub(super) cutter: Cutter,
    pub(super) notices: Vec<Notice>,
    pub(super) panic_next_job: bool,
}

/// A transfer an adapter would pump.
struct Transfer {
    on: LinkId,
    pipe: Box<Pipe>,
    /// The socket could not take or give more: as an adapter does, this step is tried again before the pipe
    /// is asked for another.
    blocked: Option<Step>,
}

pub(super) struct Client {
    pub(super) name: String,
    pub(super) peer: SocketAddr,
    pub(super) session: Option<SessionId>,
    pub(super) connection: Option<Box<Connection>>,
    /// Said by the client, not yet read by the server.
    pub(super) input: Vec<u8>,
    /// Said by the server, not yet expected by the transcript.
    pub(super) output: Vec<u8>,
    /// Whether the client reads replies.
    pub(super) reads: bool,
    pub(super) finished: bool,
    pub(super) links: BTreeMap<LinkId, Link>,
    transfers: BTreeMap<TransferId, Transfer>,
    handshakes: BTreeMap<LinkId, Box<Handshake>>,
    /// The data connection in use, and whose it became.
    pub(super) data: Option<(SessionId, LinkId)>,
    /// TLS on the control connection: what came is read by it.
    pub(super) tls: Option<FakeTlsClient>,
    /// What is said goes through it as well.
    pub(super) speaks_tls: bool,
    /// Why it failed.
    pub(super) tls_error: Option<String>,
    /// How data connections are secured, and another client's ticket if that is to be used.
    pub(super) data_tls: Option<(DataTls, Option<Vec<u8>>)>,
    pub(super) tickets: VecDeque<Vec<u8>>,
    /// So much of `input` goes in one piece.
    pub(super) uncut: usize,
    /// How many more bytes of data the client takes.
    pub(super) budget: Option<usize>,
    /// An active connection that was asked for and neither succeeded nor failed yet.
    pub(super) dialing: Option<(LinkId, ConnectSpec)>,
    /// Whether the client listens on [`ACTIVE_PORT`].
    pub(super) listening: bool,
    /// The port that the last 227 or 229 leads to.
    pub(super) port: Option<u16>,
    /// The last lease: the port it told, and the one behind it.
    told: Option<(u16, u16)>,
    /// Everything the core asked for, in words.
    pub(super) actions: Vec<String>,
    pub(super) actions_seen: usize,
    /// Jobs that take their time.
    pub(super) held_jobs: Option<Vec<(Ticket, Job)>>,
    /// Its commands and their replies, if the settings have them told.
    pub(super) exchanges: Exchanges,
}

impl Transfer {
    fn fail(&mut self, why: EndReason) {
        self.blocked = None;
        self.pipe.fail(why);
    }
}

impl Client {
    pub(super) fn new(name: &str, peer: SocketAddr) -> Self {
        Self {
            name: String::from(name),
            peer,
            session: None,
            connection: None,
            input: Vec::new(),
            output: Vec::new(),
            reads: true,
            finished: false,
            links: BTreeMap::new(),
            transfers: BTreeMap::new(),
            handshakes: BTreeMap::new(),
            data: None,
            tls: None,
            speaks_tls: false,
            tls_error: None,
            data_tls: None,
            tickets: VecDeque::new(),
            uncut: 0,
            budget: None,
            dialing: None,
            listening: false,
            port: None,
            told: None,
            actions: Vec::new(),
            actions_seen: 0,
            held_jobs: None,
            exchanges: Exchanges::default(),
        }
    }

    /// Moves all that can move at this moment; says whether anything did.
    pub(super) fn settle(&mut self, shared: &mut Shared) -> Result<bool, String> {
        if self.finished {
            return Ok(false);
        }
        let mut moved = self.feed(shared);
        moved |= self.carry_out_all(shared)?;
        moved |= self.drive(shared)?;
        moved |= self.write(shared)?;
        let Some(connection) = &mut self.connection else { return Ok(moved) };
        if connection.is_finished() {
            self.carry_out_all(shared)?;
            self.finished = true;
            self.transfers.clear();
            self.handshakes.clear();
            self.links.values_mut().for_each(|link| link.closed = true);
            if let Some(session) = self.session {
                shared.server.handle(shared.now, crate::event::News::Gone(session));
            }
            return Ok(true);
        }
        Ok(moved)
    }

    /// Hands the server one piece of what the client said.
    fn feed(&mut self, shared: &mut Shared) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        if self.input.is_empty() || !connection.wants_input() {
            return false;
        }
        let uncut = core::mem::take(&mut self.uncut);
        let len = if uncut > 0 { uncut } else { shared.cutter.next(self.input.len()) };
        let piece: Vec<u8> = self.input.drain(..len).collect();
        connection.receive(shared.now, &piece);
        true
    }

    /// Takes what the server writes.
    fn write(&mut self, shared: &mut Shared) -> Result<bool, String> {
        let Some(connection) = &mut self.connection else { return Ok(false) };
        if !self.reads || connection.transmit().is_empty() {
            return Ok(false);
        }
        let waiting = connection.transmit();
        if self.tls.is_none() {
            let at_line_start = self.output.is_empty() || self.output.ends_with(b"\n");
            check_write(waiting, at_line_start)?;
        }
        let len = shared.cutter.next(waiting.len());
        let piece = waiting.get(..len).unwrap_or_default().to_vec();
        connection.transmitted(shared.now, len);
        self.hear(&piece);
        Ok(true)
    }

    // TLS on the control connection.

    /// Has this said, under TLS or not.
    pub(super) fn say(&mut self, bytes: &[u8]) -> Result<(), String> {
        match &mut self.tls {
            Some(tls) if self.speaks_tls => {
                tls.send(bytes).map_err(|error| error.to_string())?;
                self.input.append(&mut tls.take_outgoing());
            }
            _ => self.input.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn hear(&mut self, bytes: &[u8]) {
        let Some(tls) = &mut self.tls else { return self.output.extend_from_slice(bytes) };
        match tls.receive(bytes) {
            Ok(plain) => self.output.extend_from_slice(&plain),
            Err(error) => self.tls_error = Some(error.to_string()),
        }
        // Behind the server's close_notify all is in the clear again.
        self.output.append(&mut tls.take_rest());
        self.input.append(&mut tls.take_outgoing());
        self.tickets.extend(tls.take_tickets());
    }

    pub(super) fn begin_tls(&mut self, mut tls: FakeTlsClient) {
        self.input.append(&mut tls.take_outgoing());
        self.tickets.clear();
        (self.tls, self.tls_error, self.speaks_tls) = (Some(tls), None, true);
    }

    /// Speaks in the clear from here on.
    pub(super) fn leave_tls(&mut self, close_notify: bool) {
        self.speaks_tls = false;
        if let (Some(tls), true) = (&mut self.tls, close_notify) {
            tls.close_notify();
            self.input.append(&mut tls.take_outgoing());
        }
    }

    fn carry_out_all(&mut self, shared: &mut Shared) -> Result<bool, String> {
        let mut any = false;
        while let Some(action) = self.connection.as_mut().and_then(|connection| connection.poll_action()) {
            any = true;
            self.carry_out(shared, action)?;
        }
        Ok(any)
    }

    fn carry_out(&mut self, shared: &mut Shared, action: Action) -> Result<(), String> {
        self.actions.push(in_words(&action));
        match action {
            Action::Consult(request) => {
                let answer = shared.server.consult(shared.now, request);
                self.answer(shared, answer);
            }
            Action::Perform(ticket, job) => match &mut self.held_jobs {
                Some(held) => held.push((ticket, job)),
                None => self.perform(shared, ticket, job),
            },
            Action::Connect(link, spec) => {
                if self.listening && spec.target == SocketAddr::new(self.peer.ip(), ACTIVE_PORT) {
                    self.connected(shared, link, spec);
                } else {
                    self.dialing = Some((link, spec));
                }
            }
            Action::Secure(link, handshake) => {
                if self.links.get(&link).is_none_or(|link| link.closed) {
                    return Err(format!("a handshake was begun on {link:?}, which is not connected"));
                }
                self.handshakes.insert(link, handshake);
            }
            Action::Start(link, transfer, pipe) => {
                if self.links.get(&link).is_none_or(|link| link.closed) {
                    return Err(format!("a transfer was started on {link:?}, which is not connected"));
                }
                self.transfers.insert(transfer, Transfer { on: link, pipe, blocked: None });
            }
            Action::Abort(transfer) => {
                if let Some(transfer) = self.transfers.get_mut(&transfer) {
                    transfer.fail(EndReason::Aborted);
                }
            }
            Action::Drop(link) => {
                self.handshakes.remove(&link);
                if let Some(link) = self.links.get_mut(&link) {
                    link.closed = true;
                }
                self.dialing.take_if(|(dialing, _)| *dialing == link);
            }
            Action::Notify(notice) => {
                self.exchanges.observe(&notice);
                shared.notices.push(notice);
            }
        }
        Ok(())
    }

    fn perform(&mut self, shared: &mut Shared, ticket: Ticket, job: Job) {
        let done = if core::mem::take(&mut shared.panic_next_job) { Done::Panicked } else { job.perform() };
        self.handle(shared, Event::Done(ticket, done));
    }

    /// Does the jobs that wait; none waits from here on.
    pub(super) fn run_held_jobs(&mut self, shared: &mut Shared) {
        for (ticket, job) in self.held_jobs.take().unwrap_or_default() {
            self.perform(shared, ticket, job);
        }
    }

    /// Hands an answer of the server over, as an adapter must: drain (nothing waits here), activate, tell.
    pub(super) fn answer(&mut self, shared: &mut Shared, answer: Answer) {
        if let (Some((link, _)), Some(session)) = (answer.port_to_drain(), self.session) {
            shared.server.activate(shared.now, session, link);
        }
        if let Answer::Leased { port, advertised, .. } = &answer {
            self.told = Some((advertised.port, *port));
        }
        self.handle(shared, Event::Answer(answer));
    }

    /// Where a port leads that the client was told: routers before the server may map ports.
    pub(super) fn port_behind(&self, announced: u16) -> u16 {
        self.told.filter(|(told, _)| *told == announced).map_or(announced, |(_, listened)| listened)
    }

    pub(super) fn handle(&mut self, shared: &Shared, event: Event) {
        if let Some(connection) = &mut self.connection {
            connection.handle(shared.now, event);
        }
    }

    /// The active connection came up.
    pub(super) fn connected(&mut self, shared: &Shared, link: LinkId, spec: ConnectSpec) {
        self.dialing = None;
        let end = self.open_data();
        self.links.insert(link, end);
        self.data = self.session.map(|session| (session, link));
        self.handle(shared, Event::Connected(link, spec.source));
    }

    /// The client's end of a new data connection.
    pub(super) fn open_data(&mut self) -> Link {
        let Some((wish, foreign)) = &self.data_tls else { return Link::default() };
        let ticket = foreign.clone().or_else(|| next_ticket(&wish.ticket, &mut self.tickets));
        Link::new(wish.open(ticket), wish.ending)
    }

    /// The data connection or the attempt at one breaks.
    pub(super) fn break_link(&mut self, shared: &Shared, error: LinkError) -> Result<(), String> {
        if let Some((link, _)) = self.dialing.take() {
            self.handle(shared, Event::LinkFailed(link, error));
            return Ok(());
        }
        let (_, link) = self.data.ok_or("there is no data connection that could break")?;
        match self.transfers.values_mut().find(|transfer| transfer.on == link) {
            Some(transfer) => transfer.fail(EndReason::Link(error)),
            None => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.closed = true;
                }
                self.handle(shared, Event::LinkFailed(link, error));
            }
        }
        Ok(())
    }

    /// Moves the bytes of every handshake and transfer until it blocks or ends.
    fn drive(&mut self, shared: &mut Shared) -> Result<bool, String> {
        let mut moved = false;
        let running: Vec<LinkId> = self.handshakes.keys().copied().collect();
        for link in running {
            while self.handshake_step(shared, link) {
                moved = true;
            }
        }
        let running: Vec<TransferId> = self.transfers.keys().copied().collect();
        for transfer in running {
            let mut count = 0;
            while self.pipe_step(shared, transfer)? {
                moved = true;
                count += 1;
                if count > PIPE_STEPS {
                    return Err(format!("{transfer:?} turns without end"));
                }
            }
        }
        Ok(moved)
    }

    /// One step of one handshake; `false` if it is blocked or over.
    fn handshake_step(&mut self, shared: &mut Shared, on: LinkId) -> bool {
        let (Some(handshake), Some(link)) = (self.handshakes.get_mut(&on), self.links.get_mut(&on)) else {
            return false;
        };
        match handshake.step() {
            HandshakeStep::Write => {
                let bytes = handshake.transmit();
                let len = shared.cutter.next(bytes.len());
                link.receive(bytes.get(..len).unwrap_or_default());
                handshake.transmitted(len);
            }
            HandshakeStep::Read => {
                let len = shared.cutter.next(link.to_send.len());
                if len == 0 && !link.ended {
                    return false;
                }
                let piece: Vec<u8> = link.to_send.drain(..len).collect();
                handshake.receive(&piece);
            }
            HandshakeStep::End => {
                if let Some(handshake) = self.handshakes.remove(&on) {
                    self.handle(shared, Event::Secured(on, handshake));
                }
            }
        }
        true
    }

    /// One step of one transfer; `false` if it is blocked or over.
    fn pipe_step(&mut self, shared: &mut Shared, transfer: TransferId) -> Result<bool, String> {
        let Some(Transfer { on, pipe, blocked }) = self.transfers.get_mut(&transfer) else {
            return Ok(false);
        };
        let Some(link) = self.links.get_mut(on) else { return Ok(false) };
        match blocked.take().unwrap_or_else(|| pipe.step(shared.now)) {
            Step::Write => {
                let bytes = pipe.transmit();
                if bytes.is_empty() {
                    return Err(String::from("the pipe wants to write nothing"));
                }
                let most = self.budget.unwrap_or(usize::MAX).min(bytes.len());
                let len = shared.cutter.next(most);
                if len == 0 {
                    *blocked = Some(Step::Write);
                    return Ok(false);
                }
                link.receive(bytes.get(..len).unwrap_or_default());
                self.budget = self.budget.map(|budget| budget - len);
                pipe.transmitted(shared.now, len);
            }
            Step::Read => {
                link.upload = true;
                let len = shared.cutter.next(link.to_send.len());
                if len == 0 && !link.ended {
                    *blocked = Some(Step::Read);
                    return Ok(false);
                }
                let piece: Vec<u8> = link.to_send.drain(..len).collect();
                pipe.receive(shared.now, &piece);
            }
            Step::Turn => pipe.turn(),
            Step::Direct { .. } => {
                return Err(String::from("the pipe wants a file of the system, and there is none"));
            }
            Step::Marked(mark) => self.handle(shared, Event::Marked(transfer, mark)),
            Step::Report(bytes) => self.handle(shared, Event::Moved(transfer, bytes)),
            Step::End(end) => {
                link.closed = true;
                self.transfers.remove(&transfer);
                self.handle(shared, Event::Ended(transfer, end));
            }
        }
        Ok(true)
    }
}

/// NATs and firewalls read 227 and 229 only at the start of a segment, and alone in it.
fn check_write(bytes: &[u8], at_line_start: bool) -> Result<(), String> {
    let mut start = at_line_start;
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let passive = is_announcement(line);
        if start && passive && (index > 0 || line.len() != bytes.len()) {
            return Err(format!("a passive reply shares a write with others: {}", escape(bytes)));
        }
        start = true;
    }
    Ok(())
}

/// An action as transcripts name it.
fn in_words(action: &Action) -> String {
    match action {
        Action::Connect(_, spec) => {
            let optional = if spec.source_port_optional { " or any" } else { "" };
            format!("Connect {} from {}{optional}", spec.target, spec.source)
        }
        Action::Perform(_, job) => format!("Perform {job:?}"),
        Action::Consult(request) => format!("Consult {request:?}"),
        Action::Secure(..) => String::from("Secure"),
        Action::Start(..) => String::from("Start"),
        Action::Abort(_) => String::from("Abort"),
        Action::Drop(_) => String::from("Drop"),
        Action::Notify(notice) => format!("Notify {notice:?}"),
    }
}
