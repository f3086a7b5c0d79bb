//! The core's transcripts once more, over real sockets: each that needs no feeding by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

use ftp_proto::config::{PassivePorts, Settings};
use ftp_proto::testing::{Script, run_over_tcp};
use ftp_sync::Options;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "ftp") {
            files.push(path);
        }
    }
}

/// Plays one on a server of its own; whether it could be played.
fn play(path: &Path) -> Result<bool, String> {
    let script = Script::parse(&path.display().to_string(), &std::fs::read_to_string(path).unwrap())?;
    if script.needs_hand_feeding() {
        return Ok(false);
    }
    let mut settings: Settings = (*script.config().unwrap()).clone();
    if let PassivePorts::Range(range) = &settings.passive.ports {
        settings.passive.ports = PassivePorts::Auto(range.len().clamp(1, 4) as u16);
    }
    let storage = script.storage();
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = Options {
        control: vec![loopback],
        implicit_tls: if script.is_implicit() { vec![loopback] } else { Vec::new() },
        tls: script.tls(),
        ..Options::new(Arc::new(settings.validate().unwrap()), Arc::new(script.accounts(&storage)))
    };
    let server = ftp_sync::start(options).unwrap();
    let doors = if script.is_implicit() { server.implicit_tls_addrs() } else { server.control_addrs() };
    run_over_tcp(&script, *doors.first().unwrap(), &storage).map(|()| true)
}

#[test]
fn transcripts_hold_over_real_sockets() {
    let mut files = Vec::new();
    collect(Path::new("../ftp-proto/tests/transcripts"), &mut files);
    let (queue, failures, played) = (Mutex::new(files), Mutex::new(Vec::new()), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let Some(file) = queue.lock().unwrap().pop() else { return };
                    match play(&file) {
                        Ok(could) => *played.lock().unwrap() += usize::from(could),
                        Err(why) => failures.lock().unwrap().push(why),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    let played = played.into_inner().unwrap();
    assert!(played >= 290, "only {played} could be played");
}
