//! One fault at a time in a set-up that is right otherwise: it is found by its name, and nothing else is.

use super::*;
use crate::accounts::AccountsFile;
use crate::certificate::CertificateFacts;
use crate::config_file;
use crate::doctor::catalogue;
use crate::doctor::facts::{
    Access, CertificateState, DirectoryState, Held, HostState, OpenFile, Process, System,
};
use crate::doctor::finding::Severity;
use crate::firewall::check::{Fix, Kind};
use crate::firewall::ports::PortSet;
use ftp_proto::time::UnixTime;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

const DAY: i64 = 86_400;
/// 2026-03-01.
const NOW: UnixTime = UnixTime::from_seconds(1_772_323_200);
const ROOT: &str = "/srv/ftp";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// With these lines below `[passive]`.
fn configured(passive: &str) -> config_file::ServerConfig {
    let text = format!(
        "[server]\nroot = \"{ROOT}\"\nbind = \"0.0.0.0:2121\"\n[accounts]\nfile = \"accounts.toml\"\n[tls]\n\
         certificates = [{{ certificate = \"chain.pem\", key = \"key.pem\" }}]\n[passive]\n{passive}\n"
    );
    config_file::parse(Path::new("/etc/ftpd.toml"), &text).unwrap()
}

fn accounts(text: &str) -> AccountsFile {
    AccountsFile::parse(Path::new("/etc/accounts.toml"), text).unwrap()
}

fn one_user() -> AccountsFile {
    let hash = crate::accounts::PasswordHash::of(b"pw").unwrap();
    let hash = hash.as_str();
    accounts(&format!("[[user]]\nname = \"bob\"\npassword = \"{hash}\"\nrights = [\"all\"]\n"))
}

fn access() -> Access {
    Access { read: true, write: true, owner: 1_000, user: 1_000, room: Some((50 << 30, 100 << 30)) }
}

/// From three months ago to `days` from now.
fn certificate(days: i64) -> CertificateFacts {
    let names = vec!["ftp.example.org".to_owned()];
    let mut parameters = CertificateParams::new(names).unwrap();
    let date = |days: i64| {
        let civil = ftp_proto::time::CivilTime::from_unix(UnixTime::from_seconds(NOW.seconds + days * DAY));
        rcgen::date_time_ymd(i32::try_from(civil.year).unwrap(), civil.month, civil.day)
    };
    (parameters.not_before, parameters.not_after) = (date(-90), date(days));
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(rcgen::DnType::CommonName, "Root");
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let made = parameters.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
    CertificateFacts::from_der(made.der()).unwrap()
}

fn shown(chain: Vec<CertificateFacts>) -> CertificateState {
    CertificateState { file: "chain.pem".into(), chain: Ok(chain), for_external: None, trusted: Some(true) }
}

/// A server in the Internet that has thought of everything.
fn healthy() -> Facts {
    Facts {
        config: configured(""),
        file: "/etc/ftpd.toml".into(),
        accounts: Some(one_user()),
        hosts: vec![host()],
        now: NOW,
        system: System {
            ephemeral: Some(32_768..=60_999),
            first_unprivileged: 1_024,
            interfaces: ["127.0.0.1", "::1", "203.0.113.9", "fe80::1"].map(address).into(),
            descriptors: Some(524_288),
            ..System::default()
        },
        certificates: vec![shown(vec![certificate(200)])],
        directories: vec![DirectoryState { path: ROOT.into(), wants_write: true, state: Ok(access()) }],
        firewall: Ok(Vec::new()),
        open_files: Vec::new(),
        runs_as_root: false,
    }
}

/// With users and a certificate of its own.
fn host() -> HostState {
    let text = "[[host]]\nnames = \"ftp.example.com\"\nroot = \"/srv/ftp.example.com\"\naccounts = \"example.toml\"\n";
    let config = config_file::parse(Path::new("/etc/ftpd.toml"), text).unwrap();
    HostState { config: config.hosts[0].clone(), accounts: Some(one_user()), without_certificate: Vec::new() }
}

fn walled(facts: &mut Facts, kind: Kind) {
    let fix = Fix::Words("do it".into());
    let finding =
        crate::firewall::check::Finding { kind, ports: PortSet::EMPTY, sentence: "so it is".into(), fix };
    facts.firewall = Ok(vec![(finding, "do it".into())]);
}

fn private(facts: &mut Facts) {
    facts.system.interfaces = ["127.0.0.1", "10.0.0.2"].map(address).into();
}

fn external(facts: &mut Facts, value: &str) {
    facts.config = configured(&format!("external_address = \"{value}\""));
}

fn resolves(facts: &mut Facts, to: Result<&[&str], &str>) {
    external(facts, "ftp.example.org");
    let found =
        to.map(|addresses| addresses.iter().map(|text| address(text)).collect()).map_err(str::to_owned);
    facts.system.resolved = BTreeMap::from([("ftp.example.org".to_owned(), found)]);
}

fn held(port: u16, by: Option<&str>) -> Held {
    let by = by.map(|program| Process { id: 77, program: program.to_owned() });
    Held { address: ([0, 0, 0, 0], port).into(), by }
}

/// What each fault does to a healthy set-up, and by which names it is found.
type Fault = (&'static str, fn(&mut Facts));

const FAULTS: &[Fault] = &[
    ("host-without-users", |facts| facts.hosts[0].accounts = Some(AccountsFile::default())),
    ("host-without-certificate", |facts| {
        facts.hosts[0].without_certificate = vec!["ftp.example.com".into()];
    }),
    ("anonymous-writable", |facts| {
        facts.hosts[0].config.anonymous =
            Some(config_file::Anonymous { writable: true, ..Default::default() });
    }),
    ("accounts-none", |facts| facts.accounts = Some(AccountsFile::default())),
    ("anonymous-writable", |facts| {
        facts.config.anonymous =
            Some(config_file::Anonymous { root: Some(ROOT.into()), writable: true, ..Default::default() });
    }),
    ("passwords-in-clear", |facts| facts.config.tls = None),
    ("runs-as-root", |facts| facts.runs_as_root = true),
    ("user-unknown", |facts| facts.config.sandbox.user = Some("nobody of that name".into())),
    ("sandbox-off", |facts| facts.config.sandbox.mode = crate::sandbox::Mode::Off),
    ("control-port-held", |facts| facts.system.held = vec![held(2_121, Some("vsftpd"))]),
    ("passive-ports-held", |facts| facts.system.held = vec![held(21_005, None)]),
    ("passive-ports-all-held", |facts| {
        facts.system.held = (21_000..=21_099).map(|port| held(port, None)).collect()
    }),
    ("port-privileged", |facts| facts.config.bind_implicit_tls = vec![([0, 0, 0, 0], 990).into()]),
    ("range-ephemeral", |facts| facts.config = configured("ports = \"41000-41099\"")),
    ("passive-off", |facts| facts.config = configured("enabled = false")),
    ("external-address-unset", private),
    ("container-without-external-address", |facts| {
        private(facts);
        facts.system.container = Some("docker");
    }),
    ("external-address-private", |facts| {
        private(facts);
        external(facts, "192.168.1.7");
    }),
    ("external-address-hides-public", |facts| external(facts, "10.0.0.2")),
    ("external-address-loopback", |facts| external(facts, "127.0.0.1")),
    ("external-address-ipv6", |facts| external(facts, "2001:db8::7")),
    ("external-name-unresolved", |facts| resolves(facts, Err("not found"))),
    ("external-name-private", |facts| resolves(facts, Ok(&["10.1.2.3"]))),
    ("external-name-ipv6-only", |facts| resolves(facts, Ok(&["2001:db8::7"]))),
    ("ftp-helper-with-external-address", |facts| {
        external(facts, "203.0.113.9");
        facts.system.ftp_helper = vec!["nf_nat_ftp".into()];
        facts.firewall = Err("not root".into());
    }),
    ("firewall-closed", |facts| walled(facts, Kind::Missing)),
    ("firewall-active-closed", |facts| walled(facts, Kind::ActiveDropped)),
    ("firewall-helper-with-tls", |facts| walled(facts, Kind::HelperWithTls)),
    ("firewall-helper-with-external-address", |facts| walled(facts, Kind::HelperWithExternalAddress)),
    ("firewall-too-wide", |facts| walled(facts, Kind::TooWide)),
    ("firewall-stale", |facts| walled(facts, Kind::Stale)),
    ("descriptors-few", |facts| facts.system.descriptors = Some(1_024)),
    ("certificate-unusable", |facts| facts.certificates[0].chain = Err("key.pem: is for another".into())),
    ("certificate-expired", |facts| facts.certificates = vec![shown(vec![certificate(-1)])]),
    ("certificate-expires-in-days", |facts| facts.certificates = vec![shown(vec![certificate(5)])]),
    ("certificate-expires-soon", |facts| facts.certificates = vec![shown(vec![certificate(20)])]),
    ("certificate-not-yet-valid", |facts| facts.now = UnixTime::from_seconds(NOW.seconds - 100 * DAY)),
    ("certificate-other-name", |facts| facts.certificates[0].for_external = Some(false)),
    ("certificate-chain-incomplete", |facts| facts.certificates[0].trusted = Some(false)),
    ("root-missing", |facts| facts.directories[0].state = Err("not found".into())),
    ("root-not-readable", |facts| facts.directories[0].state = Ok(Access { read: false, ..access() })),
    ("root-not-writable", |facts| {
        facts.directories[0].state = Ok(Access { write: false, owner: 0, ..access() })
    }),
    ("disk-nearly-full", |facts| {
        facts.directories[0].state = Ok(Access { room: Some((100 << 20, 100 << 30)), ..access() });
    }),
    ("accounts-file-open", |facts| facts.open_files = vec![OpenFile::Accounts("/etc/accounts.toml".into())]),
    ("key-open", |facts| facts.open_files = vec![OpenFile::Key("/etc/key.pem".into())]),
];

/// The names of what is worse than a note.
fn alarms(facts: &Facts) -> BTreeSet<&'static str> {
    let findings = all(facts).into_iter().filter(|finding| finding.kind.severity > Severity::Note);
    findings.map(|finding| finding.kind.id).collect()
}

#[test]
fn a_healthy_server_alarms_nobody() {
    assert_eq!(alarms(&healthy()), BTreeSet::new());
    let all: BTreeSet<_> = all(&healthy()).iter().map(|finding| finding.kind.group).collect();
    assert_eq!(all.len(), 7, "each group says that it has looked: {all:?}");
}

#[test]
fn each_fault_is_found_and_nothing_else() {
    for (id, break_it) in FAULTS {
        let mut facts = healthy();
        break_it(&mut facts);
        assert_eq!(alarms(&facts), BTreeSet::from([*id]), "{id}");
        let finding = all(&facts).into_iter().find(|finding| finding.kind.id == *id).unwrap();
        let says_more = finding.fix.is_some() || finding.kind.id == "certificate-unusable";
        assert!(says_more, "{id} says no fix");
        assert!(finding.kind.meaning != finding.text, "{id} says nothing of this machine");
    }
}

/// What looks like a fault and is none.
#[test]
fn other_healthy_servers() {
    let cases: &[Fault] = &[
        ("behind a router, the address set", |facts| {
            private(facts);
            external(facts, "198.51.100.7");
        }),
        ("in the LAN, only for itself", |facts| {
            private(facts);
            facts.config.bind = config_file::Bind::At(vec![([127, 0, 0, 1], 2_121).into()]);
        }),
        ("a name for the public address", |facts| resolves(facts, Ok(&["203.0.113.9"]))),
        ("a reserved range", |facts| {
            facts.config = configured("ports = \"41000-41099\"");
            facts.system.reserved = vec![8_080..=8_080, 41_000..=41_200];
        }),
        ("its own ports below 1024, running", |facts| {
            facts.config.bind_implicit_tls = vec![([0, 0, 0, 0], 990).into()];
            facts.system.server = Some(Process { id: 7, program: "ftpd".into() });
        }),
        ("a privilege", |facts| {
            facts.config.bind_implicit_tls = vec![([0, 0, 0, 0], 990).into()];
            facts.system.privileged = true;
        }),
        ("guests who read", |facts| {
            facts.accounts = None;
            facts.hosts.clear();
            facts.config.anonymous = Some(config_file::Anonymous::default());
            facts.config.tls = None;
            facts.certificates.clear();
            facts.directories[0] = DirectoryState {
                wants_write: false,
                state: Ok(Access { write: false, ..access() }),
                path: PathBuf::from(ROOT),
            };
        }),
    ];
    for (name, change) in cases {
        let mut facts = healthy();
        change(&mut facts);
        assert_eq!(alarms(&facts), BTreeSet::new(), "{name}");
    }
}

#[test]
fn the_fix_of_the_range_keeps_what_is_reserved() {
    let mut facts = healthy();
    facts.config = configured("ports = \"41000-41099\"");
    facts.system.reserved = vec![8_080..=8_080];
    let finding = all(&facts).into_iter().find(|finding| finding.kind.id == "range-ephemeral").unwrap();
    assert!(finding.fix.unwrap().contains("ip_local_reserved_ports=8080,41000-41099"));
}

/// A certificate that lives for six days is not alarming on its second.
#[test]
fn short_lived_certificates_are_measured_by_their_life() {
    let mut own = certificate(5);
    own.not_before = UnixTime::from_seconds(NOW.seconds - DAY);
    assert!(validity(&own, "it", NOW).is_none());
}

#[test]
fn every_name_is_used_once() {
    let names: BTreeSet<_> = catalogue::ALL.iter().map(|kind| kind.id).collect();
    assert_eq!(names.len(), catalogue::ALL.len());
    let kebab = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    assert!(names.iter().all(|name| kebab(name)), "{names:?}");
    for kind in catalogue::ALL {
        let alarms = kind.severity > Severity::Note;
        assert!(!alarms || !kind.remedy.is_empty(), "{}: an alarm without a remedy", kind.id);
    }
}
