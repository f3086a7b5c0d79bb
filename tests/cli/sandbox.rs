//! `server.user` and `server.sandbox`, from outside: what the system says of the running server, and what the server
//! says when something is out of its reach. Needs root, as whoever starts a service is.
#![cfg(target_os = "linux")]

use super::{PATIENCE, RUNTIMES, Server, eventually, ftpd, result};
use std::collections::BTreeSet;
use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const NOBODY: u32 = 65_534;

/// A folder of root's that everybody may go into, with a configuration, and a tree that is the user's.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests need root");
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for directory in ["conf", "root", "run", "more", "more/anna"] {
            fs::create_dir(place.path(directory)).unwrap();
        }
        for directory in ["root", "more/anna"] {
            chown(place.path(directory), Some(NOBODY), None).unwrap();
        }
        fs::write(place.path("root/a.txt"), "hello").unwrap();
        place
    }

    /// With these lines below `[server]`, and more.
    fn configure(&self, server: &str, more: &str) {
        let text = format!(
            "[server]\nbind = \"127.0.0.1:0\"\nroot = \"../root\"\n{server}\n[passive]\nports = \"auto:8\"\n[accounts]\nanonymous = {{ writable = true }}\n{more}\n"
        );
        fs::write(self.path("conf/ftpd.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let file = self.path("conf/ftpd.toml");
        let mut command = ftpd(&["serve", "--config", file.to_str().unwrap()]);
        command.args(arguments).env("RUNTIME_DIRECTORY", self.path("run"));
        command
    }

    fn start(&self, arguments: &[&str]) -> Server {
        let log = fs::File::create(self.path("log")).unwrap();
        let server = Server::start_logging(&mut self.command(arguments), Stdio::from(log));
        eventually(|| self.log().contains("control socket opened"));
        server
    }

    /// Asks the server as root does: code, output, complaint.
    fn ask(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let mut sockets = fs::read_dir(self.path("run")).unwrap();
        let socket = sockets.next().expect("there is a socket").unwrap().path();
        let mut command = ftpd(words);
        command.args(["--socket", socket.to_str().unwrap()]);
        result(&command.output().unwrap())
    }
}

/// One line of each thread's /proc/PID/task/*/status.
fn of_all_threads(server: &Server, name: &str) -> BTreeSet<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap();
    // One may end meanwhile.
    let texts: Vec<_> =
        tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("status")).ok()).collect();
    assert!(texts.len() > 3, "the server has threads");
    let line = |text: &String| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    texts.iter().map(line).collect()
}

#[track_caller]
fn all_threads_have(server: &Server, want: &[(&str, &str)]) {
    for (name, want) in want {
        assert_eq!(of_all_threads(server, name), BTreeSet::from([(*want).to_owned()]), "{name}");
    }
}

const NO_CAPABILITY: &str = "0000000000000000";
const LOW_PORTS: &str = "0000000000000400";

#[test]
fn started_by_root_the_server_becomes_its_user_in_every_thread() {
    for runtime in RUNTIMES {
        let place = Place::new();
        place.configure("user = \"nobody\"\ngroup = 4711", "");
        let server = place.start(&["--runtime", runtime]);
        // Threads of all kinds are there now.
        assert!(server.talk(&["USER ftp", "PASS a@b"])[2].starts_with("230 "));
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-T"])
            .arg(place.path("conf/ftpd.toml"))
            .arg(format!("ftp://{}/new", server.address));
        let upload = curl.output().unwrap();
        assert!(upload.status.success(), "{upload:?}");
        all_threads_have(
            &server,
            &[
                ("Uid", "65534 65534 65534 65534"),
                ("Gid", "4711 4711 4711 4711"),
                ("Groups", "4711"),
                ("CapInh", NO_CAPABILITY),
                ("CapPrm", NO_CAPABILITY),
                ("CapEff", NO_CAPABILITY),
                ("CapBnd", NO_CAPABILITY),
                ("CapAmb", NO_CAPABILITY),
                ("NoNewPrivs", "1"),
            ],
        );
        let facts = fs::metadata(place.path("root/new")).unwrap();
        assert_eq!((facts.uid(), facts.gid()), (NOBODY, 4711));
        let log = place.log();
        assert!(
            log.contains("root given up user=\"nobody\" uid=65534 gid=4711 groups=4711 capabilities=none"),
            "{log}"
        );
        assert!(log.contains("confined: no file is in reach but those that are served and read\n"), "{log}");
        // Root and the user reach it, and nobody else.
        assert_eq!(place.ask(&["status"]).0, Some(0));
        let socket = fs::read_dir(place.path("run")).unwrap().next().unwrap().unwrap().path();
        let facts = fs::metadata(&socket).unwrap();
        assert_eq!((facts.uid(), facts.mode() & 0o777), (NOBODY, 0o600));
        for (user, reaches) in [(NOBODY, true), (4_712, false)] {
            // Connected to by another program, since nobody else may go to where this one lies.
            let mut connect = Command::new("python3");
            connect.args(["-c", "import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"]);
            connect.arg(&socket).uid(user).gid(user).stderr(Stdio::null());
            assert_eq!(connect.status().unwrap().success(), reaches, "{user}");
        }
        server.signal("TERM");
        let mut server = server;
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
        assert!(!socket.exists(), "the user could remove it");
    }
}

#[test]
fn one_capability_is_kept_for_low_ports_that_are_opened_later() {
    for (runtime, port) in RUNTIMES.into_iter().zip([831_u16, 832]) {
        let place = Place::new();
        place.configure("user = \"nobody\"", "[active]\nsource_port = 20\n");
        let bind = format!("127.0.0.1:{port}");
        let server = place.start(&["--runtime", runtime, "--bind", &bind]);
        all_threads_have(
            &server,
            &[
                ("Uid", "65534 65534 65534 65534"),
                ("CapPrm", LOW_PORTS),
                ("CapEff", LOW_PORTS),
                ("CapBnd", LOW_PORTS),
                ("CapInh", NO_CAPABILITY),
                ("NoNewPrivs", "1"),
            ],
        );
        // From port 20, if nobody else has it at this moment.
        let url = format!("ftp://{}/a.txt", server.address);
        let active = Command::new("curl").args(["-sS", "--ftp-port", "127.0.0.1", &url]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&active.stdout), "hello", "{active:?}");
    }
    // A low control port is open already when root is given up.
    let place = Place::new();
    place.configure("user = \"nobody\"", "");
    let server = place.start(&["--bind", "127.0.0.1:833"]);
    all_threads_have(&server, &[("CapPrm", NO_CAPABILITY), ("CapBnd", NO_CAPABILITY)]);
    assert!(server.talk(&["USER ftp", "PASS a@b"])[2].starts_with("230 "));
    let (code, _, complaint) = place.ask(&["set", "active.source_port", "20"]);
    assert_eq!(code, Some(2), "{complaint}");
    assert!(complaint.contains("gave up the right to port 20 with root at its start"), "{complaint}");
}

#[test]
fn who_can_not_be_become_keeps_the_server_from_starting() {
    let place = Place::new();
    for (user, want) in [
        ("nobody-of-that-name", "ftpd: server.user: there is no user \"nobody-of-that-name\""),
        ("root", "ftpd: server.user: that is root"),
    ] {
        place.configure(&format!("user = \"{user}\""), "");
        let (code, out, complaint) = result(&place.command(&[]).output().unwrap());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{complaint}");
        assert!(complaint.starts_with(want) && complaint.lines().count() == 1, "{complaint}");
    }
    // What the user may not read is told before anybody is served.
    place.configure("user = \"nobody\"", "");
    fs::set_permissions(place.path("root"), fs::Permissions::from_mode(0o700)).unwrap();
    chown(place.path("root"), Some(0), Some(0)).unwrap();
    let (code, _, complaint) = result(&place.command(&[]).output().unwrap());
    assert_eq!(code, Some(1), "{complaint}");
    assert!(
        complaint.contains("user nobody may not read it: Permission denied; run `chown nobody "),
        "{complaint}"
    );
}

#[test]
fn root_that_becomes_nobody_is_told_so() {
    let place = Place::new();
    place.configure("", "");
    let server = place.start(&[]);
    all_threads_have(&server, &[("Uid", "0 0 0 0"), ("NoNewPrivs", "1")]);
    eventually(|| place.log().contains("the server runs as root; name a user that it becomes"));
    drop(server);
    let _server = place.start(&["--run-as", "nobody", "--sandbox", "off"]);
    let log = place.log();
    assert!(
        !log.contains("runs as root") && log.contains("not confined, since server.sandbox is \"off\""),
        "{log}"
    );
}

/// Runs `script` with the server's command line behind it. The program is at `/proc/self/fd/3`, since a user who is not
/// root may not be able to go to where it lies.
fn scripted(place: &Place, script: &str, arguments: &[&str]) -> Command {
    let server = place.command(arguments);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("set -e; exec 3<\"$0\"; {script}")]).arg(server.get_program());
    command.args(server.get_args()).env("RUNTIME_DIRECTORY", place.path("run")).stdin(Stdio::null());
    command
}

/// Code, output and complaint of a server that should not start.
fn refused(place: &Place, script: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let script = script.replacen("exec ", "exec timeout 30 ", 1);
    result(&scripted(place, &script, arguments).output().unwrap())
}

fn start_scripted(place: &Place, script: &str, arguments: &[&str]) -> Server {
    let log = fs::File::create(place.path("log")).unwrap();
    let server = Server::start_logging(&mut scripted(place, script, arguments), Stdio::from(log));
    eventually(|| place.log().contains("control socket opened"));
    server
}

/// As in a container: its first user is root, and somebody else outside.
#[test]
fn root_of_a_user_namespace_is_nobody_to_warn_of() {
    const SCRIPT: &str = "
        unshare --user sleep 60 & holder=$!
        while [ \"$(readlink /proc/$holder/ns/user)\" = \"$(readlink /proc/self/ns/user)\" ]; do sleep 0.02; done
        echo 0 65534 1 > /proc/$holder/uid_map; echo 0 65534 1 > /proc/$holder/gid_map
        exec 4< /proc/$holder/ns/user; kill $holder
        exec nsenter --user=/proc/self/fd/4 /proc/self/fd/3 \"$@\"";
    for runtime in RUNTIMES {
        let place = Place::new();
        place.configure("", "");
        chown(place.path("run"), Some(NOBODY), Some(NOBODY)).unwrap();
        let server = start_scripted(&place, SCRIPT, &["--runtime", runtime]);
        all_threads_have(&server, &[("Uid", "65534 65534 65534 65534"), ("NoNewPrivs", "1")]);
        eventually(|| place.log().contains("passive mode: "));
        assert!(server.talk(&["USER ftp", "PASS a@b"])[2].starts_with("230 "));
        let log = place.log();
        assert!(log.contains("INFO confined: ") && !log.contains("the server runs as root"), "{log}");
    }
}

#[test]
fn where_everybody_may_have_low_ports_none_was_given_up() {
    let place = Place::new();
    place.configure("user = \"nobody\"", "[active]\nsource_port = 20\n");
    let script = "exec unshare --net sh -c '
        ip link set lo up; echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start; exec \"$0\" \"$@\"' \"$0\" \"$@\"";
    let server = start_scripted(&place, script, &[]);
    all_threads_have(&server, &[("CapPrm", NO_CAPABILITY)]);
    // The fence hides that file.
    for words in [&["reload"][..], &["set", "timeouts.idle", "77s"], &["set", "active.source_port", "21"]] {
        let (code, _, complaint) = place.ask(words);
        assert_eq!((code, complaint.as_str()), (Some(0), ""), "{words:?}");
    }
}

/// As docs/hardening.md says of images that start as root.
#[test]
fn in_a_container_root_needs_two_capabilities_to_become_the_user() {
    let place = Place::new();
    place.configure("user = 990\ngroup = 990", "");
    for directory in ["run", "root"] {
        chown(place.path(directory), Some(990), None).unwrap();
    }
    let script = "exec setpriv --bounding-set -all,+setuid,+setgid --inh-caps -all /proc/self/fd/3 \"$@\"";
    let server = start_scripted(&place, script, &[]);
    all_threads_have(&server, &[("Uid", "990 990 990 990"), ("CapPrm", NO_CAPABILITY)]);
    let socket = fs::read_dir(place.path("run")).unwrap().next().expect("there is a socket").unwrap();
    assert_eq!(socket.metadata().unwrap().uid(), 990);
    // A right that is not there can't be kept.
    place.configure("user = 990\ngroup = 990", "[active]\nsource_port = 20\n");
    let (code, _, complaint) = refused(&place, script, &[]);
    let want = "ftpd: server.user: 990: ports below 1024 will be needed, and there is no right to them to keep; give it";
    assert!(code == Some(1) && complaint.starts_with(want), "{code:?} {complaint}");
}

#[test]
fn who_is_the_user_already_can_not_take_another_group() {
    let place = Place::new();
    let script = "exec setpriv --reuid 65534 --regid 65534 --clear-groups /proc/self/fd/3 \"$@\"";
    place.configure("user = \"nobody\"\ngroup = 4711", "");
    let (code, out, complaint) = refused(&place, script, &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{complaint}");
    assert!(
        complaint.starts_with("ftpd: server.group: only root can take group 4711; start "),
        "{complaint}"
    );
    place.configure("user = \"nobody\"\ngroup = 65534", "");
    chown(place.path("run"), Some(NOBODY), Some(NOBODY)).unwrap();
    let server = start_scripted(&place, script, &[]);
    all_threads_have(&server, &[("Uid", "65534 65534 65534 65534"), ("Gid", "65534 65534 65534 65534")]);
}

/// What a kernel says that has none of Landlock, has it switched off, or is old.
#[test]
fn without_landlock_the_server_says_so_or_does_not_start() {
    let files = "confined: no file is in reach but those that are served and read";
    for (answer, want) in [
        ("error=ENOSYS", "not confined: the system has no Landlock (Linux 5.19 or later)"),
        ("error=EPERM", "not confined: the system has no Landlock (Linux 5.19 or later)"),
        ("error=EOPNOTSUPP", "not confined: the system has Landlock switched off"),
        (
            "retval=1:when=1",
            "not confined: the system's Landlock can't tell renames apart (Linux 5.19 or later can)",
        ),
        (
            "retval=2:when=1",
            "confined: no file is in reach but those that are served and read; the system's Landlock can't fence in truncating files (Linux 6.2), requests to devices (Linux 6.10), abstract sockets and signals (Linux 6.12)",
        ),
        (
            "retval=5:when=1",
            "confined: no file is in reach but those that are served and read; the system's Landlock can't fence in abstract sockets and signals (Linux 6.12)",
        ),
    ] {
        let script = format!(
            "exec strace -D -f -qq -o /dev/null -e trace=landlock_create_ruleset -e inject=landlock_create_ruleset:{answer} \"$0\" \"$@\""
        );
        let place = Place::new();
        place.configure("user = \"nobody\"", "");
        let server = start_scripted(&place, &script, &[]);
        let log = place.log();
        let level = if want.starts_with("not") { "WARN" } else { "INFO" };
        assert!(log.contains(&format!(" {level} {want}")), "{answer}: {log}");
        assert!(server.talk(&["USER ftp", "PASS a@b"])[2].starts_with("230 "), "{answer}");
        drop(server);
        let (code, out, complaint) = refused(&place, &script, &["--sandbox", "required"]);
        let reason = want.trim_start_matches("not confined: ");
        let reason = reason.trim_start_matches(files).trim_start_matches("; ");
        let refused = format!("ftpd: server.sandbox: \"required\", but {reason}; write sandbox = \"auto\"");
        assert_eq!((code, out.as_str()), (Some(1), ""), "{answer}: {complaint}");
        assert!(complaint.lines().any(|line| line.starts_with(&refused)), "{answer}: {complaint}");
    }
}

#[test]
fn a_tree_for_later_that_is_not_there_is_named() {
    let place = Place::new();
    place.configure("sandbox_paths = \"../nothing\"", "");
    let _server = place.start(&[]);
    let want = "nothing: No such file or directory; nothing there can be served until the next start";
    assert!(place.log().contains(want), "{}", place.log());
}

/// The directory is the user's since the last start, so he may have given a name in it to what is root's.
#[test]
fn a_certificate_of_its_own_is_the_users_and_nothing_else_is() {
    let place = Place::new();
    place.configure("", "");
    let script = "exec unshare --mount --propagation private sh -c '
        mount -t tmpfs tmpfs /var/lib; mkdir /var/lib/ftpd; echo root > /var/lib/precious
        ln /var/lib/precious /var/lib/ftpd/other
        exec \"$0\" serve \"$1\" --tls --run-as nobody --bind 127.0.0.1:0 --passive-ports auto:8' \"$0\" \"$PLACE\"";
    let log = fs::File::create(place.path("log")).unwrap();
    let mut command = scripted(&place, script, &[]);
    command.env("PLACE", place.path("root"));
    let server = Server::start_logging(&mut command, Stdio::from(log));
    eventually(|| place.log().contains("control socket opened"));
    assert!(greets_under_tls(&server), "{}", place.log());
    let there = PathBuf::from(format!("/proc/{}/root/var/lib", server.child.id()));
    let owner = |name: &str| fs::metadata(there.join(name)).unwrap().uid();
    for name in ["ftpd", "ftpd/certificate.pem", "ftpd/key.pem"] {
        assert_eq!(owner(name), NOBODY, "{name}");
    }
    assert_eq!((owner("precious"), owner("ftpd/other")), (0, 0));
}

/// A certificate and its key in two files.
pub(super) fn certificate(chain: &Path, key: &Path) {
    let mut made = Command::new("openssl");
    made.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "90",
    ]);
    made.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out"]);
    let made = made.arg(chain).arg("-keyout").arg(key).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
}

fn greets_under_tls(server: &Server) -> bool {
    let url = format!("ftp://{}/", server.address);
    let listed = Command::new("curl").args(["-sSk", "--ssl-reqd", &url]).output().unwrap();
    String::from_utf8_lossy(&listed.stdout).contains("a.txt")
}

#[test]
fn a_key_that_only_root_reads_is_used_until_it_is_renewed() {
    let place = Place::new();
    let (chain, key) = (place.path("conf/chain.pem"), place.path("conf/key.pem"));
    certificate(&chain, &key);
    place.configure(
        "user = \"nobody\"",
        "[tls]\ncertificates = [{ certificate = \"chain.pem\", key = \"key.pem\" }]\n",
    );
    let server = place.start(&[]);
    assert!(greets_under_tls(&server));
    let advice = "the server runs as user nobody since its start: let nobody read it (chgrp ";
    eventually(|| {
        place.log().contains("user nobody may not read it, so that a renewed one can't be taken over")
    });
    assert!(place.log().contains(advice));
    certificate(&chain, &key);
    // What else is new is taken over.
    let file = place.path("conf/ftpd.toml");
    fs::write(&file, fs::read_to_string(&file).unwrap() + "[timeouts]\nidle = 77\n").unwrap();
    let (code, said, complaint) = place.ask(&["reload"]);
    assert_eq!(code, Some(0), "{complaint}");
    let want = format!("{}: can't be read: Permission denied; {advice}", key.display());
    let lines: Vec<_> = said.lines().filter(|line| line.contains(&want)).collect();
    assert!(
        lines.len() == 1 && lines[0].starts_with("certificates not read again, the old ones stay: "),
        "{said}"
    );
    assert_eq!(place.ask(&["get", "timeouts.idle"]).1, "77 s\n");
    assert!(greets_under_tls(&server), "the old one stays in use");
    // What helps.
    chown(&key, None, Some(65_534)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let (code, said, complaint) = place.ask(&["reload"]);
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    assert!(!said.contains("not read again"), "{said}");
    assert!(greets_under_tls(&server));
}

#[test]
fn what_is_outside_of_the_fence_is_refused_with_a_word() {
    let hash = ftpd::accounts::PasswordHash::of(b"secret").unwrap();
    let user = |name: &str, root: &Path| {
        format!(
            "[[user]]\nname = \"{name}\"\npassword = \"{}\"\nroot = {root:?}\nrights = [\"all\"]\n",
            hash.as_str()
        )
    };
    for (runtime, paths) in RUNTIMES.into_iter().zip(["", "sandbox_paths = \"../more\""]) {
        let place = Place::new();
        let accounts = place.path("conf/accounts.toml");
        fs::write(&accounts, user("bob", &place.path("root"))).unwrap();
        chown(&accounts, Some(NOBODY), None).unwrap();
        place.configure(&format!("user = \"nobody\"\n{paths}"), "file = \"accounts.toml\"");
        let server = place.start(&["--runtime", runtime]);
        let login = |name: &str| server.talk(&[&format!("USER {name}"), "PASS secret"])[2].clone();
        assert!(login("bob").starts_with("230 "));
        // The file is replaced, as editors and `ftpd user` do it.
        let more = user("bob", &place.path("root")) + &user("anna", &place.path("more/anna"));
        fs::write(place.path("conf/new"), more).unwrap();
        chown(place.path("conf/new"), Some(NOBODY), None).unwrap();
        fs::rename(place.path("conf/new"), &accounts).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        let reply = login("anna");
        let root = place.path("root");
        let outside =
            "outside of what the server has confined itself to at its start (server.sandbox); restart it, or";
        if paths.is_empty() {
            assert!(!reply.starts_with("230 "), "{reply}");
            let want = format!("{}: {outside}", place.path("more/anna").display());
            assert!(place.log().contains(&want), "{}", place.log());
            assert!(login("bob").starts_with("230 "), "nobody else is touched");
            let (code, _, complaint) =
                place.ask(&["set", "server.root", place.path("more").to_str().unwrap()]);
            assert_eq!(code, Some(2));
            assert!(
                complaint.contains(&format!("server.root: {}: {outside}", place.path("more").display())),
                "{complaint}"
            );
            let (code, _, complaint) = place.ask(&["set", "server.symlinks", "true"]);
            assert_eq!(code, Some(2));
            assert!(complaint.contains("server.symlinks: the server has confined itself"), "{complaint}");
        } else {
            assert!(reply.starts_with("230 "), "{reply}: {}", place.log());
            assert_eq!(place.ask(&["set", "server.root", place.path("more").to_str().unwrap()]).0, Some(0));
        }
        // A directory that is below what is served is inside.
        fs::create_dir(root.join("below")).unwrap();
        assert_eq!(place.ask(&["set", "server.root", root.join("below").to_str().unwrap()]).0, Some(0));
        let (code, _, complaint) = place.ask(&["set", "server.sandbox", "off"]);
        assert!(
            code == Some(2) && complaint.contains("can't be changed while the server runs"),
            "{complaint}"
        );
    }
}

#[test]
fn a_service_manager_hears_when_clients_can_come() {
    let place = Place::new();
    place.configure("user = \"nobody\"", "");
    let name = place.path("notify");
    let by_path = UnixDatagram::bind(&name).unwrap();
    fs::set_permissions(&name, fs::Permissions::from_mode(0o666)).unwrap();
    let short = format!("ftpd-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&short).unwrap();
    let by_name = UnixDatagram::bind_addr(&address).unwrap();
    for (manager, socket) in [(&by_path, name.display().to_string()), (&by_name, format!("@{short}"))] {
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = fs::File::create(place.path("log")).unwrap();
        let mut command = place.command(&[]);
        let server = Server::start_logging(command.env("NOTIFY_SOCKET", socket), Stdio::from(log));
        let mut word = [0; 64];
        let mut next = || {
            let length = manager.recv(&mut word).unwrap();
            String::from_utf8_lossy(&word[..length]).into_owned()
        };
        assert_eq!(next(), "READY=1");
        server.signal("TERM");
        assert_eq!(next(), "STOPPING=1");
    }
}
