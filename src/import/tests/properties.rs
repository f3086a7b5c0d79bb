//! Whatever stands in the file: no panic, and what comes out is a configuration.

use super::*;
use quickcheck::{Arbitrary, Gen, quickcheck};

const FIXTURES: &[(Server, &str)] = &[
    (Server::Vsftpd, include_str!("fixtures/vsftpd/nat.conf")),
    (Server::Vsftpd, include_str!("fixtures/vsftpd/mirror.conf")),
    (Server::Vsftpd, include_str!("fixtures/vsftpd/implicit.conf")),
    (Server::Proftpd, include_str!("fixtures/proftpd/nat.conf")),
    (Server::Proftpd, include_str!("fixtures/proftpd/conf.d/tls.conf")),
    (Server::Proftpd, include_str!("fixtures/proftpd/hosts.conf")),
    (Server::PureFtpd, include_str!("fixtures/pure-ftpd/pure-ftpd.conf")),
    (Server::Iis, include_str!("fixtures/iis/firewall.config")),
    (Server::Iis, include_str!("fixtures/iis/two-sites.config")),
];

fn holds(server: Server, bytes: Vec<u8>) -> bool {
    let files = Memory([(PathBuf::from("/old"), bytes)].into());
    match import(server, Path::new("/old"), None, &files) {
        Err(error) => !error.to_string().contains('\n'),
        Ok(imported) => {
            let parsed = config_file::parse(Path::new("/etc/ftpd.toml"), &imported.toml);
            assert!(parsed.is_ok(), "{}\n{}", parsed.unwrap_err(), imported.toml);
            imported.attention.iter().all(|note| !note.to_string().contains('\n'))
        }
    }
}

/// A directive of the server's table with some value.
#[derive(Clone, Debug)]
struct Lines(Server, Vec<u8>);

impl Arbitrary for Lines {
    fn arbitrary(random: &mut Gen) -> Self {
        const VALUES: [&str; 28] = [
            "YES",
            "NO",
            "on",
            "off",
            "0",
            "1",
            "2",
            "3",
            "21",
            "2121",
            "990",
            "65535",
            "65536",
            "41000",
            "99999999999999999999",
            "-1",
            "203.0.113.7",
            "::1",
            "0.0.0.0",
            "ftp.example.org",
            "~",
            "~ftp",
            "/srv",
            "\"",
            "\\",
            "auth+!data",
            "\u{85}",
            "all",
        ];
        let (_, server) = *random.choose(Server::NAMES).unwrap();
        let separator = if server == Server::Vsftpd { "=" } else { " " };
        let mut text = String::new();
        for _ in 0..random.size().min(40) {
            let (name, _) = random.choose(server.directives()).unwrap();
            text.push_str(name.trim_end_matches('*'));
            text.push_str(separator);
            text.push_str(random.choose(&VALUES).unwrap());
            if bool::arbitrary(random) && server != Server::Vsftpd {
                text.push(' ');
                text.push_str(random.choose(&VALUES).unwrap());
            }
            text.push('\n');
        }
        Self(server, text.into_bytes())
    }
}

/// A fixture with some bytes changed.
#[derive(Clone, Debug)]
struct Broken(Server, Vec<u8>);

impl Arbitrary for Broken {
    fn arbitrary(random: &mut Gen) -> Self {
        let (server, text) = *random.choose(FIXTURES).unwrap();
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..u8::arbitrary(random) % 8 {
            let at = usize::arbitrary(random) % bytes.len();
            let other = *random.choose(b" \n=<>\"/\\09:#\xff").unwrap();
            match u8::arbitrary(random) % 3 {
                0 => bytes[at] = other,
                1 => bytes.insert(at, other),
                _ => drop(bytes.remove(at)),
            }
        }
        Self(server, bytes)
    }
}

quickcheck! {
    fn any_bytes(bytes: Vec<u8>) -> bool {
        Server::NAMES.iter().all(|(_, server)| holds(*server, bytes.clone()))
    }

    fn any_text(text: String) -> bool {
        Server::NAMES.iter().all(|(_, server)| holds(*server, text.clone().into_bytes()))
    }

    fn any_lines(lines: Lines) -> bool {
        holds(lines.0, lines.1)
    }

    fn broken_files(broken: Broken) -> bool {
        holds(broken.0, broken.1)
    }
}

/// The same for attributes of IIS, which need their elements.
#[test]
fn any_attributes() {
    let mut random = Gen::new(30);
    for _ in 0..500 {
        let mut inner = String::new();
        for _ in 0..8 {
            let (name, _) = random.choose(Server::Iis.directives()).unwrap();
            let (element, attribute) = name.split_once(' ').unwrap();
            let attribute = attribute.trim_end_matches('*');
            let attribute = if attribute.is_empty() { "x" } else { attribute };
            let value = random
                .choose(&[
                    "",
                    "0",
                    "1",
                    "true",
                    "SslRequire",
                    "SslDeny",
                    "None",
                    "4294967295",
                    "70000",
                    "41000",
                    "ab",
                    "203.0.113.7",
                    "x&#10;y",
                ])
                .unwrap();
            inner.push_str(&format!("<{element} {attribute}=\"{value}\"/>"));
        }
        let binding =
            random.choose(&["*:21:", "*:990:", "[::1]:990:h", ":0:", "x", "192.0.2.1:41000:"]).unwrap();
        let text = format!(
            r#"<c><site name="a"><bindings><binding protocol="ftp" bindingInformation="{binding}"/></bindings><ftpServer>{inner}</ftpServer></site></c>"#
        );
        assert!(holds(Server::Iis, text.into_bytes()));
    }
}
