//! Which device profiles apply to this client: decided anew whenever something is learnt of it.

use super::{Login, Session};
use crate::config::{Quirks, Traits};

impl Session {
    /// Who the client is, or is not any longer.
    pub(crate) fn set_login(&mut self, login: Login) {
        self.login = login;
        self.choose_profile();
    }

    /// Something was learnt of the client, or the settings have changed.
    pub(crate) fn choose_profile(&mut self) {
        let common = Quirks { active_address: self.config.active.address, ..Quirks::default() };
        self.quirks = if self.config.profiles.is_empty() { common } else { self.resolve_profile(common) };
        // Or no way to a data connection would be left.
        self.modes.extended_passive_only &= self.quirks.extended_passive;
        self.tell_inbox();
    }

    fn resolve_profile(&self, common: Quirks) -> Quirks {
        let user = match &self.login {
            Login::Nobody => None,
            Login::Named(name) => name.as_deref(),
            Login::In(account) => Some(account.name.as_str()),
        };
        let traits = Traits {
            peer: self.peer.ip(),
            user,
            host: self.asked_host(),
            software: self.software.as_deref(),
        };
        common.resolve(&self.config.profiles, traits)
    }
}
