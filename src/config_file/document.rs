//! The text of a configuration, to change single keys of it: comments, order and all else stay.

use super::reader::{FileError, Source};
use super::{Logins, ServerConfig, from_source, keys};
use std::path::{Path, PathBuf};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// A configuration as text.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    path: PathBuf,
    text: String,
    logins: Logins,
}

/// Another value for one key.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    key: &'static str,
    /// `None`: the key is taken out.
    value: Option<Value>,
}

impl Document {
    /// The text of a file.
    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        let text = Source::read(path)?.text().to_owned();
        Ok(Self { path: path.to_owned(), text, logins: Logins::InFile })
    }

    /// What stands for a configuration that was never written; who may log in is known elsewhere.
    pub(crate) fn unwritten(text: String) -> Self {
        Self { path: PathBuf::new(), text, logins: Logins::Elsewhere }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What it amounts to.
    pub(crate) fn config(&self) -> Result<ServerConfig, FileError> {
        from_source(&Source::new(&self.path, &self.text), self.logins)
    }

    /// The same text with other values.
    pub(crate) fn edited<'e>(&self, edits: impl IntoIterator<Item = &'e Edit>) -> Result<Self, FileError> {
        let source = Source::new(&self.path, &self.text);
        let mut document = source.parse()?.into_mut();
        for edit in edits {
            edit.apply(&mut document);
        }
        Ok(Self { path: self.path.clone(), text: document.to_string(), logins: self.logins })
    }
}

impl Edit {
    /// From what a person wrote: TOML, or text without its quotes, or several texts with commas between them.
    ///
    /// # Errors
    /// What a file with this value would be told about it.
    pub(crate) fn new(
        document: &Document,
        key: &'static str,
        written: Option<&str>,
    ) -> Result<Self, FileError> {
        let Some(written) = written else { return Ok(Self { key, value: None }) };
        let mut complaint = None;
        for value in candidates(written) {
            match check(&document.path, key, &value) {
                Ok(()) => return Ok(Self { key, value: Some(value) }),
                Err(error) => {
                    complaint.get_or_insert(error);
                }
            }
        }
        Err(complaint.unwrap_or_else(|| FileError::whole(&document.path, format_args!("{key}: no value"))))
    }

    pub(crate) fn key(&self) -> &'static str {
        self.key
    }

    fn apply(&self, document: &mut DocumentMut) {
        let Some((section, name)) = self.key.split_once('.') else {
            match &self.value {
                Some(value) => replace(document.as_table_mut(), self.key, value.clone()),
                None => drop(document.remove(self.key)),
            }
            return;
        };
        let Some(value) = &self.value else {
            if let Some(table) = document.get_mut(section).and_then(Item::as_table_like_mut) {
                table.remove(name);
            }
            return;
        };
        let table = document.entry(section).or_insert(Item::Table(Table::new()));
        if let Item::Table(table) = table {
            // A header of its own, should there have been only those of its parts.
            table.set_implicit(false);
        }
        if let Some(table) = table.as_table_like_mut() {
            replace(table, name, value.clone());
        }
    }
}

/// Puts a value in the place of another, with the comment behind it.
fn replace(table: &mut dyn TableLike, name: &str, mut value: Value) {
    match table.get_mut(name) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        // None yet, or written as [[section.name]].
        _ => {
            table.remove(name);
            table.insert(name, Item::Value(value));
        }
    }
}

/// What it may mean, the likeliest first.
fn candidates(written: &str) -> Vec<Value> {
    let text = || Value::from(written);
    let parts = || {
        let parts = written.split(',').map(str::trim);
        Value::Array(parts.filter(|part| !part.is_empty()).collect::<Array>())
    };
    match written.trim().parse::<Value>() {
        Ok(value @ (Value::Array(_) | Value::InlineTable(_) | Value::String(_))) => vec![value],
        Ok(value @ (Value::Integer(_) | Value::Boolean(_))) => vec![value, text()],
        // No key takes fractions or dates: "1.2" is a version.
        Ok(Value::Float(_) | Value::Datetime(_)) | Err(_) if !written.contains(',') => vec![text()],
        Ok(_) | Err(_) => vec![text(), parts()],
    }
}

/// What the reader of the key says to a value.
fn check(path: &Path, key: &str, value: &Value) -> Result<(), FileError> {
    let Some((section, name)) = key.split_once('.') else {
        return keys::check(&Source::new(path, &format!("{key} = {value}\n")));
    };
    let mut inner = InlineTable::new();
    inner.insert(name, value.clone());
    let source = Source::new(path, &format!("{section} = {inner}\n"));
    keys::check(&source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# The head.
[server]
root = \"/srv\" # all of it

# Behind the router.
[passive] # passive
ports = \"21000-21099\"   # open in the firewall
# No address yet.
[[passive.rule]]
networks = \"10.0.0.0/8\"
external_address = \"10.0.0.1\"
[accounts]
anonymous = true
";

    fn document(text: &str) -> Document {
        Document { path: PathBuf::from("ftpd.toml"), text: text.to_owned(), logins: Logins::InFile }
    }

    fn edited(text: &str, changes: &[(&'static str, Option<&str>)]) -> Result<String, String> {
        let document = document(text);
        let edits: Result<Vec<_>, _> =
            changes.iter().map(|(key, value)| Edit::new(&document, key, *value)).collect();
        let edits = edits.map_err(|error| error.message())?;
        let new = document.edited(&edits).map_err(|error| error.message())?;
        new.config().map_err(|error| error.message())?;
        Ok(new.text)
    }

    #[test]
    fn comments_and_order_stay() {
        let new = edited(
            FILE,
            &[("passive.ports", Some("41000-41099")), ("passive.external_address", Some("203.0.113.7"))],
        );
        let want = FILE.replace(
            "ports = \"21000-21099\"   # open in the firewall\n",
            "ports = \"41000-41099\"   # open in the firewall\nexternal_address = \"203.0.113.7\"\n",
        );
        assert_eq!(new.unwrap(), want);
        assert_eq!(
            edited(FILE, &[("passive.ports", None)]).unwrap(),
            FILE.replace("ports = \"21000-21099\"   # open in the firewall\n", "")
        );
        assert_eq!(
            edited(FILE, &[("timeouts.idle", Some("5m"))]).unwrap(),
            format!("{FILE}\n[timeouts]\nidle = \"5m\"\n")
        );
        assert_eq!(edited(FILE, &[("timeouts.idle", None)]).unwrap(), FILE);
    }

    #[test]
    fn every_way_to_write_a_section_is_kept() {
        let accounts = "[accounts]\nanonymous = { root = \"/srv\" }\n";
        for (before, after) in [
            ("passive = { ports = 1 } # x\n", "passive = { ports = 2 } # x\n"),
            ("passive.ports = 1\n", "passive.ports = 2\n"),
            ("passive.tls_proof = true\n", "passive.tls_proof = true\npassive.ports = 2\n"),
            (
                "[[passive.rule]]\nexternal_address = \"10.0.0.1\"\n",
                "[passive]\nports = 2\n[[passive.rule]]\nexternal_address = \"10.0.0.1\"\n",
            ),
        ] {
            let new = edited(&format!("{before}{accounts}"), &[("passive.ports", Some("2"))]).unwrap();
            let squeezed =
                |text: &str| text.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
            assert_eq!(squeezed(&new), squeezed(&format!("{after}{accounts}")), "{before}");
        }
    }

    #[test]
    fn lists_at_the_top_are_replaced() {
        let new = "[{ use = \"camera\", networks = \"10.0.0.0/8\" }]";
        let written = format!("{FILE}[[profile]]\nepsv = false\n");
        for (before, had) in [(FILE, false), (&written, true)] {
            let after = edited(before, &[("profile", Some(new))]).unwrap();
            assert!(after.contains(&format!("profile = {new}\n")), "{after}");
            assert!(!after.contains("epsv"), "{after}");
            let without = edited(&after, &[("profile", None)]).unwrap();
            assert!(!without.contains("camera"), "{had} {without}");
        }
    }

    #[test]
    fn values_need_no_quotes() {
        for (key, written, want) in [
            ("passive.ports", "41000-41099", "\"41000-41099\""),
            ("passive.ports", "\"41000-41099\"", "\"41000-41099\""),
            ("passive.ports", "4000", "4000"),
            ("passive.tls_proof", "false", "false"),
            ("timeouts.idle", "5m", "\"5m\""),
            ("passive.client_networks", "10.0.0.0/8", "\"10.0.0.0/8\""),
            ("passive.client_networks", "10.0.0.0/8, 192.0.2.0/24", "[\"10.0.0.0/8\", \"192.0.2.0/24\"]"),
            ("passive.routers", "[]", "[]"),
            ("server.greeting", "Hello, world", "\"Hello, world\""),
            (
                "host",
                "[{ names = \"a.example\", accounts = \"a.toml\" }]",
                "[{ names = \"a.example\", accounts = \"a.toml\" }]",
            ),
            ("server.greeting", "2024", "\"2024\""),
            ("server.greeting", "true", "\"true\""),
            (
                "passive.rule",
                "[{ external_address = \"10.0.0.1\" }]",
                "[{ external_address = \"10.0.0.1\" }]",
            ),
        ] {
            let new = edited(FILE, &[(key, Some(written))]).unwrap();
            let name = key.split_once('.').map_or(key, |(_, name)| name);
            assert!(
                new.lines().any(|line| line.starts_with(&format!("{name} = {want}"))),
                "{key} {written}: {new}"
            );
        }
    }

    #[test]
    fn complaints_are_those_of_the_file() {
        for (key, written, want) in [
            (
                "profile",
                "[{ use = \"camara\" }]",
                "profile.use: \"camara\" is no known profile; did you mean \"camera\"?",
            ),
            (
                "passive.ports",
                "many",
                "passive.ports: \"many\" is not a port range; write it like 21000-21099, 21000 or auto:4",
            ),
            (
                "passive.ports",
                "9-8",
                "passive.ports: the first port is above the last; write it like 21000-21099",
            ),
            (
                "passive.peer_check",
                "none",
                "passive.peer_check: \"none\" is none of the choices; write \"exact\" or \"same-network\"",
            ),
            ("tls.minimum", "1.4", "tls.minimum: \"1.4\" is none of the choices; write \"1.2\" or \"1.3\""),
            ("timeouts.idle", "0", "timeouts.idle: write a number of seconds from 1 to 604800"),
            ("active.source_port", "65536", "active.source_port: 65536 is out of range; write 0 to 65535"),
            (
                "active.source_port",
                "1.5",
                "active.source_port: expected a number, not a string; write 0 to 65535",
            ),
            (
                "passive.ports",
                "\"1\n2\"",
                "passive.ports: \"\"1, 2\"\" is not a port range; write it like 21000-21099, 21000 or auto:4",
            ),
            (
                "passive.exposed_ports",
                "5000-5001",
                "passive.exposed_ports: write as many ports as are listened on (21000-21099), like 21000-21099",
            ),
            (
                "server.greeting",
                "",
                "server.greeting: write one line of 1 to 512 characters, or up to 16 of them",
            ),
        ] {
            assert_eq!(edited(FILE, &[(key, Some(written))]).unwrap_err(), want, "{key} {written}");
        }
        // Together they are right.
        assert!(
            edited(FILE, &[("passive.exposed_ports", Some("5000-5001")), ("passive.ports", Some("1-2"))])
                .is_ok()
        );
    }
}
