//! TYPE A: line ends on the wire are CR LF (RFC 959 section 3.1.1.1), in the storage they are LF. Both codecs
//! work on any split of the bytes and never look at more than the byte before.

use alloc::vec::Vec;
use memchr::memchr_iter;

/// From the storage to the wire: LF becomes CR LF. An LF behind a CR stays as it is, so that a file whose
/// line ends are CR LF already arrives unchanged.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// The last byte was a CR.
    after_cr: bool,
    /// The last byte of a record was a CR, and it is held back.
    held_cr: bool,
}

impl Encoder {
    /// Appends the wire's form of the next bytes of the file; twice their number at most.
    // req: 959-3.1.1.1-send
    pub(super) fn encode(&mut self, stored: &[u8], wire: &mut Vec<u8>) {
        let Some(&last) = stored.last() else { return };
        // Lines of 30 bytes and more need no second look for room.
        wire.reserve(stored.len() + stored.len() / 32 + 1);
        let mut begin = 0;
        for end in memchr_iter(b'\n', stored) {
            let text = stored.get(begin..end).unwrap_or_default();
            let after_cr = text.last().map_or(begin == 0 && self.after_cr, |&byte| byte == b'\r');
            wire.extend_from_slice(text);
            wire.extend_from_slice(if after_cr { b"\n" } else { b"\r\n" });
            begin = end + 1;
        }
        wire.extend_from_slice(stored.get(begin..).unwrap_or_default());
        self.after_cr = last == b'\r';
    }

    /// The same of a record, a line without its end; `ends`: these are its last bytes. A CR there is part of the line's
    /// end, so it is held back until what follows it is known.
    pub(super) fn encode_record(&mut self, stored: &[u8], ends: bool, wire: &mut Vec<u8>) {
        if core::mem::take(&mut self.held_cr) && !(stored.is_empty() && ends) {
            wire.push(b'\r');
        }
        let text = stored.strip_suffix(b"\r");
        wire.extend_from_slice(text.unwrap_or(stored));
        self.held_cr = text.is_some() && !ends;
    }

    /// The file is at its end.
    pub(super) fn finish(&mut self, wire: &mut Vec<u8>) {
        if core::mem::take(&mut self.held_cr) {
            wire.push(b'\r');
        }
    }

    /// The byte before the first that will come.
    pub(super) fn come_behind(&mut self, byte: u8) {
        self.after_cr = byte == b'\r';
    }

    /// Whether what becomes of the next byte depends on the one before it.
    pub(super) fn is_behind_cr(&self) -> bool {
        self.after_cr || self.held_cr
    }
}

/// From the wire to the storage: CR LF becomes LF. A lone CR and a lone LF stay as they are.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// A CR came last; the next byte decides what becomes of it.
    held_cr: bool,
}

impl Decoder {
    /// Appends the storage's form of the next bytes from the wire.
    // req: 959-3.1.1.1-receive, 959-3.1.2-same-file
    pub(super) fn decode(&mut self, wire: &[u8], stored: &mut Vec<u8>) {
        let Some(&first) = wire.first() else { return };
        if core::mem::take(&mut self.held_cr) && first != b'\n' {
            stored.push(b'\r');
        }
        stored.reserve(wire.len());
        let mut begin = 0;
        for end in memchr_iter(b'\n', wire) {
            let text = wire.get(begin..end).unwrap_or_default();
            stored.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
            stored.push(b'\n');
            begin = end + 1;
        }
        let rest = wire.get(begin..).unwrap_or_default();
        let text = rest.strip_suffix(b"\r");
        stored.extend_from_slice(text.unwrap_or(rest));
        self.held_cr = text.is_some();
    }

    /// The stream is at its end: a CR that waited for its LF was a lone one.
    pub(super) fn finish(&mut self, stored: &mut Vec<u8>) {
        if core::mem::take(&mut self.held_cr) {
            stored.push(b'\r');
        }
    }

    /// Whether a CR waits.
    pub(super) fn holds_cr(&self) -> bool {
        self.held_cr
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::{Arbitrary, Gen, QuickCheck};

    /// Bytes in which line ends are frequent, and where to cut them.
    #[derive(Clone, Debug)]
    struct Text(Vec<Vec<u8>>);

    impl Arbitrary for Text {
        fn arbitrary(random: &mut Gen) -> Self {
            let piece = |random: &mut Gen| {
                (0..usize::arbitrary(random) % 8).map(|_| *random.choose(b"\r\n\r\nab").unwrap()).collect()
            };
            Self((0..usize::arbitrary(random) % 12).map(|_| piece(random)).collect())
        }

        fn shrink(&self) -> alloc::boxed::Box<dyn Iterator<Item = Self>> {
            alloc::boxed::Box::new(self.0.shrink().map(Self))
        }
    }

    fn encoded<'a>(pieces: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
        let (mut encoder, mut wire) = (Encoder::default(), Vec::new());
        for piece in pieces {
            encoder.encode(piece, &mut wire);
        }
        wire
    }

    fn decoded<'a>(pieces: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
        let (mut decoder, mut stored) = (Decoder::default(), Vec::new());
        for piece in pieces {
            decoder.decode(piece, &mut stored);
        }
        decoder.finish(&mut stored);
        stored
    }

    #[test]
    fn line_ends_become_what_the_other_side_uses() {
        for (stored, wire) in [
            (&b""[..], &b""[..]),
            (b"a\nb\n", b"a\r\nb\r\n"),
            (b"a\r\nb", b"a\r\nb"),
            (b"\n\n", b"\r\n\r\n"),
            (b"a\rb\r", b"a\rb\r"),
            (b"\r\r\n", b"\r\r\n"),
        ] {
            assert_eq!(encoded([&stored.to_vec()]), wire);
        }
        for (wire, stored) in [
            (&b""[..], &b""[..]),
            (b"a\r\nb\r\n", b"a\nb\n"),
            (b"a\nb\rc\r", b"a\nb\rc\r"),
            (b"\r\r\n\r", b"\r\n\r"),
        ] {
            assert_eq!(decoded([&wire.to_vec()]), stored);
        }
    }

    #[test]
    fn where_the_bytes_are_cut_makes_no_difference() {
        fn property(text: Text) -> bool {
            let whole = text.0.concat();
            encoded(&text.0) == encoded([&whole]) && decoded(&text.0) == decoded([&whole])
        }
        QuickCheck::new().tests(2_000).quickcheck(property as fn(Text) -> bool);
    }

    #[test]
    fn what_is_sent_and_stored_again_is_the_same_but_for_its_line_ends() {
        fn property(text: Text) -> bool {
            let whole = text.0.concat();
            let wire = encoded([&whole]);
            // No LF on the wire without its CR, and the way back undoes what the way out did.
            let bare = wire
                .iter()
                .enumerate()
                .any(|(at, &byte)| byte == b'\n' && (at == 0 || wire.get(at - 1) != Some(&b'\r')));
            let without_cr: Vec<u8> = whole.iter().copied().filter(|&byte| byte != b'\r').collect();
            !bare && decoded([&wire]) == decoded([&whole]) && decoded([&encoded([&without_cr])]) == without_cr
        }
        QuickCheck::new().tests(2_000).quickcheck(property as fn(Text) -> bool);
    }
}
