//! The command line.

use std::net::{IpAddr, Ipv4Addr};

/// What went wrong, in a few words: it ends up in the results.
pub(crate) type Outcome<T> = Result<T, String>;

pub(crate) struct Options {
    pub(crate) workload: String,
    pub(crate) name: String,
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    /// The server's first process and its control group, to read its figures from.
    pub(crate) pid: u32,
    pub(crate) group: String,
    pub(crate) sessions: usize,
    /// Operations of each session at most, and seconds at most (0: no limit).
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    /// What is downloaded or listed.
    pub(crate) file: String,
    /// A local file: what is uploaded, or what a download is compared with.
    pub(crate) source: String,
    pub(crate) size: u64,
    pub(crate) command: String,
    pub(crate) folder: String,
    /// Commands that are sent together.
    pub(crate) depth: usize,
    /// Downloads that are begun and left open, unread, and of what.
    pub(crate) hold: usize,
    pub(crate) hold_file: String,
    /// A local file to drop from the page cache before each operation.
    pub(crate) evict: String,
    pub(crate) tls: bool,
    pub(crate) tls12: bool,
    pub(crate) suite: String,
    pub(crate) resume: bool,
    pub(crate) quick_ack: bool,
    pub(crate) deflate: bool,
    /// One more session, whose NOOPs are timed meanwhile.
    pub(crate) bystander: bool,
    /// The account whose password is hashed for real, and how many log in by it at the same time.
    pub(crate) slow_user: String,
    pub(crate) logins: usize,
}

impl Options {
    pub(crate) fn parse() -> Outcome<Self> {
        let mut arguments = std::env::args().skip(1);
        let mut options = Self {
            workload: arguments.next().unwrap_or_default(),
            name: "server".into(),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 21,
            user: "anonymous".into(),
            password: "a@b".into(),
            pid: 0,
            group: String::new(),
            sessions: 1,
            count: u64::MAX,
            seconds: 0.0,
            file: "f1k".into(),
            source: String::new(),
            size: 1024,
            command: "NOOP".into(),
            folder: String::new(),
            depth: 1,
            hold: 0,
            hold_file: "big".into(),
            evict: String::new(),
            tls: false,
            tls12: false,
            suite: String::new(),
            resume: true,
            quick_ack: false,
            deflate: false,
            bystander: false,
            slow_user: String::new(),
            logins: 4,
        };
        while let Some(name) = arguments.next() {
            options.set(&name, || arguments.next().ok_or_else(|| format!("{name} needs a value")))?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, mut value: impl FnMut() -> Outcome<String>) -> Outcome<()> {
        match name {
            "--name" => self.name = value()?,
            "--host" => self.host = number(&value()?)?,
            "--port" => self.port = number(&value()?)?,
            "--user" => self.user = value()?,
            "--pass" => self.password = value()?,
            "--pid" => self.pid = number(&value()?)?,
            "--cgroup" => self.group = value()?,
            "--sessions" => self.sessions = number(&value()?)?,
            "--count" => self.count = number(&value()?)?,
            "--seconds" => self.seconds = number(&value()?)?,
            "--file" => self.file = value()?,
            "--source" => self.source = value()?,
            "--size" => self.size = number(&value()?)?,
            "--command" => self.command = value()?,
            "--cwd" => self.folder = value()?,
            "--depth" => self.depth = number(&value()?)?,
            "--hold" => self.hold = number(&value()?)?,
            "--hold-file" => self.hold_file = value()?,
            "--evict" => self.evict = value()?,
            "--tls" => self.tls = true,
            "--tls12" => self.tls12 = true,
            "--suite" => self.suite = value()?,
            "--no-resume" => self.resume = false,
            "--quickack" => self.quick_ack = true,
            "--deflate" => self.deflate = true,
            "--bystander" => self.bystander = true,
            "--slow-user" => self.slow_user = value()?,
            "--logins" => self.logins = number(&value()?)?,
            _ => return Err(format!("unknown option {name}")),
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Outcome<T> {
    text.parse().map_err(|_| format!("what is {text:?}?"))
}

/// Puts what was being done before an error.
pub(crate) fn told<T>(what: &str, result: std::io::Result<T>) -> Outcome<T> {
    result.map_err(|error| format!("{what}: {error}"))
}
