//! The end of the process at any moment: by SIGKILL, as in a power cut or when memory is short, and by SIGTERM, as when
//! it is updated. What has a real name is whole, and what is not whole can be gone on with.

use crate::client::Client;
use crate::dice::{Dice, pattern};
use crate::server::{Runtime, Server, Setup};
use crate::watch::Watch;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

on_both_runtimes!(
    a_kill_leaves_whole_files_and_parts_to_go_on_with,
    a_server_asked_to_stop_lets_transfers_finish
);

const UPLOADS: usize = 25;
const ROUNDS: u64 = 8;
const SIZE: usize = 600_000;

fn content(round: u64, number: usize) -> Vec<u8> {
    pattern(round << 32 | number as u64, SIZE)
}

fn read(folder: &Path, name: &str) -> Option<Vec<u8>> {
    std::fs::read(folder.join("root").join(name)).ok()
}

/// Two hundred uploads, half of them over files that are there.
fn a_kill_leaves_whole_files_and_parts_to_go_on_with(runtime: Runtime) {
    let setup = Setup::new(runtime);
    let mut server = setup.start();
    let mut dice = Dice::new(11);
    let (mut parts, mut whole) = (0, 0);
    for round in 0..ROUNDS {
        let name = |number: usize| format!("file-{round}-{number}");
        let old = b"what was there before".as_slice();
        for number in (0..UPLOADS).filter(|number| number % 2 == 0) {
            server.put(&name(number), old);
        }
        let patience = Duration::from_millis(30 + dice.below(300) as u64);
        let contents: Vec<Vec<u8>> = (0..UPLOADS).map(|number| content(round, number)).collect();
        let address = server.address;
        let mut clients: Vec<Client> =
            (0..UPLOADS).map(|number| Client::login_somehow(address, number % 5 == 0)).collect();
        let folder = std::thread::scope(|scope| {
            for (number, (client, content)) in clients.iter_mut().zip(&contents).enumerate() {
                let pause = dice.below(80) as u64;
                scope.spawn(move || {
                    std::thread::sleep(Duration::from_millis(pause));
                    // It is killed at some point in here, so that any of it may fail.
                    let begun = client.try_begin(&format!("STOR file-{round}-{number}"));
                    let Ok((mut data, _)) = begun else { return };
                    for piece in content.chunks(SIZE / 20) {
                        std::thread::sleep(Duration::from_millis(pause / 4));
                        if data.write_all(piece).is_err() {
                            return;
                        }
                    }
                    let _ = data.finish();
                    let _ = client.reply();
                });
            }
            std::thread::sleep(patience);
            server.kill()
        });
        for (number, new) in contents.iter().enumerate() {
            let found = read(folder.path(), &name(number));
            match found {
                Some(bytes) if bytes == *new => whole += 1,
                Some(bytes) => {
                    assert!(number % 2 == 0 && bytes == old, "{}: {} bytes", name(number), bytes.len());
                }
                None => assert!(number % 2 == 1, "{} is gone", name(number)),
            }
        }
        server = setup.start_in(Arc::clone(&folder));
        let watch = Watch::begin(&server);
        let mut client = server.login();
        for (number, new) in contents.iter().enumerate() {
            let name = name(number);
            if read(folder.path(), &name).is_none_or(|bytes| bytes == old) {
                parts += usize::from(go_on(&mut client, &name, new, number));
            }
            assert!(server.get(&name) == *new, "{name} is whole at last");
        }
        drop(client);
        watch.end(&server);
    }
    assert!(parts > 10, "kills were to leave parts: {parts} of {}", UPLOADS as u64 * ROUNDS);
    assert!(whole > 0, "some uploads were to be through before the kill");
}

/// As clients do: they ask how much there is, and send the rest. Whether there was anything to go on with.
fn go_on(client: &mut Client, name: &str, new: &[u8], number: usize) -> bool {
    // What replaces a file has no size of its own, so that clients begin again.
    let size = if number % 2 == 1 { client.command(&format!("SIZE {name}")) } else { (550, String::new()) };
    let there = match size {
        (213, text) => text.split(' ').nth(1).unwrap().parse().unwrap(),
        _ => 0,
    };
    assert!(there <= new.len());
    if there == 0 {
        client.store(&format!("STOR {name}"), new);
    } else if number % 4 == 1 {
        client.store(&format!("APPE {name}"), &new[there..]);
    } else {
        client.expect(&format!("REST {there}"), 350);
        client.store(&format!("STOR {name}"), &new[there..]);
    }
    there > 0
}

fn a_server_asked_to_stop_lets_transfers_finish(runtime: Runtime) {
    let mut server = Server::start(runtime);
    let content = pattern(12, 12 << 20);
    server.put("down", &content);
    let mut downloads: Vec<_> =
        [false, true].map(|secure| Client::login_somehow(server.address, secure)).into();
    let mut uploads: Vec<_> =
        [false, true].map(|secure| Client::login_somehow(server.address, secure)).into();
    let mut idle = server.login();
    let mut down: Vec<_> = downloads.iter_mut().map(|client| client.begin("RETR down").0).collect();
    let mut up: Vec<_> = Vec::new();
    for (number, client) in uploads.iter_mut().enumerate() {
        let (mut data, _) = client.begin(&format!("STOR up-{number}"));
        data.write_all(&content[..1 << 20]).unwrap();
        up.push(data);
    }
    let begin = Instant::now();
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(idle.reply().unwrap().0, 421, "who does nothing is sent away");
    std::thread::sleep(Duration::from_millis(300));
    if let Ok(mut late) = crate::client::connect(server.address) {
        let mut words = String::new();
        let _ = late.read_to_string(&mut words);
        assert!(words.is_empty() || words.starts_with("421"), "{words}");
    }
    for (data, client) in down.iter_mut().zip(&mut downloads) {
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).unwrap();
        assert!(bytes == content);
        client.expect_reply("RETR", 226);
    }
    for (mut data, client) in up.into_iter().zip(&mut uploads) {
        data.write_all(&content[1 << 20..]).unwrap();
        data.finish().unwrap();
        client.expect_reply("STOR", 226);
    }
    for number in 0..2 {
        assert!(server.get(&format!("up-{number}")) == content);
    }
    assert!(server.wait().success(), "it ends by itself");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(!server.log().contains("internal error"));
}
