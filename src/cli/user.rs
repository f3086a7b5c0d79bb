//! `ftpd user`: the users of an accounts file.

use super::{Failure, complain, password_from_environment, print, user_name, words};
use crate::accounts::edit::{self, EditError};
use crate::accounts::file::{parse_path, parse_rights, rights_names};
use crate::accounts::{AccountsFile, CertificateRule, LoginBy, PasswordHash, User, password};
use crate::certificate::Fingerprint;
use crate::size;
use crate::storage::Limits;
use clap::{Args, Subcommand};
use ftp_proto::account::Rights;
use ftp_proto::path::VirtualPath;
use std::fmt::Write as _;
use std::io::BufRead as _;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub(super) enum UserCommand {
    /// Add a user; the file is made if there is none
    Add {
        #[command(flatten)]
        file: File,
        /// The name to log in with
        #[arg(value_parser = user_name)]
        name: String,
        /// The user's directory [default: server.root of the configuration]
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
        /// What the user may do: read-only, all, none, or some of read, list, create, overwrite, append,
        /// delete, mkdir, rmdir, rename, attributes
        #[arg(long, default_value = "read-only", value_parser = parse_rights)]
        rights: Rights,
        /// Other rights below a directory, like /in=create,list; can be given several times
        #[arg(long, value_name = "PATH=RIGHTS", value_parser = rule)]
        rights_below: Vec<(VirtualPath, Rights)>,
        /// Where a session starts
        #[arg(long, value_name = "PATH", default_value = "/", value_parser = parse_path)]
        home: VirtualPath,
        /// How much there may be below the user's directory, like 10GiB
        #[arg(long, value_name = "SIZE", value_parser = size::parse)]
        quota: Option<u64>,
        /// How many files and directories there may be
        #[arg(long, value_name = "NUMBER")]
        quota_files: Option<u64>,
        /// What the user has to show; a certificate needs TLS
        #[arg(long, value_name = "WHAT", default_value = "password", value_parser = words(LoginBy::NAMES))]
        login: LoginBy,
        /// The SHA-256 fingerprint of a certificate of the user, AB:CD:…; can be given several times
        #[arg(long, value_name = "FINGERPRINT", value_parser = fingerprint)]
        certificate_fingerprint: Vec<Fingerprint>,
        #[command(flatten)]
        password: Password,
    },
    /// Give a user another password
    Passwd {
        #[command(flatten)]
        file: File,
        /// The user
        name: String,
        #[command(flatten)]
        password: Password,
    },
    /// Set how much a user may store
    Quota {
        #[command(flatten)]
        file: File,
        /// The user
        name: String,
        /// How much there may be below the user's directory, like 10GiB, or none
        #[arg(long, value_name = "SIZE", value_parser = |text: &str| or_none(text, size::parse))]
        quota: Option<Limit>,
        /// How many files and directories there may be, or none
        #[arg(long, value_name = "NUMBER", required_unless_present = "quota", value_parser = |text: &str| or_none(text, number))]
        quota_files: Option<Limit>,
    },
    /// Remove a user
    Remove {
        #[command(flatten)]
        file: File,
        /// The user
        name: String,
    },
    /// List the users with their rights and directories
    List {
        #[command(flatten)]
        file: File,
    },
}

#[derive(Args, Debug)]
pub(super) struct File {
    /// The accounts file
    #[arg(long = "accounts", value_name = "FILE")]
    path: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct Password {
    /// Read the password from standard input, one line
    #[arg(long, conflicts_with = "generate")]
    password_stdin: bool,
    /// Make a password and show it; done also when neither this nor FTPD_PASSWORD is given
    #[arg(long)]
    generate: bool,
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        match error {
            EditError::File(error) => error.into(),
            EditError::System(message) => Self::System(message),
            EditError::Exists(_) | EditError::Unknown(_) => Self::Configuration(format!("ftpd: {error}")),
        }
    }
}

pub(super) fn run(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add {
            file,
            name,
            root,
            rights,
            rights_below,
            home,
            quota,
            quota_files,
            login,
            certificate_fingerprint,
            password,
        } => {
            // What is in the file is relative to the file, what was typed to the working directory.
            let root = root.map(std::path::absolute).transpose();
            let root = root.map_err(|error| Failure::System(format!("--root: {error}")))?;
            if let Some(root) = root.as_deref().filter(|root| !root.is_dir()) {
                complain(&format!("warning: {}: no such directory yet", root.display()));
            }
            let certificates: Vec<_> =
                certificate_fingerprint.into_iter().map(CertificateRule::Fingerprint).collect();
            check_login(login, &certificates)?;
            let (hash, made) = if login.takes_password() {
                let (hash, made) = password.hash()?;
                (Some(hash), made)
            } else {
                (None, None)
            };
            let limits = Limits { bytes: quota, files: quota_files };
            let user =
                User { name, password: hash, login, certificates, root, rights, rights_below, home, limits };
            edit::add(&file.path, &user)?;
            show_made(&user.name, made);
        }
        UserCommand::Passwd { file, name, password } => {
            // Before a line is read or a password made: is there such a user?
            if !AccountsFile::load(&file.path)?.users.contains_key(&name) {
                return Err(EditError::Unknown(name).into());
            }
            let (hash, made) = password.hash()?;
            edit::set_password(&file.path, &name, &hash)?;
            show_made(&name, made);
        }
        UserCommand::Quota { file, name, quota, quota_files } => {
            edit::set_limits(
                &file.path,
                &name,
                quota.map(|limit| limit.0),
                quota_files.map(|limit| limit.0),
            )?;
        }
        UserCommand::Remove { file, name } => edit::remove(&file.path, &name)?,
        UserCommand::List { file } => print(&list(&AccountsFile::load(&file.path)?)),
    }
    Ok(())
}

/// What the command line says about certificates must fit together before a password is asked for.
fn check_login(login: LoginBy, certificates: &[CertificateRule]) -> Result<(), Failure> {
    let problem = match (login, certificates.is_empty()) {
        (LoginBy::Password, false) => {
            "--certificate-fingerprint: asked for by no --login; write --login certificate"
        }
        (LoginBy::Password, true) | (_, false) => return Ok(()),
        (_, true) => "--login: needs a certificate; write --certificate-fingerprint, see `ftpd tls show`",
    };
    Err(Failure::Configuration(format!("ftpd: {problem}")))
}

impl Password {
    /// The hash, and the password if it was made here.
    fn hash(&self) -> Result<(PasswordHash, Option<String>), Failure> {
        let given = if self.password_stdin {
            Some(read_line()?)
        } else if self.generate {
            None
        } else {
            password_from_environment()?
        };
        let (password, made) = match given {
            Some(password) => (password, None),
            None => {
                let password = password::generate().map_err(Failure::System)?;
                (password.clone(), Some(password))
            }
        };
        Ok((PasswordHash::of(password.as_bytes()).map_err(Failure::System)?, made))
    }
}

fn read_line() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::System(format!("standard input: {error}")))?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::Configuration(
            "ftpd: --password-stdin: empty; write the password as one line to standard input".to_owned(),
        ));
    }
    Ok(password.to_owned())
}

fn show_made(name: &str, password: Option<String>) {
    if let Some(password) = password {
        print(&format!("user {name}, password {password} (shown only now)\n"));
    }
}

/// One line per user: name, rights, directory, and what differs below.
fn list(file: &AccountsFile) -> String {
    let mut text = String::new();
    for user in file.users.values() {
        let root = user.root.as_deref().map_or("server.root".into(), |root| root.display().to_string());
        // Writing to a string can't fail.
        let _ = write!(text, "{}\t{}\t{root}", user.name, rights_names(user.rights).join(","));
        for (path, rights) in &user.rights_below {
            let _ = write!(text, "\t{path}={}", rights_names(*rights).join(","));
        }
        if !user.home.is_root() {
            let _ = write!(text, "\thome={}", user.home);
        }
        if let Some(bytes) = user.limits.bytes {
            let _ = write!(text, "\tquota={}", size::show(bytes));
        }
        if let Some(files) = user.limits.files {
            let _ = write!(text, "\tquota_files={files}");
        }
        if user.login != LoginBy::default() {
            let _ = write!(text, "\tlogin={}", user.login.name());
        }
        for certificate in &user.certificates {
            let _ = write!(text, "\t{certificate}");
        }
        text.push('\n');
    }
    text
}

/// A limit that is set, or taken away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit(Option<u64>);

fn or_none(text: &str, parse: fn(&str) -> Result<u64, String>) -> Result<Limit, String> {
    if text == "none" { Ok(Limit(None)) } else { parse(text).map(|limit| Limit(Some(limit))) }
}

fn number(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| i64::try_from(*number).is_ok());
    number.ok_or_else(|| format!("{text:?} is no number of files; write one like 100000, or none"))
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    text.parse()
}

fn rule(text: &str) -> Result<(VirtualPath, Rights), String> {
    let (path, rights) =
        text.rsplit_once('=').ok_or_else(|| "no \"=\" in it; write it like /in=create,list".to_owned())?;
    Ok((parse_path(path)?, parse_rights(rights)?))
}
