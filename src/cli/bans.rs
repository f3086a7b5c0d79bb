//! `ftpd bans`: who is banned in the running server, and lifting it.

use super::remote::{Which, time};
use super::{Failure, print};
use crate::control::{Answer, BanStatus, Request, printable};
use clap::{Args, Subcommand};
use ftp_proto::config::Network;
use ftp_proto::path::Escaped;

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct BansArguments {
    #[command(subcommand)]
    command: Option<BansCommand>,
    /// As one JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Subcommand, Debug)]
enum BansCommand {
    /// End bans before their time, and forget what led to them
    Lift {
        /// An address or network like 192.0.2.7 or 2001:db8::/48, or all
        #[arg(value_name = "ADDRESS|all", value_parser = whom)]
        whom: Whom,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Clone, Copy, Debug)]
enum Whom {
    All,
    In(Network),
}

fn whom(text: &str) -> Result<Whom, String> {
    if text == "all" {
        return Ok(Whom::All);
    }
    text.parse().map(Whom::In).map_err(|_| {
        format!("{text:?} is no address and no network; write one like 192.0.2.7 or 2001:db8::/64, or all")
    })
}

pub(super) fn run(arguments: &BansArguments) -> Result<(), Failure> {
    match &arguments.command {
        None => list(&arguments.which, arguments.json),
        Some(BansCommand::Lift { whom, which }) => which.has_done(&Request::LiftBans {
            network: match whom {
                Whom::All => None,
                Whom::In(network) => Some(network.to_string()),
            },
        }),
    }
}

fn list(which: &Which, json: bool) -> Result<(), Failure> {
    let mut client = which.client()?;
    let Answer::Bans(bans) = client.ask(&Request::Bans)? else {
        return Err(client.unexpected("gave another answer than was asked for").into());
    };
    if json {
        let text = serde_json::to_string_pretty(&bans)
            .map_err(|error| Failure::System(format!("can't be shown: {error}")))?;
        print(&format!("{text}\n"));
    } else if bans.is_empty() {
        print("nobody is banned\n");
    } else {
        bans.iter().for_each(|ban| print(&in_words(ban)));
    }
    Ok(())
}

fn in_words(ban: &BanStatus) -> String {
    let user = ban.user.as_ref().map_or_else(
        || "whoever".to_owned(),
        |user| {
            let host = ban.host.as_ref().map_or_else(String::new, |host| format!(" at {host}"));
            format!("user {}{host}", Escaped(user.as_bytes()))
        },
    );
    let again = if ban.times > 1 { format!(", ban {} in a row", ban.times) } else { String::new() };
    let (since, until) = (time(ban.since), time(ban.until));
    let line = format!(
        "{:<24}{user}, since {since}, until {until}, after {} failed logins{again}",
        ban.address, ban.failures
    );
    format!("{}\n", printable(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_is_one_line() {
        let ban = BanStatus {
            address: "192.0.2.7".to_owned(),
            user: Some("b\u{1b}b".to_owned()),
            host: Some("ftp.example.com".to_owned()),
            since: 0,
            until: 600,
            failures: 10,
            times: 2,
        };
        assert_eq!(
            in_words(&ban),
            "192.0.2.7               user b\\x1bb at ftp.example.com, since 1970-01-01 00:00:00 UTC, until \
             1970-01-01 00:10:00 UTC, after 10 failed logins, ban 2 in a row\n"
        );
        assert!(in_words(&BanStatus { user: None, ..ban }).contains("whoever, since"));
        assert!(whom("everybody").unwrap_err().contains("or all"));
    }
}
