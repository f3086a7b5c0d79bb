//! Files that change while they are sent: the client sees a proper end, and what it was told of the size is true or
//! taken back by the reply.

use crate::client::Client;
use crate::dice::pattern;
use crate::server::{Runtime, Server};
use crate::watch::Watch;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

on_both_runtimes!(
    a_file_that_changes_while_it_is_sent_has_a_proper_end,
    a_file_that_is_written_to_all_the_time_has_an_end,
);

const SIZE: usize = 24 << 20;
/// More than all buffers between the file and the client.
const BEGUN: usize = 1 << 20;

/// A download: what came before the change, what was announced, what came in all, and the reply's code.
fn download_while(client: &mut Client, change: impl FnOnce()) -> (u64, Vec<u8>, u16) {
    let (mut data, text) = client.begin("RETR file");
    let announced =
        text.split('(').nth(1).and_then(|rest| rest.split(' ').next()).and_then(|word| word.parse().ok());
    let announced = announced.unwrap_or_else(|| panic!("no size: {text}"));
    let mut bytes = vec![0; BEGUN];
    data.read_exact(&mut bytes).unwrap();
    change();
    // An end without close_notify is an error for TLS, and says that the file is not whole.
    let _ = data.read_to_end(&mut bytes);
    drop(data);
    let (code, _) = client.reply().unwrap();
    (announced, bytes, code)
}

fn truncate(path: &Path, size: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(size).unwrap();
}

fn a_file_that_changes_while_it_is_sent_has_a_proper_end(runtime: Runtime) {
    let server = Server::start(runtime);
    let content = pattern(5, SIZE);
    let watch = Watch::begin(&server).expects("file became shorter");
    let path = server.path("file");
    for secure in [false, true] {
        let mut client = Client::login_somehow(server.address, secure);
        let mut coded = Client::login_somehow(server.address, secure);
        // Where the bytes come through the program.
        coded.expect("TYPE A", 200);
        for size in [0, BEGUN as u64 / 2, 20 << 20] {
            server.put("file", &content);
            let (announced, bytes, code) = download_while(&mut client, || truncate(&path, size));
            assert_eq!(announced, SIZE as u64);
            assert!(bytes.len() < SIZE && content.starts_with(&bytes), "{} bytes", bytes.len());
            assert!(
                [426, 451].contains(&code),
                "cut to {size}, TLS {secure}: {code} for {} bytes",
                bytes.len()
            );
        }
        server.put("file", &content);
        let (announced, bytes, code) = download_while(&mut client, || {
            fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[b'+'; 5 << 20]).unwrap();
        });
        assert_eq!(code, 226, "grown, TLS {secure}");
        assert!(bytes.len() as u64 == announced && bytes == content, "what was announced comes, and no more");
        server.put("file", &content);
        let (announced, bytes, code) = download_while(&mut client, || {
            server.put("another", b"short");
            fs::rename(server.path("another"), &path).unwrap();
        });
        assert_eq!((announced, code), (SIZE as u64, 226), "replaced, TLS {secure}");
        assert!(bytes == content, "the file that was there at the beginning");
        assert_eq!(client.fetch("RETR file"), b"short");
        server.put("file", &content);
        let (_, bytes, code) = download_while(&mut client, || fs::remove_file(&path).unwrap());
        assert!(code == 226 && bytes == content, "unlinked, TLS {secure}: {code}");
        // Nothing is announced of a text, and its length changes on the way.
        server.put("file", &b"line\n".repeat(4 << 20));
        let (mut data, _) = coded.begin("RETR file");
        data.read_exact(&mut [0; BEGUN]).unwrap();
        truncate(&path, 10);
        let _ = data.read_to_end(&mut Vec::new());
        drop(data);
        let (code, text) = coded.reply().unwrap();
        assert!([226, 426, 451].contains(&code), "{text}");
        drop((client, coded));
    }
    watch.end(&server);
}

/// A log: whoever downloads it does not run after its end for ever.
fn a_file_that_is_written_to_all_the_time_has_an_end(runtime: Runtime) {
    let server = Server::start(runtime);
    server.put("file", &[b'a'; 1000]);
    server.put("text", &b"a line\n".repeat(1000));
    let watch = Watch::begin(&server);
    std::thread::scope(|scope| {
        let until = Instant::now() + Duration::from_secs(2);
        for name in ["file", "text"] {
            let path = server.path(name);
            scope.spawn(move || {
                let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
                while Instant::now() < until {
                    file.write_all(&[b'b'; 10_000]).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        for secure in [false, true] {
            let server = &server;
            scope.spawn(move || {
                let mut client = Client::login_somehow(server.address, secure);
                while Instant::now() < until {
                    let before = fs::metadata(server.path("file")).unwrap().len();
                    let bytes = client.fetch("RETR file").len() as u64;
                    let after = fs::metadata(server.path("file")).unwrap().len();
                    assert!((before..=after).contains(&bytes), "{bytes}, not {before} to {after}");
                    client.expect("TYPE A", 200);
                    client.fetch("RETR text");
                    client.expect("TYPE I", 200);
                }
            });
        }
    });
    watch.end(&server);
}
