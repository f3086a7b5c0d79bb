//! Lines that the same address would write again and again: one a minute, with the number of those left out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one line stands for all of its kind.
const INTERVAL: Duration = Duration::from_secs(60);
/// How many addresses are remembered; a scanner has many.
const MOST: usize = 1_024;

/// Remembers who wrote what. Each kind of line has its own.
#[derive(Default)]
pub(super) struct Seldom(Mutex<HashMap<IpAddr, Written>>);

struct Written {
    at: Instant,
    left_out: u64,
}

impl Seldom {
    /// Whether this address may write its line now; if so, how many it has not written since the last.
    pub(super) fn is_due(&self, now: Instant, address: IpAddr) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |written: &Written| now.saturating_duration_since(written.at) < INTERVAL;
        match all.get_mut(&address) {
            Some(written) if is_recent(written) => {
                written.left_out += 1;
                return None;
            }
            Some(written) => {
                let left_out = written.left_out;
                *written = Written { at: now, left_out: 0 };
                return Some(left_out);
            }
            None => {}
        }
        if all.len() >= MOST {
            all.retain(|_, written| is_recent(written));
        }
        // So many at once: their lines say that already.
        if all.len() >= MOST {
            return None;
        }
        all.insert(address, Written { at: now, left_out: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn an_address_writes_once_a_minute_and_says_how_often_it_did_not() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(seldom.is_due(at(0), one), Some(0));
        assert_eq!(seldom.is_due(at(59), one), None);
        assert_eq!(seldom.is_due(at(59), other), Some(0));
        assert_eq!(seldom.is_due(at(60), one), Some(1));
        assert_eq!(seldom.is_due(at(61), one), None);
        assert_eq!(seldom.is_due(at(200), one), Some(1));
    }

    #[test]
    fn so_many_addresses_and_no_more_are_remembered() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let address = |number: u32| IpAddr::from(Ipv4Addr::from_bits(number));
        let written = (0..5_000).filter(|number| seldom.is_due(start, address(*number)).is_some()).count();
        assert_eq!(written, MOST);
        assert_eq!(seldom.is_due(start + INTERVAL, address(4_999)), Some(0));
    }
}
