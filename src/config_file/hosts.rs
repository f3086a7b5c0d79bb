//! `[[host]]`: virtual hosts, each with its names, its welcome and its accounts.

use super::keys::{anonymous, one_or_many};
use super::reader::{FileError, Node};
use super::{Anonymous, Draft};
use ftp_proto::config::{Host, Hosts, parse_host_name};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The key of the list.
pub(super) const HOST: &str = "host";

/// Who may log in at a virtual host, and where. Nothing of it comes from the server's own accounts: whoever has one host
/// must not be somebody on another by accident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// What the core knows of it.
    pub host: Host,
    /// The tree of its users who have no other.
    pub root: Option<PathBuf>,
    /// Its accounts file.
    pub accounts: Option<PathBuf>,
    /// Whether and where anybody may enter.
    pub anonymous: Option<Anonymous>,
}

impl HostConfig {
    /// The tree of guests, and whether they may write.
    pub fn guests(&self) -> Option<(&PathBuf, bool)> {
        let anonymous = self.anonymous.as_ref()?;
        Some((anonymous.root.as_ref().or(self.root.as_ref())?, anonymous.writable))
    }
}

/// What was read of one host.
#[derive(Default)]
struct HostDraft {
    names: Vec<String>,
    greeting: Option<String>,
    root: Option<PathBuf>,
    accounts: Option<PathBuf>,
    anonymous: Option<Anonymous>,
}

type Setter = fn(&mut HostDraft, &Node<'_>) -> Result<(), FileError>;

const KEYS: &[(&str, Setter)] = &[
    ("host.names", |host, node| {
        host.names = one_or_many(node, "[\"ftp.example.com\"]", |entry| {
            let name = entry.text("ftp.example.com")?;
            parse_host_name(name).map(|_| name.to_owned()).map_err(|error| entry.wrong(error.problem))
        })?;
        Ok(())
    }),
    ("host.greeting", |host, node| {
        host.greeting = Some(node.text("Welcome.")?.to_owned());
        Ok(())
    }),
    ("host.root", |host, node| {
        host.root = Some(node.source().resolve(node.text("/srv/ftp.example.com")?));
        Ok(())
    }),
    ("host.accounts", |host, node| {
        host.accounts = Some(node.source().resolve(node.text("ftp.example.com.toml")?));
        Ok(())
    }),
    ("host.anonymous", |host, node| {
        host.anonymous = anonymous(node)?;
        Ok(())
    }),
];

/// `[[host]]`, as often as it stands there.
pub(super) fn hosts(draft: &mut Draft, node: &Node<'_>) -> Result<(), FileError> {
    let mut names = BTreeSet::new();
    let hosts = match node.members() {
        // An empty list says that there is none.
        Some(members) => {
            members.iter().map(|entry| host(entry, &mut names)).collect::<Result<Vec<_>, _>>()?
        }
        None => vec![host(node, &mut names)?],
    };
    let known = Hosts::new(hosts.iter().map(|config| config.host.clone()));
    draft.settings.hosts = known.map_err(|error| node.wrong(error.problem))?;
    draft.config.hosts = hosts;
    Ok(())
}

fn host(node: &Node<'_>, names: &mut BTreeSet<String>) -> Result<HostConfig, FileError> {
    if !node.is_table() {
        return Err(node.wrong(format_args!(
            "expected a host, not {}; write [[host]] with names = [\"ftp.example.com\"] below it",
            node.kind()
        )));
    }
    let mut draft = HostDraft::default();
    let entries = node.entries()?;
    for entry in &entries {
        let set = KEYS.iter().find(|(key, _)| *key == entry.key()).map(|(_, set)| set);
        set.ok_or_else(|| entry.unknown(KEYS.iter().map(|(key, _)| *key)))?(&mut draft, entry)?;
    }
    let at = |key: &str| entries.iter().find(|entry| entry.key() == key).unwrap_or(node).offset();
    let wrong =
        |key: &str, problem: &str| Err(node.source().error_at(at(key), format_args!("{key}: {problem}")));
    let Some(first) = draft.names.first() else {
        return wrong("host.names", "missing; write names = [\"ftp.example.com\"]");
    };
    if draft.accounts.is_none() && draft.anonymous.is_none() {
        return wrong(
            "host.accounts",
            &format!(
                "nobody can log in at {first}; write accounts = \"FILE\" or anonymous = true below [[host]]"
            ),
        );
    }
    if draft.anonymous.as_ref().is_some_and(|anonymous| anonymous.root.is_none()) && draft.root.is_none() {
        return wrong(
            "host.anonymous",
            "no directory to serve; write anonymous = { root = \"DIR\" }, or root = \"DIR\" below [[host]]",
        );
    }
    let HostDraft { names: written, greeting, root, accounts, anonymous } = draft;
    let host = match Host::new(&written, greeting) {
        Ok(host) => host,
        Err(error) => return wrong(error.key, &error.problem),
    };
    if let Some(twice) = host.names().iter().find(|name| names.contains(*name)) {
        return wrong(
            "host.names",
            &format!("{twice:?} is the name of another host already; remove one of both"),
        );
    }
    names.extend(host.names().iter().cloned());
    Ok(HostConfig { host, root, accounts, anonymous })
}

#[cfg(test)]
mod tests {
    use crate::config_file::{Anonymous, ServerConfig, parse};
    use std::path::Path;

    fn read(text: &str) -> Result<ServerConfig, String> {
        parse(Path::new("/etc/ftpd.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn each_mistake_is_one_line_with_place_key_and_fix() {
        for (text, want) in [
            (
                "host = 1\n",
                "1:8: host: expected a host, not a number; write [[host]] with names = [\"ftp.example.com\"] below it",
            ),
            ("[[hosts]]\n", "1:3: unknown key `hosts`; did you mean `host`?"),
            ("[[host]]\naccounts = \"a\"\n", "1:1: host.names: missing; write names = [\"ftp.example.com\"]"),
            ("[[host]]\nnames = []\n", "2:9: host.names: expected at least one; write [\"ftp.example.com\"]"),
            (
                "[[host]]\nnames = [\"a.example\", \"a b\"]\n",
                "2:23: host.names: \"a b\" is no host name; write it like ftp.example.com, 192.0.2.1 or [2001:db8::1]",
            ),
            (
                "[[host]]\nnames = \"*.example\"\n",
                "2:9: host.names: \"*.example\" is no host name; names are exact here; write each that is meant",
            ),
            (
                "[[host]]\nnames = \"bücher.example\"\n",
                "2:9: host.names: \"bücher.example\" is no host name; write international names in their ASCII form (xn--...)",
            ),
            (
                "[[host]]\nnames = \"a.example\"\nroot = \"/srv\"\n",
                "1:1: host.accounts: nobody can log in at a.example; write accounts = \"FILE\" or anonymous = true below [[host]]",
            ),
            (
                "[server]\nroot = \"/srv\"\n[[host]]\nnames = \"a.example\"\nanonymous = true\n",
                "5:13: host.anonymous: no directory to serve; write anonymous = { root = \"DIR\" }, or root = \"DIR\" below [[host]]",
            ),
            (
                "[[host]]\nnames = \"a.example\"\nanonymous = { rot = \"a\" }\n",
                "3:15: unknown key `host.anonymous.rot`; did you mean `host.anonymous.root`?",
            ),
            (
                "[[host]]\nnames = \"a.example\"\naccounts = \"a\"\ngreeting = \"\"\n",
                "4:12: host.greeting: write one line of 1 to 512 characters, or up to 16 of them",
            ),
            (
                "[[host]]\nnames = \"a.example\"\naccounts = \"a\"\n[[host]]\nnames = [\"b.example\", \"A.example\"]\naccounts = \"b\"\n",
                "5:9: host.names: \"a.example\" is the name of another host already; remove one of both",
            ),
            (
                "[[host]]\nnames = \"a.example\"\nroots = \"/srv\"\n",
                "3:1: unknown key `host.roots`; did you mean `host.root`?",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), format!("/etc/ftpd.toml:{want}"), "{text}");
        }
    }

    #[test]
    fn hosts_have_their_own_files() {
        let config = read(
            "[[host]]\nnames = [\"FTP.example.com.\", \"example.com\"]\ngreeting = \"Hello.\\nBye.\"\nroot = \"one\"\naccounts = \"one.toml\"\n\
             [[host]]\nnames = \"[2001:DB8::1]\"\nanonymous = { root = \"/srv/two\", writable = true }\n",
        )
        .unwrap();
        let [one, two] = config.hosts.as_slice() else { panic!("{:?}", config.hosts) };
        assert_eq!(one.host.names(), ["ftp.example.com", "example.com"]);
        assert_eq!(one.host.greeting(), Some("Hello.\nBye."));
        assert_eq!(one.root.as_deref(), Some(Path::new("/etc/one")));
        assert_eq!(one.accounts.as_deref(), Some(Path::new("/etc/one.toml")));
        assert_eq!(one.guests(), None);
        assert_eq!(two.host.name(), "2001:db8::1");
        assert_eq!(
            two.anonymous,
            Some(Anonymous { root: Some("/srv/two".into()), writable: true, ..Anonymous::default() })
        );
        assert_eq!(config.core.hosts.find("example.com").map(|host| host.name()), Some("ftp.example.com"));
        assert!(config.accounts.is_none() && config.anonymous.is_none());
    }
}
