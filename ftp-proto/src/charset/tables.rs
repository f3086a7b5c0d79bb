//! Character sets by the tables of `encoding_rs`, and the escapes for what is not in them.

use super::NotText;
use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use encoding_rs::Encoding;

/// A set in which ASCII is ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Table(&'static Encoding);

/// Windows' numbers that the Encoding Standard does not list.
const NUMBERED: &[(&str, &str)] = &[
    ("cp874", "windows-874"),
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("cp54936", "gb18030"),
];

impl Table {
    pub(super) fn from_label(label: &str) -> Option<Self> {
        let numbered = NUMBERED.iter().find(|(number, _)| number.eq_ignore_ascii_case(label));
        let label = numbered.map_or(label, |(_, name)| name);
        let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
        let is_fit = encoding.is_ascii_compatible()
            && encoding != encoding_rs::UTF_8
            && encoding != encoding_rs::X_USER_DEFINED;
        is_fit.then_some(Self(encoding))
    }

    pub(super) fn label(self) -> &'static str {
        self.0.name()
    }

    pub(super) fn has_letter_255(self) -> bool {
        self.0.is_single_byte() && self.text(&[255]).is_ok()
    }

    fn text(self, wire: &[u8]) -> Result<Cow<'_, str>, NotText> {
        self.0.decode_without_bom_handling_and_without_replacement(wire).ok_or(NotText)
    }

    pub(super) fn decode(self, wire: &[u8]) -> Result<Cow<'_, [u8]>, NotText> {
        let text = match self.text(wire)? {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        if !text.contains(&b'%') {
            return Ok(text);
        }
        let mut plain = Vec::with_capacity(text.len());
        let mut rest = &*text;
        while let Some((&byte, behind)) = rest.split_first() {
            let escape = if byte == b'%' { self.escape(behind) } else { None };
            rest = match escape {
                Some((escape, len)) => {
                    escape.append_meaning(&mut plain);
                    behind.get(len..).unwrap_or_default()
                }
                None => {
                    plain.push(byte);
                    behind
                }
            };
        }
        Ok(Cow::Owned(plain))
    }

    pub(super) fn encode(self, name: &[u8]) -> Cow<'_, [u8]> {
        if !name.contains(&b'%') {
            if name.is_ascii() {
                return Cow::Borrowed(name);
            }
            if let Some(wire) = core::str::from_utf8(name).ok().and_then(|text| self.bytes_of(text)) {
                return Cow::Owned(wire.into_owned());
            }
        }
        let mut wire = Vec::with_capacity(name.len());
        let mut rest = name;
        while let Some(chunk) = rest.utf8_chunks().next() {
            for (at, character) in chunk.valid().char_indices() {
                let behind = rest.get(at + character.len_utf8()..).unwrap_or_default();
                self.append(character, behind, &mut wire);
            }
            for &byte in chunk.invalid() {
                Escape::Byte(byte).append(&mut wire);
            }
            rest = rest.get(chunk.valid().len() + chunk.invalid().len()..).unwrap_or_default();
        }
        Cow::Owned(wire)
    }

    fn append(self, character: char, behind: &[u8], wire: &mut Vec<u8>) {
        let mut buffer = [0; 4];
        match self.bytes_of(character.encode_utf8(&mut buffer)) {
            Some(_) if character == '%' && self.escape(behind).is_some() => {
                Escape::Character(character).append(wire);
            }
            Some(bytes) => wire.extend_from_slice(&bytes),
            None => Escape::Character(character).append(wire),
        }
    }

    /// The text in this set, if reading it again gives the same text. That is not a matter of course: in Shift_JIS the
    /// yen sign is written as a backslash.
    fn bytes_of(self, text: &str) -> Option<Cow<'_, [u8]>> {
        let (bytes, _, has_unmappable) = self.0.encode(text);
        let is_same = !has_unmappable && self.text(&bytes).is_ok_and(|again| again == text);
        // `encode` borrows from the text.
        is_same.then(|| Cow::Owned(bytes.into_owned()))
    }

    /// The escape whose `%` has been read, and how many bytes of it follow.
    fn escape(self, behind: &[u8]) -> Option<(Escape, usize)> {
        let (&kind, digits) = behind.split_first()?;
        let number = |count: usize| hexadecimal(digits.get(..count)?);
        let (escape, len) = match kind {
            b'x' => (Escape::Byte(u8::try_from(number(2)?).ok().filter(|byte| *byte >= 0x80)?), 3),
            b'u' => (Escape::Character(char::from_u32(number(4)?)?), 5),
            b'U' => (Escape::Character(char::from_u32(number(8)?).filter(|wide| *wide > '\u{ffff}')?), 9),
            _ => return None,
        };
        let is_needed = match escape {
            Escape::Byte(_) | Escape::Character('%') => true,
            Escape::Character(character) => self.bytes_of(character.encode_utf8(&mut [0; 4])).is_none(),
        };
        is_needed.then_some((escape, len))
    }
}

/// What an escape stands for.
#[derive(Clone, Copy)]
enum Escape {
    Character(char),
    /// Of a name that is no UTF-8.
    Byte(u8),
}

impl Escape {
    fn append(self, wire: &mut Vec<u8>) {
        let text = match self {
            Self::Byte(byte) => format!("%x{byte:02X}"),
            Self::Character(character @ ..='\u{ffff}') => format!("%u{:04X}", u32::from(character)),
            Self::Character(character) => format!("%U{:08X}", u32::from(character)),
        };
        wire.extend_from_slice(text.as_bytes());
    }

    fn append_meaning(self, plain: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => plain.push(byte),
            Self::Character(character) => {
                plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

/// Capital digits only: each escape has one form.
fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return None,
        };
        Some(number << 4 | u32::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Charset;
    use alloc::string::String;
    use alloc::vec::Vec;
    use quickcheck::{QuickCheck, quickcheck};

    const LABELS: &[&str] = &[
        "gbk",
        "gb18030",
        "shift_jis",
        "euc-jp",
        "euc-kr",
        "big5",
        "koi8-r",
        "koi8-u",
        "windows-1250",
        "windows-1251",
        "windows-1252",
        "windows-1253",
        "windows-1254",
        "windows-1255",
        "windows-1256",
        "windows-1257",
        "windows-1258",
        "windows-874",
        "iso-8859-2",
        "iso-8859-3",
        "iso-8859-4",
        "iso-8859-5",
        "iso-8859-6",
        "iso-8859-7",
        "iso-8859-8",
        "iso-8859-10",
        "iso-8859-13",
        "iso-8859-14",
        "iso-8859-15",
        "iso-8859-16",
        "ibm866",
        "macintosh",
        "x-mac-cyrillic",
    ];

    fn set(label: &str) -> Charset {
        Charset::from_label(label).unwrap_or_else(|| panic!("{label}"))
    }

    #[test]
    fn sets_are_known_by_their_names() {
        for (label, name) in [
            ("GBK", "GBK"),
            ("cp936", "GBK"),
            ("sjis", "Shift_JIS"),
            ("CP932", "Shift_JIS"),
            ("latin1", "windows-1252"),
            ("cp1251", "windows-1251"),
            (" koi8-r ", "KOI8-R"),
            ("UTF8", "UTF-8"),
            ("utf-8", "UTF-8"),
        ] {
            assert_eq!(set(label).label(), name);
        }
        for label in ["utf-16", "iso-2022-jp", "hz-gb-2312", "x-user-defined", "nonsense", ""] {
            assert_eq!(Charset::from_label(label), None, "{label}");
        }
        for label in LABELS {
            assert_eq!(set(set(label).label()), set(label));
        }
    }

    #[test]
    fn names_have_the_bytes_that_clients_use() {
        for (label, text, wire) in [
            ("gbk", "中文.txt", &b"\xd6\xd0\xce\xc4.txt"[..]),
            ("shift_jis", "表", b"\x95\x5c"),
            ("euc-jp", "日", b"\xc6\xfc"),
            ("euc-kr", "한", b"\xc7\xd1"),
            ("big5", "功", b"\xa5\x5c"),
            ("koi8-r", "Ъ", b"\xff"),
            ("windows-1251", "я", b"\xff"),
            ("windows-1252", "é€", b"\xe9\x80"),
            ("iso-8859-15", "€", b"\xa4"),
        ] {
            assert_eq!(&*set(label).encode(text.as_bytes()), wire, "{label}");
            assert_eq!(set(label).decode(wire).as_deref(), Ok(text.as_bytes()), "{label}");
        }
        assert!(set("gbk").decode(b"\xff").is_err() && set("shift_jis").decode(b"a\x95").is_err());
    }

    #[test]
    fn what_is_not_in_the_set_is_escaped_and_read_again() {
        let latin = set("windows-1252");
        for (name, wire) in [
            (&b"a.txt"[..], &b"a.txt"[..]),
            ("中".as_bytes(), b"%u4E2D"),
            ("😀".as_bytes(), b"%U0001F600"),
            (b"\xff\xe4", b"%xFF%xE4"),
            (b"100%", b"100%"),
            (b"%u4E2D", b"%u0025u4E2D"),
            (b"%u0025", b"%u0025u0025"),
            (b"%xFF", b"%u0025xFF"),
            (b"%u0041%u4e2d%x41", b"%u0041%u4e2d%x41"),
            ("%中".as_bytes(), b"%%u4E2D"),
        ] {
            assert_eq!(&*latin.encode(name), wire);
            assert_eq!(latin.decode(wire).as_deref(), Ok(name));
        }
        // Its own characters are no escapes.
        assert_eq!(set("gbk").decode(b"%u4E2D").as_deref(), Ok(&b"%u4E2D"[..]));
        // The yen sign must not become a backslash.
        assert_eq!(&*set("shift_jis").encode("¥".as_bytes()), b"%u00A5");
    }

    /// A name of what is dangerous: pieces of escapes, letters of many scripts, stray bytes.
    fn name(choices: &[u16]) -> Vec<u8> {
        const PIECES: &[&str] = &[
            "%",
            "u",
            "U",
            "x",
            "0025",
            "4E2D",
            "FF",
            "0001F600",
            "中",
            "я",
            "é",
            "¥",
            "\\",
            "한",
            "😀",
            "Ê\u{304}",
        ];
        let mut name = Vec::new();
        for &choice in choices {
            match usize::from(choice) {
                stray @ 0..64 => name.push(0x80 + stray as u8),
                any @ 1024.. => {
                    name.extend(char::from_u32(any as u32).into_iter().collect::<String>().bytes())
                }
                piece => name.extend_from_slice(PIECES[piece % PIECES.len()].as_bytes()),
            }
        }
        name
    }

    #[test]
    fn whatever_is_shown_leads_back_to_the_same_name() {
        fn property(choices: Vec<u16>, small: Vec<u8>) -> bool {
            let small: Vec<u16> = small.into_iter().map(|choice| u16::from(choice) * 2).collect();
            LABELS.iter().all(|label| {
                [&choices, &small].into_iter().all(|choices| {
                    let name = name(choices);
                    let wire = set(label).encode(&name);
                    let again =
                        set(label).decode(&wire).unwrap_or_else(|_| panic!("{label} {name:?} {wire:?}"));
                    *again == name
                })
            })
        }
        QuickCheck::new().tests(100).quickcheck(property as fn(Vec<u16>, Vec<u8>) -> bool);
    }

    #[test]
    fn each_character_leads_back_to_itself_and_makes_no_separator() {
        for label in LABELS {
            let set = set(label);
            for character in ('\u{1}'..='\u{ffff}').step_by(37).chain('\u{1}'..='\u{5ff}') {
                let mut buffer = [0; 4];
                let name = character.encode_utf8(&mut buffer).as_bytes();
                let wire = set.encode(name);
                assert_eq!(set.decode(&wire).as_deref(), Ok(name), "{label} {character}");
                let is_separator = |byte: &u8| matches!(byte, b'/' | b'\r' | b'\n' | 0);
                assert_eq!(
                    wire.iter().any(is_separator),
                    name.iter().any(is_separator),
                    "{label} {character}"
                );
            }
        }
    }

    quickcheck! {
        fn what_a_client_sends_is_one_name_or_none(wire: Vec<u8>) -> bool {
            LABELS.iter().all(|label| {
                let Ok(name) = set(label).decode(&wire) else { return true };
                let shown = set(label).encode(&name);
                set(label).decode(&shown).as_deref() == Ok(&*name)
            })
        }

        fn utf_8_leaves_everything_as_it_is(bytes: Vec<u8>) -> bool {
            *Charset::UTF_8.encode(&bytes) == *bytes && Charset::UTF_8.decode(&bytes).as_deref() == Ok(&*bytes)
        }
    }
}
