//! The transfer of a session: from the opened file to the final reply.

use super::link::{Input, Link};
use super::timers::Timer;
use super::{SECOND_CHANCE, Session};
use crate::diagnose::{Cause, Setup};
use crate::event::{Action, ConnectSpec, Job, LinkId, Request, Ticket, TransferId};
use crate::host::StorageError;
use crate::notice::{Notice, TransferRecord, Trust};
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::time::{Instant, Now};
use crate::tls::TlsStream;
use crate::transfer::{Coding, Direction, EndReason, Malformed, Mark, Pipe, TransferEnd};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// How long a stopped transfer has to report its end.
const ABORT_GRACE: core::time::Duration = core::time::Duration::from_secs(10);

/// The ticket of jobs whose answer nobody waits for; real ones are counted from 1.
const UNAWAITED: Ticket = Ticket(0);

/// What protects a transfer's data connection.
pub(super) struct Security {
    pub(super) stream: TlsStream,
    /// An upload that ends without close_notify is cut off.
    pub(super) needs_close_notify: bool,
}

/// What comes when the transfer, or a long job, has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// 226 for ABOR.
    AbortReply,
    /// 221 for QUIT.
    Quit,
    /// Nothing: the client has closed the control connection.
    Gone,
}

/// One transfer, from 150 on.
pub(crate) struct Transfer {
    id: TransferId,
    verb: &'static str,
    path: VirtualPath,
    direction: Direction,
    coding: Coding,
    /// Until there is a data connection.
    pipe: Option<Box<Pipe>>,
    /// Whether that is under TLS.
    is_protected: bool,
    /// The text of a 150 that comes with the data connection.
    preliminary: Option<Vec<u8>>,
    began: Instant,
    moved: u64,
    /// The session stopped it, and why.
    stopped: Option<Stop>,
    pub(super) after: Option<After>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Client,
    Stalled,
    Shutdown,
}

impl Transfer {
    /// Whether the adapter has it.
    pub(super) fn is_moving(&self) -> bool {
        self.pipe.is_none()
    }

    /// Whether the client could have said that it sent all, and did not.
    fn is_complete_by_trust(&self, end: &TransferEnd) -> bool {
        let is_upload = self.direction == Direction::Upload && end.outcome.is_ok();
        is_upload && self.is_protected && !self.coding.marks_end() && !end.close_notify
    }
}

impl Session {
    /// Whether a transfer command has a chance; if not, the reply that says why.
    // req: 959-3.2-only-the-client-changes-ports
    pub(crate) fn check_link(&mut self) -> Result<(), Reply> {
        self.check_data_protection()?;
        match core::mem::take(&mut self.link) {
            Link::Idle => Err(Reply::new(425, "Use PASV, EPSV, PORT or EPRT first.")),
            Link::Lost(lost) => Err(self.lost_reply(lost)),
            link => {
                self.link = link;
                Ok(())
            }
        }
    }

    /// Everything is opened: 150, and the bytes go as soon as the data connection is there.
    // req: 959-4.2.2-150
    pub(crate) fn begin_transfer(
        &mut self,
        now: Now,
        verb: &'static str,
        path: VirtualPath,
        pipe: Pipe,
        preliminary: Vec<u8>,
    ) {
        if let Err(reply) = self.check_link() {
            self.discard(pipe);
            return self.reply(reply);
        }
        // Clients that connect only when they see 150 must not wait for it. Where the server connects, and where
        // somebody else has come instead of the client, an answer without 150 is clearer: 425 alone.
        let preliminary = match &self.link {
            Link::Given(_) => Some(preliminary),
            Link::Waiting(waiting) if waiting.has_only_strangers(self.may_come_from_elsewhere()) => {
                Some(preliminary)
            }
            _ => {
                self.reply(Reply::with(150, preliminary));
                None
            }
        };
        let id = self.next_transfer();
        let (direction, coding) = (pipe.direction(), pipe.coding());
        let pipe = Some(Box::new(pipe));
        let began = now.mono;
        self.transfer = Some(Box::new(Transfer {
            id,
            verb,
            path,
            direction,
            coding,
            pipe,
            is_protected: false,
            preliminary,
            began,
            moved: 0,
            stopped: None,
            after: None,
        }));
        self.timers.clear(Timer::Idle);
        match &self.link {
            Link::Ready(_) => self.connected(now),
            Link::Given(_) => {
                self.dial(now);
            }
            Link::Waiting(waiting) => {
                if !waiting.lost_its_own() {
                    self.arm_data_connection(now);
                }
                self.choose_candidate(now);
            }
            _ => {}
        }
    }

    /// Active mode: connects to where the client said.
    pub(super) fn dial(&mut self, now: Now) {
        let link = self.next_link();
        self.step_link(now, Input::Dial { link });
        self.arm_data_connection(now);
    }

    /// The data connection is there. If a transfer waits for it, it begins, or else the TLS handshake does.
    // req: 4217-9-prot-p
    pub(super) fn connected(&mut self, now: Now) {
        let Some(transfer) = &mut self.transfer else { return };
        transfer.began = now.mono;
        self.say_preliminary();
        if self.protection.is_private() {
            self.arm_data_connection(now);
            self.step_link(now, Input::Secure);
        } else {
            self.start_transfer(now, None);
        }
    }

    /// 150, if it is still to come: a client begins its handshake when it has seen it.
    // req: 959-4.2-one-1yz
    fn say_preliminary(&mut self) {
        if let Some(text) = self.transfer.as_mut().and_then(|transfer| transfer.preliminary.take()) {
            self.reply(Reply::with(150, text));
        }
    }

    /// Somebody came to an open wait. If a transfer waits as well, the handshakes tell whom it is for; in the clear it
    /// is the first, or the one from the client's own address if both are here.
    pub(super) fn choose_candidate(&mut self, now: Now) {
        let Link::Waiting(waiting) = &self.link else { return };
        if self.transfer.as_deref().is_none_or(Transfer::is_moving) {
            return;
        }
        let (likely, is_hopeful) = (waiting.likely(), waiting.is_hopeful(self.may_come_from_elsewhere()));
        if is_hopeful {
            self.say_preliminary();
        }
        if self.protection.is_private() {
            self.step_link(now, Input::Secure);
        } else if let Some(link) = likely {
            self.step_link(now, Input::Chosen { link });
            self.connected(now);
        }
    }

    /// Has the TLS handshake of a data connection done.
    pub(super) fn secure(&mut self, now: Now, link: LinkId) {
        let upload = self.transfer.as_ref().is_some_and(|transfer| transfer.direction == Direction::Upload);
        let own = self.link.securing(link).unwrap_or(false);
        match self.data_handshake(upload, own) {
            Ok(handshake) => self.actions.push_back(Action::Secure(link, Box::new(handshake))),
            Err(error) => self.step_link(now, Input::Refused { link, cause: Cause::TlsFailed(error) }),
        }
    }

    // req: 959-3.2-server-connects, 959-5.2-source-port, 1123-4.1.2.12-default-port-address
    pub(super) fn connect(&mut self, now: Now, link: LinkId, target: SocketAddr) {
        // Of the socket: an address of the balancer's can't be connected from.
        let mut source = self.listener;
        if source.is_ipv4() != target.is_ipv4() {
            source.set_ip(if target.is_ipv4() {
                Ipv4Addr::UNSPECIFIED.into()
            } else {
                Ipv6Addr::UNSPECIFIED.into()
            });
        }
        source.set_port(self.config.active.source_port.unwrap_or(0));
        self.actions.push_back(Action::Consult(Request::Look { session: self.id }));
        self.actions.push_back(Action::Connect(
            link,
            ConnectSpec {
                source,
                source_port_optional: true,
                target,
                deadline: now.mono + self.config.timeouts.data_connection,
            },
        ));
    }

    /// The data connection is as it has to be: the bytes can go.
    // req: 959-4.1.3-data-connection
    pub(super) fn start_transfer(&mut self, now: Now, security: Option<Security>) {
        let Some(transfer) = &mut self.transfer else { return };
        let (Link::Ready(ready), Some(mut pipe)) = (&self.link, transfer.pipe.take()) else { return };
        let (id, link, peer) = (transfer.id, ready.link, ready.peer);
        let started = Notice::TransferStarted { verb: transfer.verb, path: transfer.path.clone() };
        if let Some(Security { stream, needs_close_notify }) = security {
            pipe.secure(stream, needs_close_notify);
            transfer.is_protected = true;
        }
        let is_active = matches!(ready.setup, Setup::Active { .. });
        self.note_elsewhere(peer, is_active);
        self.step_link(now, Input::Begin { transfer: id });
        self.timers.set(Timer::Stall, now.mono + self.config.timeouts.stall);
        self.actions.push_back(Action::Start(link, id, pipe));
        self.notify(started);
    }

    /// Nobody's data goes to another address than the one that logged in without a word.
    fn note_elsewhere(&mut self, data: SocketAddr, is_active: bool) {
        if data.ip() == self.peer.ip() {
            return;
        }
        let trust = if self.is_clients(data.ip()) {
            Trust::SameClient
        } else if is_active && self.config.active.allows(self.peer.ip(), data.ip(), false) {
            Trust::ActiveRule
        } else if self.tls_policy().server_to_server {
            Trust::ServerToServer
        } else {
            Trust::Resumed
        };
        self.notify(Notice::DataElsewhere { control: self.peer, data, trust });
    }

    pub(super) fn moved(&mut self, now: Now, id: TransferId, bytes: u64) {
        let stall = now.mono + self.config.timeouts.stall;
        if let Some(transfer) = self.transfer.as_mut().filter(|transfer| transfer.id == id) {
            transfer.moved = transfer.moved.max(bytes);
            if transfer.stopped.is_none() {
                self.timers.set(Timer::Stall, stall);
            }
        }
    }

    /// The client may resume from here (RFC 959 section 3.5). If it does not read its replies, it does not hear of it: it
    /// can't have an unbounded number of them wait.
    // req: 959-3.5-marker-110, 959-4.2.2-110, 1123-4.1.3.4-checkpoint, 1123-4.1.3.4-marker-text
    pub(super) fn marked(&mut self, id: TransferId, mark: &Mark) {
        let is_its = |transfer: &Transfer| transfer.id == id;
        if self.transfer.as_deref().is_some_and(is_its) && !self.outbox.is_full() {
            self.reply(Reply::with(110, alloc::format!("MARK {} = {}", mark.text, mark.offset)));
        }
    }

    /// STAT in a transfer: verb, path and bytes so far.
    pub(crate) fn transfer_progress(&self) -> Option<(&'static str, &VirtualPath, u64)> {
        self.transfer.as_ref().map(|transfer| (transfer.verb, &transfer.path, transfer.moved))
    }

    // Ways to stop one.

    /// ABOR. `false`: there is no transfer.
    // req: 959-3.2-close-on-abort
    pub(crate) fn abort_transfer(&mut self, now: Now) -> bool {
        let Some(transfer) = &mut self.transfer else { return false };
        transfer.after = Some(After::AbortReply);
        self.stop_transfer(now, Stop::Client);
        true
    }

    /// ABOR waits behind other commands, and will be answered behind them. `false`: there is nothing to stop, or it is
    /// being stopped.
    pub(super) fn stop_transfer_early(&mut self, now: Now) -> bool {
        let may_stop = |transfer: &Transfer| transfer.stopped.is_none() && transfer.after.is_none();
        if !self.transfer.as_deref().is_some_and(may_stop) {
            return false;
        }
        self.stop_transfer(now, Stop::Client);
        true
    }

    /// QUIT: the transfer ends first (RFC 959 section 4.1.1). `false`: there is none.
    // req: 959-4.1.1-quit-in-a-transfer
    pub(crate) fn quit_after_transfer(&mut self) -> bool {
        let Some(transfer) = &mut self.transfer else { return false };
        transfer.after = Some(After::Quit);
        true
    }

    // req: 959-3.2-close-on-error
    pub(super) fn stalled(&mut self, now: Now) {
        self.stop_transfer(now, Stop::Stalled);
    }

    /// The session ends: nobody waits for the transfer's reply.
    pub(super) fn abandon_transfer(&mut self, now: Now) {
        if let Some(transfer) = &mut self.transfer {
            transfer.after = Some(After::Gone);
            self.stop_transfer(now, Stop::Shutdown);
        }
    }

    /// A client that sends its file and closes everything at once meant it: what moves may end, and a handshake may,
    /// whose end is on its way as a rule. `false`: there is nothing to wait for.
    pub(super) fn outlive_client(&mut self, now: Now) -> bool {
        let (is_serving, is_securing) = (self.is_serving(), self.link.is_securing());
        match &mut self.transfer {
            Some(transfer) if is_serving && (transfer.is_moving() || is_securing) => {
                transfer.after = Some(After::Gone);
            }
            _ => return false,
        }
        if is_securing {
            self.hasten_data_connection(now.mono + SECOND_CHANCE);
        }
        true
    }

    /// Whether a transfer goes on though its client has left, or is stopped with its session: nothing is said any more.
    /// What was to be said before was dropped, perhaps in the middle of a line.
    pub(super) fn has_outlived_client(&self) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| transfer.after == Some(After::Gone))
    }

    fn stop_transfer(&mut self, now: Now, why: Stop) {
        let Some(transfer) = &mut self.transfer else { return };
        transfer.stopped = Some(why);
        if let Some(pipe) = transfer.pipe.take() {
            // It never began: no data connection has come.
            let id = transfer.id;
            self.discard(*pipe);
            self.note_refused();
            self.step_link(now, Input::Reset);
            let end = TransferEnd::failed(0, EndReason::Aborted);
            return self.transfer_ended(now, id, end);
        }
        self.timers.clear(Timer::Stall);
        self.timers.set(Timer::Abort, now.mono + ABORT_GRACE);
        self.step_link(now, Input::Reset);
    }

    /// The adapter never told the end of a stopped transfer: go on without it.
    pub(super) fn abort_overdue(&mut self, now: Now) {
        if let Some(transfer) = &self.transfer {
            let end = TransferEnd::failed(transfer.moved, EndReason::Aborted);
            self.transfer_ended(now, transfer.id, end);
        }
    }

    /// Ends what was opened for nothing, where blocking is allowed.
    fn discard(&mut self, pipe: Pipe) {
        self.actions.push_back(Action::Perform(UNAWAITED, Job::Discard(Box::new(pipe))));
    }

    // The end of one.

    /// The data connection failed before the transfer began.
    pub(super) fn link_lost(&mut self, now: Now) {
        if matches!(self.pending, Some((_, super::Pending::Lease { .. }))) {
            self.timers.clear(Timer::Lease);
            let Link::Lost(lost) = core::mem::take(&mut self.link) else { return };
            let reply = self.lost_reply(lost);
            return self.lease_answered(now, Err(reply));
        }
        let Some(mut transfer) = self.transfer.take_if(|transfer| !transfer.is_moving()) else {
            return self.note_lost();
        };
        let Link::Lost(lost) = core::mem::take(&mut self.link) else { return };
        if let Some(pipe) = transfer.pipe.take() {
            self.discard(*pipe);
        }
        let reply = self.lost_reply(lost);
        if transfer.after != Some(After::Gone) {
            self.reply(reply);
        }
        self.go_on_after(now, transfer.after);
    }

    // req: 959-3.2-close-when-sent, 959-3.3-each-transfer-a-connection, 959-4.2.2-226, 959-4.2.2-426
    // req: 959-5.2-226-after-close
    pub(super) fn transfer_ended(&mut self, now: Now, id: TransferId, end: TransferEnd) {
        let Some(transfer) = self.transfer.take_if(|transfer| transfer.id == id) else { return };
        let setup = self.link.setup();
        if end.close_notify && transfer.direction == Direction::Upload {
            self.learn_close_notify();
        }
        if transfer.is_complete_by_trust(&end) {
            self.notify(Notice::NoCloseNotify { path: transfer.path.clone() });
        }
        self.timers.clear(Timer::Stall);
        self.timers.clear(Timer::Abort);
        self.step_link(now, Input::Ended { transfer: id });
        let moved = Some((transfer.direction, end.bytes));
        let reply = match (&end.outcome, transfer.stopped) {
            (Ok(()), _) => Reply::new(226, "Transfer complete."),
            (Err(_), Some(Stop::Client)) => Reply::new(426, "Transfer aborted."),
            (Err(_), Some(Stop::Shutdown)) => Reply::new(426, "Transfer aborted: the session ends."),
            (Err(_), Some(Stop::Stalled)) => self.verdict_reply(426, setup, Cause::Stalled, moved),
            (Err(EndReason::Link(why)), None) => {
                self.verdict_reply(426, setup, Cause::Broken(why.clone()), moved)
            }
            (Err(EndReason::Tls(error)), None) => {
                self.verdict_reply(426, setup, Cause::TlsFailed(error.clone()), moved)
            }
            (Err(EndReason::Truncated), None) => self.verdict_reply(426, setup, Cause::Truncated, moved),
            // Who tries again must not get further.
            (Err(EndReason::Malformed(why @ Malformed::Expands)), None) => {
                Reply::with(552, alloc::format!("Transfer aborted: {why}."))
            }
            (Err(EndReason::Malformed(why)), None) => {
                Reply::with(426, alloc::format!("Transfer aborted: {why}."))
            }
            (Err(EndReason::Storage(error)), None) => self.storage_failed(error),
            // Not 226: a client that mirrors would delete what it was not shown.
            (Err(EndReason::TooMuch), None) => Reply::new(
                451,
                "The listing is not complete: too many entries; list fewer directories at once.",
            ),
            (Err(EndReason::Aborted | EndReason::Panicked), None) => {
                Reply::new(451, "Local error in processing.")
            }
        };
        self.notify(Notice::TransferEnded(TransferRecord {
            verb: transfer.verb,
            direction: transfer.direction,
            coding: transfer.coding,
            path: transfer.path,
            bytes: end.bytes,
            lasted: now.mono.duration_since(transfer.began),
            outcome: end.outcome,
        }));
        if transfer.after != Some(After::Gone) {
            self.reply(reply);
        }
        self.go_on_after(now, transfer.after);
    }

    /// What was to come behind a transfer or a long job.
    pub(super) fn go_on_after(&mut self, now: Now, after: Option<After>) {
        match after {
            None => {}
            Some(After::AbortReply) => self.reply(Reply::new(226, "Abort successful.")),
            Some(After::Quit) => self.finish(now, Reply::new(221, "Goodbye."), "quit"),
            Some(After::Gone) => {
                self.begin_closing(now, "client closed the connection");
                self.close_if_done(now);
            }
        }
        self.rearm_idle(now);
    }

    /// A storage said no: the client hears the kind, the log the rest.
    pub(crate) fn storage_failed(&mut self, error: &StorageError) -> Reply {
        if let StorageError::Io(text) = error {
            self.notify(Notice::StorageFailed { text: text.clone() });
        }
        Reply::storage(error)
    }
}
