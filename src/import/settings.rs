//! What all four formats come down to: a list of settings, each with its place, and a table that says what
//! becomes of each.

use super::draft::{Draft, Origin, Place};

/// What becomes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Our keys that it becomes.
    Becomes(&'static str),
    /// Nothing has to be said, and why.
    Needless(&'static str),
    /// There is nothing like it; what to do instead.
    Lacking(&'static str),
}

/// A directive and its fate. A name that ends with `*` stands for all that begin like it.
pub type Directive = (&'static str, Fate);

/// One directive as it was written.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) place: Place,
}

impl Setting {
    pub(super) fn value(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }

    /// The comment beside what it became.
    pub(super) fn origin(&self) -> Origin {
        let line = self.place.line;
        Origin::new(if line == 0 { self.name.clone() } else { format!("{}, line {line}", self.name) })
    }

    /// Whether it says that something is not wanted.
    pub(super) fn is_off(&self) -> bool {
        self.arguments.is_empty() || (self.arguments.len() == 1 && switch(self.value()) == Some(false))
    }
}

/// All settings that hold for the server that is imported. Of two with one name, the later one holds.
pub(super) struct Settings {
    server: &'static str,
    table: &'static [Directive],
    pub(super) all: Vec<Setting>,
}

impl Settings {
    pub(super) fn new(server: &'static str, table: &'static [Directive], all: Vec<Setting>) -> Self {
        Self { server, table, all }
    }

    /// The one that holds.
    pub(super) fn find(&self, name: &str) -> Option<&Setting> {
        debug_assert!(
            matches!(fate(self.table, name), Some(Fate::Becomes(_))),
            "{name} is read but not in the table"
        );
        self.all.iter().rev().find(|setting| setting.name.eq_ignore_ascii_case(name))
    }

    /// Its text, if it has one.
    pub(super) fn text(&self, name: &str) -> Option<(&str, &Setting)> {
        self.find(name).map(|setting| (setting.value(), setting)).filter(|(text, _)| !text.is_empty())
    }

    /// Where the value of this name comes from.
    pub(super) fn origin(&self, name: &str) -> Origin {
        self.find(name).map_or_else(|| self.default_origin(name), Setting::origin)
    }

    /// Where the value of this name comes from if nothing is written.
    pub(super) fn default_origin(&self, name: &str) -> Origin {
        Origin::new(format!("{name}: the default of {}", self.server))
    }

    /// Where it stands, or the file as a whole.
    pub(super) fn place(&self, draft: &Draft, name: &str) -> Place {
        self.find(name).map_or_else(|| draft.main.clone(), |setting| setting.place.clone())
    }

    /// A switch; what is neither on nor off is named, and the default holds.
    pub(super) fn flag(&self, draft: &mut Draft, name: &str, default: bool) -> bool {
        let Some(setting) = self.find(name) else { return default };
        switch(setting.value()).unwrap_or_else(|| {
            bad_value(draft, setting, "a switch");
            default
        })
    }

    /// A number; what is none is named, and the default holds.
    pub(super) fn number(&self, draft: &mut Draft, name: &str, default: u64) -> u64 {
        let Some(setting) = self.find(name) else { return default };
        setting.value().parse().unwrap_or_else(|_| {
            bad_value(draft, setting, "a number");
            default
        })
    }

    /// Tells about all settings that don't become anything.
    pub(super) fn leave_out(&self, draft: &mut Draft) {
        for setting in &self.all {
            match fate(self.table, &setting.name) {
                Some(Fate::Becomes(_)) => {}
                Some(Fate::Needless(why)) => draft.needless(&setting.place, setting.name.clone(), why),
                Some(Fate::Lacking(_)) if setting.is_off() => {
                    draft.needless(&setting.place, setting.name.clone(), "is off");
                }
                Some(Fate::Lacking(advice)) => {
                    draft.attention(&setting.place, setting.name.clone(), advice);
                }
                None => draft.attention(
                    &setting.place,
                    setting.name.clone(),
                    format!("not known as a directive of {}, left out", self.server),
                ),
            }
        }
    }
}

fn bad_value(draft: &mut Draft, setting: &Setting, wanted: &str) {
    draft.attention(
        &setting.place,
        setting.name.clone(),
        format!("{:?} is not {wanted}; the default was taken", setting.value()),
    );
}

/// What the table says of a name.
pub(super) fn fate(table: &[Directive], name: &str) -> Option<Fate> {
    let exact = table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let begins = |known: &str| {
        let head = known.strip_suffix('*')?;
        name.get(..head.len()).filter(|start| start.eq_ignore_ascii_case(head))
    };
    exact.or_else(|| table.iter().find(|(known, _)| begins(known).is_some())).map(|(_, fate)| *fate)
}

/// The words for on and off in all four formats.
pub(super) fn switch(text: &str) -> Option<bool> {
    const WORDS: [(&str, bool); 10] = [
        ("yes", true),
        ("true", true),
        ("on", true),
        ("1", true),
        ("enabled", true),
        ("no", false),
        ("false", false),
        ("off", false),
        ("0", false),
        ("none", false),
    ];
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim())).map(|(_, meaning)| *meaning)
}
