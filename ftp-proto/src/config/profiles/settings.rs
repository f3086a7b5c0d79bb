//! The quirks by the names and values that configurations and documents have for them.

use super::{ActiveAddress, AlloReply, QuirkChange};
use crate::charset::Charset;
use crate::listing::ListStyle;
use crate::tls::TlsVersion;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// One quirk that a profile may set.
pub struct QuirkSetting {
    /// Its name.
    pub key: &'static str,
    /// What may be written for it.
    pub choices: &'static str,
    /// What it does.
    pub meaning: &'static str,
    set: fn(QuirkChange, &str) -> Option<QuirkChange>,
    get: fn(&QuirkChange) -> Option<String>,
}

const ALLO: &[(&str, AlloReply)] = &[("200", AlloReply::Done), ("202", AlloReply::Superfluous)];
const SWITCH: &[(&str, bool)] = &[("true", true), ("false", false)];
const ACTIVE_ADDRESS: &[(&str, ActiveAddress)] =
    &[("as-sent", ActiveAddress::AsSent), ("control-peer", ActiveAddress::ControlPeer)];
const LIST: &[(&str, ListStyle)] = &[("unix", ListStyle::Unix), ("dos", ListStyle::Dos)];
const TLS: &[(&str, TlsVersion)] = &[("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)];

fn read<T: Copy>(names: &[(&str, T)], written: &str) -> Option<T> {
    names.iter().find(|(name, _)| *name == written).map(|(_, value)| *value)
}

fn show<T: PartialEq>(names: &[(&str, T)], value: Option<T>) -> Option<String> {
    let value = value?;
    names.iter().find(|(_, known)| *known == value).map(|(name, _)| (*name).to_owned())
}

/// All of them.
pub const QUIRK_SETTINGS: &[QuirkSetting] = &[
    QuirkSetting {
        key: "allo",
        choices: "200 or 202",
        meaning: "what ALLO is answered; some devices begin anew at a 202, and 200 is what everybody else gets",
        set: |change, written| Some(QuirkChange { allo: Some(read(ALLO, written)?), ..change }),
        get: |change| show(ALLO, change.allo),
    },
    QuirkSetting {
        key: "epsv",
        choices: "true or false",
        meaning: "whether EPSV is served; if not, it is not in FEAT, and clients go on with PASV",
        set: |change, written| Some(QuirkChange { extended_passive: Some(read(SWITCH, written)?), ..change }),
        get: |change| show(SWITCH, change.extended_passive),
    },
    QuirkSetting {
        key: "active_address",
        choices: "\"as-sent\" or \"control-peer\"",
        meaning: "where active mode connects to: the address in PORT and EPRT, which has to be the client's, or the \
                  client's own whatever it sends; the port is always the one that was sent",
        set: |change, written| {
            Some(QuirkChange { active_address: Some(read(ACTIVE_ADDRESS, written)?), ..change })
        },
        get: |change| show(ACTIVE_ADDRESS, change.active_address),
    },
    QuirkSetting {
        key: "charset",
        choices: "\"utf-8\", or a character set of the WHATWG's Encoding Standard, like \"gbk\" or \"windows-1252\"",
        meaning: "the characters in which names are sent and read",
        set: |change, written| Some(QuirkChange { charset: Some(Charset::from_label(written)?), ..change }),
        get: |change| Some(change.charset?.label().to_owned()),
    },
    QuirkSetting {
        key: "list",
        choices: "\"unix\" or \"dos\"",
        meaning: "what LIST looks like: as `ls -l` prints it, or as DIR does",
        set: |change, written| Some(QuirkChange { list_style: Some(read(LIST, written)?), ..change }),
        get: |change| show(LIST, change.list_style),
    },
    QuirkSetting {
        key: "file_mode",
        choices: "octal digits, like \"644\"",
        meaning: "the permission bits that LIST shows of every file, whatever it has",
        set: |change, written| {
            let digits = !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit());
            let mode = u32::from_str_radix(written, 8).ok().filter(|mode| digits && *mode <= 0o777)?;
            Some(QuirkChange { file_mode: Some(mode), ..change })
        },
        get: |change| change.file_mode.map(|mode| format!("{mode:03o}")),
    },
    QuirkSetting {
        key: "tls_minimum",
        choices: "\"1.2\" or \"1.3\"",
        meaning: "the oldest TLS with which the client may log in and transfer files; `tls.minimum` is what the \
                  handshake takes from anybody",
        set: |change, written| Some(QuirkChange { tls_minimum: Some(read(TLS, written)?), ..change }),
        get: |change| show(TLS, change.tls_minimum),
    },
];

impl QuirkSetting {
    /// The one of this name.
    pub fn find(key: &str) -> Option<&'static Self> {
        QUIRK_SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Sets it, as it is written.
    ///
    /// # Errors
    /// What to write instead.
    pub fn set(&self, change: &mut QuirkChange, written: &str) -> Result<(), String> {
        let changed = (self.set)(*change, written);
        *change =
            changed.ok_or_else(|| format!("\"{written}\" is none of the choices; write {}", self.choices))?;
        Ok(())
    }

    /// What it is set to, as it is written; `None`: it is left as it is.
    pub fn get(&self, change: &QuirkChange) -> Option<String> {
        (self.get)(change)
    }
}

impl QuirkChange {
    /// What it changes, each as `key = value`.
    pub fn words(&self) -> Vec<String> {
        let word = |setting: &QuirkSetting| Some(format!("{} = {}", setting.key, setting.get(self)?));
        QUIRK_SETTINGS.iter().filter_map(word).collect()
    }

    /// This, and for what it says nothing of the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            allo: self.allo.or(other.allo),
            extended_passive: self.extended_passive.or(other.extended_passive),
            active_address: self.active_address.or(other.active_address),
            charset: self.charset.or(other.charset),
            list_style: self.list_style.or(other.list_style),
            file_mode: self.file_mode.or(other.file_mode),
            tls_minimum: self.tls_minimum.or(other.tls_minimum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let written = ["202", "false", "control-peer", "utf-8", "dos", "644", "1.3"];
        assert_eq!(written.len(), QUIRK_SETTINGS.len());
        let mut change = QuirkChange::default();
        for (setting, value) in QUIRK_SETTINGS.iter().zip(written) {
            assert_eq!(setting.get(&change), None, "{}", setting.key);
            setting.set(&mut change, value).unwrap();
            assert!(setting.get(&change).unwrap().eq_ignore_ascii_case(value), "{}", setting.key);
            for wrong in ["", "nonsense", "1.1", "8", "-1", "+7", "1777"] {
                assert!(setting.set(&mut change, wrong).is_err(), "{} {wrong}", setting.key);
            }
        }
        assert_eq!(change.words().len(), QUIRK_SETTINGS.len());
        assert_eq!(QuirkChange::default().or(change), change);
    }
}
