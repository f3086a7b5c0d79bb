use super::{HEADER, KEPT_CAPACITY, MAX_RECORD, TlsStream};
use crate::config::ClientCertificates;
use crate::testing::{FakeHello, FakeTls, FakeTlsClient};
use crate::tls::{FamilyWish, Tls as _, TlsError, TlsRole, TlsStatus};
use alloc::vec;
use alloc::vec::Vec;
use quickcheck::QuickCheck;

/// Both ends of a connection, the handshake behind them.
fn established() -> (TlsStream, FakeTlsClient) {
    let wish = FamilyWish { client_certificates: ClientCertificates::Ignore, host: None };
    let mut stream = TlsStream::new(FakeTls::new().family(wish).open(TlsRole::Upload).unwrap());
    let mut client = FakeTlsClient::new(FakeHello::default());
    for _ in 0..2 {
        stream.receive(&client.take_outgoing());
        stream.read(&mut Vec::new()).unwrap();
        client.receive(stream.transmit()).unwrap();
        stream.transmitted(stream.transmit().len());
    }
    assert_eq!(stream.status(), TlsStatus::Established);
    (stream, client)
}

#[test]
fn where_the_bytes_are_cut_makes_no_difference() {
    fn property(pieces: Vec<Vec<u8>>, lengths: Vec<u8>, copies: Vec<bool>) -> bool {
        let (mut stream, mut client) = established();
        for piece in &pieces {
            client.send(piece).unwrap();
        }
        client.close_notify();
        let said = client.take_outgoing();
        let mut rest = &said[..];
        let (mut lengths, mut copies) = (lengths.iter(), copies.iter());
        let mut plain = Vec::new();
        while !rest.is_empty() {
            let len = lengths.next().map_or(rest.len(), |&len| rest.len().min(usize::from(len)));
            let (bytes, behind) = rest.split_at(len);
            rest = behind;
            if *copies.next().unwrap_or(&false) {
                stream.receive(bytes);
                stream.read(&mut plain).unwrap();
            } else {
                stream.read_in_place(&mut bytes.to_vec(), &mut plain).unwrap();
            }
        }
        stream.status() == TlsStatus::Closed && stream.waiting() == 0 && plain == pieces.concat()
    }
    QuickCheck::new().tests(2_000).quickcheck(property as fn(Vec<Vec<u8>>, Vec<u8>, Vec<bool>) -> bool);
}

#[test]
fn what_follows_close_notify_is_not_touched() {
    let (mut stream, mut client) = established();
    client.send(b"CCC").unwrap();
    client.close_notify();
    stream.receive(&[&client.take_outgoing()[..], b"NOOP\r\n"].concat());
    let mut plain = Vec::new();
    assert_eq!(stream.read(&mut plain), Ok(TlsStatus::Closed));
    assert_eq!((&plain[..], &stream.end()[..]), (&b"CCC"[..], &b"NOOP\r\n"[..]));
    assert_eq!(stream.waiting(), 0);
}

#[test]
fn what_is_no_record_is_noticed_at_once() {
    let too_long = u16::try_from(MAX_RECORD + 1).unwrap().to_be_bytes();
    for bytes in [&b"U"[..], &[22, 2], &[23, 3, 3, too_long[0], too_long[1]]] {
        let (mut stream, _) = established();
        let read = stream.read_in_place(&mut bytes.to_vec(), &mut Vec::new());
        let next = stream.read_in_place(&mut [0], &mut Vec::new());
        assert_eq!(read.and(next), Err(TlsError::NotTls));
    }
    let (mut stream, _) = established();
    let longest = u16::try_from(MAX_RECORD).unwrap().to_be_bytes();
    let mut header = vec![23, 3, 3, longest[0], longest[1]];
    assert_eq!(stream.read_in_place(&mut header, &mut Vec::new()), Ok(TlsStatus::Established));
    assert_eq!(stream.waiting(), HEADER);
}

#[test]
fn a_stream_between_records_keeps_no_large_buffer() {
    let (mut stream, mut client) = established();
    client.send(&[7; 40_000]).unwrap();
    let mut said = client.take_outgoing();
    let (first, second) = said.split_at_mut(30_000);
    let mut plain = Vec::new();
    stream.read_in_place(first, &mut plain).unwrap();
    assert!(stream.waiting() > 0 && stream.incoming.capacity() < 1 << 15, "one record at most");
    stream.read_in_place(second, &mut plain).unwrap();
    assert_eq!((plain.len(), stream.waiting()), (40_000, 0));
    assert!(stream.incoming.capacity() <= KEPT_CAPACITY);
}

#[test]
fn a_long_write_finds_its_room_at_once_and_gives_it_back() {
    let (mut stream, _) = established();
    stream.write(&[7; 1]).unwrap();
    let waiting = stream.transmit().len();
    stream.write(&vec![7; 256 << 10]).unwrap();
    assert!(stream.outgoing.capacity() < waiting + (256 << 10) + 1_024, "it grew on the way");
    stream.rest();
    assert!(stream.outgoing.capacity() > 256 << 10, "it is not sent yet");
    stream.transmitted(usize::MAX);
    stream.rest();
    assert!(stream.transmit().is_empty() && stream.outgoing.capacity() <= KEPT_CAPACITY);
}
