//! The workloads that are one operation again and again.

use crate::client::Client;
use crate::data::{Source, evict};
use crate::options::{Options, Outcome, told};
use crate::report::Tally;
use crate::run::{GoOn, parallel};
use crate::secure::configuration;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// After so many errors a thread has told enough.
const ENOUGH: u64 = 200;

/// The same command again and again, `depth` of them together.
pub(crate) fn round_trips(options: &'static Options) {
    let batch = format!("{}\r\n", options.command).repeat(options.depth);
    let measured = parallel(
        options,
        || Client::ready(options),
        |_, client, tally, go_on| {
            while go_on(tally.operations + tally.errors) {
                let begun = Instant::now();
                if let Err(error) = round_trip(client, batch.as_bytes(), options.depth, tally) {
                    tally.fail(error);
                    return;
                }
                tally.times.push(begun.elapsed());
            }
        },
    );
    measured.print(options);
}

fn round_trip(client: &mut Client, batch: &[u8], depth: usize, tally: &mut Tally) -> Outcome<()> {
    told("send", client.control.write_all(batch))?;
    for _ in 0..depth {
        if client.reply()? < 400 {
            tally.operations += 1;
        } else {
            tally.fail(client.line.clone());
        }
    }
    Ok(())
}

/// Connections that come, say a few words and go: a login, or a TLS handshake on the control connection.
pub(crate) fn logins(options: &'static Options) {
    let measured = parallel(
        options,
        || Ok(()),
        |_, (), tally, go_on| {
            let tls = match configuration(options) {
                Ok(tls) => tls,
                Err(error) => return tally.fail(error),
            };
            while go_on(tally.operations + tally.errors) && tally.errors < 5 * ENOUGH {
                let begun = Instant::now();
                let visited = Client::open(options, None, tls.clone()).and_then(|mut client| {
                    if options.workload == "login" {
                        client.log_in()?;
                        client.command("PWD", &[257])?;
                    } else {
                        // One round trip, whatever the answer, so that the tickets are read.
                        client.send("NOOP")?;
                        client.reply()?;
                    }
                    client.command("QUIT", &[221])?;
                    Ok((client.resumed, client.full))
                });
                match visited {
                    Ok((resumed, full)) => {
                        tally.done(begun, 0);
                        tally.resumed += resumed;
                        tally.full += full;
                    }
                    Err(error) => tally.fail(error),
                }
            }
        },
    );
    measured.print(options);
}

/// The same file or listing again and again.
pub(crate) fn downloads(options: &'static Options) {
    let command = match options.workload.as_str() {
        "retr" => format!("RETR {}", options.file),
        "list" => format!("{} {}", options.command, options.file),
        _ => options.command.clone(),
    };
    let prepare = || {
        let mut client = Client::ready(options)?;
        if options.workload == "churn" {
            client.command(&format!("CWD {}", options.file), &[250, 200])?;
        }
        Ok(client)
    };
    let (held, failure) = hold(options);
    let missing = options.hold - held.len();
    let mut measured = parallel(options, prepare, |_, client, tally, go_on| {
        download(options, &command, client, tally, go_on);
    });
    if missing > 0 {
        measured.tally.fail(format!("{missing} of {} transfers could not be held: {failure}", options.hold));
    }
    measured.print(options);
    drop(held);
}

fn download(
    options: &'static Options,
    command: &str,
    client: &mut Client,
    tally: &mut Tally,
    go_on: GoOn<'_>,
) {
    while go_on(tally.operations + tally.errors) {
        if !options.evict.is_empty()
            && let Err(error) = evict(&options.evict)
        {
            return tally.fail(error);
        }
        let begun = Instant::now();
        match client.fetch(command, false) {
            Ok((received, first)) => {
                if is_whole(options, received.bytes) {
                    tally.done(begun, received.bytes);
                    tally.first.push(first);
                } else {
                    tally.fail(format!("short: {} of {}", received.bytes, options.size));
                }
            }
            Err(error) => {
                tally.fail(error);
                // The session may be gone, or out of step.
                match Client::ready(options) {
                    Ok(fresh) => *client = fresh,
                    Err(error) => {
                        tally.fail(format!("reconnect: {error}"));
                        std::thread::sleep(Duration::from_millis(200));
                    }
                }
                if tally.errors > ENOUGH {
                    return;
                }
            }
        }
    }
}

/// `options.size` is that of a file, or the least that a listing can have. (Compressed it may be anything.)
pub(crate) fn is_whole(options: &Options, bytes: u64) -> bool {
    match options.workload.as_str() {
        "retr" => options.deflate || bytes == options.size,
        _ => bytes >= options.size,
    }
}

/// Begins `options.hold` downloads and leaves them open, unread; and why the others could not be begun.
fn hold(options: &'static Options) -> (Vec<(Client, TcpStream)>, String) {
    let mut held = Vec::new();
    let mut failure = String::new();
    for _ in 0..options.hold {
        let begun = Client::ready(options).and_then(|mut client| {
            let data = client.passive()?;
            client.command(&format!("RETR {}", options.hold_file), &[150, 125])?;
            Ok((client, data))
        });
        match begun {
            Ok(pair) => held.push(pair),
            Err(error) => failure = error,
        }
    }
    (held, failure)
}

/// Uploads, each session under names of its own: one for large files, fifty that take turns for small ones.
pub(crate) fn uploads(options: &'static Options) -> Outcome<()> {
    let source = Source::open(options)?;
    let names = if options.source.is_empty() { 50 } else { 1 };
    let measured = parallel(
        options,
        || Client::ready(options),
        |index, client, tally, go_on| {
            while go_on(tally.operations + tally.errors) && tally.errors < ENOUGH {
                let begun = Instant::now();
                let command = format!("STOR up_{index}_{}", tally.operations % names);
                match client.store(&command, &source) {
                    Ok(bytes) => tally.done(begun, bytes),
                    Err(error) => tally.fail(error),
                }
            }
        },
    );
    measured.print(options);
    Ok(())
}
