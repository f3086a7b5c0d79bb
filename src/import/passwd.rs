//! Users in the form of /etc/passwd: ProFTPD's AuthUserFile, Pure-FTPd's pureftpd.passwd.

use super::common::user_add;
use super::draft::{Draft, Place};
use super::files::{self, Files};
use crate::accounts::file::{check_name, parse_path, parse_rights};
use crate::accounts::{LoginBy, PasswordHash, User};
use crate::storage::Limits;
use ftp_proto::path::VirtualPath;
use std::path::{Path, PathBuf};

/// How many users are listed.
const MOST: usize = 1_000;

/// The directory of a system user, if this machine has such a user.
pub(super) fn home_of(files: &dyn Files, user: &str) -> Option<String> {
    let source = files::text(files, Path::new("/etc/passwd")).ok()?;
    let line = source.text().lines().find(|line| line.split(':').next() == Some(user))?;
    line.split(':').nth(5).filter(|home| home.starts_with('/')).map(str::to_owned)
}

/// Lists the users of a file, and takes over those whose hashes we can check. `jailed`: the home is the
/// user's root. Returns whether the file could be read.
pub(super) fn take_over(
    draft: &mut Draft,
    files: &dyn Files,
    path: &Path,
    jailed: bool,
    rights: &str,
    limits: impl Fn(&[&str]) -> Limits,
) -> bool {
    let Ok(source) = files::text(files, path) else { return false };
    let (mut with_hash, mut others) = (Vec::new(), Vec::new());
    let lines = source.text().lines().enumerate().filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    for (index, line) in lines.take(MOST) {
        let fields: Vec<_> = line.split(':').collect();
        let (name, hash) = (fields.first().copied().unwrap_or_default(), fields.get(1).copied());
        if let Err(problem) = check_name(name) {
            let place = Place { file: path.into(), line: index + 1 };
            draft.attention(&place, "user", problem);
            continue;
        }
        let (root, home) = split_home(fields.get(5).copied().unwrap_or_default());
        let root = root.filter(|_| jailed);
        let limits = limits(&fields);
        match hash.and_then(|hash| PasswordHash::parse(hash).ok()) {
            Some(hash) => with_hash.push(User { limits, ..user(name, hash, root, home, rights) }),
            None => others.push(user_add(name, root, rights) + &options(limits)),
        }
    }
    if !with_hash.is_empty() {
        draft.accounts.push(format!(
            "{} of {} have passwords that can be taken over as they are: give --accounts and --out to ftpd import",
            names(&with_hash),
            path.display()
        ));
        draft.users.extend(with_hash);
    }
    if !others.is_empty() {
        draft.accounts.push(format!(
            "Users of {}, whose passwords have to be set anew (ftpd makes one, or give FTPD_PASSWORD or --password-stdin):",
            path.display()
        ));
        draft.accounts.append(&mut others);
    }
    true
}

fn names(users: &[User]) -> String {
    users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn user(name: &str, hash: PasswordHash, root: Option<&str>, home: &str, rights: &str) -> User {
    User {
        name: name.to_owned(),
        password: Some(hash),
        login: LoginBy::default(),
        certificates: Vec::new(),
        root: root.map(PathBuf::from),
        rights: parse_rights(rights).unwrap_or_default(),
        rights_below: Vec::new(),
        home: parse_path(home).unwrap_or_else(|_| VirtualPath::root()),
        limits: Limits::default(),
    }
}

/// For `ftpd user add`.
pub(super) fn options(limits: Limits) -> String {
    let bytes = limits.bytes.map(|bytes| format!(" --quota {bytes}")).unwrap_or_default();
    let files = limits.files.map(|files| format!(" --quota-files {files}")).unwrap_or_default();
    bytes + &files
}

/// `/srv/bob/./in` is jailed in /srv/bob and starts in /in.
fn split_home(text: &str) -> (Option<&str>, &str) {
    let (root, home) = match text.find("/./") {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 2..).unwrap_or("/")),
        None => (text, "/"),
    };
    let root = if root.is_empty() && text.starts_with('/') { "/" } else { root };
    ((!root.is_empty()).then_some(root), if home.is_empty() { "/" } else { home })
}
