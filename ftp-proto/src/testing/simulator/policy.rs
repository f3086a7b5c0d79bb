//! What the simulated server is told: ports, limits, and what TLS has to protect.

use super::balancer::balancer;
use super::choices::Choices;
use crate::config::{
    Active, ClientCertificates, CloseNotify, Config, ControlPolicy, DataPolicy, DataResumption, External,
    Limits, Network, Passive, PassivePorts, PeerCheck, Peers, Proxy, Settings, Timeouts, TlsPolicies,
    TlsPolicy,
};
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
        limits: Limits { login_delay: Duration::from_millis(500), ..Limits::default() },
        timeouts: Timeouts::default(),
        tls: TlsPolicies { default: tls, ..TlsPolicies::default() },
        notify_commands: choices.one_in(2),
        ..Settings::default()
    };
    settings.validate().unwrap_or_default()
}
