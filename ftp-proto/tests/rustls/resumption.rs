//! Whose a data connection is.

use crate::pair::{BOTH, Client, family};
use crate::pki::{settings, tls};
use ftp_proto::tls::Resumption::{Exhausted, Foreign, Full, Resumed};
use ftp_proto::tls::TlsRole::{Control, Download, Upload};
use ftp_proto::tls::TlsVersion;
use rustls::NamedGroup;
use rustls::client::Tls13ClientSessionValue;
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls12Resumption};
use rustls::pki_types::ServerName;
use std::sync::{Arc, Mutex};

#[test]
fn data_connections_resume_the_session_of_the_control_connection() {
    for version in BOTH {
        let (client, family) = (Client::new(version), family(&tls()));
        assert_eq!(client.resumption(&*family, Control), Full);
        for role in [Download, Upload, Download, Upload, Download, Download, Download, Download, Download] {
            assert_eq!(client.resumption(&*family, role), Resumed, "{version} {role:?}");
        }
    }
}

#[test]
fn who_offers_nothing_begins_anew() {
    for version in BOTH {
        let (tls, owner, stranger) = (tls(), Client::new(version), Client::new(version));
        let family = family(&tls);
        owner.connect(&*family, Control).facts();
        for role in [Download, Upload] {
            assert_eq!(stranger.resumption(&*family, role), Full, "{version} {role:?}");
        }
    }
}

#[test]
fn a_ticket_of_another_control_connection_is_foreign() {
    for version in BOTH {
        let (tls, owner, thief) = (tls(), Client::new(version), Client::new(version));
        let (his, hers) = (family(&tls), family(&tls));
        owner.connect(&*his, Control).facts();
        thief.connect(&*hers, Control).facts();
        for role in [Download, Upload] {
            assert_eq!(thief.resumption(&*his, role), Foreign, "{version} {role:?}");
        }
        assert_eq!(owner.resumption(&*his, Upload), Resumed, "{version}");
    }
}

#[test]
fn a_stranger_gets_no_ticket_by_connecting_twice() {
    for version in BOTH {
        let (tls, owner, stranger) = (tls(), Client::new(version), Client::new(version));
        let family = family(&tls);
        owner.connect(&*family, Control).facts();
        for role in [Download, Upload, Download, Download] {
            assert_eq!(stranger.resumption(&*family, role), Full, "{version} {role:?}");
        }
    }
}

#[test]
fn a_control_connection_resumes_whatever_this_server_gave_out() {
    for version in BOTH {
        let (tls, client) = (tls(), Client::new(version));
        client.connect(&*family(&tls), Control).facts();
        let next = family(&tls);
        assert_eq!(client.resumption(&*next, Control), Resumed, "{version}");
    }
}

#[test]
fn after_that_the_data_connections_belong_to_the_new_one() {
    // Only TLS 1.2 replaces the old ticket; a client of TLS 1.3 has both and would have to choose.
    let (tls, client) = (tls(), Client::new(TlsVersion::V1_2));
    let old = family(&tls);
    client.connect(&*old, Control).facts();
    let new = family(&tls);
    assert_eq!(client.resumption(&*new, Control), Resumed);
    assert_eq!(client.resumption(&*new, Download), Resumed);
    assert_eq!(client.resumption(&*old, Download), Foreign);
}

#[test]
fn each_role_gives_out_its_number_of_tickets() {
    let (client, family) = (Client::new(TlsVersion::V1_3), family(&tls()));
    let tickets = |role| {
        let pair = client.connect(&*family, role);
        (pair.facts().resumption, pair.client.tls13_tickets_received())
    };
    assert_eq!(tickets(Control), (Full, 4));
    assert_eq!(tickets(Download), (Resumed, 1));
    assert_eq!(tickets(Upload), (Resumed, 0));
}

#[test]
fn a_client_that_uses_no_ticket_twice_runs_out_by_uploads_alone() {
    let (client, family) = (Client::new(TlsVersion::V1_3), family(&tls()));
    client.connect(&*family, Control).facts();
    for upload in 1..=4 {
        assert_eq!(client.resumption(&*family, Upload), Resumed, "upload {upload}");
    }
    assert_eq!(client.resumption(&*family, Upload), Exhausted);
    assert_eq!(client.resumption(&*family, Download), Exhausted);
}

#[test]
fn while_the_client_has_tickets_nobody_is_excused_for_having_none() {
    let (tls, stranger) = (tls(), Client::new(TlsVersion::V1_3));
    let family = family(&tls);
    let owner = Client::new(TlsVersion::V1_3);
    assert_eq!(stranger.resumption(&*family, Upload), Full, "no ticket was given out yet");
    owner.connect(&*family, Control).facts();
    assert_eq!(stranger.resumption(&*family, Upload), Full, "none was redeemed yet");
    for _ in 0..3 {
        // An upload redeems the newest, a download brings the next.
        assert_eq!(owner.resumption(&*family, Upload), Resumed);
        assert_eq!(owner.resumption(&*family, Download), Resumed);
        assert_eq!(stranger.resumption(&*family, Upload), Full);
    }
}

#[test]
fn a_client_may_keep_the_newest_ticket_only() {
    let (client, family) = (Client::new(TlsVersion::V1_3), family(&tls()));
    let store = Careless { newest_only: true, ..Careless::default() };
    let client = client.change(|config| config.resumption = Resumption::store(Arc::new(store)));
    client.connect(&*family, Control).facts();
    for role in [Download, Download, Download, Upload] {
        assert_eq!(client.resumption(&*family, role), Resumed, "{role:?}");
    }
    for role in [Upload, Download, Upload] {
        assert_eq!(client.resumption(&*family, role), Exhausted, "{role:?}");
    }
}

#[test]
fn tickets_that_were_only_shown_are_not_used_up() {
    // A stranger who saw them pass shows them under another name: that can't be resumed.
    let (owner, family) = (Client::new(TlsVersion::V1_3), family(&tls()));
    let owner = owner.change(|config| config.resumption = Resumption::store(Arc::new(Careless::default())));
    owner.connect(&*family, Control).facts();
    for name in ["a.example.org", "b.example.org", "c.example.org", "d.example.org"] {
        let pair = owner.connect_to(&*family, Download, name);
        assert_eq!((pair.facts().resumption, pair.client.tls13_tickets_received()), (Full, 0), "{name}");
    }
    assert_eq!(owner.resumption(&*family, Upload), Full, "nothing left to show, but not redeemed either");
}

#[test]
fn a_client_may_use_one_ticket_for_all_transfers() {
    let client = Client::new(TlsVersion::V1_2);
    let client = client.change(|config| config.resumption = Resumption::store(Arc::new(Careless::default())));
    let family = family(&tls());
    client.connect(&*family, Control).facts();
    for _ in 0..50 {
        assert_eq!(client.resumption(&*family, Upload), Resumed);
    }
    assert_eq!(Client::new(TlsVersion::V1_3).resumption(&*family, Upload), Full, "it never runs out");
}

#[test]
fn clients_without_tickets_resume_by_the_identifier_of_the_session() {
    let without_tickets = || {
        let resumption = Resumption::in_memory_sessions(8).tls12_resumption(Tls12Resumption::SessionIdOnly);
        Client::new(TlsVersion::V1_2).change(|config| config.resumption = resumption)
    };
    let (tls, owner, thief) = (tls(), without_tickets(), without_tickets());
    let (his, hers) = (family(&tls), family(&tls));
    // Who connects to the data port twice has nothing to show the second time either.
    for _ in 0..2 {
        assert_eq!(thief.resumption(&*his, Download), Full);
    }
    assert_eq!(owner.resumption(&*his, Control), Full);
    assert_eq!(thief.resumption(&*hers, Control), Full);
    for role in [Download, Upload, Upload, Upload, Upload, Upload, Download] {
        assert_eq!(owner.resumption(&*his, role), Resumed, "{role:?}");
    }
    for role in [Download, Upload, Download] {
        assert_eq!(thief.resumption(&*his, role), Full, "{role:?}");
    }
    // Another control connection begins anew; it is not worth keeping sessions beyond the one they belong to.
    assert_eq!(owner.resumption(&*hers, Control), Full);
}

#[test]
fn new_settings_disturb_no_family() {
    for version in BOTH {
        let (tls, client) = (tls(), Client::new(version));
        let family_before = family(&tls);
        client.connect(&*family_before, Control).facts();
        tls.replace(settings(&["new.example.org"])).unwrap();
        for role in [Download, Upload] {
            assert_eq!(client.resumption(&*family_before, role), Resumed, "{version}");
        }
        let certificate = |family| {
            let pair = Client::new(version).connect(family, Control);
            pair.client.peer_certificates().unwrap().first().unwrap().clone()
        };
        assert_ne!(certificate(&*family_before), certificate(&*family(&tls)), "{version}");
        // The keys of tickets are the same.
        assert_eq!(client.resumption(&*family(&tls), Control), Resumed, "{version}");
    }
}

#[test]
fn settings_without_an_identity_change_nothing() {
    let tls = tls();
    let empty = ftp_proto::tls::rustls::TlsSettings::default();
    assert!(tls.replace(empty).unwrap_err().to_string().contains("at least one certificate"));
    Client::new(TlsVersion::V1_3).connect(&*family(&tls), Control).facts();
}

/// Takes no notice of names, and of TLS 1.2 keeps the first ticket for ever.
#[derive(Debug, Default)]
struct Careless {
    lasting: Mutex<Option<Tls12ClientSessionValue>>,
    single: Mutex<Vec<Tls13ClientSessionValue>>,
    /// Of TLS 1.3.
    newest_only: bool,
}

impl ClientSessionStore for Careless {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.lasting.lock().unwrap().get_or_insert(session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.lasting.lock().unwrap().clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut tickets = self.single.lock().unwrap();
        if self.newest_only {
            tickets.clear();
        }
        tickets.push(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.single.lock().unwrap().pop()
    }
}
