use super::*;
use ftp_proto::config::{
    ClientCertificates, CloseNotify, ControlPolicy, DataPolicy, DataResumption, External, PassivePorts,
};
use ftp_proto::tls::TlsVersion;
use std::time::Duration;

fn read(text: &str) -> Read {
    let files = Memory::with(&[
        ("/etc/vsftpd.conf", text),
        ("/etc/vsftpd.userlist", "anna\n# old\nbob b\n"),
        ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nftp:x:99:99::/var/ftp:/bin/false\n"),
    ]);
    Read::of(Server::Vsftpd, "/etc/vsftpd.conf", None, &files)
}

#[test]
fn an_office_behind_nat() {
    let read = read(include_str!("fixtures/vsftpd/nat.conf"));
    let (config, core) = (&read.config, &read.config.core);
    assert_eq!(config.bind, config_file::Bind::At(vec!["0.0.0.0:21".parse().unwrap()]));
    assert_eq!(core.passive.ports, PassivePorts::Range(41_000..=41_099));
    assert_eq!(core.passive.external, External::Literal("203.0.113.7".parse().unwrap()));
    assert!(core.passive.enabled && core.active.enabled);
    assert_eq!(core.active.source_port, Some(20));
    assert_eq!(core.greeting, "Office file exchange.");
    assert_eq!(core.limits.sessions, 200);
    assert_eq!(core.limits.sessions_per_address, 10);
    assert_eq!(core.limits.login_attempts, 5);
    assert_eq!(core.timeouts.idle, Duration::from_secs(900));
    // Defaults of vsftpd that differ from ours.
    assert_eq!(core.timeouts.stall, Duration::from_secs(300));
    assert_eq!(core.timeouts.data_connection, Duration::from_secs(60));
    let tls = config.tls.as_ref().unwrap();
    assert_eq!(tls.certificates.len(), 1);
    assert!(tls.certificates[0].certificate.ends_with("live/ftp.example.org/fullchain.pem"));
    assert!(tls.certificates[0].key_file().ends_with("privkey.pem"));
    let policy = core.tls.default;
    assert_eq!(
        (policy.control, policy.data, policy.resumption),
        (ControlPolicy::Require, DataPolicy::Require, DataResumption::Off)
    );
    assert_eq!(config.anonymous, None);
    assert!(config.accounts.as_ref().unwrap().ends_with("accounts.toml"));
    assert_eq!(read.attention(), [(6, "local_enable")]);
    assert!(read.has_comment("ftpd user add --accounts accounts.toml anna --root HOME --rights all"));
    assert!(read.has_comment("ftpd user add --accounts accounts.toml 'bob b' --root HOME --rights all"));
    let toml = &read.imported.toml;
    assert!(toml.contains("# idle_session_timeout, line 36"), "{toml}");
    assert!(toml.contains("# data_connection_timeout: the default of vsftpd"), "{toml}");
    assert!(toml.contains("# /etc/vsftpd.conf:41: pam_service_name: "), "{toml}");
}

#[test]
fn a_mirror() {
    let read = read(include_str!("fixtures/vsftpd/mirror.conf"));
    let core = &read.config.core;
    let guests = read.config.anonymous.as_ref().unwrap();
    assert_eq!((guests.root.as_deref(), guests.writable), (Some(Path::new("/srv/mirror")), true));
    assert_eq!(read.config.accounts, None);
    assert!(read.config.tls.is_none() && !core.active.enabled && core.active.source_port.is_none());
    assert_eq!(core.passive.ports, PassivePorts::Range(21_000..=21_099));
    assert_eq!(core.passive.peers, ftp_proto::config::Peers::default());
    assert_eq!(core.timeouts.data_connection, Duration::from_secs(45));
    assert_eq!(read.config.uploads, config_file::Uploads::Atomic { partial: config_file::Partial::Discard });
    assert_eq!(
        read.attention(),
        [
            (0, "pasv_min_port"),
            (8, "anon_upload_enable"),
            (9, "pasv_promiscuous"),
            (10, "tcp_wrappers"),
            (11, "anon_max_rate"),
            (16, "unheard_of"),
        ]
    );
    assert!(read.advice("pasv_promiscuous").contains("client_networks"));
    assert!(read.advice("unheard_of").contains("not known as a directive of vsftpd"));
}

#[test]
fn implicit_tls_with_certificates_of_clients() {
    let read = read(include_str!("fixtures/vsftpd/implicit.conf"));
    let (config, core) = (&read.config, &read.config.core);
    assert_eq!(config.bind_implicit_tls, ["192.0.2.10:990".parse().unwrap()]);
    assert_eq!(config.bind, config_file::Bind::At(vec!["127.0.0.1:2121".parse().unwrap()]));
    assert_eq!(core.passive.external, External::Name("ftp.example.org".into()));
    // Its own control port is not given away: the larger part of 900-1000.
    assert_eq!(core.passive.ports, PassivePorts::Range(900..=989));
    let tls = config.tls.as_ref().unwrap();
    assert_eq!(tls.minimum, TlsVersion::V1_3);
    assert_eq!(tls.client_authorities, [PathBuf::from("/etc/ssl/clients.pem")]);
    assert_eq!(tls.certificates[0].key_file(), Path::new("/etc/ssl/private/vsftpd.pem"));
    let policy = core.tls.default;
    assert_eq!(policy.client_certificates, ClientCertificates::Require);
    assert_eq!(policy.close_notify, CloseNotify::Require);
    assert_eq!(policy.resumption, DataResumption::Require);
    let guests = &core.tls.rules[1];
    assert_eq!(guests.when.anonymous, Some(true));
    assert_eq!(
        (guests.set.control, guests.set.data),
        (Some(ControlPolicy::Require), Some(DataPolicy::Allow))
    );
    // The home of the user ftp.
    assert_eq!(config.anonymous.as_ref().unwrap().root.as_deref(), Some(Path::new("/var/ftp")));
    assert_eq!(config.root.as_deref(), Some(Path::new("/srv/ftp")));
    assert_eq!(core.timeouts.idle, Duration::from_secs(7 * 86_400));
    let needs: Vec<_> = read.attention().into_iter().map(|(_, directive)| directive).collect();
    assert_eq!(needs, ["chroot_local_user", "local_enable", "pasv_min_port", "idle_session_timeout"]);
}

#[test]
fn defaults_are_told() {
    let read = read("");
    assert_eq!(read.config.bind, config_file::Bind::At(vec!["[::]:21".parse().unwrap()]));
    assert!(read.advice("anonymous_enable").contains("lets guests in"));
    assert!(read.advice("listen=NO").contains("inetd"));
    assert!(read.config.anonymous.is_none());
}

#[test]
fn one_end_of_the_range_alone() {
    let ports = |text: &str| read(text).config.core.passive.ports.clone();
    assert_eq!(ports("pasv_min_port=60000"), PassivePorts::Range(60_000..=65_535));
    assert_eq!(ports("pasv_max_port=2000\nlisten_port=2121"), PassivePorts::Range(1_024..=2_000));
    assert_eq!(ports("pasv_min_port=7\npasv_max_port=5"), PassivePorts::Range(21_000..=21_099));
    assert_eq!(ports("pasv_min_port=21\npasv_max_port=21"), PassivePorts::Auto(4));
    assert_eq!(ports("pasv_min_port=50000\npasv_max_port=50000"), PassivePorts::Range(50_000..=50_000));
}

#[test]
fn addresses_that_never_worked_are_named() {
    let quoted = read("pasv_address='203.0.113.7'");
    assert_eq!(quoted.config.core.passive.external, External::Literal("203.0.113.7".parse().unwrap()));
    assert!(quoted.advice("pasv_address").contains("quotes"));
    for text in ["pasv_address=203.0.113", "pasv_address=0.0.0.0", "pasv_address=eth0", "pasv_address=a b"] {
        let read = read(text);
        assert_eq!(read.config.core.passive.external, External::ControlConnection, "{text}");
        assert_eq!(read.attention().last(), Some(&(1, "pasv_address")), "{text}");
    }
}

#[test]
fn what_vsftpd_refuses_is_refused_with_its_place() {
    for (text, want) in [
        (
            "listen=YES\n listen = NO",
            "/etc/old.conf:2:8: no blank may stand before the =; write it like anonymous_enable=NO",
        ),
        (
            "listen= NO",
            "/etc/old.conf:1:8: no blank may stand behind the =; write it like anonymous_enable=NO",
        ),
        ("\n\nlisten", "/etc/old.conf:3:1: no setting; write it like anonymous_enable=NO"),
    ] {
        assert_eq!(error(Server::Vsftpd, text), want);
    }
    // What it takes is taken: blanks at the end, and in front of a text.
    let read = read("listen=YES \r\nftpd_banner= Hello\r\n");
    assert_eq!(read.config.core.greeting, "Hello");
}

#[test]
fn bad_values_leave_the_default() {
    let read = read("pasv_enable=MAYBE\nmax_clients=many\nlisten_port=70000\n");
    assert!(read.config.core.passive.enabled);
    assert_eq!(read.config.core.limits.sessions, 10_000);
    let lines: Vec<_> = read.attention().into_iter().filter(|(line, _)| *line > 0).collect();
    assert_eq!(lines, [(1, "pasv_enable"), (2, "max_clients"), (3, "listen_port")]);
}
