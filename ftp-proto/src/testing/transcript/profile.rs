//! Device profiles in a transcript's settings, by the names they have in a configuration file.

use super::policy::list;
use crate::config::{KnownProfile, Profile, QuirkSetting};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// `users=bob charset=gbk`: conditions and changes in any order.
pub(super) fn profile(text: &str) -> Result<Profile, String> {
    let mut profile = Profile { name: "unnamed".to_owned(), ..Profile::default() };
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').ok_or("write a profile as key=value key=value")?;
        let names = || value.split(',').map(ToOwned::to_owned).collect();
        let when = &mut profile.when;
        match key {
            "name" => profile.name = value.to_owned(),
            "networks" => when.networks = list(value)?,
            "users" => when.users = names(),
            "hosts" => when.hosts = names(),
            "software" => when.software = names(),
            "use" => {
                let known = KnownProfile::find(value);
                let known = known.ok_or_else(|| format!("no such profile: \"{value}\""))?;
                profile.set = profile.set.or(known.set);
            }
            key => {
                let setting = QuirkSetting::find(key);
                let setting = setting.ok_or_else(|| format!("no such part of a profile: \"{key}\""))?;
                setting.set(&mut profile.set, value)?;
            }
        }
    }
    Ok(profile)
}

/// Whether it asks for what a real connection can't choose.
pub(super) fn needs_addresses(profile: &Profile) -> bool {
    !profile.when.networks.is_empty()
}
