//! The section `[tls]`: which files TLS needs, and the policies, word by word as they are written.

use super::keys::{one_or_many, put};
use super::reader::{FileError, Node, Source};
use super::{Draft, passive};
use ftp_proto::config::{
    ClientCertificates, CloseNotify, ControlPolicy, DataPolicy, DataResumption, TlsChange, TlsCondition,
    TlsPolicies, TlsPolicy, TlsRule,
};
use ftp_proto::tls::TlsVersion;
use std::path::PathBuf;

/// The files that TLS needs, and what they are used for. None of them was opened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// At least one; the first is for clients that ask for no name, or for one that nobody has.
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version of TLS that is spoken.
    pub minimum: TlsVersion,
    /// Who issues the certificates of clients.
    pub client_authorities: Vec<PathBuf>,
    /// Which of those they took back.
    pub revocations: Vec<PathBuf>,
}

/// A certificate and its private key, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those of its issuers behind it.
    pub certificate: PathBuf,
    /// The key; `None`: it is in the same file.
    pub key: Option<PathBuf>,
}

impl CertificateFiles {
    /// The file that holds the key.
    pub fn key_file(&self) -> &PathBuf {
        self.key.as_ref().unwrap_or(&self.certificate)
    }
}

/// The names of versions.
pub const VERSION_NAMES: &[(&str, TlsVersion)] = &[("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)];
/// The names of [`ControlPolicy`].
pub const CONTROL_NAMES: &[(&str, ControlPolicy)] = &[
    ("allow", ControlPolicy::Allow),
    ("require", ControlPolicy::Require),
    ("require-for-credentials", ControlPolicy::RequireForCredentials),
];
/// The names of [`DataPolicy`].
pub const DATA_NAMES: &[(&str, DataPolicy)] =
    &[("allow", DataPolicy::Allow), ("require", DataPolicy::Require), ("deny", DataPolicy::Deny)];
/// The names of [`DataResumption`].
pub const RESUMPTION_NAMES: &[(&str, DataResumption)] = &[
    ("off", DataResumption::Off),
    ("warn", DataResumption::Warn),
    ("require", DataResumption::Require),
    ("strict", DataResumption::Strict),
];
/// The names of [`CloseNotify`].
pub const CLOSE_NOTIFY_NAMES: &[(&str, CloseNotify)] = &[
    ("require", CloseNotify::Require),
    ("expect", CloseNotify::Expect),
    ("tolerate", CloseNotify::Tolerate),
];
/// The names of [`ClientCertificates`].
pub const CLIENT_CERTIFICATES_NAMES: &[(&str, ClientCertificates)] = &[
    ("ignore", ClientCertificates::Ignore),
    ("request", ClientCertificates::Request),
    ("require", ClientCertificates::Require),
];

/// What `[tls]` said so far.
#[derive(Default)]
pub(super) struct TlsDraft {
    certificates: Vec<CertificateFiles>,
    minimum: Option<TlsVersion>,
    client_authorities: Vec<PathBuf>,
    revocations: Vec<PathBuf>,
    policy: TlsChange,
    rules: Vec<TlsRule>,
}

/// Where there is a certificate, everybody needs TLS, but for guests: they have no password to protect, and many of
/// their clients know no TLS.
pub fn policies_with_certificate(own: TlsChange, rules: Vec<TlsRule>) -> TlsPolicies {
    let usual = TlsPolicy {
        control: ControlPolicy::Require,
        data: DataPolicy::Require,
        resumption: DataResumption::Require,
        ..TlsPolicy::default()
    };
    let guests = TlsRule {
        when: TlsCondition { anonymous: Some(true), ..TlsCondition::default() },
        set: TlsChange {
            control: Some(ControlPolicy::Allow),
            data: Some(DataPolicy::Allow),
            ..TlsChange::default()
        },
    };
    TlsPolicies { default: own.apply(usual), rules: std::iter::once(guests).chain(rules).collect() }
}

/// Puts one value of `[tls]` where it belongs.
pub(super) fn certificates(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    let example = "{ certificate = \"fullchain.pem\", key = \"privkey.pem\" }";
    let files = one_or_many(node, &format!("[{example}]"), |entry| {
        if !entry.is_table() {
            return Err(entry.wrong(format_args!("expected a table, not {}; write {example}", entry.kind())));
        }
        let (mut certificate, mut key) = (None, None);
        for value in entry.entries()? {
            let file = |example| value.text(example).map(|text| Some(value.source().resolve(text)));
            match value.key() {
                "tls.certificates.certificate" => certificate = file("fullchain.pem")?,
                "tls.certificates.key" => key = file("privkey.pem")?,
                _ => {
                    let known = ["tls.certificates.certificate", "tls.certificates.key"];
                    return Err(value.unknown(known.into_iter()));
                }
            }
        }
        match certificate {
            Some(certificate) => Ok(CertificateFiles { certificate, key }),
            None => Err(entry.wrong(format_args!("no certificate is named; write {example}"))),
        }
    })?;
    put(&mut draft.tls.certificates, Ok(files))
}

pub(super) fn minimum(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    put(&mut draft.tls.minimum, node.one_of(VERSION_NAMES).map(Some))
}

pub(super) fn client_authorities(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    put(&mut draft.tls.client_authorities, files(node, "ca.pem"))
}

pub(super) fn revocations(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    put(&mut draft.tls.revocations, files(node, "crl.pem"))
}

fn files(node: &Node<'_>, example: &str) -> Result<Vec<PathBuf>, FileError> {
    one_or_many(node, &format!("{example:?}"), |entry| {
        entry.text(example).map(|text| entry.source().resolve(text))
    })
}

/// A setting that stands below `[tls]` for everybody, and in rules for some.
type Setting = fn(&mut TlsChange, &Node<'_>) -> Result<(), FileError>;

const SETTINGS: &[(&str, Setting)] = &[
    ("control", |set, node| put(&mut set.control, node.one_of(CONTROL_NAMES).map(Some))),
    ("data", |set, node| put(&mut set.data, node.one_of(DATA_NAMES).map(Some))),
    ("data_resumption", |set, node| put(&mut set.resumption, node.one_of(RESUMPTION_NAMES).map(Some))),
    ("ccc", |set, node| put(&mut set.clear_command_channel, node.boolean().map(Some))),
    ("close_notify", |set, node| put(&mut set.close_notify, node.one_of(CLOSE_NOTIFY_NAMES).map(Some))),
    ("client_certificates", |set, node| {
        put(&mut set.client_certificates, node.one_of(CLIENT_CERTIFICATES_NAMES).map(Some))
    }),
    ("server_to_server", |set, node| put(&mut set.server_to_server, node.boolean().map(Some))),
];

fn find<S: Copy>(table: &[(&str, S)], node: &Node<'_>) -> Option<S> {
    let name = node.key().rsplit('.').next().unwrap_or_default();
    table.iter().find(|(known, _)| *known == name).map(|(_, setter)| *setter)
}

/// A setting for everybody.
pub(super) fn setting(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    find(SETTINGS, node).map_or(Ok(()), |set| set(&mut draft.tls.policy, node))
}

type Condition = fn(&mut TlsCondition, &Node<'_>) -> Result<(), FileError>;

const CONDITIONS: &[(&str, Condition)] = &[
    ("listeners", |when, node| put(&mut when.listeners, passive::listeners(node))),
    ("networks", |when, node| put(&mut when.networks, passive::networks(node))),
    ("users", |when, node| {
        put(&mut when.users, one_or_many(node, "[\"bob\"]", |entry| entry.text("bob").map(str::to_owned)))
    }),
    ("anonymous", |when, node| put(&mut when.anonymous, node.boolean().map(Some))),
];

/// `[[tls.rule]]`, as often as it stands there.
pub(super) fn rules(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    let example = "[[tls.rule]] with networks = [\"10.0.0.0/8\"] and control = \"allow\" below it";
    put(&mut draft.tls.rules, one_or_many(node, example, rule))
}

fn rule(node: &Node<'_>) -> Result<TlsRule, FileError> {
    if !node.is_table() {
        return Err(node.wrong(format_args!("expected a rule, not {}; write [[tls.rule]]", node.kind())));
    }
    let mut rule = TlsRule::default();
    let mut asks_for_certificate = None;
    for entry in node.entries()? {
        if let Some(set) = find(CONDITIONS, &entry) {
            set(&mut rule.when, &entry)?;
        } else if let Some(set) = find(SETTINGS, &entry) {
            set(&mut rule.set, &entry)?;
            if rule.set.client_certificates.is_some() && asks_for_certificate.is_none() {
                asks_for_certificate = Some(entry);
            }
        } else {
            let names =
                CONDITIONS.iter().map(|(name, _)| *name).chain(SETTINGS.iter().map(|(name, _)| *name));
            let keys: Vec<_> = names.map(|name| format!("tls.rule.{name}")).collect();
            return Err(entry.unknown(keys.iter().map(String::as_str)));
        }
    }
    if rule.set == TlsChange::default() {
        let names: Vec<_> = SETTINGS.iter().map(|(name, _)| *name).collect();
        return Err(node.wrong(format_args!("changes nothing; write one of {}", names.join(", "))));
    }
    let needs_user = !rule.when.users.is_empty() || rule.when.anonymous.is_some();
    match asks_for_certificate {
        Some(entry) if needs_user => Err(entry
            .wrong("is decided before the user is known; write it in a rule without users and anonymous")),
        _ => Ok(rule),
    }
}

impl TlsDraft {
    /// What only the whole section can show.
    pub(super) fn finish(
        self,
        source: &Source,
        place: impl Fn(&str) -> usize,
    ) -> Result<Option<(TlsFiles, TlsPolicies)>, FileError> {
        let wrong =
            |key: &str, problem: &str| Err(source.error_at(place(key), format_args!("{key}: {problem}")));
        if self.certificates.is_empty() {
            let need = "needs a certificate; write certificates = [{ certificate = \"fullchain.pem\", key = \"privkey.pem\" }] below [tls]";
            if demands_control(&self.policy) {
                return wrong("tls.control", need);
            }
            if self.policy.data == Some(DataPolicy::Require) {
                return wrong("tls.data", need);
            }
            let demands =
                |rule: &TlsRule| demands_control(&rule.set) || rule.set.data == Some(DataPolicy::Require);
            return if self.rules.iter().any(demands) { wrong("tls.rule", need) } else { Ok(None) };
        }
        if !self.revocations.is_empty() && self.client_authorities.is_empty() {
            return wrong(
                "tls.revocations",
                "say nothing without those who issue the certificates; write client_authorities = \"ca.pem\" below [tls]",
            );
        }
        let files = TlsFiles {
            certificates: self.certificates,
            minimum: self.minimum.unwrap_or(TlsVersion::V1_2),
            client_authorities: self.client_authorities,
            revocations: self.revocations,
        };
        Ok(Some((files, policies_with_certificate(self.policy, self.rules))))
    }
}

fn demands_control(set: &TlsChange) -> bool {
    matches!(set.control, Some(ControlPolicy::Require | ControlPolicy::RequireForCredentials))
}

#[cfg(test)]
mod tests;
