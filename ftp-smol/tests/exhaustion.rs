//! No descriptors left: the case of the other adapter, in a program of its own.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

// The case names the adapter it was written for; here it gets this one.
extern crate ftp_smol as ftp_sync;

#[path = "../../ftp-sync/tests/exhaustion.rs"]
mod both;
