//! Whether the server can do on the disk what the accounts may do.

use super::or_ok;
use crate::doctor::catalogue as kinds;
use crate::doctor::facts::{DirectoryState, Facts, OpenFile};
use crate::doctor::finding::Finding;

const GIBIBYTE: u64 = 1 << 30;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<_> = facts.directories.iter().filter_map(directory).collect();
    findings.extend(facts.directories.iter().filter_map(room));
    findings.extend(facts.open_files.iter().map(|file| {
        let (kind, path, what) = match file {
            OpenFile::Accounts(path) => (&kinds::ACCOUNTS_FILE_OPEN, path, "the hashes of the passwords"),
            OpenFile::Key(path) => (&kinds::KEY_OPEN, path, "the private key"),
        };
        let path = path.display();
        kind.found(format!("{path}: every user of this machine can read {what}"))
            .fix(format!("run `chmod o= {path}`"))
    }));
    or_ok(findings, || kinds::FILES_OK.found("directories and files are as they should be"))
}

fn directory(directory: &DirectoryState) -> Option<Finding> {
    let path = directory.path.display();
    let access = match &directory.state {
        Ok(access) => access,
        Err(problem) => {
            let text = format!("{path}: {problem}");
            return Some(
                kinds::ROOT_MISSING.found(text).fix(format!("run `mkdir -p {path}`, or correct the path")),
            );
        }
    };
    let (user, owner) = (access.user, access.owner);
    let whose = if owner == user { String::new() } else { format!(" (it belongs to user {owner})") };
    if !access.read {
        let text = format!("user {user} may not read {path}{whose}");
        return Some(kinds::ROOT_NOT_READABLE.found(text).fix(format!("run `chown {user} {path}`")));
    }
    (directory.wants_write && !access.write).then(|| {
        let text = format!("accounts may write in {path}, but user {user} may not{whose}");
        kinds::ROOT_NOT_WRITABLE.found(text).fix(format!("run `chown {user} {path}`"))
    })
}

fn room(directory: &DirectoryState) -> Option<Finding> {
    let (free, all) = directory.state.as_ref().ok()?.room?;
    (directory.wants_write && free < GIBIBYTE && free < all / 20).then(|| {
        let text = format!("{}: only {} MiB are free", directory.path.display(), free >> 20);
        kinds::DISK_NEARLY_FULL.found(text).fix("make room")
    })
}
