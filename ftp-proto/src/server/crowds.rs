//! Members by whose they are: how many each client has, and which one makes room when there are too many.
//!
//! Whoever has many addresses has them in few networks. So the network with most members is looked for first, in it the
//! client with most, and of that client's the oldest goes: a flood makes room for everybody else, and for itself.
//! Everything is logarithmic in the number of members.

use crate::config::{Network, client_of, network_of};
use alloc::collections::{BTreeMap, BTreeSet};
use core::cmp::Reverse;
use core::net::IpAddr;

/// How many members, and among as many: the older the oldest, the higher.
type Rank = (usize, Reverse<u64>);

/// Something that has members.
trait Group: Default {
    /// `None`: there are none.
    fn rank(&self) -> Option<Rank>;
}

/// Of one client. The smaller the number the older.
impl Group for BTreeSet<u64> {
    fn rank(&self) -> Option<Rank> {
        Some((self.len(), Reverse(*self.first()?)))
    }
}

/// Groups, and which comes first.
#[derive(Debug)]
struct Ranked<G> {
    groups: BTreeMap<Network, G>,
    ranking: BTreeSet<(Rank, Network)>,
    members: usize,
}

impl<G> Default for Ranked<G> {
    fn default() -> Self {
        Self { groups: BTreeMap::new(), ranking: BTreeSet::new(), members: 0 }
    }
}

impl<G: Group> Group for Ranked<G> {
    fn rank(&self) -> Option<Rank> {
        let ((_, oldest), _) = self.ranking.last()?;
        Some((self.members, *oldest))
    }
}

impl<G: Group> Ranked<G> {
    fn change<R>(&mut self, key: Network, change: impl FnOnce(&mut G) -> R) {
        let group = self.groups.entry(key).or_default();
        let before = group.rank();
        change(group);
        let after = group.rank();
        if let Some(rank) = before {
            self.ranking.remove(&(rank, key));
        }
        match after {
            Some(rank) => drop(self.ranking.insert((rank, key))),
            None => drop(self.groups.remove(&key)),
        }
        let count = |rank: Option<Rank>| rank.map_or(0, |(members, _)| members);
        self.members = self.members - count(before) + count(after);
    }

    fn first(&self) -> Option<&G> {
        let (_, key) = self.ranking.last()?;
        self.groups.get(key)
    }
}

/// Members by client and network.
#[derive(Debug, Default)]
pub(super) struct Crowds(Ranked<Ranked<BTreeSet<u64>>>);

impl Crowds {
    pub(super) fn insert(&mut self, address: IpAddr, member: u64) {
        self.change(address, |members| members.insert(member));
    }

    pub(super) fn remove(&mut self, address: IpAddr, member: u64) {
        self.change(address, |members| members.remove(&member));
    }

    fn change(&mut self, address: IpAddr, change: impl FnOnce(&mut BTreeSet<u64>) -> bool) {
        self.0.change(network_of(address), |network| {
            network.change(client_of(address), change);
        });
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.members
    }

    /// How many of them are of this address.
    pub(super) fn of_client(&self, address: IpAddr) -> usize {
        let network = self.0.groups.get(&network_of(address));
        network.and_then(|network| network.groups.get(&client_of(address))).map_or(0, BTreeSet::len)
    }

    /// The oldest of the client that has most, in the network that has most.
    pub(super) fn most_crowding(&self) -> Option<u64> {
        self.0.first()?.first()?.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// What it should do, by looking at all.
    #[derive(Default)]
    struct Naive(Vec<(IpAddr, u64)>);

    impl Naive {
        fn of(&self, is_in: impl Fn(IpAddr) -> bool) -> usize {
            self.0.iter().filter(|(address, _)| is_in(*address)).count()
        }

        fn most_crowding(&self) -> Option<u64> {
            let client = |of: IpAddr| self.of(|address| client_of(address) == client_of(of));
            let network = |of: IpAddr| self.of(|address| network_of(address) == network_of(of));
            let oldest = |of: IpAddr, same: fn(IpAddr) -> Network| {
                // The oldest of the largest client in the same group.
                let inside = self.0.iter().filter(|(address, _)| same(*address) == same(of));
                let best = inside.map(|(address, _)| {
                    let own = self.0.iter().filter(|(other, _)| client_of(*other) == client_of(*address));
                    (client(*address), Reverse(own.map(|(_, member)| *member).min().unwrap_or_default()))
                });
                best.max().map(|(_, oldest)| oldest)
            };
            let best = self.0.iter().max_by_key(|(address, member)| {
                (
                    network(*address),
                    oldest(*address, network_of),
                    client(*address),
                    oldest(*address, client_of),
                    Reverse(*member),
                )
            });
            best.map(|(_, member)| *member)
        }
    }

    #[test]
    fn it_does_what_looking_at_all_does() {
        let mut random = 88_172_645_463_325_252_u64;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let (mut crowds, mut naive) = (Crowds::default(), Naive::default());
        for member in 0..800 {
            let (network, host) = (u8::try_from(next(4)).unwrap(), u8::try_from(next(4)).unwrap());
            let address = IpAddr::from([10, 0, network, host]);
            if next(5) < 3 || naive.0.is_empty() {
                crowds.insert(address, member);
                naive.0.push((address, member));
            } else {
                let place = usize::try_from(next(naive.0.len() as u64)).unwrap();
                let (address, member) = naive.0.swap_remove(place);
                crowds.remove(address, member);
            }
            if naive.0.len() > 16 {
                let member = crowds.most_crowding().unwrap();
                let place = naive.0.iter().position(|(_, known)| *known == member).unwrap();
                let (address, member) = naive.0.swap_remove(place);
                crowds.remove(address, member);
            }
            assert_eq!(crowds.len(), naive.0.len());
            assert_eq!(crowds.of_client(address), naive.of(|other| other == address));
            assert_eq!(crowds.most_crowding(), naive.most_crowding());
        }
        for (address, member) in naive.0 {
            crowds.remove(address, member);
        }
        assert_eq!((crowds.len(), crowds.most_crowding()), (0, None));
        assert!(crowds.0.groups.is_empty() && crowds.0.ranking.is_empty());
    }

    #[test]
    fn who_has_a_network_of_ipv6_is_one_crowd() {
        let mut crowds = Crowds::default();
        crowds.insert("192.0.2.1".parse().unwrap(), 1);
        for member in 2..100 {
            let address = core::net::Ipv6Addr::from_bits((0x2001_0db8 << 96) | (u128::from(member) << 64));
            crowds.insert(address.into(), member);
        }
        assert_eq!(crowds.most_crowding(), Some(2));
        assert_eq!(crowds.of_client("2001:db8:0:2::ffff".parse().unwrap()), 1);
    }
}
