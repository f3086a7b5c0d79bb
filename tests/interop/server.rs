//! The program under test, with a folder of its own.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::configuration::Configuration;

/// Who logs in, with write access.
pub(crate) const USER: &str = "bob";
/// The password of [`USER`].
pub(crate) const PASSWORD: &str = "correct-horse";

/// What the program runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Smol,
    Threads,
}

impl Runtime {
    fn name(self) -> &'static str {
        match self {
            Self::Smol => "smol",
            Self::Threads => "threads",
        }
    }
}

/// What differs from test to test.
pub(crate) struct Setup {
    runtime: Runtime,
    bind: String,
    passive_ports: String,
    anonymous: bool,
    tls: bool,
    makes_password: bool,
    /// A file in place of most of the command line.
    configuration: Option<Configuration>,
}

impl Setup {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self {
            runtime,
            bind: String::from("127.0.0.1:0"),
            passive_ports: String::from("auto:8"),
            anonymous: false,
            tls: false,
            makes_password: false,
            configuration: None,
        }
    }

    /// With a configuration file: certificates, a listener for implicit TLS, and these lines below `[tls]`. [`USER`]
    /// logs in as ever, and so does anybody.
    pub(crate) fn secured(mut self, lines: &str) -> Self {
        self.configuration.get_or_insert_default().tls.push_str(lines);
        self
    }

    /// With these users, too, as the accounts file of a configuration has them.
    pub(crate) fn users(mut self, lines: &str) -> Self {
        self.configuration.get_or_insert_default().users.push_str(lines);
        self
    }

    /// With these sections in a configuration file.
    pub(crate) fn sections(mut self, lines: &str) -> Self {
        self.configuration.get_or_insert_default().sections.push_str(lines);
        self
    }

    /// With a configuration file that has [`HOSTS`](crate::configuration::HOSTS).
    pub(crate) fn hosts(mut self) -> Self {
        self.configuration.get_or_insert_default().hosts = true;
        self
    }

    /// With a configuration file in which anybody may upload.
    pub(crate) fn guests_upload(mut self) -> Self {
        self.configuration.get_or_insert_default().guests_upload = true;
        self
    }

    /// Listens on the IPv6 loopback address instead of the IPv4 one.
    pub(crate) fn ipv6(mut self) -> Self {
        self.bind = String::from("[::1]:0");
        self
    }

    /// Listens where an earlier server did.
    pub(crate) fn at(mut self, address: SocketAddr) -> Self {
        self.bind = address.to_string();
        self
    }

    /// Listens on this many passive ports.
    pub(crate) fn passive_ports(mut self, count: u16) -> Self {
        self.passive_ports = format!("auto:{count}");
        self
    }

    /// Lets anybody in, read-only, in place of [`USER`]: what the program does without any option.
    pub(crate) fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// With a certificate of the program's own making, kept in [`Server::home`].
    pub(crate) fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// The program makes the password of [`USER`] and shows it.
    pub(crate) fn makes_password(mut self) -> Self {
        self.makes_password = true;
        self
    }

    /// Starts with an empty folder.
    pub(crate) fn start(&self) -> Server {
        let folder = TempDir::new().expect("a temporary folder");
        fs::create_dir(folder.path().join("root")).expect("the folder to serve");
        fs::create_dir(folder.path().join("home")).expect("a home for the clients");
        fs::create_dir(folder.path().join("work")).expect("a folder for the clients");
        self.start_in(Arc::new(folder))
    }

    /// Starts with the folder of an earlier server.
    pub(crate) fn start_in(&self, folder: Arc<TempDir>) -> Server {
        let mut command = Command::new(program());
        command.arg("serve").args(["--bind", &self.bind, "--runtime", self.runtime.name()]);
        match &self.configuration {
            Some(configuration) => {
                command.arg("--config").arg(configuration.write(folder.path(), &self.passive_ports));
            }
            None => self.without_file(&mut command, folder.path()),
        }
        command.env("HOME", folder.path().join("home")).env_remove("XDG_DATA_HOME");
        command.env("RUNTIME_DIRECTORY", folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let addresses = follow(&mut child, &log);
        let listens = |child: &mut Child| {
            addresses.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the program never listened:\n{}", String::from_utf8_lossy(&log.lock().unwrap()));
            })
        };
        let address = listens(&mut child);
        let implicit = self.configuration.as_ref().map(|_| listens(&mut child));
        Server { child, address, implicit, folder, log }
    }
}

impl Setup {
    /// Everything on the command line.
    fn without_file(&self, command: &mut Command, folder: &Path) {
        command.arg(folder.join("root")).args(["--passive-ports", &self.passive_ports]);
        if !self.anonymous {
            command.args(["--user", USER]);
        }
        if self.makes_password {
            command.env_remove("FTPD_PASSWORD");
        } else {
            command.env("FTPD_PASSWORD", PASSWORD);
        }
        if self.tls {
            command.arg("--tls");
        }
    }
}

/// The program: what cargo built for this test, or another one by request.
fn program() -> PathBuf {
    std::env::var_os("FTPD_PROGRAM").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_ftpd")), PathBuf::from)
}

/// Keeps what the program prints, and sends each address it listens on: the plain one first.
fn follow(child: &mut Child, log: &Arc<Mutex<Vec<u8>>>) -> mpsc::Receiver<SocketAddr> {
    let (sender, receiver) = mpsc::channel();
    let output = child.stdout.take().expect("a pipe");
    let errors = child.stderr.take().expect("a pipe");
    let keep = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line);
            if let Some((_, rest)) = text.split_once("listening on ")
                && let Some(address) = rest.split([',', ' ']).next().and_then(|word| word.parse().ok())
            {
                let _ = sender.send(address);
            }
            keep.lock().unwrap().extend(line.iter().chain(b"\n"));
        }
    });
    let keep = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
            keep.lock().unwrap().extend(line.iter().chain(b"\n"));
        }
    });
    receiver
}

/// The running program. Dropped, it is killed; in a failing test its log is shown.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// Where TLS begins with the connection.
    implicit: Option<SocketAddr>,
    folder: Arc<TempDir>,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// One on the IPv4 loopback address with eight passive ports and [`USER`].
    pub(crate) fn start(runtime: Runtime) -> Self {
        Setup::new(runtime).start()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it says at its start about how to connect: the commands, as they can be pasted into a shell.
    pub(crate) fn suggested_commands(&self) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let printed = self.log();
            // The introduction ends with the passive ports.
            if printed.lines().any(|line| line.starts_with("passive ports ")) {
                let indented = printed.lines().filter_map(|line| line.strip_prefix("  "));
                return indented.map(str::to_owned).collect();
            }
            assert!(Instant::now() < until, "it says nothing: {printed}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The port it listens on, as clients take it.
    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// The address it listens on, without the port and without brackets.
    pub(crate) fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// `ftp://ADDRESS:PORT/PATH`; the path is to be percent-encoded already and has no slash in front.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("ftp://{}/{path}", self.address)
    }

    /// Where it listens for those who begin with TLS.
    pub(crate) fn implicit_address(&self) -> SocketAddr {
        self.implicit.expect("it has TLS")
    }

    /// `ftps://ADDRESS:PORT/PATH`, as [`url`](Self::url), where TLS begins with the connection.
    pub(crate) fn implicit_url(&self, path: &str) -> String {
        format!("ftps://{}/{path}", self.implicit_address())
    }

    /// A file of those that a [`Configuration`] makes for TLS.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.folder.path().join("tls").join(name)
    }

    /// The configuration file.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join("ftpd.toml")
    }

    /// Runs the program again, to ask the running one; what it says.
    pub(crate) fn command(&self, words: &[&str]) -> String {
        let socket = self.folder.path().join(format!("{}.sock", self.address.port()));
        let output = Command::new(program()).args(words).arg("--socket").arg(socket).output();
        let output = output.expect("the program starts");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What it has printed and logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    /// Waits until this many lines of the log hold this. The log comes behind what clients see.
    pub(crate) fn wait_for_log(&self, text: &str, lines: usize) {
        let until = Instant::now() + Duration::from_secs(30);
        while self.log().lines().filter(|line| line.contains(text)).count() < lines {
            assert!(Instant::now() < until, "{text:?} is not in the log, or not {lines} times");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until all control connections are over; fails unless there were this many, and all of their data
    /// connections resumed.
    pub(crate) fn assert_sessions(&self, number: usize) {
        self.wait_for_log(" session closed ", number);
        let log = self.log();
        assert_eq!(log.lines().filter(|line| line.contains(" logged in ")).count(), number, "logins");
        assert!(!log.contains("not resumed"), "a data connection didn't resume");
    }

    /// Fails unless this many data connections came without a ticket, all of them after the client had used up its own.
    pub(crate) fn assert_exhausted(&self, number: usize) {
        let log = self.log();
        let without = log.lines().filter(|line| line.contains("not resumed")).collect::<Vec<_>>();
        assert!(without.iter().all(|line| line.contains("resumption=Exhausted")), "{without:?}");
        assert_eq!(without.len(), number, "{without:?}");
    }

    /// The folder that outlives this server as long as somebody holds it.
    pub(crate) fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// Where a client's path lies on this machine.
    pub(crate) fn path(&self, name: impl AsRef<[u8]>) -> PathBuf {
        self.folder.path().join("root").join(OsStr::from_bytes(name.as_ref()))
    }

    /// A home for clients, with no settings in it.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Where clients keep their own files.
    pub(crate) fn work(&self, name: impl AsRef<[u8]>) -> PathBuf {
        self.folder.path().join("work").join(OsStr::from_bytes(name.as_ref()))
    }

    /// Puts a file into the served folder behind the program's back.
    pub(crate) fn put(&self, name: impl AsRef<[u8]>, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("the served folder is writable");
    }

    /// What a served file holds.
    pub(crate) fn get(&self, name: impl AsRef<[u8]>) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    }

    /// Puts a file into the clients' folder.
    pub(crate) fn give(&self, name: impl AsRef<[u8]>, bytes: &[u8]) -> PathBuf {
        let path = self.work(name);
        fs::write(&path, bytes).expect("the clients' folder is writable");
        path
    }

    /// What a client's file holds.
    pub(crate) fn got(&self, name: impl AsRef<[u8]>) -> Vec<u8> {
        let path = self.work(name);
        fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    }

    /// Kills it at once, as a crash or a power cut would.
    pub(crate) fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it ends");
        self.folder()
    }

    /// Sends SIGTERM, as service managers do.
    pub(crate) fn ask_to_stop(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Sends SIGHUP, as who has changed a file does.
    pub(crate) fn ask_to_reload(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).expect("it runs");
    }

    /// Waits until it ended by itself.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("it ends")
    }

    /// Waits until the files in the served folder, hidden ones included, hold so many bytes.
    pub(crate) fn wait_for_bytes(&self, bytes: u64) {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let entries = fs::read_dir(self.path("")).expect("the served folder is there").flatten();
            let sum: u64 = entries.filter_map(|entry| entry.metadata().ok()).map(|facts| facts.len()).sum();
            if sum >= bytes {
                return;
            }
            assert!(Instant::now() < until, "only {sum} bytes reached the disk");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Memory in use now (resident), in KiB.
    pub(crate) fn memory(&self) -> u64 {
        self.status_line("VmRSS:")
    }

    /// The most memory ever in use, in KiB.
    pub(crate) fn memory_peak(&self) -> u64 {
        self.status_line("VmHWM:")
    }

    fn status_line(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel tells it");
        line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
    }

    /// The TCP ports it listens on, in order.
    pub(crate) fn listening_ports(&self) -> Vec<u16> {
        let sockets = sockets_of(self.child.id());
        let mut ports = Vec::new();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let mut text = String::new();
            fs::File::open(table).and_then(|mut file| file.read_to_string(&mut text)).expect(table);
            for line in text.lines().skip(1) {
                let words: Vec<&str> = line.split_whitespace().collect();
                let (Some(local), Some(&"0A"), Some(inode)) = (words.get(1), words.get(3), words.get(9))
                else {
                    continue;
                };
                if sockets.iter().any(|socket| socket == inode) {
                    let port = local.rsplit(':').next().expect("an address has a port");
                    ports.push(u16::from_str_radix(port, 16).expect("a port in hexadecimal"));
                }
            }
        }
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

/// The inode numbers of a process's sockets.
fn sockets_of(process: u32) -> Vec<String> {
    let folder = PathBuf::from(format!("/proc/{process}/fd"));
    let mut sockets = Vec::new();
    for entry in fs::read_dir(folder).expect("it runs").flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        if let Some(inode) = socket_inode(&target) {
            sockets.push(inode);
        }
    }
    sockets
}

fn socket_inode(link: &Path) -> Option<String> {
    Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let from = log.len().saturating_sub(8_000);
            eprintln!(
                "The server's last words:\n{}",
                String::from_utf8_lossy(log.get(from..).unwrap_or_default())
            );
        }
    }
}
