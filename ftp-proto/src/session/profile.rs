//! Which device profiles apply to this client: decided anew whenever something is learnt of it.

use super::{Login, Session};
use crate::config::{Quirks, Traits};
use crate::notice::Notice;
use alloc::string::String;
use alloc::vec::Vec;

impl Session {
    /// Who the client is, or is not any longer.
    pub(crate) fn set_login(&mut self, login: Login) {
        self.login = login;
        self.choose_profile();
    }

    /// Something was learnt of the client, or the settings have changed.
    pub(crate) fn choose_profile(&mut self) {
        let user = self.login.name();
        self.quirks = self.quirks_for(user);
        let names = self.profile_names(user);
        if names != self.profiles {
            self.profiles.clone_from(&names);
            self.notify(Notice::ProfilesApplied { names });
        }
        // Or no way to a data connection would be left.
        self.modes.extended_passive_only &= self.quirks.extended_passive;
        self.tell_inbox();
    }

    /// What holds for this client under this name.
    pub(super) fn quirks_for(&self, user: Option<&str>) -> Quirks {
        let common = Quirks { active_address: self.config.active.address, ..Quirks::default() };
        common.resolve(&self.config.profiles, self.traits(user))
    }

    fn profile_names(&self, user: Option<&str>) -> Vec<String> {
        let traits = self.traits(user);
        let applied = self.config.profiles.iter().filter(|profile| profile.applies(traits));
        applied.map(|profile| profile.name.clone()).collect()
    }

    fn traits<'a>(&'a self, user: Option<&'a str>) -> Traits<'a> {
        Traits { peer: self.peer.ip(), user, host: self.asked_host(), software: self.software.as_deref() }
    }
}
