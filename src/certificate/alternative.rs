//! Subject alternative names (RFC 5280 section 4.2.1.6).

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use x509_parser::extensions::GeneralName;

/// One of the names that a certificate is for. Two are the same if kind and text are; of host names and of the part
/// of e-mail addresses behind the `@` the case does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// A host name, in lower case.
    Host(String),
    /// An address.
    Address(IpAddr),
    /// An e-mail address, its domain in lower case.
    Mail(String),
    /// A URI.
    Uri(String),
}

impl AlternativeName {
    /// What a person means: an address if it is one, a URI if there is a colon in it, an e-mail address if there is
    /// an `@`, a host name otherwise.
    ///
    /// # Errors
    /// It is empty, or has spaces in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return Err(format!("{text:?} is no name of a certificate"));
        }
        Ok(match text.parse() {
            Ok(address) => Self::Address(address),
            Err(_) if text.contains(':') => Self::Uri(text.to_owned()),
            Err(_) if text.contains('@') => Self::mail(text),
            Err(_) => Self::host(text),
        })
    }

    /// `None` for kinds that we don't know, and for what can't be read.
    pub(super) fn from_x509(name: &GeneralName<'_>) -> Option<Self> {
        match name {
            GeneralName::DNSName(text) => Some(Self::host(text)),
            GeneralName::RFC822Name(text) => Some(Self::mail(text)),
            GeneralName::URI(text) => Some(Self::Uri((*text).to_owned())),
            GeneralName::IPAddress(bytes) => {
                let version_4 = <[u8; 4]>::try_from(*bytes).map(|bytes| Ipv4Addr::from(bytes).into());
                let version_6 = || <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).into());
                version_4.or_else(|_| version_6()).ok().map(Self::Address)
            }
            _ => None,
        }
    }

    fn host(text: &str) -> Self {
        Self::Host(text.to_ascii_lowercase())
    }

    fn mail(text: &str) -> Self {
        Self::Mail(match text.rsplit_once('@') {
            Some((user, domain)) => format!("{user}@{}", domain.to_ascii_lowercase()),
            None => text.to_owned(),
        })
    }
}

impl fmt::Display for AlternativeName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It goes to terminals and logs, and nobody checked what a certificate says.
            Self::Host(text) | Self::Mail(text) | Self::Uri(text) => text.chars().try_for_each(|letter| {
                if letter.is_control() { letter.escape_default().fmt(out) } else { out.write_char(letter) }
            }),
            Self::Address(address) => address.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_shows_in_the_text() {
        use AlternativeName::{Address, Host, Mail, Uri};
        for (text, want) in [
            ("Example.ORG", Host("example.org".into())),
            ("192.0.2.1", Address([192, 0, 2, 1].into())),
            ("2001:DB8::1", Address("2001:db8::1".parse().unwrap())),
            ("Bob@Example.ORG", Mail("Bob@example.org".into())),
            ("ftp://Bob@example.org/", Uri("ftp://Bob@example.org/".into())),
            ("urn:uuid:1", Uri("urn:uuid:1".into())),
        ] {
            assert_eq!(AlternativeName::parse(text), Ok(want), "{text}");
        }
        for text in ["", "a b", "a\n", "a\0"] {
            assert!(AlternativeName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn kinds_are_not_mixed_up() {
        let same = |name: GeneralName<'_>, text: &str| {
            AlternativeName::from_x509(&name) == AlternativeName::parse(text).ok()
        };
        assert!(same(GeneralName::DNSName("EXAMPLE.org"), "example.ORG"));
        assert!(same(GeneralName::RFC822Name("bob@EXAMPLE.org"), "bob@example.org"));
        assert!(same(GeneralName::IPAddress(&[192, 0, 2, 1]), "192.0.2.1"));
        assert!(!same(GeneralName::DNSName("192.0.2.1"), "192.0.2.1"));
        assert!(!same(GeneralName::DNSName("bob@example.org"), "bob@example.org"));
        assert!(!same(GeneralName::RFC822Name("Bob@example.org"), "bob@example.org"));
        assert!(!same(GeneralName::DNSName("*.example.org"), "a.example.org"));
        assert!(!same(GeneralName::DNSName("example.org\0.example.com"), "example.org"));
        assert_eq!(AlternativeName::from_x509(&GeneralName::IPAddress(&[1, 2, 3])), None);
    }
}
