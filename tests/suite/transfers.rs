//! What happens to transfers while they run.

use crate::client::{Client, eventually, read_all, reset};
use crate::runtime::{Runtime, Setup, Witness};
use crate::storage::{Rude, SLOW};
use ftp_proto::testing::MemoryStorage;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

on_both_runtimes! {
    an_abort_in_the_middle, an_aborted_upload_is_not_published, status_shows_the_progress,
    quit_waits_for_the_end, a_reset_download_costs_the_transfer_only, a_reset_upload_is_not_published,
    a_client_that_does_not_read_stalls, a_client_that_does_not_send_stalls,
    slow_storage_delays_nobody_else, bulk_delays_nobody_else, commands_behind_a_transfer_wait,
}

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text").zeros("/big", 1 << 40)
}

/// A download that has begun and does not end.
fn download(client: &mut Client) -> TcpStream {
    let mut data = client.passive();
    client.command("RETR big", "150");
    data.read_exact(&mut [0; 100_000]).unwrap();
    data
}

fn an_abort_in_the_middle<R: Runtime>() {
    let server: R = Setup::new(&tree()).ports(1).start();
    let mut client = server.login();
    for _ in 0..5 {
        let data = download(&mut client);
        client.say("ABOR");
        client.expect("426");
        client.expect("226");
        drop(data);
        client.command("NOOP", "200");
    }
    client.command("ABOR", "22");
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
}

fn an_aborted_upload_is_not_published<R: Runtime>() {
    let storage = tree().file("/old", "the old content");
    let server: R = Setup::new(&storage).start();
    let mut client = server.login();
    for name in ["old", "new"] {
        let mut data = client.passive();
        client.command(&format!("STOR {name}"), "150");
        data.write_all(b"half").unwrap();
        client.say("ABOR");
        client.expect("426");
        client.expect("226");
    }
    assert_eq!(storage.contents("/old").unwrap(), b"the old content");
    assert!(!storage.exists("/new"));
}

fn status_shows_the_progress<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut client = server.login();
    let mut data = download(&mut client);
    let mut buffer = vec![0; 1_000_000];
    let mut progress = || {
        let reply = client.command("STAT", "211");
        let line = reply.lines().find(|line| line.contains("RETR")).unwrap_or_else(|| panic!("{reply}"));
        let number = line.split_whitespace().rev().find_map(|word| word.parse::<u64>().ok());
        number.unwrap_or_else(|| panic!("{line}"))
    };
    let mut seen = 0;
    let mut read = 100_000;
    for _ in 0..3 {
        let before = seen;
        eventually("it grows while bytes move", || {
            data.read_exact(&mut buffer).unwrap();
            read += 1_000_000;
            seen = progress();
            seen > before
        });
    }
    assert!(seen >= read / 2, "{seen}, and {read} have arrived");
}

fn quit_waits_for_the_end<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).start();
    let mut client = server.login();
    let mut data = client.passive();
    client.command("STOR up", "150");
    data.write_all(b"half, ").unwrap();
    client.say("QUIT");
    client.expect_silence(Duration::from_millis(100));
    data.write_all(b"and half").unwrap();
    drop(data);
    client.expect("226");
    client.expect("221");
    client.expect_end();
    assert_eq!(storage.contents("/up").unwrap(), b"half, and half");
    eventually("the session is gone", || server.sessions() == 0);
}

fn a_reset_download_costs_the_transfer_only<R: Runtime>() {
    let witness = Arc::new(Witness::default());
    let server: R = Setup::new(&tree()).ports(1).observer(Arc::<Witness>::clone(&witness)).start();
    let mut client = server.login();
    reset(download(&mut client));
    let reply = client.expect("426");
    assert!(reply.contains("bytes"), "how far it came: {reply}");
    assert_eq!(witness.verdicts(), ["broken"]);
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
}

fn a_reset_upload_is_not_published<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).ports(1).start();
    let mut client = server.login();
    let mut data = client.passive();
    client.command("STOR up", "150");
    data.write_all(b"half").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    reset(data);
    client.expect("426");
    assert!(!storage.exists("/up"));
    client.store("STOR up", b"whole");
    assert_eq!(storage.contents("/up").unwrap(), b"whole");
}

fn impatient<R: Runtime>(storage: &MemoryStorage) -> R {
    Setup::new(storage).settings(|settings| settings.timeouts.stall = Duration::from_secs(1)).start()
}

fn a_client_that_does_not_read_stalls<R: Runtime>() {
    let server: R = impatient(&tree());
    let mut client = server.login();
    let _data = download(&mut client);
    let reply = client.expect("426");
    assert!(reply.contains("stalled"), "{reply}");
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
}

fn a_client_that_does_not_send_stalls<R: Runtime>() {
    let storage = tree();
    let server: R = impatient(&storage);
    let mut client = server.login();
    let mut data = client.passive();
    client.command("STOR up", "150");
    for _ in 0..8 {
        // A slow client is no stalled one, and one second is the shortest there is.
        std::thread::sleep(Duration::from_millis(250));
        data.write_all(b"piece").unwrap();
    }
    client.expect("426");
    assert!(!storage.exists("/up"));
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
}

/// Time from a command to its reply.
fn answer_time(client: &mut Client) -> Duration {
    let begin = Instant::now();
    client.command("NOOP", "200");
    begin.elapsed()
}

/// Four sessions hang in the storage, more than there are processors on small machines.
fn slow_storage_delays_nobody_else<R: Runtime>() {
    let server: R = Setup::with_accounts(Rude::new(&tree())).start();
    let mut slow: Vec<_> = (0..4)
        .map(|_| {
            let mut client = server.login();
            let data = client.passive();
            (client, data)
        })
        .collect();
    let mut quick: Vec<Client> = (0..8).map(|_| server.login()).collect();
    let begin = Instant::now();
    for (client, _) in &mut slow {
        client.say("RETR slow");
    }
    let longest = quick.iter_mut().map(answer_time).max().unwrap();
    assert!(longest < Duration::from_millis(300), "a NOOP took {longest:?}");
    let newcomer = Instant::now();
    assert_eq!(server.login().fetch("RETR a.txt"), b"some text");
    let newcomer = newcomer.elapsed();
    assert!(newcomer < SLOW - Duration::from_millis(200), "a login and a file took {newcomer:?}");
    for (client, data) in &mut slow {
        client.expect("150");
        assert_eq!(read_all(data), b"some text");
        client.expect("226");
    }
    assert!(begin.elapsed() >= SLOW, "they were slow indeed");
}

/// Two downloads go as fast as they can.
fn bulk_delays_nobody_else<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut quick: Vec<Client> = (0..4).map(|_| server.login()).collect();
    let mut bulk: Vec<_> = (0..2)
        .map(|_| {
            let mut client = server.login();
            let data = download(&mut client);
            (client, data)
        })
        .collect();
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        for (_, data) in &bulk {
            let data = data.try_clone().unwrap();
            let mut data = data;
            scope.spawn(move || {
                let mut buffer = vec![0; 1 << 16];
                while data.read(&mut buffer).is_ok_and(|count| count > 0) {}
            });
        }
        for _ in 0..10 {
            times.extend(quick.iter_mut().map(answer_time));
        }
        for (client, _) in &mut bulk {
            client.say("ABOR");
            client.expect("426");
            client.expect("226");
        }
    });
    times.sort();
    let median = times[times.len() / 2];
    assert!(median < Duration::from_millis(100), "NOOP took {median:?} in the median");
}

fn commands_behind_a_transfer_wait<R: Runtime>() {
    let storage = tree();
    let server: R = Setup::new(&storage).start();
    let mut client = server.login();
    let mut data = client.passive();
    client.command("STOR up", "150");
    client.control.write_all(b"NOOP\r\nSIZE up\r\nPWD\r\n").unwrap();
    client.expect("200");
    client.expect_silence(Duration::from_millis(100));
    data.write_all(b"12345").unwrap();
    drop(data);
    client.expect("226");
    assert_eq!(client.expect("213"), "213 5");
    client.expect("257");
}
