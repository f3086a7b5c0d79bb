//! Logging in and out: USER PASS ACCT REIN QUIT.

use super::args::Arg;
use crate::account::{Credentials, LoginError};
use crate::config::is_anonymous;
use crate::event::Job;
use crate::reply::Reply;
use crate::session::{Login, Modes, Pending, Reaction, Turn};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The answer is the same whether the user exists or not. A new USER ends the old login (RFC 959 section 4.1.1).
// req: 959-4.1.1-user
pub(super) fn user(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(name) = arg else { return Reaction::Silent };
    let name = core::str::from_utf8(name.trim_ascii()).ok().map(String::from);
    turn.session.forget_login(turn.now);
    let name = name.map(|name| turn.session.without_typed_host(name));
    if let Err(reply) = turn.session.check_login_protection(name.as_deref()) {
        return reply.into();
    }
    match (name, turn.session.protection.certificate().cloned()) {
        (Some(user), Some(certificate)) if !is_anonymous(&user) => {
            let password = Vec::new();
            let peer = turn.session.peer;
            let host = turn.session.host_for_login();
            let credentials =
                Credentials { user: user.clone(), password, host, peer, certificate: Some(certificate) };
            let accounts = Arc::clone(&turn.session.accounts);
            turn.session.perform(Job::AuthenticateByCertificate(accounts, Box::new(credentials)));
            Reaction::Await(Pending::CertificateLogin { user })
        }
        (name, _) => turn.ask_for_password(name),
    }
}

impl Turn<'_> {
    // req: 959-4.2.2-331, 2228-4-331
    pub(crate) fn ask_for_password(&mut self, name: Option<String>) -> Reaction {
        let anonymous = name.as_deref().is_some_and(is_anonymous);
        self.session.set_login(Login::Named(name));
        if anonymous {
            Reply::new(331, "Anonymous login: send your e-mail address as the password.").into()
        } else {
            Reply::new(331, "Send the password.").into()
        }
    }
}

// req: 959-4.1.1-pass
pub(super) fn pass(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(password) = arg else { return Reaction::Silent };
    if let Login::Named(name) = &turn.session.login
        && let Err(reply) = turn.session.check_login_protection(name.as_deref())
    {
        return reply.into();
    }
    match core::mem::take(&mut turn.session.login) {
        Login::Nobody => Reply::new(503, "Send USER first.").into(),
        Login::In(account) => {
            turn.session.login = Login::In(account);
            Reply::new(503, "You are logged in already.").into()
        }
        Login::Named(None) => turn.login_failed(None, LoginError::Refused, turn.now.mono),
        Login::Named(Some(user)) => turn.attempt(Credentials {
            user,
            password: password.to_vec(),
            host: turn.session.host_for_login(),
            peer: turn.session.peer,
            certificate: turn.session.protection.certificate().cloned(),
        }),
    }
}

// req: 959-4.2.2-202
pub(super) fn acct(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    if turn.session.login.account().is_some() {
        Reply::new(202, "No account is needed.").into()
    } else {
        Reply::new(503, "Log in with USER and PASS.").into()
    }
}

/// RFC 959 section 4.1.1: as if the control connection had just been opened.
// req: 959-4.1.1-rein, 959-4.2.2-220
pub(super) fn rein(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    turn.session.forget_login(turn.now);
    turn.session.modes = Modes::default();
    turn.session.set_utf_8(false);
    turn.session.reset_protection();
    turn.session.forget_software();
    turn.session.forget_host();
    Reply::new(220, "Ready for a new user.").into()
}

// req: 959-4.1.1-quit, 959-4.2.2-221
pub(super) fn quit(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    if !turn.session.quit_after_transfer() && !turn.session.quit_after_work(turn.now) {
        turn.session.finish(turn.now, Reply::new(221, "Goodbye."), "quit");
    }
    Reaction::Silent
}
