use super::*;
use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::ToString;

const ONE: [u8; 4] = [192, 0, 2, 1];
const OTHER: [u8; 4] = [192, 0, 2, 2];

fn at(seconds: u64) -> Now {
    Now {
        mono: Instant::ZERO + Duration::from_secs(seconds),
        unix: UnixTime::from_seconds(i64::try_from(seconds).unwrap()),
    }
}

fn person(name: &str) -> Option<Person> {
    Some(Person::new(name.to_owned(), None))
}

fn settings() -> Settings {
    Settings {
        user_failures: 3,
        address_failures: 5,
        window: Duration::from_secs(100),
        duration: Duration::from_secs(10),
        longest: Duration::from_secs(40),
        ..Settings::default()
    }
}

/// A bench with few words.
struct Bench {
    bans: Bans,
    settings: Settings,
}

impl Bench {
    fn new() -> Self {
        Self { bans: Bans::default(), settings: settings() }
    }

    fn fail(&mut self, seconds: u64, address: [u8; 4], name: &str) -> u64 {
        self.fail_as(seconds, address.into(), name, true)
    }

    fn fail_as(&mut self, seconds: u64, address: IpAddr, name: &str, checked: bool) -> u64 {
        let limits = Limits::default();
        let delay = self.bans.failed(&self.settings, &limits, at(seconds), address, person(name), checked);
        delay.as_secs()
    }

    fn standing(&self, seconds: u64, address: [u8; 4], name: &str) -> Standing {
        self.bans.standing(at(seconds).mono, address.into(), person(name))
    }

    fn changes(&mut self) -> Vec<String> {
        core::iter::from_fn(|| self.bans.poll_change())
            .map(|change| match change {
                Change::Begun(ban) => format!(
                    "{ban} {} for {} s after {}, the {}.",
                    ban.user.as_deref().unwrap_or("all"),
                    ban.until.seconds - ban.since.seconds,
                    ban.failures,
                    ban.times
                ),
                Change::Ended { ban, lifted } => {
                    format!(
                        "{ban} {} {}",
                        ban.user.as_deref().unwrap_or("all"),
                        if lifted { "lifted" } else { "over" }
                    )
                }
            })
            .collect()
    }
}

#[test]
fn a_name_is_refused_where_it_failed_and_nowhere_else() {
    let mut bench = Bench::new();
    assert_eq!([1, 2, 3].map(|second| bench.fail(second, ONE, "bob")), [1, 2, 4]);
    assert_eq!(bench.standing(4, ONE, "bob"), Standing::Refused);
    assert_eq!(bench.standing(4, ONE, "eve"), Standing::Free);
    assert_eq!(bench.standing(4, OTHER, "bob"), Standing::Free);
    assert_eq!(bench.standing(13, ONE, "bob"), Standing::Free);
    assert_eq!(bench.changes(), ["192.0.2.1 bob for 10 s after 3, the 1."]);
    bench.bans.handle_timeout(at(13));
    assert_eq!(bench.changes(), ["192.0.2.1 bob over"]);
}

#[test]
fn an_address_is_banned_whatever_the_names() {
    let mut bench = Bench::new();
    let delays = ["a", "b", "c", "d", "e"].map(|name| bench.fail(1, ONE, name));
    assert_eq!(delays, [1, 2, 4, 8, 8]);
    assert_eq!(bench.standing(1, ONE, "bob"), Standing::Banned(Duration::from_secs(10)));
    assert_eq!(bench.standing(10, ONE, "bob"), Standing::Banned(Duration::from_secs(1)));
    assert_eq!(bench.standing(10, OTHER, "a"), Standing::Free);
    assert_eq!(bench.standing(11, ONE, "bob"), Standing::Free);
}

#[test]
fn what_was_refused_unseen_bans_no_address() {
    let mut bench = Bench::new();
    for second in 0..3 {
        bench.fail(second, ONE, "camera");
    }
    for second in 3..10 {
        assert_eq!(bench.fail_as(second, ONE.into(), "camera", false), 8);
    }
    assert_eq!(bench.standing(9, ONE, "bob"), Standing::Free);
    // The ban ends, and it fails again: of that its address has heard. Other names are guesses.
    bench.fail(20, ONE, "camera");
    bench.fail(20, ONE, "camera");
    assert_eq!(bench.standing(20, ONE, "bob"), Standing::Free);
    bench.fail(20, ONE, "a");
    assert_eq!(bench.standing(20, ONE, "bob"), Standing::Free);
    bench.fail(20, ONE, "b");
    assert_eq!(bench.standing(20, ONE, "bob"), Standing::Banned(Duration::from_secs(10)));
}

/// After how many seconds devices at one address, which try an old password again and again, are turned away with it.
fn devices_are_banned_after(names: &[&str]) -> Option<u64> {
    let mut bench = Bench { bans: Bans::default(), settings: Settings::default() };
    (0..86_400).step_by(7).find(|&second| {
        names.iter().any(|name| match bench.standing(second, ONE, name) {
            Standing::Banned(_) => true,
            standing => {
                bench.fail_as(second, ONE.into(), name, standing == Standing::Free);
                false
            }
        })
    })
}

#[test]
fn few_devices_with_old_passwords_do_not_ban_their_office() {
    // Each ban of a name ends, and then it is tried again.
    assert_eq!(devices_are_banned_after(&["a"]), None);
    assert_eq!(devices_are_banned_after(&["a", "b", "c", "d"]), None);
    assert_eq!(devices_are_banned_after(&["a", "b", "c", "d", "e"]), Some(70));
}

#[test]
fn bans_double_up_to_the_longest_and_are_forgiven_in_time() {
    let mut bench = Bench::new();
    let mut second = 0;
    for want in [10, 20, 40, 40] {
        for _ in 0..3 {
            // From elsewhere each time but for the name's own count.
            bench.settings.address_failures = 0;
            bench.fail(second, ONE, "bob");
        }
        second += want;
        assert_eq!(bench.standing(second - 1, ONE, "bob"), Standing::Refused, "{want}");
        assert_eq!(bench.standing(second, ONE, "bob"), Standing::Free, "{want}");
    }
    // As long as the longest after the end of the last.
    second += 40;
    for _ in 0..3 {
        bench.fail(second, ONE, "bob");
    }
    assert_eq!(bench.standing(second + 9, ONE, "bob"), Standing::Refused);
    assert_eq!(bench.standing(second + 10, ONE, "bob"), Standing::Free);
}

#[test]
fn failures_are_forgotten_after_the_window_and_by_a_success() {
    let mut bench = Bench::new();
    bench.fail(0, ONE, "bob");
    bench.fail(99, ONE, "bob");
    assert_eq!(bench.fail(100, ONE, "bob"), 1);
    bench.fail(101, ONE, "bob");
    bench.bans.succeeded(ONE.into(), person("bob").unwrap());
    assert_eq!(bench.fail(102, ONE, "bob"), 4, "the address's own count stays");
    assert_eq!(bench.standing(102, ONE, "bob"), Standing::Free);
    bench.fail(103, ONE, "eve");
    bench.fail(104, ONE, "bob");
    assert_eq!(bench.standing(104, ONE, "x"), Standing::Banned(Duration::from_secs(10)));
}

#[test]
fn an_address_of_ipv6_is_its_network() {
    let mut bench = Bench::new();
    for host in 0..5_u16 {
        let address = format!("2001:db8:0:1::{host:x}").parse().unwrap();
        bench.fail_as(0, address, &format!("u{host}"), true);
    }
    let neighbour = "2001:db8:0:1:ffff::1".parse().unwrap();
    assert!(matches!(bench.bans.standing(at(1).mono, neighbour, None), Standing::Banned(_)));
    assert_eq!(bench.changes(), ["2001:db8:0:1::/64 all for 10 s after 5, the 1."]);
}

#[test]
fn bans_are_lifted_by_address_or_all() {
    let mut bench = Bench::new();
    for address in [ONE, OTHER] {
        for _ in 0..3 {
            bench.fail(0, address, "bob");
        }
    }
    let whom = |bench: &Bench| bench.bans.list(at(1)).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(whom(&bench), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(bench.bans.lift(at(1), Some("192.0.2.1".parse().unwrap())), 1);
    assert_eq!(whom(&bench), ["192.0.2.2"]);
    assert_eq!(bench.fail(2, ONE, "bob"), 1, "its failures are forgotten, too");
    assert_eq!(bench.bans.lift(at(2), None), 1);
    assert_eq!((bench.bans.list(at(2)), bench.bans.deadline()), (Vec::new(), None));
    assert_eq!(bench.changes()[2..], ["192.0.2.1 bob lifted", "192.0.2.2 bob lifted"]);
}

#[test]
fn any_address_of_a_banned_network_lifts_its_ban() {
    let mut bench = Bench::new();
    for address in ["2001:db8:0:1::7", "2001:db8:0:2::7"] {
        for _ in 0..3 {
            bench.fail_as(0, address.parse().unwrap(), "bob", true);
        }
    }
    assert_eq!(bench.bans.lift(at(1), Some("2001:db8:0:3::7".parse().unwrap())), 0);
    assert_eq!(bench.bans.lift(at(1), Some("2001:db8:0:1::7".parse().unwrap())), 1);
    assert_eq!(bench.bans.lift(at(1), Some("2001:db8::/48".parse().unwrap())), 1);
}

#[test]
fn new_settings_free_those_who_are_exempt() {
    let mut bench = Bench::new();
    for address in [ONE, OTHER] {
        for _ in 0..3 {
            bench.fail(0, address, "bob");
        }
    }
    bench.settings.exempt.push("192.0.2.2".parse().unwrap());
    bench.bans.reconfigure(&bench.settings, at(1));
    assert_eq!(bench.standing(1, ONE, "bob"), Standing::Refused);
    assert_eq!(bench.standing(1, OTHER, "bob"), Standing::Free);
    // One address does not free its neighbours.
    let network = "2001:db8:0:1::".parse().unwrap();
    for _ in 0..3 {
        bench.fail_as(0, network, "bob", true);
    }
    bench.settings.exempt.push(Network::around(network, 128));
    bench.bans.reconfigure(&bench.settings, at(1));
    assert_eq!(bench.bans.standing(at(1).mono, network, person("bob")), Standing::Refused);
    bench.settings.enabled = false;
    bench.bans.reconfigure(&bench.settings, at(1));
    assert_eq!(bench.standing(1, ONE, "bob"), Standing::Free);
    for _ in 0..9 {
        bench.fail(2, ONE, "bob");
    }
    assert_eq!(bench.standing(2, ONE, "bob"), Standing::Free);
}

#[test]
fn who_has_many_addresses_pushes_out_what_it_brought_itself() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.fail(0, ONE, "bob");
    }
    bench.fail(0, OTHER, "bob");
    bench.fail(0, OTHER, "bob");
    // A customer of IPv6 with 65,536 networks, each of which is banned.
    bench.settings.address_failures = 1;
    for net in 0..20_000_u32 {
        let address = format!("2001:db8:1:{net:x}::1").parse().unwrap();
        bench.fail_as(1, address, "bob", true);
    }
    bench.settings.address_failures = 5;
    assert_eq!(bench.standing(2, ONE, "bob"), Standing::Refused);
    bench.fail(2, OTHER, "bob");
    assert_eq!(bench.standing(2, OTHER, "bob"), Standing::Refused, "its two failures were kept");
    assert!(bench.bans.counts.values.len() <= MOST && bench.bans.active.values.len() <= MOST);
    assert_eq!(bench.bans.active.values.len(), bench.bans.ends.len());
    bench.bans.handle_timeout(at(1_000));
    assert!(bench.bans.active.values.is_empty() && bench.bans.ends.is_empty());
    assert!(bench.bans.counts.values.len() <= MOST);
}

#[test]
fn names_are_cut_between_letters() {
    assert_eq!(Person::new("\u{e4}".repeat(100), None).user, "\u{e4}".repeat(64));
    assert_eq!(Person::new(format!("x{}", "\u{e4}".repeat(100)), None).user.len(), 127);
}

/// One count, worked out anew from all that ever happened to it.
struct Naive<'a> {
    settings: &'a Settings,
    most: u32,
    /// When it failed, and whether the password was looked at; or `None` for a success.
    history: Vec<(u64, Option<bool>)>,
}

impl Naive<'_> {
    /// Until when it is banned at this time, and whether another ban would be longer.
    fn at(&self, now: u64) -> (Option<u64>, bool) {
        let (window, longest) = (self.settings.window.as_secs(), self.settings.longest.as_secs());
        let (mut start, mut failures, mut bans, mut end) = (None, 0, 0_u32, None::<u64>);
        let mut until = None;
        for (time, what) in self.history.iter().copied().filter(|(time, _)| *time <= now) {
            if until.is_some_and(|until| time >= until) {
                // The count that a ban leaves begins with its end.
                (end, start, failures, until) = (until, until, 0, None);
            }
            if until.is_some() {
                continue;
            }
            let Some(checked) = what else {
                (start, failures, bans, end) = (None, 0, 0, None);
                continue;
            };
            if start.is_none_or(|start| time - start >= window) {
                (start, failures) = (Some(time), 0);
            }
            if end.is_some_and(|end| time - end >= longest) {
                bans = 0;
            }
            failures += u32::from(checked);
            if checked && failures >= self.most {
                let length = (self.settings.duration.as_secs() << bans).min(longest);
                (until, bans) = (Some(time + length), bans + 1);
            }
        }
        let end = until.filter(|until| *until <= now).or(end);
        (until.filter(|until| *until > now), bans > 0 && end.is_some_and(|end| now - end < longest))
    }
}

#[test]
fn it_does_what_the_whole_history_says() {
    let settings = settings();
    for seed in 1..40_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut bans = Bans::default();
        let naive = |most| Naive { settings: &settings, most, history: Vec::new() };
        // Two addresses, two names each.
        let mut clients = [ONE, OTHER].map(|address| {
            (
                address,
                naive(settings.address_failures),
                [naive(settings.user_failures), naive(settings.user_failures)],
            )
        });
        let mut now = 0;
        for _ in 0..400 {
            now += [0, 1, 5, 30, 120][usize::try_from(next(5)).unwrap()] * next(2);
            if bans.deadline().is_some_and(|end| end <= at(now).mono) {
                bans.handle_timeout(at(now));
            }
            let (address, all, names) = &mut clients[usize::try_from(next(2)).unwrap()];
            let which = usize::try_from(next(2)).unwrap();
            let who = person(["bob", "eve"][which]);
            let standing = bans.standing(at(now).mono, (*address).into(), who.clone());
            let (until_name, was_banned) = names[which].at(now);
            let want = match (all.at(now).0, until_name) {
                (Some(until), _) => Standing::Banned(Duration::from_secs(until - now)),
                (None, Some(_)) => Standing::Refused,
                (None, None) => Standing::Free,
            };
            assert_eq!(standing, want, "seed {seed} at {now}");
            match standing {
                Standing::Banned(_) => {}
                Standing::Free if next(8) == 0 => {
                    bans.succeeded((*address).into(), who.unwrap());
                    names[which].history.push((now, None));
                }
                _ => {
                    let checked = standing == Standing::Free;
                    bans.failed(&settings, &Limits::default(), at(now), (*address).into(), who, checked);
                    all.history.push((now, Some(checked && !was_banned)));
                    if checked {
                        names[which].history.push((now, Some(true)));
                    }
                }
            }
        }
    }
}
