//! What is remembered of clients beyond their sessions.
//!
//! Whether an upload that ends without close_notify was cut off or comes from a client that never sends one can't be
//! seen in the upload itself (RFC 5246, section 7.2.1, and RFC 8446, section 6.1, demand it; not every client obeys).
//! So a client that was seen to send it is expected to do so in later sessions. It is known by its address and its
//! user name: sessions tell only what they saw of somebody who was logged in, so that a stranger can't grow this.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use core::net::IpAddr;

/// How many clients are remembered; the oldest is forgotten first, and is learned anew by its next upload.
const CLIENTS: usize = 10_000;

/// A user at an address: program and settings are likely the same each time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    pub(crate) user: String,
}

/// The clients that end their uploads with close_notify.
#[derive(Debug, Default)]
pub(crate) struct Habits {
    known: BTreeSet<Arc<Client>>,
    /// The same, in the order in which they were learned.
    order: VecDeque<Arc<Client>>,
}

impl Habits {
    /// This client sends close_notify.
    pub(crate) fn remember(&mut self, client: Client) {
        let client = Arc::new(client);
        if !self.known.insert(Arc::clone(&client)) {
            return;
        }
        self.order.push_back(client);
        if self.order.len() > CLIENTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether this client is known to send close_notify.
    pub(crate) fn sends_close_notify(&self, client: &Client) -> bool {
        self.known.contains(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn client(address: u8, user: &str) -> Client {
        Client { address: IpAddr::from([203, 0, 113, address]), user: user.into() }
    }

    #[test]
    fn a_client_is_a_user_at_an_address() {
        let mut habits = Habits::default();
        habits.remember(client(1, "anna"));
        assert!(habits.sends_close_notify(&client(1, "anna")));
        assert!(!habits.sends_close_notify(&client(1, "bert")), "another user may have another program");
        assert!(!habits.sends_close_notify(&client(2, "anna")));
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut habits = Habits::default();
        let nth = |number: usize| client(1, &format!("user {number}"));
        for number in 0..CLIENTS {
            habits.remember(nth(number));
        }
        // Known already: nobody has to go for it.
        habits.remember(nth(7));
        assert!(habits.sends_close_notify(&nth(0)));
        for number in CLIENTS..CLIENTS + 3 {
            habits.remember(nth(number));
        }
        let forgotten = (0..CLIENTS + 3).filter(|&number| !habits.sends_close_notify(&nth(number)));
        assert!(forgotten.eq(0..3));
        assert_eq!((habits.known.len(), habits.order.len()), (CLIENTS, CLIENTS));
        habits.remember(nth(0));
        assert!(habits.sends_close_notify(&nth(0)), "it can be learned anew");
    }
}
