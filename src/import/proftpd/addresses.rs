//! Where it listens, and the addresses of data connections.

use super::syntax::Block;
use super::{Scope, tls};
use crate::import::common;
use crate::import::draft::{Draft, Origin};
use crate::import::settings::{Setting, Settings, switch};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use toml_edit::{Array, Value};

pub(super) fn listeners(draft: &mut Draft, settings: &Settings, host: Option<&Block>) -> Vec<u16> {
    let six = settings.flag(draft, "UseIPv6", true);
    if settings.text("ServerType").is_some_and(|(text, _)| text.eq_ignore_ascii_case("inetd")) {
        let place = settings.place(draft, "ServerType");
        draft.attention(
            &place,
            "ServerType inetd",
            "switch it off in inetd; ftpd listens by itself, and see to it that the port is the same",
        );
    }
    let number = settings.number(draft, "Port", 21);
    let port = u16::try_from(number).ok().filter(|port| *port > 0).unwrap_or_else(|| {
        let place = settings.place(draft, "Port");
        draft.attention(
            &place,
            "Port",
            "the main server is off; give --site for a virtual host, or it listens on 21",
        );
        21
    });
    let names = match host {
        Some(host) => host.arguments.clone(),
        None => settings.find("DefaultAddress").map(|setting| setting.arguments.clone()).unwrap_or_default(),
    };
    let place = host.map_or_else(|| settings.place(draft, "DefaultAddress"), |host| host.place.clone());
    let mut addresses = Vec::new();
    for name in names {
        match name.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => addresses.push(address),
            Err(_) => draft.attention(
                &place,
                name.clone(),
                "is a name; write its address as bind below [server], or it listens on all",
            ),
        }
    }
    if addresses.is_empty() || addresses.contains(&IpAddr::V4(Ipv4Addr::UNSPECIFIED)) {
        let any = if six { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        addresses = vec![any];
    }
    let addresses = addresses.into_iter().map(|address| SocketAddr::from((address, port))).collect();
    let origin = settings.origin("Port");
    if tls::options(settings).any(|option| option.eq_ignore_ascii_case("UseImplicitSSL"))
        && tls::is_on(draft, settings)
    {
        common::bind(draft, Vec::new(), addresses, &origin)
    } else {
        common::bind(draft, addresses, Vec::new(), &origin)
    }
}

pub(super) fn passive(draft: &mut Draft, scope: &Scope<'_>, control: &[u16]) {
    let settings = &scope.settings;
    let end = |index: usize| {
        let found = settings.find("PassivePorts").and_then(|setting| setting.arguments.get(index));
        found.map_or(0, |text| text.parse().unwrap_or(u64::MAX))
    };
    let (range, place, origin) =
        ((end(0), end(1)), settings.place(draft, "PassivePorts"), settings.origin("PassivePorts"));
    common::ports(draft, (&place, "PassivePorts"), range, control, &origin);
    if let Some((text, setting)) = settings.text("MasqueradeAddress") {
        common::set_external(draft, &setting.place, "MasqueradeAddress", text, &setting.origin());
    }
    for block in scope.blocks.iter().filter(|block| block.is("IfClass")) {
        rules_of_class(draft, scope, block);
    }
    if let Some((text, setting)) = settings.text("AllowForeignAddress") {
        foreign(draft, scope, text, setting);
    }
}

/// `<IfClass>` with an address becomes a rule for the networks of the class.
fn rules_of_class(draft: &mut Draft, scope: &Scope<'_>, block: &Block) {
    let address =
        block.directives().filter(|setting| setting.name.eq_ignore_ascii_case("MasqueradeAddress")).last();
    for setting in
        block.directives().filter(|setting| !setting.name.eq_ignore_ascii_case("MasqueradeAddress"))
    {
        draft.attention(
            &setting.place,
            setting.name.clone(),
            "for one class is left out; [[tls.rule]] has settings for networks",
        );
    }
    let Some(setting) = address else { return };
    let plain = |name: &&String| {
        !name.contains(['!', ','])
            && !["AND", "OR", "regex"].iter().any(|word| name.eq_ignore_ascii_case(word))
    };
    let [class] = block.arguments.as_slice() else {
        draft.attention(
            &block.place,
            block.title(),
            "is more than one class; write a [[passive.rule]] with their networks",
        );
        return;
    };
    if !plain(&class) {
        draft.attention(
            &block.place,
            block.title(),
            "is more than one class; write a [[passive.rule]] with their networks",
        );
        return;
    }
    let networks = scope.networks(draft, class);
    let Some(address) = common::external(draft, &setting.place, "MasqueradeAddress", setting.value()) else {
        return;
    };
    if !networks.is_empty() {
        let rule = vec![
            ("networks", Value::Array(networks.into_iter().collect::<Array>())),
            ("external_address", address.into()),
        ];
        draft.rule("passive.rule", rule, setting.origin().and(&block.title()));
    }
}

/// Other virtual hosts with an address of their own: a rule for the server's address that clients came to.
pub(super) fn rules_of_hosts(
    draft: &mut Draft,
    hosts: &[&Block],
    chosen: Option<&Block>,
    settings: &Settings,
) {
    let port = |value: Option<&str>| value.map_or(Some(21), |text| text.parse::<u16>().ok());
    let own_port = port(settings.text("Port").map(|(text, _)| text));
    let others = hosts.iter().filter(|host| chosen.is_none_or(|chosen| chosen.place != host.place));
    for host in others {
        let last =
            |name: &str| host.directives().filter(|setting| setting.name.eq_ignore_ascii_case(name)).last();
        let locals: Vec<_> = host
            .arguments
            .iter()
            .filter_map(|address| address.parse::<IpAddr>().ok())
            .filter(|address| !address.is_unspecified())
            .collect();
        let mut done = "";
        if let Some(setting) = last("MasqueradeAddress")
            && chosen.is_none()
            && !locals.is_empty()
            && port(last("Port").map(Setting::value)) == own_port
            && let Some(address) =
                common::external(draft, &setting.place, "MasqueradeAddress", setting.value())
        {
            let local = locals.iter().map(ToString::to_string).collect::<Array>();
            let rule = vec![("local", Value::Array(local)), ("external_address", address.into())];
            draft.rule("passive.rule", rule, setting.origin().and(&host.title()));
            done = "; its MasqueradeAddress is a [[passive.rule]] here";
        }
        let name = host.arguments.first().map_or("NAME", String::as_str);
        draft.attention(
            &host.place,
            host.title(),
            format!(
                "is another server: import it by --site {} and run it beside this one{done}",
                common::shell(name)
            ),
        );
    }
}

fn foreign(draft: &mut Draft, scope: &Scope<'_>, text: &str, setting: &Setting) {
    match switch(text) {
        Some(false) => {}
        Some(true) => draft.attention(&setting.place, "AllowForeignAddress", common::FOREIGN),
        None => {
            let networks = scope.networks(draft, text);
            if networks.is_empty() {
                return;
            }
            draft.set_all("passive.client_networks", networks, setting.origin());
            draft.attention(
                &setting.place,
                "AllowForeignAddress",
                "holds here if the client itself is in the network, too; for PORT from elsewhere to these networks write an [[active.rule]], for transfers between servers a [[tls.rule]] with server_to_server = true for few users",
            );
        }
    }
}

pub(super) fn active(draft: &mut Draft, settings: &Settings, control: u16) {
    let revoked = settings.text("RootRevoke").is_some_and(|(text, _)| text.eq_ignore_ascii_case("on"));
    if revoked && control < 1_024 {
        draft.set("active.enabled", false, settings.origin("RootRevoke"));
    } else if control > 1 && settings.text("RootRevoke").is_none_or(|(text, _)| switch(text) == Some(false)) {
        let origin = Origin::new("the port below the control port, as ProFTPD does");
        draft.set("active.source_port", i64::from(control - 1), origin);
    }
}
