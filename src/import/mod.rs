//! Other servers' configurations, read and written anew as ours: `ftpd import`.
//!
//! Each format is read into a list of settings (`vsftpd`, `proftpd`, `pure_ftpd`, `iis`), of which the
//! same module writes what ours has: values with a comment that says where they come from. A table per
//! format says what becomes of each directive; docs/migration.md is made from it. What does not translate
//! is a [`Note`] with its line and what to do instead.

mod common;
mod draft;
mod files;
mod iis;
mod passwd;
mod proftpd;
mod pure_ftpd;
mod settings;
mod vsftpd;

#[cfg(test)]
mod tests;

pub use common::ACCOUNTS;
pub use draft::{Note, Place};
pub use files::{Disk, Files};
pub use settings::{Directive, Fate};

use crate::accounts::User;
use crate::config_file::FileError;
use draft::Draft;
use std::path::Path;

/// A server whose configuration can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The FTP service of Internet Information Services: applicationHost.config.
    Iis,
    /// vsftpd.conf.
    Vsftpd,
    /// proftpd.conf and what it includes.
    Proftpd,
    /// pure-ftpd.conf, or a directory with a file for each setting as Debian has it.
    PureFtpd,
}

impl Server {
    /// The names on the command line.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("iis", Self::Iis),
        ("vsftpd", Self::Vsftpd),
        ("proftpd", Self::Proftpd),
        ("pure-ftpd", Self::PureFtpd),
    ];

    /// Its name as people write it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Iis => iis::TITLE,
            Self::Vsftpd => vsftpd::TITLE,
            Self::Proftpd => proftpd::TITLE,
            Self::PureFtpd => pure_ftpd::TITLE,
        }
    }

    /// What becomes of its directives.
    pub fn directives(self) -> &'static [Directive] {
        match self {
            Self::Iis => iis::DIRECTIVES,
            Self::Vsftpd => vsftpd::DIRECTIVES,
            Self::Proftpd => proftpd::DIRECTIVES,
            Self::PureFtpd => pure_ftpd::DIRECTIVES,
        }
    }
}

/// A configuration of ours, and what is missing in it.
#[derive(Debug)]
pub struct Imported {
    /// The configuration file.
    pub toml: String,
    /// What somebody has to look at, in the order of the file. It is in the file, too, as comments.
    pub attention: Vec<Note>,
    /// Users whose passwords can be taken over as they are.
    pub users: Vec<User>,
}

/// Reads the configuration `path` of `server`. Of several sites or virtual hosts, the one named `site`, or the
/// first. Only `files` are read.
///
/// # Errors
/// [`FileError`] when it can't be read or parsed, or has no such site.
pub fn import(
    server: Server,
    path: &Path,
    site: Option<&str>,
    files: &dyn Files,
) -> Result<Imported, FileError> {
    let mut draft = Draft::new(path);
    match server {
        Server::Iis => iis::import(&mut draft, path, site, files)?,
        Server::Vsftpd => vsftpd::import(&mut draft, path, files)?,
        Server::Proftpd => proftpd::import(&mut draft, path, site, files)?,
        Server::PureFtpd => pure_ftpd::import(&mut draft, path, files)?,
    }
    let toml = draft.render(server.title());
    let (attention, users) = draft.into_attention();
    Ok(Imported { toml, attention, users })
}
