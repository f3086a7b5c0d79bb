//! Paths as clients see them: bytes, absolute, normalised. [`VirtualPath`] is the only way to a file.

use alloc::vec::Vec;
use core::fmt;

/// The longest path a session accepts, in bytes.
pub const MAX_PATH: usize = 4096;
/// The longest name between two slashes, in bytes (the limit of common file systems).
pub const MAX_NAME: usize = 255;

/// An absolute path inside an account's tree: it begins with `/`, has no empty, `.` or `..` part, no
/// trailing slash (but for the root itself) and no NUL, CR or LF. One that breaks this cannot be built.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualPath(Vec<u8>);

/// Why bytes from a client are no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is a NUL, CR or LF in it.
    #[error("a name can't contain a line end or NUL")]
    ControlCharacter,
    /// A part is longer than [`MAX_NAME`] or the whole longer than [`MAX_PATH`].
    #[error("the name is too long")]
    TooLong,
}

impl VirtualPath {
    /// The root, `/`.
    // req: 3659-6.2-root
    pub fn root() -> Self {
        Self(alloc::vec![b'/'])
    }

    /// Builds the absolute path `bytes` names; a missing leading slash is supplied.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn new(bytes: &[u8]) -> Result<Self, PathError> {
        Self::root().resolve(bytes)
    }

    /// What a client in the directory `self` means by `argument`. `..` at the root stays at the root.
    ///
    /// # Errors
    /// [`PathError`] if the argument holds a forbidden byte or the result is too long.
    // req: 959-5.3.2-pathname, 1123-4.1.4.1-paths, 2640-2.1-characters, 3659-6.1-no-empty-names
    // req: 3659-6.2-absolute, 3659-6.2-relative, 3659-8-all-commands
    pub fn resolve(&self, argument: &[u8]) -> Result<Self, PathError> {
        if argument.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            return Err(PathError::ControlCharacter);
        }
        let mut path = if argument.first() == Some(&b'/') { Vec::new() } else { self.0.clone() };
        if path == b"/" {
            path.clear();
        }
        for part in argument.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => path.truncate(path.iter().rposition(|&byte| byte == b'/').unwrap_or(0)),
                name if name.len() > MAX_NAME => return Err(PathError::TooLong),
                name => {
                    path.push(b'/');
                    path.extend_from_slice(name);
                    if path.len() > MAX_PATH {
                        return Err(PathError::TooLong);
                    }
                }
            }
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(Self(path))
    }

    /// Whether something in this directory can have this name.
    pub(crate) fn can_hold(&self, name: &[u8]) -> bool {
        let is_plain = |&byte: &u8| !matches!(byte, 0 | b'\r' | b'\n' | b'/');
        let fits = name.len() <= MAX_NAME && self.relative().len() + 2 + name.len() <= MAX_PATH;
        fits && !matches!(name, b"" | b"." | b"..") && name.iter().all(is_plain)
    }

    /// The bytes, as sent to clients.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path without its leading slash, to be used below an open directory; empty for the root.
    pub fn relative(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The last part; empty for the root.
    pub fn name(&self) -> &[u8] {
        let start = self.0.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        self.0.get(start..).unwrap_or_default()
    }

    /// The directory above; the root is its own parent.
    pub fn parent(&self) -> Self {
        let cut = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0).max(1);
        Self(self.0.get(..cut).unwrap_or(b"/").to_vec())
    }

    /// The parts between the slashes, outermost first.
    // req: 3659-6.1-slash
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.relative().split(|&byte| byte == b'/').filter(|part| !part.is_empty())
    }

    /// Whether `self` is `ancestor` or lies below it.
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        ancestor.is_root()
            || self
                .0
                .strip_prefix(ancestor.0.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
    }

    /// The same in small letters, as far as they are UTF-8: equal for all paths that may be one where names are taken in any
    /// case.
    pub(crate) fn in_small_letters(&self) -> Self {
        let mut small = Vec::with_capacity(self.0.len());
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars().flat_map(char::to_lowercase) {
                small.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            small.extend_from_slice(chunk.invalid());
        }
        Self(small)
    }

    /// The path as it stands between the quotes of a 257 reply: `"` is doubled (RFC 959 appendix II).
    pub fn quoted(&self) -> Vec<u8> {
        let mut quoted = Vec::with_capacity(self.0.len());
        for &byte in &self.0 {
            if byte == b'"' {
                quoted.push(b'"');
            }
            quoted.push(byte);
        }
        quoted
    }
}

/// For logs and messages: bytes that are not printable UTF-8 are escaped.
impl fmt::Display for VirtualPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Escaped(&self.0), out)
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

/// Bytes from a client made safe for a log line: UTF-8 stays, control characters and stray bytes become
/// `\xNN`, a backslash is doubled.
#[derive(Clone, Copy)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => out.write_str("\\\\")?,
                    character if character.is_control() => {
                        write!(out, "\\x{:02x}", u32::from(character))?;
                    }
                    character => out.write_char(character)?,
                }
            }
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    // req: 3659-6.2-absolute, 3659-6.2-relative
    fn arguments_resolve_as_clients_mean_them() {
        for (cwd, argument, want) in [
            ("/", "", "/"),
            ("/a", "b", "/a/b"),
            ("/a/b", "..", "/a"),
            ("/a", "../../..", "/"),
            ("/a", "/c//d/./e/", "/c/d/e"),
            ("/", "...", "/..."),
            ("/a", "x/../../y", "/y"),
        ] {
            assert_eq!(path(cwd).resolve(argument.as_bytes()).unwrap(), path(want), "{cwd} {argument}");
        }
    }

    /// Just what leads to an entry of the directory, and no further, up to the longest path.
    #[test]
    fn what_a_directory_can_hold_is_what_can_be_named_in_it() {
        // With a name of three letters this is as long as a path may be.
        let deep = ("/".to_string() + &"x".repeat(255)).repeat(15) + "/" + &"y".repeat(251);
        let names: [&[u8]; 12] =
            [b"", b".", b"..", b"a", b"abc", b"abcd", b"a/b", b"/", b"a\0", b"\r", b"\n", &[b'z'; 256]];
        for directory in ["/", "/d", &deep].map(path) {
            for name in names {
                let is_one = !name.is_empty() && !name.contains(&b'/');
                let entry = directory.resolve(name).ok().filter(|entry| is_one && entry.name() == name);
                let is_there = entry.is_some_and(|entry| entry.parent() == directory);
                assert_eq!(directory.can_hold(name), is_there, "{directory} {}", name.escape_ascii());
            }
        }
        assert!(path(&deep).can_hold(b"abc") && !path(&deep).can_hold(b"abcd"));
    }

    #[test]
    fn forbidden_bytes_and_long_names_are_refused() {
        for bad in [&b"a\0b"[..], b"a\rb", b"a\nb"] {
            assert_eq!(VirtualPath::new(bad), Err(PathError::ControlCharacter));
        }
        assert!(VirtualPath::new(&[b'x'; 255]).is_ok());
        assert_eq!(VirtualPath::new(&[b'x'; 256]), Err(PathError::TooLong));
        assert_eq!(VirtualPath::new(&b"/x".repeat(2049)), Err(PathError::TooLong));
        assert!(VirtualPath::new(&b"/x".repeat(2048)).is_ok());
        assert_eq!(VirtualPath::new(&b"/xx".repeat(1366)), Err(PathError::TooLong));
    }

    #[test]
    // req: 3659-6.1-slash
    fn parts_and_ancestors() {
        assert_eq!(path("/a/b").parent(), path("/a"));
        assert_eq!(path("/a").parent(), path("/"));
        assert_eq!(path("/").parent(), path("/"));
        assert_eq!(path("/a/b").name(), b"b");
        assert!(path("/a/b").starts_with(&path("/a")));
        assert!(!path("/ab").starts_with(&path("/a")));
        assert!(path("/ab").starts_with(&path("/")));
        assert_eq!(path("/a\"b").quoted(), b"/a\"\"b");
        assert_eq!(VirtualPath::new(b"/\xff\\\x07").unwrap().to_string(), "/\\xff\\\\\\x07");
    }
}
