//! The local checks: from facts to findings, without a look at anything else.

mod address;
mod capacity;
mod certificate;
mod configuration;
mod files;
mod firewall;
mod hosts;
mod ports;
#[cfg(test)]
mod tests;

pub(super) use certificate::validity;

use super::facts::Facts;
use super::finding::Finding;

/// One check.
type Check = fn(&Facts) -> Vec<Finding>;

const ALL: &[Check] = &[
    configuration::check,
    hosts::check,
    ports::check,
    address::check,
    firewall::check,
    capacity::check,
    certificate::check,
    files::check,
];

/// Everything that can be said without trying it.
pub fn all(facts: &Facts) -> Vec<Finding> {
    ALL.iter().flat_map(|check| check(facts)).collect()
}

/// What was found, or that all is well.
fn or_ok(findings: Vec<Finding>, ok: impl FnOnce() -> Finding) -> Vec<Finding> {
    if findings.is_empty() { vec![ok()] } else { findings }
}
