//! The accounts file: who may log in, with which password, into which tree, with which rights.
//!
//! ```toml
//! [[user]]
//! name = "bob"
//! password = "$argon2id$v=19$m=19456,t=2,p=1$…"
//! root = "/srv/bob"                       # relative to this file; server.root if left out
//! rights = ["read", "list"]               # or "read-only", "all", "none"
//! rights_below = { "/in" = ["create", "list"] }
//! home = "/in"
//! quota = "10 GiB"                        # how much there may be below the root; any if left out
//! quota_files = 100000                    # how many files and directories
//!
//! [[user]]
//! name = "eve"
//! login = "certificate"                   # or "password", "password-and-certificate", "password-or-certificate"
//! certificates = [                        # any of them
//!     { fingerprint = "AB:CD:…" },        # SHA-256 of the certificate, whoever issued it
//!     { subject = "CN=eve,O=Example" },   # RFC 4514; of a trusted authority only, as is the next
//!     { san = "eve@example.org" },        # a subject alternative name
//! ]
//! ```
//!
//! `ftpd tls show FILE` tells fingerprint, subject and names of a certificate as they are written here.
//! [`DistinguishedName`](crate::certificate::DistinguishedName) says when two subjects are the same.

use super::login::{self, CertificateRule, LoginBy};
use super::password::PasswordHash;
use crate::config_file::FileError;
use crate::config_file::reader::{Node, Source};
use crate::storage::Limits;
use ftp_proto::account::{Rights, RightsByPath};
use ftp_proto::config::is_anonymous;
use ftp_proto::path::VirtualPath;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The key of the list of users.
pub(super) const USER: &str = "user";
const KEYS: [&str; 10] = [
    "user.name",
    "user.password",
    "user.login",
    "user.certificates",
    "user.root",
    "user.rights",
    "user.rights_below",
    "user.home",
    "user.quota",
    "user.quota_files",
];

/// One user of the file.
#[derive(Clone, Debug)]
pub struct User {
    /// The name to log in with.
    pub name: String,
    /// The password's hash; there may be none if a certificate is needed anyway.
    pub password: Option<PasswordHash>,
    /// What has to be shown.
    pub login: LoginBy,
    /// The user's certificates: any of them.
    pub certificates: Vec<CertificateRule>,
    /// The tree; the server's own if `None`.
    pub root: Option<PathBuf>,
    /// What is allowed everywhere.
    pub rights: Rights,
    /// What is allowed below some directories instead.
    pub rights_below: Vec<(VirtualPath, Rights)>,
    /// Where a session starts.
    pub home: VirtualPath,
    /// How much there may be below the root.
    pub limits: Limits,
}

impl User {
    /// All rights as the core wants them.
    pub fn rights_by_path(&self) -> RightsByPath {
        let rules = self.rights_below.iter().cloned();
        rules.fold(RightsByPath::everywhere(self.rights), |all, (path, rights)| all.and_below(path, rights))
    }
}

/// All users by name.
#[derive(Clone, Debug, Default)]
pub struct AccountsFile {
    /// The users.
    pub users: BTreeMap<String, User>,
}

impl AccountsFile {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`FileError`] for the first thing that is wrong.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        Self::from_source(&Source::read(path)?)
    }

    /// Checks the text of an accounts file named `path`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        Self::from_source(&Source::new(path, text))
    }

    fn from_source(source: &Source) -> Result<Self, FileError> {
        let document = source.parse()?;
        let mut users = BTreeMap::new();
        for entry in Node::root(source, &document).entries()? {
            if entry.key() != USER {
                return Err(entry.unknown([USER].into_iter()));
            }
            let list = entry
                .members()
                .ok_or_else(|| entry.wrong(format_args!("expected a list of users; write [[{USER}]]")))?;
            for node in list {
                let (user, name_node) = read_user(&node)?;
                if users.contains_key(&user.name) {
                    return Err(name_node.wrong(format_args!("{:?} is there twice; remove one", user.name)));
                }
                users.insert(user.name.clone(), user);
            }
        }
        Ok(Self { users })
    }
}

fn read_user<'a>(node: &Node<'a>) -> Result<(User, Node<'a>), FileError> {
    let (mut name, mut password, mut root) = (None, None, None);
    let (mut login, mut certificates) = (LoginBy::default(), Vec::new());
    let (mut rights, mut rights_below, mut home) = (Rights::READ_ONLY, Vec::new(), VirtualPath::root());
    let mut limits = Limits::default();
    let entries = node.entries()?;
    for entry in &entries {
        match entry.key() {
            "user.quota" => limits.bytes = Some(entry.size()?),
            "user.quota_files" => limits.files = Some(entry.integer(0, i64::MAX)?),
            "user.name" => {
                let text = entry.text("bob")?;
                check_name(text).map_err(|problem| entry.wrong(problem))?;
                name = Some((text.to_owned(), entry.clone()));
            }
            "user.password" => {
                let hash = PasswordHash::parse(entry.text("$argon2id$...")?).map_err(|problem| {
                    entry.wrong(format_args!("{problem}; write one with `ftpd user passwd`"))
                })?;
                password = Some(hash);
            }
            "user.login" => login = entry.one_of(LoginBy::NAMES)?,
            "user.certificates" => certificates = read_certificates(entry)?,
            "user.root" => root = Some(entry.source().resolve(entry.text("/srv/bob")?)),
            "user.rights" => rights = read_rights(entry)?,
            "user.rights_below" => rights_below = read_rights_below(entry)?,
            "user.home" => home = read_path(entry.text("/in")?, entry)?,
            _ => return Err(entry.unknown(KEYS.into_iter())),
        }
    }
    let wrong = |key: &str, problem: &str| {
        // Where the key stands, or, if it is missing, the user.
        let dotted = format!("user.{key}");
        let place = entries.iter().find(|entry| entry.key() == dotted).unwrap_or(node);
        node.source().error_at(place.offset(), format_args!("{dotted}: {problem}"))
    };
    let (name, name_node) = name.ok_or_else(|| wrong("name", "missing; write name = \"bob\""))?;
    login::check(login, password.as_ref(), &certificates).map_err(|(key, problem)| wrong(key, &problem))?;
    Ok((User { name, password, login, certificates, root, rights, rights_below, home, limits }, name_node))
}

fn read_certificates(node: &Node<'_>) -> Result<Vec<CertificateRule>, FileError> {
    let rules = node.members().ok_or_else(|| {
        node.wrong(format_args!(
            "expected a list, not {}; write [{{ fingerprint = \"AB:CD:…\" }}]",
            node.kind()
        ))
    })?;
    rules.iter().map(CertificateRule::read).collect()
}

/// A table of directory = rights.
fn read_rights_below(node: &Node<'_>) -> Result<Vec<(VirtualPath, Rights)>, FileError> {
    let mut rules = Vec::new();
    for entry in node.entries()? {
        let written = entry.key().strip_prefix("user.rights_below.").unwrap_or_default();
        let path = read_path(written, &entry)?;
        rules.push((path, read_rights(&entry)?));
    }
    Ok(rules)
}

fn read_path(text: &str, node: &Node<'_>) -> Result<VirtualPath, FileError> {
    parse_path(text).map_err(|problem| node.wrong(problem))
}

/// A string or an array of strings.
fn read_rights(node: &Node<'_>) -> Result<Rights, FileError> {
    let words = node.members().unwrap_or_else(|| vec![node.clone()]);
    words.iter().try_fold(Rights::NONE, |rights, word| {
        parse_rights(word.text("read-only")?).map(|more| rights | more).map_err(|problem| word.wrong(problem))
    })
}

/// Rights from names with commas between them: single ones, `read-only`, `all`, `none`.
///
/// # Errors
/// The name nobody knows, and what to write.
pub fn parse_rights(text: &str) -> Result<Rights, String> {
    text.split(',').map(str::trim).try_fold(Rights::NONE, |rights, word| {
        let single = Rights::NAMES.iter().find(|(name, _)| *name == word).map(|(_, right)| *right);
        match (single, word) {
            (Some(right), _) => Ok(rights | right),
            (None, "all") => Ok(Rights::ALL),
            (None, "read-only") => Ok(rights | Rights::READ_ONLY),
            (None, "none") => Ok(rights),
            (None, _) => {
                let names = Rights::NAMES.iter().map(|(name, _)| *name).chain(["read-only", "all", "none"]);
                let advice = match crate::config_file::nearest::nearest(word, names.clone()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("write some of {}", names.collect::<Vec<_>>().join(", ")),
                };
                Err(format!("{word:?} is no right; {advice}"))
            }
        }
    })
}

/// The names of some rights, as few as possible.
pub fn rights_names(rights: Rights) -> Vec<&'static str> {
    match rights {
        Rights::ALL => vec!["all"],
        Rights::READ_ONLY => vec!["read-only"],
        Rights::NONE => vec!["none"],
        _ => {
            Rights::NAMES.iter().filter(|(_, right)| rights.contains(*right)).map(|(name, _)| *name).collect()
        }
    }
}

/// A path in an account's tree, which must begin with `/`.
///
/// # Errors
/// What is wrong, and what to write.
pub fn parse_path(text: &str) -> Result<VirtualPath, String> {
    if !text.starts_with('/') {
        return Err(format!("{text:?} is no path in the account's tree; write one like \"/in\""));
    }
    VirtualPath::new(text.as_bytes()).map_err(|error| format!("{text:?}: {error}; write one like \"/in\""))
}

/// Whether somebody may have this name.
///
/// # Errors
/// What is wrong, and what to write.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.trim() != name || name.chars().any(char::is_control) || name.len() > 255 {
        return Err(format!(
            "{name:?} can't be a user name; write 1 to 255 letters without spaces around them"
        ));
    }
    if is_anonymous(name) {
        return Err(format!("{name:?} is the name of guests; allow them by accounts.anonymous = true"));
    }
    Ok(())
}
