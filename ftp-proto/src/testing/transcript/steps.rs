//! The lines of a transcript about TLS and data connections, played in memory.

use super::client::Client;
use super::content::Content;
use super::data::Link;
use super::play::Player;
use super::script::Connect;
use super::secure::{ControlTls, DataTls, Ticket};
use crate::Naming;
use crate::event::{Event, LinkId, SessionId};
use crate::proxy::Undecided;
use crate::tls::TlsStatus;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Whose a data connection is, its name there, and its client.
type Routed = (SessionId, LinkId, SocketAddr);

impl Player<'_> {
    pub(super) fn named(&self, name: &str) -> Result<&Client, String> {
        let known = self.clients.iter().find(|client| client.name == name);
        known.ok_or_else(|| format!("there is no client {name}"))
    }

    fn ticket_of(&self, name: &str) -> Result<Vec<u8>, String> {
        let ticket = self.named(name)?.tickets.front().cloned();
        ticket.ok_or_else(|| format!("client {name} has no ticket"))
    }

    /// The TLS handshake on the control connection.
    pub(super) fn secure(&mut self, wish: &ControlTls) -> Result<(), String> {
        let ticket = wish.ticket_of.as_ref().map(|name| self.ticket_of(name)).transpose()?;
        self.client()?.begin_tls(wish.client(ticket));
        self.settle()?;
        let client = self.client()?;
        if wish.gives_up() {
            client.leave_tls(false);
        }
        let tls = client.tls.as_ref().ok_or("there is no TLS")?;
        wish.check(tls, client.tls_error.as_deref())
    }

    pub(super) fn leave_tls(&mut self, close_notify: bool) -> Result<(), String> {
        self.client()?.leave_tls(close_notify);
        self.settle()
    }

    /// How the client secures its data connections from here on.
    pub(super) fn set_data_tls(&mut self, wish: Option<&DataTls>) -> Result<(), String> {
        let foreign = match wish.map(|wish| &wish.ticket) {
            Some(Ticket::Of(name)) => Some(self.ticket_of(name)?),
            _ => None,
        };
        self.client()?.data_tls = wish.cloned().map(|wish| (wish, foreign));
        Ok(())
    }

    fn data_address(&mut self) -> SocketAddr {
        self.next_data_port += 1;
        let peer = self.clients.get(self.current).map_or(self.script.world.peer, |client| client.peer);
        SocketAddr::new(peer.ip(), self.next_data_port)
    }

    /// The client opens a passive data connection.
    pub(super) fn connect(&mut self, connect: &Connect) -> Result<(), String> {
        self.client()?;
        let target = match &connect.to {
            Some(name) => self.named(name)?.port,
            None => self.client()?.port,
        };
        let port = target.ok_or("no port was announced")?;
        let address = match connect.from {
            Some(address) => address,
            None => self.data_address(),
        };
        let owner = match self.shared.server.naming(self.shared.now, port, address) {
            Naming::Peer if connect.header.is_some() => return Err(String::from("nobody asks for a header")),
            Naming::Peer => {
                let owner = self.shared.server.route(self.shared.now, port, address);
                owner.map(|(session, link)| (session, link, address))
            }
            Naming::Header(undecided) => {
                let header = connect.header.as_ref().ok_or("write what the balancer says, as header=...")?;
                self.decide(undecided, header)?
            }
            Naming::TooMany => return Err(String::from("too many connections wait for their header")),
        };
        let is_refused = owner.is_none();
        if connect.refused != is_refused {
            self.settle()?;
            let what = if is_refused { "was turned away" } else { "was let in" };
            return Err(format!("the data connection from {address} to port {port} {what}"));
        }
        let Some((session, link, address)) = owner else { return self.settle() };
        let client = self.client()?;
        let end = client.open_data();
        client.data = Some((session, link));
        let owner = self.clients.iter_mut().find(|client| client.session == Some(session));
        let owner = owner.ok_or("a data connection for a session that isn't")?;
        owner.links.insert(link, end);
        owner.handle(&self.shared, Event::Arrived(link, address));
        self.settle()
    }

    /// A balancer says byte by byte whose data connection it is, and ends if that is not all.
    fn decide(&mut self, mut undecided: Undecided, header: &[u8]) -> Result<Option<Routed>, String> {
        let now = self.shared.now;
        for byte in header {
            if undecided.is_ready(now.mono) {
                break;
            }
            undecided.offer(&[*byte]);
        }
        if !undecided.is_ready(now.mono) {
            undecided.end();
        }
        let owner = self.shared.server.decide(now, undecided);
        self.settle()?;
        Ok(owner)
    }

    /// The client's end of its newest data connection.
    fn link(&mut self, data: Option<(SessionId, LinkId)>) -> Option<&mut Link> {
        let (session, link) = data?;
        let owner = self.clients.iter_mut().find(|client| client.session == Some(session))?;
        owner.links.get_mut(&link)
    }

    pub(super) fn data_from_server(&mut self, wanted: &Content) -> Result<(), String> {
        let data = self.client()?.data;
        if self.link(data).is_none_or(|link| link.closed && link.upload) {
            self.connect(&Connect::default())?;
        }
        let data = self.client()?.data.take();
        let link = self.link(data).ok_or("there is no data connection")?;
        link.check(wanted)?;
        let tickets = link.take_tickets();
        self.client()?.tickets.extend(tickets);
        Ok(())
    }

    /// What has come over the newest data connection so far.
    pub(super) fn received(&mut self) -> Option<Vec<u8>> {
        let data = self.client().ok()?.data;
        self.link(data).map(|link| link.received.clone())
    }

    pub(super) fn data_to_server(&mut self, bytes: &[u8], end: bool) -> Result<(), String> {
        let data = self.client()?.data;
        if self.link(data).is_none_or(|link| link.closed) {
            self.connect(&Connect::default())?;
        }
        let client = self.client()?;
        let data = if end { client.data.take() } else { client.data };
        self.link(data).ok_or("there is no data connection")?.send(bytes, end);
        self.settle()
    }

    /// The server has turned the data connection away.
    pub(super) fn data_closed(&mut self) -> Result<(), String> {
        let data = self.client()?.data.take();
        let link = self.link(data).ok_or("there is no data connection")?;
        match (link.closed, link.received.as_slice()) {
            (true, []) => Ok(()),
            (false, _) => Err(String::from("the data connection is still open")),
            (true, _) => Err(String::from("something came over the data connection")),
        }
    }

    /// The server has ended the control connection, and has said so under TLS.
    pub(super) fn closed(&mut self) -> Result<(), String> {
        let client = self.client()?;
        if !client.finished {
            return Err(String::from("the control connection is still open"));
        }
        match &client.tls {
            Some(tls)
                if client.speaks_tls
                    && client.tls_error.is_none()
                    && tls.status() == TlsStatus::Established =>
            {
                Err(String::from("the control connection ended without close_notify"))
            }
            _ => Ok(()),
        }
    }
}
