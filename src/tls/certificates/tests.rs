//! Certificates that change, break and end while the server runs.

use super::*;
use crate::certificate::self_signed::self_signed;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

const DAY: i64 = 86_400;

fn after(days: i64) -> UnixTime {
    UnixTime::from_seconds(now().seconds + days * DAY)
}

/// A directory with a certificate and its key in one file.
struct World {
    directory: TempDir,
    certificates: Certificates,
}

impl World {
    fn new() -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap(), certificates: Certificates::default() };
        renew(&world.file());
        world.load();
        world
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("both.pem")
    }

    fn load(&self) {
        let files = crate::config_file::parse(
            Path::new("ftpd.toml"),
            &format!(
                "[accounts]\nfile = \"a\"\n[tls]\ncertificates = {{ certificate = {:?} }}\n",
                self.file()
            ),
        );
        let loaded = load(&files.unwrap().tls.unwrap()).unwrap();
        assert!(self.certificates.set(Some(loaded)).unwrap().is_some());
    }

    fn fingerprint(&self) -> String {
        let current = self.certificates.current();
        current.as_ref().unwrap().certificates[0].facts.fingerprint.to_string()
    }
}

/// A new certificate, put in the old one's place in one step.
fn renew(file: &Path) {
    let (chain, key) = self_signed(&[], now()).unwrap();
    std::fs::write(file.with_extension("new"), chain + &key).unwrap();
    std::fs::rename(file.with_extension("new"), file).unwrap();
}

#[test]
fn a_renewed_certificate_is_taken() {
    let world = World::new();
    let first = world.fingerprint();
    assert_eq!(world.certificates.look(), Look::Same);
    renew(&world.file());
    assert_eq!(world.certificates.look(), Look::Taken);
    assert_ne!(world.fingerprint(), first);
    assert_eq!(world.certificates.look(), Look::Same);
}

#[test]
fn a_link_that_leads_elsewhere_is_a_renewal() {
    let world = World::new();
    let at = |name: &str| world.directory.path().join(name);
    for version in ["one.pem", "two.pem"] {
        renew(&at(version));
    }
    let point_to = |version: &str| {
        symlink(version, at("link")).unwrap();
        std::fs::rename(at("link"), world.file()).unwrap();
    };
    point_to("one.pem");
    assert_eq!(world.certificates.look(), Look::Taken);
    let one = world.fingerprint();
    point_to("two.pem");
    assert_eq!(world.certificates.look(), Look::Taken);
    assert_ne!(world.fingerprint(), one);
}

#[test]
fn a_broken_file_changes_nothing_and_is_named_once() {
    let world = World::new();
    let first = world.fingerprint();
    for broken in ["", "-----BEGIN CERTIFICATE-----\nMIIB\n"] {
        std::fs::write(world.file(), broken).unwrap();
        let Look::Wrong(reason) = world.certificates.look() else { panic!("{broken:?} was taken") };
        assert!(reason.starts_with(&world.file().display().to_string()), "{reason}");
        assert_eq!(world.certificates.look(), Look::Same);
        assert_eq!(world.fingerprint(), first);
    }
    std::fs::remove_file(world.file()).unwrap();
    assert!(matches!(world.certificates.look(), Look::Wrong(_)));
    renew(&world.file());
    assert_eq!(world.certificates.look(), Look::Taken);
    assert_ne!(world.fingerprint(), first);
}

#[test]
fn what_ends_is_told_21_days_before() {
    let world = World::new();
    let left = world.certificates.current().as_ref().unwrap().certificates[0].facts.days_left(now());
    let file = world.file();
    for (days, end) in [
        (0, None),
        (left - 22, None),
        (left - 20, Some(End::Soon { file: file.clone(), days: 20 })),
        (left + 1, Some(End::Past { file })),
    ] {
        assert_eq!(world.certificates.ends(after(days)), Vec::from_iter(end), "after {days} days");
    }
}

#[test]
fn the_servers_own_certificate_is_renewed_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let own = OwnCertificate { directory: directory.path().to_owned(), names: vec!["127.0.0.1".into()] };
    let made = own.load_or_make(now()).unwrap();
    assert!(made.made && !own.load_or_make(now()).unwrap().made);
    let files = TlsFiles {
        certificates: vec![crate::config_file::CertificateFiles {
            certificate: made.certificate,
            key: Some(made.key),
        }],
        minimum: ftp_proto::tls::TlsVersion::V1_2,
        client_authorities: Vec::new(),
        revocations: Vec::new(),
    };
    let certificates = Certificates::new(Some(own));
    certificates.set(Some(load(&files).unwrap())).unwrap();
    let fingerprint =
        || certificates.current().as_ref().unwrap().certificates[0].facts.fingerprint.to_string();
    certificates.tick(after(1));
    assert_eq!(fingerprint(), made.fingerprint);
    let late = after(390);
    assert_eq!(certificates.ends(late).len(), 1);
    certificates.tick(late);
    assert_ne!(fingerprint(), made.fingerprint);
    assert_eq!(certificates.ends(late), []);
}

#[test]
fn without_tls_there_is_nothing_to_look_after() {
    let world = World::new();
    assert!(world.certificates.set(None).unwrap().is_none());
    renew(&world.file());
    assert_eq!(world.certificates.look(), Look::Same);
    world.certificates.tick(after(1_000));
    assert_eq!(world.certificates.ends(after(1_000)), []);
}
