//! Connections that a balancer passes on, with PROXY headers.

use crate::client::{Client, connect_from, eventually, pattern, read_all};
use crate::runtime::{Runtime, Setup, Witness};
use ftp_proto::testing::MemoryStorage;
use ftp_proto::testing::balancer::{binary_header, local_header, text_header};
use std::io::Write as _;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

on_both_runtimes! {
    clients_are_who_the_balancer_says, a_header_may_come_in_pieces, control_connections_without_a_header,
    transfers_go_both_ways, the_file_may_come_with_the_header, the_header_may_come_late_and_in_pieces,
    fifty_clients_share_a_port, what_came_before_the_lease_is_not_given_to_it, a_silent_one_delays_nobody,
    garbage_is_named_in_the_reply, tls_begins_behind_the_header, tls_from_the_first_byte,
}

const BALANCER: [u8; 4] = [127, 0, 0, 9];
const PUBLIC: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// How a balancer writes its headers.
type Header = fn(SocketAddr, SocketAddr) -> Vec<u8>;
const HEADERS: [Header; 2] = [text_header, binary_header];

fn tree() -> MemoryStorage {
    MemoryStorage::new().file("/a.txt", "some text").dir("/in").zeros("/zeros", 3 << 20)
}

fn setup(storage: &MemoryStorage) -> Setup {
    let trusted = "127.0.0.9".parse().unwrap();
    Setup::new(storage).ports(1).settings(|settings| settings.proxy.trusted.push(trusted))
}

/// A client that none of these machines has.
#[derive(Clone, Copy)]
struct Far {
    source: SocketAddr,
    header: Header,
}

impl Far {
    fn new(number: u8, header: Header) -> Self {
        Self { source: SocketAddr::from(([203, 0, 113, number], 50_000)), header }
    }

    fn header(self, port: u16) -> Vec<u8> {
        (self.header)(self.source, SocketAddr::from((PUBLIC, port)))
    }

    /// Its connection, as the balancer passes it on.
    fn connect(self, address: SocketAddr) -> TcpStream {
        let mut stream = connect_from(BALANCER, address);
        stream.set_nodelay(true).unwrap();
        stream.write_all(&self.header(21)).unwrap();
        stream
    }

    fn client(self, server: &impl Runtime) -> Client {
        Client::greeted(self.connect(server.address()))
    }

    fn login(self, server: &impl Runtime) -> Client {
        let mut client = self.client(server);
        client.log_in();
        client
    }

    fn fetch(self, client: &mut Client, command: &str) -> Vec<u8> {
        let data = self.connect(client.epsv());
        client.fetch_over(&data, command)
    }
}

fn clients_are_who_the_balancer_says<R: Runtime>() {
    let witness = Arc::new(Witness::default());
    let server: R = setup(&tree()).observer(Arc::<Witness>::clone(&witness)).start();
    let clients = [Far::new(1, text_header), Far::new(2, binary_header)];
    let sessions = clients.map(|far| far.login(&server));
    let mut local = connect_from(BALANCER, server.address());
    local.write_all(&local_header()).unwrap();
    let own_end = local.local_addr().unwrap();
    let local = Client::greeted(local);
    assert_eq!(witness.peers(), [clients[0].source, clients[1].source, own_end]);
    for mut session in sessions {
        let reply = session.command("PASV", "227");
        assert!(reply.contains("(198,51,100,1,"), "the balancer's address: {reply}");
    }
    drop(local);
    // Whoever isn't a balancer says something odd, and is who it is.
    let mut client = server.client();
    client.control.write_all(&text_header(clients[0].source, clients[1].source)).unwrap();
    client.expect("500");
    assert_eq!(witness.peers().len(), 4);
    assert_eq!(witness.peers()[3], client.control.local_addr().unwrap());
    client.log_in();
    assert_eq!(client.fetch("RETR a.txt"), b"some text");
}

fn a_header_may_come_in_pieces<R: Runtime>() {
    let server: R = setup(&tree()).start();
    for header in HEADERS {
        let mut stream = connect_from(BALANCER, server.address());
        stream.set_nodelay(true).unwrap();
        for byte in Far::new(1, header).header(21) {
            stream.write_all(&[byte]).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        // And with commands behind it in one segment.
        let mut client = Client::greeted(stream);
        client.command("USER anonymous", "331");
        let mut stream = connect_from(BALANCER, server.address());
        stream.write_all(&[&Far::new(1, header).header(21)[..], b"NOOP\r\nQUIT\r\n"].concat()).unwrap();
        let mut client = Client::greeted(stream);
        client.expect("200");
        client.expect("221");
        client.expect_end();
    }
}

fn control_connections_without_a_header<R: Runtime>() {
    let witness = Arc::new(Witness::default());
    let server: R = setup(&tree()).observer(Arc::<Witness>::clone(&witness)).start();
    let silent = connect_from(BALANCER, server.address());
    let mut garbage = connect_from(BALANCER, server.address());
    garbage.write_all(b"USER anonymous\r\n").unwrap();
    let mut garbage = Client::silent(garbage);
    garbage.expect("421");
    garbage.expect_end();
    let begin = Instant::now();
    let mut silent = Client::silent(silent);
    silent.expect("421");
    silent.expect_end();
    assert!(begin.elapsed() > Duration::from_secs(3), "it had some time: {:?}", begin.elapsed());
    // One that is closed at once looks only whether the port is open.
    drop(connect_from(BALANCER, server.address()));
    eventually("nothing is left", || server.sessions() == 0);
    let problems = ["it does not begin with a PROXY header", "no PROXY header came in time"];
    assert_eq!(witness.unnamed(), problems);
    assert!(witness.sessions().is_empty());
}

fn transfers_go_both_ways<R: Runtime>() {
    let storage = tree();
    let server: R = setup(&storage).start();
    for header in HEADERS {
        let far = Far::new(1, header);
        let mut client = far.login(&server);
        for _ in 0..10 {
            assert_eq!(far.fetch(&mut client, "RETR a.txt"), b"some text");
        }
        assert_eq!(far.fetch(&mut client, "RETR zeros"), vec![0; 3 << 20]);
        for len in [0, 1, 65_536, 700_001] {
            let bytes = pattern(len);
            let data = far.connect(client.epsv());
            client.store_over(&data, "STOR in/up", &bytes);
            assert_eq!(storage.contents("/in/up").as_ref(), Some(&bytes), "{len} bytes up");
            assert_eq!(far.fetch(&mut client, "RETR in/up"), bytes, "{len} bytes down");
        }
    }
}

/// Cameras send their file and close everything at once.
fn the_file_may_come_with_the_header<R: Runtime>() {
    let storage = tree();
    let server: R = setup(&storage).start();
    for (header, before_the_command) in
        [(HEADERS[0], true), (HEADERS[0], false), (HEADERS[1], true), (HEADERS[1], false)]
    {
        for len in [0, 1, 4_000, 60_000, 300_000] {
            let far = Far::new(1, header);
            let mut client = far.login(&server);
            let address = client.epsv();
            if !before_the_command {
                client.say("STOR in/up");
                std::thread::sleep(Duration::from_millis(3));
            }
            let mut data = connect_from(BALANCER, address);
            let bytes = pattern(len);
            data.write_all(&[&far.header(41_000)[..], &bytes].concat()).unwrap();
            data.shutdown(Shutdown::Write).unwrap();
            if before_the_command {
                std::thread::sleep(Duration::from_millis(3));
                client.say("STOR in/up");
            }
            client.expect("150");
            client.expect("226");
            assert_eq!(storage.contents("/in/up").as_ref(), Some(&bytes), "{len} bytes");
        }
    }
}

fn the_header_may_come_late_and_in_pieces<R: Runtime>() {
    let storage = tree();
    let server: R = setup(&storage).start();
    for header in HEADERS {
        let far = Far::new(1, header);
        let mut client = far.login(&server);
        let mut data = connect_from(BALANCER, client.epsv());
        data.set_nodelay(true).unwrap();
        client.say("STOR in/up");
        std::thread::sleep(Duration::from_millis(200));
        let bytes = pattern(300_000);
        let header = far.header(41_000);
        let (last, first) = header.split_last().unwrap();
        for byte in first {
            data.write_all(&[*byte]).unwrap();
            std::thread::sleep(Duration::from_millis(3));
        }
        data.write_all(&[&[*last][..], &bytes].concat()).unwrap();
        data.shutdown(Shutdown::Write).unwrap();
        client.expect("150");
        client.expect("226");
        assert_eq!(storage.contents("/in/up").as_ref(), Some(&bytes));
    }
}

fn fifty_clients_share_a_port<R: Runtime>() {
    let storage =
        (0..50).fold(tree(), |storage, number| storage.file(format!("/{number}"), pattern(number * 999)));
    let server: R = setup(&storage).start();
    std::thread::scope(|scope| {
        for number in 0..50u8 {
            let server = &server;
            scope.spawn(move || {
                let far = Far::new(number, HEADERS[usize::from(number % 2)]);
                let mut client = far.login(server);
                for _ in 0..4 {
                    let own = far.fetch(&mut client, &format!("RETR {number}"));
                    assert!(own == pattern(usize::from(number) * 999), "the file of {number}");
                }
            });
        }
    });
    eventually("nothing is left", || server.sessions() == 0);
}

fn what_came_before_the_lease_is_not_given_to_it<R: Runtime>() {
    let server: R = setup(&tree()).start();
    let far = Far::new(1, binary_header);
    let mut client = far.login(&server);
    // Accepted, but it has not said whose it is; in one case not even accepted.
    for pause in [0, 300] {
        let mut early = connect_from(BALANCER, SocketAddr::from(([127, 0, 0, 1], server.passive_port())));
        std::thread::sleep(Duration::from_millis(pause));
        let address = client.epsv();
        early.write_all(&far.header(41_000)).unwrap();
        assert_eq!(read_all(&early), b"", "it is closed without a byte");
        let data = far.connect(address);
        assert_eq!(client.fetch_over(&data, "RETR a.txt"), b"some text");
    }
}

fn a_silent_one_delays_nobody<R: Runtime>() {
    let witness = Arc::new(Witness::default());
    let server: R = setup(&tree()).observer(Arc::<Witness>::clone(&witness)).start();
    let far = Far::new(1, text_header);
    let mut client = far.login(&server);
    let silent: Vec<_> = (0..60)
        .map(|number| {
            let address = client.epsv();
            let mut silent = connect_from(BALANCER, address);
            silent.write_all(&far.header(21)[..number % 20]).unwrap();
            let begin = Instant::now();
            let data = far.connect(address);
            assert_eq!(client.fetch_over(&data, "RETR a.txt"), b"some text");
            assert!(begin.elapsed() < Duration::from_secs(1), "it took {:?}", begin.elapsed());
            silent
        })
        .collect();
    for silent in &silent {
        assert_eq!(read_all(silent), b"", "it is closed in the end");
    }
    eventually("all are told of", || witness.unnamed().len() == 60);
    assert!(witness.unnamed().iter().all(|problem| problem == "no PROXY header came in time"));
}

fn garbage_is_named_in_the_reply<R: Runtime>() {
    let witness = Arc::new(Witness::default());
    let server: R = setup(&tree())
        .settings(|settings| settings.timeouts.data_connection = Duration::from_millis(600))
        .observer(Arc::<Witness>::clone(&witness))
        .start();
    let mut client = Far::new(1, text_header).login(&server);
    let mut garbage = connect_from(BALANCER, client.epsv());
    client.say("RETR a.txt");
    garbage.write_all(b"hello").unwrap();
    let reply = client.expect_after_mark("425");
    assert!(reply.contains("balancer"), "{reply}");
    assert_eq!(read_all(&garbage), b"");
    assert_eq!(witness.verdicts(), ["no_proxy_header"]);
    assert_eq!(witness.unnamed(), ["it does not begin with a PROXY header"]);
}

fn both_ways(far: Far, client: &mut Client, storage: &MemoryStorage) {
    for len in [0, 1, 100_000, 3 << 20] {
        let bytes = pattern(len);
        let address = client.epsv();
        client.say("STOR in/up");
        let mut data = client.secure_data(far.connect(address));
        client.expect("150");
        data.send(&bytes).unwrap();
        data.close_notify();
        client.expect("226");
        assert!(storage.contents("/in/up").unwrap() == bytes, "{len} bytes up");
        let address = client.epsv();
        client.say("RETR in/up");
        let mut data = client.secure_data(far.connect(address));
        client.expect("150");
        assert!(data.read_all() == bytes, "{len} bytes down");
        client.expect("226");
    }
}

fn tls_begins_behind_the_header<R: Runtime>() {
    let storage = tree();
    let server: R = setup(&storage).tls().start();
    for header in HEADERS {
        let far = Far::new(1, header);
        let mut client = far.client(&server);
        client.secure();
        client.log_in();
        client.protect_data();
        both_ways(far, &mut client, &storage);
    }
}

fn tls_from_the_first_byte<R: Runtime>() {
    let storage = tree();
    let server: R = setup(&storage).tls().implicit_tls("127.0.0.1:0").start();
    let address = *server.implicit_tls_addrs().first().unwrap();
    for header in HEADERS {
        let far = Far::new(1, header);
        let mut client = Client::silent(far.connect(address));
        client.begin_tls();
        client.expect("220");
        client.log_in();
        client.protect_data();
        both_ways(far, &mut client, &storage);
    }
}
