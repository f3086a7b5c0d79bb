use super::*;
use ftp_proto::account::Rights;
use ftp_proto::config::{ControlPolicy, DataPolicy, External, PassivePorts};
use std::time::Duration;

fn files() -> Memory {
    let debian = |name: &str| format!("/etc/pure-ftpd/conf/{name}");
    let mut files = Memory::with(&[
        ("/etc/pure-ftpd.conf", include_str!("fixtures/pure-ftpd/pure-ftpd.conf")),
        ("/etc/pureftpd.passwd", include_str!("fixtures/pure-ftpd/pureftpd.passwd")),
    ]);
    for (name, text) in [
        ("AnonymousCantUpload", include_str!("fixtures/pure-ftpd/conf/AnonymousCantUpload")),
        ("ChrootEveryone", include_str!("fixtures/pure-ftpd/conf/ChrootEveryone")),
        ("ForcePassiveIP", include_str!("fixtures/pure-ftpd/conf/ForcePassiveIP")),
        ("NoAnonymous", include_str!("fixtures/pure-ftpd/conf/NoAnonymous")),
        ("PAMAuthentication", include_str!("fixtures/pure-ftpd/conf/PAMAuthentication")),
        ("PassivePortRange", include_str!("fixtures/pure-ftpd/conf/PassivePortRange")),
        ("TLS", include_str!("fixtures/pure-ftpd/conf/TLS")),
        ("TLS.dpkg-old", include_str!("fixtures/pure-ftpd/conf/TLS.dpkg-old")),
    ] {
        files.0.insert(debian(name).into(), text.into());
    }
    files
}

#[test]
fn virtual_users_behind_a_router() {
    let read = Read::of(Server::PureFtpd, "/etc/pure-ftpd.conf", None, &files());
    let (config, core) = (&read.config, &read.config.core);
    assert_eq!(config.bind, config_file::Bind::At(vec!["192.0.2.5:2121".parse().unwrap()]));
    assert_eq!(core.passive.ports, PassivePorts::Range(30_000..=30_099));
    assert_eq!(core.passive.external, External::Name("home.example.net".into()));
    assert_eq!(core.active.source_port, Some(2_120));
    assert_eq!((core.limits.sessions, core.limits.sessions_per_address), (120, 8));
    assert_eq!(core.timeouts.idle, Duration::from_secs(1_200));
    assert_eq!(
        (core.tls.default.control, core.tls.default.data),
        (ControlPolicy::Require, DataPolicy::Allow)
    );
    let certificate = &config.tls.as_ref().unwrap().certificates[0];
    assert_eq!(certificate.certificate, Path::new("/etc/pure ftpd.pem"));
    assert_eq!(certificate.key_file(), Path::new("/etc/pure-ftpd.key"));
    assert!(config.log.commands && config.anonymous.is_none());
    assert_eq!(read.attention(), [(8, "accounts"), (18, "AllowUserFXP"), (19, "UserBandwidth"), (3, "user")]);
}

#[test]
fn hashes_that_we_can_check_are_taken_over() {
    let read = Read::of(Server::PureFtpd, "/etc/pure-ftpd.conf", None, &files());
    let [anna] = read.imported.users.as_slice() else { panic!("{:?}", read.imported.users) };
    assert_eq!(anna.name, "anna");
    assert_eq!(anna.password.as_ref().unwrap().verify(b"password"), Ok(true));
    assert_eq!(anna.root.as_deref(), Some(Path::new("/srv/ftp/anna")));
    assert_eq!(anna.home.to_string(), "/in");
    assert_eq!(anna.limits, crate::storage::Limits { bytes: Some(10 << 30), files: Some(1_000) });
    assert!(anna.rights.contains(Rights::DELETE) && !anna.rights.contains(Rights::RENAME));
    assert!(!read.imported.toml.contains("argon2id$"));
    assert!(read.has_comment(
        "ftpd user add --accounts accounts.toml bob --root '/srv/ftp/bob'\\''s files' --rights read,list,create,overwrite,append,delete,mkdir,rmdir,attributes --quota 10485760 --quota-files 500"
    ));
}

#[test]
fn the_directory_of_debian() {
    let read = Read::of(Server::PureFtpd, "/etc/pure-ftpd/conf", None, &files());
    let core = &read.config.core;
    assert_eq!(core.passive.ports, PassivePorts::Range(40_110..=40_210));
    assert_eq!(core.passive.external, External::Literal("198.51.100.4".parse().unwrap()));
    assert_eq!(
        (core.tls.default.control, core.tls.default.data),
        (ControlPolicy::Require, DataPolicy::Require)
    );
    let certificate = &read.config.tls.as_ref().unwrap().certificates[0];
    assert_eq!(certificate.certificate, Path::new("/etc/ssl/private/pure-ftpd.pem"));
    let guests = read.config.anonymous.as_ref().unwrap();
    assert_eq!((guests.root.as_deref(), guests.writable), (Some(Path::new("/srv/ftp")), false));
    assert_eq!(core.limits.sessions, 50);
    assert_eq!(core.timeouts.idle, Duration::from_secs(900));
    assert_eq!(core.tls.rules[1].set.control, Some(ControlPolicy::Require));
    assert!(
        read.imported.toml.contains("# /etc/pure-ftpd/conf/PAMAuthentication:1: "),
        "{}",
        read.imported.toml
    );
}

#[test]
fn forms_of_bind() {
    let bind = |value: &str| {
        let files = Memory::with(&[("/p", &format!("Bind {value}\nNoAnonymous yes\n"))]);
        let read = Read::of(Server::PureFtpd, "/p", None, &files);
        (read.config.bind.addresses()[0].to_string(), read.attention().contains(&(1, "Bind")))
    };
    assert_eq!(bind("2121"), ("[::]:2121".into(), false));
    assert_eq!(bind(",2122"), ("[::]:2122".into(), false));
    assert_eq!(bind("192.0.2.1"), ("192.0.2.1:21".into(), false));
    assert_eq!(bind("2001:db8::1,21"), ("[2001:db8::1]:21".into(), false));
    assert_eq!(bind("ftp.example.org,21"), ("[::]:21".into(), true));
    assert_eq!(bind("192.0.2.1,99999"), ("192.0.2.1:21".into(), true));
}

#[test]
fn a_name_without_a_value_is_refused() {
    assert_eq!(
        error(Server::PureFtpd, "TLS 1\n  Bind # none\n"),
        "/etc/old.conf:2:3: Bind: no value; write it like ChrootEveryone yes"
    );
}

/// What old clients have for characters is a matter of device profiles here.
#[test]
fn characters_of_clients_have_a_place() {
    let conf = "ClientCharset cp1252\nFSCharset UTF-8\n";
    let read = Read::of(Server::PureFtpd, "/p.conf", None, &Memory::with(&[("/p.conf", conf)]));
    assert!(read.advice("ClientCharset").starts_with("cp1252: write it as charset in a [[profile]]"));
    assert!(!read.attention().contains(&(2, "FSCharset")));
}

/// Users who are in no file are made by hand, with what holds for all.
#[test]
fn a_quota_for_all_is_in_the_advice() {
    let advice = |quota: &str| {
        let conf = format!("NoAnonymous yes\nUnixAuthentication yes\n{quota}");
        let read = Read::of(Server::PureFtpd, "/p.conf", None, &Memory::with(&[("/p.conf", &conf)]));
        let is_told = read.attention().contains(&(3, "Quota"));
        (read.advice("accounts").split(" --rights all").nth(1).unwrap().to_owned(), is_told)
    };
    assert_eq!(advice(""), (String::new(), false));
    assert_eq!(advice("Quota 1000:10\n"), (" --quota 10485760 --quota-files 1000".into(), false));
    assert_eq!(
        advice("Quota 18446744073709551615:17592186044415\n"),
        (" --quota 9223372036854775807 --quota-files 9223372036854775807".into(), false)
    );
    assert_eq!(advice("Quota 10\n"), (String::new(), true));
}
