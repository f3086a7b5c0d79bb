//! One suite for both runtimes: what only real sockets show.
//!
//! Each case is a plain function over a [`runtime::Runtime`], and [`on_both_runtimes!`] makes a test of it for
//! each, so that a name like `passive::smol::nobody_comes` says what broke. Each test has a server and ports of
//! its own, which the system chose, so that all may run at once. What counts descriptors, threads or memory of
//! the whole process runs in a process of its own ([`alone::run`]).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

/// Makes a test for each runtime of each case.
macro_rules! on_both_runtimes {
    ($($case:ident),+ $(,)?) => {
        mod smol {
            $(#[test] fn $case() { super::$case::<crate::runtime::Smol>() })+
        }
        mod threads {
            $(#[test] fn $case() { super::$case::<crate::runtime::Threads>() })+
        }
    };
}

mod alone;
mod client;
mod runtime;
mod storage;
mod strangers;
mod tls;

mod active;
mod addresses;
mod balancers;
mod control;
mod foreign;
mod lifecycle;
mod live;
mod long;
mod names;
mod passive;
mod peers;
mod room;
mod rustls;
mod secure_control;
mod secure_data;
mod secure_peers;
mod transcripts;
mod transfers;
