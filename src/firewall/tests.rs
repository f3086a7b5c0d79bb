//! Readers, the walk and the check, on what real systems print.

use super::check::{Finding, Fix, Site, check, severity};
use super::needs::{Active, Family, Needs, Purpose};
use super::ports::PortSet;
use super::read;
use super::rules::{Ruleset, States};
use super::walk::{Outcome, Probe, walk};
use std::net::IpAddr;

const NFTABLES: &str = include_str!("fixtures/nftables.json");
const IPTABLES: &str = include_str!("fixtures/iptables.txt");
const UFW: &str = include_str!("fixtures/ufw.txt");
const FIREWALLD: &str = include_str!("fixtures/firewalld.txt");
const NETSH: &str = include_str!("fixtures/netsh.txt");
const POWERSHELL: &str = include_str!("fixtures/powershell.json");

fn needs() -> Needs {
    let mut needs = Needs::named("ftpd");
    let any = IpAddr::from([0_u16; 8]);
    needs.listen(Purpose::Control, any, &PortSet::one(21));
    needs.listen(Purpose::Passive, any, &PortSet::from(41_000..=41_099));
    needs
}

fn probe(family: Family) -> Probe {
    Probe {
        inbound: true,
        family,
        peer: None,
        host: None,
        interface: Some("eth1".to_owned()),
        source_port: None,
        state: States::NEW,
        program: None,
        service: "ftpd".to_owned(),
    }
}

fn passed(ruleset: &Ruleset, family: Family, ports: &str) -> Outcome {
    walk(ruleset, &probe(family), &ports.parse().unwrap())
}

/// Identifiers and ports of all findings.
fn found(findings: &[Finding]) -> Vec<(&str, String)> {
    findings.iter().map(|finding| (finding.kind.id(), finding.ports.to_string())).collect()
}

fn says<'a>(findings: &'a [Finding], id: &str) -> Vec<&'a str> {
    findings
        .iter()
        .filter(|finding| finding.kind.id() == id)
        .map(|finding| finding.sentence.as_str())
        .collect()
}

#[test]
fn every_condition_of_nftables_counts() {
    let (ruleset, opaque) = read::nftables::read(NFTABLES).unwrap();
    assert!(opaque.is_empty());
    let outcome = passed(&ruleset, Family::V4, "1-65535");
    // A verdict map, ranges in sets, chains, comparisons; and a rule for IPv4 alone.
    assert_eq!(outcome.passed.to_string(), "5, 80, 443, 4000-5000, 8000-8010, 60000-65535");
    assert_eq!(outcome.unknown.to_string(), "22");
    assert!(outcome.doubts.iter().any(|text| text.contains("rate")), "{:?}", outcome.doubts);
    let others = passed(&ruleset, Family::V6, "1-65535");
    assert_eq!(others.passed.to_string(), "80, 443, 4000-5000, 8000-8010, 60000-65535");
    // By another interface the end is a reject.
    let probe = Probe { interface: Some("wg7".to_owned()), ..probe(Family::V4) };
    let outcome = walk(&ruleset, &probe, &PortSet::one(7000));
    assert!(outcome.drops[0].by.ends_with("rule 33"), "{outcome:?}");
    // Clients of one network come in, at this port.
    let source = "10.1.0.0/16".parse().ok();
    let outcome = walk(&ruleset, &Probe { peer: source, ..probe.clone() }, &"20-23".parse().unwrap());
    assert_eq!(outcome.passed.to_string(), "21");
    let source = "10.0.0.2".parse().ok();
    let outcome = walk(&ruleset, &Probe { peer: source, ..probe }, &PortSet::one(23));
    assert_eq!(outcome.passed.to_string(), "23");
}

/// nft shows no more of a rule than was written, but a rule about `ip saddr` is none for IPv6, whatever it compares.
#[test]
fn what_nft_leaves_unsaid_counts() {
    let rule = |left: &str| {
        format!(
            r#"{{"nftables": [{{"chain": {{"family": "inet", "table": "t", "name": "c", "type": "filter", "hook": "input",
            "prio": 0, "policy": "accept"}}}}, {{"rule": {{"family": "inet", "table": "t", "chain": "c", "handle": 1, "expr":
            [{{"match": {{"op": "!=", "left": {left}, "right": 53}}}}, {{"drop": null}}]}}}}]}}"#
        )
    };
    for (left, v4, v6) in [
        (r#"{"payload": {"protocol": "tcp", "field": "dport"}}"#, true, true),
        (r#"{"payload": {"protocol": "udp", "field": "dport"}}"#, false, false),
        (r#"{"payload": {"protocol": "ip", "field": "protocol"}}"#, true, false),
        (r#"{"payload": {"protocol": "ip6", "field": "nexthdr"}}"#, false, true),
    ] {
        let (ruleset, _) = read::nftables::read(&rule(left)).unwrap();
        for (family, is_dropped) in [(Family::V4, v4), (Family::V6, v6)] {
            assert_eq!(!passed(&ruleset, family, "21").dropped.is_empty(), is_dropped, "{left} {family}");
        }
    }
}

#[test]
fn findings_say_which_ports_and_by_what() {
    let (ruleset, _) = read::nftables::read(NFTABLES).unwrap();
    let needs = Needs { tls: true, ..needs() };
    let findings = check(&needs, &ruleset, &Site { interface: Some("eth1".to_owned()) });
    let missing = says(&findings, "missing");
    assert_eq!(
        missing,
        [
            "21 (control, IPv4) is dropped by inet filter input policy drop (inet filter input, rule 16 lets only \
             some clients in)",
            "21 (control, IPv6) is dropped by inet filter input policy drop",
            "41000-41099 (passive data, IPv4 and IPv6) are dropped by inet filter input policy drop",
        ]
    );
    assert_eq!(severity(&findings), 2);
}

#[test]
fn helpers_open_what_they_can_read() {
    let (ruleset, _) = read::nftables::read(NFTABLES).unwrap();
    let site = Site { interface: Some("eth1".to_owned()) };
    let text = NFTABLES.replace("\"op\": \"==\", \"left\": {\"payload\": {\"protocol\": \"ip\", \"field\": \"saddr\"}}, \"right\": \"@ok\"", "\"op\": \"==\", \"left\": {\"meta\": {\"key\": \"l4proto\"}}, \"right\": \"tcp\"");
    assert_ne!(text, NFTABLES);
    let (open, _) = read::nftables::read(&text).unwrap();
    assert_eq!(found(&check(&needs(), &open, &site)), [("stateful", "41000-41099".to_owned())]);
    let tls = Needs { tls: true, ..needs() };
    let findings = check(&tls, &open, &site);
    assert_eq!(
        found(&findings),
        [("missing", "41000-41099".to_owned()), ("helper-with-tls", "21".to_owned())]
    );
    let external = Needs { external: Some("203.0.113.7".to_owned()), ..needs() };
    let findings = check(&external, &ruleset, &site);
    assert_eq!(says(&findings, "helper-with-external-address").len(), 1);
    assert!(says(&findings, "stateful").is_empty());
}

#[test]
fn every_condition_of_iptables_counts() {
    let ruleset = read::iptables::read(IPTABLES, Family::V4, "legacy").unwrap();
    let outcome = passed(&ruleset, Family::V4, "1-65535");
    // Port 21 is not reached: `-g` comes back where INPUT was called, to its policy.
    assert_eq!(outcome.passed.to_string(), "22, 80, 41000-41009");
    assert_eq!(outcome.unknown.to_string(), "41020-41039");
    assert!(outcome.doubts.iter().any(|text| text.contains("u32")), "{:?}", outcome.doubts);
    let source = "10.9.0.0/16".parse().ok();
    let outcome =
        walk(&ruleset, &Probe { peer: source, ..probe(Family::V4) }, &PortSet::from(41_000..=41_019));
    assert_eq!(outcome.dropped, PortSet::EMPTY);
    let source = "192.0.2.77".parse().ok();
    let outcome = walk(&ruleset, &Probe { peer: source, ..probe(Family::V4) }, &PortSet::one(80));
    assert_eq!(outcome.dropped.to_string(), "80");
    let needs = Needs { active: Some(Active { source_port: Some(20) }), ..needs() };
    let findings = check(&needs, &ruleset, &Site::default());
    // The helper opens what is closed for now, and nothing blocks active mode.
    assert_eq!(says(&findings, "active-dropped"), [""; 0]);
    assert_eq!(says(&findings, "missing").len(), 1, "{findings:#?}");
    assert!(says(&findings, "stateful")[0].contains("41010-41019, 41040-41099"), "{findings:#?}");
}

#[test]
fn connections_of_active_mode_are_followed_out() {
    let text = "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A OUTPUT -p tcp -m tcp --sport 20 --dport 1024:40000 -j ACCEPT\nCOMMIT\n";
    let ruleset = read::iptables::read(text, Family::V4, "nft").unwrap();
    let from = |source_port| Needs { active: Some(Active { source_port }), ..needs() };
    let findings = check(&from(Some(20)), &ruleset, &Site::default());
    assert_eq!(found(&findings), [("active-dropped", "40001-65535".to_owned())]);
    let findings = check(&from(None), &ruleset, &Site::default());
    assert_eq!(found(&findings), [("active-dropped", "1024-65535".to_owned())]);
    assert_eq!(found(&check(&needs(), &ruleset, &Site::default())), []);
}

/// A first packet that passes is not enough.
#[test]
fn a_connection_is_followed_to_its_end() {
    let checked = |input: &str, output: &str| {
        let text = format!("*filter\n:INPUT DROP [0:0]\n:OUTPUT DROP [0:0]\n{input}\n{output}\nCOMMIT\n");
        let ruleset = read::iptables::read(&text, Family::V4, "nft").unwrap();
        check(&needs(), &ruleset, &Site::default())
    };
    let all = "-p tcp -m multiport --dports 21,41000:41099";
    let open = format!("-A INPUT {all} -j ACCEPT");
    let begin = format!("-A INPUT {all} --syn -j ACCEPT");
    let new = format!("-A INPUT {all} -m conntrack --ctstate NEW -j ACCEPT");
    let known_in = "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT";
    let known_out = "-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT";
    let answers = "-A OUTPUT -p tcp -m multiport --sports 21,41000:41099 -j ACCEPT";
    for (input, output) in [
        (open.clone(), known_out),
        (open.clone(), answers),
        (format!("{known_in}\n{new}"), known_out),
        (format!("{known_in}\n{begin}"), answers),
        (open.clone(), "-A OUTPUT -p tcp ! --syn -j ACCEPT"),
    ] {
        assert_eq!(checked(&input, output), [], "{input}; {output}");
    }
    let mute = checked(&open, "");
    assert_eq!(found(&mute), [("missing", "21".to_owned()), ("missing", "41000-41099".to_owned())]);
    assert!(mute[0].sentence.contains("OUTPUT policy drop, as soon as the server answers"), "{mute:?}");
    assert!(matches!(&mute[0].fix, Fix::Words(words) if words.contains("ESTABLISHED")), "{mute:?}");
    let only_data = checked(&open, "-A OUTPUT -p tcp --sport 41000:41099 -j ACCEPT");
    assert_eq!(found(&only_data), [("missing", "21".to_owned())]);
    for input in [new, begin] {
        let deaf = checked(&input, known_out);
        assert!(deaf[0].sentence.contains("INPUT policy drop, behind the first packet"), "{deaf:?}");
    }
}

#[test]
fn what_is_not_understood_is_never_guessed() {
    let start = "*filter\n:INPUT DROP [0:0]\n";
    for (rule, is_unknown) in [
        ("-A INPUT -p tcp -m something --new 5 -j ACCEPT", true),
        ("-A INPUT -p tcp -j NFQUEUE --queue-num 0", true),
        ("-A INPUT -p udp -m something --new 5 -j ACCEPT", false),
        ("-A INPUT -p tcp -m set --match-set ports dst -j ACCEPT", true),
        ("-A INPUT -d 192.0.2.1/32 -p tcp -j ACCEPT", true),
        ("-A INPUT -i eth7 -p tcp -j ACCEPT", true),
    ] {
        let ruleset = read::iptables::read(&format!("{start}{rule}\nCOMMIT\n"), Family::V4, "nft").unwrap();
        let outcome = walk(&ruleset, &Probe { interface: None, ..probe(Family::V4) }, &PortSet::one(21));
        assert_eq!(outcome.unknown == PortSet::one(21), is_unknown, "{rule}: {outcome:?}");
        assert_eq!(outcome.dropped == PortSet::one(21), !is_unknown, "{rule}: {outcome:?}");
    }
    // What cannot be told apart does not matter where both ways end alike.
    let text =
        format!("{start}-A INPUT -m mark --mark 1 -j ACCEPT\n-A INPUT -p tcp --dport 21 -j ACCEPT\nCOMMIT\n");
    let ruleset = read::iptables::read(&text, Family::V4, "nft").unwrap();
    assert_eq!(passed(&ruleset, Family::V4, "21").passed.to_string(), "21");
    // A loop ends.
    let text = format!("{start}:a - [0:0]\n-A INPUT -j a\n-A a -j a\nCOMMIT\n");
    let ruleset = read::iptables::read(&text, Family::V4, "nft").unwrap();
    assert_eq!(passed(&ruleset, Family::V4, "21").unknown.to_string(), "21");
}

#[test]
fn rules_of_ours_are_known_again() {
    let ruleset = read::ufw::read(UFW).unwrap();
    let findings = check(&needs(), &ruleset, &Site::default());
    assert_eq!(
        found(&findings),
        [
            ("missing", "41051-41099".to_owned()),
            ("too-wide", "41100-42000".to_owned()),
            ("stale", "43000-43099".to_owned()),
        ]
    );
    assert!(findings[0].sentence.contains("IPv6) are dropped by ufw in policy drop"), "{findings:#?}");
    // A default that isn't shown is not guessed.
    let text = UFW.replace("Default:", "Something:");
    let findings = check(&needs(), &read::ufw::read(&text).unwrap(), &Site::default());
    assert!(!says(&findings, "unknown").is_empty());
    assert_eq!(
        found(&check(&needs(), &read::ufw::read("Status: inactive\n").unwrap(), &Site::default())),
        []
    );
}

#[test]
fn zones_of_firewalld_are_followed() {
    let ruleset = read::firewalld::read(FIREWALLD).unwrap();
    let findings = check(&Needs { tls: true, ..needs() }, &ruleset, &Site::default());
    // The stock service assigns the helper; the ports of the other are not shown.
    assert_eq!(says(&findings, "helper-with-tls").len(), 1);
    assert!(says(&findings, "unknown")[0].contains("--info-service=warehouse"), "{findings:#?}");
    assert!(says(&findings, "missing")[0].starts_with("41000 (passive data, IPv4)"), "{findings:#?}");
    let text = format!("{FIREWALLD}\nwarehouse\n  ports: 41050-41059/tcp\n  helpers: \n");
    let findings = check(&needs(), &read::firewalld::read(&text).unwrap(), &Site::default());
    assert_eq!(says(&findings, "unknown"), [""; 0]);
    assert!(says(&findings, "stateful").is_empty(), "a zone tells nothing of connections");
    assert!(
        says(&findings, "missing").iter().any(|text| text.starts_with("41060-41099 (passive data")),
        "{findings:#?}"
    );
}

#[test]
fn rules_of_windows_are_read_in_both_forms() {
    let ruleset = read::windows::read_netsh(NETSH).unwrap();
    let needs = Needs { tls: true, program: Some("c:\\program files\\FTPD\\ftpd.exe".to_owned()), ..needs() };
    let findings = check(&needs, &ruleset, &Site::default());
    let all = found(&findings);
    // A block wins, and what holds in some networks only is unknown.
    assert!(all.contains(&("missing", "41040-41045".to_owned())), "{findings:#?}");
    assert!(all.contains(&("missing", "41060-41099".to_owned())), "{findings:#?}");
    assert!(all.contains(&("unknown", "41050-41059".to_owned())), "{findings:#?}");
    assert!(all.contains(&("helper-with-tls", "21".to_owned())), "{findings:#?}");
    assert!(
        says(&findings, "too-wide")[0].contains("\"FTP server program\" opens every port"),
        "{findings:#?}"
    );

    let ruleset = read::windows::read_powershell(POWERSHELL).unwrap();
    let needs = Needs { active: Some(Active { source_port: None }), ..needs };
    let findings = check(&needs, &ruleset, &Site::default());
    assert!(says(&findings, "missing")[0].starts_with("41050-41099 (passive data"), "{findings:#?}");
    assert!(says(&findings, "too-wide")[0].contains("\"ftpd service\""), "{findings:#?}");
    assert!(says(&findings, "active-dropped")[0].contains("ports 2525,"), "{findings:#?}");
    assert_eq!(says(&findings, "helper-with-tls"), [""; 0]);
}

#[test]
fn text_that_is_something_else_is_refused_in_a_sentence() {
    type Reader = fn(&str) -> Result<Ruleset, String>;
    let readers: [(Reader, &str); 6] = [
        (|text| Ok(read::nftables::read(text)?.0), "nft -j list ruleset"),
        (|text| read::iptables::read(text, Family::V4, "nft"), "iptables-save"),
        (read::ufw::read, "ufw status verbose"),
        (read::firewalld::read, "firewall-cmd --list-all-zones"),
        (read::windows::read_netsh, "netsh advfirewall"),
        (read::windows::read_powershell, "PowerShell"),
    ];
    for (reader, expected) in readers {
        let problem = reader("Hello, how are you?").unwrap_err();
        assert!(problem.contains(expected) && !problem.contains('\n'), "{problem}");
    }
}
