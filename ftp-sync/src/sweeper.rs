//! The thread that looks after what no session does: connections that lie at the passive ports, ports to be
//! opened and closed, the server's deadlines.
//!
//! Sessions accept their data connections by themselves. What nobody has fetched for a short while is routed
//! or closed here: strays don't stay, and nobody can lock the right client out by filling a backlog.

use crate::crew::Crew;
use crate::owner;
use crate::shared::{Chore, Shared};
use crate::surroundings;
use crate::undecided::Waiting;
use crate::wait;
use ftp_proto::event::News;
use rustix::event::{PollFd, PollFlags};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long a connection may wait for its session to fetch it.
const REST: Duration = Duration::from_millis(50);
/// How many owners of taken ports are searched at a time: each search reads much of `/proc`.
const OWNER_SEARCHES: u32 = 4;
/// How soon is tried again what failed for lack of descriptors or threads.
const RETRY: Duration = Duration::from_millis(100);

/// Runs until the server stops.
pub(crate) fn run(shared: &Arc<Shared>, crew: &Arc<Crew>) {
    let mut undecided = Waiting::default();
    while !shared.stopping.load(Ordering::SeqCst) {
        do_chores(shared);
        let wanting = shared.bells.ring_owed() | !crew.stand_by(shared);
        if wait_for_arrivals(shared, &undecided, wanting) {
            rest(shared, &mut undecided);
            sweep(shared);
        }
        undecided.attend(shared);
        let deadline = shared.with_server(|server, _| server.deadline());
        if deadline.is_some_and(|deadline| shared.clock.until(deadline).is_zero()) {
            shared.with_server(|server, now| server.handle_timeout(now));
        }
    }
}

/// Does what the server wishes, in the order of its wishes; the first port that could not be opened.
pub(crate) fn do_chores(shared: &Arc<Shared>) -> Option<(u16, std::io::Error)> {
    let mut failed = None;
    let mut searches = OWNER_SEARCHES;
    while let Some(chore) = shared.next_chore() {
        match chore {
            Chore::Close(port) => shared.ports.close(port),
            Chore::LookAround => surroundings::look_around(shared),
            Chore::Resolve(name) => surroundings::resolve(shared, name),
            Chore::Open(wanted) => match shared.ports.open(wanted) {
                Ok(port) => shared.with_server(|server, now| server.handle(now, News::PortOpened(port))),
                Err(error) => {
                    let words = reason(wanted, &error, &mut searches);
                    shared.with_server(|server, now| server.handle(now, News::PortFailed(wanted, words)));
                    failed.get_or_insert((wanted, error));
                }
            },
        }
    }
    failed
}

/// The system's words, and who has the port if that is known.
fn reason(port: u16, error: &std::io::Error, searches: &mut u32) -> String {
    let search = error.kind() == std::io::ErrorKind::AddrInUse && *searches > 0;
    *searches -= u32::from(search);
    match search.then(|| owner::of_port(port)).flatten() {
        Some(owner) => format!("{error}: {owner} has it"),
        None => error.to_string(),
    }
}

/// Sleeps until somebody connects to a passive port (`true`), a balancer goes on with its header, the bell rings or a
/// deadline is there.
fn wait_for_arrivals(shared: &Shared, undecided: &Waiting, wanting: bool) -> bool {
    let ports = shared.ports.all();
    let mut places = vec![PollFd::new(&shared.sweeper_bell, PollFlags::IN)];
    places.extend(ports.iter().map(|port| PollFd::new(&**port, PollFlags::IN)));
    places.extend(undecided.interest());
    let deadlines = [shared.sweeper_deadline(), undecided.deadline()];
    let deadlines = deadlines.into_iter().flatten().map(|deadline| shared.clock.until(deadline));
    wait::poll_for(&mut places, deadlines.chain(wanting.then_some(RETRY)).min());
    let mut signs = places.iter().map(|place| !place.revents().is_empty());
    if signs.next() == Some(true) {
        shared.sweeper_bell.hush();
    }
    signs.take(ports.len()).any(|sign| sign)
}

/// Leaves what came to the ports for its sessions to fetch. Balancers may go on meanwhile; why else the bell rings is
/// looked at soon enough.
fn rest(shared: &Shared, undecided: &mut Waiting) {
    let end = shared.clock.now().mono + REST;
    loop {
        undecided.attend(shared);
        let left = shared.clock.until(end);
        if left.is_zero() {
            return;
        }
        let mut places = vec![PollFd::new(&shared.sweeper_bell, PollFlags::IN)];
        places.extend(undecided.interest());
        wait::poll_for(&mut places, Some(left));
        if places.first().is_some_and(|bell| !bell.revents().is_empty()) {
            shared.sweeper_bell.hush();
        }
    }
}

/// Routes or closes everything that lies at the ports now.
fn sweep(shared: &Shared) {
    let ports = shared.ports.all();
    let mut places: Vec<_> = ports.iter().map(|port| PollFd::new(&**port, PollFlags::IN)).collect();
    wait::poll_for(&mut places, Some(Duration::ZERO));
    let signs: Vec<bool> = places.iter().map(|place| !place.revents().is_empty()).collect();
    for (port, sign) in ports.iter().zip(signs) {
        if sign {
            port.accept_and_route(shared, None);
        }
    }
}
