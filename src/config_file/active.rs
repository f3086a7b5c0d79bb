//! The section `[active]`, as far as a value is more than a word or a number.

use super::Draft;
use super::keys::{one_or_many, put};
use super::passive::networks;
use super::reader::{FileError, Node};
use ftp_proto::config::{ActiveAddress, ActiveRule};

/// The names of [`ActiveAddress`].
pub const ACTIVE_ADDRESS_NAMES: &[(&str, ActiveAddress)] =
    &[("as-sent", ActiveAddress::AsSent), ("control-peer", ActiveAddress::ControlPeer)];

/// `[[active.rule]]`, as often as it stands there.
pub(super) fn rules(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    let example = "[[active.rule]] with networks = [\"10.0.0.0/8\"] and targets = [\"10.1.2.3\"] below it";
    put(&mut draft.settings.active.rules, one_or_many(node, example, rule))
}

const RULE_KEYS: [&str; 2] = ["active.rule.networks", "active.rule.targets"];

fn rule(node: &Node<'_>) -> Result<ActiveRule, FileError> {
    if !node.is_table() {
        return Err(node.wrong(format_args!("expected a rule, not {}; write [[active.rule]]", node.kind())));
    }
    let mut rule = ActiveRule::default();
    for entry in node.entries()? {
        match entry.key() {
            "active.rule.networks" => rule.networks = networks(&entry)?,
            "active.rule.targets" => rule.targets = networks(&entry)?,
            _ => return Err(entry.unknown(RULE_KEYS.into_iter())),
        }
    }
    if rule.networks.is_empty() {
        return Err(node.wrong("is for nobody; write whose rule it is, like networks = [\"10.0.0.0/8\"]"));
    }
    if rule.targets.is_empty() {
        return Err(node.wrong(
            "allows nothing; write where these clients may have the server connect to, like targets = [\"10.1.2.3\"]",
        ));
    }
    Ok(rule)
}
