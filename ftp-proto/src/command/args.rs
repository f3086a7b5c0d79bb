//! Argument grammars: what may follow a verb, and what comes of it.

use super::CommandSpec;
use crate::path::{PathError, VirtualPath};
use crate::reply::Reply;
use crate::time::CivilTime;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What may follow a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Nothing.
    Nothing,
    /// Something, without the spaces before it.
    Text,
    /// Something or nothing, without the spaces around it.
    OptionalText,
    /// Something or nothing, taken as it is: a password may begin or end with a space.
    Verbatim,
    /// A path.
    Path,
    /// A path, or nothing for the current directory.
    OptionalPath,
    /// `h1,h2,h3,h4,p1,p2` (RFC 959 section 4.1.2).
    HostPort,
    /// `|1|192.0.2.1|4000|` (RFC 2428 section 2).
    ExtendedHostPort,
    /// `4,4,192,0,2,1,2,15,160` (RFC 1639 section 2).
    LongHostPort,
    /// A decimal number.
    Number,
    /// `YYYYMMDDHHMMSS path`.
    TimeAndPath,
    /// A path; if it reads as a time and a path, that too.
    PathOrTimeAndPath,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arg<'a> {
    Nothing,
    Text(&'a [u8]),
    Path(VirtualPath),
    HostPort(SocketAddr),
    Number(u64),
    TimeAndPath(CivilTime, VirtualPath),
    /// The whole as a path, and what else it may mean.
    Either(VirtualPath, CivilTime, VirtualPath),
}

/// Why it is not of the verb's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Missing,
    Unwanted,
    Malformed,
    /// EPRT of a protocol that is neither IPv4 nor IPv6.
    UnknownProtocol,
    /// LPRT of another family than these two.
    UnknownFamily,
    Path(PathError),
}

impl Problem {
    // req: 959-4.2.2-501, 1639-lprt-521, 2428-2-522-brackets, 2428-2-522-list, 2428-2-522-text
    // req: 3659-3.2-501, 3659-4.2-501, 3659-7.1-501
    pub(crate) fn reply(self, spec: &CommandSpec) -> Reply {
        let usage =
            |why: &str| Reply::with(501, alloc::format!("{why}; the syntax is {} {}", spec.name, spec.help));
        match self {
            Self::Missing => usage("An argument is missing"),
            Self::Unwanted => usage("No argument is expected"),
            Self::Malformed => usage("The argument is wrong"),
            Self::UnknownProtocol => Reply::new(522, "Network protocol not supported, use (1,2)"),
            Self::UnknownFamily => Reply::new(521, "Supported address families are (4, 6)"),
            Self::Path(error) => unnameable(error),
        }
    }
}

// req: 959-5.3-spaces, 959-5.3.1-no-argument, 959-5.3.1-optional, 2389-3.1-no-argument
pub(crate) fn parse<'a>(syntax: Syntax, text: &'a [u8], directory: &VirtualPath) -> Result<Arg<'a>, Problem> {
    let trimmed = text.trim_ascii();
    let path = |text: &[u8]| directory.resolve(text).map_err(Problem::Path);
    match syntax {
        Syntax::Nothing if trimmed.is_empty() => Ok(Arg::Nothing),
        Syntax::Nothing => Err(Problem::Unwanted),
        Syntax::OptionalText => Ok(Arg::Text(trimmed)),
        Syntax::Verbatim => Ok(Arg::Text(text)),
        Syntax::OptionalPath => path(text).map(Arg::Path),
        _ if trimmed.is_empty() => Err(Problem::Missing),
        // RFC 959 section 5.3: one or more spaces stand before an argument.
        Syntax::Text => Ok(Arg::Text(text.trim_ascii_start())),
        Syntax::Path => path(text).map(Arg::Path),
        Syntax::HostPort => host_port(trimmed).map(Arg::HostPort).ok_or(Problem::Malformed),
        Syntax::ExtendedHostPort => extended_host_port(trimmed).map(Arg::HostPort),
        Syntax::LongHostPort => long_host_port(trimmed).map(Arg::HostPort),
        Syntax::Number => number(trimmed).map(Arg::Number).ok_or(Problem::Malformed),
        Syntax::TimeAndPath => {
            let (time, name) = time_and_name(text)?;
            Ok(Arg::TimeAndPath(time, path(name)?))
        }
        Syntax::PathOrTimeAndPath => {
            let whole = path(text)?;
            Ok(match time_and_name(text).and_then(|(time, name)| Ok((time, path(name)?))) {
                Ok((time, path)) => Arg::Either(whole, time, path),
                Err(_) => Arg::Path(whole),
            })
        }
    }
}

fn time_and_name(text: &[u8]) -> Result<(CivilTime, &[u8]), Problem> {
    let (time, name) = text.split_at(text.iter().position(|&byte| byte == b' ').ok_or(Problem::Missing)?);
    let time = CivilTime::parse(time).ok_or(Problem::Malformed)?;
    let name = name.get(1..).filter(|name| !name.is_empty()).ok_or(Problem::Missing)?;
    Ok((time, name))
}

/// The words of a text. One that begins with a quote goes on to the next quote and may hold spaces; a quote in it is
/// written twice. `None`: a quote is missing.
pub(crate) fn quoted_words(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = text.trim_ascii();
    while let Some((&first, behind)) = rest.split_first() {
        let mut word = Vec::new();
        if first == b'"' {
            rest = behind;
            loop {
                let (&byte, behind) = rest.split_first()?;
                rest = behind;
                match (byte, rest.first()) {
                    (b'"', Some(b'"')) => {
                        word.push(b'"');
                        rest = rest.get(1..)?;
                    }
                    (b'"', None | Some(b' ')) => break,
                    (b'"', Some(_)) => return None,
                    _ => word.push(byte),
                }
            }
        } else {
            let end = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
            let (before, behind) = rest.split_at(end);
            word.extend_from_slice(before);
            rest = behind;
        }
        words.push(word);
        rest = rest.trim_ascii_start();
    }
    Some(words)
}

/// The path that a client means by a name, or the reply that refuses it.
pub(crate) fn resolved(directory: &VirtualPath, name: &[u8]) -> Result<VirtualPath, Reply> {
    directory.resolve(name).map_err(unnameable)
}

fn unnameable(error: PathError) -> Reply {
    match error {
        PathError::ControlCharacter => Reply::new(501, "A name can't contain a line end or NUL."),
        PathError::TooLong => Reply::new(553, "The name is too long."),
    }
}

// req: 3659-5.3-digits
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(text).ok()?.parse().ok()
}

// req: 959-4.1.2-port, 959-5.3.2-host-port
fn host_port(text: &[u8]) -> Option<SocketAddr> {
    let mut fields = [0u8; 6];
    let mut parts = text.split(|&byte| byte == b',');
    for field in &mut fields {
        *field = u8::try_from(number(parts.next()?.trim_ascii())?).ok()?;
    }
    let [a, b, c, d, high, low] = fields;
    parts
        .next()
        .is_none()
        .then(|| SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low])))
}

/// RFC 1639 section 2: family, length and bytes of the address, length and bytes of the port.
// req: 1639-lprt, 1639-lprt-501
fn long_host_port(text: &[u8]) -> Result<SocketAddr, Problem> {
    let mut fields = text.split(|&byte| byte == b',').map(|field| {
        let value = number(field.trim_ascii()).and_then(|value| u8::try_from(value).ok());
        value.ok_or(Problem::Malformed)
    });
    let mut next = || fields.next().unwrap_or(Err(Problem::Malformed));
    let family = next()?;
    let length = next()?;
    let address = match (family, length) {
        (4, 4) => {
            let mut octets = [0; 4];
            octets.iter_mut().try_for_each(|octet| next().map(|value| *octet = value))?;
            IpAddr::from(octets)
        }
        (6, 16) => {
            let mut octets = [0; 16];
            octets.iter_mut().try_for_each(|octet| next().map(|value| *octet = value))?;
            IpAddr::from(octets)
        }
        (4 | 6, _) => return Err(Problem::Malformed),
        _ => return Err(Problem::UnknownFamily),
    };
    let (2, high, low) = (next()?, next()?, next()?) else { return Err(Problem::Malformed) };
    match fields.next() {
        None => Ok(SocketAddr::new(address.to_canonical(), u16::from_be_bytes([high, low]))),
        Some(_) => Err(Problem::Malformed),
    }
}

// req: 2428-2-501, 2428-2-522, 2428-2-address, 2428-2-delimiter, 2428-2-port, 2428-2-protocol
fn extended_host_port(text: &[u8]) -> Result<SocketAddr, Problem> {
    let (&delimiter, rest) = text.split_first().ok_or(Problem::Missing)?;
    // RFC 2428 section 2. A digit, too: if it is also one of the address, what comes of it is no address.
    if !(33..=126).contains(&delimiter) {
        return Err(Problem::Malformed);
    }
    let mut parts = rest.split(|&byte| byte == delimiter);
    let mut next = || parts.next().and_then(|part| core::str::from_utf8(part).ok()).ok_or(Problem::Malformed);
    let protocol = next()?;
    let address = next()?;
    let port = next()?.parse::<u16>().map_err(|_| Problem::Malformed)?;
    if !next()?.is_empty() {
        return Err(Problem::Malformed);
    }
    let address = match protocol {
        "1" => address.parse::<Ipv4Addr>().map(IpAddr::V4),
        "2" => address.parse::<Ipv6Addr>().map(IpAddr::V6),
        other if number(other.as_bytes()).is_some() => return Err(Problem::UnknownProtocol),
        _ => return Err(Problem::Malformed),
    };
    Ok(SocketAddr::new(address.map_err(|_| Problem::Malformed)?.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(syntax: Syntax, text: &str) -> Result<Arg<'_>, Problem> {
        parse(syntax, text.as_bytes(), &VirtualPath::root())
    }

    #[test]
    // req: 959-5.3.2-host-port
    fn host_port_takes_six_numbers_and_nothing_else() {
        let address: SocketAddr = "192.0.2.1:1025".parse().unwrap();
        assert_eq!(parsed(Syntax::HostPort, "192,0,2,1,4,1"), Ok(Arg::HostPort(address)));
        for bad in ["", "1,2,3,4,5", "1,2,3,4,5,6,7", "1,2,3,4,5,256", "1,2,3,4,5,-1", "a,b,c,d,e,f"] {
            assert!(parsed(Syntax::HostPort, bad).is_err(), "{bad}");
        }
    }

    #[test]
    // req: 2428-2-address, 2428-2-delimiter
    fn extended_host_port_takes_both_protocols_and_any_delimiter() {
        let v4 = Ok(Arg::HostPort("192.0.2.1:4000".parse().unwrap()));
        assert_eq!(parsed(Syntax::ExtendedHostPort, "|1|192.0.2.1|4000|"), v4);
        assert_eq!(parsed(Syntax::ExtendedHostPort, "!1!192.0.2.1!4000!"), v4);
        assert_eq!(parsed(Syntax::ExtendedHostPort, "3131"), Err(Problem::Malformed));
        assert_eq!(parsed(Syntax::ExtendedHostPort, "717192.0.2.1740007"), v4);
        assert_eq!(parsed(Syntax::ExtendedHostPort, "212192.0.2.1240002"), Err(Problem::Malformed));
        assert_eq!(parsed(Syntax::ExtendedHostPort, "|2|::ffff:192.0.2.1|4000|"), v4);
        assert_eq!(parsed(Syntax::ExtendedHostPort, "|3|x|4000|"), Err(Problem::UnknownProtocol));
        for bad in
            ["|1|192.0.2.1|4000", "|1|::1|4000|", "|2|192.0.2.1|4000|", "|x|1|1|", "|1|192.0.2.1|65536|", "|"]
        {
            assert_eq!(parsed(Syntax::ExtendedHostPort, bad), Err(Problem::Malformed), "{bad}");
        }
    }

    #[test]
    // req: 1639-lprt
    fn long_host_port_takes_both_families() {
        let v4 = Ok(Arg::HostPort("192.0.2.1:4001".parse().unwrap()));
        assert_eq!(parsed(Syntax::LongHostPort, "4,4,192,0,2,1,2,15,161"), v4);
        let v6 = Ok(Arg::HostPort("[2001:db8::1]:4001".parse().unwrap()));
        assert_eq!(parsed(Syntax::LongHostPort, "6,16,32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1,2,15,161"), v6);
        let mapped = "6,16,0,0,0,0,0,0,0,0,0,0,255,255,192,0,2,1,2,15,161";
        assert_eq!(parsed(Syntax::LongHostPort, mapped), v4);
        for family in ["1,0,2,15,161", "16,4,1,2,3,4,2,1,1", "255,1,0,2,1,1"] {
            assert_eq!(parsed(Syntax::LongHostPort, family), Err(Problem::UnknownFamily), "{family}");
        }
        for bad in [
            "4",
            "x,4,192,0,2,1,2,15,161",
            "256,4,192,0,2,1,2,15,161",
            "4,16,192,0,2,1,2,15,161",
            "6,4,192,0,2,1,2,15,161",
            "4,4,192,0,2,1,1,161",
            "4,4,192,0,2,1,2,15",
            "4,4,192,0,2,1,2,15,161,0",
            "4,4,192,0,2,-1,2,15,161",
            "4,4,192,0,2,1,2,15,161,",
        ] {
            assert_eq!(parsed(Syntax::LongHostPort, bad), Err(Problem::Malformed), "{bad}");
        }
    }

    #[test]
    fn words_may_stand_between_quotes() {
        let words = |text: &str| {
            let words = quoted_words(text.as_bytes())?;
            Some(
                words
                    .into_iter()
                    .map(|word| std::string::String::from_utf8(word).unwrap())
                    .collect::<Vec<_>>(),
            )
        };
        for (text, expected) in [
            ("", &[][..]),
            (" a  b ", &["a", "b"]),
            ("\"a b\" c", &["a b", "c"]),
            ("\"a\"\"b\" \"\" ", &["a\"b", ""]),
            ("a\"b c", &["a\"b", "c"]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        for bad in ["\"", "\"a", "\"a\"b", "a \"b\"\""] {
            assert_eq!(words(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_keep_their_spaces() {
        let path = VirtualPath::new(b"/ a b ").unwrap();
        assert_eq!(parsed(Syntax::Path, " a b "), Ok(Arg::Path(path)));
    }
}
