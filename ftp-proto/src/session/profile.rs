//! Which device profiles apply to this client: decided anew whenever something is learnt of it.

use super::{Login, Session};
use crate::config::{Host, Quirks, Traits};
use crate::notice::Notice;
use alloc::string::String;
use alloc::vec::Vec;

/// So often the log hears in one session what the client calls itself, and which profiles apply.
const TOLD_AT_MOST: u32 = 32;

impl Session {
    /// What a client can cause again and again, and before a login: it must not fill the log.
    pub(crate) fn tell_seldom(&mut self, notice: Notice) {
        if self.told < TOLD_AT_MOST {
            self.told += 1;
            self.notify(notice);
        }
    }

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
            self.tell_seldom(Notice::ProfilesApplied { names });
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
        Traits {
            peer: self.peer.ip(),
            user,
            host: self.asked_host(),
            host_names: self.host().map_or(&[], Host::names),
            software: self.software.as_deref(),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use super::*;
    use crate::Connection;
    use crate::config::Settings;
    use crate::event::{Action, Arrival, SessionId};
    use crate::testing::MemoryAccounts;
    use crate::time::Now;
    use alloc::format;
    use alloc::sync::Arc;

    #[test]
    fn names_without_end_do_not_fill_the_log() {
        let config = Arc::new(Settings::default().validate().unwrap());
        let arrival = Arrival::new("198.51.100.1:21".parse().unwrap(), "203.0.113.5:4000".parse().unwrap());
        let accounts = Arc::new(MemoryAccounts::new());
        let mut connection = Connection::new(Now::default(), SessionId(1), config, accounts, None, arrival);
        let mut told = 0;
        for number in 0..1_000 {
            connection.receive(Now::default(), format!("CLNT {number}\r\n").as_bytes());
            while let Some(action) = connection.poll_action() {
                told += u32::from(matches!(action, Action::Notify(Notice::ClientNamed { .. })));
            }
            let len = connection.transmit().len();
            connection.transmitted(Now::default(), len);
        }
        assert_eq!(told, TOLD_AT_MOST);
    }
}
