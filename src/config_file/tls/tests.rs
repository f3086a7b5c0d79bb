//! The section `[tls]`: what is wrong with one, and what policies a right one amounts to.

use super::*;
use crate::config_file::{ServerConfig, keys, parse};
use std::path::Path;

/// A file that is right, but for what stands below `[tls]` and in front of it.
fn file(server: &str, tls: &str) -> String {
    format!("[accounts]\nanonymous = true\n[server]\nroot = \".\"\n{server}\n[tls]\n{tls}\n")
}

fn read(server: &str, tls: &str) -> Result<ServerConfig, String> {
    parse(Path::new("ftpd.toml"), &file(server, tls)).map_err(|error| error.to_string())
}

const CERTIFICATE: &str = "certificates = { certificate = \"a.pem\" }\n";

#[test]
fn each_mistake_is_one_line_with_place_key_and_fix() {
    let needs = "needs a certificate; write certificates = [{ certificate = \"fullchain.pem\", key = \"privkey.pem\" }] below [tls]";
    let example = "write { certificate = \"fullchain.pem\", key = \"privkey.pem\" }";
    for (tls, want) in [
        ("certificates = []", format!("7:16: tls.certificates: expected at least one; write [{}]", &example[6..])),
        ("certificates = [\"a.pem\"]", format!("7:17: tls.certificates: expected a table, not a string; {example}")),
        ("certificates = [{ key = \"a\" }]", format!("7:17: tls.certificates: no certificate is named; {example}")),
        (
            "certificates = [{ certifcate = \"a\" }]",
            "7:19: unknown key `tls.certificates.certifcate`; did you mean `tls.certificates.certificate`?".into(),
        ),
        ("minimum = 1.2", "7:11: tls.minimum: a fraction is none of the choices; write \"1.2\" or \"1.3\"".into()),
        (
            "control = \"always\"",
            "7:11: tls.control: \"always\" is none of the choices; write \"allow\" or \"require\" or \"require-for-credentials\"".into(),
        ),
        ("control = \"require\"", format!("7:11: tls.control: {needs}")),
        ("data = \"require\"", format!("7:8: tls.data: {needs}")),
        ("[[tls.rule]]\nusers = [\"bob\"]\ndata = \"require\"", format!("7:1: tls.rule: {needs}")),
        ("rule = 1", "7:8: tls.rule: expected a rule, not a number; write [[tls.rule]]".into()),
        (
            "[[tls.rule]]\nusers = [\"bob\"]",
            "7:1: tls.rule: changes nothing; write one of control, data, data_resumption, ccc, close_notify, client_certificates, server_to_server".into(),
        ),
        (
            "[[tls.rule]]\nnetwork = \"10.0.0.0/8\"",
            "8:1: unknown key `tls.rule.network`; did you mean `tls.rule.networks`?".into(),
        ),
        (
            "[[tls.rule]]\nnetworks = [\"::/0\", \"10.0.0.0/33\"]",
            "8:21: tls.rule.networks: \"10.0.0.0/33\" is no network; write it like 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1".into(),
        ),
        (
            "[[tls.rule]]\nlisteners = \"ftps\"",
            "8:13: tls.rule.listeners: \"ftps\" is no listener; write a port like 990, or 192.0.2.1:990".into(),
        ),
        (
            "[[tls.rule]]\nclient_certificates = \"require\"\nusers = \"bob\"",
            "8:23: tls.rule.client_certificates: is decided before the user is known; write it in a rule without users and anonymous".into(),
        ),
        ("clients = 1", "7:1: unknown key `tls.clients`; write one of tls.certificates, tls.minimum, tls.control, tls.data, tls.data_resumption, tls.ccc, tls.close_notify, tls.client_certificates, tls.server_to_server, tls.client_authorities, tls.revocations, tls.rule".into()),
    ] {
        assert_eq!(read("", tls).unwrap_err(), format!("ftpd.toml:{want}"), "{tls}");
    }
    assert_eq!(
        read("", &format!("{CERTIFICATE}revocations = \"crl.pem\"")).unwrap_err(),
        "ftpd.toml:8:15: tls.revocations: say nothing without those who issue the certificates; write client_authorities = \"ca.pem\" below [tls]"
    );
}

#[test]
fn the_port_of_implicit_tls_is_nothing_else() {
    for (server, tls, want) in [
        (
            "bind_implicit_tls = \"[::]:990\"",
            "",
            "5:21: server.bind_implicit_tls: needs a certificate; write certificates = [{ certificate = \"fullchain.pem\", key = \"privkey.pem\" }] below [tls]",
        ),
        (
            "bind_implicit_tls = [\"21000\"]",
            CERTIFICATE,
            "1:1: passive.ports: port 21000 is for control connections; write a range without it, like 21000-21099",
        ),
        (
            "bind_implicit_tls = \"[::]:2121\"",
            CERTIFICATE,
            "5:21: server.bind_implicit_tls: [::]:2121 is in server.bind, too; TLS begins with the connection or by AUTH, write another port",
        ),
    ] {
        assert_eq!(read(server, tls).unwrap_err(), format!("ftpd.toml:{want}"));
    }
}

#[test]
fn a_certificate_makes_tls_the_rule_but_for_guests() {
    let policies = read("", CERTIFICATE).unwrap().core.tls.clone();
    let resolve = |policies: &TlsPolicies, user| {
        let policy = policies.resolve("192.0.2.1:21".parse().unwrap(), "10.0.0.1".parse().unwrap(), user);
        (policy.control, policy.data, policy.resumption)
    };
    use {ControlPolicy as C, DataPolicy as D, DataResumption as R};
    assert_eq!(resolve(&policies, None), (C::Require, D::Require, R::Require));
    assert_eq!(resolve(&policies, Some("bob")), (C::Require, D::Require, R::Require));
    assert_eq!(resolve(&policies, Some("ftp")), (C::Allow, D::Allow, R::Require));
    // What the file says of everybody or of guests stands above what is built in.
    let tls =
        format!("{CERTIFICATE}data = \"allow\"\n[[tls.rule]]\nanonymous = true\ncontrol = \"require\"\n");
    let policies = read("", &tls).unwrap().core.tls.clone();
    assert_eq!(resolve(&policies, Some("bob")), (C::Require, D::Allow, R::Require));
    assert_eq!(resolve(&policies, Some("ftp")), (C::Require, D::Allow, R::Require));
    // Without a certificate, nothing is asked for that can't be had.
    let none = read("", "data = \"deny\"").unwrap();
    assert_eq!((&none.core.tls, &none.tls), (&TlsPolicies::default(), &None));
}

#[test]
fn every_setting_is_a_key_of_the_section() {
    let keys: Vec<_> = keys::all().collect();
    for (name, _) in SETTINGS {
        assert!(keys.contains(&format!("tls.{name}").as_str()), "{name}");
    }
}
