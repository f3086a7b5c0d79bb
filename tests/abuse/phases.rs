//! Commands at random, transfers that are broken off again and again, and clients that leave in every phase.

use crate::client::{Client, PATIENCE, Wire, connect_from, eventually, reset};
use crate::dice::{Dice, pattern};
use crate::server::{Runtime, Setup};
use crate::watch::Watch;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown};
use std::time::{Duration, Instant};

on_both_runtimes!(
    commands_at_random_are_each_answered,
    transfers_broken_off_again_and_again_leave_nothing,
    clients_may_leave_in_every_phase,
);

const LINES: &[&str] = &[
    "RNFR a",
    "RNTO b",
    "RNFR b",
    "RNTO a",
    "RNFR nobody",
    "REST 10",
    "REST 0",
    "REST 99999999999",
    "REST x",
    "ABOR",
    "ABOR",
    "NOOP",
    "STAT",
    "STAT .",
    "PWD",
    "EPSV",
    "PASV",
    "TYPE A",
    "TYPE I",
    "MODE S",
    "MODE B",
    "MODE Z",
    "STRU R",
    "STRU F",
    "RETR a",
    "RETR b",
    "STOR a",
    "APPE b",
    "STOU",
    "LIST",
    "NLST",
    "MLSD",
    "SIZE a",
    "MDTM a",
    "XCRC a",
    "ALLO 10",
    "RANG 1 5",
    "HASH a",
    "DELE b",
    "MKD d",
    "RMD d",
    "CWD d",
    "CDUP",
    "SITE HELP",
    "HELP",
    "FEAT",
    "SYST",
    "PORT 127,0,0,1,4,1",
    "EPRT |1|127.0.0.1|1025|",
    "OPTS MLST size;",
    "USER",
    "PASS",
    "REIN now",
    "",
    "X",
    "COMB c a b",
];

/// What is answered by words of its own, and by no other command.
const SENTINEL: &str = "HELP NOBODY-KNOWS-THIS";

/// A burst, and a command that nobody knows: its answer is the last, and until then nothing hangs.
fn commands_at_random_are_each_answered(runtime: Runtime) {
    let server = Setup::new(runtime)
        .set("timeouts.data_connection", "\"300ms\"")
        .set("timeouts.stall", "\"1s\"")
        .start();
    server.put("a", &pattern(1, 400_000));
    server.put("b", &pattern(2, 3_000));
    let watch = Watch::begin(&server);
    let until = Instant::now() + Duration::from_secs(5);
    std::thread::scope(|scope| {
        for seed in 0..12_u64 {
            let server = &server;
            scope.spawn(move || {
                let mut dice = Dice::new(seed);
                let mut client = server.login();
                let mut data: Vec<std::net::TcpStream> = Vec::new();
                while Instant::now() < until {
                    if dice.below(2) == 0 {
                        // Sometimes somebody comes to the port, and perhaps says something, or goes.
                        if let Ok(stream) = client.try_dial() {
                            stream.set_nonblocking(true).unwrap();
                            let _ = (&stream).write(&[b'x'; 500]);
                            data.push(stream);
                        }
                    }
                    let burst: Vec<&str> = (0..=dice.below(8)).map(|_| *dice.pick(LINES)).collect();
                    for line in burst.iter().copied().chain([SENTINEL]) {
                        client.send(line).unwrap();
                        if dice.below(4) == 0 {
                            std::thread::sleep(Duration::from_millis(dice.below(20) as u64));
                        }
                    }
                    if dice.below(3) > 0 {
                        data.clear();
                    }
                    let begin = Instant::now();
                    loop {
                        // What comes over data connections is taken, so that nothing waits for that.
                        data.retain_mut(|stream| {
                            matches!(stream.read(&mut [0; 65_536]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
                        });
                        let (code, text) =
                            client.reply().unwrap_or_else(|why| panic!("seed {seed}: {burst:?}: {why}"));
                        assert!((100..600).contains(&code), "{text}");
                        if text.contains("There is no such command here") {
                            break;
                        }
                    }
                    assert!(begin.elapsed() < Duration::from_secs(15), "{burst:?}: {:?}", begin.elapsed());
                }
            });
        }
    });
    watch.end(&server);
}

fn transfers_broken_off_again_and_again_leave_nothing(runtime: Runtime) {
    // Who breaks off so many handshakes has used up all its tickets at last.
    let server = Setup::new(runtime).set("tls.data_resumption", "\"warn\"").start();
    let large = pattern(3, 8 << 20);
    server.put("large", &large);
    let watch = Watch::begin(&server);
    std::thread::scope(|scope| {
        for number in 0..4_u64 {
            let (server, large) = (&server, &large);
            scope.spawn(move || {
                let mut dice = Dice::new(number);
                let mut client = Client::login_somehow(server.address, number % 2 == 1);
                for round in 0..40 {
                    let up = dice.below(2) == 0;
                    let line = if up { format!("STOR up-{number}-{round}") } else { "RETR large".to_owned() };
                    let (mut data, _) = client.begin(&line);
                    data.socket().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                    data.socket().set_write_timeout(Some(Duration::from_millis(300))).unwrap();
                    let some = dice.below(2 << 20);
                    if up {
                        let _ = data.write(&large[..some]);
                    } else {
                        let _ = data.read(&mut vec![0; 1 + some]);
                    }
                    // Sometimes as Telnet has it, sometimes once too often.
                    let aborts = 1 + dice.below(3);
                    for _ in 0..aborts {
                        let synch: &[u8] = if dice.below(2) == 0 { &[255, 244, 255, 242] } else { &[] };
                        client.send_raw(synch).unwrap();
                        client.send("ABOR").unwrap();
                    }
                    if dice.below(2) == 0 {
                        drop(data);
                    }
                    let replies = client.settle().unwrap_or_else(|why| panic!("{line}: {why}"));
                    let codes: Vec<u16> = replies.iter().map(|reply| reply.0).collect();
                    assert_eq!(codes.len(), 1 + aborts, "one for the transfer, one for each ABOR: {codes:?}");
                    assert!([426, 226, 451, 425].contains(&codes[0]), "{codes:?}");
                    assert!(codes[1..].iter().all(|code| [225, 226].contains(code)), "{codes:?}");
                }
                assert!(client.fetch("RETR large") == *large);
            });
        }
    });
    watch.end(&server);
}

/// How somebody leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Closes,
    Resets,
    /// Sends nothing more, and reads nothing more.
    ClosesHalf,
    /// Says QUIT and is gone.
    Quits,
}

/// How far somebody comes, and what is left of the data connection.
type Phase = (&'static str, fn(&mut Client) -> io::Result<Option<Wire>>);

const PHASES: &[Phase] = &[
    ("greeted", |_| Ok(None)),
    ("half a command", |client| client.send_raw(b"NOO").map(|()| None)),
    ("a port", |client| client.try_passive_port().map(|_| None)),
    ("PASV and at once gone", |client| client.send("PASV").map(|()| None)),
    ("connected", |client| client.try_dial().map(|data| Some(Wire::Plain(data)))),
    ("RETR without a connection", |client| {
        client.try_passive_port()?;
        client.send("RETR large").map(|()| None)
    }),
    ("RETR without a word", |client| {
        let data = client.try_dial()?;
        client.send("RETR large")?;
        Ok(Some(Wire::Plain(data)))
    }),
    ("a download", |client| {
        let (mut data, _) = client.try_begin("RETR large")?;
        data.read_exact(&mut [0; 10_000])?;
        Ok(Some(data))
    }),
    ("an upload", |client| {
        let (mut data, _) = client.try_begin("STOU")?;
        data.write_all(&[7; 300_000])?;
        Ok(Some(data))
    }),
    ("APPE", |client| {
        // Somebody else may still write to it.
        let data = client.try_dial()?;
        if client.try_command("APPE more")?.0 != 150 {
            return Ok(None);
        }
        let mut data = client.secure(data)?;
        data.write_all(&[7; 3_000])?;
        Ok(Some(data))
    }),
    ("a listing", |client| client.try_begin("LIST").map(|(data, _)| Some(data))),
    ("REST", |client| client.try_expect("REST 10", 350).map(|_| None)),
    ("RNFR", |client| client.try_expect("RNFR large", 350).map(|_| None)),
    ("a digest", |client| client.send("XSHA256 large").map(|()| None)),
    ("ABOR", |client| {
        let (data, _) = client.try_begin("RETR large")?;
        client.send("ABOR")?;
        Ok(Some(data))
    }),
    ("active mode", |client| {
        client.try_expect("PORT 127,0,0,1,4,1", 200)?;
        client.send("LIST").map(|()| None)
    }),
    ("a new name for who it is", |client| client.send("USER bob").map(|()| None)),
    ("many commands", |client| client.send_raw(&b"STAT .\r\n".repeat(200)).map(|()| None)),
];

fn clients_may_leave_in_every_phase(runtime: Runtime) {
    let server = Setup::new(runtime)
        .set("passive.ports", "\"auto:64\"")
        .set("timeouts.data_connection", "\"1s\"")
        .set("timeouts.stall", "\"2s\"")
        .set("timeouts.idle", "\"3s\"")
        .set("timeouts.linger", "\"1s\"")
        .start();
    server.put("large", &pattern(4, 4 << 20));
    let watch = Watch::begin(&server);
    let mut other = server.login();
    let mut left_open = Vec::new();
    for (name, phase) in PHASES {
        for leaving in [Leaving::Closes, Leaving::Resets, Leaving::ClosesHalf, Leaving::Quits] {
            for secure in [false, true] {
                let mut client = Client::login_somehow(server.address, secure);
                let data = phase(&mut client).unwrap_or_else(|why| panic!("{name}, {leaving:?}: {why}"));
                match leaving {
                    Leaving::Closes => {}
                    Leaving::Resets => {
                        reset(client.socket());
                        data.iter().for_each(|data| reset(data.socket()));
                    }
                    Leaving::ClosesHalf => {
                        client.socket().shutdown(Shutdown::Write).unwrap();
                        left_open.push((client, data));
                    }
                    Leaving::Quits => client.send("QUIT").unwrap(),
                }
            }
        }
        assert!(other.noop() < Duration::from_secs(1), "behind {name}");
    }
    // Before the login, too.
    for lines in ["", "USER bob\r\n", "USER bob\r\nPASS wrong\r\n", "AUTH TLS\r\n", "AUTH TLS\r\n\x16\x03"] {
        for resets in [false, true] {
            for address in [server.address, server.implicit()] {
                let mut stream = connect_from(Ipv4Addr::LOCALHOST, address).unwrap();
                stream.write_all(lines.as_bytes()).unwrap();
                if resets {
                    reset(&stream);
                }
            }
        }
    }
    // Who keeps the connection open and says nothing is no different.
    eventually("all that left are gone", PATIENCE, || server.standing().sessions <= 1);
    drop(left_open);
    let _ = other.try_expect("QUIT", 221);
    drop(other);
    watch.end(&server);
}
