//! How a file stands on the wire: the transfer parameters of RFC 959 section 3.1.

/// The transfer parameters of one transfer. The default is the protocol's own (RFC 959 section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Coding {
    /// TYPE.
    pub kind: Kind,
    /// MODE.
    pub mode: Mode,
}

impl Coding {
    /// The bytes as they are stored.
    pub const IMAGE: Self = Self { kind: Kind::Image, mode: Mode::Stream };
    /// Lines of ASCII.
    pub const ASCII: Self = Self { kind: Kind::Ascii, mode: Mode::Stream };

    /// Whether the wire carries the bytes as they are stored and nothing else.
    pub fn is_verbatim(self) -> bool {
        self == Self::IMAGE
    }

    /// The same for a listing, which is text whatever the TYPE is (RFC 959 section 4.1.3): its lines end in CR LF.
    pub(crate) fn of_listing(self) -> Self {
        Self { kind: Kind::Ascii, ..self }
    }
}

/// TYPE without its form (RFC 959 section 3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
// req: 959-3.1.1.1-default
pub enum Kind {
    /// TYPE A: text, its lines end in CR LF.
    #[default]
    Ascii,
    /// TYPE I and L 8: bytes.
    Image,
}

/// MODE (RFC 959 section 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// MODE S: the bytes alone.
    #[default]
    Stream,
    /// MODE Z: one zlib stream (draft-preston-ftpext-deflate).
    Deflate(Deflate),
}

impl Mode {
    /// What it is called in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Deflate(_) => "deflate",
        }
    }
}

/// How a transfer in MODE Z is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Deflate {
    /// How much work goes into compressing, 0 to 9.
    pub level: u8,
    /// How many times its size an upload may become; 0: any.
    pub ratio: u32,
}
