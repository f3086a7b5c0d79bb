//! AWS, Kubernetes, Docker.

use super::super::needs::{Family, Needs, Purpose};
use super::super::ports::range_text;
use super::{Grant, Options, Page, grants, refuse};
use std::ops::RangeInclusive;

/// The networks of a grant, of one IP version.
fn networks(grant: &Grant, family: Family) -> Vec<String> {
    if grant.family.is_some_and(|only| only != family) {
        return Vec::new();
    }
    if grant.sources.is_empty() {
        return vec![if family == Family::V4 { "0.0.0.0/0" } else { "::/0" }.to_owned()];
    }
    grant.sources.iter().map(|network| with_prefix(&network.to_string(), family)).collect()
}

/// An address alone is a network of one.
fn with_prefix(text: &str, family: Family) -> String {
    match (text.contains('/'), family) {
        (true, _) => text.to_owned(),
        (false, Family::V4) => format!("{text}/32"),
        (false, Family::V6) => format!("{text}/128"),
    }
}

pub(super) fn aws(page: &mut Page, needs: &Needs, options: &Options) -> Result<(), String> {
    refuse("a security group", options, false, false)?;
    page.part("Write the id of your security group for sg-ID. Answers need no rule: security groups know connections.");
    page.line("aws ec2 authorize-security-group-ingress --group-id sg-ID --ip-permissions \\");
    let grants = grants(needs, false);
    let rows: Vec<_> =
        grants.iter().flat_map(|grant| grant.ports.ranges().map(move |range| (grant, range))).collect();
    for (index, (grant, range)) in rows.iter().enumerate() {
        let part = |kind: &str, key: &str, family| {
            let all = networks(grant, family);
            let entry = |network: &String| {
                format!("{{{key}={network},Description={}}}", grant.comment.replace(' ', "-"))
            };
            let list: Vec<_> = all.iter().map(entry).collect();
            if list.is_empty() { String::new() } else { format!(",{kind}=[{}]", list.join(",")) }
        };
        let more = if index + 1 == rows.len() { "" } else { " \\" };
        page.line(format!(
            "  'IpProtocol=tcp,FromPort={},ToPort={}{}{}'{more}",
            range.start(),
            range.end(),
            part("IpRanges", "CidrIp", Family::V4),
            part("Ipv6Ranges", "CidrIpv6", Family::V6)
        ));
    }
    page.part("Active mode: a security group lets connections out unless its outbound rules were removed.");
    page.part("The same for CloudFormation:");
    page.note("Resources:");
    page.note("  FtpSecurityGroup:");
    page.note("    Type: AWS::EC2::SecurityGroup");
    page.note("    Properties:");
    page.note("      GroupDescription: FTP control and passive data");
    page.note("      SecurityGroupIngress:");
    for (grant, range) in &rows {
        for (family, key) in [(Family::V4, "CidrIp"), (Family::V6, "CidrIpv6")] {
            for network in networks(grant, family) {
                page.note(format!(
                    "        - {{ IpProtocol: tcp, FromPort: {}, ToPort: {}, {key}: \"{network}\", Description: {} }}",
                    range.start(),
                    range.end(),
                    grant.comment
                ));
            }
        }
    }
    page.note("A network load balancer in front needs a listener for each port, or one in front of the instance's own");
    page.note("address: an elastic IP address is less work, with external_address set to it.");
    Ok(())
}

pub(super) fn kubernetes(page: &mut Page, needs: &Needs, options: &Options) -> Result<(), String> {
    refuse("Kubernetes", options, false, false)?;
    let service = &needs.service.to_ascii_lowercase().replace('_', "-");
    let passive = needs.ports_for(Purpose::Passive);
    page.part(
        "A Service knows no ranges: one entry for each port. externalTrafficPolicy: Local keeps the client's",
    );
    page.note(
        "address, by which data connections are recognised; ClientIP leads both connections to the same pod.",
    );
    page.note("Set external_address to the address of the load balancer.");
    page.line("apiVersion: v1");
    page.line("kind: Service");
    page.line("metadata:");
    page.line(format!("  name: {service}"));
    page.line("spec:");
    page.line("  type: LoadBalancer");
    page.line("  externalTrafficPolicy: Local");
    page.line("  sessionAffinity: ClientIP");
    if !needs.sources.is_empty() {
        page.line("  loadBalancerSourceRanges:");
        for network in &needs.sources {
            let family = Family::of(network.base());
            page.line(format!("    - \"{}\"", with_prefix(&network.to_string(), family)));
        }
    }
    page.line("  selector:");
    page.line(format!("    app: {service}"));
    page.line("  ports:");
    let implicit = needs.ports_for(Purpose::ImplicitTls);
    let outside = needs.exposed.clone().unwrap_or_else(|| whole(&passive));
    for port in needs.ports_for(Purpose::Control).ranges().flatten() {
        page.line(format!(
            "    - {{ name: control-{port}, protocol: TCP, port: {port}, targetPort: {port} }}"
        ));
    }
    for port in implicit.ranges().flatten() {
        page.line(format!("    - {{ name: tls-{port}, protocol: TCP, port: {port}, targetPort: {port} }}"));
    }
    for (port, target) in outside.zip(passive.ranges().flatten()) {
        page.line(format!(
            "    - {{ name: data-{port}, protocol: TCP, port: {port}, targetPort: {target} }}"
        ));
    }
    page.line("---");
    page.line("apiVersion: networking.k8s.io/v1");
    page.line("kind: NetworkPolicy");
    page.line("metadata:");
    page.line(format!("  name: {service}"));
    page.line("spec:");
    page.line("  podSelector:");
    page.line("    matchLabels:");
    page.line(format!("      app: {service}"));
    page.line("  policyTypes: [Ingress]");
    page.line("  ingress:");
    page.line("    - ports:");
    for range in needs.ports().ranges() {
        let end = if range.len() > 1 { format!(", endPort: {}", range.end()) } else { String::new() };
        page.line(format!("        - {{ protocol: TCP, port: {}{end} }}", range.start()));
    }
    if !needs.sources.is_empty() {
        page.line("      from:");
        for network in &needs.sources {
            let family = Family::of(network.base());
            page.line(format!(
                "        - ipBlock: {{ cidr: \"{}\" }}",
                with_prefix(&network.to_string(), family)
            ));
        }
    }
    Ok(())
}

/// From the first port to the last.
fn whole(ports: &super::PortSet) -> RangeInclusive<u16> {
    let first = ports.ranges().next().map_or(1, |range| *range.start());
    let last = ports.ranges().last().map_or(0, |range| *range.end());
    first..=last
}

pub(super) fn docker(page: &mut Page, needs: &Needs, options: &Options) -> Result<(), String> {
    refuse("Docker", options, false, false)?;
    page.part("Published ports pass by ufw and by your own INPUT chain: Docker forwards them. Set external_address to");
    page.note("the host's address. --network host publishes nothing and needs the host's firewall instead.");
    let mut line = "docker run".to_owned();
    for range in needs.control_ports().ranges() {
        let range = range_text(&range, "-");
        line += &format!(" -p {range}:{range}");
    }
    let passive = needs.ports_for(Purpose::Passive);
    if !passive.is_empty() {
        let outside = needs.exposed.clone().unwrap_or_else(|| whole(&passive));
        line += &format!(" -p {}:{}", range_text(&outside, "-"), passive.written("-", ","));
    }
    page.line(line + &format!(" {}", needs.service));
    Ok(())
}
