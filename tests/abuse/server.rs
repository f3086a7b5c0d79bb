//! The program under test, with a folder, settings and processes of its own.

use crate::client::{Client, eventually};
use crate::tls;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tempfile::TempDir;

/// Who logs in, with all rights.
pub(crate) const USER: &str = "bob";
/// The password of [`USER`].
pub(crate) const PASSWORD: &str = "correct-horse";

/// What the program runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Smol,
    Threads,
}

/// The program: what cargo built for this test, or another one by request.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("FTPD_PROGRAM").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_ftpd")), PathBuf::from)
}

/// What differs from test to test.
pub(crate) struct Setup {
    runtime: Runtime,
    settings: BTreeMap<&'static str, String>,
    /// What the command begins with, in front of the program.
    wrapper: Vec<String>,
    /// Whose the folder is, if not the test's user.
    owner: Option<u32>,
    program: PathBuf,
}

impl Setup {
    /// TLS on an ordinary and an implicit listener, eight passive ports, and limits that let one address do much.
    pub(crate) fn new(runtime: Runtime) -> Self {
        let name = if runtime == Runtime::Smol { "\"smol\"" } else { "\"threads\"" };
        let mut setup =
            Self { runtime, settings: BTreeMap::new(), wrapper: Vec::new(), owner: None, program: program() };
        for (key, value) in [
            ("server.bind", "\"127.0.0.1:0\""),
            ("server.bind_implicit_tls", "\"127.0.0.1:0\""),
            ("server.root", "\"root\""),
            ("server.runtime", name),
            ("server.control_socket", "\"control.sock\""),
            ("passive.ports", "\"auto:8\""),
            ("limits.sessions_per_address", "10000"),
            ("limits.unauthenticated_per_address", "10000"),
            ("accounts.file", "\"accounts.toml\""),
            ("tls.control", "\"allow\""),
            ("tls.data", "\"allow\""),
            ("tls.certificates", "[{ certificate = \"server.pem\" }]"),
        ] {
            setup.settings.insert(key, value.to_owned());
        }
        setup
    }

    /// With this line in the configuration file.
    pub(crate) fn set(mut self, key: &'static str, value: &str) -> Self {
        self.settings.insert(key, value.to_owned());
        self
    }

    /// Run by this command.
    pub(crate) fn by(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// In place of the usual [`program()`].
    pub(crate) fn program(mut self, path: PathBuf) -> Self {
        self.program = path;
        self
    }

    /// With a folder of this user's.
    pub(crate) fn owned_by(mut self, user: u32) -> Self {
        self.owner = Some(user);
        self
    }

    /// Starts with an empty folder, which a disk need not hear of: some cases make very many files.
    pub(crate) fn start(&self) -> Server {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        tls::write_certificate(&folder.path().join("server.pem"));
        let user = format!("[[user]]\nname = {USER:?}\npassword = {:?}\nrights = \"all\"\n", cheap_hash());
        fs::write(folder.path().join("accounts.toml"), user).unwrap();
        for name in ["", "root", "server.pem", "accounts.toml"] {
            std::os::unix::fs::chown(folder.path().join(name), self.owner, self.owner).unwrap();
        }
        self.start_in(Arc::new(folder))
    }

    /// Starts with the folder of an earlier server.
    pub(crate) fn start_in(&self, folder: Arc<TempDir>) -> Server {
        raise_descriptor_limit();
        let configuration = folder.path().join("ftpd.toml");
        let lines = self.settings.iter().map(|(key, value)| format!("{key} = {value}\n"));
        fs::write(&configuration, lines.collect::<String>()).unwrap();
        let mut words: Vec<&OsStr> = self.wrapper.iter().map(AsRef::as_ref).collect();
        words.push(self.program.as_os_str());
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["serve", "--config"]).arg(configuration);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let addresses = follow(&mut child, &log);
        let mut server =
            Server { child, folder, log, address: SocketAddr::from(([0; 4], 0)), implicit: None };
        let listens = |server: &Server| {
            let address = addresses.recv_timeout(Duration::from_secs(60));
            address.unwrap_or_else(|_| panic!("the program never listened:\n{}", server.log()))
        };
        server.address = listens(&server);
        server.implicit = Some(listens(&server));
        server.runtime_check(self.runtime);
        server
    }
}

/// The other ends of thousands of connections are here.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

/// A hash that costs nothing to check: these tests are not about passwords.
fn cheap_hash() -> String {
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password(PASSWORD.as_bytes()).unwrap().to_string()
}

/// Keeps what the program prints, and sends each address it listens on: the plain one first.
fn follow(child: &mut Child, log: &Arc<Mutex<Vec<u8>>>) -> mpsc::Receiver<SocketAddr> {
    let (sender, receiver) = mpsc::channel();
    let output = child.stdout.take().unwrap();
    let errors = child.stderr.take().unwrap();
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

/// How it says that it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) sessions: u64,
    pub(crate) transfers: u64,
    pub(crate) leases: u64,
    pub(crate) queued: u64,
}

/// The running program. Dropped, it is killed; in a failing test its log is shown.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    implicit: Option<SocketAddr>,
    folder: Arc<TempDir>,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// With what [`Setup::new`] says.
    pub(crate) fn start(runtime: Runtime) -> Self {
        Setup::new(runtime).start()
    }

    fn runtime_check(&self, runtime: Runtime) {
        let wanted = if runtime == Runtime::Smol { "smol" } else { "threads" };
        assert_eq!(self.status().runtime, wanted);
    }

    /// Where TLS begins with the connection.
    pub(crate) fn implicit(&self) -> SocketAddr {
        self.implicit.unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a client's path lies on this machine.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("root").join(name)
    }

    /// Puts a file into the served folder behind the program's back.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// What a served file holds.
    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    }

    /// `ftpd status --json`.
    fn status(&self) -> ftpd::control::Status {
        let socket = self.folder.path().join("control.sock");
        let mut output = None;
        eventually("it answers `ftpd status`", Duration::from_secs(30), || {
            let asked =
                Command::new(program()).args(["status", "--json", "--socket"]).arg(&socket).output().unwrap();
            output = asked.status.success().then_some(asked.stdout);
            output.is_some()
        });
        serde_json::from_slice(&output.unwrap()).unwrap()
    }

    /// What is going on, by its own account.
    pub(crate) fn standing(&self) -> Standing {
        let status = self.status();
        Standing {
            sessions: status.sessions,
            transfers: status.transfers,
            leases: status.passive.leases,
            queued: status.passive.queued,
        }
    }

    /// The open passive ports.
    pub(crate) fn passive_ports(&self) -> Vec<u16> {
        self.status().passive.open.iter().flat_map(|range| range.first..=range.last).collect()
    }

    /// What it has printed and logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    /// How many lines of the log hold this.
    pub(crate) fn count_in_log(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Waits until so many lines of the log hold this. The log comes behind what clients see.
    pub(crate) fn wait_for_log(&self, text: &str, lines: usize) {
        eventually(&format!("{lines} lines of the log with {text:?}"), Duration::from_secs(30), || {
            self.count_in_log(text) >= lines
        });
    }

    /// A number of the kernel's about the process, as `VmRSS` (KiB) or `Threads`.
    pub(crate) fn kernel_says(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs").count()
    }

    /// In how many pieces its memory is.
    pub(crate) fn mappings(&self) -> usize {
        fs::read_to_string(format!("/proc/{}/maps", self.pid())).expect("it runs").lines().count()
    }

    /// The processor time it has used.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        // The kernel's unit for programs is a hundredth of a second, whatever its own.
        Duration::from_millis(ticks * 10)
    }

    /// Kills it at once, as a power cut would; what is left of it.
    pub(crate) fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Arc::clone(&self.folder)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)
            .expect("it runs");
    }

    /// Waits until it ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// A client that has logged in.
    pub(crate) fn login(&self) -> Client {
        Client::login(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(60)..).unwrap_or_default();
            eprintln!("The server's last words:\n{}", last.join("\n"));
        }
    }
}
