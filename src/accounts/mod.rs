//! Who may log in: the accounts file, one user from the command line, guests.

pub mod edit;
pub mod file;
pub mod login;
pub mod password;

mod gate;
#[cfg(test)]
mod tests;
mod trees;

pub use file::{AccountsFile, User};
pub use login::{CertificateRule, LoginBy};
pub use password::PasswordHash;

use crate::config_file::reader::plain;
use crate::config_file::{FileError, Uploads};
use crate::stamp::Stamp;
use ftp_proto::account::{Account, Credentials, LoginError, Rights, RightsByPath};
use ftp_proto::config::is_anonymous;
use ftp_proto::host::{Accounts, Storage};
use ftp_proto::path::VirtualPath;
use gate::Gate;
use login::Shown;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use trees::Trees;

/// How often a login looks whether the accounts file changed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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

/// The program's [`Accounts`].
pub struct ServerAccounts {
    state: RwLock<Arc<State>>,
    gate: Gate,
    trees: Trees,
    looked: Mutex<Instant>,
}

/// One consistent view: replaced as a whole, so a login in progress keeps what it began with.
struct State {
    sources: Sources,
    file: AccountsFile,
    stamp: Option<Stamp>,
    /// Held open, since a directory that is gone or unreadable has to show at the start.
    anonymous: Option<Arc<dyn Storage>>,
    single: Option<Arc<dyn Storage>>,
}

/// Whether the file's mode lets everybody read or write it.
#[cfg(unix)]
fn is_open_to_all(facts: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(facts) & 0o006 != 0
}

#[cfg(not(unix))]
fn is_open_to_all(_: &Metadata) -> bool {
    false
}

impl ServerAccounts {
    /// Reads the accounts file and opens the trees that everybody uses.
    ///
    /// # Errors
    /// [`OpenError`] for the first thing that can't be read.
    pub fn open(sources: Sources) -> Result<Self, OpenError> {
        let trees = Trees::default();
        let state = State::open(sources, &trees)?;
        Ok(Self {
            state: RwLock::new(Arc::new(state)),
            gate: Gate::for_this_machine(),
            trees,
            looked: Mutex::new(Instant::now()),
        })
    }

    /// Reads everything anew, from other sources perhaps. Sessions that are logged in keep their accounts.
    ///
    /// # Errors
    /// As [`open`](Self::open); all then stays as it was.
    pub fn replace(&self, sources: Sources) -> Result<(), OpenError> {
        let state = State::open(sources, &self.trees)?;
        self.set(state);
        Ok(())
    }

    /// Problems that don't keep the server from starting: roots that aren't there, a file that others read.
    pub fn warnings(&self) -> Vec<String> {
        let state = self.state();
        let mut warnings = Vec::new();
        if let Some(path) = &state.sources.file
            && let Ok(facts) = std::fs::metadata(path)
            && is_open_to_all(&facts)
        {
            warnings.push(format!("{}: everybody can read the password hashes; chmod o= it", path.display()));
        }
        for user in state.file.users.values() {
            if let Some(root) = user.root.as_deref().or(state.sources.root.as_deref())
                && let Err(error) = std::fs::read_dir(root)
            {
                warnings.push(format!(
                    "{}: {}; user {:?} can't log in",
                    root.display(),
                    plain(&error),
                    user.name
                ));
            }
        }
        warnings
    }

    /// How many users the accounts file has.
    pub fn users(&self) -> usize {
        self.state().file.users.len()
    }

    /// Every directory that somebody is served, each once.
    pub fn roots(&self) -> Vec<PathBuf> {
        let state = self.state();
        let sources = &state.sources;
        let mut roots: Vec<_> = state.file.users.values().filter_map(|user| user.root.clone()).collect();
        roots.extend(sources.root.clone());
        roots.extend(sources.anonymous.as_ref().map(|(root, _)| root.clone()));
        roots.extend(sources.single.as_ref().map(|user| user.root.clone()));
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    /// The state, after a look at the file if the last one was a while ago. A file that is wrong now leaves
    /// everything as it was.
    fn fresh_state(&self) -> Arc<State> {
        let state = self.state();
        // Who finds somebody else looking takes what is there.
        if let Some(path) = &state.sources.file
            && let Ok(mut looked) = self.looked.try_lock()
            && looked.elapsed() >= LOOK_AGAIN
        {
            *looked = Instant::now();
            let stamp = Stamp::of(path);
            if stamp != state.stamp {
                let file = match AccountsFile::load(path) {
                    Ok(file) => {
                        tracing::info!(file = %path.display(), users = file.users.len(), "accounts read again");
                        file
                    }
                    Err(error) => {
                        tracing::error!(reason = %error, "accounts not read again; the old ones stay");
                        state.file.clone()
                    }
                };
                self.set(State { file, stamp, ..State::clone(&state) });
                return self.state();
            }
        }
        state
    }

    /// The tree and rights of somebody whose password was right.
    fn account(&self, state: &State, user: &User) -> Result<Account, LoginError> {
        let root = user.root.as_deref().or(state.sources.root.as_deref()).ok_or_else(|| {
            LoginError::Unavailable(format!("user {:?} has no root, and there is no server.root", user.name))
        })?;
        let storage =
            self.trees.get(root, &user.name, state.sources.uploads).map_err(LoginError::Unavailable)?;
        Ok(Account {
            name: user.name.clone(),
            storage,
            rights: user.rights_by_path(),
            home: user.home.clone(),
        })
    }
}

impl Clone for State {
    fn clone(&self) -> Self {
        Self {
            sources: self.sources.clone(),
            file: self.file.clone(),
            stamp: self.stamp,
            anonymous: self.anonymous.clone(),
            single: self.single.clone(),
        }
    }
}

impl State {
    fn open(sources: Sources, trees: &Trees) -> Result<Self, OpenError> {
        let (mut file, mut stamp) = (AccountsFile::default(), None);
        if let Some(path) = &sources.file {
            // The stamp first: a change in between is then seen at the next look.
            stamp = Stamp::of(path);
            file = AccountsFile::load(path).map_err(OpenError::File)?;
            if let (None, Some(user)) = (&sources.root, file.users.values().find(|user| user.root.is_none()))
            {
                return Err(OpenError::File(FileError::whole(
                    path,
                    format_args!(
                        "user {:?} has no root; write root = \"DIR\" there or below [server]",
                        user.name
                    ),
                )));
            }
        }
        let tree =
            |root: &Path, account: &str| trees.get(root, account, sources.uploads).map_err(OpenError::Tree);
        let anonymous = match &sources.anonymous {
            Some((root, _)) => Some(tree(root, "anonymous")?),
            None => None,
        };
        let single = match &sources.single {
            Some(user) => Some(tree(&user.root, &user.name)?),
            None => None,
        };
        Ok(Self { sources, file, stamp, anonymous, single })
    }

    /// The tree of guests, if this is one and they are welcome.
    fn guest(&self) -> Option<Account> {
        let (_, writable) = self.sources.anonymous.as_ref()?;
        Some(Account {
            name: "anonymous".to_owned(),
            storage: Arc::clone(self.anonymous.as_ref()?),
            rights: RightsByPath::everywhere(anonymous_rights(*writable)),
            home: VirtualPath::root(),
        })
    }

    /// The user of the command line, if the credentials are hers.
    fn single(&self, credentials: &Credentials) -> Option<Account> {
        let user = self.sources.single.as_ref().filter(|user| user.name == credentials.user)?;
        if !password::same(&credentials.password, user.password.as_bytes()) {
            return None;
        }
        Some(Account {
            name: user.name.clone(),
            storage: Arc::clone(self.single.as_ref()?),
            rights: RightsByPath::everywhere(Rights::ALL),
            home: VirtualPath::root(),
        })
    }

    /// A hash to check when there is no such user, as costly as those of the file.
    fn decoy(&self) -> Option<&PasswordHash> {
        static DECOY: OnceLock<Option<PasswordHash>> = OnceLock::new();
        let of_file = self.file.users.values().find_map(|user| user.password.as_ref());
        of_file.or_else(|| DECOY.get_or_init(|| PasswordHash::of(b"").ok()).as_ref())
    }
}

impl Accounts for ServerAccounts {
    fn authenticate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        let state = self.fresh_state();
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
        if may_enter { self.account(&state, user) } else { Err(LoginError::Refused) }
    }

    fn authenticate_by_certificate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        let shown = credentials.certificate.as_ref().map(Shown::new).ok_or(LoginError::Refused)?;
        let state = self.fresh_state();
        let user = state.file.users.get(&credentials.user).filter(|user| user.login.certificate_alone());
        let user = user.filter(|user| shown.is_of(&user.certificates)).ok_or(LoginError::Refused)?;
        self.account(&state, user)
    }
}
