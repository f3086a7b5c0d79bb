//! The world of a transcript: files, users, settings, addresses, date.

use super::text::{duration, unescape};
use super::{passive, policy, profile};
use crate::account::{Account, Rights, RightsByPath};
use crate::advertise::Networks;
use crate::config::{Host, Hosts, Settings};
use crate::host::{OverQuota, StorageError};
use crate::path::VirtualPath;
use crate::testing::{FakeTls, MemoryAccounts, MemoryStorage};
use crate::time::{CivilTime, UnixTime};
use crate::transfer::CodePage;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// What holds before the first word is said.
#[derive(Clone)]
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) now: UnixTime,
    pub(super) taken: BTreeMap<u16, String>,
    /// The server's place in the network.
    pub(super) networks: Networks,
    /// What the resolver knows.
    pub(super) names: BTreeMap<String, Vec<IpAddr>>,
    /// What speaks TLS, if anything does.
    pub(super) tls: Option<FakeTls>,
    /// The listener begins TLS at once.
    pub(super) implicit_tls: bool,
    /// Depends on addresses, ports or a date that a real connection can't have.
    pub(super) unreal: bool,
    files: Vec<FileLine>,
    users: Vec<User>,
    anonymous: Option<User>,
    accounts_down: Option<String>,
}

#[derive(Clone)]
enum FileLine {
    File(Vec<u8>, Vec<u8>),
    Zeros(Vec<u8>, u64),
    Directory(Vec<u8>),
    Part(Vec<u8>, Vec<u8>),
    Mode(Vec<u8>, u32),
    Modified(Vec<u8>, UnixTime),
    Failing(Vec<u8>, StorageError),
    Capacity(u64),
    Quota(u64),
    QuotaFiles(u64),
}

#[derive(Clone)]
struct User {
    name: String,
    password: Vec<u8>,
    rights: RightsByPath,
    home: VirtualPath,
    /// Enough for a login without a password.
    certificate: Option<Vec<u8>>,
    /// On which virtual host.
    host: Option<String>,
}

/// 2026-11-25 10:00:00 UTC.
const DEFAULT_NOW: UnixTime = UnixTime::from_seconds(1_795_600_800);

impl World {
    pub(super) fn new() -> Self {
        let mut settings = Settings::default();
        // Most transcripts are about something else than the delay; those about it set it.
        settings.limits.login_delay = Duration::ZERO;
        Self {
            settings,
            peer: SocketAddr::from(([203, 0, 113, 5], 4000)),
            local: SocketAddr::from(([192, 0, 2, 2], 21)),
            now: DEFAULT_NOW,
            taken: BTreeMap::new(),
            networks: Networks::default(),
            names: BTreeMap::new(),
            tls: None,
            implicit_tls: false,
            unreal: false,
            files: Vec::new(),
            users: Vec::new(),
            anonymous: None,
            accounts_down: None,
        }
    }

    /// Takes one `key: value` line; `false` if the key is none of the world's.
    pub(super) fn line(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let (first, rest) = value.split_once(' ').unwrap_or((value, ""));
        match key {
            "file" => self.files.push(FileLine::File(unescape(first)?, unescape(rest)?)),
            "zeros" => self.files.push(FileLine::Zeros(unescape(first)?, parse(rest)?)),
            "dir" => self.files.push(FileLine::Directory(unescape(first)?)),
            "part" => self.files.push(FileLine::Part(unescape(first)?, unescape(rest)?)),
            "mode" => {
                let mode = u32::from_str_radix(rest, 8).map_err(|_| "not an octal mode")?;
                self.files.push(FileLine::Mode(unescape(first)?, mode));
            }
            "modified" => self.files.push(FileLine::Modified(unescape(first)?, date(rest)?)),
            "failing" => self.files.push(FileLine::Failing(unescape(first)?, storage_error(rest)?)),
            "capacity" => self.files.push(FileLine::Capacity(parse(value)?)),
            "quota" => self.files.push(FileLine::Quota(parse(value)?)),
            "quota-files" => self.files.push(FileLine::QuotaFiles(parse(value)?)),
            "user" => {
                let (password, options) = rest.split_once(' ').unwrap_or((rest, ""));
                self.users.push(user(first, &unescape(password)?, options)?);
            }
            "anonymous" => self.anonymous = Some(user("anonymous", b"", value)?),
            "accounts-down" => self.accounts_down = Some(value.to_owned()),
            "config" => {
                let (key, value) = value.split_once('=').ok_or("write config: key=value")?;
                // Of a chosen range the port is known; over a real network it must be free.
                self.unreal |= key.starts_with("passive.") && passive::needs_addresses(key);
                // Over a real network everybody comes from the same address.
                self.unreal |= key.starts_with("proxy.") || key == "active.rule";
                setting(&mut self.settings, key, value)?;
                self.unreal |= self.settings.tls.rules.iter().any(policy::needs_addresses);
                self.unreal |= self.settings.profiles.iter().any(profile::needs_addresses);
            }
            "tls" => {
                let mut tls = FakeTls::new();
                for word in value.split_whitespace() {
                    match word {
                        "implicit" => self.implicit_tls = true,
                        "broken" => tls = tls.broken(),
                        name => tls = tls.name(name),
                    }
                }
                self.tls = Some(tls);
            }
            "taken" => {
                self.unreal = true;
                self.taken.insert(parse(first)?, rest.to_owned());
            }
            "networks" => self.networks.own = policy::list(value)?,
            "routers" => self.networks.routers = policy::list(value)?,
            "resolves" => {
                self.names.insert(first.to_owned(), policy::list(rest)?);
            }
            "peer" => (self.peer, self.unreal) = (parse(value)?, true),
            "local" => (self.local, self.unreal) = (parse(value)?, true),
            "now" => (self.now, self.unreal) = (date(value)?, true),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A fresh tree.
    pub(super) fn storage(&self) -> MemoryStorage {
        let storage = MemoryStorage::new();
        storage.set_now(self.now);
        self.files.iter().fold(storage, |storage, line| match line {
            FileLine::File(path, bytes) => storage.file(path, bytes),
            FileLine::Zeros(path, len) => storage.zeros(path, *len),
            FileLine::Directory(path) => storage.dir(path),
            FileLine::Part(path, bytes) => storage.part(path, bytes),
            FileLine::Mode(path, mode) => storage.mode(path, *mode),
            FileLine::Modified(path, time) => storage.modified(path, *time),
            FileLine::Failing(path, error) => storage.failing(path, error.clone()),
            FileLine::Capacity(bytes) => storage.capacity(*bytes),
            FileLine::Quota(bytes) => storage.quota(*bytes),
            FileLine::QuotaFiles(files) => storage.quota_files(*files),
        })
    }

    /// The users, all in this tree.
    pub(super) fn accounts(&self, storage: &MemoryStorage) -> MemoryAccounts {
        let account = |user: &User| Account {
            name: user.name.clone(),
            storage: Arc::new(storage.clone()),
            rights: user.rights.clone(),
            home: user.home.clone(),
        };
        let mut accounts = MemoryAccounts::new();
        if self.users.iter().all(|user| user.host.is_some()) && self.anonymous.is_none() {
            accounts = accounts
                .user("bob", "secret", storage.account("bob", Rights::ALL))
                .anonymous(storage.account("anonymous", Rights::READ_ONLY));
        }
        let add = |accounts: MemoryAccounts, user: &User| {
            let accounts = accounts.user(&user.name, &user.password, account(user));
            match &user.certificate {
                Some(certificate) => accounts.certificate(&user.name, certificate),
                None => accounts,
            }
        };
        let of_host = |host: Option<&str>| {
            let host = host.map(ToOwned::to_owned);
            self.users.iter().filter(move |user| user.host == host)
        };
        accounts = of_host(None).fold(accounts, add);
        for host in self.settings.hosts.iter().map(Host::name) {
            accounts = accounts.host(host, of_host(Some(host)).fold(MemoryAccounts::new(), add));
        }
        if let Some(anonymous) = &self.anonymous {
            accounts = accounts.anonymous(account(anonymous));
        }
        match &self.accounts_down {
            Some(reason) => accounts.unavailable(reason),
            None => accounts,
        }
    }

    /// The password that `as: name` types.
    pub(super) fn password(&self, name: &str) -> Vec<u8> {
        let known = self.users.iter().find(|user| user.name == name);
        known.map_or_else(|| b"secret".to_vec(), |user| user.password.clone())
    }
}

fn parse<T: core::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("can't read \"{text}\""))
}

fn date(text: &str) -> Result<UnixTime, String> {
    let civil = CivilTime::parse(text.trim().as_bytes());
    civil.map(CivilTime::to_unix).ok_or_else(|| format!("not a date: \"{text}\""))
}

fn storage_error(name: &str) -> Result<StorageError, String> {
    Ok(match name {
        "io" => StorageError::Io("the disk is on fire".to_string()),
        "denied" => StorageError::Denied,
        "busy" => StorageError::Busy,
        "full" => StorageError::NoSpace,
        "over-quota" => StorageError::OverQuota(OverQuota::System),
        "bad-name" => StorageError::BadName,
        "unsupported" => StorageError::Unsupported,
        _ => return Err(format!("no such failure: \"{name}\"")),
    })
}

fn user(name: &str, password: &[u8], options: &str) -> Result<User, String> {
    let mut user = User {
        name: name.to_owned(),
        password: password.to_vec(),
        rights: RightsByPath::everywhere(Rights::ALL),
        home: VirtualPath::root(),
        certificate: None,
        host: None,
    };
    let mut by_path = Vec::new();
    for option in options.split_whitespace() {
        let (key, value) = option.split_once('=').ok_or("write options of a user as key=value")?;
        if key == "rights" {
            user.rights = RightsByPath::everywhere(rights(value)?);
        } else if key == "home" {
            user.home = path(value)?;
        } else if key == "host" {
            user.host = Some(value.to_owned());
        } else if key == "certificate" {
            user.certificate = Some(unescape(value)?);
        } else if let Some(prefix) = key.strip_prefix("rights:") {
            by_path.push((path(prefix)?, rights(value)?));
        } else {
            return Err(format!("no such option: \"{key}\""));
        }
    }
    for (path, rights) in by_path {
        user.rights = user.rights.and_below(path, rights);
    }
    Ok(user)
}

fn path(text: &str) -> Result<VirtualPath, String> {
    VirtualPath::new(&unescape(text)?).map_err(|error| error.to_string())
}

fn rights(text: &str) -> Result<Rights, String> {
    let mut rights = Rights::NONE;
    for name in text.split(',') {
        rights = rights
            | match name {
                "all" => Rights::ALL,
                "none" => Rights::NONE,
                name => {
                    let known = Rights::NAMES.iter().find(|(known, _)| *known == name);
                    known.ok_or_else(|| format!("no such right: \"{name}\""))?.1
                }
            };
    }
    Ok(rights)
}

/// `NAME,NAME GREETING`, one more; or `none` at all.
fn with_host(hosts: &Hosts, value: &str) -> Result<Hosts, String> {
    if value == "none" {
        return Ok(Hosts::default());
    }
    let (names, greeting) = value.split_once(' ').unwrap_or((value, ""));
    let names: Vec<&str> = names.split(',').collect();
    let greeting = String::from_utf8(unescape(greeting)?).map_err(|_| "a greeting is UTF-8")?;
    let host = Host::new(&names, Some(greeting).filter(|text| !text.is_empty()));
    let all = host.and_then(|host| Hosts::new(hosts.iter().cloned().chain([host])));
    all.map_err(|error| error.to_string())
}

/// Sets one setting by the name that error messages of [`Settings::validate`] use.
pub(super) fn setting(settings: &mut Settings, key: &str, value: &str) -> Result<(), String> {
    let seconds = || duration(value);
    match key {
        "server.greeting" => settings.greeting = value.to_owned(),
        "host" => settings.hosts = with_host(&settings.hosts, value)?,
        "timeouts.login" => settings.timeouts.login = seconds()?,
        "timeouts.idle" => settings.timeouts.idle = seconds()?,
        "timeouts.data_connection" => settings.timeouts.data_connection = seconds()?,
        "timeouts.stall" => settings.timeouts.stall = seconds()?,
        "timeouts.linger" => settings.timeouts.linger = seconds()?,
        "limits.sessions" => settings.limits.sessions = parse(value)?,
        "limits.sessions_per_address" => settings.limits.sessions_per_address = parse(value)?,
        "limits.sessions_per_network" => settings.limits.sessions_per_network = parse(value)?,
        "limits.unauthenticated" => settings.limits.unauthenticated = parse(value)?,
        "limits.unauthenticated_per_address" => settings.limits.unauthenticated_per_address = parse(value)?,
        "limits.commands_before_login" => settings.limits.commands_before_login = parse(value)?,
        "limits.commands_per_second" => settings.limits.commands_per_second = parse(value)?,
        "limits.login_attempts" => settings.limits.login_attempts = parse(value)?,
        "limits.login_delay" => settings.limits.login_delay = seconds()?,
        "limits.longest_login_delay" => settings.limits.longest_login_delay = seconds()?,
        "bans.enabled" => settings.bans.enabled = parse(value)?,
        "bans.user_failures" => settings.bans.user_failures = parse(value)?,
        "bans.address_failures" => settings.bans.address_failures = parse(value)?,
        "bans.window" => settings.bans.window = seconds()?,
        "bans.duration" => settings.bans.duration = seconds()?,
        "bans.longest" => settings.bans.longest = seconds()?,
        "bans.exempt" => settings.bans.exempt = policy::list(value)?,
        "limits.deflate_ratio" => settings.limits.deflate_ratio = parse(value)?,
        "transfers.deflate" => settings.transfers.deflate = parse(value)?,
        "transfers.ebcdic" => {
            let page = CodePage::NAMES.iter().find(|(name, _)| *name == value);
            settings.transfers.ebcdic = page.ok_or("write transfers.ebcdic=1047 or 037")?.1;
        }
        "transfers.deflate_level" => settings.transfers.deflate_level = parse(value)?,
        "limits.line" => settings.limits.line = parse(value)?,
        "proxy.trusted" => settings.proxy.trusted.push(parse(value)?),
        "proxy.data" => settings.proxy.data = parse(value)?,
        "active.enabled" => settings.active.enabled = parse(value)?,
        "active.source_port" => settings.active.source_port = Some(parse(value)?),
        "active.address" => settings.active.address = policy::active_address(value)?,
        "active.rule" => settings.active.rules.push(policy::active_rule(value)?),
        "tls.rule" => settings.tls.rules.push(policy::rule(value)?),
        "profile" => settings.profiles.push(profile::profile(value)?),
        "server.symlinks" => settings.symlinks = parse(value)?,
        "log.commands" => settings.notify_commands = parse(value)?,
        _ => match key.split_once('.') {
            Some(("passive", key)) => passive::setting(&mut settings.passive, key, value)?,
            Some(("tls", key)) => policy::policy(&mut settings.tls.default, key, value)?,
            _ => return Err(format!("no such setting: \"{key}\"")),
        },
    }
    Ok(())
}
