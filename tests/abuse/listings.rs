//! Listings that cost: nobody reads them, there are many, or their pattern explodes. Time and memory have bounds, and
//! others hardly notice.

use crate::client::{Client, Wire};
use crate::server::{Runtime, Server};
use crate::watch::Watch;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

on_both_runtimes!(
    listings_that_nobody_reads_cost_little,
    a_thousand_listings_at_once_are_answered_in_order,
    a_hundred_thousand_names_that_nobody_reads_cost_little,
    patterns_that_explode_are_bounded,
);

/// What others wait for an answer.
const PROMPT: Duration = Duration::from_secs(1);

/// Directories of this width, so deep.
fn plant(folder: &Path, width: usize, depth: usize) {
    for number in 0..width {
        fs::write(folder.join(format!("a-file-with-a-rather-long-name-{number:04}")), b"").unwrap();
        if depth > 0 {
            let below = folder.join(format!("a-directory-with-a-name-{number:04}"));
            fs::create_dir(&below).unwrap();
            plant(&below, width, depth - 1);
        }
    }
}

/// A listing whose client takes nothing of it.
fn begin_unread(server: &Server, line: &str) -> (Client, Wire) {
    let mut client = server.login();
    let data = client.try_dial().unwrap();
    socket2::SockRef::from(&data).set_recv_buffer_size(4096).unwrap();
    client.send(line).unwrap();
    client.expect_reply(line, 150);
    (client, Wire::Plain(data))
}

fn listings_that_nobody_reads_cost_little(runtime: Runtime) {
    let server = Server::start(runtime);
    plant(&server.path(""), 9, 3);
    let mut deep = server.path("");
    for _ in 0..60 {
        deep.push("deeper");
        fs::create_dir(&deep).unwrap();
    }
    let watch = Watch::begin(&server);
    let mut other = server.login();
    let before = server.kernel_says("VmRSS");
    let unread: Vec<_> = (0..64).map(|_| begin_unread(&server, "LIST -R")).collect();
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        slowest = slowest.max(other.noop());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(slowest < PROMPT, "others wait for {slowest:?}");
    let grown = server.kernel_says("VmRSS").saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB for 64 listings that nobody reads");
    drop((unread, other));
    watch.end(&server);
}

fn a_thousand_listings_at_once_are_answered_in_order(runtime: Runtime) {
    const NUMBER: usize = 1_000;
    let server = Server::start(runtime);
    plant(&server.path(""), 20, 0);
    let watch = Watch::begin(&server);
    let mut other = server.login();
    let mut client = server.login();
    let before = server.kernel_says("VmRSS");
    std::thread::scope(|scope| {
        let mut sender = client.socket().try_clone().unwrap();
        // Over the control connection, of which nothing is read for a while.
        scope.spawn(move || {
            use std::io::Write as _;
            sender.write_all(&b"STAT .\r\nLIST\r\n".repeat(NUMBER)).unwrap();
        });
        for _ in 0..10 {
            assert!(other.noop() < PROMPT);
            std::thread::sleep(Duration::from_millis(30));
        }
        let grown = server.kernel_says("VmRSS").saturating_sub(before);
        assert!(grown < 16 << 10, "{grown} KiB for replies that nobody reads");
        for _ in 0..NUMBER {
            // A directory by STAT, and no data connection for LIST.
            let (status, text) = client.reply().unwrap();
            assert!([212, 213].contains(&status), "{text}");
            client.expect_reply("LIST", 425);
        }
    });
    assert_eq!(client.fetch("NLST").split(|byte| *byte == b'\n').count(), 21);
    drop((client, other));
    watch.end(&server);
}

fn a_hundred_thousand_names_that_nobody_reads_cost_little(runtime: Runtime) {
    const NAMES: usize = 100_000;
    let server = Server::start(runtime);
    fs::create_dir(server.path("many")).unwrap();
    fs::write(server.path("one"), b"").unwrap();
    for number in 0..NAMES {
        let folder = server.path("many");
        // Some file systems have a limit to the names of a file.
        if number % 30_000 == 0 {
            fs::write(folder.join("one"), b"").unwrap();
            fs::rename(folder.join("one"), server.path("one")).unwrap();
        }
        fs::hard_link(server.path("one"), folder.join(format!("name-number-{number:07}"))).unwrap();
    }
    let watch = Watch::begin(&server);
    let mut other = server.login();
    let before = server.kernel_says("VmRSS");
    let lines = ["NLST many", "LIST many", "LIST -t many", "MLSD many", "NLST many/*7*"];
    let unread: Vec<_> = lines.iter().map(|line| begin_unread(&server, line)).collect();
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        slowest = slowest.max(other.noop());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(slowest < PROMPT, "others wait for {slowest:?}");
    // A listing in order has to know all of its names; the others know a few.
    let grown = server.kernel_says("VmRSS").saturating_sub(before);
    assert!(grown < 48 << 10, "{grown} KiB for listings that nobody reads");
    // Who reads gets all.
    let names = other.fetch("NLST many");
    assert_eq!(names.split(|byte| *byte == b'\n').count(), NAMES + 1);
    drop((unread, other));
    watch.end(&server);
}

fn patterns_that_explode_are_bounded(runtime: Runtime) {
    let server = Server::start(runtime);
    plant(&server.path(""), 8, 3);
    fs::write(server.path(&"a".repeat(255)), b"").unwrap();
    let watch = Watch::begin(&server);
    let patterns = [
        "*/*/*/*/*".to_owned(),
        "*/../*/../*/../*/../*/../*/../*/../*".to_owned(),
        format!("{}b", "*a".repeat(120)),
        format!("{}b", "*a".repeat(4_000)),
        "?*".repeat(4_000),
        "{a,b}".repeat(20),
        "{a,b}".repeat(1_600),
        "{".repeat(8_100),
        "{,".repeat(4_000),
        format!("{}{}", "{".repeat(4_000), "}".repeat(4_000)),
        format!("{}x{}", "{a,".repeat(2_000), "}".repeat(2_000)),
        "{".repeat(250).as_str().to_owned() + "/" + &"{,".repeat(120),
        format!("{{{}}}", "a,".repeat(4_000)),
        format!("[{}", "a-".repeat(4_000)),
        "[".repeat(8_100),
        "\\".repeat(8_100),
        "*/".repeat(4_000),
    ];
    std::thread::scope(|scope| {
        let bombing = scope.spawn(|| {
            let mut client = server.login();
            for pattern in &patterns {
                let begin = Instant::now();
                for verb in ["LIST", "NLST", "STAT"] {
                    let line = format!("{verb} {pattern}");
                    let shown: String = line.chars().take(40).collect();
                    let data = client.try_dial().unwrap();
                    let (code, _) = client.command(&line);
                    if code == 150 {
                        let (mut data, mut bytes) = (data, Vec::new());
                        data.read_to_end(&mut bytes).unwrap();
                        client.reply().unwrap();
                        assert!(bytes.len() < 20 << 20, "{shown}: {} bytes", bytes.len());
                    }
                    let took = begin.elapsed();
                    assert!(took < Duration::from_secs(6), "{shown} took {took:?}");
                }
            }
            // One after the other without a pause: what each costs adds up.
            let line = format!("STAT {}\r\n", "{".repeat(8_000));
            client.send_raw(line.repeat(30).as_bytes()).unwrap();
            for _ in 0..30 {
                client.reply().unwrap();
            }
        });
        let mut others: Vec<Client> = (0..4).map(|_| server.login()).collect();
        let mut slowest = Duration::ZERO;
        while !bombing.is_finished() {
            for other in &mut others {
                slowest = slowest.max(other.noop());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(slowest < PROMPT, "others wait for {slowest:?}");
    });
    watch.end(&server);
}
