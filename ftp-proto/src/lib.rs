//! The FTP server protocol as a pure state machine.
#![no_std]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod account;
pub mod config;
pub mod diagnose;
pub mod event;
pub mod host;
pub mod listing;
pub mod notice;
pub mod path;
pub mod time;
pub mod transfer;

pub mod command;
mod connection;
mod reply;
mod server;
mod session;
#[cfg(feature = "testing")]
pub mod testing;

pub use connection::Connection;
pub use server::{Admission, Server};
