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

/// Asks the system's resolver, which may take its time, on a thread of its own: once a minute, that is cheap.
pub(crate) fn resolve(shared: &Arc<Shared>, name: String) {
    // The server may be gone before the answer is there.
    let (its_shared, its_name) = (Arc::downgrade(shared), name.clone());
    let spawned = std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
        let answer = addresses(&its_name);
        if let Some(shared) = its_shared.upgrade() {
            shared.with_server(|server, now| server.handle(now, News::Resolved(its_name, answer)));
        }
    });
    if let Err(error) = spawned {
        let answer = Err(error.to_string());
        shared.with_server(|server, now| server.handle(now, News::Resolved(name, answer)));
    }
}

fn addresses(name: &str) -> Result<Vec<IpAddr>, String> {
    let found = (name, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    Ok(found.map(|address| address.ip()).collect())
}
