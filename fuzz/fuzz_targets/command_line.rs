//! See `ftp_proto::testing::fuzz::command_line`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ftp_proto::testing::fuzz::command_line(data));
