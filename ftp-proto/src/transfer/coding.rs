//! How a file stands on the wire: the transfer parameters of RFC 959 section 3.1.

/// The transfer parameters of one transfer. The default is the protocol's own (RFC 959 section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Coding {
    /// TYPE.
    pub kind: Kind,
    /// What the vertical format controls of a text are (TYPE's second parameter). It is for who prints the text: it is
    /// stored and sent with what it holds of them, whatever this says (RFC 959 section 3.1.1.5).
    pub form: Form,
    /// STRU.
    pub structure: Structure,
    /// MODE.
    pub mode: Mode,
}

impl Coding {
    /// The bytes as they are stored.
    pub const IMAGE: Self = Self::of(Kind::Image);
    /// Lines of ASCII.
    pub const ASCII: Self = Self::of(Kind::Ascii);

    const fn of(kind: Kind) -> Self {
        Self { kind, form: Form::NonPrint, structure: Structure::File, mode: Mode::Stream }
    }

    /// Whether the wire carries the bytes as they are stored and nothing else.
    pub fn is_verbatim(self) -> bool {
        self.kind == Kind::Image && self.mode == Mode::Stream && self.keeps_offsets()
    }

    /// Whether the wire carries a byte for each byte that is stored: an offset means the same on both sides. In MODE Z
    /// that is said of the stream that is compressed.
    pub(crate) fn keeps_offsets(self) -> bool {
        self.kind != Kind::Ascii && self.structure == Structure::File && !self.has_markers()
    }

    /// Whether a file that is cut off can be told from a whole one. In the other cases it ends where the data connection
    /// does (RFC 959 section 3.4.1).
    pub(crate) fn marks_end(self) -> bool {
        self.structure == Structure::Record || self.mode != Mode::Stream
    }

    /// Whether restart markers stand among the bytes (RFC 959 section 3.5).
    pub(crate) fn has_markers(self) -> bool {
        matches!(self.mode, Mode::Block | Mode::Compressed)
    }

    /// The same for a listing, which is text whatever the TYPE is (RFC 959 section 4.1.3).
    pub(crate) fn of_listing(self) -> Self {
        let kind = if self.kind == Kind::Image { Kind::Ascii } else { self.kind };
        Self { kind, ..self }
    }

    /// The same for MLSD: lines in a stream whatever was set (RFC 3659 section 7.2). Compression is none of what that RFC
    /// knew of; clients that ask for it want it for listings as well.
    // req: 3659-7.2-mlsd-type
    pub(crate) fn of_facts(self) -> Self {
        let mode = if matches!(self.mode, Mode::Deflate(_)) { self.mode } else { Mode::Stream };
        Self { mode, ..Self::ASCII }
    }
}

/// As STAT shows it.
impl core::fmt::Display for Coding {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "TYPE: {}", self.kind.name())?;
        if self.kind != Kind::Image {
            write!(out, ", {}", self.form.name())?;
        }
        write!(out, "; STRU: {}; MODE: {}", self.structure.name(), self.mode.name())?;
        match self.mode {
            Mode::Deflate(deflate) => write!(out, ", level {}", deflate.level),
            Mode::Stream | Mode::Block | Mode::Compressed => Ok(()),
        }
    }
}

/// TYPE without its form (RFC 959 section 3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
// req: 959-3.1.1.1-default
pub enum Kind {
    /// TYPE A: text, its lines end in CR LF.
    #[default]
    Ascii,
    /// TYPE E: text in EBCDIC, its lines end in NL.
    Ebcdic(CodePage),
    /// TYPE I and L 8: bytes.
    Image,
}

impl Kind {
    /// What RFC 959 calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ASCII",
            Self::Ebcdic(_) => "EBCDIC",
            Self::Image => "image",
        }
    }
}

/// Which EBCDIC. Each is a permutation of ISO 8859-1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CodePage {
    /// IBM-1047, the one of open systems on mainframes.
    #[default]
    Ibm1047,
    /// IBM-037: USA and Canada.
    Ibm037,
}

impl CodePage {
    /// Their numbers, as settings name them.
    pub const NAMES: &'static [(&'static str, Self)] = &[("1047", Self::Ibm1047), ("037", Self::Ibm037)];
}

/// Vertical format controls (RFC 959 section 3.1.1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// N: none.
    #[default]
    NonPrint,
    /// T: control characters.
    Telnet,
    /// C: the first character of each line, as in FORTRAN (ASA).
    CarriageControl,
}

impl Form {
    /// What RFC 959 calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NonPrint => "non-print",
            Self::Telnet => "Telnet format controls",
            Self::CarriageControl => "carriage control",
        }
    }
}

/// STRU (RFC 959 section 3.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Structure {
    /// F: a sequence of bytes.
    #[default]
    File,
    /// R: a sequence of records; those of a stored file are its lines.
    Record,
}

impl Structure {
    /// What RFC 959 calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Record => "record",
        }
    }
}

/// MODE (RFC 959 section 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// S: the bytes, and control codes where there are records.
    #[default]
    Stream,
    /// B: blocks with headers.
    Block,
    /// C: runs of equal bytes are sent as their lengths.
    Compressed,
    /// Z: what MODE S would send as one zlib stream (draft-preston-ftpext-deflate).
    Deflate(Deflate),
}

impl Mode {
    /// What it is called in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Block => "block",
            Self::Compressed => "compressed",
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
