//! Transfers: announced by 227 or 229, connected to, done, and confirmed by the server.

use super::exchange::join;
use super::reply::Reply;
use super::{Action, Client, DataError, Event, Failure};
use crate::time::Instant;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// How the data connection is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// PASV.
    Passive {
        /// Connect to the address in 227, as RFC 959 has it; else to the one that was dialled, as many clients do.
        believe: bool,
    },
    /// EPSV (RFC 2428), always to the address that was dialled.
    Extended,
}

impl Way {
    /// PASV or EPSV.
    pub fn command(self) -> &'static str {
        match self {
            Self::Passive { .. } => "PASV",
            Self::Extended => "EPSV",
        }
    }
}

/// What is moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// LIST.
    List,
    /// MLSD (RFC 3659).
    MachineList,
    /// RETR of this path.
    Retrieve(String),
    /// STOR of this path with these bytes.
    Store(String, Vec<u8>),
}

/// A transfer to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// How the data connection is made.
    pub way: Way,
    /// What is moved.
    pub work: Work,
}

/// How far a transfer came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferReport {
    /// The reply to PASV or EPSV.
    pub announcement: Option<Reply>,
    /// What 227 named; for 229 the port at the address that was dialled.
    pub announced: Option<SocketAddr>,
    /// What was connected to.
    pub dialled: Option<SocketAddr>,
    /// The data connection came up.
    pub connected: bool,
    /// Under TLS.
    pub secured: bool,
    /// What went wrong with the data connection.
    pub error: Option<(DataStage, DataError)>,
    /// The last reply to the transfer command.
    pub reply: Option<Reply>,
    /// What came.
    pub data: Vec<u8>,
}

/// Where a data connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataStage {
    /// It did not come up.
    Connect,
    /// In the TLS handshake.
    Secure,
    /// While bytes moved.
    Move,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The reply to PASV or EPSV.
    Announcement,
    Connection,
    /// 150, or the refusal.
    Permission,
    Handshake,
    Bytes,
    /// The data connection is over, well or not: the last reply.
    Confirmation,
}

/// A transfer that goes on.
#[derive(Debug)]
pub(super) struct Running {
    way: Way,
    work: Work,
    phase: Phase,
    command: &'static str,
    line: String,
    report: TransferReport,
    result: Option<Result<Reply, Failure>>,
    /// The server has not answered: what it says next can't be told apart from other answers.
    silent: bool,
}

impl Running {
    /// `None`: the path can't be sent.
    pub(super) fn new(transfer: Transfer) -> Option<Self> {
        let (command, path) = match &transfer.work {
            Work::List => ("LIST", ""),
            Work::MachineList => ("MLSD", ""),
            Work::Retrieve(path) => ("RETR", path.as_str()),
            Work::Store(path, _) => ("STOR", path.as_str()),
        };
        let line = (!path.contains(['\r', '\n', '\0'])).then(|| join(command, path))?;
        Some(Self {
            way: transfer.way,
            work: transfer.work,
            phase: Phase::Announcement,
            command,
            line,
            report: TransferReport::default(),
            result: None,
            silent: false,
        })
    }

    /// The first command.
    pub(super) fn opening(&self) -> &'static str {
        self.way.command()
    }

    pub(super) fn take_result(&mut self) -> Option<Result<Reply, Failure>> {
        self.result.take()
    }

    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    pub(super) fn report(self) -> TransferReport {
        self.report
    }

    /// The driver still has a data connection, or opens one.
    pub(super) fn holds_data(&self) -> bool {
        match self.phase {
            Phase::Announcement | Phase::Confirmation => false,
            Phase::Connection | Phase::Permission | Phase::Handshake | Phase::Bytes => {
                self.report.dialled.is_some() && self.report.error.is_none()
            }
        }
    }

    pub(super) fn waits_for(&self) -> &'static str {
        match self.phase {
            Phase::Announcement => self.way.command(),
            Phase::Connection => "the data connection",
            Phase::Permission | Phase::Confirmation => self.command,
            Phase::Handshake => "the TLS handshake of the data connection",
            Phase::Bytes => "the data",
        }
    }

    pub(super) fn reply(&mut self, now: Instant, reply: Reply, client: &mut Client) {
        match self.phase {
            Phase::Announcement if reply.is_preliminary() => {}
            Phase::Announcement => self.announced(now, reply, client),
            // Nothing was asked: a goodbye.
            Phase::Connection => self.refused(reply),
            Phase::Permission | Phase::Handshake | Phase::Bytes | Phase::Confirmation => {
                self.report.reply = Some(reply.clone());
                if reply.is_preliminary() {
                    if self.phase == Phase::Permission {
                        self.permitted(now, client);
                    }
                } else if reply.is_success() {
                    self.settle(now, client);
                } else {
                    self.refused(reply);
                }
            }
        }
    }

    fn refused(&mut self, reply: Reply) {
        let command = if self.phase == Phase::Announcement { self.way.command() } else { self.command };
        self.result = Some(Err(Failure::Refused { command, reply }));
    }

    fn announced(&mut self, now: Instant, reply: Reply, client: &mut Client) {
        self.report.announcement = Some(reply.clone());
        let server = client.server;
        let (wanted, announced) = match self.way {
            Way::Passive { .. } => (227, reply.passive().map(SocketAddr::from)),
            Way::Extended => (229, reply.extended().map(|port| SocketAddr::new(server.ip(), port))),
        };
        if !reply.is_success() {
            return self.refused(reply);
        }
        let Some(announced) = announced.filter(|_| reply.code == wanted) else {
            self.result = Some(Err(Failure::NoAddress { command: self.way.command(), reply }));
            return;
        };
        let dialled = match self.way {
            Way::Passive { believe: true } => announced,
            Way::Passive { believe: false } | Way::Extended => SocketAddr::new(server.ip(), announced.port()),
        };
        (self.report.announced, self.report.dialled) = (Some(announced), Some(dialled));
        self.phase = Phase::Connection;
        client.deadline = Some(now + client.patience.connect);
        client.actions.push_back(Action::OpenData(dialled));
    }

    /// 150 came: bytes may move.
    fn permitted(&mut self, now: Instant, client: &mut Client) {
        if client.protected {
            self.phase = Phase::Handshake;
            client.deadline = Some(now + client.patience.reply);
            client.actions.push_back(Action::SecureData);
        } else {
            self.move_bytes(now, client);
        }
    }

    fn move_bytes(&mut self, now: Instant, client: &mut Client) {
        self.phase = Phase::Bytes;
        client.deadline = Some(now + client.patience.transfer);
        client.actions.push_back(match &mut self.work {
            Work::Store(_, bytes) => Action::SendData(core::mem::take(bytes)),
            Work::List | Work::MachineList | Work::Retrieve(_) => Action::ReceiveData,
        });
    }

    pub(super) fn handle(&mut self, now: Instant, event: Event, client: &mut Client) {
        match (self.phase, event) {
            (Phase::Connection, Event::DataOpened) => {
                self.report.connected = true;
                self.phase = Phase::Permission;
                client.say(now, &self.line);
            }
            (Phase::Handshake, Event::DataSecured) => {
                self.report.secured = true;
                self.move_bytes(now, client);
            }
            (Phase::Bytes, Event::Data(bytes)) => {
                if self.report.data.len().saturating_add(bytes.len()) > client.patience.most_data {
                    client.actions.push_back(Action::DropData);
                    self.failed(now, DataError::TooMuch, client);
                } else {
                    self.report.data.extend_from_slice(&bytes);
                    client.deadline = Some(now + client.patience.transfer);
                }
            }
            (Phase::Bytes, Event::DataEnded | Event::DataSent) => {
                self.phase = Phase::Confirmation;
                client.deadline = Some(now + client.patience.transfer);
                self.settle(now, client);
            }
            (
                Phase::Connection | Phase::Permission | Phase::Handshake | Phase::Bytes,
                Event::DataFailed(error),
            ) => {
                self.failed(now, error, client);
            }
            _ => {}
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, client: &mut Client) {
        match self.phase {
            Phase::Connection | Phase::Handshake | Phase::Bytes => {
                client.actions.push_back(Action::DropData);
                self.failed(now, DataError::TimedOut, client);
            }
            Phase::Announcement | Phase::Permission => {
                self.silent = true;
                self.result = Some(Err(Failure::TimedOut(self.waits_for())));
            }
            Phase::Confirmation => {
                self.silent = true;
                let silent = Failure::TimedOut(self.command);
                let error = self.report.error.clone();
                self.result = Some(Err(error.map_or(silent, |(stage, error)| Failure::Data(stage, error))));
            }
        }
    }

    /// The data connection is gone. If the transfer was asked for, the server has a word to say about it.
    fn failed(&mut self, now: Instant, error: DataError, client: &mut Client) {
        let stage = match self.phase {
            Phase::Announcement | Phase::Connection => DataStage::Connect,
            Phase::Handshake => DataStage::Secure,
            Phase::Permission | Phase::Bytes | Phase::Confirmation => DataStage::Move,
        };
        self.report.error = Some((stage, error.clone()));
        if stage == DataStage::Connect {
            self.result = Some(Err(Failure::Data(stage, error)));
            return;
        }
        self.phase = Phase::Confirmation;
        client.deadline = Some(now + client.patience.reply);
        self.settle(now, client);
    }

    /// Over when both the data connection and the server's last word say so.
    fn settle(&mut self, now: Instant, client: &mut Client) {
        let confirmed = self.report.reply.as_ref().filter(|reply| reply.is_success());
        match (self.phase, confirmed) {
            (Phase::Confirmation, Some(reply)) => {
                self.result = Some(match self.report.error.clone() {
                    Some((stage, error)) => Err(Failure::Data(stage, error)),
                    None => Ok(reply.clone()),
                });
            }
            // The whole transfer in one reply, as some servers do for files without bytes.
            (Phase::Permission, Some(_)) => self.permitted(now, client),
            _ => {}
        }
    }
}
