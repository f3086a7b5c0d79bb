//! What a server says when it runs: where it listens, what to type in a client, what a firewall must let
//! through.

use crate::config_file::ServerConfig;
use crate::runtime::Running;
use ftp_proto::config::{External, PassivePorts};
use ftp_proto::diagnose::is_public;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;

/// Who may enter, as far as the introduction shows it.
pub(super) struct Guests<'a> {
    /// One user, and her password if it was made just now.
    pub(super) user: Option<(&'a str, Option<&'a str>)>,
    /// Anybody.
    pub(super) anonymous: bool,
    /// Whether who enters may write.
    pub(super) writable: bool,
}

/// The certificate clients will see.
pub(super) struct Shown {
    /// The first host it is for.
    pub(super) name: Option<String>,
    /// SHA-256.
    pub(super) fingerprint: String,
    /// Its file, if the server made it: no client trusts it unasked.
    pub(super) own: Option<PathBuf>,
}

/// The whole text.
pub(super) fn text(
    config: &ServerConfig,
    running: &Running,
    guests: &Guests<'_>,
    certificate: Option<&Shown>,
) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{words}");
    };
    for address in running.control_addrs() {
        line(format_args!("listening on {address}"));
    }
    for address in running.implicit_tls_addrs() {
        line(format_args!("listening on {address}, TLS from the start (implicit)"));
    }
    if let Some(served) = served(config, guests) {
        line(format_args!("{served}"));
    }
    for words in super::hosts::introduced(config) {
        line(format_args!("{words}"));
    }
    if let Some((name, Some(password))) = guests.user {
        line(format_args!("user {name}, password {password} (shown only now)"));
    }
    if let Some(certificate) = certificate {
        certificate.introduce(&mut line);
    }
    if let Some(address) = running.control_addrs().first() {
        for example in examples(*address, guests, certificate) {
            line(format_args!("  {example}"));
        }
    }
    if config.core.passive.enabled {
        line(format_args!("{}", passive(&config.core.passive.ports, running)));
        let settings = &config.core.passive;
        if settings.external != External::ControlConnection || settings.exposed_ports.is_some() {
            line(format_args!("{}", super::advertised::words(settings, &crate::networks::of_host())));
        }
        if let Some(note) = private_address(config, running.control_addrs()) {
            line(format_args!("{note}"));
        }
    }
    text
}

impl Shown {
    fn introduce(&self, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
        line(format_args!("TLS certificate, SHA-256 {}", self.fingerprint));
        if let Some(file) = &self.own {
            line(format_args!(
                "it was made here and is kept in {}: compare the fingerprint when your client asks",
                file.parent().unwrap_or(file).display()
            ));
        }
        line(format_args!("in your client choose \"explicit FTP over TLS\" (FTPES), as here:"));
    }

    fn for_curl(&self) -> String {
        match &self.own {
            Some(file) => format!("--ssl-reqd --cacert '{}' ", shell(&file.display().to_string())),
            None => "--ssl-reqd ".to_owned(),
        }
    }

    fn for_lftp(&self) -> String {
        let force = "set ftp:ssl-force true; ";
        match &self.own {
            Some(file) => format!("{force}set ssl:ca-file \"{}\"; ", file.display()),
            None => force.to_owned(),
        }
    }
}

/// What is served to whom, unless an accounts file says.
fn served(config: &ServerConfig, guests: &Guests<'_>) -> Option<String> {
    let own = config.anonymous.as_ref().and_then(|anonymous| anonymous.root.as_ref());
    let somebody = guests.user.is_some() || guests.anonymous;
    let root = own.or(config.root.as_ref()).filter(|_| config.accounts.is_none() && somebody)?;
    let who = match guests.user {
        Some((name, _)) => format!("user {name} may read and write, nobody else may enter"),
        None if guests.writable => "anybody may read and upload".to_owned(),
        None => "anybody may read".to_owned(),
    };
    Some(format!("serving {}: {who}", root.display()))
}

/// What to type.
fn examples(address: SocketAddr, guests: &Guests<'_>, certificate: Option<&Shown>) -> Vec<String> {
    let host = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => "127.0.0.1".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    // Clients compare the name they were told with those in the certificate; one made here has the addresses, too.
    let named = certificate.filter(|certificate| certificate.own.is_none());
    let host = named.and_then(|certificate| certificate.name.clone()).unwrap_or(host);
    let url = format!("ftp://{host}:{}/", address.port());
    let (curl, lftp) = match guests.user {
        Some((name, Some(password))) => (format!("{name}:{password}"), format!("{name},{password}")),
        // The clients ask for a password that we don't show.
        Some((name, None)) => (name.to_owned(), name.to_owned()),
        None if guests.anonymous => (String::new(), String::new()),
        None => ("NAME".to_owned(), "NAME".to_owned()),
    };
    let user = |name: &str| if name.is_empty() { String::new() } else { format!("-u '{}' ", shell(name)) };
    let curl = format!("curl {}{}", certificate.map_or_else(String::new, Shown::for_curl), user(&curl));
    let lftp = match certificate {
        None => format!("lftp {}{url}", user(&lftp)),
        // What it has to know before it connects, it has to be told before.
        Some(certificate) => {
            let commands = format!("{}open {}{url}", certificate.for_lftp(), user(&lftp));
            format!("lftp -e '{}'", shell(&commands))
        }
    };
    let mut lines = vec![format!("{curl}{url}"), lftp];
    if guests.writable {
        lines.push(format!("{curl}-T FILE {url}"));
    }
    lines
}

/// What may stand between single quotes of a shell.
fn shell(name: &str) -> String {
    name.replace('\'', r"'\''")
}

fn passive(ports: &PassivePorts, running: &Running) -> String {
    let open = running.passive_ports();
    let control = port_list(running.control_addrs().iter().chain(running.implicit_tls_addrs()));
    match ports {
        PassivePorts::Range(range) => {
            let (wanted, listened) = (range.clone().count(), ports.listened().count());
            let missing = if open.len() < listened {
                format!(" ({} of {listened} could be opened, the rest is tried again)", open.len())
            } else if listened < wanted {
                let used = ports.listened();
                format!(
                    " (the first {listened} are used, {}-{}: no transfer holds a port)",
                    used.start(),
                    used.end()
                )
            } else {
                String::new()
            };
            let word = if wanted == 1 { "port" } else { "ports" };
            let range = if wanted == 1 { range.start().to_string() } else { ports.to_string() };
            format!("passive {word} {range}{missing}: open TCP {range} and {control} in the firewall")
        }
        PassivePorts::Auto(_) => {
            let some: Vec<_> = open.iter().take(8).map(u16::to_string).collect();
            let more = if open.len() > some.len() { ", …" } else { "" };
            format!(
                "passive ports {}{more}, chosen by the system: behind a firewall set a fixed range",
                some.join(", ")
            )
        }
    }
}

/// The ports of these addresses, each once: a listener for IPv4 and one for IPv6 often share theirs.
fn port_list<'a>(addresses: impl Iterator<Item = &'a SocketAddr>) -> String {
    let mut ports: Vec<String> = Vec::new();
    for port in addresses.map(|address| address.port().to_string()) {
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports.join(", ")
}

/// A hint if clients outside would be told an address they can't reach.
fn private_address(config: &ServerConfig, addresses: &[SocketAddr]) -> Option<String> {
    if !matches!(config.core.passive.external, External::ControlConnection) {
        return None;
    }
    let bound = addresses.first()?.ip();
    let ip = if bound.is_unspecified() { outgoing_address()? } else { bound };
    if ip.is_loopback() || is_public(ip) {
        return None;
    }
    Some(format!(
        "note: {ip} is a private address; for clients from the Internet set the external address to the router's public one"
    ))
}

/// The address this machine uses towards others. Connecting a UDP socket sends nothing; the target is a
/// documentation address (RFC 5737).
fn outgoing_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_named_once() {
        let addresses = ["0.0.0.0:21", "[::]:21", "[::]:990"].map(|text| text.parse().unwrap());
        assert_eq!(port_list(addresses.iter()), "21, 990");
    }

    #[test]
    fn examples_can_be_pasted() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let guests = Guests { user: None, anonymous: true, writable: false };
        assert_eq!(
            examples(address("[::]:2121"), &guests, None),
            ["curl ftp://127.0.0.1:2121/", "lftp ftp://127.0.0.1:2121/"]
        );
        let guests = Guests { user: Some(("o'b", Some("pw"))), anonymous: false, writable: true };
        assert_eq!(
            examples(address("[::1]:21"), &guests, None),
            [
                r"curl -u 'o'\''b:pw' ftp://[::1]:21/",
                r"lftp -u 'o'\''b,pw' ftp://[::1]:21/",
                r"curl -u 'o'\''b:pw' -T FILE ftp://[::1]:21/",
            ]
        );
        let guests = Guests { user: None, anonymous: true, writable: false };
        let name = Some("ftp.example.org".into());
        let mut certificate = Shown { name, fingerprint: String::new(), own: None };
        assert_eq!(
            examples(address("[::]:21"), &guests, Some(&certificate)),
            [
                "curl --ssl-reqd ftp://ftp.example.org:21/",
                "lftp -e 'set ftp:ssl-force true; open ftp://ftp.example.org:21/'",
            ]
        );
        certificate.own = Some("/home/o'b/c.pem".into());
        let guests = Guests { user: Some(("bob", None)), anonymous: false, writable: false };
        assert_eq!(
            examples(address("[::]:21"), &guests, Some(&certificate)),
            [
                r"curl --ssl-reqd --cacert '/home/o'\''b/c.pem' -u 'bob' ftp://127.0.0.1:21/",
                r#"lftp -e 'set ftp:ssl-force true; set ssl:ca-file "/home/o'\''b/c.pem"; open -u '\''bob'\'' ftp://127.0.0.1:21/'"#,
            ]
        );
    }
}
