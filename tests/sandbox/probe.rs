//! The process that confines itself and tries what it can. One line for each attempt.

use ftpd::sandbox::{self, Identity, Mode, Needs, Tree, Use};
use rustix::fs::{CWD, FileType};
use rustix::process::Pid;
use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, ToSocketAddrs as _};
use std::os::fd::AsRawFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

/// The first argument of a process that is one.
pub(crate) const WORD: &str = "--probe";

fn tell(name: &str, what: impl std::fmt::Display) {
    println!("{name}: {what}");
}

/// What came of an attempt.
fn attempt<T>(name: &str, result: io::Result<T>) {
    match result {
        Ok(_) => tell(name, super::OK),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => tell(name, super::DENIED),
        Err(error) => tell(name, error),
    }
}

/// Arguments: the folder, how much of a fence, which user, and what else.
pub(crate) fn run(arguments: &[String]) {
    let [folder, mode, user, options @ ..] = arguments else { panic!("{arguments:?}") };
    let folder = Path::new(folder);
    let has = |option: &str| options.iter().any(|given| given == option);
    let (_, mode) = Mode::NAMES.iter().find(|(name, _)| name == mode).unwrap();
    let tree = |name: &str, what: Use| Tree { path: folder.join(name), what };
    let needs = || Needs {
        identity: (user != "root").then(|| Identity::find(user, None).unwrap()),
        low_ports: has("low-ports"),
        mode: *mode,
        trees: vec![tree("served", Use::Serve), tree("conf", Use::Replace), tree("run", Use::Socket)],
        symlinks: has("symlinks"),
    };
    let waiting = has("thread").then(|| std::thread::spawn(std::thread::park));
    match sandbox::enter(needs()) {
        Ok(strength) => tell("confined", format_args!("{strength:?}")),
        Err(reason) => return tell("refused", reason),
    }
    drop(waiting);
    if has("twice") {
        return tell("refused", sandbox::enter(needs()).unwrap_err());
    }
    powers();
    files(folder);
    outside(folder);
    others(folder);
    system();
    if has("mounts") {
        mounts(folder);
    }
}

fn files(folder: &Path) {
    let served = folder.join("served");
    attempt("read served", fs::read(served.join("file")));
    attempt("list served", fs::read_dir(&served));
    attempt("write served", fs::write(served.join("new"), "new"));
    attempt("truncate served", File::create(served.join("file")));
    attempt("make a directory in served", fs::create_dir(served.join("made")));
    let renamed = fs::rename(served.join("one/file"), served.join("two/file"));
    attempt("rename in served from one directory to another", renamed);
    attempt("remove in served", fs::remove_file(served.join("two/file")));
    attempt("make a link in served", symlink("file", served.join("new link")));
    let open = File::open(served.join("file")).unwrap();
    attempt("read by /proc/self/fd", fs::read(format!("/proc/self/fd/{}", open.as_raw_fd())));
    let pipe = rustix::fs::mknodat(CWD, served.join("pipe"), FileType::Fifo, 0o600.into(), 0);
    attempt("make a pipe in served", pipe.map_err(io::Error::from));
    attempt("make a socket in served", UnixListener::bind(served.join("socket")));
    attempt("make a socket in run", UnixListener::bind(folder.join("run/socket")));

    let conf = folder.join("conf");
    attempt("read configuration", fs::read(conf.join("file")));
    let replaced =
        fs::write(conf.join("new"), "new").and_then(|()| fs::rename(conf.join("new"), conf.join("file")));
    attempt("replace configuration", replaced);
    attempt("make a directory in configuration", fs::create_dir(conf.join("made")));
    attempt("make a link in configuration", symlink("file", conf.join("link")));
}

fn outside(folder: &Path) {
    let outside = folder.join("outside");
    attempt("read outside", fs::read(outside.join("file")));
    attempt("read outside by a link in served", fs::read(folder.join("served/link")));
    attempt("list outside", fs::read_dir(&outside));
    attempt("write outside", fs::write(outside.join("file"), "new"));
    attempt("rename from outside into served", cross(&outside.join("file"), &folder.join("served/taken")));
    attempt("read /etc/shadow", fs::read("/etc/shadow"));
    attempt("list /root", fs::read_dir("/root"));
    attempt("run a program", Command::new("/bin/true").status());
    // A program without a loader or libraries that could be what is refused: it is the first file that is looked at.
    let uploaded = folder.join("served/uploaded");
    fs::write(&uploaded, "#!/bin/true\n").unwrap();
    fs::set_permissions(&uploaded, fs::Permissions::from_mode(0o755)).unwrap();
    attempt("run a program that was uploaded", Command::new(&uploaded).status());
    attempt(
        "mode of a file outside",
        fs::set_permissions(outside.join("file"), fs::Permissions::from_mode(0o600)),
    );
    attempt("facts of a file outside", fs::metadata(outside.join("file")));
    attempt("socket outside", UnixStream::connect(outside.join("socket")));
    let later = std::thread::spawn(move || fs::read_dir(outside).map(drop)).join().unwrap();
    attempt("list outside in a later thread", later);
}

/// Landlock says "other device" where the right to rename is missing on one side.
fn cross(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).map_err(|error| match error.kind() {
        io::ErrorKind::CrossesDevices => io::ErrorKind::PermissionDenied.into(),
        _ => error,
    })
}

fn others(folder: &Path) {
    let name = folder.file_name().unwrap().as_encoded_bytes().to_vec();
    let address = SocketAddr::from_abstract_name(name).unwrap();
    attempt("abstract socket of another", UnixStream::connect_addr(&address));
    let parent = rustix::process::getppid().unwrap();
    attempt("signal to another", rustix::process::test_kill_process(parent).map_err(io::Error::from));
    attempt("memory of another", memory_of(parent));
}

fn memory_of(process: Pid) -> io::Result<Vec<u8>> {
    fs::read(format!("/proc/{process}/environ"))
}

fn system() {
    attempt("look up localhost", ("localhost", 0).to_socket_addrs());
    attempt("read /etc/passwd", fs::read("/etc/passwd"));
    let networks = std::thread::spawn(|| fs::read("/proc/net/route")).join().unwrap();
    attempt("read routes", networks);
}

fn powers() {
    use rustix::process::{Gid, Uid, getegid, geteuid};
    use rustix::thread::{self, CapabilitySet};
    tell("user", format_args!("{} {} {}", geteuid().as_raw(), getegid().as_raw(), groups()));
    let effective = thread::capabilities(None).unwrap().permitted;
    let none = effective == CapabilitySet::empty();
    let bind = effective == CapabilitySet::NET_BIND_SERVICE;
    tell(
        "capabilities",
        if none {
            "none"
        } else if bind {
            "CAP_NET_BIND_SERVICE"
        } else {
            "others"
        },
    );
    let dumpable = rustix::process::dumpable_behavior().unwrap();
    tell("dumpable", if dumpable == rustix::process::DumpableBehavior::NotDumpable { "no" } else { "yes" });
    tell("new privileges", if thread::no_new_privs().unwrap() { "never" } else { "possible" });
    let root = Uid::ROOT;
    attempt("become root", thread::set_thread_res_uid(root, root, root).map_err(io::Error::from));
    if !geteuid().is_root() {
        attempt("choose groups", thread::set_thread_groups(&[Gid::ROOT]).map_err(io::Error::from));
    }
    attempt("listen on port 7", TcpListener::bind("127.0.0.1:7"));
}

fn groups() -> String {
    let groups: Vec<_> = rustix::process::getgroups().unwrap();
    groups.iter().map(|group| group.as_raw().to_string()).collect::<Vec<_>>().join(" ")
}

fn mounts(folder: &Path) {
    for mount in ["bind", "memory", "overlay"] {
        let place = folder.join("served").join(mount);
        attempt(&format!("read {mount}"), fs::read(place.join("file")));
        let written =
            fs::create_dir(place.join("made")).and_then(|()| fs::write(place.join("made/new"), "new"));
        attempt(&format!("write {mount}"), written);
        attempt(&format!("rename in {mount}"), fs::rename(place.join("made/new"), place.join("other")));
    }
    attempt("read what is below the overlay", fs::read(folder.join("lower/file")));
}
