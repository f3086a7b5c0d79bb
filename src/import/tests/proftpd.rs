use super::*;
use ftp_proto::config::{
    ClientCertificates, ControlPolicy, DataPolicy, DataResumption, External, PassivePorts,
};
use std::time::Duration;

fn files() -> Memory {
    Memory::with(&[
        ("/etc/proftpd/nat.conf", include_str!("fixtures/proftpd/nat.conf")),
        ("/etc/proftpd/conf.d/tls.conf", include_str!("fixtures/proftpd/conf.d/tls.conf")),
        ("/etc/proftpd/hosts.conf", include_str!("fixtures/proftpd/hosts.conf")),
        ("/etc/proftpd/ftpd.passwd", "anna:$5$x$y:1001:1001::/srv/www/anna:/bin/false\n\n"),
        ("/etc/passwd", "ftp:x:99:99::/srv/guests:/bin/false\n"),
    ])
}

fn read(file: &str, site: Option<&str>) -> Read {
    Read::of(Server::Proftpd, file, site, &files())
}

fn text(text: &str) -> Read {
    Read::of(Server::Proftpd, "/p.conf", None, &Memory::with(&[("/p.conf", text)]))
}

#[test]
fn web_space_behind_nat() {
    let read = read("/etc/proftpd/nat.conf", None);
    let (config, core) = (&read.config, &read.config.core);
    assert_eq!(config.bind, config_file::Bind::At(vec!["0.0.0.0:21".parse().unwrap()]));
    assert_eq!(core.passive.ports, PassivePorts::Range(41_000..=41_099));
    assert_eq!(core.passive.external, External::Name("ftp.example.org".into()));
    assert_eq!(core.active.source_port, Some(20));
    assert_eq!(core.greeting, "Customer upload");
    assert_eq!((core.limits.sessions, core.limits.sessions_per_address), (30, 5));
    assert_eq!(core.limits.login_attempts, 4);
    assert_eq!(core.timeouts.idle, Duration::from_secs(1_200));
    assert_eq!(core.timeouts.stall, Duration::from_secs(300));
    assert_eq!(core.timeouts.login, Duration::from_secs(300));
    let policy = core.tls.default;
    assert_eq!(policy.control, ControlPolicy::RequireForCredentials);
    assert_eq!(policy.data, DataPolicy::Require);
    assert!(policy.clear_command_channel);
    assert_eq!(policy.resumption, DataResumption::Off);
    assert_eq!(policy.client_certificates, ClientCertificates::Request);
    let tls = config.tls.as_ref().unwrap();
    assert_eq!(tls.certificates[0].key_file(), Path::new("/etc/ssl/private/ftp.key"));
    assert_eq!(tls.client_authorities, [PathBuf::from("/etc/ssl/clients.pem")]);
    assert_eq!(
        read.attention(),
        [(3, "Include"), (19, "accounts"), (33, "<Limit SITE_CHMOD>"), (37, "SQLConnectInfo")]
    );
    assert!(!read.imported.toml.contains("very-secret"));
    assert!(
        read.has_comment("ftpd user add --accounts accounts.toml anna --root /srv/www/anna --rights all")
    );
}

#[test]
fn hosts_and_classes_become_rules() {
    let read = read("/etc/proftpd/hosts.conf", None);
    let passive = &read.config.core.passive;
    assert_eq!(read.config.bind, config_file::Bind::At(vec!["192.0.2.1:21".parse().unwrap()]));
    assert_eq!(passive.ports, PassivePorts::Range(50_000..=50_099));
    assert_eq!(passive.external, External::Literal("203.0.113.1".parse().unwrap()));
    let networks: Vec<_> = passive.peers.networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.8.0.0/16", "192.168.1.0/24"]);
    let [class, host] = passive.rules.as_slice() else { panic!("{:?}", passive.rules) };
    assert_eq!(class.networks.len(), 2);
    assert_eq!(class.external, External::Literal("10.8.0.1".parse().unwrap()));
    assert_eq!(host.local, ["192.0.2.2".parse().unwrap()]);
    assert_eq!(host.external, External::Literal("203.0.113.2".parse().unwrap()));
    let guests = read.config.anonymous.as_ref().unwrap();
    assert_eq!((guests.root.as_deref(), guests.writable), (Some(Path::new("/srv/guests")), false));
    assert_eq!(
        read.attention(),
        [
            (0, "DefaultRoot"),
            (0, "accounts"),
            (6, "From !10.8.9.0/24"),
            (7, "From *.example.org"),
            (12, "<Limit LOGIN>"),
            (17, "AllowForeignAddress"),
            (25, "MaxClients"),
            (29, "<Directory incoming>"),
            (35, "<VirtualHost 192.0.2.2>"),
            (40, "<VirtualHost 192.0.2.3 second.example.net>"),
        ]
    );
    assert!(read.advice("<VirtualHost 192.0.2.2>").contains("--site 192.0.2.2"));
}

#[test]
fn one_virtual_host() {
    for name in ["192.0.2.3", "THIRD.example.org", "second.example.net"] {
        let read = read("/etc/proftpd/hosts.conf", Some(name));
        let (config, core) = (&read.config, &read.config.core);
        assert_eq!(config.bind_implicit_tls, ["192.0.2.3:990".parse().unwrap()]);
        // Global settings hold, those of the main server don't.
        assert_eq!(core.passive.ports, PassivePorts::Range(50_000..=50_099));
        assert_eq!(core.passive.external, External::ControlConnection);
        assert_eq!(core.timeouts.idle, Duration::from_secs(300));
        assert_eq!(
            (core.tls.default.control, core.tls.default.data),
            (ControlPolicy::Allow, DataPolicy::Deny)
        );
        assert_eq!(config.root.as_deref(), Some(Path::new("/srv/third")));
        assert!(!core.active.enabled);
        assert_eq!(config.uploads, config_file::Uploads::Direct);
        assert!(read.advice("TLSOptions AllowPerUser").contains("[[tls.rule]]"));
    }
    let error = import(Server::Proftpd, Path::new("/etc/proftpd/hosts.conf"), Some("nowhere"), &files());
    assert_eq!(
        error.unwrap_err().to_string(),
        "/etc/proftpd/hosts.conf: no virtual host \"nowhere\"; write one of 192.0.2.2, 192.0.2.3 second.example.net, or leave --site out for the main server"
    );
}

#[test]
fn all_words_of_tls_required() {
    use {ControlPolicy as C, DataPolicy as D};
    for (word, control, data) in [
        ("on", C::Require, D::Require),
        ("off", C::Allow, D::Allow),
        ("ctrl", C::Require, D::Allow),
        ("data", C::Allow, D::Require),
        ("ctrl+data", C::Require, D::Require),
        ("auth", C::RequireForCredentials, D::Allow),
        ("auth+data", C::RequireForCredentials, D::Require),
        ("!data", C::Allow, D::Deny),
        ("auth+!data", C::RequireForCredentials, D::Deny),
        ("nonsense", C::Require, D::Require),
    ] {
        let read = text(&format!("TLSEngine on\nTLSRSACertificateFile /c.pem\nTLSRequired {word}\n"));
        let policy = read.config.core.tls.default;
        assert_eq!((policy.control, policy.data), (control, data), "{word}");
    }
}

#[test]
fn words_and_lines() {
    assert_eq!(
        super::super::proftpd::words("ServerIdent on \"say \\\"hi\\\" # not\" a#b # comment"),
        ["ServerIdent", "on", "say \"hi\" # not", "a#b"]
    );
    let read = text("# x \\\nPORT 2100\nserverident ON \"a\\\nb\"\n");
    assert_eq!(read.config.bind, config_file::Bind::At(vec!["[::]:2100".parse().unwrap()]));
    assert_eq!(read.config.core.active.source_port, Some(2_099));
}

#[test]
fn patterns_include_files_in_order() {
    let files = Memory::with(&[
        ("/e/p.conf", "Include /e/sites/*.conf\nInclude /e/*/x.conf\n"),
        ("/e/sites/a.conf", "Port 2001\n"),
        ("/e/sites/b.conf", "Port 2002\n"),
        ("/e/sites/c.conf.bak", "Port 2003\n"),
    ]);
    let read = Read::of(Server::Proftpd, "/e/p.conf", None, &files);
    assert_eq!(read.config.bind, config_file::Bind::At(vec!["[::]:2002".parse().unwrap()]));
    assert!(read.attention().contains(&(2, "Include")));
    // A circle ends.
    let circle = Memory::with(&[("/p.conf", "Include /p.conf\nInclude /p.conf\n")]);
    let read = Read::of(Server::Proftpd, "/p.conf", None, &circle);
    assert!(read.advice("Include").contains("too many"));
}

#[test]
fn blocks_must_fit() {
    for (text, want) in [
        ("<Global>\n", "/etc/old.conf:1:1: <Global> has no end; write </Global>"),
        (
            "Port 21\n  </Global>\n",
            "/etc/old.conf:2:3: </Global> ends nothing; remove it, or write <Global> before",
        ),
        (
            "<Global>\n<Limit ALL>\n</Global>\n",
            "/etc/old.conf:3:1: </Global> ends <Limit> of line 2; write </Limit>",
        ),
        ("<>\n", "/etc/old.conf:1:1: a block without a name; write it like <Global>"),
    ] {
        assert_eq!(error(Server::Proftpd, text), want);
    }
}

#[test]
fn an_interface_is_no_address() {
    let read = text("MasqueradeAddress eth0\nAllowForeignAddress on\nDefaultRoot ~\n");
    assert_eq!(read.config.core.passive.external, External::ControlConnection);
    assert!(read.advice("MasqueradeAddress").contains("interface"));
    assert!(read.advice("AllowForeignAddress").contains("peer_check"));
}

#[test]
fn compression_is_offered_as_it_was() {
    for (word, offered) in [("on", true), ("off", false)] {
        let read = text(&format!("DeflateEngine {word}\nDeflateLog /var/log/deflate.log\n"));
        assert_eq!(read.config.core.transfers.deflate, offered, "{word}");
        assert!(!read.attention().iter().any(|(_, about)| about.contains("Deflate")));
    }
}
