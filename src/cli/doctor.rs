//! `ftpd doctor`: what is wrong with a set-up, and what to do about it.

use super::{Failure, PASSWORD_VARIABLE, password_from_environment, print, words};
use crate::certificate::pem::PemFile;
use crate::control::Client;
use crate::doctor::finding::Finding;
use crate::doctor::probe::{self, Plan, Security, Sighting, TlsUnseen};
use crate::doctor::trust::Trust;
use crate::doctor::{catalogue, checks, gather, live, outside, report};
use clap::Args;
use ftp_proto::client::Patience;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

pub(super) const HELP: &str = "\
With --config, looks at what the configuration names: ports, addresses, certificates, directories, limits. If the
server runs, it is then tried: login, listing, upload, download, by its own address and by the external one. With
--from, tries any FTP server as its users reach it; run that on a machine outside of the server's network.
The password is taken from the environment variable FTPD_PASSWORD. It is sent under TLS only to a server whose
certificate is trusted. The exit code is 0 if all is well, 1 with warnings and 2 with errors.";

/// How many more listings are made from outside, each on another port perhaps.
const SAMPLES: usize = 4;

/// `ftpd doctor`.
#[derive(Args, Debug)]
pub(super) struct DoctorArguments {
    /// The configuration file to look at, and whose server to try [default: that of the only running server]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The running server's control socket [default: that of the only server on this machine]
    #[arg(long, value_name = "PATH", conflicts_with = "from")]
    socket: Option<PathBuf>,
    /// Try this server as its users do: an address or name, and a port [default: 21, implicit TLS 990]
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "config")]
    from: Option<String>,
    /// Log in as this user [default: as a guest]
    #[arg(long, value_name = "NAME", value_parser = super::user_name)]
    user: Option<String>,
    /// How to protect it [default: explicit, and as a guest without TLS if there is none]
    #[arg(long, requires = "from", value_parser = words(Security::NAMES))]
    tls: Option<Security>,
    /// Trust this certificate or authority, too (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Send the password whatever the certificate
    #[arg(long, requires = "from")]
    insecure: bool,
    /// Also upload, fetch and remove a file (of the name ftpd-doctor-…)
    #[arg(long, requires = "from")]
    upload: bool,
    /// Try once more without TLS, for comparison: the password goes in the clear (done for guests if need be)
    #[arg(long, requires = "from")]
    also_clear: bool,
    /// Only look: don't connect to the running server
    #[arg(long, conflicts_with = "from")]
    no_live: bool,
    /// How many seconds to wait for a connection or a reply
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what was found; the exit code says how bad it is.
pub(super) fn run(arguments: DoctorArguments) -> Result<ExitCode, Failure> {
    let more = match &arguments.ca {
        Some(file) => {
            authorities(file).map_err(|why| Failure::Configuration(format!("ftpd: --ca: {why}")))?
        }
        None => Vec::new(),
    };
    let trust = Trust::with(&more);
    let user = match &arguments.user {
        None => None,
        Some(name) => {
            let password = password_from_environment()?.ok_or_else(|| {
                Failure::Configuration(format!(
                    "ftpd: --user: no password; set the environment variable {PASSWORD_VARIABLE}"
                ))
            })?;
            Some((name.clone(), password))
        }
    };
    let wait = Duration::from_secs(arguments.timeout);
    let patience = Patience { reply: wait, connect: wait, transfer: wait, ..Patience::default() };
    let findings = match (&arguments.from, &arguments.config) {
        (Some(target), _) => from_outside(&arguments, target, user, &trust, patience)?,
        (None, file) => {
            let socket = arguments.socket.as_deref();
            let file = file.clone().map_or_else(|| file_of_the_running(socket), Ok)?;
            let wish = (!arguments.no_live).then_some(live::Wish { user, patience });
            local(&file, socket, wish.as_ref(), &trust)
        }
    };
    print(&if arguments.json { report::json(&findings) } else { report::human(&findings) });
    Ok(ExitCode::from(report::exit_code(&findings)))
}

fn authorities(file: &Path) -> Result<Vec<Vec<u8>>, String> {
    let certificates = PemFile::read(file)?.certificates;
    if certificates.is_empty() {
        return Err(format!(
            "{}: a key and no certificate in it; name the file of the certificate",
            file.display()
        ));
    }
    Ok(certificates)
}

/// Which file the running server was started with.
fn file_of_the_running(socket: Option<&Path>) -> Result<PathBuf, Failure> {
    let status = Client::find(socket).and_then(|mut client| client.status());
    let status = status.map_err(|error| {
        Failure::Configuration(format!("ftpd: doctor: write --config FILE or --from HOST:PORT; {error}"))
    })?;
    status.configuration.file.ok_or_else(|| {
        let first = status.control.first();
        let target = first.map_or_else(|| "HOST:PORT".to_owned(), |bound| live::dialled(*bound).to_string());
        Failure::Configuration(format!(
            "ftpd: doctor: the running server (process {}) has no configuration file to look at; try it by \
             `ftpd doctor --from {target}`",
            status.pid
        ))
    })
}

fn local(file: &Path, socket: Option<&Path>, wish: Option<&live::Wish>, trust: &Trust) -> Vec<Finding> {
    let facts = match gather::facts(file, socket, trust, super::firewall::of_config) {
        Ok(facts) => facts,
        Err(finding) => return vec![finding],
    };
    let mut findings = checks::all(&facts);
    findings.extend(wish.into_iter().flat_map(|wish| live::check(&facts, wish, trust)));
    findings
}

fn from_outside(
    arguments: &DoctorArguments,
    target: &str,
    user: Option<(String, String)>,
    trust: &Trust,
    patience: Patience,
) -> Result<Vec<Finding>, Failure> {
    let security = arguments.tls.unwrap_or(Security::Explicit);
    let port = if security == Security::Implicit { 990 } else { 21 };
    let (name, port) = host_and_port(target, port).ok_or_else(|| {
        Failure::Configuration(format!(
            "ftpd: --from: {target:?} is no HOST:PORT; write it like ftp.example.org:21"
        ))
    })?;
    let address = match gather::resolve(&name) {
        // What most clients do: IPv4 shows more, since PASV can be tried.
        Ok(all) => all.iter().copied().find(IpAddr::is_ipv4).or_else(|| all.first().copied()),
        Err(problem) => {
            return Ok(vec![
                catalogue::NAME_UNRESOLVED.found(format!("{name} can't be resolved: {problem}")),
            ]);
        }
    };
    let Some(address) = address else { return Ok(Vec::new()) };
    let plan = Plan {
        server: SocketAddr::new(address, port),
        name,
        security,
        clear_if_refused: arguments.tls.is_none(),
        user,
        trust: trust.clone(),
        pinned: Vec::new(),
        insecure: arguments.insecure,
        in_clear: true,
        upload: arguments.upload.then(|| format!("ftpd-doctor-{}.tmp", std::process::id())),
        samples: SAMPLES,
        patience,
    };
    let first = probe::probe(&plan);
    let compare = arguments.also_clear || plan.user.is_none() && deserves_comparison(&first);
    let mut sightings = vec![first];
    if compare && security == Security::Explicit {
        sightings.push(probe::probe(&Plan { security: Security::None, upload: None, samples: 0, ..plan }));
    }
    Ok(outside::judge(&sightings, crate::tls::now()))
}

/// Under TLS everybody was let in and nothing came through.
fn deserves_comparison(sighting: &Sighting) -> bool {
    let under_tls = !matches!(sighting.tls, None | Some(Err(TlsUnseen::NotOffered(_))));
    under_tls && !sighting.attempts.is_empty() && !sighting.attempts.iter().any(probe::Attempt::is_good)
}

/// `ftp.example.org`, `203.0.113.7:2121`, `[2001:db8::1]:21`.
fn host_and_port(text: &str, default: u16) -> Option<(String, u16)> {
    let text = text.strip_prefix("ftp://").unwrap_or(text).trim_end_matches('/');
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip().to_string(), address.port()));
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some((address.to_string(), default));
    }
    match text.split_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok().filter(|port| *port != 0)?)),
        None => Some((text.to_owned(), default)),
    }
    .filter(|(host, _)| !host.is_empty() && !host.contains(['@', '/', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_as_people_write_them() {
        let parsed = |text: &str| host_and_port(text, 21);
        for (text, host, port) in [
            ("ftp.example.org", "ftp.example.org", 21),
            ("ftp.example.org:2121", "ftp.example.org", 2_121),
            ("ftp://ftp.example.org/", "ftp.example.org", 21),
            ("203.0.113.7", "203.0.113.7", 21),
            ("203.0.113.7:990", "203.0.113.7", 990),
            ("2001:db8::1", "2001:db8::1", 21),
            ("[2001:db8::1]:2121", "2001:db8::1", 2_121),
        ] {
            assert_eq!(parsed(text), Some((host.to_owned(), port)), "{text}");
        }
        for text in ["", ":21", "a:b", "a:0", "a:70000", "bob@a:21", "ftp://bob@a", "a/b", "ftps://a"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
