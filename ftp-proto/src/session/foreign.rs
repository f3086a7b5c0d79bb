//! Hanging up on whoever speaks another protocol. Only before a login: afterwards it is somebody who may be here, and a line
//! that is no command is answered as such.

use super::Session;
use super::inbox::BEGINNING;
use crate::foreign::{Protocol, recognise};
use crate::notice::Notice;
use crate::reply::Reply;
use crate::time::Now;

impl Session {
    /// Whether this line, or its beginning, ended the session.
    pub(crate) fn hangs_up(&mut self, now: Now, text: &[u8], whole: bool) -> bool {
        if self.login.account().is_some() {
            return false;
        }
        let Some(which) = recognise(text, whole) else { return false };
        self.notify(Notice::SpokeOtherProtocol { which, peer: self.peer });
        let text = match which {
            Protocol::Tls if self.protection.is_offered() => {
                "This port begins in the clear: choose explicit FTP over TLS (AUTH TLS) in your client, or the port \
                 for implicit TLS."
            }
            Protocol::Tls => "There is no TLS here.",
            _ => "This is an FTP server.",
        };
        self.finish(now, Reply::new(421, text), "spoke another protocol");
        true
    }

    /// Some protocols have no lines, and others wait for an answer in the middle of one.
    pub(super) fn look_at_unfinished(&mut self, now: Now) {
        if self.login.account().is_some() {
            return;
        }
        // What comes behind AUTH is thrown away.
        let is_next = self.is_serving() && self.pending.is_none() && !self.protection.awaits_switch();
        if is_next {
            let text = self.inbox.unfinished();
            // It may be the line's end, and then it is no part of the line.
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let beginning = text.get(..BEGINNING).unwrap_or(text).to_vec();
            self.hangs_up(now, &beginning, false);
        }
    }
}
