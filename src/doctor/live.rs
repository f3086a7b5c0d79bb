//! The running server, tried from its own machine: by its own addresses and by the external one.

use super::catalogue as kinds;
use super::facts::{Facts, Process};
use super::finding::Finding;
use super::probe::{Plan, Security, Sighting, TlsUnseen, Unreached, probe};
use super::trust::Trust;
use crate::certificate::Fingerprint;
use ftp_proto::account::Rights;
use ftp_proto::client::{Patience, Way};
use ftp_proto::config::External;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the live part needs to know.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Name and password.
    pub user: Option<(String, String)>,
    /// How long to wait.
    pub patience: Patience,
}

/// Tries all listeners.
pub fn check(facts: &Facts, wish: &Wish, trust: &Trust) -> Vec<Finding> {
    let targets = targets(facts);
    let Some(first) = targets.first() else { return Vec::new() };
    if facts.system.server.is_none() && !listens(first.address, wish.patience) {
        return vec![
            kinds::LIVE_NOT_RUNNING.found("no server runs with this configuration: nothing was tried"),
        ];
    }
    if wish.user.is_none() && facts.config.anonymous.is_none() {
        return vec![
            kinds::LIVE_NO_CREDENTIALS
                .found("guests are not let in, and no user is named: transfers were not tried")
                .fix("give --user NAME, and the password in FTPD_PASSWORD"),
        ];
    }
    let upload = test_file(facts, wish);
    let mut findings = Vec::new();
    if upload.is_none() {
        let who = wish.user.as_ref().map_or("anonymous", |(name, _)| name.as_str());
        findings.push(kinds::LIVE_UPLOAD_NOT_TRIED.found(format!("{who} may not upload, read and delete")));
    }
    for target in targets {
        let answering = Answering::at(facts, &target);
        if let Some(finding) = answering.refusal(&target, wish) {
            findings.push(finding);
            continue;
        }
        let plan = Plan {
            server: target.address,
            name: target.address.ip().to_string(),
            security: target.security,
            clear_if_refused: false,
            user: wish.user.clone(),
            trust: trust.clone(),
            pinned: fingerprints(facts),
            insecure: false,
            // Without TLS nobody knows who answers there.
            in_clear: !target.outside || facts.system.interfaces.contains(&target.address.ip()),
            upload: upload.clone(),
            samples: 0,
            patience: wish.patience,
        };
        findings.extend(judge(&target, &probe(&plan)));
    }
    findings
}

/// Who answers at one of our addresses.
enum Answering {
    /// The server of this configuration, or whoever is behind the external address.
    Expected,
    /// Another program.
    Other(Process),
    /// The system does not tell.
    Unknown,
}

impl Answering {
    fn at(facts: &Facts, target: &Target) -> Self {
        if target.outside {
            return Self::Expected;
        }
        let (system, address) = (&facts.system, target.address);
        let answers = |bound: SocketAddr| {
            let (bound, port) = (bound.ip().to_canonical(), bound.port());
            port == address.port() && (bound.is_unspecified() || bound == address.ip().to_canonical())
        };
        let tells = |status: &crate::control::Status| {
            status.control.iter().chain(&status.implicit_tls).any(|bound| answers(*bound))
        };
        match system.held.iter().find(|held| answers(held.address)) {
            Some(held) => match &held.by {
                Some(process) => Self::Other(process.clone()),
                None if system.status.as_ref().is_some_and(tells) => Self::Expected,
                None => Self::Unknown,
            },
            None if system.server.is_some() => Self::Expected,
            None => Self::Unknown,
        }
    }

    /// Why nothing is tried there: another program is not what this is about, and in the clear a password goes only
    /// to the server that it is for. Under TLS the certificate decides.
    fn refusal(&self, target: &Target, wish: &Wish) -> Option<Finding> {
        let address = target.address;
        match self {
            Self::Expected => None,
            Self::Other(Process { id, program }) => Some(
                kinds::LIVE_OTHER_PROGRAM
                    .found(format!("{address} is answered by {program} (process {id}): nothing was tried there"))
                    .fix(format!("stop process {id}, or give one of both another port")),
            ),
            Self::Unknown if target.security == Security::None && wish.user.is_some() => Some(
                kinds::LIVE_NO_CREDENTIALS
                    .found(format!(
                        "the system does not tell who answers at {address}, so no password was sent there without TLS"
                    ))
                    .fix(format!(
                        "run it as root, or, if you are sure, `ftpd doctor --from {address} --tls none --user NAME`"
                    )),
            ),
            Self::Unknown => None,
        }
    }
}

fn listens(address: SocketAddr, patience: Patience) -> bool {
    std::net::TcpStream::connect_timeout(&address, patience.connect).is_ok()
}

/// The file that is uploaded: where the rights at the user's home are enough to leave nothing behind.
fn test_file(facts: &Facts, wish: &Wish) -> Option<String> {
    let (name, _) = wish.user.as_ref()?;
    let user = facts.accounts.as_ref()?.users.get(name)?;
    let rights = user.rights_by_path().on(&user.home);
    let enough = [Rights::CREATE, Rights::READ, Rights::DELETE, Rights::OVERWRITE];
    let enough = enough.into_iter().all(|right| rights.contains(right));
    let unique = format!("{}-{}", std::process::id(), facts.now.seconds);
    enough.then(|| format!("ftpd-doctor-{unique}.tmp"))
}

fn fingerprints(facts: &Facts) -> Vec<Fingerprint> {
    let chains = facts.certificates.iter().filter_map(|state| state.chain.as_ref().ok());
    chains.filter_map(|chain| chain.first()).map(|own| own.fingerprint).collect()
}

/// A way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    address: SocketAddr,
    security: Security,
    /// By the external address: through the router, if there is one.
    outside: bool,
}

/// Every listener by an address of its own, then by the external one.
fn targets(facts: &Facts) -> Vec<Target> {
    let config = &facts.config;
    let explicit = if config.tls.is_some() { Security::Explicit } else { Security::None };
    let control = config.bind.addresses().into_iter().map(|address| (address, explicit));
    let implicit = config.bind_implicit_tls.iter().map(|address| (*address, Security::Implicit));
    let listeners: Vec<_> = control.chain(implicit).filter(|(address, _)| address.port() != 0).collect();
    let own = listeners.iter().map(|(address, security)| Target {
        address: dialled(*address),
        security: *security,
        outside: false,
    });
    let external = external(facts).into_iter().flat_map(|external| {
        let reachable = listeners.iter().filter(|(address, _)| !address.ip().to_canonical().is_loopback());
        reachable.map(move |(address, security)| Target {
            address: SocketAddr::new(external, address.port()),
            security: *security,
            outside: true,
        })
    });
    own.chain(external).collect()
}

/// The IPv4 address clients are told; without one there is nothing more to try.
fn external(facts: &Facts) -> Option<IpAddr> {
    match &facts.config.core.passive.external {
        External::ControlConnection => None,
        External::Literal(address) => Some(address.to_canonical()).filter(IpAddr::is_ipv4),
        External::Name(name) => {
            let found = facts.system.resolved.get(name)?.as_ref().ok()?;
            found.iter().copied().find(IpAddr::is_ipv4)
        }
    }
}

/// Where to connect for what is listened on. (IPv6 listeners take IPv4 as well, and only so PASV can be tried.)
pub fn dialled(bound: SocketAddr) -> SocketAddr {
    let address = match bound.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        }
        address => address,
    };
    SocketAddr::new(address, bound.port())
}

fn judge(target: &Target, sighting: &Sighting) -> Vec<Finding> {
    let address = target.address;
    let by = match target.security {
        Security::None => "without TLS",
        Security::Explicit => "under TLS (AUTH)",
        Security::Implicit => "under implicit TLS",
    };
    let mut findings = Vec::new();
    if let Some(Ok(seen)) = &sighting.tls
        && !seen.pinned
        && !target.outside
    {
        let shown = seen.chain.first().map(|own| own.fingerprint.to_string()).unwrap_or_default();
        let text = format!("{address} shows another certificate than the file's, SHA-256 {shown}");
        findings.push(
            kinds::LIVE_OTHER_CERTIFICATE.found(text).fix("send the server SIGHUP, and look into its log"),
        );
    }
    if target.security == Security::None && sighting.greeting.is_ok() && sighting.login.is_none() {
        let text = format!(
            "{address}, the external address, takes connections; no password was sent there without TLS, so transfers \
             were not tried"
        );
        findings.push(
            kinds::LIVE_NO_CREDENTIALS.found(text).fix(format!(
                "run `ftpd doctor --from {address} --tls none --user NAME` on a machine outside"
            )),
        );
        return findings;
    }
    let Some(problem) = problem(sighting) else {
        let text = format!("{address} {by}: {}", what_worked(sighting));
        findings.push(kinds::LIVE_OK.found(text));
        return findings;
    };
    let (kind, text) = problem;
    if target.outside {
        findings.push(
            kinds::HAIRPIN_FAILED
                .found(format!("{address} {by}, the external address: {text}"))
                .fix(format!("run `ftpd doctor --from {address}` on a machine outside")),
        );
    } else {
        findings.push(kind.found(format!("{address} {by}: {text}")));
    }
    findings
}

/// The first thing that went wrong.
fn problem(sighting: &Sighting) -> Option<(&'static super::finding::Kind, String)> {
    match &sighting.greeting {
        Ok(_) => {}
        Err(Unreached::Connect(error)) => {
            return Some((&kinds::LIVE_NO_LOGIN, format!("the connection is {error}")));
        }
        Err(Unreached::Greeting(failure)) => return Some((&kinds::LIVE_NO_LOGIN, failure.to_string())),
    }
    match &sighting.tls {
        Some(Err(TlsUnseen::NotOffered(reply))) => {
            return Some((&kinds::LIVE_NO_LOGIN, format!("no TLS: {reply}")));
        }
        Some(Err(TlsUnseen::Failed(why))) => {
            return Some((&kinds::LIVE_NO_LOGIN, format!("TLS failed: {why}")));
        }
        None | Some(Ok(_)) => {}
    }
    match &sighting.login {
        Some(Ok(_)) => {}
        Some(Err(failure)) => return Some((&kinds::LIVE_LOGIN_REFUSED, failure.to_string())),
        None => {
            return Some((
                &kinds::LIVE_NO_LOGIN,
                "no password was sent to a certificate nobody knows".into(),
            ));
        }
    }
    let failed = sighting.attempts.iter().find(|attempt| !attempt.is_good())?;
    let failure = failed.report.result.as_ref().err()?;
    let announced = failed.report.transfer.as_ref().and_then(|transfer| transfer.dialled);
    let place = announced.map(|address| format!(" at {address}")).unwrap_or_default();
    let text = format!("{} by {}{place}: {failure}", failed.command, way(failed.way));
    Some((&kinds::LIVE_TRANSFER_FAILED, text))
}

fn way(way: Way) -> &'static str {
    match way {
        Way::Passive { .. } => "PASV",
        Way::Extended => "EPSV",
    }
}

fn what_worked(sighting: &Sighting) -> String {
    let mut words: Vec<String> = Vec::new();
    for attempt in &sighting.attempts {
        let word = match attempt.command {
            "DELE" => "DELE".to_owned(),
            command => format!("{command} by {}", way(attempt.way)),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    format!("login, {}", words.join(", "))
}
