//! proftpd.conf: the main server or one virtual host, with what is global.

mod accounts;
mod addresses;
mod syntax;
mod table;
mod tls;

pub(super) use table::DIRECTIVES;

use super::common;
use super::draft::Draft;
use super::files::Files;
use super::settings::{Setting, Settings};
use crate::config_file::FileError;
use ftp_proto::config::Network;
use std::path::Path;
pub(super) use syntax::words;
use syntax::{Block, Node};

pub(super) const TITLE: &str = "ProFTPD";

/// Directives of the main server that hold for virtual hosts, too.
const PROCESS_WIDE: [&str; 7] =
    ["UseIPv6", "ServerType", "MaxInstances", "TLSProtocol", "SocketOptions", "MaxConnectionRate", "User"];

pub(super) fn import(
    draft: &mut Draft,
    path: &Path,
    site: Option<&str>,
    files: &dyn Files,
) -> Result<(), FileError> {
    let nodes = syntax::read(draft, path, files)?;
    let hosts: Vec<_> = syntax::blocks(&nodes).filter(|block| block.is("VirtualHost")).collect();
    let host = match site {
        None => None,
        Some(name) => choose(path, &nodes, &hosts, name)?,
    };
    let scope = Scope::new(&nodes, host);
    let settings = &scope.settings;
    let control = addresses::listeners(draft, settings, host);
    addresses::passive(draft, &scope, &control);
    addresses::rules_of_hosts(draft, &hosts, host, settings);
    addresses::active(draft, settings, control.first().copied().unwrap_or(21));
    tls::import(draft, settings);
    times_and_limits(draft, settings);
    uploads_and_words(draft, settings);
    accounts::guests(draft, &scope, files);
    accounts::users(draft, settings, files);
    scope.tell_of_blocks(draft);
    settings.leave_out(draft);
    Ok(())
}

/// The virtual host of this name; `None` is the main server.
fn choose<'a>(
    path: &Path,
    nodes: &[Node],
    hosts: &[&'a Block],
    name: &str,
) -> Result<Option<&'a Block>, FileError> {
    let named = |setting: &Setting| {
        ["ServerName", "ServerAlias"].iter().any(|known| setting.name.eq_ignore_ascii_case(known))
            && setting.arguments.iter().any(|argument| argument.eq_ignore_ascii_case(name))
    };
    let found = hosts.iter().find(|host| {
        host.arguments.iter().any(|address| address.eq_ignore_ascii_case(name))
            || host.directives().any(named)
    });
    if let Some(host) = found {
        return Ok(Some(host));
    }
    if syntax::directives(nodes).any(named) {
        return Ok(None);
    }
    let known: Vec<_> = hosts.iter().map(|host| host.arguments.join(" ")).collect();
    let known = if known.is_empty() {
        "there is the main server alone".to_owned()
    } else {
        format!("write one of {}", known.join(", "))
    };
    Err(FileError::whole(
        path,
        format_args!("no virtual host {name:?}; {known}, or leave --site out for the main server"),
    ))
}

/// What holds for one server.
struct Scope<'a> {
    settings: Settings,
    /// Blocks that stand in it or in `<Global>`.
    blocks: Vec<&'a Block>,
    classes: Vec<&'a Block>,
}

impl<'a> Scope<'a> {
    fn new(nodes: &'a [Node], host: Option<&'a Block>) -> Self {
        let global: Vec<_> = syntax::blocks(nodes).filter(|block| block.is("Global")).collect();
        let mut all: Vec<Setting> = global.iter().flat_map(|block| block.directives()).cloned().collect();
        let mut blocks: Vec<_> = global.iter().flat_map(|block| block.blocks()).collect();
        let wide =
            |setting: &&Setting| PROCESS_WIDE.iter().any(|name| setting.name.eq_ignore_ascii_case(name));
        match host {
            None => {
                all.extend(syntax::directives(nodes).cloned());
                blocks.extend(syntax::blocks(nodes));
            }
            Some(host) => {
                all.extend(syntax::directives(nodes).filter(wide).cloned());
                all.extend(host.directives().cloned());
                blocks.extend(host.blocks());
            }
        }
        blocks.retain(|block| !["Global", "VirtualHost", "Class"].iter().any(|name| block.is(name)));
        let classes = syntax::blocks(nodes).filter(|block| block.is("Class")).collect();
        Self { settings: Settings::new(TITLE, DIRECTIVES, all), blocks, classes }
    }

    /// The networks of a class; complains about what is none.
    fn networks(&self, draft: &mut Draft, class: &str) -> Vec<String> {
        let Some(block) =
            self.classes.iter().find(|block| block.arguments.first().is_some_and(|name| name == class))
        else {
            draft.attention_to_file(class, "there is no such class");
            return Vec::new();
        };
        let mut networks = Vec::new();
        for setting in block.directives() {
            if !setting.name.eq_ignore_ascii_case("From") {
                draft.attention(
                    &setting.place,
                    setting.name.clone(),
                    "of a class is left out; only its From is read",
                );
                continue;
            }
            for text in setting.arguments.iter().flat_map(|argument| argument.split(',')).map(str::trim) {
                match text.parse::<Network>() {
                    Ok(network) => networks.push(network.to_string()),
                    Err(_) => draft.attention(
                        &setting.place,
                        format!("From {text}"),
                        "names and exceptions are left out; write networks like 10.0.0.0/8",
                    ),
                }
            }
        }
        networks
    }

    /// Blocks that nobody read.
    fn tell_of_blocks(&self, draft: &mut Draft) {
        for block in &self.blocks {
            let advice = match block.name.to_ascii_lowercase().as_str() {
                "anonymous" | "ifclass" => continue,
                "limit" | "directory" => {
                    "rights are set for each user: ftpd user add … --rights … --rights-below /PATH=RIGHTS"
                }
                "ifuser" | "ifgroup" | "ifauthenticated" => {
                    "settings of single users go into their account, and into [[tls.rule]] with users"
                }
                _ => "not known as a block of ProFTPD, left out",
            };
            draft.attention(&block.place, block.title(), advice);
        }
    }
}

fn times_and_limits(draft: &mut Draft, settings: &Settings) {
    for (key, name, default) in [
        ("timeouts.login", "TimeoutLogin", 300),
        ("timeouts.idle", "TimeoutIdle", 600),
        ("timeouts.stall", "TimeoutStalled", 3_600),
    ] {
        let seconds = settings.number(draft, name, default);
        common::time(draft, key, settings, name, seconds);
    }
    let count = |draft: &mut Draft, name: &str| match settings.text(name) {
        Some((text, _)) if !text.eq_ignore_ascii_case("none") => settings.number(draft, name, 0),
        _ => 0,
    };
    for (key, names) in [
        ("limits.sessions", ["MaxInstances", "MaxClients"]),
        ("limits.sessions_per_address", ["MaxConnectionsPerHost", "MaxClientsPerHost"]),
    ] {
        let counts: Vec<_> = names.iter().map(|name| (count(draft, name), *name)).collect();
        if let Some((number, name)) = counts.into_iter().filter(|(number, _)| *number > 0).min() {
            common::sessions(draft, key, number, settings.origin(name));
        }
    }
    if settings.find("MaxLoginAttempts").is_some() {
        let number = settings.number(draft, "MaxLoginAttempts", 3);
        common::login_attempts(draft, number, settings.origin("MaxLoginAttempts"));
    }
    if settings.find("DeflateEngine").is_some() {
        let offered = settings.flag(draft, "DeflateEngine", false);
        draft.set("transfers.deflate", offered, settings.origin("DeflateEngine"));
    }
    if let Some(setting) = settings.find("SocketOptions") {
        let pair = setting.arguments.windows(2).find_map(|pair| match pair {
            [name, value] if name.eq_ignore_ascii_case("keepalive") => {
                value.split(':').next()?.parse::<i64>().ok()
            }
            _ => None,
        });
        if let Some(seconds) = pair.filter(|seconds| (2..=32_767).contains(seconds)) {
            draft.set("server.keepalive", seconds, setting.origin());
        }
    }
}

fn uploads_and_words(draft: &mut Draft, settings: &Settings) {
    if let Some(setting) = settings.find("ServerIdent")
        && let Some(text) = setting.arguments.get(1)
    {
        if text.contains('%') {
            draft.attention(
                &setting.place,
                "ServerIdent",
                "%L, %V and the like are not replaced; write the words as greeting below [server]",
            );
        }
        common::greeting(draft, &setting.place, "ServerIdent", text, setting.origin());
    }
    let hidden = settings.find("HiddenStores").map(|setting| !setting.is_off());
    if let Some(hidden) = hidden {
        let word = if hidden { "atomic" } else { "direct" };
        draft.set("server.uploads", word, settings.origin("HiddenStores"));
    }
    common::umask(draft, settings, "Umask", &["022", "022 022"]);
    if settings.flag(draft, "DeleteAbortedStores", hidden == Some(true)) && hidden != Some(false) {
        draft.set("server.partial_uploads", "discard", settings.origin("DeleteAbortedStores"));
    }
}
