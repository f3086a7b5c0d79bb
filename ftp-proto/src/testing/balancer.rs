//! What balancers say by the PROXY protocol.

use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// A header of version 1.
pub fn text_header(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { 4 } else { 6 };
    let (from, to) = (source.port(), destination.port());
    format!("PROXY TCP{family} {} {} {from} {to}\r\n", source.ip(), destination.ip()).into_bytes()
}

/// A header of version 2, with something of no interest behind the addresses.
pub fn binary_header(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let mut body = [octets(source), octets(destination)].concat();
    body.extend(source.port().to_be_bytes());
    body.extend(destination.port().to_be_bytes());
    // PP2_TYPE_NOOP.
    body.extend([4, 0, 3, 0, 0, 0]);
    binary(0x21, if source.is_ipv4() { 0x11 } else { 0x21 }, &body)
}

/// The header of a balancer that connects for itself.
pub fn local_header() -> Vec<u8> {
    binary(0x20, 0, &[])
}

fn binary(version_and_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[version_and_command, family][..], &len, body].concat()
}

fn octets(end: SocketAddr) -> Vec<u8> {
    match end.ip() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
