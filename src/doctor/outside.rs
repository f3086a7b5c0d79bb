//! What sightings of a server from outside mean.

use super::catalogue as kinds;
use super::checks::validity;
use super::finding::{Finding, Severity};
use super::probe::{Attempt, Security, Sighting, TlsSeen, TlsUnseen, Unreached, names_another};
use super::trust::Distrust;
use ftp_proto::client::{DataError, DataStage, Failure, Way};
use ftp_proto::diagnose::is_public;
use ftp_proto::time::UnixTime;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Judges what was seen: the wanted way first, then perhaps the same without TLS for comparison.
pub fn judge(sightings: &[Sighting], now: UnixTime) -> Vec<Finding> {
    let Some(first) = sightings.first() else { return Vec::new() };
    let mut findings = reached(first);
    findings.extend(first.tls.iter().flat_map(|tls| of_tls(first, tls, now)));
    findings.extend(login(first));
    findings.extend(addresses(first));
    findings.extend(ports(first));
    findings.extend(refusals(first));
    if let Some(clear) = sightings.get(1) {
        findings.extend(compared(first, clear));
    }
    let well = findings.iter().all(|finding| finding.kind.severity < Severity::Error);
    if well && first.attempts.iter().any(Attempt::is_good) {
        findings
            .push(kinds::OUTSIDE_OK.found(format!("login and {} transfers worked", first.attempts.len())));
    }
    findings
}

fn reached(sighting: &Sighting) -> Vec<Finding> {
    let server = sighting.server;
    let failure = match &sighting.greeting {
        Ok(_) => return Vec::new(),
        Err(Unreached::Connect(DataError::Refused)) => {
            let text = format!("{server} refuses the connection");
            return vec![
                kinds::CONTROL_REFUSED.found(text).fix("start the server, or forward the port to it"),
            ];
        }
        Err(Unreached::Connect(error)) => {
            let text = format!("{server} can't be reached: {error}");
            return vec![kinds::CONTROL_TIMEOUT.found(text).fix("open and forward the control port")];
        }
        Err(Unreached::Greeting(failure)) => failure,
    };
    match failure {
        // Said where TLS is judged.
        Failure::Tls(_) => Vec::new(),
        Failure::Refused { reply, .. } => {
            vec![kinds::GREETING_REFUSED.found(format!("{server} says \"{reply}\""))]
        }
        other => {
            let text = format!("{server} takes the connection, and then: {other}");
            let fix = match sighting.security {
                Security::Implicit => "look at the port; without implicit TLS, write --tls explicit",
                Security::None | Security::Explicit => {
                    "look at the port; where TLS begins at once, write --tls implicit"
                }
            };
            vec![kinds::NOT_FTP.found(text).fix(fix)]
        }
    }
}

fn of_tls(sighting: &Sighting, tls: &Result<TlsSeen, TlsUnseen>, now: UnixTime) -> Vec<Finding> {
    let server = sighting.server;
    let seen = match tls {
        Ok(seen) => seen,
        Err(TlsUnseen::NotOffered(reply)) => {
            let text = format!("{server} offers no TLS: \"{reply}\"");
            let mut finding = kinds::TLS_NOT_OFFERED.found(text);
            if sighting.login.is_none() {
                finding = finding.fix("--tls none goes on, and sends the password in the clear");
            }
            return vec![finding];
        }
        Err(TlsUnseen::Failed(why)) => {
            return vec![kinds::TLS_FAILED.found(format!("TLS with {server} failed: {why}"))];
        }
    };
    let own = seen.chain.first();
    let names = own.map(|own| own.hosts().collect::<Vec<_>>().join(", ")).unwrap_or_default();
    let mut findings = vec![kinds::TLS_OK.found(format!("{}, certificate for {names}", seen.version))];
    findings.extend(own.and_then(|own| validity(own, "the certificate", now)));
    let Err(distrust) = &seen.trusted else { return findings };
    if seen.pinned {
        return findings;
    }
    let stopped = sighting.login.is_none();
    let fix = if stopped {
        "no password was sent; give --ca FILE with its authority, or --insecure to go on without"
    } else {
        "users have to compare its fingerprint, or be given its authority"
    };
    findings.extend(match distrust {
        Distrust::Time => None,
        Distrust::OtherName => {
            Some(kinds::CERTIFICATE_OTHER_NAME.found(format!("the certificate is for {names} only")).fix(fix))
        }
        Distrust::UnknownAuthority => {
            let issuer = own.map(|own| own.issuer.to_string()).unwrap_or_default();
            let text = format!("this system does not trust the certificate (issued by {issuer})");
            Some(kinds::CERTIFICATE_UNTRUSTED.found(text).fix(fix))
        }
        Distrust::Other(why) => {
            Some(kinds::CERTIFICATE_UNTRUSTED.found(format!("the certificate: {why}")).fix(fix))
        }
    });
    findings
}

fn login(sighting: &Sighting) -> Option<Finding> {
    let Some(Err(failure)) = &sighting.login else { return None };
    if sighting.by_name {
        return Some(kinds::LOGIN_REFUSED.found(format!("{}: {failure}", sighting.server)));
    }
    let text = format!("guests are not let in ({failure})");
    Some(kinds::LOGIN_NOT_TRIED.found(text).fix("give --user NAME, and the password in FTPD_PASSWORD"))
}

/// What 227 and 229 said.
fn addresses(sighting: &Sighting) -> Vec<Finding> {
    let mut findings = Vec::new();
    let believed = sighting.attempts.iter().find(|attempt| attempt.way == Way::Passive { believe: true });
    let extended = sighting.attempts.iter().find(|attempt| attempt.way == Way::Extended);
    for attempt in believed.into_iter().chain(extended) {
        match &attempt.report.result {
            Err(failure @ Failure::NoAddress { .. }) => {
                findings.push(kinds::PASV_UNREADABLE.found(failure.to_string()));
            }
            Err(Failure::Refused { command: "PASV", reply }) => {
                findings.push(kinds::PASV_REFUSED.found(format!("PASV: {reply}")));
            }
            Err(Failure::Refused { command: "EPSV", reply }) => {
                findings.push(kinds::EPSV_REFUSED.found(format!("EPSV: {reply}")));
            }
            _ => {}
        }
    }
    let Some(believed) = believed.filter(|attempt| names_another(attempt, sighting.server)) else {
        return findings;
    };
    let announced = believed.report.transfer.as_ref().and_then(|transfer| transfer.announced);
    let Some(announced) = announced else { return findings };
    let server = sighting.server.ip().to_canonical();
    let private = !is_public(announced.ip());
    let fix = format!("ftpd: write external_address = \"{server}\" below [passive]");
    let kind = if private { &kinds::PASV_ADDRESS_PRIVATE } else { &kinds::PASV_ADDRESS_DIFFERS };
    let word = if private { "the private address" } else { "another address," };
    let text = format!("227 names {word} {}, and {server} was dialled", announced.ip());
    findings.push(kind.found(text).fix(fix.clone()));
    if !believed.is_good() && extended.is_some_and(Attempt::is_good) {
        let text = format!("EPSV works; PASV leads to {announced}, where nothing is");
        findings.push(kinds::ONLY_EPSV_WORKS.found(text).fix(fix));
    }
    findings
}

/// What became of the ports at the address that was dialled.
fn outcomes(sighting: &Sighting) -> BTreeMap<u16, Result<(), DataError>> {
    let mut outcomes = BTreeMap::new();
    for attempt in &sighting.attempts {
        let Some(transfer) = &attempt.report.transfer else { continue };
        let Some(dialled) = transfer.dialled.filter(|dialled| same_host(*dialled, sighting.server)) else {
            continue;
        };
        let outcome = match &transfer.error {
            Some((DataStage::Connect, error)) => Err(error.clone()),
            _ if transfer.connected => Ok(()),
            _ => continue,
        };
        outcomes.insert(dialled.port(), outcome);
    }
    outcomes
}

fn same_host(one: SocketAddr, other: SocketAddr) -> bool {
    one.ip().to_canonical() == other.ip().to_canonical()
}

fn ports(sighting: &Sighting) -> Vec<Finding> {
    let outcomes = outcomes(sighting);
    let list = |wanted: fn(&Result<(), DataError>) -> bool| -> Vec<String> {
        let ports = outcomes.iter().filter(|(_, outcome)| wanted(outcome));
        ports.map(|(port, _)| port.to_string()).collect()
    };
    let open = list(Result::is_ok);
    let refused = list(|outcome| outcome == &Err(DataError::Refused));
    let silent = list(|outcome| outcome.is_err() && outcome != &Err(DataError::Refused));
    let mut words = Vec::new();
    for (ports, word) in [(&open, "open"), (&refused, "refused"), (&silent, "without answer")] {
        if !ports.is_empty() {
            words.push(format!("{} {word}", ports.join(", ")));
        }
    }
    let words = words.join("; ");
    let kind = match (open.is_empty(), refused.is_empty(), silent.is_empty()) {
        (true, true, true) => return Vec::new(),
        (false, true, true) => return vec![kinds::OUTSIDE_PORTS.found(format!("announced ports: {words}"))],
        (true, true, false) => &kinds::DATA_TIMEOUT,
        (true, false, true) => &kinds::DATA_REFUSED,
        (true, false, false) | (false, _, _) => &kinds::DATA_SOME_PORTS,
    };
    vec![kind.found(format!("announced ports: {words}")).fix(kind.remedy)]
}

/// What failed behind an open data connection.
fn refusals(sighting: &Sighting) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for attempt in &sighting.attempts {
        let command = attempt.command;
        let error = attempt.report.transfer.as_ref().and_then(|transfer| transfer.error.as_ref());
        let broken = matches!(error, Some((DataStage::Secure | DataStage::Move, _)));
        let finding = match &attempt.report.result {
            Err(Failure::Refused { command: "PASV" | "EPSV", .. } | Failure::NoAddress { .. }) | Ok(_) => {
                continue;
            }
            Err(Failure::Data(DataStage::Connect, _)) => continue,
            Err(Failure::Refused { reply, .. }) if broken => {
                let how = error.map(|(_, error)| format!(" ({error})")).unwrap_or_default();
                kinds::DATA_RESET
                    .found(format!("{command}: the data connection broke{how}; the server says \"{reply}\""))
            }
            Err(Failure::Refused { reply, .. }) => {
                kinds::TRANSFER_REFUSED.found(format!("{command}: {reply}"))
            }
            Err(Failure::Data(_, error)) => {
                kinds::DATA_RESET.found(format!("{command}: the data connection broke: {error}"))
            }
            Err(other) => kinds::TRANSFER_FAILED.found(format!("{command}: {other}")),
        };
        // Once for each kind: the first says it.
        if findings.iter().all(|known| known.kind.id != finding.kind.id) {
            findings.push(finding);
        }
    }
    let secured = sighting.attempts.iter().filter(|attempt| attempt.resumed.is_some());
    if secured.clone().count() > 0 && secured.clone().all(|attempt| attempt.resumed == Some(false)) {
        findings.push(
            kinds::DATA_NOT_RESUMED.found("no data connection resumed the control connection's TLS session"),
        );
    }
    findings
}

/// The same under TLS and without.
fn compared(secured: &Sighting, clear: &Sighting) -> Vec<Finding> {
    let works = |sighting: &Sighting| sighting.attempts.iter().any(Attempt::is_good);
    let address = |sighting: &Sighting| {
        let believed =
            sighting.attempts.iter().find(|attempt| attempt.way == Way::Passive { believe: true })?;
        Some(believed.report.transfer.as_ref()?.announced?.ip())
    };
    let mut findings = Vec::new();
    if secured.login.as_ref().is_some_and(Result::is_ok) && !works(secured) && works(clear) {
        findings.push(
            kinds::TLS_BLINDS_FIREWALL
                .found("listings work without TLS, and none does under TLS")
                .fix(kinds::TLS_BLINDS_FIREWALL.remedy),
        );
    }
    if let (Some(under), Some(without)) = (address(secured), address(clear))
        && under != without
    {
        let text = format!("227 names {without} without TLS and {under} under TLS");
        findings.push(kinds::NAT_REWRITES.found(text).fix(kinds::NAT_REWRITES.remedy));
    }
    findings
}
