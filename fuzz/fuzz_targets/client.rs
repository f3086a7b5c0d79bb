//! See `ftp_proto::testing::fuzz::client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ftp_proto::testing::fuzz::client(data));
