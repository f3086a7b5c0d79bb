//! The core's transcripts once more, over loopback.

use crate::runtime::{Runtime, Setup};
use ftp_proto::config::PassivePorts;
use ftp_proto::testing::{Script, run_over_tcp};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

on_both_runtimes! { every_transcript_plays_over_loopback }

/// Fewer than this would mean that the rule which skips some has begun to skip others.
const AT_LEAST: usize = 290;
/// How many are played at once.
const PLAYERS: usize = 4;

/// Every transcript, in order.
fn transcripts() -> Vec<Script> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("ftp-proto/tests/transcripts");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let parse = |file: &PathBuf| {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        Script::parse(&name, &fs::read_to_string(file).unwrap()).unwrap()
    };
    files.iter().map(parse).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "ftp") {
            files.push(path);
        }
    }
}

fn play<R: Runtime>(script: &Script) -> Result<(), String> {
    let storage = script.storage();
    let mut setup = Setup::with_accounts(script.accounts(&storage));
    setup.settings = (*script.config().unwrap()).clone();
    setup.settings.passive.ports = PassivePorts::Auto(2);
    setup.tls = script.tls();
    if script.is_implicit() {
        setup = setup.implicit_tls("127.0.0.1:0");
    }
    let server: R = setup.start();
    let doors = if script.is_implicit() { server.implicit_tls_addrs() } else { server.control_addrs() };
    run_over_tcp(script, *doors.first().unwrap(), &storage)
}

fn every_transcript_plays_over_loopback<R: Runtime>() {
    let scripts = transcripts();
    let all = scripts.len();
    // What needs time that jumps, events fed by hand or addresses of its own can't be had from a network.
    let scripts: Vec<Script> = scripts.into_iter().filter(|script| !script.needs_hand_feeding()).collect();
    assert!(scripts.len() >= AT_LEAST, "only {} of {all} transcripts can be played", scripts.len());
    let (queue, failures) = (Mutex::new(scripts.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                loop {
                    let Some(script) = queue.lock().unwrap().next() else { break };
                    if let Err(failure) = play::<R>(script) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} fail:\n\n{}", failures.len(), scripts.len(), failures.join("\n"));
}
