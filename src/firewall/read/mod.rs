//! What systems print, as a [`Ruleset`](super::rules::Ruleset). A condition that a reader does not know becomes
//! one that nobody knows; it is never left out.

pub mod firewalld;
pub mod iptables;
pub mod nftables;
mod nftables_match;
pub mod ufw;
pub mod windows;

use super::ports::PortSet;
use super::rules::flags;
use ftp_proto::config::Network;
use std::net::IpAddr;

/// `10.0.0.0/8`, `10.0.0.0/255.0.0.0` or an address.
fn network(text: &str) -> Option<Network> {
    if let Some((address, mask)) = text.split_once('/')
        && let Ok(mask) = mask.parse::<std::net::Ipv4Addr>()
    {
        let prefix = mask.to_bits().leading_ones();
        let is_mask = mask.to_bits().checked_shl(prefix).unwrap_or(0) == 0;
        return Network::new(address.parse().ok()?, u8::try_from(prefix).ok()?).ok().filter(|_| is_mask);
    }
    text.parse().ok()
}

/// The networks that make up a range of addresses.
fn networks_between(first: IpAddr, last: IpAddr) -> Vec<Network> {
    let (bits, mut next, last) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            (32, u128::from(first.to_bits()), u128::from(last.to_bits()))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => (128, first.to_bits(), last.to_bits()),
        _ => return Vec::new(),
    };
    let address = |value: u128| match u32::try_from(value) {
        Ok(value) if bits == 32 => IpAddr::from(value.to_be_bytes()),
        _ => IpAddr::from(value.to_be_bytes()),
    };
    let mut networks = Vec::new();
    while next <= last {
        // The widest network that begins here and does not go beyond.
        let mut free = next.trailing_zeros().min(bits);
        while free > 0 && free < 128 && next + ((1_u128 << free) - 1) > last {
            free -= 1;
        }
        networks.extend(Network::new(address(next), u8::try_from(bits - free).unwrap_or(0)));
        match 1_u128.checked_shl(free).and_then(|step| next.checked_add(step)) {
            Some(after) => next = after,
            None => break,
        }
    }
    networks
}

/// The bit of a flag of TCP, in any case.
fn tcp_flag(name: &str) -> Option<u8> {
    let index = flags::NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
    Some(1 << index)
}

/// A port or a range, by number or, for the few that matter here, by name.
fn ports(text: &str) -> Option<PortSet> {
    match text {
        "ftp-data" => Some(PortSet::one(20)),
        "ftp" => Some(PortSet::one(21)),
        "ssh" => Some(PortSet::one(22)),
        "ftps-data" => Some(PortSet::one(989)),
        "ftps" => Some(PortSet::one(990)),
        // iptables leaves an end out that is the first or the last port.
        _ if text.starts_with(':') => format!("0{text}").parse().ok(),
        _ if text.ends_with(':') => format!("{text}65535").parse().ok(),
        _ => text.parse().ok(),
    }
}
