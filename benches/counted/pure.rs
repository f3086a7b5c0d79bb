//! Functions without a state.

use crate::still::{ENTRIES, Still};
use crate::{Row, Work};
use ftp_proto::advertise::{Client, Networks, Reason, Surroundings, advertise};
use ftp_proto::command::lookup;
use ftp_proto::config::{AddressRule, External, Network, Passive};
use ftp_proto::listing::{Facts, Format, Listing};
use ftp_proto::path::VirtualPath;
use ftp_proto::time::UnixTime;
use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};

pub(crate) const PATHS: &[Row] = &[
    ("command looked up by its line", LINES.len() as u64, line),
    ("path resolved", 1, path),
    ("line of LIST", ENTRIES as u64, || listing(Format::Unix)),
    ("line of MLSD", ENTRIES as u64, || listing(Format::Facts(Facts::ALL))),
    ("line of NLST", ENTRIES as u64, || listing(Format::Names)),
    ("address that a client is told", 1, advertised),
];

/// Some of what clients say.
const LINES: &[&[u8]] =
    &[b"ABOR", b"cwd pub", b"EPSV", b"NOOP", b"retr a b", b"SITE CHMOD 644 a", b"TYPE I", b"XPWD"];

fn line() -> Work {
    Box::new(|| {
        let found = LINES.iter().filter(|line| lookup(black_box(line)).is_some()).count();
        assert_eq!(found, LINES.len());
    })
}

fn path() -> Work {
    let directory = VirtualPath::new(b"/pub/incoming/2026").expect("a path");
    Box::new(move || {
        let path = directory.resolve(black_box(b"../archive/./11/report-final.csv"));
        assert!(path.is_ok_and(|path| path.as_bytes() == b"/pub/incoming/archive/11/report-final.csv"));
    })
}

fn listing(format: Format) -> Work {
    let still = Still::new([]);
    let listing = Listing::new(format, UnixTime::from_seconds(1_795_000_000));
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        for entry in still.entries() {
            listing.append(black_box(entry), &mut out);
        }
        assert!(out.ends_with(b"\r\n"));
    })
}

/// A server behind a router, with a rule for a branch office and a network of its own.
fn advertised() -> Work {
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    let end = |text: &str| text.parse::<SocketAddr>().expect("an address with a port");
    let network = |text: &str| text.parse::<Network>().expect("a network");
    let rule = AddressRule {
        networks: vec![network("10.20.0.0/16")],
        external: External::ControlConnection,
        ..AddressRule::default()
    };
    let external = External::Literal(ip("198.51.100.7"));
    let passive = Passive { external, rules: vec![rule], ..Passive::default() };
    let networks = Networks {
        own: vec![network("192.168.1.0/24"), network("fd00::/64")],
        routers: vec![ip("192.168.1.1")],
    };
    let surroundings = Surroundings { networks, ..Surroundings::default() };
    let local = end("192.168.1.5:21");
    let client = Client { local, peer: end("203.0.113.5:4000"), listener: local };
    Box::new(move || {
        let told = advertise(black_box(&passive), &surroundings, &client, 21_007);
        assert_eq!((told.address, told.port, told.why), (ip("198.51.100.7"), 21_007, Reason::Literal));
    })
}
