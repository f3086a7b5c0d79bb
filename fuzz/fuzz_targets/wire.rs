//! See `ftp_proto::testing::fuzz::wire`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ftp_proto::testing::fuzz::wire(data));
