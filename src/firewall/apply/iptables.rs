//! Rules in a chain of our own, called from INPUT before what drops.

use super::super::check::{Site, stops};
use super::super::needs::{Family, Needs};
use super::super::rules::{Rule, Ruleset, Verdict};
use super::super::show::{Grant, iptables_matches};
use super::super::walk::Stop;
use super::{Place, Plan, Step, as_grant, elsewhere, wanted, without_ours};

/// One of the programs: an IP version and a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What to run, like `ip6tables-legacy`.
    pub command: String,
    /// The IP version.
    pub family: Family,
    /// What the reader was told it is: `nft` or `legacy`.
    pub variant: String,
}

impl Program {
    fn key(&self, chain: &str) -> String {
        let program = if self.family == Family::V4 { "iptables" } else { "ip6tables" };
        format!("{program} {} filter {chain}", self.variant)
    }

    fn step(&self, words: Vec<String>, undo: Option<Vec<String>>) -> Step {
        let command = |words: Vec<String>| {
            // Somebody else may be changing rules.
            [self.command.clone(), "-w".to_owned()].into_iter().chain(words).collect::<Vec<_>>()
        };
        Step { command: command(words), input: Vec::new(), undo: undo.map(command) }
    }
}

fn own_chain(needs: &Needs) -> String {
    format!("{}-IN", needs.service.to_ascii_uppercase())
}

/// Lets in what is dropped.
pub fn apply(needs: &Needs, ruleset: &Ruleset, site: &Site, programs: &[Program]) -> Plan {
    let mut plan = Plan::default();
    for program in programs {
        plan.steps.extend(apply_one(needs, ruleset, site, program));
    }
    if !plan.steps.is_empty() {
        plan.notes.push(
            "these rules hold until the next restart; to keep them (Debian): apt install iptables-persistent && \
             netfilter-persistent save (Fedora: service iptables save)"
                .to_owned(),
        );
    }
    let (bare, _) =
        without_ours(ruleset, |key, rule| programs.iter().any(|program| is_ours(needs, program, key, rule)));
    let reached =
        |stop: &Stop| programs.iter().any(|program| place(program, stop).is_some()) || !is_iptables(stop);
    plan.notes.extend(elsewhere(needs, &bare, site, reached));
    plan
}

fn is_iptables(stop: &Stop) -> bool {
    stop.path.first().is_some_and(|(key, _)| key.starts_with("iptables ") || key.starts_with("ip6tables "))
}

/// Before the rule of INPUT that leads to the drop.
fn place(program: &Program, stop: &Stop) -> Option<Place> {
    stop.path.first().filter(|(key, _)| *key == program.key("INPUT")).cloned()
}

/// Whether this is a place where these programs help.
pub fn reaches(programs: &[Program], stop: &Stop) -> bool {
    programs.iter().any(|program| place(program, stop).is_some())
}

/// Our chain's rules, and the one that leads there.
fn is_ours(needs: &Needs, program: &Program, key: &str, rule: &Rule) -> bool {
    let own = program.key(&own_chain(needs));
    key == own || (key == program.key("INPUT") && rule.verdict == Verdict::Jump(own))
}

fn apply_one(needs: &Needs, ruleset: &Ruleset, site: &Site, program: &Program) -> Vec<Step> {
    let (bare, ours) = without_ours(ruleset, |key, rule| is_ours(needs, program, key, rule));
    let wanted = wanted(needs, &bare, site, |stop| place(program, stop));
    let chain = own_chain(needs);
    let has_chain = ruleset.chains.contains_key(&program.key(&chain));
    let all_pass = stops(needs, ruleset, site).iter().all(|(_, stop)| place(program, stop).is_none());
    let mut have: Vec<Grant> = ours.iter().filter_map(|(_, rule)| as_grant(rule)).collect();
    // The program says the version.
    have.iter_mut().for_each(|grant| grant.family = Some(program.family));
    let want: Vec<Vec<String>> =
        wanted.iter().flat_map(|(_, grant)| iptables_matches(grant, program.family)).collect();
    let have: Vec<Vec<String>> =
        have.iter().flat_map(|grant| iptables_matches(grant, program.family)).collect();
    let jumps = ours.iter().filter(|(key, _)| *key == program.key("INPUT")).count();
    if all_pass && want == have && has_chain != want.is_empty() && jumps == usize::from(has_chain) {
        return Vec::new();
    }
    let mut steps = remove_one(needs, ruleset, program);
    // The first place that drops any of them is before all others.
    let Some(index) = wanted.iter().map(|((_, index), _)| *index).min() else { return steps };
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    steps.push(program.step(words(&["-N", &chain]), Some(words(&["-X", &chain]))));
    for rule in want {
        let line = |action: &str| {
            let end = words(&["-j", "ACCEPT"]);
            words(&[action, &chain]).into_iter().chain(rule.clone()).chain(end).collect::<Vec<_>>()
        };
        steps.push(program.step(line("-A"), Some(line("-D"))));
    }
    let number = (index + 1).to_string();
    steps.push(program.step(
        [words(&["-I", "INPUT", &number]), jump(needs)].concat(),
        Some([words(&["-D", "INPUT"]), jump(needs)].concat()),
    ));
    steps
}

fn jump(needs: &Needs) -> Vec<String> {
    let chain = own_chain(needs);
    ["-m", "comment", "--comment", &needs.service, "-j", &chain].map(str::to_owned).to_vec()
}

/// Takes back our chain.
pub fn remove(needs: &Needs, ruleset: &Ruleset, programs: &[Program]) -> Plan {
    let steps = programs.iter().flat_map(|program| remove_one(needs, ruleset, program)).collect();
    Plan { steps, notes: Vec::new() }
}

fn remove_one(needs: &Needs, ruleset: &Ruleset, program: &Program) -> Vec<Step> {
    let chain = own_chain(needs);
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut steps = Vec::new();
    let rules = |key: &str| ruleset.chains.get(key).map_or(&[][..], |chain| &chain.rules);
    for (index, rule) in rules(&program.key("INPUT")).iter().enumerate() {
        if is_ours(needs, program, &program.key("INPUT"), rule) {
            let number = (index + 1).to_string();
            let undo = [words(&["-I", "INPUT", &number]), jump(needs)].concat();
            let first = steps.is_empty();
            let number = if first { index + 1 } else { index };
            steps.push(program.step(words(&["-D", "INPUT", &number.to_string()]), Some(undo)));
        }
    }
    let own = program.key(&chain);
    if !ruleset.chains.contains_key(&own) {
        return steps;
    }
    for rule in rules(&own) {
        let Some(grant) = as_grant(rule) else { continue };
        for matches in iptables_matches(&Grant { family: Some(program.family), ..grant }, program.family) {
            let line =
                |action: &str| [words(&[action, &chain]), matches.clone(), words(&["-j", "ACCEPT"])].concat();
            steps.push(program.step(line("-D"), Some(line("-A"))));
        }
    }
    // Whatever somebody else wrote into it.
    steps.push(program.step(words(&["-F", &chain]), None));
    steps.push(program.step(words(&["-X", &chain]), Some(words(&["-N", &chain]))));
    steps
}
