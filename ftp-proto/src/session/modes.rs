//! Transfer parameters and what else one command leaves for a later one.

use super::Session;
use crate::event::Part;
use crate::listing::{Facts, ListStyle};
use crate::path::VirtualPath;
use crate::transfer::{Coding, Deflate, Mode};
use core::time::Duration;

#[derive(Debug)]
// req: 2428-4-all-until
pub(crate) struct Modes {
    /// TYPE, STRU and MODE. How MODE Z is done is asked for when it is needed ([`Session::coding`]).
    pub(crate) coding: Coding,
    /// OPTS MODE Z LEVEL.
    pub(crate) deflate_level: Option<u8>,
    pub(crate) directory: VirtualPath,
    pub(crate) facts: Facts,
    /// OPTS UTF8 ON: names are UTF-8 even if the client's profile names another set.
    pub(crate) utf_8: bool,
    /// SITE DIRSTYLE: what LIST looks like, whatever the profile says.
    pub(crate) list_style: Option<ListStyle>,
    /// SITE IDLE: shorter than the settings say.
    pub(crate) idle: Option<Duration>,
    /// SITE UMASK: the account's storage is one with it.
    pub(crate) umask: Option<u32>,
    /// OPTS HASH.
    #[cfg(feature = "digests")]
    pub(crate) algorithm: crate::digest::Algorithm,
    /// After EPSV ALL no other way to a data connection is allowed (RFC 2428 section 4).
    pub(crate) extended_passive_only: bool,
    restart: u64,
    range: Option<Part>,
    rename_from: Option<VirtualPath>,
    /// What the command before said by RNFR.
    renaming: Option<VirtualPath>,
    copy_from: Option<VirtualPath>,
    /// What the command before said by SITE CPFR.
    copying: Option<VirtualPath>,
}

impl Default for Modes {
    // req: 959-5.1-defaults
    fn default() -> Self {
        Self {
            coding: Coding::default(),
            deflate_level: None,
            directory: VirtualPath::root(),
            facts: Facts::ALL,
            utf_8: false,
            list_style: None,
            idle: None,
            umask: None,
            #[cfg(feature = "digests")]
            algorithm: crate::digest::Algorithm::Sha256,
            extended_passive_only: false,
            restart: 0,
            range: None,
            rename_from: None,
            renaming: None,
            copy_from: None,
            copying: None,
        }
    }
}

impl Modes {
    /// REST: where the next transfer begins. It takes the place of a RANG.
    // req: 3659-5.3-zero
    pub(crate) fn set_restart(&mut self, offset: u64) {
        self.restart = offset;
        self.range = None;
    }

    /// RANG: which part the next RETR or HASH is of; `None`: the whole. It takes the place of a REST.
    pub(crate) fn set_range(&mut self, part: Option<Part>) {
        self.range = part;
        self.restart = 0;
    }

    /// RETR and HASH use the part up.
    pub(crate) fn take_range(&mut self) -> Option<Part> {
        self.range.take()
    }

    /// A transfer command uses the restart point up, and a part that it has not taken.
    // req: 959-4.1.3-rest-next-command, 3659-5.3-next-command
    pub(crate) fn take_restart(&mut self) -> u64 {
        self.range = None;
        core::mem::take(&mut self.restart)
    }

    pub(crate) fn set_rename_from(&mut self, path: VirtualPath) {
        self.rename_from = Some(path);
    }

    pub(crate) fn set_copy_from(&mut self, path: VirtualPath) {
        self.copy_from = Some(path);
    }

    /// RNFR and SITE CPFR hold for the next command only.
    // req: 959-4.1.3-rnfr
    pub(crate) fn begin_command(&mut self) {
        self.renaming = self.rename_from.take();
        self.copying = self.copy_from.take();
    }

    /// SITE CPTO: what the command before said by SITE CPFR.
    pub(crate) fn take_copying(&mut self) -> Option<VirtualPath> {
        self.copying.take()
    }

    /// RNTO: what the command before said by RNFR.
    pub(crate) fn take_renaming(&mut self) -> Option<VirtualPath> {
        self.renaming.take()
    }
}

impl Session {
    /// How long the client may say nothing. What it has asked for itself ends where the settings, as they are now, end.
    pub(crate) fn idle_timeout(&self) -> Duration {
        let longest = self.config.timeouts.idle;
        self.modes.idle.map_or(longest, |own| own.min(longest))
    }

    /// The transfer parameters, as they hold now.
    pub(crate) fn coding(&self) -> Coding {
        let coding = self.modes.coding;
        let mode = match coding.mode {
            Mode::Deflate(_) => Mode::Deflate(Deflate {
                level: self.modes.deflate_level.unwrap_or(self.config.transfers.deflate_level),
                ratio: self.config.limits.deflate_ratio,
            }),
            mode => mode,
        };
        Coding { mode, ..coding }
    }
}
