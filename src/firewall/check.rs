//! Compares what a server needs with what a firewall grants.

use super::needs::{Family, Needs, Opening, Purpose};
use super::ports::PortSet;
use super::rules::{Condition, Rule, Ruleset, States, Verdict};
use super::walk::{Leg, Outcome, Probe, Stop, walk};
use ftp_proto::config::Network;
use std::collections::BTreeSet;
use std::fmt;

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// The ports it is about.
    pub ports: PortSet,
    /// What is the matter.
    pub sentence: String,
    /// What to do.
    pub fix: Fix,
}

/// Kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Needed ports are dropped.
    Missing,
    /// The server's own connections are dropped.
    ActiveDropped,
    /// A helper reads control connections that it can't read.
    HelperWithTls,
    /// A helper ignores what names another address.
    HelperWithExternalAddress,
    /// It can't be said.
    Unknown,
    /// More is open than is needed.
    TooWide,
    /// Rules of ours for ports that are no longer needed.
    Stale,
    /// Passive ports are closed, and a helper opens them as they are announced.
    Stateful,
}

impl Kind {
    /// The name for programs.
    pub fn id(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::ActiveDropped => "active-dropped",
            Self::HelperWithTls => "helper-with-tls",
            Self::HelperWithExternalAddress => "helper-with-external-address",
            Self::Unknown => "unknown",
            Self::TooWide => "too-wide",
            Self::Stale => "stale",
            Self::Stateful => "stateful",
        }
    }

    /// 0: good to know; 1: should be looked at; 2: clients are locked out.
    pub fn severity(self) -> u8 {
        match self {
            Self::Missing | Self::ActiveDropped | Self::HelperWithExternalAddress => 2,
            Self::HelperWithTls | Self::Unknown | Self::TooWide | Self::Stale => 1,
            Self::Stateful => 0,
        }
    }
}

/// What to do about a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// Let these ports in.
    Open(PortSet),
    /// What the sentence says.
    Words(String),
}

/// What helps where the first packet passes and a later one does not.
const ESTABLISHED: &str = "let packets of known connections pass there, like `ct state established,related accept` (nft) \
                           or `-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT` (iptables) at the beginning of the \
                           chain";

/// The one that looks, and from where.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The interface clients come by, if it is known.
    pub interface: Option<String>,
}

/// Everything there is to know, the worst first.
pub fn check(needs: &Needs, ruleset: &Ruleset, site: &Site) -> Vec<Finding> {
    let mut findings = Vec::new();
    inbound(needs, ruleset, site, &mut findings);
    outbound(needs, ruleset, site, &mut findings);
    helpers(needs, ruleset, &mut findings);
    rules(needs, ruleset, &mut findings);
    for doubt in &ruleset.doubts {
        findings.push(unknown(PortSet::EMPTY, doubt.clone()));
    }
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.kind.severity()), finding.kind));
    findings
}

/// What rules open beyond the needs, and rules of ours that are no longer needed.
pub fn excess(needs: &Needs, ruleset: &Ruleset) -> Vec<Finding> {
    let mut findings = Vec::new();
    rules(needs, ruleset, &mut findings);
    findings
}

/// The worst of them.
pub fn severity(findings: &[Finding]) -> u8 {
    findings.iter().map(|finding| finding.kind.severity()).max().unwrap_or(0)
}

/// What a client's first packet to an opening looks like, for each kind of client.
fn probes(needs: &Needs, opening: &Opening, site: &Site) -> Vec<Probe> {
    let mut probes = Vec::new();
    for family in opening.families.iter().copied().filter(|family| needs.wants(*family)) {
        let sources: Vec<Option<Network>> = match needs.sources_of(family) {
            none if none.is_empty() => vec![None],
            some => some.into_iter().map(Some).collect(),
        };
        probes.extend(sources.into_iter().map(|source| Probe {
            inbound: true,
            family,
            peer: source,
            host: opening.address,
            interface: site.interface.clone(),
            source_port: None,
            state: States::NEW,
            program: needs.program.clone(),
            service: needs.service.clone(),
        }));
    }
    probes
}

/// Where first packets to needed ports are dropped for sure, for each IP version and opening: what rules that open ports
/// can mend.
pub fn stops(needs: &Needs, ruleset: &Ruleset, site: &Site) -> Vec<(Probe, Stop)> {
    let mut stops = Vec::new();
    for opening in &needs.openings {
        for probe in probes(needs, opening, site) {
            let outcome = walk(ruleset, &probe, &opening.ports);
            let dropped = outcome.dropped;
            let first = outcome.drops.into_iter().filter(|stop| stop.leg == Leg::First);
            let real = first.map(|stop| Stop { ports: stop.ports.and(&dropped), ..stop });
            stops.extend(real.filter(|stop| !stop.ports.is_empty()).map(|stop| (probe.clone(), stop)));
        }
    }
    stops
}

/// Something about ports that is the same for several IP versions.
#[derive(PartialEq)]
struct Remark {
    kind: Kind,
    purpose: Purpose,
    leg: Leg,
    ports: PortSet,
    text: String,
}

fn inbound(needs: &Needs, ruleset: &Ruleset, site: &Site, findings: &mut Vec<Finding>) {
    let mut remarks: Vec<(Remark, BTreeSet<Family>)> = Vec::new();
    let mut add = |remark: Remark, family| match remarks.iter_mut().find(|(known, _)| *known == remark) {
        Some((_, families)) => {
            families.insert(family);
        }
        None => remarks.push((remark, BTreeSet::from([family]))),
    };
    for opening in &needs.openings {
        for probe in probes(needs, opening, site) {
            let outcome = walk(ruleset, &probe, &opening.ports);
            let purpose = opening.purpose;
            let stateful = stateful(needs, ruleset, &probe, opening);
            for Dropped { ports, leg, by: text, .. } in dropped(&outcome, &probe) {
                let helped = ports.and(&stateful);
                for (kind, ports) in [(Kind::Missing, ports.without(&stateful)), (Kind::Stateful, helped)] {
                    if !ports.is_empty() {
                        add(Remark { kind, purpose, leg, ports, text: text.clone() }, probe.family);
                    }
                }
            }
            if !outcome.unknown.is_empty() {
                let text = outcome.doubts.join("; ");
                let (kind, leg) = (Kind::Unknown, Leg::First);
                add(Remark { kind, purpose, leg, ports: outcome.unknown, text }, probe.family);
            }
        }
    }
    for (remark, families) in remarks {
        let Remark { kind, purpose, leg, ports, text } = remark;
        let families: Vec<_> = families.iter().map(ToString::to_string).collect();
        let (are, what) = (are(&ports), format!("{ports} ({purpose}, {})", families.join(" and ")));
        findings.push(match kind {
            Kind::Unknown => unknown(ports, format!("whether {what} may come in can't be said: {text}")),
            Kind::Stateful => Finding {
                kind,
                sentence: format!(
                    "{what} {are} dropped by {text}, but a helper opens ports as they are announced in plain text"
                ),
                fix: Fix::Words("with TLS, open the range instead".to_owned()),
                ports,
            },
            kind => Finding {
                kind,
                sentence: format!("{what} {are} dropped by {text}"),
                fix: match leg {
                    Leg::First => Fix::Open(ports.clone()),
                    Leg::Answer | Leg::Later => Fix::Words(ESTABLISHED.to_owned()),
                },
                ports,
            },
        });
    }
}

fn are(ports: &PortSet) -> &'static str {
    if ports.len() == 1 { "is" } else { "are" }
}

fn unknown(ports: PortSet, sentence: String) -> Finding {
    let fix = Fix::Words("look at that rule, or try a connection from outside".to_owned());
    Finding { kind: Kind::Unknown, ports, sentence, fix }
}

/// Packets that are dropped, and by what.
struct Dropped {
    ports: PortSet,
    leg: Leg,
    /// The rule.
    rule: String,
    /// The same for people, with whom it concerns.
    by: String,
}

/// What is dropped: of each kind of packet each port once, by what comes first on the way.
fn dropped(outcome: &Outcome, probe: &Probe) -> Vec<Dropped> {
    let mut result: Vec<Dropped> = Vec::new();
    let mut unexplained = outcome.dropped.clone();
    let (sure, perhaps): (Vec<_>, Vec<_>) = outcome.drops.iter().partition(|stop| !stop.is_doubtful);
    for stop in sure {
        // Once for each kind of packet, and not again where the same rule drops what would follow.
        let known = result.iter().filter(|known| known.leg == stop.leg || known.rule == stop.by);
        let told = known.fold(PortSet::EMPTY, |told, known| told.or(&known.ports));
        let ports = stop.ports.and(&outcome.dropped).without(&told);
        unexplained = unexplained.without(&ports);
        tell(&mut result, ports, stop, described(stop, outcome, probe));
    }
    for stop in perhaps {
        let ports = stop.ports.and(&unexplained);
        unexplained = unexplained.without(&ports);
        tell(&mut result, ports, stop, described(stop, outcome, probe));
    }
    if !unexplained.is_empty() {
        let by = "the firewall".to_owned();
        result.push(Dropped { ports: unexplained, leg: Leg::First, rule: by.clone(), by });
    }
    result
}

fn tell(result: &mut Vec<Dropped>, ports: PortSet, stop: &Stop, by: String) {
    if ports.is_empty() {
        return;
    }
    match result.iter_mut().find(|known| known.by == by) {
        Some(known) => known.ports = known.ports.or(&ports),
        None => result.push(Dropped { ports, leg: stop.leg, rule: stop.by.clone(), by }),
    }
}

fn described(stop: &Stop, outcome: &Outcome, probe: &Probe) -> String {
    let mut text = stop.by.clone();
    text += match (stop.leg, probe.inbound) {
        (Leg::First, _) => "",
        (Leg::Answer, true) => ", as soon as the server answers",
        (Leg::Answer, false) => ", as soon as the client answers",
        (Leg::Later, _) => ", behind the first packet",
    };
    if let Some(peer) = probe.peer {
        text += &format!(" for clients from {peer}");
    }
    let lets_some_in = outcome.partial.iter().find(|(some, _)| !some.and(&stop.ports).is_empty());
    if let Some((_, rule)) = lets_some_in.filter(|_| stop.leg == Leg::First) {
        text += &format!(" ({rule} lets only some clients in)");
    }
    text
}

/// The passive ports that a helper opens when it reads of them.
fn stateful(needs: &Needs, ruleset: &Ruleset, probe: &Probe, opening: &Opening) -> PortSet {
    let helper = helper_rules(needs, ruleset).next().is_some();
    if opening.purpose != Purpose::Passive || !helper || needs.tls || needs.external.is_some() {
        return PortSet::EMPTY;
    }
    walk(ruleset, &Probe { state: States::RELATED, ..probe.clone() }, &opening.ports).passed
}

fn outbound(needs: &Needs, ruleset: &Ruleset, site: &Site, findings: &mut Vec<Finding>) {
    let Some(active) = needs.active else { return };
    let ports = PortSet::from(1024..=u16::MAX);
    let mut seen = BTreeSet::new();
    for family in needs.families() {
        let probe = Probe {
            inbound: false,
            family,
            peer: None,
            host: None,
            interface: site.interface.clone(),
            source_port: active.source_port,
            state: States::NEW,
            program: needs.program.clone(),
            service: needs.service.clone(),
        };
        let outcome = walk(ruleset, &probe, &ports);
        if !outcome.unknown.is_empty() {
            let text = outcome.doubts.join("; ");
            let text =
                format!("whether active mode may connect to clients by {family} can't be said: {text}");
            findings.push(unknown(outcome.unknown.clone(), text));
        }
        for Dropped { ports, leg, by, .. } in dropped(&outcome, &probe) {
            if !seen.insert(by.clone()) {
                continue;
            }
            let from = active.source_port.map_or_else(String::new, |port| format!(" from port {port}"));
            findings.push(Finding {
                kind: Kind::ActiveDropped,
                sentence: format!("active mode: connections to clients{from}, ports {ports}, are dropped by {by}"),
                fix: Fix::Words(match leg {
                    Leg::First => {
                        "let the server connect to TCP ports from 1024 up, or write enabled = false below [active]"
                            .to_owned()
                    }
                    Leg::Answer | Leg::Later => ESTABLISHED.to_owned(),
                }),
                ports,
            });
        }
    }
}

/// Rules that let a helper read our control connections.
fn helper_rules<'a>(needs: &Needs, ruleset: &'a Ruleset) -> impl Iterator<Item = &'a Rule> {
    let control = needs.control_ports();
    ruleset.rules().map(|(_, rule)| rule).filter(move |rule| {
        rule.verdict == Verdict::FtpHelper
            && !rule.is_never()
            && rule.destination_ports().is_none_or(|ports| !ports.and(&control).is_empty())
    })
}

fn helpers(needs: &Needs, ruleset: &Ruleset, findings: &mut Vec<Finding>) {
    let rule = helper_rules(needs, ruleset).next().map(|rule| rule.title.clone());
    let Some(by) = rule.or_else(|| ruleset.stateful_ftp.then(|| "StatefulFTP is on".to_owned())) else {
        return;
    };
    let fix = if ruleset.stateful_ftp {
        "netsh advfirewall set global StatefulFTP disable"
    } else {
        "remove that rule, and open the passive range instead"
    };
    let mut add = |kind, sentence| {
        let ports = needs.control_ports();
        findings.push(Finding { kind, ports, sentence, fix: Fix::Words(fix.to_owned()) });
    };
    if needs.tls {
        add(
            Kind::HelperWithTls,
            format!(
                "{by}: an FTP helper reads control connections, but over TLS it can't, and opens nothing"
            ),
        );
    }
    if let Some(external) = &needs.external {
        add(
            Kind::HelperWithExternalAddress,
            format!(
                "{by}: an FTP helper reads control connections, and it ignores or rewrites replies that name \
                 {external} instead of the server's own address"
            ),
        );
    }
}

/// What rules open beyond the needs.
fn rules(needs: &Needs, ruleset: &Ruleset, findings: &mut Vec<Finding>) {
    let (all, passive) = (needs.ports(), needs.ports_for(Purpose::Passive));
    for chain in inbound_chains(ruleset) {
        for rule in ruleset.chains.get(chain).into_iter().flat_map(|chain| &chain.rules) {
            let is_loopback = rule.conditions.contains(&Condition::Inside(vec!["lo".to_owned()]));
            if rule.verdict != Verdict::Accept || rule.is_never() || is_loopback || !holds_for_new(rule) {
                continue;
            }
            let tagged = rule.is_tagged(&needs.service);
            let ours = tagged || is_obvious(rule, needs);
            let limited = rule.conditions.iter().any(|condition| matches!(condition, Condition::From(_)));
            let name = &rule.title;
            let mut add = |kind, ports, sentence, fix: &str| {
                findings.push(Finding { kind, ports, sentence, fix: Fix::Words(fix.to_owned()) });
            };
            let Some(ports) = rule.destination_ports() else {
                if ours {
                    let text = format!("{name} opens every port; needed: {all}");
                    add(Kind::TooWide, PortSet::all().without(&all), text, "limit it to these ports");
                }
                continue;
            };
            if tagged && !needs.sources.is_empty() && !limited {
                let text = format!("{name} opens {ports} to everybody, not only to where clients come from");
                add(Kind::TooWide, ports.clone(), text, "limit its sources, or run ftpd firewall apply");
            }
            let (mut stale, mut wide) = (PortSet::EMPTY, PortSet::EMPTY);
            for range in ports.ranges().map(PortSet::from) {
                let excess = range.without(&all);
                if excess.is_empty() {
                } else if excess == range {
                    stale = stale.or(&excess);
                } else if ours || (!limited && !range.and(&passive).is_empty()) {
                    wide = wide.or(&excess);
                }
            }
            if !wide.is_empty() {
                let text = format!("{name} also opens {wide}, where nothing of the server listens");
                add(Kind::TooWide, wide, text, "narrow it to the ports that are needed");
            }
            if tagged && !stale.is_empty() {
                let text = format!("{name} is for {stale}, no longer configured");
                add(Kind::Stale, stale, text, "remove it, or run ftpd firewall apply");
            }
        }
    }
}

/// Whether it can hold for a connection's first packet.
fn holds_for_new(rule: &Rule) -> bool {
    rule.conditions.iter().all(|condition| match condition {
        Condition::State(states) => states.meets(States::NEW),
        Condition::Not(inner) => !matches!(**inner, Condition::State(states) if states == States::NEW),
        _ => true,
    })
}

/// Whether somebody made it for this server, by its name, service or program.
fn is_obvious(rule: &Rule, needs: &Needs) -> bool {
    let says = rule.comment.as_deref().unwrap_or_default().to_ascii_lowercase();
    let words: Vec<_> = says.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    let names = ["ftp", "ftps", "ftpd", "vsftpd", "proftpd"];
    let is_ours = |condition: &Condition| match condition {
        Condition::Program(path) => {
            needs.program.as_ref().is_some_and(|program| program.eq_ignore_ascii_case(path))
        }
        Condition::Service(name) => name.eq_ignore_ascii_case(&needs.service),
        _ => false,
    };
    words.iter().any(|word| names.contains(word)) || rule.conditions.iter().any(is_ours)
}

/// The chains that packets to this host can come through.
fn inbound_chains(ruleset: &Ruleset) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = Vec::new();
    open.extend(ruleset.bases.iter().filter(|base| base.hook.is_inbound()).map(|base| base.chain.as_str()));
    while let Some(key) = open.pop() {
        let Some((key, chain)) = ruleset.chains.get_key_value(key) else { continue };
        if !found.insert(key.as_str()) {
            continue;
        }
        open.extend(chain.rules.iter().filter_map(|rule| match &rule.verdict {
            Verdict::Jump(target) | Verdict::Goto(target) => Some(target.as_str()),
            _ => None,
        }));
    }
    found
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.kind.id(), self.sentence)
    }
}
