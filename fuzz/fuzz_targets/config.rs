//! The reader of the configuration file.
#![no_main]

#[path = "config/check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::config(data));
