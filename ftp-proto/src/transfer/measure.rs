//! How much a transfer would send, for SIZE.

use super::coding::Coding;
use super::encoder::Encoder;
use crate::host::{File, StorageError};
use alloc::vec::Vec;

/// Bytes read at once.
const READ: usize = 64 * 1024;
/// The longest file that is read for this: some hundredths of a second, however often a client asks.
const READ_AT_MOST: u64 = 16 * 1024 * 1024;

/// How many octets a transfer of this file would send. `None`: it is too long to be read for that.
pub(crate) fn measure(file: &mut dyn File, coding: Coding) -> Result<Option<u64>, StorageError> {
    let Some(mut encoder) = Encoder::new(coding, 0) else { return Ok(file.size()) };
    if file.size().is_none_or(|size| size > READ_AT_MOST) {
        return Ok(None);
    }
    let (mut room, mut wire) = (Vec::new(), Vec::new());
    room.resize(READ, 0);
    let (mut position, mut octets) = (0u64, 0u64);
    while position <= READ_AT_MOST {
        let count = file.read_at(position, &mut room)?.min(READ);
        wire.clear();
        if count == 0 {
            encoder.finish(&mut wire);
            return Ok(Some(octets + wire.len() as u64));
        }
        encoder.encode(room.get(..count).unwrap_or_default(), &mut wire);
        position += count as u64;
        octets += wire.len() as u64;
    }
    // It grows while it is read.
    Ok(None)
}
