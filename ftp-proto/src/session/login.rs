//! Who the client is.

use crate::account::Account;
use alloc::string::String;

/// The login of one control connection.
#[derive(Debug, Default)]
pub(crate) enum Login {
    /// Nobody yet.
    #[default]
    Nobody,
    /// USER came, PASS has to follow. `None`: a name that is no UTF-8, which nobody has.
    Named(Option<String>),
    /// Logged in.
    In(alloc::boxed::Box<Account>),
}

impl Login {
    /// By what name the client is known, or has said it is.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Nobody => None,
            Self::Named(name) => name.as_deref(),
            Self::In(account) => Some(&account.name),
        }
    }

    pub(crate) fn account(&self) -> Option<&Account> {
        match self {
            Self::In(account) => Some(account),
            Self::Nobody | Self::Named(_) => None,
        }
    }
}
