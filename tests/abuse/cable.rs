//! A cable that is cut, and put back: the server and its clients are in network namespaces of their own. Needs root.

use crate::client::{Client, eventually};
use crate::dice::pattern;
use crate::server::{Runtime, Server, Setup};
use crate::watch::Watch;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

on_both_runtimes!(
    a_cut_cable_ends_transfers_and_sessions,
    a_cable_that_drops_packets_ends_transfers_and_sessions
);

const SERVER: &str = "10.98.0.1";
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 2);

/// Both namespaces; they go when it is dropped.
struct Net {
    name: String,
}

/// How the cable is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The other end sees that there is no carrier.
    LinkDown,
    /// Nobody is told.
    Drop,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

fn run(line: &str) {
    let output = Command::new("sh").args(["-ec", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Net {
    fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests make network namespaces: run them as root"
        );
        let name = format!("ftpda{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let net = Self { name };
        let (server, client) = (net.server(), net.client());
        run(&format!(
            "ip netns add {server}; ip netns add {client}
             ip -n {server} link add eth0 type veth peer name eth0 netns {client}
             ip -n {server} link set lo up; ip -n {client} link set lo up
             ip -n {server} link set eth0 up; ip -n {client} link set eth0 up
             ip -n {server} addr add {SERVER}/24 dev eth0; ip -n {client} addr add {CLIENT}/24 dev eth0"
        ));
        net
    }

    fn server(&self) -> String {
        format!("{}s", self.name)
    }

    fn client(&self) -> String {
        format!("{}c", self.name)
    }

    fn cut(&self, how: Cut) {
        let client = self.client();
        match how {
            Cut::LinkDown => run(&format!("ip -n {client} link set eth0 down")),
            Cut::Drop => run(&format!(
                "ip netns exec {client} nft 'table ip cut {{
                     chain in {{ type filter hook input priority 0; iifname eth0 drop; }};
                     chain out {{ type filter hook output priority 0; oifname eth0 drop; }}; }}'"
            )),
        }
    }

    fn mend(&self, how: Cut) {
        let client = self.client();
        match how {
            Cut::LinkDown => run(&format!("ip -n {client} link set eth0 up")),
            Cut::Drop => run(&format!("ip netns exec {client} nft delete table ip cut")),
        }
    }

    /// Whatever this does with the network it does as the client. (A namespace is a thread's.)
    fn as_client<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.client())).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                work()
            });
            thread.join().unwrap_or_else(|why| std::panic::resume_unwind(why))
        })
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for namespace in [self.server(), self.client()] {
            let _ = Command::new("ip").args(["netns", "del", &namespace]).output();
        }
    }
}

fn a_cut_cable_ends_transfers_and_sessions(runtime: Runtime) {
    cut_and_mend(runtime, Cut::LinkDown);
}

fn a_cable_that_drops_packets_ends_transfers_and_sessions(runtime: Runtime) {
    cut_and_mend(runtime, Cut::Drop);
}

fn cut_and_mend(runtime: Runtime, how: Cut) {
    let net = Net::new();
    let server = Setup::new(runtime)
        .by(&["ip", "netns", "exec", &net.server()])
        .set("server.bind", &format!("\"{SERVER}:0\""))
        .set("server.bind_implicit_tls", &format!("\"{SERVER}:0\""))
        .set("server.keepalive", "1")
        .set("timeouts.stall", "\"2s\"")
        .set("timeouts.idle", "\"4s\"")
        .set("timeouts.linger", "\"1s\"")
        .start();
    let content = pattern(21, 32 << 20);
    server.put("down", &content);
    net.as_client(|| in_the_client_s_network(&net, &server, how, &content));
}

fn in_the_client_s_network(net: &Net, server: &Server, how: Cut, content: &[u8]) {
    let watch = Watch::begin_from(CLIENT, server);
    let mut sessions = Vec::new();
    for secure in [false, true] {
        let mut down = login(server, secure);
        let mut up = login(server, secure);
        let (mut from, _) = down.begin("RETR down");
        from.read_exact(&mut vec![0; 1 << 20]).unwrap();
        let (mut to, _) = up.begin(&format!("STOR up-{secure}"));
        to.write_all(&content[..3 << 20]).unwrap();
        // One more does nothing, and one waits for a data connection.
        let mut waiting = login(server, secure);
        waiting.try_passive_port().unwrap();
        sessions.push((down, from, up, to, waiting, login(server, secure)));
    }
    eventually("what was sent has arrived", Duration::from_secs(10), || server.standing().transfers == 4);
    std::thread::sleep(Duration::from_millis(300));
    net.cut(how);
    let begin = Instant::now();
    // Two transfers each way: stalled, by the log, after two seconds.
    server.wait_for_log("not sent", 2);
    server.wait_for_log("not received", 2);
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(6), "a stall is noticed after {took:?}");
    let log = server.log();
    let mut ended = log.lines().filter(|line| line.contains("not sent") || line.contains("not received"));
    assert!(ended.all(|line| line.contains("reason=")), "the log says why");
    // The control connections are dead, too: nobody hears the reply, and the time for commands is up at last.
    eventually("the sessions end", Duration::from_secs(15), || server.standing().sessions == 0);
    net.mend(how);
    drop(sessions);
    for (secure, resumes_by) in [(false, "REST"), (true, "APPE")] {
        let mut client = patiently(server, secure);
        let name = format!("up-{secure}");
        let there: usize = client.expect(&format!("SIZE {name}"), 213)[4..].parse().unwrap();
        assert!(there > 0 && there <= 3 << 20, "{there} bytes of the upload are kept");
        assert!(!server.path(&name).exists(), "but not under its name");
        if resumes_by == "REST" {
            client.expect(&format!("REST {there}"), 350);
            client.store(&format!("STOR {name}"), &content[there..]);
        } else {
            client.store(&format!("APPE {name}"), &content[there..]);
        }
        assert!(server.get(&name) == content, "the upload is whole");
        client.expect("REST 1000000", 350);
        assert!(client.fetch("RETR down") == content[1_000_000..], "the download goes on");
        client.expect("QUIT", 221);
    }
    watch.end_from(CLIENT, server);
}

fn login(server: &Server, secure: bool) -> Client {
    let login = if secure { Client::try_login_securely } else { Client::try_login };
    login(CLIENT, server.address).unwrap_or_else(|why| panic!("no login: {why}"))
}

/// A cable that was just put back may take a moment.
fn patiently(server: &Server, secure: bool) -> Client {
    let login = if secure { Client::try_login_securely } else { Client::try_login };
    let mut client = None;
    eventually("a client comes in again", Duration::from_secs(20), || {
        client = login(CLIENT, server.address).ok();
        client.is_some()
    });
    client.unwrap()
}
