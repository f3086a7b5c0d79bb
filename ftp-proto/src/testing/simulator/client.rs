//! One client of the simulated world, and what must hold for its session.

use crate::Connection;
use crate::event::{Job, LinkId, SessionId, Ticket, TransferId};
use crate::notice::TransferRecord;
use crate::testing::MemoryStorage;
use crate::time::Now;
use crate::transfer::Pipe;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Replies never pile up beyond this, however little the client reads.
const MOST_UNREAD: usize = 128 * 1024;

/// One client and the adapter's half of its session.
pub(super) struct Client {
    pub(super) id: SessionId,
    pub(super) connection: Box<Connection>,
    pub(super) peer: SocketAddr,
    /// Sent by the client and not yet received.
    pub(super) to_server: VecDeque<u8>,
    pub(super) commands_left: usize,
    /// Commands whose line is complete on the server's side, and final replies that came.
    pub(super) received: usize,
    pub(super) answered: usize,
    pub(super) saw_421: bool,
    /// 221 came.
    pub(super) said_goodbye: bool,
    /// The client has closed the control connection.
    pub(super) gone: bool,
    /// How often the log was told that the session has ended.
    pub(super) closed: usize,
    pub(super) reply: Vec<u8>,
    pub(super) in_block: Option<Vec<u8>>,
    pub(super) announced: Option<u16>,
    pub(super) watched: Option<(LinkId, u16)>,
    pub(super) sockets: Vec<LinkId>,
    pub(super) dialled: Vec<LinkId>,
    pub(super) jobs: Vec<(Ticket, Job)>,
    pub(super) transfers: Vec<Transfer>,
    pub(super) finished: BTreeMap<u32, Vec<u8>>,
    pub(super) ended: Vec<(TransferId, Vec<u8>)>,
}

/// A transfer in the adapter's hands.
pub(super) struct Transfer {
    pub(super) id: TransferId,
    pub(super) link: LinkId,
    pub(super) pipe: Box<Pipe>,
    /// What crossed the socket.
    pub(super) bytes: Vec<u8>,
    /// What the client still has to send.
    pub(super) to_send: VecDeque<u8>,
    pub(super) aborted: bool,
}

/// What a complete transfer brought is what the storage holds.
pub(super) fn check_transfer(
    client: &mut Client,
    record: &TransferRecord,
    storage: &MemoryStorage,
) -> Result<(), String> {
    let Some((_, bytes)) = client.ended.pop() else {
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
    let stored = storage.contents(record.path.as_bytes()).unwrap_or_default();
    let right = match record.verb {
        "RETR" => stored.ends_with(&bytes),
        // Its name was never used before.
        "STOR" => stored == bytes || stored.len() > bytes.len(),
        _ => true,
    };
    if right { Ok(()) } else { Err(format!("{} {}: the bytes differ", record.verb, record.path)) }
}

impl Client {
    pub(super) fn new(id: SessionId, connection: Box<Connection>, peer: SocketAddr, commands: usize) -> Self {
        Self {
            id,
            connection,
            peer,
            to_server: b"USER u\r\nPASS p\r\n".iter().copied().collect(),
            commands_left: commands,
            received: 0,
            answered: 0,
            saw_421: false,
            said_goodbye: false,
            gone: false,
            closed: 0,
            reply: Vec::new(),
            in_block: None,
            announced: None,
            watched: None,
            sockets: Vec::new(),
            dialled: Vec::new(),
            jobs: Vec::new(),
            transfers: Vec::new(),
            finished: BTreeMap::new(),
            ended: Vec::new(),
        }
    }

    /// What holds while a session lives.
    pub(super) fn check_alive(&self) -> Result<(), String> {
        if self.connection.deadline().is_none() {
            return Err(format!("alive without a deadline: {:?}", self.connection));
        }
        if self.gone && self.connection.wants_input() {
            return Err(format!("reads from a client that is gone: {:?}", self.connection));
        }
        Ok(())
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
        if self.closed != 1 {
            return Err(format!("the log was told {} times that the session has ended", self.closed));
        }
        if self.connection.wants_input() || !self.connection.transmit().is_empty() {
            return Err(format!("finished, and not silent: {:?}", self.connection));
        }
        // QUIT is the last that a client says.
        if self.said_goodbye && !self.saw_421 && self.answered != self.received {
            return Err(format!("{} replies to {} commands before 221", self.answered, self.received));
        }
        Ok(())
    }

    /// Takes up to `count` bytes of replies and checks how they are cut into writes.
    pub(super) fn read_replies(&mut self, now: Now, mut count: usize) -> Result<(), String> {
        while count > 0 && !self.connection.transmit().is_empty() {
            let shown = self.connection.transmit().to_vec();
            if shown.len() > MOST_UNREAD {
                return Err(format!("{} bytes of replies wait", shown.len()));
            }
            let lines: Vec<&[u8]> = shown.split_inclusive(|&byte| byte == b'\n').collect();
            // The first may be the rest of a line, which begins with any number it likes.
            let begun = usize::from(!self.reply.is_empty());
            let passive = |line: &&[u8]| line.starts_with(b"227 ") || line.starts_with(b"229 ");
            if lines.len() > 1 && lines.iter().skip(begun).any(passive) {
                return Err(format!("not alone in its write: {}", String::from_utf8_lossy(&shown)));
            }
            let taken = shown.len().min(count);
            count -= taken;
            self.connection.transmitted(now, taken);
            for &byte in shown.get(..taken).unwrap_or_default() {
                self.reply.push(byte);
                if byte == b'\n' {
                    let line = core::mem::take(&mut self.reply);
                    self.reply_line(&line)?;
                }
            }
        }
        Ok(())
    }

    fn reply_line(&mut self, line: &[u8]) -> Result<(), String> {
        if !line.ends_with(b"\r\n") || line.iter().filter(|&&byte| matches!(byte, b'\r' | b'\n')).count() != 2
        {
            return Err(format!("bare line end in a reply: {:?}", String::from_utf8_lossy(line)));
        }
        let (Some(code), Some(&mark)) = (line.get(..3), line.get(3)) else {
            return Err("a short reply".to_string());
        };
        if let Some(open) = &self.in_block {
            if code == open.as_slice() && mark == b' ' {
                self.in_block = None;
                self.final_reply(line);
            } else if line.first() != Some(&b' ') {
                return Err(format!("a line in a block: {}", String::from_utf8_lossy(line)));
            }
            return Ok(());
        }
        match (code, mark) {
            ([b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'], b'-') => self.in_block = Some(code.to_vec()),
            ([b'1', ..], b' ') => {}
            ([b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'], b' ') => self.final_reply(line),
            _ => return Err(format!("not a reply: {}", String::from_utf8_lossy(line))),
        }
        if self.answered > self.received && !self.saw_421 {
            return Err(format!("{} replies to {} commands", self.answered, self.received));
        }
        Ok(())
    }

    fn final_reply(&mut self, line: &[u8]) {
        if line.starts_with(b"220 Welcome.") {
            return;
        }
        if line.starts_with(b"421 ") {
            self.saw_421 = true;
            return;
        }
        self.said_goodbye |= line.starts_with(b"221 ");
        self.answered += 1;
        let text = String::from_utf8_lossy(line);
        if let Some(numbers) =
            text.strip_prefix("227 Entering Passive Mode (").and_then(|rest| rest.split_once(')'))
        {
            let fields: Vec<u16> = numbers.0.split(',').filter_map(|field| field.parse().ok()).collect();
            if let [_, _, _, _, high, low] = fields.as_slice() {
                self.announced = Some(high * 256 + low);
            }
        }
        if let Some(rest) = text.strip_prefix("229 Entering Extended Passive Mode (|||") {
            self.announced = rest.split('|').next().and_then(|port| port.parse().ok());
        }
    }
}
