//! Device profiles: named changes to how some clients are spoken to. All of it is data; what a quirk does stands where
//! the command is.

mod known;
mod settings;

pub use known::{KNOWN_PROFILES, KnownProfile};
pub use settings::{QUIRK_SETTINGS, QuirkSetting};

use super::{ConfigError, Network, is_anonymous};
use crate::charset::Charset;
use crate::listing::ListStyle;
use crate::tls::TlsVersion;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// What is different for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// What ALLO is answered.
    pub allo: AlloReply,
    /// Whether EPSV is offered.
    pub extended_passive: bool,
    /// Where active mode connects to.
    pub active_address: ActiveAddress,
    /// The characters that names have on the wire.
    pub charset: Charset,
    /// What LIST looks like.
    pub list_style: ListStyle,
    /// The permission bits that LIST shows of every file, whatever the storage says.
    pub file_mode: Option<u32>,
    /// The oldest version of TLS with which the client may log in and transfer files. What the handshake itself takes is
    /// decided before it is known who comes.
    pub tls_minimum: TlsVersion,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            allo: AlloReply::Done,
            extended_passive: true,
            active_address: ActiveAddress::AsSent,
            charset: Charset::UTF_8,
            list_style: ListStyle::Unix,
            file_mode: None,
            tls_minimum: TlsVersion::V1_2,
        }
    }
}

/// What ALLO is answered. Some cameras begin anew at a 202.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AlloReply {
    /// 200.
    #[default]
    Done,
    /// 202: it is superfluous here (RFC 959 section 4.1.3).
    Superfluous,
}

/// Where active mode connects to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ActiveAddress {
    /// To the address that the client sent, if it is one that it may send.
    #[default]
    AsSent,
    /// To the control connection's client, whatever address it sent: for devices behind NAT that send their inside
    /// address.
    ControlPeer,
}

/// A named change of [`Quirks`] for some clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// For logs and documentation.
    pub name: String,
    /// For whom; all of it must be true.
    pub when: ProfileCondition,
    /// What.
    pub set: QuirkChange,
}

/// For whom a profile is. What is empty says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileCondition {
    /// The client's address is in one of these.
    pub networks: Vec<Network>,
    /// The client gave one of these names. Before USER no such profile applies.
    pub users: Vec<String>,
    /// It asked for one of these hosts (HOST, or the TLS handshake), by any of the host's names.
    pub hosts: Vec<String>,
    /// What it calls itself (CLNT, CSID) begins with one of these, in any case.
    pub software: Vec<String>,
}

/// What a profile changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuirkChange {
    /// [`Quirks::allo`].
    pub allo: Option<AlloReply>,
    /// [`Quirks::extended_passive`].
    pub extended_passive: Option<bool>,
    /// [`Quirks::active_address`].
    pub active_address: Option<ActiveAddress>,
    /// [`Quirks::charset`].
    pub charset: Option<Charset>,
    /// [`Quirks::list_style`].
    pub list_style: Option<ListStyle>,
    /// [`Quirks::file_mode`].
    pub file_mode: Option<u32>,
    /// [`Quirks::tls_minimum`].
    pub tls_minimum: Option<TlsVersion>,
}

/// What is known of a client that profiles are chosen by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits<'a> {
    pub(crate) peer: IpAddr,
    pub(crate) user: Option<&'a str>,
    /// The host that it asked for, by the name it used.
    pub(crate) host: Option<&'a str>,
    /// All names of that host: which one is used makes no difference.
    pub(crate) host_names: &'a [String],
    pub(crate) software: Option<&'a str>,
}

impl Quirks {
    /// What holds for a client with these traits, where this holds for others.
    pub(crate) fn resolve(self, profiles: &[Profile], traits: Traits<'_>) -> Self {
        let applies = |profile: &&Profile| profile.applies(traits);
        profiles.iter().filter(applies).fold(self, |quirks, profile| profile.set.apply(quirks))
    }
}

impl Profile {
    pub(crate) fn applies(&self, traits: Traits<'_>) -> bool {
        self.when.is_met(traits)
    }

    /// Checks what can be wrong with it alone.
    ///
    /// # Errors
    /// [`ConfigError`] with what to write.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong =
            |problem: &str| Err(ConfigError { key: "profile", problem: format!("{}: {problem}", self.name) });
        if self.name.is_empty() || self.name.len() > 64 || self.name.chars().any(char::is_control) {
            return wrong("write a name of 1 to 64 characters");
        }
        if self.set.file_mode.is_some_and(|mode| mode > 0o777) {
            return wrong("write file_mode as three octal digits, like \"644\"");
        }
        let claimed = !self.when.hosts.is_empty() || !self.when.software.is_empty();
        let proven = !self.when.networks.is_empty() || !self.when.users.is_empty();
        if self.set.tls_minimum == Some(TlsVersion::V1_2) && claimed && !proven {
            return wrong(
                "anybody may say that name to be let in with an older TLS; write networks or users as well",
            );
        }
        Ok(())
    }
}

impl ProfileCondition {
    fn is_met(&self, traits: Traits<'_>) -> bool {
        (self.networks.is_empty() || self.networks.iter().any(|network| network.contains(traits.peer)))
            && one_of(&self.users, traits.user, is_user)
            && (one_of(&self.hosts, traits.host, str::eq_ignore_ascii_case)
                || traits
                    .host_names
                    .iter()
                    .any(|name| one_of(&self.hosts, Some(name), str::eq_ignore_ascii_case)))
            && one_of(&self.software, traits.software, begins)
    }
}

fn one_of(names: &[String], value: Option<&str>, is: fn(&str, &str) -> bool) -> bool {
    names.is_empty() || value.is_some_and(|value| names.iter().any(|name| is(name, value)))
}

/// Guests have one account, however they call themselves.
fn is_user(name: &str, user: &str) -> bool {
    name == user || (is_anonymous(name) && is_anonymous(user))
}

fn begins(start: &str, name: &str) -> bool {
    name.as_bytes().get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
}

impl QuirkChange {
    /// The quirks with what this changes in them.
    pub fn apply(&self, quirks: Quirks) -> Quirks {
        Quirks {
            allo: self.allo.unwrap_or(quirks.allo),
            extended_passive: self.extended_passive.unwrap_or(quirks.extended_passive),
            active_address: self.active_address.unwrap_or(quirks.active_address),
            charset: self.charset.unwrap_or(quirks.charset),
            list_style: self.list_style.unwrap_or(quirks.list_style),
            file_mode: self.file_mode.or(quirks.file_mode),
            tls_minimum: self.tls_minimum.unwrap_or(quirks.tls_minimum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(when: ProfileCondition, set: QuirkChange) -> Profile {
        Profile { name: "x".into(), when, set }
    }

    #[test]
    fn only_who_is_known_may_come_with_an_older_tls() {
        let old = QuirkChange { tls_minimum: Some(TlsVersion::V1_2), ..QuirkChange::default() };
        let new = QuirkChange { tls_minimum: Some(TlsVersion::V1_3), ..QuirkChange::default() };
        let software =
            || ProfileCondition { software: Vec::from(["old".into()]), ..ProfileCondition::default() };
        let host = || ProfileCondition { hosts: Vec::from(["old".into()]), ..ProfileCondition::default() };
        let network = Vec::from(["10.0.0.0/8".parse().unwrap()]);
        for (when, set, right) in [
            (ProfileCondition::default(), old, true),
            (software(), old, false),
            (host(), old, false),
            (software(), new, true),
            (ProfileCondition { networks: network.clone(), ..software() }, old, true),
            (ProfileCondition { users: Vec::from(["bob".into()]), ..host() }, old, true),
        ] {
            let profile = profile(when, set);
            assert_eq!(profile.check().is_ok(), right, "{profile:?}");
        }
    }

    #[test]
    fn names_and_modes_are_checked() {
        let mode = |mode| QuirkChange { file_mode: Some(mode), ..QuirkChange::default() };
        assert!(profile(ProfileCondition::default(), mode(0o644)).check().is_ok());
        assert!(profile(ProfileCondition::default(), mode(0o1000)).check().is_err());
        for name in ["", "a\nb", &"x".repeat(65)] {
            let profile = Profile { name: name.into(), ..profile(ProfileCondition::default(), mode(0o644)) };
            assert!(profile.check().is_err(), "{name}");
        }
    }
}
