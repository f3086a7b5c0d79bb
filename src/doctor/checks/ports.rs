//! Control ports and the passive range: free, allowed, out of the system's way.

use super::or_ok;
use crate::doctor::catalogue as kinds;
use crate::doctor::facts::{Facts, Held, System};
use crate::doctor::finding::Finding;
use ftp_proto::config::{PassivePorts, Ports};
use std::net::SocketAddr;

/// What Windows uses for outgoing connections.
const WINDOWS: Ports = 49_152..=65_535;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let controls = facts.control_addresses();
    let range = facts.config.core.passive.ports.listened();
    for held in &facts.system.held {
        if controls.iter().any(|address| address.port() == held.address.port()) {
            findings.push(
                kinds::CONTROL_PORT_HELD
                    .found(format!("{} listens on {}", holder(held), held.address))
                    .fix("end it, or write another port as bind below [server]"),
            );
        }
    }
    findings.extend(held_passive(&facts.system, &range));
    findings.extend(privileged(facts, &controls, &range));
    if !facts.config.core.passive.enabled {
        findings.push(
            kinds::PASSIVE_OFF.found("passive mode is off").fix("write enabled = true below [passive]"),
        );
    } else if let PassivePorts::Range(range) = &facts.config.core.passive.ports {
        findings.extend(ephemeral(&facts.system, range));
    }
    let seen_to = |facts: &Facts| match &facts.system.server {
        Some(server) => format!("the server runs as process {} and has its ports", server.id),
        None => "all ports are free".to_owned(),
    };
    if findings.iter().all(|finding| finding.kind.severity < crate::doctor::finding::Severity::Warning) {
        findings.extend(or_ok(Vec::new(), || kinds::PORTS_FREE.found(seen_to(facts))));
    }
    findings
}

impl Facts {
    /// Where control connections are accepted, both kinds.
    pub(crate) fn control_addresses(&self) -> Vec<SocketAddr> {
        let mut all = self.config.bind.addresses();
        all.extend(&self.config.bind_implicit_tls);
        all
    }
}

fn holder(held: &Held) -> String {
    match &held.by {
        Some(process) => format!("{} (process {})", process.program, process.id),
        None => "another program (run as root for its name)".to_owned(),
    }
}

fn held_passive(system: &System, range: &Ports) -> Option<Finding> {
    let held: Vec<_> = system.held.iter().filter(|held| range.contains(&held.address.port())).collect();
    let first = held.first()?;
    let mut ports: Vec<_> = held.iter().map(|held| held.address.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    let (count, all) = (ports.len(), range.len());
    let text = format!(
        "{count} of {all} passive ports are held: port {} by {}",
        first.address.port(),
        holder(first)
    );
    let kind = if count >= all { &kinds::PASSIVE_PORTS_ALL_HELD } else { &kinds::PASSIVE_PORTS_HELD };
    Some(kind.found(text).fix("end it, or write a range that is free as ports below [passive]"))
}

/// Who runs has its ports; a server that is yet to start needs the right to them.
fn privileged(facts: &Facts, controls: &[SocketAddr], range: &Ports) -> Option<Finding> {
    let system = &facts.system;
    if system.privileged || system.server.is_some() {
        return None;
    }
    let low = |port: &u16| *port != 0 && *port < system.first_unprivileged;
    let first = range.clone().take(1);
    let port = controls.iter().map(SocketAddr::port).chain(first).find(|port| low(port))?;
    Some(
        kinds::PORT_PRIVILEGED
            .found(format!(
                "port {port} needs a privilege: every user may listen only from {} up",
                system.first_unprivileged
            ))
            .fix(
                "in the systemd unit write AmbientCapabilities=CAP_NET_BIND_SERVICE, or run `setcap \
                 cap_net_bind_service=+ep` on the program",
            ),
    )
}

/// Ports that the system may give to any outgoing connection.
fn ephemeral(system: &System, range: &Ports) -> Vec<Finding> {
    let mut findings = Vec::new();
    let overlaps = |one: &Ports, other: &Ports| one.start() <= other.end() && other.start() <= one.end();
    if let Some(taken) = system.ephemeral.as_ref().filter(|taken| overlaps(taken, range)) {
        let free =
            |port: &u16| !taken.contains(port) || system.reserved.iter().any(|held| held.contains(port));
        let in_the_way = range.clone().filter(|port| !free(port)).count();
        if in_the_way > 0 {
            let mut reserve: Vec<_> = system.reserved.iter().map(in_words).collect();
            reserve.push(in_words(range));
            findings.push(
                kinds::RANGE_EPHEMERAL
                    .found(format!(
                        "{in_the_way} ports of {} are among those the system takes for outgoing connections ({})",
                        in_words(range),
                        in_words(taken)
                    ))
                    .fix(format!(
                        "run `sysctl -w net.ipv4.ip_local_reserved_ports={}` and write it into /etc/sysctl.d/ftpd.conf, \
                         or write ports = \"21000-21099\" below [passive]",
                        reserve.join(",")
                    )),
            );
        }
    }
    if overlaps(&WINDOWS, range) {
        findings.push(kinds::RANGE_EPHEMERAL_WINDOWS.found(format!(
            "{} is among the ports Windows takes for outgoing connections ({})",
            in_words(range),
            in_words(&WINDOWS)
        )));
    }
    findings
}

fn in_words(ports: &Ports) -> String {
    if ports.start() == ports.end() {
        ports.start().to_string()
    } else {
        format!("{}-{}", ports.start(), ports.end())
    }
}
