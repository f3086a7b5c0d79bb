//! TLS: AUTH PBSZ PROT CCC (RFC 2228, RFC 4217), SSCN, and HOST (RFC 7151), which chooses the certificate.

use super::args::Arg;
use crate::reply::Reply;
use crate::session::{Login, Reaction, Turn};
use alloc::format;
use alloc::string::String;

/// RFC 4217 section 4. TLS-P and SSL are older names for TLS with data connections protected from the start, TLS-C
/// for TLS as it is.
pub(super) fn auth(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(mechanism) = arg else { return Reaction::Silent };
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

/// RFC 4217 section 8: with TLS the buffer size is always 0.
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
pub(super) fn prot(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(level) = arg else { return Reaction::Silent };
    let session = &mut *turn.session;
    if !session.protection.is_secure() {
        return Reply::new(503, "Send AUTH TLS first.").into();
    }
    if !session.protection.has_buffer_size() {
        return Reply::new(503, "Send PBSZ 0 first.").into();
    }
    let private = match level.to_ascii_uppercase().as_slice() {
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

/// RFC 4217 section 12.3: the control connection goes on in the clear, for firewalls that have to read it.
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

/// RFC 7151 section 3: before the login, and before AUTH if the certificate is to be that name's. What the client says
/// in the handshake (SNI) goes before it.
pub(super) fn host(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let session = &mut *turn.session;
    if !matches!(session.login, Login::Nobody) {
        return Reply::new(503, "HOST comes before USER.").into();
    }
    let Some(name) = host_name(text) else {
        return Reply::new(501, "That is no host name; the syntax is HOST <name or [address]>").into();
    };
    let asked = session.protection.facts().and_then(|facts| facts.server_name.as_deref());
    if asked.is_some_and(|asked| !asked.eq_ignore_ascii_case(&name)) {
        return Reply::new(504, "The TLS handshake was for another host.").into();
    }
    if !session.protection.knows_host(&name) {
        return Reply::new(504, "That host is not known here.").into();
    }
    session.protection.set_host(name.clone());
    session.choose_profile();
    Reply::with(220, format!("Host {name} accepted.")).into()
}

/// A name, or an IPv4 or IPv6 literal as in RFC 3986 section 3.2.2; without a trailing dot.
fn host_name(text: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(text).ok()?.trim();
    let name = text.strip_suffix('.').unwrap_or(text);
    let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = literal {
        return address.parse::<core::net::Ipv6Addr>().ok().map(|address| format!("{address}"));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.len() <= 253 && name.split('.').all(label)).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        for (text, name) in [
            ("ftp.example.com", Some("ftp.example.com")),
            ("FTP.Example.com.", Some("ftp.example.com")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("[2001:DB8::1]", Some("2001:db8::1")),
            ("2001:db8::1", None),
            ("", None),
            ("a..b", None),
            ("-a", None),
            ("a b", None),
            ("a/b", None),
        ] {
            assert_eq!(host_name(text.as_bytes()).as_deref(), name, "{text}");
        }
    }
}
