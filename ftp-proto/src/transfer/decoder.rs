//! From the wire's form of a file to the storage's: MODE Z is undone, what STRU and MODE added goes (the frame), then
//! what TYPE made of it ([`text`]).

use super::coding::{Coding, Mode, Structure};
use super::deflate::Decompressor;
use super::{block, compressed, records, text};
use alloc::string::String;
use alloc::vec::Vec;

/// What is wrong with what the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// The stream ended, and the mark of the file's end was still to come.
    #[error("the mark of the file's end is missing")]
    NoEnd,
    /// MODE Z: it is no zlib stream, needs a dictionary, or its checksum is wrong.
    #[error("the data are no zlib stream, or a damaged one")]
    NotDeflated,
    /// MODE Z: bytes came behind the end of the zlib stream or, within it, behind the mark of the file's end.
    #[error("the zlib stream has ended, and more came")]
    BehindEnd,
    /// MODE Z: it becomes more than [`Limits::deflate_ratio`](crate::config::Limits::deflate_ratio) allows.
    #[error("the zlib stream becomes too many times its size")]
    Expands,
    /// A record would become two, since it holds what ends a line.
    #[error("a record holds a line end")]
    LineEndInRecord,
    /// There are records in a file that has none.
    #[error("there are records, which need STRU R")]
    Record,
    /// A control code in a stream of records that there is not.
    #[error("there is an unknown control code")]
    ControlCode,
    /// Bits of a descriptor that there are not.
    #[error("there is an unknown descriptor")]
    Descriptor,
    /// A restart marker that is too long, empty or can't be shown (RFC 959 section 3.5).
    #[error("there is a restart marker that can't be shown")]
    Marker,
}

impl Malformed {
    /// Whether what came before is not to be trusted, or not to be kept: a checksum comes last.
    pub(super) fn spoils_all(self) -> bool {
        match self {
            Self::NotDeflated | Self::BehindEnd | Self::Expands => true,
            Self::NoEnd
            | Self::LineEndInRecord
            | Self::Record
            | Self::ControlCode
            | Self::Descriptor
            | Self::Marker => false,
        }
    }
}

/// Why a decoder stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// It has used all that came.
    Hungry,
    /// There is no more room for what comes out. It goes on with the rest of what came, and has to be called again
    /// even if that is nothing: a few bytes may stand for many.
    Full,
    /// The client's restart marker stands for what came before it. It goes on with the rest of what came.
    Marker(String),
    /// The file is at its end; what comes behind it is not part of it.
    End,
}

/// What a frame consists of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    /// A byte, and how often; 63 times at most.
    Run(u8, usize),
    EndOfRecord,
    EndOfFile,
    Marker(Vec<u8>),
}

/// The chain of codecs of one upload.
pub(super) struct Decoder {
    unpack: Option<Unpack>,
    plain: Plain,
}

/// What undoes MODE Z, and what came out of it.
struct Unpack {
    decompressor: Decompressor,
    bytes: Vec<u8>,
    /// So many of them are used.
    used: usize,
    /// Why it stopped.
    pause: Result<Pause, Malformed>,
    /// The mark of the file's end came. It is believed when the zlib stream's own end has come.
    file_ended: bool,
}

/// All but MODE Z.
struct Plain {
    structure: Structure,
    frame: Frame,
    text: text::Decoder,
}

/// What STRU and MODE added.
enum Frame {
    /// MODE S or Z and STRU F: nothing.
    None,
    Records(records::Decoder),
    Blocks(block::Decoder),
    Compressed(compressed::Decoder),
}

/// What comes out of MODE Z at once.
const UNPACK: usize = 64 * 1024;

impl Decoder {
    /// `None`: there is nothing to do, the wire carries the bytes as they are stored.
    pub(super) fn new(coding: Coding) -> Option<Self> {
        if coding.is_verbatim() {
            return None;
        }
        let frame = match (coding.mode, coding.structure) {
            (Mode::Stream | Mode::Deflate(_), Structure::File) => Frame::None,
            (Mode::Stream | Mode::Deflate(_), Structure::Record) => {
                Frame::Records(records::Decoder::default())
            }
            (Mode::Block, _) => Frame::Blocks(block::Decoder::default()),
            (Mode::Compressed, _) => Frame::Compressed(compressed::Decoder::new(text::filler(coding.kind))),
        };
        let unpack = match coding.mode {
            Mode::Deflate(deflate) => Some(Unpack::new(deflate.ratio)),
            Mode::Stream | Mode::Block | Mode::Compressed => None,
        };
        let plain = Plain { structure: coding.structure, frame, text: text::Decoder::new(coding.kind) };
        Some(Self { unpack, plain })
    }

    /// Takes from the front of `wire` and appends the storage's form to `stored`, until that holds `room` bytes: it
    /// may become longer by as much as came, not more.
    pub(super) fn decode(
        &mut self,
        wire: &mut &[u8],
        stored: &mut Vec<u8>,
        room: usize,
    ) -> Result<Pause, Malformed> {
        match &mut self.unpack {
            None => self.plain.decode(wire, stored, room),
            Some(unpack) => unpack.decode(&mut self.plain, wire, stored, room),
        }
    }

    /// The stream is at its end: appends what was held back, if that is the file's end, too.
    pub(super) fn finish(&mut self, stored: &mut Vec<u8>) -> Result<(), Malformed> {
        let (is_whole, file_ended) = match &self.unpack {
            None => (true, false),
            Some(unpack) => (unpack.decompressor.is_at_end(), unpack.file_ended),
        };
        match self.plain.frame {
            Frame::None if is_whole => self.plain.text.finish(stored),
            _ if is_whole && file_ended => {}
            _ => return Err(Malformed::NoEnd),
        }
        Ok(())
    }
}

impl Unpack {
    fn new(ratio: u32) -> Self {
        let (bytes, pause) = (Vec::new(), Ok(Pause::Hungry));
        Self { decompressor: Decompressor::new(ratio), bytes, used: 0, pause, file_ended: false }
    }

    /// As [`Decoder::decode`]. What came out before something was wrong is good.
    fn decode(
        &mut self,
        plain: &mut Plain,
        wire: &mut &[u8],
        stored: &mut Vec<u8>,
        room: usize,
    ) -> Result<Pause, Malformed> {
        loop {
            let mut rest = self.bytes.get(self.used..).unwrap_or_default();
            if self.file_ended && !rest.is_empty() {
                return Err(Malformed::BehindEnd);
            }
            let pause = plain.decode(&mut rest, stored, room)?;
            self.used = self.bytes.len() - rest.len();
            match pause {
                Pause::Hungry => {}
                Pause::End => {
                    self.file_ended = true;
                    continue;
                }
                Pause::Full | Pause::Marker(_) => return Ok(pause),
            }
            self.pause.clone()?;
            if wire.is_empty() && self.pause == Ok(Pause::Hungry) {
                return Ok(Pause::Hungry);
            }
            (self.used, self.pause) = (0, Ok(Pause::Hungry));
            self.bytes.clear();
            self.pause = self.decompressor.decompress(wire, &mut self.bytes, UNPACK);
            if self.bytes.is_empty() {
                return self.pause.clone();
            }
        }
    }
}

impl Plain {
    fn decode(&mut self, wire: &mut &[u8], stored: &mut Vec<u8>, room: usize) -> Result<Pause, Malformed> {
        loop {
            if stored.len() >= room {
                return Ok(Pause::Full);
            }
            match self.frame.next(wire)? {
                None => return Ok(Pause::Hungry),
                Some(Piece::Data(data)) => self.data(data, stored)?,
                Some(Piece::Run(byte, count)) => {
                    let run = [byte; 63];
                    self.data(run.get(..count).unwrap_or_default(), stored)?;
                }
                Some(Piece::EndOfRecord) if self.structure == Structure::Record => stored.push(b'\n'),
                Some(Piece::EndOfRecord) => return Err(Malformed::Record),
                Some(Piece::EndOfFile) => {
                    self.text.finish(stored);
                    return Ok(Pause::End);
                }
                Some(Piece::Marker(marker)) => {
                    let marker = shown(marker)?;
                    // In the middle of a line's end nothing could be resumed: the marker before must do.
                    if self.text.is_between() {
                        return Ok(Pause::Marker(marker));
                    }
                }
            }
        }
    }

    fn data(&mut self, data: &[u8], stored: &mut Vec<u8>) -> Result<(), Malformed> {
        match self.structure {
            Structure::File => self.text.decode(data, stored),
            Structure::Record => self.text.decode_record(data, stored)?,
        }
        Ok(())
    }
}

impl Frame {
    /// Takes the next piece from the front of `wire`; `None`: more has to come first.
    fn next<'a>(&mut self, wire: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Malformed> {
        match self {
            Self::None if wire.is_empty() => Ok(None),
            Self::None => Ok(Some(Piece::Data(core::mem::take(wire)))),
            Self::Records(decoder) => decoder.next(wire),
            Self::Blocks(decoder) => decoder.next(wire),
            Self::Compressed(decoder) => decoder.next(wire),
        }
    }
}

/// Markers are printable characters (RFC 959 section 3.5); the reply that names one has spaces around it.
// req: 959-3.5-marker-characters
fn shown(marker: Vec<u8>) -> Result<String, Malformed> {
    let is_shown = !marker.is_empty() && marker.iter().all(u8::is_ascii_graphic);
    String::from_utf8(marker).ok().filter(|_| is_shown).ok_or(Malformed::Marker)
}
