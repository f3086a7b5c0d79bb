//! The other side: a small FTP client as a pure state machine, for tests and for whoever wants to know whether a server
//! works. Bytes of the control connection, events and time go in; bytes and actions come out. It opens no socket and
//! knows no TLS: the driver does both, and hands in what came out of TLS.
//!
//! # The contract
//!
//! 1. [`Client::new`] waits for the greeting; that is the first step. Each later one is given by
//!    [`begin`](Client::begin), and each ends with exactly one [`Action::Finished`].
//! 2. News goes in by [`receive`](Client::receive), [`handle`](Client::handle) and
//!    [`handle_timeout`](Client::handle_timeout), in any order; none can fail.
//! 3. Work comes out by [`poll_action`](Client::poll_action), [`transmit`](Client::transmit) and
//!    [`deadline`](Client::deadline): poll actions until `None`, write, sleep until the deadline. While a step goes on
//!    there is a deadline.
//! 4. Whatever the server sends is bounded: lines and replies by [`reply`], data by [`Patience::most_data`].

mod exchange;
pub mod reply;
#[cfg(test)]
mod tests;
mod transfer;

pub use reply::{Reply, ReplyError};
pub use transfer::{DataStage, Transfer, TransferReport, Way, Work};

use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use exchange::Exchange;
use reply::ReplyReader;
use transfer::Running;

/// How long the client waits, and for how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a reply, the greeting among them, and for a TLS handshake. Default 15 s.
    pub reply: Duration,
    /// For a data connection to come up. Default 10 s.
    pub connect: Duration,
    /// For a transfer's bytes and for the reply behind them. Default 60 s.
    pub transfer: Duration,
    /// The most bytes of a listing or download. Default 1 MiB.
    pub most_data: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            reply: Duration::from_secs(15),
            connect: Duration::from_secs(10),
            transfer: Duration::from_secs(60),
            most_data: 1 << 20,
        }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// AUTH TLS (RFC 4217) and the handshake.
    Secure,
    /// PBSZ 0 and PROT P: data connections under TLS from here on.
    ProtectData,
    /// USER, and PASS if it is asked for.
    Login {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// FEAT (RFC 2389).
    Features,
    /// SYST.
    System,
    /// PWD.
    Directory,
    /// TYPE I.
    Binary,
    /// A listing, an upload or a download.
    Transfer(Transfer),
    /// DELE.
    Delete(String),
    /// QUIT.
    Quit,
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin TLS on the control connection; answered by [`Event::Secured`] or [`Event::SecureFailed`]. What was
    /// received after the last [`Client::receive`] belongs to the handshake.
    StartTls,
    /// Connect to this address; answered by [`Event::DataOpened`] or [`Event::DataFailed`].
    OpenData(SocketAddr),
    /// Begin TLS on the data connection and resume the control connection's session; answered by
    /// [`Event::DataSecured`] or [`Event::DataFailed`].
    SecureData,
    /// Write this, then close (under TLS with close_notify); answered by [`Event::DataSent`] or
    /// [`Event::DataFailed`].
    SendData(Vec<u8>),
    /// Read to the end; answered by [`Event::Data`] any number of times, then [`Event::DataEnded`] or
    /// [`Event::DataFailed`].
    ReceiveData,
    /// Close the data connection, or give up opening it.
    DropData,
    /// The step is over.
    Finished(Box<Report>),
}

/// What happened outside. A stale one is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake on the control connection is done.
    Secured,
    /// It failed; why, in a few words.
    SecureFailed(String),
    /// The server closed the control connection, or it broke.
    Closed,
    /// The data connection is there.
    DataOpened,
    /// The handshake on the data connection is done.
    DataSecured,
    /// Bytes of the data connection.
    Data(Vec<u8>),
    /// The server ended the data connection properly, under TLS with close_notify.
    DataEnded,
    /// All was written and the data connection closed.
    DataSent,
    /// The data connection failed.
    DataFailed(DataError),
}

/// Why a data connection failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// Nobody listens there (RST), or a firewall says so.
    #[error("refused")]
    Refused,
    /// No answer.
    #[error("no answer")]
    TimedOut,
    /// No way there.
    #[error("unreachable")]
    Unreachable,
    /// It broke.
    #[error("reset")]
    Reset,
    /// It ended without close_notify.
    #[error("cut off")]
    CutOff,
    /// TLS failed; why.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// More bytes than [`Patience::most_data`].
    #[error("too many bytes")]
    TooMuch,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The server's last word if all went well.
    pub result: Result<Reply, Failure>,
    /// How far a transfer came, well or not.
    pub transfer: Option<TransferReport>,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server said no.
    #[error("{command}: {reply}")]
    Refused {
        /// To which command; "greeting" at the beginning.
        command: &'static str,
        /// What it said.
        reply: Reply,
    },
    /// 227 or 229 names no address, or another family's.
    #[error("{command}: no address in \"{reply}\"")]
    NoAddress {
        /// PASV or EPSV.
        command: &'static str,
        /// What it said.
        reply: Reply,
    },
    /// What came is no reply.
    #[error("{0}")]
    Malformed(ReplyError),
    /// Nothing came in time.
    #[error("no answer to {0}")]
    TimedOut(&'static str),
    /// The control connection is gone.
    #[error("the control connection was closed during {0}")]
    Closed(&'static str),
    /// TLS on the control connection failed; why.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// Bytes in the clear came behind the reply to AUTH: somebody on the way may have put them there.
    #[error("bytes in the clear behind the reply to AUTH TLS")]
    Injected,
    /// The data connection failed.
    #[error("data connection: {1}")]
    Data(DataStage, DataError),
    /// A name or password that can't be sent: a line end in it.
    #[error("a line end in an argument")]
    BadArgument,
}

/// What goes on.
#[derive(Debug)]
enum State {
    Greeting,
    Idle,
    Talking(Exchange),
    /// The handshake of the control connection, and the reply to AUTH.
    Securing(Reply),
    Transferring(Box<Running>),
    Ended,
}

/// One control connection, from the client's side. The [module](self) has the contract.
#[derive(Debug)]
pub struct Client {
    /// The server's address as it was dialled.
    server: SocketAddr,
    patience: Patience,
    state: State,
    reader: ReplyReader,
    outgoing: Vec<u8>,
    actions: VecDeque<Action>,
    deadline: Option<Instant>,
    /// Data connections are under TLS.
    protected: bool,
}

impl Client {
    /// A control connection to this address. Under implicit TLS the driver has done the handshake.
    pub fn new(now: Instant, server: SocketAddr, patience: Patience) -> Self {
        Self {
            server,
            patience,
            state: State::Greeting,
            reader: ReplyReader::default(),
            outgoing: Vec::new(),
            actions: VecDeque::new(),
            deadline: Some(now + patience.reply),
            protected: false,
        }
    }

    /// Begins a step. `false`: one is going on, and nothing was begun.
    pub fn begin(&mut self, now: Instant, step: Step) -> bool {
        match self.state {
            State::Idle => {}
            State::Ended => {
                self.actions.push_back(finished(Err(Failure::Closed("an earlier step"))));
                return true;
            }
            _ => return false,
        }
        match step {
            Step::Transfer(transfer) => self.begin_transfer(now, transfer),
            step => match Exchange::of(step) {
                Some(exchange) => self.talk(now, exchange),
                None => self.actions.push_back(finished(Err(Failure::BadArgument))),
            },
        }
        true
    }

    /// Bytes of the control connection; under TLS what came out of it.
    pub fn receive(&mut self, now: Instant, mut bytes: &[u8]) {
        while !matches!(self.state, State::Ended) {
            match self.reader.read(&mut bytes) {
                Some(Ok(reply)) => self.reply(now, reply, !bytes.is_empty()),
                Some(Err(error)) => self.end(Failure::Malformed(error)),
                None => return,
            }
        }
    }

    /// Something happened outside.
    pub fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Closed => {
                let during = self.doing();
                self.end(Failure::Closed(during));
            }
            Event::Secured => match core::mem::replace(&mut self.state, State::Idle) {
                State::Securing(reply) => self.finish(Ok(reply)),
                other => self.state = other,
            },
            Event::SecureFailed(why) => {
                if matches!(self.state, State::Securing(_)) {
                    self.end(Failure::Tls(why));
                }
            }
            event => self.transfer(|running, client| running.handle(now, event, client)),
        }
    }

    /// The deadline has passed (calling it early does no harm).
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        if matches!(self.state, State::Transferring(_)) {
            self.transfer(|running, client| running.handle_timeout(now, client));
        } else {
            let waited_for = self.doing();
            self.end(Failure::TimedOut(waited_for));
        }
    }

    /// What waits to be written to the control connection.
    pub fn transmit(&self) -> &[u8] {
        &self.outgoing
    }

    /// This many bytes of it were written.
    pub fn transmitted(&mut self, len: usize) {
        self.outgoing.drain(..len.min(self.outgoing.len()));
    }

    /// The next thing to do; poll until `None` before sleeping.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The control connection is of no more use: every further step fails.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn talk(&mut self, now: Instant, exchange: Exchange) {
        self.say(now, exchange.line());
        self.state = State::Talking(exchange);
    }

    fn say(&mut self, now: Instant, line: &str) {
        self.outgoing.extend_from_slice(line.as_bytes());
        self.outgoing.extend_from_slice(b"\r\n");
        self.deadline = Some(now + self.patience.reply);
    }

    fn begin_transfer(&mut self, now: Instant, transfer: Transfer) {
        match Running::new(transfer) {
            Some(running) => {
                self.say(now, running.opening());
                self.state = State::Transferring(Box::new(running));
            }
            None => self.actions.push_back(finished(Err(Failure::BadArgument))),
        }
    }

    fn reply(&mut self, now: Instant, reply: Reply, more_follows: bool) {
        match core::mem::replace(&mut self.state, State::Idle) {
            // 120: the service comes in some minutes (RFC 959 section 5.4).
            State::Greeting if reply.is_preliminary() => self.state = State::Greeting,
            State::Greeting if reply.is_success() => self.finish(Ok(reply)),
            State::Greeting => self.fail(Failure::Refused { command: "greeting", reply }),
            State::Talking(exchange) if reply.is_preliminary() => self.state = State::Talking(exchange),
            State::Talking(exchange) => self.answered(now, exchange, reply, more_follows),
            State::Transferring(running) => {
                self.state = State::Transferring(running);
                self.transfer(|running, client| running.reply(now, reply, client));
            }
            // Nothing was asked: only a goodbye matters.
            State::Idle if reply.code == 421 => self.state = State::Ended,
            State::Idle => {}
            // The handshake's bytes are none of ours; what looks like a reply was sent in the clear.
            State::Securing(_) => self.fail(Failure::Injected),
            State::Ended => self.state = State::Ended,
        }
    }

    fn answered(&mut self, now: Instant, mut exchange: Exchange, reply: Reply, more_follows: bool) {
        let command = exchange.command();
        match exchange.answer(&reply) {
            exchange::Next::Refused => {
                let over = reply.code == 421;
                let failure = Failure::Refused { command, reply };
                if over {
                    self.fail(failure);
                } else {
                    self.finish(Err(failure));
                }
            }
            exchange::Next::Go => self.talk(now, exchange),
            exchange::Next::Secure if more_follows => self.fail(Failure::Injected),
            exchange::Next::Secure => {
                self.deadline = Some(now + self.patience.reply);
                self.actions.push_back(Action::StartTls);
                self.state = State::Securing(reply);
            }
            exchange::Next::Done => {
                self.protected |= exchange.protects();
                self.finish(Ok(reply));
                if exchange.ends() {
                    self.state = State::Ended;
                }
            }
        }
    }

    /// Lets the running transfer do something; when it is over, the client is free again.
    fn transfer(&mut self, turn: impl FnOnce(&mut Running, &mut Self)) {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Transferring(mut running) => {
                turn(&mut running, self);
                let Some(result) = running.take_result() else {
                    self.state = State::Transferring(running);
                    return;
                };
                let said_goodbye =
                    matches!(&result, Err(Failure::Refused { reply, .. }) if reply.code == 421);
                let over = said_goodbye || running.is_silent();
                if running.holds_data() {
                    self.actions.push_back(Action::DropData);
                }
                self.deadline = None;
                let transfer = Some(running.report());
                self.actions.push_back(Action::Finished(Box::new(Report { result, transfer })));
                self.state = if over { State::Ended } else { State::Idle };
            }
            other => self.state = other,
        }
    }

    fn finish(&mut self, result: Result<Reply, Failure>) {
        self.deadline = None;
        self.actions.push_back(finished(result));
    }

    /// The step ends badly, and the control connection with it.
    fn fail(&mut self, failure: Failure) {
        self.finish(Err(failure));
        self.state = State::Ended;
    }

    /// The end of the control connection, and of the step that was going on.
    fn end(&mut self, failure: Failure) {
        self.deadline = None;
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Idle | State::Ended => {}
            State::Greeting | State::Talking(_) | State::Securing(_) => self.fail(failure),
            State::Transferring(running) => {
                if running.holds_data() {
                    self.actions.push_back(Action::DropData);
                }
                let transfer = Some(running.report());
                let report = Report { result: Err(failure), transfer };
                self.actions.push_back(Action::Finished(Box::new(report)));
            }
        }
    }

    /// What is going on, in a word.
    fn doing(&self) -> &'static str {
        match &self.state {
            State::Greeting => "the greeting",
            State::Idle | State::Ended => "nothing",
            State::Talking(exchange) => exchange.command(),
            State::Securing(_) => "the TLS handshake",
            State::Transferring(running) => running.waits_for(),
        }
    }
}

fn finished(result: Result<Reply, Failure>) -> Action {
    Action::Finished(Box::new(Report { result, transfer: None }))
}
