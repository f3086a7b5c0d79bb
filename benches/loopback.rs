//! Both adapters over loopback, side by side: a small and a large file, down and up, on disk.
#![allow(missing_docs, clippy::expect_used, reason = "criterion's macros; a benchmark that fails may panic")]

use benches::Client;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ftp_proto::account::{Account, Rights, RightsByPath};
use ftp_proto::config::{Passive, PassivePorts, Settings};
use ftp_proto::host::Accounts;
use ftp_proto::path::VirtualPath;
use ftp_proto::testing::MemoryAccounts;
use ftpd::storage::{DiskStorage, Options};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

fn accounts(root: &Path) -> Arc<dyn Accounts> {
    let storage = DiskStorage::open(root, Options::for_account("u")).expect("a readable folder");
    let account = Account {
        name: "u".to_owned(),
        storage: Arc::new(storage),
        rights: RightsByPath::everywhere(Rights::ALL),
        home: VirtualPath::root(),
    };
    Arc::new(MemoryAccounts::new().user("u", "p", account))
}

fn loopback(bench: &mut Criterion) {
    let root = tempfile::tempdir().expect("a folder");
    let passive = Passive { ports: PassivePorts::Auto(4), ..Passive::default() };
    let config = Arc::new(Settings { passive, ..Settings::default() }.validate().expect("settings"));
    let control = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let threads = ftp_sync::start(ftp_sync::Options {
        control: control.clone(),
        ..ftp_sync::Options::new(Arc::clone(&config), accounts(root.path()))
    })
    .expect("a server on threads");
    let smol = ftp_smol::start(ftp_smol::Options {
        control,
        ..ftp_smol::Options::new(config, accounts(root.path()))
    })
    .expect("a server on smol");
    let servers = [("threads", threads.control_addrs()[0]), ("smol", smol.control_addrs()[0])];

    let mut buffer = vec![0; 256 * 1024];
    for (size, name) in [(1024, "1 KiB"), (16 << 20, "16 MiB")] {
        let content = vec![7u8; size];
        std::fs::write(root.path().join(name), &content).expect("a file");
        let mut group = bench.benchmark_group(format!("loopback/{name}"));
        group.throughput(Throughput::Bytes(size as u64));
        for (runtime, address) in servers {
            let mut client = Client::login(address).expect("a login");
            group.bench_function(BenchmarkId::new("RETR", runtime), |bench| {
                bench.iter(|| assert_eq!(client.retr(name, &mut buffer).expect("a download"), size));
            });
            group.bench_function(BenchmarkId::new("STOR", runtime), |bench| {
                bench.iter(|| assert!(client.stor("up", &content).expect("an upload").starts_with("226")));
            });
        }
    }
}

criterion_group!(benches, loopback);
criterion_main!(benches);
