//! What only a session does to a [`Pipe`] otherwise.

use crate::config::DataResumption;
use crate::diagnose::Cause;
use crate::tls::{Demands, Handshake, TlsSession};
use crate::transfer::Pipe;
use alloc::boxed::Box;

/// The handshake of a data connection, as in `Action::Secure`; it has nothing to prove.
pub fn data_handshake(session: Box<dyn TlsSession>) -> Handshake {
    let demands = Demands {
        resumption: DataResumption::Off,
        server_to_server: false,
        proof_is_enough: true,
        minimum: crate::tls::TlsVersion::V1_2,
        own: true,
    };
    Handshake::new(session, demands)
}

/// Has a pipe's bytes go through TLS, before its first step. `needs_close_notify`: an upload that ends without is
/// cut off.
///
/// # Errors
/// The handshake's.
pub fn secure_pipe(pipe: &mut Pipe, handshake: Handshake, needs_close_notify: bool) -> Result<(), Cause> {
    let (stream, _) = handshake.into_outcome()?;
    pipe.secure(stream, needs_close_notify);
    Ok(())
}
