//! What the running server answers to requests by its control socket.

use super::live::{Difference, Live};
use super::report;
use crate::config_file::document::Edit;
use crate::config_file::keys;
use crate::config_file::reader::without_number;
use crate::control::{Answer, Change, Request, Value};
use ftp_proto::PassiveState;

/// How many failed ports are named one by one.
const NAMED_PORTS: usize = 8;

/// Does what is asked for.
pub(super) fn to(live: &mut Live, request: Request) -> Answer {
    match request {
        Request::Status { sessions } => Answer::Status(Box::new(report::status(live, sessions))),
        Request::Configuration => match live.document() {
            Ok(document) => Answer::Configuration(document.text().to_owned()),
            Err(reason) => Answer::wrong(reason),
        },
        Request::Get { key } => get(live, key.as_deref()),
        Request::Set { changes, save } => match set(live, &changes, save) {
            Ok(lines) => Answer::Done(lines),
            Err(reason) => Answer::wrong(reason),
        },
        Request::Bans => Answer::Bans(report::bans(live)),
        Request::LiftBans { network } => lift_bans(live, network.as_deref()),
        Request::Reload => match live.reload() {
            Ok(differences) => {
                let mut lines = told(live, &differences);
                let reason = live.old_certificates.as_ref();
                lines.extend(
                    reason.map(|reason| format!("certificates not read again, the old ones stay: {reason}")),
                );
                Answer::Done(lines)
            }
            Err(reason) => Answer::wrong(format!("{reason}; nothing was changed")),
        },
    }
}

fn lift_bans(live: &Live, network: Option<&str>) -> Answer {
    let Ok(parsed) = network.map(str::parse).transpose() else {
        return Answer::wrong("that is no address and no network; write one like 192.0.2.7 or 2001:db8::/64");
    };
    let lifted = live.service.running.lift_bans(parsed);
    Answer::Done(vec![match (lifted, network) {
        (0, Some(network)) => format!("nobody is banned in {network}"),
        (0, None) => "nobody is banned".to_owned(),
        (1, _) => "one ban lifted".to_owned(),
        (count, _) => format!("{count} bans lifted"),
    }])
}

fn get(live: &Live, typed: Option<&str>) -> Answer {
    let key = match typed.map(keys::named).transpose() {
        Ok(key) => key,
        Err(reason) => return Answer::wrong(reason),
    };
    let changed = live.live_keys();
    let wanted = |known: &str| key.is_none_or(|key| key == known);
    let rows = live.rows().into_iter().filter(|(known, _)| wanted(known));
    let mut values: Vec<_> =
        rows.map(|(key, value)| Value { live: changed.contains(&key), key, value }).collect();
    if let (Some(key), true) = (key, values.is_empty()) {
        values.push(Value { key: key.to_owned(), value: "none".to_owned(), live: false });
    }
    Answer::Values(values)
}

fn set(live: &mut Live, changes: &[Change], save: bool) -> Result<Vec<String>, String> {
    let mut edits = Vec::new();
    for change in changes {
        let key = keys::named(&change.key)?;
        if keys::needs_restart(key) {
            return Err(format!(
                "{key}: can't be changed while the server runs; write it into the file and restart"
            ));
        }
        let edit = Edit::new(&live.plan.document, key, change.value.as_deref());
        edits.push(edit.map_err(|error| error.message())?);
    }
    let differences = if save { live.save(&edits)? } else { live.set(edits)? };
    let mut lines = told(live, &differences);
    if differences.is_empty() {
        lines.push("that is how it was already".to_owned());
    }
    lines.push(match (&live.plan.file, save) {
        (Some(path), true) => format!("saved in {}", path.display()),
        (Some(_), false) => {
            "holds until the file is read again or the server restarts; --save writes it into the file"
                .to_owned()
        }
        (None, _) => "holds until the server restarts".to_owned(),
    });
    Ok(lines)
}

/// What has changed, and what became of the ports.
fn told(live: &Live, differences: &[Difference]) -> Vec<String> {
    let in_words = |difference: &Difference| {
        if keys::needs_restart(&difference.key) {
            format!("{difference} (needs a restart)")
        } else {
            difference.to_string()
        }
    };
    let mut lines: Vec<_> = differences.iter().map(in_words).collect();
    let ports = |difference: &Difference| ["passive.ports", "passive.enabled"].contains(&&*difference.key);
    if differences.iter().any(ports) {
        lines.extend(ports_in_words(&live.opened_ports()));
    }
    lines
}

fn ports_in_words(state: &PassiveState) -> Vec<String> {
    let plural = |count: usize| if count == 1 { "port" } else { "ports" };
    let mut lines = vec![format!("{} passive {} open", state.open.len(), plural(state.open.len()))];
    for (port, reason) in state.failed.iter().take(NAMED_PORTS) {
        let which =
            if *port == 0 { "a port chosen by the system".to_owned() } else { format!("port {port}") };
        lines.push(format!("{which} can't be opened: {}; it is tried again", without_number(reason)));
    }
    if let Some(more) = state.failed.len().checked_sub(NAMED_PORTS).filter(|more| *more > 0) {
        lines.push(format!("and {more} more can't be opened, see `ftpd status`"));
    }
    if state.opening > 0 {
        lines.push(format!("{} are still being opened", state.opening));
    }
    if !state.retiring.is_empty() {
        let count = state.retiring.len();
        lines.push(format!(
            "{count} old {} some client was told of: each closes when the last of them has come or given up",
            plural(count)
        ));
    }
    lines
}
