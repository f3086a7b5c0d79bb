//! What `show` prints is taken by the programs it is for.

use crate::net::Net;
use std::process::Command;

const SERVER: &[&str] = &["--control", "21", "--implicit-tls", "990", "--passive", "41000-41099"];

fn show(arguments: &[&str]) -> String {
    let all = [&["firewall", "show"][..], arguments].concat();
    let output = Command::new(env!("CARGO_BIN_EXE_ftpd")).args(&all).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{all:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn of(target: &str, more: &[&str]) -> String {
    show(&[SERVER, &["--for", target], more].concat())
}

/// Lines that are no comments.
fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("rem"))
        .collect()
}

const FORMS: &[&[&str]] = &[
    &[],
    &["--source", "10.0.0.0/8", "--source", "2001:db8::/32"],
    &["--stateful"],
    &["--active-source-port", "20"],
    &["--nat", "198.51.100.1=10.0.0.2"],
    &["--nat", "2001:db8::1=fd00::2", "--exposed", "51000-51099"],
    &["--nat", "198.51.100.1→10.0.0.2", "--exposed", "51000-51099"],
];

#[test]
fn nft_takes_them() {
    let net = Net::new();
    for form in FORMS {
        let text = of("nftables", form);
        net.shell(&format!("nft -c -f - <<'END'\n{text}\nEND"));
        // Again and again: as often as one likes.
        net.shell(&format!("nft -f - <<'END'\n{text}\nEND\nnft -f - <<'END'\n{text}\nEND"));
    }
    net.shell("nft flush ruleset; nft add table inet filter; nft 'add chain inet filter input { type filter hook input priority 0; }'");
    let text = show(&[
        "--control",
        "192.0.2.1:21",
        "--control",
        "[2001:db8::1]:21",
        "--passive",
        "41000-41099",
        "--for",
        "nftables",
        "--chain",
        "inet filter input",
    ]);
    net.shell(&format!("nft -f - <<'END'\n{text}\nEND"));
    let rules = net.shell("nft list chain inet filter input");
    assert!(
        rules.contains("ip daddr 192.0.2.1 tcp dport { 21, 41000-41099 } ct state new accept"),
        "{rules}"
    );
    assert!(
        rules.contains("ip6 daddr 2001:db8::1 tcp dport { 21, 41000-41099 } ct state new accept"),
        "{rules}"
    );
}

#[test]
fn iptables_of_both_variants_takes_them() {
    let net = Net::new();
    for form in FORMS {
        let text = of("iptables", form);
        for variant in ["nft", "legacy"] {
            let mut count = 0;
            for line in lines(&text) {
                let (program, rule) = line.split_once(' ').unwrap();
                let (table, rule) = match rule.strip_prefix("-t ") {
                    Some(rest) => rest.split_once(' ').unwrap(),
                    None => ("filter", rule),
                };
                net.shell(&format!(
                    "{program}-{variant}-restore --test <<'END'\n*{table}\n{rule}\nCOMMIT\nEND"
                ));
                count += 1;
            }
            assert!(count > 1, "{text}");
        }
    }
    assert!(of("iptables", &[]).contains("--dports 21,990,41000:41099"), "a colon");
}

#[test]
fn each_says_the_same_in_its_own_words() {
    for (target, more, expected) in [
        ("netsh", &[][..], "localport=21,990,41000-41099"),
        ("netsh", &[], "netsh advfirewall set global StatefulFTP disable"),
        ("powershell", &[], "-LocalPort 21,990,\"41000-41099\""),
        ("powershell", &[], "Set-NetFirewallSetting -EnableStatefulFtp False"),
        ("powershell", &["--stateful"], "-EnableStatefulFtp True"),
        ("ufw", &[], "ufw allow 41000:41099/tcp comment 'ftpd passive data'"),
        ("ufw", &["--source", "10.0.0.0/8"], "ufw allow from 10.0.0.0/8 to any port 21 proto tcp comment"),
        ("firewalld", &[], "firewall-cmd --permanent --service=ftpd --add-port=41000-41099/tcp"),
        ("pf", &[], "to (egress) port { 21 990 41000:41099 } flags S/SA keep state"),
        ("pf", &["--nat", "198.51.100.1=10.0.0.2"], "rdr-to 10.0.0.2"),
        ("aws", &[], "'IpProtocol=tcp,FromPort=41000,ToPort=41099,IpRanges=[{CidrIp=0.0.0.0/0,"),
        ("aws", &["--source", "10.0.0.5"], "CidrIp=10.0.0.5/32"),
        ("kubernetes", &[], "- { name: data-41099, protocol: TCP, port: 41099, targetPort: 41099 }"),
        ("kubernetes", &["--exposed", "51000-51099"], "port: 51099, targetPort: 41099"),
        ("kubernetes", &[], "- { protocol: TCP, port: 41000, endPort: 41099 }"),
        ("kubernetes", &[], "externalTrafficPolicy: Local"),
        ("docker", &["--exposed", "51000-51099"], "-p 21:21 -p 990:990 -p 51000-51099:41000-41099"),
        (
            "iptables",
            &["--nat", "198.51.100.1=10.0.0.2", "--exposed", "51000-51099"],
            "--dports 51000:51099 -j DNAT --to-destination 10.0.0.2:41000-41099/51000",
        ),
    ] {
        let text = of(target, more);
        assert!(lines(&text).iter().any(|line| line.contains(expected)), "{target} {more:?}: {text}");
    }
}

#[test]
fn the_stateful_way_is_warned_of() {
    let text = of("nftables", &["--stateful", "--external-address", "203.0.113.7"]);
    assert!(text.contains("WARNING: over TLS") && text.contains("replies that name 203.0.113.7"), "{text}");
    assert!(!lines(&text).concat().contains("41000"), "the helper opens them");
    let plain = show(&["--control", "21", "--passive", "41000-41099", "--for", "nftables", "--stateful"]);
    assert!(!plain.contains("WARNING") && plain.contains("As soon as the server offers TLS"), "{plain}");
}

#[test]
fn what_cannot_be_said_is_refused_in_a_line() {
    for (arguments, expected) in [
        (&["--for", "nftables", "--control", "21", "--passive", "auto:4"][..], "auto:4"),
        (&["--for", "nftables", "--config", "/nowhere.toml"], "/nowhere.toml"),
        (&["--for", "pf", "--control", "21", "--stateful"], "--stateful"),
        (&["--for", "aws", "--control", "21", "--nat", "198.51.100.1=10.0.0.2"], "--nat"),
        (&["--for", "nftables", "--control", "21", "--nat", "198.51.100.1=fd00::2"], "IP versions"),
        (&["--for", "ufw", "--control", "21", "--chain", "inet filter input"], "--chain"),
        (&["--for", "nftables", "--control", "127.0.0.1:21"], "loopback"),
        (
            &["--for", "nftables", "--control", "21", "--passive", "41000-41009", "--exposed", "5-9"],
            "as many",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ftpd"))
            .args(["firewall", "show"])
            .args(arguments)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.lines().count() == 1 && error.contains(expected), "{arguments:?}: {error}");
    }
}
