//! Who listens where, from /proc/net/tcp and /proc/net/tcp6 (Linux).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    /// By which the process that holds it is found.
    pub(super) inode: u64,
}

/// The state TCP_LISTEN in those files.
const LISTEN: &str = "0A";

/// Reads one of the files; lines that can't be read are left out.
pub(super) fn parse(text: &str) -> Vec<Listening> {
    text.lines().skip(1).filter_map(line).collect()
}

fn line(line: &str) -> Option<Listening> {
    let mut fields = line.split_whitespace();
    let address = fields.nth(1)?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Listening { address: socket_address(address)?, inode })
}

/// `0100007F:0016`: each group of four bytes is a number in the machine's own order.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = |text: &str| -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for start in (0..text.len()).step_by(8) {
            let word = u32::from_str_radix(text.get(start..start + 8)?, 16).ok()?;
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        Some(bytes)
    };
    let bytes = words(address)?;
    let address = match (<[u8; 4]>::try_from(bytes.as_slice()), <[u8; 16]>::try_from(bytes.as_slice())) {
        (Ok(bytes), _) => IpAddr::V4(Ipv4Addr::from(bytes)),
        (_, Ok(bytes)) => IpAddr::V6(Ipv6Addr::from(bytes)),
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}
