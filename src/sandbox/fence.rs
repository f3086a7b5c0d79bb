//! A fence around the process, by Landlock: what is outside can't be opened, whatever the process is made to do.
//!
//! Landlock knows files by their inodes: a rule for a directory holds for what is below it, mounts and links' targets
//! there included, and goes on to hold when the directory is renamed. A directory that takes its place is outside. The
//! fence stays as it is until the process ends, so what is asked for later can only be compared with it.

use super::{Mode, Strength, Tree, Use};
use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The newest version of Landlock that this was tried with.
const TRIED: ABI = ABI::V7;
/// What everybody who asks for names, addresses and users needs. What is not there is left out.
const SYSTEM: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/ld.so.cache",
    // Where resolv.conf may lead to.
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager/resolv.conf",
    // The C library loads what nsswitch.conf names.
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/sys/devices/system/cpu",
];
/// Its files are replaced by others now and then, resolv.conf above all, so that a rule for each would end to hold. Who
/// is not root can read there only what everybody may.
const SETTINGS_OF_SYSTEM: &str = "/etc";
/// Routes. The process file system makes an entry anew when nobody holds it, so it is held.
const NETWORKS: &str = "/proc/self/net";

/// The fence as it was closed.
#[derive(Debug)]
pub(super) struct Fence {
    inside: Vec<(Id, Use)>,
    symlinks: bool,
    /// Nobody reads it: it is held so that its rule goes on to hold.
    _networks: Option<PathFd>,
}

/// What the system knows a file by.
type Id = (u64, u64);

/// What may be done below a tree.
fn rights(what: Use, symlinks: bool) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    match what {
        Use::Read => read,
        Use::Replace => read | write,
        Use::Serve => {
            let serve = read | write | AccessFs::MakeDir | AccessFs::RemoveDir | AccessFs::Refer;
            if symlinks { serve | AccessFs::MakeSym } else { serve }
        }
        Use::Socket => AccessFs::ReadDir | AccessFs::MakeSock | AccessFs::RemoveFile,
    }
}

fn id(path: &Path) -> Option<Id> {
    std::fs::metadata(path).map(|facts| (facts.dev(), facts.ino())).ok()
}

/// A fence that can be closed. What it needs is open, so that this works also for who may not open it any more.
pub(super) struct Plan {
    rules: Vec<(PathFd, BitFlags<AccessFs>)>,
    fence: Fence,
}

impl Plan {
    /// Opens what the rules are about.
    pub(super) fn open(trees: &[Tree], symlinks: bool, as_root: bool) -> Self {
        let mut rules = Vec::new();
        let mut inside = Vec::new();
        let system = SYSTEM.iter().map(Path::new).chain((!as_root).then_some(Path::new(SETTINGS_OF_SYSTEM)));
        let system = system.map(|path| (path, Use::Read));
        for (path, what) in trees.iter().map(|tree| (tree.path.as_path(), tree.what)).chain(system) {
            // What is not there can't be let in; whoever misses it says so.
            if let (Ok(place), Ok(facts)) = (PathFd::new(path), std::fs::metadata(path)) {
                let all = rights(what, symlinks);
                rules.push((place, if facts.is_dir() { all } else { all & AccessFs::from_file(TRIED) }));
                inside.push(((facts.dev(), facts.ino()), what));
            }
        }
        let networks = PathFd::new(NETWORKS).ok();
        if let Ok(place) = PathFd::new(NETWORKS) {
            rules.push((place, rights(Use::Read, false)));
        }
        Self { rules, fence: Fence { inside, symlinks, _networks: networks } }
    }

    /// Closes it around this thread and those that it starts from now on.
    ///
    /// # Errors
    /// In one line, why it does not hold as it has to.
    pub(super) fn close(self, mode: Mode) -> Result<(Strength, Option<Fence>), String> {
        if mode == Mode::Off {
            return Ok((Strength::Off, None));
        }
        let status = close(self.rules).map_err(|error| format!("can't confine the server: {error}"))?;
        let strength = strength(&status);
        match (&strength, mode) {
            (Strength::Nothing(reason) | Strength::Partial(reason), Mode::Required) => Err(format!(
                "server.sandbox: \"required\", but {reason}; write sandbox = \"auto\" to do without that"
            )),
            (Strength::Nothing(_), _) => Ok((strength, None)),
            _ => Ok((strength, Some(self.fence))),
        }
    }
}

fn close(rules: Vec<(PathFd, BitFlags<AccessFs>)>) -> Result<RestrictionStatus, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        // Without this right the system refuses every rename from one directory to another, so rather no fence.
        .set_compatibility(CompatLevel::SoftRequirement)
        .handle_access(AccessFs::Refer)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(TRIED))?
        .scope(Scope::from_all(TRIED))?
        .create()?;
    for (place, rights) in rules {
        ruleset = ruleset.add_rule(PathBeneath::new(place, rights))?;
    }
    ruleset.restrict_self()
}

/// What holds, in words for what does not.
fn strength(status: &RestrictionStatus) -> Strength {
    let version = match status.landlock {
        LandlockStatus::NotEnabled => {
            return Strength::Nothing("the system has Landlock switched off".to_owned());
        }
        LandlockStatus::NotImplemented => {
            return Strength::Nothing("the system has no Landlock (Linux 5.19 or later)".to_owned());
        }
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
    };
    match status.ruleset {
        RulesetStatus::NotEnforced => Strength::Nothing(
            "the system's Landlock can't tell renames apart (Linux 5.19 or later can)".to_owned(),
        ),
        RulesetStatus::FullyEnforced => Strength::Full,
        RulesetStatus::PartiallyEnforced => {
            let missing = [
                (ABI::V3, "truncating files (Linux 6.2)"),
                (ABI::V5, "requests to devices (Linux 6.10)"),
                (ABI::V6, "abstract sockets and signals (Linux 6.12)"),
            ];
            let missing: Vec<_> =
                missing.iter().filter(|(since, _)| version < *since).map(|(_, what)| *what).collect();
            Strength::Partial(format!("the system's Landlock can't fence in {}", missing.join(", ")))
        }
    }
}

impl Fence {
    /// Whether this may be done with what is at this path now. What is not there or can't be seen is not the fence's
    /// business: the system says that better.
    pub(super) fn permits(&self, path: &Path, what: Use) -> bool {
        let Ok(real) = std::fs::canonicalize(path) else { return true };
        let enough = |granted: Use| rights(granted, false).contains(rights(what, false));
        real.ancestors()
            .filter_map(id)
            .any(|place| self.inside.iter().any(|(inside, granted)| *inside == place && enough(*granted)))
    }

    pub(super) fn symlinks(&self) -> bool {
        self.symlinks
    }
}
