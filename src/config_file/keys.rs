//! Every key of the configuration file with what it does: the one table that reading, complaints and
//! suggestions work from.

use super::nearest::nearest;
use super::reader::{FileError, Node, Source};
use super::{
    Anonymous, Bind, ControlSocket, Draft, LogFormat, LogLevel, PARTIAL_NAMES, RuntimeKind, UPLOADS_NAMES,
    active, hosts, passive, profiles, sandbox, tls,
};
use crate::sandbox::Mode;
use ftp_proto::transfer::CodePage;
use std::net::{Ipv6Addr, SocketAddr};

/// Puts one value where it belongs.
pub(super) type Setter = fn(&mut Draft, &Node<'_>) -> Result<(), FileError>;

const KEYS: &[(&str, Setter)] = &[
    ("server.bind", |draft, node| put(&mut draft.config.bind, addresses(node, "[::]:2121").map(Bind::At))),
    ("server.bind_implicit_tls", |draft, node| {
        put(&mut draft.config.bind_implicit_tls, addresses(node, "[::]:990"))
    }),
    ("server.root", |draft, node| {
        draft.config.root = Some(node.source().resolve(node.text("/srv/ftp")?));
        Ok(())
    }),
    ("server.greeting", |draft, node| {
        put(&mut draft.settings.greeting, node.text("Welcome.").map(str::to_owned))
    }),
    ("server.runtime", |draft, node| put(&mut draft.config.runtime, node.one_of(RuntimeKind::NAMES))),
    ("server.uploads", |draft, node| put(&mut draft.config.uploads, node.one_of(UPLOADS_NAMES))),
    ("server.partial_uploads", |draft, node| put(&mut draft.partial, node.one_of(PARTIAL_NAMES))),
    ("server.symlinks", |draft, node| put(&mut draft.settings.symlinks, node.boolean())),
    ("server.keepalive", keepalive),
    ("server.watch", |draft, node| put(&mut draft.config.watch, node.boolean())),
    ("server.user", |draft, node| put(&mut draft.config.sandbox.user, sandbox::name(node))),
    ("server.group", |draft, node| put(&mut draft.config.sandbox.group, sandbox::name(node))),
    ("server.sandbox", |draft, node| put(&mut draft.config.sandbox.mode, node.one_of(Mode::NAMES))),
    ("server.sandbox_paths", |draft, node| put(&mut draft.config.sandbox.paths, sandbox::paths(node))),
    ("server.control_socket", |draft, node| {
        let path = node.text("/run/ftpd/control.sock")?;
        draft.config.control_socket = match path {
            "off" => ControlSocket::Off,
            path => ControlSocket::At(node.source().resolve(path)),
        };
        Ok(())
    }),
    ("passive.enabled", |draft, node| put(&mut draft.settings.passive.enabled, node.boolean())),
    ("passive.ports", passive::ports),
    ("passive.exposed_ports", passive::exposed_ports),
    ("passive.external_address", passive::external_address),
    ("passive.lan_clients", |draft, node| {
        put(&mut draft.settings.passive.lan_clients, node.one_of(passive::LAN_CLIENTS_NAMES))
    }),
    ("passive.routers", passive::routers),
    ("passive.peer_check", |draft, node| {
        put(&mut draft.settings.passive.peers.check, node.one_of(passive::PEER_CHECK_NAMES))
    }),
    ("passive.client_networks", passive::client_networks),
    ("passive.tls_proof", |draft, node| put(&mut draft.settings.passive.peers.tls_proof, node.boolean())),
    ("passive.rule", passive::rules),
    ("passive.strict_ports", |draft, node| put(&mut draft.settings.passive.strict_ports, node.boolean())),
    ("active.enabled", |draft, node| put(&mut draft.settings.active.enabled, node.boolean())),
    ("active.source_port", |draft, node| {
        put(&mut draft.settings.active.source_port, node.integer(0, 65_535).map(Some))
    }),
    ("active.address", |draft, node| {
        put(&mut draft.settings.active.address, node.one_of(active::ACTIVE_ADDRESS_NAMES))
    }),
    ("active.rule", active::rules),
    ("proxy.trusted", passive::trusted),
    ("proxy.data", |draft, node| put(&mut draft.settings.proxy.data, node.boolean())),
    ("transfers.ebcdic", |draft, node| {
        put(&mut draft.settings.transfers.ebcdic, node.one_of(CodePage::NAMES))
    }),
    ("transfers.deflate", |draft, node| put(&mut draft.settings.transfers.deflate, node.boolean())),
    ("transfers.deflate_level", |draft, node| {
        put(&mut draft.settings.transfers.deflate_level, node.integer(0, 9))
    }),
    ("tls.certificates", tls::certificates),
    ("tls.minimum", tls::minimum),
    ("tls.control", tls::setting),
    ("tls.data", tls::setting),
    ("tls.data_resumption", tls::setting),
    ("tls.ccc", tls::setting),
    ("tls.close_notify", tls::setting),
    ("tls.client_certificates", tls::setting),
    ("tls.server_to_server", tls::setting),
    ("tls.client_authorities", tls::client_authorities),
    ("tls.revocations", tls::revocations),
    ("tls.rule", tls::rules),
    ("timeouts.login", |draft, node| put(&mut draft.settings.timeouts.login, node.duration())),
    // req: 1123-4.1.3.2-configurable
    ("timeouts.idle", |draft, node| put(&mut draft.settings.timeouts.idle, node.duration())),
    ("timeouts.data_connection", |draft, node| {
        put(&mut draft.settings.timeouts.data_connection, node.duration())
    }),
    ("timeouts.stall", |draft, node| put(&mut draft.settings.timeouts.stall, node.duration())),
    ("timeouts.linger", |draft, node| put(&mut draft.settings.timeouts.linger, node.duration())),
    ("limits.sessions", |draft, node| put(&mut draft.settings.limits.sessions, node.integer(0, 10_000_000))),
    ("limits.sessions_per_address", |draft, node| {
        put(&mut draft.settings.limits.sessions_per_address, node.integer(0, 10_000_000))
    }),
    ("limits.sessions_per_network", |draft, node| {
        put(&mut draft.settings.limits.sessions_per_network, node.integer(0, 10_000_000))
    }),
    ("limits.unauthenticated", |draft, node| {
        put(&mut draft.settings.limits.unauthenticated, node.integer(0, 10_000_000))
    }),
    ("limits.unauthenticated_per_address", |draft, node| {
        put(&mut draft.settings.limits.unauthenticated_per_address, node.integer(0, 10_000_000))
    }),
    ("limits.commands_before_login", |draft, node| {
        put(&mut draft.settings.limits.commands_before_login, node.integer(0, 1_000_000))
    }),
    ("limits.commands_per_second", |draft, node| {
        put(&mut draft.settings.limits.commands_per_second, node.integer(0, 1_000_000))
    }),
    ("limits.login_attempts", |draft, node| {
        put(&mut draft.settings.limits.login_attempts, node.integer(0, 1_000_000))
    }),
    ("limits.login_delay", |draft, node| put(&mut draft.settings.limits.login_delay, node.duration())),
    ("limits.longest_login_delay", |draft, node| {
        put(&mut draft.settings.limits.longest_login_delay, node.duration())
    }),
    ("limits.line", |draft, node| put(&mut draft.settings.limits.line, node.integer(0, 1_000_000))),
    ("limits.deflate_ratio", |draft, node| {
        put(&mut draft.settings.limits.deflate_ratio, node.integer(0, 1_000_000))
    }),
    ("bans.enabled", |draft, node| put(&mut draft.settings.bans.enabled, node.boolean())),
    ("bans.user_failures", |draft, node| {
        put(&mut draft.settings.bans.user_failures, node.integer(0, 1_000_000))
    }),
    ("bans.address_failures", |draft, node| {
        put(&mut draft.settings.bans.address_failures, node.integer(0, 1_000_000))
    }),
    ("bans.window", |draft, node| put(&mut draft.settings.bans.window, node.duration())),
    ("bans.duration", |draft, node| put(&mut draft.settings.bans.duration, node.duration())),
    ("bans.longest", |draft, node| put(&mut draft.settings.bans.longest, node.duration())),
    ("bans.exempt", |draft, node| put(&mut draft.settings.bans.exempt, passive::networks_or_none(node))),
    ("accounts.file", |draft, node| {
        draft.config.accounts = Some(node.source().resolve(node.text("accounts.toml")?));
        Ok(())
    }),
    ("accounts.anonymous", |draft, node| put(&mut draft.config.anonymous, anonymous(node))),
    (profiles::PROFILE, profiles::profiles),
    ("log.format", |draft, node| put(&mut draft.config.log.format, node.one_of(LogFormat::NAMES))),
    ("log.level", |draft, node| put(&mut draft.config.log.level, node.one_of(LogLevel::NAMES))),
    ("log.commands", |draft, node| put(&mut draft.config.log.commands, node.boolean())),
    (hosts::HOST, hosts::hosts),
];

/// What to do with the value of this dotted key.
pub(super) fn find(key: &str) -> Option<Setter> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, setter)| *setter)
}

/// What the readers of the keys in this text say, each by itself.
pub(super) fn check(source: &Source) -> Result<(), FileError> {
    Draft::read(source).map(|_| ())
}

/// Keys that a running server can't change: what they are about is open, or was decided at the start.
const FOR_RESTART: &[&str] = &[
    "server.bind",
    "server.bind_implicit_tls",
    "server.runtime",
    "server.keepalive",
    "server.control_socket",
    "server.user",
    "server.group",
    "server.sandbox",
    "server.sandbox_paths",
    "log.format",
];

/// Whether a change of this key needs a restart.
pub(crate) fn needs_restart(key: &str) -> bool {
    FOR_RESTART.contains(&key)
}

/// The dotted key that a person means: `passive.ports`, `passive-ports`, or the last part alone if only one key has it.
///
/// # Errors
/// One line with the nearest key.
pub(crate) fn named(typed: &str) -> Result<&'static str, String> {
    let name = typed.replace('-', "_");
    let exact = |key: &&str| *key == name || key.replacen('.', "_", 1) == name;
    if let Some(key) = all().find(exact) {
        return Ok(key);
    }
    let last: Vec<_> =
        all().filter(|key| key.split_once('.').is_some_and(|(_, last)| last == name)).collect();
    match last.as_slice() {
        [key] => Ok(key),
        [] => {
            let dotted = name.replacen('_', ".", 1);
            let near = nearest(&name, all()).or_else(|| nearest(&dotted, all()));
            let advice =
                near.map_or_else(|| "see `ftpd get`".into(), |near| format!("did you mean `{near}`?"));
            Err(format!("unknown key `{typed}`; {advice}"))
        }
        several => Err(format!("`{typed}` may be one of several keys; write {}", several.join(" or "))),
    }
}

/// All dotted keys.
pub(crate) fn all() -> impl Iterator<Item = &'static str> + Clone {
    KEYS.iter().map(|(key, _)| *key)
}

/// All dotted keys, those of one section first, so that at the same distance a neighbour wins.
pub(super) fn near(section: &str) -> impl Iterator<Item = &'static str> + Clone {
    let inside = move |key: &&str| key.split_once('.').is_some_and(|(name, _)| name == section);
    let (mut keys, others): (Vec<_>, Vec<_>) = all().partition(inside);
    keys.extend(others);
    keys.into_iter()
}

/// The names of the sections.
pub(super) fn sections() -> impl Iterator<Item = &'static str> + Clone {
    let mut names: Vec<_> = all().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect();
    names.dedup();
    names.into_iter()
}

/// The keys that stand in no section: lists of tables.
pub(super) fn lists() -> impl Iterator<Item = &'static str> + Clone {
    all().filter(|key| !key.contains('.'))
}

pub(super) fn put<T>(place: &mut T, value: Result<T, FileError>) -> Result<(), FileError> {
    *place = value?;
    Ok(())
}

/// A list, or one alone; `example` is shown to who wrote an empty one.
pub(super) fn one_or_many<'a, T>(
    node: &Node<'a>,
    example: &str,
    read: impl Fn(&Node<'a>) -> Result<T, FileError>,
) -> Result<Vec<T>, FileError> {
    let entries = node.members().unwrap_or_else(|| vec![node.clone()]);
    if entries.is_empty() {
        return Err(node.wrong(format_args!("expected at least one; write {example}")));
    }
    entries.iter().map(read).collect()
}

fn addresses(node: &Node<'_>, example: &str) -> Result<Vec<SocketAddr>, FileError> {
    one_or_many(node, &format!("[{example:?}]"), |entry| {
        parse_bind(entry.text(example)?).map_err(|problem| entry.wrong(problem))
    })
}

/// `ADDRESS:PORT`, or a port alone for all addresses.
pub(crate) fn parse_bind(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .or_else(|_| text.parse().map(|port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))))
        .map_err(|_| format!("{text:?} is no address with a port; write \"[::]:2121\" or \"192.0.2.1:21\""))
}

fn keepalive(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    let keepalive = node.duration()?;
    if keepalive.as_secs() == 0 || keepalive.as_secs() > 32_767 {
        return Err(node.wrong("write a number of seconds from 1 to 32767"));
    }
    draft.config.keepalive = keepalive;
    Ok(())
}

/// `true`, `false`, or a table with `root` and `writable`.
pub(super) fn anonymous(node: &Node<'_>) -> Result<Option<Anonymous>, FileError> {
    if let Some(enabled) = node.as_boolean() {
        return Ok(enabled.then(Anonymous::default));
    }
    if !node.is_table() {
        return Err(node.wrong(format_args!(
            "expected true, false or a table, not {}; write true or {{ root = \"DIR\", writable = false }}",
            node.kind()
        )));
    }
    let mut anonymous = Anonymous::default();
    for entry in node.entries()? {
        match entry.key().strip_prefix(node.key()) {
            Some(".root") => anonymous.root = Some(entry.source().resolve(entry.text("/srv/pub")?)),
            Some(".writable") => anonymous.writable = entry.boolean()?,
            Some(".quota") => anonymous.limits.bytes = Some(entry.size()?),
            Some(".quota_files") => anonymous.limits.files = Some(entry.integer(0, i64::MAX)?),
            _ => {
                let known =
                    ["root", "writable", "quota", "quota_files"].map(|name| format!("{}.{name}", node.key()));
                return Err(entry.unknown(known.iter().map(String::as_str)));
            }
        }
    }
    Ok(Some(anonymous))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_short_names() {
        for (typed, want) in [
            ("passive-ports", "passive.ports"),
            ("passive.ports", "passive.ports"),
            ("external-address", "passive.external_address"),
            ("exposed-ports", "passive.exposed_ports"),
            ("peer-check", "passive.peer_check"),
            ("client-networks", "passive.client_networks"),
            ("lan-clients", "passive.lan_clients"),
            ("routers", "passive.routers"),
            ("tls-proof", "passive.tls_proof"),
            ("active-source-port", "active.source_port"),
            ("timeouts-idle", "timeouts.idle"),
            ("idle", "timeouts.idle"),
            ("passive-rule", "passive.rule"),
            ("active-rule", "active.rule"),
            ("limits-sessions", "limits.sessions"),
            ("sessions", "limits.sessions"),
            ("proxy-trusted", "proxy.trusted"),
        ] {
            assert_eq!(named(typed), Ok(want), "{typed}");
        }
        for (typed, want) in [
            (
                "enabled",
                "`enabled` may be one of several keys; write passive.enabled or active.enabled or bans.enabled",
            ),
            ("pasive-ports", "unknown key `pasive-ports`; did you mean `passive.ports`?"),
            ("external-adress", "unknown key `external-adress`; did you mean `passive.external_address`?"),
            ("colour", "unknown key `colour`; see `ftpd get`"),
        ] {
            assert_eq!(named(typed), Err(want.to_owned()), "{typed}");
        }
        assert!(FOR_RESTART.iter().all(|key| find(key).is_some()));
    }

    #[test]
    fn keys_are_unique_and_grouped_by_section() {
        let mut keys: Vec<_> = all().collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all().count());
        assert_eq!(
            sections().collect::<Vec<_>>(),
            [
                "server",
                "passive",
                "active",
                "proxy",
                "transfers",
                "tls",
                "timeouts",
                "limits",
                "bans",
                "accounts",
                "log"
            ]
        );
    }
}
