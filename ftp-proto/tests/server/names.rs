//! What the server asks of its surroundings, and when.

use crate::desk::{Desk, HERE, SECOND, config, passive};
use ftp_proto::advertise::{Advertised, Networks, Reason};
use ftp_proto::config::{AddressRule, External, PassivePorts, Settings};
use ftp_proto::event::{Answer, News};
use std::net::IpAddr;
use std::time::Duration;

const NAME: &str = "ftp.example.org";

fn named(name: &str) -> Settings {
    let mut settings = passive(PassivePorts::Range(2_000..=2_000));
    settings.passive.external = External::Name(name.into());
    settings
}

fn literal() -> Settings {
    let mut settings = passive(PassivePorts::Range(2_000..=2_000));
    settings.passive.external = External::Literal("198.51.100.9".parse().unwrap());
    settings
}

fn desk(settings: Settings) -> Desk {
    let mut desk = Desk::new(settings);
    desk.open_all();
    desk
}

impl Desk {
    fn resolved(&mut self, addresses: &[&str]) {
        let name = self.to_resolve.pop().unwrap();
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        self.tell(News::Resolved(name, Ok(addresses)));
    }

    fn not_resolved(&mut self) {
        let name = self.to_resolve.pop().unwrap();
        self.tell(News::Resolved(name, Err("temporary failure".into())));
    }

    /// The time until the server wants to be called again; it is called then.
    fn sleep(&mut self) -> Duration {
        let deadline = self.server.deadline().unwrap();
        let slept = deadline.duration_since(self.now.mono);
        self.now.mono = deadline;
        self.server.handle_timeout(self.now);
        self.sort();
        slept
    }

    /// The time until the server asks for a name.
    fn sleep_until_asked(&mut self) -> Duration {
        let mut slept = Duration::ZERO;
        while self.to_resolve.is_empty() {
            slept += self.sleep();
        }
        slept
    }

    /// What a client is told now.
    fn told(&mut self, peer: &str) -> (IpAddr, Reason) {
        let session = self.admit(peer);
        let Answer::Leased { advertised: Advertised { address, why, .. }, .. } = self.ask(session, 1, SECOND)
        else {
            panic!("no port")
        };
        self.tell(News::Gone(session));
        (address, why)
    }

    fn told_outside(&mut self) -> String {
        self.told(HERE).0.to_string()
    }
}

#[test]
fn a_name_is_asked_for_at_once_and_then_once_a_minute() {
    let mut desk = desk(named(NAME));
    assert_eq!(desk.to_resolve, [NAME]);
    assert_eq!(desk.told(HERE), ("198.51.100.1".parse().unwrap(), Reason::Unresolved));
    desk.resolved(&["2001:db8::1", "198.51.100.7", "198.51.100.8"]);
    assert_eq!(desk.notices.split_off(0), ["ftp.example.org is 198.51.100.7 after none"]);
    assert_eq!(desk.told(HERE), ("198.51.100.7".parse().unwrap(), Reason::Name));
    assert_eq!(desk.sleep_until_asked(), 60 * SECOND);
    // In another order: that is no news.
    desk.resolved(&["198.51.100.8", "198.51.100.7"]);
    assert_eq!((desk.told_outside(), desk.notices.len()), ("198.51.100.7".into(), 0));
    desk.sleep_until_asked();
    desk.resolved(&["198.51.100.9"]);
    assert_eq!(desk.notices.split_off(0), ["ftp.example.org is 198.51.100.9 after 198.51.100.7"]);
    assert_eq!(desk.told_outside(), "198.51.100.9");
}

#[test]
fn a_name_that_is_not_found_is_tried_again_at_growing_intervals() {
    let mut desk = desk(named(NAME));
    let mut waits = Vec::new();
    for _ in 0..6 {
        desk.not_resolved();
        let looked = desk.looks;
        waits.push(desk.sleep_until_asked().as_secs());
        assert!(desk.looks <= looked + 1);
    }
    assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
    assert_eq!(desk.notices.split_off(0), ["ftp.example.org failed: temporary failure, kept false"]);
    desk.resolved(&["198.51.100.7"]);
    desk.sleep_until_asked();
    desk.not_resolved();
    let told = [
        "ftp.example.org is 198.51.100.7 after none",
        "ftp.example.org failed: temporary failure, kept true",
    ];
    assert_eq!(desk.notices.split_off(0), told);
    assert_eq!(desk.told_outside(), "198.51.100.7", "the last good one holds");
    // Found again, and the same: no news. The next failure is the first of its row.
    desk.sleep_until_asked();
    desk.resolved(&["198.51.100.7"]);
    desk.sleep_until_asked();
    desk.not_resolved();
    assert_eq!(desk.notices, [told[1]]);
}

#[test]
fn a_name_of_ipv6_alone_is_said_once() {
    let mut desk = desk(named(NAME));
    for _ in 0..3 {
        desk.resolved(&["2001:db8::1"]);
        desk.sleep_until_asked();
    }
    assert_eq!(desk.notices, ["ftp.example.org is none after none"]);
    assert_eq!(desk.told_outside(), "198.51.100.1");
}

#[test]
fn names_come_and_go_with_the_settings() {
    let mut desk = desk(named(NAME));
    desk.resolved(&["198.51.100.7"]);
    let mut settings = named(NAME);
    for name in ["other.example.org", NAME] {
        settings.passive.rules.push(AddressRule {
            networks: vec!["192.0.2.0/24".parse().unwrap()],
            external: External::Name(name.into()),
            ..AddressRule::default()
        });
    }
    desk.server.reconfigure(desk.now, config(settings));
    desk.sort();
    assert_eq!(desk.to_resolve, ["other.example.org"], "the other one is known");
    assert_eq!(desk.told_outside(), "198.51.100.7");
    desk.server.reconfigure(desk.now, config(literal()));
    desk.sort();
    desk.notices.clear();
    desk.resolved(&["198.51.100.8"]);
    assert!(desk.notices.is_empty(), "nobody wants to know it any more");
    assert_eq!(desk.told_outside(), "198.51.100.9");
    desk.server.reconfigure(desk.now, config(named(NAME)));
    desk.sort();
    assert_eq!(desk.to_resolve, [NAME], "it was forgotten");
    assert_eq!(desk.told(HERE).1, Reason::Unresolved);
}

#[test]
fn nothing_is_asked_for_that_nothing_depends_on() {
    let mut desk = desk(passive(PassivePorts::Range(2_000..=2_000)));
    assert_eq!((desk.looks, desk.to_resolve.len(), desk.server.deadline()), (0, 0, None));
    let mut off = named(NAME);
    off.passive.enabled = false;
    desk.server.reconfigure(desk.now, config(off));
    desk.sort();
    assert_eq!((desk.looks, desk.to_resolve.len(), desk.server.deadline()), (0, 0, None));
}

#[test]
fn the_hosts_networks_are_looked_at_now_and_once_a_minute() {
    let mut desk = desk(literal());
    assert_eq!(desk.looks, 1);
    assert_eq!(desk.told("203.0.113.9"), ("198.51.100.9".parse().unwrap(), Reason::Literal));
    let own = vec!["203.0.113.0/24".parse().unwrap()];
    desk.tell(News::Networks(Networks { own, routers: vec!["203.0.113.1".parse().unwrap()] }));
    assert_eq!(desk.told("203.0.113.9"), ("198.51.100.1".parse().unwrap(), Reason::Inside));
    assert_eq!(desk.told("203.0.113.1"), ("198.51.100.9".parse().unwrap(), Reason::Hairpin));
    assert_eq!(desk.sleep(), 60 * SECOND);
    assert_eq!(desk.looks, 2);
    desk.server.reconfigure(desk.now, config(literal()));
    desk.sort();
    assert_eq!(desk.looks, 2, "a look a minute is enough");
    assert_eq!(desk.sleep(), 60 * SECOND);
    assert_eq!(desk.looks, 3);
}
