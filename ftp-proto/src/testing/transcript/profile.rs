//! Device profiles in a transcript's settings, by the names they have in a configuration file.

use super::policy::{boolean, list, one_of};
use crate::charset::Charset;
use crate::config::{ActiveAddress, AlloReply, Profile};
use crate::listing::ListStyle;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// `users=bob charset=gbk`: conditions and changes in any order.
pub(super) fn profile(text: &str) -> Result<Profile, String> {
    let mut profile = Profile::default();
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').ok_or("write a profile as key=value key=value")?;
        let names = || value.split(',').map(ToOwned::to_owned).collect();
        let (when, set) = (&mut profile.when, &mut profile.set);
        match key {
            "networks" => when.networks = list(value)?,
            "users" => when.users = names(),
            "hosts" => when.hosts = names(),
            "software" => when.software = names(),
            "allo" => {
                let choices = [("200", AlloReply::Done), ("202", AlloReply::Superfluous)];
                set.allo = Some(one_of(value, &choices)?);
            }
            "epsv" => set.extended_passive = Some(boolean(value)?),
            "active_address" => {
                let choices =
                    [("as-sent", ActiveAddress::AsSent), ("control-peer", ActiveAddress::ControlPeer)];
                set.active_address = Some(one_of(value, &choices)?);
            }
            "charset" => {
                let charset = Charset::from_label(value);
                set.charset = Some(charset.ok_or_else(|| format!("no such character set: \"{value}\""))?);
            }
            "list" => {
                set.list_style = Some(one_of(value, &[("unix", ListStyle::Unix), ("dos", ListStyle::Dos)])?);
            }
            "file_mode" => {
                let mode = u32::from_str_radix(value, 8).map_err(|_| "not an octal mode")?;
                set.file_mode = Some(mode);
            }
            _ => return Err(format!("no such part of a profile: \"{key}\"")),
        }
    }
    Ok(profile)
}

/// Whether it asks for what a real connection can't choose.
pub(super) fn needs_addresses(profile: &Profile) -> bool {
    !profile.when.networks.is_empty()
}
