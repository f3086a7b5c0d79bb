//! See `ftp_proto::testing::fuzz::model`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ftp_proto::testing::fuzz::model(data));
