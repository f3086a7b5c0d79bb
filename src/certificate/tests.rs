//! Certificates made here and read back, broken ones, and files that are kept.

use super::chain::{date, findings};
use super::pem::PemFile;
use super::self_signed::{SelfSigned, load_or_make, self_signed};
use super::*;
use ftp_proto::tls::rustls::IdentityError;
use quickcheck::{Arbitrary as _, Gen};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::fs;
use std::path::Path;

const DAY: i64 = 86_400;
/// 2026-03-01.
const NOW: UnixTime = UnixTime::from_seconds(1_772_323_200);

fn days_later(days: i64) -> UnixTime {
    UnixTime::from_seconds(NOW.seconds + days * DAY)
}

fn parameters(common_name: &str, names: Vec<SanType>) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.subject_alt_names = names;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CountryName, "XX");
    parameters.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    (parameters.not_before, parameters.not_after) =
        (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2027, 1, 1));
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

fn host(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A root, and a server's certificate that it has issued.
fn root_and_leaf(leaf: &CertificateParams) -> (CertificateFacts, CertificateFacts) {
    let mut root = parameters("Root", Vec::new());
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root_facts = CertificateFacts::from_der(root.self_signed(&root_key).unwrap().der()).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
    (root_facts, CertificateFacts::from_der(leaf.der()).unwrap())
}

#[test]
fn all_facts_are_read() {
    let names = vec![
        host("FTP.example.org"),
        SanType::IpAddress("2001:db8::1".parse().unwrap()),
        SanType::Rfc822Name("bob@Example.org".try_into().unwrap()),
        SanType::URI("ftp://example.org/".try_into().unwrap()),
        SanType::OtherName((vec![1, 2, 3], "unknown".into())),
    ];
    let mut leaf = parameters("bob", names);
    leaf.serial_number = Some(vec![0x12, 0xab].into());
    let (root, leaf) = root_and_leaf(&leaf);
    assert_eq!(leaf.subject.to_string(), "CN=bob,O=Example\\, Inc.,C=XX");
    assert_eq!(leaf.subject.common_name(), Some("bob"));
    assert_eq!(leaf.subject, DistinguishedName::parse("cn=bob, o=Example\\, Inc., c=XX").unwrap());
    assert_eq!(leaf.issuer, root.subject);
    assert_eq!(leaf.serial, "12:AB");
    let names: Vec<_> = leaf.names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["ftp.example.org", "2001:db8::1", "bob@example.org", "ftp://example.org/"]);
    assert_eq!((date(leaf.not_before), date(leaf.not_after)), ("2026-01-01".into(), "2027-01-01".into()));
    assert_eq!(leaf.key, "ECDSA P-256");
    assert!(root.is_self_signed() && !leaf.is_self_signed() && leaf.names_as_issuer(&root));
    assert_eq!(leaf.days_left(NOW), 306);
}

/// Made by OpenSSL 3, which says of it:
/// `subject=emailAddress=bob@example.org,CN=Bob,L=Zürich+OU=a,O=Example`.
const OF_OPENSSL: &str = "\
-----BEGIN CERTIFICATE-----
MIIDczCCAlugAwIBAgIECgAAATANBgkqhkiG9w0BAQsFADBcMRAwDgYDVQQKDAdF
eGFtcGxlMRowCAYDVQQLDAFhMA4GA1UEBwwHWsO8cmljaDEMMAoGA1UEAwwDQm9i
MR4wHAYJKoZIhvcNAQkBFg9ib2JAZXhhbXBsZS5vcmcwHhcNMjYxMTI1MDQxMzE5
WhcNMzYxMTIyMDQxMzE5WjBcMRAwDgYDVQQKDAdFeGFtcGxlMRowCAYDVQQLDAFh
MA4GA1UEBwwHWsO8cmljaDEMMAoGA1UEAwwDQm9iMR4wHAYJKoZIhvcNAQkBFg9i
b2JAZXhhbXBsZS5vcmcwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCK
ezhn5Gpt1pukrriVkiY5YCjwolNuk3zap968wkSi2lMgGUT5wMOMTvMg01IQcBdC
yP0ZO0nBYOikZpkAnm4F3eAt2xC1g/X5RHPTeTA5f08P4TwUB8xgMghO5IiGtFJb
oPYiS1cmkz1InBczfGJCsOk4ru2WYFje5jTDq1mGqaq3MJmGeZTOfhnV27RsyNkK
czSbzZgliy64g9mMorp7DAscP8YBrSfJY3k2ywiTNJ+4Pd4mq4ukeUlX0nLakZV0
08Eo4Ws/cYVBoCFL0XYObEct0N4+r6YFSLa+/yfV8xDY7B5mvuoo+FWsl9BIbvZF
lBL2cXCF1Cnd5V/2vsxpAgMBAAGjPTA7MBoGA1UdEQQTMBGBD2JvYkBFWEFNUExF
Lm9yZzAdBgNVHQ4EFgQUJZ2Q+5yE8A2Jx74J+If/khweLP8wDQYJKoZIhvcNAQEL
BQADggEBAIiNg/lK4cQmwadTczK8GxGucO3aY+QLCZogs0jLcSZEwFJJmvjLvhMd
r66NQmCHiBydDh7VZK0whaqYhUHCu7cuVBWZZDepUfHr3XrY8YyXkdk+TODZnGwp
T74ah70HifIBQmZ5w3MLYD1v27GSzBCBstk0Z4ooZ1vbZ8xZ4xLOIKyHeGrz/9ou
SFBKND/yWNDGpYp1NeZazpgwJeaa3tFK+AxaXwrrrDLyfrOuJpRqhR6J1EJvGnJu
cuXjRPbKZPNvfots/Gf4DkPvPEftxs2/SHwU7YXL/RnUuhGlEiYD1XMpkbWOfPTL
j6AHg68QkDsYtDQB4kb9+PQhPWnXWZQ=
-----END CERTIFICATE-----
";

#[test]
fn certificates_of_others_are_read() {
    let file = PemFile::parse(OF_OPENSSL.into()).unwrap();
    let facts = CertificateFacts::from_der(&file.certificates[0]).unwrap();
    assert_eq!(facts.subject.to_string(), "emailAddress=bob@example.org,CN=Bob,OU=a+L=Zürich,O=Example");
    let of_openssl = "emailAddress=bob@example.org,CN=Bob,L=Zürich+OU=a,O=Example";
    assert_eq!(DistinguishedName::parse(of_openssl).as_ref(), Ok(&facts.subject));
    assert_eq!(facts.serial, "0A:00:00:01");
    let fingerprint =
        "F2:01:62:1E:3F:32:61:4F:14:45:34:F8:F9:30:B0:BA:CC:A8:70:DB:07:C6:93:93:A1:3E:D9:6A:D3:9C:57:75";
    assert_eq!(facts.fingerprint.to_string(), fingerprint);
    assert_eq!(facts.key, "RSA 2048");
    assert_eq!(facts.names, [AlternativeName::parse("bob@example.org").unwrap()]);
    assert!(facts.is_self_signed());
}

#[test]
fn a_key_fits_its_certificate_only() {
    for (algorithm, words) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, "ECDSA P-256"),
        (&rcgen::PKCS_ECDSA_P384_SHA384, "ECDSA P-384"),
        (&rcgen::PKCS_ED25519, "Ed25519"),
    ] {
        let [own, other] = [(); 2].map(|()| KeyPair::generate_for(algorithm).unwrap());
        let certificate = parameters("a", Vec::new()).self_signed(&own).unwrap();
        let facts = CertificateFacts::from_der(certificate.der()).unwrap();
        assert_eq!(facts.key, words);
        let certificate = PemFile::parse(certificate.pem().into_bytes()).unwrap();
        let check = |key: &KeyPair| {
            let key = PemFile::parse(key.serialize_pem().into_bytes()).unwrap();
            assert!(key.has_key && key.certificates.is_empty() && !certificate.has_key);
            certificate.check_key(&key)
        };
        assert_eq!((check(&own), check(&other)), (Ok(()), Err(IdentityError::KeyOfAnotherCertificate)));
    }
}

#[test]
fn files_without_certificates_are_refused() {
    for (text, want) in [
        ("", "no certificate and no key in it"),
        ("hello\n", "no certificate and no key in it"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "broken PEM: "),
        ("-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n", "broken PEM: "),
    ] {
        let problem = PemFile::parse(text.into()).unwrap_err();
        assert!(problem.starts_with(want), "{text}: {problem}");
    }
    let missing = PemFile::read(Path::new("/no/such.pem")).unwrap_err();
    assert_eq!(missing, "/no/such.pem: No such file or directory");
}

/// Changes some bytes of certificates, cuts off their ends, and looks at what is read then.
fn read_mutated(seeds: &[Vec<u8>], changes: &[(usize, u8)], cut: usize) -> Result<(), String> {
    for seed in seeds {
        let mut der = seed.clone();
        for (place, byte) in changes {
            let place = place % der.len();
            der[place] = *byte;
        }
        der.truncate(seed.len() - cut);
        let Ok(facts) = CertificateFacts::from_der(&der) else { continue };
        let text = facts.subject.to_string();
        let again = DistinguishedName::parse(&text);
        if !facts.subject.is_empty() && again.as_ref() != Ok(&facts.subject) {
            return Err(format!("{text:?} is read as {again:?}"));
        }
        let shown = facts.names.iter().fold(text, |all, name| format!("{all}, {name}"));
        if shown.chars().any(char::is_control) {
            return Err(format!("{shown:?} has control characters"));
        }
        findings(&[facts.clone(), facts], NOW);
    }
    Ok(())
}

#[test]
fn no_bytes_make_it_panic() {
    let names = vec![host("a.example"), SanType::IpAddress([192, 0, 2, 1].into())];
    let own = parameters("bob", names).self_signed(&KeyPair::generate().unwrap()).unwrap();
    let mut seeds = PemFile::parse(OF_OPENSSL.into()).unwrap().certificates;
    seeds.push(own.der().to_vec());
    // One byte at a time finds what many at once hide.
    for place in 0..seeds[0].len() {
        for byte in [0, 1, 0x0a, 0x1e, 0x7f, 0x80, 0xff] {
            read_mutated(&seeds[..1], &[(place, byte)], 0).unwrap();
        }
        assert!(CertificateFacts::from_der(&seeds[0][..place]).is_err());
    }
    // Few changes at a time, or nothing is left that looks like a certificate.
    let mut random = Gen::new(4);
    for _ in 0..3_000 {
        let changes: Vec<(usize, u8)> = Vec::arbitrary(&mut random);
        read_mutated(&seeds, &changes, usize::from(u8::arbitrary(&mut random)) / 64).unwrap();
    }
}

#[test]
fn a_chain_is_in_order_or_said_not_to_be() {
    let (root, leaf) = root_and_leaf(&parameters("a", vec![host("a.example")]));
    let (stranger, _) = root_and_leaf(&parameters("b", vec![host("b.example")]));
    let said = |chain: &[&CertificateFacts], now| {
        let chain: Vec<_> = chain.iter().map(|facts| (*facts).clone()).collect();
        findings(&chain, now).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let complete = said(&[&leaf, &root], NOW);
    assert!(complete.starts_with("note: the chain ends in a self-signed root") && !complete.contains('\n'));
    assert!(said(&[&leaf], NOW).starts_with("note: the chain ends with a certificate issued by CN=Root,"));
    assert!(said(&[&root, &leaf], NOW).contains("broken: certificate 1 was not issued by certificate 2;"));
    // The same name, another key.
    assert!(
        said(&[&leaf, &stranger], NOW).contains("broken: certificate 1 was not issued by certificate 2;")
    );
    let alone = said(&[&root], NOW);
    assert!(alone.contains("note: self-signed") && alone.contains("warning: certificate 1 is for no host"));

    // It ends on 2027-01-01, 306 days later.
    assert!(!said(&[&leaf], days_later(306 - RENEWAL_DAYS)).contains("expires"));
    let soon = "warning: certificate 1 expires on 2027-01-01, in less than 21 days; renew it\n";
    assert!(said(&[&leaf], days_later(307 - RENEWAL_DAYS)).starts_with(soon));
    assert!(said(&[&leaf], days_later(306)).starts_with(soon), "the last second is one of its own");
    let over = "broken: certificate 1 has expired on 2027-01-01; renew it\n";
    assert!(said(&[&leaf], days_later(307)).starts_with(over));
    let early = "broken: certificate 1 is not valid before 2026-01-01\n";
    assert!(said(&[&leaf], days_later(-90)).starts_with(early));
}

#[test]
fn a_certificate_of_our_own_is_kept_until_its_last_weeks() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("a/tls");
    let names = ["192.0.2.7".to_owned(), "ftp.example.org".to_owned(), "LOCALHOST".to_owned()];
    let first = load_or_make(&directory, &names, NOW).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((first.made, mode(&directory), mode(&first.key)), (true, 0o700, 0o600));
    let files = PemFile::read(&first.certificate).unwrap();
    let facts = CertificateFacts::from_der(&files.certificates[0]).unwrap();
    assert_eq!(first.fingerprint, facts.fingerprint.to_string());
    assert_eq!((facts.subject.to_string().as_str(), facts.is_self_signed()), ("CN=ftpd", true));
    assert_eq!((date(facts.not_before), date(facts.not_after)), ("2026-02-28".into(), "2027-04-02".into()));
    for name in ["192.0.2.7", "ftp.example.org", "localhost"] {
        let name = AlternativeName::parse(name).unwrap();
        assert_eq!(facts.names.iter().filter(|known| **known == name).count(), 1, "{name}");
    }

    let kept = SelfSigned { made: false, ..first.clone() };
    assert_eq!(load_or_make(&directory, &[], NOW), Ok(kept.clone()));
    assert_eq!(load_or_make(&directory, &[], days_later(397 - RENEWAL_DAYS)), Ok(kept));
    let last_weeks = days_later(398 - RENEWAL_DAYS);
    let second = load_or_make(&directory, &[], last_weeks).unwrap();
    assert!(second.made && second.fingerprint != first.fingerprint);

    // A key of another certificate, a broken file and a missing one are replaced.
    let (_, other) = self_signed(&[], NOW).unwrap();
    fs::write(&second.key, other).unwrap();
    assert!(load_or_make(&directory, &[], last_weeks).unwrap().made);
    fs::write(&second.certificate, "hello").unwrap();
    assert!(load_or_make(&directory, &[], last_weeks).unwrap().made);
    fs::remove_file(&second.key).unwrap();
    let last = load_or_make(&directory, &[], last_weeks).unwrap();
    assert!(last.made && mode(&last.key) == 0o600);
    assert_eq!(load_or_make(&directory, &[], last_weeks).unwrap().fingerprint, last.fingerprint);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "nothing is left beside the files");
}

#[test]
fn many_starts_at_once_agree_on_one_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let start = || load_or_make(directory.path(), &[], NOW).unwrap().fingerprint;
    let fingerprints: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(fingerprints.iter().all(|fingerprint| *fingerprint == start()), "{fingerprints:?}");
}

#[test]
fn what_can_not_be_made_is_said() {
    for name in ["", "a b", "bücher.example"] {
        let problem = self_signed(&[name.to_owned()], NOW).unwrap_err();
        assert_eq!(problem, format!("can't make a certificate: {name:?} is no host name and no address"));
    }
    let problem = self_signed(&[], UnixTime::from_seconds(300_000_000_000)).unwrap_err();
    assert!(problem.ends_with("; set the clock"), "{problem}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let problem = load_or_make(file.path(), &[], NOW).unwrap_err();
    assert_eq!(problem, format!("{}: File exists", file.path().display()));
}

#[test]
#[cfg(unix)]
fn a_directory_that_somebody_keeps_locked_stops_no_start() {
    let directory = tempfile::tempdir().unwrap();
    let held = fs::File::open(directory.path()).unwrap();
    held.lock().unwrap();
    let (done, waiting) = std::sync::mpsc::channel();
    let path = directory.path().to_owned();
    std::thread::spawn(move || done.send(load_or_make(&path, &[], NOW).map(|own| own.made)));
    assert_eq!(waiting.recv_timeout(std::time::Duration::from_secs(30)), Ok(Ok(true)));
}
