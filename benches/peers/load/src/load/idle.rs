//! Many sessions that do nothing: what they cost, and whether they slow down those who come later.

use crate::client::Client;
use crate::figures::{available, memory, server_cpu};
use crate::options::{Options, Outcome};
use crate::report::{Line, Times};
use crate::secure::configuration;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many threads open the sessions.
const OPENERS: usize = 8;
/// How many failures are enough.
const ENOUGH: usize = 50;
const ROUND_TRIPS: usize = 2000;

struct Opened {
    clients: Vec<Client>,
    first_failure: String,
    seconds: f64,
}

pub(crate) fn idle(options: &'static Options) -> Outcome<()> {
    let mut alone = fresh(options)?;
    let before = (memory(options), available(), server_cpu(options));
    let mut opened = open(options)?;
    let open_cpu = server_cpu(options) - before.2;
    std::thread::sleep(Duration::from_millis(300));
    let after = memory(options);
    let available_after = available();
    let mut beside = fresh(options);
    let (asked, alive) = call(&mut opened.clients);

    let count = opened.clients.len().max(1) as f64;
    let grown = |before: u64, after: u64| (after as f64 - before as f64) / count;
    let mut line = Line::new(options);
    line.whole("opened", opened.clients.len() as u64);
    line.number("open_secs", opened.seconds);
    line.number("cpu_us_per_op", open_cpu * 1e6 / count);
    line.number("pss_kib_per_session", grown(before.0.proportional, after.proportional));
    line.number("page_tables_kib_per_session", grown(before.0.page_tables, after.page_tables));
    line.number("system_kib_per_session", (before.1 - available_after) / count);
    line.number("tasks_per_session", grown(before.0.threads, after.threads));
    line.number("descriptors_per_session", grown(before.0.descriptors, after.descriptors));
    line.whole("pss_kib_before", before.0.proportional);
    line.whole("asked", asked);
    line.whole("alive", alive);
    alone.tell(&mut line, "alone_");
    match &mut beside {
        Ok(times) => times.tell(&mut line, ""),
        Err(error) => opened.first_failure = format!("a fresh session failed: {error}"),
    }
    let lost = options.sessions - opened.clients.len() + usize::from(beside.is_err());
    line.errors(lost as u64 + (asked - alive), &opened.first_failure);
    line.print();
    Ok(())
}

/// Round trips of a new session, without TLS.
fn fresh(options: &'static Options) -> Outcome<Times> {
    let mut client = Client::open(options, None, None)?;
    client.log_in()?;
    let mut times = Times::default();
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        client.command("NOOP", &[200])?;
        times.push(begun.elapsed());
    }
    client.quit();
    Ok(times)
}

fn open(options: &'static Options) -> Outcome<Opened> {
    let tls = configuration(options)?;
    let next = AtomicUsize::new(0);
    let enough = AtomicBool::new(false);
    let clients = Mutex::new(Vec::new());
    let failures: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..OPENERS {
            scope.spawn(|| {
                let mut mine = Vec::new();
                while !enough.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= options.sessions {
                        break;
                    }
                    // A thousand from each address, so that no address runs out of ports.
                    let from = Ipv4Addr::new(127, 0, u8::try_from(1 + index / 1000).unwrap_or(1), 1);
                    let client = Client::open(options, Some(from), tls.clone()).and_then(|mut client| {
                        client.log_in()?;
                        Ok(client)
                    });
                    match client {
                        Ok(client) => mine.push(client),
                        Err(error) => {
                            let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                            failures.push(format!("session {index}: {error}"));
                            enough.store(failures.len() > ENOUGH, Ordering::Relaxed);
                        }
                    }
                }
                clients.lock().unwrap_or_else(PoisonError::into_inner).append(&mut mine);
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Opened {
        clients: clients.into_inner().unwrap_or_else(PoisonError::into_inner),
        first_failure: failures.into_iter().next().unwrap_or_default(),
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Do the idle ones still answer? Every tenth is asked.
fn call(clients: &mut [Client]) -> (u64, u64) {
    let (mut asked, mut alive) = (0, 0);
    for client in clients.iter_mut().step_by(10) {
        asked += 1;
        alive += u64::from(client.command("NOOP", &[200]).is_ok());
    }
    (asked, alive)
}
