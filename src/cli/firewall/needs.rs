//! For which server: the one that runs, one of a configuration file, or one described on the command line.

use super::super::Failure;
use crate::config_file;
use crate::control::{Client, Status};
use crate::firewall::needs::{Active, DEFAULT_SERVICE, Needs, Purpose, auto_ports, check_service};
use crate::firewall::ports::PortSet;
use clap::Args;
use ftp_proto::config::{External, Network, PassivePorts, Ports};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a server needs.
#[derive(Args, Debug)]
pub(super) struct NeedsArguments {
    /// The control socket of the server that runs [default: that of the only server on this machine]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["config", "control", "implicit_tls"])]
    socket: Option<PathBuf>,
    /// Instead of the server that runs: that of this configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A server on another machine: where its clients connect; can be given several times
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = config_file::parse_bind, conflicts_with = "config")]
    control: Vec<SocketAddr>,
    /// Where clients connect that begin with TLS at once; can be given several times
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = config_file::parse_bind, conflicts_with = "config")]
    implicit_tls: Vec<SocketAddr>,
    /// Its passive ports
    #[arg(long, value_name = "FIRST-LAST", value_parser = super::super::passive_ports, requires = "control")]
    passive: Option<PassivePorts>,
    /// Its passive ports as clients see them, if a router maps them
    #[arg(long, value_name = "FIRST-LAST", value_parser = super::super::passive_ports, requires = "passive")]
    exposed: Option<PassivePorts>,
    /// The address its clients are told, if it isn't its own
    #[arg(long, value_name = "IP|NAME", value_parser = config_file::parse_external, requires = "control")]
    external_address: Option<External>,
    /// It offers TLS by AUTH
    #[arg(long, requires = "control")]
    tls: bool,
    /// It makes active data connections from this port
    #[arg(long, value_name = "PORT", requires = "control", conflicts_with = "no_active")]
    active_source_port: Option<u16>,
    /// It has no active mode
    #[arg(long, requires = "control")]
    no_active: bool,
    /// Clients come from this network only; can be given several times
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    source: Vec<Network>,
    /// Clients come by the balancers of proxy.trusted only
    #[arg(long, conflicts_with_all = ["source", "control", "implicit_tls"])]
    behind_balancers: bool,
    /// The name of the service, by which our rules are known
    #[arg(long, value_name = "NAME", default_value = DEFAULT_SERVICE, value_parser = service)]
    service: String,
    /// The program's file, for rules by program
    #[arg(long, value_name = "FILE")]
    program: Option<String>,
}

fn network(text: &str) -> Result<Network, String> {
    text.parse().map_err(|error: ftp_proto::config::ConfigError| error.problem)
}

/// The name of a service.
pub(super) fn service(text: &str) -> Result<String, String> {
    check_service(text).map(|()| text.to_owned())
}

impl NeedsArguments {
    pub(super) fn needs(&self) -> Result<Needs, Failure> {
        let mut needs = match &self.config {
            Some(path) => self.of_file(path)?,
            None if self.control.is_empty() && self.implicit_tls.is_empty() => self.running()?,
            None => self.described()?,
        };
        needs.service.clone_from(&self.service);
        if self.program.is_some() {
            needs.program.clone_from(&self.program);
        }
        if !self.source.is_empty() {
            needs.sources.clone_from(&self.source);
        }
        Ok(needs)
    }

    fn of_file(&self, path: &Path) -> Result<Needs, Failure> {
        let config = config_file::load(path)?;
        let mut needs =
            Needs::of_config(&config).map_err(|text| wrong(&format!("{}: {text}", path.display())))?;
        if self.behind_balancers {
            needs.sources = balancers(&config.core.proxy.trusted, &path.display().to_string())?;
        }
        Ok(needs)
    }

    fn running(&self) -> Result<Needs, Failure> {
        let mut client = match Client::find(self.socket.as_deref()) {
            Ok(client) => client,
            Err(error) if self.socket.is_none() => {
                return Err(Failure::System(format!(
                    "{error}; or write --config FILE, or --control 21 --passive 41000-41099 for one elsewhere"
                )));
            }
            Err(error) => return Err(error.into()),
        };
        let status = client.status()?;
        let mut needs = of_status(&status).map_err(|text| wrong(&text))?;
        if self.behind_balancers {
            let trusted: Result<Vec<Network>, _> =
                status.proxy.trusted.iter().map(|text| network(text)).collect();
            needs.sources = balancers(&trusted.map_err(|text| wrong(&text))?, "the server")?;
        }
        Ok(needs)
    }

    fn described(&self) -> Result<Needs, Failure> {
        let passive = self.passive.as_ref().map(range).transpose()?;
        let exposed = self.exposed.as_ref().map(range).transpose()?;
        if let (Some(passive), Some(exposed)) = (&passive, &exposed)
            && passive.len() != exposed.len()
        {
            return Err(wrong("--exposed has to be as many ports as --passive, in the same order"));
        }
        let active = Active { source_port: self.active_source_port };
        let mut needs = Needs {
            exposed,
            active: (!self.no_active).then_some(active),
            tls: self.tls || !self.implicit_tls.is_empty(),
            external: match &self.external_address {
                Some(External::Literal(address)) => Some(address.to_string()),
                Some(External::Name(name)) => Some(name.clone()),
                Some(External::ControlConnection) | None => None,
            },
            ..Needs::named(DEFAULT_SERVICE)
        };
        let lists = [(Purpose::Control, &self.control), (Purpose::ImplicitTls, &self.implicit_tls)];
        for (purpose, list) in lists {
            for address in list {
                needs.listen(purpose, address.ip(), &PortSet::one(address.port()));
            }
        }
        for address in self.control.iter().chain(&self.implicit_tls) {
            if let Some(passive) = &passive {
                needs.listen(Purpose::Passive, address.ip(), &PortSet::from(passive.clone()));
            }
        }
        Ok(needs)
    }
}

/// What the server that runs needs.
fn of_status(status: &Status) -> Result<Needs, String> {
    let mut needs = Needs::named(DEFAULT_SERVICE);
    needs.program = status.program.as_ref().map(|path| path.display().to_string());
    needs.active = status.active.enabled.then_some(Active { source_port: status.active.source_port });
    needs.tls = !status.certificates.is_empty();
    let external = &status.external.setting;
    needs.external = (external != config_file::CONTROL_CONNECTION).then(|| external.clone());
    for (purpose, list) in [(Purpose::Control, &status.control), (Purpose::ImplicitTls, &status.implicit_tls)]
    {
        for address in list {
            needs.listen(purpose, address.ip(), &PortSet::one(address.port()));
        }
    }
    if status.passive.enabled {
        let Some(range) = status.passive.range else {
            let count = status.passive.ports.trim_start_matches("auto:").parse().unwrap_or_default();
            return Err(auto_ports(count));
        };
        needs.exposed = status.passive.exposed.map(|range| range.first..=range.last);
        for address in status.control.iter().chain(&status.implicit_tls) {
            needs.listen(Purpose::Passive, address.ip(), &PortSet::from(range.first..=range.last));
        }
    }
    Ok(needs)
}

fn balancers(trusted: &[Network], place: &str) -> Result<Vec<Network>, Failure> {
    if trusted.is_empty() {
        return Err(wrong(&format!(
            "{place}: proxy.trusted names no balancer; write trusted = [\"10.0.0.5\"] below [proxy]"
        )));
    }
    Ok(trusted.to_vec())
}

fn range(ports: &PassivePorts) -> Result<Ports, Failure> {
    match ports {
        PassivePorts::Range(range) if range.is_empty() || *range.start() == 0 => {
            Err(wrong("the range is empty; write it like 41000-41099"))
        }
        PassivePorts::Range(range) => Ok(range.clone()),
        PassivePorts::Auto(count) => Err(wrong(&auto_ports(*count))),
    }
}

fn wrong(text: &str) -> Failure {
    Failure::Configuration(format!("ftpd: {text}"))
}
