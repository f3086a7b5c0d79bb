use crate::drive::{Names, drive};
use ftp_proto::host::{Entry, Metadata, StorageError};
use ftp_proto::listing::{Facts, Format, Listing};
use ftp_proto::time::{Now, UnixTime};
use ftp_proto::transfer::{Coding, Direction, EndReason, Pipe, Step};
use quickcheck::quickcheck;

fn listing(format: Format) -> Listing {
    Listing::new(format, UnixTime::from_seconds(0))
}

fn entry(number: usize) -> Entry {
    Entry { name: format!("name{number}").into_bytes(), metadata: Metadata::default() }
}

fn pipe(count: usize, listing: Listing) -> Pipe {
    Pipe::listing(Box::new(Names((0..count).map(|number| Ok(entry(number))))), listing, Coding::ASCII)
}

quickcheck! {
    fn the_client_gets_each_line_once(count: u8, choices: Vec<u8>) -> bool {
        let (count, listing) = (usize::from(count) * 40, listing(Format::Facts(Facts::ALL)));
        let mut expected = Vec::new();
        (0..count).for_each(|number| listing.append(&entry(number), &mut expected));
        let mut pipe = pipe(count, listing);
        assert_eq!(pipe.direction(), Direction::Download);
        let seen = drive(&mut pipe, None, b"", &choices);
        seen.wire == expected && seen.end.bytes == expected.len() as u64 && seen.end.outcome.is_ok()
    }
}

#[test]
fn memory_does_not_grow_with_the_directory() {
    let mut pipe = pipe(100_000, listing(Format::Unix));
    let (mut lines, mut largest) = (0, 0);
    loop {
        match pipe.step(Now::default()) {
            Step::Turn => pipe.turn(),
            Step::Write => {
                let bytes = pipe.transmit();
                largest = largest.max(bytes.len());
                lines += bytes.iter().filter(|&&byte| byte == b'\n').count();
                pipe.transmitted(Now::default(), bytes.len());
            }
            Step::End(end) => break assert_eq!(end.outcome, Ok(())),
            Step::Report(_) => {}
            Step::Read | Step::Direct { .. } | Step::Marked(_) => panic!("not for a listing"),
        }
    }
    assert_eq!(lines, 100_000);
    assert!(largest < (64 << 10) + 100, "{largest}");
}

#[test]
fn an_empty_directory_and_one_of_which_nothing_is_shown_are_empty_listings() {
    let mut empty = pipe(0, listing(Format::Unix));
    assert_eq!(drive(&mut empty, None, b"", b"").wire, b"");
    let hidden = (0..10_000).map(|_| Ok(Entry { name: b"a\nb".to_vec(), metadata: Metadata::default() }));
    let mut none = Pipe::listing(Box::new(Names(hidden)), listing(Format::Names), Coding::ASCII);
    let seen = drive(&mut none, None, b"", b"");
    assert_eq!((&seen.wire[..], seen.end.outcome.clone()), (&b""[..], Ok(())));
    assert_eq!(seen.count(&Step::Turn), 3, "an abort must find its way in between");
}

#[test]
fn a_directory_that_fails_fails_the_listing() {
    let entries =
        (0..2_000).map(|number| if number < 1_999 { Ok(entry(number)) } else { Err(StorageError::Denied) });
    let mut pipe = Pipe::listing(Box::new(Names(entries)), listing(Format::Unix), Coding::ASCII);
    let seen = drive(&mut pipe, None, b"", b"");
    assert_eq!(seen.end.outcome, Err(EndReason::Storage(StorageError::Denied)));
    assert_eq!(seen.end.bytes, seen.wire.len() as u64);
    assert!(seen.wire.len() >= 64 << 10, "what came before was sent");
}
