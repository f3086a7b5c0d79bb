//! Telnet as a client reads it: what is text, and what are refusals of options.

use alloc::format;
use alloc::string::String;

const IAC: u8 = 255;
const WONT: u8 = 252;
const DONT: u8 = 254;

/// What the bytes before the next one were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Telnet {
    #[default]
    Text,
    Command,
    Option,
}

impl Telnet {
    /// The byte of text that this one is, if it is one. An error for a command that no server of ours has to send.
    pub(super) fn text(&mut self, byte: u8) -> Result<Option<u8>, String> {
        let (next, text) = match (*self, byte) {
            (Self::Text, IAC) => (Self::Command, None),
            (Self::Text, byte) => (Self::Text, Some(byte)),
            (Self::Command, IAC) => (Self::Text, Some(IAC)),
            (Self::Command, WONT | DONT) => (Self::Option, None),
            (Self::Command, byte) => return Err(format!("a Telnet command that nobody asked for: {byte}")),
            (Self::Option, _) => (Self::Text, None),
        };
        *self = next;
        Ok(text)
    }
}
