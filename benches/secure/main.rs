//! What TLS costs the server: the CPU of a protected transfer beside that of the cipher alone plus the same transfer
//! without TLS. The aim is a ratio of at most 1.3, down and up, on both adapters.
//!
//! `cargo bench -p benches --bench secure -- [MIB] [ROUNDS]`: the size of the file (default 1024) and how often all is
//! measured (default 5), one after the other in each round, so that what disturbs one disturbs all.
//!
//! - Both adapters run in this process and the client in a child, so that the CPU of this process is the server's.
//! - TLS 1.3 with AES-256-GCM; data connections are resumed; both sides end with close_notify.
//! - The cipher works on the bytes of the file, in memory and in place, cut into records of 16 KiB.
//! - Server and client have a core each where the system lets them, the server the first: else what the network costs
//!   would be counted now here, now there.
//! - The file is in memory (/dev/shm) where the system has that, since a disk would be measured otherwise.
//!
//! Each number is the lowest of all rounds, then the median.
#![allow(clippy::expect_used, reason = "a benchmark that fails may panic")]

mod client;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ftp_proto::account::{Account, Rights, RightsByPath};
use ftp_proto::config::{Config, Passive, PassivePorts, Settings};
use ftp_proto::host::Accounts;
use ftp_proto::path::VirtualPath;
use ftp_proto::testing::MemoryAccounts;
use ftp_proto::time::UnixTime;
use ftp_proto::tls::Tls;
use ftp_proto::tls::rustls::{Identity, RustlsTls, TlsSettings};
use ftpd::storage::{DiskStorage, Options};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The plain text of one record, and what the cipher adds to it.
const RECORD: usize = 16 << 10;
const TAG: usize = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [who, folder, core @ ..] = arguments.as_slice()
        && who == client::ARGUMENT
    {
        let core = core.first().map(|core| core.parse().expect("the number of a core"));
        return client::run(Path::new(folder), core);
    }
    let number = |at: usize, default| {
        arguments.get(at).map_or(default, |text| text.parse().expect("[MIB] [ROUNDS], both numbers"))
    };
    measure(number(0, 1024), number(1, 5));
}

fn measure(mib: usize, rounds: usize) {
    let cores = client::cores();
    if let Some((server, _)) = cores {
        client::pin(server);
    }
    let memory = Path::new("/dev/shm");
    let root = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let root = root.expect("a folder");
    let content = content(mib << 20);
    fs::write(root.path().join(client::DOWN), &content).expect("a file");
    let tls = tls(root.path());
    let (config, control) = (config(), vec![SocketAddr::from(([127, 0, 0, 1], 0))]);
    let threads = ftp_sync::start(ftp_sync::Options {
        control: control.clone(),
        implicit_tls: control.clone(),
        tls: Some(Arc::clone(&tls)),
        ..ftp_sync::Options::new(Arc::clone(&config), accounts(root.path()))
    })
    .expect("a server on threads");
    let smol = ftp_smol::start(ftp_smol::Options {
        control: control.clone(),
        implicit_tls: control,
        tls: Some(tls),
        ..ftp_smol::Options::new(config, accounts(root.path()))
    })
    .expect("a server on smol");
    let mut runtimes = [
        Runtime::new("threads", threads.control_addrs()[0], threads.implicit_tls_addrs()[0]),
        Runtime::new("smol", smol.control_addrs()[0], smol.implicit_tls_addrs()[0]),
    ];
    let mut cipher = Cipher::new(&content);
    let mut client = Client::start(root.path(), cores.map(|(_, client)| client));
    let up = root.path().join(client::UP);
    for round in 0..rounds {
        cipher.round();
        for runtime in &mut runtimes {
            for server in [&mut runtime.plain, &mut runtime.tls] {
                server.down.push(timed(|| client.transfer(server.address, server.secure, client::DOWN)));
                server.up.push(timed(|| client.transfer(server.address, server.secure, client::UP)));
                assert!(round > 0 || fs::read(&up).expect("the upload") == content, "the upload is damaged");
                // To throw away what was there is no part of an upload.
                fs::remove_file(&up).expect("an upload");
            }
        }
    }
    assert!(cipher.text() == content, "the cipher's text is damaged");
    client.end();
    println!("{mib} MiB, {rounds} rounds; CPU of the server in seconds, the lowest and the median");
    for runtime in &runtimes {
        report(runtime.name, "down", &cipher.seal, &runtime.plain.down, &runtime.tls.down);
        report(runtime.name, "up", &cipher.open, &runtime.plain.up, &runtime.tls.up);
    }
}

/// Bytes without a pattern (xorshift).
fn content(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..len / 8).flat_map(|_| next()).collect()
}

/// Its certificate lies in the folder, for the client.
fn tls(root: &Path) -> Arc<dyn Tls> {
    let names = [client::NAME.to_owned()];
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs();
    let now = UnixTime::from_seconds(i64::try_from(now).expect("a time"));
    let (certificate, key) = ftpd::certificate::self_signed::self_signed(&names, now).expect("a certificate");
    fs::write(root.join(client::CERTIFICATE), &certificate).expect("a file");
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect("an identity");
    let settings = TlsSettings { identities: vec![identity], ..TlsSettings::default() };
    Arc::new(RustlsTls::new(settings).expect("TLS"))
}

fn config() -> Arc<Config> {
    let passive = Passive { ports: PassivePorts::Auto(4), ..Passive::default() };
    Arc::new(Settings { passive, ..Settings::default() }.validate().expect("settings"))
}

fn accounts(root: &Path) -> Arc<dyn Accounts> {
    let storage = DiskStorage::open(root, Options::for_account("u")).expect("a readable folder");
    let account = Account {
        name: "u".to_owned(),
        storage: Arc::new(storage),
        rights: RightsByPath::everywhere(Rights::ALL),
        home: VirtualPath::root(),
    };
    Arc::new(MemoryAccounts::new().user("u", "p", account))
}

/// One adapter.
struct Runtime {
    name: &'static str,
    plain: Door,
    tls: Door,
}

impl Runtime {
    fn new(name: &'static str, plain: SocketAddr, tls: SocketAddr) -> Self {
        Self { name, plain: Door::new(plain, false), tls: Door::new(tls, true) }
    }
}

/// Where clients connect, and what their transfers cost.
struct Door {
    address: SocketAddr,
    secure: bool,
    down: Vec<Duration>,
    up: Vec<Duration>,
}

impl Door {
    fn new(address: SocketAddr, secure: bool) -> Self {
        Self { address, secure, down: Vec::new(), up: Vec::new() }
    }
}

/// The CPU that this process uses meanwhile.
fn timed(work: impl FnOnce()) -> Duration {
    let used = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::try_from(time).expect("a time since the start")
    };
    let before = used();
    work();
    used() - before
}

/// The child that is the client.
struct Client(Child, BufReader<std::process::ChildStdout>);

impl Client {
    fn start(root: &Path, core: Option<usize>) -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let mut child = Command::new(program)
            .arg(client::ARGUMENT)
            .arg(root)
            .args(core.map(|core| core.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a client");
        let answers = BufReader::new(child.stdout.take().expect("its answers"));
        Self(child, answers)
    }

    /// Returns when the client has seen its end.
    fn transfer(&mut self, address: SocketAddr, secure: bool, file: &str) {
        let stdin = self.0.stdin.as_mut().expect("its orders");
        writeln!(stdin, "{address} {secure} {file}").expect("a client that listens");
        let mut answer = String::new();
        self.1.read_line(&mut answer).expect("a client that answers");
        assert_eq!(answer.trim_end(), client::DONE);
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("a client that ends");
    }
}

/// AES-256-GCM alone.
struct Cipher {
    key: LessSafeKey,
    /// Records of plain text, each with room for its tag.
    records: Vec<u8>,
    seal: Vec<Duration>,
    open: Vec<Duration>,
}

impl Cipher {
    fn new(content: &[u8]) -> Self {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("a key"));
        let mut records = Vec::with_capacity(content.len() / RECORD * (RECORD + TAG));
        for record in content.chunks(RECORD) {
            records.extend_from_slice(record);
            records.extend_from_slice(&[0; TAG]);
        }
        Self { key, records, seal: Vec::new(), open: Vec::new() }
    }

    /// There and back.
    fn round(&mut self) {
        let nonce = || Nonce::assume_unique_for_key([0; 12]);
        self.seal.push(timed(|| {
            for record in self.records.chunks_mut(RECORD + TAG) {
                let (text, tag) = record.split_at_mut(record.len() - TAG);
                let made = self.key.seal_in_place_separate_tag(nonce(), Aad::empty(), text);
                tag.copy_from_slice(made.expect("a tag").as_ref());
            }
        }));
        self.open.push(timed(|| {
            for record in self.records.chunks_mut(RECORD + TAG) {
                self.key.open_in_place(nonce(), Aad::empty(), record).expect("a whole record");
            }
        }));
    }

    fn text(&self) -> Vec<u8> {
        let texts = self.records.chunks(RECORD + TAG).map(|record| &record[..record.len() - TAG]);
        texts.collect::<Vec<_>>().concat()
    }
}

fn report(runtime: &str, direction: &str, cipher: &[Duration], plain: &[Duration], tls: &[Duration]) {
    let both = |durations: &[Duration]| {
        let mut seconds: Vec<f64> = durations.iter().map(Duration::as_secs_f64).collect();
        seconds.sort_by(f64::total_cmp);
        (seconds[0], seconds[seconds.len() / 2])
    };
    let (cipher, plain, tls) = (both(cipher), both(plain), both(tls));
    let ratio = (tls.0 / (cipher.0 + plain.0), tls.1 / (cipher.1 + plain.1));
    print!("{runtime:<8}{direction:<6}");
    for (name, (lowest, median)) in [("cipher", cipher), ("plain", plain), ("TLS", tls)] {
        print!("{name} {lowest:.3} {median:.3}   ");
    }
    println!("TLS / (cipher + plain) {:.2} {:.2}", ratio.0, ratio.1);
}
