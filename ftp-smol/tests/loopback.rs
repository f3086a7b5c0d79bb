//! Real sockets on loopback. Every case of the other adapter is one of this: only what differs stands here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

// The cases name the adapter they were written for; here they get this one.
extern crate ftp_smol as ftp_sync;

#[path = "../../ftp-sync/tests/loopback.rs"]
mod both;
