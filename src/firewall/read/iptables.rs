//! What `iptables-save` and `ip6tables-save` print, of either variant.

use super::super::needs::Family;
use super::super::ports::PortSet;
use super::super::rules::{Base, Chain, Condition, Hook, Rule, Ruleset, States, Verdict};
use super::{network, networks_between, ports, tcp_flag};

/// Reads the tables of one IP version. `variant` goes into the names of chains: the same may exist in both.
///
/// # Errors
/// What is wrong with the text.
pub fn read(text: &str, family: Family, variant: &str) -> Result<Ruleset, String> {
    let program = if family == Family::V4 { "iptables" } else { "ip6tables" };
    let mut ruleset = Ruleset::default();
    let mut table = String::new();
    let title = |table: &str, chain: &str| format!("{program} {variant} {table} {chain}");
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let complain =
            |what: &str| format!("line {}: {what}; expected what `{program}-save` prints", number + 1);
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut table);
        } else if let Some(rest) = line.strip_prefix(':') {
            let mut parts = rest.split_whitespace();
            let (chain, policy) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("-"));
            let key = title(&table, chain);
            ruleset.chains.insert(key.clone(), Chain { title: key.clone(), rules: Vec::new() });
            if let Some((hook, priority)) = place(&table, chain) {
                let policy = if policy == "DROP" { Verdict::Drop } else { Verdict::Accept };
                let first_only = table == "nat";
                let families = vec![family];
                ruleset.bases.push(Base { hook, priority, families, chain: key, policy, first_only });
            }
        } else if line.starts_with("-A ") || line.starts_with('[') {
            // `iptables-save -c` writes counters first.
            let line = line.split_once("] ").filter(|_| line.starts_with('[')).map_or(line, |(_, rest)| rest);
            let words = words(line);
            let Some((chain, arguments)) = words.get(1).zip(words.get(2..)) else {
                return Err(complain("a rule without a chain"));
            };
            let Some(entry) = ruleset.chains.get_mut(&title(&table, chain)) else {
                return Err(complain("a rule of a chain that is not declared"));
            };
            let name = format!("{program} {line}");
            entry.rules.push(RuleReader::read(arguments, &name, |chain| title(&table, chain)));
        } else if line.starts_with('#') && line.contains("incompatible") {
            let text = line.trim_start_matches(['#', ' ']);
            ruleset.doubts.push(format!("{program}-save: {text}"));
        } else if !(line.is_empty() || line.starts_with('#') || line == "COMMIT") {
            return Err(complain("not understood"));
        }
    }
    Ok(ruleset)
}

/// Where the kernel calls a chain of a table, and in which order.
fn place(table: &str, chain: &str) -> Option<(Hook, i64)> {
    let hook = match chain {
        "PREROUTING" => Hook::Prerouting,
        "INPUT" => Hook::Input,
        "OUTPUT" => Hook::Output,
        "POSTROUTING" => Hook::Postrouting,
        _ => return None,
    };
    let priority = match table {
        "raw" => -300,
        "mangle" => -150,
        "nat" if matches!(hook, Hook::Input | Hook::Postrouting) => 100,
        "nat" => -100,
        "filter" => 0,
        "security" => 50,
        _ => return None,
    };
    Some((hook, priority))
}

/// Words of a line; double quotes hold words together.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut started, mut quoted) = (String::new(), false, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => (quoted, started) = (!quoted, true),
            '\\' => word.extend(letters.next()),
            blank if blank.is_whitespace() && !quoted => {
                if started || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            other => word.push(other),
        }
    }
    if started || !word.is_empty() {
        words.push(word);
    }
    words
}

/// What an option of a match means.
#[derive(Clone, Copy)]
enum Meaning {
    Protocol,
    Source,
    Destination,
    SourceRange,
    DestinationRange,
    Inside,
    Outside,
    DestinationPorts,
    SourcePorts,
    /// Either of both.
    Ports,
    State,
    Status,
    Flags,
    /// Only the first packet.
    Begins,
    DestinationType,
    Set,
    /// Holds for ordinary clients, or does not.
    Ordinarily(bool),
    /// Belongs to another option.
    Detail,
    Limit,
    Comment,
    Unknown,
}

/// Options with how many values they have.
const OPTIONS: &[(&str, usize, Meaning)] = &[
    ("-p", 1, Meaning::Protocol),
    ("-s", 1, Meaning::Source),
    ("-d", 1, Meaning::Destination),
    ("-i", 1, Meaning::Inside),
    ("-o", 1, Meaning::Outside),
    ("-m", 1, Meaning::Detail),
    ("-f", 0, Meaning::Ordinarily(false)),
    ("--dport", 1, Meaning::DestinationPorts),
    ("--dports", 1, Meaning::DestinationPorts),
    ("--sport", 1, Meaning::SourcePorts),
    ("--sports", 1, Meaning::SourcePorts),
    ("--ports", 1, Meaning::Ports),
    ("--src-range", 1, Meaning::SourceRange),
    ("--dst-range", 1, Meaning::DestinationRange),
    ("--ctstate", 1, Meaning::State),
    ("--state", 1, Meaning::State),
    ("--ctstatus", 1, Meaning::Status),
    ("--ctdir", 1, Meaning::Unknown),
    ("--tcp-flags", 2, Meaning::Flags),
    ("--syn", 0, Meaning::Begins),
    ("--tcp-option", 1, Meaning::Unknown),
    ("--dst-type", 1, Meaning::DestinationType),
    ("--src-type", 1, Meaning::Unknown),
    ("--match-set", 2, Meaning::Set),
    ("--limit", 1, Meaning::Limit),
    ("--limit-burst", 1, Meaning::Detail),
    ("--hashlimit-upto", 1, Meaning::Limit),
    ("--hashlimit-above", 1, Meaning::Ordinarily(false)),
    ("--hashlimit-burst", 1, Meaning::Detail),
    ("--hashlimit-mode", 1, Meaning::Detail),
    ("--hashlimit-name", 1, Meaning::Detail),
    ("--hashlimit-srcmask", 1, Meaning::Detail),
    ("--hashlimit-dstmask", 1, Meaning::Detail),
    ("--hashlimit-htable-size", 1, Meaning::Detail),
    ("--hashlimit-htable-max", 1, Meaning::Detail),
    ("--hashlimit-htable-expire", 1, Meaning::Detail),
    ("--hashlimit-htable-gcinterval", 1, Meaning::Detail),
    ("--connlimit-above", 1, Meaning::Ordinarily(false)),
    ("--connlimit-upto", 1, Meaning::Ordinarily(true)),
    ("--connlimit-mask", 1, Meaning::Detail),
    ("--connlimit-saddr", 0, Meaning::Detail),
    ("--connlimit-daddr", 0, Meaning::Detail),
    ("--set", 0, Meaning::Ordinarily(true)),
    ("--rcheck", 0, Meaning::Ordinarily(false)),
    ("--update", 0, Meaning::Ordinarily(false)),
    ("--remove", 0, Meaning::Ordinarily(false)),
    ("--seconds", 1, Meaning::Detail),
    ("--hitcount", 1, Meaning::Detail),
    ("--reap", 0, Meaning::Detail),
    ("--rttl", 0, Meaning::Detail),
    ("--name", 1, Meaning::Detail),
    ("--mask", 1, Meaning::Detail),
    ("--rsource", 0, Meaning::Detail),
    ("--rdest", 0, Meaning::Detail),
    // A routing header that no client sends any more.
    ("--rt-type", 1, Meaning::Ordinarily(false)),
    ("--mark", 1, Meaning::Unknown),
    ("--helper", 1, Meaning::Ordinarily(false)),
    ("--pkt-type", 1, Meaning::Unknown),
    ("--invert", 0, Meaning::Unknown),
    ("--mac-source", 1, Meaning::Unknown),
    ("--comment", 1, Meaning::Comment),
];

struct RuleReader<'a> {
    title: &'a str,
    comment: Option<String>,
    conditions: Vec<Condition>,
}

impl<'a> RuleReader<'a> {
    fn read(words: &[String], title: &'a str, chain: impl Fn(&str) -> String) -> Rule {
        let mut reader = Self { title, comment: None, conditions: Vec::new() };
        let mut verdict = Verdict::Continue;
        let mut rest = words;
        let mut negated = false;
        while let Some((word, behind)) = rest.split_first() {
            rest = behind;
            match word.as_str() {
                "!" => {
                    negated = true;
                    continue;
                }
                "-j" | "-g" => {
                    let target = rest.first().map_or("", String::as_str);
                    verdict = match word.as_str() {
                        "-g" => Verdict::Goto(chain(target)),
                        _ => reader.target(target, rest.get(1..).unwrap_or_default(), &chain),
                    };
                    break;
                }
                option => match OPTIONS.iter().find(|(name, ..)| *name == option) {
                    Some((_, count, meaning)) => {
                        let (values, behind) = rest.split_at((*count).min(rest.len()));
                        rest = behind;
                        reader.option(*meaning, option, values, negated);
                    }
                    None => {
                        reader.unknown(option);
                        // Its values, whatever they are.
                        let values =
                            rest.iter().take_while(|word| !word.starts_with('-') && *word != "!").count();
                        rest = rest.get(values..).unwrap_or_default();
                    }
                },
            }
            negated = false;
        }
        let Self { comment, conditions, .. } = reader;
        Rule { title: title.to_owned(), comment, handle: None, conditions, verdict }
    }

    fn unknown(&mut self, what: &str) {
        self.conditions.push(Condition::Unknown(format!("{}: {what} is not understood", self.title)));
    }

    fn option(&mut self, meaning: Meaning, option: &str, values: &[String], negated: bool) {
        if let Meaning::Comment = meaning {
            self.comment = values.first().cloned();
            return;
        }
        match condition(meaning, values, self.title) {
            None => self.unknown(&format!("{option} {}", values.join(" "))),
            Some(all) => self.conditions.extend(all.map(|condition| condition.negated(negated))),
        }
    }

    fn target(&self, target: &str, options: &[String], chain: impl Fn(&str) -> String) -> Verdict {
        let says = |wanted: &str| options.iter().any(|option| option == wanted);
        match target {
            "ACCEPT" => Verdict::Accept,
            "DROP" | "REJECT" | "TARPIT" => Verdict::Drop,
            "RETURN" => Verdict::Return,
            "CT" if says("--helper") && says("ftp") => Verdict::FtpHelper,
            "CT" if !says("--notrack") => Verdict::Continue,
            "LOG" | "NFLOG" | "ULOG" | "AUDIT" | "MARK" | "CONNMARK" | "SECMARK" | "CONNSECMARK"
            | "TCPMSS" | "TOS" | "DSCP" | "CLASSIFY" | "SET" | "TRACE" | "TEE" | "HL" | "TTL"
            | "CHECKSUM" | "SNAT" | "MASQUERADE" => Verdict::Continue,
            "CT" | "NOTRACK" => {
                Verdict::Unclear(format!("{}: it takes connections out of connection tracking", self.title))
            }
            "DNAT" | "REDIRECT" | "TPROXY" | "NETMAP" => Verdict::Unclear(format!(
                "{}: it leads connections to another address or port ({target})",
                self.title
            )),
            "QUEUE" | "NFQUEUE" | "SYNPROXY" => {
                Verdict::Unclear(format!("{}: another program decides ({target})", self.title))
            }
            other => Verdict::Jump(chain(other)),
        }
    }
}

/// `None`: not understood; `Some(None)`: nothing to hold.
#[expect(clippy::option_option, reason = "two different absences")]
fn condition(meaning: Meaning, values: &[String], title: &str) -> Option<Option<Condition>> {
    let value = values.first().map_or("", String::as_str);
    let list = || value.split(',').map(str::to_ascii_uppercase).collect::<Vec<_>>();
    let set = || {
        value
            .split(',')
            .map(ports)
            .collect::<Option<Vec<_>>>()
            .map(|all| all.iter().fold(PortSet::EMPTY, |all, one| all.or(one)))
    };
    let between = || {
        let (first, last) = value.split_once('-')?;
        Some(networks_between(first.parse().ok()?, last.parse().ok()?))
    };
    Some(Some(match meaning {
        Meaning::Protocol => match value {
            "all" | "0" => return Some(None),
            protocol => Condition::Constant(matches!(protocol, "tcp" | "6")),
        },
        Meaning::Source => Condition::From(vec![network(value)?]),
        Meaning::Destination => Condition::To(vec![network(value)?]),
        Meaning::SourceRange => Condition::From(between()?),
        Meaning::DestinationRange => Condition::To(between()?),
        Meaning::Inside => Condition::Inside(vec![value.to_owned()]),
        Meaning::Outside => Condition::Outside(vec![value.to_owned()]),
        Meaning::DestinationPorts => Condition::Destination(set()?),
        Meaning::SourcePorts => Condition::SourcePort(set()?),
        Meaning::Ports => {
            let ports = set()?;
            Condition::Any(vec![
                vec![Condition::Destination(ports.clone())],
                vec![Condition::SourcePort(ports)],
            ])
        }
        Meaning::State => Condition::State(list().iter().map(|name| States::named(name)).reduce(States::or)?),
        Meaning::Status if list().iter().any(|word| matches!(word.as_str(), "NONE" | "EXPECTED")) => {
            return None;
        }
        Meaning::Status => Condition::Confirmed,
        Meaning::Begins => Condition::Flags { mask: flags("FIN,SYN,RST,ACK")?, wanted: vec![flags("SYN")?] },
        Meaning::Flags => Condition::Flags { mask: flags(value)?, wanted: vec![flags(values.get(1)?)?] },
        Meaning::DestinationType => {
            let is = |wanted: &[&str]| list().iter().any(|kind| wanted.contains(&kind.as_str()));
            match (is(&["LOCAL"]), is(&["UNICAST"])) {
                _ if is(&["UNSPEC"]) => Condition::Constant(true),
                (true, true) => Condition::Constant(true),
                (true, false) => Condition::ToHost,
                (false, true) => Condition::ToHost.negated(true),
                (false, false) => Condition::Constant(false),
            }
        }
        // Nobody looks into sets of addresses: an ordinary client is in none.
        Meaning::Set if values.get(1).is_some_and(|kind| kind == "src") => Condition::From(Vec::new()),
        Meaning::Set | Meaning::Unknown => return None,
        Meaning::Ordinarily(holds) => Condition::Constant(holds),
        Meaning::Limit => Condition::Unknown(format!("{title}: it holds up to a rate only")),
        Meaning::Detail | Meaning::Comment => return Some(None),
    }))
}

/// `SYN,ACK`, `ALL` or `NONE`.
fn flags(text: &str) -> Option<u8> {
    text.split(',').try_fold(0, |bits, name| match name {
        "ALL" => Some(0b11_1111),
        "NONE" => Some(bits),
        name => Some(bits | tcp_flag(name)?),
    })
}
