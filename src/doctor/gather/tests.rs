//! Facts from files as Linux writes them.

use super::sockets::parse;
use super::system::{Proc, container, ranges};
use crate::doctor::facts::Process;
use ftp_proto::config::PassivePorts;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0849 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000000000000000 100 0 0 10 0
   1: 0100007F:5208 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 222 1 0000000000000000 100 0 0 10 0
   2: 0100007F:0849 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0000000000000000 20 4 30 10 -1
   3: 00000000:520A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1 0000000000000000 100 0 0 10 0
broken line
";
const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:03DE 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 555 1 0000000000000000 100 0 0 10 0
";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
#[cfg(target_endian = "little")]
fn listening_sockets() {
    let found: Vec<_> = parse(TCP).into_iter().map(|found| (found.address, found.inode)).collect();
    assert_eq!(
        found,
        [(address("0.0.0.0:2121"), 111), (address("127.0.0.1:21000"), 222), (address("0.0.0.0:21002"), 444)]
    );
    assert_eq!(parse(TCP6)[0].address, address("[::1]:990"));
    assert_eq!(parse(""), []);
}

/// A process with this command line and these sockets.
fn process(root: &TempDir, id: u32, program: &str, command: &str, sockets: &[u64]) {
    let folder = root.path().join(id.to_string());
    fs::create_dir_all(folder.join("fd")).unwrap();
    fs::write(folder.join("comm"), format!("{program}\n")).unwrap();
    fs::write(folder.join("cmdline"), command.replace(' ', "\0")).unwrap();
    fs::write(folder.join("status"), "Name:\tx\nUid:\t0\t1000\t0\t0\nGid:\t0\t1001\t0\t0\nGroups:\t5 6 \n")
        .unwrap();
    symlink("/", folder.join("cwd")).unwrap();
    for socket in sockets {
        symlink(format!("socket:[{socket}]"), folder.join(format!("fd/{socket}"))).unwrap();
    }
}

#[test]
fn the_own_server_is_told_from_others() {
    let root = TempDir::new().unwrap();
    let config = root.path().join("ftpd.toml");
    fs::write(&config, "").unwrap();
    process(&root, 7, "ftpd", &format!("/usr/bin/ftpd serve --config {}", config.display()), &[111, 222]);
    process(&root, 9, "nginx", "nginx -g x", &[444]);
    let proc = Proc { root: root.path().to_owned() };
    let (listening, controls) = (parse(TCP), [address("[::]:2121")]);
    let (others, server) = proc.holders(&listening, &controls, &(21_000..=21_009), (&config, None));
    assert_eq!(server, Some(Process { id: 7, program: "ftpd".into() }));
    assert_eq!(others.len(), 1, "{others:?}");
    assert_eq!(others[0].by, Some(Process { id: 9, program: "nginx".into() }));

    // The same for another configuration: a stranger.
    let other = root.path().join("other.toml");
    fs::write(&other, "").unwrap();
    let (others, server) = proc.holders(&listening, &controls, &(21_000..=21_009), (&other, None));
    assert_eq!((others.len(), server), (3, None));

    // It has said who it is.
    let (others, server) = proc.holders(&listening, &controls, &(21_000..=21_009), (&other, Some(7)));
    assert_eq!((others.len(), server.map(|server| server.id)), (1, Some(7)));

    let user = proc.user(7).unwrap();
    assert_eq!((user.id, user.groups), (1_000, vec![1_001, 5, 6]));
}

#[test]
fn a_real_listener_is_found_with_its_owner() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    let range = here.port()..=here.port();
    let held = super::system::held_by_trying(&[here], &PassivePorts::Auto(1).listened());
    assert_eq!(held.len(), 1, "{held:?}");
    let text = fs::read_to_string("/proc/net/tcp").unwrap();
    let (others, server) =
        Proc::default().holders(&parse(&text), &[], &range, (std::path::Path::new("x"), None));
    assert_eq!(server, None);
    assert_eq!(others[0].by.as_ref().unwrap().id, std::process::id());
}

#[test]
fn reserved_ports() {
    assert_eq!(ranges("8080,9148-9150\n"), [8_080..=8_080, 9_148..=9_150]);
    assert_eq!(ranges("\n"), []);
}

#[test]
fn containers_by_their_marks() {
    let root = TempDir::new().unwrap();
    assert_eq!(container(root.path()), None);
    fs::create_dir_all(root.path().join("proc/1")).unwrap();
    fs::write(root.path().join("proc/1/cgroup"), "0::/kubepods/besteffort/pod1\n").unwrap();
    assert_eq!(container(root.path()), Some("kubernetes"));
    fs::write(root.path().join(".dockerenv"), "").unwrap();
    assert_eq!(container(root.path()), Some("docker"));
}
