//! What holds for every command of the table, whatever the settings are and whatever a session is doing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test may fail in any way it likes"
)]

mod features;
mod settings;
mod speaker;
mod states;
