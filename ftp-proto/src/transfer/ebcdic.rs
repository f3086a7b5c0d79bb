//! TYPE E: EBCDIC (RFC 959 section 3.1.1.2). Storage holds ISO 8859-1, of which each code page is a permutation: no
//! byte is lost either way, not even those of UTF-8, which mean nothing to a mainframe. A line ends in NL (0x15) on
//! the wire and in LF in the storage; the EBCDIC LF (0x25) takes the place that this leaves, 0x85.

use super::coding::CodePage;
use alloc::vec::Vec;

/// NL, which ends a line.
pub(super) const NEW_LINE: u8 = 0x15;
/// The space.
pub(super) const SPACE: u8 = 0x40;

type Table = [u8; 256];

/// For each byte of IBM-1047 the one of ISO 8859-1, but for NL and LF.
#[rustfmt::skip]
const IBM_1047: Table = [
    0x00, 0x01, 0x02, 0x03, 0x9C, 0x09, 0x86, 0x7F, 0x97, 0x8D, 0x8E, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
    0x10, 0x11, 0x12, 0x13, 0x9D, 0x0A, 0x08, 0x87, 0x18, 0x19, 0x92, 0x8F, 0x1C, 0x1D, 0x1E, 0x1F,
    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x17, 0x1B, 0x88, 0x89, 0x8A, 0x8B, 0x8C, 0x05, 0x06, 0x07,
    0x90, 0x91, 0x16, 0x93, 0x94, 0x95, 0x96, 0x04, 0x98, 0x99, 0x9A, 0x9B, 0x14, 0x15, 0x9E, 0x1A,
    0x20, 0xA0, 0xE2, 0xE4, 0xE0, 0xE1, 0xE3, 0xE5, 0xE7, 0xF1, 0xA2, 0x2E, 0x3C, 0x28, 0x2B, 0x7C,
    0x26, 0xE9, 0xEA, 0xEB, 0xE8, 0xED, 0xEE, 0xEF, 0xEC, 0xDF, 0x21, 0x24, 0x2A, 0x29, 0x3B, 0x5E,
    0x2D, 0x2F, 0xC2, 0xC4, 0xC0, 0xC1, 0xC3, 0xC5, 0xC7, 0xD1, 0xA6, 0x2C, 0x25, 0x5F, 0x3E, 0x3F,
    0xF8, 0xC9, 0xCA, 0xCB, 0xC8, 0xCD, 0xCE, 0xCF, 0xCC, 0x60, 0x3A, 0x23, 0x40, 0x27, 0x3D, 0x22,
    0xD8, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0xAB, 0xBB, 0xF0, 0xFD, 0xFE, 0xB1,
    0xB0, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70, 0x71, 0x72, 0xAA, 0xBA, 0xE6, 0xB8, 0xC6, 0xA4,
    0xB5, 0x7E, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0xA1, 0xBF, 0xD0, 0x5B, 0xDE, 0xAE,
    0xAC, 0xA3, 0xA5, 0xB7, 0xA9, 0xA7, 0xB6, 0xBC, 0xBD, 0xBE, 0xDD, 0xA8, 0xAF, 0x5D, 0xB4, 0xD7,
    0x7B, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0xAD, 0xF4, 0xF6, 0xF2, 0xF3, 0xF5,
    0x7D, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F, 0x50, 0x51, 0x52, 0xB9, 0xFB, 0xFC, 0xF9, 0xFA, 0xFF,
    0x5C, 0xF7, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0xB2, 0xD4, 0xD6, 0xD2, 0xD3, 0xD5,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0xB3, 0xDB, 0xDC, 0xD9, 0xDA, 0x9F,
];

/// Where IBM-037 differs from it.
const IBM_037_DIFFERS: [(u8, u8); 6] =
    [(0x5F, 0xAC), (0xAD, 0xDD), (0xB0, 0x5E), (0xBA, 0x5B), (0xBB, 0x5D), (0xBD, 0xA8)];

static DECODE_1047: Table = IBM_1047;
static DECODE_037: Table = ibm_037();
static ENCODE_1047: Table = inverse(&IBM_1047);
static ENCODE_037: Table = inverse(&ibm_037());

#[expect(clippy::indexing_slicing, reason = "at compile time, and with a byte into 256 entries")]
const fn ibm_037() -> Table {
    let mut table = IBM_1047;
    let mut at = 0;
    while at < IBM_037_DIFFERS.len() {
        let (ebcdic, latin) = IBM_037_DIFFERS[at];
        table[ebcdic as usize] = latin;
        at += 1;
    }
    table
}

#[expect(clippy::indexing_slicing, reason = "at compile time, and with a byte into 256 entries")]
const fn inverse(table: &Table) -> Table {
    let mut inverse = [0; 256];
    let mut byte = 0u8;
    loop {
        inverse[table[byte as usize] as usize] = byte;
        if byte == u8::MAX {
            return inverse;
        }
        byte += 1;
    }
}

/// Appends the wire's form of stored bytes.
// req: 959-3.1.1.2-ebcdic
pub(super) fn encode(page: CodePage, stored: &[u8], wire: &mut Vec<u8>) {
    let table = match page {
        CodePage::Ibm1047 => &ENCODE_1047,
        CodePage::Ibm037 => &ENCODE_037,
    };
    translate(table, stored, wire);
}

/// Appends the storage's form of bytes from the wire.
// req: 959-3.1.1.2-ebcdic
pub(super) fn decode(page: CodePage, wire: &[u8], stored: &mut Vec<u8>) {
    let table = match page {
        CodePage::Ibm1047 => &DECODE_1047,
        CodePage::Ibm037 => &DECODE_037,
    };
    translate(table, wire, stored);
}

fn translate(table: &Table, from: &[u8], to: &mut Vec<u8>) {
    to.extend(from.iter().map(|&byte| table.get(usize::from(byte)).copied().unwrap_or(byte)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_the_code_pages() {
        for (page, text, ebcdic) in [
            (
                CodePage::Ibm1047,
                &b"HELLO, world 019\n"[..],
                &b"\xC8\xC5\xD3\xD3\xD6\x6B\x40\xA6\x96\x99\x93\x84\x40\xF0\xF1\xF9\x15"[..],
            ),
            (CodePage::Ibm1047, b"[^]\t\r\xDD\xA8\xAC", b"\xAD\x5F\xBD\x05\x0D\xBA\xBB\xB0"),
            (CodePage::Ibm037, b"[^]\t\r\xDD\xA8\xAC", b"\xBA\xB0\xBB\x05\x0D\xAD\xBD\x5F"),
            (CodePage::Ibm037, b"\x85", b"\x25"),
        ] {
            let (mut wire, mut stored) = (Vec::new(), Vec::new());
            encode(page, text, &mut wire);
            assert_eq!(wire, ebcdic, "{}", text.escape_ascii());
            decode(page, ebcdic, &mut stored);
            assert_eq!(stored, text);
        }
    }

    #[test]
    fn each_page_is_a_permutation() {
        let all: Vec<u8> = (0..=255).collect();
        for page in [CodePage::Ibm1047, CodePage::Ibm037] {
            let (mut wire, mut stored) = (Vec::new(), Vec::new());
            encode(page, &all, &mut wire);
            decode(page, &wire, &mut stored);
            assert_eq!(stored, all);
            assert_eq!(wire.iter().position(|&byte| byte == NEW_LINE), Some(usize::from(b'\n')));
            assert_eq!(wire.get(usize::from(b' ')), Some(&SPACE));
        }
    }
}
