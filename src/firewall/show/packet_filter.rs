//! pf, of OpenBSD and FreeBSD.

use super::super::needs::{Family, Needs};
use super::super::ports::PortSet;
use super::{Options, Page, grants, mappings, nat_family, refuse};

fn list(ports: &PortSet) -> String {
    let single = ports.ranges().count() == 1;
    if single { ports.written(":", " ") } else { format!("{{ {} }}", ports.written(":", " ")) }
}

pub(super) fn pf(page: &mut Page, needs: &Needs, options: &Options) -> Result<(), String> {
    if options.stateful {
        return Err(
            "pf itself reads no FTP (ftp-proxy(8) does, and TLS blinds it); leave --stateful out".to_owned()
        );
    }
    refuse("pf", options, true, true)?;
    page.part("For /etc/pf.conf of the server, OpenBSD and FreeBSD; then pfctl -f /etc/pf.conf");
    page.note("On FreeBSD say which interface that is: ext_if = \"em0\", and write $ext_if for egress.");
    for grant in grants(needs, true) {
        let family = match grant.family {
            None => "",
            Some(Family::V4) => " inet",
            Some(Family::V6) => " inet6",
        };
        let from = match grant.sources[..] {
            [] => "any".to_owned(),
            ref some => {
                let all: Vec<_> = some.iter().map(ToString::to_string).collect();
                format!("{{ {} }}", all.join(" "))
            }
        };
        let to = grant.address.map_or_else(|| "(egress)".to_owned(), |address| address.to_string());
        page.line(format!(
            "pass in quick on egress{family} proto tcp from {from} to {to} port {} flags S/SA keep state label \"{}\"",
            list(&grant.ports),
            grant.comment
        ));
    }
    if let Some(active) = needs.active {
        let from = active.source_port.map_or_else(String::new, |port| format!(" port {port}"));
        page.line(format!(
            "pass out quick on egress proto tcp from (egress){from} to any port 1024:65535 flags S/SA keep state label \"{} active data\"",
            needs.service
        ));
    }
    let Some(nat) = &options.nat else { return Ok(()) };
    let family = if nat_family(nat)? == Family::V4 { "inet" } else { "inet6" };
    let (external, inside) = (nat.external, nat.inside);
    page.part("For the router, OpenBSD:");
    for (outside, listened) in mappings(needs) {
        page.line(format!(
            "pass in quick on egress {family} proto tcp to {external} port {} rdr-to {inside}{}",
            list(&outside),
            redirected(&outside, &listened)
        ));
    }
    page.line(format!(
        "match out on egress {family} proto tcp from {inside} to any port 1024:65535 nat-to {external}"
    ));
    page.part("For the router, FreeBSD (in the place of translation rules, before all that filter):");
    for (outside, listened) in mappings(needs) {
        for (outside, listened) in outside.ranges().zip(listened.ranges()) {
            let (outside, listened) = (PortSet::from(outside), PortSet::from(listened));
            page.note(format!(
                "rdr pass on $ext_if {family} proto tcp to {external} port {} -> {inside}{}",
                list(&outside),
                redirected(&outside, &listened)
            ));
        }
    }
    page.note(format!(
        "nat on $ext_if {family} proto tcp from {inside} to any port 1024:65535 -> {external}"
    ));
    Ok(())
}

/// pf counts on from the first port by itself.
fn redirected(outside: &PortSet, listened: &PortSet) -> String {
    match listened.ranges().next() {
        Some(range) if outside != listened => format!(" port {}:*", range.start()),
        _ => String::new(),
    }
}
