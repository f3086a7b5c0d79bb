//! How many clients fit.

use crate::doctor::catalogue as kinds;
use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;
use ftp_proto::config::{MAX_LISTENERS, PassivePorts};

/// For the program itself: log, files of the runtime, accounts.
const OWN: u64 = 32;
/// A control connection, a data connection and a file; one more for sendfile's pipes.
const OF_A_TRANSFER: u64 = 4;
/// Clients that should fit in any case.
const SOME_CLIENTS: u64 = 1_000;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let core = &facts.config.core;
    let listened = match &core.passive.ports {
        _ if !core.passive.enabled => 0,
        PassivePorts::Range(_) => core.passive.ports.listened().len(),
        PassivePorts::Auto(count) => usize::from(*count),
    };
    let (ports, sessions) = (count(listened), count(core.limits.sessions));
    let mut words = format!("up to {sessions} clients");
    let mut findings = Vec::new();
    if let Some(limit) = facts.system.descriptors {
        let left = limit.saturating_sub(ports).saturating_sub(OWN);
        let transfers = (left / OF_A_TRANSFER).min(sessions);
        words = format!(
            "up to {} clients, {transfers} of them transferring at once ({limit} open files, {ports} of them for passive \
             ports)",
            left.min(sessions)
        );
        if limit < ports.saturating_add(SOME_CLIENTS.min(sessions)) {
            findings.push(
                kinds::DESCRIPTORS_FEW
                    .found(format!("only {limit} files may be open, {ports} of them passive ports"))
                    .fix("raise the hard limit: `ulimit -Hn 65536`, in the systemd unit LimitNOFILE=65536"),
            );
        }
    }
    if core.passive.enabled {
        words.push_str(&format!(
            "; one client address can be waiting for {ports} data connections at a time, running transfers hold no port"
        ));
    }
    findings.push(kinds::CAPACITY.found(words));
    if let PassivePorts::Range(range) = &core.passive.ports
        && range.len() > usize::from(MAX_LISTENERS)
    {
        findings.push(kinds::RANGE_WIDE.found(format!(
            "{} of the {} passive ports are listened on, the first ones",
            MAX_LISTENERS,
            range.len()
        )));
    }
    findings
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
