//! One program after the other in a directory, if nobody minds.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long another server may take for what it does there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Locks the directory as long as the answer is held. Everybody who may read it can lock it, too, and for ever: then it
/// has to do without, since only the rare meeting of two servers is at stake.
pub(crate) fn take(directory: &Path, patience: Duration) -> io::Result<File> {
    let directory = File::open(directory)?;
    let until = Instant::now() + patience;
    loop {
        match directory.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(()) | Err(TryLockError::WouldBlock) => return Ok(directory),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}
