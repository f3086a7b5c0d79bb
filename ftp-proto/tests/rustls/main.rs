//! `ftp_proto::tls::rustls` against clients of rustls, in memory, in both versions of TLS.
#![cfg(any(feature = "rustls", feature = "rustls-ring"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test may fail in any way it likes"
)]

mod client_certificates;
mod handshake;
mod identity;
mod pair;
mod pki;
mod resumption;
mod server_to_server;
