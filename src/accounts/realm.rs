//! One set of accounts: the server's own, or those of a virtual host.

use super::password::{self, PasswordHash};
use super::trees::{Trees, begin_counting, unusable};
use super::{AccountsFile, OpenError, QuotaUse, Sources, User, anonymous_rights};
use crate::config_file::FileError;
use crate::sandbox::{self, Use};
use crate::stamp::Stamp;
use crate::storage::Limits;
use ftp_proto::account::{Account, Credentials, LoginError, Rights, RightsByPath};
use ftp_proto::host::{Share, Storage, Usage};
use ftp_proto::path::VirtualPath;
use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How often a login looks whether the accounts file changed.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// All of them.
pub(super) struct Realms {
    server: Realm,
    hosts: HashMap<String, Realm>,
}

impl Realms {
    pub(super) fn open(
        server: Sources,
        hosts: Vec<(String, Sources)>,
        trees: &Trees,
    ) -> Result<Self, OpenError> {
        let server = Realm::open(None, server, trees)?;
        let open = |(name, sources): (String, Sources)| {
            let realm = Realm::open(Some(name.clone()), sources, trees)?;
            Ok((name, realm))
        };
        Ok(Self { server, hosts: hosts.into_iter().map(open).collect::<Result<_, _>>()? })
    }

    pub(super) fn find(&self, host: Option<&str>) -> Option<&Realm> {
        match host {
            None => Some(&self.server),
            Some(name) => self.hosts.get(name),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Realm> {
        std::iter::once(&self.server).chain(self.hosts.values())
    }
}

/// One of them.
pub(super) struct Realm {
    host: Option<String>,
    state: RwLock<Arc<State>>,
    looked: Mutex<Instant>,
}

/// Whose a tree is: the same name on another host is somebody else, even where both have one directory. No name holds a
/// line end.
fn owner(account: &str, host: Option<&str>) -> String {
    match host {
        None => account.to_owned(),
        Some(host) => format!("{account}\n{host}"),
    }
}

/// An account's own limits, if anybody has some in this directory: then everybody's files count.
fn limits(sources: &Sources, file: &AccountsFile, root: &Path, own: Limits) -> Option<Limits> {
    let of_guests = sources.anonymous.iter().map(|(root, _)| (root.as_path(), sources.anonymous_limits));
    let of_users = file
        .users
        .values()
        .filter_map(|user| Some((user.root.as_deref().or(sources.root.as_deref())?, user.limits)));
    let counts =
        own.is_set() || of_guests.chain(of_users).any(|(place, limits)| limits.is_set() && place == root);
    counts.then_some(own)
}

/// The tree of guests, if there are any.
fn guests_tree(
    host: Option<&str>,
    sources: &Sources,
    file: &AccountsFile,
    trees: &Trees,
) -> Result<Option<Arc<dyn Storage>>, String> {
    let Some((root, _)) = &sources.anonymous else { return Ok(None) };
    let limits = limits(sources, file, root, sources.anonymous_limits);
    trees.get(root, &owner("anonymous", host), sources.uploads, limits).map(Some)
}

/// One consistent view: replaced as a whole, so a login in progress keeps what it began with.
pub(super) struct State {
    pub(super) sources: Sources,
    pub(super) file: AccountsFile,
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

/// Whoever adds an account hears at once that it can't be used, not only when somebody logs in.
fn tell_of_roots_outside(file: &AccountsFile) {
    for user in file.users.values() {
        let root = user.root.as_deref();
        if let Some((root, reason)) = root.and_then(|root| Some((root, sandbox::outside(root, Use::Serve)?)))
        {
            tracing::warn!("{}: {reason}; user {:?} can't log in", root.display(), user.name);
        }
    }
}

impl Realm {
    fn open(host: Option<String>, sources: Sources, trees: &Trees) -> Result<Self, OpenError> {
        let state = State::open(host.as_deref(), sources, trees)?;
        Ok(Self { host, state: RwLock::new(Arc::new(state)), looked: Mutex::new(Instant::now()) })
    }

    pub(super) fn warnings(&self) -> Vec<String> {
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
                let at = self.host.as_ref().map_or_else(String::new, |host| format!(" at {host}"));
                warnings.push(format!(
                    "{}: {}; user {:?} can't log in{at}",
                    root.display(),
                    unusable(root, &error),
                    user.name
                ));
            }
        }
        warnings
    }

    /// What was counted of accounts with limits.
    pub(super) fn quotas(&self, trees: &Trees) -> Vec<QuotaUse> {
        let state = self.state();
        let guests =
            state.sources.anonymous.is_some().then_some(("anonymous", state.sources.anonymous_limits));
        let users = state.file.users.values().map(|user| (user.name.as_str(), user.limits));
        let limited = users.chain(guests).filter(|(_, limits)| limits.is_set());
        let quota = |(user, limits): (&str, Limits)| {
            let (bytes, files) = trees.used(&owner(user, self.host.as_deref()))?;
            let share = |used, limit| Share { used: Some(used), limit };
            let usage = Usage { bytes: share(bytes, limits.bytes), files: share(files, limits.files) };
            Some(QuotaUse { user: user.to_owned(), host: self.host.clone(), usage })
        };
        limited.filter_map(quota).collect()
    }

    pub(super) fn roots(&self) -> Vec<PathBuf> {
        let state = self.state();
        let sources = &state.sources;
        let mut roots: Vec<_> = state.file.users.values().filter_map(|user| user.root.clone()).collect();
        roots.extend(sources.root.clone());
        roots.extend(sources.anonymous.as_ref().map(|(root, _)| root.clone()));
        roots.extend(sources.single.as_ref().map(|user| user.root.clone()));
        roots
    }

    /// From now on the file may be out of sight that was read before: that is no change of it.
    pub(super) fn settle(&self) {
        let state = self.state();
        let now = state.sources.file.as_deref().and_then(Stamp::of);
        self.set(State { stamp: now.and(state.stamp), ..State::clone(&state) });
    }

    pub(super) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    pub(super) fn last_looked(&self, at: Instant) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn set(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    /// The state, after a look at the file if the last one was a while ago. A file that is wrong now leaves
    /// everything as it was.
    pub(super) fn fresh_state(&self, trees: &Trees) -> Arc<State> {
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
                        tell_of_roots_outside(&file);
                        file
                    }
                    Err(error) => {
                        tracing::error!(reason = %error, "accounts not read again; the old ones stay");
                        state.file.clone()
                    }
                };
                // Somebody else in guests' directory may have a limit now, so that what they store counts.
                let anonymous = guests_tree(self.host.as_deref(), &state.sources, &file, trees);
                let anonymous = anonymous.unwrap_or_else(|_| state.anonymous.clone());
                self.set(State { file, stamp, anonymous, ..State::clone(&state) });
                return self.state();
            }
        }
        state
    }

    /// The tree and rights of somebody whose password was right.
    pub(super) fn account(&self, state: &State, user: &User, trees: &Trees) -> Result<Account, LoginError> {
        let root = user.root.as_deref().or(state.sources.root.as_deref()).ok_or_else(|| {
            LoginError::Unavailable(format!("user {:?} has no root, and there is none for all", user.name))
        })?;
        let owner = owner(&user.name, self.host.as_deref());
        let limits = limits(&state.sources, &state.file, root, user.limits);
        let storage =
            trees.get(root, &owner, state.sources.uploads, limits).map_err(LoginError::Unavailable)?;
        begin_counting(&*storage);
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
    fn open(host: Option<&str>, sources: Sources, trees: &Trees) -> Result<Self, OpenError> {
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
                        "user {:?} has no root; write root = \"DIR\" there or below {}",
                        user.name,
                        if host.is_some() { "[[host]]" } else { "[server]" }
                    ),
                )));
            }
        }
        let anonymous = guests_tree(host, &sources, &file, trees).map_err(OpenError::Tree)?;
        let single = match &sources.single {
            Some(user) => {
                let limits = limits(&sources, &file, &user.root, Limits::default());
                let tree = trees.get(&user.root, &owner(&user.name, host), sources.uploads, limits);
                Some(tree.map_err(OpenError::Tree)?)
            }
            None => None,
        };
        Ok(Self { sources, file, stamp, anonymous, single })
    }

    /// The tree of guests, if this is one and they are welcome.
    pub(super) fn guest(&self) -> Option<Account> {
        let (_, writable) = self.sources.anonymous.as_ref()?;
        let storage = Arc::clone(self.anonymous.as_ref()?);
        begin_counting(&*storage);
        Some(Account {
            name: "anonymous".to_owned(),
            storage,
            rights: RightsByPath::everywhere(anonymous_rights(*writable)),
            home: VirtualPath::root(),
        })
    }

    /// The user of the command line, if the credentials are hers.
    pub(super) fn single(&self, credentials: &Credentials) -> Option<Account> {
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
    pub(super) fn decoy(&self) -> Option<&PasswordHash> {
        static DECOY: OnceLock<Option<PasswordHash>> = OnceLock::new();
        let of_file = self.file.users.values().find_map(|user| user.password.as_ref());
        of_file.or_else(|| DECOY.get_or_init(|| PasswordHash::of(b"").ok()).as_ref())
    }
}
