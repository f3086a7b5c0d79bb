//! The machine: sockets, kernel settings, interfaces, names.

use super::files::User;
use super::sockets::{self, Listening};
use crate::config_file::ServerConfig;
use crate::config_file::reader::plain;
use crate::control::Status;
use crate::doctor::facts::{Held, Process, System};
use ftp_proto::config::{External, PassivePorts, Ports};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

/// The number of CAP_NET_BIND_SERVICE.
const BIND_SERVICE: u32 = 10;
/// The modules of the kernel's FTP helper.
const HELPER_MODULES: [&str; 2] = ["nf_conntrack_ftp", "nf_nat_ftp"];
/// Below this only the superuser may listen, unless the system says otherwise.
const FIRST_UNPRIVILEGED: u16 = 1_024;

pub(super) fn look(proc: &Proc, config: &ServerConfig, file: &Path, status: Option<Status>) -> System {
    let controls: Vec<_> =
        config.bind.addresses().into_iter().chain(config.bind_implicit_tls.clone()).collect();
    let range = if config.core.passive.enabled {
        config.core.passive.ports.listened()
    } else {
        PassivePorts::Auto(1).listened()
    };
    let pid = status.as_ref().map(|status| status.pid);
    let (held, server) = match proc.listening() {
        Some(listening) => proc.holders(&listening, &controls, &range, (file, pid)),
        None => (held_by_trying(&controls, &range), None),
    };
    let descriptors = server.as_ref().and_then(|server| proc.descriptors(server.id));
    System {
        server,
        status,
        held,
        ephemeral: proc.numbers("sys/net/ipv4/ip_local_port_range").and_then(|numbers| {
            match numbers.as_slice() {
                [first, last] => Some(*first..=*last),
                _ => None,
            }
        }),
        reserved: proc
            .text("sys/net/ipv4/ip_local_reserved_ports")
            .map_or_else(Vec::new, |text| ranges(&text)),
        first_unprivileged: proc
            .numbers("sys/net/ipv4/ip_unprivileged_port_start")
            .and_then(|numbers| numbers.first().copied())
            .unwrap_or(FIRST_UNPRIVILEGED),
        privileged: proc.may_bind().unwrap_or_else(|| rustix::process::geteuid().is_root()),
        interfaces: interfaces(),
        resolved: resolved(config),
        container: container(Path::new("/")),
        descriptors: descriptors
            .or_else(|| rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum),
        ftp_helper: proc.modules(),
    }
}

/// The folder /proc, or a made-up one.
pub(super) struct Proc {
    pub(super) root: PathBuf,
}

impl Default for Proc {
    fn default() -> Self {
        Self { root: PathBuf::from("/proc") }
    }
}

impl Proc {
    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }

    fn numbers(&self, path: &str) -> Option<Vec<u16>> {
        self.text(path)?.split_whitespace().map(|number| number.parse().ok()).collect()
    }

    fn modules(&self) -> Vec<String> {
        let loaded = self.text("modules").unwrap_or_default();
        let names = loaded.lines().filter_map(|line| line.split_whitespace().next());
        names.filter(|name| HELPER_MODULES.contains(name)).map(str::to_owned).collect()
    }

    /// Whether this process may listen on every port.
    fn may_bind(&self) -> Option<bool> {
        let status = self.text("self/status")?;
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        let bits = u64::from_str_radix(effective.trim(), 16).ok()?;
        Some(bits >> BIND_SERVICE & 1 == 1)
    }

    /// Whom a process runs as.
    pub(super) fn user(&self, process: u32) -> Option<User> {
        let status = self.text(&format!("{process}/status"))?;
        let numbers = |name: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.split_whitespace().filter_map(|number| number.parse().ok()).collect())
        };
        // Real, effective, saved, of the file system.
        let id = *numbers("Uid:")?.get(1)?;
        let mut groups: Vec<_> = numbers("Gid:")?.get(1).copied().into_iter().collect();
        groups.extend(numbers("Groups:").unwrap_or_default());
        Some(User { id, groups })
    }

    fn descriptors(&self, process: u32) -> Option<u64> {
        let limits = self.text(&format!("{process}/limits"))?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// All listening sockets; `None`: the system does not tell.
    fn listening(&self) -> Option<Vec<Listening>> {
        let mut all = sockets::parse(&self.text("net/tcp")?);
        all.extend(sockets::parse(&self.text("net/tcp6").unwrap_or_default()));
        Some(all)
    }

    /// Who has our ports, and which of them is our own server.
    pub(super) fn holders(
        &self,
        listening: &[Listening],
        controls: &[SocketAddr],
        range: &Ports,
        (file, pid): (&Path, Option<u32>),
    ) -> (Vec<Held>, Option<Process>) {
        let controlled = |address: SocketAddr| controls.iter().any(|control| clash(*control, address));
        let ours = |found: &&Listening| controlled(found.address) || range.contains(&found.address.port());
        let wanted: Vec<_> = listening.iter().filter(ours).collect();
        let owners = self.owners(&wanted.iter().map(|found| found.inode).collect::<Vec<_>>());
        let holders: Vec<_> = wanted
            .iter()
            .map(|found| Held { address: found.address, by: owners.get(&found.inode).cloned() })
            .collect();
        let server = holders.iter().filter(|held| controlled(held.address)).find_map(|held| held.by.clone());
        let server = match pid {
            Some(id) => Some(Process { id, program: self.program(id) }),
            None => server.filter(|process| self.serves(process, file)),
        };
        let others = holders.into_iter().filter(|held| server.is_none() || held.by != server).collect();
        (others, server)
    }

    /// Which process has a socket. Those of other users only the superuser sees.
    fn owners(&self, inodes: &[u64]) -> BTreeMap<u64, Process> {
        let mut owners = BTreeMap::new();
        if inodes.is_empty() {
            return owners;
        }
        let numbered = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
        let processes = std::fs::read_dir(&self.root).into_iter().flatten().flatten().filter_map(numbered);
        for id in processes {
            let descriptors =
                std::fs::read_dir(self.root.join(format!("{id}/fd"))).into_iter().flatten().flatten();
            for descriptor in descriptors {
                let Ok(target) = std::fs::read_link(descriptor.path()) else { continue };
                let inode = target
                    .to_str()
                    .and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
                if let Some(inode) = inode.filter(|inode| inodes.contains(inode)) {
                    owners.entry(inode).or_insert_with(|| Process { id, program: self.program(id) });
                }
            }
        }
        owners
    }

    fn program(&self, process: u32) -> String {
        self.text(&format!("{process}/comm"))
            .map_or_else(|| "a program".to_owned(), |name| name.trim().to_owned())
    }

    /// Whether a process is `ftpd serve` with this configuration file.
    fn serves(&self, process: &Process, file: &Path) -> bool {
        let command = std::fs::read(self.root.join(format!("{}/cmdline", process.id))).unwrap_or_default();
        let words: Vec<_> =
            command.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let named = words.iter().enumerate().find_map(|(index, word)| match word.strip_prefix("--config") {
            Some("") => words.get(index + 1).map(String::as_str),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        });
        let folder = self.root.join(format!("{}/cwd", process.id));
        let real = |path: PathBuf| std::fs::canonicalize(path).ok();
        let same = named.is_some_and(|named| {
            real(folder.join(named)).is_some_and(|named| real(file.to_owned()) == Some(named))
        });
        same && words.iter().any(|word| word == "serve")
    }
}

/// Whether listening on one hinders listening on the other. IPv6 sockets take IPv4 connections as well.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && (one.ip().is_unspecified()
            || other.ip().is_unspecified()
            || one.ip().to_canonical() == other.ip().to_canonical())
}

/// Where the system does not tell, a socket is the question.
pub(super) fn held_by_trying(controls: &[SocketAddr], range: &Ports) -> Vec<Held> {
    let passive = range.clone().map(|port| SocketAddr::from(([0, 0, 0, 0], port)));
    let taken = |address: &SocketAddr| {
        let tried = TcpListener::bind(address);
        tried.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    };
    let all = controls.iter().copied().filter(|address| address.port() != 0).chain(passive);
    all.filter(taken).map(|address| Held { address, by: None }).collect()
}

/// `8080,9148-9150`.
pub(super) fn ranges(text: &str) -> Vec<Ports> {
    let one = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    text.trim().split(',').filter_map(one).collect()
}

fn interfaces() -> Vec<IpAddr> {
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    all.into_iter().map(|interface| interface.ip()).collect()
}

fn resolved(config: &ServerConfig) -> BTreeMap<String, Result<Vec<IpAddr>, String>> {
    let passive = &config.core.passive;
    let externals = std::iter::once(&passive.external).chain(passive.rules.iter().map(|rule| &rule.external));
    let names = externals.filter_map(|external| match external {
        External::Name(name) => Some(name.clone()),
        External::ControlConnection | External::Literal(_) => None,
    });
    names.map(|name| (name.clone(), resolve(&name))).collect()
}

/// What a name stands for.
pub(crate) fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    let found = (name, 0).to_socket_addrs().map_err(|error| plain(&error))?;
    let mut addresses: Vec<_> = found.map(|address| address.ip()).collect();
    addresses.dedup();
    if addresses.is_empty() { Err("there is no address".to_owned()) } else { Ok(addresses) }
}

/// What kind of container this is, by the marks they leave.
pub(super) fn container(root: &Path) -> Option<&'static str> {
    let control_groups = std::fs::read_to_string(root.join("proc/1/cgroup")).unwrap_or_default();
    let marks: [(bool, &'static str); 5] = [
        (root.join(".dockerenv").exists(), "docker"),
        (root.join("run/.containerenv").exists(), "podman"),
        (control_groups.contains("kubepods"), "kubernetes"),
        (control_groups.contains("docker") || control_groups.contains("containerd"), "docker"),
        (control_groups.contains("/lxc"), "lxc"),
    ];
    marks.into_iter().find(|(found, _)| *found).map(|(_, kind)| kind)
}
