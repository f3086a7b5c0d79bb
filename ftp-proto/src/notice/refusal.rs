//! Why a control connection is turned away.

use core::fmt;
use core::time::Duration;

/// Why a control connection is turned away; displayed, it is the text of the 421.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server is about to go.
    ShuttingDown,
    /// There is nobody to serve it: no threads.
    TooBusy,
    /// `limits.sessions`.
    Sessions,
    /// `limits.sessions_per_address`.
    SessionsPerAddress,
    /// `limits.sessions_per_network`.
    SessionsPerNetwork,
    /// `limits.unauthenticated_per_address`.
    UnauthenticatedPerAddress,
    /// `limits.unauthenticated`: it was let in, and had to make room for somebody else.
    Unauthenticated,
    /// The address is banned for so long yet.
    Banned(Duration),
}

impl Refusal {
    /// Its name in counters.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::ShuttingDown => "shutting_down",
            Self::TooBusy => "too_busy",
            Self::Sessions => "sessions",
            Self::SessionsPerAddress => "sessions_per_address",
            Self::SessionsPerNetwork => "sessions_per_network",
            Self::UnauthenticatedPerAddress => "unauthenticated_per_address",
            Self::Unauthenticated => "unauthenticated",
            Self::Banned(_) => "banned",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::ShuttingDown => "The server is shutting down.",
            Self::TooBusy => "The server is too busy; try again later.",
            Self::Sessions => "Too many sessions; try again later.",
            Self::SessionsPerAddress => "Too many sessions from your address.",
            Self::SessionsPerNetwork => "Too many sessions from your network.",
            Self::UnauthenticatedPerAddress => {
                "Too many connections from your address wait for a login; try again later."
            }
            Self::Unauthenticated => "Too many connections wait for a login; try again later.",
            Self::Banned(left) => {
                let minutes = left.as_secs().div_ceil(60).max(1);
                let (number, unit) = match minutes {
                    0..120 => (minutes, "minute"),
                    _ => (minutes.div_ceil(60), "hour"),
                };
                let plural = if number == 1 { "" } else { "s" };
                return write!(
                    out,
                    "Too many failed logins from your address; try again in {number} {unit}{plural}."
                );
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn a_ban_tells_how_long_it_lasts_and_never_too_little() {
        let said = |seconds| Refusal::Banned(Duration::from_secs(seconds)).to_string();
        for (seconds, want) in
            [(0, "1 minute."), (61, "2 minutes."), (7_199, "2 hours."), (86_400, "24 hours.")]
        {
            assert!(said(seconds).ends_with(&std::format!("try again in {want}")), "{}", said(seconds));
        }
    }
}
