//! Serves a tree of files that lives in memory: `cargo run -p ftp-smol --example serve_memory`, then
//! `curl ftp://127.0.0.1:2121/`.

use ftp_proto::account::Rights;
use ftp_proto::config::{Passive, PassivePorts, Settings};
use ftp_proto::testing::{MemoryAccounts, MemoryStorage};
use std::error::Error;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let storage = MemoryStorage::new().file("/hello.txt", "Hello from memory.\n").dir("/incoming");
    let accounts = MemoryAccounts::new().anonymous(storage.account("anonymous", Rights::READ_ONLY)).user(
        "bob",
        "secret",
        storage.account("bob", Rights::ALL),
    );
    let passive = Passive { ports: PassivePorts::Auto(4), ..Passive::default() };
    let config = Settings { passive, ..Settings::default() }.validate()?;

    let options = ftp_smol::Options {
        control: vec!["127.0.0.1:2121".parse()?],
        ..ftp_smol::Options::new(Arc::new(config), Arc::new(accounts))
    };
    let server = ftp_smol::start(options)?;
    println!("serving on {:?}, passive ports {:?}", server.control_addrs(), server.passive_ports());
    loop {
        std::thread::park();
    }
}
