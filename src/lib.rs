//! The FTP server that people run, as a library.
//!
//! The program `ftpd` is [`cli::main`]. Beneath it, each part can be used alone: [`storage`] is a jailed
//! directory as [`ftp_proto::host::Storage`], [`accounts`] the accounts file as
//! [`ftp_proto::host::Accounts`], [`certificate`] what certificates say, [`log`] the notices as log lines,
//! [`config_file`] the configuration file, [`import`] those of other servers, [`control`] how commands talk to a running server, [`mod@tls`] the certificates in use, and [`runtime`] starts either adapter. What is not listed there on
//! other systems than Unix needs Unix.

#[cfg(not(any(feature = "tls-aws-lc-rs", feature = "tls-ring")))]
compile_error!("ftpd needs cryptography; choose the feature tls-aws-lc-rs or tls-ring");

pub mod accounts;
pub mod certificate;
#[cfg(unix)]
pub mod cli;
pub mod config_file;
#[cfg(unix)]
pub mod control;
mod directory_lock;
#[cfg(unix)]
pub mod doctor;
pub mod firewall;
pub mod import;
pub mod log;
#[cfg(unix)]
pub mod networks;
mod replace;
#[cfg(unix)]
pub mod runtime;
pub mod sandbox;
mod size;
mod stamp;
pub mod storage;
pub mod tls;

/// Compiles and runs the example in README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
