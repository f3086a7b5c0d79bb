//! The firewalls of this system: what they have, and commands that change them.

use super::super::Failure;
use crate::firewall::apply::iptables::Program;
use crate::firewall::apply::managers::FirewalldState;
use crate::firewall::apply::{Plan, Step, shell};
use crate::firewall::needs::Family;
use crate::firewall::read;
use crate::firewall::rules::Ruleset;
use crate::firewall::show::Target;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What is there.
pub(super) struct Live {
    /// The rules of the kernel, whoever made them.
    pub(super) kernel: Ruleset,
    /// The programs of iptables whose rules are among them.
    pub(super) programs: Vec<Program>,
    /// Whether nft has rules of its own.
    pub(super) has_nft: bool,
    /// Who keeps the rules, and what it says it has.
    pub(super) manager: Option<(Target, Ruleset)>,
}

/// Firewalls can be looked at by root only.
pub(super) fn need_root(what: &str) -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::System(format!("{what} needs root; run it with sudo")))
}

/// Where a program is.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Where administrators' programs are, even if the path does not say so.
    let usual = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// What a program prints, if it ends well.
fn output(words: &[String], input: &str) -> Result<String, String> {
    let Some((name, arguments)) = words.split_first() else { return Err("no command".to_owned()) };
    let program = find(name).ok_or_else(|| format!("{name} is not installed"))?;
    let plain = |error: std::io::Error| format!("{name}: {error}");
    // In English, to be understood.
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(plain)?;
    if let Some(mut pipe) = child.stdin.take() {
        // Who doesn't read it says why itself.
        let _ = pipe.write_all(input.as_bytes());
    }
    let result = child.wait_with_output().map_err(plain)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if result.status.success() {
        return Ok(text(&result.stdout));
    }
    let said = [text(&result.stderr), text(&result.stdout)].into_iter().find(|text| !text.is_empty());
    let said = said.unwrap_or_else(|| result.status.to_string());
    Err(said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | "))
}

fn run(line: &str) -> Result<String, String> {
    output(&line.split(' ').map(str::to_owned).collect::<Vec<_>>(), "")
}

impl Live {
    /// Looks at everything.
    pub(super) fn look() -> Result<Self, Failure> {
        let system = Failure::System;
        let mut live =
            Self { kernel: Ruleset::default(), programs: Vec::new(), has_nft: false, manager: None };
        if find("nft").is_some() {
            let text =
                run("nft -j list ruleset").map_err(|text| system(format!("nft -j list ruleset: {text}")))?;
            live.nftables(&text).map_err(|text| system(format!("nft -j list ruleset: {text}")))?;
        } else {
            live.kernel.doubts.push("nft is not installed, so rules made with it can't be seen".to_owned());
            for table in ["filter", "nat", "mangle", "raw", "security"] {
                live.iptables("nft", table)?;
            }
        }
        for table in ["filter", "nat", "mangle", "raw", "security"] {
            live.iptables("legacy", table)?;
        }
        live.manager = manager().map_err(system)?;
        Ok(live)
    }

    /// Rules of nft; tables that iptables made are read by its own program, which shows all of them.
    fn nftables(&mut self, text: &str) -> Result<(), String> {
        let (mut ruleset, opaque) = read::nftables::read(text)?;
        let mut tables: Vec<(String, String)> = Vec::new();
        for key in ruleset.chains.keys() {
            let mut words = key.split(' ').map(str::to_owned);
            let Some(((family, table), chain)) = words.next().zip(words.next()).zip(words.next()) else {
                continue;
            };
            let is_iptables =
                ["INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING"].contains(&chain.as_str());
            let table = (family, table);
            let is_family = table.0 == "ip" || table.0 == "ip6";
            if is_family && (is_iptables || opaque.contains(&table)) && !tables.contains(&table) {
                tables.push(table);
            }
        }
        for table in tables {
            let family = if table.0 == "ip" { Family::V4 } else { Family::V6 };
            let Some(program) = program("nft", family) else { continue };
            if let Ok(rules) = save(&program, &table.1) {
                ruleset.forget_table(&table);
                ruleset.add(rules);
                if !self.programs.contains(&program) {
                    self.programs.push(program);
                }
            }
        }
        self.has_nft = ruleset.bases.iter().any(|base| !base.chain.contains("tables "));
        self.kernel.add(ruleset);
        Ok(())
    }

    fn iptables(&mut self, variant: &str, table: &str) -> Result<(), Failure> {
        for family in Family::BOTH {
            let Some(program) = program(variant, family) else { continue };
            // Asking for a table would make it.
            let names =
                if family == Family::V4 { "/proc/net/ip_tables_names" } else { "/proc/net/ip6_tables_names" };
            let exists = variant != "legacy"
                || std::fs::read_to_string(names).is_ok_and(|names| names.lines().any(|name| name == table));
            if !exists {
                continue;
            }
            let rules = save(&program, table).map_err(Failure::System)?;
            if rules.bases.is_empty() {
                continue;
            }
            self.kernel.add(rules);
            if !self.programs.contains(&program) {
                self.programs.push(program);
            }
        }
        Ok(())
    }
}

/// The program of a variant: by its own name, or by the common one if that is it.
fn program(variant: &str, family: Family) -> Option<Program> {
    let name = if family == Family::V4 { "iptables" } else { "ip6tables" };
    let own = format!("{name}-{variant}");
    let command = if find(&own).is_some() {
        own
    } else {
        let says = run(&format!("{name} -V")).ok()?;
        let is_nft = says.contains("nf_tables");
        (is_nft == (variant == "nft")).then(|| name.to_owned())?
    };
    Some(Program { command, family, variant: variant.to_owned() })
}

fn save(program: &Program, table: &str) -> Result<Ruleset, String> {
    let line = format!("{}-save -t {table}", program.command);
    let text = run(&line).map_err(|text| format!("{line}: {text}"))?;
    read::iptables::read(&text, program.family, &program.variant).map_err(|text| format!("{line}: {text}"))
}

/// Who keeps the rules, if it is somebody we know.
fn manager() -> Result<Option<(Target, Ruleset)>, String> {
    if find("ufw").is_some()
        && let Ok(text) = run("ufw status verbose")
        && text.contains("Status: active")
    {
        let rules = read::ufw::read(&text).map_err(|text| format!("ufw status verbose: {text}"))?;
        return Ok(Some((Target::Ufw, rules)));
    }
    if find("firewall-cmd").is_some() && run("firewall-cmd --state").is_ok_and(|text| text == "running") {
        let text = firewalld_text("firewall-cmd")?;
        let rules =
            read::firewalld::read(&text).map_err(|text| format!("firewall-cmd --list-all-zones: {text}"))?;
        return Ok(Some((Target::Firewalld, rules)));
    }
    Ok(None)
}

/// All zones, and the services that are in them.
fn firewalld_text(program: &str) -> Result<String, String> {
    let zones = run(&format!("{program} --list-all-zones"))?;
    let mut text = zones.clone();
    let lines = zones.lines().filter_map(|line| line.trim().strip_prefix("services:"));
    let mut services: Vec<_> = lines.flat_map(str::split_whitespace).collect();
    services.sort_unstable();
    services.dedup();
    for service in services {
        if let Ok(info) = run(&format!("{program} --info-service={service}")) {
            text += &format!("\n{info}\n");
        }
    }
    Ok(text)
}

/// What `ufw show added` prints.
pub(super) fn ufw_added() -> Result<String, Failure> {
    run("ufw show added").map_err(|text| Failure::System(format!("ufw show added: {text}")))
}

/// What firewalld has of ours.
pub(super) fn firewalld_state(service: &str, interface: Option<&str>) -> Result<FirewalldState, Failure> {
    let failed = |text| Failure::System(format!("firewall-cmd: {text}"));
    let ask = |line: &str| run(&format!("firewall-cmd {line}"));
    let of_interface = interface.and_then(|name| ask(&format!("--get-zone-of-interface={name}")).ok());
    let zone = match of_interface.filter(|zone| !zone.is_empty() && !zone.contains(' ')) {
        Some(zone) => zone,
        None => ask("--get-default-zone").map_err(failed)?,
    };
    let ports = ask(&format!("--permanent --service={service} --get-ports")).ok();
    let all = ask("--permanent --get-zones").map_err(failed)?;
    let has = |zone: &&str| ask(&format!("--permanent --zone={zone} --query-service={service}")).is_ok();
    let zones = all.split_whitespace().filter(has).map(str::to_owned).collect();
    let kept = ask("--permanent --list-all-zones").map_err(failed)?;
    let runs = ask("--list-all-zones").map_err(failed)?;
    // What is active is no rule; interfaces are put into zones at run time.
    let rules = |text: &str| {
        let line = |line: &str| line.split(" (").next().unwrap_or_default().trim_end().to_owned();
        text.lines().filter(|line| !line.trim().starts_with("interfaces:")).map(line).collect::<Vec<_>>()
    };
    Ok(FirewalldState {
        zone,
        service: ports.map(|text| text.split_whitespace().map(str::to_owned).collect()),
        zones,
        is_unsaved: rules(&kept) != rules(&runs),
        program: vec!["firewall-cmd".to_owned()],
    })
}

/// The interface that clients come by, if there is no doubt.
pub(super) fn interface() -> Option<String> {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for line in read("/proc/net/route").lines().skip(1) {
        let words: Vec<_> = line.split_whitespace().collect();
        if let [name, "00000000", ..] = words[..] {
            found.push(name.to_owned());
        }
    }
    for line in read("/proc/net/ipv6_route").lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let ["00000000000000000000000000000000", "00", .., name] = words[..]
            && name != "lo"
        {
            found.push(name.to_owned());
        }
    }
    if found.is_empty() {
        let names = read("/proc/net/dev");
        let names = names.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
        found.extend(names.filter(|name| name != "lo"));
    }
    found.sort_unstable();
    found.dedup();
    if let [only] = &found[..] { Some(only.clone()) } else { None }
}

/// Prints each command and runs it; what a failure leaves half done is taken back.
pub(super) fn execute(plan: &Plan, dry_run: bool) -> Result<(), Failure> {
    let mut done: Vec<&Step> = Vec::new();
    for step in &plan.steps {
        for line in step.lines() {
            super::super::print(&format!("{line}\n"));
        }
        if dry_run {
            continue;
        }
        let input: String = step.input.iter().map(|line| format!("{line}\n")).collect();
        if let Err(said) = output(&step.command, &input) {
            let mut text = format!("{} said: {said}", shell(&step.command));
            for undo in done.iter().rev().filter_map(|step| step.undo.as_ref()) {
                super::super::print(&format!("{}\n", shell(undo)));
                if let Err(said) = output(undo, "") {
                    text += &format!("; taking back failed, too: {} said: {said}", shell(undo));
                }
            }
            let taken_back =
                if done.is_empty() { "nothing was changed" } else { "what was done is taken back" };
            return Err(Failure::System(format!("{text}; {taken_back}")));
        }
        done.push(step);
    }
    Ok(())
}
