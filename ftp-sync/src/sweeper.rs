//! The thread that looks after what no session does: connections that lie at the passive ports, ports to be
//! opened and closed, the server's deadlines.
//!
//! Sessions accept their data connections by themselves. What nobody has fetched for a short while is routed
//! or closed here: strays don't stay, and nobody can lock the right client out by filling a backlog.

use crate::crew::Crew;
use crate::owner;
use crate::shared::{Chore, Shared};
use crate::surroundings;
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
    while !shared.stopping.load(Ordering::SeqCst) {
        do_chores(shared);
        let wanting = shared.bells.ring_owed() | !crew.stand_by(shared);
        if wait_for_arrivals(shared, wanting) {
            std::thread::sleep(REST);
            sweep(shared);
        }
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

/// Sleeps until somebody connects to a passive port (`true`), the bell rings or the server's deadline is
/// there.
fn wait_for_arrivals(shared: &Shared, wanting: bool) -> bool {
    let ports = shared.ports.all();
    let mut places = vec![PollFd::new(&shared.sweeper_bell, PollFlags::IN)];
    places.extend(ports.iter().map(|port| PollFd::new(&**port, PollFlags::IN)));
    let deadline = shared.sweeper_deadline().map(|deadline| shared.clock.until(deadline));
    let timeout = match deadline {
        Some(deadline) if wanting => Some(deadline.min(RETRY)),
        None if wanting => Some(RETRY),
        deadline => deadline,
    };
    wait::poll_for(&mut places, timeout);
    let mut signs = places.iter().map(|place| !place.revents().is_empty());
    if signs.next() == Some(true) {
        shared.sweeper_bell.hush();
    }
    signs.any(|sign| sign)
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
