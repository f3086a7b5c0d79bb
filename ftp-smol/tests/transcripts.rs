//! The transcripts over real sockets, as the other adapter plays them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

// It names the adapter it was written for; here it gets this one.
extern crate ftp_smol as ftp_sync;

#[path = "../../ftp-sync/tests/transcripts.rs"]
mod both;
