//! Who may log in, and how well that is protected.

use crate::control::ConfigurationStatus;
use crate::doctor::catalogue as kinds;
use crate::doctor::facts::{Facts, HostState};
use crate::doctor::finding::Finding;
use crate::sandbox::{Identity, Mode};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let config = &facts.config;
    let users = facts.accounts.as_ref().map_or(0, |accounts| accounts.users.len());
    let mut findings = vec![kinds::CONFIGURATION_OK.found(format!("{} is right", facts.file.display()))];
    if users == 0 && config.anonymous.is_none() && (config.hosts.is_empty() || config.accounts.is_some()) {
        let file = config.accounts.as_deref().unwrap_or(&facts.file).display();
        findings.push(
            kinds::ACCOUNTS_NONE
                .found(format!("{file} has no user, and guests are not let in"))
                .fix(format!("run `ftpd user add --accounts {file} NAME`")),
        );
    }
    if config.anonymous.as_ref().is_some_and(|anonymous| anonymous.writable) {
        findings.push(
            kinds::ANONYMOUS_WRITABLE
                .found("anybody may upload without a password")
                .fix("write writable = false in anonymous below [accounts]"),
        );
    }
    let users = users + facts.hosts.iter().map(HostState::users).sum::<usize>();
    if users > 0 && config.tls.is_none() {
        let whose = if users == 1 {
            "the password of 1 user".into()
        } else {
            format!("the passwords of {users} users")
        };
        findings.push(
            kinds::PASSWORDS_IN_CLEAR
                .found(format!("there is no TLS: {whose} and all files go in the clear"))
                .fix("write certificates = [{ certificate = \"fullchain.pem\", key = \"privkey.pem\" }] below [tls]"),
        );
    }
    findings.extend(powers(facts));
    findings.extend(facts.system.status.iter().flat_map(|status| running(&status.configuration)));
    findings
}

/// What somebody who takes the server over would have.
fn powers(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let sandbox = &facts.config.sandbox;
    if facts.runs_as_root {
        let advice = match &sandbox.user {
            // It was written after the start.
            Some(user) => format!("restart the server, so that it becomes user {user}"),
            None => "make a user (useradd --system ftpd), write user = \"ftpd\" below [server], and restart"
                .into(),
        };
        findings.push(kinds::RUNS_AS_ROOT.found("the server runs as root").fix(advice));
    }
    let identity = sandbox.user.as_deref().map(|user| Identity::find(user, sandbox.group.as_deref()));
    if let Some(Err(problem)) = identity {
        findings.push(
            kinds::USER_UNKNOWN
                .found(format!("server.user: {problem}"))
                .fix("make the user (useradd --system NAME), or write one that exists below [server]"),
        );
    }
    if sandbox.mode == Mode::Off {
        findings.push(
            kinds::SANDBOX_OFF
                .found("the server does not confine itself: sandbox = \"off\"")
                .fix("write sandbox = \"auto\" below [server]"),
        );
    }
    findings
}

/// Whether the server runs with what is in the file.
fn running(configuration: &ConfigurationStatus) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(problem) = &configuration.problem {
        findings.push(kinds::FILE_NOT_TAKEN_OVER.found(format!("the running server says: {problem}")));
    }
    if !configuration.live.is_empty() {
        let text = format!("set in the running server and in no file: {}", configuration.live.join(", "));
        findings.push(
            kinds::LIVE_SETTINGS
                .found(text)
                .fix("set them again by `ftpd set --save`, or run `ftpd reload` to drop them"),
        );
    }
    findings
}
