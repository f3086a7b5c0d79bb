//! The built program from outside: what it prints, how it ends, what its signals do. `FTPD_PROGRAM` names another build
//! of it.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod documents;
#[path = "../../fuzz/fuzz_targets/config/check.rs"]
mod fuzz_config;
mod hardening;
mod hosts;
mod import;
mod live;
mod program;
mod quotas;
mod sandbox;
mod security;
mod start;
mod tls;
mod users;

use program::{Client, PATIENCE, RUNTIMES, Server, eventually, ftpd, result, run};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn the_version_and_the_help_are_there() {
    let (code, out, _) = result(&run(&["--version"]));
    assert_eq!((code, out), (Some(0), format!("ftpd {}\n", env!("CARGO_PKG_VERSION"))));
    let (code, out, _) = result(&run(&["serve", "--help"]));
    assert_eq!(code, Some(0));
    for option in [
        "--user",
        "--tls",
        "--bind-implicit-tls",
        "--bind",
        "--passive-ports",
        "--external-address",
        "--runtime",
        "--config",
    ] {
        assert!(out.contains(option), "{option}");
    }
}

#[test]
fn a_wrong_command_line_is_code_2() {
    for arguments in [
        &["serve"][..],
        &["serve", ".", "--bind", "localhost"],
        &["serve", ".", "--passive-ports", "many"],
        &["serve", ".", "--passive-ports", "9-8"],
        &["serve", ".", "--bind", "127.0.0.1:3000", "--passive-ports", "3000-3009"],
        &["serve", ".", "--runtime", "tokio"],
        &["serve", ".", "--user", "ftp"],
        &["serve", ".", "--external-address", "0.0.0.0"],
        &["serve", ".", "--config", "x"],
        &["serve", "--config", "x", "--writable"],
        &["user", "add", "bob"],
    ] {
        let (code, out, error) = result(&run(arguments));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {error}");
        assert!(!error.is_empty());
    }
}

#[test]
fn guests_read_and_do_not_write() {
    for runtime in RUNTIMES {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.txt"), "hello").unwrap();
        let root = directory.path().to_str().unwrap();
        let arguments =
            ["serve", root, "--bind", "127.0.0.1:0", "--passive-ports", "auto:2", "--runtime", runtime];
        let server = Server::start(&mut ftpd(&arguments));
        let server_address = server.address;
        let curl = format!("  curl ftp://{server_address}/");
        assert!(server.introduction.contains(&curl), "{:?}", server.introduction);
        let served = format!("serving {root}: anybody may read");
        assert!(server.introduction.contains(&served), "{:?}", server.introduction);
        let replies =
            server.talk(&["USER anonymous", "PASS me@", "TYPE I", "SIZE a.txt", "DELE a.txt", "QUIT"]);
        let codes: Vec<_> = replies.iter().map(|reply| &reply[..3]).collect();
        assert_eq!(codes, ["220", "331", "230", "200", "213", "550", "221"], "{replies:?}");
        assert!(server.talk(&["USER bob", "PASS x"])[2].starts_with("530"));
        server.signal("TERM");
        let (code, log) = server.ended();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("AUTH-FAIL ip=127.0.0.1 port="), "{log}");
        assert!(log.contains("user=\"bob\" reason=\"login incorrect\""), "{log}");
        assert!(!log.contains("me@"), "{log}");
        let started = format!("started address={} version={}\n", server_address, env!("CARGO_PKG_VERSION"));
        assert!(log.contains(&started), "{log}");
    }
}

#[test]
fn one_user_has_all_rights_and_guests_none() {
    for runtime in RUNTIMES {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_str().unwrap();
        let arguments = [
            "serve",
            root,
            "--bind",
            "127.0.0.1:0",
            "--passive-ports",
            "auto:1",
            "--runtime",
            runtime,
            "--user",
            "bob",
        ];
        let given = Server::start(ftpd(&arguments).env("FTPD_PASSWORD", "given pass"));
        let replies =
            given.talk(&["USER bob", "PASS given pass", "MKD new", "RMD new", "USER ftp", "PASS x"]);
        assert!(replies[2].starts_with("230") && replies[3].starts_with("257"), "{replies:?}");
        assert!(given.talk(&["USER ftp", "PASS x"])[2].starts_with("530"));
        assert!(
            given.introduction.iter().all(|line| !line.contains("given pass")),
            "{:?}",
            given.introduction
        );

        let made = Server::start(&mut ftpd(&arguments));
        let line = made.introduction.iter().find_map(|line| line.strip_prefix("user bob, password "));
        let password = line.expect("the password is shown").split(' ').next().unwrap();
        let served = format!("serving {root}: user bob may read and write, nobody else may enter");
        assert!(made.introduction.contains(&served), "{:?}", made.introduction);
        assert!(made.talk(&["USER bob", &format!("PASS {password}")])[2].starts_with("230"));
        assert!(made.talk(&["USER bob", "PASS given pass"])[2].starts_with("530"));
    }
    let empty = ftpd(&["serve", ".", "--user", "bob"]).env("FTPD_PASSWORD", "").output().unwrap();
    assert_eq!(
        result(&empty),
        (Some(2), String::new(), "ftpd: FTPD_PASSWORD: empty; write a password, or unset it\n".into())
    );
}

#[test]
fn a_taken_port_is_one_line_and_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for runtime in RUNTIMES {
        let output =
            run(&["serve", ".", "--bind", &address, "--passive-ports", "auto:1", "--runtime", runtime]);
        let (code, out, error) = result(&output);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{runtime}: {error}");
        let want = format!("ftpd: can't listen on {address}: Address already in use");
        assert!(error.starts_with(&want) && error.lines().count() == 1, "{error}");
        if cfg!(target_os = "linux") {
            let owner = format!(" (process {}) has it\n", std::process::id());
            assert!(error.ends_with(&owner), "{error}");
        }
    }
}

#[test]
fn no_passive_port_at_all_is_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for runtime in RUNTIMES {
        let arguments =
            ["serve", ".", "--bind", "127.0.0.1:0", "--passive-ports", &port, "--runtime", runtime];
        let (code, out, error) = result(&run(&arguments));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{runtime}: {error}");
        let last = error.lines().last().unwrap();
        assert!(last.starts_with("ftpd: ") && last.contains(&port) && last.contains("in use"), "{last}");
    }
}

#[test]
fn a_missing_root_is_one_line_and_code_1() {
    let output = run(&["serve", "/no/such/directory", "--bind", "127.0.0.1:0"]);
    let want = "ftpd: /no/such/directory: No such file or directory\n";
    assert_eq!(result(&output), (Some(1), String::new(), want.into()));
}

#[test]
fn check_config_says_ok_or_where_the_mistake_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ftpd.toml");
    let name = path.to_str().unwrap();
    let root = directory.path().display();
    fs::write(&path, "[server]\nroot = \".\"\n[accounts]\nanonymous = true\n[timeouts]\nidle = \"5m\"\n")
        .unwrap();
    let (code, out, error) = result(&run(&["check-config", name]));
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let has =
        |row: &str| out.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") == row);
    assert!(
        out.starts_with("ok\n") && has("timeouts.idle 300 s") && has("passive.ports 21000-21099"),
        "{out}"
    );
    assert!(has(&format!("server.root {root}/.")), "{out}");

    fs::write(&path, "[pasive]\n").unwrap();
    for command in [&["check-config", name][..], &["serve", "--config", name]] {
        let want = format!("{name}:1:2: unknown key `pasive`; did you mean `passive`?\n");
        assert_eq!(result(&run(command)), (Some(2), String::new(), want));
    }

    fs::write(&path, "[server]\nroot = \".\"\n[accounts]\nfile = \"a.toml\"\n").unwrap();
    fs::write(directory.path().join("a.toml"), "[[user]]\nname = \"bob\"\npassword = \"$1$x\"\n").unwrap();
    for command in [&["check-config", name][..], &["serve", "--config", name]] {
        let want = format!(
            "{root}/a.toml:3:12: user.password: not an argon2id hash; write one with `ftpd user passwd`\n"
        );
        assert_eq!(result(&run(command)), (Some(2), String::new(), want));
    }
}

fn write_config(path: &Path, greeting: &str) {
    let text = format!(
        "[server]\nbind = \"127.0.0.1:0\"\nroot = \".\"\ngreeting = \"{greeting}\"\n\
         [passive]\nports = \"auto:1\"\n[accounts]\nfile = \"accounts.toml\"\n"
    );
    fs::write(path, text).unwrap();
}

#[test]
fn a_configured_server_reads_its_files_again() {
    for runtime in RUNTIMES {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ftpd.toml");
        let accounts = directory.path().join("accounts.toml");
        let name = accounts.to_str().unwrap();
        let set = |command: &str, user: &str, password: &str| {
            let arguments = ["user", command, "--accounts", name, user];
            let output = ftpd(&arguments).env("FTPD_PASSWORD", password).output().unwrap();
            assert_eq!(result(&output), (Some(0), String::new(), String::new()));
        };
        set("add", "bob", "first");
        write_config(&path, "One.");
        let arguments = ["serve", "--config", path.to_str().unwrap(), "--runtime", runtime];
        let server = Server::start(&mut ftpd(&arguments));
        let replies = server.talk(&["USER bob", "PASS first"]);
        assert!(replies[0] == "220 One." && replies[2].starts_with("230"), "{replies:?}");

        set("passwd", "bob", "second");
        eventually(|| server.talk(&["USER bob", "PASS second"])[2].starts_with("230"));

        write_config(&path, "Two.");
        server.signal("HUP");
        eventually(|| server.talk(&[])[0] == "220 Two.");
        fs::write(&path, "[pasive]\n").unwrap();
        server.signal("HUP");
        assert_eq!(server.talk(&[])[0], "220 Two.");
        server.signal("INT");
        let (code, log) = server.ended();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("did you mean `passive`?"), "{log}");
    }
}

#[test]
fn forgotten_uploads_of_every_root_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let old = std::time::SystemTime::now() - Duration::from_secs(30 * 86_400);
    let part = |root: &Path, name: &str, modified: Option<std::time::SystemTime>| {
        fs::create_dir_all(root).unwrap();
        let path = root.join(name);
        let file = fs::File::create(&path).unwrap();
        if let Some(time) = modified {
            file.set_modified(time).unwrap();
        }
        path
    };
    let (shared, own) = (directory.path().join("shared"), directory.path().join("own"));
    let name = ".ftpd-part-b21dd7d280a173ce";
    let forgotten = [part(&shared, name, Some(old)), part(&own, name, Some(old))];
    let kept = [part(&own, "plain", Some(old)), part(&own, ".ftpd-part-b21dd7d280a173cf", None)];
    let accounts = directory.path().join("accounts.toml");
    let arguments =
        ["user", "add", "--accounts", accounts.to_str().unwrap(), "bob", "--root", own.to_str().unwrap()];
    assert_eq!(result(&run(&arguments)).0, Some(0));
    let path = directory.path().join("ftpd.toml");
    fs::write(
        &path,
        "[server]\nbind = \"127.0.0.1:0\"\nroot = \"shared\"\n[passive]\nports = \"auto:1\"\n\
         [accounts]\nfile = \"accounts.toml\"\n",
    )
    .unwrap();
    let _server = Server::start(&mut ftpd(&["serve", "--config", path.to_str().unwrap()]));
    eventually(|| forgotten.iter().all(|path| !path.exists()));
    assert!(kept.iter().all(|path| path.exists()));
}

#[test]
fn idle_sessions_are_told_that_the_server_stops() {
    for runtime in RUNTIMES {
        let arguments = [
            "serve",
            ".",
            "--bind",
            "127.0.0.1:0",
            "--passive-ports",
            "auto:1",
            "--runtime",
            runtime,
            "--log-format",
            "json",
        ];
        let server = Server::start(&mut ftpd(&arguments));
        let mut client = Client::connect(server.address);
        assert!(client.reply().starts_with("220"));
        server.signal("TERM");
        assert!(client.reply().starts_with("421"));
        let (code, log) = server.ended();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{log}");
    }
}

#[test]
fn a_low_limit_of_open_files_is_named() {
    for (limit, warned) in [("300", true), ("2000", false)] {
        let script = format!("ulimit -n {limit} && exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_ftpd"), "serve", "."]);
        command.args(["--bind", "127.0.0.1:0", "--passive-ports", "auto:2"]);
        let server = Server::start(&mut command);
        server.signal("TERM");
        let (_, log) = server.ended();
        let named = log.contains("few files may be open") && log.contains(&format!("limit={limit} "));
        assert_eq!(named, warned, "{log}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_log_disk_stops_nobody() {
    for runtime in RUNTIMES {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let arguments =
            ["serve", ".", "--bind", "127.0.0.1:0", "--passive-ports", "auto:1", "--runtime", runtime];
        let server = Server::start_logging(&mut ftpd(&arguments), full.into());
        let replies = server.talk(&["USER ftp", "PASS x", "NOOP", "QUIT"]);
        let codes: Vec<_> = replies.iter().map(|reply| &reply[..3]).collect();
        assert_eq!(codes, ["220", "331", "230", "200", "221"], "{replies:?}");
    }
}
