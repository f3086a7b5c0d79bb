//! Which of the server's virtual hosts a client means. It may say so in three ways, each of which goes before those above
//! it: by HOST (RFC 7151), by the name in the TLS handshake (RFC 6066 section 3), which its certificate is checked
//! against, and for one login before the user's name, `host|user`, as IIS has it for clients that know neither.

use super::Session;
use crate::config::{Host, host_name};
use crate::notice::Notice;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;

/// What was said of hosts. Whatever becomes of the settings, a session keeps its host.
#[derive(Debug, Default)]
pub(crate) struct Hosting {
    /// What HOST said.
    asked: Option<String>,
    /// The name that counts, of HOST or the handshake; it need not be one of the server's.
    name: Option<String>,
    /// The host of that name.
    chosen: Option<Arc<Host>>,
    /// The host before the user's name.
    typed: Option<Arc<Host>>,
    /// What the log was told last.
    told: Option<Arc<Host>>,
}

impl Hosting {
    /// What HOST said: the certificate that is shown to who names none in the handshake.
    pub(super) fn asked(&self) -> Option<&str> {
        self.asked.as_deref()
    }
}

impl Session {
    /// The virtual host that the client is at; `None`: the server itself.
    pub(crate) fn host(&self) -> Option<&Host> {
        self.hosting.typed.as_deref().or(self.hosting.chosen.as_deref())
    }

    /// The name for [`Credentials`](crate::account::Credentials).
    pub(crate) fn host_for_login(&self) -> Option<String> {
        self.host().map(|host| host.name().to_owned())
    }

    /// The name by which the client has asked, whether there is such a host or not.
    pub(super) fn asked_host(&self) -> Option<&str> {
        self.hosting.typed.as_ref().map(|host| host.name()).or(self.hosting.name.as_deref())
    }

    /// What clients of this host are welcomed by.
    // req: 7151-3.2-default
    pub(crate) fn welcome(&self) -> &str {
        self.host().and_then(Host::greeting).unwrap_or(&self.config.greeting)
    }

    /// Whether this name stands for a host, or at least for a certificate.
    pub(crate) fn knows_host(&self, name: &str) -> bool {
        self.config.hosts.find(name).is_some() || self.protection.has_certificate_for(name)
    }

    /// Whether the client has named another host in the TLS handshake than this one.
    // req: 7151-3.2.2-sni
    pub(crate) fn is_secured_for_another_host(&self, name: &str) -> bool {
        let Some(secured) = self.secured_name() else { return false };
        let host = |name: &str| self.config.hosts.find(name).map(|host| host.name());
        secured != name && (host(name).is_none() || host(name) != host(&secured))
    }

    /// HOST. Each takes the place of the one before (RFC 7151 section 3.2).
    pub(crate) fn ask_for_host(&mut self, name: String) {
        self.hosting.asked = Some(name);
        self.hosting.typed = None;
        self.settle_host();
    }

    /// REIN: as the connection began (RFC 7151 section 3.2.1).
    // req: 7151-3.2.1-rein
    pub(crate) fn forget_host(&mut self) {
        self.hosting = Hosting { told: self.hosting.told.take(), ..Hosting::default() };
        self.settle_host();
    }

    /// The end of a login.
    pub(super) fn forget_typed_host(&mut self) {
        self.hosting.typed = None;
    }

    /// USER: the name without the host before it. What is no host is part of the name, so that nothing but the end of
    /// the login says which hosts there are.
    pub(crate) fn without_typed_host(&mut self, name: String) -> String {
        let typed = name.split_once('|').and_then(|(host, user)| {
            let host = self.config.hosts.find(&host_name(host)?)?;
            Some((Arc::clone(host), user.to_owned()))
        });
        let name = match typed {
            Some((host, user)) => {
                self.hosting.typed = Some(host);
                user
            }
            None => name,
        };
        self.tell_host();
        name
    }

    /// Finds the host anew, since something was said of it.
    pub(super) fn settle_host(&mut self) {
        let secured = self.secured_name();
        let known = secured.as_ref().filter(|name| self.knows_host(name));
        self.hosting.name = known.or(self.hosting.asked.as_ref()).or(secured.as_ref()).cloned();
        let name = self.hosting.name.as_ref();
        let is_it = |host: &&Arc<Host>| name.is_some_and(|name| host.names().contains(name));
        let kept = self.hosting.chosen.as_ref().filter(is_it);
        self.hosting.chosen = kept.or_else(|| self.config.hosts.find(name?)).cloned();
        self.tell_host();
        self.choose_profile();
    }

    /// The name in the handshake of the control connection.
    fn secured_name(&self) -> Option<String> {
        self.protection.facts().and_then(|facts| host_name(facts.server_name.as_deref()?))
    }

    fn tell_host(&mut self) {
        let host = self.hosting.typed.as_ref().or(self.hosting.chosen.as_ref()).cloned();
        if host.as_ref().map(|host| host.name()) != self.hosting.told.as_ref().map(|host| host.name()) {
            self.notify(Notice::HostChosen { host: host.as_ref().map(|host| host.name().to_owned()) });
            self.hosting.told = host;
        }
    }
}
