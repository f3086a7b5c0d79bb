//! `[[profile]]`: device profiles, each with whom it is for and what is different for them.

use super::Draft;
use super::keys::{one_or_many, put};
use super::nearest::nearest;
use super::passive::networks;
use super::reader::{FileError, Node};
use ftp_proto::config::{
    KNOWN_PROFILES, KnownProfile, Profile, ProfileCondition, QUIRK_SETTINGS, QuirkChange, QuirkSetting,
};

/// The key of the list.
pub(super) const PROFILE: &str = "profile";

type Condition = fn(&mut ProfileCondition, &Node<'_>) -> Result<(), FileError>;

const CONDITIONS: &[(&str, Condition)] = &[
    ("networks", |when, node| put(&mut when.networks, networks(node))),
    ("users", |when, node| put(&mut when.users, texts(node, "camera1"))),
    ("hosts", |when, node| put(&mut when.hosts, texts(node, "ftp.example.com"))),
    ("software", |when, node| put(&mut when.software, texts(node, "NcFTP 3"))),
];

fn texts(node: &Node<'_>, example: &str) -> Result<Vec<String>, FileError> {
    one_or_many(node, &format!("[{example:?}]"), |entry| match entry.text(example)? {
        "" => Err(entry.wrong(format_args!("an empty name is nobody's; write {example:?}"))),
        text => Ok(text.to_owned()),
    })
}

/// `[[profile]]`, as often as it stands there. An empty list says that there is none.
pub(super) fn profiles(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    let profiles = match node.members() {
        Some(members) => members.iter().enumerate().map(|(index, entry)| profile(entry, index)).collect(),
        None => profile(node, 0).map(|profile| vec![profile]),
    };
    put(&mut draft.settings.profiles, profiles)
}

fn profile(node: &Node<'_>, index: usize) -> Result<Profile, FileError> {
    if !node.is_table() {
        return Err(node.wrong(format_args!("expected a profile, not {}; write [[profile]]", node.kind())));
    }
    let (mut name, mut known) = (None, None);
    let (mut when, mut own) = (ProfileCondition::default(), QuirkChange::default());
    for entry in node.entries()? {
        let key = entry.key().rsplit('.').next().unwrap_or_default();
        if let Some((_, set)) = CONDITIONS.iter().find(|(known, _)| *known == key) {
            set(&mut when, &entry)?;
        } else if let Some(setting) = QuirkSetting::find(key) {
            quirk(setting, &mut own, &entry)?;
        } else if key == "name" {
            name = Some(entry.text("cameras in the yard")?.to_owned());
        } else if key == "use" {
            known = Some(known_profile(&entry)?);
        } else {
            return Err(unknown(&entry));
        }
    }
    let set = known.map_or(own, |known| own.or(known.set));
    if set == QuirkChange::default() {
        let keys: Vec<_> = QUIRK_SETTINGS.iter().map(|setting| setting.key).collect();
        return Err(node
            .wrong(format_args!("changes nothing; write use = \"camera\", or one of {}", keys.join(", "))));
    }
    let name = name.or_else(|| known.map(|known| known.name.to_owned()));
    let profile = Profile { name: name.unwrap_or_else(|| format!("profile {}", index + 1)), when, set };
    profile.check().map_err(|error| node.wrong(error.problem))?;
    Ok(profile)
}

fn known_profile(node: &Node<'_>) -> Result<&'static KnownProfile, FileError> {
    let written = node.text("camera")?;
    KnownProfile::find(written).ok_or_else(|| {
        let names = KNOWN_PROFILES.iter().map(|known| known.name);
        let advice = match nearest(written, names.clone()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => {
                let names: Vec<_> = names.map(|name| format!("{name:?}")).collect();
                format!("write {}", names.join(" or "))
            }
        };
        node.wrong(format_args!("{written:?} is no known profile; {advice}"))
    })
}

/// Numbers and truth values are written with quotes or without.
fn quirk(setting: &QuirkSetting, change: &mut QuirkChange, node: &Node<'_>) -> Result<(), FileError> {
    let written = match (node.as_text(), node.as_integer(), node.as_boolean()) {
        (Some(text), ..) => text.to_owned(),
        (_, Some(number), _) => number.to_string(),
        (.., Some(value)) => value.to_string(),
        _ => return Err(node.wrong(format_args!("can't be {}; write {}", node.kind(), setting.choices))),
    };
    setting.set(change, &written).map_err(|problem| node.wrong(problem))
}

fn unknown(node: &Node<'_>) -> FileError {
    let conditions = CONDITIONS.iter().map(|(name, _)| *name);
    let names = ["name", "use"].into_iter().chain(conditions);
    let keys: Vec<_> = names.chain(QUIRK_SETTINGS.iter().map(|setting| setting.key)).collect();
    let keys: Vec<_> = keys.iter().map(|key| format!("{PROFILE}.{key}")).collect();
    node.unknown(keys.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use crate::config_file::parse;
    use ftp_proto::config::{ActiveAddress, AlloReply, Profile};
    use std::path::Path;

    fn profiles(text: &str) -> Result<Vec<Profile>, String> {
        let text = format!("accounts.anonymous = true\nserver.root = \"/srv\"\n{text}");
        let config = parse(Path::new("f"), &text).map_err(|error| error.to_string())?;
        Ok(config.core.profiles.clone())
    }

    #[test]
    fn a_known_profile_and_what_differs_from_it() {
        let text = "[[profile]]\nuse = \"camera\"\nnetworks = \"10.0.0.0/8\"\nallo = 202\n\
                    [[profile]]\nname = \"yard\"\nusers = [\"a\", \"b\"]\nactive_address = \"control-peer\"\nfile_mode = 644\n\
                    [[profile]]\nsoftware = \"old\"\nepsv = false\n";
        let found = profiles(text).unwrap();
        let names: Vec<_> = found.iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, ["camera", "yard", "profile 3"]);
        let [camera, yard, old] = found.as_slice() else { panic!("three profiles") };
        assert_eq!(camera.set.allo, Some(AlloReply::Superfluous));
        assert_eq!(camera.set.extended_passive, Some(false));
        assert_eq!(camera.when.networks, ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(yard.set.active_address, Some(ActiveAddress::ControlPeer));
        assert_eq!((yard.set.file_mode, yard.when.users.len()), (Some(0o644), 2));
        assert_eq!(old.when.software, ["old"]);
        assert_eq!(profiles("profile = []\n").unwrap(), []);
        assert_eq!(profiles("profile = { use = \"camera\" }\n").unwrap().len(), 1);
    }

    #[test]
    fn mistakes_are_named_with_what_to_write() {
        for (text, want) in [
            (
                "[[profile]]\nuse = \"camara\"\n",
                "f:4:7: profile.use: \"camara\" is no known profile; did you mean \"camera\"?",
            ),
            (
                "[[profile]]\nuse = \"toaster\"\n",
                "f:4:7: profile.use: \"toaster\" is no known profile; write \"camera\" or \"iis-client\" or \"nat-device\"",
            ),
            (
                "[[profile]]\nuse = \"camera\"\nnetwork = \"10.0.0.0/8\"\n",
                "f:5:1: unknown key `profile.network`; did you mean `profile.networks`?",
            ),
            (
                "[[profile]]\nallo = 201\n",
                "f:4:8: profile.allo: \"201\" is none of the choices; write 200 or 202",
            ),
            ("[[profile]]\nepsv = [1]\n", "f:4:8: profile.epsv: can't be an array; write true or false"),
            (
                "[[profile]]\nusers = \"bob\"\n",
                "f:3:1: profile: changes nothing; write use = \"camera\", or one of allo, epsv, active_address, charset, list, file_mode, tls_minimum",
            ),
            (
                "[[profile]]\nsoftware = \"old\"\ntls_minimum = \"1.2\"\n",
                "f:3:1: profile: profile 1: anybody may say that name to be let in with an older TLS; write networks or users as well",
            ),
            (
                "[[profile]]\nusers = \"\"\nepsv = false\n",
                "f:4:9: profile.users: an empty name is nobody's; write \"camera1\"",
            ),
            ("profile = 1\n", "f:3:11: profile: expected a profile, not a number; write [[profile]]"),
        ] {
            assert_eq!(profiles(text).unwrap_err(), want, "{text}");
        }
    }
}
