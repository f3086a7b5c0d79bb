//! What is left of the program's powers when it serves: it becomes a user who may do little, and a fence keeps it from
//! all files but those that it serves and reads.
//!
//! [`enter`] is the one place where that happens, once, while the process has a single thread: everything it does
//! holds for the thread that does it, and for those that this one starts. What was decided then can't be undone, so
//! the rest of the module answers whether what a change of settings needs can still be had.
//!
//! No rule is about ports. Active mode connects to whatever port a client names, and the passive range may change
//! while the server runs; a fence that opens all ports fences nothing.

#[cfg(target_os = "linux")]
mod fence;
#[cfg(target_os = "linux")]
mod privileges;
mod user;

pub use user::Identity;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How much it has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As much as the system can.
    #[default]
    Auto,
    /// All of it, or the server does not start.
    Required,
    /// No fence.
    Off,
}

impl Mode {
    /// The names in files and on the command line.
    pub const NAMES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("required", Self::Required), ("off", Self::Off)];
}

/// What a tree is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Files in it are read.
    Read,
    /// And replaced by newer ones.
    Replace,
    /// It is served: all that clients may ask for. Never devices, pipes, sockets, nor running a program.
    Serve,
    /// Sockets are made and removed in it.
    Socket,
}

/// A directory with all below, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Where.
    pub path: PathBuf,
    /// What for.
    pub what: Use,
}

impl Tree {
    /// What it takes to go on reading a file: the directory it is in, since newer ones take its place, and that to
    /// which a link leads.
    pub fn around(file: &Path, what: Use) -> Vec<Self> {
        let mut directories = vec![crate::replace::directory_of(file).to_owned()];
        if let Ok(real) = std::fs::canonicalize(file) {
            directories.extend(real.parent().map(Path::to_owned));
        }
        directories.dedup();
        directories.into_iter().map(|path| Self { path, what }).collect()
    }
}

/// What is to be left.
#[derive(Debug)]
pub struct Needs {
    /// Whom to become; `None`: nobody else.
    pub identity: Option<Identity>,
    /// Whether ports below 1024 will have to be opened.
    pub low_ports: bool,
    /// How much of a fence there has to be.
    pub mode: Mode,
    /// What is inside.
    pub trees: Vec<Tree>,
    /// Whether symbolic links may be made in what is served.
    pub symlinks: bool,
}

/// How much of the fence holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strength {
    /// All of it.
    Full,
    /// The files are fenced in; what the system is too old for is named.
    Partial(String),
    /// Nothing, and why.
    Nothing(String),
    /// Nothing, as the settings want it.
    Off,
}

/// What was done, for good.
struct Done {
    /// Who the process became, and whether it kept the right to low ports.
    dropped: Option<(Identity, bool)>,
    #[cfg(target_os = "linux")]
    fence: Option<fence::Fence>,
}

static DONE: OnceLock<Done> = OnceLock::new();

/// Leaves this process with what it needs. Call it once, before there is a second thread.
///
/// # Errors
/// In one line, what can't be done. The process may then be in the middle of it, and has to end.
#[cfg(target_os = "linux")]
pub fn enter(needs: Needs) -> Result<Strength, String> {
    if DONE.get().is_some() {
        return Err("the server has confined itself already".to_owned());
    }
    // Without the process file system nobody can count; only who gives up root has to be sure.
    match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(1) => {}
        Err(_) if needs.identity.is_none() => {}
        // Profilers bring a thread along; there is nothing that it would have to be kept from.
        Ok(_) if needs.identity.is_none() && needs.mode == Mode::Off => {}
        Ok(threads) => return Err(format!("can't confine the server: it has {threads} threads already")),
        Err(error) => {
            let error = crate::config_file::reader::plain(&error);
            return Err(format!("server.user: /proc is needed to become another user: {error}"));
        }
    }
    let as_root = needs.identity.is_none() && rustix::process::geteuid().is_root();
    let plan = fence::Plan::open(&needs.trees, needs.symlinks, as_root);
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| format!("can't give up new privileges: {error}"))?;
    if let Some(identity) = &needs.identity {
        privileges::drop_to(identity, needs.low_ports)
            .map_err(|error| format!("server.user: {}: {error}", identity.name))?;
    }
    let (strength, fence) = plan.close(needs.mode)?;
    let dropped = needs.identity.map(|identity| (identity, needs.low_ports));
    let _ = DONE.set(Done { dropped, fence });
    Ok(strength)
}

/// Only Linux has what it takes.
///
/// # Errors
/// In one line, what can't be had here.
#[cfg(not(target_os = "linux"))]
pub fn enter(needs: Needs) -> Result<Strength, String> {
    const ELSEWHERE: &str = "only Linux has it";
    match (needs.identity, needs.mode) {
        (Some(_), _) => Err(format!("server.user: {ELSEWHERE}; start the server as that user")),
        (None, Mode::Required) => Err(format!("server.sandbox: \"required\", but {ELSEWHERE}")),
        (None, Mode::Off) => Ok(Strength::Off),
        (None, Mode::Auto) => Ok(Strength::Nothing(ELSEWHERE.to_owned())),
    }
}

/// Gives a directory to whom the process will become. What is his already needs no power: in a container root may have none
/// for that.
#[cfg(unix)]
pub(crate) fn hand_over(directory: &Path, user: u32, group: u32) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::symlink_metadata(directory)?.uid() == user {
        return Ok(());
    }
    std::os::unix::fs::lchown(directory, Some(user), Some(group))
}

/// Why this can't be done with a path any more, and what helps; `None`: the fence has nothing against it.
pub fn outside(path: &Path, what: Use) -> Option<String> {
    #[cfg(target_os = "linux")]
    if let Some(fence) = DONE.get().and_then(|done| done.fence.as_ref())
        && !fence.permits(path, what)
    {
        let helps = match what {
            Use::Serve => {
                "restart it, or give it a tree around all that may come: sandbox_paths = [\"DIR\"] below [server]"
            }
            _ => "restart it",
        };
        return Some(format!(
            "outside of what the server has confined itself to at its start (server.sandbox); {helps}"
        ));
    }
    let _ = (path, what);
    None
}

/// What helps who was refused a file for reading, since the server is not who started it.
pub fn unreadable(path: &Path) -> Option<String> {
    if let Some(reason) = outside(path, Use::Read) {
        return Some(reason);
    }
    let (identity, _) = DONE.get()?.dropped.as_ref()?;
    let (name, group) = (&identity.name, identity.group);
    Some(format!(
        "the server runs as user {name} since its start: let {name} read it (chgrp {group} and chmod g+r, directories g+x), or restart the server"
    ))
}

/// Whether the fence lets symbolic links be made.
pub fn permits_symlinks() -> bool {
    #[cfg(target_os = "linux")]
    if let Some(fence) = DONE.get().and_then(|done| done.fence.as_ref()) {
        return fence.symlinks();
    }
    true
}

/// Whether the process was root and became a user.
pub fn gave_up_root() -> bool {
    DONE.get().is_some_and(|done| done.dropped.is_some())
}

/// Whether the process gave up the right to open ports below 1024.
pub fn gave_up_low_ports() -> bool {
    DONE.get().and_then(|done| done.dropped.as_ref()).is_some_and(|(_, low_ports)| !low_ports)
}

/// Whether this process is root, and not only in a user namespace, as in a container without root. Ask before [`enter`]:
/// behind the fence nobody can tell.
#[cfg(unix)]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root() && !maps_root_to_another()
}

/// `/proc/self/uid_map`: first number inside, first number outside, how many (user_namespaces(7)).
#[cfg(unix)]
fn maps_root_to_another() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace();
        numbers.next() == Some("0") && numbers.next().is_some_and(|outside| outside != "0")
    })
}

/// The first port that every user may listen on, as it was when this was asked first: behind the fence nobody can tell.
pub fn first_unprivileged_port() -> u16 {
    const USUAL: u16 = 1024;
    static FIRST: OnceLock<u16> = OnceLock::new();
    *FIRST.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
        text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(USUAL)
    })
}
