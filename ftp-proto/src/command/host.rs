//! HOST (RFC 7151): which of the server's virtual hosts is meant.

use super::args::Arg;
use crate::config::host_name;
use crate::reply::Reply;
use crate::session::{Login, Reaction, Turn};
use alloc::format;

/// RFC 7151 section 3: before the login, and before AUTH if the certificate is to be that name's. What the client says
/// in the handshake (SNI) goes before it.
// req: 7151-3.1-220, 7151-3.1-501, 7151-3.2-before-user, 7151-3.2-environment, 7151-3.2-several
// req: 7151-3.3-504
pub(super) fn host(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let session = &mut *turn.session;
    if !matches!(session.login, Login::Nobody) {
        return Reply::new(503, "HOST comes before USER.").into();
    }
    let Some(name) = core::str::from_utf8(text).ok().and_then(host_name) else {
        return Reply::new(501, "That is no host name; the syntax is HOST <name or [address]>").into();
    };
    if session.is_secured_for_another_host(&name) {
        return Reply::new(504, "The TLS handshake was for another host.").into();
    }
    if !session.knows_host(&name) {
        return Reply::new(504, "That host is not known here.").into();
    }
    session.ask_for_host(name.clone());
    match session.host() {
        Some(_) => Reply::lines(220, session.welcome()).into(),
        // Its certificate is here, but its accounts are the server's own.
        None => Reply::with(220, format!("Host {name} accepted.")).into(),
    }
}
