//! A day's work in little time: thirty clients that do everything, well and badly, while the settings are read again and
//! again. Behind it all is as it was behind the first part of the same.

use crate::client::{Client, connect, reset};
use crate::dice::{Dice, pattern};
use crate::server::{Runtime, Server, Setup};
use crate::watch::Watch;
use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

on_both_runtimes!(a_day_in_a_minute_leaves_nothing_behind);

const CLIENTS: u64 = 30;
/// How long, unless `FTPD_CHURN_SECONDS` says otherwise.
const SECONDS: u64 = 30;
/// The first part, after which everything is as large as it gets.
const WARM_UP: Duration = Duration::from_secs(10);

fn a_day_in_a_minute_leaves_nothing_behind(runtime: Runtime) {
    let seconds = std::env::var("FTPD_CHURN_SECONDS").ok().map_or(SECONDS, |text| text.parse().unwrap());
    let server = Setup::new(runtime)
        .set("passive.ports", "\"auto:32\"")
        .set("timeouts.data_connection", "\"1s\"")
        .set("timeouts.stall", "\"2s\"")
        .set("timeouts.idle", "\"5s\"")
        .set("timeouts.login", "\"3s\"")
        .set("timeouts.linger", "\"1s\"")
        .set("limits.login_delay", "\"50ms\"")
        .start();
    for number in 0..200 {
        server.put(&format!("file-{number:03}"), &pattern(number, 1_000 + number as usize * 1_500));
    }
    churn(&server, WARM_UP, 0);
    std::thread::sleep(Duration::from_secs(2));
    let watch = Watch::begin(&server).leaves_memory(24 << 10);
    let counts = churn(&server, Duration::from_secs(seconds), 1);
    let (memory, processor) = (server.kernel_says("VmRSS"), server.processor_time());
    eprintln!("{runtime:?}, {seconds} s: {counts:?}, {memory} KiB in use, {processor:?} of processor time");
    for (name, _) in DEEDS {
        assert!(counts.get(name).is_some_and(|count| *count > 0), "{name} never came to its end: {counts:?}");
    }
    watch.end(&server);
}

/// From where passwords are guessed.
const GUESSER: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 7);

type Deed = (&'static str, fn(&Server, &mut Dice) -> io::Result<()>);

/// What a client may do from the beginning to the end. An error is one: all that is asked for here works.
const DEEDS: &[Deed] = &[
    ("downloads", |server, dice| {
        let mut client = somehow(server, dice)?;
        for _ in 0..=dice.below(4) {
            let number = dice.below(200) as u64;
            let bytes = client.try_fetch(&format!("RETR file-{number:03}"))?;
            assert!(
                bytes == pattern(number, 1_000 + number as usize * 1_500),
                "file {number} came out wrong"
            );
        }
        client.try_expect("QUIT", 221).map(|_| ())
    }),
    ("uploads", |server, dice| {
        let mut client = somehow(server, dice)?;
        let name = format!("up-{:x}", dice.roll());
        let bytes = pattern(dice.roll(), dice.below(400_000));
        client.try_store(&format!("STOR {name}"), &bytes)?;
        assert!(server.get(&name) == bytes, "an upload came out wrong");
        client.try_expect(&format!("RNFR {name}"), 350)?;
        client.try_expect(&format!("RNTO {name}-new"), 250)?;
        client.try_expect(&format!("DELE {name}-new"), 250).map(|_| ())
    }),
    ("listings", |server, dice| {
        let mut client = somehow(server, dice)?;
        for line in ["LIST", "MLSD", "NLST file-0*", "LIST -R"] {
            assert!(!client.try_fetch(line)?.is_empty());
        }
        client.try_expect("STAT .", 212).or_else(|_| client.try_expect("NOOP", 200)).map(|_| ())
    }),
    ("aborts", |server, dice| {
        let mut client = somehow(server, dice)?;
        let (mut data, _) = client.try_begin("RETR file-199")?;
        let _ = data.read(&mut [0; 1_000]);
        client.send("ABOR")?;
        drop(data);
        client.settle()?;
        client.try_fetch("RETR file-001").map(|_| ())
    }),
    ("failed logins", |server, _| {
        // Who does that may be turned away for a while, and nobody else with him.
        let mut client = match Client::try_connect(GUESSER, server.address) {
            Err(error) if error.to_string().contains("421") => return Ok(()),
            other => other?,
        };
        client.try_expect("USER mallory", 331)?;
        match client.try_command("PASS wrong") {
            // The answer is held back for longer and longer, up to the time for a login.
            Ok((421 | 530, _)) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }),
    ("broken connections", |server, dice| {
        let mut client = somehow(server, dice)?;
        let (mut data, _) = client.try_begin(&format!("STOR broken-{:x}", dice.roll()))?;
        data.write_all(&[1; 50_000])?;
        if dice.below(2) == 0 {
            reset(data.socket());
            reset(client.socket());
        }
        Ok(())
    }),
    ("ports for nobody", |server, dice| {
        // A port that nobody came to is not for the same address again so soon: who does that may find none at last.
        let own = Ipv4Addr::new(127, 0, 0, 100 + dice.below(4) as u8);
        let mut client = Client::try_login(own, server.address)?;
        match client.try_command("EPSV")? {
            (229 | 425, _) => client.try_expect("NOOP", 200).map(|_| ()),
            (_, text) => Err(io::Error::other(text)),
        }
    }),
    ("bytes that are no FTP", |server, dice| {
        let address = if dice.below(2) == 0 { server.address } else { server.implicit() };
        let mut stream = connect(address)?;
        let length = dice.below(3_000);
        stream.write_all(&pattern(dice.roll(), length))?;
        Ok(())
    }),
    ("transfers in active mode", |server, dice| {
        let mut client = Client::try_login(Ipv4Addr::LOCALHOST, server.address)?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        client.try_expect(&format!("EPRT |1|127.0.0.1|{port}|"), 200)?;
        let number = dice.below(200);
        client.send(&format!("RETR file-{number:03}"))?;
        let (mut data, _) = listener.accept()?;
        client.wanted("RETR", 150)?;
        assert_eq!(io::copy(&mut data, &mut io::sink())?, 1_000 + number as u64 * 1_500);
        client.wanted("RETR", 226).map(|_| ())
    }),
];

fn somehow(server: &Server, dice: &mut Dice) -> io::Result<Client> {
    // As if they came from several networks.
    let own = Ipv4Addr::new(127, 0, 0, 10 + dice.below(12) as u8);
    if dice.below(3) == 0 {
        Client::try_login_securely(own, server.address)
    } else {
        Client::try_login(own, server.address)
    }
}

/// How often what was done to its end.
fn churn(server: &Server, lasting: Duration, seed: u64) -> BTreeMap<&'static str, u64> {
    let counts = Mutex::new(BTreeMap::new());
    let until = Instant::now() + lasting;
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let counts = &counts;
            scope.spawn(move || {
                let mut dice = Dice::new(seed << 32 | number);
                while Instant::now() < until {
                    let (name, deed) = dice.pick(DEEDS);
                    deed(server, &mut dice).unwrap_or_else(|why| panic!("{name}: {why}"));
                    *counts.lock().unwrap().entry(*name).or_insert(0) += 1;
                }
            });
        }
        scope.spawn(|| {
            while Instant::now() < until {
                std::thread::sleep(Duration::from_millis(700));
                server.signal(rustix::process::Signal::HUP);
            }
        });
    });
    counts.into_inner().unwrap()
}
