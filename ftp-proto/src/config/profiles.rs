//! Device profiles: named changes to how some clients are spoken to. All of it is data; what a quirk does stands where
//! the command is.

use super::{Network, is_anonymous};
use crate::charset::Charset;
use crate::listing::ListStyle;
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
    /// It asked for one of these hosts (HOST, or the TLS handshake).
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
}

/// What is known of a client that profiles are chosen by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits<'a> {
    pub(crate) peer: IpAddr,
    pub(crate) user: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    pub(crate) software: Option<&'a str>,
}

impl Quirks {
    /// What holds for a client with these traits, where this holds for others.
    pub(crate) fn resolve(self, profiles: &[Profile], traits: Traits<'_>) -> Self {
        let applies = |profile: &&Profile| profile.when.is_met(traits);
        profiles.iter().filter(applies).fold(self, |quirks, profile| profile.set.apply(quirks))
    }
}

impl ProfileCondition {
    fn is_met(&self, traits: Traits<'_>) -> bool {
        (self.networks.is_empty() || self.networks.iter().any(|network| network.contains(traits.peer)))
            && one_of(&self.users, traits.user, is_user)
            && one_of(&self.hosts, traits.host, str::eq_ignore_ascii_case)
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
        }
    }
}
