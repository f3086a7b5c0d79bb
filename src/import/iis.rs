//! applicationHost.config: one site that has an FTP binding, with what all sites inherit.

mod table;
mod tree;

pub(super) use table::DIRECTIVES;

use super::common::{self, ACCOUNTS, user_add};
use super::draft::{Draft, Origin};
use super::files::{self, Files};
use super::settings::Settings;
use crate::config_file::FileError;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use tree::{Grant, Site};

pub(super) const TITLE: &str = "IIS";

pub(super) fn import(
    draft: &mut Draft,
    path: &Path,
    name: Option<&str>,
    files: &dyn Files,
) -> Result<(), FileError> {
    let source = files::text(files, path)?;
    let site = tree::read(path, source.text().trim_start_matches('\u{feff}'), name)?;
    for other in &site.others {
        let site = common::shell(&other.name);
        let advice = match other.hosts.as_slice() {
            [] => format!("is another FTP site: import it by --site {site} and run it beside this one"),
            hosts => format!(
                "is another FTP site: write [[host]] with names = {hosts:?}, root and accounts (docs/hosts.md), or import it by --site {site} and run it beside this one"
            ),
        };
        draft.attention(&other.place, format!("site {}", other.name), advice);
    }
    let settings = Settings::new(TITLE, DIRECTIVES, site.settings.clone());
    let control = listeners(draft, &site, &settings);
    passive(draft, &settings, &control);
    draft.set("active.source_port", 20, Origin::new("IIS always uses it"));
    tls(draft, &settings);
    times_and_limits(draft, &settings);
    uploads_and_words(draft, &settings);
    accounts(draft, &site, &settings);
    settings.leave_out(draft);
    Ok(())
}

/// A certificate in the Windows store is named; without one there is no TLS.
fn has_certificate(settings: &Settings) -> bool {
    settings.text("ssl serverCertHash").is_some()
}

/// `*:21:`, `192.0.2.1:990:ftp.example.org`. Port 990 is implicit TLS, if there is a certificate.
fn listeners(draft: &mut Draft, site: &Site, settings: &Settings) -> Vec<u16> {
    let (mut plain, mut implicit) = (Vec::new(), Vec::new());
    let mut origin = Origin::new("no binding was read");
    for (text, place) in &site.bindings {
        let Some(address) = binding(text) else {
            let advice = format!("{text:?} is no ADDRESS:PORT:HOST; write it as bind below [server]");
            draft.attention(place, "binding", advice);
            continue;
        };
        if let Some(host) = tree::host(text) {
            let advice = format!(
                "the server itself answers every name that no [[host]] has; for a tree of its own write [[host]] with names = [{host:?}], root and accounts (docs/hosts.md)"
            );
            draft.attention(place, "binding", advice);
        }
        origin = Origin::new(format!("binding, line {}", place.line));
        let into =
            if address.port() == 990 && has_certificate(settings) { &mut implicit } else { &mut plain };
        if !into.contains(&address) {
            into.push(address);
        }
    }
    if plain.is_empty() && implicit.is_empty() {
        plain.push(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 21)));
    }
    common::bind(draft, plain, implicit, &origin)
}

fn binding(text: &str) -> Option<SocketAddr> {
    let (rest, _host) = text.rsplit_once(':')?;
    let (address, port) = rest.rsplit_once(':')?;
    let address = match address.trim_matches(['[', ']']) {
        "*" | "" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        address => address.parse().ok()?,
    };
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some(SocketAddr::from((address, port)))
}

fn passive(draft: &mut Draft, settings: &Settings, control: &[u16]) {
    const LOW: &str = "firewallSupport lowDataChannelPort";
    let low = settings.number(draft, LOW, 0);
    let high = settings.number(draft, "firewallSupport highDataChannelPort", 0);
    let (place, origin) = (settings.place(draft, LOW), settings.origin(LOW));
    common::ports(draft, (&place, LOW), (low, high), control, &origin);
    const EXTERNAL: &str = "firewallSupport externalIp4Address";
    if let Some((text, setting)) = settings.text(EXTERNAL).filter(|(text, _)| *text != "0.0.0.0") {
        common::set_external(draft, &setting.place, EXTERNAL, text, &setting.origin());
    }
    for name in
        ["dataChannelSecurity matchClientAddressForPasv", "dataChannelSecurity matchClientAddressForPort"]
    {
        if !settings.flag(draft, name, true) {
            let place = settings.place(draft, name);
            draft.attention(&place, name, common::FOREIGN);
        }
    }
}

fn tls(draft: &mut Draft, settings: &Settings) {
    let word = |name: &str| settings.text(name).map_or("SslRequire", |(text, _)| text).to_ascii_lowercase();
    const CONTROL: &str = "ssl controlChannelPolicy";
    const DATA: &str = "ssl dataChannelPolicy";
    let (control, data) = (word(CONTROL), word(DATA));
    let Some((hash, setting)) = settings.text("ssl serverCertHash") else {
        if control != "sslallow" || data == "sslrequire" {
            let place = settings.place(draft, CONTROL);
            draft.attention(&place, CONTROL, "TLS is required, but no certificate is named, so nobody could log in; write certificates below [tls]");
        }
        return;
    };
    let thumbprint: String = hash.chars().filter(char::is_ascii_hexdigit).collect();
    let store = settings.text("ssl serverCertStoreName").map_or("My", |(store, _)| store).to_owned();
    draft.attention(
        &setting.place,
        "ssl serverCertHash",
        format!(
            "export the certificate from the Windows store, in PowerShell: Export-PfxCertificate -Cert Cert:\\LocalMachine\\{store}\\{thumbprint} -FilePath ftp.pfx -Password (Read-Host -AsSecureString) ; then: openssl pkcs12 -in ftp.pfx -nokeys -out {} ; openssl pkcs12 -in ftp.pfx -nocerts -nodes -out {}",
            common::CERTIFICATE,
            common::KEY
        ),
    );
    common::certificates(draft, &[], &setting.origin());
    let control = match control.as_str() {
        "sslallow" => "allow",
        "sslrequirecredentialsonly" => "require-for-credentials",
        _ => "require",
    };
    let data = match data.as_str() {
        "sslallow" => "allow",
        "ssldeny" => "deny",
        _ => "require",
    };
    draft.set("tls.control", control, settings.origin(CONTROL));
    draft.set("tls.data", data, settings.origin(DATA));
    if control == "require-for-credentials" {
        draft.set("tls.ccc", true, settings.origin(CONTROL));
    }
    draft.set("tls.data_resumption", "off", Origin::new("IIS asks for none"));
    common::guests_too(draft, control, data, &settings.origin(CONTROL));
    let asked = match settings.text("sslClientCertificates clientCertificatePolicy") {
        Some((text, _)) if text.eq_ignore_ascii_case("CertRequire") => "require",
        Some((text, _)) if text.eq_ignore_ascii_case("CertAllow") => "request",
        _ => return,
    };
    const ASKED: &str = "sslClientCertificates clientCertificatePolicy";
    draft.set("tls.client_certificates", asked, settings.origin(ASKED));
    let place = settings.place(draft, ASKED);
    draft.attention(&place, ASKED, "write client_authorities = \"FILE\" below [tls]: the issuers' certificates, which Windows had in its store");
}

fn times_and_limits(draft: &mut Draft, settings: &Settings) {
    for (key, name, default) in [
        ("timeouts.login", "connections unauthenticatedTimeout", 30),
        ("timeouts.idle", "connections controlChannelTimeout", 120),
        ("timeouts.stall", "connections dataChannelTimeout", 30),
    ] {
        let seconds = settings.number(draft, name, default);
        common::time(draft, key, settings, name, seconds);
    }
    const MOST: &str = "connections maxConnections";
    let most = settings.number(draft, MOST, u64::from(u32::MAX));
    if most < u64::from(u32::MAX) {
        common::sessions(draft, "limits.sessions", most, settings.origin(MOST));
    }
}

fn uploads_and_words(draft: &mut Draft, settings: &Settings) {
    let shown = settings.flag(draft, "fileHandling allowReadUploadsInProgress", false);
    let kept = settings.flag(draft, "fileHandling keepPartialUploads", false);
    if shown {
        draft.set("server.uploads", "direct", settings.origin("fileHandling allowReadUploadsInProgress"));
    } else {
        let word = if kept { "keep" } else { "discard" };
        draft.set("server.partial_uploads", word, settings.origin("fileHandling keepPartialUploads"));
    }
    if let Some((text, setting)) = settings.text("messages bannerMessage") {
        common::greeting(draft, &setting.place, "messages bannerMessage", text, setting.origin());
    }
}

fn accounts(draft: &mut Draft, site: &Site, settings: &Settings) {
    const ROOT: &str = "/srv/ftp";
    let root_place = site.root.as_ref().map_or_else(|| draft.main.clone(), |(_, place)| place.clone());
    let physical = site.root.as_ref().map_or("its directory", |(path, _)| path);
    draft.attention(
        &root_place,
        "virtualDirectory",
        format!("copy {physical} to {ROOT}, or write where it is as root below [server]"),
    );
    draft.set("server.root", ROOT, Origin::new(format!("was {physical}")));
    for (virtual_path, physical, place) in &site.directories {
        draft.attention(
            place,
            format!("virtualDirectory {virtual_path}"),
            format!("{physical} was shown as {virtual_path}: put it there below the root, as a directory or a bind mount"),
        );
    }
    let anonymous = settings.flag(draft, "anonymousAuthentication enabled", false);
    let guests = site.grants.iter().rfind(|grant| grant.is_for_guests());
    if anonymous {
        let writable = guests.is_some_and(|grant| grant.write);
        let origin = settings.origin("anonymousAuthentication enabled");
        common::anonymous(draft, Some(ROOT), writable, origin);
        if guests.is_none() {
            draft.attention_to_file(
                "authorization",
                "allows guests nothing; remove anonymous below [accounts] if that is meant",
            );
        }
    }
    let named = settings.flag(draft, "basicAuthentication enabled", false);
    if named || !anonymous {
        draft.set("accounts.file", ACCOUNTS, settings.origin("basicAuthentication enabled"));
        let place = settings.place(draft, "basicAuthentication enabled");
        let advice = format!(
            "Windows users don't log in here; for each of them run: {}",
            user_add("NAME", Some("HOME"), "all")
        );
        draft.attention(&place, "basicAuthentication", advice);
    }
    let isolated = settings.text("userIsolation mode").filter(|(mode, _)| !mode.eq_ignore_ascii_case("None"));
    if let Some((mode, setting)) = isolated {
        draft.attention(
            &setting.place,
            "userIsolation mode",
            format!("{mode}: give each user the own directory as --root (LocalUser\\NAME or DOMAIN\\NAME below the site's), guests LocalUser\\Public as root of anonymous"),
        );
    }
    site.grants.iter().for_each(|grant| tell_of_grant(draft, grant, isolated.is_some()));
}

/// A rule of `<authorization>`, as commands.
fn tell_of_grant(draft: &mut Draft, grant: &Grant, isolated: bool) {
    let rights = match (grant.read, grant.write) {
        (_, false) => "read-only",
        (true, true) => "all",
        (false, true) => "create,mkdir",
    };
    if !grant.allow {
        draft.attention(
            &grant.place,
            "authorization",
            format!(
                "denies {} {}: leave these out of the accounts file",
                grant.users.join(", "),
                grant.roles
            ),
        );
        return;
    }
    if !grant.roles.is_empty() {
        draft.attention(
            &grant.place,
            "authorization",
            format!("there are no groups; give each user of {} --rights {rights}", grant.roles),
        );
    }
    let names: Vec<_> = grant.users.iter().filter(|name| *name != "*" && *name != "?").collect();
    if grant.users.iter().any(|name| name == "*") {
        draft.accounts.push(format!("All users: --rights {rights}"));
    }
    for name in names {
        draft.accounts.push(user_add(name, isolated.then_some("HOME"), rights));
    }
}
