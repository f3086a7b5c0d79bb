//! The client's end of a control connection: lines on their way to the server, in the clear or under TLS, what is sent
//! instead of them, and, in [`heard`], the replies and what must hold for them.

mod heard;

use super::choices::{Choices, HELLOS};
use super::faults::{Fault, Faults, Place};
use super::sent::{Sent, What};
use crate::testing::FakeTlsClient;
use crate::testing::telnet::Telnet;
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
}
