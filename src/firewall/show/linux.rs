//! Linux: nftables, iptables, ufw, firewalld.

use super::super::needs::{Active, Family, Needs, Purpose};
use super::super::ports::{PortSet, range_text};
use super::{Grant, Nat, Options, Page, Target, grants, mappings, nat_family, refuse};
use ftp_proto::config::Network;

/// What a helper leaves to be opened: the control connections it reads.
fn inbound(needs: &Needs, options: &Options, together: bool) -> Vec<Grant> {
    if !options.stateful {
        return grants(needs, together);
    }
    let control = needs.control_ports();
    let narrowed =
        grants(needs, false).into_iter().map(|grant| Grant { ports: grant.ports.and(&control), ..grant });
    narrowed.filter(|grant| !grant.ports.is_empty()).collect()
}

/// `21`, or `{ 21, 41000-41099 }`.
fn nft_set(ports: &PortSet) -> String {
    let single = ports.ranges().count() == 1;
    if single { ports.written("-", ", ") } else { format!("{{ {} }}", ports.written("-", ", ")) }
}

fn nft_networks(networks: &[Network]) -> String {
    let all: Vec<_> = networks.iter().map(ToString::to_string).collect();
    if all.len() == 1 { all.concat() } else { format!("{{ {} }}", all.join(", ")) }
}

fn nft_family(family: Family) -> &'static str {
    if family == Family::V4 { "ip" } else { "ip6" }
}

/// The conditions of a grant in nft's words.
pub fn nftables_matches(grant: &Grant) -> String {
    let mut text = String::new();
    let family = grant.family.map(nft_family);
    if let (Some(family), true) = (grant.family, grant.address.is_none() && grant.sources.is_empty()) {
        text += if family == Family::V4 { "meta nfproto ipv4 " } else { "meta nfproto ipv6 " };
    }
    if let (Some(word), false) = (family, grant.sources.is_empty()) {
        text += &format!("{word} saddr {} ", nft_networks(&grant.sources));
    }
    if let (Some(word), Some(address)) = (family, grant.address) {
        text += &format!("{word} daddr {address} ");
    }
    text + &format!("tcp dport {} ct state new", nft_set(&grant.ports))
}

fn nft_rule(grant: &Grant) -> String {
    format!("{} accept comment \"{}\"", nftables_matches(grant), grant.comment)
}

/// Commands for grants, if they are for Linux.
pub(super) fn commands(grants: &[Grant], target: Target) -> Option<Vec<String>> {
    let each = |grant: &Grant| -> Option<Vec<String>> {
        Some(match target {
            Target::Nftables => vec![format!("nft 'insert rule inet filter input {}'", nft_rule(grant))],
            Target::Iptables => iptables_rules(grant),
            Target::Ufw => ufw_rules(grant),
            Target::Firewalld => {
                let ports: Vec<_> =
                    firewalld_ports(&grant.ports).iter().map(|port| format!("--add-port={port}")).collect();
                vec![format!(
                    "firewall-cmd --permanent --zone=public {} && firewall-cmd --reload",
                    ports.join(" ")
                )]
            }
            _ => return None,
        })
    };
    Some(grants.iter().map(each).collect::<Option<Vec<_>>>()?.concat())
}

fn iptables_rules(grant: &Grant) -> Vec<String> {
    let rules = PROGRAMS.iter().flat_map(|(family, program)| {
        iptables_matches(grant, *family)
            .into_iter()
            .map(move |rule| format!("{program} -I INPUT {} -j ACCEPT", quoted(&rule)))
    });
    rules.collect()
}

fn ufw_rules(grant: &Grant) -> Vec<String> {
    let rule = |rule: Vec<String>| format!("ufw allow {} comment '{}'", rule.join(" "), grant.comment);
    ufw_arguments(grant).into_iter().map(rule).collect()
}

fn nft_active(service: &str, active: Active) -> String {
    let from = active.source_port.map_or_else(String::new, |port| format!("tcp sport {port} "));
    format!("{from}tcp dport 1024-65535 ct state new accept comment \"{service} active data\"")
}

pub(super) fn nftables(page: &mut Page, needs: &Needs, options: &Options) -> Result<(), String> {
    let service = &needs.service;
    if let Some(nat) = &options.nat {
        return nftables_nat(page, needs, nat);
    }
    let rules: Vec<_> = inbound(needs, options, true).iter().map(nft_rule).collect();
    if let Some([family, table, chain]) = &options.chain {
        page.part("Into the chain that decides; load with nft -f. At its beginning, before what it drops.");
        for rule in &rules {
            page.line(format!("insert rule {family} {table} {chain} {rule}"));
        }
        if options.stateful {
            nftables_helper(page, needs, service);
        }
        if let Some(active) = needs.active {
            page.part("Active mode, if a chain for output drops:");
            page.note(format!("insert rule {family} {table} output {}", nft_active(service, active)));
        }
        return Ok(());
    }
    page.part("Load with nft -f, as often as you like.");
    page.note(
        "An accept here does not override a drop in another chain: every base chain of the hook is asked. If",
    );
    page.note(
        "you have a chain with policy drop or a drop at its end, the rules have to go into that one, like",
    );
    for rule in &rules {
        page.note(format!("    nft 'insert rule inet filter input {rule}'"));
    }
    page.note("(ftpd firewall show --for nftables --chain \"inet filter input\"; ftpd firewall apply finds it by itself).");
    page.line(format!("table inet {service}"));
    page.line(format!("delete table inet {service}"));
    page.line(format!("table inet {service} {{"));
    page.line("\tchain input {");
    page.line("\t\ttype filter hook input priority filter - 1; policy accept;");
    for rule in &rules {
        page.line(format!("\t\t{rule}"));
    }
    page.line("\t}");
    if let Some(active) = needs.active {
        page.line("\tchain output {");
        page.line("\t\ttype filter hook output priority filter - 1; policy accept;");
        page.line(format!("\t\t{}", nft_active(service, active)));
        page.line("\t}");
    }
    page.line("}");
    if options.stateful {
        nftables_helper(page, needs, service);
    }
    Ok(())
}

fn nftables_helper(page: &mut Page, needs: &Needs, service: &str) {
    page.part(
        "No helper acts by itself in current kernels: a rule has to assign it. Your chain has to accept",
    );
    page.note("ct state established,related.");
    page.line(format!("table inet {service}-helper"));
    page.line(format!("delete table inet {service}-helper"));
    page.line(format!("table inet {service}-helper {{"));
    page.line("\tct helper ftp-filter {");
    page.line("\t\ttype \"ftp\" protocol tcp");
    page.line("\t}");
    page.line("\tchain prerouting {");
    page.line("\t\ttype filter hook prerouting priority filter; policy accept;");
    let control = nft_set(&needs.control_ports());
    page.line(format!("\t\ttcp dport {control} ct helper set \"ftp-filter\" comment \"{service} helper\""));
    page.line("\t}");
    page.line("}");
}

fn nftables_nat(page: &mut Page, needs: &Needs, nat: &Nat) -> Result<(), String> {
    let family = nft_family(nat_family(nat)?);
    let Nat { external, inside } = nat;
    let service = &needs.service;
    page.part(format!(
        "For the router: what comes to {external} goes to {inside}, and what {inside} opens leaves as"
    ));
    page.note(format!(
        "{external}. Load with nft -f. No FTP helper is needed, and none may be active (--stateful)."
    ));
    page.line(format!("table {family} {service}-nat"));
    page.line(format!("delete table {family} {service}-nat"));
    page.line(format!("table {family} {service}-nat {{"));
    page.line("\tchain prerouting {");
    page.line("\t\ttype nat hook prerouting priority dstnat; policy accept;");
    for (outside, listened) in mappings(needs) {
        let target = if outside == listened {
            (*inside).to_string()
        } else {
            let pairs = outside.ranges().flatten().zip(listened.ranges().flatten());
            let pairs: Vec<_> = pairs.map(|(outside, listened)| format!("{outside} : {listened}")).collect();
            let host = if inside.is_ipv4() { inside.to_string() } else { format!("[{inside}]") };
            format!("{host} : tcp dport map {{ {} }}", pairs.join(", "))
        };
        page.line(format!("\t\t{family} daddr {external} tcp dport {} dnat to {target}", nft_set(&outside)));
    }
    page.line("\t}");
    page.line("\tchain postrouting {");
    page.line("\t\ttype nat hook postrouting priority srcnat; policy accept;");
    page.line(format!(
        "\t\t{family} saddr {inside} {family} daddr != {inside} tcp dport 1024-65535 snat to {external}"
    ));
    page.line("\t}");
    page.line("}");
    page.part("If the router's chain for forwarding drops, into that chain:");
    page.note("    nft 'insert rule inet filter forward ct status dnat accept'");
    page.note(format!(
        "    nft 'insert rule inet filter forward {family} saddr {inside} tcp dport 1024-65535 accept'"
    ));
    Ok(())
}

/// At most 15 to a rule, of which a range takes two.
fn chunks(ports: &PortSet) -> Vec<PortSet> {
    let mut chunks: Vec<(usize, Vec<_>)> = Vec::new();
    for range in ports.ranges() {
        let weight = if range.len() == 1 { 1 } else { 2 };
        match chunks.last_mut() {
            Some((used, list)) if *used + weight <= 15 => {
                *used += weight;
                list.push(range);
            }
            _ => chunks.push((weight, vec![range])),
        }
    }
    chunks.into_iter().map(|(_, list)| PortSet::of(list)).collect()
}

/// The conditions of a grant in iptables' words, for one IP version; more than one rule if it has many ports or
/// sources.
pub fn iptables_matches(grant: &Grant, family: Family) -> Vec<Vec<String>> {
    if grant.family.is_some_and(|only| only != family) {
        return Vec::new();
    }
    let sources = match grant.sources[..] {
        [] => vec![None],
        ref some => some.iter().map(Some).collect(),
    };
    let mut rules = Vec::new();
    for source in sources {
        for ports in chunks(&grant.ports) {
            let mut words: Vec<String> = Vec::new();
            words.extend(source.iter().flat_map(|source| ["-s".to_owned(), source.to_string()]));
            words.extend(grant.address.iter().flat_map(|address| ["-d".to_owned(), address.to_string()]));
            let list = ports.written(":", ",");
            let text = format!(
                "-p tcp -m conntrack --ctstate NEW -m multiport --dports {list} -m comment --comment"
            );
            words.extend(text.split(' ').map(str::to_owned));
            words.push(grant.comment.clone());
            rules.push(words);
        }
    }
    rules
}

/// Words as a line for a shell.
fn quoted(words: &[String]) -> String {
    let one = |word: &String| if word.contains(' ') { format!("\"{word}\"") } else { word.clone() };
    words.iter().map(one).collect::<Vec<_>>().join(" ")
}

const PROGRAMS: [(Family, &str); 2] = [(Family::V4, "iptables"), (Family::V6, "ip6tables")];

pub(super) fn iptables(page: &mut Page, needs: &Needs, options: &Options) -> Result<(), String> {
    if let Some(nat) = &options.nat {
        return iptables_nat(page, needs, nat);
    }
    page.part("At the beginning of the chain, before what it drops. Ranges are written with a colon.");
    for grant in inbound(needs, options, true) {
        iptables_rules(&grant).iter().for_each(|rule| page.line(rule));
    }
    if options.stateful {
        page.part("No helper acts by itself in current kernels: a rule has to assign it.");
        for (_, program) in PROGRAMS {
            for port in needs.control_ports().ranges() {
                let port = range_text(&port, ":");
                page.line(format!(
                    "{program} -t raw -I PREROUTING -p tcp --dport {port} -m comment --comment \"{} helper\" -j CT --helper ftp",
                    needs.service
                ));
            }
            page.line(format!("{program} -I INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"));
        }
    }
    if let Some(active) = needs.active {
        page.part("Active mode, if OUTPUT drops:");
        let from = active.source_port.map_or_else(String::new, |port| format!("--sport {port} "));
        for (_, program) in PROGRAMS {
            page.note(format!(
                "{program} -I OUTPUT -p tcp {from}--dport 1024:65535 -m conntrack --ctstate NEW -m comment --comment \"{} active data\" -j ACCEPT",
                needs.service
            ));
        }
    }
    page.part(
        "To keep them across a restart (Debian): apt install iptables-persistent, netfilter-persistent save",
    );
    Ok(())
}

fn iptables_nat(page: &mut Page, needs: &Needs, nat: &Nat) -> Result<(), String> {
    let program = if nat_family(nat)? == Family::V4 { "iptables" } else { "ip6tables" };
    let Nat { external, inside } = nat;
    page.part(format!(
        "For the router: what comes to {external} goes to {inside}, and what {inside} opens leaves as"
    ));
    page.note(format!("{external}. No FTP helper is needed, and none may be active (--stateful)."));
    let host = if inside.is_ipv4() { inside.to_string() } else { format!("[{inside}]") };
    for (outside, listened) in mappings(needs) {
        for range in chunks(&outside) {
            let target = match (outside == listened, listened.ranges().next(), outside.ranges().next()) {
                (false, Some(to), Some(from)) => {
                    format!("{host}:{}-{}/{}", to.start(), to.end(), from.start())
                }
                _ => inside.to_string(),
            };
            page.line(format!(
                "{program} -t nat -A PREROUTING -d {external} -p tcp -m multiport --dports {} -j DNAT --to-destination {target}",
                range.written(":", ",")
            ));
        }
    }
    page.line(format!(
        "{program} -t nat -A POSTROUTING -s {inside} -p tcp --dport 1024:65535 -j SNAT --to-source {external}"
    ));
    page.part("If the router's chain FORWARD drops:");
    page.line(format!("{program} -I FORWARD -d {inside} -m conntrack --ctstate DNAT -j ACCEPT"));
    page.line(format!("{program} -I FORWARD -s {inside} -p tcp --dport 1024:65535 -j ACCEPT"));
    Ok(())
}

/// What follows `ufw allow`, in the form that `ufw show added` prints, without the comment; more than one rule if it
/// has many ports or sources. ufw knows no rule for all addresses of one IP version: it is for both.
pub fn ufw_arguments(grant: &Grant) -> Vec<Vec<String>> {
    let mut rules = Vec::new();
    for ports in chunks(&grant.ports) {
        let list = ports.written(":", ",");
        if grant.address.is_none() && grant.sources.is_empty() {
            rules.push(vec![format!("{list}/tcp")]);
            continue;
        }
        let to = grant.address.map_or_else(|| "any".to_owned(), |address| address.to_string());
        let sources: Vec<_> = match grant.sources[..] {
            [] => vec![String::new()],
            ref some => some.iter().map(|network| format!("from {network} ")).collect(),
        };
        for from in sources {
            let rule = format!("{from}to {to} port {list} proto tcp");
            rules.push(rule.split(' ').map(str::to_owned).collect());
        }
    }
    rules
}

pub(super) fn ufw(page: &mut Page, needs: &Needs, options: &Options) -> Result<(), String> {
    refuse("ufw", options, true, false)?;
    page.part("For IPv4 and IPv6, at once and after a restart. Ranges are written with a colon.");
    for grant in inbound(needs, options, false) {
        ufw_rules(&grant).iter().for_each(|rule| page.line(rule));
    }
    if options.stateful {
        page.part("ufw assigns no helper; into /etc/ufw/before.rules and before6.rules, above *filter, then ufw reload:");
        page.note("*raw");
        page.note(":PREROUTING ACCEPT [0:0]");
        for port in needs.control_ports().ranges() {
            let port = range_text(&port, ":");
            page.note(format!("-A PREROUTING -p tcp --dport {port} -j CT --helper ftp"));
        }
        page.note("COMMIT");
    }
    if let Some(active) = needs.active {
        page.part("Active mode, if the default for outgoing is deny:");
        let from = active.source_port.map_or_else(String::new, |port| format!(" port {port}"));
        page.note(format!(
            "ufw allow out proto tcp from any{from} to any port 1024:65535 comment '{} active data'",
            needs.service
        ));
    }
    page.part(format!("Or as a profile: /etc/ufw/applications.d/{0}, then ufw allow {0}", needs.service));
    page.note(format!("[{}]", needs.service));
    page.note("title=FTP server");
    page.note("description=FTP control and passive data");
    let ports = if options.stateful { needs.control_ports() } else { needs.ports() };
    page.note(format!("ports={}/tcp", ports.written(":", ",")));
    Ok(())
}

/// Ports as firewall-cmd wants them.
pub fn firewalld_ports(ports: &PortSet) -> Vec<String> {
    ports.ranges().map(|range| format!("{}/tcp", range_text(&range, "-"))).collect()
}

pub(super) fn firewalld(page: &mut Page, needs: &Needs, options: &Options) -> Result<(), String> {
    refuse("firewalld", options, true, false)?;
    let service = &needs.service;
    let ports = if options.stateful { needs.control_ports() } else { needs.ports() };
    page.part("A service of our own. Not the service \"ftp\" of firewalld: that one is port 21 and a helper, which TLS");
    page.note("blinds and which excludes an external address.");
    page.line(format!("firewall-cmd --permanent --new-service={service}"));
    for port in firewalld_ports(&ports) {
        page.line(format!("firewall-cmd --permanent --service={service} --add-port={port}"));
    }
    if options.stateful {
        page.line(format!("firewall-cmd --permanent --service={service} --add-helper=ftp"));
    }
    let limited = grants(needs, true).iter().any(|grant| grant.address.is_some() || grant.family.is_some());
    if limited {
        for grant in grants(needs, true) {
            for rule in rich_rules(&grant, service) {
                page.line(format!("firewall-cmd --permanent --zone=public --add-rich-rule='{rule}'"));
            }
        }
    } else {
        page.line(format!("firewall-cmd --permanent --zone=public --add-service={service}"));
    }
    page.line("firewall-cmd --reload");
    page.part(
        "If your interface is in another zone than public (firewall-cmd --get-active-zones), write that one.",
    );
    if needs.active.is_some() {
        page.note("Active mode: firewalld lets connections out.");
    }
    page.note(format!("The same as a file, /etc/firewalld/services/{service}.xml:"));
    page.note("<service>");
    page.note("  <short>FTP server</short>");
    for range in ports.ranges() {
        page.note(format!("  <port protocol=\"tcp\" port=\"{}\"/>", range_text(&range, "-")));
    }
    if options.stateful {
        page.note("  <helper name=\"ftp\"/>");
    }
    page.note("</service>");
    if purposes_differ(needs) {
        page.note("(All ports are open at all addresses of the zone.)");
    }
    Ok(())
}

/// Whether some ports are listened on at other addresses than others.
fn purposes_differ(needs: &Needs) -> bool {
    let place = |purpose| needs.openings.iter().filter(move |opening| opening.purpose == purpose);
    let control: Vec<_> = place(Purpose::Control).map(|opening| opening.address).collect();
    place(Purpose::Passive).any(|opening| !control.contains(&opening.address))
}

fn rich_rules(grant: &Grant, service: &str) -> Vec<String> {
    let family = if grant.family == Some(Family::V6) { "ipv6" } else { "ipv4" };
    let to = grant.address.map_or_else(String::new, |address| format!(" destination address=\"{address}\""));
    let sources = match grant.sources[..] {
        [] => vec![String::new()],
        ref some => some.iter().map(|network| format!(" source address=\"{network}\"")).collect(),
    };
    let rule = |from: String| format!("rule family=\"{family}\"{from}{to} service name=\"{service}\" accept");
    sources.into_iter().map(rule).collect()
}
