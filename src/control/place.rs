//! Where the socket is, so that `ftpd set` finds the server without being told, and two servers don't collide.
//!
//! A server's socket is named after its first control port, `2121.sock`, in the first of these that there is:
//! `$RUNTIME_DIRECTORY` (which systemd sets for a service), `/run/ftpd` for root, `$XDG_RUNTIME_DIR/ftpd`, and
//! `/tmp/ftpd-UID`. Clients look into all of them.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Where a service of the whole machine has its socket.
const SYSTEM: &str = "/run/ftpd";
/// How the names of sockets end.
const ENDING: &str = "sock";
/// Of a directory that is none, or that others may write to.
const NOT_PRIVATE: &str = "no directory that only its owner, this user or root, may write to";

/// Where a server listens for requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Here and nowhere else.
    At(PathBuf),
    /// In this directory, under a name that is free.
    Named {
        /// The directory.
        directory: PathBuf,
        /// The first control port.
        port: u16,
    },
}

impl Place {
    /// The paths to try, the best first.
    pub(super) fn candidates(&self) -> Vec<PathBuf> {
        match self {
            Self::At(path) => vec![path.clone()],
            Self::Named { directory, port } => {
                // Two servers may have the same port on different addresses.
                let second = format!("{port}-{}.{ENDING}", std::process::id());
                vec![directory.join(format!("{port}.{ENDING}")), directory.join(second)]
            }
        }
    }
}

/// The directory where a server has its socket if nobody says otherwise; it is made if there is none. `owner` is whom the
/// server will become: he has to make and remove the socket, so the directory becomes his and his group's.
///
/// # Errors
/// In one line, why there is no safe place for it.
pub(crate) fn default_directory(owner: Option<(u32, u32)>) -> Result<PathBuf, String> {
    let directory = own_directory();
    let advice = |reason: String| {
        format!(
            "{}: {reason}; write control_socket = \"PATH\" below [server], or \"off\"",
            directory.display()
        )
    };
    make_private(&directory, owner.map(|(user, _)| user)).map_err(advice)?;
    if let Some((user, group)) = owner {
        crate::sandbox::hand_over(&directory, user, group)
            .map_err(|error| advice(crate::config_file::reader::plain(&error)))?;
    }
    Ok(directory)
}

fn from_environment(name: &str) -> Option<PathBuf> {
    // systemd may name several, separated by colons.
    let value = std::env::var(name).ok()?;
    let first = PathBuf::from(value.split(':').next()?);
    first.is_absolute().then_some(first)
}

fn own_directory() -> PathBuf {
    if let Some(directory) = from_environment("RUNTIME_DIRECTORY") {
        return directory;
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from(SYSTEM);
    }
    of_session().unwrap_or_else(temporary)
}

fn of_session() -> Option<PathBuf> {
    from_environment("XDG_RUNTIME_DIR").map(|directory| directory.join("ftpd"))
}

fn temporary() -> PathBuf {
    PathBuf::from(format!("/tmp/ftpd-{}", rustix::process::geteuid().as_raw()))
}

/// Where servers may have their sockets.
pub(super) fn directories_to_search() -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let named = from_environment("RUNTIME_DIRECTORY");
    let all = named.into_iter().chain(of_session()).chain([PathBuf::from(SYSTEM), temporary()]);
    for directory in all {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories
}

/// What looks like a socket of ours in this directory, if nobody can have put it there who may not.
pub(super) fn sockets_in(directory: &Path) -> Vec<PathBuf> {
    let trusted = is_trusted(directory, directory == temporary());
    let entries = std::fs::read_dir(directory).ok().filter(|_| trusted);
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let mut sockets: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == ENDING)).collect();
    sockets.sort();
    sockets
}

/// Where a service has its sockets, its user owns the directory, and root asks there. Below /tmp anybody may own it, and
/// a link of his would show a directory of ours a second time, so that there seem to be two servers.
fn is_trusted(directory: &Path, below_tmp: bool) -> bool {
    let facts = if below_tmp { std::fs::symlink_metadata(directory) } else { std::fs::metadata(directory) };
    let anybody = is_root() && !below_tmp;
    facts.is_ok_and(|facts| facts.is_dir() && is_only_writable_by_owner(&facts, anybody))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// And that the owner is we or root, if it may not be anybody.
fn is_only_writable_by_owner(facts: &std::fs::Metadata, anybody: bool) -> bool {
    let ours = facts.uid() == 0 || facts.uid() == rustix::process::geteuid().as_raw();
    (ours || anybody) && facts.mode() & 0o022 == 0
}

/// Makes the directory if there is none; only we may write into it, or whom we become.
fn make_private(directory: &Path, owner: Option<u32>) -> Result<(), String> {
    let plain = |error: &io::Error| crate::config_file::reader::plain(error);
    match DirBuilder::new().mode(0o755).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(plain(&error)),
        _ => {}
    }
    // A link could lead anywhere.
    let facts = std::fs::symlink_metadata(directory).map_err(|error| plain(&error))?;
    let ours = owner == Some(facts.uid());
    if !facts.is_dir() || !is_only_writable_by_owner(&facts, ours) {
        return Err(NOT_PRIVATE.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("new");
        assert_eq!(make_private(&directory, None), Ok(()));
        assert_eq!(make_private(&directory, None), Ok(()));
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(make_private(&directory, None), Err(NOT_PRIVATE.to_owned()));
        let link = parent.path().join("link");
        std::os::unix::fs::symlink("new", &link).unwrap();
        assert_eq!(make_private(&link, None), Err(NOT_PRIVATE.to_owned()));
        assert!(make_private(&parent.path().join("a/b"), None).is_err());
    }

    #[test]
    fn sockets_are_looked_for_only_where_nobody_else_can_put_them() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("new");
        assert_eq!(make_private(&directory, None), Ok(()));
        let socket = directory.join("2121.sock");
        fs::write(&socket, "").unwrap();
        assert_eq!(sockets_in(&directory), [socket]);
        // What a link in /tmp could lead to: a directory of root's that everybody may write to.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(sockets_in(&directory).is_empty());
    }

    #[test]
    fn a_link_below_tmp_is_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let (directory, link) = (parent.path().join("new"), parent.path().join("link"));
        assert_eq!(make_private(&directory, None), Ok(()));
        std::os::unix::fs::symlink("new", &link).unwrap();
        assert!(is_trusted(&directory, true) && is_trusted(&link, false) && !is_trusted(&link, true));
    }

    #[test]
    fn root_asks_the_servers_of_other_users_but_not_below_tmp() {
        let facts = |owner: Option<u32>| {
            let directory = tempfile::tempdir().unwrap();
            std::os::unix::fs::chown(directory.path(), owner, None).ok()?;
            Some(fs::metadata(directory.path()).unwrap())
        };
        let own = facts(None).unwrap();
        assert!(is_only_writable_by_owner(&own, false) && is_only_writable_by_owner(&own, true));
        // Only root can give it to another user.
        if let Some(other) = facts(Some(65_534)) {
            assert!(is_only_writable_by_owner(&other, true) && !is_only_writable_by_owner(&other, false));
        }
    }

    #[test]
    fn the_port_names_the_socket() {
        let place = Place::Named { directory: "/run/ftpd".into(), port: 2121 };
        let [first, second] = &place.candidates()[..] else { panic!("two") };
        assert_eq!(first, Path::new("/run/ftpd/2121.sock"));
        assert!(second.to_string_lossy().starts_with("/run/ftpd/2121-"));
    }
}
