//! Data connections of balancers, put aside until their PROXY header says whose they are.
//!
//! They were accepted under the port's lock as any other, and wait for their header without it. The header is taken off
//! the socket to the byte: what follows is the file, or TLS, and is read, or spliced, by whoever gets the connection.

use crate::shared::Shared;
use crate::wait::lock;
use ftp_proto::proxy::{LOOK, Undecided};
use ftp_proto::time::Instant;
use rustix::event::{PollFd, PollFlags};
use rustix::net::{RecvFlags, recv};
use std::io;
use std::net::TcpStream;
use std::sync::Mutex;

/// One of them.
pub(crate) struct Parked {
    pub(crate) socket: TcpStream,
    pub(crate) undecided: Undecided,
}

impl Parked {
    /// Reads on as far as the header goes; whether it is time to decide.
    pub(crate) fn look(&mut self, now: Instant) -> bool {
        look(&self.socket, &mut self.undecided, now)
    }
}

/// Reads on as far as the header goes; whether it is time to decide.
#[inline(never)]
fn look(socket: &TcpStream, undecided: &mut Undecided, now: Instant) -> bool {
    let mut buffer = [0u8; LOOK];
    while !undecided.is_ready(now) {
        match take_some(socket, undecided, &mut buffer) {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(false) | Err(_) => undecided.end(),
        }
    }
    undecided.is_ready(now)
}

/// Takes off the socket what of it belongs to the header; `false` at its end.
fn take_some(socket: &TcpStream, undecided: &mut Undecided, buffer: &mut [u8]) -> io::Result<bool> {
    let (count, _) = recv(socket, &mut *buffer, RecvFlags::PEEK)?;
    let mut left = undecided.offer(buffer.get(..count).unwrap_or_default());
    while left > 0 {
        // It is there, so that nothing is waited for.
        let (taken, _) = recv(socket, buffer.get_mut(..left).unwrap_or_default(), RecvFlags::empty())?;
        left = left.saturating_sub(taken);
    }
    Ok(count > 0)
}

/// Where whoever accepts them leaves them for the sweeper.
#[derive(Default)]
pub(crate) struct Lobby(Mutex<Vec<Parked>>);

impl Lobby {
    pub(crate) fn leave(&self, parked: Parked) {
        lock(&self.0).push(parked);
    }
}

/// Those that the sweeper looks after.
#[derive(Default)]
pub(crate) struct Waiting(Vec<Parked>);

impl Waiting {
    /// What poll(2) has to watch.
    pub(crate) fn interest(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.0.iter().map(|parked| PollFd::new(&parked.socket, PollFlags::IN))
    }

    /// When the first of them is given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.iter().map(|parked| parked.undecided.deadline()).min()
    }

    /// Takes up those that were left, and hands over those that have said whose they are.
    pub(crate) fn attend(&mut self, shared: &Shared) {
        self.0.append(&mut lock(&shared.lobby.0));
        if self.0.is_empty() {
            return;
        }
        let now = shared.clock.now().mono;
        for parked in self.0.extract_if(.., |parked| parked.look(now)) {
            shared.decide(parked, None);
        }
    }
}
