//! pure-ftpd.conf: a name and values on each line; or a directory with a file for each name, as Debian has it.

mod table;

pub(super) use table::DIRECTIVES;

use super::common::{self, ACCOUNTS, user_add};
use super::draft::{Draft, Origin, Place};
use super::files::{self, Files};
use super::passwd;
use super::proftpd::words;
use super::settings::{Setting, Settings};
use crate::config_file::FileError;
use crate::config_file::reader::Source;
use crate::storage::Limits;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

pub(super) const TITLE: &str = "Pure-FTPd";

/// How deep files include each other.
const DEEPEST: usize = 8;

pub(super) fn import(draft: &mut Draft, path: &Path, files: &dyn Files) -> Result<(), FileError> {
    let settings = Settings::new(TITLE, DIRECTIVES, read(draft, path, files)?);
    let control = listeners(draft, &settings);
    passive(draft, &settings, &control);
    tls(draft, &settings);
    times_and_limits(draft, &settings);
    uploads(draft, &settings);
    let only_guests = settings.flag(draft, "AnonymousOnly", false);
    guests(draft, &settings, files);
    if !only_guests {
        users(draft, &settings, files);
    }
    settings.leave_out(draft);
    Ok(())
}

fn read(draft: &mut Draft, path: &Path, files: &dyn Files) -> Result<Vec<Setting>, FileError> {
    let mut all = Vec::new();
    if let Ok(found) = files.list(path) {
        for file in found {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // Others are skipped by Debian's wrapper, too: backups of editors and packages.
            if !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
                one_setting(&files::text(files, &file)?, &file, &name, &mut all);
            }
        }
    } else {
        lines(draft, path, files, 0, &mut all)?;
    }
    Ok(all)
}

/// The first line of the file that says something.
fn one_setting(source: &Source, file: &Path, name: &str, all: &mut Vec<Setting>) {
    let mut lines = source.text().lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    if let Some((line, text)) = lines.find(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
        let place = Place { file: file.into(), line };
        all.push(Setting { name: name.to_owned(), arguments: words(text), place });
    }
}

fn lines(
    draft: &mut Draft,
    path: &Path,
    files: &dyn Files,
    depth: usize,
    all: &mut Vec<Setting>,
) -> Result<(), FileError> {
    let source = files::text(files, path)?;
    let file: Arc<Path> = path.into();
    for (index, line) in source.text().trim_start_matches('\u{feff}').lines().enumerate() {
        let mut arguments = words(line);
        if arguments.is_empty() {
            continue;
        }
        let name = arguments.remove(0);
        let place = Place { file: file.clone(), line: index + 1 };
        if arguments.is_empty() {
            let column = line.chars().take_while(|letter| letter.is_whitespace()).count() + 1;
            return Err(FileError::at(
                path,
                index + 1,
                column,
                format_args!("{name}: no value; write it like ChrootEveryone yes"),
            ));
        }
        if !name.eq_ignore_ascii_case("Include") {
            all.push(Setting { name, arguments, place });
            continue;
        }
        let base = path.parent().unwrap_or(Path::new(""));
        let other = base.join(arguments.first().map_or("", String::as_str));
        // One that is not there is no mistake there.
        if files.read(&other).is_ok() {
            if depth >= DEEPEST {
                draft.attention(&place, "Include", "too many files include each other; left out");
            } else {
                lines(draft, &other, files, depth + 1, all)?;
            }
        }
    }
    Ok(())
}

/// `ADDRESS,PORT`, `,PORT` or `ADDRESS`.
fn listeners(draft: &mut Draft, settings: &Settings) -> Vec<u16> {
    let mut port = 21;
    let mut address = if settings.flag(draft, "IPV4Only", false) {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    if settings.flag(draft, "IPV6Only", false) {
        let place = settings.place(draft, "IPV6Only");
        draft.attention(
            &place,
            "IPV6Only",
            "a listener on all addresses takes IPv4, too; write the IPv6 address as bind below [server]",
        );
    }
    if let Some((text, setting)) = settings.text("Bind") {
        let (before, after) = text.split_once(',').unwrap_or((text, ""));
        let number =
            if before.bytes().all(|byte| byte.is_ascii_digit()) && after.is_empty() { before } else { after };
        let host = if number == before { "" } else { before };
        match host.parse() {
            Ok(parsed) => address = parsed,
            Err(_) if host.is_empty() => {}
            Err(_) => draft.attention(
                &setting.place,
                "Bind",
                format!("{host:?} is a name; write its address as bind below [server], or it listens on all"),
            ),
        }
        match number {
            "" | "ftp" => {}
            _ => match number.parse::<u16>() {
                Ok(found) if found > 0 => port = found,
                _ => draft.attention(&setting.place, "Bind", format!("{number:?} is no port; 21 was taken")),
            },
        }
    }
    common::bind(draft, vec![SocketAddr::from((address, port))], Vec::new(), &settings.origin("Bind"))
}

fn passive(draft: &mut Draft, settings: &Settings, control: &[u16]) {
    // Both numbers may be in one word: 30000:50000.
    let range: Vec<_> = settings
        .find("PassivePortRange")
        .into_iter()
        .flat_map(|setting| &setting.arguments)
        .flat_map(|argument| argument.split(':'))
        .map(|text| text.parse().unwrap_or(u64::MAX))
        .collect();
    let end = |index: usize| range.get(index).copied().unwrap_or(if range.is_empty() { 0 } else { u64::MAX });
    let (place, origin) = (settings.place(draft, "PassivePortRange"), settings.origin("PassivePortRange"));
    common::ports(draft, (&place, "PassivePortRange"), (end(0), end(1)), control, &origin);
    if let Some((text, setting)) = settings.text("ForcePassiveIP") {
        common::set_external(draft, &setting.place, "ForcePassiveIP", text, &setting.origin());
    }
    if settings.flag(draft, "NATmode", false) {
        draft.set("passive.enabled", false, settings.origin("NATmode"));
        let place = settings.place(draft, "NATmode");
        draft.attention(&place, "NATmode", "forces active mode, as it did; better remove enabled = false and write external_address below [passive]");
    }
    let port = i64::from(control.first().copied().unwrap_or(21)) - 1;
    if port > 0 {
        let origin = Origin::new("the port below the control port, as Pure-FTPd does");
        draft.set("active.source_port", port, origin);
    }
}

fn tls(draft: &mut Draft, settings: &Settings) {
    let level = settings.number(draft, "TLS", 0);
    let (control, data) = match level {
        0 => return,
        1 => ("allow", "allow"),
        2 => ("require", "allow"),
        3 => ("require", "require"),
        _ => {
            let place = settings.place(draft, "TLS");
            draft.attention(&place, "TLS", format!("{level} is not known; TLS was required for everything"));
            ("require", "require")
        }
    };
    const BUNDLE: &str = "/etc/ssl/private/pure-ftpd.pem";
    let both = settings.find("CertFileAndKey").filter(|setting| setting.arguments.len() > 1);
    let (files, origin) = match both {
        Some(setting) => ((setting.value().to_owned(), setting.arguments.get(1).cloned()), setting.origin()),
        None => {
            let file = settings.text("CertFile").map_or(BUNDLE, |(file, _)| file);
            ((file.to_owned(), None), settings.origin("CertFile"))
        }
    };
    common::certificates(draft, &[files], &origin);
    let origin = settings.origin("TLS");
    draft.set("tls.control", control, origin.clone());
    draft.set("tls.data", data, origin.clone());
    draft.set("tls.data_resumption", "off", Origin::new("Pure-FTPd asks for none"));
    common::guests_too(draft, control, data, &origin);
    if settings.text("TLSCipherSuite").is_some_and(|(text, _)| text.contains("-C:")) {
        draft.set("tls.client_certificates", "require", settings.origin("TLSCipherSuite"));
        let place = settings.place(draft, "TLSCipherSuite");
        draft.attention(
            &place,
            "TLSCipherSuite",
            "asks for certificates of clients: write client_authorities = \"FILE\" below [tls]",
        );
    }
}

fn times_and_limits(draft: &mut Draft, settings: &Settings) {
    let seconds = settings.number(draft, "MaxIdleTime", 15).saturating_mul(60);
    common::time(draft, "timeouts.idle", settings, "MaxIdleTime", seconds);
    let clients = settings.number(draft, "MaxClientsNumber", 50);
    common::sessions(draft, "limits.sessions", clients, settings.origin("MaxClientsNumber"));
    let each = settings.number(draft, "MaxClientsPerIP", 0);
    common::sessions(draft, "limits.sessions_per_address", each, settings.origin("MaxClientsPerIP"));
}

fn uploads(draft: &mut Draft, settings: &Settings) {
    if settings.flag(draft, "NoTruncate", false) {
        draft.set("server.uploads", "atomic", settings.origin("NoTruncate"));
    }
    if settings.flag(draft, "VerboseLog", false) {
        draft.set("log.commands", true, settings.origin("VerboseLog"));
    }
    let advice = [
        ("FSCharset", "names are UTF-8 here; rename the files"),
        (
            "ClientCharset",
            "write it as charset in a [[profile]] for the clients that know no UTF-8; see docs/names.md",
        ),
    ];
    for (name, what) in advice {
        if let Some((text, setting)) =
            settings.text(name).filter(|(text, _)| !text.eq_ignore_ascii_case("UTF-8"))
        {
            draft.attention(&setting.place, name, format!("{text}: {what}"));
        }
    }
    common::umask(draft, settings, "Umask", &["133:022", "022:022", "133 022", "022 022"]);
}

fn guests(draft: &mut Draft, settings: &Settings, files: &dyn Files) {
    let may_not_store = settings.flag(draft, "AnonymousCantUpload", false);
    let may_make = settings.flag(draft, "AnonymousCanCreateDirs", false);
    if settings.flag(draft, "NoAnonymous", false) {
        return;
    }
    let home = passwd::home_of(files, "ftp");
    if settings.find("NoAnonymous").is_none() {
        draft.attention_to_file(
            "NoAnonymous",
            "is not written: guests were welcome if the system has a user ftp; remove anonymous below [accounts] if they were not",
        );
    }
    if home.is_none() {
        draft.attention_to_file(
            "anonymous",
            "guests had the home of the user ftp; /srv/ftp was taken, check it",
        );
    }
    if !may_not_store && !may_make {
        let place = settings.place(draft, "AnonymousCantUpload");
        draft.attention(
            &place,
            "AnonymousCantUpload",
            "guests may store files; here they may then make directories, too",
        );
    }
    common::anonymous(draft, home.as_deref(), !may_not_store, Origin::new("the home of the user ftp"));
}

fn users(draft: &mut Draft, settings: &Settings, files: &dyn Files) {
    draft.set("accounts.file", ACCOUNTS, settings.origin("PureDB"));
    let rights = rights(draft, settings);
    let mut listed = false;
    let for_all = quota(draft, settings);
    if let Some((path, _)) = settings.text("PureDB") {
        // The database is made from a text file, by custom of the same name.
        let source = Path::new(path).with_extension("passwd");
        listed = passwd::take_over(draft, files, &source, true, &rights, |fields| own_quota(fields, for_all));
    }
    let place = settings.place(draft, "PureDB");
    let advice = if listed {
        "see the commands below Accounts".to_owned()
    } else {
        format!(
            "users of PureDB, PAM, the system and databases don't log in here; for each of them run: {}{}",
            user_add("NAME", Some("HOME"), &rights),
            passwd::options(for_all)
        )
    };
    draft.attention(&place, "accounts", advice);
    if settings.find("ChrootEveryone").is_some() && !settings.flag(draft, "ChrootEveryone", true) {
        let place = settings.place(draft, "ChrootEveryone");
        draft.attention(&place, "ChrootEveryone", common::JAIL);
    }
}

/// `FILES:MEGABYTES`, for users who have none of their own.
fn quota(draft: &mut Draft, settings: &Settings) -> Limits {
    let Some((text, setting)) = settings.text("Quota") else { return Limits::default() };
    let numbers = text.split_once(':').map(|(files, bytes)| (files.trim().parse().ok(), megabytes(bytes)));
    let Some((Some(files), Some(bytes))) = numbers else {
        let advice = format!("{text:?} is not FILES:MEGABYTES; no quota was taken");
        draft.attention(&setting.place, "Quota", advice);
        return Limits::default();
    };
    Limits { bytes: Some(most(bytes)), files: Some(most(files)) }
}

/// As much as a configuration file can hold.
fn most(number: u64) -> u64 {
    number.min(i64::MAX.unsigned_abs())
}

fn megabytes(text: &str) -> Option<u64> {
    text.trim().parse::<u64>().ok()?.checked_mul(1 << 20)
}

/// Of a line of the users' file: the twelfth field is a number of files, the thirteenth of bytes. Empty or 0: what holds
/// for all.
fn own_quota(fields: &[&str], for_all: Limits) -> Limits {
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok().filter(|number| *number > 0);
    Limits { bytes: number(12).map(most).or(for_all.bytes), files: number(11).map(most).or(for_all.files) }
}

/// What users may do, for `ftpd user add`.
fn rights(draft: &mut Draft, settings: &Settings) -> String {
    let mut left_out = Vec::new();
    for (name, rights) in [
        ("KeepAllFiles", &["overwrite", "delete"][..]),
        ("NoRename", &["rename"][..]),
        ("NoChmod", &["attributes"][..]),
    ] {
        if settings.flag(draft, name, false) {
            left_out.extend(rights);
        }
    }
    const ALL: [&str; 10] =
        ["read", "list", "create", "overwrite", "append", "delete", "mkdir", "rmdir", "rename", "attributes"];
    if left_out.is_empty() {
        return "all".to_owned();
    }
    ALL.iter().filter(|right| !left_out.contains(right)).copied().collect::<Vec<_>>().join(",")
}
