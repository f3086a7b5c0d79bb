//! One client of the simulated world, and what must hold for its session.

use super::control::{Control, Manner};
use super::data::Socket;
use super::faults::{Fault, Place};
use super::long::LongJobs;
use super::tally::Tally;
use super::verdicts::Verdicts;
use super::wire::{UNKNOWN, decode, plain};
use crate::Connection;
use crate::config::{CloseNotify, DataPolicy, DataResumption, Peers, TlsPolicy};
use crate::event::{Event, Job, LinkId, SessionId, Ticket, TransferId};
use crate::notice::TransferRecord;
use crate::testing::MemoryStorage;
use crate::time::Now;
use crate::transfer::{Coding, Direction, EndReason, Pipe, TransferEnd};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Replies never pile up beyond this, however little the client reads.
const MOST_UNREAD: usize = 128 * 1024;

/// A wait keeps only so many connections, and a session asks one thing at a time, beside what it gives up.
const MOST_SOCKETS: usize = 8;
/// See there.
const MOST_JOBS: usize = 64;
/// One, and those that were stopped and have not ended.
const MOST_TRANSFERS: usize = 64;

/// One client and the adapter's half of its session.
pub(super) struct Client {
    pub(super) id: SessionId,
    pub(super) connection: Box<Connection>,
    pub(super) peer: SocketAddr,
    pub(super) control: Control,
    pub(super) commands_left: usize,
    /// A balancer is between.
    pub(super) is_balanced: bool,
    /// The client has closed its side of the control connection.
    pub(super) gone: bool,
    /// The control connection is broken: nothing reaches the client any more.
    pub(super) broken: bool,
    /// What was said of data connections.
    pub(super) verdicts: Verdicts,
    /// The log was told of a data connection with another address.
    pub(super) noted_elsewhere: Option<SocketAddr>,
    /// How often the log was told that the session has begun.
    pub(super) opened: usize,
    /// How often the log was told that the session has ended.
    pub(super) closed: usize,
    /// The link that waits on a port.
    pub(super) watched: Option<(LinkId, u16)>,
    pub(super) sockets: Vec<Socket>,
    pub(super) dialled: Vec<(LinkId, SocketAddr)>,
    /// Short ones.
    pub(super) jobs: Vec<(Ticket, Job)>,
    pub(super) transfers: Vec<Transfer>,
    pub(super) ended: Vec<(Coding, Vec<u8>)>,
}

/// A transfer in the adapter's hands.
pub(super) struct Transfer {
    pub(super) id: TransferId,
    pub(super) socket: Socket,
    pub(super) pipe: Box<Pipe>,
    /// What a download brought.
    pub(super) bytes: Vec<u8>,
    pub(super) aborted: bool,
    /// Its session had seen an upload's close_notify when this began.
    pub(super) has_habit: bool,
    /// Nothing moves any more.
    pub(super) stalls: bool,
}

impl Transfer {
    /// Whether nothing moves until the session has had enough.
    pub(super) fn stands_still(&self) -> bool {
        self.stalls && !self.aborted
    }

    /// What holds when it begins.
    pub(super) fn check_begin(
        &self,
        control: &Control,
        policy: TlsPolicy,
        peers: &Peers,
    ) -> Result<(), String> {
        let coding = self.pipe.coding();
        if let Some((kind, structure, mode)) = control.parameters()
            && (coding.kind, coding.structure, core::mem::discriminant(&coding.mode))
                != (kind, structure, mode)
            && self.pipe.direction() == Direction::Upload
        {
            return Err(format!("an upload in {coding}, where {kind:?}, {structure:?} were set"));
        }
        let secure = self.pipe.is_secure();
        let level = control.protects_data();
        if !secure && (policy.data == DataPolicy::Require || level == Some(true)) {
            return Err(format!("in the clear, {policy:?}"));
        }
        if secure && (policy.data == DataPolicy::Deny || level == Some(false)) {
            return Err(format!("under TLS, {policy:?}"));
        }
        if policy.server_to_server {
            return Ok(());
        }
        if !self.socket.own && !peers.tls_proof {
            return Err("from elsewhere, though a proof doesn't count".to_string());
        }
        let family = |ticket: &[u8]| ticket.get(..4).map(<[u8]>::to_vec);
        let ours = control.tickets.first().and_then(|(ticket, _)| family(ticket));
        let resumed = self.socket.resumed_with().map(family);
        let is_proven = resumed.is_some_and(|resumed| resumed == ours);
        let is_exhausted =
            self.socket.uses_tickets_once() && control.tickets.iter().all(|(_, is_used)| *is_used);
        match policy.resumption {
            _ if secure && is_proven => Ok(()),
            _ if !self.socket.own => Err("from elsewhere, without a proof".to_string()),
            DataResumption::Require if secure && !is_exhausted => Err("not resumed".to_string()),
            DataResumption::Strict if secure => Err("not resumed, and nothing else counts".to_string()),
            _ => Ok(()),
        }
    }

    /// What holds when it has ended.
    pub(super) fn check_end(&self, end: &TransferEnd, policy: TlsPolicy) -> Result<(), String> {
        if end.outcome.is_err() {
            return Ok(());
        }
        let crossed = self.crossed();
        if end.bytes != crossed.len() as u64 {
            return Err(format!("{} bytes reported, {} crossed", end.bytes, crossed.len()));
        }
        if !self.pipe.is_secure() {
            return Ok(());
        }
        match self.pipe.direction() {
            Direction::Download if !self.socket.is_told_the_end() => {
                Err("a download without close_notify".to_string())
            }
            Direction::Download => Ok(()),
            // Its own end says that it is whole; nobody has to read on.
            Direction::Upload if self.pipe.coding().marks_end() => {
                let is_made_up = end.close_notify && !self.socket.has_notified();
                if is_made_up { Err("close_notify was made up".to_string()) } else { Ok(()) }
            }
            Direction::Upload if end.close_notify != self.socket.has_notified() => {
                Err("close_notify was not seen, or made up".to_string())
            }
            Direction::Upload if end.close_notify => Ok(()),
            Direction::Upload => match policy.close_notify {
                CloseNotify::Require => Err("cut off, and complete".to_string()),
                CloseNotify::Expect if self.has_habit => Err("cut off against its habit".to_string()),
                _ if self.socket.is_cut() => Err("cut off in a record, and complete".to_string()),
                _ => Ok(()),
            },
        }
    }

    /// The file's bytes, or the listing's, that crossed the socket.
    pub(super) fn crossed(&self) -> &[u8] {
        match self.pipe.direction() {
            Direction::Download => &self.bytes,
            Direction::Upload => self.socket.delivered(),
        }
    }
}

/// What a complete transfer brought is what the storage holds; an upload that is not complete is not there.
pub(super) fn check_transfer(
    client: &mut Client,
    record: &TransferRecord,
    storage: &MemoryStorage,
) -> Result<(), String> {
    let stored = storage.contents(record.path.as_bytes());
    // The name of a STOR was never used before. A session that waits no longer for the end does not know it.
    if let Err(why) = &record.outcome {
        let is_there = record.verb == "STOR" && stored.is_some() && *why != EndReason::Aborted;
        return if is_there {
            Err(format!("{} is there: {:?}", record.path, record.outcome))
        } else {
            Ok(())
        };
    }
    let Some((coding, bytes)) = client.ended.pop() else {
        return Err(format!("{} of {} complete, but no transfer has ended", record.verb, record.path));
    };
    if record.bytes != bytes.len() as u64 {
        return Err(format!(
            "{} {}: {} bytes recorded, {} crossed",
            record.verb,
            record.path,
            record.bytes,
            bytes.len()
        ));
    }
    // Somebody may have put it into another file meanwhile (COMB).
    let is_gone = stored.is_none();
    let stored = plain(&stored.unwrap_or_default(), coding);
    let Some(bytes) = decode(&bytes, coding) else {
        return Err(format!("{} {} in {coding}: complete, and not whole", record.verb, record.path));
    };
    let contains = |part: &[u8]| part.is_empty() || stored.windows(part.len()).any(|window| window == part);
    let right = match record.verb {
        "RETR" if is_gone => true,
        "RETR" if client.control.asks_for_parts() => contains(&bytes),
        "RETR" => stored.ends_with(&bytes),
        "STOR" => is_same(&bytes, &stored) || stored.len() > bytes.len(),
        _ => true,
    };
    if right {
        Ok(())
    } else {
        Err(format!(
            "{} {} in {coding}: {} bytes came, {} are stored, others",
            record.verb,
            record.path,
            bytes.len(),
            stored.len()
        ))
    }
}

fn is_same(came: &[u8], stored: &[u8]) -> bool {
    came.len() == stored.len()
        && came.iter().zip(stored).all(|(byte, there)| byte == there || *byte == UNKNOWN)
}

impl Client {
    pub(super) fn new(
        id: SessionId,
        connection: Box<Connection>,
        peer: SocketAddr,
        control: Control,
        commands: usize,
    ) -> Self {
        Self {
            id,
            connection,
            peer,
            control,
            commands_left: commands,
            is_balanced: false,
            gone: false,
            broken: false,
            verdicts: Verdicts::default(),
            opened: 0,
            closed: 0,
            noted_elsewhere: None,
            watched: None,
            sockets: Vec::new(),
            dialled: Vec::new(),
            jobs: Vec::new(),
            transfers: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// What the session is doing.
    pub(super) fn place(&self, long_jobs: &LongJobs) -> Place {
        let place = self.control.place();
        match () {
            () if place == Some(Place::Handshake) => Place::Handshake,
            () if long_jobs.has(self.id) => Place::LongJob,
            () if !self.transfers.is_empty() => Place::Transfer,
            () if self.sockets.iter().any(Socket::is_securing) => Place::Securing,
            () if !self.dialled.is_empty() => Place::Dialling,
            () if !self.sockets.is_empty() => Place::Connected,
            () if !self.jobs.is_empty() => Place::Job,
            () if place == Some(Place::AmidReply) => Place::AmidReply,
            () if self.watched.is_some() => Place::Waiting,
            () => place.unwrap_or(Place::Idle),
        }
    }

    /// What holds while a session lives.
    pub(super) fn check_alive(&self) -> Result<(), String> {
        let (sockets, jobs, dialled) = (self.sockets.len(), self.jobs.len(), self.dialled.len());
        if sockets > MOST_SOCKETS || jobs > MOST_JOBS || dialled > 1 || self.transfers.len() > MOST_TRANSFERS
        {
            return Err(format!("{sockets} data connections, {jobs} jobs, {dialled} calls at once"));
        }
        if self.connection.deadline().is_none() {
            return Err(format!("alive without a deadline: {:?}", self.connection));
        }
        if self.gone && self.connection.wants_input() {
            return Err(format!("reads from a client that is gone: {:?}", self.connection));
        }
        Ok(())
    }

    /// Up to this many bytes of the client, or its end, reach the server.
    pub(super) fn hear_client(&mut self, now: Now, count: usize, long_jobs: &LongJobs, tally: &mut Tally) {
        if self.gone || !self.connection.wants_input() {
            return;
        }
        let bytes = self.control.deliver(now.mono, count);
        if !bytes.is_empty() {
            self.connection.receive(now, &bytes);
        } else if self.control.is_drained() {
            tally.faults.met(Fault::HalfClose(self.place(long_jobs)));
            self.gone = true;
            self.connection.handle(now, Event::PeerClosed);
        }
    }

    /// The deadline has passed or not; what is due was done.
    pub(super) fn timeout(&mut self, now: Now) -> Result<(), String> {
        self.connection.handle_timeout(now);
        if !self.connection.is_finished() && self.connection.deadline().is_some_and(|at| at <= now.mono) {
            return Err(format!("a deadline that has passed stays: {:?}", self.connection));
        }
        Ok(())
    }

    /// What holds when a session has ended.
    pub(super) fn check_ended(&self) -> Result<(), String> {
        if !self.transfers.iter().all(|transfer| transfer.aborted) {
            return Err("finished while a transfer runs".to_string());
        }
        if let Some(socket) = self.sockets.first() {
            return Err(format!("finished, and {:?} was never dropped", socket.link));
        }
        if self.watched.is_some() || !self.dialled.is_empty() {
            return Err("finished, and a link still waits".to_string());
        }
        let begins_at_once = !self.is_balanced;
        if self.closed != self.opened || self.opened > 1 || (begins_at_once && self.opened == 0) {
            let (opened, closed) = (self.opened, self.closed);
            return Err(format!(
                "the log was told {opened} times of the session's begin, {closed} of its end"
            ));
        }
        if self.connection.wants_input() || !self.connection.transmit().is_empty() {
            return Err(format!("finished, and not silent: {:?}", self.connection));
        }
        self.control.check_ended()
    }

    /// Takes up to `count` bytes of the server.
    pub(super) fn read_replies(&mut self, now: Now, mut count: usize) -> Result<(), String> {
        if self.broken || self.control.manner == Manner::NeverReads {
            let waits = self.connection.transmit().len();
            self.control.faults.met_if(waits > 0 && !self.broken, Fault::NeverReads);
            return if waits > MOST_UNREAD { Err(format!("{waits} bytes of replies wait")) } else { Ok(()) };
        }
        while count > 0 && !self.connection.transmit().is_empty() {
            let shown = self.connection.transmit().to_vec();
            if shown.len() > MOST_UNREAD {
                return Err(format!("{} bytes of replies wait", shown.len()));
            }
            self.control.check_cuts(&shown)?;
            let taken = shown.len().min(count);
            self.control.faults.met_if(taken < shown.len(), Fault::ShortWrite);
            count -= taken;
            self.connection.transmitted(now, taken);
            self.control.take(shown.get(..taken).unwrap_or_default())?;
        }
        Ok(())
    }
}
