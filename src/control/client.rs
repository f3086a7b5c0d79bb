//! The client's side: finding the server that runs, and asking it.

use super::line::{self, Lines, NoLine};
use super::{Answer, Refusal, Request, Status, place};
use crate::config_file::reader::plain;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer may take: the server may be opening a thousand ports.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer: a list of all sessions.
const LONGEST_ANSWER: usize = 64 << 20;

/// Why a server could not be asked. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No server runs that could be asked.
    #[error("no running server found ({0}); start one, or name its socket by --socket PATH")]
    NotFound(String),
    /// There are several.
    #[error("{} servers run here; name one by --socket: {}", .0.len(), list(.0))]
    Several(Vec<PathBuf>),
    /// The socket can't be used.
    #[error("{}: {reason}", .path.display())]
    Socket {
        /// Which one.
        path: PathBuf,
        /// In the system's words.
        reason: String,
    },
    /// The server understood, and said no.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// A connection to a running server.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
}

impl Client {
    /// Connects to the server with this socket; `None`: to the only one that runs on this machine and answers to us.
    ///
    /// # Errors
    /// [`ControlError`] if there is none, or several, or it can't be reached.
    pub fn find(socket: Option<&Path>) -> Result<Self, ControlError> {
        match socket {
            Some(path) => Self::connect(path).map_err(|error| trouble(path, &error)),
            None => Self::only_one(&place::directories_to_search()),
        }
    }

    fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        Ok(Self { stream, path: path.to_owned() })
    }

    /// The only live one in these directories.
    fn only_one(directories: &[PathBuf]) -> Result<Self, ControlError> {
        let (mut found, mut refused) = (Vec::new(), None);
        for path in directories.iter().flat_map(|directory| place::sockets_in(directory)) {
            match Self::connect(&path) {
                Ok(client) => found.push(client),
                // Another user's.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    refused.get_or_insert(trouble(&path, &error));
                }
                // Left over from one that was killed.
                Err(_) => {}
            }
        }
        if found.len() > 1 {
            return Err(ControlError::Several(found.into_iter().map(|client| client.path).collect()));
        }
        match (found.pop(), refused) {
            (Some(client), _) => Ok(client),
            (None, Some(refused)) => Err(refused),
            (None, None) => Err(ControlError::NotFound(format!("no socket in {}", list(directories)))),
        }
    }

    /// The server's socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`ControlError::Socket`] if the server is gone, [`ControlError::Refused`] if it says no.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ControlError> {
        let broken = |error: &io::Error| trouble(&self.path, error);
        line::send(&self.stream, &line::write(request), PATIENCE).map_err(|error| broken(&error))?;
        let answer = match Lines::new(&self.stream, LONGEST_ANSWER).next(PATIENCE) {
            Ok(answer) => answer,
            Err(NoLine::Broken(error)) => return Err(broken(&error)),
            Err(NoLine::End | NoLine::TooLong) => return Err(self.unexpected("closed the connection")),
        };
        match line::read(&answer) {
            Ok(Answer::Error(refusal)) => Err(ControlError::Refused(refusal)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(self.unexpected("speaks another version; use the program the server runs")),
        }
    }

    /// How the server stands, without a list of its sessions.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn status(&mut self) -> Result<Status, ControlError> {
        self.status_with(false)
    }

    /// How the server stands.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn status_with(&mut self, sessions: bool) -> Result<Status, ControlError> {
        match self.ask(&Request::Status { sessions })? {
            Answer::Status(status) => Ok(*status),
            _ => Err(self.unexpected("gave another answer than was asked for")),
        }
    }

    /// The text of the configuration that holds: the file's, with what was set since.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn configuration(&mut self) -> Result<String, ControlError> {
        match self.ask(&Request::Configuration)? {
            Answer::Configuration(text) => Ok(text),
            _ => Err(self.unexpected("gave another answer than was asked for")),
        }
    }

    pub(crate) fn unexpected(&self, what: &str) -> ControlError {
        ControlError::Socket { path: self.path.clone(), reason: format!("the server {what}") }
    }
}

fn trouble(path: &Path, error: &io::Error) -> ControlError {
    let reason = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "the server belongs to another user; ask as that user or as root".to_owned()
        }
        io::ErrorKind::ConnectionRefused => "no server answers here any more".to_owned(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "the server does not answer".to_owned(),
        _ => plain(error),
    };
    ControlError::Socket { path: path.to_owned(), reason }
}
