//! Transfer parameters and what else one command leaves for a later one.

use crate::listing::Facts;
use crate::path::VirtualPath;

/// TYPE (RFC 959 section 3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Type {
    /// TYPE A: the default of RFC 959.
    #[default]
    Ascii,
    /// TYPE I and L 8.
    Image,
}

#[derive(Debug)]
pub(crate) struct Modes {
    pub(crate) transfer_type: Type,
    pub(crate) directory: VirtualPath,
    pub(crate) facts: Facts,
    /// After EPSV ALL no other way to a data connection is allowed (RFC 2428 section 4).
    pub(crate) extended_passive_only: bool,
    restart: u64,
    rename_from: Option<VirtualPath>,
    /// What the command before said by RNFR.
    renaming: Option<VirtualPath>,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            transfer_type: Type::Ascii,
            directory: VirtualPath::root(),
            facts: Facts::ALL,
            extended_passive_only: false,
            restart: 0,
            rename_from: None,
            renaming: None,
        }
    }
}

impl Modes {
    /// REST: where the next transfer begins.
    pub(crate) fn set_restart(&mut self, offset: u64) {
        self.restart = offset;
    }

    /// A transfer command uses the restart point up.
    pub(crate) fn take_restart(&mut self) -> u64 {
        core::mem::take(&mut self.restart)
    }

    pub(crate) fn set_rename_from(&mut self, path: VirtualPath) {
        self.rename_from = Some(path);
    }

    /// RNFR holds for the next command only.
    pub(crate) fn begin_command(&mut self) {
        self.renaming = self.rename_from.take();
    }

    /// RNTO: what the command before said by RNFR.
    pub(crate) fn take_renaming(&mut self) -> Option<VirtualPath> {
        self.renaming.take()
    }
}
