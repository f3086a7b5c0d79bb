//! What `nft -j list ruleset` prints (libnftables-json(5)).

use super::super::needs::Family;
use super::super::rules::{Base, Chain, Condition, Hook, Rule, Ruleset, Verdict};
use super::nftables_match::{Sets, condition, dependencies, key_condition};
use serde_json::Value;
use std::collections::BTreeSet;

/// A table, by family and name.
pub type Table = (String, String);

/// The ruleset, and the tables that only iptables can print: they hold extensions that nft does not show.
///
/// # Errors
/// What is wrong with the text.
pub fn read(text: &str) -> Result<(Ruleset, BTreeSet<Table>), String> {
    let document: Value = serde_json::from_str(text)
        .map_err(|error| format!("{error}; expected what `nft -j list ruleset` prints"))?;
    let objects = document
        .get("nftables")
        .and_then(Value::as_array)
        .ok_or("no \"nftables\" in it; expected what `nft -j list ruleset` prints")?;
    let mut ruleset = Ruleset::default();
    let mut opaque = BTreeSet::new();
    let sets = Sets::collect(objects);
    for object in objects {
        if let Some(chain) = object.get("chain") {
            add_chain(&mut ruleset, chain);
        }
    }
    for object in objects {
        let Some(rule) = object.get("rule") else { continue };
        if has_extension(rule) {
            opaque.insert((word(rule, "family"), word(rule, "table")));
        }
        add_rule(&mut ruleset, rule, &sets);
    }
    Ok((ruleset, opaque))
}

impl Ruleset {
    /// Leaves out a table, because somebody else prints it better.
    pub fn forget_table(&mut self, (family, name): &Table) {
        let start = format!("{family} {name} ");
        self.bases.retain(|base| !base.chain.starts_with(&start));
        self.chains.retain(|key, _| !key.starts_with(&start));
    }
}

fn word(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// How jumps are found: names of chains are unique in a table only.
fn chain_key(object: &Value, chain: &str) -> String {
    format!("{} {} {chain}", word(object, "family"), word(object, "table"))
}

fn has_extension(rule: &Value) -> bool {
    rule.get("expr")
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(|one| one.get("xt").is_some()))
}

fn add_chain(ruleset: &mut Ruleset, chain: &Value) {
    let key = chain_key(chain, &word(chain, "name"));
    ruleset.chains.insert(key.clone(), Chain { title: key.clone(), rules: Vec::new() });
    let families = match word(chain, "family").as_str() {
        "ip" => vec![Family::V4],
        "ip6" => vec![Family::V6],
        "inet" | "netdev" => Family::BOTH.to_vec(),
        _ => return,
    };
    let hook = match word(chain, "hook").as_str() {
        "ingress" => Hook::Ingress,
        "prerouting" => Hook::Prerouting,
        "input" => Hook::Input,
        "output" => Hook::Output,
        "postrouting" => Hook::Postrouting,
        _ => return,
    };
    let policy = if word(chain, "policy") == "drop" { Verdict::Drop } else { Verdict::Accept };
    let priority = chain.get("prio").and_then(Value::as_i64).unwrap_or(0);
    let first_only = word(chain, "type") == "nat";
    ruleset.bases.push(Base { hook, priority, families, chain: key, policy, first_only });
}

fn add_rule(ruleset: &mut Ruleset, rule: &Value, sets: &Sets) {
    let key = chain_key(rule, &word(rule, "chain"));
    let Some(chain) = ruleset.chains.get_mut(&key) else { return };
    let handle = rule.get("handle").and_then(Value::as_u64);
    let comment = rule.get("comment").and_then(Value::as_str).map(str::to_owned);
    let title = match (&comment, handle) {
        (Some(comment), Some(handle)) => format!("{key}, rule {handle} \"{comment}\""),
        (None, Some(handle)) => format!("{key}, rule {handle}"),
        _ => format!("a rule of {key}"),
    };
    let mut reader =
        RuleReader { title, comment, handle, conditions: Vec::new(), sets, rule, rules: Vec::new() };
    for statement in rule.get("expr").and_then(Value::as_array).into_iter().flatten() {
        reader.statement(statement);
    }
    chain.rules.append(&mut reader.rules);
}

/// One rule of nft: statements from left to right, of which each condition holds for what is behind it.
struct RuleReader<'a> {
    title: String,
    comment: Option<String>,
    handle: Option<u64>,
    conditions: Vec<Condition>,
    sets: &'a Sets<'a>,
    rule: &'a Value,
    rules: Vec<Rule>,
}

impl RuleReader<'_> {
    fn push(&mut self, more: Option<Condition>, verdict: Verdict) {
        self.rules.push(Rule {
            title: self.title.clone(),
            comment: self.comment.clone(),
            handle: self.handle,
            conditions: self.conditions.iter().cloned().chain(more).collect(),
            verdict,
        });
    }

    fn unclear(&self, what: &str) -> Verdict {
        Verdict::Unclear(format!("{}: {what} is not understood", self.title))
    }

    fn statement(&mut self, statement: &Value) {
        let Some((name, value)) = statement.as_object().and_then(|object| object.iter().next()) else {
            let verdict = self.unclear("a statement");
            return self.push(None, verdict);
        };
        match name.as_str() {
            "match" => {
                self.conditions.extend(dependencies(value.get("left").unwrap_or(&Value::Null)));
                let condition = condition(value, self.sets, self.rule, &self.title);
                self.conditions.push(condition);
            }
            "vmap" => self.verdict_map(value),
            "limit" => self.limit(value),
            "ct count" => {
                // One ordinary client has few connections.
                let over = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
                self.conditions.push(Condition::Constant(!over));
            }
            "set" | "meter" | "map" => {
                for inner in value.get("stmt").and_then(Value::as_array).into_iter().flatten() {
                    self.statement(inner);
                }
            }
            "quota" => {
                self.conditions.push(Condition::Unknown(format!("{}: it ends with a quota", self.title)))
            }
            "ct helper" => {
                let name = value.as_str().unwrap_or_default();
                let key = (word(self.rule, "family"), word(self.rule, "table"), name.to_owned());
                if self.sets.ftp_helpers.contains(&key) {
                    self.push(None, Verdict::FtpHelper);
                }
            }
            "counter" | "log" | "mangle" | "ct timeout" | "ct expectation" | "secmark" | "dup" | "flow"
            | "last" | "synproxy" | "masquerade" | "snat" | "comment" => {}
            "dnat" | "redirect" | "tproxy" => {
                let text =
                    format!("{}: it leads connections to another address or port ({name})", self.title);
                self.push(None, Verdict::Unclear(text));
            }
            "notrack" => {
                let text = format!("{}: it takes connections out of connection tracking", self.title);
                self.push(None, Verdict::Unclear(text));
            }
            other => {
                let verdict = verdict(other, value, self.rule).unwrap_or_else(|| self.unclear(other));
                self.push(None, verdict);
            }
        }
    }

    /// A limit bounds what is accepted; what is above one is not what ordinary clients do.
    fn limit(&mut self, value: &Value) {
        let over = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
        self.conditions.push(if over {
            Condition::Constant(false)
        } else {
            Condition::Unknown(format!("{}: it holds up to a rate only", self.title))
        });
    }

    fn verdict_map(&mut self, value: &Value) {
        let (key, data) =
            (value.get("key").unwrap_or(&Value::Null), value.get("data").unwrap_or(&Value::Null));
        self.conditions.extend(dependencies(key));
        let elements = self.sets.elements(self.rule, data);
        let Some(elements) = elements else {
            let verdict = self.unclear("a verdict map");
            return self.push(None, verdict);
        };
        for element in elements {
            let pair = element.as_array().map(Vec::as_slice);
            let Some([value, action]) = pair else {
                let verdict = self.unclear("an element of a verdict map");
                self.push(None, verdict);
                continue;
            };
            let condition = key_condition(key, value, self.sets, self.rule, &self.title);
            let known = action.as_object().and_then(|object| object.iter().next());
            let verdict = known.and_then(|(name, value)| verdict(name, value, self.rule));
            let verdict = verdict.unwrap_or_else(|| self.unclear("a verdict"));
            self.push(Some(condition), verdict);
        }
    }
}

fn verdict(name: &str, value: &Value, rule: &Value) -> Option<Verdict> {
    let target = || Some(chain_key(rule, value.get("target")?.as_str()?));
    Some(match name {
        "accept" => Verdict::Accept,
        "drop" | "reject" => Verdict::Drop,
        "return" => Verdict::Return,
        "continue" => Verdict::Continue,
        "jump" => Verdict::Jump(target()?),
        "goto" => Verdict::Goto(target()?),
        _ => return None,
    })
}
