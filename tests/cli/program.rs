//! The built program as tests start it, and a client that talks to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn ftpd(arguments: &[&str]) -> Command {
    let program = std::env::var_os("FTPD_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_ftpd").into());
    let mut command = Command::new(program);
    command.args(arguments).env_remove("FTPD_PASSWORD").stdin(Stdio::null());
    // Not where the servers of this machine have their sockets.
    command.env("RUNTIME_DIRECTORY", env!("CARGO_TARGET_TMPDIR"));
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    ftpd(arguments).output().unwrap()
}

/// The exit code, standard output and standard error.
pub(crate) fn result(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) introduction: Vec<String>,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts and waits until it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_logging(command, Stdio::piped())
    }

    /// As [`start`](Self::start), with the log somewhere else.
    pub(crate) fn start_logging(command: &mut Command, log: Stdio) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut introduction = Vec::new();
        // The introduction is written at once; its last line for sure is the one about passive ports.
        for line in lines.by_ref() {
            let line = line.unwrap();
            let last = line.starts_with("passive port");
            introduction.push(line);
            if last {
                break;
            }
        }
        let address = introduction.iter().find_map(|line| line.strip_prefix("listening on "));
        let address = address.expect("it listens").parse().unwrap();
        Self { child, introduction, address }
    }

    /// Sends command lines and returns the replies' first lines, the greeting first.
    pub(crate) fn talk(&self, lines: &[&str]) -> Vec<String> {
        let mut client = Client::connect(self.address);
        let mut replies = vec![client.reply()];
        for line in lines {
            client.send(line);
            replies.push(client.reply());
        }
        replies
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the end and returns the exit code and the log.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Client {
    pub(crate) lines: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { lines: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, line: &str) {
        self.lines.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    /// The last line of the next reply; empty at the end.
    pub(crate) fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).unwrap();
            if line.is_empty() || line.as_bytes().get(3) == Some(&b' ') {
                return line.trim_end().to_owned();
            }
        }
    }
}

/// Tries until it works.
pub(crate) fn eventually(mut works: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !works() {
        assert!(begin.elapsed() < PATIENCE, "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The adapters it runs on.
pub(crate) const RUNTIMES: [&str; 2] = ["smol", "threads"];
