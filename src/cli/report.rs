//! How the running server stands, for `ftpd status` and other commands.

use super::check::name;
use super::live::Live;
use crate::accounts::QuotaUse;
use crate::config_file::reader::without_number;
use crate::config_file::{ACTIVE_ADDRESS_NAMES, CONTROL_CONNECTION, HostConfig, RuntimeKind};
use crate::control::{
    ActiveStatus, AdvertisedAddress, BanStatus, CertificateStatus, ConfigurationStatus, FailedPort, Failing,
    HostStatus, PassiveStatus, PortRange, ProxyStatus, QuotaStatus, SessionStatus, Status, Totals,
};
use crate::log::SessionView;
use ftp_proto::config::{External, Passive, Ports};
use ftp_proto::host::Usage;
use ftp_proto::notice::{Counters, Row, Table};
use ftp_proto::path::Escaped;
use ftp_proto::{Ban, PassiveState};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// All of it; `sessions`: with a list of them.
pub(super) fn status(live: &Live, sessions: bool) -> Status {
    let (config, service) = (&live.plan.config, &live.service);
    let core = &config.core;
    let state = service.running.passive_state();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        program: std::env::current_exe().ok(),
        uptime: live.started.elapsed().as_secs(),
        runtime: name(RuntimeKind::NAMES, config.runtime).to_owned(),
        control: service.running.control_addrs().to_vec(),
        implicit_tls: service.running.implicit_tls_addrs().to_vec(),
        passive: passive(&core.passive, state.clone()),
        external: advertised(&core.passive.external, state.resolved),
        active: ActiveStatus {
            enabled: core.active.enabled,
            source_port: core.active.source_port,
            address: name(ACTIVE_ADDRESS_NAMES, core.active.address).to_owned(),
            rules: count(core.active.rules.len()),
        },
        proxy: ProxyStatus {
            trusted: core.proxy.trusted.iter().map(ToString::to_string).collect(),
            data: core.proxy.data,
        },
        sessions: count(service.running.sessions()),
        transfers: count(service.observer.transfers()),
        bans: count(service.running.bans().len()),
        session_list: sessions.then(|| service.observer.sessions().into_iter().map(session).collect()),
        totals: totals(&service.observer.totals()),
        configuration: ConfigurationStatus {
            file: live
                .plan
                .file
                .as_ref()
                .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            read: live.read.seconds,
            watched: live.plan.file.is_some() && config.watch,
            problem: live.problem.clone(),
            live: live.live_keys(),
        },
        hosts: hosts(live),
        quotas: quotas(live),
        certificates: certificates(live),
    }
}

/// The bans that hold.
pub(super) fn bans(live: &Live) -> Vec<BanStatus> {
    let status = |ban: Ban| BanStatus {
        address: ban.to_string(),
        user: ban.user,
        host: ban.host,
        since: ban.since.seconds,
        until: ban.until.seconds,
        failures: ban.failures,
        times: ban.times,
    };
    live.service.running.bans().into_iter().map(status).collect()
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn range(ports: &Ports) -> PortRange {
    PortRange { first: *ports.start(), last: *ports.end() }
}

fn passive(settings: &Passive, state: PassiveState) -> PassiveStatus {
    let listened = settings.ports.listened();
    let failed = state.failed.into_iter();
    PassiveStatus {
        enabled: settings.enabled,
        ports: settings.ports.to_string(),
        range: (!listened.is_empty()).then(|| range(&listened)),
        exposed: settings.exposed_ports.as_ref().map(range),
        open: PortRange::group(&state.open),
        failed: failed.map(|(port, reason)| FailedPort { port, reason: without_number(&reason) }).collect(),
        opening: count(state.opening),
        retiring: state.retiring,
        leases: count(state.leases),
        queued: count(state.queued),
    }
}

fn advertised(external: &External, resolved: Option<Ipv4Addr>) -> AdvertisedAddress {
    let (setting, address, why) = match external {
        External::ControlConnection => {
            (CONTROL_CONNECTION.to_owned(), None, "each client is told the address it connected to")
        }
        External::Literal(address) => {
            (address.to_string(), Some(*address), "passive.external_address says so")
        }
        External::Name(name) => {
            let why = match resolved {
                Some(_) => "what the name stands for",
                None => "the name is not resolved yet: each client is told the address it connected to",
            };
            (name.clone(), resolved.map(IpAddr::from), why)
        }
    };
    AdvertisedAddress { setting, address, why: why.to_owned() }
}

fn session(view: SessionView) -> SessionStatus {
    SessionStatus {
        id: view.id.0,
        peer: view.peer,
        user: view.user,
        host: view.host,
        age: view.age.as_secs(),
        transfer: view.transfer.map(|(verb, path)| format!("{verb} {}", Escaped(path.as_bytes()))),
    }
}

/// How many failing networks and programs, and accounts near their quotas, are named.
const WORST: usize = 10;

fn failing<Key: ToString + Ord + Clone>(table: &Table<Key>) -> Vec<Failing> {
    let failing = |(key, row): (&Key, &Row)| Failing {
        who: key.to_string(),
        sessions: row.sessions,
        completed: row.completed,
        failed: row
            .failed
            .iter()
            .map(|((kind, suspect), times)| (format!("{kind}/{suspect}"), *times))
            .collect(),
    };
    table.worst(WORST).into_iter().map(failing).collect()
}

fn by_name(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, times)| ((*name).to_owned(), *times)).collect()
}

fn totals(counters: &Counters) -> Totals {
    Totals {
        sessions: counters.sessions,
        refused: counters.refused,
        refusals: by_name(&counters.refusals),
        bans: counters.bans,
        logins: counters.logins,
        failed_logins: counters.failed_logins,
        downloads: counters.downloads,
        uploads: counters.uploads,
        failed_transfers: counters.failed_transfers,
        bytes_down: counters.bytes_down,
        bytes_up: counters.bytes_up,
        secured: counters.secured,
        tls_failures: counters.tls_failures,
        networks: failing(&counters.networks),
        software: failing(&counters.software),
        other_protocols: by_name(&counters.other_protocols),
        verdicts: by_name(&counters.verdicts),
        suspects: by_name(&counters.suspects),
    }
}

fn quotas(live: &Live) -> Vec<QuotaStatus> {
    let status = |quota: QuotaUse| {
        let Usage { bytes, files } = quota.usage;
        Some(QuotaStatus {
            user: quota.user,
            host: quota.host,
            bytes: bytes.used?,
            bytes_limit: bytes.limit,
            files: files.used?,
            files_limit: files.limit,
        })
    };
    let mut quotas: Vec<_> = live.service.accounts.quotas().into_iter().filter_map(status).collect();
    quotas.sort_by_key(|quota| std::cmp::Reverse(quota.per_mille()));
    quotas.truncate(WORST);
    quotas
}

fn hosts(live: &Live) -> Vec<HostStatus> {
    let certificates = live.service.certificates.loaded().unwrap_or_default();
    let has = |name: &String| certificates.iter().any(|certificate| certificate.is_for(name));
    let status = |config: &HostConfig| HostStatus {
        names: config.host.names().to_vec(),
        users: count(live.service.accounts.users(Some(config.host.name())).unwrap_or_default()),
        anonymous: config.anonymous.is_some(),
        certificate: config.host.names().iter().all(has),
    };
    live.plan.config.hosts.iter().map(status).collect()
}

fn certificates(live: &Live) -> Vec<CertificateStatus> {
    let now = crate::tls::now();
    let loaded = live.service.certificates.loaded().into_iter().flatten();
    loaded
        .map(|certificate| CertificateStatus {
            names: certificate.facts.hosts().collect(),
            ends: certificate.facts.not_after.seconds,
            days_left: certificate.facts.days_left(now),
            file: certificate.file,
        })
        .collect()
}
