//! Whose turn it is among the jobs that may take long: so many run at a time, of one client no more than half of them, and
//! of those that wait the first of the client that has fewest. Else whoever asks often enough would keep all others out.

use super::Job;
use crate::config::{Network, client_of};
use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;

/// How many long jobs run at a time. They keep disks and processors busy, of which there are few.
const AT_ONCE: usize = 32;
/// How many of them one client may have.
const OF_ONE_CLIENT: usize = AT_ONCE / 2;

/// Who may have only so many places. Whoever has one address of IPv6 has the 2^64 beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contender(Option<Network>);

impl Contender {
    /// The client at this address.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self(Some(client_of(address)))
    }

    /// Whoever has the job done.
    pub fn of(job: &Job) -> Self {
        match job {
            Job::Long(_, _, course) => course.contender(),
            _ => Self::default(),
        }
    }
}

/// Nobody in particular: a job that no session has made.
impl Default for Contender {
    fn default() -> Self {
        Self(None)
    }
}

/// The places of one server, and the jobs that wait for one. `T` is a job with what an adapter needs to answer it.
pub struct Turns<T> {
    places: usize,
    of_one_client: usize,
    running: BTreeMap<Contender, usize>,
    waiting: VecDeque<(Contender, T)>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self::with_places(AT_ONCE, OF_ONE_CLIENT)
    }
}

impl<T> Turns<T> {
    /// So many places, and so many of them for one client.
    pub(crate) fn with_places(places: usize, of_one_client: usize) -> Self {
        Self { places, of_one_client, running: BTreeMap::new(), waiting: VecDeque::new() }
    }

    /// A new job: it comes back if it has its place at once, and waits otherwise. Those that wait and are not wanted any more
    /// are dropped: who asks and gives up again and again must not fill the memory.
    pub fn begin(&mut self, contender: Contender, job: T, is_wanted: impl Fn(&T) -> bool) -> Option<T> {
        self.waiting.retain(|(_, job)| is_wanted(job));
        if self.running() >= self.places || self.running_of(contender) >= self.of_one_client {
            self.waiting.push_back((contender, job));
            return None;
        }
        *self.running.entry(contender).or_default() += 1;
        Some(job)
    }

    /// A job has ended: the next one that has its place now.
    pub fn end(&mut self, contender: Contender) -> Option<T> {
        if let Some(count) = self.running.get_mut(&contender) {
            *count -= 1;
            if *count == 0 {
                self.running.remove(&contender);
            }
        }
        let of = |(contender, _): &(Contender, T)| self.running_of(*contender);
        let fewest = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| of(waiting));
        let next = fewest.filter(|(_, waiting)| of(waiting) < self.of_one_client).map(|(place, _)| place);
        let (contender, job) = self.waiting.remove(next?)?;
        *self.running.entry(contender).or_default() += 1;
        Some(job)
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running.values().sum()
    }

    /// Those that wait.
    #[cfg(feature = "testing")]
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &T> {
        self.waiting.iter().map(|(_, job)| job)
    }

    fn running_of(&self, contender: Contender) -> usize {
        self.running.get(&contender).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn client(number: u8) -> Contender {
        Contender::at([192, 0, 2, number].into())
    }

    fn begin(turns: &mut Turns<u8>, number: u8) -> bool {
        turns.begin(client(number), number, |_| true).is_some()
    }

    #[test]
    fn one_client_leaves_half_of_the_places() {
        let mut turns = Turns::default();
        assert_eq!((0..100).filter(|_| begin(&mut turns, 1)).count(), OF_ONE_CLIENT);
        assert!((2..10).all(|number| begin(&mut turns, number)));
        // Its own places are its own.
        assert_eq!(turns.end(client(2)), None);
        assert_eq!(turns.end(client(1)), Some(1));
        assert_eq!(turns.running(), OF_ONE_CLIENT + 7);
    }

    #[test]
    fn who_has_fewest_is_next() {
        let mut turns = Turns::default();
        assert_eq!((0..20).filter(|_| begin(&mut turns, 1)).count(), OF_ONE_CLIENT);
        assert_eq!((0..20).filter(|_| begin(&mut turns, 2)).count(), OF_ONE_CLIENT);
        assert!(![3, 3, 4].into_iter().any(|number| begin(&mut turns, number)));
        let next: Vec<_> = [1, 1, 2, 2].into_iter().map(|number| turns.end(client(number))).collect();
        assert_eq!(next, [Some(3), Some(4), Some(3), Some(1)]);
    }

    #[test]
    fn all_that_wait_come_to_their_turn() {
        let mut turns = Turns::default();
        let mut running: VecDeque<u8> = (0..400u16)
            .filter_map(|number| turns.begin(client((number % 5) as u8), (number % 5) as u8, |_| true))
            .collect();
        let mut ended = 0;
        while let Some(number) = running.pop_front() {
            ended += 1;
            running.extend(turns.end(client(number)));
            assert!(turns.running() == running.len() && running.len() <= AT_ONCE);
        }
        assert_eq!(ended, 400);
        assert!(turns.running.is_empty());
    }

    #[test]
    fn nobody_waits_for_what_is_not_wanted() {
        let mut turns = Turns::default();
        (0..100).for_each(|_| {
            turns.begin(client(1), 1, |_| false);
        });
        assert_eq!(turns.waiting.len(), 1);
    }

    #[test]
    fn neighbours_in_ipv6_are_one_contender() {
        let at = |text: &str| Contender::at(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::2:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
