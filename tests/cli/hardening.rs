//! docs/ftpd.service: how little it leaves, and that the server can live with it.
#![cfg(target_os = "linux")]

use super::{RUNTIMES, Server, ftpd, result, run};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `systemd-analyze security` may find, from 0 (closed) to 10 (open).
const MOST_EXPOSED: f64 = 1.5;

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ftpd.service")
}

fn analyze(arguments: &[&str]) -> String {
    let output = Command::new("systemd-analyze").args(arguments).output().unwrap();
    let (code, out, err) = result(&output);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!err.contains("ignoring"), "{err}");
    out
}

#[test]
fn the_service_is_hardly_exposed() {
    let unit = unit();
    // Paths in /proc/self/fd and the like are not meant, so the exit code is about the threshold alone.
    let out = analyze(&["security", "--offline=true", "--no-pager", unit.to_str().unwrap()]);
    let line = out.lines().find(|line| line.contains("Overall exposure level")).expect("a verdict");
    let words: Vec<_> = line.split_whitespace().collect();
    let level: f64 = words.iter().find_map(|word| word.parse().ok()).expect("a number");
    assert!(level <= MOST_EXPOSED, "{line}");
}

/// The calls that a filter names, groups opened.
fn expand(names: &str, into: &mut BTreeSet<String>) {
    for name in names.split_whitespace() {
        if !name.starts_with('@') {
            into.insert(name.to_owned());
            continue;
        }
        let members = analyze(&["syscall-filter", "--no-pager", name]);
        let members = members.lines().skip(1).map(str::trim).filter(|line| !line.starts_with('#'));
        for member in members {
            expand(member, into);
        }
    }
}

/// What the unit lets the server call.
fn allowed() -> BTreeSet<String> {
    let text = fs::read_to_string(unit()).unwrap();
    let mut allowed = BTreeSet::new();
    for filter in text.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let mut named = BTreeSet::new();
        match filter.strip_prefix('~') {
            None => expand(filter, &mut allowed),
            Some(filter) => {
                expand(filter, &mut named);
                allowed = &allowed - &named;
            }
        }
    }
    assert!(allowed.contains("read") && !allowed.contains("mount"), "{allowed:?}");
    allowed
}

/// The calls in what strace wrote: `PID name(…`, or `PID <... name resumed>`.
fn called(trace: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(trace).unwrap();
    let calls = text.lines().filter_map(|line| {
        let call = line.split_once(' ')?.1.trim_start();
        let name = call.split_once('(')?.0;
        name.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            .then(|| name.to_owned())
    });
    calls.collect()
}

/// A session of every kind: what it calls is what the service is allowed, on both runtimes.
#[test]
fn the_service_is_allowed_what_the_server_calls() {
    let allowed = allowed();
    for runtime in RUNTIMES {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("root")).unwrap();
        fs::write(path("root/large"), vec![7; 3 << 20]).unwrap();
        for number in 0..2 {
            super::sandbox::certificate(
                &path(&format!("chain{number}.pem")),
                &path(&format!("key{number}.pem")),
            );
        }
        let hash = ftpd::accounts::PasswordHash::of(b"secret").unwrap();
        let user =
            format!("[[user]]\nname = \"bob\"\npassword = \"{}\"\nrights = [\"all\"]\n", hash.as_str());
        fs::write(path("accounts.toml"), user).unwrap();
        let text = "[server]\nbind = \"127.0.0.1:0\"\nroot = \"root\"\nsymlinks = true\n[passive]\nports = \"auto:8\"\n\
            [accounts]\nfile = \"accounts.toml\"\nanonymous = true\n\
            [tls]\ncontrol = \"allow\"\ndata = \"allow\"\ncertificates = [{ certificate = \"chain0.pem\", key = \"key0.pem\" }]\n";
        fs::write(path("ftpd.toml"), text).unwrap();
        let (trace, socket) = (path("trace"), path("control.sock"));
        let program = ftpd(&[]);
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-qq", "-o"]).arg(&trace).arg(program.get_program());
        command.args(["serve", "--runtime", runtime, "--config"]).arg(path("ftpd.toml"));
        command.arg("--control-socket").arg(&socket);
        let log = fs::File::create(path("log")).unwrap();
        let server = Server::start_logging(&mut command, Stdio::from(log));
        everything(&server, folder.path(), &socket);
        server.signal("HUP");
        std::thread::sleep(std::time::Duration::from_millis(500));
        server.signal("TERM");
        let mut server = server;
        server.child.wait().unwrap();

        let called = called(&trace);
        for expected in [
            "openat2",
            "landlock_restrict_self",
            "landlock_add_rule",
            "accept4",
            "clone3",
            "statx",
            "renameat2",
        ] {
            assert!(called.contains(expected), "{runtime}: {expected} is not in {called:?}");
        }
        // The start of the program itself, before systemd's filter and any code of ours, is not counted by it either:
        // execve is what runs it.
        let refused: Vec<_> = called.difference(&allowed).filter(|call| *call != "execve").collect();
        assert!(refused.is_empty(), "{runtime}: not allowed by docs/ftpd.service: {refused:?}");
    }
}

fn everything(server: &Server, folder: &Path, socket: &Path) {
    let url = |user: &str, path: &str| format!("ftp://{user}@{}/{path}", server.address);
    let curl = |arguments: &[&str]| {
        let output =
            Command::new("curl").args(["-sSk"]).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    };
    let large = folder.join("root/large");
    let large = large.to_str().unwrap();
    let bob = "bob:secret";
    for tls in [&[][..], &["--ssl-reqd"]] {
        let with = |more: &[&str]| curl(&[tls, more].concat());
        assert_eq!(with(&[&url(bob, "large")]).len(), 3 << 20);
        with(&["-T", large, "--ftp-create-dirs", &url(bob, "a/new")]);
        with(&["-T", large, "-a", &url(bob, "a/new")]);
        with(&["--range", "100-200", &url(bob, "large")]);
        // Active mode and TLS together are more than some versions of curl can do.
        if tls.is_empty() {
            with(&["--ftp-port", "127.0.0.1", &url(bob, "large"), "-o", "/dev/null"]);
            with(&["--ftp-port", "127.0.0.1", "-T", large, &url(bob, "a/active")]);
        }
        with(&["-B", "-T", large, &url(bob, "a/text")]);
        let quotes = [
            "MKD b",
            "RNFR a/new",
            "RNTO b/new",
            "SITE CHMOD 600 b/new",
            "MFMT 20200101000000 b/new",
            "HASH b/new",
            "XCRC b/new",
            "SITE COPY b/new b/copy",
            "SITE SYMLINK b/new b/link",
            "SIZE b/new",
            "MDTM b/new",
            "STAT b",
            "AVBL",
            "DSIZ b",
            "DELE b/copy",
            "RMDA b",
            "DELE a/text",
            "RMDA a",
            "MKD c",
            "RNFR c",
            "RNTO d",
            "RMD d",
        ];
        let quotes: Vec<_> = quotes.iter().flat_map(|line| ["-Q", line]).collect();
        with(&[&quotes[..], &[&url(bob, "")]].concat());
        with(&["-Q", "MODE Z", "-X", "MLSD", &url(bob, ""), "-o", "/dev/null", "--list-only"]);
        with(&[&url("ftp:x", "")]);
    }
    let ask = |words: &[&str]| {
        let (code, _, complaint) = result(&run(&[words, &["--socket", socket.to_str().unwrap()]].concat()));
        assert_eq!(code, Some(0), "{words:?}: {complaint}");
    };
    ask(&["status"]);
    ask(&["set", "--save", "timeouts.idle", "7m"]);
    ask(&["set", "passive.external_address", "localhost"]);
    ask(&["set", "passive.ports", "auto:9"]);
    let text = fs::read_to_string(folder.join("ftpd.toml")).unwrap();
    fs::write(folder.join("ftpd.toml"), text.replace("chain0", "chain1").replace("key0", "key1")).unwrap();
    ask(&["reload"]);
}
