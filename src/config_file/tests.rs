//! What is wrong with a file, word for word, and what a right one amounts to.

use super::*;
use ftp_proto::config::{
    Active, ActiveAddress, ActiveRule, AddressRule, Bans, ClientCertificates, CloseNotify, ControlPolicy,
    DataPolicy, DataResumption, External, LanClients, Network, Passive, PassivePorts, PeerCheck, Peers,
    Proxy, TlsChange, TlsCondition, TlsPolicy, TlsRule, Transfers,
};
use ftp_proto::tls::TlsVersion;
use ftp_proto::transfer::CodePage;

fn complaint(text: &str) -> String {
    parse(Path::new("ftpd.toml"), text).map(|config| format!("{config:?}")).unwrap_err().to_string()
}

#[test]
fn each_mistake_is_one_line_with_place_key_and_fix() {
    for (text, want) in [
        ("[pasive]\nports = 1\n", "ftpd.toml:1:2: unknown key `pasive`; did you mean `passive`?"),
        (
            "[passive]\n  prots = \"1-2\"\n",
            "ftpd.toml:2:3: unknown key `passive.prots`; did you mean `passive.ports`?",
        ),
        ("[server]\nports = 1\n", "ftpd.toml:2:1: unknown key `server.ports`; did you mean `passive.ports`?"),
        ("bind = \"[::]:21\"\n", "ftpd.toml:1:1: unknown key `bind`; did you mean `server.bind`?"),
        (
            "[colours]\n",
            "ftpd.toml:1:2: unknown key `colours`; write one of server, passive, active, proxy, transfers, tls, timeouts, limits, bans, accounts, log, profile, host",
        ),
        (
            "colour = 1\n",
            "ftpd.toml:1:1: unknown key `colour`; write one of server, passive, active, proxy, transfers, tls, timeouts, limits, bans, accounts, profile, log, host",
        ),
        ("server = 1\n", "ftpd.toml:1:10: server: expected a section, not a number; write [server]"),
        (
            "[server]\nbind = \"localhost\"\n",
            "ftpd.toml:2:8: server.bind: \"localhost\" is no address with a port; write \"[::]:2121\" or \"192.0.2.1:21\"",
        ),
        (
            "[server]\nbind = [\n  \"[::]:21\",\n  21,\n]\n",
            "ftpd.toml:4:3: server.bind: expected a string, not a number; write \"[::]:2121\"",
        ),
        ("[server]\nbind = []\n", "ftpd.toml:2:8: server.bind: expected at least one; write [\"[::]:2121\"]"),
        (
            "[server]\nruntime = \"tokio\"\n",
            "ftpd.toml:2:11: server.runtime: \"tokio\" is none of the choices; write \"smol\" or \"threads\"",
        ),
        (
            "[server]\nkeepalive = 0\n",
            "ftpd.toml:2:13: server.keepalive: write a number of seconds from 1 to 32767",
        ),
        (
            "[server]\ngreeting = \"\"\n[accounts]\nanonymous = true\n[server.x]\n",
            "ftpd.toml:5:9: unknown key `server.x`; write one of server.bind, server.bind_implicit_tls, server.root, server.greeting, server.runtime, server.uploads, server.partial_uploads, server.symlinks, server.keepalive, server.watch, server.user, server.group, server.sandbox, server.sandbox_paths, server.control_socket",
        ),
        (
            "[transfers]\ndeflate_level = 10\n",
            "ftpd.toml:2:17: transfers.deflate_level: 10 is out of range; write 0 to 9",
        ),
        (
            "[server]\nroot = \"a\"\n[accounts]\nanonymous = true\n[limits]\ndeflate_ratio = 1\n",
            "ftpd.toml:6:17: limits.deflate_ratio: write a number from 2 up, or 0 for no limit",
        ),
        (
            "[timeouts]\nidle = \"soon\"\n",
            "ftpd.toml:2:8: timeouts.idle: expected a time, not \"soon\"; write seconds like 300, or \"5m\" (ms, s, m, h, d)",
        ),
        (
            "[timeouts]\nidle = -1\n",
            "ftpd.toml:2:8: timeouts.idle: expected a time, not -1; write seconds like 300, or \"5m\" (ms, s, m, h, d)",
        ),
        (
            "[passive]\nenabled = \"yes\"\n",
            "ftpd.toml:2:11: passive.enabled: expected true or false, not a string; write true or false",
        ),
        (
            "[server]\nroot = \"/srv\"\nbind = [\"[::]:21000\"]\n[passive]\nports = \"21000-21099\"\n[accounts]\nanonymous = true\n",
            "ftpd.toml:5:9: passive.ports: port 21000 is for control connections; write a range without it, like 21000-21099",
        ),
        (
            "[passive]\nports = \"many\"\n",
            "ftpd.toml:2:9: passive.ports: \"many\" is not a port range; write it like 21000-21099, 21000 or auto:4",
        ),
        (
            "[passive]\nexternal_address = \"203.0.113\"\n",
            "ftpd.toml:2:20: passive.external_address: \"203.0.113\" is no IP address and no name; write \"203.0.113.7\", \"ftp.example.org\" or \"control-connection\"",
        ),
        (
            "[server]\nroot = \".\"\n[passive]\nexternal_address = \"-x.example.org\"\n[accounts]\nanonymous = true\n",
            "ftpd.toml:4:20: passive.external_address: is no address and no name; write one like 203.0.113.7 or ftp.example.org",
        ),
        (
            "[server]\nroot = \".\"\n[passive]\nports = \"41000-41099\"\nexposed_ports = \"51000-51009\"\n[accounts]\nanonymous = true\n",
            "ftpd.toml:5:17: passive.exposed_ports: write as many ports as are listened on (41000-41099), like 41000-41099",
        ),
        (
            "[passive]\nrouters = \"10.0.0.0/8\"\n",
            "ftpd.toml:2:11: passive.routers: \"10.0.0.0/8\" is no IP address; write the router's inside address, like \"10.0.0.1\"",
        ),
        (
            "[[passive.rule]]\nnetworks = \"10.0.0.0/8\"\n",
            "ftpd.toml:1:1: passive.rule: changes nothing; write external_address = \"203.0.113.7\" or \"control-connection\"",
        ),
        (
            "[[passive.rule]]\nusers = \"bob\"\n",
            "ftpd.toml:2:1: unknown key `passive.rule.users`; write one of passive.rule.listeners, passive.rule.local, passive.rule.networks, passive.rule.external_address, passive.rule.exposed_ports",
        ),
        (
            "[proxy]\ntrusted = \"balancer\"\n",
            "ftpd.toml:2:11: proxy.trusted: \"balancer\" is no network; write it like 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1",
        ),
        (
            "[active]\naddress = \"peer\"\n",
            "ftpd.toml:2:11: active.address: \"peer\" is none of the choices; write \"as-sent\" or \"control-peer\"",
        ),
        (
            "[[active.rule]]\ntargets = \"10.1.2.3\"\n",
            "ftpd.toml:1:1: active.rule: is for nobody; write whose rule it is, like networks = [\"10.0.0.0/8\"]",
        ),
        (
            "[[active.rule]]\nnetworks = \"10.0.0.0/8\"\n",
            "ftpd.toml:1:1: active.rule: allows nothing; write where these clients may have the server connect to, like targets = [\"10.1.2.3\"]",
        ),
        (
            "[[active.rule]]\nusers = \"bob\"\n",
            "ftpd.toml:2:1: unknown key `active.rule.users`; write one of active.rule.networks, active.rule.targets",
        ),
        (
            "[active]\nsource_port = 65536\n",
            "ftpd.toml:2:15: active.source_port: 65536 is out of range; write 0 to 65535",
        ),
        (
            "[limits]\nsessions = 1.5\n",
            "ftpd.toml:2:12: limits.sessions: expected a number, not a fraction; write 0 to 10000000",
        ),
        (
            "[accounts]\nanonymous = \"yes\"\n",
            "ftpd.toml:2:13: accounts.anonymous: expected true, false or a table, not a string; write true or { root = \"DIR\", writable = false }",
        ),
        (
            "[accounts]\nanonymous = { rot = \"x\" }\n",
            "ftpd.toml:2:15: unknown key `accounts.anonymous.rot`; did you mean `accounts.anonymous.root`?",
        ),
        (
            "[accounts.anonymous]\nwriteable = true\n",
            "ftpd.toml:2:1: unknown key `accounts.anonymous.writeable`; did you mean `accounts.anonymous.writable`?",
        ),
        (
            "[log]\nlevel = 3\n",
            "ftpd.toml:2:9: log.level: a number is none of the choices; write \"error\" or \"warn\" or \"info\" or \"debug\" or \"trace\"",
        ),
    ] {
        let found = complaint(text);
        assert_eq!(found, want, "{text}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
}

#[test]
fn forgotten_quotes_are_shown() {
    for (text, want) in [
        ("ports = 21000-21099 # all", "write it in quotes: ports = \"21000-21099\""),
        ("ports = /srv/ftp", "write it in quotes: ports = \"/srv/ftp\""),
        ("  external_address = 203.0.113.7", "write it in quotes: external_address = \"203.0.113.7\""),
    ] {
        let found = complaint(&format!("[passive]\n{text}\n"));
        assert!(found.starts_with("ftpd.toml:2:") && found.ends_with(want), "{found}");
    }
}

#[test]
fn what_is_there_twice_is_named() {
    assert_eq!(
        complaint("[server]\nroot = \"a\"\nroot = \"b\"\n"),
        "ftpd.toml:3:1: root: is there twice; remove one"
    );
    assert_eq!(complaint("[server]\n[server]\n"), "ftpd.toml:2:2: server: is there twice; remove one");
}

#[test]
fn what_the_parser_says_is_one_line_too() {
    for text in
        ["[server\n", "[server]\nroot = \n", "[server]\nroot = 'a'\nroot = 'b'\n", "\u{1}", "a = \"\n\"\n"]
    {
        let found = complaint(text);
        assert!(found.starts_with("ftpd.toml:") && found.lines().count() == 1, "{text:?}: {found}");
        assert!(found.split(':').nth(2).is_some_and(|column| column.parse::<usize>().is_ok()), "{found}");
    }
}

#[test]
fn what_only_the_whole_shows_points_at_the_key() {
    for (text, want) in [
        (
            "",
            "ftpd.toml:1:1: accounts: nobody can log in; write file = \"accounts.toml\" or anonymous = true below [accounts]",
        ),
        (
            "[accounts]\nanonymous = true\n",
            "ftpd.toml:2:13: accounts.anonymous: no directory to serve; write anonymous = { root = \"DIR\" }, or root = \"DIR\" below [server]",
        ),
        (
            "[accounts]\nfile = \"a\"\n[passive]\n# all of them\nports = \"9-8\"\n",
            "ftpd.toml:5:9: passive.ports: the first port is above the last; write it like 21000-21099",
        ),
        (
            "[accounts]\nfile = \"a\"\n[timeouts]\nstall = 0\n",
            "ftpd.toml:4:9: timeouts.stall: write a number of seconds from 1 to 604800",
        ),
        (
            "[accounts]\nfile = \"a\"\n[active]\nsource_port = 0\n",
            "ftpd.toml:4:15: active.source_port: write a port from 1 to 65535 (20 by tradition), or leave it out",
        ),
        (
            "[accounts]\nfile = \"a\"\n[server]\nuploads = \"direct\"\npartial_uploads = \"discard\"\n",
            "ftpd.toml:5:19: server.partial_uploads: direct uploads have no part to discard; write uploads = \"atomic\" below [server]",
        ),
        (
            "[accounts]\nfile = \"a\"\n[server]\ngreeting = \"a\\tb\"\n",
            "ftpd.toml:4:12: server.greeting: write one line of 1 to 512 characters, or up to 16 of them",
        ),
    ] {
        assert_eq!(complaint(text), want, "{text}");
    }
}

#[test]
fn a_file_that_can_not_be_read_is_named() {
    let missing = Path::new("no/such/ftpd.toml");
    assert_eq!(
        load(missing).unwrap_err().to_string(),
        "no/such/ftpd.toml: can't be read: No such file or directory"
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.toml");
    std::fs::write(&path, b"[server]\nroot = '\xff'\n").unwrap();
    let found = load(&path).unwrap_err();
    assert_eq!(found.position(), Some((2, 9)), "{found}");
}

#[test]
fn every_key_works() {
    let text = r#"
        host = [{ names = "a.example", greeting = "A.", root = "a", accounts = "a.toml", anonymous = true }]
        profile = [{ use = "camera", networks = "10.0.5.0/24" }]
        [server]
        bind = ["127.0.0.1:21", "[::1]:2121", "2222"]
        root = "files"
        greeting = "Hello."
        runtime = "threads"
        bind_implicit_tls = "[::]:990"
        uploads = "atomic"
        partial_uploads = "discard"
        symlinks = true
        keepalive = "2m"
        watch = false
        control_socket = "ftpd.sock"
        user = "ftp"
        group = 990
        sandbox = "required"
        sandbox_paths = ["../more"]
        [passive]
        enabled = false
        ports = 4000
        exposed_ports = "5000"
        external_address = "203.0.113.7"
        lan_clients = "external"
        routers = ["10.0.0.1"]
        peer_check = "same-network"
        client_networks = ["100.64.0.0/10"]
        tls_proof = false
        strict_ports = true
        rule = [{ listeners = 2121, local = "192.0.2.1", networks = ["10.8.0.0/16"], external_address = "ftp.example.org", exposed_ports = 6000 }]
        [proxy]
        trusted = "10.0.0.5"
        data = false
        [active]
        enabled = false
        source_port = 20
        address = "control-peer"
        rule = [{ networks = "10.8.0.0/16", targets = ["10.1.2.3", "10.2.0.0/16"] }]
        [tls]
        certificates = [
            { certificate = "live/fullchain.pem", key = "/keys/privkey.pem" },
            { certificate = "both.pem" },
        ]
        minimum = "1.3"
        control = "require-for-credentials"
        data = "deny"
        data_resumption = "warn"
        ccc = true
        close_notify = "tolerate"
        client_certificates = "request"
        server_to_server = true
        client_authorities = "ca.pem"
        revocations = ["a.pem", "b.pem"]
        rule = [{ listeners = [2121], networks = "10.0.0.0/8", users = ["bob"], anonymous = false, ccc = false }]
        [timeouts]
        login = 1
        idle = "5m"
        data_connection = 3
        stall = 4
        linger = 5
        [limits]
        sessions = 6
        sessions_per_address = 7
        sessions_per_network = 9
        unauthenticated = 10
        unauthenticated_per_address = 11
        commands_before_login = 12
        commands_per_second = 13
        login_attempts = 8
        login_delay = "500ms"
        longest_login_delay = 3
        line = 1000
        deflate_ratio = 200
        [bans]
        enabled = false
        user_failures = 14
        address_failures = 15
        window = 16
        duration = 17
        longest = "18m"
        exempt = ["10.0.0.0/8", "2001:db8::/32"]
        [transfers]
        deflate = false
        deflate_level = 9
        ebcdic = "037"
        [accounts]
        file = "/etc/accounts.toml"
        anonymous = { root = "../pub", writable = true }
        [log]
        format = "json"
        level = "debug"
        commands = true
    "#;
    for key in keys::all() {
        let name = key.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("{name} = ")), "{key} is not tried here");
    }
    let config = parse(Path::new("conf/ftpd.toml"), text).unwrap();
    let addresses = ["127.0.0.1:21", "[::1]:2121", "[::]:2222"].map(|text| text.parse().unwrap());
    assert_eq!(config.bind, Bind::At(addresses.to_vec()));
    assert_eq!(config.root, Some("conf/files".into()));
    assert_eq!(config.bind_implicit_tls, ["[::]:990".parse().unwrap()]);
    assert_eq!(config.runtime, RuntimeKind::Threads);
    assert_eq!((config.sandbox.user.as_deref(), config.sandbox.group.as_deref()), (Some("ftp"), Some("990")));
    assert_eq!(
        (config.sandbox.mode, &config.sandbox.paths),
        (crate::sandbox::Mode::Required, &vec!["conf/../more".into()])
    );
    assert_eq!(config.uploads, Uploads::Atomic { partial: Partial::Discard });
    assert_tls(&config);
    assert_eq!(config.keepalive, Duration::from_secs(120));
    assert_eq!(config.accounts, Some("/etc/accounts.toml".into()));
    assert_eq!(
        config.anonymous,
        Some(Anonymous { root: Some("conf/../pub".into()), writable: true, ..Anonymous::default() })
    );
    assert_eq!(config.hosts.len(), 1);
    assert_eq!(config.core.hosts.find("a.example").and_then(|host| host.greeting()), Some("A."));
    assert_eq!(config.log, LogConfig { format: LogFormat::Json, level: LogLevel::Debug, commands: true });
    let core = &config.core;
    assert_eq!(core.greeting, "Hello.");
    assert_eq!(core.passive.ports, PassivePorts::Range(4000..=4000));
    assert_eq!(core.passive.external, External::Literal([203, 0, 113, 7].into()));
    assert_passive(&core.passive);
    assert_eq!(core.proxy, Proxy { trusted: vec!["10.0.0.5".parse().unwrap()], data: false });
    assert!(!core.passive.enabled && core.passive.strict_ports && !core.active.enabled);
    assert_active(&core.active);
    let seconds = |time: Duration| time.as_secs_f64();
    let timeouts = core.timeouts;
    assert_eq!(
        [timeouts.login, timeouts.idle, timeouts.data_connection, timeouts.stall, timeouts.linger]
            .map(seconds),
        [1.0, 300.0, 3.0, 4.0, 5.0]
    );
    let limits = core.limits;
    assert_eq!((limits.sessions, limits.sessions_per_address, limits.login_attempts), (6, 7, 8));
    assert_eq!((limits.login_delay, limits.line), (Duration::from_millis(500), 1000));
    assert_bans(&core.bans);
    assert_eq!(limits.longest_login_delay, Duration::from_secs(3));
    assert_eq!((limits.sessions_per_network, limits.unauthenticated), (9, 10));
    assert_eq!(limits.unauthenticated_per_address, 11);
    assert_eq!((limits.commands_before_login, limits.commands_per_second), (12, 13));
    assert_eq!(limits.deflate_ratio, 200);
    assert_eq!(core.transfers, Transfers { deflate: false, deflate_level: 9, ebcdic: CodePage::Ibm037 });
    assert!(core.notify_commands && core.symlinks);
    assert_eq!(core.profiles.len(), 1);
}

fn assert_bans(bans: &Bans) {
    assert!(!bans.enabled);
    assert_eq!((bans.user_failures, bans.address_failures), (14, 15));
    assert_eq!([bans.window, bans.duration, bans.longest].map(|time| time.as_secs()), [16, 17, 1_080]);
    assert_eq!(bans.exempt, ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap()));
    let none =
        parse(Path::new("f"), "[server]\nroot = \"r\"\n[accounts]\nanonymous = true\n[bans]\nexempt = []\n");
    assert!(none.unwrap().core.bans.exempt.is_empty());
}

fn assert_active(active: &Active) {
    assert_eq!(active.source_port, Some(20));
    assert_eq!(active.address, ActiveAddress::ControlPeer);
    let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let rule =
        ActiveRule { networks: networks(&["10.8.0.0/16"]), targets: networks(&["10.1.2.3", "10.2.0.0/16"]) };
    assert_eq!(active.rules, [rule]);
}

fn assert_passive(passive: &Passive) {
    assert_eq!(passive.exposed_ports, Some(5000..=5000));
    assert_eq!(passive.lan_clients, LanClients::External);
    assert_eq!(passive.routers, Some(vec![[10, 0, 0, 1].into()]));
    let network = |text: &str| vec![text.parse::<Network>().unwrap()];
    let peers = Peers { check: PeerCheck::SameNetwork, networks: network("100.64.0.0/10"), tls_proof: false };
    assert_eq!(passive.peers, peers);
    let rule = AddressRule {
        listeners: vec!["2121".parse().unwrap()],
        local: network("192.0.2.1"),
        networks: network("10.8.0.0/16"),
        external: External::Name("ftp.example.org".into()),
        exposed_ports: Some(6000..=6000),
    };
    assert_eq!(passive.rules, [rule]);
}

fn assert_tls(config: &ServerConfig) {
    let own = |certificate: &str, key: Option<&str>| CertificateFiles {
        certificate: certificate.into(),
        key: key.map(Into::into),
    };
    let files = TlsFiles {
        certificates: vec![
            own("conf/live/fullchain.pem", Some("/keys/privkey.pem")),
            own("conf/both.pem", None),
        ],
        minimum: TlsVersion::V1_3,
        client_authorities: vec!["conf/ca.pem".into()],
        revocations: vec!["conf/a.pem".into(), "conf/b.pem".into()],
    };
    assert_eq!(config.tls, Some(files));
    let wanted = TlsPolicy {
        control: ControlPolicy::RequireForCredentials,
        data: DataPolicy::Deny,
        resumption: DataResumption::Warn,
        clear_command_channel: true,
        close_notify: CloseNotify::Tolerate,
        client_certificates: ClientCertificates::Request,
        server_to_server: true,
    };
    assert_eq!(config.core.tls.default, wanted);
    let rule = TlsRule {
        when: TlsCondition {
            listeners: vec!["2121".parse().unwrap()],
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            users: vec!["bob".to_owned()],
            anonymous: Some(false),
        },
        set: TlsChange { clear_command_channel: Some(false), ..TlsChange::default() },
    };
    assert_eq!(config.core.tls.rules[1..], [rule]);
}

#[test]
fn little_is_enough() {
    let config =
        parse(Path::new("ftpd.toml"), "[server]\nroot = \".\"\n[accounts]\nanonymous = true\n").unwrap();
    assert_eq!(config.bind, Bind::Everywhere);
    assert_eq!(*config.core, Config::default());
    assert_eq!((config.tls, config.uploads), (None, Uploads::Atomic { partial: Partial::Keep }));
    assert_eq!(config.anonymous, Some(Anonymous::default()));
    let dotted = parse(Path::new("f"), "server.root = \"/x\"\naccounts.anonymous.writable = true\n").unwrap();
    assert!(dotted.anonymous.unwrap().writable);
}

#[test]
fn error_numbers_are_left_out() {
    assert_eq!(
        super::reader::without_number("can't: Address already in use (os error 98)"),
        "can't: Address already in use"
    );
    assert_eq!(
        super::reader::without_number("Address already in use (os error 98): ftpd (process 7) has it"),
        "Address already in use: ftpd (process 7) has it"
    );
    assert_eq!(super::reader::without_number("no address"), "no address");
}
