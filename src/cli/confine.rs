//! What the server that is about to start will need of the system, and nothing else: see [`crate::sandbox`].

use super::Failure;
use super::plan::Plan;
use super::serve::Service;
use super::watch::Watch;
use crate::accounts::ServerAccounts;
use crate::certificate::self_signed::SelfSigned;
use crate::config_file::reader::plain;
use crate::config_file::{ControlSocket, ServerConfig};
use crate::control;
use crate::replace::directory_of;
use crate::sandbox::{self, Identity, Mode, Needs, Strength, Tree, Use};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What is done before the server confines itself, and what it has to know afterwards.
pub(super) struct Confinement {
    identity: Option<Identity>,
    /// Nobody is named whom root becomes.
    stays_root: bool,
    /// Where the control socket goes if nobody says otherwise.
    control_directory: Result<PathBuf, String>,
}

impl Confinement {
    /// Finds out who the server will be, and makes what only the old user can make.
    pub(super) fn prepare(plan: &Plan) -> Result<Self, Failure> {
        let identity = identity(&plan.config)?;
        for path in plan.config.sandbox.paths.iter().filter(|_| plan.config.sandbox.mode != Mode::Off) {
            if let Err(error) = std::fs::metadata(path) {
                let (path, reason) = (path.display(), plain(&error));
                tracing::warn!(
                    "server.sandbox_paths: {path}: {reason}; nothing there can be served until the next start"
                );
            }
        }
        let owner = identity.as_ref().map(|identity| (identity.user, identity.group));
        let control_directory = match &plan.config.control_socket {
            ControlSocket::Usual => control::default_directory(owner),
            ControlSocket::At(path) => Ok(directory_of(path).to_owned()),
            ControlSocket::Off => Err("switched off".to_owned()),
        };
        let stays_root = identity.is_none() && sandbox::is_root();
        Ok(Self { identity, stays_root, control_directory })
    }

    pub(super) fn control_directory(&self) -> Result<PathBuf, String> {
        self.control_directory.clone()
    }

    /// What is to be done when the control ports are open and there is no thread yet.
    pub(super) fn for_the_moment(
        &self,
        plan: &Plan,
        accounts: &ServerAccounts,
    ) -> Box<dyn FnOnce() -> Result<(), String> + Send> {
        let needs = Needs {
            identity: self.identity.clone(),
            low_ports: wants_low_ports(&plan.config, sandbox::first_unprivileged_port()).is_some(),
            mode: plan.config.sandbox.mode,
            trees: self.trees(plan, accounts),
            symlinks: plan.config.core.symlinks,
        };
        let own = self.identity.clone().zip(plan.made.clone());
        let shared = shared_roots(&plan.config);
        Box::new(move || {
            if let Some((identity, made)) = own {
                hand_over(&made, &identity)?;
            }
            let identity = needs.identity.clone();
            let low_ports = needs.low_ports;
            let strength = sandbox::enter(needs)?;
            if let Some(identity) = &identity {
                for root in shared {
                    readable_by(&root, identity)?;
                }
                let groups: Vec<_> = identity.groups.iter().map(u32::to_string).collect();
                tracing::info!(
                    user = %identity.name,
                    uid = identity.user,
                    gid = identity.group,
                    groups = %groups.join(","),
                    capabilities = %(if low_ports { "CAP_NET_BIND_SERVICE" } else { "none" }),
                    "root given up"
                );
            }
            tell(&strength);
            Ok(())
        })
    }

    /// All that has to be inside of the fence.
    fn trees(&self, plan: &Plan, accounts: &ServerAccounts) -> Vec<Tree> {
        let config = &plan.config;
        let served = |path: PathBuf| Tree { path, what: Use::Serve };
        let mut trees: Vec<_> = accounts.roots().into_iter().map(served).collect();
        trees.extend(config.sandbox.paths.iter().cloned().map(served));
        // `ftpd set --save` writes it.
        trees.extend(plan.file.iter().flat_map(|file| Tree::around(file, Use::Replace)));
        trees.extend(accounts_files(config).flat_map(|file| Tree::around(file, Use::Read)));
        trees.extend(tls_files(config).flat_map(|file| Tree::around(file, Use::Read)));
        if let Some(own) = &plan.own_certificate {
            trees.push(Tree { path: own.directory.clone(), what: Use::Replace });
        }
        if let Ok(path) = &self.control_directory {
            trees.push(Tree { path: path.clone(), what: Use::Socket });
        }
        trees
    }

    /// What can't be done any more and will be missed some day.
    pub(super) fn warn(&self, plan: &Plan, service: &Service, watch: &Watch) {
        let Some(identity) = &self.identity else {
            if self.stays_root {
                tracing::warn!(
                    "the server runs as root; name a user that it becomes: user = \"ftpd\" below [server], or --run-as ftpd"
                );
            }
            return;
        };
        let files = plan.file.iter().map(|file| (file, "changes of it"));
        let files = files.chain(accounts_files(&plan.config).map(|file| (file, "changes of it")));
        let files = files.chain(tls_files(&plan.config).map(|file| (file, "a renewed one")));
        for (file, what) in files {
            if is_refused(file) {
                let advice = sandbox::unreadable(file).unwrap_or_default();
                tracing::warn!(
                    file = %file.display(),
                    "user {} may not read it, so that {what} can't be taken over: {advice}",
                    identity.name
                );
            }
        }
        // What can't be seen from here has not changed.
        service.certificates.settle();
        service.accounts.settle();
        if let Some(path) = plan.file.as_ref().filter(|path| std::fs::metadata(path).is_err()) {
            watch.reading(path);
        }
    }
}

/// Whom the server becomes; `None`: it stays who it is.
fn identity(config: &ServerConfig) -> Result<Option<Identity>, Failure> {
    let Some(user) = &config.sandbox.user else { return Ok(None) };
    let wrong = |reason: String| Failure::Configuration(format!("ftpd: server.user: {reason}"));
    let identity = Identity::find(user, config.sandbox.group.as_deref()).map_err(wrong)?;
    if identity.user == 0 {
        return Err(wrong("that is root; write a user who may do less".to_owned()));
    }
    let own = rustix::process::geteuid();
    if own.is_root() {
        return Ok(Some(identity));
    }
    if own.as_raw() == identity.user {
        let group = config.sandbox.group.as_ref();
        if let Some(group) = group.filter(|_| rustix::process::getegid().as_raw() != identity.group) {
            return Err(Failure::Configuration(format!(
                "ftpd: server.group: only root can take group {group}; start the server as root or with that group, or leave that out"
            )));
        }
        return Ok(None);
    }
    Err(wrong(format!(
        "only root can become user {}; start the server as root or as that user, or leave that out",
        identity.name
    )))
}

fn accounts_files(config: &ServerConfig) -> impl Iterator<Item = &PathBuf> {
    config.accounts.iter().chain(config.hosts.iter().filter_map(|host| host.accounts.as_ref()))
}

fn tls_files(config: &ServerConfig) -> impl Iterator<Item = &PathBuf> {
    config.tls.iter().flat_map(|tls| {
        let own = tls.certificates.iter().flat_map(|own| std::iter::once(&own.certificate).chain(&own.key));
        own.chain(&tls.client_authorities).chain(&tls.revocations)
    })
}

/// The roots of guests: without them nobody would be served.
fn shared_roots(config: &ServerConfig) -> Vec<PathBuf> {
    let server = config.anonymous.as_ref().and_then(|guests| guests.root.as_ref().or(config.root.as_ref()));
    let hosts = config.hosts.iter().filter_map(|host| host.guests().map(|(root, _)| root));
    server.into_iter().chain(hosts).cloned().collect()
}

fn readable_by(root: &Path, identity: &Identity) -> Result<(), String> {
    std::fs::read_dir(root).map(drop).map_err(|error| {
        let (root, name) = (root.display(), &identity.name);
        format!("{root}: user {name} may not read it: {}; run `chown {name} {root}`", plain(&error))
    })
}

fn is_refused(file: &Path) -> bool {
    File::open(file).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// Whether the server became a user who may not read what TLS is made of.
pub(super) fn lost_a_key(config: &ServerConfig) -> bool {
    sandbox::gave_up_root() && tls_files(config).any(|file| is_refused(file))
}

/// A certificate of the server's own making is to be renewed by whom it becomes. Root gives away nothing else of what is
/// in that directory: it is the user's since an earlier start, and files of root's may have got a name in it.
fn hand_over(made: &SelfSigned, identity: &Identity) -> Result<(), String> {
    let directory = directory_of(&made.certificate);
    let all = || {
        for path in [&made.certificate, &made.key] {
            let Some(file) = open_itself(path)? else { continue };
            let facts = file.metadata()?;
            if facts.is_file() && facts.nlink() == 1 && facts.uid() != identity.user {
                std::os::unix::fs::fchown(&file, Some(identity.user), Some(identity.group))?;
            }
        }
        sandbox::hand_over(directory, identity.user, identity.group)
    };
    all().map_err(|error: io::Error| {
        format!("{}: can't be given to user {}: {}", directory.display(), identity.name, plain(&error))
    })
}

/// Not what a link leads to, and without waiting for anybody at the other end of a pipe; `None`: it is a link.
fn open_itself(path: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => Ok(Some(file.into())),
        Err(rustix::io::Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn tell(strength: &Strength) {
    match strength {
        Strength::Full => tracing::info!("confined: no file is in reach but those that are served and read"),
        Strength::Partial(missing) => {
            tracing::info!("confined: no file is in reach but those that are served and read; {missing}");
        }
        Strength::Nothing(reason) => {
            tracing::warn!(
                "not confined: {reason}; every file that its user may open is in the server's reach"
            );
        }
        Strength::Off => {
            tracing::info!("not confined, since server.sandbox is \"off\"");
        }
    }
}

/// The setting for which a port has to be opened later that not everybody may open, and the port.
fn wants_low_ports(config: &ServerConfig, first_unprivileged: u16) -> Option<(&'static str, u16)> {
    let low = |port: &u16| (1..first_unprivileged).contains(port);
    let core = &config.core;
    let range = core.passive.ports.listened().into_iter().find(low).filter(|_| core.passive.enabled);
    let source = core.active.source_port.filter(low).filter(|_| core.active.enabled);
    range.map(|port| ("passive.ports", port)).or(source.map(|port| ("active.source_port", port)))
}

/// Why these settings can't hold in the server that runs, as far as that is known before they are tried.
pub(super) fn refusal(config: &ServerConfig) -> Option<String> {
    let hosts = config.hosts.iter();
    let roots = config.root.iter().map(|root| ("server.root", root));
    let roots = roots.chain(
        config.anonymous.iter().flat_map(|guests| &guests.root).map(|root| ("accounts.anonymous", root)),
    );
    let roots = roots.chain(hosts.clone().flat_map(|host| &host.root).map(|root| ("host.root", root)));
    let roots = roots.chain(hosts.flat_map(|host| host.guests()).map(|(root, _)| ("host.anonymous", root)));
    let roots = roots.map(|(key, path)| (key, path, Use::Serve));
    let files = accounts_files(config).map(|file| ("accounts.file", file, Use::Read));
    let files = files.chain(tls_files(config).map(|file| ("tls", file, Use::Read)));
    for (key, path, what) in roots.chain(files) {
        if let Some(reason) = sandbox::outside(path, what) {
            return Some(format!("{key}: {}: {reason}", path.display()));
        }
    }
    if config.core.symlinks && !sandbox::permits_symlinks() {
        return Some("server.symlinks: the server has confined itself at its start to make none (server.sandbox); write it into the file and restart it".to_owned());
    }
    let low = wants_low_ports(config, sandbox::first_unprivileged_port());
    low.filter(|_| sandbox::gave_up_low_ports()).map(|(key, port)| {
        format!("{key}: the server gave up the right to port {port} with root at its start, since no setting needed it; write it into the file and restart it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ServerConfig {
        let text = format!("[accounts]\nanonymous = {{ root = \"pub\" }}\n{text}");
        crate::config_file::parse(Path::new("/etc/ftpd/ftpd.toml"), &text).unwrap()
    }

    #[test]
    fn the_right_to_low_ports_is_kept_only_for_those_that_are_opened_later() {
        for (text, want) in [
            ("", None),
            ("[server]\nbind = \"[::]:21\"\n", None),
            ("[passive]\nports = \"1000-1030\"\n", Some(("passive.ports", 1000))),
            ("[passive]\nports = \"1024-1030\"\n", None),
            ("[passive]\nports = \"auto:3\"\n", None),
            ("[active]\nsource_port = 20\n", Some(("active.source_port", 20))),
            ("[active]\nsource_port = 20\nenabled = false\n", None),
            ("[active]\nsource_port = 2020\n", None),
        ] {
            assert_eq!(wants_low_ports(&config(text), 1024), want, "{text}");
        }
        // A system may let everybody have all ports.
        assert_eq!(wants_low_ports(&config("[active]\nsource_port = 20\n"), 0), None);
    }

    #[test]
    fn who_can_not_be_become_is_told_before_anything_is_opened() {
        for (user, want) in [
            ("nobody-of-that-name", "ftpd: server.user: there is no user \"nobody-of-that-name\""),
            ("0", "ftpd: server.user: that is root"),
            ("root", "ftpd: server.user: that is root"),
        ] {
            let config = config(&format!("[server]\nuser = \"{user}\"\n"));
            let Err(Failure::Configuration(error)) = identity(&config) else { panic!("{user}") };
            assert!(error.starts_with(want), "{error}");
        }
        assert!(matches!(identity(&config("")), Ok(None)));
    }
}
