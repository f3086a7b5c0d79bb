//! `ftpd firewall`: what firewalls have to let through, whether they do, and making them.

mod needs;
mod system;

use super::{Failure, complain, print, words};
use crate::config_file::ServerConfig;
use crate::firewall::apply::{Plan, iptables, managers, nftables};
use crate::firewall::check::{self, Finding, Fix, Kind, Site};
use crate::firewall::needs::{Family, Needs};
use crate::firewall::read;
use crate::firewall::read::windows::POWERSHELL_EXPORT;
use crate::firewall::rules::Ruleset;
use crate::firewall::show::{self, Nat, Options, Target};
use clap::{Args, Subcommand};
use needs::NeedsArguments;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use system::Live;

#[derive(Subcommand, Debug)]
pub(super) enum FirewallCommand {
    /// Print rules in the words of a firewall
    #[command(after_help = SHOW_HELP)]
    Show(Box<ShowArguments>),
    /// Compare what the server needs with what the firewall has
    #[command(after_help = check_help())]
    Check(Box<CheckArguments>),
    /// Make the firewall of this system let in what is needed and dropped
    #[command(after_help = APPLY_HELP)]
    Apply(Box<ApplyArguments>),
    /// Take back what apply made, and nothing else
    Remove(RemoveArguments),
}

const SHOW_HELP: &str = "\
Without --for: which firewall this system has, and the choices.";

const APPLY_HELP: &str = "\
Rules are tagged with the name of the service, so that check, apply and remove know them again. Run it again after
each change of the configuration: it adds what is missing and removes what is no longer needed. Without --for it is
the firewall that keeps the rules of this system: ufw, firewalld, or where ports are dropped in nftables and iptables.";

fn check_help() -> String {
    format!(
        "The exit code is 0 if all is well, 1 if something should be looked at, 2 if something is blocked.\n\n\
         What --from-file reads:\n  \
         nftables    nft -j list ruleset\n  \
         iptables    iptables-save (IPv4), ip6tables: ip6tables-save (IPv6)\n  \
         ufw         ufw status verbose\n  \
         firewalld   firewall-cmd --list-all-zones, then firewall-cmd --info-service=NAME for each service in use\n  \
         netsh       netsh advfirewall firewall show rule name=all verbose, then netsh advfirewall show allprofiles,\n              \
         then netsh advfirewall show global\n  \
         powershell  the output of this:\n\n{POWERSHELL_EXPORT}"
    )
}

/// `ftpd firewall show`.
#[derive(Args, Debug)]
pub(super) struct ShowArguments {
    #[command(flatten)]
    needs: NeedsArguments,
    /// In whose words
    #[arg(long = "for", value_name = "FIREWALL", value_parser = words(Target::NAMES))]
    target: Option<Target>,
    /// With a helper that reads plain FTP and opens ports as they are announced; TLS blinds it
    #[arg(long)]
    stateful: bool,
    /// For a router that has the one address and leads to the other, like 198.51.100.1=10.0.0.2
    #[arg(long, value_name = "EXTERNAL=INSIDE", value_parser = nat)]
    nat: Option<Nat>,
    /// For this chain of nftables, like "inet filter input"
    #[arg(long, value_name = "FAMILY TABLE CHAIN", value_parser = chain)]
    chain: Option<[String; 3]>,
}

/// `ftpd firewall check`.
#[derive(Args, Debug)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    needs: NeedsArguments,
    /// Check what another system printed, instead of this one
    #[arg(long, value_name = "FILE", requires = "format")]
    from_file: Option<PathBuf>,
    /// What printed it
    #[arg(long, value_name = "FIREWALL", requires = "from_file", value_parser = words(FORMATS))]
    format: Option<Format>,
    /// The interface that clients come by [default: that of the default route]
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// `ftpd firewall apply`.
#[derive(Args, Debug)]
pub(super) struct ApplyArguments {
    #[command(flatten)]
    needs: NeedsArguments,
    /// By this one only
    #[arg(long = "for", value_name = "FIREWALL", value_parser = words(APPLICABLE))]
    target: Option<Target>,
    /// The interface that clients come by [default: that of the default route]
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// Print the commands, run none
    #[arg(long)]
    dry_run: bool,
}

/// `ftpd firewall remove`.
#[derive(Args, Debug)]
pub(super) struct RemoveArguments {
    /// The name of the service, by which our rules are known
    #[arg(long, value_name = "NAME", default_value = crate::firewall::needs::DEFAULT_SERVICE, value_parser = needs::service)]
    service: String,
    /// By this one only
    #[arg(long = "for", value_name = "FIREWALL", value_parser = words(APPLICABLE))]
    target: Option<Target>,
    /// Print the commands, run none
    #[arg(long)]
    dry_run: bool,
}

/// Firewalls that we change ourselves.
const APPLICABLE: &[(&str, Target)] = &[
    ("nftables", Target::Nftables),
    ("iptables", Target::Iptables),
    ("ufw", Target::Ufw),
    ("firewalld", Target::Firewalld),
];

/// What a file holds: whose output, and of which IP version if it is of one alone.
#[derive(Clone, Copy, Debug)]
struct Format {
    target: Target,
    family: Option<Family>,
    read: fn(&str) -> Result<Ruleset, String>,
}

const FORMATS: &[(&str, Format)] = &[
    (
        "nftables",
        Format { target: Target::Nftables, family: None, read: |text| Ok(read::nftables::read(text)?.0) },
    ),
    (
        "iptables",
        Format {
            target: Target::Iptables,
            family: Some(Family::V4),
            read: |text| read::iptables::read(text, Family::V4, ""),
        },
    ),
    (
        "ip6tables",
        Format {
            target: Target::Iptables,
            family: Some(Family::V6),
            read: |text| read::iptables::read(text, Family::V6, ""),
        },
    ),
    ("ufw", Format { target: Target::Ufw, family: None, read: read::ufw::read }),
    ("firewalld", Format { target: Target::Firewalld, family: None, read: read::firewalld::read }),
    ("netsh", Format { target: Target::Netsh, family: None, read: read::windows::read_netsh }),
    ("powershell", Format { target: Target::Powershell, family: None, read: read::windows::read_powershell }),
];

fn nat(text: &str) -> Result<Nat, String> {
    let wrong = || format!("{text:?} is not two addresses; write it like 198.51.100.1=10.0.0.2");
    let pair = ["→", "->", "="].iter().find_map(|arrow| text.split_once(arrow));
    let (external, inside) = pair.ok_or_else(wrong)?;
    let address = |text: &str| text.trim().parse().map_err(|_| wrong());
    Ok(Nat { external: address(external)?, inside: address(inside)? })
}

fn chain(text: &str) -> Result<[String; 3], String> {
    let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    let is_name =
        |word: &String| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte));
    let words: [String; 3] = words.try_into().map_err(|_| {
        format!("{text:?} is no chain; write family, table and chain, like \"inet filter input\"")
    })?;
    match ["ip", "ip6", "inet"].contains(&words[0].as_str()) && words.iter().all(is_name) {
        true => Ok(words),
        false => {
            Err(format!("{text:?} is no chain of ip, ip6 or inet; write one like \"inet filter input\""))
        }
    }
}

pub(super) fn run(command: FirewallCommand) -> Result<ExitCode, Failure> {
    match command {
        FirewallCommand::Show(arguments) => run_show(*arguments).map(|()| ExitCode::SUCCESS),
        FirewallCommand::Check(arguments) => run_check(&arguments),
        FirewallCommand::Apply(arguments) => run_apply(&arguments).map(|()| ExitCode::SUCCESS),
        FirewallCommand::Remove(arguments) => run_remove(&arguments).map(|()| ExitCode::SUCCESS),
    }
}

fn run_show(arguments: ShowArguments) -> Result<(), Failure> {
    let Some(target) = arguments.target else { return show_choices() };
    let needs = arguments.needs.needs()?;
    let ShowArguments { stateful, nat, chain, .. } = arguments;
    let text = show::show(&needs, target, &Options { stateful, nat, chain });
    print(&text.map_err(|text| Failure::Configuration(format!("ftpd: {text}")))?);
    Ok(())
}

/// Which firewall is active here.
fn show_choices() -> Result<(), Failure> {
    let active = match system::need_root("ftpd firewall show") {
        Err(_) => "can be seen by root only".to_owned(),
        Ok(()) => active(&Live::look()?),
    };
    let names: Vec<_> = Target::NAMES.iter().map(|(name, _)| *name).collect();
    print(&format!("firewall of this system: {active}\nwrite --for with one of: {}\n", names.join(", ")));
    Ok(())
}

fn active(live: &Live) -> String {
    if let Some((target, _)) = &live.manager {
        return target.name().to_owned();
    }
    let mut found = Vec::new();
    if live.has_nft {
        found.push("nftables".to_owned());
    }
    found.extend(live.programs.iter().map(|program| program.command.clone()));
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

fn run_check(arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let mut needs = arguments.needs.needs()?;
    let (findings, target) = match (&arguments.from_file, arguments.format) {
        (Some(path), Some(format)) => {
            let ruleset = read_file(path, format)?;
            if let Some(family) = format.family {
                needs.openings.iter_mut().for_each(|opening| opening.families.retain(|one| *one == family));
            }
            let site = Site { interface: arguments.interface.clone() };
            (check::check(&needs, &ruleset, &site), format.target)
        }
        _ => {
            system::need_root("ftpd firewall check")?;
            let live = Live::look()?;
            let site = Site { interface: arguments.interface.clone().or_else(system::interface) };
            (findings_here(&needs, &live, &site), target_here(&live))
        }
    };
    let is_here = arguments.from_file.is_none();
    if arguments.json {
        print(&format!("{}\n", as_json(&needs, &findings, target, is_here)));
    } else if findings.is_empty() && needs.openings.is_empty() {
        print("ok: the server is for this machine alone, nothing has to come in\n");
    } else if findings.is_empty() {
        print(&format!("ok: {} can come in\n", needs.ports()));
    } else {
        for finding in &findings {
            print(&format!("{finding}\n"));
            fixes(&needs, finding, target, is_here).iter().for_each(|fix| print(&format!("    {fix}\n")));
        }
    }
    Ok(ExitCode::from(check::severity(&findings)))
}

fn read_file(path: &Path, format: Format) -> Result<Ruleset, Failure> {
    let wrong = |text: &dyn std::fmt::Display| Failure::Configuration(format!("{}: {text}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| wrong(&crate::config_file::reader::plain(&error)))?;
    (format.read)(&decode(&bytes)).map_err(|text| wrong(&text))
}

/// Windows' shells write UTF-16 into files.
fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xff, 0xfe, rest @ ..] => {
            let units: Vec<u16> =
                rest.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// What the firewall of this system means for a server with this configuration, each finding with what helps.
///
/// # Errors
/// In one line, why it can't be looked at.
pub(super) fn of_config(config: &ServerConfig) -> Result<Vec<(Finding, String)>, String> {
    let needs = Needs::of_config(config)?;
    let looked = system::need_root("check").and_then(|()| Live::look());
    let live = looked.map_err(|failure| match failure {
        Failure::Configuration(text) | Failure::System(text) => text,
        Failure::InFile(error) => error.to_string(),
    })?;
    let site = Site { interface: system::interface() };
    let target = target_here(&live);
    let with_fix = |finding: Finding| {
        let fix = fixes(&needs, &finding, target, true).join("; ");
        (finding, fix)
    };
    Ok(findings_here(&needs, &live, &site).into_iter().map(with_fix).collect())
}

/// The kernel decides what passes; whoever keeps its rules knows which are whose.
fn findings_here(needs: &Needs, live: &Live, site: &Site) -> Vec<Finding> {
    let mut findings = check::check(needs, &live.kernel, site);
    if let Some((_, ruleset)) = &live.manager {
        findings.retain(|finding| !matches!(finding.kind, Kind::TooWide | Kind::Stale));
        findings.extend(check::excess(needs, ruleset));
    }
    findings
}

fn target_here(live: &Live) -> Target {
    match &live.manager {
        Some((target, _)) => *target,
        None if live.has_nft || live.programs.is_empty() => Target::Nftables,
        None => Target::Iptables,
    }
}

fn fixes(needs: &Needs, finding: &Finding, target: Target, is_here: bool) -> Vec<String> {
    match &finding.fix {
        Fix::Words(text) => vec![text.clone()],
        Fix::Open(_) if is_here => vec!["ftpd firewall apply".to_owned()],
        Fix::Open(ports) => show::commands(needs, target, ports),
    }
}

fn as_json(needs: &Needs, findings: &[Finding], target: Target, is_here: bool) -> Value {
    let one = |finding: &Finding| {
        let ports: Vec<_> = finding.ports.ranges().map(|range| json!([range.start(), range.end()])).collect();
        let severity = match finding.kind.severity() {
            0 => "note",
            1 => "warning",
            _ => "blocks",
        };
        json!({
            "id": finding.kind.id(),
            "severity": severity,
            "ports": ports,
            "text": finding.sentence,
            "fix": fixes(needs, finding, target, is_here),
        })
    };
    json!({ "firewall": target.name(), "findings": findings.iter().map(one).collect::<Vec<_>>() })
}

fn run_apply(arguments: &ApplyArguments) -> Result<(), Failure> {
    let needs = arguments.needs.needs()?;
    system::need_root("ftpd firewall apply")?;
    let live = Live::look()?;
    let site = Site { interface: arguments.interface.clone().or_else(system::interface) };
    let plans = plans(&needs, &live, &site, arguments.target)?;
    if plans.iter().all(|plan| plan.steps.is_empty()) {
        print("nothing to do\n");
    }
    for plan in &plans {
        system::execute(plan, arguments.dry_run)?;
        plan.notes.iter().for_each(|note| complain(&format!("note: {note}")));
    }
    if !arguments.dry_run {
        let left = findings_here(&needs, &Live::look()?, &site);
        left.iter().for_each(|finding| complain(&format!("note: {finding}")));
    }
    Ok(())
}

fn plans(needs: &Needs, live: &Live, site: &Site, target: Option<Target>) -> Result<Vec<Plan>, Failure> {
    let manager = live.manager.as_ref().map(|(target, _)| *target);
    Ok(match (target.or(manager), &live.manager) {
        (Some(Target::Ufw), Some((Target::Ufw, status))) => {
            vec![managers::apply_ufw(needs, status, &system::ufw_added()?, site)]
        }
        (Some(Target::Firewalld), Some((Target::Firewalld, zones))) => {
            let state = system::firewalld_state(&needs.service, site.interface.as_deref())?;
            vec![managers::apply_firewalld(needs, zones, &state, site).map_err(Failure::System)?]
        }
        (Some(target @ (Target::Ufw | Target::Firewalld)), _) => return Err(not_active(target)),
        (Some(Target::Nftables), _) => vec![nftables::apply(needs, &live.kernel, site)],
        (Some(Target::Iptables), _) => vec![iptables::apply(needs, &live.kernel, site, &live.programs)],
        _ => vec![
            nftables::apply(needs, &live.kernel, site),
            iptables::apply(needs, &live.kernel, site, &live.programs),
        ],
    })
}

fn not_active(target: Target) -> Failure {
    Failure::System(format!("{} is not active here; ftpd firewall show says what is", target.name()))
}

fn run_remove(arguments: &RemoveArguments) -> Result<(), Failure> {
    system::need_root("ftpd firewall remove")?;
    let live = Live::look()?;
    let needs = Needs::named(&arguments.service);
    let manager = live.manager.as_ref().map(|(target, _)| *target);
    let plans = match (arguments.target.or(manager), manager) {
        (Some(Target::Ufw), Some(Target::Ufw)) => vec![managers::remove_ufw(&needs, &system::ufw_added()?)],
        (Some(Target::Firewalld), Some(Target::Firewalld)) => {
            let state = system::firewalld_state(&needs.service, None)?;
            vec![managers::remove_firewalld(&needs, &state).map_err(Failure::System)?]
        }
        (Some(target @ (Target::Ufw | Target::Firewalld)), _) => return Err(not_active(target)),
        (Some(Target::Nftables), _) => vec![nftables::remove(&needs, &live.kernel)],
        (Some(Target::Iptables), _) => vec![iptables::remove(&needs, &live.kernel, &live.programs)],
        _ => vec![
            nftables::remove(&needs, &live.kernel),
            iptables::remove(&needs, &live.kernel, &live.programs),
        ],
    };
    if plans.iter().all(|plan| plan.steps.is_empty()) {
        print("nothing to do\n");
    }
    plans.iter().try_for_each(|plan| system::execute(plan, arguments.dry_run))
}
