//! The fact `perm` (RFC 3659 section 7.5.5): what this user may do with an entry.
//!
//! It is made from the account's rights alone. What the storage would say is known for sure only when it is tried, and the
//! letters are a guide: a client greys out what is certain to be refused.

use crate::account::{Rights, RightsByPath};
use crate::host::Kind;
use crate::path::VirtualPath;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// What the entries of one directory are judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    rights: RightsByPath,
    directory: VirtualPath,
    /// Where rights are everywhere the same: the letters of each kind.
    by_kind: Vec<(Kind, Vec<u8>)>,
}

impl Permissions {
    /// Of what is in `directory`, for somebody with these rights.
    pub fn new(rights: RightsByPath, directory: VirtualPath) -> Self {
        let mut by_kind = Vec::new();
        if rights.are_everywhere_the_same()
            && let Ok(some_entry) = VirtualPath::root().resolve(b"a")
        {
            let kinds = [Kind::File, Kind::Directory, Kind::Link, Kind::Other];
            by_kind.extend(kinds.map(|kind| (kind, permissions(&rights, &some_entry, kind))));
        }
        Self { rights, directory, by_kind }
    }

    /// The letters of the entry of this name; `None` for a name that no path can hold.
    pub(super) fn of_entry(&self, name: &[u8], kind: Kind) -> Option<Cow<'_, [u8]>> {
        let of_kind = self.by_kind.iter().find(|(of, _)| *of == kind);
        if let Some((_, letters)) = of_kind.filter(|_| self.directory.can_hold(name)) {
            return Some(Cow::Borrowed(letters));
        }
        let path = self.directory.resolve(name).ok()?;
        (path.name() == name).then(|| Cow::Owned(permissions(&self.rights, &path, kind)))
    }
}

/// The letters of RFC 3659 section 7.5.5 that hold for `path`, in alphabetical order.
// req: 3659-7.5.5-perm
pub fn permissions(rights: &RightsByPath, path: &VirtualPath, kind: Kind) -> Vec<u8> {
    let own = rights.on(path);
    let may = |right| own.contains(right);
    // What stays where it is: the root, and what a rule by path is about.
    let may_move = may(Rights::RENAME) && !path.is_root() && !rights.rule_within(path);
    let letters: &[(u8, bool)] = match kind {
        Kind::Directory => &[
            (b'c', may(Rights::CREATE)),
            (b'd', may(Rights::REMOVE_DIRECTORY) && !path.is_root()),
            (b'e', rights.reaches(path)),
            (b'f', may_move),
            (b'l', may(Rights::LIST)),
            (b'm', may(Rights::MAKE_DIRECTORY)),
            (b'p', may(Rights::DELETE) || may(Rights::REMOVE_DIRECTORY)),
        ],
        Kind::File => &[
            (b'a', may(Rights::APPEND)),
            (b'd', may(Rights::DELETE)),
            (b'f', may_move),
            (b'r', may(Rights::READ)),
            (b'w', may(Rights::CREATE) && may(Rights::OVERWRITE)),
        ],
        Kind::Link | Kind::Other => &[(b'd', may(Rights::DELETE)), (b'f', may_move)],
    };
    letters.iter().filter(|(_, holds)| *holds).map(|(letter, _)| *letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    // req: 3659-7.5.5-perm
    fn letters_follow_the_rights_of_the_path() {
        let path = |text: &str| VirtualPath::new(text.as_bytes()).unwrap();
        let rights = RightsByPath::everywhere(Rights::ALL)
            .and_below(path("/in"), Rights::CREATE)
            .and_below(path("/shut"), Rights::NONE)
            .and_below(path("/shut/but"), Rights::READ_ONLY);
        for (at, kind, letters) in [
            ("/", Kind::Directory, "celmp"),
            ("/a", Kind::Directory, "cdeflmp"),
            ("/a", Kind::File, "adfrw"),
            ("/a", Kind::Link, "df"),
            ("/in", Kind::Directory, "ce"),
            ("/in/a", Kind::File, ""),
            ("/shut", Kind::Directory, "e"),
            ("/shut/out", Kind::Directory, ""),
            ("/shut/but", Kind::Directory, "el"),
            ("/shut/but/a", Kind::File, "r"),
        ] {
            assert_eq!(permissions(&rights, &path(at), kind), letters.as_bytes(), "{at}");
        }
        let inside = Permissions::new(rights, path("/shut/but"));
        assert_eq!(inside.of_entry(b"a", Kind::File).as_deref(), Some(&b"r"[..]));
        assert_eq!(inside.of_entry(b"..", Kind::File), None);
    }

    #[test]
    fn letters_are_the_same_where_rights_are() {
        let path = |text: &str| VirtualPath::new(text.as_bytes()).unwrap();
        for rights in [Rights::ALL, Rights::READ_ONLY, Rights::NONE, Rights::CREATE] {
            let uniform = RightsByPath::everywhere(rights);
            let of_here = Permissions::new(uniform.clone(), path("/in/here"));
            for kind in [Kind::File, Kind::Directory, Kind::Link, Kind::Other] {
                for name in [&b"a"[..], b" ", b"\xff", b"a b.c"] {
                    let letters = permissions(&uniform, &path("/in/here").resolve(name).unwrap(), kind);
                    assert_eq!(of_here.of_entry(name, kind).as_deref(), Some(letters.as_slice()));
                }
                for none in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0", b"a\n", &[b'a'; 256]] {
                    assert_eq!(of_here.of_entry(none, kind), None, "{}", none.escape_ascii());
                }
            }
        }
    }
}
