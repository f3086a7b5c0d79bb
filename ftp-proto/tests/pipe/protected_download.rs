//! Downloads and listings under TLS.

use crate::drive::{Names, Seen, Stored, Watch, at, drive, to_wire};
use crate::protected::protect;
use ftp_proto::event::LinkError;
use ftp_proto::host::{Entry, Metadata};
use ftp_proto::listing::{Facts, Format, Listing};
use ftp_proto::testing::FakeTlsClient;
use ftp_proto::time::UnixTime;
use ftp_proto::tls::{TlsError, TlsStatus};
use ftp_proto::transfer::{Coding, EndReason, Pipe, Step, TransferEnd};
use quickcheck::{QuickCheck, quickcheck};

fn download(stored: Stored, coding: Coding) -> (Pipe, FakeTlsClient, Watch) {
    let (file, watch) = stored.direct().boxed();
    let mut pipe = Pipe::download(file, 0, None, coding);
    let client = protect(&mut pipe, true, |_| {});
    (pipe, client, watch)
}

fn binary(bytes: &[u8]) -> (Pipe, FakeTlsClient) {
    let (pipe, client, _) = download(Stored::new(bytes), Coding::IMAGE);
    (pipe, client)
}

/// What the client makes of a transfer that ended well.
fn received(client: &mut FakeTlsClient, seen: &Seen) -> Vec<u8> {
    let plain = client.receive(&seen.wire).unwrap();
    assert_eq!(client.status(), TlsStatus::Closed, "the end is said");
    assert_eq!(seen.end, TransferEnd { bytes: plain.len() as u64, outcome: Ok(()), close_notify: false });
    plain
}

quickcheck! {
    fn the_client_gets_the_file(bytes: Vec<u8>, known: bool, choices: Vec<u8>) -> bool {
        let mut stored = Stored::new(&bytes);
        stored.size = stored.size.filter(|_| known);
        let (mut pipe, mut client, watch) = download(stored, Coding::IMAGE);
        watch.record().short_reads = choices.first().map(|&count| usize::from(count) + 1);
        let seen = drive(&mut pipe, None, b"", &choices);
        received(&mut client, &seen) == bytes
    }

    fn the_client_gets_each_line_once(count: u8, choices: Vec<u8>) -> bool {
        let listing = Listing::new(Format::Facts(Facts::ALL), UnixTime::default());
        let entry = |number| Entry { name: format!("name{number}").into(), metadata: Metadata::default() };
        let count = u32::from(count) * 40;
        let mut expected = Vec::new();
        (0..count).for_each(|number| listing.append(&entry(number), &mut expected));
        let mut pipe = Pipe::listing(Box::new(Names((0..count).map(move |number| Ok(entry(number))))), listing, Coding::ASCII);
        let mut client = protect(&mut pipe, true, |_| {});
        let seen = drive(&mut pipe, None, b"", &choices);
        received(&mut client, &seen) == expected
    }
}

#[test]
fn line_feeds_become_line_ends_under_tls() {
    fn property(text: Vec<u8>, choices: Vec<u8>) -> bool {
        let text: Vec<u8> = text.iter().map(|&byte| b"\r\n\r\nab"[usize::from(byte) % 6]).collect();
        let (mut pipe, mut client, watch) = download(Stored::new(&text), Coding::ASCII);
        watch.record().short_reads = choices.last().map(|&count| usize::from(count) % 4 + 1);
        let seen = drive(&mut pipe, None, b"", &choices);
        received(&mut client, &seen) == to_wire(&text)
    }
    QuickCheck::new().tests(1_000).quickcheck(property as fn(Vec<u8>, Vec<u8>) -> bool);
}

#[test]
fn one_write_carries_all_records_of_a_turn() {
    let bytes: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    let (mut pipe, mut client) = binary(&bytes);
    let seen = drive(&mut pipe, None, b"", b"");
    assert_eq!((seen.count(&Step::Turn), seen.count(&Step::Write)), (4, 4));
    assert!(received(&mut client, &seen) == bytes);
}

#[test]
fn the_handshakes_last_words_the_file_and_its_end_go_out_together() {
    for bytes in [&b""[..], b"small"] {
        let (mut pipe, mut client) = binary(bytes);
        let seen = drive(&mut pipe, None, b"", b"");
        assert_eq!(seen.count(&Step::Turn), usize::from(!bytes.is_empty()));
        assert_eq!(seen.count(&Step::Write), 1);
        assert_eq!(received(&mut client, &seen), bytes);
        assert_eq!(client.tickets().len(), 1);
    }
}

#[test]
fn the_end_of_a_download_that_failed_is_not_said() {
    let mut stored = Stored::new(b"abc");
    stored.size = Some(5);
    let (mut pipe, mut client, _) = download(stored, Coding::IMAGE);
    let seen = drive(&mut pipe, None, b"", b"");
    assert!(matches!(seen.end.outcome, Err(EndReason::Storage(_))));
    assert_eq!(client.receive(&seen.wire).unwrap(), b"abc");
    assert_eq!(client.status(), TlsStatus::Established, "the client must not take it for whole");
}

#[test]
fn an_abort_ends_a_download_without_another_byte() {
    for why in [EndReason::Aborted, EndReason::Link(LinkError::Reset)] {
        let (mut pipe, _) = binary(b"some bytes");
        pipe.turn();
        assert_eq!(pipe.step(at(0)), Step::Write);
        pipe.fail(why.clone());
        assert!(pipe.transmit().is_empty());
        pipe.transmitted(at(0), 3);
        assert_eq!(pipe.step(at(0)), Step::End(TransferEnd::failed(0, why)));
    }
}

#[test]
fn a_part_of_a_record_never_counts_for_more_than_is_in_it() {
    let (mut pipe, _) = binary(&[7; 1_000]);
    pipe.turn();
    assert_eq!(pipe.step(at(0)), Step::Write);
    let all = pipe.transmit().len();
    let mut before = 0;
    for sent in 1..=all {
        pipe.transmitted(at(0), 1);
        let Step::Report(bytes) = pipe.step(at(sent as u64 * 1_000)) else { panic!("something moved") };
        // Before the plain text comes the ticket, and a header of five bytes.
        assert!(before <= bytes && bytes <= (sent as u64).saturating_sub(5));
        before = bytes;
    }
    assert_eq!(before, 1_000);
}

#[test]
fn turns_that_nobody_asked_for_pile_up_nothing() {
    let (mut pipe, _) = binary(&[7; 1 << 20]);
    pipe.turn();
    let waiting = pipe.transmit().len();
    for _ in 0..3 {
        pipe.turn();
        pipe.receive(at(0), b"");
    }
    assert_eq!(pipe.transmit().len(), waiting);
}

#[test]
fn a_client_that_has_nothing_to_say_gets_its_file() {
    let (file, _) = Stored::new(b"the file").boxed();
    let mut pipe = Pipe::download(file, 0, None, Coding::IMAGE);
    let mut client = protect(&mut pipe, true, FakeTlsClient::close_notify);
    let seen = drive(&mut pipe, None, b"", b"");
    assert_eq!(client.receive(&seen.wire).unwrap(), b"the file");
    assert_eq!(seen.end.outcome, Ok(()));
}

#[test]
fn an_alert_behind_the_handshake_ends_a_download() {
    let (file, _) = Stored::new(b"the file").boxed();
    let mut pipe = Pipe::download(file, 0, None, Coding::IMAGE);
    let mut client = protect(&mut pipe, true, |client| client.alert("bad_certificate"));
    let seen = drive(&mut pipe, None, b"", b"");
    assert_eq!(seen.end.outcome, Err(EndReason::Tls(TlsError::Alert("bad_certificate".into()))));
    assert_eq!(client.receive(&seen.wire).unwrap(), b"");
}
