//! How the client of a transcript does its TLS handshakes: the words behind `TLS` and `data-TLS`.

use super::text::unescape;
use crate::testing::{FakeHello, FakeTlsClient};
use crate::tls::TlsVersion;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The handshake on a control connection.
#[derive(Clone, Debug, Default)]
pub(super) struct ControlTls {
    hello: FakeHello,
    /// Whose session is to be resumed; the client's name.
    pub(super) ticket_of: Option<String>,
    /// The name of the certificate that the server must show.
    shows: Option<String>,
    /// The alert by which the server must refuse.
    fails: Option<String>,
    /// The alert that the client sends in the middle.
    alert: Option<String>,
}

/// The handshakes on a client's data connections.
#[derive(Clone, Debug, Default)]
pub(super) struct DataTls {
    hello: FakeHello,
    pub(super) ticket: Ticket,
    manner: Manner,
    /// The alert that the client sends in the middle of the handshake.
    alert: Option<String>,
    pub(super) ending: Ending,
}

/// How the client ends its uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ending {
    #[default]
    CloseNotify,
    /// Without a word.
    Silence,
    /// By a record that can't be right.
    Damage,
}

impl Ending {
    pub(super) fn say(self, tls: &mut FakeTlsClient) {
        match self {
            Self::CloseNotify => tls.close_notify(),
            Self::Silence => {}
            Self::Damage => tls.send_damaged(),
        }
    }
}

/// Which ticket a data connection offers.
#[derive(Clone, Debug, Default)]
pub(super) enum Ticket {
    /// Of its own control connection; each may be used again.
    #[default]
    Own,
    /// Of its own control connection, each but once.
    OwnOnce,
    /// None.
    None,
    /// Another client's.
    Of(String),
}

#[derive(Clone, Copy, Debug, Default)]
enum Manner {
    #[default]
    Handshake,
    /// Something else is sent instead.
    Garbage,
    /// Nothing is.
    Silence,
    /// The server's part is taken (SSCN).
    ServerPart,
}

/// What a data connection begins with.
pub(super) enum Opening {
    Tls(Box<FakeTlsClient>),
    /// These bytes in the clear.
    Clear(Vec<u8>),
}

impl ControlTls {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut wish = Self::default();
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some(("ticket-of", client)) => wish.ticket_of = Some(client.to_owned()),
                Some(("shows", name)) => wish.shows = Some(name.to_owned()),
                Some(("fails", alert)) => wish.fails = Some(alert.to_owned()),
                Some(("alert", alert)) => wish.alert = Some(alert.to_owned()),
                _ => hello_word(&mut wish.hello, word)?,
            }
        }
        Ok(wish)
    }

    pub(super) fn client(&self, ticket: Option<Vec<u8>>) -> FakeTlsClient {
        client(&self.hello, ticket, self.alert.as_deref())
    }

    /// Whether the client does not want to go on.
    pub(super) fn gives_up(&self) -> bool {
        self.alert.is_some()
    }

    /// Whether the handshake ended as it should; `error`: the client has none.
    pub(super) fn check(&self, client: &FakeTlsClient, error: Option<&str>) -> Result<(), String> {
        match (&self.fails, error) {
            (Some(alert), Some(error)) if error.ends_with(alert) => return Ok(()),
            (Some(alert), error) => {
                return Err(format!("expected the alert {alert}; the client has {error:?}"));
            }
            (None, Some(error)) => return Err(format!("the handshake failed: {error}")),
            (None, None) if self.alert.is_some() => return Ok(()),
            (None, None) => {}
        }
        match (&self.shows, client.certificate_name()) {
            (_, None) => Err("the handshake goes on and on".to_owned()),
            (Some(wanted), Some(shown)) if wanted != shown => {
                Err(format!("the server shows the certificate of {shown}"))
            }
            _ if self.ticket_of.is_some() && !client.is_resumed() => {
                Err("the server did not resume the session".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl DataTls {
    /// `None`: in the clear.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, String> {
        if text == "off" {
            return Ok(None);
        }
        let mut wish = Self::default();
        for word in text.split_whitespace() {
            match (word, word.split_once('=')) {
                ("no-ticket", _) => wish.ticket = Ticket::None,
                ("tickets-once", _) => wish.ticket = Ticket::OwnOnce,
                (_, Some(("ticket-of", client))) => wish.ticket = Ticket::Of(client.to_owned()),
                ("garbage", _) => wish.manner = Manner::Garbage,
                ("silent", _) => wish.manner = Manner::Silence,
                ("server-part", _) => wish.manner = Manner::ServerPart,
                ("no-close-notify", _) => wish.ending = Ending::Silence,
                ("damaged", _) => wish.ending = Ending::Damage,
                (_, Some(("alert", alert))) => wish.alert = Some(alert.to_owned()),
                _ => hello_word(&mut wish.hello, word)?,
            }
        }
        Ok(Some(wish))
    }

    /// The client's end of a data connection.
    pub(super) fn open(&self, ticket: Option<Vec<u8>>) -> Opening {
        match self.manner {
            Manner::Handshake => Opening::Tls(Box::new(client(&self.hello, ticket, self.alert.as_deref()))),
            Manner::ServerPart => Opening::Tls(Box::new(FakeTlsClient::in_the_servers_part())),
            Manner::Garbage => Opening::Clear(b"This is no TLS.\r\n".to_vec()),
            Manner::Silence => Opening::Clear(Vec::new()),
        }
    }
}

fn client(hello: &FakeHello, ticket: Option<Vec<u8>>, alert: Option<&str>) -> FakeTlsClient {
    let mut client = FakeTlsClient::new(FakeHello { ticket, ..hello.clone() });
    if let Some(alert) = alert {
        client.alert(alert);
    }
    client
}

fn hello_word(hello: &mut FakeHello, word: &str) -> Result<(), String> {
    match word.split_once('=') {
        Some(("name", name)) => hello.server_name = Some(name.to_owned()),
        Some(("certificate", bytes)) => hello.certificate = Some(unescape(bytes)?),
        Some(("version", "1.2")) => hello.version = TlsVersion::V1_2,
        Some(("version", "1.3")) => hello.version = TlsVersion::V1_3,
        _ => return Err(format!("no such wish for TLS: \"{word}\"")),
    }
    Ok(())
}

/// The ticket for the next data connection, out of those the client has.
pub(super) fn next_ticket(wish: &Ticket, own: &mut VecDeque<Vec<u8>>) -> Option<Vec<u8>> {
    match wish {
        Ticket::Own => {
            let ticket = own.pop_front()?;
            own.push_back(ticket.clone());
            Some(ticket)
        }
        Ticket::OwnOnce => own.pop_front(),
        Ticket::None | Ticket::Of(_) => None,
    }
}
