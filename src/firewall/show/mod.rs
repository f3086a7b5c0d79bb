//! Rules as texts that can be pasted or loaded, in the words of each system.

mod cloud;
mod linux;
mod packet_filter;
mod windows;

pub use linux::{firewalld_ports, iptables_matches, nftables_matches, ufw_arguments};

use super::needs::{Family, Needs, Purpose};
use super::ports::PortSet;
use ftp_proto::config::Network;
use std::fmt::Write as _;
use std::net::IpAddr;

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Windows, `netsh advfirewall`.
    Netsh,
    /// Windows, PowerShell.
    Powershell,
    /// Linux, `nft`.
    Nftables,
    /// Linux, `iptables` and `ip6tables`.
    Iptables,
    /// Linux, `ufw`.
    Ufw,
    /// Linux, `firewall-cmd`.
    Firewalld,
    /// OpenBSD and FreeBSD.
    Pf,
    /// Security groups.
    Aws,
    /// `Service` and `NetworkPolicy`.
    Kubernetes,
    /// `docker run`.
    Docker,
}

impl Target {
    /// The names on the command line.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("netsh", Self::Netsh),
        ("powershell", Self::Powershell),
        ("nftables", Self::Nftables),
        ("iptables", Self::Iptables),
        ("ufw", Self::Ufw),
        ("firewalld", Self::Firewalld),
        ("pf", Self::Pf),
        ("aws", Self::Aws),
        ("kubernetes", Self::Kubernetes),
        ("docker", Self::Docker),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, target)| *target == self).map_or("", |(name, _)| name)
    }
}

/// How it is wanted.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// With a helper that reads control connections in plain text and opens data ports as they are announced.
    pub stateful: bool,
    /// For a router that passes connections on.
    pub nat: Option<Nat>,
    /// For this chain of nftables: family, table, chain.
    pub chain: Option<[String; 3]>,
}

/// An address outside that stands for one inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    /// Where clients connect to.
    pub external: IpAddr,
    /// Where the server is.
    pub inside: IpAddr,
}

/// Ports that are let in together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The comment of its rule: the tag, and what for.
    pub comment: String,
    /// The ports.
    pub ports: PortSet,
    /// Only at this address.
    pub address: Option<IpAddr>,
    /// Only this IP version; `None`: both.
    pub family: Option<Family>,
    /// Only from these; empty: from anywhere.
    pub sources: Vec<Network>,
}

/// What has to be let in. `together`: one grant for all purposes where that is possible.
pub fn grants(needs: &Needs, together: bool) -> Vec<Grant> {
    let mut groups: Vec<(Vec<Purpose>, Grant)> = Vec::new();
    for opening in &needs.openings {
        let families = match opening.families[..] {
            [one] => vec![Some(one)],
            // Networks are of one version each.
            _ if needs.sources.is_empty() => vec![None],
            _ => Family::BOTH.map(Some).to_vec(),
        };
        for family in families.into_iter().filter(|family| family.is_none_or(|family| needs.wants(family))) {
            let grant = Grant {
                comment: String::new(),
                ports: opening.ports.clone(),
                address: opening.address,
                family,
                sources: family.map_or_else(Vec::new, |family| needs.sources_of(family)),
            };
            add_grant(&mut groups, opening.purpose, grant, together);
        }
    }
    let commented = |(mut purposes, grant): (Vec<Purpose>, Grant)| {
        purposes.sort_unstable();
        Grant { comment: comment(&needs.service, &purposes), ..grant }
    };
    groups.into_iter().map(commented).collect()
}

fn add_grant(groups: &mut Vec<(Vec<Purpose>, Grant)>, purpose: Purpose, grant: Grant, together: bool) {
    let same = |(purposes, known): &&mut (Vec<Purpose>, Grant)| {
        known.address == grant.address
            && known.family == grant.family
            && known.sources == grant.sources
            && (together || purposes.contains(&purpose))
    };
    match groups.iter_mut().find(same) {
        Some((purposes, known)) => {
            known.ports = known.ports.or(&grant.ports);
            if !purposes.contains(&purpose) {
                purposes.push(purpose);
            }
        }
        None => groups.push((vec![purpose], grant)),
    }
}

/// The tag, and what the ports are for.
pub fn comment(service: &str, purposes: &[Purpose]) -> String {
    let words: Vec<_> = purposes.iter().map(ToString::to_string).collect();
    match &words[..] {
        [all @ .., last] if !all.is_empty() => format!("{service} {} and {last}", all.join(", ")),
        words => format!("{service} {}", words.join("")),
    }
}

/// The rules.
///
/// # Errors
/// A sentence, if this can't be said in these words.
pub fn show(needs: &Needs, target: Target, options: &Options) -> Result<String, String> {
    if needs.openings.is_empty() {
        return Err(
            "the server listens on loopback addresses only; nothing has to pass a firewall".to_owned()
        );
    }
    if options.chain.is_some() && target != Target::Nftables {
        return Err(format!("--chain is for nftables; {} has no such choice", target.name()));
    }
    let mut page = Page::new(if target == Target::Netsh { "rem" } else { "#" });
    page.introduction(needs, options);
    match target {
        Target::Netsh => windows::netsh(&mut page, needs, options)?,
        Target::Powershell => windows::powershell(&mut page, needs, options)?,
        Target::Nftables => linux::nftables(&mut page, needs, options)?,
        Target::Iptables => linux::iptables(&mut page, needs, options)?,
        Target::Ufw => linux::ufw(&mut page, needs, options)?,
        Target::Firewalld => linux::firewalld(&mut page, needs, options)?,
        Target::Pf => packet_filter::pf(&mut page, needs, options)?,
        Target::Aws => cloud::aws(&mut page, needs, options)?,
        Target::Kubernetes => cloud::kubernetes(&mut page, needs, options)?,
        Target::Docker => cloud::docker(&mut page, needs, options)?,
    }
    Ok(page.text)
}

/// Commands that let some of the ports in; nothing where that takes more than a line.
pub fn commands(needs: &Needs, target: Target, ports: &PortSet) -> Vec<String> {
    let all = grants(needs, target != Target::Ufw).into_iter();
    let narrowed = all.map(|grant| Grant { ports: grant.ports.and(ports), ..grant });
    let narrowed: Vec<_> = narrowed.filter(|grant| !grant.ports.is_empty()).collect();
    linux::commands(&narrowed, target).or_else(|| windows::commands(&narrowed, target)).unwrap_or_default()
}

/// Why a wish can't be had.
fn refuse(target: &str, options: &Options, stateful: bool, nat: bool) -> Result<(), String> {
    if options.stateful && !stateful {
        return Err(format!(
            "{target} has no filter that reads FTP; leave --stateful out and open the range"
        ));
    }
    if options.nat.is_some() && !nat {
        return Err(format!(
            "{target} does no address translation here; take --nat with nftables, iptables or pf"
        ));
    }
    Ok(())
}

/// The IP version that a NAT is for.
fn nat_family(nat: &Nat) -> Result<Family, String> {
    match (Family::of(nat.external), Family::of(nat.inside)) {
        (external, inside) if external == inside => Ok(external),
        _ => Err(format!(
            "{} and {} are of different IP versions; none leads to the other",
            nat.external, nat.inside
        )),
    }
}

/// The ports as clients see them, with the ports they lead to: one pair for control connections, one for passive
/// data.
fn mappings(needs: &Needs) -> Vec<(PortSet, PortSet)> {
    let passive = needs.ports_for(Purpose::Passive);
    let control = needs.control_ports();
    let outside = needs.exposed.clone().map_or_else(|| passive.clone(), PortSet::from);
    let mut pairs = vec![(control.clone(), control)];
    if !passive.is_empty() {
        pairs.push((outside, passive));
    }
    pairs
}

/// A text with comments.
struct Page {
    text: String,
    mark: &'static str,
}

// Writing to a string can't fail.
impl Page {
    fn new(mark: &'static str) -> Self {
        Self { text: String::new(), mark }
    }

    fn line(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.text, "{}", line.as_ref());
    }

    fn note(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.text, "{} {}", self.mark, text.as_ref());
    }

    /// A part of its own.
    fn part(&mut self, text: impl AsRef<str>) {
        if !self.text.is_empty() {
            self.line("");
        }
        self.note(text);
    }

    fn introduction(&mut self, needs: &Needs, options: &Options) {
        for purpose in [Purpose::Control, Purpose::ImplicitTls, Purpose::Passive] {
            let ports = needs.ports_for(purpose);
            if !ports.is_empty() {
                self.note(format!("{}: TCP ports {ports}, inbound", sentence(&purpose.to_string())));
            }
        }
        if let Some(exposed) = &needs.exposed {
            let (first, last) = (exposed.start(), exposed.end());
            self.note(format!(
                "Clients see the passive ports as {first}-{last}: the router in front maps them."
            ));
        }
        if let Some(active) = needs.active {
            let from = active.source_port.map_or("any port".to_owned(), |port| format!("port {port}"));
            self.note(format!("Active mode: from {from} to TCP ports from 1024 up, outbound"));
        }
        if !needs.sources.is_empty() {
            let sources: Vec<_> = needs.sources.iter().map(ToString::to_string).collect();
            self.note(format!("Only from {}", sources.join(", ")));
        }
        if options.stateful {
            self.stateful_warning(needs);
        }
    }

    fn stateful_warning(&mut self, needs: &Needs) {
        self.note("The stateful way: a helper reads replies like 227 and opens the ports they name.");
        if needs.tls {
            self.note(
                "WARNING: over TLS it can read nothing, and data connections fail. This server offers TLS:",
            );
            self.note("open the passive range instead (leave --stateful out).");
        } else {
            self.note("As soon as the server offers TLS it can read nothing, and data connections fail.");
        }
        if let Some(external) = &needs.external {
            self.note(format!(
                "WARNING: it ignores replies that name {external} instead of the server's own address:"
            ));
            self.note("use a helper or an external address, never both.");
        }
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
