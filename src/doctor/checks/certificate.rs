//! Whether clients will take the certificates, today and next month.

use super::or_ok;
use crate::certificate::CertificateFacts;
use crate::certificate::chain::date;
use crate::doctor::catalogue as kinds;
use crate::doctor::facts::{CertificateState, Facts};
use crate::doctor::finding::{Finding, Severity};
use ftp_proto::config::External;
use ftp_proto::time::UnixTime;

const DAY: i64 = 86_400;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    facts.certificates.iter().flat_map(|certificate| of_one(facts, certificate)).collect()
}

fn of_one(facts: &Facts, state: &CertificateState) -> Vec<Finding> {
    let file = state.file.display();
    let chain = match &state.chain {
        Ok(chain) => chain,
        Err(problem) => return vec![kinds::CERTIFICATE_UNUSABLE.found(problem.clone())],
    };
    let Some(own) = chain.first() else { return Vec::new() };
    let mut findings: Vec<_> = validity(own, &file.to_string(), facts.now).into_iter().collect();
    if own.hosts().next().is_none() {
        findings.push(kinds::CERTIFICATE_NO_NAME.found(format!("{file} names no host ({})", own.subject)));
    } else if state.for_external == Some(false) {
        let names: Vec<_> = own.hosts().collect();
        let external = match &facts.config.core.passive.external {
            External::Name(name) => name.clone(),
            External::Literal(address) => address.to_string(),
            External::ControlConnection => String::new(),
        };
        findings.push(
            kinds::CERTIFICATE_OTHER_NAME
                .found(format!("{file} is for {}, not for {external}", names.join(", ")))
                .fix(format!("have it issued for {external}")),
        );
    }
    findings.extend(chain_end(chain, state.trusted, &file.to_string()));
    let worst = findings.iter().map(|finding| finding.kind.severity).max().unwrap_or(Severity::Ok);
    if worst < Severity::Warning {
        findings.extend(or_ok(Vec::new(), || {
            kinds::CERTIFICATE_OK.found(format!("{file} is good until {}", date(own.not_after)))
        }));
    }
    findings
}

/// What there is to say about the time a certificate counts, short-lived ones measured by their own life.
pub(crate) fn validity(own: &CertificateFacts, name: &str, now: UnixTime) -> Option<Finding> {
    let end = date(own.not_after);
    if now < own.not_before {
        let (begin, today) = (date(own.not_before), date(now));
        let text = format!("{name} is not valid before {begin}, and this machine's clock says {today}");
        return Some(kinds::CERTIFICATE_NOT_YET_VALID.found(text).fix("compare the clock: `date -u`"));
    }
    if own.is_over(now) {
        return Some(kinds::CERTIFICATE_EXPIRED.found(format!("{name} has ended on {end}")).fix("renew it"));
    }
    let left = own.not_after.seconds.saturating_sub(now.seconds);
    let life = own.not_after.seconds.saturating_sub(own.not_before.seconds);
    let days = left / DAY;
    if left < (7 * DAY).min(life / 6) {
        let text = format!("{name} ends on {end}, in {days} days");
        return Some(
            kinds::CERTIFICATE_EXPIRES_IN_DAYS.found(text).fix("renew it now, and see why nobody did"),
        );
    }
    (left < (30 * DAY).min(life / 3)).then(|| {
        kinds::CERTIFICATE_EXPIRES_SOON.found(format!("{name} ends on {end}, in {days} days")).fix("renew it")
    })
}

/// Whether clients find the way from the server's certificate to an authority.
fn chain_end(chain: &[CertificateFacts], trusted: Option<bool>, file: &str) -> Option<Finding> {
    let (own, last) = (chain.first()?, chain.last()?);
    if chain.len() == 1 && own.is_self_signed() {
        let text = format!("{file} is of one's own making, its SHA-256 is {}", own.fingerprint);
        return Some(kinds::CERTIFICATE_SELF_SIGNED.found(text));
    }
    let ordered = chain.windows(2).all(|pair| match pair {
        [certificate, next] => certificate.names_as_issuer(next) && !certificate.is_self_signed(),
        _ => true,
    });
    let fix = "name the file with all certificates (certbot: fullchain.pem), the server's own first";
    if !ordered {
        let text = format!("the certificates in {file} are not each issued by the next");
        return Some(kinds::CERTIFICATE_CHAIN_INCOMPLETE.found(text).fix(fix));
    }
    if trusted != Some(false) {
        return None;
    }
    Some(if chain.len() == 1 {
        let text = format!("{file} lacks the certificate of its issuer ({})", last.issuer);
        kinds::CERTIFICATE_CHAIN_INCOMPLETE.found(text).fix(fix)
    } else {
        let text = format!("{file} comes from {}, which this system does not know", last.issuer);
        kinds::CERTIFICATE_PRIVATE_AUTHORITY.found(text)
    })
}
