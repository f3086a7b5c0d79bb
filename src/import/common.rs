//! What becomes of the same things in all four formats: ports, addresses, times, limits, certificates.

use super::draft::{Draft, Origin, Place};
use super::settings::Settings;
use crate::config_file::parse_external;
use ftp_proto::config::{External, MAX_LISTENERS, Passive, Settings as CoreSettings};
use std::net::{IpAddr, SocketAddr};
use toml_edit::Value;

/// The longest time that can be set.
const LONGEST: u64 = 7 * 86_400;
/// The largest number of sessions that can be set.
const MOST_SESSIONS: u64 = 10_000_000;
/// The plain listener of a server that had none: there is always one.
pub(super) const HIDDEN_BIND: &str = "127.0.0.1:2121";
/// Where an exported certificate is expected.
pub(super) const CERTIFICATE: &str = "/etc/ftpd/fullchain.pem";
/// Where its key is expected.
pub(super) const KEY: &str = "/etc/ftpd/privkey.pem";
/// The accounts file that the configuration names; it is beside it.
pub const ACCOUNTS: &str = "accounts.toml";

/// What is said about data connections from any address.
pub(super) const FOREIGN: &str = "anybody could take a data connection; tls_proof (on by default) lets TLS clients come from any address, for others write client_networks or peer_check = \"same-network\" below [passive], and [[active.rule]] for PORT to other machines";
/// What is said where users could leave their directory.
pub(super) const JAIL: &str = "users could leave their home for the whole disk; here everybody stays below --root, so choose one that holds all they need";

/// Where the server listens, plain or with TLS from the first byte. Returns the ports.
pub(super) fn bind(
    draft: &mut Draft,
    plain: Vec<SocketAddr>,
    implicit: Vec<SocketAddr>,
    origin: &Origin,
) -> Vec<u16> {
    let mut ports: Vec<_> = plain.iter().chain(&implicit).map(SocketAddr::port).collect();
    if plain.is_empty() {
        ports.push(2121);
        let why = Origin::new("on loopback, since the old server had implicit TLS alone and ftpd needs one");
        draft.set("server.bind", HIDDEN_BIND, why);
    } else {
        draft.set_all("server.bind", plain.iter().map(ToString::to_string), origin.clone());
    }
    if !implicit.is_empty() {
        let addresses = implicit.iter().map(ToString::to_string);
        draft.set_all("server.bind_implicit_tls", addresses, origin.clone());
    }
    ports
}

/// The passive range; 0 for "any". `control` are the ports that are taken.
pub(super) fn ports(
    draft: &mut Draft,
    (place, name): (&Place, &str),
    (low, high): (u64, u64),
    control: &[u16],
    origin: &Origin,
) {
    let range = match (u16::try_from(low), u16::try_from(high)) {
        (Ok(0), Ok(0)) => {
            draft.attention(
                place,
                name,
                "passive connections used any port; ftpd uses 21000-21099: let these through the firewall and the router, or write others as ports",
            );
            None
        }
        (Ok(low), Ok(high)) if low > 0 && low <= high => Some((low, high)),
        _ => {
            draft.attention(
                place,
                name,
                format!("{low} to {high} is no range of ports; 21000-21099 was taken"),
            );
            None
        }
    };
    let (low, high) = range.unwrap_or((21_000, 21_099));
    let Some((first, last)) = largest_gap(low, high, control) else {
        draft.attention(place, name, "holds no port but those for control connections; write other ports");
        draft.set("passive.ports", "auto:4", origin.and("no port was left"));
        return;
    };
    if (first, last) != (low, high) && range.is_some() {
        draft.attention(
            place,
            name,
            format!("holds the port for control connections; {first}-{last} is left of it"),
        );
    }
    let comment = match range {
        None => Origin::new("the old server used any port"),
        Some(_) if last - first >= MAX_LISTENERS => {
            origin.and("ftpd listens on the first 1024, which serve any number of transfers")
        }
        Some(_) => origin.clone(),
    };
    draft.set("passive.ports", format!("{first}-{last}"), comment);
}

/// The longest part of a range without these ports.
fn largest_gap(low: u16, high: u16, taken: &[u16]) -> Option<(u16, u16)> {
    let mut inside: Vec<_> = taken.iter().copied().filter(|port| (low..=high).contains(port)).collect();
    inside.sort_unstable();
    let mut best: Option<(u16, u16)> = None;
    let mut start = u32::from(low);
    for end in inside.into_iter().map(u32::from).chain([u32::from(high) + 1]) {
        let gap = end.checked_sub(1).filter(|last| *last >= start);
        let longest = best.map_or(0, |(first, last)| u32::from(last - first) + 1);
        if let Some(last) = gap
            && last - start + 1 > longest
            && let (Ok(first), Ok(last)) = (u16::try_from(start), u16::try_from(last))
        {
            best = Some((first, last));
        }
        start = end + 1;
    }
    best
}

/// An address or a name that clients can be told; complains about others.
pub(super) fn external(draft: &mut Draft, place: &Place, name: &str, text: &str) -> Option<String> {
    let bare = text.trim().trim_matches(['\'', '"']);
    if bare != text.trim() {
        draft.attention(place, name, "quotes are part of the value here, so it never worked; taken without");
    }
    let checked = parse_external(bare).and_then(|external| {
        let passive = Passive { external: external.clone(), ..Passive::default() };
        let settings = CoreSettings { passive, ..CoreSettings::default() };
        settings.validate().map(|_| external).map_err(|error| error.problem)
    });
    match checked {
        Ok(External::Name(host)) if !host.contains('.') => {
            draft.attention(
                place,
                name,
                format!("{host:?} is a network interface or a short name; write its address, or a full name, as external_address"),
            );
            None
        }
        Ok(External::ControlConnection) => None,
        Ok(External::Literal(_) | External::Name(_)) => Some(bare.to_owned()),
        Err(problem) => {
            draft.attention(place, name, format!("left out: {problem}"));
            None
        }
    }
}

/// Sets the external address.
pub(super) fn set_external(draft: &mut Draft, place: &Place, name: &str, text: &str, origin: &Origin) {
    if let Some(address) = external(draft, place, name, text) {
        let comment = if address.parse::<IpAddr>().is_ok() {
            origin.and("LAN clients are told the inside one, or write lan_clients = \"external\"")
        } else {
            origin.and("looked up again and again")
        };
        draft.set("passive.external_address", address, comment);
    }
}

/// A time of this many seconds; 0 was "no limit".
pub(super) fn time(draft: &mut Draft, key: &'static str, settings: &Settings, name: &str, seconds: u64) {
    let origin = settings.origin(name);
    let place = settings.place(draft, name);
    if seconds == 0 {
        draft.attention(&place, name, format!("no limit was set; {key} = \"7d\" is the longest there is"));
    } else if seconds > LONGEST {
        draft.attention(&place, name, format!("{seconds} s; {key} = \"7d\" is the longest there is"));
    }
    let seconds = if seconds == 0 { LONGEST } else { seconds.min(LONGEST) };
    draft.set(key, i64::try_from(seconds).unwrap_or(i64::MAX), origin);
}

/// A number of sessions; 0 was "no limit", for which our own default stands.
pub(super) fn sessions(draft: &mut Draft, key: &'static str, number: u64, origin: Origin) {
    if number > 0 {
        draft.set(key, i64::try_from(number.min(MOST_SESSIONS)).unwrap_or(i64::MAX), origin);
    }
}

/// How many logins may fail on one connection.
pub(super) fn login_attempts(draft: &mut Draft, number: u64, origin: Origin) {
    let number = number.clamp(1, 1_000_000);
    draft.set("limits.login_attempts", i64::try_from(number).unwrap_or(3), origin);
}

/// The text of the greeting, as far as it is one line.
pub(super) fn greeting(draft: &mut Draft, place: &Place, name: &str, text: &str, origin: Origin) {
    let line: String = text.chars().filter(|character| !character.is_control()).collect();
    let mut end = line.len().min(512);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let cut = line.get(..end).unwrap_or_default().trim();
    if cut.is_empty() {
        return;
    }
    if cut != text.trim() {
        draft.attention(place, name, "a greeting is one line of at most 512 characters; it was cut");
    }
    draft.set("server.greeting", cut, origin);
}

/// A certificate and its key, or the places where those are expected that have to be made.
pub(super) fn certificates(draft: &mut Draft, files: &[(String, Option<String>)], origin: &Origin) {
    let table = |(certificate, key): &(String, Option<String>)| {
        let mut table = toml_edit::InlineTable::new();
        table.insert("certificate", certificate.as_str().into());
        if let Some(key) = key {
            table.insert("key", key.as_str().into());
        }
        Value::InlineTable(table)
    };
    let missing = [(CERTIFICATE.to_owned(), Some(KEY.to_owned()))];
    let files = if files.is_empty() { missing.as_slice() } else { files };
    draft.set(
        "tls.certificates",
        Value::Array(files.iter().map(table).collect::<toml_edit::Array>()),
        origin.clone(),
    );
}

/// Who may enter without a password, and where.
pub(super) fn anonymous(draft: &mut Draft, root: Option<&str>, writable: bool, origin: Origin) {
    let root = root.filter(|root| !root.is_empty()).unwrap_or("/srv/ftp");
    draft.set_table("accounts.anonymous", [("root", root.into()), ("writable", writable.into())], origin);
}

/// A word or path as a shell takes it.
pub(super) fn shell(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+@%:,=".contains(character);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// The command that makes an account.
pub(super) fn user_add(name: &str, root: Option<&str>, rights: &str) -> String {
    let root = root.map_or_else(String::new, |root| format!(" --root {}", shell(root)));
    format!("ftpd user add --accounts {ACCOUNTS} {}{root} --rights {rights}", shell(name))
}

/// New files have the mode 644 and new directories 755, whatever `usual` masks ask for that.
pub(super) fn umask(draft: &mut Draft, settings: &Settings, name: &str, usual: &[&str]) {
    let Some(setting) = settings.find(name) else { return };
    let text = setting.arguments.join(" ");
    if usual.contains(&text.as_str()) {
        draft.needless(&setting.place, name, "new files have mode 644, new directories 755");
    } else {
        draft.attention(
            &setting.place,
            name,
            format!("{text}: new files have mode 644 and new directories 755 here; for others use access lists of the file system"),
        );
    }
}

/// Guests are exempt from TLS here unless a rule says otherwise; there they were not.
pub(super) fn guests_too(draft: &mut Draft, control: &str, data: &str, origin: &Origin) {
    if control != "allow" || data != "allow" {
        let rule = vec![("anonymous", true.into()), ("control", control.into()), ("data", data.into())];
        draft.rule("tls.rule", rule, origin.and("held for guests, too"));
    }
}
