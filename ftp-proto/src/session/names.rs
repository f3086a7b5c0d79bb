//! The characters that names have in this session (RFC 2640, and what a client's profile names instead).

use super::Session;
use crate::charset::Charset;
use crate::listing::ListStyle;

impl Session {
    /// The character set of names on the wire.
    pub(crate) fn charset(&self) -> Charset {
        if self.modes.utf_8 { Charset::UTF_8 } else { self.quirks.charset }
    }

    /// OPTS UTF8: names are UTF-8 whatever the profile says, or not any longer.
    pub(crate) fn set_utf_8(&mut self, utf_8: bool) {
        self.modes.utf_8 = utf_8;
        self.tell_inbox();
    }

    /// What LIST looks like.
    pub(crate) fn list_style(&self) -> ListStyle {
        self.modes.list_style.unwrap_or(self.quirks.list_style)
    }

    /// To be told whenever the character set may have changed.
    pub(super) fn tell_inbox(&mut self) {
        self.inbox.set_letter_255(self.charset().has_letter_255());
    }

    /// The first line of a block that is made piece by piece.
    pub(super) fn open_block(&mut self, code: u16, first: &[u8]) {
        self.outbox.open_block(code, &self.charset().encode(first));
    }

    /// A line of such a block.
    pub(super) fn push_line(&mut self, line: &[u8]) {
        self.outbox.push_raw(&self.charset().encode(line));
    }
}
