//! The server's certificates: read from their files, watched, and read again when they change, while sessions go on.
//!
//! New files that are wrong change nothing: the old certificate stays in use, and the log says why. What is wrong is
//! said once for each change, and so is, once a day, what ends soon.

mod certificates;
mod load;

pub use certificates::{Certificates, OwnCertificate};
pub use load::{Loaded, ServerCertificate, load};

use ftp_proto::time::UnixTime;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time by this machine's clock, to the second.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
