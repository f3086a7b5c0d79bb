//! TLS: AUTH PBSZ PROT CCC (RFC 2228, RFC 4217) and SSCN.

use super::args::Arg;
use crate::reply::Reply;
use crate::session::{Reaction, Turn};

/// RFC 4217 section 4. TLS-P and SSL are older names for TLS with data connections protected from the start, TLS-C
/// for TLS as it is.
// req: 2228-3-auth-504, 2228-3-auth-any-case, 2228-3-auth-no-adat, 4217-4.1-auth-234, 4217-8-auth-tls
// req: 4217-16-mechanisms
pub(super) fn auth(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(mechanism) = arg else { return Reaction::Silent };
    let mechanism = mechanism.trim_ascii_end();
    let is = |names: &[&str]| names.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(mechanism));
    let private = is(&["SSL", "TLS-P"]);
    if !private && !is(&["TLS", "TLS-C"]) {
        return Reply::new(504, "That mechanism is not supported; use AUTH TLS.").into();
    }
    if !turn.session.protection.is_clear() {
        return Reply::new(503, "The control connection is under TLS already.").into();
    }
    if let Err(reply) = turn.session.begin_tls(turn.now, private) {
        return reply.into();
    }
    turn.session.discard_plaintext();
    Reply::new(234, "Begin TLS now.").into()
}

/// RFC 4217 section 9: with TLS the buffer size is always 0.
// req: 2228-3-pbsz-200, 2228-3-pbsz-501, 2228-3-pbsz-503, 4217-9-pbsz
pub(super) fn pbsz(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Number(size) = arg else { return Reaction::Silent };
    if !turn.session.protection.is_secure() {
        return Reply::new(503, "Send AUTH TLS first.").into();
    }
    if u32::try_from(size).is_err() {
        return Reply::new(501, "The size does not fit into 32 bits; send PBSZ 0.").into();
    }
    turn.session.protection.set_buffer_size();
    if size == 0 {
        Reply::new(200, "PBSZ=0").into()
    } else {
        // The words by which a client learns of another size than its own (RFC 2228 section 3).
        Reply::new(200, "PBSZ=0 (TLS needs no buffer size)").into()
    }
}

/// RFC 4217 section 9.
// req: 2228-3-prot-200, 2228-3-prot-503, 2228-3-prot-504, 2228-3-prot-536, 4217-9-prot-s-e
pub(super) fn prot(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(level) = arg else { return Reaction::Silent };
    let session = &mut *turn.session;
    if !session.protection.is_secure() {
        return Reply::new(503, "Send AUTH TLS first.").into();
    }
    if !session.protection.has_buffer_size() {
        return Reply::new(503, "Send PBSZ 0 first.").into();
    }
    let private = match level.trim_ascii_end().to_ascii_uppercase().as_slice() {
        b"P" => true,
        b"C" => false,
        b"S" | b"E" => {
            return Reply::new(536, "TLS can't do that level; use PROT P, or PROT C for no protection.")
                .into();
        }
        _ => return Reply::new(504, "There is no such level; use PROT P or PROT C.").into(),
    };
    match session.check_protection_level(private) {
        Err(reply) => reply.into(),
        Ok(()) => {
            session.set_private(turn.now, private);
            if private {
                Reply::new(200, "Data connections are protected.").into()
            } else {
                Reply::new(200, "Data connections are in the clear.").into()
            }
        }
    }
}

/// RFC 4217 section 5: the control connection goes on in the clear, for firewalls that have to read it.
// req: 2228-3-ccc-533, 2228-3-ccc-534, 4217-5-ccc, 4217-5-ccc-534
pub(super) fn ccc(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    let session = &mut *turn.session;
    if !session.protection.is_secure() {
        return Reply::new(533, "The control connection is in the clear already.").into();
    }
    if session.protection.is_implicit() || !session.tls_policy().clear_command_channel {
        return Reply::new(534, "The control connection has to stay under TLS here; go on without CCC.")
            .into();
    }
    session.end_tls();
    Reply::new(200, "The control connection goes on in the clear.").into()
}

/// Server to server: with ON the next data connections are secured with us in the client's part, so that two servers
/// can talk to each other (draft-fordh-ftp-ssl-secure-server-to-server; no RFC has it).
pub(super) fn sscn(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(wish) = arg else { return Reaction::Silent };
    let session = &mut *turn.session;
    if !session.protection.is_private() {
        return Reply::new(503, "Send AUTH TLS, PBSZ 0 and PROT P first.").into();
    }
    if !session.tls_policy().server_to_server {
        return Reply::new(534, "Transfers between servers are not allowed here.").into();
    }
    match wish.trim_ascii().to_ascii_uppercase().as_slice() {
        b"ON" => session.protection.set_handshakes_as_client(true),
        b"OFF" => session.protection.set_handshakes_as_client(false),
        b"" => {}
        _ => return Reply::new(501, "The argument is wrong; the syntax is SSCN [ON | OFF]").into(),
    }
    if session.protection.handshakes_as_client() {
        Reply::new(200, "SSCN:CLIENT METHOD").into()
    } else {
        Reply::new(200, "SSCN:SERVER METHOD").into()
    }
}
