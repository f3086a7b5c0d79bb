//! Jobs that take long, as digests: they hold up neither their session nor others, and can be stopped.

use crate::client::{Client, connect_from, eventually};
use crate::runtime::{Runtime, Setup};
use ftp_proto::testing::MemoryStorage;
use std::time::{Duration, Instant};

on_both_runtimes! {
    a_digest_does_not_hold_up_its_session, more_digests_than_places_hold_up_nobody,
    one_client_leaves_places_to_others, whoever_goes_leaves_no_job_behind,
}

/// `/big` takes hours to read through, `/gib` some seconds.
fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text").zeros("/big", 1 << 44).zeros("/gib", 1 << 30)
}

/// What a NOOP takes each of these, as a rule. They take turns, so that whatever else the machine does slows all of them.
fn noop(mut clients: [&mut Client; 2]) -> [Duration; 2] {
    let mut times = clients.each_ref().map(|_| Vec::new());
    for _ in 0..31 {
        for (client, times) in clients.iter_mut().zip(&mut times) {
            let begin = Instant::now();
            client.command("NOOP", "200");
            times.push(begin.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    })
}

fn a_digest_does_not_hold_up_its_session<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let (mut client, mut idle) = (server.login(), server.login());
    client.say("HASH big");
    client.command("NOOP", "150 HASH goes on.");
    client.expect("200");
    // It shares the processor with the digest as the idle one does, and does not wait for it, which takes hours.
    let tries: Vec<_> = (0..5).map(|_| noop([&mut client, &mut idle])).collect();
    let is_free = |[beside, alone]: &[Duration; 2]| *beside < *alone * 10;
    assert!(tries.iter().any(is_free), "beside a digest, and alone: {tries:?}");

    client.command("STAT", "211");
    let begin = Instant::now();
    client.command("ABOR", "426");
    client.expect("226");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());

    client.say("HASH gib");
    client
        .expect("213 SHA-256 0-1073741823 49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14");
    client.command("MD5 a.txt", "251 /a.txt 552E21CD4CD9918678E3C1A0DF491BC3");
}

fn more_digests_than_places_hold_up_nobody<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut askers: Vec<Client> = (0..40).map(|_| server.login()).collect();
    for asker in &mut askers {
        asker.say("XCRC big");
        asker.command("NOOP", "150");
        asker.expect("200");
    }
    let mut other = server.login();
    assert_eq!(other.fetch("RETR a.txt"), b"some text");
    // Its own has to wait until somebody gives up.
    other.say("XCRC a.txt");
    other.command("NOOP", "150");
    other.expect("200");
    for mut asker in askers {
        asker.command("ABOR", "426");
        asker.expect("226");
    }
    other.expect("250 ");
}

fn one_client_leaves_places_to_others<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    let mut askers: Vec<Client> = (0..40).map(|_| server.login()).collect();
    for asker in &mut askers {
        asker.say("XCRC big");
        asker.command("NOOP", "150");
        asker.expect("200");
    }
    let mut other = Client::greeted(connect_from([127, 0, 0, 2], server.address()));
    other.log_in();
    other.command("XCRC a.txt", "250 ");
}

fn whoever_goes_leaves_no_job_behind<R: Runtime>() {
    let server: R = Setup::new(&tree()).start();
    for _ in 0..40 {
        let mut client = server.login();
        client.say("HASH big");
        client.command("NOOP", "150");
    }
    eventually("they are gone", || server.sessions() == 0);
    // With 32 jobs left this one would never get its place.
    server.login().command("MD5 a.txt", "251");
    let mut last = server.login();
    last.say("HASH big");
    last.command("NOOP", "150");
    let begin = Instant::now();
    server.stop(Duration::ZERO);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}
