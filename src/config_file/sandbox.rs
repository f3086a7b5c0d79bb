//! `server.user`, `server.group` and `server.sandbox…`: what is left of the server's powers.

use super::keys::one_or_many;
use super::reader::{FileError, Node};
use crate::sandbox::Mode;
use std::path::PathBuf;

/// Whom the server becomes, and what it can reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Whom it becomes when root has started it: a name or a number.
    pub user: Option<String>,
    /// His first group, if it isn't that of the user: a name or a number.
    pub group: Option<String>,
    /// How much of a fence there has to be.
    pub mode: Mode,
    /// Trees that may be served besides those that are known at the start.
    pub paths: Vec<PathBuf>,
}

/// A user or group.
pub(super) fn name(node: &Node<'_>) -> Result<Option<String>, FileError> {
    if node.as_integer().is_some() {
        return node.integer::<u32>(0, i64::from(u32::MAX - 1)).map(|number| Some(number.to_string()));
    }
    let name = node.text("ftpd")?;
    parse_name(name).map(|name| Some(name.to_owned())).map_err(|problem| node.wrong(problem))
}

/// A name that can stand in the system's files.
pub(crate) fn parse_name(name: &str) -> Result<&str, String> {
    if name.is_empty() || name.contains([':', ',', '\n']) {
        return Err(format!("{name:?} is no name of a user or group; write one like \"ftpd\", or a number"));
    }
    Ok(name)
}

pub(super) fn paths(node: &Node<'_>) -> Result<Vec<PathBuf>, FileError> {
    one_or_many(node, "[\"/srv\"]", |entry| Ok(entry.source().resolve(entry.text("/srv")?)))
}
