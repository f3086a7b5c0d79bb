//! The directories that are to be served, and files that others should not read.

use crate::accounts::AccountsFile;
use crate::config_file::ServerConfig;
use crate::config_file::reader::plain;
use crate::doctor::facts::{Access, DirectoryState, HostState, OpenFile};
use crate::sandbox::Identity;
use ftp_proto::account::Rights;
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Whom the server runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) id: u32,
    pub(super) groups: Vec<u32>,
}

impl User {
    /// Whoever asks.
    pub(super) fn own() -> Self {
        let mut groups = vec![rustix::process::getegid().as_raw()];
        groups
            .extend(rustix::process::getgroups().unwrap_or_default().into_iter().map(|group| group.as_raw()));
        Self { id: rustix::process::geteuid().as_raw(), groups }
    }

    /// Whom it becomes if it is started by who asks.
    pub(super) fn configured(config: &ServerConfig) -> Option<Self> {
        let user = config.sandbox.user.as_deref().filter(|_| rustix::process::geteuid().is_root())?;
        let identity = Identity::find(user, config.sandbox.group.as_deref()).ok()?;
        Some(Self { id: identity.user, groups: identity.groups })
    }

    /// By the mode alone; the bits are those of one class.
    fn may(&self, facts: &Metadata, bits: u32) -> bool {
        let shift = if facts.uid() == self.id {
            6
        } else if self.groups.contains(&facts.gid()) {
            3
        } else {
            0
        };
        self.id == 0 || facts.mode() >> shift & bits == bits
    }
}

/// Rights that need to write on the disk.
fn writes(rights: Rights) -> bool {
    let any = [Rights::CREATE, Rights::OVERWRITE, Rights::APPEND, Rights::DELETE, Rights::MAKE_DIRECTORY];
    any.into_iter().any(|right| rights.contains(right))
}

pub(super) fn directories(
    config: &ServerConfig,
    accounts: Option<&AccountsFile>,
    hosts: &[HostState],
    user: &User,
) -> Vec<DirectoryState> {
    let mut wanted: Vec<(PathBuf, bool)> = Vec::new();
    let mut want = |root: Option<&PathBuf>, write: bool| {
        let Some(root) = root else { return };
        match wanted.iter_mut().find(|(known, _)| known == root) {
            Some((_, writes)) => *writes |= write,
            None => wanted.push((root.clone(), write)),
        }
    };
    want(config.root.as_ref(), false);
    if let Some(anonymous) = &config.anonymous {
        want(anonymous.root.as_ref().or(config.root.as_ref()), anonymous.writable);
    }
    for account in accounts.into_iter().flat_map(|file| file.users.values()) {
        want(account.root.as_ref().or(config.root.as_ref()), writes(account.rights));
    }
    for host in hosts {
        let root = host.config.root.as_ref();
        want(root, false);
        if let Some((root, writable)) = host.config.guests() {
            want(Some(root), writable);
        }
        for account in host.accounts.iter().flat_map(|file| file.users.values()) {
            want(account.root.as_ref().or(root), writes(account.rights));
        }
    }
    let states = wanted.into_iter().map(|(path, wants_write)| DirectoryState {
        state: access(&path, user),
        path,
        wants_write,
    });
    states.collect()
}

fn access(path: &Path, user: &User) -> Result<Access, String> {
    let facts = std::fs::metadata(path).map_err(|error| plain(&error))?;
    if !facts.is_dir() {
        return Err("not a directory".to_owned());
    }
    let asks_for_itself = user.id == rustix::process::geteuid().as_raw();
    // The system knows of access lists and read-only file systems, too.
    let allowed = |wanted: rustix::fs::Access, bits: u32| {
        if asks_for_itself { rustix::fs::access(path, wanted).is_ok() } else { user.may(&facts, bits) }
    };
    let room = rustix::fs::statvfs(path).ok();
    Ok(Access {
        read: allowed(rustix::fs::Access::READ_OK | rustix::fs::Access::EXEC_OK, 0o5),
        write: allowed(rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK, 0o3),
        owner: facts.uid(),
        user: user.id,
        room: room.map(|room| {
            (room.f_bavail.saturating_mul(room.f_frsize), room.f_blocks.saturating_mul(room.f_frsize))
        }),
    })
}

pub(super) fn open_files(config: &ServerConfig) -> Vec<OpenFile> {
    let open = |path: &Path| std::fs::metadata(path).is_ok_and(|facts| facts.mode() & 0o004 != 0);
    let accounts =
        config.accounts.iter().chain(config.hosts.iter().filter_map(|host| host.accounts.as_ref()));
    let accounts: BTreeSet<_> = accounts.filter(|path| open(path)).collect();
    let accounts = accounts.into_iter().map(|path| OpenFile::Accounts(path.clone()));
    let keys = config.tls.iter().flat_map(|tls| &tls.certificates).map(|own| own.key_file());
    let keys = keys.filter(|path| open(path));
    accounts.chain(keys.map(|path| OpenFile::Key(path.to_owned()))).collect()
}
