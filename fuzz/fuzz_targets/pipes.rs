//! See `ftp_proto::testing::fuzz::pipes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ftp_proto::testing::fuzz::pipes(data));
