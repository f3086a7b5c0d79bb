//! A list of users in memory.

use crate::account::{Account, Credentials, LoginError};
use crate::host::Accounts;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// [`Accounts`] in memory.
///
/// ```
/// use ftp_proto::account::Rights;
/// use ftp_proto::testing::{MemoryAccounts, MemoryStorage};
/// let storage = MemoryStorage::new();
/// let accounts = MemoryAccounts::new()
///     .user("bob", "secret", storage.account("bob", Rights::ALL))
///     .anonymous(storage.account("anonymous", Rights::READ_ONLY));
/// # let _ = accounts;
/// ```
#[derive(Clone, Default)]
pub struct MemoryAccounts {
    users: BTreeMap<String, (Vec<u8>, Account)>,
    certificates: BTreeMap<String, Vec<u8>>,
    anonymous: Option<Account>,
    unavailable: Option<String>,
    hosts: BTreeMap<String, MemoryAccounts>,
}

impl MemoryAccounts {
    /// Nobody may log in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user.
    #[must_use]
    pub fn user(mut self, name: &str, password: impl AsRef<[u8]>, account: Account) -> Self {
        self.users.insert(name.to_owned(), (password.as_ref().to_vec(), account));
        self
    }

    /// Lets this user in by this certificate (DER) alone.
    #[must_use]
    pub fn certificate(mut self, name: &str, der: impl AsRef<[u8]>) -> Self {
        self.certificates.insert(name.to_owned(), der.as_ref().to_vec());
        self
    }

    /// Lets `anonymous` and `ftp` in with any password.
    #[must_use]
    pub fn anonymous(mut self, account: Account) -> Self {
        self.anonymous = Some(account);
        self
    }

    /// Gives a virtual host accounts of its own; a host without has none.
    #[must_use]
    pub fn host(mut self, name: &str, accounts: Self) -> Self {
        self.hosts.insert(name.to_owned(), accounts);
        self
    }

    /// Those of the host that is meant; `None`: it has none.
    fn of_host(&self, credentials: &Credentials) -> Option<&Self> {
        match &credentials.host {
            None => Some(self),
            Some(name) => self.hosts.get(name),
        }
    }

    /// Lets every login fail for a reason that isn't the client's.
    #[must_use]
    pub fn unavailable(mut self, reason: &str) -> Self {
        self.unavailable = Some(reason.to_owned());
        self
    }
}

impl Accounts for MemoryAccounts {
    fn authenticate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        if let Some(reason) = &self.unavailable {
            return Err(LoginError::Unavailable(reason.clone()));
        }
        let accounts = self.of_host(credentials).ok_or(LoginError::Refused)?;
        let name = credentials.user.as_str();
        if name.eq_ignore_ascii_case("anonymous") || name.eq_ignore_ascii_case("ftp") {
            return accounts.anonymous.clone().ok_or(LoginError::Refused);
        }
        match accounts.users.get(name) {
            Some((password, account)) if *password == credentials.password => Ok(account.clone()),
            _ => Err(LoginError::Refused),
        }
    }

    fn authenticate_by_certificate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        let accounts = self.of_host(credentials).ok_or(LoginError::Refused)?;
        let name = credentials.user.as_str();
        let (Some(shown), Some(known)) = (&credentials.certificate, accounts.certificates.get(name)) else {
            return Err(LoginError::Refused);
        };
        match accounts.users.get(name) {
            Some((_, account)) if shown.trusted && *shown.der == **known => Ok(account.clone()),
            _ => Err(LoginError::Refused),
        }
    }
}
