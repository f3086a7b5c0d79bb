//! Runs a client program, with a deadline and a home without settings.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::server::Server;

/// Far more than any case takes; what reaches it hangs.
const DEADLINE: Duration = Duration::from_secs(180);

/// A client program about to run.
pub(crate) struct Client {
    command: Command,
    program: String,
    input: Vec<u8>,
}

/// What it said.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: Vec<u8>,
}

impl Transcript {
    /// What it printed to its output, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// The lines of its output.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    pub(crate) fn everything(&self) -> String {
        format!("{}\n{}\n{}", self.status, self.text(), String::from_utf8_lossy(&self.errors))
    }
}

impl Client {
    /// A program that works in the server's folder for clients.
    pub(crate) fn new(server: &Server, program: &str) -> Self {
        let mut command = Command::new(program);
        command.current_dir(server.work("")).env("HOME", server.home()).env("XDG_CONFIG_HOME", server.home());
        // Names are bytes: in this locale no client converts them.
        command.env("LC_ALL", "C").env_remove("LANGUAGE").env_remove("PAGER");
        for proxy in ["ftp_proxy", "FTP_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY"] {
            command.env_remove(proxy);
        }
        Self { command, program: program.to_owned(), input: Vec::new() }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, arguments: I) -> Self {
        self.command.args(arguments);
        self
    }

    /// What it reads from its standard input.
    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Runs it to its end, however that turns out.
    pub(crate) fn run(mut self) -> Transcript {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|why| {
            panic!("{} doesn't start: {why}. These tests need it; .ci/test installs it.", self.program)
        });
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = std::mem::take(&mut self.input);
        // A client that ends early closes the pipe: not the test's business.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let output = collect(child.stdout.take().expect("a pipe"));
        let errors = collect(child.stderr.take().expect("a pipe"));
        let (status, hung) = wait(&mut child);
        writer.join().expect("no panic");
        let transcript = Transcript {
            status,
            output: output.join().expect("no panic"),
            errors: errors.join().expect("no panic"),
        };
        assert!(!hung, "{} hangs: {:?}\n{}", self.program, self.command, transcript.everything());
        transcript
    }

    /// Runs it and fails the test unless it ends with success.
    pub(crate) fn succeed(self) -> Transcript {
        let shown = format!("{:?}", self.command);
        let input = String::from_utf8_lossy(&self.input).into_owned();
        let transcript = self.run();
        assert!(transcript.status.success(), "{shown}\n{input}\n{}", transcript.everything());
        transcript
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// Waits for the end; whether it had to be killed.
fn wait(child: &mut Child) -> (ExitStatus, bool) {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return (status, false);
        }
        if Instant::now() > until {
            child.kill().expect("it is our child");
            return (child.wait().expect("it is our child"), true);
        }
        thread::sleep(Duration::from_millis(2));
    }
}
