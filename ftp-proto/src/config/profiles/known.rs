//! Profiles for devices and programs that are known to need them, by what somebody has told of them. What works without
//! a profile has none.

use super::{ActiveAddress, AlloReply, QuirkChange};
use crate::listing::ListStyle;

/// A profile that settings can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownProfile {
    /// By which it is named.
    pub name: &'static str,
    /// Whom it is for.
    pub whom: &'static str,
    /// What goes wrong without it, and what it does.
    pub why: &'static str,
    /// Where that was told, as `project#number` or a document.
    pub source: &'static str,
    /// What it changes.
    pub set: QuirkChange,
}

const NOTHING: QuirkChange = QuirkChange {
    allo: None,
    extended_passive: None,
    active_address: None,
    charset: None,
    list_style: None,
    file_mode: None,
    tls_minimum: None,
};

/// All of them, in alphabetical order.
pub const KNOWN_PROFILES: &[KnownProfile] = &[
    KnownProfile {
        name: "camera",
        whom: "network cameras that upload pictures and videos",
        why: "some hang when EPSV is answered, and go on with PASV where there is none; of some it is said that \
              they begin anew at a 202 to ALLO, so it is 200 here, as it is for everybody",
        source: "roleoroleo/yi-hack-Allwinner#180, hassio-addons/app-ftp#245",
        set: QuirkChange { extended_passive: Some(false), allo: Some(AlloReply::Done), ..NOTHING },
    },
    KnownProfile {
        name: "iis-client",
        whom: "programs that were made for IIS and read its listing",
        why: "IIS writes LIST as DIR prints it unless it is told otherwise, and such programs know nothing else",
        source: "the setting DIRSTYLE of IIS",
        set: QuirkChange { list_style: Some(ListStyle::Dos), ..NOTHING },
    },
    KnownProfile {
        name: "nat-device",
        whom: "devices behind a router that know no passive mode",
        why: "they send the address they have inside in PORT; the server connects to the address they come from, and to \
              no other",
        source: "jedisct1/pure-ftpd#55, tokibito/django-ftpserver#23, giampaolo/pyftpdlib#308",
        set: QuirkChange { active_address: Some(ActiveAddress::ControlPeer), ..NOTHING },
    },
];

impl KnownProfile {
    /// The profile of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        KNOWN_PROFILES.iter().find(|known| known.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_each_changes_something() {
        assert!(KNOWN_PROFILES.is_sorted_by(|a, b| a.name < b.name));
        for known in KNOWN_PROFILES {
            assert_ne!(known.set, QuirkChange::default(), "{}", known.name);
            assert_eq!(KnownProfile::find(known.name), Some(known));
        }
    }
}
