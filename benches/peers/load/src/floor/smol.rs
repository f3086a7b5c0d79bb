//! The floor under a server on smol: one executor per core, a session stays on one of them, passive listeners are
//! shared and opened once, sessions accept on the port that they leased, and a sweeper looks after the rest.
//!
//! What can't block is done at once, without a future: replies, and small files in the page cache. Large transfers go
//! to the pool of blocking threads for as long as they don't wait for the client, so that no executor is starved.

mod reactor;
mod session;
mod transfer;

use crate::Failure;
use crate::pool::{Inbox, Pool, accept, listen, locked};
use async_executor::{LocalExecutor, StaticLocalExecutor};
use async_io::Async;
use reactor::{Edges, Readiness};
use rustix::fs::{Mode, OFlags};
use rustix::net::SocketFlags;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::task::Waker;
use std::time::Duration;

/// Where a data connection is left for its session, and who is to be woken then.
#[derive(Default)]
struct Slot(Mutex<(Option<OwnedFd>, Option<Waker>)>);

impl Inbox for Slot {
    fn deliver(&self, connection: OwnedFd) {
        let mut slot = locked(&self.0);
        slot.0 = Some(connection);
        if let Some(waker) = slot.1.take() {
            drop(slot);
            waker.wake();
        }
    }

    fn take(&self) -> Option<OwnedFd> {
        locked(&self.0).0.take()
    }
}

struct Server {
    pool: Pool<Slot>,
    root: OwnedFd,
}

pub(crate) fn serve(edges: bool, port: u16, root: &str, range: (u16, u16)) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags, Mode::empty())?;
    let server: &'static Server = Box::leak(Box::new(Server { pool: Pool::open(range, cores)?, root }));
    // A control listener per core: the kernel spreads the sessions, nothing is handed over.
    let mut threads = Vec::new();
    for partition in 0..cores {
        let listener = listen(port, true)?;
        rustix::io::ioctl_fionbio(&listener, true)?;
        threads.push(std::thread::spawn(move || {
            if edges {
                reactor::start()?;
                reactor::block_on(core::<Edges>(partition, listener, server))
            } else {
                async_io::block_on(core::<Async<OwnedFd>>(partition, listener, server));
                Ok(())
            }
        }));
    }
    for thread in threads {
        thread.join().map_err(|_| "a core is gone")??;
    }
    Ok(())
}

async fn core<R: Readiness>(partition: usize, listener: OwnedFd, server: &'static Server) {
    let executor: &'static StaticLocalExecutor = LocalExecutor::new().leak();
    executor.spawn(accept_control::<R>(listener, partition, executor, server)).detach();
    if partition == 0 {
        executor.spawn(sweep::<R>(server)).detach();
    }
    executor.run(std::future::pending::<()>()).await;
}

async fn accept_control<R: Readiness>(
    listener: OwnedFd,
    partition: usize,
    executor: &'static StaticLocalExecutor,
    server: &'static Server,
) -> io::Result<()> {
    let listener = R::register(listener)?;
    loop {
        match accept(&listener, SocketFlags::NONBLOCK) {
            Ok((client, peer)) => {
                let session = session::run::<R>(client, peer, partition, server);
                executor.spawn(async move { drop(session.await) }).detach();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                reactor::once(|context| listener.poll_readable(context)).await?;
            }
            Err(_) => {}
        }
    }
}

/// Whatever has lain in a backlog for 50 ms is routed or closed. Asleep while nothing arrives, at most twenty turns a
/// second, one registration for all ports.
async fn sweep<R: Readiness>(server: &'static Server) -> io::Result<()> {
    let set = server.pool.set()?;
    loop {
        // Not registered while it rests, or each arrival would wake the core.
        let registered = R::register_duplicate(set.try_clone()?)?;
        reactor::once(|context| registered.poll_readable(context)).await?;
        drop(registered);
        async_io::Timer::after(Duration::from_millis(50)).await;
        server.pool.sweep(&set, SocketFlags::NONBLOCK);
    }
}
