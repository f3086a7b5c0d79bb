//! Whether virtual hosts can be used by those whom they are for.

use crate::doctor::catalogue as kinds;
use crate::doctor::facts::{Facts, HostState};
use crate::doctor::finding::Finding;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    facts.hosts.iter().flat_map(of_one).collect()
}

fn of_one(host: &HostState) -> Vec<Finding> {
    let name = host.config.host.name();
    let mut findings = Vec::new();
    if host.users() == 0 && host.config.anonymous.is_none() {
        let file = host.config.accounts.as_deref().map(|file| file.display().to_string()).unwrap_or_default();
        findings.push(
            kinds::HOST_WITHOUT_USERS
                .found(format!("at {name} nobody can log in: {file} has no user"))
                .fix(format!("run `ftpd user add --accounts {file} NAME`")),
        );
    }
    if host.config.anonymous.as_ref().is_some_and(|anonymous| anonymous.writable) {
        findings.push(
            kinds::ANONYMOUS_WRITABLE
                .found(format!("at {name} anybody may upload without a password"))
                .fix("write writable = false in anonymous below [[host]]"),
        );
    }
    if !host.without_certificate.is_empty() {
        let names = host.without_certificate.join(", ");
        findings.push(
            kinds::HOST_WITHOUT_CERTIFICATE
                .found(format!("no certificate is for {names}"))
                .fix(format!("have one issued for {names} and add its file to certificates below [tls]")),
        );
    }
    if findings.is_empty() {
        findings.push(kinds::HOST_OK.found(format!("the virtual host {name} can be used")));
    }
    findings
}
