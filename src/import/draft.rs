//! What the new configuration will say, with where each value comes from, and what could not be said.

use crate::accounts::User;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use toml_edit::{Array, InlineTable, Value};

/// A line of a file; line 0 stands for the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}", self.file.display()),
            line => write!(out, "{}:{line}", self.file.display()),
        }
    }
}

/// Something of the old configuration that the new one does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it stands.
    pub place: Place,
    /// The directive.
    pub directive: String,
    /// Why it was left out or changed, and what to do instead.
    pub advice: String,
}

/// In one line: `FILE:LINE: directive: advice`.
impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}: {}: {}", self.place, self.directive, self.advice);
        out.write_str(&one_line(&text))
    }
}

/// Where a value comes from, as a comment beside it says.
#[derive(Clone, Debug)]
pub(super) struct Origin(String);

impl Origin {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same with a word more.
    pub(super) fn and(&self, more: &str) -> Self {
        Self(format!("{}; {more}", self.0))
    }
}

/// A rule of `[[passive.rule]]` or `[[tls.rule]]`: keys and values in their order.
pub(super) type Rule = Vec<(&'static str, Value)>;

/// The new configuration while it is written.
pub(super) struct Draft {
    pub(super) main: Place,
    values: BTreeMap<&'static str, (Value, Origin)>,
    rules: Vec<(&'static str, Rule, Origin)>,
    attention: Vec<Note>,
    needless: Vec<Note>,
    /// Lines about accounts: what to run.
    pub(super) accounts: Vec<String>,
    /// Accounts whose passwords can be taken over.
    pub(super) users: Vec<User>,
}

impl Draft {
    pub(super) fn new(file: &Path) -> Self {
        Self {
            main: Place { file: file.into(), line: 0 },
            values: BTreeMap::new(),
            rules: Vec::new(),
            attention: Vec::new(),
            needless: Vec::new(),
            accounts: Vec::new(),
            users: Vec::new(),
        }
    }

    /// Says the value of a key.
    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Value>, origin: Origin) {
        self.values.insert(key, (value.into(), origin));
    }

    /// Says a list.
    pub(super) fn set_all(
        &mut self,
        key: &'static str,
        values: impl IntoIterator<Item = String>,
        origin: Origin,
    ) {
        self.set(key, Value::Array(values.into_iter().collect::<Array>()), origin);
    }

    /// Says an inline table.
    pub(super) fn set_table(
        &mut self,
        key: &'static str,
        entries: impl IntoIterator<Item = (&'static str, Value)>,
        origin: Origin,
    ) {
        self.set(key, Value::InlineTable(entries.into_iter().collect::<InlineTable>()), origin);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Adds a rule; `list` is `passive.rule` or `tls.rule`.
    pub(super) fn rule(&mut self, list: &'static str, rule: Rule, origin: Origin) {
        self.rules.push((list, rule, origin));
    }

    /// Somebody has to look at this.
    pub(super) fn attention(
        &mut self,
        place: &Place,
        directive: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.attention.push(Note {
            place: place.clone(),
            directive: directive.into(),
            advice: advice.into(),
        });
    }

    /// The same about the file as a whole.
    pub(super) fn attention_to_file(&mut self, about: &str, advice: impl Into<String>) {
        let place = self.main.clone();
        self.attention(&place, about, advice);
    }

    /// This was left out, and nothing is lost.
    pub(super) fn needless(
        &mut self,
        place: &Place,
        directive: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.needless.push(Note { place: place.clone(), directive: directive.into(), advice: advice.into() });
    }

    /// What needs attention, in the order of the file.
    pub(super) fn into_attention(mut self) -> (Vec<Note>, Vec<User>) {
        sort(&mut self.attention);
        (self.attention, self.users)
    }

    /// The whole as TOML.
    pub(super) fn render(&mut self, server: &str) -> String {
        sort(&mut self.attention);
        sort(&mut self.needless);
        let mut text = Text::default();
        text.comment(&format!(
            "Made from {} ({server}) by `ftpd import`. Look it over, add the accounts, then: ftpd check-config FILE",
            self.main.file.display()
        ));
        for section in SECTIONS {
            let (name, dotted) = (section, format!("{section}."));
            let own: Vec<_> = self.values.iter().filter(|(key, _)| key.starts_with(&dotted)).collect();
            if !own.is_empty() {
                text.line("");
                text.line(&format!("[{name}]"));
            }
            for (key, (value, origin)) in own {
                text.value(key.strip_prefix(&dotted).unwrap_or(key), value, &origin.0);
            }
            for (list, rule, origin) in self.rules.iter().filter(|(list, ..)| list.starts_with(&dotted)) {
                text.line("");
                text.comment(&origin.0);
                text.line(&format!("[[{list}]]"));
                rule.iter().for_each(|(key, value)| text.value(key, value, ""));
            }
        }
        text.list("Needs attention:", self.attention.iter().map(ToString::to_string));
        text.list("Accounts:", self.accounts.iter().cloned());
        text.list("Left out, and nothing is to be done:", self.needless.iter().map(ToString::to_string));
        text.0
    }
}

/// The sections in the order they are written.
pub(super) const SECTIONS: [&str; 9] =
    ["server", "passive", "active", "transfers", "tls", "timeouts", "limits", "accounts", "log"];

fn sort(notes: &mut Vec<Note>) {
    notes.sort_by(|left, right| {
        left.place.file.cmp(&right.place.file).then(left.place.line.cmp(&right.place.line))
    });
    notes.dedup();
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn comment(&mut self, text: &str) {
        self.line(&format!("# {}", one_line(text)));
    }

    /// `key = value`, with the comment beside it, or above if that gets too wide.
    fn value(&mut self, key: &str, value: &Value, comment: &str) {
        let line = format!("{key} = {}", value.to_string().trim());
        let comment = one_line(comment);
        if comment.is_empty() {
            self.line(&line);
        } else if line.contains('\n') || line.chars().count() + comment.chars().count() > 105 {
            self.comment(&comment);
            self.line(&line);
        } else {
            self.line(&format!("{line:<34} # {comment}"));
        }
    }

    fn list(&mut self, title: &str, lines: impl Iterator<Item = String>) {
        let mut lines = lines.peekable();
        if lines.peek().is_some() {
            self.line("");
            self.comment(title);
            lines.for_each(|line| self.comment(&line));
        }
    }
}

/// Text from a file as part of a line: what would end the line or move the cursor becomes a space.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
