//! `ftpload`: a load generator for FTP servers that costs little CPU of its own.
//!
//! `ftpload WORKLOAD --port PORT [options]` does one run and prints one line of JSON. Plain downloads are discarded in
//! the kernel (recv with `MSG_TRUNC`), plain uploads are sent by sendfile(2). What the server used is read from its
//! control group (`--cgroup`), or from /proc for the process `--pid` and its descendants.

mod client;
mod data;
mod figures;
mod hashes;
mod idle;
mod options;
mod report;
mod run;
mod secure;
mod verify;
mod workloads;

use options::{Options, Outcome};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::ExitCode;

fn start() -> Outcome<()> {
    let options: &'static Options = Box::leak(Box::new(Options::parse()?));
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    match options.workload.as_str() {
        "rtt" => workloads::round_trips(options),
        "login" | "tlshs" => workloads::logins(options),
        "retr" | "list" | "churn" => workloads::downloads(options),
        "stor" => workloads::uploads(options)?,
        "idle" => idle::idle(options)?,
        "hashes" => hashes::beside_transfers(options)?,
        "verify" => verify::verify(options),
        other => {
            return Err(format!(
                "unknown workload {other:?}; rtt login tlshs retr list churn stor idle hashes verify"
            ));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ftpload: {error}");
            ExitCode::FAILURE
        }
    }
}
