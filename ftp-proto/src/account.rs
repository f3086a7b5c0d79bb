//! Who somebody is after login, and what they may do where.

use crate::host::Storage;
use crate::path::VirtualPath;
use crate::tls::ClientCertificate;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::BitOr;

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights(u16);

impl Rights {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// RETR, digests, what is copied, and rename to where it can be read.
    pub const READ: Self = Self(1);
    /// LIST, NLST, MLSD, MLST, STAT of a path.
    pub const LIST: Self = Self(1 << 1);
    /// STOR, STOU and APPE of a file that does not exist yet, and rename into another directory.
    pub const CREATE: Self = Self(1 << 2);
    /// STOR over an existing file, REST before its end included, and rename over one.
    pub const OVERWRITE: Self = Self(1 << 3);
    /// APPE and REST with STOR.
    pub const APPEND: Self = Self(1 << 4);
    /// DELE, RMDA, and the parts of COMB.
    pub const DELETE: Self = Self(1 << 5);
    /// MKD.
    pub const MAKE_DIRECTORY: Self = Self(1 << 6);
    /// RMD and RMDA.
    pub const REMOVE_DIRECTORY: Self = Self(1 << 7);
    /// RNFR and RNTO.
    pub const RENAME: Self = Self(1 << 8);
    /// MFMT, MFCT, MFF, SITE CHMOD and SITE UTIME.
    pub const ATTRIBUTES: Self = Self(1 << 9);
    /// Reading and listing.
    pub const READ_ONLY: Self = Self(Self::READ.0 | Self::LIST.0);
    /// Everything.
    pub const ALL: Self = Self((1 << 10) - 1);

    /// Each single right with the name that configuration files use.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("read", Self::READ),
        ("list", Self::LIST),
        ("create", Self::CREATE),
        ("overwrite", Self::OVERWRITE),
        ("append", Self::APPEND),
        ("delete", Self::DELETE),
        ("mkdir", Self::MAKE_DIRECTORY),
        ("rmdir", Self::REMOVE_DIRECTORY),
        ("rename", Self::RENAME),
        ("attributes", Self::ATTRIBUTES),
    ];

    /// Whether all of `other` is in here.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is in here.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in both.
    const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The union, in constants.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

/// Rights by path: the rule of the longest matching prefix holds.
///
/// Some storages take names in any case of letters: there `/SHUT` is `/shut`. So a rule for a path that differs in case only
/// holds as well, but gives nothing: it can only take away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RightsByPath {
    everywhere: Rights,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    path: VirtualPath,
    /// In small letters.
    small: VirtualPath,
    rights: Rights,
}

impl RightsByPath {
    /// The same rights everywhere.
    pub const fn everywhere(rights: Rights) -> Self {
        Self { everywhere: rights, rules: Vec::new() }
    }

    /// Whether there are no rules by path.
    pub fn are_everywhere_the_same(&self) -> bool {
        self.rules.is_empty()
    }

    /// Adds a rule for `path` and all below it; a later rule for the same path wins.
    #[must_use]
    pub fn and_below(mut self, path: VirtualPath, rights: Rights) -> Self {
        self.rules.retain(|rule| rule.path != path);
        let small = path.in_small_letters();
        self.rules.push(Rule { path, small, rights });
        self
    }

    /// What is allowed on `path`.
    pub fn on(&self, path: &VirtualPath) -> Rights {
        if self.rules.is_empty() {
            return self.everywhere;
        }
        let small = path.in_small_letters();
        let is_exact = |rule: &Rule| path.starts_with(&rule.path);
        let longest = |is_for: &dyn Fn(&Rule) -> bool| {
            let rules = self.rules.iter().filter(|rule| is_for(rule));
            // Of two that differ in case only the exact one is meant.
            let longest = rules.max_by_key(|rule| (rule.small.as_bytes().len(), is_exact(rule)));
            longest.map_or(self.everywhere, |rule| rule.rights)
        };
        longest(&is_exact).common(longest(&|rule| small.starts_with(&rule.small)))
    }

    /// Whether anything is allowed on `path` or somewhere below it. If not, it is as good as not there.
    pub fn reaches(&self, path: &VirtualPath) -> bool {
        let below = |rule: &Rule| rule.path.starts_with(path) && !rule.rights.is_empty();
        !self.on(path).is_empty() || self.rules.iter().any(below)
    }

    /// Whether a rule is about `path` itself or something below it. Under another name that rule would no longer
    /// hold for it.
    pub fn rule_within(&self, path: &VirtualPath) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        let small = path.in_small_letters();
        self.rules.iter().any(|rule| rule.small.starts_with(&small))
    }

    /// Whether all of `rights` is given on `path` and on everything below it.
    pub fn throughout(&self, path: &VirtualPath, rights: Rights) -> bool {
        if self.rules.is_empty() {
            return self.everywhere.contains(rights);
        }
        let small = path.in_small_letters();
        let mut below = self.rules.iter().filter(|rule| rule.small.starts_with(&small));
        self.on(path).contains(rights) && below.all(|rule| rule.rights.contains(rights))
    }

    /// Whether each of `rights` is given somewhere, if not in the same place; FEAT and HELP list no command that can never
    /// work.
    pub fn anywhere(&self, rights: Rights) -> bool {
        let given = self.rules.iter().fold(self.everywhere, |all, rule| all | rule.rights);
        given.contains(rights)
    }
}

/// What a login gives: one account's tree and rights.
#[derive(Clone)]
pub struct Account {
    /// The name for logs, usually the one that was typed.
    pub name: String,
    /// Where the files are.
    pub storage: Arc<dyn Storage>,
    /// What is allowed where.
    pub rights: RightsByPath,
    /// The directory a session starts in.
    pub home: VirtualPath,
}

impl core::fmt::Debug for Account {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Account")
            .field("name", &self.name)
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

/// What a client offers to log in.
#[derive(Clone)]
pub struct Credentials {
    /// From USER; always valid UTF-8, the session refuses other names.
    pub user: String,
    /// From PASS; any bytes.
    pub password: Vec<u8>,
    /// The virtual host that the client means, by [its name](crate::config::Host::name); `None`: none of them, so the
    /// server itself. The same user is somebody else on each.
    pub host: Option<String>,
    /// The client's address.
    pub peer: SocketAddr,
    /// The certificate that the client has proven to own in the TLS handshake.
    pub certificate: Option<ClientCertificate>,
}

/// The password is never shown.
impl core::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Credentials")
            .field("user", &self.user)
            .field("host", &self.host)
            .field("peer", &self.peer)
            .field("certificate", &self.certificate.is_some())
            .finish_non_exhaustive()
    }
}

/// Why a login failed. The client sees the same words for the first, whatever the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Unknown user, wrong password, account locked.
    #[error("login incorrect")]
    Refused,
    /// The accounts can't be read just now; the text goes to the log only.
    #[error("accounts unavailable: {0}")]
    Unavailable(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let path = |text: &str| VirtualPath::new(text.as_bytes()).unwrap();
        let rights = RightsByPath::everywhere(Rights::READ_ONLY)
            .and_below(path("/in"), Rights::CREATE)
            .and_below(path("/in/done"), Rights::NONE);
        assert_eq!(rights.on(&path("/x")), Rights::READ_ONLY);
        assert_eq!(rights.on(&path("/in")), Rights::CREATE);
        assert_eq!(rights.on(&path("/in/a/b")), Rights::CREATE);
        assert_eq!(rights.on(&path("/in/done/a")), Rights::NONE);
        assert_eq!(rights.on(&path("/inner")), Rights::READ_ONLY);
        assert!(rights.anywhere(Rights::CREATE) && !rights.anywhere(Rights::DELETE));
        assert!(rights.reaches(&path("/in")) && !rights.reaches(&path("/in/done/a")));
        assert!(rights.throughout(&path("/x"), Rights::LIST) && !rights.throughout(&path("/"), Rights::LIST));
        assert!(!rights.throughout(&path("/in"), Rights::CREATE));
        assert!(rights.rule_within(&path("/in")) && !rights.rule_within(&path("/in/a")));
    }

    #[test]
    fn other_letters_are_no_way_around_a_rule() {
        let path = |text: &str| VirtualPath::new(text.as_bytes()).unwrap();
        let rights = RightsByPath::everywhere(Rights::READ_ONLY)
            .and_below(path("/shut"), Rights::NONE)
            .and_below(path("/In"), Rights::ALL)
            .and_below(path("/In/\u{c4}"), Rights::LIST);
        for shut in ["/shut", "/SHUT", "/Shut/a"] {
            assert_eq!(rights.on(&path(shut)), Rights::NONE, "{shut}");
            assert!(!rights.throughout(&path(shut), Rights::LIST), "{shut}");
        }
        assert_eq!(rights.on(&path("/In/a")), Rights::ALL);
        assert_eq!(rights.on(&path("/in/a")), Rights::READ_ONLY, "nothing is given by other letters");
        assert_eq!(rights.on(&path("/In/\u{e4}/a")), Rights::LIST);
        assert!(rights.rule_within(&path("/in")) && !rights.throughout(&path("/iN"), Rights::READ));
        assert_eq!(rights.on(&VirtualPath::new(b"/\xffSHUT").unwrap()), Rights::READ_ONLY);
        // The same path twice, in other letters: each is a rule.
        for names in [["/a", "/A"], ["/A", "/a"]] {
            let [first, second] = names.map(path);
            let both = RightsByPath::everywhere(Rights::NONE)
                .and_below(first.clone(), Rights::READ_ONLY)
                .and_below(second.clone(), Rights::ALL);
            assert_eq!((both.on(&first), both.on(&second)), (Rights::READ_ONLY, Rights::ALL));
        }
    }
}
