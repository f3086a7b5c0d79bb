//! Firewalls of this kernel, in network namespaces made for it: what `ftpd firewall` prints is taken by the
//! programs it is for, and what it applies lets real clients in and nobody else. Needs root.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod net;
mod texts;
mod traffic;
mod truth;
