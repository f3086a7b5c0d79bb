//! Real clients against the real program, on both runtimes.
//!
//! Each case is a plain function over a [`server::Runtime`], and [`on_both_runtimes!`] makes a test of
//! it for each, so that a name like `lftp::threads::mirrors_a_tree` says what broke. Each test has a server, a
//! folder and a home of its own and uses ports that the system chose, so that all may run at once.
//!
//! A client that isn't installed is a failure; `.ci/test` installs them. To test another build of the
//! program, name it in `FTPD_PROGRAM`.
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

mod certificates;
mod client;
mod configuration;
mod samples;
mod server;
mod session;

mod curl;
mod deflate;
mod ftplib;
mod large;
mod lftp;
mod names;
mod ncftp;
mod pasted;
mod promises;
mod tls;
mod tnftp;
mod wget;
