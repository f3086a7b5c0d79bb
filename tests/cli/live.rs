//! `ftpd set`, `unset`, `get`, `status`, `reload`, and the watched file.

use crate::{Client, PATIENCE, RUNTIMES, Server, eventually, ftpd, result, run};
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A directory with a configuration file, and the server that was started with it.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new(ports: &str) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("root")).unwrap();
        fs::write(place.path("root/a.txt"), "hello").unwrap();
        place.write(&format!(
            "# The head.\n[server]\nbind = \"127.0.0.1:0\"\nroot = \"root\"\n\n# Behind the router.\n[passive]\nports = \"{ports}\"   # as in the firewall\n[accounts]\nanonymous = true\n"
        ));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path("ftpd.toml")).unwrap()
    }

    fn write(&self, text: &str) {
        fs::write(self.path("ftpd.toml"), text).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    fn start(&self, more: &[&str]) -> Server {
        let (file, socket) = (self.path("ftpd.toml"), self.path("a.sock"));
        let mut command = ftpd(&["serve", "--config", file.to_str().unwrap()]);
        command.args(["--control-socket", socket.to_str().unwrap()]).args(more);
        let log = fs::File::create(self.path("log")).unwrap();
        Server::start_logging(&mut command, Stdio::from(log))
    }

    /// Asks the server: code, output, complaint.
    fn ask(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let socket = self.path("a.sock");
        result(&run(&[words, &["--socket", socket.to_str().unwrap()]].concat()))
    }

    /// The same; it has to work.
    fn tell(&self, words: &[&str]) -> String {
        let (code, said, complaint) = self.ask(words);
        assert_eq!((code, complaint.as_str()), (Some(0), ""), "{words:?}");
        said
    }
}

/// Ports in a row that nobody has, as `first-last`.
fn free_range(count: u16, number: u16) -> (u16, String) {
    let start = 26_000 + u16::try_from(std::process::id() % 100).unwrap() * 50 + number * 10;
    let ports = |first: u16| first..=first + count - 1;
    let is_free =
        |first: &u16| ports(*first).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    let first = (start..31_900).step_by(10).find(is_free).expect("there are free ports");
    (first, format!("{first}-{}", first + count - 1))
}

/// The port in the reply to EPSV.
fn epsv(client: &mut Client) -> u16 {
    client.send("EPSV");
    let reply = client.reply();
    reply.split('|').nth(3).unwrap_or_else(|| panic!("{reply}")).parse().unwrap()
}

fn login(server: &Server) -> Client {
    let mut client = Client::connect(server.address);
    client.reply();
    for line in ["USER ftp", "PASS me@"] {
        client.send(line);
        client.reply();
    }
    client
}

/// Who guesses passwords is banned, seen, and let in again.
#[test]
fn bans_are_shown_and_lifted() {
    let place = Place::new("auto:2");
    let settings = "[limits]\nlogin_delay = 0\n[bans]\naddress_failures = 2\nexempt = []\n";
    place.write(&format!("{}{settings}", place.text()));
    let server = place.start(&[]);
    assert_eq!(place.tell(&["bans"]), "nobody is banned\n");
    let mut guesser = Client::connect(server.address);
    guesser.reply();
    let mut last = String::new();
    for line in ["USER bob", "PASS 1", "USER eve", "PASS 2"] {
        guesser.send(line);
        last = guesser.reply();
    }
    assert!(last.starts_with("421 Too many failed logins from your address"), "{last}");
    assert!(Client::connect(server.address).reply().starts_with("421 "));
    let said = place.tell(&["bans"]);
    assert!(said.starts_with("127.0.0.1  ") && said.contains("whoever, since"), "{said}");
    assert!(said.ends_with("after 2 failed logins\n"), "{said}");
    let bans: serde_json::Value = serde_json::from_str(&place.tell(&["bans", "--json"])).unwrap();
    assert_eq!((&bans[0]["address"], &bans[0]["failures"]), (&"127.0.0.1".into(), &2.into()));
    let status = place.tell(&["status"]);
    assert!(status.contains("1; see ftpd bans") && status.contains("banned 1"), "{status}");
    assert_eq!(place.tell(&["bans", "lift", "192.0.2.1"]), "nobody is banned in 192.0.2.1/32\n");
    assert_eq!(place.tell(&["bans", "lift", "127.0.0.1"]), "one ban lifted\n");
    let (code, _, complaint) = place.ask(&["bans", "lift", "everybody"]);
    assert!(code == Some(2) && complaint.contains("or all"), "{complaint}");
    let mut client = login(&server);
    client.send("PWD");
    assert!(client.reply().starts_with("257 "));
    let log = place.log();
    assert!(log.contains(" BAN ip=127.0.0.1 failures=2 ") && log.contains(" UNBAN ip=127.0.0.1 "), "{log}");
}

/// Who is near to a quota is seen.
#[test]
fn quotas_are_shown() {
    let place = Place::new("auto:2");
    let guests = "{ root = \"root\", writable = true, quota = 40, quota_files = 4 }";
    place.write(&place.text().replace("anonymous = true", &format!("anonymous = {guests}")));
    // Guests' tree is counted from the start; but not before the server is confined.
    let _server = place.start(&[]);
    let row = "quota             anonymous: 25% full, 5 of 40 bytes, 1 of 4 files\n";
    eventually(|| place.tell(&["status"]).contains(row));
    fs::write(place.path("root/a.txt"), "hello, world").unwrap();
    let status: serde_json::Value = serde_json::from_str(&place.tell(&["status", "--json"])).unwrap();
    let quota = &status["quotas"][0];
    assert_eq!(
        (&quota["user"], &quota["bytes"], &quota["files"]),
        (&"anonymous".into(), &5.into(), &1.into())
    );
    assert_eq!((&quota["bytes_limit"], &quota["files_limit"]), (&40.into(), &4.into()));
}

/// A device profile comes and goes while a session runs, by command and with the file.
#[test]
fn profiles_change_in_running_sessions() {
    for runtime in RUNTIMES {
        let place = Place::new("auto:2");
        let server = place.start(&["--runtime", runtime]);
        let mut client = login(&server);
        epsv(&mut client);
        let said = place.tell(&["set", "profile", "[{ use = \"camera\", networks = \"127.0.0.0/8\" }]"]);
        let words = "camera for networks 127.0.0.0/8: allo = 200, epsv = false";
        assert_eq!(said.lines().next(), Some(format!("profile none -> {words}").as_str()));
        assert_eq!(place.tell(&["get", "profile"]), format!("{words}\n"));
        let mut ask = |line: &str| {
            client.send(line);
            client.reply()
        };
        assert!(ask("EPSV").starts_with("502 "));
        let (code, _, complaint) = place.ask(&["set", "profile", "[{ use = \"camara\" }]"]);
        assert_eq!(code, Some(2));
        assert!(
            complaint.contains("\"camara\" is no known profile; did you mean \"camera\"?"),
            "{complaint}"
        );
        place.tell(&["unset", "profile"]);
        assert!(ask("EPSV").starts_with("229 "));
        place.write(&format!("{}[[profile]]\nepsv = false\nusers = \"anonymous\"\n", place.text()));
        place.tell(&["reload"]);
        assert!(ask("EPSV").starts_with("502 "));
        eventually(|| place.log().contains("profiles=\"profile 1\""));
    }
}

#[test]
fn a_range_is_set_while_a_client_waits() {
    for (runtime, number) in RUNTIMES.into_iter().zip(0..) {
        let ((old, old_range), (new, new_range)) = (free_range(2, number * 4), free_range(5, number * 4 + 1));
        let place = Place::new(&old_range);
        // A server that has confined itself is not shown who has a port.
        let server = place.start(&["--runtime", runtime, "--sandbox", "off"]);
        let mut client = login(&server);
        let waiting = epsv(&mut client);
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, new + 1)).unwrap();
        let said = place.tell(&["set", "passive-ports", &new_range]);
        let lines: Vec<_> = said.lines().collect();
        let owner = std::process::id();
        assert_eq!(
            lines[..2],
            [format!("passive.ports {old_range} -> {new_range}"), "4 passive ports open".to_owned()]
        );
        assert!(
            lines[2].starts_with(&format!("port {} can't be opened: Address already in use: ", new + 1)),
            "{said}"
        );
        assert!(lines[2].ends_with(&format!("(process {owner}) has it; it is tried again")), "{said}");
        assert_eq!(
            lines[3..],
            [
                "1 old port some client was told of: each closes when the last of them has come or given up",
                "holds until the file is read again or the server restarts; --save writes it into the file",
            ]
        );
        let status = place.tell(&["status"]);
        for line in [
            format!("passive ports     {new_range}, 4 open"),
            format!("  closing soon    {waiting}"),
            "  set, not saved  passive.ports".to_owned(),
            "sessions          1, transfers 0".to_owned(),
        ] {
            assert!(status.contains(&line), "{line}: {status}");
        }
        // The client that was told of the old port comes all the same.
        let mut data = TcpStream::connect((Ipv4Addr::LOCALHOST, waiting)).unwrap();
        client.send("RETR a.txt");
        assert!(client.reply().starts_with("150"));
        let mut got = String::new();
        data.read_to_string(&mut got).unwrap();
        assert_eq!(got, "hello");
        assert!(client.reply().starts_with("226"));
        eventually(|| TcpStream::connect((Ipv4Addr::LOCALHOST, waiting)).is_err());
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, old)).is_err());
        let next = epsv(&mut client);
        assert!((new..new + 5).contains(&next) && next != new + 1, "{next}");
        assert_eq!(place.tell(&["get", "passive-ports"]), format!("{new_range}\n"));
        drop(other);

        // The file wins.
        let said = place.tell(&["reload"]);
        assert!(
            said.starts_with(&format!("passive.ports {new_range} -> {old_range}\n2 passive ports open\n")),
            "{said}"
        );
        assert!(
            place.log().contains("what was set and not saved holds no longer keys=passive.ports"),
            "{}",
            place.log()
        );
        let next = epsv(&mut client);
        assert!((old..old + 2).contains(&next), "{next}");
    }
}

#[test]
fn what_waits_for_a_restart_is_told_once() {
    let (_, range) = free_range(2, 9);
    let place = Place::new(&range);
    let _server = place.start(&[]);
    place.write(&place.text().replace("bind = \"127.0.0.1:0\"", "bind = \"127.0.0.1:0\"\nkeepalive = 90"));
    let said = place.tell(&["reload"]);
    assert_eq!(said, "server.keepalive 60 s -> 90 s (needs a restart)\n");
    let said = place.tell(&["set", "idle", "120"]);
    assert!(said.starts_with("timeouts.idle 300 s -> 120 s\nholds until"), "{said}");
    let said = place.tell(&["set", "idle", "120"]);
    assert!(said.starts_with("that is how it was already\n"), "{said}");
}

#[test]
fn what_is_wrong_changes_nothing_and_says_why() {
    let (_, range) = free_range(2, 8);
    let place = Place::new(&range);
    let server = place.start(&[]);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    let before = place.tell(&["get"]);
    let none = format!("passive.ports: none of them can be opened, port {taken}: Address already in use");
    for (words, want) in [
        (
            &["passive-ports", "many"][..],
            "passive.ports: \"many\" is not a port range; write it like 21000-21099, 21000 or auto:4",
        ),
        (
            &["passive.ports", "9-8"],
            "passive.ports: the first port is above the last; write it like 21000-21099",
        ),
        (
            &["peer-check", "none"],
            "passive.peer_check: \"none\" is none of the choices; write \"exact\" or \"same-network\"",
        ),
        (
            &["external-address", "203.0.113"],
            "passive.external_address: \"203.0.113\" is no IP address and no name; write \"203.0.113.7\", \"ftp.example.org\" or \"control-connection\"",
        ),
        (&["idle", "0"], "timeouts.idle: write a number of seconds from 1 to 604800"),
        (&["pasive-ports", "1"], "unknown key `pasive-ports`; did you mean `passive.ports`?"),
        (
            &["server.bind", "2121"],
            "server.bind: can't be changed while the server runs; write it into the file and restart",
        ),
        // All of them, or none.
        (
            &["idle", "60", "stall", "soon"],
            "timeouts.stall: expected a time, not \"soon\"; write seconds like 300, or \"5m\" (ms, s, m, h, d)",
        ),
        (&["idle"], "idle: no value; write ftpd set idle VALUE, or ftpd unset idle"),
        (&["idle=60"], "idle=60: no value; write ftpd set idle 60, or ftpd unset idle"),
        (
            &["idle", "-5"],
            "timeouts.idle: expected a time, not -5; write seconds like 300, or \"5m\" (ms, s, m, h, d)",
        ),
        (
            &["exposed-ports", "5000-5009"],
            &format!("passive.exposed_ports: write as many ports as are listened on ({range}), like {range}"),
        ),
        (&["passive-ports", &taken], &none),
        (
            &["tls.certificates", "[{ certificate = \"no.pem\" }]"],
            &format!("{}: can't be read: No such file or directory", place.path("no.pem").display()),
        ),
    ] {
        for save in [&[][..], &["--save"]] {
            let (code, said, complaint) = place.ask(&[&["set"], words, save].concat());
            assert_eq!(
                (code, said.as_str(), complaint.lines().count()),
                (Some(2), "", 1),
                "{words:?}: {complaint}"
            );
            assert!(complaint.starts_with(&format!("ftpd: {want}")), "{words:?}: {complaint}");
        }
        assert_eq!(place.tell(&["get"]), before, "{words:?}");
    }
    assert!(place.text().contains(&range) && !place.text().contains("timeouts"));
    let next = epsv(&mut login(&server));
    assert!(range.split('-').any(|port| port == next.to_string()), "{next}");
}

#[test]
fn saved_values_stand_in_the_file_with_its_comments() {
    let ((_, old), (_, new)) = (free_range(2, 10), free_range(2, 11));
    let place = Place::new(&old);
    fs::set_permissions(place.path("ftpd.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::rename(place.path("ftpd.toml"), place.path("real.toml")).unwrap();
    std::os::unix::fs::symlink("real.toml", place.path("ftpd.toml")).unwrap();
    let server = place.start(&[]);
    let before = place.text();
    let said = place.tell(&["set", "passive-ports", &new, "external-address", "203.0.113.7", "--save"]);
    let file = place.path("ftpd.toml");
    assert!(
        said.contains("passive.external_address the address the client connected to -> 203.0.113.7"),
        "{said}"
    );
    assert!(said.ends_with(&format!("saved in {}\n", file.display())), "{said}");
    let want = before.replace(
        &format!("\"{old}\"   # as in the firewall\n"),
        &format!("\"{new}\"   # as in the firewall\nexternal_address = \"203.0.113.7\"\n"),
    );
    assert_eq!(place.text(), want);
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    // What stands in the file stays after it was read again.
    let said = place.tell(&["reload"]);
    assert_eq!(said, "", "nothing is new");
    assert_eq!(place.tell(&["get", "external-address"]), "203.0.113.7\n");
    place.tell(&["unset", "external-address", "--save"]);
    assert_eq!(place.text(), before.replace(&old, &new));
    // Set without --save, then saved.
    place.tell(&["set", "client-networks", "100.64.0.0/10,192.0.2.0/24"]);
    assert!(place.tell(&["get"]).contains("100.64.0.0/10, 192.0.2.0/24 (set, not saved)"));
    place.tell(&["set", "client-networks", "100.64.0.0/10,192.0.2.0/24", "--save"]);
    assert!(!place.tell(&["get"]).contains("not saved"));
    assert!(place.text().contains("client_networks = [\"100.64.0.0/10\", \"192.0.2.0/24\"]\n"));
    drop(server);
}

#[test]
fn an_edited_file_is_taken_over_by_itself() {
    for (runtime, number) in RUNTIMES.into_iter().zip(0..) {
        let ((_, old), (new, range)) = (free_range(2, 12 + number * 3), free_range(2, 13 + number * 3));
        let place = Place::new(&old);
        let server = place.start(&["--runtime", runtime]);
        let mut client = login(&server);
        place.write(&place.text().replace(&old, &range));
        eventually(|| place.log().contains("configuration read again"));
        let log = place.log();
        assert!(log.contains(&format!("INFO passive.ports {old} -> {range}\n")), "{log}");
        assert!((new..new + 2).contains(&epsv(&mut client)));
        // Half of a file, and then all of it.
        let good = place.text();
        place.write(&good.replace("[accounts]", "[accounts"));
        eventually(|| place.log().contains("not read again; the old one stays reason="));
        std::thread::sleep(std::time::Duration::from_millis(2_500));
        assert_eq!(place.log().matches("not read again").count(), 1, "once for each version");
        assert!(place.tell(&["status"]).contains("  not taken over  "), "{}", place.tell(&["status"]));
        assert!((new..new + 2).contains(&epsv(&mut client)));
        place.write(&good.replace("[passive]", "[log]\nlevel = \"debug\"\n[passive]"));
        eventually(|| place.log().contains("INFO log.level info -> debug"));
        assert!(!place.tell(&["status"]).contains("not taken over"));
        place.write(&place.text().replace("127.0.0.1:0", "127.0.0.1:1"));
        eventually(|| {
            place.log().contains(
                "changed, but needs a restart: server.bind 127.0.0.1:0 -> 127.0.0.1:1 key=server.bind",
            )
        });
        // The last one that is taken over by itself.
        place.write(&place.text().replace("root = \"root\"", "root = \"root\"\nwatch = false"));
        eventually(|| place.log().contains("server.watch true -> false"));
        place.write(&place.text().replace("debug", "info"));
        std::thread::sleep(std::time::Duration::from_millis(2_500));
        assert!(!place.log().contains("log.level debug -> info"));
        place.tell(&["reload"]);
        assert!(place.log().contains("log.level debug -> info"));
    }
}

#[test]
fn a_server_without_a_file_is_set_too() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a.sock");
    let (root, socket) = (directory.path().to_str().unwrap(), socket.to_str().unwrap());
    let arguments = [
        "serve",
        root,
        "--bind",
        "127.0.0.1:0",
        "--passive-ports",
        "auto:2",
        "--user",
        "anna",
        "--control-socket",
        socket,
    ];
    for tls in [&[][..], &["--tls"]] {
        let mut command = ftpd(&[&arguments[..], tls].concat());
        command.env("FTPD_PASSWORD", "secret").env("HOME", root).env_remove("XDG_DATA_HOME");
        let server = Server::start(&mut command);
        let ask = |words: &[&str]| result(&run(&[words, &["--socket", socket]].concat()));
        let (code, before, _) = ask(&["get"]);
        assert_eq!(code, Some(0));
        let (code, said, complaint) = ask(&["set", "passive-ports", "auto:3", "idle", "10m"]);
        assert_eq!((code, complaint.as_str()), (Some(0), ""));
        let want = "passive.ports auto:2 -> auto:3\ntimeouts.idle 300 s -> 600 s\n3 passive ports open\nholds until the server restarts\n";
        assert_eq!(said, want, "nothing else changed");
        let (code, _, complaint) = ask(&["set", "idle", "1m", "--save"]);
        assert_eq!(code, Some(2));
        assert!(complaint.starts_with("ftpd: there is no configuration file to save to"), "{complaint}");
        let codes =
            |replies: Vec<String>| replies.iter().map(|reply| reply[..3].to_owned()).collect::<Vec<_>>();
        let want = if tls.is_empty() { ["220", "331", "230"] } else { ["220", "530", "503"] };
        assert_eq!(codes(server.talk(&["USER anna", "PASS secret"])), want);
        assert_eq!(ask(&["reload"]).0, Some(0));
        assert_eq!(ask(&["get"]).1, before, "the command line holds again");
    }
}

#[test]
fn the_socket_is_found_and_is_its_owners() {
    let runtime_directory = tempfile::tempdir().unwrap();
    let at = |name: &str| runtime_directory.path().join(name);
    let with_directory = |arguments: &[&str]| {
        let mut command = ftpd(arguments);
        command.env("RUNTIME_DIRECTORY", runtime_directory.path()).env_remove("XDG_RUNTIME_DIR");
        command
    };
    let root = runtime_directory.path().to_str().unwrap();
    let (port, _) = free_range(1, 20);
    let bind = format!("127.0.0.1:{port}");
    let arguments = ["serve", root, "--bind", &bind, "--passive-ports", "auto:1"];
    // Left over from a server that was killed.
    drop(UnixListener::bind(at(&format!("{port}.sock"))).unwrap());
    let first = Server::start(&mut with_directory(&arguments));
    let socket = at(&format!("{port}.sock"));
    eventually(|| std::os::unix::net::UnixStream::connect(&socket).is_ok());
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let named = |name: &Path| {
        let (code, said, complaint) = result(&run(&["status", "--json", "--socket", name.to_str().unwrap()]));
        assert_eq!(code, Some(0), "{complaint}");
        serde_json::from_str::<ftpd::control::Status>(&said).unwrap()
    };
    let status = named(&socket);
    assert_eq!((status.pid, status.control), (first.child.id(), vec![first.address]));
    assert_eq!(status.passive.open.len(), 1);
    assert_eq!(status.configuration.file, None);

    let bind = format!("127.0.0.2:{port}");
    let arguments = ["serve", root, "--bind", &bind, "--passive-ports", "auto:1"];
    let second = Server::start(&mut with_directory(&arguments));
    let own = at(&format!("{port}-{}.sock", second.child.id()));
    eventually(|| std::os::unix::net::UnixStream::connect(&own).is_ok());
    assert_eq!(named(&own).pid, second.child.id());
    assert_eq!(named(&socket).pid, first.child.id(), "a live one is never replaced");
    second.signal("TERM");
    let (code, _) = second.ended();
    assert_eq!(code, Some(0));
    assert!(!own.exists());
    let gone = result(&run(&["status", "--socket", own.to_str().unwrap()]));
    assert_eq!((gone.0, gone.2), (Some(1), format!("ftpd: {}: No such file or directory\n", own.display())));
}

#[test]
fn a_server_may_have_no_socket() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_str().unwrap();
    let file = directory.path().join("precious");
    fs::write(&file, "x").unwrap();
    for (socket, want) in [("off", ""), (file.to_str().unwrap(), "there is something else of that name")] {
        let arguments =
            ["serve", root, "--bind", "127.0.0.1:0", "--passive-ports", "auto:1", "--control-socket", socket];
        let server = Server::start(&mut ftpd(&arguments));
        assert!(server.talk(&["QUIT"])[1].starts_with("221"), "it serves all the same");
        server.signal("TERM");
        let (code, log) = server.ended();
        assert_eq!(code, Some(0));
        assert_eq!(log.contains("no control socket"), !want.is_empty(), "{log}");
        assert!(log.contains(want), "{log}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"x");
}

#[test]
fn sessions_are_listed() {
    let (_, range) = free_range(1, 21);
    let place = Place::new(&range);
    fs::write(place.path("root/big"), vec![0; 20 << 20]).unwrap();
    let server = place.start(&[]);
    let (mut client, _other) = (login(&server), Client::connect(server.address));
    client.send("TYPE I");
    client.reply();
    let port = epsv(&mut client);
    let data = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    client.send("RETR big");
    assert!(client.reply().starts_with("150"));
    eventually(|| place.tell(&["status"]).contains("sessions          2, transfers 1"));
    let said = place.tell(&["status", "--sessions"]);
    let lines: Vec<_> = said.lines().filter(|line| line.starts_with("session ")).collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].contains(" ftp, ") && lines[0].ends_with(", RETR /big"), "{said}");
    assert!(lines[1].contains("not logged in"), "{said}");
    data.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut got = Vec::new();
    (&data).read_to_end(&mut got).unwrap();
    assert_eq!(got.len(), 20 << 20);
    assert!(client.reply().starts_with("226"));
    let said = place.tell(&["status"]);
    assert!(said.contains("sessions          2, transfers 0"), "{said}");
    assert!(said.contains("1 downloads (20971520 bytes)"), "{said}");
}

#[test]
fn who_fails_is_told_by_network_and_program() {
    for runtime in RUNTIMES {
        let place = Place::new("auto:2");
        let text = place.text();
        place.write(&format!("{text}[timeouts]\ndata_connection = 1\n"));
        let server = place.start(&["--runtime", runtime]);
        let mut client = login(&server);
        client.send("CLNT Blocked 1.0");
        client.reply();
        epsv(&mut client);
        client.send("RETR a.txt");
        assert!(client.reply().starts_with("150 "));
        assert!(client.reply().starts_with("425 "));
        let said = place.tell(&["status"]);
        let failed = ": 1 sessions, 0 transfers complete, failed: nobody_connected/";
        for line in [
            format!("  failing network 127.0.0.0/24{failed}"),
            format!("  failing program Blocked 1.0{failed}"),
        ] {
            assert!(said.contains(&line), "{line}: {said}");
        }
        let json: serde_json::Value = serde_json::from_str(&place.tell(&["status", "--json"])).unwrap();
        let totals = json.get("totals").unwrap();
        assert_eq!(totals["software"][0]["who"], "Blocked 1.0", "{totals}");
        assert_eq!(totals["suspects"].as_object().unwrap().values().next().unwrap(), 1, "{totals}");
    }
}

#[test]
fn nobody_answers_where_no_server_runs() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = ftpd(&["status"]);
    command.env("RUNTIME_DIRECTORY", directory.path()).env("XDG_RUNTIME_DIR", directory.path());
    // Another server may run on this machine.
    let (code, _, complaint) = result(&command.output().unwrap());
    if code != Some(0) {
        assert_eq!((code, complaint.lines().count()), (Some(1), 1), "{complaint}");
    }
    for command in ["set", "unset", "get", "status", "reload"] {
        let (code, said, _) = result(&run(&[command, "--help"]));
        assert_eq!(code, Some(0));
        assert!(said.contains("--socket <PATH>"), "{said}");
    }
    let (_, said, _) = result(&run(&["set", "--help"]));
    for example in ["ftpd set passive-ports 41000-41099", "Without --save a value holds until"] {
        assert!(said.contains(example), "{said}");
    }
}

#[test]
fn the_examples_of_the_documentation_work() {
    let (_, range) = free_range(2, 22);
    let place = Place::new(&range);
    let _server = place.start(&[]);
    let pages = [include_str!("../../docs/live.md"), include_str!("../../README.md")];
    let is_ours = |line: &&str| {
        ["set", "unset", "get", "status"].iter().any(|word| line.starts_with(&format!("ftpd {word} ")))
            || *line == "ftpd status"
    };
    let examples: Vec<_> = pages.iter().flat_map(|page| page.lines()).filter(is_ours).collect();
    assert!(examples.len() > 10, "{examples:?}");
    for example in examples {
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!(
                "{} --socket '{}'",
                example.replacen("ftpd", env!("CARGO_BIN_EXE_ftpd"), 1),
                place.path("a.sock").display()
            ))
            .output();
        let (code, said, complaint) = result(&output.unwrap());
        assert_eq!((code, complaint.as_str()), (Some(0), ""), "{example}: {said}");
    }
    assert!(place.text().contains("external_address = \"203.0.113.7\""));
}
