//! Data connections of balancers, put aside until their PROXY header says whose they are.
//!
//! They were accepted under the port's lock as any other, and wait for their header without it. The header is taken off
//! the socket to the byte: what follows is the file, or TLS, and is read, or spliced, by whoever gets the connection.

use crate::shared::Shared;
use crate::wait::{Bell, lock};
use async_io::{Async, Timer};
use ftp_proto::proxy::{LOOK, Undecided};
use ftp_proto::time::Instant;
use rustix::net::{RecvFlags, recv};
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

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

/// Where whoever accepts them leaves them for the task that looks after them.
#[derive(Default)]
pub(crate) struct Lobby {
    left: Mutex<Vec<Parked>>,
    bell: Bell,
}

impl Lobby {
    pub(crate) fn leave(&self, parked: Parked) {
        lock(&self.left).push(parked);
        self.bell.ring();
    }
}

/// One whose header is waited for.
struct Waiting {
    socket: Async<TcpStream>,
    undecided: Undecided,
}

/// Looks after them as long as its executor runs.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut waiting = Vec::new();
    let mut timer = None;
    poll_fn(|cx| {
        loop {
            shared.lobby.bell.was_rung(cx);
            take_up(&shared, &mut waiting);
            hand_over(&shared, &mut waiting, cx);
            if poll_timer(&shared, &waiting, &mut timer, cx).is_pending() {
                return Poll::<()>::Pending;
            }
        }
    })
    .await;
}

/// Takes up those that were left.
fn take_up(shared: &Shared, waiting: &mut Vec<Waiting>) {
    let left = std::mem::take(&mut *lock(&shared.lobby.left));
    for Parked { socket, mut undecided } in left {
        match Async::new_nonblocking(socket) {
            Ok(socket) => waiting.push(Waiting { socket, undecided }),
            // Nobody can say when to read on.
            Err(_) => {
                undecided.end();
                shared.with_server(|server, now| server.decide(now, undecided));
            }
        }
    }
}

/// Hands over those that have said whose they are; for the others the task is woken.
fn hand_over(shared: &Shared, waiting: &mut Vec<Waiting>, cx: &mut Context<'_>) {
    if waiting.is_empty() {
        return;
    }
    let now = shared.clock.now().mono;
    for Waiting { socket, mut undecided } in waiting.extract_if(.., |one| one.is_ready(now, cx)) {
        match socket.into_inner() {
            Ok(socket) => drop(shared.decide(Parked { socket, undecided }, None)),
            Err(_) => {
                undecided.end();
                shared.with_server(|server, now| server.decide(now, undecided));
            }
        }
    }
}

impl Waiting {
    fn is_ready(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        loop {
            if look(self.socket.get_ref(), &mut self.undecided, now) {
                return true;
            }
            if self.socket.poll_readable(cx).is_pending() {
                return false;
            }
        }
    }
}

/// Ready when the first of them has to be given up; else the task is woken then.
fn poll_timer(
    shared: &Shared,
    waiting: &[Waiting],
    timer: &mut Option<(Instant, Timer)>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let earliest = waiting.iter().map(|one| one.undecided.deadline()).min();
    match earliest {
        None => *timer = None,
        Some(at) if timer.as_ref().is_none_or(|(set_to, _)| *set_to != at) => {
            *timer = Some((at, Timer::after(shared.clock.until(at))));
        }
        Some(_) => {}
    }
    let Some((_, running)) = timer else { return Poll::Pending };
    let polled = Pin::new(running).poll(cx);
    if polled.is_ready() {
        *timer = None;
    }
    polled.map(|_| ())
}
