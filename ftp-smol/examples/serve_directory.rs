//! Serves a directory, read-only, to everybody: `cargo run -p ftp-smol --example serve_directory -- DIR`, then
//! `curl ftp://127.0.0.1:2121/`. The files come from the program's storage, which nothing leads out of; a tree
//! that lives elsewhere implements `ftp_proto::host::Storage`.

use ftp_proto::account::{Account, Credentials, LoginError, Rights, RightsByPath};
use ftp_proto::host::Accounts;
use ftp_proto::path::VirtualPath;
use ftpd::storage::{DiskStorage, Options};
use std::{error::Error, path::PathBuf, sync::Arc};

struct Everybody(Arc<DiskStorage>);

impl Accounts for Everybody {
    fn authenticate(&self, credentials: &Credentials) -> Result<Account, LoginError> {
        Ok(Account {
            name: credentials.user.clone(),
            storage: Arc::clone(&self.0) as _,
            rights: RightsByPath::everywhere(Rights::READ_ONLY),
            home: VirtualPath::root(),
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::args_os().nth(1).ok_or("which directory?")?);
    let accounts = Everybody(Arc::new(DiskStorage::open(&root, Options::default())?));
    let mut options = ftp_smol::Options::new(Arc::default(), Arc::new(accounts));
    options.control = vec!["127.0.0.1:2121".parse()?];
    let server = ftp_smol::start(options)?;
    println!("serving on {:?}", server.control_addrs());
    loop {
        std::thread::park();
    }
}
