//! No descriptors left, no threads left: who is in stays in, newcomers hear why or wait, and when there are some again,
//! all is as before.

use crate::client::{Client, connect, connect_from, eventually};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};
use crate::watch::Watch;
use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

on_both_runtimes!(
    without_descriptors_the_server_rests_and_goes_on,
    without_descriptors_transfers_get_replies,
    without_threads_newcomers_are_told_and_nobody_is_lost,
);

/// A server that may have so many files open.
fn with_descriptors(runtime: Runtime, limit: u32) -> Server {
    let limit = format!("--nofile={limit}");
    let server = Setup::new(runtime).set("passive.ports", "\"auto:4\"").by(&["prlimit", &limit]).start();
    server.put("file", &[b'x'; 200_000]);
    server
}

/// Connections until there are no descriptors left.
fn exhaust(server: &Server, limit: usize) -> Vec<TcpStream> {
    let crowd = (0..limit + 50).map(|_| connect_from(Ipv4Addr::new(127, 0, 0, 3), server.address).unwrap());
    let crowd = crowd.collect();
    server.wait_for_log("clients can't be let in", 1);
    // A few are held by threads that wait in accept, where nobody sees them.
    let open = server.descriptors();
    assert!(open >= limit - 5, "{open} of {limit} descriptors");
    crowd
}

fn without_descriptors_the_server_rests_and_goes_on(runtime: Runtime) {
    const LIMIT: u32 = 200;
    let server = with_descriptors(runtime, LIMIT);
    let watch = Watch::begin(&server).expects("clients can't be let in");
    let mut before = server.login();
    let crowd = exhaust(&server, LIMIT as usize);
    let (begin, used) = (Instant::now(), server.processor_time());
    let mut slowest = Duration::ZERO;
    while begin.elapsed() < Duration::from_secs(3) {
        slowest = slowest.max(before.noop());
        std::thread::sleep(Duration::from_millis(100));
    }
    let used = server.processor_time() - used;
    assert!(used < Duration::from_millis(900), "it must not spin: {used:?} in three seconds");
    assert!(slowest < Duration::from_secs(1), "who is in waits for {slowest:?}");
    assert_eq!(server.count_in_log("clients can't be let in"), 1, "said once, not again and again");
    // Newcomers are told so, one after the other, and are served as soon as there is a place.
    let (mut told, mut kept) = (0, Vec::new());
    while told < 20 {
        let mut newcomer = connect(server.address).unwrap();
        newcomer.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut code = [0; 3];
        newcomer.read_exact(&mut code).expect("a word to who has come");
        match &code {
            b"421" => told += 1,
            // What was in use for a moment is a place.
            b"220" if kept.len() < 5 => kept.push(newcomer),
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
    }
    drop((crowd, kept));
    eventually("newcomers are let in again", Duration::from_secs(10), || {
        Client::try_login(Ipv4Addr::LOCALHOST, server.address).is_ok()
    });
    assert_eq!(server.login().fetch("RETR file").len(), 200_000);
    assert_eq!(before.fetch("RETR file").len(), 200_000);
    drop(before);
    watch.end(&server);
}

/// Whatever a command needs a descriptor for, it is answered, and the session lives.
fn without_descriptors_transfers_get_replies(runtime: Runtime) {
    const LIMIT: u32 = 200;
    let server = with_descriptors(runtime, LIMIT);
    let watch = Watch::begin(&server).expects("clients can't be let in").expects("Too many open files");
    let mut before: Vec<Client> = (0..3).map(|_| server.login()).collect();
    let mut prepared = server.login();
    // This one's data connection is there already when all is used up.
    let ready = prepared.try_dial().unwrap();
    prepared.expect("NOOP", 200);
    let crowd = exhaust(&server, LIMIT as usize);
    let lines = ["RETR file", "STOR new", "LIST", "MLSD", "APPE file", "NLST *", "STOU"];
    for (number, line) in lines.iter().enumerate() {
        let client = &mut before[number % 3];
        let begin = Instant::now();
        // The kernel takes the connection; the server can't.
        let data = client.try_dial().unwrap();
        client.send(line).unwrap();
        let mut codes = Vec::new();
        loop {
            let (code, text) = client.reply().unwrap_or_else(|why| panic!("{line}: {why}, behind {codes:?}"));
            codes.push(code);
            if code >= 200 {
                assert!([425, 426, 450, 451, 550, 226].contains(&code), "{line}: {text}");
                break;
            }
            if begin.elapsed() > Duration::from_secs(1) {
                client.send("ABOR").unwrap();
            }
        }
        assert!(begin.elapsed() < Duration::from_secs(32), "{line}: {:?}", begin.elapsed());
        drop(data);
        break_off(client);
    }
    for line in [
        "SIZE file",
        "MDTM file",
        "MKD new-directory",
        "CWD /",
        "DELE nothing",
        "XCRC file",
        "MLST file",
        "STAT .",
    ] {
        let (code, text) = before[0].command(line);
        assert!(code >= 200, "{line}: {text}");
    }
    let (code, text) = prepared.command("RETR file");
    assert!([150, 425, 426, 450, 451, 550].contains(&code), "{text}");
    drop((ready, crowd));
    break_off(&mut prepared);
    for client in before.iter_mut().chain([&mut prepared]) {
        let begin = Instant::now();
        // A port that nobody came to is not for the same address again for five seconds.
        while let Err(why) = client.try_fetch("RETR file") {
            assert!(begin.elapsed() < Duration::from_secs(15), "transfers don't work again: {why}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    drop((before, prepared));
    watch.end(&server);
}

/// Ends whatever runs, and reads all replies up to now.
fn break_off(client: &mut Client) {
    client.send("ABOR").unwrap();
    client.settle().unwrap();
}

static USERS: AtomicU32 = AtomicU32::new(0);

/// Root may have any number of threads, so the server runs as a user that nobody else is.
fn with_threads(runtime: Runtime, limit: u32) -> Server {
    let user = 1_000_000 + std::process::id() % 1_000_000 * 4 + USERS.fetch_add(1, Ordering::SeqCst);
    let number = user.to_string();
    let folder = tempfile::TempDir::new().unwrap();
    let copy = folder.path().join("ftpd");
    std::fs::copy(crate::server::program(), &copy).unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let limit = format!("--nproc={limit}");
    let words = ["prlimit", &limit, "setpriv", "--reuid", &number, "--regid", &number, "--clear-groups"];
    let setup = Setup::new(runtime).set("passive.ports", "\"auto:4\"").owned_by(user);
    let server = setup.by(&words).program(copy).start();
    drop(folder);
    server.put("file", &[b'x'; 200_000]);
    chown(server.path("file"), Some(user), Some(user)).unwrap();
    server
}

fn without_threads_newcomers_are_told_and_nobody_is_lost(runtime: Runtime) {
    // Threads that wait for newcomers count, too: up to 32 at each of two listeners. Executors have a few for all.
    let server = with_threads(runtime, if runtime == Runtime::Threads { 100 } else { 14 });
    let watch = Watch::begin(&server).expects("clients can't be let in");
    let mut before = server.login();
    let crowd: Vec<_> = (0..300).map(|_| connect(server.address).unwrap()).collect();
    let (begin, used) = (Instant::now(), server.processor_time());
    let mut slowest = Duration::ZERO;
    while begin.elapsed() < Duration::from_secs(2) {
        slowest = slowest.max(before.noop());
        std::thread::sleep(Duration::from_millis(100));
    }
    let used = server.processor_time() - used;
    assert!(used < Duration::from_millis(900), "it must not spin: {used:?} in two seconds");
    assert!(slowest < Duration::from_secs(1), "who is in waits for {slowest:?}");
    assert_eq!(before.fetch("RETR file").len(), 200_000);
    // What has a thread of its own otherwise.
    before.expect("HASH file", 213);
    // Everybody hears something soon: a greeting, or that there is no place.
    let (mut greeted, mut refused) = (0, 0);
    let (mut inside, mut kept) = (Vec::new(), Vec::new());
    for mut stream in crowd {
        let mut code = [0; 3];
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.read_exact(&mut code).expect("a word to who has come");
        match &code {
            b"220" => {
                greeted += 1;
                inside.push(stream.try_clone().unwrap());
            }
            b"421" => refused += 1,
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
        kept.push(stream);
    }
    if runtime == Runtime::Threads {
        assert!(refused > 100 && greeted > 10, "{greeted} greeted, {refused} refused");
    } else {
        assert_eq!(greeted, 300, "an executor needs no thread for a session");
    }
    // Who was greeted can log in, many at once, though each check of a password would like a thread of its own.
    inside.truncate(20);
    let login = format!("USER {USER}\r\nPASS {PASSWORD}\r\nQUIT\r\n");
    for stream in &mut inside {
        stream.write_all(login.as_bytes()).unwrap();
    }
    for stream in &mut inside {
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.contains("\r\n230 "), "{said}");
    }
    drop((inside, kept));
    eventually("newcomers are let in again", Duration::from_secs(10), || {
        Client::try_login(Ipv4Addr::LOCALHOST, server.address).is_ok()
    });
    drop(before);
    watch.end(&server);
}
