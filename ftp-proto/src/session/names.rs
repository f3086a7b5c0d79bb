//! The characters that names have in this session (RFC 2640, and what a client's profile names instead).

use super::Session;
use crate::charset::Charset;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Telnet's escape, which stands for itself if it is doubled (RFC 959 section 4.1, RFC 854).
const IAC: u8 = 255;

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

    /// To be told whenever the character set may have changed.
    pub(super) fn tell_inbox(&mut self) {
        self.inbox.set_letter_255(self.charset().has_letter_255());
    }

    /// The first line of a block that is made piece by piece.
    pub(super) fn open_block(&mut self, code: u16, first: &[u8]) {
        self.outbox.open_block(code, &on_the_wire(self.charset(), first));
    }

    /// A line of such a block.
    pub(super) fn push_line(&mut self, line: &[u8]) {
        self.outbox.push_raw(&on_the_wire(self.charset(), line));
    }
}

/// The text of a reply in the client's characters. A letter that is Telnet's escape is doubled; clients that know nothing
/// of that send back what they saw, and are understood.
pub(super) fn on_the_wire(charset: Charset, text: &[u8]) -> Cow<'_, [u8]> {
    let text = charset.encode(text);
    if !charset.has_letter_255() || !text.contains(&IAC) {
        return text;
    }
    let mut doubled = Vec::with_capacity(text.len() + 1);
    for &byte in &*text {
        if byte == IAC {
            doubled.push(IAC);
        }
        doubled.push(byte);
    }
    Cow::Owned(doubled)
}
