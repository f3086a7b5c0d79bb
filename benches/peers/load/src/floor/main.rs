//! `ftpfloor`: not FTP servers, but the floors under them. Each speaks just enough FTP for `ftpload`, checks
//! nothing, logs nothing, has no deadlines, and does for each command the least work that this kernel allows.
//! What a real server costs is told as a ratio to them.
//!
//! ```text
//! ftpfloor threads  PORT ROOT [CERT.der KEY.der]   a thread and a kept listener per session; with TLS
//! ftpfloor epoll    PORT                           one thread, control connections only
//! ftpfloor acceptor PORT ROOT MIN MAX              threads, shared passive listeners, one thread accepts on them
//! ftpfloor self     PORT ROOT MIN MAX              the same, but sessions accept on the port they leased
//! ftpfloor smol     PORT ROOT MIN MAX              an executor per core on async-io, shared passive listeners
//! ftpfloor smol-own PORT ROOT MIN MAX              the same on an edge-triggered epoll per core
//! ```
//!
//! A server that beats its floor in a row has found something better: then the floor should be improved.

mod epoll;
mod pool;
mod shared;
mod smol;
mod speech;
mod threads;

use std::error::Error;
use std::process::ExitCode;

/// Why a floor did not start.
type Failure = Box<dyn Error + Send + Sync>;

fn run(arguments: &[&str]) -> Result<(), Failure> {
    match *arguments {
        ["threads", port, root] => threads::serve(port.parse()?, root, None),
        ["threads", port, root, certificate, key] => {
            threads::serve(port.parse()?, root, Some((certificate, key)))
        }
        ["epoll", port] => epoll::serve(port.parse()?),
        [who @ ("acceptor" | "self"), port, root, first, last] => {
            shared::serve(who == "self", port.parse()?, root, (first.parse()?, last.parse()?))
        }
        [reactor @ ("smol" | "smol-own"), port, root, first, last] => {
            smol::serve(reactor == "smol-own", port.parse()?, root, (first.parse()?, last.parse()?))
        }
        _ => Err("ftpfloor threads|epoll|acceptor|self|smol|smol-own PORT [ROOT [MIN MAX]]".into()),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ftpfloor: {failure}");
            ExitCode::FAILURE
        }
    }
}
