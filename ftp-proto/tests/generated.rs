//! Files made from the command table are what the table makes. `UPDATE=1 cargo test -p ftp-proto --test
//! generated` writes them anew.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::path::Path;

fn check(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("has a folder")).expect("folder can be made");
        std::fs::write(&path, made).expect("file can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == made, "{file} is not what the command table makes; run this test with UPDATE=1");
}

#[test]
fn the_page_of_commands() {
    check("docs/commands.md", &ftp_proto::command::docs::markdown());
}

#[test]
fn the_fuzz_dictionary() {
    check("fuzz/ftp.dict", &ftp_proto::command::docs::dictionary());
}
