//! Distinguished names as text (RFC 4514), and when two of them are the same.

use std::fmt::{self, Write as _};
use std::iter::Peekable;
use std::str::Chars;
use x509_parser::asn1_rs::{Any, FromDer as _, Oid, Tag, ToDer as _};
use x509_parser::x509::X509Name;

/// Attribute types that have a name: those of RFC 4514 section 3 first, then others that certificates use.
const TYPES: [(&str, &str); 17] = [
    ("CN", "2.5.4.3"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("SN", "2.5.4.4"),
    ("serialNumber", "2.5.4.5"),
    ("title", "2.5.4.12"),
    ("givenName", "2.5.4.42"),
    ("initials", "2.5.4.43"),
    ("generationQualifier", "2.5.4.44"),
    ("dnQualifier", "2.5.4.46"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
];
const COMMON_NAME: &str = "2.5.4.3";

/// A distinguished name, of a certificate or typed by a person.
///
/// Two are the same if they have the same attributes in the same order. `CN` and `cn` are the same type, spaces
/// around `,`, `+` and `=` don't count, nor does the way a letter is escaped or the string type that a certificate
/// uses. Values are compared exactly: `bob` is not `Bob`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinguishedName {
    /// From the most specific to the least, as text has them; a certificate has them the other way round. The
    /// attributes of one part are a set, so they are kept sorted.
    parts: Vec<Vec<Attribute>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Attribute {
    /// The type's object identifier, dotted.
    kind: String,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(String),
    /// DER of something that is no text.
    Other(Vec<u8>),
}

impl DistinguishedName {
    /// The name as it stands in a certificate.
    ///
    /// # Errors
    /// What is wrong with its DER.
    pub(super) fn from_x509(name: &X509Name<'_>) -> Result<Self, String> {
        let mut parts = Vec::new();
        for part in name.iter() {
            let attributes = part.iter().map(|attribute| {
                let kind = object_identifier(&attribute.attr_type().to_id_string());
                let kind = kind.map_err(|_| "a broken name: an attribute without type".to_owned())?;
                Ok(Attribute { kind, value: Value::from_der(attribute.attr_value())? })
            });
            let mut attributes = attributes.collect::<Result<Vec<_>, String>>()?;
            attributes.sort_unstable();
            parts.push(attributes);
        }
        parts.reverse();
        Ok(Self { parts })
    }

    /// Reads text like `CN=bob,O=Example` (RFC 4514 section 3).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text.chars().peekable() };
        let mut parts = Vec::new();
        let mut attributes = vec![reader.attribute()?];
        while let Some(separator) = reader.rest.next() {
            if separator != '+' {
                attributes.sort_unstable();
                parts.push(std::mem::take(&mut attributes));
            }
            attributes.push(reader.attribute()?);
        }
        attributes.sort_unstable();
        parts.push(attributes);
        Ok(Self { parts })
    }

    /// The common name; of several the most specific.
    pub fn common_name(&self) -> Option<&str> {
        self.parts.iter().flatten().find_map(|attribute| match &attribute.value {
            Value::Text(text) if attribute.kind == COMMON_NAME => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            out.write_str(if index > 0 { "," } else { "" })?;
            for (index, Attribute { kind, value }) in part.iter().enumerate() {
                out.write_str(if index > 0 { "+" } else { "" })?;
                let known = TYPES.iter().find(|(_, identifier)| identifier == kind);
                write!(out, "{}=", known.map_or(kind.as_str(), |(name, _)| name))?;
                match value {
                    Value::Text(text) => write_escaped(out, text)?,
                    Value::Other(der) => {
                        out.write_char('#')?;
                        der.iter().try_for_each(|byte| write!(out, "{byte:02X}"))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// RFC 4514 section 2.4. Control characters are escaped, too: the text goes to terminals and logs.
fn write_escaped(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let last = text.chars().count().saturating_sub(1);
    for (index, letter) in text.chars().enumerate() {
        match letter {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(out, "\\{letter}")?,
            ' ' if index == 0 || index == last => out.write_str("\\ ")?,
            '#' if index == 0 => out.write_str("\\#")?,
            _ if letter.is_control() => {
                letter.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(out, "\\{byte:02X}"))?;
            }
            _ => out.write_char(letter)?,
        }
    }
    Ok(())
}

impl Value {
    /// Text if it is of a string type, whichever.
    fn from_der(value: &Any<'_>) -> Result<Self, String> {
        let bytes = value.data;
        let text = match value.tag() {
            Tag::Utf8String
            | Tag::PrintableString
            | Tag::NumericString
            | Tag::VisibleString
            | Tag::Ia5String => std::str::from_utf8(bytes).ok().map(str::to_owned),
            // Nobody agrees on what its other characters are.
            Tag::TeletexString if bytes.is_ascii() => std::str::from_utf8(bytes).ok().map(str::to_owned),
            Tag::BmpString if bytes.len().is_multiple_of(2) => {
                let (pairs, _) = bytes.as_chunks::<2>();
                String::from_utf16(&pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect::<Vec<_>>())
                    .ok()
            }
            Tag::UniversalString if bytes.len().is_multiple_of(4) => {
                let (quads, _) = bytes.as_chunks::<4>();
                quads.iter().map(|quad| char::from_u32(u32::from_be_bytes(*quad))).collect()
            }
            _ => None,
        };
        match text {
            Some(text) => Ok(Self::Text(text)),
            None => value.to_der_vec().map(Self::Other).map_err(|error| format!("a broken name: {error}")),
        }
    }
}

/// What is left of the text of a name.
struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    /// `TYPE=VALUE`, up to the next separator.
    fn attribute(&mut self) -> Result<Attribute, String> {
        let mut kind = String::new();
        loop {
            match self.rest.next() {
                Some('=') => break,
                Some(letter) => kind.push(letter),
                None => return Err(format!("no \"=\" in {:?}", kind.trim())),
            }
        }
        let kind = object_identifier(kind.trim())?;
        while self.rest.next_if_eq(&' ').is_some() {}
        let value = if self.rest.next_if_eq(&'#').is_some() {
            self.hexadecimal()?
        } else {
            Value::Text(self.text()?)
        };
        Ok(Attribute { kind, value })
    }

    fn hexadecimal(&mut self) -> Result<Value, String> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(|letter| !matches!(letter, ',' | '+')) {
            digits.push(digit);
        }
        let digits = digits.trim();
        let wrong = || format!("#{digits} is not the DER of a value in hexadecimal digits");
        let der = super::fingerprint::bytes_of(digits).ok_or_else(wrong)?;
        match Any::from_der(&der) {
            Ok(([], value)) => Value::from_der(&value),
            _ => Err(wrong()),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        // Escaped letters may be the single bytes of one character.
        let (mut bytes, mut without_spaces) = (Vec::new(), 0);
        while let Some(letter) = self.rest.next_if(|letter| !matches!(letter, ',' | '+')) {
            match letter {
                '\\' => bytes.push(self.escaped()?),
                '"' | ';' | '<' | '>' | '\0' => return Err(format!("{letter:?} without \"\\\" before it")),
                _ => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            if letter != ' ' {
                without_spaces = bytes.len();
            }
        }
        bytes.truncate(without_spaces);
        String::from_utf8(bytes).map_err(|_| "a value that is not UTF-8".to_owned())
    }

    /// What stands behind a backslash: one of the letters that need it, or two hexadecimal digits.
    fn escaped(&mut self) -> Result<u8, String> {
        let wrong = || "\"\\\" before what needs none".to_owned();
        let first = self.rest.next().ok_or_else(wrong)?;
        if let ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' = first {
            return u8::try_from(first).map_err(|_| wrong());
        }
        let digits = [Some(first), self.rest.next()].map(|digit| digit.and_then(|digit| digit.to_digit(16)));
        match digits {
            [Some(high), Some(low)] => u8::try_from(high * 16 + low).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

/// The type behind its name or dotted numbers.
fn object_identifier(kind: &str) -> Result<String, String> {
    if let Some((_, identifier)) = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind)) {
        return Ok((*identifier).to_owned());
    }
    let numbers = kind.split('.').map(|number| number.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
    match numbers.map(|numbers| Oid::from(&numbers)) {
        Some(Ok(identifier)) => Ok(identifier.to_id_string()),
        _ => {
            let names = TYPES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            Err(format!("{kind:?} is no attribute type; write one of {names}, or dotted numbers"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    /// The examples of RFC 4514 section 4, and others.
    #[test]
    fn text_comes_back_in_one_form() {
        for (text, want) in [
            ("UID=jsmith,DC=example,DC=net", "UID=jsmith,DC=example,DC=net"),
            ("OU=Sales+CN=J.  Smith,DC=example,DC=net", "OU=Sales+CN=J.  Smith,DC=example,DC=net"),
            ("CN=James \\\"Jim\\\" Smith\\, III", "CN=James \\\"Jim\\\" Smith\\, III"),
            ("CN=Before\\0dAfter,DC=example", "CN=Before\\0DAfter,DC=example"),
            ("CN=Lu\\C4\\8Di\\C4\\87", "CN=Lučić"),
            ("1.3.6.1.4.1.1466.0=#04024869", "1.3.6.1.4.1.1466.0=#04024869"),
            ("cn = \\20 a \\ ,o=\\#1 , ou=a=b\\5c", "CN=\\  a \\ ,O=\\#1,OU=a=b\\\\"),
            ("CN=", "CN="),
        ] {
            assert_eq!(parsed(text).to_string(), want, "{text}");
            assert_eq!(parsed(want), parsed(text), "{text}");
        }
    }

    #[test]
    fn what_is_the_same_and_what_is_not() {
        for (one, other) in [
            ("CN=bob,O=Example", "cn = bob , o = Example"),
            ("CN=bob,O=Example", "2.5.4.3=bob,2.5.4.10=Example"),
            ("CN=bob+UID=b", "uid=b + cn=bob"),
            ("CN=bob", "CN=\\62\\6F\\62"),
            ("CN=bob", "CN=#0C03626F62"),
            ("CN=bob", "CN=#1E060062006F0062"),
            ("CN=a\\,b", "CN=a\\2cb"),
        ] {
            assert_eq!(parsed(one), parsed(other), "{one} | {other}");
        }
        for (one, other) in [
            ("CN=bob,O=Example", "O=Example,CN=bob"),
            ("CN=bob,O=Example", "CN=bob"),
            ("CN=bob,O=Example", "CN=bob+O=Example"),
            ("CN=bob", "CN=Bob"),
            ("CN=bob", "CN=bob\\ "),
            ("CN=bob", "CN=bob\\00"),
            ("CN=bob", "UID=bob"),
            ("CN=bob\\,O=Example", "CN=bob,O=Example"),
            ("CN=a b", "CN=a  b"),
            ("CN=bob", "CN=#0403626F62"),
        ] {
            assert_ne!(parsed(one), parsed(other), "{one} | {other}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, want) in [
            ("", "no \"=\" in \"\""),
            ("bob", "no \"=\" in \"bob\""),
            ("CN=bob,", "no \"=\" in \"\""),
            ("CN=bob,O", "no \"=\" in \"O\""),
            ("CN=a;O=b", "';' without \"\\\" before it"),
            ("CN=\"a\"", "'\"' without \"\\\" before it"),
            ("CN=a\\", "\"\\\" before what needs none"),
            ("CN=a\\b", "\"\\\" before what needs none"),
            ("CN=\\FF", "a value that is not UTF-8"),
            ("CN=#0C", "#0C is not the DER of a value in hexadecimal digits"),
        ] {
            assert_eq!(DistinguishedName::parse(text).unwrap_err(), want, "{text}");
        }
        for text in ["X=bob", "=bob", "9.9.9=a", "1..2=a", "/CN=bob"] {
            let problem = DistinguishedName::parse(text).unwrap_err();
            assert!(problem.contains("is no attribute type; write one of CN, L,"), "{text}: {problem}");
        }
    }

    #[test]
    fn the_common_name_is_the_most_specific() {
        assert_eq!(parsed("CN=a,O=x,CN=b").common_name(), Some("a"));
        assert_eq!(parsed("O=x").common_name(), None);
    }
}
