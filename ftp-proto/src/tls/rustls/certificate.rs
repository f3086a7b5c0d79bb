//! The names in a certificate: so much DER (X.690) as leads to subjectAltName (RFC 5280 section 4.2.1.6).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
/// `[3]` in a TBSCertificate.
const EXTENSIONS: u8 = 0xa3;
/// `[2]` in a GeneralName.
const DNS_NAME: u8 = 0x82;
/// `[7]` in a GeneralName.
const IP_ADDRESS: u8 = 0x87;
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// DNS names, as they are written, and IP addresses of a certificate in DER. What can't be read has none.
pub(super) fn names(certificate: &[u8]) -> Vec<String> {
    alternative_names(certificate).map(|names| names.filter_map(name).collect()).unwrap_or_default()
}

/// Certificate → TBSCertificate → extensions → subjectAltName → GeneralNames.
fn alternative_names(certificate: &[u8]) -> Option<Elements<'_>> {
    let mut certificate = Elements(certificate).enter(SEQUENCE)?;
    let extensions = certificate.enter(SEQUENCE)?.find(|(tag, _)| *tag == EXTENSIONS)?.1;
    Elements(extensions).enter(SEQUENCE)?.find_map(|(_, extension)| {
        let mut extension = Elements(extension);
        let is_wanted = extension.next()? == (OBJECT_IDENTIFIER, SUBJECT_ALT_NAME);
        // Between the two there may be a BOOLEAN: critical.
        let value = extension.find(|(tag, _)| *tag == OCTET_STRING)?.1;
        if is_wanted { Elements(value).enter(SEQUENCE) } else { None }
    })
}

fn name((tag, content): (u8, &[u8])) -> Option<String> {
    match tag {
        DNS_NAME => core::str::from_utf8(content).ok().map(String::from),
        IP_ADDRESS => address(content).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into()),
        16 => <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

/// Elements that stand one behind the other; each is a tag and its content.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// What is in the next element, if it is one of these.
    fn enter(&mut self, tag: u8) -> Option<Elements<'a>> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| Elements(content))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        // The high bit says that the length itself is so many octets long (X.690 section 8.1.3.5).
        let (length, rest) = match usize::from(first) {
            length @ 0..=0x7f => (length, rest),
            octets @ 0x81..=0x84 => {
                let (length, rest) = rest.split_at_checked(octets & 0x7f)?;
                (length.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
            }
            // Of any length, or absurd.
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|name| String::from(*name)).collect();
        rcgen::generate_simple_self_signed(names).unwrap().cert.der().to_vec()
    }

    #[test]
    fn names_are_those_of_the_extension() {
        let written = ["ftp.example.org", "*.example.net", "192.0.2.1", "2001:db8::1"];
        assert_eq!(names(&certificate(&written)), written);
        assert!(names(&certificate(&[])).is_empty());
    }

    #[test]
    fn a_damaged_certificate_has_no_names_or_some_of_them() {
        let whole = certificate(&["ftp.example.org", "192.0.2.1"]);
        for len in 0..whole.len() {
            assert!(names(whole.get(..len).unwrap()).is_empty(), "{len} octets");
        }
        for (at, octet) in (0..whole.len()).flat_map(|at| [(at, 0), (at, 0x7f), (at, 0x84), (at, 0xff)]) {
            let mut damaged = whole.clone();
            *damaged.get_mut(at).unwrap() = octet;
            assert!(names(&damaged).len() <= 2);
        }
    }
}
