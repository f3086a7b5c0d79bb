//! What the client hears: replies in the clear or under TLS, which command each answers, and what changes with them.

use super::{Control, Parameters, Style};
use crate::testing::simulator::faults::Fault;
use crate::testing::simulator::sent::{Parameter, Sent, What};
use crate::testing::{FakeHello, FakeTlsClient};
use crate::tls::TlsStatus;
use crate::transfer::Coding;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Control {
    /// Bytes of the server.
    pub(in crate::testing::simulator) fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut bytes = bytes.to_vec();
        while !bytes.is_empty() && !self.spoilt {
            let Some(tls) = &mut self.tls else {
                let len = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
                let rest = bytes.split_off(len);
                self.read(&bytes)?;
                bytes = rest;
                continue;
            };
            let plain = tls.receive(&bytes).map_err(|error| {
                format!("no TLS from the server: {error}: {:?}", String::from_utf8_lossy(&bytes))
            })?;
            bytes = tls.take_rest();
            let has_ended = tls.status() == TlsStatus::Closed;
            self.tickets.extend(tls.take_tickets().into_iter().map(|ticket| (ticket, false)));
            self.flush_tls();
            for line in plain.split_inclusive(|&byte| byte == b'\n') {
                if self.leaving {
                    return Err(format!("behind the end of TLS: {:?}", String::from_utf8_lossy(line)));
                }
                self.read(line)?;
            }
            if has_ended && self.leaving {
                (self.tls, self.leaving) = (None, false);
            } else if has_ended && !bytes.is_empty() {
                return Err(format!("plain text under TLS: {:?}", String::from_utf8_lossy(&bytes)));
            }
        }
        self.say_unsaid();
        Ok(())
    }

    fn read(&mut self, plain: &[u8]) -> Result<(), String> {
        for &byte in plain {
            let Some(byte) = self.telnet.text(byte)? else { continue };
            self.reply.push(byte);
            if byte == b'\n' {
                let line = core::mem::take(&mut self.reply);
                self.reply_line(&line)?;
            }
        }
        Ok(())
    }

    /// How the server cuts its replies into writes; under TLS nobody else sees them.
    pub(in crate::testing::simulator) fn check_cuts(&self, shown: &[u8]) -> Result<(), String> {
        if self.tls.is_some() {
            return Ok(());
        }
        let lines: Vec<&[u8]> = shown.split_inclusive(|&byte| byte == b'\n').collect();
        // The first may be the rest of a line, which begins with any number it likes.
        let begun = usize::from(!self.reply.is_empty());
        let passive = |line: &&[u8]| line.starts_with(b"227 ") || line.starts_with(b"229 ");
        if lines.len() > 1 && lines.iter().skip(begun).any(passive) {
            return Err(format!("not alone in its write: {}", String::from_utf8_lossy(shown)));
        }
        Ok(())
    }

    fn reply_line(&mut self, line: &[u8]) -> Result<(), String> {
        if !line.ends_with(b"\r\n") || line.iter().filter(|&&byte| matches!(byte, b'\r' | b'\n')).count() != 2
        {
            return Err(format!("bare line end in a reply: {:?}", String::from_utf8_lossy(line)));
        }
        // Between the parts of a listing.
        if self.in_block.is_some() && line == b" \r\n" {
            return Ok(());
        }
        let (Some(code), Some(&mark)) = (line.get(..3), line.get(3)) else {
            return Err(format!("a short reply: {:?}", String::from_utf8_lossy(line)));
        };
        if let Some(open) = &self.in_block {
            if code == open.as_slice() && mark == b' ' {
                self.in_block = None;
                self.final_reply(line)?;
            } else if line.first() != Some(&b' ') {
                return Err(format!("a line in a block: {}", String::from_utf8_lossy(line)));
            }
            return Ok(());
        }
        if matches!(code, b"150" | b"227" | b"228" | b"229" | b"257") && !self.logged_in {
            return Err(format!("without a login: {}", String::from_utf8_lossy(line)));
        }
        match (code, mark) {
            ([b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'], b'-') => self.in_block = Some(code.to_vec()),
            ([b'1', ..], b' ') => self.saw_preliminary = true,
            ([b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'], b' ') => self.final_reply(line)?,
            _ => return Err(format!("not a reply: {}", String::from_utf8_lossy(line))),
        }
        self.check_count()
    }

    /// No more final replies than commands, at any time.
    pub(in crate::testing::simulator) fn check_count(&self) -> Result<(), String> {
        if self.answered > self.received && !self.saw_421 {
            return Err(format!("{} replies to {} commands", self.answered, self.received));
        }
        Ok(())
    }

    /// QUIT is the last that a client says.
    pub(in crate::testing::simulator) fn check_ended(&self) -> Result<(), String> {
        if self.said_goodbye && !self.saw_421 && self.answered != self.received {
            return Err(format!("{} replies to {} commands before 221", self.answered, self.received));
        }
        Ok(())
    }

    /// Whether transfers go under TLS from now on; `None`: what the client has sent may change it.
    pub(in crate::testing::simulator) fn protects_data(&self) -> Option<bool> {
        let changes = |sent: &Sent| matches!(sent.what, What::Auth { .. } | What::Prot { .. } | What::Rein);
        (!self.outstanding.iter().any(changes)).then_some(self.private)
    }

    /// By what the next upload is done; `None`: what the client has sent may change it.
    pub(in crate::testing::simulator) fn parameters(&self) -> Option<Parameters> {
        let changes = |sent: &Sent| matches!(sent.what, What::Auth { .. } | What::Parameter(_) | What::Rein);
        let Coding { kind, structure, mode, .. } = self.coding;
        let parameters = (kind, structure, core::mem::discriminant(&mode));
        (!self.outstanding.iter().any(changes)).then_some(parameters)
    }

    pub(in crate::testing::simulator) fn asks_for_parts(&self) -> bool {
        self.asks_for_parts
    }

    /// The command that a final reply is for. As a rule it is the first; while that takes long, others may be answered
    /// before it. Before the reply to a long job something has to say that it goes on then: no client expects another one
    /// first.
    fn answered_command(&mut self, code: u16, line: &[u8]) -> Result<Option<Sent>, String> {
        let Some(&first) = self.outstanding.front() else { return Ok(None) };
        let overtakes = |sent: &Sent| sent.may_overtake() && sent.may_be_answered(code);
        let is_noop = line == b"200 Yes.\r\n" && first.what != What::Noop;
        if first.may_be_answered(code) && !(is_noop && first.may_be_overtaken()) {
            self.saw_preliminary = false;
            return Ok(self.outstanding.pop_front());
        }
        let place = self.outstanding.iter().position(overtakes).filter(|_| first.may_be_overtaken());
        let Some(place) = place else {
            let line = String::from_utf8_lossy(line);
            return Err(format!("no reply to {first:?} or what else waits for one: {line}"));
        };
        if first.what == What::Long {
            if !self.saw_preliminary {
                return Err("a command was answered before a long job, of which nothing is known".to_string());
            }
            self.overtaken += 1;
        }
        Ok(self.outstanding.remove(place))
    }

    fn final_reply(&mut self, line: &[u8]) -> Result<(), String> {
        if line.starts_with(b"220 Welcome.") {
            return Ok(());
        }
        if line.starts_with(b"421 ") {
            self.saw_421 = true;
            return Ok(());
        }
        self.answered += 1;
        let code = line.get(..3).and_then(|code| core::str::from_utf8(code).ok()?.parse().ok()).unwrap_or(0);
        self.faults.met_if(line.starts_with(b"450 Too much else"), Fault::LongJobGivesUp);
        let what = match self.answered_command(code, line)?.map(|sent| sent.what) {
            // A command that was written in another way.
            Some(What::Other) | None => What::of_reply(line),
            Some(what) => what,
        };
        if tells_why(line) {
            self.told.push(String::from_utf8_lossy(line).into_owned());
        }
        match (what, line.get(..3).unwrap_or_default()) {
            (What::Auth { private }, b"234") => {
                self.private = private;
                self.forbidden.append(&mut self.injected);
                // What stands behind AUTH in the clear is no command; what has not come yet is no TLS.
                (self.received, self.spoilt) = (self.answered, !self.to_server.is_empty());
                self.ends.clear();
                self.outstanding.clear();
                self.begin_tls();
            }
            (What::Auth { .. }, _) => {
                self.injected.clear();
                if self.style == Style::Explicit && !self.logged_in {
                    self.log_in();
                }
            }
            (What::Prot { private }, b"200") => self.private = private,
            (What::Ccc, b"200") => self.leave_tls(),
            (What::Rein, b"220") => {
                self.private = self.style == Style::Implicit;
                self.logged_in = false;
                self.has_habit = false;
                self.coding = Coding::default();
                if self.style != Style::Implicit {
                    self.leave_tls();
                }
            }
            (_, b"221") => self.said_goodbye = true,
            (_, b"230" | b"232") => self.logged_in = true,
            (_, b"331") => self.logged_in = false,
            (_, b"227" | b"228" | b"229") => {
                self.announced = announced(line);
                if self.is_rewritten && self.is_clear() {
                    self.announced = self.announced.map(|port| port ^ 1);
                    self.faults.met(Fault::PassiveRewritten);
                }
            }
            (What::Parameter(parameter), b"200") => match parameter {
                Parameter::Kind(kind) => self.coding.kind = kind,
                Parameter::Structure(structure) => self.coding.structure = structure,
                Parameter::Mode(mode) => self.coding.mode = mode,
            },
            _ => {}
        }
        Ok(())
    }

    pub(super) fn begin_tls(&mut self) {
        self.logged_in = false;
        self.has_habit = false;
        self.tickets.clear();
        self.coding = Coding::default();
        let hello = FakeHello { version: self.version, ..FakeHello::default() };
        self.tls = Some(FakeTlsClient::new(hello));
        self.flush_tls();
        self.unsaid.clear();
        if self.is_forgetful {
            self.unsaid.extend([b"PWD".to_vec(), b"PASV".to_vec()]);
        }
        self.log_in();
    }

    fn leave_tls(&mut self) {
        let Some(tls) = self.tls.as_mut().filter(|_| !self.leaving) else { return };
        if self.closes_tls {
            tls.close_notify();
        }
        self.flush_tls();
        self.leaving = true;
    }
}

/// Whether a reply tells why a data connection failed; others of these codes tell of something else.
fn tells_why(line: &[u8]) -> bool {
    const OTHERS: [&[u8]; 5] = [
        b"425 Use PASV",
        b"425 There is no data connection",
        b"425 PASV can't",
        b"426 Transfer aborted",
        b"426 Aborted",
    ];
    let is_one = line.starts_with(b"425 ") || line.starts_with(b"426 ");
    is_one && !OTHERS.iter().any(|other| line.starts_with(other))
}

/// The port in a 227 or 229.
fn announced(line: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(line);
    if let Some(rest) = text.strip_prefix("229 Entering Extended Passive Mode (|||") {
        return rest.split('|').next().and_then(|port| port.parse().ok());
    }
    if let Some(rest) = text.strip_prefix("228 Entering Long Passive Mode (") {
        let fields: Vec<u16> =
            rest.split(')').next()?.split(',').filter_map(|field| field.parse().ok()).collect();
        return if let [.., high, low] = fields.as_slice() { Some(high * 256 + low) } else { None };
    }
    let numbers = text.strip_prefix("227 Entering Passive Mode (")?.split_once(')')?.0;
    let fields: Vec<u16> = numbers.split(',').filter_map(|field| field.parse().ok()).collect();
    if let [_, _, _, _, high, low] = fields.as_slice() { Some(high * 256 + low) } else { None }
}
