//! Lines about who is kept out: connections that are turned away, logins that failed, bans.

use super::seldom::Seldom;
use ftp_proto::Ban;
use ftp_proto::notice::Refusal;
use ftp_proto::path::Escaped;
use std::net::SocketAddr;
use std::time::Instant;
use tracing::field::display;
use tracing::{info, warn};

/// Floods are turned away thousands of times.
pub(super) fn refused(seldom: &Seldom, peer: SocketAddr, why: Refusal) {
    let (ip, port) = (peer.ip().to_canonical(), peer.port());
    if let Some(left_out) = seldom.is_due(Instant::now(), ip) {
        let left_out = (left_out > 0).then_some(left_out);
        warn!(%ip, port, reason = %why, left_out, "session refused");
    }
}

/// The address comes first, as for `AUTH-FAIL`: a name can't forge it then.
pub(super) fn banned(ban: &Ban) {
    let user = ban.user.as_deref().map(|user| display(Escaped(user.as_bytes())));
    let host = ban.host.as_deref().map(display);
    let seconds = ban.until.seconds.saturating_sub(ban.since.seconds);
    warn!(ip = %ban, user, host, failures = ban.failures, seconds, times = ban.times, "BAN");
}

pub(super) fn ban_ended(ban: &Ban, lifted: bool) {
    let user = ban.user.as_deref().map(|user| display(Escaped(user.as_bytes())));
    let host = ban.host.as_deref().map(display);
    info!(ip = %ban, user, host, reason = %if lifted { "lifted" } else { "over" }, "UNBAN");
}
