//! What only a session does to a [`Pipe`] otherwise.

use crate::tls::{Handshake, TlsError, TlsSession};
use crate::transfer::Pipe;
use alloc::boxed::Box;

/// The handshake of a data connection, as in `Action::Secure`.
pub fn data_handshake(session: Box<dyn TlsSession>) -> Handshake {
    Handshake::new(session)
}

/// Has a pipe's bytes go through TLS, before its first step. `needs_close_notify`: an upload that ends without is
/// cut off.
///
/// # Errors
/// The handshake's.
pub fn secure_pipe(pipe: &mut Pipe, handshake: Handshake, needs_close_notify: bool) -> Result<(), TlsError> {
    pipe.secure(handshake.into_outcome()?, needs_close_notify);
    Ok(())
}
