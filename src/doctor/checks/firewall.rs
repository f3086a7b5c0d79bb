//! What stands in the way on this machine: what `ftpd firewall check` finds, in the doctor's words.

use super::or_ok;
use crate::doctor::catalogue as kinds;
use crate::doctor::facts::Facts;
use crate::doctor::finding::{Finding, Kind};
use crate::firewall::check::Kind as Found;
use ftp_proto::config::External;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let found = match &facts.firewall {
        Ok(found) => found,
        Err(why) => {
            let mut findings = ftp_helper(facts);
            findings.push(kinds::FIREWALL_NOT_CHECKED.found(why.clone()));
            return findings;
        }
    };
    let findings = found.iter().map(|(finding, fix)| {
        let said = kind(finding.kind).found(finding.sentence.clone());
        if fix.is_empty() { said } else { said.fix(fix.clone()) }
    });
    or_ok(findings.collect(), || kinds::FIREWALL_OK.found("the firewall of this machine lets clients in"))
}

fn kind(found: Found) -> &'static Kind {
    match found {
        Found::Missing => &kinds::FIREWALL_CLOSED,
        Found::ActiveDropped => &kinds::FIREWALL_ACTIVE_CLOSED,
        Found::HelperWithTls => &kinds::FIREWALL_HELPER_WITH_TLS,
        Found::HelperWithExternalAddress => &kinds::FIREWALL_HELPER_WITH_ADDRESS,
        Found::Unknown => &kinds::FIREWALL_UNKNOWN,
        Found::TooWide => &kinds::FIREWALL_TOO_WIDE,
        Found::Stale => &kinds::FIREWALL_STALE,
        Found::Stateful => &kinds::FIREWALL_STATEFUL,
    }
}

/// The kernel's own reader of FTP, judged by what is loaded where rules can't be seen.
fn ftp_helper(facts: &Facts) -> Vec<Finding> {
    let loaded = facts.system.ftp_helper.join(", ");
    if loaded.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if facts.config.core.passive.external != External::ControlConnection {
        findings.push(
            kinds::FTP_HELPER_WITH_ADDRESS
                .found(format!("the kernel has loaded {loaded}, and an external address is set"))
                .fix("run `rmmod nf_nat_ftp nf_conntrack_ftp`, and open the passive range in the firewall"),
        );
    }
    if facts.config.tls.is_some() {
        findings.push(
            kinds::FTP_HELPER_WITH_TLS
                .found(format!("the kernel has loaded {loaded}, which can't read the ports of TLS clients"))
                .fix("open the passive range in the firewall"),
        );
    }
    findings
}
