//! From root to a user who can do nothing that others can't, for good.
//!
//! The calls are Linux' own and hold for the thread that makes them; threads inherit what they find. So all of it has
//! to happen while there is one thread.

use super::Identity;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Gid, Uid, getegid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

/// One more than the highest number a capability can have.
const CAPABILITIES: u32 = 64;

/// Becomes this user and gives up every capability, but for that to listen on ports below 1024 if `low_ports`.
///
/// # Errors
/// In one line, what the system refuses. The process may then be half of each, and has to end.
pub(super) fn drop_to(identity: &Identity, low_ports: bool) -> Result<(), String> {
    let refused = |what: &'static str| move |error: Errno| format!("can't {what}: {error}");
    let (user, group) = (Uid::from_raw(identity.user), Gid::from_raw(identity.group));
    let groups: Vec<_> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    let kept = if low_ports { CapabilitySet::NET_BIND_SERVICE } else { CapabilitySet::empty() };

    if low_ports && !thread::capabilities(None).is_ok_and(|sets| sets.permitted.contains(kept)) {
        return Err("ports below 1024 will be needed, and there is no right to them to keep; give it (CAP_NET_BIND_SERVICE), or choose higher ports (passive.ports, active.source_port)".to_owned());
    }
    reduce_bounding_set(kept);
    thread::set_keep_capabilities(low_ports).map_err(refused("keep a capability"))?;
    thread::set_thread_groups(&groups).map_err(refused("take the user's groups"))?;
    thread::set_thread_res_gid(group, group, group).map_err(refused("become the group"))?;
    thread::set_thread_res_uid(user, user, user).map_err(refused("become the user"))?;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    thread::set_capabilities(None, sets).map_err(refused("give up capabilities"))?;
    thread::set_keep_capabilities(false).map_err(refused("give up capabilities"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(refused("hide the memory from debuggers"))?;
    prove(identity, sets)
}

/// What no program that this one starts could get. Who may not reduce it has nothing to lose by it: without new
/// privileges no program gets any.
fn reduce_bounding_set(kept: CapabilitySet) {
    for number in 0..CAPABILITIES {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if capability == kept {
            continue;
        }
        // The kernel knows no more of them.
        if thread::remove_capability_from_bounding_set(capability) == Err(Errno::INVAL) {
            break;
        }
    }
}

/// What was asked for holds, and the way back is closed: tried, not believed.
fn prove(identity: &Identity, sets: CapabilitySets) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("the system did not let go of {what}"));
    let (user, group) = (Uid::from_raw(identity.user), Gid::from_raw(identity.group));
    let root = Uid::ROOT;
    if thread::set_thread_res_uid(root, root, root).is_ok() || thread::set_thread_uid(root).is_ok() {
        return wrong("root: it could be had again");
    }
    if !group.is_root() && thread::set_thread_gid(Gid::ROOT).is_ok() {
        return wrong("root's group: it could be had again");
    }
    if thread::set_thread_groups(&[]).is_ok() {
        return wrong("the right to choose groups");
    }
    let mut groups: Vec<_> = getgroups().unwrap_or_default().iter().map(|group| group.as_raw()).collect();
    groups.sort_unstable();
    if (getuid(), geteuid()) != (user, user)
        || (getgid(), getegid()) != (group, group)
        || groups != identity.groups
    {
        return wrong("the old user or groups");
    }
    if thread::capabilities(None).ok() != Some(sets) {
        return wrong("capabilities");
    }
    Ok(())
}
