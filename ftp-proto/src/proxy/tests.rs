use super::*;
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::format;
use std::string::String;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn client(source: &str, destination: &str) -> Origin {
    Origin::Client { source: address(source), destination: address(destination) }
}

fn header(len: usize, origin: Origin) -> Parsed {
    Parsed::Header { len, origin }
}

/// A header of version 2.
fn binary_header(version_and_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [BINARY_SIGNATURE, &[version_and_command, family], &len, body].concat()
}

const IPV4: &[u8] = &[203, 0, 113, 5, 198, 51, 100, 1, 0xc3, 0x50, 0, 21];

#[test]
fn text_headers() {
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0";
    let full = format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n");
    let padded = format!("PROXY UNKNOWN {}\r\n", "f".repeat(MAX_TEXT - 16));
    let too_long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(MAX_TEXT - 15));
    for (line, parsed) in [
        (
            "PROXY TCP4 203.0.113.5 198.51.100.1 50000 21\r\nUSER u\r\n",
            header(46, client("203.0.113.5:50000", "198.51.100.1:21")),
        ),
        (
            "PROXY TCP6 2001:db8::5 2001:db8::1 50000 21\r\n",
            header(45, client("[2001:db8::5]:50000", "[2001:db8::1]:21")),
        ),
        (
            "PROXY TCP6 ::ffff:203.0.113.5 ::ffff:198.51.100.1 0 65535\r\n",
            header(59, client("203.0.113.5:0", "198.51.100.1:65535")),
        ),
        (&full, header(full.len(), client(&format!("[{longest}]:65535"), &format!("[{longest}]:65535")))),
        ("PROXY UNKNOWN\r\n", header(15, Origin::Balancer)),
        ("PROXY UNKNOWN anything at all 7\r\n", header(33, Origin::Balancer)),
        (&padded, header(MAX_TEXT, Origin::Balancer)),
        (&too_long, Parsed::Invalid(Fault::TooLong)),
        ("", Parsed::Incomplete),
        ("PRO", Parsed::Incomplete),
        ("PROXY TCP4 203.0.113.5 198.51.100.1 50000 21", Parsed::Incomplete),
        ("PROXY TCP4 203.0.113.5 198.51.100.1 50000 21\r", Parsed::Incomplete),
        ("PROXY TCP4 203.0.113.5 198.51.100.1 50000 21\n", Parsed::Incomplete),
        ("USER u\r\n", Parsed::Invalid(Fault::NoSignature)),
        ("proxy UNKNOWN\r\n", Parsed::Invalid(Fault::NoSignature)),
        ("PROXYTCP4 1.2.3.4 1.2.3.4 1 1\r\n", Parsed::Invalid(Fault::NoSignature)),
        ("PROXY\r\n", Parsed::Invalid(Fault::Family)),
        ("PROXY \r\n", Parsed::Invalid(Fault::Family)),
        ("PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n", Parsed::Invalid(Fault::Family)),
        ("PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n", Parsed::Invalid(Fault::Family)),
        ("PROXY TCP4\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 ::1 ::1 1 1\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n", Parsed::Invalid(Fault::Addresses)),
        ("PROXY TCP4 1.2.3.4\t1.2.3.4 1 1\r\n", Parsed::Invalid(Fault::Addresses)),
    ] {
        assert_eq!(parse(line.as_bytes()), parsed, "{line:?}");
    }
    assert_eq!(full.len(), 104, "the longest there can be with addresses");
    assert_eq!(parse(b"PROXY TCP4 \xff\r\n"), Parsed::Invalid(Fault::Addresses));
}

#[test]
fn binary_headers() {
    let ours = client("203.0.113.5:50000", "198.51.100.1:21");
    let mut ipv6 = [0u8; 36];
    (ipv6[0], ipv6[15], ipv6[16], ipv6[31], ipv6[33], ipv6[35]) = (0x20, 1, 0x20, 2, 7, 21);
    let more = |len: usize| [IPV4, &alloc::vec![0xee; len]].concat();
    let whole = |bytes: Vec<u8>, origin| (header(bytes.len(), origin), bytes);
    let wrong = |bytes: Vec<u8>, fault| (Parsed::Invalid(fault), bytes);
    for (parsed, bytes) in [
        whole(binary_header(0x21, 0x11, IPV4), ours),
        // What follows the addresses is skipped, up to the limit.
        whole(binary_header(0x21, 0x11, &more(300)), ours),
        whole(binary_header(0x21, 0x11, &more(MAX_BINARY - 28)), ours),
        wrong(binary_header(0x21, 0x11, &more(MAX_BINARY - 27)), Fault::TooLong),
        whole(binary_header(0x21, 0x21, &ipv6), client("[2000::1]:7", "[2000::2]:21")),
        // The balancer's own, whatever else it says.
        whole(binary_header(0x20, 0x11, IPV4), Origin::Balancer),
        whole(binary_header(0x20, 0, &[]), Origin::Balancer),
        whole(binary_header(0x20, 0xff, &[1, 2, 3]), Origin::Balancer),
        // No IP address and TCP port: unspecified, a datagram's, a Unix socket's.
        whole(binary_header(0x21, 0, &[]), Origin::Balancer),
        whole(binary_header(0x21, 0x10, IPV4), Origin::Balancer),
        whole(binary_header(0x21, 0x12, IPV4), Origin::Balancer),
        whole(binary_header(0x21, 0x31, &[0; 216]), Origin::Balancer),
        wrong(binary_header(0x11, 0x11, IPV4), Fault::Version),
        wrong(binary_header(0x31, 0x11, IPV4), Fault::Version),
        wrong(binary_header(0x22, 0x11, IPV4), Fault::Command),
        wrong(binary_header(0x2f, 0x11, IPV4), Fault::Command),
        wrong(binary_header(0x21, 0x41, IPV4), Fault::Family),
        wrong(binary_header(0x21, 0x13, IPV4), Fault::Family),
        wrong(binary_header(0x21, 0x11, &[0; 11]), Fault::Addresses),
        wrong(binary_header(0x21, 0x21, &[0; 35]), Fault::Addresses),
        wrong(b"\r\n\r\n\0\r\nQUIX\n".to_vec(), Fault::NoSignature),
        (Parsed::Incomplete, b"\r".to_vec()),
        (Parsed::Incomplete, BINARY_SIGNATURE.to_vec()),
        (Parsed::Incomplete, binary_header(0x21, 0x11, IPV4)[..27].to_vec()),
    ] {
        assert_eq!(parse(&bytes), parsed, "{bytes:x?}");
    }
    let mapped = [&[0; 10][..], &[255, 255, 203, 0, 113, 5], &[0; 10], &[255, 255, 198, 51, 100, 1]].concat();
    let mapped = binary_header(0x21, 0x21, &[&mapped[..], &[0xc3, 0x50, 0, 21]].concat());
    assert_eq!(parse(&mapped), header(52, ours));
}

/// Any header that a balancer may send.
#[derive(Clone, Debug)]
struct Sent {
    bytes: Vec<u8>,
    origin: Origin,
}

impl Arbitrary for Sent {
    fn arbitrary(random: &mut Gen) -> Self {
        let v6 = bool::arbitrary(random);
        let mut end = || match v6 {
            false => SocketAddr::new(Ipv4Addr::arbitrary(random).into(), u16::arbitrary(random)),
            true => SocketAddr::new(Ipv6Addr::arbitrary(random).into(), u16::arbitrary(random)),
        };
        let (source, destination) = (end(), end());
        let told = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        let named = Origin::Client { source: told(source), destination: told(destination) };
        let mut trailer: Vec<u8> = Arbitrary::arbitrary(random);
        trailer.truncate(1_000);
        let (bytes, origin) = match u8::arbitrary(random) % 8 {
            0 => (b"PROXY UNKNOWN\r\n".to_vec(), Origin::Balancer),
            1 => (binary_header(0x20, u8::arbitrary(random), &trailer), Origin::Balancer),
            2..=4 => (print_text(v6, source, destination).into_bytes(), named),
            _ => (print_binary(source, destination, &trailer), named),
        };
        Self { bytes, origin }
    }
}

fn print_text(v6: bool, source: SocketAddr, destination: SocketAddr) -> String {
    let family = if v6 { 6 } else { 4 };
    let (from, to) = (source.port(), destination.port());
    format!("PROXY TCP{family} {} {} {from} {to}\r\n", source.ip(), destination.ip())
}

fn print_binary(source: SocketAddr, destination: SocketAddr, trailer: &[u8]) -> Vec<u8> {
    let octets = |end: SocketAddr| match end.ip() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    let body = [octets(source), octets(destination), ports, trailer.to_vec()].concat();
    binary_header(0x21, if source.is_ipv4() { 0x11 } else { 0x21 }, &body)
}

quickcheck! {
    /// What a balancer sends is understood, no byte too early, and whatever follows.
    fn sent_and_understood(sent: Sent, rest: Vec<u8>) -> bool {
        let len = sent.bytes.len();
        (0..len).all(|cut| parse(&sent.bytes[..cut]) == Parsed::Incomplete)
            && parse(&[&sent.bytes[..], &rest].concat()) == header(len, sent.origin)
    }

    /// However it is cut, the same bytes are taken and the rest is left.
    fn collected_from_any_pieces(sent: Sent, rest: Vec<u8>, sizes: Vec<u8>) -> bool {
        let all = [&sent.bytes[..], &rest].concat();
        let (mut reader, mut at) = (Reader::default(), 0);
        for size in sizes.into_iter().chain(core::iter::repeat(255)) {
            let piece = &all[at..(at + usize::from(size)).min(all.len())];
            let taken = reader.offer(piece);
            at += taken;
            if reader.outcome().is_some() {
                return at == sent.bytes.len()
                    && reader.outcome() == Some(Ok(sent.origin))
                    && reader.offer(b"more") == 0;
            }
            if taken != piece.len() {
                return false;
            }
        }
        false
    }

    /// More bytes never change what was decided.
    fn decided_for_good(bytes: Vec<u8>, text: bool) -> bool {
        let begin = if text { TEXT_SIGNATURE } else { BINARY_SIGNATURE };
        let bytes = [begin, &bytes].concat();
        let whole = parse(&bytes);
        (0..bytes.len()).map(|cut| parse(&bytes[..cut])).all(|part| part == Parsed::Incomplete || part == whole)
    }
}

#[test]
fn what_was_missing_is_told() {
    let reader = |bytes: &[u8]| {
        let mut reader = Reader::default();
        reader.offer(bytes);
        reader
    };
    assert_eq!(reader(b"").problem(true), Problem::Silent);
    assert_eq!(reader(b"").problem(false), Problem::TimedOut);
    assert_eq!(reader(b"PRO").problem(true), Problem::Ended);
    assert_eq!(reader(b"PRO").problem(false), Problem::TimedOut);
    assert_eq!(reader(b"USER").problem(false), Problem::Invalid(Fault::NoSignature));
}
