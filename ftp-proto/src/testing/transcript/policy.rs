//! TLS policies in a transcript's settings, by the names they have in a configuration file.

use crate::config::{
    ActiveAddress, ActiveRule, ClientCertificates, CloseNotify, ControlPolicy, DataPolicy, DataResumption,
    TlsChange, TlsCondition, TlsPolicy, TlsRule,
};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// `tls.KEY`, for everybody.
pub(super) fn policy(policy: &mut TlsPolicy, key: &str, value: &str) -> Result<(), String> {
    let mut set = TlsChange::default();
    change(&mut set, key, value)?;
    *policy = set.apply(*policy);
    Ok(())
}

/// `users=bob,eve control=allow`: conditions and changes in any order.
pub(super) fn rule(text: &str) -> Result<TlsRule, String> {
    let mut rule = TlsRule::default();
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').ok_or("write a rule as key=value key=value")?;
        if !condition(&mut rule.when, key, value)? {
            change(&mut rule.set, key, value)?;
        }
    }
    Ok(rule)
}

/// Whether a rule asks for what a real connection can't choose.
pub(super) fn needs_addresses(rule: &TlsRule) -> bool {
    !rule.when.listeners.is_empty() || !rule.when.networks.is_empty()
}

fn condition(when: &mut TlsCondition, key: &str, value: &str) -> Result<bool, String> {
    match key {
        "listeners" => when.listeners = list(value)?,
        "networks" => when.networks = list(value)?,
        "users" => when.users = value.split(',').map(ToOwned::to_owned).collect(),
        "anonymous" => when.anonymous = Some(boolean(value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn change(set: &mut TlsChange, key: &str, value: &str) -> Result<(), String> {
    match key {
        "control" => {
            set.control = Some(one_of(
                value,
                &[
                    ("allow", ControlPolicy::Allow),
                    ("require", ControlPolicy::Require),
                    ("require-for-credentials", ControlPolicy::RequireForCredentials),
                ],
            )?);
        }
        "data" => {
            set.data = Some(one_of(
                value,
                &[("allow", DataPolicy::Allow), ("require", DataPolicy::Require), ("deny", DataPolicy::Deny)],
            )?);
        }
        "data_resumption" => {
            set.resumption = Some(one_of(
                value,
                &[
                    ("off", DataResumption::Off),
                    ("warn", DataResumption::Warn),
                    ("require", DataResumption::Require),
                    ("strict", DataResumption::Strict),
                ],
            )?);
        }
        "close_notify" => {
            set.close_notify = Some(one_of(
                value,
                &[
                    ("require", CloseNotify::Require),
                    ("expect", CloseNotify::Expect),
                    ("tolerate", CloseNotify::Tolerate),
                ],
            )?);
        }
        "client_certificates" => {
            set.client_certificates = Some(one_of(
                value,
                &[
                    ("ignore", ClientCertificates::Ignore),
                    ("request", ClientCertificates::Request),
                    ("require", ClientCertificates::Require),
                ],
            )?);
        }
        "ccc" => set.clear_command_channel = Some(boolean(value)?),
        "server_to_server" => set.server_to_server = Some(boolean(value)?),
        _ => return Err(format!("no such setting of TLS: \"{key}\"")),
    }
    Ok(())
}

pub(super) fn active_address(value: &str) -> Result<ActiveAddress, String> {
    one_of(value, &[("as-sent", ActiveAddress::AsSent), ("control-peer", ActiveAddress::ControlPeer)])
}

/// `networks=203.0.113.0/24 targets=10.1.2.3`.
pub(super) fn active_rule(text: &str) -> Result<ActiveRule, String> {
    let mut rule = ActiveRule::default();
    for word in text.split_whitespace() {
        match word.split_once('=') {
            Some(("networks", value)) => rule.networks = list(value)?,
            Some(("targets", value)) => rule.targets = list(value)?,
            _ => return Err(format!("no such part of a rule: \"{word}\"")),
        }
    }
    Ok(rule)
}

pub(super) fn one_of<T: Copy>(value: &str, names: &[(&str, T)]) -> Result<T, String> {
    let known = names.iter().find(|(name, _)| *name == value);
    known.map(|(_, meaning)| *meaning).ok_or_else(|| format!("no such choice: \"{value}\""))
}

pub(super) fn boolean(value: &str) -> Result<bool, String> {
    one_of(value, &[("true", true), ("false", false)])
}

pub(super) fn list<T: core::str::FromStr<Err: ToString>>(value: &str) -> Result<Vec<T>, String> {
    value.split(',').map(|entry| entry.parse().map_err(|error: T::Err| error.to_string())).collect()
}
