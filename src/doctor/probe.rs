//! Tries a server, and writes down what was seen. What it means is said elsewhere.

use super::driver::{Agreed, ConnectError, Session, data_error};
use super::trust::{Distrust, Trust};
use crate::certificate::{CertificateFacts, Fingerprint, chain};
use ftp_proto::client::{DataError, Failure, Patience, Reply, Report, Step, Transfer, Way, Work};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;

/// How the control connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    None,
    /// By AUTH TLS.
    Explicit,
    /// From the first byte on.
    Implicit,
}

impl Security {
    /// The names on the command line.
    pub const NAMES: &'static [(&'static str, Self)] =
        &[("explicit", Self::Explicit), ("implicit", Self::Implicit), ("none", Self::None)];
}

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where.
    pub server: SocketAddr,
    /// The server's name for TLS.
    pub name: String,
    /// How it is protected.
    pub security: Security,
    /// Go on without TLS if the server offers none; with a password only if the user said so.
    pub clear_if_refused: bool,
    /// Name and password; else as a guest.
    pub user: Option<(String, String)>,
    /// Whom to trust.
    pub trust: Trust,
    /// Certificates that need nobody's word.
    pub pinned: Vec<Fingerprint>,
    /// Send the password to anybody.
    pub insecure: bool,
    /// Send the password where there is to be no TLS.
    pub in_clear: bool,
    /// Upload a file of this name, fetch it and remove it.
    pub upload: Option<String>,
    /// How many ports to try at least.
    pub samples: usize,
    /// How long to wait.
    pub patience: Patience,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Where.
    pub server: SocketAddr,
    /// How the control connection was to be protected.
    pub security: Security,
    /// Whether somebody logged in by name, not as a guest.
    pub by_name: bool,
    /// The greeting.
    pub greeting: Result<Reply, Unreached>,
    /// TLS; `None`: it was not tried.
    pub tls: Option<Result<TlsSeen, TlsUnseen>>,
    /// The login; `None`: it was not tried.
    pub login: Option<Result<Reply, Failure>>,
    /// The transfers, in their order.
    pub attempts: Vec<Attempt>,
}

/// Why there was no greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreached {
    /// There was no connection.
    Connect(DataError),
    /// There was one, and no greeting on it.
    Greeting(Failure),
}

/// TLS as it was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSeen {
    /// In words.
    pub version: String,
    /// What the server's certificates say.
    pub chain: Vec<CertificateFacts>,
    /// Whether it was one of those that need nobody's word.
    pub pinned: bool,
    /// Whether this system trusts them.
    pub trusted: Result<(), Distrust>,
}

/// Why there is no TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsUnseen {
    /// The server said no to AUTH.
    NotOffered(Reply),
    /// The handshake failed.
    Failed(String),
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// By PASV or EPSV.
    pub way: Way,
    /// LIST, STOR, RETR or DELE.
    pub command: &'static str,
    /// How it went.
    pub report: Report,
    /// Whether the data connection resumed a TLS session.
    pub resumed: Option<bool>,
}

impl Attempt {
    /// It went well.
    pub fn is_good(&self) -> bool {
        self.report.result.is_ok()
    }
}

/// Tries it.
pub fn probe(plan: &Plan) -> Sighting {
    let mut sighting = Sighting {
        server: plan.server,
        security: plan.security,
        by_name: plan.user.is_some(),
        greeting: Err(Unreached::Connect(DataError::TimedOut)),
        tls: None,
        login: None,
        attempts: Vec::new(),
    };
    let name = ServerName::try_from(plan.name.clone()).unwrap_or_else(|_| ServerName::from(plan.server.ip()));
    let implicit = plan.security == Security::Implicit;
    let mut session = match Session::connect(plan.server, name.clone(), implicit, plan.patience) {
        Ok(session) => session,
        Err(ConnectError::Tcp(error)) => {
            sighting.greeting = Err(Unreached::Connect(data_error(&error)));
            return sighting;
        }
        Err(ConnectError::Tls(why)) => {
            sighting.tls = Some(Err(TlsUnseen::Failed(why.clone())));
            sighting.greeting = Err(Unreached::Greeting(Failure::Tls(why)));
            return sighting;
        }
    };
    sighting.greeting = session.greeting().result.map_err(Unreached::Greeting);
    if sighting.greeting.is_err() || !secure(plan, &mut session, &mut sighting, &name) {
        return sighting;
    }
    let (user, password) =
        plan.user.clone().unwrap_or_else(|| ("anonymous".to_owned(), "doctor@example.org".to_owned()));
    let login = session.step(Step::Login { user, password }).result;
    let is_in = login.is_ok();
    sighting.login = Some(login);
    if is_in {
        session.step(Step::Binary);
        transfers(plan, &mut session, &mut sighting.attempts);
        session.step(Step::Quit);
    }
    sighting
}

/// TLS as it was wanted. `false`: the password must not be sent.
fn secure(plan: &Plan, session: &mut Session, sighting: &mut Sighting, name: &ServerName<'_>) -> bool {
    if plan.security == Security::Explicit {
        match session.step(Step::Secure).result {
            Ok(_) => {}
            Err(Failure::Refused { reply, .. }) => {
                sighting.tls = Some(Err(TlsUnseen::NotOffered(reply)));
                return plan.clear_if_refused && plan.user.is_none() && !session.has_ended();
            }
            Err(failure) => {
                let why = match failure {
                    Failure::Tls(why) => why,
                    other => other.to_string(),
                };
                sighting.tls = Some(Err(TlsUnseen::Failed(why)));
                return false;
            }
        }
    }
    let Some(agreed) = session.agreed() else { return plan.user.is_none() || plan.in_clear };
    let seen = seen(plan, &agreed, name);
    let go_on = plan.user.is_none() || plan.insecure || seen.pinned || seen.trusted.is_ok();
    sighting.tls = Some(Ok(seen));
    if go_on {
        // Who refuses it transfers in the clear, and the sighting shows that no data connection was secured.
        session.step(Step::ProtectData);
    }
    go_on && !session.has_ended()
}

fn seen(plan: &Plan, agreed: &Agreed, name: &ServerName<'_>) -> TlsSeen {
    let chain = chain::read(&agreed.chain).unwrap_or_default();
    TlsSeen {
        version: agreed.version.clone(),
        pinned: chain.first().is_some_and(|own| plan.pinned.contains(&own.fingerprint)),
        trusted: plan.trust.check(&agreed.chain, name),
        chain,
    }
}

/// Listings by all ways, more for other ports, and the test file if that is wanted.
fn transfers(plan: &Plan, session: &mut Session, attempts: &mut Vec<Attempt>) {
    let mut try_it = |way, command, work| -> Option<Attempt> {
        if session.has_ended() {
            return None;
        }
        let report = session.step(Step::Transfer(Transfer { way, work }));
        let attempt = Attempt { way, command, report, resumed: session.resumed };
        attempts.push(attempt.clone());
        Some(attempt)
    };
    let mut list = |way| try_it(way, "LIST", Work::List);
    let extended = list(Way::Extended);
    let mut good = Vec::new();
    good.extend(extended.iter().filter(|attempt| attempt.is_good()).map(|attempt| attempt.way));
    if plan.server.ip().to_canonical().is_ipv4() {
        let believed = list(Way::Passive { believe: true });
        good.extend(believed.iter().filter(|attempt| attempt.is_good()).map(|attempt| attempt.way));
        if believed.is_some_and(|attempt| !attempt.is_good() && names_another(&attempt, plan.server)) {
            let dialled = list(Way::Passive { believe: false });
            good.extend(dialled.iter().filter(|attempt| attempt.is_good()).map(|attempt| attempt.way));
        }
    }
    // Other ports of the range. Where nothing came through, two more say enough, and each costs its time.
    let (way, count) = match good.first() {
        Some(way) => (*way, plan.samples),
        None => (Way::Extended, plan.samples.min(2)),
    };
    for _ in 0..count {
        let again = list(way);
        if again
            .is_none_or(|attempt| attempt.report.transfer.is_none_or(|transfer| transfer.dialled.is_none()))
        {
            break;
        }
    }
    if let Some(name) = &plan.upload {
        for way in good {
            let content = b"ftpd doctor was here.\r\n".repeat(100);
            let stored = try_it(way, "STOR", Work::Store(name.clone(), content.clone()));
            if stored.is_none_or(|attempt| !attempt.is_good()) {
                continue;
            }
            try_it(way, "RETR", Work::Retrieve(name.clone()));
        }
        if attempts.iter().any(|attempt| attempt.command == "STOR" && attempt.is_good()) {
            let report = session.step(Step::Delete(name.clone()));
            attempts.push(Attempt { way: Way::Extended, command: "DELE", report, resumed: None });
        }
    }
}

/// 227 named another address than the one that was dialled.
pub(super) fn names_another(attempt: &Attempt, server: SocketAddr) -> bool {
    let announced = attempt.report.transfer.as_ref().and_then(|transfer| transfer.announced);
    announced.is_some_and(|announced| announced.ip() != server.ip().to_canonical())
}
