//! `ftpd serve`: from the command line or a file to a server that runs, until a signal ends it.

use super::introduction::{self, Guests};
use super::signals::{Wish, Wishes};
use super::{Failure, ServeArguments, password_from_environment, print};
use crate::accounts::{OpenError, ServerAccounts, SingleUser, Sources, password};
use crate::config_file::reader::plain;
use crate::config_file::{self, Anonymous, Bind, LogConfig, LogLevel, ServerConfig};
use crate::log::{LevelHandle, LogObserver};
use crate::runtime::{self, Running};
use ftp_proto::config::{ConfigError, External, Settings};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long running transfers may go on after the first signal to stop.
const GRACE: Duration = Duration::from_secs(30);
/// Unfinished uploads that nobody has touched for so long are removed.
const FORGOTTEN_UPLOAD: Duration = Duration::from_secs(7 * 86_400);
/// How often that is done, since a server may run for years.
const SWEEP_EVERY: Duration = Duration::from_secs(86_400);

pub(super) fn run(arguments: ServeArguments) -> Result<(), Failure> {
    let mut plan = Plan::of(arguments)?;
    let level = crate::log::start(plan.config.log)
        .map_err(|error| Failure::System(format!("can't start the log: {error}")))?;
    log_panics();
    // From here on a signal ends the server properly, however early it comes.
    let mut wishes = Wishes::listen()
        .map_err(|error| Failure::System(format!("can't watch signals: {}", plain(&error))))?;
    raise_descriptor_limit();
    let accounts = ServerAccounts::open(plan.sources()).map_err(|error| match error {
        OpenError::File(error) => error.into(),
        OpenError::Tree(message) => Failure::System(message),
    })?;
    let accounts = Arc::new(accounts);
    let observer = Arc::new(LogObserver::new(plan.config.log.commands));
    let running = runtime::start(runtime::Options {
        runtime: plan.config.runtime,
        control: plan.config.bind.addresses(),
        implicit_tls: Vec::new(),
        tls: None,
        config: Arc::clone(&plan.config.core),
        accounts: Arc::clone(&accounts) as Arc<dyn ftp_proto::host::Accounts>,
        observer: Arc::clone(&observer) as Arc<dyn ftp_proto::notice::Observer>,
        keepalive: plan.config.keepalive,
    })
    .map_err(Failure::System)?;
    print(&introduction::text(&plan.config, &running, &plan.guests()));
    for address in running.control_addrs() {
        tracing::info!(%address, version = %env!("CARGO_PKG_VERSION"), "started");
    }
    warn_of_few_descriptors(running.passive_ports().len());
    plan.warn(&accounts);
    sweep_uploads(Arc::clone(&accounts));

    while let Some(wish) = wishes.wait() {
        match wish {
            Wish::Stop => break,
            Wish::Reload => plan.reload(&running, &accounts, &observer, &level),
            Wish::Totals => observer.log_totals(),
        }
    }
    tracing::info!(
        seconds = GRACE.as_secs(),
        "stopping; running transfers may finish, a second signal ends them"
    );
    if let Err(error) = wishes.stop_at_once() {
        tracing::warn!(reason = %plain(&error), "a second signal will not be heard");
    }
    running.stop(GRACE);
    observer.log_totals();
    tracing::info!("stopped");
    Ok(())
}

/// What to serve, and where that is written.
struct Plan {
    config: ServerConfig,
    /// The configuration file, and what the command line changes in it.
    file: Option<(PathBuf, Overrides)>,
    single: Option<SingleUser>,
    /// Whether the single user's password was made here and has to be shown.
    password_made: bool,
}

/// Options that may stand beside `--config`.
#[derive(Clone)]
struct Overrides {
    bind: Option<Bind>,
    runtime: Option<config_file::RuntimeKind>,
    log_format: Option<config_file::LogFormat>,
    level: Option<LogLevel>,
}

impl Overrides {
    fn apply(&self, config: &mut ServerConfig) {
        if let Some(bind) = &self.bind {
            config.bind = bind.clone();
        }
        config.runtime = self.runtime.unwrap_or(config.runtime);
        config.log.format = self.log_format.unwrap_or(config.log.format);
        config.log.level = self.level.map_or(config.log.level, |level| level.max(config.log.level));
    }
}

impl Plan {
    fn of(arguments: ServeArguments) -> Result<Self, Failure> {
        let overrides = Overrides {
            bind: (!arguments.bind.is_empty()).then(|| Bind::At(arguments.bind.clone())),
            runtime: arguments.runtime,
            log_format: arguments.log_format,
            level: match arguments.verbose {
                0 => None,
                1 => Some(LogLevel::Debug),
                _ => Some(LogLevel::Trace),
            },
        };
        match (&arguments.config, &arguments.dir) {
            (Some(path), _) => {
                let config = read(path, &overrides)?;
                let file = Some((path.clone(), overrides));
                Ok(Self { config, file, single: None, password_made: false })
            }
            (None, Some(dir)) => Self::for_directory(dir.clone(), &arguments, &overrides),
            (None, None) => {
                Err(Failure::Configuration("ftpd: write a directory or --config FILE".to_owned()))
            }
        }
    }

    fn for_directory(
        dir: PathBuf,
        arguments: &ServeArguments,
        overrides: &Overrides,
    ) -> Result<Self, Failure> {
        let mut settings = Settings::default();
        if let Some(ports) = &arguments.passive_ports {
            settings.passive.ports = ports.clone();
        }
        if let Some(address) = arguments.external_address {
            settings.passive.external = External::Literal(address);
        }
        settings.active.source_port = arguments.active_source_port;
        settings.notify_commands = overrides.level.is_some_and(|level| level >= LogLevel::Debug);
        let core = settings.validate().map_err(|error| Failure::Configuration(in_options(&error)))?;
        let (single, password_made) = match &arguments.user {
            None => (None, false),
            Some(name) => {
                let given = password_from_environment()?;
                let made = given.is_none();
                let password = match given {
                    Some(password) => password,
                    None => password::generate().map_err(Failure::System)?,
                };
                (Some(SingleUser { name: name.clone(), password, root: dir.clone() }), made)
            }
        };
        let mut config = ServerConfig {
            bind: Bind::Everywhere,
            bind_implicit_tls: Vec::new(),
            core: Arc::new(core),
            keepalive: Duration::from_secs(60),
            runtime: config_file::RuntimeKind::default(),
            uploads: arguments.uploads.unwrap_or_default(),
            root: Some(dir),
            tls: None,
            accounts: None,
            anonymous: single.is_none().then_some(Anonymous { root: None, writable: arguments.writable }),
            log: LogConfig::default(),
        };
        overrides.apply(&mut config);
        config.check_ports().map_err(|error| Failure::Configuration(in_options(&error)))?;
        Ok(Self { config, file: None, single, password_made })
    }

    /// Where accounts come from.
    fn sources(&self) -> Sources {
        let config = &self.config;
        let anonymous = config.anonymous.as_ref().and_then(|anonymous| {
            let root = anonymous.root.as_ref().or(config.root.as_ref())?;
            Some((root.clone(), anonymous.writable))
        });
        Sources {
            file: config.accounts.clone(),
            root: config.root.clone(),
            single: self.single.clone(),
            anonymous,
            uploads: config.uploads,
        }
    }

    fn guests(&self) -> Guests<'_> {
        let anonymous = self.config.anonymous.as_ref();
        Guests {
            user: self
                .single
                .as_ref()
                .map(|user| (user.name.as_str(), self.password_made.then_some(user.password.as_str()))),
            anonymous: anonymous.is_some(),
            writable: self.single.is_some() || anonymous.is_some_and(|anonymous| anonymous.writable),
        }
    }

    /// What isn't wrong, but should be known.
    fn warn(&self, accounts: &ServerAccounts) {
        if self.config.anonymous.as_ref().is_some_and(|anonymous| anonymous.writable) {
            tracing::warn!("anybody may upload without a password");
        }
        for warning in accounts.warnings() {
            tracing::warn!("{warning}");
        }
    }

    /// Reads the files again. What is wrong with them is logged, and everything stays as it was.
    fn reload(
        &mut self,
        running: &Running,
        accounts: &ServerAccounts,
        observer: &LogObserver,
        level: &LevelHandle,
    ) {
        let Some((path, overrides)) = &self.file else {
            tracing::info!("there is no configuration file to read again");
            return;
        };
        let new = match read(path, overrides) {
            Ok(new) => new,
            Err(Failure::Configuration(reason) | Failure::System(reason)) => {
                tracing::error!(%reason, "configuration not read again; the old one stays");
                return;
            }
        };
        let old = std::mem::replace(&mut self.config, new);
        if let Err(error) = accounts.replace(self.sources()) {
            tracing::error!(reason = %error, "configuration not read again; the old one stays");
            self.config = old;
            return;
        }
        running.reconfigure(Arc::clone(&self.config.core));
        observer.log_commands(self.config.log.commands);
        level.set(self.config.log.level);
        for (key, differs) in [
            ("server.bind", old.bind != self.config.bind),
            ("server.runtime", old.runtime != self.config.runtime),
            ("server.keepalive", old.keepalive != self.config.keepalive),
            ("log.format", old.log.format != self.config.log.format),
        ] {
            if differs {
                tracing::warn!(%key, "changed, but needs a restart");
            }
        }
        tracing::info!(file = %path.display(), "configuration read again");
        self.warn(accounts);
    }
}

/// The file, with the command line's word above it.
fn read(path: &std::path::Path, overrides: &Overrides) -> Result<ServerConfig, Failure> {
    let mut config = config_file::load(path)?;
    overrides.apply(&mut config);
    if config.log.wants_commands() != config.core.notify_commands {
        let mut settings = Settings::clone(&config.core);
        settings.notify_commands = config.log.wants_commands();
        let core = settings.validate().map_err(|error| Failure::Configuration(error.to_string()))?;
        config.core = Arc::new(core);
    }
    // `--bind` may have changed what the file was checked for.
    let checked = config.check_ports();
    checked.map_err(|error| Failure::Configuration(format!("{}: {error}", path.display())))?;
    Ok(config)
}

/// The core's complaint about a setting, in terms of the command line.
fn in_options(error: &ConfigError) -> String {
    let option = match error.key {
        "passive.ports" => "--passive-ports",
        "passive.external_address" => "--external-address",
        "active.source_port" => "--active-source-port",
        other => other,
    };
    format!("ftpd: {option}: {}", error.problem)
}

/// A session may need two descriptors and a transfer two more; the usual soft limit of 1,024 is from the
/// time of select().
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    if raised.is_err() {
        tracing::warn!(limit = limit.current, "can't raise the limit of open files");
    }
}

/// Who can't raise the limit should know before clients wait in vain: without descriptors nobody is accepted.
fn warn_of_few_descriptors(passive_ports: usize) {
    const FOR_SESSIONS: u64 = 1_000;
    let ports = u64::try_from(passive_ports).unwrap_or(u64::MAX);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if let Some(limit) = limit.filter(|limit| *limit < ports.saturating_add(FOR_SESSIONS)) {
        tracing::warn!(
            limit,
            passive_ports,
            "few files may be open: each session needs one or two, so clients may wait in vain; raise the hard limit (ulimit -n, LimitNOFILE=)"
        );
    }
}

/// A panic costs one session and one line of the log.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let reason = panic.to_string();
        tracing::error!(reason = %reason, "internal error, please report it");
    }));
}

/// Removes what broken uploads left long ago, beside the running server, now and once a day.
fn sweep_uploads(accounts: Arc<ServerAccounts>) {
    let work = move || loop {
        for root in accounts.roots() {
            match crate::storage::sweep(&root, FORGOTTEN_UPLOAD) {
                Ok(0) => {}
                Ok(files) => tracing::info!(file = %root.display(), files, "forgotten uploads removed"),
                Err(error) => {
                    tracing::warn!(file = %root.display(), reason = %plain(&error), "forgotten uploads not removed");
                }
            }
        }
        std::thread::sleep(SWEEP_EVERY);
    };
    if let Err(error) = std::thread::Builder::new().name("sweep".to_owned()).spawn(work) {
        tracing::warn!(reason = %plain(&error), "forgotten uploads not removed");
    }
}
