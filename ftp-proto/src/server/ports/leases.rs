//! The leases on one port, by client. A client is a network: as a rule of one address, and of many where all of them
//! count as one client, so that whichever of them a connection comes from, it is the client's.

use super::port::Lease;
use crate::config::Network;
use alloc::collections::BTreeMap;
use core::net::IpAddr;

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Leases {
    by_client: BTreeMap<Network, Lease>,
    /// How many clients' networks have so many bits: one or two kinds, so that the client of an address is found by
    /// one or two looks.
    sizes: BTreeMap<u8, usize>,
}

impl Leases {
    pub(super) fn insert(&mut self, client: Network, lease: Lease) {
        if self.by_client.insert(client, lease).is_none() {
            *self.sizes.entry(client.prefix()).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, client: Network) -> Option<Lease> {
        let lease = self.by_client.remove(&client)?;
        let size = client.prefix();
        if let Some(count) = self.sizes.get_mut(&size) {
            *count -= 1;
            if *count == 0 {
                self.sizes.remove(&size);
            }
        }
        Some(lease)
    }

    pub(super) fn contains(&self, client: Network) -> bool {
        self.by_client.contains_key(&client)
    }

    pub(super) fn get(&self, client: Network) -> Option<&Lease> {
        self.by_client.get(&client)
    }

    pub(super) fn get_mut(&mut self, client: Network) -> Option<&mut Lease> {
        self.by_client.get_mut(&client)
    }

    /// The client that an address belongs to, of those who were routed to when `before` leases had been activated. While the settings are always the same there
    /// is one at most; when they have just changed, the one that is told more exactly.
    pub(super) fn client_of(&self, address: IpAddr, before: u64) -> Option<Network> {
        let clients = self.sizes.keys().rev().map(|&size| Network::around(address, size));
        clients.into_iter().find(|client| self.get(*client).is_some_and(|lease| lease.was_active(before)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.by_client.len()
    }

    #[cfg(test)]
    pub(super) fn values(&self) -> impl Iterator<Item = &Lease> {
        self.by_client.values()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Lease> {
        self.by_client.values_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{LinkId, SessionId};

    #[test]
    fn sizes_that_nobody_has_are_not_looked_for() {
        let clients = ["203.0.113.5/32", "203.0.113.6/32", "203.0.113.0/24"];
        let clients = clients.map(|client| client.parse::<Network>().unwrap());
        let mut leases = Leases::default();
        for client in clients {
            leases.insert(client, Lease::new(SessionId(1), LinkId::new(1), false));
        }
        for (client, sizes) in clients.into_iter().zip([2, 1, 0]) {
            assert!(leases.remove(client).is_some());
            assert_eq!(leases.sizes.len(), sizes);
        }
    }
}
