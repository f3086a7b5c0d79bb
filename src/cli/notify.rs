//! What the service manager is told, if one waits for it: one datagram to the socket in `NOTIFY_SOCKET` (sd_notify(3)).

use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

/// The manager's socket. Nothing that goes wrong with it keeps anybody from being served.
pub(super) struct Manager(Option<UnixDatagram>);

impl Manager {
    /// Connects while every socket is in reach.
    pub(super) fn find() -> Self {
        let name = std::env::var_os("NOTIFY_SOCKET");
        Self(name.and_then(|name| connect(name.as_encoded_bytes())))
    }

    /// Clients can come.
    pub(super) fn ready(&self) {
        self.say("READY=1");
    }

    /// No more clients can come.
    pub(super) fn stopping(&self) {
        self.say("STOPPING=1");
    }

    fn say(&self, state: &str) {
        if let Some(socket) = &self.0 {
            let _ = socket.send(state.as_bytes());
        }
    }
}

/// A path, or, behind `@`, a name that is in no directory.
fn connect(name: &[u8]) -> Option<UnixDatagram> {
    use std::os::unix::ffi::OsStrExt as _;
    let address = match name {
        [b'/', ..] => SocketAddr::from_pathname(Path::new(std::ffi::OsStr::from_bytes(name))).ok()?,
        #[cfg(target_os = "linux")]
        [b'@', abstract_name @ ..] => {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(abstract_name).ok()?
        }
        _ => return None,
    };
    let socket = UnixDatagram::unbound().ok()?;
    // A manager that does not read must not hold up the server.
    socket.set_nonblocking(true).ok()?;
    socket.connect_addr(&address).ok()?;
    Some(socket)
}
