//! Connections that don't log in, and guessers of passwords, over real sockets.

use crate::client::{Client, connect_from};
use crate::runtime::{Runtime, Setup};
use ftp_proto::account::{Account, Credentials, LoginError, Rights};
use ftp_proto::config::Settings;
use ftp_proto::host::Accounts;
use ftp_proto::testing::MemoryStorage;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

on_both_runtimes! {
    silent_connections_keep_nobody_out, a_banned_address_is_turned_away_until_it_is_lifted,
    the_delay_grows_across_connections, a_refusal_takes_as_long_whatever_it_is_for,
}

const HERE: [u8; 4] = [127, 0, 0, 1];
const FLOOD: [u8; 4] = [127, 0, 0, 2];
const GUESSER: [u8; 4] = [127, 0, 0, 3];

/// One user and one that is locked; looking at a password takes a while, and is counted.
#[derive(Clone)]
struct Slow {
    storage: MemoryStorage,
    looks: Arc<AtomicUsize>,
}

impl Slow {
    fn new() -> Self {
        Self { storage: MemoryStorage::new(), looks: Arc::default() }
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }

    /// Nobody is exempt, so that loopback can be banned.
    fn setup(&self, change: impl FnOnce(&mut Settings)) -> Setup {
        let mut setup = Setup::with_accounts(self.clone());
        setup.settings.limits.login_delay = Duration::ZERO;
        setup.settings.limits.login_attempts = 100;
        setup.settings.bans.exempt.clear();
        change(&mut setup.settings);
        setup
    }
}

impl Accounts for Slow {
    fn authenticate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        match (credentials.user.as_str(), credentials.password.as_slice()) {
            ("bob", b"secret") => Ok(self.storage.account("bob", Rights::ALL)),
            _ => Err(LoginError::Refused),
        }
    }
}

fn come<R: Runtime>(server: &R, from: [u8; 4]) -> Client {
    Client::greeted(connect_from(from, server.address()))
}

fn try_login(client: &mut Client, user: &str, password: &str, code: &str) -> String {
    client.command(&format!("USER {user}"), "331");
    client.command(&format!("PASS {password}"), code)
}

fn silent_connections_keep_nobody_out<R: Runtime>() {
    let accounts = Slow::new();
    let server: R = accounts.setup(|settings| settings.limits.unauthenticated = 8).start();
    let mut inside = come(&server, FLOOD);
    try_login(&mut inside, "bob", "secret", "230");
    let mut newcomers = Vec::new();
    let mut flood = Vec::new();
    for round in 0..40 {
        flood.push(connect_from(FLOOD, server.address()));
        if round % 10 == 9 {
            newcomers.push(come(&server, HERE));
        }
    }
    for client in &mut newcomers {
        try_login(client, "bob", "secret", "230");
    }
    inside.command("NOOP", "200");
    // The first of the flood was told why.
    let mut first = Client::greeted(flood.remove(0));
    first.expect("421");
    first.expect_end();
}

fn a_banned_address_is_turned_away_until_it_is_lifted<R: Runtime>() {
    let accounts = Slow::new();
    let server: R = accounts.setup(|settings| settings.bans.address_failures = 3).start();
    let mut inside = come(&server, GUESSER);
    try_login(&mut inside, "bob", "secret", "230");
    let mut guesser = come(&server, GUESSER);
    try_login(&mut guesser, "a", "x", "530");
    try_login(&mut guesser, "b", "x", "530");
    let said = try_login(&mut guesser, "c", "x", "421");
    assert!(said.contains("Too many failed logins from your address"), "{said}");
    guesser.expect_end();
    let mut again = Client::silent(connect_from(GUESSER, server.address()));
    again.expect("421");
    again.expect_end();
    inside.command("PWD", "257");
    drop(come(&server, HERE));

    let bans = server.bans();
    assert_eq!(bans.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.3"]);
    assert_eq!(server.lift_bans(Some("127.0.0.9".parse().unwrap())), 0);
    assert_eq!(server.lift_bans(Some("127.0.0.3".parse().unwrap())), 1);
    assert!(server.bans().is_empty());
    try_login(&mut come(&server, GUESSER), "bob", "secret", "230");
}

fn the_delay_grows_across_connections<R: Runtime>() {
    let accounts = Slow::new();
    let setup = accounts.setup(|settings| {
        settings.limits.login_delay = Duration::from_millis(100);
        settings.limits.longest_login_delay = Duration::from_millis(800);
    });
    let server: R = setup.start();
    for least in [100, 200, 400, 800, 800] {
        let mut client = come(&server, GUESSER);
        let begin = Instant::now();
        try_login(&mut client, "bob", "wrong", "530");
        let taken = begin.elapsed();
        assert!(taken >= Duration::from_millis(least), "{taken:?} is less than {least} ms");
    }
    let begin = Instant::now();
    try_login(&mut come(&server, GUESSER), "bob", "secret", "230");
    assert!(
        begin.elapsed() < Duration::from_millis(800),
        "who knows the password waits: {:?}",
        begin.elapsed()
    );
}

/// Of some tries, the one in the middle.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn a_refusal_takes_as_long_whatever_it_is_for<R: Runtime>() {
    const DELAY: Duration = Duration::from_millis(600);
    let accounts = Slow::new();
    let setup = accounts.setup(|settings| {
        settings.limits.login_delay = DELAY;
        settings.limits.longest_login_delay = DELAY;
        settings.bans.user_failures = 3;
        settings.bans.address_failures = 0;
    });
    let server: R = setup.start();
    let mut client = come(&server, GUESSER);
    let mut refused = |user: &str, password: &str| {
        let (mut times, mut words) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            client.command(&format!("USER {user}"), "331");
            let begin = Instant::now();
            words.push(client.command(&format!("PASS {password}"), "530"));
            times.push(begin.elapsed());
        }
        (median(times), words)
    };
    let before = accounts.looks();
    let known = refused("bob", "wrong");
    assert_eq!(accounts.looks() - before, 3);
    let unknown = refused("nobody", "wrong");
    assert_eq!(accounts.looks() - before, 6, "an unknown name costs a look, too");
    // By now bob is banned from there, with the right password, too, and nobody looks at it.
    let banned = refused("bob", "secret");
    assert_eq!(accounts.looks() - before, 6);
    for (time, words) in [&unknown, &banned] {
        assert_eq!(words, &known.1);
        assert!(*time >= DELAY && time.abs_diff(known.0) < DELAY / 2, "{time:?} and {:?}", known.0);
    }
}
