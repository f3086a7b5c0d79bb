//! `ftpd import`: the configuration of another server, written anew as ours.

use super::{Failure, complain, print, words};
use crate::accounts::edit::{self, EditError};
use crate::import::{self, Disk, Imported, Server};
use crate::replace::{directory_of, replace_file};
use clap::Args;
use std::path::{Path, PathBuf};

/// `ftpd import`.
#[derive(Args, Debug)]
pub(super) struct ImportArguments {
    /// The server it comes from
    #[arg(value_parser = words(Server::NAMES))]
    server: Server,
    /// Its configuration: applicationHost.config, vsftpd.conf, proftpd.conf, pure-ftpd.conf or Debian's directory
    /// /etc/pure-ftpd/conf
    file: PathBuf,
    /// The site of IIS or virtual host of ProFTPD, if there are several
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// Write the configuration there instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Add users whose passwords can be taken over (argon2id) to accounts.toml beside it
    #[arg(long, requires = "out")]
    accounts: bool,
    /// Replace the file of --out if there is one
    #[arg(long, requires = "out")]
    force: bool,
}

pub(super) fn run(arguments: &ImportArguments) -> Result<(), Failure> {
    let path = &arguments.file;
    let imported = import::import(arguments.server, path, arguments.site.as_deref(), &Disk)?;
    match &arguments.out {
        None => print(&imported.toml),
        Some(out) => {
            write(out, arguments.force, &imported.toml)?;
            if arguments.accounts {
                add_users(&directory_of(out).join(import::ACCOUNTS), &imported)?;
            }
        }
    }
    imported.attention.iter().for_each(|note| complain(&note.to_string()));
    match imported.attention.len() {
        0 => Ok(()),
        1 => Err(Failure::System("1 setting needs attention, see above".to_owned())),
        number => Err(Failure::System(format!("{number} settings need attention, see above"))),
    }
}

fn write(out: &Path, force: bool, text: &str) -> Result<(), Failure> {
    if !force && out.symlink_metadata().is_ok() {
        return Err(Failure::Configuration(format!(
            "ftpd: --out: {} is there already; write --force to replace it",
            out.display()
        )));
    }
    replace_file(out, text.as_bytes()).map_err(|error| {
        let problem = crate::config_file::reader::plain(&error);
        Failure::System(format!("{}: can't be written: {problem}", out.display()))
    })
}

fn add_users(accounts: &Path, imported: &Imported) -> Result<(), Failure> {
    for user in &imported.users {
        match edit::add(accounts, user) {
            Err(EditError::Exists(name)) => {
                complain(&format!("{}: user {name} is there already, left as it is", accounts.display()));
            }
            result => result?,
        }
    }
    Ok(())
}
