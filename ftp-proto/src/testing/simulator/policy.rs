//! What the simulated server is told: ports, limits, and what TLS has to protect.

use super::choices::Choices;
use crate::config::{
    Active, ClientCertificates, CloseNotify, Config, ControlPolicy, DataPolicy, DataResumption, Limits,
    Passive, PassivePorts, Settings, Timeouts, TlsPolicies, TlsPolicy,
};
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

/// Settings that every client can be served with, if not always at once.
pub(super) fn config(choices: &mut Choices<'_>, tls: TlsPolicy) -> Config {
    let first = 2_000 + u16::try_from(choices.below(2)).unwrap_or(0);
    let ports = u16::try_from(choices.below(3)).unwrap_or(0);
    let settings = Settings {
        passive: Passive { ports: PassivePorts::Range(first..=first + ports), ..Passive::default() },
        active: Active { enabled: true, source_port: None },
        limits: Limits { login_delay: Duration::from_millis(500), ..Limits::default() },
        timeouts: Timeouts::default(),
        tls: TlsPolicies { default: tls, ..TlsPolicies::default() },
        notify_commands: choices.one_in(2),
        ..Settings::default()
    };
    settings.validate().unwrap_or_default()
}
