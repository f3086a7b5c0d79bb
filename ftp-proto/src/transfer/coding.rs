//! How a file stands on the wire: the transfer parameters of RFC 959 section 3.1.

/// The transfer parameters of one transfer. The default is the protocol's own (RFC 959 section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Coding {
    /// TYPE.
    pub kind: Kind,
}

impl Coding {
    /// The bytes as they are stored.
    pub const IMAGE: Self = Self { kind: Kind::Image };
    /// Lines of ASCII.
    pub const ASCII: Self = Self { kind: Kind::Ascii };

    /// Whether the wire carries the bytes as they are stored and nothing else.
    pub fn is_verbatim(self) -> bool {
        self == Self::IMAGE
    }

    /// The same for a listing, which is text whatever the TYPE is (RFC 959 section 4.1.3): its lines end in CR LF.
    pub(crate) fn of_listing(self) -> Self {
        Self { kind: Kind::Ascii }
    }
}

/// TYPE without its form (RFC 959 section 3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// TYPE A: text, its lines end in CR LF.
    #[default]
    Ascii,
    /// TYPE I and L 8: bytes.
    Image,
}
