//! Windows: netsh and PowerShell.

use super::super::needs::Needs;
use super::super::ports::PortSet;
use super::{Grant, Options, Page, Target, grants, refuse};

const PROGRAM: &str = r"C:\Program Files\ftpd\ftpd.exe";

fn list(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Commands for grants, if they are for Windows.
pub(super) fn commands(grants: &[Grant], target: Target) -> Option<Vec<String>> {
    match target {
        Target::Netsh => Some(grants.iter().map(netsh_rule).collect()),
        Target::Powershell => Some(grants.iter().map(|grant| powershell_rule("ftpd", grant)).collect()),
        _ => None,
    }
}

const ADD: &str = "netsh advfirewall firewall add rule";

fn netsh_rule(grant: &Grant) -> String {
    let Grant { comment, ports, .. } = grant;
    let mut line = format!(
        "{ADD} name=\"{comment}\" dir=in action=allow protocol=TCP localport={}",
        ports.written("-", ",")
    );
    if let Some(address) = grant.address {
        line += &format!(" localip={address}");
    }
    if !grant.sources.is_empty() {
        line += &format!(" remoteip={}", list(&grant.sources));
    }
    line
}

pub(super) fn netsh(page: &mut Page, needs: &Needs, options: &Options) -> Result<(), String> {
    refuse("Windows' firewall", options, true, false)?;
    page.part("By port, which is the tightest: these ports, for whatever program.");
    inbound(needs, options).iter().for_each(|grant| page.line(netsh_rule(grant)));
    let program = needs.program.as_deref().unwrap_or(PROGRAM);
    let service = &needs.service;
    page.part(
        "Or by program: every port it listens on, whatever the range. Not needed beside the rule by port.",
    );
    page.note(format!(
        "{ADD} name=\"{service} program\" dir=in action=allow protocol=TCP program=\"{program}\""
    ));
    page.part(format!("Or by service, if it is installed as {service}: every port of it. Not needed beside the rule by port."));
    page.note(format!("{ADD} name=\"{service} service\" dir=in action=allow protocol=TCP service={service}"));
    if let Some(active) = needs.active {
        page.part("Active mode. Windows lets connections out as long as nobody forbids it.");
        let from = active.source_port.map_or_else(String::new, |port| format!(" localport={port}"));
        page.line(format!(
            "{ADD} name=\"{service} active data\" dir=out action=allow protocol=TCP{from} remoteport=1024-65535"
        ));
    }
    if options.stateful {
        page.part("The stateful filter reads control connections in plain text.");
        page.line("netsh advfirewall set global StatefulFTP enable");
    } else {
        page.part("The stateful filter off: it reads FTP on the wire, TLS blinds it, and then it blocks what it can't read.");
        page.line("netsh advfirewall set global StatefulFTP disable");
    }
    page.part("To look, and to remove:");
    page.note("netsh advfirewall firewall show rule name=all verbose");
    for grant in inbound(needs, options) {
        page.note(format!("netsh advfirewall firewall delete rule name=\"{}\"", grant.comment));
    }
    Ok(())
}

/// The filter opens the passive ports by itself.
fn inbound(needs: &Needs, options: &Options) -> Vec<Grant> {
    if !options.stateful {
        return grants(needs, true);
    }
    let control = needs.control_ports();
    let narrowed =
        grants(needs, false).into_iter().map(|grant| Grant { ports: grant.ports.and(&control), ..grant });
    narrowed.filter(|grant| !grant.ports.is_empty()).collect()
}

/// `21,"41000-41099"`: PowerShell would subtract without the quotes.
fn powershell_ports(ports: &PortSet) -> String {
    let one = |range: std::ops::RangeInclusive<u16>| match (range.start(), range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("\"{first}-{last}\""),
    };
    ports.ranges().map(one).collect::<Vec<_>>().join(",")
}

fn powershell_add(service: &str, name: &str, direction: &str) -> String {
    format!(
        "New-NetFirewallRule -DisplayName \"{name}\" -Group \"{service}\" -Direction {direction} -Action Allow -Protocol TCP"
    )
}

fn powershell_rule(service: &str, grant: &Grant) -> String {
    let ports = powershell_ports(&grant.ports);
    let mut line = format!("{} -LocalPort {ports}", powershell_add(service, &grant.comment, "Inbound"));
    if let Some(address) = grant.address {
        line += &format!(" -LocalAddress {address}");
    }
    if !grant.sources.is_empty() {
        line += &format!(" -RemoteAddress {}", list(&grant.sources));
    }
    line
}

pub(super) fn powershell(page: &mut Page, needs: &Needs, options: &Options) -> Result<(), String> {
    refuse("Windows' firewall", options, true, false)?;
    let service = &needs.service;
    let add = |name: &str, direction: &str| powershell_add(service, name, direction);
    page.part("By port, which is the tightest: these ports, for whatever program.");
    inbound(needs, options).iter().for_each(|grant| page.line(powershell_rule(service, grant)));
    let program = needs.program.as_deref().unwrap_or(PROGRAM);
    page.part(
        "Or by program: every port it listens on, whatever the range. Not needed beside the rule by port.",
    );
    page.note(format!("{} -Program \"{program}\"", add(&format!("{service} program"), "Inbound")));
    page.part(format!("Or by service, if it is installed as {service}: every port of it. Not needed beside the rule by port."));
    page.note(format!("{} -Service {service}", add(&format!("{service} service"), "Inbound")));
    if let Some(active) = needs.active {
        page.part("Active mode. Windows lets connections out as long as nobody forbids it.");
        let from = active.source_port.map_or_else(String::new, |port| format!(" -LocalPort {port}"));
        page.line(format!(
            "{}{from} -RemotePort \"1024-65535\"",
            add(&format!("{service} active data"), "Outbound")
        ));
    }
    if options.stateful {
        page.part("The stateful filter reads control connections in plain text.");
        page.line("Set-NetFirewallSetting -EnableStatefulFtp True");
    } else {
        page.part("The stateful filter off: it reads FTP on the wire, TLS blinds it, and then it blocks what it can't read.");
        page.line("Set-NetFirewallSetting -EnableStatefulFtp False");
    }
    page.part("To look, and to remove:");
    page.note("Get-NetFirewallSetting; Get-NetFirewallRule -Group \"".to_owned() + service + "\"");
    page.note(format!("Remove-NetFirewallRule -Group \"{service}\""));
    Ok(())
}
