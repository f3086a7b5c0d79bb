//! What TLS has to protect, as data: a default and rules by listener, network and user. Later rules win, setting by
//! setting.

use super::ConfigError;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

/// Whether the control connection has to be protected (RFC 4217 section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ControlPolicy {
    /// As the client likes.
    #[default]
    Allow,
    /// Nobody logs in without TLS, and commands stay under it unless CCC is allowed.
    Require,
    /// Names and passwords go under TLS; anonymous guests have none, and after the login the client may go on
    /// without (CCC, if it is allowed).
    RequireForCredentials,
}

/// Whether data connections have to be protected (PROT, RFC 4217 section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataPolicy {
    /// As the client likes.
    #[default]
    Allow,
    /// No transfer without PROT P.
    Require,
    /// PROT P is refused: for who must look into the data on the way.
    Deny,
}

/// Whether a protected data connection has to prove by resumption that it belongs to its control connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataResumption {
    /// Its address is enough.
    Off,
    /// Its address is enough, and the log hears of it.
    Warn,
    /// Nothing else is accepted, but for a client whose tickets may be used up
    /// ([`Resumption::Exhausted`](crate::tls::Resumption::Exhausted)) and whose address is right.
    #[default]
    Require,
    /// Nothing else is accepted. A client that uses no ticket twice can't store many files over one login then.
    Strict,
}

/// What an upload is that ends without close_notify (RFC 8446 section 6.1): complete, or cut off?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CloseNotify {
    /// Incomplete, whoever sends it.
    Require,
    /// Incomplete from a client that has sent close_notify before, otherwise complete.
    #[default]
    Expect,
    /// Complete: for clients that never send it.
    Tolerate,
}

/// Whether a client is asked for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientCertificates {
    /// No.
    #[default]
    Ignore,
    /// Yes; it may go on without.
    Request,
    /// Yes, and without one there is no handshake.
    Require,
}

/// What holds for one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsPolicy {
    /// The control connection.
    pub control: ControlPolicy,
    /// Data connections.
    pub data: DataPolicy,
    /// Whether data connections have to resume.
    pub resumption: DataResumption,
    /// Whether the client may leave TLS on the control connection (CCC).
    pub clear_command_channel: bool,
    /// What an upload without close_notify is.
    pub close_notify: CloseNotify,
    /// Whether a certificate is asked for. Decided before the user is known.
    pub client_certificates: ClientCertificates,
    /// Whether data connections may lead to another host than the client's, so that it can have two servers exchange
    /// files (SSCN). Such a data connection proves nothing about who is at its other end.
    pub server_to_server: bool,
}

/// Policies for everybody: the default, changed by each rule that applies, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsPolicies {
    /// What holds if no rule says otherwise.
    pub default: TlsPolicy,
    /// The rules.
    pub rules: Vec<TlsRule>,
}

/// A change of the policy for some clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsRule {
    /// For whom; all of it must be true.
    pub when: TlsCondition,
    /// What.
    pub set: TlsChange,
}

/// For whom a rule is. What is empty says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsCondition {
    /// The client connected to one of these.
    pub listeners: Vec<Listener>,
    /// The client's address is in one of these.
    pub networks: Vec<Network>,
    /// The client gave one of these names. Before USER no such rule applies.
    pub users: Vec<String>,
    /// The client is anonymous, or is not. Before USER no such rule applies.
    pub anonymous: Option<bool>,
}

/// What a rule changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsChange {
    /// [`TlsPolicy::control`].
    pub control: Option<ControlPolicy>,
    /// [`TlsPolicy::data`].
    pub data: Option<DataPolicy>,
    /// [`TlsPolicy::resumption`].
    pub resumption: Option<DataResumption>,
    /// [`TlsPolicy::clear_command_channel`].
    pub clear_command_channel: Option<bool>,
    /// [`TlsPolicy::close_notify`].
    pub close_notify: Option<CloseNotify>,
    /// [`TlsPolicy::client_certificates`].
    pub client_certificates: Option<ClientCertificates>,
    /// [`TlsPolicy::server_to_server`].
    pub server_to_server: Option<bool>,
}

/// The change that makes this policy of any other.
impl From<TlsPolicy> for TlsChange {
    fn from(policy: TlsPolicy) -> Self {
        Self {
            control: Some(policy.control),
            data: Some(policy.data),
            resumption: Some(policy.resumption),
            clear_command_channel: Some(policy.clear_command_channel),
            close_notify: Some(policy.close_notify),
            client_certificates: Some(policy.client_certificates),
            server_to_server: Some(policy.server_to_server),
        }
    }
}

/// A listener of control connections: a port, on one address or on any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// `None`: on any.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl TlsPolicies {
    /// What holds for this client. `user`: the name it gave, once it has.
    pub fn resolve(&self, local: SocketAddr, peer: IpAddr, user: Option<&str>) -> TlsPolicy {
        let applies = |rule: &&TlsRule| rule.when.is_met(local, peer, user);
        self.rules.iter().filter(applies).fold(self.default, |policy, rule| rule.set.apply(policy))
    }
}

impl TlsCondition {
    fn is_met(&self, local: SocketAddr, peer: IpAddr, user: Option<&str>) -> bool {
        // Guests have one account, however they call themselves.
        let is = |name: &str, user| name == user || (is_anonymous(name) && is_anonymous(user));
        let named = |user| self.users.iter().any(|name| is(name, user));
        (self.listeners.is_empty() || self.listeners.iter().any(|listener| listener.is(local)))
            && (self.networks.is_empty() || self.networks.iter().any(|network| network.contains(peer)))
            && (self.users.is_empty() || user.is_some_and(named))
            && self.anonymous.is_none_or(|wanted| user.is_some_and(|user| is_anonymous(user) == wanted))
    }
}

impl TlsChange {
    /// The policy with what this changes in it.
    pub fn apply(&self, policy: TlsPolicy) -> TlsPolicy {
        TlsPolicy {
            control: self.control.unwrap_or(policy.control),
            data: self.data.unwrap_or(policy.data),
            resumption: self.resumption.unwrap_or(policy.resumption),
            clear_command_channel: self.clear_command_channel.unwrap_or(policy.clear_command_channel),
            close_notify: self.close_notify.unwrap_or(policy.close_notify),
            client_certificates: self.client_certificates.unwrap_or(policy.client_certificates),
            server_to_server: self.server_to_server.unwrap_or(policy.server_to_server),
        }
    }
}

/// Whether this is how guests call themselves (RFC 1635).
pub fn is_anonymous(user: &str) -> bool {
    user.eq_ignore_ascii_case("anonymous") || user.eq_ignore_ascii_case("ftp")
}

impl Listener {
    /// Whether the server's end of a control connection is at this listener.
    pub fn is(self, local: SocketAddr) -> bool {
        let address = local.ip().to_canonical();
        self.port == local.port() && self.address.is_none_or(|wanted| wanted.to_canonical() == address)
    }
}

/// `990`, `192.0.2.1:990` or `[2001:db8::1]:990`.
impl FromStr for Listener {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if let Ok(port) = text.parse() {
            return Ok(Self { address: None, port });
        }
        let local: SocketAddr = text.parse().map_err(|_| ConfigError {
            key: "tls.rule.listeners",
            problem: alloc::format!("{text:?} is no listener; write a port like 990, or 192.0.2.1:990"),
        })?;
        Ok(Self { address: (!local.ip().is_unspecified()).then_some(local.ip()), port: local.port() })
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for Listener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            None => write!(out, "{}", self.port),
            Some(address) => write!(out, "{}", SocketAddr::new(address, self.port)),
        }
    }
}

impl Network {
    /// The network of these first bits of an address.
    ///
    /// # Errors
    /// [`ConfigError`] if there are not so many bits.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, ConfigError> {
        alloc::format!("{address}/{prefix}").parse()
    }

    /// The network of these first bits of an address, or of all bits if it has not so many; two that hold the same
    /// addresses are equal.
    pub fn around(address: IpAddr, prefix: u8) -> Self {
        let address = address.to_canonical();
        let prefix = prefix.min(if address.is_ipv4() { 32 } else { 128 });
        Self { address: Self { address, prefix }.base(), prefix }
    }

    /// How many bits its addresses have in common.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The first address of it, which stands for all.
    pub fn base(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4((address.to_bits() & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
        }
    }

    /// Whether an address belongs to it. IPv4-mapped addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// `10.0.0.0/8`, `2001:db8::/32`, or an address alone.
impl FromStr for Network {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let wrong = || ConfigError {
            key: "tls.rule.networks",
            problem: alloc::format!(
                "{text:?} is no network; write it like 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1"
            ),
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let written: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let address = written.to_canonical();
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = match prefix {
            None => most,
            Some(prefix) => prefix.trim().parse().map_err(|_| wrong())?,
        };
        // In ::ffff:10.0.0.0/104 the prefix counts the bits of the IPv6 form.
        let mapped: u8 = if written.is_ipv6() && address.is_ipv4() && text.contains('/') { 96 } else { 0 };
        let prefix = prefix.checked_sub(mapped).filter(|prefix| *prefix <= most).ok_or_else(wrong)?;
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_the_addresses_that_begin_alike() {
        let network = |text: &str| text.parse::<Network>().unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for (wanted, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.1.1", "2001:db8::1"),
            ("192.0.2.128/25", "192.0.2.129", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "::2"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"),
        ] {
            assert!(network(wanted).contains(address(inside)), "{wanted} {inside}");
            assert!(!network(wanted).contains(address(outside)), "{wanted} {outside}");
        }
        assert!(network("0.0.0.0/0").contains(address("203.0.113.5")));
        assert!(network("::/0").contains(address("2001:db8::1")));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/-1", "host", "::ffff:10.0.0.0/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn later_rules_win_setting_by_setting() {
        let rule = |when, set| TlsRule { when, set };
        let policies = TlsPolicies {
            default: TlsPolicy {
                control: ControlPolicy::Require,
                data: DataPolicy::Require,
                ..TlsPolicy::default()
            },
            rules: alloc::vec![
                rule(
                    TlsCondition { anonymous: Some(true), ..TlsCondition::default() },
                    TlsChange {
                        control: Some(ControlPolicy::Allow),
                        data: Some(DataPolicy::Allow),
                        ..TlsChange::default()
                    },
                ),
                rule(
                    TlsCondition {
                        networks: alloc::vec!["10.0.0.0/8".parse().unwrap()],
                        ..TlsCondition::default()
                    },
                    TlsChange { control: Some(ControlPolicy::Allow), ..TlsChange::default() },
                ),
                rule(
                    TlsCondition {
                        listeners: alloc::vec!["2121".parse().unwrap()],
                        users: alloc::vec!["bob".into()],
                        ..TlsCondition::default()
                    },
                    TlsChange { data: Some(DataPolicy::Deny), ..TlsChange::default() },
                ),
            ],
        };
        let resolve = |local: &str, peer: &str, user| {
            let policy = policies.resolve(local.parse().unwrap(), peer.parse().unwrap(), user);
            (policy.control, policy.data)
        };
        let here = "192.0.2.1:21";
        use {ControlPolicy as C, DataPolicy as D};
        assert_eq!(resolve(here, "203.0.113.5", None), (C::Require, D::Require));
        assert_eq!(resolve(here, "203.0.113.5", Some("FTP")), (C::Allow, D::Allow));
        assert_eq!(resolve(here, "10.0.0.5", Some("bob")), (C::Allow, D::Require));
        assert_eq!(resolve("192.0.2.1:2121", "10.0.0.5", Some("bob")), (C::Allow, D::Deny));
        assert_eq!(resolve("192.0.2.1:2121", "10.0.0.5", Some("eve")), (C::Allow, D::Require));
    }

    #[test]
    fn guests_are_one_user_by_any_name() {
        let when = TlsCondition { users: alloc::vec!["anonymous".into()], ..TlsCondition::default() };
        let met =
            |user| when.is_met("192.0.2.1:21".parse().unwrap(), "203.0.113.5".parse().unwrap(), Some(user));
        assert!(met("anonymous") && met("ANONYMOUS") && met("ftp"));
        assert!(!met("bob"));
    }

    #[test]
    fn a_listener_is_a_port_on_one_address_or_any() {
        let is =
            |listener: &str, local: &str| listener.parse::<Listener>().unwrap().is(local.parse().unwrap());
        assert!(is("990", "192.0.2.1:990") && !is("990", "192.0.2.1:21"));
        assert!(is("192.0.2.1:990", "[::ffff:192.0.2.1]:990") && !is("192.0.2.1:990", "192.0.2.2:990"));
        assert!(is("0.0.0.0:990", "192.0.2.1:990") && is("[::]:990", "[2001:db8::1]:990"));
        assert!("nine".parse::<Listener>().is_err());
    }
}
