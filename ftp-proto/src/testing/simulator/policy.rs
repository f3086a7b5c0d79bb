//! What the simulated server is told: ports, limits, and what TLS has to protect.

use super::balancer::balancer;
use super::choices::Choices;
use crate::charset::Charset;
use crate::config::{
    Active, AlloReply, Bans, ClientCertificates, CloseNotify, Config, ControlPolicy, DataPolicy,
    DataResumption, External, Host, Hosts, Limits, Network, Passive, PassivePorts, PeerCheck, Peers, Ports,
    Profile, ProfileCondition, Proxy, QuirkChange, Settings, Timeouts, TlsPolicies, TlsPolicy,
};
use crate::listing::ListStyle;
use alloc::vec::Vec;
use core::time::Duration;

/// What holds in this world for all clients. Where there is no TLS, the default, by which nothing of it has to be.
pub(super) fn tls_policy(choices: &mut Choices<'_>) -> TlsPolicy {
    let mut any = |of: &[usize]| of.get(choices.below(of.len())).copied().unwrap_or(0);
    TlsPolicy {
        control: match any(&[0, 0, 1, 2]) {
            1 => ControlPolicy::Require,
            2 => ControlPolicy::RequireForCredentials,
            _ => ControlPolicy::Allow,
        },
        data: match any(&[0, 0, 1, 1, 2]) {
            1 => DataPolicy::Require,
            2 => DataPolicy::Deny,
            _ => DataPolicy::Allow,
        },
        resumption: match any(&[0, 0, 0, 1, 2, 3]) {
            1 => DataResumption::Warn,
            2 => DataResumption::Off,
            3 => DataResumption::Strict,
            _ => DataResumption::Require,
        },
        clear_command_channel: any(&[0, 1]) == 1,
        close_notify: match any(&[0, 1, 2]) {
            1 => CloseNotify::Expect,
            2 => CloseNotify::Tolerate,
            _ => CloseNotify::Require,
        },
        client_certificates: match any(&[0, 1]) {
            1 => ClientCertificates::Request,
            _ => ClientCertificates::Ignore,
        },
        server_to_server: any(&[0, 0, 0, 0, 0, 1]) == 1,
    }
}

/// How far a router moves the ports, in some worlds.
pub(super) const MAPPED: u16 = 50_000;

/// Whose data connections are accepted in this world: its clients are neighbours.
pub(super) fn peers(choices: &mut Choices<'_>) -> Peers {
    let networks = || Vec::from_iter("203.0.113.4/31".parse());
    match choices.below(8) {
        0 => Peers { check: PeerCheck::SameNetwork, ..Peers::default() },
        1 => Peers { check: PeerCheck::SameNetwork, tls_proof: false, ..Peers::default() },
        2 => Peers { networks: networks(), ..Peers::default() },
        3 => Peers { networks: networks(), tls_proof: false, ..Peers::default() },
        4 => Peers { tls_proof: false, ..Peers::default() },
        _ => Peers::default(),
    }
}

fn external(choices: &mut Choices<'_>) -> External {
    match choices.below(4) {
        0 => External::Literal([192, 0, 2, 1].into()),
        1 => External::Name("ftp.example.com".into()),
        _ => External::ControlConnection,
    }
}

fn hosts(choices: &mut Choices<'_>) -> Hosts {
    let host = Host::new(&["two.example.com"], Some("Two.".into())).ok().filter(|_| choices.one_in(3));
    Hosts::new(host).unwrap_or_default()
}

/// One for clients that say who they are.
fn profiles(choices: &mut Choices<'_>) -> Vec<Profile> {
    let quirks = QuirkChange {
        allo: choices.one_in(2).then_some(AlloReply::Superfluous),
        extended_passive: choices.one_in(2).then_some(false),
        charset: Charset::from_label("windows-1252").filter(|_| choices.one_in(2)),
        list_style: choices.one_in(2).then_some(ListStyle::Dos),
        ..QuirkChange::default()
    };
    let when = ProfileCondition { software: Vec::from(["odd".into()]), ..ProfileCondition::default() };
    Vec::from([Profile { name: "odd".into(), when, set: quirks }])
}

/// In some worlds there is little room.
fn limits(choices: &mut Choices<'_>) -> Limits {
    let usual = Limits { login_delay: Duration::from_millis(500), ..Limits::default() };
    Limits {
        unauthenticated: if choices.one_in(6) { 2 } else { usual.unauthenticated },
        unauthenticated_per_address: if choices.one_in(12) { 1 } else { usual.unauthenticated_per_address },
        commands_before_login: if choices.one_in(12) { 6 } else { usual.commands_before_login },
        commands_per_second: if choices.one_in(6) { 2 } else { usual.commands_per_second },
        ..usual
    }
}

/// In some worlds few wrong passwords are enough, and a ban is over before the clients are. Which they are is seen by
/// their ports: no choice is made for it.
fn bans(ports: &Ports) -> Bans {
    let usual = Bans::default();
    let (user_failures, address_failures) = match (ports.start() % 2, ports.end() - ports.start()) {
        (1, 0) => (1, usual.address_failures),
        (1, 1) => (usual.user_failures, 2),
        _ => (usual.user_failures, usual.address_failures),
    };
    Bans { user_failures, address_failures, duration: Duration::from_secs(5), ..usual }
}

/// Settings that every client can be served with, if not always at once.
pub(super) fn config(choices: &mut Choices<'_>, tls: TlsPolicy, peers: &Peers) -> Config {
    let first = 2_000 + u16::try_from(choices.below(2)).unwrap_or(0);
    let ports = u16::try_from(choices.below(3)).unwrap_or(0);
    let settings = Settings {
        passive: Passive {
            ports: PassivePorts::Range(first..=first + ports),
            exposed_ports: choices.one_in(4).then(|| MAPPED + first..=MAPPED + first + ports),
            external: external(choices),
            peers: peers.clone(),
            ..Passive::default()
        },
        proxy: Proxy {
            trusted: Network::new(balancer().ip(), 32).into_iter().collect(),
            data: !choices.one_in(5),
        },
        active: Active::default(),
        limits: limits(choices),
        bans: bans(&(first..=first + ports)),
        timeouts: Timeouts::default(),
        tls: TlsPolicies { default: tls, ..TlsPolicies::default() },
        notify_commands: choices.one_in(2),
        symlinks: !choices.one_in(4),
        hosts: hosts(choices),
        profiles: profiles(choices),
        ..Settings::default()
    };
    settings.validate().unwrap_or_default()
}
