//! One control connection of a transcript played in memory, with its data connections: what an adapter and
//! a client together would do, without either.

use super::text::escape;
use crate::Connection;
use crate::Server;
use crate::event::{Action, Answer, ConnectSpec, Done, Event, LinkError, LinkId, SessionId, TransferId};
use crate::notice::Notice;
use crate::time::Now;
use crate::transfer::{EndReason, Pipe, Step};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
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

/// The client's end of a data connection.
#[derive(Default)]
pub(super) struct Link {
    pub(super) received: Vec<u8>,
    pub(super) to_send: Vec<u8>,
    pub(super) ended: bool,
    /// The server closed it.
    pub(super) closed: bool,
    pub(super) upload: bool,
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
    /// The data connection in use.
    pub(super) data: Option<LinkId>,
    /// How many more bytes of data the client takes.
    pub(super) budget: Option<usize>,
    /// An active connection that was asked for and neither succeeded nor failed yet.
    pub(super) dialing: Option<(LinkId, ConnectSpec)>,
    /// Whether the client listens on [`ACTIVE_PORT`].
    pub(super) listening: bool,
    /// The port of the last 227 or 229.
    pub(super) port: Option<u16>,
    /// Everything the core asked for, in words.
    pub(super) actions: Vec<String>,
    pub(super) actions_seen: usize,
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
            data: None,
            budget: None,
            dialing: None,
            listening: false,
            port: None,
            actions: Vec::new(),
            actions_seen: 0,
        }
    }

    /// Moves all that can move at this moment; says whether anything did.
    pub(super) fn settle(&mut self, shared: &mut Shared) -> Result<bool, String> {
        if self.finished {
            return Ok(false);
        }
        let mut moved = self.feed(shared);
        while let Some(action) = self.connection.as_mut().and_then(|connection| connection.poll_action()) {
            moved = true;
            self.carry_out(shared, action)?;
        }
        moved |= self.drive(shared)?;
        moved |= self.write(shared)?;
        let Some(connection) = &mut self.connection else { return Ok(moved) };
        if connection.is_finished() {
            self.finished = true;
            self.transfers.clear();
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
        let len = shared.cutter.next(self.input.len());
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
        let at_line_start = self.output.is_empty() || self.output.ends_with(b"\n");
        check_write(waiting, at_line_start)?;
        let len = shared.cutter.next(waiting.len());
        self.output.extend_from_slice(waiting.get(..len).unwrap_or_default());
        connection.transmitted(shared.now, len);
        Ok(true)
    }

    fn carry_out(&mut self, shared: &mut Shared, action: Action) -> Result<(), String> {
        self.actions.push(in_words(&action));
        match action {
            Action::Consult(request) => {
                let answer = shared.server.consult(shared.now, request);
                self.answer(shared, answer);
            }
            Action::Perform(ticket, job) => {
                let done =
                    if core::mem::take(&mut shared.panic_next_job) { Done::Panicked } else { job.perform() };
                self.handle(shared, Event::Done(ticket, done));
            }
            Action::Connect(link, spec) => {
                if self.listening && spec.target == SocketAddr::new(self.peer.ip(), ACTIVE_PORT) {
                    self.connected(shared, link, spec);
                } else {
                    self.dialing = Some((link, spec));
                }
            }
            Action::Secure(link, _) => return Err(format!("a handshake on {link:?}, and there is no TLS")),
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
                if let Some(link) = self.links.get_mut(&link) {
                    link.closed = true;
                }
                self.dialing.take_if(|(dialing, _)| *dialing == link);
            }
            Action::Notify(notice) => shared.notices.push(notice),
        }
        Ok(())
    }

    /// Hands an answer of the server over, as an adapter must: drain (nothing waits here), activate, tell.
    pub(super) fn answer(&mut self, shared: &mut Shared, answer: Answer) {
        if let (Some((link, _)), Some(session)) = (answer.port_to_drain(), self.session) {
            shared.server.activate(shared.now, session, link);
        }
        self.handle(shared, Event::Answer(answer));
    }

    pub(super) fn handle(&mut self, shared: &Shared, event: Event) {
        if let Some(connection) = &mut self.connection {
            connection.handle(shared.now, event);
        }
    }

    /// The active connection came up.
    pub(super) fn connected(&mut self, shared: &Shared, link: LinkId, spec: ConnectSpec) {
        self.dialing = None;
        self.open_link(link);
        self.handle(shared, Event::Connected(link, spec.source));
    }

    pub(super) fn open_link(&mut self, link: LinkId) {
        self.links.insert(link, Link::default());
        self.data = Some(link);
    }

    /// The data connection or the attempt at one breaks.
    pub(super) fn break_link(&mut self, shared: &Shared, error: LinkError) -> Result<(), String> {
        if let Some((link, _)) = self.dialing.take() {
            self.handle(shared, Event::LinkFailed(link, error));
            return Ok(());
        }
        let link = self.data.ok_or("there is no data connection that could break")?;
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

    /// Moves the bytes of every transfer until it blocks or ends.
    fn drive(&mut self, shared: &mut Shared) -> Result<bool, String> {
        let mut moved = false;
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
                link.received.extend_from_slice(bytes.get(..len).unwrap_or_default());
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
        let passive = line.starts_with(b"227") || line.starts_with(b"229");
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
