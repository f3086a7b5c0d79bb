//! What a process that has confined itself can still do. No client can be made to leave its root, so this program does
//! what a server would do that somebody has taken over: it enters the sandbox by the library, and tries. Needs root.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod probe;

use std::collections::BTreeMap;
use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// A user without any files, who is on every system.
const NOBODY: u32 = 65_534;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == probe::WORD
    {
        probe::run(rest);
        return ExitCode::SUCCESS;
    }
    run_all(&arguments)
}

/// The cases whose names contain one of the words, as the usual harness does it.
fn run_all(arguments: &[String]) -> ExitCode {
    let words: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in CASES.iter().filter(|(name, _)| wanted(name)) {
        let good = std::panic::catch_unwind(case).is_ok();
        println!("test {name} ... {}", if good { "ok" } else { "FAILED" });
        if good { passed += 1 } else { failed += 1 }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let left = CASES.len() - passed - failed;
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {left} filtered out"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Case = (&'static str, fn());

const CASES: &[Case] = &[
    ("root_without_a_user_is_fenced_in", root_without_a_user_is_fenced_in),
    ("a_user_is_fenced_in_and_can_not_become_root_again", a_user_is_fenced_in),
    ("links_are_made_where_the_settings_want_them", links_are_made_where_the_settings_want_them),
    ("without_a_fence_only_the_system_decides", without_a_fence_only_the_system_decides),
    ("what_is_mounted_below_a_root_is_served", what_is_mounted_below_a_root_is_served),
    ("a_process_with_two_threads_is_refused", a_process_with_two_threads_is_refused),
    ("it_can_be_entered_once", it_can_be_entered_once),
];

/// A tree that is served, a configuration, and what is neither.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests need root");
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for directory in ["served", "served/one", "served/two", "conf", "outside", "run"] {
            fs::create_dir(place.path(directory)).unwrap();
            chown(place.path(directory), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        for file in ["served/file", "served/one/file", "conf/file", "outside/file"] {
            fs::write(place.path(file), "text").unwrap();
            chown(place.path(file), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        std::os::unix::fs::symlink("../outside/file", place.path("served/link")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn probe(&self, options: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(probe::WORD).arg(self.folder.path()).args(options);
        command
    }

    /// What came of each attempt in a process that confined itself like this.
    fn attempts(&self, options: &[&str]) -> BTreeMap<String, String> {
        outcome(&mut self.probe(options))
    }
}

fn outcome(command: &mut Command) -> BTreeMap<String, String> {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    lines.map(|(name, what)| (name.to_owned(), what.to_owned())).collect()
}

/// What a name came to, one by one, so that a failure shows all of them.
#[track_caller]
fn expect(attempts: &BTreeMap<String, String>, want: &[(&str, &str)]) {
    let wrong: Vec<_> = want
        .iter()
        .filter(|(name, want)| attempts.get(*name).map(String::as_str) != Some(*want))
        .map(|(name, want)| format!("{name}: {:?}, not {want:?}", attempts.get(*name)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const OK: &str = "ok";
const DENIED: &str = "permission denied";

/// What holds for everybody behind the fence.
const FENCED: &[(&str, &str)] = &[
    ("read served", OK),
    ("list served", OK),
    ("write served", OK),
    ("truncate served", OK),
    ("make a directory in served", OK),
    ("rename in served from one directory to another", OK),
    ("remove in served", OK),
    ("read by /proc/self/fd", OK),
    ("read configuration", OK),
    ("replace configuration", OK),
    ("make a directory in configuration", DENIED),
    ("make a pipe in served", DENIED),
    ("make a socket in served", DENIED),
    ("make a socket in run", OK),
    ("read outside", DENIED),
    ("read outside by a link in served", DENIED),
    ("list outside", DENIED),
    ("write outside", DENIED),
    ("rename from outside into served", DENIED),
    ("read /etc/shadow", DENIED),
    ("list /root", DENIED),
    ("run a program", DENIED),
    ("run a program that was uploaded", DENIED),
    ("abstract socket of another", DENIED),
    ("signal to another", DENIED),
    ("memory of another", DENIED),
    ("list outside in a later thread", DENIED),
    ("look up localhost", OK),
    ("read /etc/passwd", OK),
    ("read routes", OK),
    ("new privileges", "never"),
];

/// What docs/hardening.md says that the fence does not stop.
const NOT_FENCED: &[(&str, &str)] =
    &[("mode of a file outside", OK), ("facts of a file outside", OK), ("socket outside", OK)];

/// Somebody outside who listens at an abstract name, and at one in a directory.
fn listener(place: &Place) -> [UnixListener; 2] {
    let name = place.folder.path().file_name().unwrap().as_encoded_bytes().to_vec();
    let path = place.path("outside/socket");
    let named = UnixListener::bind(&path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    [UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap(), named]
}

fn root_without_a_user_is_fenced_in() {
    let place = Place::new();
    let _listener = listener(&place);
    let attempts = place.attempts(&["auto", "root"]);
    expect(&attempts, &[("confined", "Full")]);
    expect(&attempts, FENCED);
    expect(&attempts, NOT_FENCED);
    expect(&attempts, &[("make a link in served", DENIED), ("become root", OK)]);
}

fn a_user_is_fenced_in() {
    for mode in ["auto", "required"] {
        let place = Place::new();
        let _listener = listener(&place);
        let attempts = place.attempts(&[mode, "nobody"]);
        expect(&attempts, &[("confined", "Full")]);
        expect(&attempts, FENCED);
        expect(&attempts, NOT_FENCED);
        expect(
            &attempts,
            &[
                ("become root", DENIED),
                ("choose groups", DENIED),
                ("user", "65534 65534 65534"),
                ("capabilities", "none"),
                ("listen on port 7", DENIED),
                ("dumpable", "no"),
            ],
        );
    }
    let place = Place::new();
    let _listener = listener(&place);
    let attempts = place.attempts(&["auto", "nobody", "low-ports"]);
    expect(&attempts, FENCED);
    expect(
        &attempts,
        &[("become root", DENIED), ("capabilities", "CAP_NET_BIND_SERVICE"), ("listen on port 7", OK)],
    );
}

fn links_are_made_where_the_settings_want_them() {
    let place = Place::new();
    let _listener = listener(&place);
    let attempts = place.attempts(&["auto", "nobody", "symlinks"]);
    expect(&attempts, FENCED);
    expect(&attempts, &[("make a link in served", OK), ("make a link in configuration", DENIED)]);
}

/// That the attempts succeed where nothing is in their way shows that it is the fence that stops them.
fn without_a_fence_only_the_system_decides() {
    let place = Place::new();
    let _listener = listener(&place);
    let attempts = place.attempts(&["off", "root"]);
    expect(&attempts, &[("confined", "Off"), ("new privileges", "never")]);
    for (name, _) in
        FENCED.iter().filter(|(name, want)| *want == DENIED && *name != "rename from outside into served")
    {
        expect(&attempts, &[(name, OK)]);
    }
    // Unless the user may not: /etc/shadow stays closed, files of his own are open.
    let place = Place::new();
    let _listener = listener(&place);
    let attempts = place.attempts(&["off", "nobody"]);
    expect(&attempts, &[("read /etc/shadow", DENIED), ("read outside", OK), ("become root", DENIED)]);
}

/// Bind mounts, file systems in memory and overlays: what is reached through the root is served, and what is mounted
/// there stays closed by its other name.
fn what_is_mounted_below_a_root_is_served() {
    let place = Place::new();
    let _listener = listener(&place);
    let script = "set -e; cd \"$0\"; \
        mkdir served/bind served/memory served/overlay lower upper work; echo text > lower/file; \
        mount --bind outside served/bind; \
        mount -t tmpfs tmpfs served/memory; echo text > served/memory/file; mkdir served/memory/one; \
        mkdir served/memory/upper served/memory/work; \
        mount -t overlay overlay -o lowerdir=lower,upperdir=served/memory/upper,workdir=served/memory/work served/overlay; \
        exec \"$@\"";
    let probe = place.probe(&["auto", "root", "mounts"]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script]).arg(place.folder.path());
    command.arg(probe.get_program()).args(probe.get_args());
    let attempts = outcome(&mut command);
    expect(&attempts, FENCED);
    for mount in ["bind", "memory", "overlay"] {
        for what in ["read", "write", "rename in"] {
            expect(&attempts, &[(&format!("{what} {mount}"), OK)]);
        }
    }
    expect(&attempts, &[("read what is below the overlay", DENIED)]);
}

fn a_process_with_two_threads_is_refused() {
    let place = Place::new();
    let attempts = place.attempts(&["auto", "nobody", "thread"]);
    expect(&attempts, &[("refused", "can't confine the server: it has 2 threads already")]);
}

fn it_can_be_entered_once() {
    let place = Place::new();
    let attempts = place.attempts(&["auto", "root", "twice"]);
    expect(&attempts, &[("refused", "the server has confined itself already")]);
}
