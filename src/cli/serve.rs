//! `ftpd serve`: from the command line or a file to a server that runs, until a signal ends it.

use super::confine::Confinement;
use super::introduction::Shown;
use super::live::Live;
use super::notify::Manager;
use super::plan::Plan;
use super::signals::{Wish, Wishes};
use super::watch::Watch;
use super::{Failure, ServeArguments, answer, introduction, print};
use crate::accounts::{OpenError, ServerAccounts};
use crate::config_file::ControlSocket;
use crate::config_file::reader::plain;
use crate::control::{self, Place, Socket};
use crate::log::{LevelHandle, LogObserver};
use crate::runtime::{self, Running};
use crate::tls::Certificates;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long running transfers may go on after the first signal to stop.
const GRACE: Duration = Duration::from_secs(30);
/// Unfinished uploads that nobody has touched for so long are removed.
const FORGOTTEN_UPLOAD: Duration = Duration::from_secs(7 * 86_400);
/// How often that is done, since a server may run for years.
const SWEEP_EVERY: Duration = Duration::from_secs(86_400);

pub(super) fn run(arguments: ServeArguments) -> Result<(), Failure> {
    let mut plan = Plan::of(&arguments)?;
    let level = crate::log::start(plan.config.log)
        .map_err(|error| Failure::System(format!("can't start the log: {error}")))?;
    log_panics();
    // From here on a signal ends the server properly, however early it comes.
    let no_signals = |error: io::Error| Failure::System(format!("can't watch signals: {}", plain(&error)));
    let mut wishes = Wishes::take_over().map_err(no_signals)?;
    raise_descriptor_limit();
    let watch = Arc::<Watch>::default();
    if let Some(path) = &plan.file {
        watch.reading(path);
    }
    let manager = Manager::find();
    let confinement = Confinement::prepare(&plan)?;
    let (service, shown) = Service::start(&mut plan, level, &confinement)?;
    wishes.listen().map_err(no_signals)?;
    // Who was told that the server listens may ask it.
    let socket = control_socket(&plan, &service, &wishes, &confinement);
    print(&introduction::text(&plan.config, &service.running, &plan.guests(), shown.as_ref()));
    warn_of_few_descriptors(service.running.passive_ports().len());
    service.certificates.log(crate::tls::now());
    service.certificates.watch();
    plan.warn(&service.accounts, &service.certificates);
    confinement.warn(&plan, &service, &watch);
    service.accounts.count_for_guests();
    sweep_uploads(Arc::clone(&service.accounts));
    manager.ready();

    watch.start(wishes.sender());
    let mut live = Live::new(plan, service, watch);
    while let Some(wish) = wishes.wait() {
        match wish {
            Wish::Stop => break,
            Wish::Reload | Wish::Edited => drop(live.reload()),
            Wish::Totals => live.service.observer.log_totals(),
            // Who asked may be gone by now.
            Wish::Ask(asked) => drop(asked.answer.send(answer::to(&mut live, asked.request))),
        }
    }
    manager.stopping();
    // Nobody should ask a server that is on its way out.
    drop(socket);
    let service = live.service;
    tracing::info!(
        seconds = GRACE.as_secs(),
        "stopping; running transfers may finish, a second signal ends them"
    );
    if let Err(error) = wishes.stop_at_once() {
        tracing::warn!(reason = %plain(&error), "a second signal will not be heard");
    }
    service.running.stop(GRACE);
    service.observer.log_totals();
    tracing::info!("stopped");
    Ok(())
}

/// Where commands like `ftpd set` reach this server. A server without serves all the same.
fn control_socket(
    plan: &Plan,
    service: &Service,
    wishes: &Wishes,
    confinement: &Confinement,
) -> Option<Socket> {
    let addresses = service.running.control_addrs().iter().chain(service.running.implicit_tls_addrs());
    let port = addresses.map(SocketAddr::port).next().unwrap_or_default();
    let place = match &plan.config.control_socket {
        ControlSocket::Off => return None,
        ControlSocket::At(path) => Ok(Place::At(path.clone())),
        ControlSocket::Usual => {
            confinement.control_directory().map(|directory| Place::Named { directory, port })
        }
    };
    let wish = wishes.sender();
    let ask = move |asked| drop(wish.send(Wish::Ask(asked)));
    match place.and_then(|place| control::listen(&place, ask)) {
        Ok(socket) => {
            tracing::info!(file = %socket.path().display(), "control socket opened");
            Some(socket)
        }
        Err(reason) => {
            tracing::warn!(%reason, "no control socket; ftpd set and ftpd status won't find this server");
            None
        }
    }
}

/// The server that runs, and what may change while it does.
pub(super) struct Service {
    pub(super) running: Running,
    pub(super) accounts: Arc<ServerAccounts>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) observer: Arc<LogObserver>,
    pub(super) level: LevelHandle,
}

impl Service {
    /// Opens what the plan names and starts to serve it; the certificate is for the introduction.
    fn start(
        plan: &mut Plan,
        level: LevelHandle,
        confinement: &Confinement,
    ) -> Result<(Self, Option<Shown>), Failure> {
        let accounts =
            ServerAccounts::open(plan.sources(), plan.host_sources()).map_err(|error| match error {
                OpenError::File(error) => error.into(),
                OpenError::Tree(message) => Failure::System(message),
            })?;
        let accounts = Arc::new(accounts);
        let loaded = plan.load_tls()?;
        let shown = loaded.as_ref().and_then(|loaded| plan.shown(loaded));
        let certificates = Arc::new(Certificates::new(plan.own_certificate.clone()));
        let tls = certificates.set(loaded).map_err(Failure::System)?;
        let observer = Arc::new(LogObserver::new(plan.config.log.commands));
        let running = runtime::start(runtime::Options {
            runtime: plan.config.runtime,
            control: plan.config.bind.addresses(),
            implicit_tls: plan.config.bind_implicit_tls.clone(),
            tls,
            config: Arc::clone(&plan.config.core),
            accounts: Arc::clone(&accounts) as Arc<dyn ftp_proto::host::Accounts>,
            observer: Arc::clone(&observer) as Arc<dyn ftp_proto::notice::Observer>,
            keepalive: plan.config.keepalive,
            networks: Arc::new(crate::networks::of_host),
            opened: confinement.for_the_moment(plan, &accounts),
        })
        .map_err(Failure::System)?;
        for address in running.control_addrs().iter().chain(running.implicit_tls_addrs()) {
            tracing::info!(%address, version = %env!("CARGO_PKG_VERSION"), "started");
        }
        Ok((Self { running, accounts, certificates, observer, level }, shown))
    }
}

/// A session may need two descriptors and a transfer two more; the usual soft limit of 1,024 is from the
/// time of select().
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
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
            match accounts.sweep(&root, FORGOTTEN_UPLOAD) {
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
