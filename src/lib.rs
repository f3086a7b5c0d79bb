//! The FTP server that people run, as a library: its configuration file, accounts and logs.

pub mod accounts;
pub mod config_file;
pub mod log;
pub mod storage;
