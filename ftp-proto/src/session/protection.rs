//! TLS on one session (RFC 4217): whether the control connection is under it, what PROT says, and which policy holds.

use super::Session;
use super::link::{Input, Link};
use super::transfer::Security;
use crate::config::{CloseNotify, ControlPolicy, DataPolicy, TlsPolicy, is_anonymous};
use crate::event::{Action, LinkId, Request};
use crate::notice::Notice;
use crate::reply::Reply;
use crate::session::Modes;
use crate::time::Now;
use crate::tls::{
    ClientCertificate, Demands, FamilyWish, Handshake, Tls, TlsError, TlsFacts, TlsFamily, TlsRole,
    TlsSession,
};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

/// What the wire has to change.
pub(crate) enum Switch {
    /// What is queued goes out in the clear, all else under TLS.
    Secure(Box<dyn TlsSession>),
    /// What is queued goes out under TLS, all else in the clear.
    Clear,
}

/// The control connection.
#[derive(Debug, Default)]
enum Control {
    #[default]
    Clear,
    Handshaking,
    Secure(TlsFacts),
    /// We have left TLS, the client has not.
    Leaving,
}

#[derive(Default)]
pub(crate) struct Protection {
    /// `None`: there is no TLS here.
    tls: Option<Arc<dyn Tls>>,
    /// TLS began with the connection, not with AUTH.
    implicit: bool,
    control: Control,
    /// What data connections belong to; outlives CCC.
    family: Option<Box<dyn TlsFamily>>,
    /// PBSZ came.
    has_buffer_size: bool,
    /// PROT P holds.
    private: bool,
    /// SSCN ON: on data connections we are the client.
    handshakes_as_client: bool,
    /// This client is known to end uploads with close_notify.
    sends_close_notify: bool,
    switch: Option<Switch>,
}

impl Protection {
    // req: 2228-3-prot-default, 4217-9-prot-default
    pub(super) fn new(tls: Option<Arc<dyn Tls>>, implicit: bool) -> Self {
        Self { tls, implicit, ..Self::default() }
    }

    /// Whether there is TLS at all.
    pub(crate) fn is_offered(&self) -> bool {
        self.tls.is_some()
    }

    pub(crate) fn is_secure(&self) -> bool {
        matches!(self.control, Control::Secure(_))
    }

    pub(crate) fn is_implicit(&self) -> bool {
        self.implicit
    }

    /// Whether AUTH may come: not before the last of another TLS is gone.
    pub(crate) fn is_clear(&self) -> bool {
        matches!(self.control, Control::Clear)
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        matches!(self.control, Control::Handshaking)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.control, Control::Leaving)
    }

    pub(crate) fn facts(&self) -> Option<&TlsFacts> {
        match &self.control {
            Control::Secure(facts) => Some(facts),
            Control::Clear | Control::Handshaking | Control::Leaving => None,
        }
    }

    /// The certificate the client has shown on the control connection.
    pub(crate) fn certificate(&self) -> Option<&ClientCertificate> {
        self.facts()?.client_certificate.as_ref()
    }

    /// Data connections are protected.
    pub(crate) fn is_private(&self) -> bool {
        self.private
    }

    /// Data connections may lead elsewhere and we are the TLS client on them.
    pub(crate) fn handshakes_as_client(&self) -> bool {
        self.handshakes_as_client
    }

    pub(crate) fn set_handshakes_as_client(&mut self, on: bool) {
        self.handshakes_as_client = on;
    }

    pub(crate) fn set_buffer_size(&mut self) {
        self.has_buffer_size = true;
    }

    pub(crate) fn has_buffer_size(&self) -> bool {
        self.has_buffer_size || self.implicit
    }

    pub(crate) fn has_certificate_for(&self, name: &str) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.knows_host(name))
    }

    pub(crate) fn awaits_switch(&self) -> bool {
        self.switch.is_some()
    }

    pub(crate) fn take_switch(&mut self) -> Option<Switch> {
        self.switch.take()
    }
}

impl Session {
    // Policy.

    /// What holds for this client, with the name that it gave.
    pub(crate) fn tls_policy(&self) -> TlsPolicy {
        self.tls_policy_for(self.login.name())
    }

    /// What holds for this client under this name.
    pub(crate) fn tls_policy_for(&self, user: Option<&str>) -> TlsPolicy {
        self.config.tls.resolve(self.listener, self.peer.ip(), user)
    }

    /// Whether this name may log in over the control connection as it is; if not, the reply that says what to do.
    // req: 2228-4-530, 4217-4.2-refused-commands, 4217-10.1-530
    pub(crate) fn check_login_protection(&self, user: Option<&str>) -> Result<(), Reply> {
        let required = match self.tls_policy_for(user).control {
            ControlPolicy::Allow => false,
            ControlPolicy::Require => true,
            ControlPolicy::RequireForCredentials => !user.is_some_and(is_anonymous),
        };
        let minimum = self.quirks_for(user).tls_minimum;
        if let Some(facts) = self.protection.facts().filter(|facts| facts.version < minimum) {
            let version = facts.version;
            let text = alloc::format!("{minimum} is required here; this connection has {version}.");
            return Err(Reply::with(530, text));
        }
        if !required || self.protection.is_secure() {
            Ok(())
        } else if self.protection.is_offered() {
            Err(Reply::new(
                530,
                "TLS is required here: send AUTH TLS first, or choose \"explicit FTP over TLS\" in your client.",
            ))
        } else {
            Err(Reply::new(530, "TLS is required here, and the server has no certificate."))
        }
    }

    /// Whether a transfer may use data connections as PROT says; if not, the reply that says what to do (RFC 4217
    /// section 9).
    // req: 2228-8.2-521, 4217-10.2-521
    pub(crate) fn check_data_protection(&self) -> Result<(), Reply> {
        match (self.tls_policy().data, self.protection.private) {
            (DataPolicy::Require, false) if self.protection.family.is_none() => Err(Reply::new(
                521,
                "Data connections must be protected here: log in with TLS (AUTH TLS), then send PBSZ 0 and PROT P.",
            )),
            (DataPolicy::Require, false) => {
                Err(Reply::new(521, "Data connections must be protected here: send PBSZ 0 and PROT P first."))
            }
            (DataPolicy::Deny, true) => {
                Err(Reply::new(521, "Data connections can't be protected here: send PROT C first."))
            }
            _ => Ok(()),
        }
    }

    /// PROT: whether data connections may get this level.
    // req: 2228-3-prot-534, 4217-10.2-534
    pub(crate) fn check_protection_level(&self, private: bool) -> Result<(), Reply> {
        match (self.tls_policy().data, private) {
            (DataPolicy::Require, false) => {
                Err(Reply::new(534, "Data connections must be protected here; use PROT P."))
            }
            (DataPolicy::Deny, true) => {
                Err(Reply::new(534, "Data connections can't be protected here; use PROT C."))
            }
            _ => Ok(()),
        }
    }

    // The control connection.

    /// AUTH, or the beginning of an implicit one: what was queued goes out in the clear, then TLS begins. Whatever the
    /// client said before may have been said by somebody else on the way, so nothing of it stays.
    // req: 2228-3-auth-431, 2228-3-auth-reset, 4217-4.1-login-behind, 4217-4.1-server-side
    pub(crate) fn begin_tls(&mut self, now: Now, private: bool) -> Result<(), Reply> {
        let Some(tls) = &self.protection.tls else {
            return Err(Reply::new(431, "There is no TLS here."));
        };
        let wish = FamilyWish {
            client_certificates: self.tls_policy_for(None).client_certificates,
            host: self.hosting.asked(),
        };
        let family = tls.family(wish);
        let session = family.open(TlsRole::Control).map_err(|error| {
            self.notify(Notice::ControlTlsFailed(error));
            Reply::new(431, "TLS can't be set up just now; try again later.")
        })?;
        let tls = self.protection.tls.take();
        self.forget_software();
        self.forget_login(now);
        self.modes = Modes::default();
        self.protection = Protection {
            tls,
            implicit: self.protection.implicit,
            control: Control::Handshaking,
            family: Some(family),
            private,
            switch: Some(Switch::Secure(session)),
            ..Protection::default()
        };
        Ok(())
    }

    /// What came behind AUTH in the clear. A client has nothing to say before the handshake, so somebody else put it
    /// there to have it obeyed as if it were protected.
    pub(crate) fn discard_plaintext(&mut self) {
        let bytes = self.inbox.discard();
        self.has_heeded_abort = false;
        if bytes > 0 {
            self.notify(Notice::PlaintextDiscarded { bytes });
        }
    }

    /// The handshake on the control connection is complete.
    pub(crate) fn control_secured(&mut self, facts: TlsFacts) {
        self.notify(Notice::ControlSecured(facts.clone()));
        self.protection.control = Control::Secure(facts);
        self.settle_host();
        if self.protection.is_implicit() {
            self.greet();
        }
    }

    /// TLS on the control connection is of no use any more; nothing can be said either.
    // req: 4217-4.1-failed-handshake
    pub(crate) fn control_tls_failed(&mut self, now: Now, error: TlsError) {
        if self.is_serving() {
            self.notify(Notice::ControlTlsFailed(error));
            self.outbox.discard();
            self.begin_closing(now, "TLS failed");
        }
    }

    /// CCC: the control connection goes on in the clear; data connections stay as they are.
    pub(crate) fn end_tls(&mut self) {
        self.protection.control = Control::Leaving;
        self.protection.switch = Some(Switch::Clear);
        self.notify(Notice::ControlCleared);
    }

    /// The client has left TLS, too.
    pub(crate) fn control_cleared(&mut self) {
        self.protection.control = Control::Clear;
    }

    /// REIN: as if the connection had just been opened, so that TLS ends, too (RFC 4217 section 13), unless it began
    /// with the connection.
    // req: 4217-13-rein-cleared, 4217-13-rein-no-mandate, 4217-13-rein-reply
    pub(crate) fn reset_protection(&mut self) {
        let protection = &mut self.protection;
        protection.private = protection.implicit;
        protection.has_buffer_size = false;
        protection.sends_close_notify = false;
        if protection.implicit {
            return;
        }
        protection.family = None;
        if protection.is_secure() {
            self.end_tls();
        }
    }

    /// PROT. What was set up for a transfer was set up for the other level.
    // req: 4217-9-prot-c
    pub(crate) fn set_private(&mut self, now: Now, private: bool) {
        if core::mem::replace(&mut self.protection.private, private) != private
            && !matches!(self.link, Link::Given(_))
        {
            self.step_link(now, Input::Reset);
        }
    }

    // Data connections.

    /// Whether it takes a handshake to tell whose a connection is, or to tell a client why it is refused: many begin
    /// theirs before the transfer command, and would take a connection that is cut off for the end of it all.
    pub(super) fn waits_openly(&self) -> bool {
        self.protection.private || self.tls_policy().server_to_server
    }

    /// Whether a connection from another address than the client's can be the right one.
    pub(super) fn may_come_from_elsewhere(&self) -> bool {
        self.config.passive.peers.tls_proof || self.tls_policy().server_to_server
    }

    /// The TLS handshake of a data connection; `upload` says which way the bytes will go, `own` whether the connection
    /// comes from the client's address.
    // req: 4217-7-always-server, 4217-10.2-resumption
    pub(super) fn data_handshake(&self, upload: bool, own: bool) -> Result<Handshake, TlsError> {
        let policy = self.tls_policy();
        let demands = Demands {
            resumption: policy.resumption,
            server_to_server: policy.server_to_server,
            proof_is_enough: self.config.passive.peers.tls_proof,
            minimum: self.quirks.tls_minimum,
            own,
        };
        let role = match (self.protection.handshakes_as_client, upload) {
            (true, _) => TlsRole::Client,
            (false, true) => TlsRole::Upload,
            (false, false) => TlsRole::Download,
        };
        match &self.protection.family {
            Some(family) => family.open(role).map(|session| Handshake::new(session, demands)),
            None => Err(TlsError::Refused(String::from("there is no TLS on the control connection"))),
        }
    }

    /// A data connection's handshake is over, one way or the other.
    // req: 4217-15.2-stolen-connections
    pub(super) fn data_secured(&mut self, now: Now, link: LinkId, handshake: Handshake) {
        if self.link.securing(link).is_none() {
            return;
        }
        match handshake.into_outcome() {
            Ok((stream, resumption)) => {
                if let Some((resumption, peer)) = resumption.zip(self.link.peer_of(link)) {
                    self.notify(Notice::NotResumed { resumption, peer });
                }
                self.step_link(now, Input::Chosen { link });
                let needs_close_notify = match self.tls_policy().close_notify {
                    CloseNotify::Require => true,
                    CloseNotify::Expect => self.protection.sends_close_notify,
                    CloseNotify::Tolerate => false,
                };
                self.start_transfer(now, Some(Security { stream, needs_close_notify }));
            }
            Err(cause) => self.step_link(now, Input::Refused { link, cause }),
        }
    }

    /// An upload ended with close_notify: from now on one without is taken for cut off, in later sessions as well.
    pub(super) fn learn_close_notify(&mut self) {
        if let Some(account) = self.login.account()
            && !self.protection.sends_close_notify
        {
            let user = account.name.clone();
            self.protection.sends_close_notify = true;
            self.actions.push_back(Action::Consult(Request::Remember { session: self.id, user }));
        }
    }

    /// What is known of this client from earlier sessions.
    pub(super) fn recall_habits(&mut self) {
        if let (Some(account), true) = (self.login.account(), self.protection.family.is_some()) {
            let user = account.name.clone();
            self.actions.push_back(Action::Consult(Request::Recall { session: self.id, user }));
        }
    }

    pub(super) fn recalled(&mut self, sends_close_notify: bool) {
        self.protection.sends_close_notify |= sends_close_notify;
    }
}
