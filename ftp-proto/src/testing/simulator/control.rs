//! The client's end of a control connection: lines on their way to the server, replies on their way back, in the clear
//! or under TLS, and what must hold for them.

use super::choices::{Choices, HELLOS};
use super::faults::{Fault, Faults, Place};
use super::sent::{Parameter, Sent, What};
use crate::testing::telnet::Telnet;
use crate::testing::{FakeHello, FakeTlsClient};
use crate::time::Instant;
use crate::tls::{TlsStatus, TlsVersion};
use crate::transfer::{Coding, Kind, Mode, Structure};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem::Discriminant;
use core::time::Duration;

/// What a client does about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Nothing, at first.
    Clear,
    /// AUTH before anything else.
    Explicit,
    /// TLS before anything else.
    Implicit,
}

/// How a client keeps to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Proper,
    /// It reads nothing.
    NeverReads,
    /// It says nothing.
    NeverSpeaks,
    /// It sends one byte a minute.
    Trickles,
}

impl Manner {
    fn any(choices: &mut Choices<'_>) -> Self {
        match choices.below(64) {
            1 => Self::NeverReads,
            2 => Self::NeverSpeaks,
            3 => Self::Trickles,
            _ => Self::Proper,
        }
    }
}

/// TYPE, STRU and MODE, the latter without its level.
pub(super) type Parameters = (Kind, Structure, Discriminant<Mode>);

pub(super) struct Control {
    style: Style,
    pub(super) manner: Manner,
    /// When it sent its last byte, if it trickles.
    sent_at: Option<Instant>,
    /// Somebody on the way changes ports in replies.
    is_rewritten: bool,
    /// What went wrong on it.
    pub(super) faults: Faults,
    /// Replies that told why a data connection failed.
    pub(super) told: Vec<String>,
    /// The client has said its last word, and closes its side when all of it has arrived.
    pub(super) is_closing: bool,
    /// It says close_notify when it leaves TLS.
    closes_tls: bool,
    /// It does not wait for the reply to CCC or REIN.
    is_hasty: bool,
    /// Under TLS it goes on as if it were still logged in.
    is_forgetful: bool,
    version: TlsVersion,
    tls: Option<FakeTlsClient>,
    /// The server has left TLS, so what the client says is in the clear.
    leaving: bool,
    /// What was sent under TLS, or instead of it, is wrong: only an end may follow.
    pub(super) spoilt: bool,
    /// On its way to the server; and how much was sent and received there in all.
    to_server: VecDeque<u8>,
    sent: usize,
    taken: usize,
    /// Where the commands end that are on their way.
    ends: VecDeque<usize>,
    /// Commands without a final reply, as far as the client has read.
    outstanding: VecDeque<Sent>,
    /// To be said when the client may.
    unsaid: VecDeque<Vec<u8>>,
    /// Commands whose line is complete on the server's side, and final replies that came.
    received: usize,
    pub(super) answered: usize,
    telnet: Telnet,
    reply: Vec<u8>,
    in_block: Option<Vec<u8>>,
    pub(super) saw_421: bool,
    /// 221 came.
    said_goodbye: bool,
    logged_in: bool,
    /// PROT P holds.
    private: bool,
    /// The port of the last 227 or 229.
    pub(super) announced: Option<u16>,
    /// What was put behind an AUTH in the clear: directories that must never be made, once the AUTH is accepted.
    injected: Vec<String>,
    pub(super) forbidden: Vec<String>,
    /// Tickets of this control connection's present TLS, and whether they were used.
    pub(super) tickets: Vec<(Vec<u8>, bool)>,
    /// An upload ended with close_notify since this TLS began.
    pub(super) has_habit: bool,
    /// By what the next transfer is done.
    coding: Coding,
    /// RANG was said.
    asks_for_parts: bool,
    /// A preliminary reply came, and no final one since.
    saw_preliminary: bool,
    /// How many replies came before that of a long job.
    pub(super) overtaken: usize,
}

impl Control {
    /// A client; `header` is what a balancer says first.
    pub(super) fn new(style: Style, header: &[u8], choices: &mut Choices<'_>) -> Self {
        let version = if choices.one_in(3) { TlsVersion::V1_2 } else { TlsVersion::V1_3 };
        let mut control = Self {
            style,
            manner: Manner::any(choices),
            sent_at: None,
            is_rewritten: choices.one_in(16),
            faults: Faults::default(),
            told: Vec::new(),
            is_closing: false,
            closes_tls: !choices.one_in(3),
            is_hasty: choices.one_in(3),
            is_forgetful: choices.one_in(3),
            version,
            tls: None,
            leaving: false,
            spoilt: false,
            to_server: VecDeque::new(),
            sent: 0,
            taken: 0,
            ends: VecDeque::new(),
            outstanding: VecDeque::new(),
            unsaid: VecDeque::new(),
            received: 0,
            answered: 0,
            telnet: Telnet::default(),
            reply: Vec::new(),
            in_block: None,
            saw_421: false,
            said_goodbye: false,
            logged_in: false,
            private: style == Style::Implicit,
            announced: None,
            injected: Vec::new(),
            forbidden: Vec::new(),
            tickets: Vec::new(),
            has_habit: false,
            coding: Coding::default(),
            asks_for_parts: false,
            saw_preliminary: false,
            overtaken: 0,
        };
        control.put(header);
        match style {
            Style::Clear if choices.one_in(24) => {
                let hello = choices.pick(HELLOS).copied().unwrap_or_default();
                hello.split('\n').for_each(|line| control.say(line.as_bytes()));
                control.log_in();
            }
            Style::Clear => control.log_in(),
            Style::Explicit => control.say(b"AUTH TLS"),
            Style::Implicit => control.begin_tls(),
        }
        control
    }

    pub(super) fn version(&self) -> TlsVersion {
        self.version
    }

    fn log_in(&mut self) {
        let mut lines = Vec::from(["USER u", "PASS p"]);
        if self.style == Style::Explicit {
            lines.extend(["PBSZ 0", "PROT P"]);
        }
        self.unsaid.extend(lines.into_iter().map(|line| line.as_bytes().to_vec()));
        self.say_unsaid();
    }

    // What the client says.

    /// Whether the client has to wait before it says anything more.
    pub(super) fn is_waiting(&self) -> bool {
        let blocks = |sent: &Sent| match sent.what {
            What::Auth { .. } => true,
            What::Ccc | What::Rein => !self.is_hasty,
            What::Prot { .. } | What::Parameter(_) | What::Long | What::Noop | What::Other => false,
        };
        self.spoilt || self.is_handshaking() || self.outstanding.iter().any(blocks)
    }

    fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.status() == TlsStatus::Handshaking)
    }

    pub(super) fn say(&mut self, line: &[u8]) {
        self.unsaid.push_back(line.to_vec());
        self.say_unsaid();
    }

    fn say_unsaid(&mut self) {
        while !self.is_waiting()
            && let Some(line) = self.unsaid.pop_front()
        {
            let sent = Sent::of(&line);
            self.asks_for_parts |= line.starts_with(b"RANG");
            let line = [&line, &b"\r\n"[..]].concat();
            if let Some(tls) = self.tls.as_mut().filter(|_| !self.leaving) {
                if tls.send(&line).is_err() {
                    return;
                }
                self.flush_tls();
            } else {
                self.put(&line);
            }
            self.outstanding.push_back(sent);
            self.ends.push_back(self.sent);
            if self.is_hasty && matches!(sent.what, What::Ccc | What::Rein) {
                let next: &[u8] = if self.sent.is_multiple_of(2) { b"NOOP" } else { b"AUTH TLS" };
                self.unsaid.push_front(next.to_vec());
            }
        }
    }

    /// Options of Telnet, which no server has to take.
    pub(super) fn negotiate(&mut self, choices: &mut Choices<'_>) {
        if self.is_waiting() || !self.unsaid.is_empty() {
            return;
        }
        let command = 251 + u8::try_from(choices.below(4)).unwrap_or(0);
        let option = u8::try_from(choices.below(50)).unwrap_or(0);
        if let Some(tls) = self.tls.as_mut().filter(|_| !self.leaving) {
            // Before its hello is answered nothing can be said.
            let _ = tls.send(&[255, command, option]);
            self.flush_tls();
        } else {
            self.put(&[255, command, option]);
        }
    }

    /// Somebody on the way puts a command behind an AUTH, to have it obeyed as if TLS had protected it.
    pub(super) fn inject(&mut self, name: String) {
        let waits = self.outstanding.iter().any(|sent| matches!(sent.what, What::Auth { .. }));
        if !waits || self.tls.is_some() {
            return;
        }
        for line in ["USER u".to_string(), "PASS p".to_string(), format!("MKD {name}")] {
            self.put(line.as_bytes());
            self.put(b"\r\n");
            self.outstanding.push_back(Sent::of(line.as_bytes()));
            self.ends.push_back(self.sent);
        }
        self.injected.push(name);
    }

    /// Bytes that no client should send.
    pub(super) fn spoil(&mut self, choices: &mut Choices<'_>) {
        let Some(tls) = self.tls.as_mut().filter(|_| !self.leaving) else { return };
        match choices.below(4) {
            0 => tls.send_damaged(),
            1 => tls.alert("internal_error"),
            2 if tls.status() == TlsStatus::Established => tls.close_notify(),
            _ => {
                let len = 1 + choices.below(8);
                self.to_server.extend((0..len).map(|_| u8::try_from(choices.below(256)).unwrap_or(0)));
                self.sent += len;
            }
        }
        self.flush_tls();
        self.spoilt = true;
    }

    /// A record of any kind, with any body.
    pub(super) fn send_record(&mut self, kind: u8, body: &[u8]) {
        if self.tls.is_some() && !self.leaving {
            let len = u16::try_from(body.len()).unwrap_or(0).to_be_bytes();
            self.put(&[&[kind, 3, 3], &len[..], body].concat());
            // A change_cipher_spec means nothing.
            self.spoilt |= kind != 20;
        }
    }

    /// The server has to answer by TLS, though nothing is said.
    pub(super) fn update_keys(&mut self) {
        let may = |tls: &&mut FakeTlsClient| tls.status() == TlsStatus::Established;
        if let Some(tls) = self.tls.as_mut().filter(may)
            && !self.leaving
            && !self.spoilt
        {
            tls.update_keys();
            self.flush_tls();
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.to_server.extend(bytes);
        self.sent += bytes.len();
    }

    fn flush_tls(&mut self) {
        if let Some(tls) = &mut self.tls {
            let out = tls.take_outgoing();
            self.put(&out);
        }
    }

    /// The control connection breaks: what was on its way is lost.
    pub(super) fn reset(&mut self) {
        self.to_server.clear();
        self.ends.clear();
    }

    /// It is time to close the client's side.
    pub(super) fn is_drained(&self) -> bool {
        self.is_closing && self.to_server.is_empty()
    }

    /// Nothing more of it arrives for now.
    pub(super) fn stalls(&self) -> bool {
        !matches!(self.manner, Manner::Proper | Manner::NeverReads)
    }

    /// It can be read by whoever is on the way.
    pub(super) fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    /// Where in the conversation it is, if it is anywhere.
    pub(super) fn place(&self) -> Option<Place> {
        match () {
            () if self.is_handshaking() => Some(Place::Handshake),
            () if !self.reply.is_empty() => Some(Place::AmidReply),
            () if self.answered < self.received => Some(Place::Unanswered),
            () => None,
        }
    }

    /// Up to this many bytes reach the server.
    pub(super) fn deliver(&mut self, now: Instant, count: usize) -> Vec<u8> {
        let waits = |at: Instant| now.duration_since(at) < Duration::from_secs(60);
        let most = match self.manner {
            Manner::NeverSpeaks => 0,
            Manner::Trickles if self.sent_at.is_some_and(waits) => 0,
            Manner::Trickles => 1,
            Manner::Proper | Manner::NeverReads => self.to_server.len(),
        };
        let count = count.min(most).min(self.to_server.len());
        self.sent_at = Some(now).filter(|_| count > 0).or(self.sent_at);
        match self.manner {
            Manner::NeverSpeaks => self.faults.met_if(!self.to_server.is_empty(), Fault::NeverSpeaks),
            Manner::Trickles => self.faults.met_if(count > 0, Fault::Trickles),
            _ => self.faults.met_if(count > 0 && count < self.to_server.len(), Fault::ShortRead),
        }
        self.taken += count;
        while self.ends.front().is_some_and(|end| *end <= self.taken) {
            self.ends.pop_front();
            self.received += 1;
        }
        self.to_server.drain(..count).collect()
    }

    // What the client hears.

    /// Bytes of the server.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
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
    pub(super) fn check_cuts(&self, shown: &[u8]) -> Result<(), String> {
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
    pub(super) fn check_count(&self) -> Result<(), String> {
        if self.answered > self.received && !self.saw_421 {
            return Err(format!("{} replies to {} commands", self.answered, self.received));
        }
        Ok(())
    }

    /// QUIT is the last that a client says.
    pub(super) fn check_ended(&self) -> Result<(), String> {
        if self.said_goodbye && !self.saw_421 && self.answered != self.received {
            return Err(format!("{} replies to {} commands before 221", self.answered, self.received));
        }
        Ok(())
    }

    /// Whether transfers go under TLS from now on; `None`: what the client has sent may change it.
    pub(super) fn protects_data(&self) -> Option<bool> {
        let changes = |sent: &Sent| matches!(sent.what, What::Auth { .. } | What::Prot { .. } | What::Rein);
        (!self.outstanding.iter().any(changes)).then_some(self.private)
    }

    /// By what the next upload is done; `None`: what the client has sent may change it.
    pub(super) fn parameters(&self) -> Option<Parameters> {
        let changes = |sent: &Sent| matches!(sent.what, What::Auth { .. } | What::Parameter(_) | What::Rein);
        let Coding { kind, structure, mode, .. } = self.coding;
        let parameters = (kind, structure, core::mem::discriminant(&mode));
        (!self.outstanding.iter().any(changes)).then_some(parameters)
    }

    pub(super) fn asks_for_parts(&self) -> bool {
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

    fn begin_tls(&mut self) {
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
