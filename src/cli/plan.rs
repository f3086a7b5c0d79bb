//! What to serve, from the command line or a file.

use super::check::name;
use super::introduction::{Guests, Shown};
use super::{Failure, ServeArguments, password_from_environment};
use crate::accounts::{ServerAccounts, SingleUser, Sources, password};
use crate::certificate::self_signed::SelfSigned;
use crate::config_file::document::Document;
use crate::config_file::{
    self, Anonymous, Bind, CertificateFiles, ControlSocket, HostConfig, LogConfig, LogFormat, LogLevel,
    RuntimeKind, SandboxConfig, ServerConfig, TlsFiles, Uploads, policies_with_certificate,
};
use crate::sandbox::Mode;
use crate::tls::{Certificates, Loaded, OwnCertificate};
use ftp_proto::config::{ConfigError, External, Settings, TlsChange};
use ftp_proto::tls::TlsVersion;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

/// What to serve, and where that is written.
pub(super) struct Plan {
    pub(super) config: ServerConfig,
    /// The configuration file.
    pub(super) file: Option<PathBuf>,
    /// Its text, or what says the same as the command line.
    pub(super) document: Document,
    /// What the command line says besides the file.
    overrides: Overrides,
    single: Option<SingleUser>,
    /// Whether the single user's password was made here and has to be shown.
    password_made: bool,
    /// The certificate is to be one of the server's own making.
    pub(super) own_certificate: Option<OwnCertificate>,
    /// That certificate.
    pub(super) made: Option<SelfSigned>,
}

/// Options that may stand beside `--config`.
#[derive(Clone)]
pub(super) struct Overrides {
    bind: Option<Bind>,
    bind_implicit_tls: Option<Vec<SocketAddr>>,
    runtime: Option<config_file::RuntimeKind>,
    log_format: Option<config_file::LogFormat>,
    level: Option<LogLevel>,
    control_socket: Option<ControlSocket>,
    run_as: Option<(String, Option<String>)>,
    sandbox: Option<Mode>,
}

impl Overrides {
    fn of(arguments: &ServeArguments) -> Self {
        let given = |addresses: &[SocketAddr]| (!addresses.is_empty()).then(|| addresses.to_vec());
        Self {
            bind: given(&arguments.bind).map(Bind::At),
            bind_implicit_tls: given(&arguments.bind_implicit_tls),
            runtime: arguments.runtime,
            log_format: arguments.log_format,
            level: match arguments.verbose {
                0 => None,
                1 => Some(LogLevel::Debug),
                _ => Some(LogLevel::Trace),
            },
            control_socket: arguments.control_socket.clone(),
            run_as: arguments.run_as.clone(),
            sandbox: arguments.sandbox,
        }
    }

    fn apply(&self, config: &mut ServerConfig) {
        if let Some(bind) = &self.bind {
            config.bind = bind.clone();
        }
        if let Some(bind) = &self.bind_implicit_tls {
            config.bind_implicit_tls = bind.clone();
        }
        if let Some(socket) = &self.control_socket {
            config.control_socket = socket.clone();
        }
        if let Some((user, group)) = &self.run_as {
            config.sandbox.user = Some(user.clone());
            config.sandbox.group.clone_from(group);
        }
        config.sandbox.mode = self.sandbox.unwrap_or(config.sandbox.mode);
        config.runtime = self.runtime.unwrap_or(config.runtime);
        config.log.format = self.log_format.unwrap_or(config.log.format);
        config.log.level = self.level.map_or(config.log.level, |level| level.max(config.log.level));
    }
}

impl Plan {
    pub(super) fn of(arguments: &ServeArguments) -> Result<Self, Failure> {
        let overrides = Overrides::of(arguments);
        match (&arguments.config, &arguments.dir) {
            (Some(path), _) => {
                let document = Document::read(path)?;
                Ok(Self {
                    config: amounts_to(&document, path, &overrides)?,
                    document,
                    file: Some(path.clone()),
                    overrides,
                    single: None,
                    password_made: false,
                    own_certificate: None,
                    made: None,
                })
            }
            (None, Some(dir)) => Self::for_directory(dir.clone(), arguments, &overrides),
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
        let tls = arguments.tls_certificate.as_ref().map(|certificate| {
            let own = CertificateFiles { certificate: certificate.clone(), key: arguments.tls_key.clone() };
            one_certificate(own)
        });
        let own_certificate = match (&tls, arguments.tls) {
            (None, true) => Some(OwnCertificate {
                directory: data_directory(arguments)?,
                names: names_for_certificate(arguments),
            }),
            _ => None,
        };
        let mut settings = settings(arguments);
        settings.notify_commands = overrides.level.is_some_and(|level| level >= LogLevel::Debug);
        if tls.is_some() || own_certificate.is_some() {
            settings.tls = policies_with_certificate(TlsChange::default(), Vec::new());
        } else if !arguments.bind_implicit_tls.is_empty() {
            return Err(Failure::Configuration(
                "ftpd: --bind-implicit-tls: needs a certificate; add --tls".to_owned(),
            ));
        }
        let core = settings.validate().map_err(|error| Failure::Configuration(in_options(&error)))?;
        let (single, password_made) = single_user(arguments, &dir)?;
        let mut config = ServerConfig {
            bind: Bind::Everywhere,
            bind_implicit_tls: Vec::new(),
            core: Arc::new(core),
            keepalive: Duration::from_secs(60),
            runtime: config_file::RuntimeKind::default(),
            uploads: arguments.uploads.unwrap_or_default(),
            root: Some(dir),
            tls,
            accounts: None,
            anonymous: single
                .is_none()
                .then_some(Anonymous { writable: arguments.writable, ..Anonymous::default() }),
            hosts: Vec::new(),
            log: LogConfig::default(),
            watch: true,
            control_socket: arguments.control_socket.clone().unwrap_or_default(),
            sandbox: SandboxConfig::default(),
        };
        overrides.apply(&mut config);
        config.check_ports().map_err(|error| Failure::Configuration(in_options(&error)))?;
        Ok(Self {
            document: Document::unwritten(as_text(&config)),
            config,
            file: None,
            overrides: overrides.clone(),
            single,
            password_made,
            own_certificate,
            made: None,
        })
    }

    /// What another text would amount to.
    pub(super) fn amounts_to(&self, document: &Document) -> Result<ServerConfig, Failure> {
        let path = self.file.as_deref().unwrap_or(Path::new("command line"));
        amounts_to(document, path, &self.overrides)
    }

    /// Where accounts come from.
    pub(super) fn sources(&self) -> Sources {
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
            anonymous_limits: config.anonymous.as_ref().map(|anonymous| anonymous.limits).unwrap_or_default(),
            uploads: config.uploads,
        }
    }

    /// Where those of virtual hosts come from, under their names.
    pub(super) fn host_sources(&self) -> Vec<(String, Sources)> {
        let sources = |host: &HostConfig| Sources {
            file: host.accounts.clone(),
            root: host.root.clone(),
            single: None,
            anonymous: host.guests().map(|(root, writable)| (root.clone(), writable)),
            anonymous_limits: host.anonymous.as_ref().map(|anonymous| anonymous.limits).unwrap_or_default(),
            uploads: self.config.uploads,
        };
        self.config.hosts.iter().map(|host| (host.host.name().to_owned(), sources(host))).collect()
    }

    /// Reads the certificates, and makes one first if it is to be the server's own.
    pub(super) fn load_tls(&mut self) -> Result<Option<Loaded>, Failure> {
        if let Some(own) = &self.own_certificate {
            let made = own.load_or_make(crate::tls::now()).map_err(Failure::System)?;
            self.config.tls = Some(one_certificate(CertificateFiles {
                certificate: made.certificate.clone(),
                key: Some(made.key.clone()),
            }));
            if self.made.replace(made).is_none() {
                self.document = Document::unwritten(as_text(&self.config));
            }
        }
        let loaded = self.config.tls.as_ref().map(crate::tls::load).transpose();
        loaded.map_err(Failure::Configuration)
    }

    /// What the introduction says of the certificate.
    pub(super) fn shown(&self, loaded: &Loaded) -> Option<Shown> {
        let first = loaded.certificates.first()?;
        Some(Shown {
            name: first.facts.hosts().next().filter(|name| !name.contains('*')),
            fingerprint: first.facts.fingerprint.to_string(),
            own: self.made.as_ref().map(|made| made.certificate.clone()),
        })
    }

    pub(super) fn guests(&self) -> Guests<'_> {
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

    /// What clients are told, and what isn't wrong, but should be known.
    pub(super) fn warn(&self, accounts: &ServerAccounts, certificates: &Certificates) {
        if self.config.anonymous.as_ref().is_some_and(|anonymous| anonymous.writable) {
            tracing::warn!("anybody may upload without a password");
        }
        for warning in accounts.warnings() {
            tracing::warn!("{warning}");
        }
        for warning in super::hosts::warnings(&self.config, certificates.loaded().as_deref()) {
            tracing::warn!("{warning}");
        }
        let passive = &self.config.core.passive;
        if passive.enabled {
            let told = super::advertised::words(passive, &crate::networks::of_host());
            tracing::info!(ports = %passive.ports, "passive mode: {told}");
            for warning in super::advertised::warnings(passive) {
                tracing::warn!("{warning}");
            }
        }
    }
}

/// A file that says the same, as far as the command line can say anything.
fn as_text(config: &ServerConfig) -> String {
    let mut document = DocumentMut::new();
    let mut put = |key: &str, value: Value| {
        if let Some((section, name)) = key.split_once('.') {
            document.entry(section).or_insert(Item::Table(Table::new()))[name] = Item::Value(value);
        }
    };
    let path = |path: &Path| Value::from(path.to_string_lossy().as_ref());
    let addresses = |all: &[SocketAddr]| all.iter().map(ToString::to_string).collect::<Value>();
    if let Bind::At(bind) = &config.bind {
        put("server.bind", addresses(bind));
    }
    if !config.bind_implicit_tls.is_empty() {
        put("server.bind_implicit_tls", addresses(&config.bind_implicit_tls));
    }
    if let Some(root) = &config.root {
        put("server.root", path(root));
    }
    put("server.runtime", name(RuntimeKind::NAMES, config.runtime).into());
    put("server.uploads", if config.uploads == Uploads::Direct { "direct" } else { "atomic" }.into());
    match &config.control_socket {
        ControlSocket::Usual => {}
        ControlSocket::At(socket) => put("server.control_socket", path(socket)),
        ControlSocket::Off => put("server.control_socket", "off".into()),
    }
    for (key, value) in [("server.user", &config.sandbox.user), ("server.group", &config.sandbox.group)] {
        if let Some(value) = value {
            put(key, value.as_str().into());
        }
    }
    put("server.sandbox", name(Mode::NAMES, config.sandbox.mode).into());
    put("passive.ports", config.core.passive.ports.to_string().into());
    match &config.core.passive.external {
        External::ControlConnection => {}
        External::Literal(address) => put("passive.external_address", address.to_string().into()),
        External::Name(name) => put("passive.external_address", name.as_str().into()),
    }
    if let Some(port) = config.core.active.source_port {
        put("active.source_port", i64::from(port).into());
    }
    let certificates = config.tls.iter().flat_map(|tls| &tls.certificates).map(|files| {
        let mut table = InlineTable::new();
        table.insert("certificate", path(&files.certificate));
        if let Some(key) = &files.key {
            table.insert("key", path(key));
        }
        Value::InlineTable(table)
    });
    let certificates: Array = certificates.collect();
    if !certificates.is_empty() {
        put("tls.certificates", Value::Array(certificates));
    }
    if let Some(anonymous) = &config.anonymous {
        let mut table = InlineTable::new();
        table.insert("writable", anonymous.writable.into());
        if let Some(bytes) = anonymous.limits.bytes {
            table.insert("quota", crate::size::show(bytes).into());
        }
        if let Some(files) = anonymous.limits.files {
            table.insert("quota_files", i64::try_from(files).unwrap_or(i64::MAX).into());
        }
        put("accounts.anonymous", Value::InlineTable(table));
    }
    put("log.format", name(LogFormat::NAMES, config.log.format).into());
    put("log.level", name(LogLevel::NAMES, config.log.level).into());
    document.to_string()
}

/// What the command line says of the core's settings.
fn settings(arguments: &ServeArguments) -> Settings {
    let mut settings = Settings::default();
    if let Some(ports) = &arguments.passive_ports {
        settings.passive.ports = ports.clone();
    }
    if let Some(external) = &arguments.external_address {
        settings.passive.external = external.clone();
    }
    settings.active.source_port = arguments.active_source_port;
    settings
}

/// The user of `--user`, and whether her password was made just now.
fn single_user(arguments: &ServeArguments, dir: &Path) -> Result<(Option<SingleUser>, bool), Failure> {
    let Some(name) = &arguments.user else { return Ok((None, false)) };
    let given = password_from_environment()?;
    let made = given.is_none();
    let password = match given {
        Some(password) => password,
        None => password::generate().map_err(Failure::System)?,
    };
    Ok((Some(SingleUser { name: name.clone(), password, root: dir.to_owned() }), made))
}

fn one_certificate(files: CertificateFiles) -> TlsFiles {
    TlsFiles {
        certificates: vec![files],
        minimum: TlsVersion::V1_2,
        client_authorities: Vec::new(),
        revocations: Vec::new(),
    }
}

/// Where a service of the whole machine keeps what it makes.
const OF_SERVICE: &str = "/var/lib/ftpd";

/// Where the program keeps what it makes for its user, as the XDG Base Directory Specification says.
fn data_directory(arguments: &ServeArguments) -> Result<PathBuf, Failure> {
    let is_root = rustix::process::geteuid().is_root();
    if is_root && arguments.run_as.is_some() {
        // Whoever it becomes could not go into root's home.
        return Ok(PathBuf::from(OF_SERVICE));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".local/share"));
    if let Some(data) = absolute("XDG_DATA_HOME").or_else(home) {
        return Ok(data.join("ftpd"));
    }
    if is_root {
        return Ok(PathBuf::from(OF_SERVICE));
    }
    Err(Failure::Configuration(
        "ftpd: --tls: no place to keep the certificate; set HOME, or name one by --tls-certificate"
            .to_owned(),
    ))
}

/// By which addresses clients may call the server, as far as that is known, besides its host's name.
fn names_for_certificate(arguments: &ServeArguments) -> Vec<String> {
    let bound = arguments.bind.iter().chain(&arguments.bind_implicit_tls).map(SocketAddr::ip);
    let addresses = bound.filter(|address| !address.is_unspecified()).map(|address| address.to_string());
    let own = ["127.0.0.1".to_owned(), "::1".to_owned()];
    let external = arguments.external_address.as_ref().and_then(|external| match external {
        External::ControlConnection => None,
        External::Literal(address) => Some(address.to_string()),
        External::Name(name) => Some(name.clone()),
    });
    own.into_iter().chain(addresses).chain(external).collect()
}

/// What a document amounts to, with the command line's word above it; `path` is its name in complaints.
pub(super) fn amounts_to(
    document: &Document,
    path: &Path,
    overrides: &Overrides,
) -> Result<ServerConfig, Failure> {
    let mut config = document.config()?;
    overrides.apply(&mut config);
    if config.log.wants_commands() != config.core.notify_commands {
        let mut settings = Settings::clone(&config.core);
        settings.notify_commands = config.log.wants_commands();
        let core = settings.validate().map_err(|error| Failure::Configuration(error.to_string()))?;
        config.core = Arc::new(core);
    }
    // The command line may have changed what the file was checked for.
    let checked = config.check_ports();
    checked.map_err(|error| Failure::Configuration(format!("{}: {error}", path.display())))?;
    if config.tls.is_none() && !config.bind_implicit_tls.is_empty() {
        return Err(Failure::Configuration(format!(
            "{}: --bind-implicit-tls needs certificates below [tls]",
            path.display()
        )));
    }
    Ok(config)
}

/// The core's complaint about a setting, in terms of the command line.
fn in_options(error: &ConfigError) -> String {
    let option = match error.key {
        "server.bind_implicit_tls" => "--bind-implicit-tls",
        "passive.ports" => "--passive-ports",
        "passive.external_address" => "--external-address",
        "active.source_port" => "--active-source-port",
        other => other,
    };
    format!("ftpd: {option}: {}", error.problem)
}
