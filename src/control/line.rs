//! One message: a line of JSON, of bounded length, within a bounded time.

use super::VERSION;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A message with the version of its language.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    message: T,
}

/// The version alone, to be read first: the rest may look different in another one.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

/// A message as a line.
pub(super) fn write<T: Serialize>(message: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(&Versioned { version: VERSION, message }).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The message in a line; else what is wrong with it.
pub(super) fn read<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    let example = r#"write one like {"version":1,"do":"status"}"#;
    let head: Head =
        serde_json::from_slice(line).map_err(|error| format!("not a request: {error}; {example}"))?;
    if head.version != VERSION {
        return Err(format!("version {} is not spoken here; write {VERSION}", head.version));
    }
    let message = serde_json::from_slice::<Versioned<T>>(line);
    message.map(|read| read.message).map_err(|error| format!("not a request: {error}; {example}"))
}

/// Why no line came.
#[derive(Debug)]
pub(super) enum NoLine {
    /// The other side closed the connection, between two lines.
    End,
    /// It is longer than allowed.
    TooLong,
    /// The connection broke, or the time is over.
    Broken(io::Error),
}

/// Reads lines from a connection.
pub(super) struct Lines<'a> {
    stream: &'a UnixStream,
    unread: Vec<u8>,
    longest: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(stream: &'a UnixStream, longest: usize) -> Self {
        Self { stream, unread: Vec::new(), longest }
    }

    /// The next line without its end; all of it within `patience`, however slowly it comes.
    pub(super) fn next(&mut self, patience: Duration) -> Result<Vec<u8>, NoLine> {
        let until = Instant::now() + patience;
        let mut searched = 0;
        loop {
            let rest = self.unread.get(searched..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.unread.drain(..=searched + end).collect();
                line.pop();
                return Ok(line);
            }
            if self.unread.len() > self.longest {
                return Err(NoLine::TooLong);
            }
            searched = self.unread.len();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoLine::Broken(io::ErrorKind::TimedOut.into()));
            }
            self.stream.set_read_timeout(Some(left)).map_err(NoLine::Broken)?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) if self.unread.is_empty() => return Err(NoLine::End),
                Ok(0) => return Err(NoLine::Broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.unread.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(NoLine::Broken(error)),
            }
        }
    }
}

/// Sends a line; the other side has to take it within `patience`.
pub(super) fn send(mut stream: &UnixStream, line: &[u8], patience: Duration) -> io::Result<()> {
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(line)
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Request};
    use super::*;

    #[test]
    fn messages_are_lines_with_a_version() {
        let line = write(&Request::Status { sessions: true });
        assert_eq!(String::from_utf8_lossy(&line), "{\"version\":1,\"do\":\"status\",\"sessions\":true}\n");
        assert_eq!(read::<Request>(&line), Ok(Request::Status { sessions: true }));
        let line = write(&Answer::wrong("no"));
        assert_eq!(
            String::from_utf8_lossy(&line),
            "{\"version\":1,\"error\":{\"kind\":\"wrong\",\"message\":\"no\"}}\n"
        );
        assert_eq!(read::<Answer>(&line), Ok(Answer::wrong("no")));
    }

    #[test]
    fn what_is_no_request_is_told_so() {
        for (line, want) in [
            ("", "not a request: EOF"),
            ("{}", "not a request: missing field `version`"),
            (r#"{"version":2,"do":"status"}"#, "version 2 is not spoken here; write 1"),
            (r#"{"version":1,"do":"dance"}"#, "not a request: unknown variant `dance`"),
            (r#"{"version":1}"#, "not a request: missing field `do`"),
        ] {
            let found = read::<Request>(line.as_bytes()).unwrap_err();
            assert!(found.starts_with(want), "{line}: {found}");
        }
    }

    #[test]
    fn long_and_slow_lines_end() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut lines = Lines::new(&ours, 10);
        send(&theirs, b"one\ntwo\n", Duration::from_secs(1)).unwrap();
        for want in [&b"one"[..], b"two"] {
            assert_eq!(lines.next(Duration::from_secs(1)).unwrap(), want);
        }
        let waited = lines.next(Duration::from_millis(20));
        assert!(matches!(waited, Err(NoLine::Broken(_))), "{waited:?}");
        send(&theirs, &[b'x'; 100], Duration::from_secs(1)).unwrap();
        assert!(matches!(lines.next(Duration::from_secs(1)), Err(NoLine::TooLong)));
        drop(theirs);
    }
}
