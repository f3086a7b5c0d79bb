//! What strangers, users and machines do to a server: floods, bombs, cut cables, kills, files that change while they are
//! sent, descriptors and threads that run out, and a day's work in a minute. All against the real program, on both
//! runtimes.
//!
//! Each case is a plain function over a [`server::Runtime`] and begins with a [`watch::Watch`], which at the end wants
//! everything back: descriptors, threads, leases, sessions, memory, and a log without an internal error. Some cases make
//! network namespaces or other users, and need root.
//!
//! `FTPD_CHURN_SECONDS` lets the churn last longer than its half a minute; `FTPD_PROGRAM` names another build of the
//! program.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

/// Makes a test for each runtime of each case.
macro_rules! on_both_runtimes {
    ($($case:ident),+ $(,)?) => {
        mod smol {
            $(#[test] fn $case() { super::$case(crate::server::Runtime::Smol) })+
        }
        mod threads {
            $(#[test] fn $case() { super::$case(crate::server::Runtime::Threads) })+
        }
    };
}

mod client;
mod dice;
mod server;
mod tls;
mod watch;

mod cable;
mod changing_files;
mod churn;
mod exhaustion;
mod kills;
mod leases;
mod links;
mod listings;
mod phases;
mod strangers;
