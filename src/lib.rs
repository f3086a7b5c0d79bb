//! The FTP server that people run, as a library.
//!
//! The program `ftpd` is [`cli::main`]. Beneath it, each part can be used alone: [`storage`] is a jailed
//! directory as [`ftp_proto::host::Storage`], [`accounts`] the accounts file as
//! [`ftp_proto::host::Accounts`], [`log`] the notices as log lines, [`config_file`] the configuration file,
//! and [`runtime`] starts either adapter. What is not listed there on other systems than Unix needs Unix.

pub mod accounts;
#[cfg(unix)]
pub mod cli;
pub mod config_file;
pub mod log;
#[cfg(unix)]
pub mod runtime;
mod stamp;
pub mod storage;

/// Compiles and runs the example in README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
