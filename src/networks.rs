//! The host's place in the network: who reaches the server without a router, and which routers there are.

use ftp_proto::advertise::Networks;
use ftp_proto::config::Network;
use std::net::IpAddr;

/// What the system says now: the networks of all interfaces but loopback, and, on Linux, the routers of the default
/// routes. Elsewhere the settings can name routers. What the system doesn't tell is left out.
pub fn of_host() -> Networks {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut routers = proc::ipv4_routers(&read("/proc/net/route"));
    routers.extend(proc::ipv6_routers(&read("/proc/net/ipv6_route")));
    routers.sort_unstable();
    routers.dedup();
    Networks { own: interfaces(), routers }
}

fn interfaces() -> Vec<Network> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let network = |interface: &if_addrs::Interface| {
        let (address, prefix) = match &interface.addr {
            if_addrs::IfAddr::V4(address) => (IpAddr::V4(address.ip), address.prefixlen),
            if_addrs::IfAddr::V6(address) => (IpAddr::V6(address.ip), address.prefixlen),
        };
        // Some tunnels have no mask; that doesn't put the whole world into our network.
        (prefix > 0).then(|| Network::new(address, prefix).ok()).flatten()
    };
    interfaces.iter().filter(|interface| !interface.is_loopback()).filter_map(network).collect()
}

/// The kernel's tables of routes, as text.
mod proc {
    use super::IpAddr;
    use std::net::{Ipv4Addr, Ipv6Addr};

    /// Linux, `include/uapi/linux/route.h`: the route goes by a router, and is no refusal.
    const GATEWAY: u32 = 0x2;
    const REJECT: u32 = 0x200;

    /// `/proc/net/route`: interface, destination, router, flags, three counters, mask and more. Addresses are written
    /// as numbers of the machine's own byte order.
    pub(super) fn ipv4_routers(table: &str) -> Vec<IpAddr> {
        let router = |line: &str| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [_, destination, router, flags, _, _, _, mask, ..] = columns.as_slice() else { return None };
            let number = |text: &&str| u32::from_str_radix(text, 16).ok();
            let is_default = number(destination)? == 0 && number(mask)? == 0 && leads_on(number(flags)?);
            is_default.then_some(Ipv4Addr::from(number(router)?.to_ne_bytes()).into())
        };
        table.lines().filter_map(router).collect()
    }

    /// `/proc/net/ipv6_route`: destination, its bits, source, its bits, router, metric, two counters, flags and
    /// interface.
    pub(super) fn ipv6_routers(table: &str) -> Vec<IpAddr> {
        let router = |line: &str| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [destination, bits, _, _, router, _, _, _, flags, ..] = columns.as_slice() else {
                return None;
            };
            let address = |text: &&str| u128::from_str_radix(text, 16).ok();
            let is_default = address(destination)? == 0
                && u8::from_str_radix(bits, 16).ok()? == 0
                && leads_on(u32::from_str_radix(flags, 16).ok()?);
            is_default.then_some(Ipv6Addr::from(address(router)?).into())
        };
        table.lines().filter_map(router).collect()
    }

    fn leads_on(flags: u32) -> bool {
        flags & GATEWAY != 0 && flags & REJECT == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn routers_of_default_routes_over_ipv4() {
        let table = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
wlan0\t00000000\tFE01A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0
vpn0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
lo\t00000000\t0200000A\t0203\t0\t0\t100\t00000000\t0\t0\t0
eth0 00000000 xyz 0003
";
        let routers: Vec<String> = proc::ipv4_routers(table).iter().map(ToString::to_string).collect();
        assert_eq!(routers, ["10.0.0.1", "192.168.1.254"]);
        assert!(proc::ipv4_routers("").is_empty());
    }

    #[test]
    fn routers_of_default_routes_over_ipv6() {
        let none = "00000000000000000000000000000000";
        let table = format!(
            "\
{none} 00 {none} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0
20010db8002000000000000000000000 40 {none} 00 {none} 00000100 00000001 00000000 00000001     eth0
20010db8003000000000000000000000 30 {none} 00 fe800000000000000000000000000002 00000400 00000001 00000000 00000003 eth0
{none} 00 {none} 00 {none} ffffffff 00000001 00000000 00200200       lo
"
        );
        assert_eq!(proc::ipv6_routers(&table), ["fe80::1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn this_host_has_no_network_that_is_everywhere_or_loopback() {
        for network in of_host().own {
            assert!(!network.contains([127, 0, 0, 1].into()), "{network}");
        }
    }
}
