//! vsftpd.conf: `key=value`, and its defaults.

mod table;

pub(super) use table::DIRECTIVES;

use super::common::{self, ACCOUNTS, user_add};
use super::draft::{Draft, Origin, Place};
use super::files::{self, Files};
use super::passwd;
use super::settings::{Setting, Settings, switch};
use crate::config_file::FileError;
use crate::config_file::reader::Source;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

pub(super) const TITLE: &str = "vsftpd";

pub(super) fn import(draft: &mut Draft, path: &Path, files: &dyn Files) -> Result<(), FileError> {
    let source = files::text(files, path)?;
    let settings = Settings::new(TITLE, DIRECTIVES, parse(&source, path)?);
    let control = listeners(draft, &settings);
    passive(draft, &settings, &control);
    active(draft, &settings);
    if settings.flag(draft, "ssl_enable", false) {
        tls(draft, &settings);
    }
    times_and_limits(draft, &settings);
    uploads_and_log(draft, &settings);
    guests(draft, &settings, files);
    users(draft, &settings, files);
    settings.leave_out(draft);
    Ok(())
}

/// No blank may stand around `=`; vsftpd refuses such a file, and so do we.
fn parse(source: &Source, path: &Path) -> Result<Vec<Setting>, FileError> {
    let file: std::sync::Arc<Path> = path.into();
    let mut all = Vec::new();
    for (index, line) in source.text().lines().enumerate() {
        let line = if index == 0 { line.trim_start_matches('\u{feff}') } else { line };
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let indent = line.chars().take_while(|character| character.is_whitespace()).count();
        let wrong =
            |before: usize, problem: &str| Err(FileError::at(path, index + 1, indent + before + 1, problem));
        let Some((name, value)) = text.split_once('=') else {
            return wrong(0, "no setting; write it like anonymous_enable=NO");
        };
        if name.is_empty() || name.trim() != name {
            let place = name.trim_end().chars().count();
            return wrong(place, "no blank may stand before the =; write it like anonymous_enable=NO");
        }
        let bare = value.trim();
        let typed = switch(bare).is_some() || bare.bytes().all(|byte| byte.is_ascii_digit());
        if bare != value && typed {
            let place = name.chars().count() + 1;
            return wrong(place, "no blank may stand behind the =; write it like anonymous_enable=NO");
        }
        all.push(Setting {
            name: name.to_owned(),
            arguments: vec![bare.to_owned()],
            place: Place { file: file.clone(), line: index + 1 },
        });
    }
    Ok(all)
}

/// Where it listens; returns the ports.
fn listeners(draft: &mut Draft, settings: &Settings) -> Vec<u16> {
    let port = port(draft, settings, "listen_port", 21);
    let (four, six) = (settings.flag(draft, "listen", false), settings.flag(draft, "listen_ipv6", false));
    if !four && !six {
        draft.attention_to_file(
            "listen=NO",
            "inetd, xinetd or a socket unit started it: switch that off, ftpd listens by itself, and see to it that the port is the same",
        );
    }
    // A socket of IPv6 takes both, as theirs does.
    let (name, any) = if four {
        ("listen_address", IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    } else {
        ("listen_address6", IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    };
    let address = match settings.text(name) {
        None => any,
        Some((text, setting)) => text.parse().unwrap_or_else(|_| {
            draft.attention(&setting.place, name, format!("{text:?} is no address; it listens on all"));
            any
        }),
    };
    let address = SocketAddr::from((address, port));
    let origin = settings.origin("listen_port");
    if settings.flag(draft, "implicit_ssl", false) && settings.flag(draft, "ssl_enable", false) {
        common::bind(draft, Vec::new(), vec![address], &origin)
    } else {
        common::bind(draft, vec![address], Vec::new(), &origin)
    }
}

fn port(draft: &mut Draft, settings: &Settings, name: &str, default: u16) -> u16 {
    let number = settings.number(draft, name, default.into());
    u16::try_from(number).ok().filter(|port| *port > 0).unwrap_or_else(|| {
        let place = settings.place(draft, name);
        draft.attention(&place, name, format!("{number} is no port; {default} was taken"));
        default
    })
}

fn passive(draft: &mut Draft, settings: &Settings, control: &[u16]) {
    if !settings.flag(draft, "pasv_enable", true) {
        draft.set("passive.enabled", false, settings.origin("pasv_enable"));
    }
    let low = settings.number(draft, "pasv_min_port", 0);
    let high = settings.number(draft, "pasv_max_port", 0);
    let name = if low == 0 && high != 0 { "pasv_max_port" } else { "pasv_min_port" };
    let (place, origin) = (settings.place(draft, name), settings.origin(name));
    // One of both alone leaves the other end open.
    let (low, high) = match (low, high) {
        (0, 0) => (0, 0),
        (low, 0) => (low, 65_535),
        (0, high) => (1_024, high),
        both => both,
    };
    common::ports(draft, (&place, name), (low, high), control, &origin);
    settings.flag(draft, "pasv_addr_resolve", false);
    if let Some((text, setting)) = settings.text("pasv_address") {
        common::set_external(draft, &setting.place, "pasv_address", text, &setting.origin());
    }
}

fn active(draft: &mut Draft, settings: &Settings) {
    if !settings.flag(draft, "port_enable", true) {
        draft.set("active.enabled", false, settings.origin("port_enable"));
    } else if settings.flag(draft, "connect_from_port_20", false) {
        let port = port(draft, settings, "ftp_data_port", 20);
        draft.set("active.source_port", i64::from(port), settings.origin("connect_from_port_20"));
    }
}

fn tls(draft: &mut Draft, settings: &Settings) {
    const CERTIFICATE: &str = "/usr/share/ssl/certs/vsftpd.pem";
    let certificate = settings.text("rsa_cert_file").map_or(CERTIFICATE, |(text, _)| text);
    let key = settings.text("rsa_private_key_file").map(|(text, _)| text.to_owned());
    common::certificates(draft, &[(certificate.to_owned(), key)], &settings.origin("rsa_cert_file"));
    let newest_only = settings.flag(draft, "ssl_tlsv1_3", false)
        && settings.find("ssl_tlsv1_2").is_some()
        && !settings.flag(draft, "ssl_tlsv1_2", true);
    if newest_only {
        draft.set("tls.minimum", "1.3", settings.origin("ssl_tlsv1_3"));
    }
    for name in ["ssl_sslv2", "ssl_sslv3"] {
        if settings.flag(draft, name, false) {
            let place = settings.place(draft, name);
            draft.attention(&place, name, "is unsafe and not spoken; clients need TLS 1.2");
        }
    }
    for (name, key, on) in [
        ("force_local_logins_ssl", "tls.control", "require"),
        ("force_local_data_ssl", "tls.data", "require"),
        ("require_ssl_reuse", "tls.data_resumption", "require"),
    ] {
        let off = if key == "tls.data_resumption" { "off" } else { "allow" };
        let value = if settings.flag(draft, name, true) { on } else { off };
        draft.set(key, value, settings.origin(name));
    }
    if settings.find("strict_ssl_read_eof").is_some() {
        let strict = settings.flag(draft, "strict_ssl_read_eof", false);
        let value = if strict { "require" } else { "tolerate" };
        draft.set("tls.close_notify", value, settings.origin("strict_ssl_read_eof"));
    }
    client_certificates(draft, settings);
    let logins = settings.flag(draft, "force_anon_logins_ssl", false);
    let data = settings.flag(draft, "force_anon_data_ssl", false);
    if logins || data {
        let word = |on: bool| if on { "require" } else { "allow" };
        draft.rule(
            "tls.rule",
            vec![("anonymous", true.into()), ("control", word(logins).into()), ("data", word(data).into())],
            settings.origin(if logins { "force_anon_logins_ssl" } else { "force_anon_data_ssl" }),
        );
    }
}

fn client_certificates(draft: &mut Draft, settings: &Settings) {
    if settings.flag(draft, "require_cert", false) {
        draft.set("tls.client_certificates", "require", settings.origin("require_cert"));
        if let Some((file, setting)) = settings.text("ca_certs_file") {
            draft.set("tls.client_authorities", file, setting.origin());
        }
    }
    if settings.flag(draft, "validate_cert", false) && settings.text("ca_certs_file").is_none() {
        let place = settings.place(draft, "validate_cert");
        draft.attention(
            &place,
            "validate_cert",
            "needs client_authorities below [tls]: the issuers' certificates",
        );
    }
}

fn times_and_limits(draft: &mut Draft, settings: &Settings) {
    for (key, name, default) in
        [("timeouts.idle", "idle_session_timeout", 300), ("timeouts.stall", "data_connection_timeout", 300)]
    {
        let seconds = settings.number(draft, name, default);
        common::time(draft, key, settings, name, seconds);
    }
    let accept = settings.number(draft, "accept_timeout", 60);
    let connect = settings.number(draft, "connect_timeout", 60);
    let name = if connect > accept { "connect_timeout" } else { "accept_timeout" };
    common::time(draft, "timeouts.data_connection", settings, name, accept.max(connect));
    for (key, name) in [("limits.sessions", "max_clients"), ("limits.sessions_per_address", "max_per_ip")] {
        let number = settings.number(draft, name, 0);
        common::sessions(draft, key, number, settings.origin(name));
    }
    if settings.find("max_login_fails").is_some() {
        let number = settings.number(draft, "max_login_fails", 3);
        common::login_attempts(draft, number, settings.origin("max_login_fails"));
    }
    if settings.find("delay_failed_login").is_some() {
        let seconds = settings.number(draft, "delay_failed_login", 1).min(60);
        draft.set(
            "limits.login_delay",
            i64::try_from(seconds).unwrap_or(1),
            settings.origin("delay_failed_login"),
        );
    }
}

fn uploads_and_log(draft: &mut Draft, settings: &Settings) {
    if let Some((text, setting)) = settings.text("ftpd_banner") {
        common::greeting(draft, &setting.place, "ftpd_banner", text, setting.origin());
    }
    if settings.flag(draft, "delete_failed_uploads", false) {
        draft.set("server.partial_uploads", "discard", settings.origin("delete_failed_uploads"));
    }
    for name in ["local_umask", "anon_umask"] {
        common::umask(draft, settings, name, &["022", "0022"]);
    }
    if settings.flag(draft, "log_ftp_protocol", false) {
        draft.set("log.commands", true, settings.origin("log_ftp_protocol"));
    }
}

fn guests(draft: &mut Draft, settings: &Settings, files: &dyn Files) {
    if settings.find("anonymous_enable").is_none() {
        draft.attention_to_file(
            "anonymous_enable",
            "is not written: vsftpd itself then lets guests in, the packages of some distributions don't; guests are left out, write anonymous = { root = \"/srv/ftp\" } below [accounts] if they were welcome",
        );
    }
    let write = settings.flag(draft, "write_enable", false);
    let upload = settings.flag(draft, "anon_upload_enable", false);
    let make = settings.flag(draft, "anon_mkdir_write_enable", false);
    if !settings.flag(draft, "anonymous_enable", false) {
        return;
    }
    let user = settings.text("ftp_username").map_or("ftp", |(name, _)| name).to_owned();
    let root = settings.text("anon_root").map(|(root, _)| root.to_owned());
    let home = if root.is_none() { passwd::home_of(files, &user) } else { None };
    if root.is_none() && home.is_none() {
        draft.attention_to_file(
            "anon_root",
            format!("is not written: guests had the home of the user {user}; /srv/ftp was taken, check it"),
        );
    }
    if write && upload != make {
        let name = if upload { "anon_upload_enable" } else { "anon_mkdir_write_enable" };
        let place = settings.place(draft, name);
        draft.attention(&place, name, "guests who may store files may make directories, too");
    }
    let origin = match root {
        Some(_) => settings.origin("anon_root"),
        None => Origin::new(format!("the home of the user {user}")),
    };
    let writable = write && (upload || make);
    common::anonymous(draft, root.as_deref().or(home.as_deref()), writable, origin);
}

fn users(draft: &mut Draft, settings: &Settings, files: &dyn Files) {
    let local = settings.flag(draft, "local_enable", false);
    let guest = settings.flag(draft, "guest_enable", false);
    let write = settings.flag(draft, "write_enable", false);
    let rights = if write { "all" } else { "read-only" };
    if !local && !guest && draft.has("accounts.anonymous") {
        return;
    }
    draft.set("accounts.file", ACCOUNTS, settings.origin("local_enable"));
    let name = if guest { "guest_enable" } else { "local_enable" };
    let place = settings.place(draft, name);
    draft.attention(
        &place,
        name,
        format!(
            "system and PAM users don't log in here; for each of them run: {}",
            user_add("NAME", Some("HOME"), rights)
        ),
    );
    if let Some((root, setting)) = settings.text("local_root") {
        let personal = settings.text("user_sub_token").is_some_and(|(token, _)| root.contains(token));
        if personal || root.contains('$') {
            draft.attention(
                &setting.place,
                "local_root",
                format!("is another for each user; give {root} with the name put in as --root"),
            );
        } else {
            draft.set("server.root", root, setting.origin());
        }
    }
    let jailed = settings.flag(draft, "chroot_local_user", false);
    if !jailed || settings.flag(draft, "chroot_list_enable", false) {
        let name = if jailed { "chroot_list_enable" } else { "chroot_local_user" };
        let place = settings.place(draft, name);
        draft.attention(&place, name, common::JAIL);
    }
    listed(draft, settings, files, rights);
}

/// The users of a list that names those who may log in.
fn listed(draft: &mut Draft, settings: &Settings, files: &dyn Files, rights: &str) {
    let denies = settings.flag(draft, "userlist_deny", true);
    if !settings.flag(draft, "userlist_enable", false) || denies {
        return;
    }
    let path = settings.text("userlist_file").map_or("/etc/vsftpd.user_list", |(path, _)| path);
    let Ok(source) = files::text(files, Path::new(path)) else { return };
    let names: Vec<_> = source
        .text()
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect();
    draft.accounts.push(format!("Users of {path}:"));
    draft.accounts.extend(names.into_iter().take(1_000).map(|name| user_add(name, Some("HOME"), rights)));
}
