//! Settings that change while the server runs: from the file when it was edited or somebody says so, key by key by the
//! control socket. Whatever is wrong changes nothing and says why; no session notices anything.

use super::plan::Plan;
use super::watch::Watch;
use super::{Failure, serve::Service};
use super::{check, confine};
use crate::config_file::ServerConfig;
use crate::config_file::document::{Document, Edit};
use crate::config_file::keys;
use crate::config_file::reader::plain;
use crate::replace::replace_file;
use ftp_proto::PassiveState;
use ftp_proto::time::UnixTime;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long is waited for the ports of a new range before the answer is given.
const OPENING: Duration = Duration::from_secs(10);
/// How often is looked whether they are open.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The running server with all that may change in it.
pub(super) struct Live {
    pub(super) plan: Plan,
    pub(super) service: Service,
    pub(super) watch: Arc<Watch>,
    pub(super) started: Instant,
    /// When the configuration was read last with success.
    pub(super) read: UnixTime,
    /// What is wrong with the file as it is now.
    pub(super) problem: Option<String>,
    /// Why certificates could not be read again although nothing is wrong with the settings: the old ones are in use.
    pub(super) old_certificates: Option<String>,
    /// What was set and is in no file.
    edits: Vec<Edit>,
}

/// A key whose value is another one now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) key: String,
    old: String,
    new: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {} -> {}", self.key, self.old, self.new)
    }
}

/// How much is read again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Every file, changed or not.
    All,
    /// What the settings that changed need.
    Changes,
}

/// A key with its value, in words.
type Row = (String, String);

impl Live {
    pub(super) fn new(plan: Plan, service: Service, watch: Arc<Watch>) -> Self {
        watch.enable(plan.config.watch);
        let read = crate::tls::now();
        Self {
            plan,
            service,
            watch,
            started: Instant::now(),
            read,
            problem: None,
            old_certificates: None,
            edits: Vec::new(),
        }
    }

    /// The keys that were set and are in no file.
    pub(super) fn live_keys(&self) -> Vec<String> {
        self.edits.iter().map(|edit| edit.key().to_owned()).collect()
    }

    /// The configuration that holds, with what was set since it was read.
    pub(super) fn document(&self) -> Result<Document, String> {
        self.plan.document.edited(&self.edits).map_err(|error| error.message())
    }

    /// All keys and what they amount to; those with several rows are one.
    pub(super) fn rows(&self) -> Vec<Row> {
        let (certificates, accounts) = (self.service.certificates.loaded(), &self.service.accounts);
        let mut rows: Vec<Row> = Vec::new();
        for (key, value) in
            check::rows(&self.plan.config, |host| accounts.users(host), certificates.as_deref())
        {
            let key = key.split(' ').next().unwrap_or_default();
            // What that means is said once, when it happens.
            let value =
                if key == "tls.certificates" && certificates.is_none() { "none".into() } else { value };
            match rows.last_mut() {
                Some((last, values)) if last == key => *values = format!("{values}; {value}"),
                _ => rows.push((key.to_owned(), value)),
            }
        }
        rows
    }

    /// Reads everything again. What was set and not saved is forgotten: the file holds.
    pub(super) fn reload(&mut self) -> Result<Vec<Difference>, String> {
        let result = self.try_reload();
        match &result {
            Ok(differences) => {
                self.problem = None;
                log(differences);
                match &self.plan.file {
                    Some(path) => tracing::info!(file = %path.display(), "configuration read again"),
                    None => tracing::info!("certificates read again"),
                }
                self.service.certificates.log(crate::tls::now());
                self.plan.warn(&self.service.accounts, &self.service.certificates);
            }
            Err(reason) => {
                self.problem = Some(reason.clone());
                tracing::error!(%reason, "configuration not read again; the old one stays");
            }
        }
        result
    }

    fn try_reload(&mut self) -> Result<Vec<Difference>, String> {
        let document = match &self.plan.file {
            Some(path) => {
                self.watch.reading(path);
                Document::read(path).map_err(|error| error.to_string())?
            }
            None => self.plan.document.clone(),
        };
        let config = self.plan.amounts_to(&document).map_err(words)?;
        let differences = self.apply(config, Scope::All)?;
        self.plan.document = document;
        self.read = crate::tls::now();
        if !self.edits.is_empty() {
            let keys = self.live_keys().join(", ");
            tracing::warn!(%keys, "what was set and not saved holds no longer");
            self.edits.clear();
        }
        Ok(differences)
    }

    /// Other values for some keys, until the file is read again.
    pub(super) fn set(&mut self, edits: Vec<Edit>) -> Result<Vec<Difference>, String> {
        let kept = self.edits.iter().filter(|old| edits.iter().all(|new| new.key() != old.key()));
        let all: Vec<_> = kept.chain(&edits).cloned().collect();
        let document = self.plan.document.edited(&all).map_err(|error| error.message())?;
        let mut differences = self.change(&document)?;
        // Those wait since the file was read, and were told then.
        differences.retain(|difference| !keys::needs_restart(&difference.key));
        self.edits = all;
        log(&differences);
        Ok(differences)
    }

    /// Other values for some keys, in the file, too.
    pub(super) fn save(&mut self, edits: &[Edit]) -> Result<Vec<Difference>, String> {
        let Some(path) = self.plan.file.clone() else {
            return Err("there is no configuration file to save to; leave out --save, or start the server with --config FILE".to_owned());
        };
        // What else was edited in the file comes along: it can't be saved without being meant.
        let document = Document::read(&path).map_err(|error| error.to_string())?;
        let document = document.edited(edits).map_err(|error| error.message())?;
        self.plan.amounts_to(&document).map_err(without_place)?;
        let kept: Vec<_> =
            self.edits.iter().filter(|old| edits.iter().all(|new| new.key() != old.key())).cloned().collect();
        let live = document.edited(&kept).map_err(|error| error.message())?;
        let before = self.plan.config.clone();
        let differences = self.change(&live)?;
        if let Err(error) = write(&path, document.text()) {
            // It held before, so it holds again.
            let _ = self.apply(before, Scope::Changes);
            let advice = match error.kind() {
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    "; the server may not write there: edit the file, it is read again by itself (server.watch), or leave out --save"
                }
                _ => "",
            };
            return Err(format!("{}: {}; nothing was changed{advice}", path.display(), plain(&error)));
        }
        self.watch.reading(&path);
        self.plan.document = document;
        self.read = crate::tls::now();
        self.problem = None;
        self.edits = kept;
        log(&differences);
        Ok(differences)
    }

    /// Lets another text hold, unless it asks for what can't be.
    fn change(&mut self, document: &Document) -> Result<Vec<Difference>, String> {
        let config = self.plan.amounts_to(document).map_err(without_place)?;
        let before = self.plan.config.clone();
        let differences = self.apply(config, Scope::Changes)?;
        if differences.iter().any(|difference| difference.key.starts_with("passive.")) {
            let state = self.opened_ports();
            if let Some(reason) = unusable(&self.plan.config, &state) {
                let _ = self.apply(before, Scope::Changes);
                return Err(format!("{reason}; nothing was changed"));
            }
        }
        Ok(differences)
    }

    /// How the ports stand when all that can be opened are open.
    pub(super) fn opened_ports(&self) -> PassiveState {
        let until = Instant::now() + OPENING;
        loop {
            let state = self.service.running.passive_state();
            if state.opening == 0 || Instant::now() > until {
                return state;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Lets other settings hold. On an error all is as it was.
    fn apply(&mut self, new: ServerConfig, scope: Scope) -> Result<Vec<Difference>, String> {
        let before = self.rows();
        let old = std::mem::replace(&mut self.plan.config, new);
        if let Err(reason) = self.take_over(&old, scope) {
            self.plan.config = old;
            return Err(reason);
        }
        let differences = differences(before, self.rows());
        if old.tls.is_some() && self.plan.config.tls.is_none() {
            tracing::warn!("there is no certificate any more: passwords and files go in the clear");
        }
        self.keep_until_restart(&old);
        Ok(differences)
    }

    fn take_over(&mut self, old: &ServerConfig, scope: Scope) -> Result<(), String> {
        if let Some(reason) = confine::refusal(&self.plan.config) {
            return Err(reason);
        }
        let (plan, service) = (&mut self.plan, &self.service);
        let certificates = scope == Scope::All || plan.config.tls != old.tls;
        let loaded = match certificates.then(|| plan.load_tls()).transpose() {
            Ok(loaded) => {
                self.old_certificates = None;
                loaded
            }
            // Who gave up root may have given up its key with it, and settings are not to wait for that.
            Err(failure) if plan.config.tls == old.tls && confine::lost_a_key(&plan.config) => {
                let reason = words(failure);
                tracing::error!(%reason, "certificates not read again; the old ones stay");
                self.old_certificates = Some(reason);
                None
            }
            Err(failure) => return Err(words(failure)),
        };
        if scope == Scope::All || accounts_differ(&plan.config, old) {
            let replaced = service.accounts.replace(plan.sources(), plan.host_sources());
            replaced.map_err(|error| error.to_string())?;
        }
        if let Some(loaded) = loaded {
            match service.certificates.set(loaded) {
                Ok(tls) => service.running.set_tls(tls),
                Err(reason) => {
                    tracing::error!(%reason, "certificates not read again; the old ones stay");
                }
            }
        }
        service.running.reconfigure(Arc::clone(&plan.config.core));
        service.observer.log_commands(plan.config.log.commands);
        service.level.set(plan.config.log.level);
        self.watch.enable(plan.config.watch);
        Ok(())
    }

    /// What a running server can't change is as it was, whatever the file says.
    fn keep_until_restart(&mut self, old: &ServerConfig) {
        let config = &mut self.plan.config;
        config.bind.clone_from(&old.bind);
        config.bind_implicit_tls.clone_from(&old.bind_implicit_tls);
        config.control_socket.clone_from(&old.control_socket);
        config.sandbox.clone_from(&old.sandbox);
        config.runtime = old.runtime;
        config.keepalive = old.keepalive;
        config.log.format = old.log.format;
    }
}

fn log(differences: &[Difference]) {
    for difference in differences {
        if keys::needs_restart(&difference.key) {
            tracing::warn!(key = %difference.key, "changed, but needs a restart: {difference}");
        } else {
            tracing::info!("{difference}");
        }
    }
}

fn accounts_differ(new: &ServerConfig, old: &ServerConfig) -> bool {
    new.accounts != old.accounts
        || new.root != old.root
        || new.anonymous != old.anonymous
        || new.hosts != old.hosts
        || new.uploads != old.uploads
}

/// Why nobody should be left with these ports.
fn unusable(config: &ServerConfig, state: &PassiveState) -> Option<String> {
    let passive = &config.core.passive;
    let (port, reason) = state.failed.first()?;
    if !passive.enabled || !(state.open.is_empty() || passive.strict_ports) {
        return None;
    }
    let reason = crate::config_file::reader::without_number(reason);
    let which = if *port == 0 { "no port".to_owned() } else { format!("port {port}") };
    let why =
        if state.open.is_empty() { "none of them can be opened" } else { "strict_ports wants all of them" };
    Some(format!("passive.ports: {why}, {which}: {reason}"))
}

fn differences(old: Vec<Row>, new: Vec<Row>) -> Vec<Difference> {
    let value = |rows: &[Row], key: &str| {
        let row = rows.iter().find(|(known, _)| known == key);
        row.map_or_else(|| "none".to_owned(), |(_, value)| value.clone())
    };
    let mut keys: Vec<&String> = old.iter().map(|(key, _)| key).collect();
    for (key, _) in &new {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.into_iter()
        .map(|key| Difference { key: key.clone(), old: value(&old, key), new: value(&new, key) })
        .filter(|difference| difference.old != difference.new)
        .collect()
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    // The file that a link leads to, not the link.
    replace_file(&std::fs::canonicalize(path)?, text.as_bytes())
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::Configuration(words) | Failure::System(words) => words,
        Failure::InFile(error) => error.to_string(),
    }
}

/// The place is in a text that nobody wrote.
fn without_place(failure: Failure) -> String {
    match failure {
        Failure::InFile(error) => error.message(),
        other => words(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_key_by_key() {
        let row = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let old = vec![row("a", "1"), row("b", "2"), row("c", "3")];
        let new = vec![row("a", "1"), row("b", "4"), row("d", "5")];
        let told: Vec<_> = differences(old, new).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["b 2 -> 4", "c 3 -> none", "d none -> 5"]);
    }
}
