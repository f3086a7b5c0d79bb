//! Records and handshake messages of the fake TLS, as bytes.

use crate::tls::TlsVersion;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

// Content types (RFC 8446 section 5.1).
pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const DATA: u8 = 23;

/// Content type, version, length.
pub(super) const HEADER: usize = 5;
/// The most plain text in one record (RFC 8446 section 5.1).
pub(super) const MAX_PLAIN: usize = 16 << 10;

const MASK: u8 = 0xa5;

/// What a client says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeHello {
    /// The version it speaks.
    pub version: TlsVersion,
    /// The name it asks for (SNI).
    pub server_name: Option<String>,
    /// The certificate it shows; a server that asks for none passes it over. One that begins with `trusted` is of a
    /// known authority, one that begins with `revoked` is refused.
    pub certificate: Option<Vec<u8>>,
    /// The session it wants to resume.
    pub ticket: Option<Vec<u8>>,
}

/// TLS 1.3 and nothing else.
impl Default for FakeHello {
    fn default() -> Self {
        Self { version: TlsVersion::V1_3, server_name: None, certificate: None, ticket: None }
    }
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) resumed: bool,
    pub(super) certificate_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Hello(FakeHello),
    Welcome(Welcome),
    Finished,
    Ticket(Vec<u8>),
    KeyUpdate { asks: bool },
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// They can't be cut into fields, or a field is missing.
    Fields,
    /// A version that nobody speaks.
    Version,
}

impl Message {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Hello(hello) => {
                bytes.push(b'h');
                let version = if hello.version == TlsVersion::V1_2 { b"2" } else { b"3" };
                push_field(b'v', version, &mut bytes);
                let name = hello.server_name.as_ref().map(String::as_bytes);
                let (certificate, ticket) = (hello.certificate.as_deref(), hello.ticket.as_deref());
                for (field, value) in [(b'n', name), (b'c', certificate), (b't', ticket)] {
                    if let Some(value) = value {
                        push_field(field, value, &mut bytes);
                    }
                }
            }
            Self::Welcome(welcome) => {
                bytes.push(b'w');
                push_field(b'r', if welcome.resumed { b"1" } else { b"0" }, &mut bytes);
                push_field(b'n', welcome.certificate_name.as_bytes(), &mut bytes);
            }
            Self::Finished => bytes.push(b'f'),
            Self::Ticket(ticket) => {
                bytes.push(b't');
                push_field(b't', ticket, &mut bytes);
            }
            Self::KeyUpdate { asks } => {
                bytes.push(b'k');
                if *asks {
                    push_field(b'a', b"", &mut bytes);
                }
            }
        }
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (kind, mut rest) = bytes.split_first().ok_or(Malformed::Fields)?;
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let (name, value, behind) = take_field(rest).ok_or(Malformed::Fields)?;
            fields.push((name, value));
            rest = behind;
        }
        let field = |wanted| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        let text = |name| field(name).map(|value| String::from_utf8_lossy(value).into_owned());
        Ok(match kind {
            b'h' => Self::Hello(FakeHello {
                version: match field(b'v') {
                    Some(b"2") => TlsVersion::V1_2,
                    Some(b"3") => TlsVersion::V1_3,
                    Some(_) => return Err(Malformed::Version),
                    None => return Err(Malformed::Fields),
                },
                server_name: text(b'n'),
                certificate: field(b'c').map(ToOwned::to_owned),
                ticket: field(b't').map(ToOwned::to_owned),
            }),
            b'w' => Self::Welcome(Welcome {
                resumed: field(b'r') == Some(b"1"),
                certificate_name: text(b'n').unwrap_or_default(),
            }),
            b'f' => Self::Finished,
            b't' => Self::Ticket(field(b't').ok_or(Malformed::Fields)?.to_owned()),
            b'k' => Self::KeyUpdate { asks: field(b'a').is_some() },
            _ => return Err(Malformed::Fields),
        })
    }
}

fn push_field(name: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(name);
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(value.iter().take(usize::from(u16::MAX)));
}

fn take_field(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [name, high, low, rest @ ..] = bytes else { return None };
    let (value, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
    Some((*name, value, behind))
}

/// Appends one record.
pub(super) fn push_record(kind: u8, body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind, 3, 3]);
    out.extend_from_slice(&u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(body);
}

/// The body of application data, as record number `number`.
pub(super) fn seal(plain: &[u8], number: u8) -> Vec<u8> {
    plain.iter().map(|byte| byte ^ MASK).chain([checksum(plain, number)]).collect()
}

/// Its plain text; `None` if it was damaged or is not record number `number`.
pub(super) fn unseal(body: &[u8], number: u8) -> Option<Vec<u8>> {
    let (sum, sealed) = body.split_last()?;
    let plain: Vec<u8> = sealed.iter().map(|byte| byte ^ MASK).collect();
    (checksum(&plain, number) == *sum).then_some(plain)
}

fn checksum(plain: &[u8], number: u8) -> u8 {
    plain.iter().fold(number, |sum, byte| sum.rotate_left(1).wrapping_add(*byte))
}
