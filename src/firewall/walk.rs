//! Follows connections through a ruleset. The destination ports are followed exactly, all at once; of everything
//! that can't be known, both ways are followed, so that a port comes out as passed, as dropped, or as unknown.

use super::needs::Family;
use super::ports::PortSet;
use super::rules::{Base, Condition, Hook, Rule, Ruleset, States, Verdict, flags};
use ftp_proto::config::Network;
use std::net::IpAddr;

/// How deep jumps are followed; the kernel allows 16.
const DEPTH: usize = 32;

/// TCP connections, alike in all but the port that they are made to.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Whether they come in.
    pub inbound: bool,
    /// The IP version.
    pub family: Family,
    /// The addresses of the other side; `None`: anywhere.
    pub peer: Option<Network>,
    /// The address of this host; `None`: one of many.
    pub host: Option<IpAddr>,
    /// The interface outside, if it is known.
    pub interface: Option<String>,
    /// The port they are made from; `None`: any from 1024 up.
    pub source_port: Option<u16>,
    /// What the kernel says of the first packet.
    pub state: States,
    /// The program that listens.
    pub program: Option<String>,
    /// The service that listens.
    pub service: String,
}

/// Which packets of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leg {
    /// The first: SYN.
    First,
    /// The other side's answer to it, and all that it sends later.
    Answer,
    /// What follows from the side that made the connection.
    Later,
}

/// The packets of a connection, by their flags.
const PACKETS: [(Leg, u8); 6] = [
    (Leg::First, flags::SYN),
    (Leg::Answer, flags::SYN | flags::ACK),
    (Leg::Later, flags::ACK),
    (Leg::Answer, flags::ACK),
    (Leg::Answer, flags::ACK | flags::PSH),
    (Leg::Later, flags::ACK | flags::PSH),
];

/// What became of the ports.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// They pass.
    pub passed: PortSet,
    /// They are dropped.
    pub dropped: PortSet,
    /// It can't be said.
    pub unknown: PortSet,
    /// Where some are dropped, for sure or perhaps.
    pub drops: Vec<Stop>,
    /// Why it can't be said.
    pub doubts: Vec<String>,
    /// Rules that let some clients to these ports, but not all.
    pub partial: Vec<(PortSet, String)>,
}

/// A place where ports are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Which.
    pub ports: PortSet,
    /// Which packets.
    pub leg: Leg,
    /// By what, for people.
    pub by: String,
    /// The way there: chains, each with the number of the rule. The number behind the last rule is the policy.
    pub path: Vec<(String, usize)>,
    /// Whether it can't be said that they come here.
    pub is_doubtful: bool,
}

/// For which ports something holds: at least, and at most.
struct Hold {
    must: PortSet,
    may: PortSet,
}

fn exactly(ports: PortSet) -> Hold {
    Hold { must: ports.clone(), may: ports }
}

/// At which end of a packet the ports are that are followed.
#[derive(PartialEq, Eq)]
enum End {
    Source,
    Destination,
}

/// Follows connections to these ports, whole ones: a firewall that drops the answers lets nobody in.
pub fn walk(ruleset: &Ruleset, probe: &Probe, ports: &PortSet) -> Outcome {
    let mut outcome = Outcome { passed: ports.clone(), ..Outcome::default() };
    for (leg, flags) in PACKETS {
        follow(ruleset, &Packet { probe, leg, flags }, ports, &mut outcome);
    }
    outcome.unknown = outcome.unknown.without(&outcome.dropped);
    outcome.passed = ports.without(&outcome.dropped).without(&outcome.unknown);
    outcome.doubts.dedup();
    outcome
}

fn follow(ruleset: &Ruleset, packet: &Packet<'_>, ports: &PortSet, outcome: &mut Outcome) {
    let sees = |base: &&Base| {
        base.hook.is_inbound() == packet.is_inbound()
            && base.families.contains(&packet.probe.family)
            && (packet.leg == Leg::First || !base.first_only)
    };
    let mut bases: Vec<_> = ruleset.bases.iter().filter(sees).collect();
    bases.sort_by_key(|base| (base.hook, base.priority));
    for base in bases {
        let mut walker = Walker::new(ruleset, packet, base.hook);
        walker.base(base, ports);
        let (accept, drop) = (walker.may_accept, walker.may_drop);
        outcome.dropped = outcome.dropped.or(&drop.without(&accept));
        outcome.unknown = outcome.unknown.or(&drop.and(&accept));
        outcome.drops.extend(walker.drops);
        if !walker.doubts.is_empty() && !drop.and(&accept).is_empty() {
            outcome.doubts.extend(walker.doubts);
        }
        outcome.partial.extend(walker.partial);
    }
}

/// A packet of such a connection.
struct Packet<'a> {
    probe: &'a Probe,
    leg: Leg,
    flags: u8,
}

impl Packet<'_> {
    /// Whether this host receives it.
    fn is_inbound(&self) -> bool {
        self.probe.inbound == (self.leg != Leg::Answer)
    }

    fn state(&self) -> States {
        if self.leg == Leg::First { self.probe.state } else { States::ESTABLISHED }
    }

    /// The ports at the end that made the connection.
    fn other_port(&self, ports: &PortSet) -> Result<bool, String> {
        let ours = self.probe.source_port.map_or_else(|| PortSet::from(1024..=u16::MAX), PortSet::one);
        match ports.and(&ours) {
            none if none.is_empty() => Ok(false),
            all if all == ours => Ok(true),
            _ => Err(format!("only the ports {ports} of the side that connects match")),
        }
    }

    /// Whether the other side's address is in one of these. Clients from anywhere are ordinary ones: those that no list
    /// names.
    fn is_peer(&self, networks: &[Network]) -> Result<bool, String> {
        match self.probe.peer {
            _ if is_everything(networks, self.probe.family) => Ok(true),
            Some(peer) if networks.iter().any(|network| holds(network, &peer)) => Ok(true),
            Some(peer) if networks.iter().any(|network| holds(&peer, network)) => {
                Err(format!("only some addresses of {peer} match"))
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Whether this host's address is in one of these.
    fn is_host(&self, networks: &[Network]) -> Result<bool, String> {
        let could_be_ours = |network: &Network| {
            Family::of(network.base()) == self.probe.family
                && !network.base().is_multicast()
                && !network.base().is_loopback()
                && network.base() != IpAddr::from([255; 4])
        };
        match self.probe.host {
            _ if is_everything(networks, self.probe.family) => Ok(true),
            Some(address) => Ok(networks.iter().any(|network| network.contains(address))),
            None if !networks.iter().any(could_be_ours) => Ok(false),
            None if self.probe.inbound => {
                Err("it depends on which of the server's addresses clients connect to".to_owned())
            }
            None => Err("it depends on which address the server connects from".to_owned()),
        }
    }
}

/// One base chain.
struct Walker<'a> {
    ruleset: &'a Ruleset,
    packet: &'a Packet<'a>,
    hook: Hook,
    may_accept: PortSet,
    may_drop: PortSet,
    /// Ports of which packets may or may not have been decided before.
    doubtful: PortSet,
    drops: Vec<Stop>,
    doubts: Vec<String>,
    partial: Vec<(PortSet, String)>,
    path: Vec<(String, usize)>,
}

impl<'a> Walker<'a> {
    fn new(ruleset: &'a Ruleset, packet: &'a Packet<'a>, hook: Hook) -> Self {
        Self {
            ruleset,
            packet,
            hook,
            may_accept: PortSet::EMPTY,
            may_drop: PortSet::EMPTY,
            doubtful: PortSet::EMPTY,
            drops: Vec::new(),
            doubts: Vec::new(),
            partial: Vec::new(),
            path: Vec::new(),
        }
    }

    fn base(&mut self, base: &Base, ports: &PortSet) {
        let left = self.chain(&base.chain, ports.clone());
        let chain = self.ruleset.chains.get(&base.chain);
        self.path.push((base.chain.clone(), chain.map_or(0, |chain| chain.rules.len())));
        let title = chain.map_or(base.chain.as_str(), |chain| chain.title.as_str());
        self.decide(&base.policy, &left, &PortSet::EMPTY, &format!("{title} policy drop"));
    }

    /// Returns the ports of packets that come back.
    fn chain(&mut self, key: &str, mut live: PortSet) -> PortSet {
        let ruleset = self.ruleset;
        let Some(chain) = ruleset.chains.get(key).filter(|_| self.path.len() < DEPTH) else {
            self.doubts.push(format!("chain {key} is not there, or calls itself"));
            self.may_accept = self.may_accept.or(&live);
            self.may_drop = self.may_drop.or(&live);
            return PortSet::EMPTY;
        };
        let mut back = PortSet::EMPTY;
        for (index, rule) in chain.rules.iter().enumerate() {
            if live.is_empty() {
                break;
            }
            let hold = self.rule(rule, &live);
            if hold.may.is_empty() {
                continue;
            }
            let unsure = hold.may.without(&hold.must);
            self.path.push((key.to_owned(), index));
            match &rule.verdict {
                Verdict::Continue | Verdict::FtpHelper => {}
                Verdict::Return => {
                    back = back.or(&hold.may);
                    self.doubtful = self.doubtful.or(&unsure);
                    live = live.without(&hold.must);
                }
                Verdict::Jump(target) => {
                    self.doubtful = self.doubtful.or(&unsure);
                    let returned = self.chain(target, hold.may);
                    live = live.without(&hold.must).or(&returned);
                }
                Verdict::Goto(target) => {
                    self.doubtful = self.doubtful.or(&unsure);
                    let returned = self.chain(target, hold.may);
                    back = back.or(&returned);
                    live = live.without(&hold.must);
                }
                verdict => {
                    self.decide(verdict, &hold.must, &unsure, &rule.title);
                    // What is unclear may as well go on.
                    if !matches!(verdict, Verdict::Unclear(_)) {
                        live = live.without(&hold.must);
                    }
                }
            }
            self.path.pop();
        }
        live.or(&back)
    }

    /// Ends the way of these ports, and perhaps of those.
    fn decide(&mut self, verdict: &Verdict, sure: &PortSet, unsure: &PortSet, by: &str) {
        let both = sure.or(unsure);
        if both.is_empty() {
            return;
        }
        match verdict {
            Verdict::Drop => {
                self.may_drop = self.may_drop.or(&both);
                let sure = sure.without(&self.doubtful);
                for (ports, is_doubtful) in [(sure.clone(), false), (both.without(&sure), true)] {
                    if !ports.is_empty() {
                        self.drops.push(Stop {
                            ports,
                            leg: self.packet.leg,
                            by: by.to_owned(),
                            path: self.path.clone(),
                            is_doubtful,
                        });
                    }
                }
                self.doubtful = self.doubtful.or(unsure);
            }
            Verdict::Unclear(reason) => {
                self.doubts.push(reason.clone());
                self.may_accept = self.may_accept.or(&both);
                self.may_drop = self.may_drop.or(&both);
                self.doubtful = self.doubtful.or(&both);
            }
            _ => {
                self.may_accept = self.may_accept.or(&both);
                self.doubtful = self.doubtful.or(unsure);
            }
        }
    }

    /// For which of the ports all conditions hold.
    fn rule(&mut self, rule: &Rule, live: &PortSet) -> Hold {
        let doubts = self.doubts.len();
        let hold = self.all(&rule.conditions, live);
        if hold.may == hold.must {
            // What could not be said made no difference.
            self.doubts.truncate(doubts);
        }
        if hold.may.is_empty() && rule.verdict == Verdict::Accept {
            self.note_partial(rule, live);
        }
        hold
    }

    /// Notes a rule that would hold for clients from some networks only.
    fn note_partial(&mut self, rule: &Rule, live: &PortSet) {
        let is_source = |condition: &&Condition| matches!(condition, Condition::From(_));
        if self.packet.probe.peer.is_some()
            || !self.packet.is_inbound()
            || !rule.conditions.iter().any(|condition| is_source(&condition))
        {
            return;
        }
        let others: Vec<_> =
            rule.conditions.iter().filter(|condition| !is_source(condition)).cloned().collect();
        let doubts = self.doubts.len();
        let ports = self.all(&others, live).must;
        self.doubts.truncate(doubts);
        if !ports.is_empty() {
            self.partial.push((ports, rule.title.clone()));
        }
    }

    fn all(&mut self, conditions: &[Condition], live: &PortSet) -> Hold {
        let mut hold = Hold { must: live.clone(), may: live.clone() };
        for condition in conditions {
            if hold.may.is_empty() {
                break;
            }
            let next = self.condition(condition, &hold.may.clone());
            hold = Hold { must: hold.must.and(&next.must), may: next.may };
        }
        hold
    }

    fn condition(&mut self, condition: &Condition, live: &PortSet) -> Hold {
        let (packet, probe) = (self.packet, self.packet.probe);
        let followed = if packet.leg == Leg::Answer { End::Source } else { End::Destination };
        let known = match condition {
            Condition::Destination(ports) if followed == End::Destination => return exactly(live.and(ports)),
            Condition::SourcePort(ports) if followed == End::Source => return exactly(live.and(ports)),
            Condition::Destination(ports) | Condition::SourcePort(ports) => packet.other_port(ports),
            Condition::Not(inner) => {
                let hold = self.condition(inner, live);
                return Hold { must: live.without(&hold.may), may: live.without(&hold.must) };
            }
            Condition::Any(choices) => {
                let none = Hold { must: PortSet::EMPTY, may: PortSet::EMPTY };
                return choices.iter().fold(none, |hold, choice| {
                    let next = self.all(choice, live);
                    Hold { must: hold.must.or(&next.must), may: hold.may.or(&next.may) }
                });
            }
            Condition::Constant(value) => Ok(*value),
            Condition::Family(family) => Ok(*family == probe.family),
            Condition::From(networks) if packet.is_inbound() => packet.is_peer(networks),
            Condition::From(networks) => packet.is_host(networks),
            Condition::To(networks) if packet.is_inbound() => packet.is_host(networks),
            Condition::To(networks) => packet.is_peer(networks),
            Condition::ToHost => Ok(packet.is_inbound()),
            Condition::Inside(names) if self.hook.is_inbound() => interface(probe, names),
            Condition::Outside(names) if !self.hook.is_inbound() => interface(probe, names),
            // A packet that comes in has no interface to leave by, and the other way round.
            Condition::Inside(_) | Condition::Outside(_) => Ok(false),
            Condition::State(states) => Ok(states.meets(packet.state())),
            Condition::Flags { mask, wanted } => Ok(wanted.contains(&(packet.flags & mask))),
            Condition::Confirmed if packet.leg == Leg::First => Ok(false),
            Condition::Confirmed => Err("it depends on what is known of the connection".to_owned()),
            Condition::Program(path) => program(probe, path),
            Condition::Service(name) => Ok(name.eq_ignore_ascii_case(&probe.service)),
            Condition::Unknown(reason) => Err(reason.clone()),
        };
        match known {
            Ok(true) => Hold { must: live.clone(), may: live.clone() },
            Ok(false) => Hold { must: PortSet::EMPTY, may: PortSet::EMPTY },
            Err(reason) => {
                if !self.doubts.contains(&reason) {
                    self.doubts.push(reason);
                }
                Hold { must: PortSet::EMPTY, may: live.clone() }
            }
        }
    }
}

/// Whether every address is in one of these.
fn is_everything(networks: &[Network], family: Family) -> bool {
    networks.iter().any(|network| network.prefix() == 0 && Family::of(network.base()) == family)
}

/// Whether the first holds all of the second.
fn holds(outer: &Network, inner: &Network) -> bool {
    outer.prefix() <= inner.prefix() && outer.contains(inner.base())
}

fn interface(probe: &Probe, names: &[String]) -> Result<bool, String> {
    let is = |pattern: &String, name: &str| match pattern.strip_suffix(['*', '+']) {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    };
    match &probe.interface {
        Some(name) => Ok(names.iter().any(|pattern| is(pattern, name))),
        None if names.iter().all(|name| name == "lo") => Ok(false),
        None if names.iter().any(|name| name == "*" || name == "+") => Ok(true),
        None => Err(format!(
            "it holds on interface {} only; say which one clients come by with --interface",
            names.join(", ")
        )),
    }
}

fn program(probe: &Probe, path: &str) -> Result<bool, String> {
    match &probe.program {
        Some(ours) => Ok(ours.eq_ignore_ascii_case(path)),
        None => Err(format!("it holds for the program {path} only; say which one ours is with --program")),
    }
}
