//! The characters that names have on the wire. In the core and in the storage they are UTF-8 (RFC 2640).
//!
//! A client whose profile names another character set sends and gets its names in that one. It must be able to reach
//! whatever it was shown, and nothing else by it. So what the set can't express is escaped, never replaced:
//!
//! - a character that is not in the set: `%uXXXX`, or `%UXXXXXXXX` beyond the first 65,536, in capital hexadecimal digits;
//! - a byte of a name that is no UTF-8 at all: `%xXX`;
//! - a `%` of the name itself, if with what follows it would read as one of these: `%u0025`.
//!
//! Read back, only these count as escapes: `%u0041` is six characters, since `A` is in every set. With UTF-8 nothing is
//! escaped, and names are passed on byte by byte.

#[cfg(feature = "charsets")]
mod tables;
#[cfg(feature = "charsets")]
use tables::Table;

use alloc::borrow::Cow;

/// Without the tables there is nothing but UTF-8.
#[cfg(not(feature = "charsets"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {}

/// A character set for names. All but UTF-8 need the feature `charsets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(Option<Table>);

/// The bytes are no text in the character set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is no text in the character set")]
pub struct NotText;

impl Charset {
    /// RFC 2640: the default.
    pub const UTF_8: Self = Self(None);

    /// The set of this name, in any case: names of the WHATWG's Encoding Standard, and Windows' numbers as in `cp932`. As
    /// there, `latin1` and `iso-8859-1` are windows-1252, which has more characters. `None` for a set that is unknown, or
    /// in which an ASCII character may have other bytes (UTF-16, ISO-2022-JP): FTP's commands are ASCII.
    pub fn from_label(label: &str) -> Option<Self> {
        let label = label.trim_ascii();
        if label.eq_ignore_ascii_case("utf-8") || label.eq_ignore_ascii_case("utf8") {
            return Some(Self::UTF_8);
        }
        Self::by_table(label)
    }

    /// Its name, as the Encoding Standard writes it.
    pub fn label(self) -> &'static str {
        self.0.map_or("UTF-8", Table::label)
    }

    /// Whether names are passed on as they are.
    pub fn is_utf_8(self) -> bool {
        self.0.is_none()
    }

    /// Whether byte 255, Telnet's IAC, is a letter of it: `я` in windows-1251, `ÿ` in windows-1252.
    pub fn has_letter_255(self) -> bool {
        self.0.is_some_and(Table::has_letter_255)
    }

    /// From the wire: UTF-8, with escapes resolved.
    ///
    /// # Errors
    /// [`NotText`] if the bytes mean nothing in this set. UTF-8 takes all.
    pub fn decode(self, wire: &[u8]) -> Result<Cow<'_, [u8]>, NotText> {
        self.0.map_or(Ok(Cow::Borrowed(wire)), |table| table.decode(wire))
    }

    /// To the wire, with escapes for what the set doesn't have: [`decode`](Self::decode) makes the same of it again.
    pub fn encode(self, name: &[u8]) -> Cow<'_, [u8]> {
        self.0.map_or(Cow::Borrowed(name), |table| table.encode(name))
    }

    #[cfg(feature = "charsets")]
    fn by_table(label: &str) -> Option<Self> {
        Table::from_label(label).map(|table| Self(Some(table)))
    }

    #[cfg(not(feature = "charsets"))]
    fn by_table(_: &str) -> Option<Self> {
        None
    }
}

#[cfg(not(feature = "charsets"))]
impl Table {
    fn label(self) -> &'static str {
        match self {}
    }

    fn has_letter_255(self) -> bool {
        match self {}
    }

    fn decode(self, _: &[u8]) -> Result<Cow<'_, [u8]>, NotText> {
        match self {}
    }

    fn encode(self, _: &[u8]) -> Cow<'_, [u8]> {
        match self {}
    }
}
