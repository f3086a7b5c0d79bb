//! Virtual hosts: what is wrong with their configuration, and how they change while the server runs.

use crate::{Client, RUNTIMES, Server, eventually, ftpd, result, run};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

/// A server with a host `a.example`, where `alice` and guests are let in.
struct Place {
    directory: tempfile::TempDir,
}

const SERVER: &str = "[server]\nbind = \"127.0.0.1:0\"\nroot = \"root\"\ngreeting = \"Itself.\"\n[passive]\nports = \"auto:1\"\n[accounts]\nanonymous = true\n";
const HOST: &str = "[[host]]\nnames = [\"a.example\", \"www.a.example\"]\ngreeting = \"\"\"\nWelcome.\nThis is A.\"\"\"\nroot = \"a\"\naccounts = \"a.toml\"\nanonymous = true\n";

impl Place {
    fn new(text: &str) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        for directory in ["root", "a"] {
            fs::create_dir(place.path(directory)).unwrap();
        }
        place.user("alice", "of-a");
        fs::write(place.path("ftpd.toml"), text).unwrap();
        place
    }

    fn user(&self, name: &str, password: &str) {
        let file = self.path("a.toml");
        let mut add = ftpd(&["user", "add", "--accounts", file.to_str().unwrap(), name]);
        let (code, said, complaint) = result(&add.env("FTPD_PASSWORD", password).output().unwrap());
        assert_eq!(code, Some(0), "{said}{complaint}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start(&self, runtime: &str) -> Server {
        let (file, socket) = (self.path("ftpd.toml"), self.path("a.sock"));
        let mut command = ftpd(&["serve", "--config", file.to_str().unwrap(), "--runtime", runtime]);
        command.args(["--control-socket", socket.to_str().unwrap()]);
        let log = fs::File::create(self.path("log")).unwrap();
        Server::start_logging(&mut command, Stdio::from(log))
    }

    fn tell(&self, words: &[&str]) -> String {
        let socket = self.path("a.sock");
        let (code, said, complaint) =
            result(&run(&[words, &["--socket", socket.to_str().unwrap()]].concat()));
        assert_eq!((code, complaint.as_str()), (Some(0), ""), "{words:?}");
        said
    }
}

/// The codes of the replies to these lines, the greeting's first.
fn codes(server: &Server, lines: &[&str]) -> Vec<String> {
    let mut client = Client::connect(server.address);
    let mut code = |line: &str| {
        if !line.is_empty() {
            client.send(line);
        }
        client.reply().get(..3).unwrap_or_default().to_owned()
    };
    std::iter::once("").chain(lines.iter().copied()).map(&mut code).collect()
}

#[test]
fn a_mistake_is_one_line_with_its_place() {
    for (change, want) in [
        (
            ("names = [\"a.example\"", "names = [\"*.example\""),
            "10:10: host.names: \"*.example\" is no host name; names are exact here; write each that is meant",
        ),
        (
            ("accounts = \"a.toml\"", "acounts = \"a.toml\""),
            "15:1: unknown key `host.acounts`; did you mean `host.accounts`?",
        ),
        (
            ("accounts = \"a.toml\"\nanonymous = true\n", ""),
            "9:1: host.accounts: nobody can log in at a.example; write accounts = \"FILE\" or anonymous = true below [[host]]",
        ),
        (("[[host]]", "[[hosts]]"), "9:3: unknown key `hosts`; did you mean `host`?"),
    ] {
        let place = Place::new(&format!("{SERVER}{}", HOST.replace(change.0, change.1)));
        let file = place.path("ftpd.toml");
        let file = file.to_str().unwrap();
        for command in [&["check-config", file][..], &["serve", "--config", file]] {
            let (code, _, complaint) = result(&run(command));
            assert_eq!((code, complaint), (Some(2), format!("{file}:{want}\n")), "{command:?}");
        }
    }
}

#[test]
fn accounts_of_a_host_are_checked_with_the_rest() {
    let place = Place::new(&format!("{SERVER}{HOST}"));
    let file = place.path("ftpd.toml");
    let (code, said, complaint) = result(&run(&["check-config", file.to_str().unwrap()]));
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    let accounts = place.path("a.toml");
    let root = place.path("a");
    let (accounts, root) = (accounts.display(), root.display());
    let row = format!(
        "a.example, www.a.example, root {root}, accounts {accounts} (users: 1), anonymous {root} (read-only), greeting \"Welcome.\\nThis is A.\""
    );
    assert!(
        said.lines().any(|line| line.strip_prefix("host").is_some_and(|rest| rest.trim() == row)),
        "{said}"
    );

    fs::write(place.path("a.toml"), "[[user]]\nname = \"alice\"\n").unwrap();
    let (code, _, complaint) = result(&run(&["check-config", file.to_str().unwrap()]));
    assert_eq!(code, Some(2));
    assert!(complaint.starts_with(&format!("{accounts}:1:1: user.password: missing")), "{complaint}");
}

#[test]
fn hosts_come_and_go_while_the_server_runs() {
    // What a host that comes later serves has to be in reach.
    let alone = SERVER.replace("[server]\n", "[server]\nsandbox_paths = \"a\"\n");
    for runtime in RUNTIMES {
        let place = Place::new(&alone);
        let server = place.start(runtime);
        let login = ["HOST www.a.example", "USER alice", "PASS of-a"];
        let by_name = ["USER a.example|alice", "PASS of-a"];
        assert_eq!(codes(&server, &login), ["220", "502", "331", "530"]);
        assert_eq!(codes(&server, &by_name), ["220", "331", "530"]);

        fs::write(place.path("ftpd.toml"), format!("{alone}{HOST}")).unwrap();
        let said = place.tell(&["reload"]);
        assert!(said.starts_with("host none -> a.example, www.a.example, root "), "{said}");
        assert_eq!(codes(&server, &login), ["220", "220", "331", "230"]);
        assert_eq!(codes(&server, &by_name), ["220", "331", "230"]);
        let mut at_host = Client::connect(server.address);
        assert_eq!(at_host.reply(), "220 Itself.");
        for line in login {
            at_host.send(line);
        }
        // The last line of a welcome of several.
        assert_eq!(at_host.reply(), "220 This is A.");
        assert!(at_host.reply().starts_with("331") && at_host.reply().starts_with("230"));
        let status = place.tell(&["status", "--sessions"]);
        assert!(status.contains("a.example, www.a.example: users: 1, anonymous"), "{status}");
        assert!(status.contains("alice at a.example, "), "{status}");

        // A second user comes by the file alone, a second host by hand.
        place.user("carol", "of-a");
        eventually(|| codes(&server, &["USER a.example|carol", "PASS of-a"])[2] == "230");
        let added = format!(
            "[{{ names = \"b.example\", anonymous = true, root = \"{}\" }}]",
            place.path("a").display()
        );
        let said = place.tell(&["set", "host", &added]);
        assert!(said.contains(" -> b.example, root "), "{said}");
        assert_eq!(codes(&server, &["HOST b.example", "USER ftp", "PASS x"]), ["220", "220", "331", "230"]);
        assert_eq!(codes(&server, &login), ["220", "504", "331", "530"]);
        // Who is there stays there.
        at_host.send("PWD");
        assert!(at_host.reply().starts_with("257"));
        place.tell(&["unset", "host"]);
        assert_eq!(codes(&server, &["HOST b.example"]), ["220", "502"]);
    }
}
