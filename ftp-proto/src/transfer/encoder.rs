//! From the storage's form of a file to the wire's: what TYPE makes of it ([`text`]), then what STRU and MODE add
//! (the frame), then what MODE Z makes of all that.

use super::coding::{Coding, Mode, Structure};
use super::deflate::Compressor;
use super::{block, compressed, records, text};
use alloc::vec::Vec;
use memchr::memchr;

/// Restart markers are this many stored bytes apart (RFC 959 section 3.5).
const MARK_EVERY: u64 = 1 << 20;

/// Bytes that it is given at once, where nothing in it wants less.
const APPETITE: usize = 128 * 1024;

/// The chain of codecs of one download or listing.
pub(super) struct Encoder {
    structure: Structure,
    text: text::Encoder,
    frame: Frame,
    /// Between the two.
    between: Vec<u8>,
    /// Where the next byte stands in the file.
    position: u64,
    /// Where in the file the next restart marker is due; its text is the number, which REST takes.
    next_mark: Option<u64>,
    /// MODE Z, and what goes into it.
    pack: Option<Compressor>,
    unpacked: Vec<u8>,
    /// So many bytes are left out at the beginning, counted before MODE Z: the client has them.
    skip: u64,
}

/// What STRU and MODE add.
enum Frame {
    /// MODE S or Z and STRU F: nothing.
    None,
    Records,
    Blocks,
    Compressed(compressed::Encoder),
}

impl Encoder {
    /// For what begins at `start` of a file. `None`: there is nothing to do, the wire carries the bytes as they are
    /// stored.
    pub(super) fn new(coding: Coding, start: u64) -> Option<Self> {
        if coding.is_verbatim() {
            return None;
        }
        let frame = match (coding.mode, coding.structure) {
            (Mode::Stream | Mode::Deflate(_), Structure::File) => Frame::None,
            (Mode::Stream | Mode::Deflate(_), Structure::Record) => Frame::Records,
            (Mode::Block, _) => Frame::Blocks,
            (Mode::Compressed, _) => Frame::Compressed(compressed::Encoder::new(text::filler(coding.kind))),
        };
        let pack = match coding.mode {
            Mode::Deflate(deflate) => Some(Compressor::new(deflate.level)),
            Mode::Stream | Mode::Block | Mode::Compressed => None,
        };
        Some(Self {
            structure: coding.structure,
            text: text::Encoder::new(coding.kind),
            frame,
            between: Vec::new(),
            position: start,
            next_mark: coding.has_markers().then(|| start.saturating_add(MARK_EVERY)),
            pack,
            unpacked: Vec::new(),
            skip: 0,
        })
    }

    /// For a listing, whose lines end in CR LF already. `None`: the wire carries them as they are.
    pub(super) fn of_lines(coding: Coding) -> Option<Self> {
        let coding = coding.of_listing();
        let has_nothing_to_do = coding == Coding { form: coding.form, ..Coding::ASCII };
        let encoder = if has_nothing_to_do { None } else { Self::new(coding, 0) };
        // There is no way back into a listing.
        encoder.map(|encoder| Self { next_mark: None, ..encoder })
    }

    /// Whether it has to know the byte before the first one.
    pub(super) fn wants_byte_before(&self) -> bool {
        self.structure == Structure::File && matches!(self.text, text::Encoder::Ascii(_))
    }

    /// The byte before the first one.
    pub(super) fn come_behind(&mut self, byte: u8) {
        self.text.come_behind(byte);
    }

    /// Leaves out the first bytes of what goes over the wire, in MODE Z of what is compressed.
    pub(super) fn skip(&mut self, octets: u64) {
        self.skip = octets;
    }

    /// Whether more was to be left out than has come yet.
    pub(super) fn is_skipping(&self) -> bool {
        self.skip > 0
    }

    /// How many bytes to give it at once, for a turn that does not take long.
    pub(super) fn appetite(&self) -> usize {
        self.pack.as_ref().map_or(APPETITE, Compressor::appetite)
    }

    /// Appends the wire's form of the next bytes of the file: a few times as many at most. May hold some of it back.
    pub(super) fn encode(&mut self, stored: &[u8], wire: &mut Vec<u8>) {
        self.pack(wire, |encoder, plain| encoder.encode_marked(stored, plain));
    }

    /// The file is at its end: appends what was held back, and what marks the end.
    pub(super) fn finish(&mut self, wire: &mut Vec<u8>) {
        self.pack(wire, Self::finish_plain);
        if let Some(pack) = &mut self.pack {
            pack.finish(wire);
        }
    }

    /// Has the other codecs work for MODE Z, if that is on, and leaves out what the client has.
    fn pack(&mut self, wire: &mut Vec<u8>, encode: impl FnOnce(&mut Self, &mut Vec<u8>)) {
        let Some(mut pack) = self.pack.take() else {
            let before = wire.len();
            encode(self, wire);
            return self.leave_out(wire, before);
        };
        let mut plain = core::mem::take(&mut self.unpacked);
        plain.clear();
        encode(self, &mut plain);
        self.leave_out(&mut plain, 0);
        pack.compress(&plain, wire);
        (self.pack, self.unpacked) = (Some(pack), plain);
    }

    fn leave_out(&mut self, bytes: &mut Vec<u8>, from: usize) {
        if self.skip > 0 {
            let has = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len() - from);
            bytes.drain(from..from + has);
            self.skip -= has as u64;
        }
    }

    fn encode_marked(&mut self, stored: &[u8], wire: &mut Vec<u8>) {
        let mut stored = stored;
        while !stored.is_empty() {
            let (now, later) = stored.split_at_checked(self.before_mark()).unwrap_or((stored, &[]));
            self.encode_all(now, wire);
            self.position = self.position.saturating_add(now.len() as u64);
            self.mark(wire);
            stored = later;
        }
    }

    fn finish_plain(&mut self, wire: &mut Vec<u8>) {
        let Self { text, frame, between, .. } = self;
        between.clear();
        text.finish(between);
        match frame {
            Frame::None => wire.append(between),
            Frame::Records => {
                records::encode(between, false, wire);
                records::finish(wire);
            }
            Frame::Blocks => block::encode(between, block::END_OF_FILE, wire),
            Frame::Compressed(encoder) => {
                encoder.encode(between, false, wire);
                encoder.finish(wire);
            }
        }
    }

    fn encode_all(&mut self, stored: &[u8], wire: &mut Vec<u8>) {
        match (self.structure, &self.frame) {
            (Structure::File, Frame::None) => self.text.encode(stored, wire),
            (Structure::File, _) => {
                self.between.clear();
                self.text.encode(stored, &mut self.between);
                self.frame(false, wire);
            }
            (Structure::Record, _) => self.encode_records(stored, wire),
        }
    }

    /// The lines of a text are its records (RFC 959 section 3.1.2); what stands behind the last line's end is part of
    /// one that does not end, so that the way back gives the same file.
    // req: 959-3.1.2-same-file, 1123-4.1.2.4-invertible
    fn encode_records(&mut self, stored: &[u8], wire: &mut Vec<u8>) {
        let mut stored = stored;
        while !stored.is_empty() {
            let end = memchr(b'\n', stored);
            let (piece, rest) = stored.split_at_checked(end.unwrap_or(stored.len())).unwrap_or((stored, &[]));
            stored = rest.get(1..).unwrap_or_default();
            self.between.clear();
            self.text.encode_record(piece, end.is_some(), &mut self.between);
            self.frame(end.is_some(), wire);
        }
    }

    /// Frames what is in between; `ends`: a record ends with it.
    fn frame(&mut self, ends: bool, wire: &mut Vec<u8>) {
        let Self { frame, between, .. } = self;
        match frame {
            Frame::None => wire.append(between),
            Frame::Records => records::encode(between, ends, wire),
            Frame::Blocks => block::encode(between, if ends { block::END_OF_RECORD } else { 0 }, wire),
            Frame::Compressed(encoder) => encoder.encode(between, ends, wire),
        }
    }

    /// How many bytes may come before the next marker; one if that is overdue.
    fn before_mark(&self) -> usize {
        let left = self.next_mark.map_or(u64::MAX, |mark| mark.saturating_sub(self.position).max(1));
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// A marker, if one is due and what follows can be sent without what came before.
    fn mark(&mut self, wire: &mut Vec<u8>) {
        if self.next_mark.is_none_or(|mark| self.position < mark) || !self.text.is_between() {
            return;
        }
        self.next_mark = Some(self.position.saturating_add(MARK_EVERY));
        let marker = alloc::format!("{}", self.position).into_bytes();
        match &mut self.frame {
            Frame::Blocks => block::encode(&marker, block::MARKER, wire),
            Frame::Compressed(encoder) => encoder.mark(&marker, wire),
            Frame::None | Frame::Records => {}
        }
    }
}
