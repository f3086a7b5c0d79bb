//! Settings change while sessions run, and no session notices.

use crate::alone;
use crate::client::{Client, connect, eventually, pattern, read_all};
use crate::runtime::{Runtime, Setup};
use crate::tls::Secured;
use ftp_proto::config::{AddressRule, Config, External, PassivePorts, Ports, Settings};
use ftp_proto::testing::MemoryStorage;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

on_both_runtimes! {
    two_hundred_sessions_notice_nothing, a_range_to_and_fro_leaves_nothing_behind, a_taken_port_is_named,
    limits_below_the_count_end_nobody, other_timeouts_hold_for_what_begins, modes_are_switched_off_and_on,
}

/// The address that clients are told after the change.
const TOLD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// More than the kernel swallows.
const LARGE: usize = 4 << 20;
const SMALL: usize = 100_000;

/// Ports in a row that nobody has, outside those that the system gives to others.
fn free_range(count: u16) -> Ports {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 10_000 + u16::try_from(std::process::id() % 400).unwrap() * 40;
    for _ in 0..500 {
        let first = start.saturating_add(NEXT.fetch_add(count, Ordering::SeqCst) % 6_000);
        let range = first..=first + count - 1;
        let held: Vec<_> = range.clone().map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))).collect();
        if held.iter().all(Result::is_ok) {
            return range;
        }
    }
    panic!("no free ports");
}

fn on(settings: &Settings, ports: &Ports) -> Settings {
    let mut settings = settings.clone();
    settings.passive.ports = PassivePorts::Range(ports.clone());
    settings
}

fn config(settings: &Settings) -> Arc<Config> {
    Arc::new(settings.clone().validate().unwrap())
}

/// What becomes of a client after the change.
enum Role {
    Idle,
    Waits(SocketAddr),
    Downloads(Data),
    Uploads(Data),
}

/// A data connection.
enum Data {
    Plain(TcpStream),
    Secured(Box<Secured>),
}

impl Data {
    /// After this transfer command.
    fn begin(client: &mut Client, stream: TcpStream, command: &str) -> Self {
        client.command(command, "150");
        Self::of(client, stream)
    }

    fn of(client: &Client, stream: TcpStream) -> Self {
        match &client.secured {
            Some(_) => Self::Secured(Box::new(client.secure_data(stream))),
            None => Self::Plain(stream),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            Self::Secured(secured) => secured.send(bytes),
        }
        .unwrap();
    }

    fn finish(&mut self) {
        match self {
            Self::Plain(stream) => stream.shutdown(Shutdown::Write).unwrap(),
            Self::Secured(secured) => {
                secured.close_notify();
                secured.read_all();
            }
        }
    }

    fn receive(&mut self) -> Vec<u8> {
        match self {
            Self::Plain(stream) => {
                let mut bytes = vec![0; 1000];
                stream.read_exact(&mut bytes).unwrap();
                bytes
            }
            Self::Secured(secured) => secured.receive().unwrap().unwrap(),
        }
    }

    fn rest(&mut self) -> Vec<u8> {
        match self {
            Self::Plain(stream) => read_all(stream),
            Self::Secured(secured) => secured.read_all(),
        }
    }
}

/// A data connection with a small buffer, so that the kernel doesn't swallow the file.
fn narrow(address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16_384).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(crate::client::PATIENCE)).unwrap();
    stream
}

fn two_hundred_sessions_notice_nothing<R: Runtime>() {
    let (large, small) = (pattern(LARGE), pattern(SMALL));
    let storage = MemoryStorage::new().file("/large", large.clone()).file("/small", small.clone());
    let (old, new) = (free_range(60), free_range(60));
    let setup = Setup::new(&storage).tls().settings(|settings| {
        *settings = on(settings, &old);
        settings.timeouts.data_connection = Duration::from_secs(600);
        settings.timeouts.stall = Duration::from_secs(600);
    });
    let settings = setup.settings.clone();
    let server: R = setup.start();
    let mut clients: Vec<(Client, Role)> = (0..200)
        .map(|number| {
            let mut client = if number % 2 == 0 { server.login() } else { server.secure_login() };
            let role = match number / 2 % 4 {
                0 => Role::Idle,
                1 => Role::Waits(client.pasv()),
                2 => {
                    let stream = narrow(client.epsv());
                    Role::Downloads(Data::begin(&mut client, stream, "RETR large"))
                }
                _ => {
                    let stream = client.passive();
                    let mut data = Data::begin(&mut client, stream, &format!("STOR up{number}"));
                    data.send(&small[..SMALL / 2]);
                    Role::Uploads(data)
                }
            };
            (client, role)
        })
        .collect();

    let mut changed = on(&settings, &new);
    changed.passive.rules = vec![AddressRule {
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        external: External::Literal(IpAddr::V4(TOLD)),
        ..AddressRule::default()
    }];
    server.reconfigure(config(&changed));
    eventually("the new range is open", || server.passive_state().opening == 0);
    let state = server.passive_state();
    assert_eq!(state.open, new.clone().collect::<Vec<_>>());
    assert!(!state.retiring.is_empty() && state.retiring.iter().all(|port| old.contains(port)));

    // A port of the old range that nobody waits on is closed, one on which somebody waits is not.
    let closed = old.clone().find(|port| !state.retiring.contains(port)).expect("50 wait on 60 ports");
    eventually("what nobody was told of is closed", || is_refused(closed));
    for (number, (client, role)) in clients.iter_mut().enumerate() {
        match role {
            Role::Idle => {}
            Role::Waits(address) => {
                assert!(old.contains(&address.port()));
                let stream = connect(*address);
                let mut data = Data::begin(client, stream, "RETR small");
                assert!(data.rest() == small, "{number}");
                client.expect("226");
            }
            Role::Downloads(data) => {
                let mut got = data.receive();
                got.append(&mut data.rest());
                assert!(got == large, "{number}");
                client.expect("226");
            }
            Role::Uploads(data) => {
                data.send(&small[SMALL / 2..]);
                data.finish();
                client.expect("226");
                assert!(storage.contents(format!("/up{number}").as_str()).unwrap() == small, "{number}");
            }
        }
        let told = client.pasv();
        assert_eq!(told.ip(), IpAddr::V4(TOLD), "{number}");
        assert!(new.contains(&told.port()), "{number}: {told}");
        let stream = connect((Ipv4Addr::LOCALHOST, told.port()).into());
        let mut data = Data::begin(client, stream, "NLST");
        assert!(String::from_utf8(data.rest()).unwrap().contains("small"), "{number}");
        client.expect("226");
    }
    assert_eq!(server.sessions(), 200);
    eventually("the old range is closed", || server.passive_state().retiring.is_empty());
    for port in old {
        eventually("no port of the old range is open", || is_refused(port));
    }
}

fn is_refused(port: u16) -> bool {
    match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        Ok(_) => false,
    }
}

fn a_range_to_and_fro_leaves_nothing_behind<R: Runtime>() {
    alone::run::<R>(module_path!(), "a_range_to_and_fro_leaves_nothing_behind", to_and_fro::<R>);
}

fn to_and_fro<R: Runtime>() {
    let storage = MemoryStorage::new().file("/a.txt", "some text");
    // They share ports, so that one is open at any time: the system may need a moment to give a closed one back.
    let all = free_range(30);
    let first = *all.start();
    let ranges = [first..=first + 19, first + 10..=first + 29];
    let setup = Setup::new(&storage).settings(|settings| *settings = on(settings, &ranges[0]));
    let settings = setup.settings.clone();
    let server: R = setup.start();
    // Some rest all the time, so that what they are told would gather.
    let mut resting: Vec<Client> = (0..20).map(|_| server.login()).collect();
    let mut warm: Vec<Client> = (0..8).map(|_| server.login()).collect();
    for client in &mut warm {
        assert_eq!(client.fetch("RETR a.txt"), b"some text");
    }
    drop(warm);
    eventually("only those who rest are there", || server.sessions() == 20);
    let before = settled_descriptors();
    let stop = AtomicBool::new(false);
    let moved: usize = std::thread::scope(|scope| {
        let work = || {
            let mut moved = 0;
            let mut client = server.login();
            while !stop.load(Ordering::SeqCst) {
                assert_eq!(client.fetch("RETR a.txt"), b"some text");
                moved += 1;
            }
            moved
        };
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        for turn in 1..=100 {
            server.reconfigure(config(&on(&settings, &ranges[turn % 2])));
            std::thread::sleep(Duration::from_millis(if turn % 10 == 0 { 60 } else { 5 }));
        }
        stop.store(true, Ordering::SeqCst);
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(moved > 100, "only {moved} transfers");
    server.reconfigure(config(&on(&settings, &ranges[0])));
    // A port that a session still held when it was wanted again is tried again after five seconds.
    eventually("the range is whole", || server.passive_state().open == ranges[0].clone().collect::<Vec<_>>());
    eventually("the other one is closed", || {
        server.passive_state().retiring.is_empty() && (first + 20..=first + 29).all(is_refused)
    });
    eventually("only those who rest are there", || server.sessions() == 20);
    eventually("all descriptors are given back", || alone::descriptors() <= before);
    for client in &mut resting {
        assert_eq!(client.fetch("RETR a.txt"), b"some text");
    }
}

/// The number of descriptors once it does not change any more.
fn settled_descriptors() -> usize {
    let mut last = alone::descriptors();
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = alone::descriptors();
        if now == last {
            return now;
        }
        last = now;
    }
}

fn a_taken_port_is_named<R: Runtime>() {
    let storage = MemoryStorage::new().file("/a.txt", "some text");
    let (old, new) = (free_range(4), free_range(4));
    let setup = Setup::new(&storage).settings(|settings| *settings = on(settings, &old));
    let settings = setup.settings.clone();
    let server: R = setup.start();
    let mut client = server.login();
    let taken = *new.start() + 1;
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).unwrap();
    server.reconfigure(config(&on(&settings, &new)));
    eventually("the rest is open", || server.passive_state().opening == 0);
    let state = server.passive_state();
    assert_eq!(state.open, new.clone().filter(|port| *port != taken).collect::<Vec<_>>());
    let [(port, reason)] = &state.failed[..] else { panic!("one: {state:?}") };
    let owner = format!("(process {}) has it", std::process::id());
    assert!(*port == taken && reason.ends_with(&owner), "{state:?}");
    for _ in 0..8 {
        assert_eq!(client.fetch("RETR a.txt"), b"some text");
    }
    drop(other);
    eventually("it is tried again", || server.passive_state().failed.is_empty());
    assert_eq!(server.passive_state().open, new.collect::<Vec<_>>());
}

fn limits_below_the_count_end_nobody<R: Runtime>() {
    let storage = MemoryStorage::new().file("/a.txt", "some text");
    let setup = Setup::new(&storage);
    let mut settings = setup.settings.clone();
    let server: R = setup.start();
    let mut clients: Vec<Client> = (0..5).map(|_| server.login()).collect();
    for (sessions, per_address) in [(2, 1_000), (10_000, 2)] {
        settings.limits.sessions = sessions;
        settings.limits.sessions_per_address = per_address;
        server.reconfigure(config(&settings));
        let mut refused = Client::silent(connect(server.address()));
        refused.expect("421");
        refused.expect_end();
        for client in &mut clients {
            assert_eq!(client.fetch("RETR a.txt"), b"some text");
        }
    }
    // Room is made by those who leave.
    clients.truncate(1);
    eventually("they are gone", || server.sessions() == 1);
    drop(server.login());
}

fn other_timeouts_hold_for_what_begins<R: Runtime>() {
    let storage = MemoryStorage::new().zeros("/big", 1 << 40);
    let setup = Setup::new(&storage);
    let mut settings = setup.settings.clone();
    let server: R = setup.start();
    let (mut idle, mut busy) = (server.login(), server.login());
    let mut data = narrow(busy.epsv());
    busy.command("RETR big", "150");
    data.read_exact(&mut [0; 1000]).unwrap();
    settings.timeouts.idle = Duration::from_millis(400);
    settings.timeouts.data_connection = Duration::from_millis(300);
    server.reconfigure(config(&settings));
    // Who rests was promised more; from the next command on the new times hold.
    idle.expect_silence(Duration::from_millis(800));
    idle.command("EPSV", "229");
    idle.say("RETR big");
    let verdict = idle.expect_after_mark("425");
    assert!(verdict.contains("No data connection came"), "{verdict}");
    idle.expect("421");
    idle.expect_end();
    // A transfer is not idle.
    data.read_exact(&mut [0; 100_000]).unwrap();
}

fn modes_are_switched_off_and_on<R: Runtime>() {
    let storage = MemoryStorage::new().file("/a.txt", "some text");
    let setup = Setup::new(&storage);
    let settings = setup.settings.clone();
    let server: R = setup.start();
    let mut client = server.login();
    let waiting = client.epsv();
    let mut off = settings.clone();
    off.passive.enabled = false;
    off.active.enabled = false;
    server.reconfigure(config(&off));
    // What was announced holds.
    assert_eq!(client.fetch_over(&connect(waiting), "RETR a.txt"), b"some text");
    let mut other = server.login();
    for client in [&mut client, &mut other] {
        client.command("EPSV", "50");
        client.command("PORT 127,0,0,1,200,1", "50");
    }
    eventually("no port is open", || {
        let state = server.passive_state();
        state.open.is_empty() && state.retiring.is_empty()
    });
    server.reconfigure(config(&settings));
    eventually("two are", || server.passive_state().open.len() == 2);
    for client in [&mut client, &mut other] {
        assert_eq!(client.fetch("RETR a.txt"), b"some text");
    }
}
