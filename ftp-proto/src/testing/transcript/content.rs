//! What goes over a data connection, as a transcript writes it: as it is, or what a zlib stream holds.

use super::text::escape;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib;

/// What a client has to receive.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// As one zlib stream.
    pub(super) deflated: bool,
}

impl Content {
    /// Whether this is what has come.
    pub(super) fn check(&self, received: &[u8]) -> Result<(), String> {
        let inflated;
        let mut content = received;
        if self.deflated {
            inflated = decompress_to_vec_zlib(received)
                .map_err(|error| format!("no zlib stream ({error}): {}", escape(received)))?;
            content = &inflated;
        }
        if content == self.bytes {
            Ok(())
        } else {
            Err(super::play::differ(&escape(&self.bytes), &escape(content)))
        }
    }
}

/// A client's zlib stream.
pub(super) fn deflated(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec_zlib(bytes, 6)
}
