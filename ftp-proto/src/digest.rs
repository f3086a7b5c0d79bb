//! Digests of files: which there are, and how each is computed.

use alloc::string::String;
use core::fmt::Write as _;
use sha2::Digest as _;

/// How a digest is computed. For FTP they tell whether a file arrived whole; against somebody who forges files only the
/// SHA-2 ones help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// The CRC of Ethernet and ZIP.
    Crc32,
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Each with its name in HASH (draft-bryan-ftpext-hash-02 section 5), the strongest that is common first.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("SHA-256", Self::Sha256),
        ("SHA-512", Self::Sha512),
        ("SHA-1", Self::Sha1),
        ("MD5", Self::Md5),
        ("CRC32", Self::Crc32),
    ];

    /// The name in HASH.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// The one of that name, in any case.
    pub fn find(name: &[u8]) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        found.map(|(_, algorithm)| *algorithm)
    }
}

/// A digest being computed.
pub(crate) enum Hasher {
    Crc32(crc32fast::Hasher),
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(crc32fast::Hasher::new()),
            Algorithm::Md5 => Self::Md5(md5::Md5::new()),
            Algorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(sha2::Sha512::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// In hexadecimal digits, small ones.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Crc32(hasher) => hexadecimal(&hasher.finalize().to_be_bytes()),
            Self::Md5(hasher) => hexadecimal(&hasher.finalize()),
            Self::Sha1(hasher) => hexadecimal(&hasher.finalize()),
            Self::Sha256(hasher) => hexadecimal(&hasher.finalize()),
            Self::Sha512(hasher) => hexadecimal(&hasher.finalize()),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of RFC 1321 A.5 and FIPS 180-4, and the check value of CRC-32/ISO-HDLC.
    #[test]
    fn known_digests() {
        for (algorithm, text, digest) in [
            (Algorithm::Crc32, "123456789", "cbf43926"),
            (Algorithm::Crc32, "", "00000000"),
            (Algorithm::Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Algorithm::Sha512,
                "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            let mut hasher = Hasher::new(algorithm);
            text.as_bytes().chunks(2).for_each(|part| hasher.update(part));
            assert_eq!(hasher.finish(), digest, "{algorithm:?}");
        }
    }

    #[test]
    fn names_find_their_algorithm() {
        for (name, algorithm) in Algorithm::NAMES {
            assert_eq!(Algorithm::find(name.to_lowercase().as_bytes()), Some(*algorithm));
            assert_eq!(algorithm.name(), *name);
        }
        assert_eq!(Algorithm::find(b"SHA-3"), None);
    }
}
