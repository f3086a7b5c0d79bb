//! What the server asks of its surroundings, for the address that clients are told.

use crate::shared::Shared;
use ftp_proto::event::News;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The host's networks and routers. A provider that panics knows nothing new.
pub(crate) fn look_around(shared: &Shared) {
    if let Ok(networks) = catch_unwind(AssertUnwindSafe(|| (shared.networks)())) {
        shared.with_server(|server, now| server.handle(now, News::Networks(networks)));
    }
}

/// Asks the system's resolver, which may take its time, on the pool of threads that may block.
pub(crate) fn resolve(shared: &Arc<Shared>, name: String) {
    // The server may be gone before the answer is there.
    let shared = Arc::downgrade(shared);
    smol::unblock(move || {
        let answer = addresses(&name);
        if let Some(shared) = shared.upgrade() {
            shared.with_server(|server, now| server.handle(now, News::Resolved(name, answer)));
        }
    })
    .detach();
}

fn addresses(name: &str) -> Result<Vec<IpAddr>, String> {
    let found = (name, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    Ok(found.map(|address| address.ip()).collect())
}
