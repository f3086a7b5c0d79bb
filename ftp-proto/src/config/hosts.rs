//! Virtual hosts (RFC 7151): one server that is another one under each name.

use super::{ConfigError, check_greeting};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

/// What one of the server's names stands for. Whose accounts it has is the embedder's to know, by
/// [`Credentials::host`](crate::account::Credentials::host).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    names: Vec<String>,
    greeting: Option<String>,
}

/// All virtual hosts. Each name belongs to one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    all: Vec<Arc<Host>>,
    by_name: BTreeMap<String, Arc<Host>>,
}

impl Host {
    /// A host with these names; the first one stands for it. Names are exact: whoever has a name may read what is
    /// stored under it, so none is guessed. `greeting`: what clients are welcomed by, of one line or more; `None`: as
    /// by the server itself.
    ///
    /// # Errors
    /// `host.names` or `host.greeting` can't be.
    pub fn new(names: &[impl AsRef<str>], greeting: Option<String>) -> Result<Self, ConfigError> {
        let wrong = |key, problem: &str| Err(ConfigError { key, problem: problem.to_owned() });
        if names.is_empty() {
            return wrong("host.names", "write at least one name, like \"ftp.example.com\"");
        }
        if let Some(Err(problem)) = greeting.as_deref().map(check_greeting) {
            return wrong("host.greeting", problem);
        }
        let mut known = Vec::new();
        for name in names {
            let name = parse_host_name(name.as_ref())?;
            if !known.contains(&name) {
                known.push(name);
            }
        }
        Ok(Self { names: known, greeting })
    }

    /// The name that stands for it: in logs, and in [`Credentials`](crate::account::Credentials).
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// All its names, in lower case.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What clients are welcomed by, if it is something else than by the server itself.
    pub fn greeting(&self) -> Option<&str> {
        self.greeting.as_deref()
    }
}

impl Hosts {
    /// These hosts.
    ///
    /// # Errors
    /// `host.names`: two of them have one name.
    pub fn new(hosts: impl IntoIterator<Item = Host>) -> Result<Self, ConfigError> {
        let mut known = Self::default();
        for host in hosts.into_iter().map(Arc::new) {
            for name in &host.names {
                if known.by_name.insert(name.clone(), Arc::clone(&host)).is_some() {
                    let problem = format!("{name:?} belongs to another host already; remove one of both");
                    return Err(ConfigError { key: "host.names", problem });
                }
            }
            known.all.push(host);
        }
        Ok(known)
    }

    /// The host of this name, which is written as [`parse_host_name`] makes it.
    pub fn find(&self, name: &str) -> Option<&Arc<Host>> {
        self.by_name.get(name)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Host> {
        self.all.iter().map(AsRef::as_ref)
    }
}

/// A host's name as it is compared: a name, or an IPv4 or IPv6 literal as in RFC 3986 section 3.2.2 (`[::1]`); in lower
/// case and without the dot at its end.
///
/// # Errors
/// `host.names`: it is no such name, and what to write.
pub fn parse_host_name(text: &str) -> Result<String, ConfigError> {
    host_name(text).ok_or_else(|| {
        let advice = if text.contains('*') {
            "names are exact here; write each that is meant"
        } else if text.is_ascii() {
            "write it like ftp.example.com, 192.0.2.1 or [2001:db8::1]"
        } else {
            "write international names in their ASCII form (xn--...)"
        };
        ConfigError { key: "host.names", problem: format!("{text:?} is no host name; {advice}") }
    })
}

// req: 7151-3.1-501, 7151-3.1-any-case, 7151-3.1-literals
pub(crate) fn host_name(text: &str) -> Option<String> {
    let text = text.trim();
    let name = text.strip_suffix('.').unwrap_or(text);
    let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = literal {
        return address.parse::<Ipv6Addr>().ok().map(|address| format!("{address}"));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.len() <= 253 && name.split('.').all(label)).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    // req: 7151-3.1-literals
    fn host_names() {
        for (text, name) in [
            ("ftp.example.com", Some("ftp.example.com")),
            ("FTP.Example.com.", Some("ftp.example.com")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("[2001:DB8::1]", Some("2001:db8::1")),
            ("2001:db8::1", None),
            ("", None),
            ("a..b", None),
            ("-a", None),
            ("a b", None),
            ("a/b", None),
            ("*.example.com", None),
        ] {
            assert_eq!(host_name(text).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn each_name_belongs_to_one_host() {
        let host = |names: &[&str]| Host::new(names, None).unwrap();
        let hosts = Hosts::new([host(&["a.example", "WWW.a.example."]), host(&["b.example"])]).unwrap();
        assert_eq!(hosts.find("www.a.example").map(|host| host.name()), Some("a.example"));
        assert_eq!(hosts.find("c.example"), None);
        let error = Hosts::new([host(&["a.example"]), host(&["b.example", "A.example"])]).unwrap_err();
        assert_eq!(error.problem, "\"a.example\" belongs to another host already; remove one of both");
        assert!(Host::new(&[] as &[&str], None).is_err());
        assert!(Host::new(&["*.example"], None).unwrap_err().problem.contains("exact"));
        assert!(Host::new(&["a.example"], Some(String::from("a\tb"))).is_err());
    }
}
