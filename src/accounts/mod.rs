//! Who may log in: the accounts file, one user from the command line, guests.

pub mod edit;
pub mod file;
pub mod login;
pub mod password;

mod gate;
mod realm;
#[cfg(test)]
mod tests;
mod trees;

pub use file::{AccountsFile, User};
pub use login::{CertificateRule, LoginBy};
pub use password::PasswordHash;

use crate::config_file::{FileError, Uploads};
use crate::storage::Limits;
use ftp_proto::account::{Account, Credentials, LoginError, Rights};
use ftp_proto::config::is_anonymous;
use ftp_proto::host::{Accounts, Usage};
use gate::Gate;
use login::Shown;
use realm::{Realm, Realms};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use trees::Trees;

/// What guests may do: read, and, where they may write, add what was not there.
pub fn anonymous_rights(writable: bool) -> Rights {
    if writable { Rights::READ_ONLY | Rights::CREATE | Rights::MAKE_DIRECTORY } else { Rights::READ_ONLY }
}

/// Where accounts come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The accounts file, looked at again when it changes.
    pub file: Option<PathBuf>,
    /// The tree of users who name none.
    pub root: Option<PathBuf>,
    /// One user besides the file.
    pub single: Option<SingleUser>,
    /// Guests: their tree, and whether they may write.
    pub anonymous: Option<(PathBuf, bool)>,
    /// How much all guests together may store.
    pub anonymous_limits: Limits,
    /// How uploads reach the disk.
    pub uploads: Uploads,
}

/// A user named on the command line, with all rights.
#[derive(Clone)]
pub struct SingleUser {
    /// The name.
    pub name: String,
    /// The password in the clear: it came from the environment or was just made, and is nowhere on disk.
    pub password: String,
    /// The tree.
    pub root: PathBuf,
}

/// The password is never shown.
impl std::fmt::Debug for SingleUser {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SingleUser").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why accounts can't be had.
#[derive(Debug)]
pub enum OpenError {
    /// The accounts file is wrong.
    File(FileError),
    /// A tree can't be opened.
    Tree(String),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(error) => error.fmt(out),
            Self::Tree(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for OpenError {}

/// What an account with a quota has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// Who; `anonymous`: all guests together.
    pub user: String,
    /// At which virtual host.
    pub host: Option<String>,
    /// How much of what.
    pub usage: Usage,
}

/// The program's [`Accounts`].
pub struct ServerAccounts {
    realms: RwLock<Arc<Realms>>,
    gate: Gate,
    trees: Trees,
}

impl ServerAccounts {
    /// Reads the accounts files and opens the trees that everybody uses: those of the server itself, and those of each
    /// virtual host under its name.
    ///
    /// # Errors
    /// [`OpenError`] for the first thing that can't be read.
    pub fn open(server: Sources, hosts: Vec<(String, Sources)>) -> Result<Self, OpenError> {
        let trees = Trees::default();
        let realms = Realms::open(server, hosts, &trees)?;
        Ok(Self { realms: RwLock::new(Arc::new(realms)), gate: Gate::for_this_machine(), trees })
    }

    /// Reads everything anew, from other sources perhaps. Sessions that are logged in keep their accounts.
    ///
    /// # Errors
    /// As [`open`](Self::open); all then stays as it was.
    pub fn replace(&self, server: Sources, hosts: Vec<(String, Sources)>) -> Result<(), OpenError> {
        let realms = Realms::open(server, hosts, &self.trees)?;
        *self.realms.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(realms);
        Ok(())
    }

    /// Problems that don't keep the server from starting: roots that aren't there, a file that others read.
    pub fn warnings(&self) -> Vec<String> {
        self.realms().all().flat_map(Realm::warnings).collect()
    }

    /// How many users the accounts file of a virtual host has, or of the server itself; `None`: there is no such host.
    pub fn users(&self, host: Option<&str>) -> Option<usize> {
        self.realms().find(host).map(|realm| realm.state().file.users.len())
    }

    /// Every directory that somebody is served, each once.
    pub fn roots(&self) -> Vec<PathBuf> {
        let mut roots: Vec<_> = self.realms().all().flat_map(Realm::roots).collect();
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    /// What accounts with quotas have stored: those that have logged in since the start, since it was counted for them.
    pub fn quotas(&self) -> Vec<QuotaUse> {
        self.realms().all().flat_map(|realm| realm.quotas(&self.trees)).collect()
    }

    /// Begins to count what guests have stored: for users that is done when they log in, but everybody may be a guest. Not at
    /// once when the tree is opened, since a server that confines itself may have no threads then.
    pub fn count_for_guests(&self) {
        self.realms().all().filter_map(|realm| realm.state().guest()).for_each(drop);
    }

    /// From now on files may be out of sight that were read before: that is no change of theirs.
    pub fn settle(&self) {
        self.realms().all().for_each(Realm::settle);
    }

    /// Removes parts of uploads below one of the [`roots`](Self::roots) that nobody has touched for so long. Returns how
    /// many.
    ///
    /// # Errors
    /// The directory can't be opened or read.
    pub fn sweep(&self, root: &Path, older_than: Duration) -> io::Result<u64> {
        self.trees.sweep(root, older_than)
    }

    fn realms(&self) -> Arc<Realms> {
        Arc::clone(&self.realms.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Accounts for ServerAccounts {
    fn authenticate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        let realms = self.realms();
        // A host that the settings have lost since it was chosen has nobody, above all none of the server's own.
        let realm = realms.find(credentials.host.as_deref()).ok_or(LoginError::Refused)?;
        let state = realm.fresh_state(&self.trees);
        if is_anonymous(&credentials.user) {
            return state.guest().ok_or(LoginError::Refused);
        }
        if state.sources.single.is_some() && state.sources.file.is_none() {
            return state.single(credentials).ok_or(LoginError::Refused);
        }
        if state.sources.file.is_none() {
            return Err(LoginError::Refused);
        }
        let user = state.file.users.get(&credentials.user);
        let shown = credentials.certificate.as_ref().map(Shown::new);
        // Whatever is missing, a hash is checked: the time must not tell which names exist, nor how they log in.
        let hash = user.and_then(|user| user.password.as_ref()).or_else(|| state.decoy());
        let password_is_right = match hash {
            Some(hash) => self
                .gate
                .pass(credentials.peer.ip(), || hash.verify(&credentials.password))
                .unwrap_or_else(|| Err("too many logins at the same time".to_owned()))
                .map_err(LoginError::Unavailable)?,
            None => false,
        };
        let user = user.filter(|user| user.password.is_some() && password_is_right);
        let user = user.ok_or(LoginError::Refused)?;
        let may_enter = match user.login {
            LoginBy::Password | LoginBy::PasswordOrCertificate => true,
            LoginBy::PasswordAndCertificate => shown.is_some_and(|shown| shown.is_of(&user.certificates)),
            LoginBy::Certificate => false,
        };
        if may_enter { realm.account(&state, user, &self.trees) } else { Err(LoginError::Refused) }
    }

    fn authenticate_by_certificate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        let shown = credentials.certificate.as_ref().map(Shown::new).ok_or(LoginError::Refused)?;
        let realms = self.realms();
        let realm = realms.find(credentials.host.as_deref()).ok_or(LoginError::Refused)?;
        let state = realm.fresh_state(&self.trees);
        let user = state.file.users.get(&credentials.user).filter(|user| user.login.certificate_alone());
        let user = user.filter(|user| shown.is_of(&user.certificates)).ok_or(LoginError::Refused)?;
        realm.account(&state, user, &self.trees)
    }
}
