//! The command line: `ftpd serve`; `ftpd set`, `get`, `status`, `bans`, `reload` for a server that runs; `ftpd check-config`,
//! `ftpd doctor`, `ftpd user`, `ftpd tls`, `ftpd import`, `ftpd firewall`.
//!
//! Errors are one line on standard error. The exit code is 2 if what was written is wrong (command line,
//! configuration, accounts file) and 1 if the system says no.

mod advertised;
mod answer;
mod bans;
mod check;
mod confine;
mod doctor;
mod firewall;
mod hosts;
mod import;
mod introduction;
mod live;
mod notify;
mod plan;
mod policy;
mod remote;
mod report;
mod serve;
mod signals;
mod tls;
mod user;
mod watch;

use crate::config_file::{ControlSocket, FileError, LogFormat, RuntimeKind, UPLOADS_NAMES, Uploads};
use crate::sandbox::Mode;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use ftp_proto::config::{External, PassivePorts};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// The environment variable with the password for `serve --user`, `user add` and `user passwd`.
pub const PASSWORD_VARIABLE: &str = "FTPD_PASSWORD";

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something that was written is wrong.
    Configuration(String),
    /// The same, in a file.
    InFile(FileError),
    /// The system says no.
    System(String),
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::InFile(error)
    }
}

/// An FTP server whose passive mode works through firewalls and NAT.
#[derive(Parser, Debug)]
#[command(name = "ftpd", version, about, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve a directory, or what a configuration file says
    #[command(after_help = SERVE_HELP)]
    Serve(Box<ServeArguments>),
    /// Check a configuration file and show what it amounts to
    CheckConfig {
        /// The configuration file
        file: PathBuf,
    },
    /// Change settings of the running server; no session notices
    #[command(after_help = remote::SET_HELP)]
    Set(remote::SetArguments),
    /// Let the defaults of keys hold in the running server
    Unset(remote::UnsetArguments),
    /// Show what holds in the running server
    Get(remote::GetArguments),
    /// Show how the running server stands
    Status(remote::StatusArguments),
    /// Show who is banned in the running server, or lift bans
    Bans(bans::BansArguments),
    /// Make the running server read its files again
    Reload(remote::ReloadArguments),
    /// Find out what is wrong with a set-up before users do, and try it
    #[command(after_help = doctor::HELP)]
    Doctor(Box<doctor::DoctorArguments>),
    /// Change or show the users of an accounts file
    #[command(subcommand)]
    User(user::UserCommand),
    /// Look at certificates
    #[command(subcommand)]
    Tls(tls::TlsCommand),
    /// Turn another server's configuration into one of ours
    #[command(after_help = IMPORT_HELP)]
    Import(import::ImportArguments),
    /// Say what firewalls have to let through, check whether they do, and make them
    #[command(subcommand)]
    Firewall(Box<firewall::FirewallCommand>),
}

const IMPORT_HELP: &str = "\
What does not translate is told on standard error with its line and what to do instead, and in comments at
the end of the configuration. The exit code is 0 if all translated, 1 if something needs attention, 2 if the
file can't be read or parsed.";

const SERVE_HELP: &str = "\
Without --user anybody may read DIR, as user \"anonymous\" with any password. With --user that user has
all rights and nobody else may enter; the password is taken from the environment variable FTPD_PASSWORD,
or made and shown once.";

/// `ftpd serve`.
#[derive(Args, Debug)]
struct ServeArguments {
    /// The directory to serve
    #[arg(required_unless_present = "config", conflicts_with = "config")]
    dir: Option<PathBuf>,
    /// Take everything from this file instead
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Let only this user in, with all rights
    #[arg(long, value_name = "NAME", conflicts_with = "config", value_parser = user_name)]
    user: Option<String>,
    /// Let anonymous clients upload, too (never overwrite, rename or delete)
    #[arg(long, conflicts_with = "config")]
    writable: bool,
    /// Where clients connect [default: [::]:2121, IPv4 included]; can be given several times
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = crate::config_file::parse_bind)]
    bind: Vec<SocketAddr>,
    /// Offer TLS, with a certificate made for it and kept; passwords are then asked for under TLS only
    #[arg(long, conflicts_with = "config")]
    tls: bool,
    /// Offer TLS with this certificate and those of its issuers behind it (PEM)
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key (PEM), if it is in a file of its own
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Where clients connect that begin with TLS at once (port 990 by tradition); can be given several times
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = crate::config_file::parse_bind)]
    bind_implicit_tls: Vec<SocketAddr>,
    /// Ports for passive data connections: FIRST-LAST, one port, or auto:N [default: 21000-21099]
    #[arg(long, value_name = "PORTS", conflicts_with = "config", value_parser = passive_ports)]
    passive_ports: Option<PassivePorts>,
    /// The address clients are told for passive data connections, if it isn't the one they connected to
    #[arg(long, value_name = "IP|NAME", conflicts_with = "config", value_parser = crate::config_file::parse_external)]
    external_address: Option<External>,
    /// Make active data connections from this port (20 by tradition)
    #[arg(long, value_name = "PORT", conflicts_with = "config")]
    active_source_port: Option<u16>,
    /// What drives the sessions [default: smol]
    #[arg(long, value_parser = words(RuntimeKind::NAMES))]
    runtime: Option<RuntimeKind>,
    /// Show uploads when they are complete, or from their first byte on [default: atomic]
    #[arg(long, conflicts_with = "config", value_parser = words(UPLOADS_NAMES))]
    uploads: Option<Uploads>,
    /// The form of log lines [default: human]
    #[arg(long, value_parser = words(LogFormat::NAMES))]
    log_format: Option<LogFormat>,
    /// Where `ftpd set` and `ftpd status` ask this server, or "off" [default: where they look by themselves]
    #[arg(long, value_name = "PATH", value_parser = control_socket)]
    control_socket: Option<ControlSocket>,
    /// Become this user (and group) when root starts the server; names or numbers
    #[arg(long, value_name = "USER[:GROUP]", value_parser = user_and_group)]
    run_as: Option<(String, Option<String>)>,
    /// Keep the server from all files but those it needs, by Landlock (Linux) [default: auto]
    #[arg(long, value_parser = words(Mode::NAMES))]
    sandbox: Option<Mode>,
    /// Log each command and reply; twice: everything
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// The whole program.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(*arguments),
        Command::CheckConfig { file } => check::run(&file),
        Command::Set(arguments) => remote::set(arguments),
        Command::Unset(arguments) => remote::unset(arguments),
        Command::Get(arguments) => remote::get(arguments),
        Command::Status(arguments) => remote::status(&arguments),
        Command::Bans(arguments) => bans::run(&arguments),
        Command::Reload(arguments) => remote::reload(&arguments),
        Command::Doctor(arguments) => match doctor::run(*arguments) {
            Ok(code) => return code,
            Err(failure) => Err(failure),
        },
        Command::User(command) => user::run(command),
        Command::Tls(command) => tls::run(command),
        Command::Import(arguments) => import::run(&arguments),
        Command::Firewall(command) => match firewall::run(*command) {
            Ok(code) => return code,
            Err(failure) => Err(failure),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(message)) => {
            complain(&message);
            ExitCode::from(2)
        }
        Err(Failure::InFile(error)) => {
            complain(&error.to_string());
            ExitCode::from(2)
        }
        Err(Failure::System(message)) => {
            complain(&format!("ftpd: {message}"));
            ExitCode::from(1)
        }
    }
}

/// One of a few words, each with its meaning.
fn words<T: Copy + Send + Sync + 'static>(
    names: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names.iter().map(|(name, _)| *name)).try_map(|word| {
        names
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| format!("{word:?} is none of the choices"))
    })
}

fn passive_ports(text: &str) -> Result<PassivePorts, String> {
    text.parse::<PassivePorts>().map_err(|error| error.problem)
}

fn control_socket(text: &str) -> Result<ControlSocket, String> {
    match text {
        "" => Err("write a path, or \"off\"".to_owned()),
        "off" => Ok(ControlSocket::Off),
        path => Ok(ControlSocket::At(PathBuf::from(path))),
    }
}

fn user_and_group(text: &str) -> Result<(String, Option<String>), String> {
    use crate::config_file::parse_name;
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let group = group.map(parse_name).transpose()?;
    Ok((parse_name(user)?.to_owned(), group.map(str::to_owned)))
}

fn user_name(text: &str) -> Result<String, String> {
    crate::accounts::file::check_name(text).map(|()| text.to_owned())
}

/// Text on standard output. Somebody who closed it does not want to know.
fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A line on standard error. If that is closed or full, the exit code has to do.
fn complain(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The password from the environment, if there is one.
fn password_from_environment() -> Result<Option<String>, Failure> {
    match std::env::var(PASSWORD_VARIABLE) {
        Ok(password) if password.is_empty() => Err(Failure::Configuration(format!(
            "ftpd: {PASSWORD_VARIABLE}: empty; write a password, or unset it"
        ))),
        Ok(password) => Ok(Some(password)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::Configuration(format!("ftpd: {PASSWORD_VARIABLE}: not UTF-8; write it in UTF-8")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
