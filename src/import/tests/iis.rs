use super::*;
use ftp_proto::config::{ControlPolicy, DataPolicy, DataResumption, External, PassivePorts};
use std::time::Duration;

const PATH: &str = "/old/applicationHost.config";

fn read(text: &str, site: Option<&str>) -> Read {
    Read::of(Server::Iis, PATH, site, &Memory::with(&[(PATH, text)]))
}

#[test]
fn firewall_support() {
    let read = read(include_str!("fixtures/iis/firewall.config"), None);
    let (config, core) = (&read.config, &read.config.core);
    assert_eq!(config.bind, config_file::Bind::At(vec!["[::]:21".parse().unwrap()]));
    assert_eq!(config.bind_implicit_tls, ["[::]:990".parse().unwrap()]);
    assert_eq!(core.passive.ports, PassivePorts::Range(41_000..=41_099));
    assert_eq!(core.passive.external, External::Literal("203.0.113.50".parse().unwrap()));
    assert_eq!(core.active.source_port, Some(20));
    let policy = core.tls.default;
    assert_eq!(
        (policy.control, policy.data, policy.resumption),
        (ControlPolicy::RequireForCredentials, DataPolicy::Require, DataResumption::Off)
    );
    assert!(policy.clear_command_channel);
    // The site before the defaults of sites before those of IIS.
    assert_eq!(core.timeouts.idle, Duration::from_secs(600));
    assert_eq!(core.timeouts.login, Duration::from_secs(20));
    assert_eq!(core.timeouts.stall, Duration::from_secs(30));
    assert_eq!(core.limits.sessions, 500);
    assert_eq!(core.greeting, "Exchange of the works.");
    assert_eq!(config.uploads, config_file::Uploads::Atomic { partial: config_file::Partial::Keep });
    assert!(config.accounts.is_some() && config.anonymous.is_none());
    assert_eq!(
        read.attention(),
        [
            (15, "virtualDirectory"),
            (16, "virtualDirectory /archive"),
            (25, "ssl serverCertHash"),
            (27, "basicAuthentication"),
            (30, "userIsolation mode"),
            (31, "messages exitMessage"),
            (47, "ipSecurity add"),
            (58, "authorization"),
        ]
    );
    let export = read.advice("ssl serverCertHash");
    assert!(export.contains("Cert:\\LocalMachine\\My\\A1B2C3D4E5F60718293A4B5C6D7E8F9001122334"), "{export}");
    assert!(export.contains("openssl pkcs12"));
    assert!(read.has_comment("ftpd user add --accounts accounts.toml 'b o' --root HOME --rights all"));
}

#[test]
fn of_several_sites_one_is_taken() {
    let text = include_str!("fixtures/iis/two-sites.config");
    let first = read(text, None);
    assert_eq!(first.config.bind, config_file::Bind::At(vec!["192.0.2.7:21".parse().unwrap()]));
    let guests = first.config.anonymous.as_ref().unwrap();
    assert_eq!((guests.root.as_deref(), guests.writable), (Some(Path::new("/srv/ftp")), true));
    assert!(first.config.tls.is_none());
    assert!(first.advice("site Inside").contains("--site Inside"));
    assert!(first.advice("site Inside").contains("names = [\"intern.example.org\"], root and accounts"));
    assert!(first.advice("location path").contains("--rights-below"));
    assert!(first.advice("dataChannelSecurity matchClientAddressForPasv").contains("peer_check"));
    assert!(first.advice("firewallSupport lowDataChannelPort").contains("any port"));
    assert!(!first.imported.toml.contains("enc:secret"));

    let second = read(text, Some("inside"));
    assert_eq!(second.config.bind, config_file::Bind::At(vec!["192.0.2.8:2100".parse().unwrap()]));
    let policy = second.config.core.tls.default;
    assert_eq!((policy.control, policy.data), (ControlPolicy::Allow, DataPolicy::Deny));
    assert!(second.advice("site Public").contains("--site Public"));
    assert!(!second.advice("site Public").contains("[[host]]"));
    assert!(second.advice("binding").contains("names = [\"intern.example.org\"]"));
    assert!(second.advice("ssl serverCertHash").contains("\\My\\abcd "));

    let files = Memory::with(&[(PATH, text)]);
    let error = import(Server::Iis, Path::new(PATH), Some("Web"), &files).unwrap_err();
    assert_eq!(error.to_string(), format!("{PATH}: no FTP site \"Web\"; write one of Public, Inside"));
}

#[test]
fn what_is_no_xml_is_refused_with_its_place() {
    let broken = error(Server::Iis, "<configuration>\n  <sites></site>\n</configuration>");
    assert!(broken.starts_with("/etc/old.conf:2:"), "{broken}");
    let other = error(Server::Iis, "<configuration/>");
    assert!(other.contains("applicationHost.config"), "{other}");
    // A bomb of entities, and elements nested without end.
    let bomb = error(Server::Iis, "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>");
    assert!(bomb.starts_with("/etc/old.conf:1:"), "{bomb}");
    let deep = "<a>".repeat(200_000);
    assert!(error(Server::Iis, &deep).starts_with("/etc/old.conf:"));
    let closed = format!("{deep}{}", "</a>".repeat(200_000));
    assert!(error(Server::Iis, &closed).contains("no site"));
}

/// Without a certificate IIS has no TLS, whatever the policy asks for.
#[test]
fn tls_without_a_certificate() {
    let text = r#"<c><site name="a"><bindings><binding protocol="FTP" bindingInformation="*:990:"/></bindings></site></c>"#;
    let read = read(text, None);
    assert!(read.config.tls.is_none() && read.config.bind_implicit_tls.is_empty());
    assert!(read.advice("ssl controlChannelPolicy").contains("nobody could log in"));
}
