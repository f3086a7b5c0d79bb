//! What becomes of those who guess passwords.

use super::{ConfigError, Network};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// What becomes of those who guess passwords. What is counted is counted by address (IPv6: by /64), never by user alone, so
/// that nobody can lock a user out elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bans {
    /// Whether anybody is banned. Default yes. Failures are counted all the same, for `limits.login_delay`.
    pub enabled: bool,
    /// After so many failures of one user from one address that name is refused there, whatever the password; 0: never.
    /// Default 10: three times three tries of somebody who has forgotten a password, or of a program with an old one.
    pub user_failures: u32,
    /// After so many failures from one address, of whatever names, it is turned away; 0: never. Default 50. One name brings
    /// [`user_failures`](Self::user_failures) of them and is not counted then, so that it takes five people behind one
    /// address who fail that often within the hour; for a single device with an old password it can't happen.
    pub address_failures: u32,
    /// How long failures count, from the first of them on. Default 1 h.
    pub window: Duration,
    /// How long a ban lasts; the next one of the same twice as long, and so on. Default 10 min.
    pub duration: Duration,
    /// The longest a ban lasts, and how long after its end it makes the next one longer. Default 24 h.
    pub longest: Duration,
    /// Networks that are never banned. Default the server itself (127.0.0.0/8, `::1`): a tunnel or proxy there stands for
    /// all of its clients.
    pub exempt: Vec<Network>,
}

impl Default for Bans {
    fn default() -> Self {
        let loopback = [([127, 0, 0, 0].into(), 8), (core::net::Ipv6Addr::LOCALHOST.into(), 128)];
        Self {
            enabled: true,
            user_failures: 10,
            address_failures: 50,
            window: Duration::from_secs(3_600),
            duration: Duration::from_secs(600),
            longest: Duration::from_secs(86_400),
            exempt: loopback.map(|(address, prefix)| Network::around(address, prefix)).to_vec(),
        }
    }
}

impl Bans {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        const YEAR: Duration = Duration::from_secs(366 * 86_400);
        for (key, value) in
            [("bans.window", self.window), ("bans.duration", self.duration), ("bans.longest", self.longest)]
        {
            if value.is_zero() || value > YEAR {
                return Err(ConfigError {
                    key,
                    problem: String::from("write a time from 1 second to 366 days"),
                });
            }
        }
        if self.longest < self.duration {
            let problem = String::from("write a time that is not shorter than bans.duration");
            return Err(ConfigError { key: "bans.longest", problem });
        }
        Ok(())
    }
}
