//! The characters that names have on the wire. In the core and in the storage they are UTF-8.

/// A character set for names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(());

impl Charset {
    /// RFC 2640: the default.
    pub const UTF_8: Self = Self(());
}
