//! Logins whose passwords are hashed for real, beside transfers: first the logins alone (what one costs), then the
//! transfers alone, then both, with a bystander whose NOOPs must not wait for a hash.

use crate::client::Client;
use crate::figures::server_cpu;
use crate::options::{Options, Outcome};
use crate::report::{Line, Tally, Times};
use crate::run::{Measured, parallel, watch};
use crate::workloads::is_whole;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Logins that are timed alone, one after the other.
const ALONE: usize = 5;

pub(crate) fn beside_transfers(options: &'static Options) -> Outcome<()> {
    log_in(options)?; // the first one may have to load something
    let mut alone = Times::default();
    let cpu = server_cpu(options);
    for _ in 0..ALONE {
        let begun = Instant::now();
        log_in(options)?;
        alone.push(begun.elapsed());
    }
    let login_cpu = (server_cpu(options) - cpu) / ALONE as f64;

    let quiet = transfers(options);
    let over = AtomicBool::new(false);
    let (busy, logins, bystander) = std::thread::scope(|scope| {
        let bystander = scope.spawn(|| watch(&mut Client::ready(options)?, || !over.load(Ordering::Relaxed)));
        let threads: Vec<_> =
            (0..options.logins).map(|_| scope.spawn(|| keep_logging_in(options, &over))).collect();
        let busy = transfers(options);
        over.store(true, Ordering::Relaxed);
        let mut logins = Logins::default();
        for thread in threads {
            match thread.join() {
                Ok(more) => logins.merge(more),
                Err(_) => logins.tally.fail("a thread is gone".into()),
            }
        }
        let logins = logins.within(busy.begun, busy.seconds);
        (busy, logins, bystander.join().unwrap_or_else(|_| Err("it is gone".into())))
    });
    tell(options, login_cpu, &mut alone, &quiet, &busy, logins, bystander).print();
    Ok(())
}

fn tell(
    options: &'static Options,
    login_cpu: f64,
    alone: &mut Times,
    quiet: &Measured,
    busy: &Measured,
    mut logins: Tally,
    bystander: Outcome<Times>,
) -> Line {
    let rate = |measured: &Measured| measured.tally.operations as f64 / measured.seconds;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as f64;
    let share = logins.operations as f64 * login_cpu / (processors * busy.seconds);
    let mut line = Line::new(options);
    line.whole("ops", logins.operations);
    line.number("secs", busy.seconds);
    line.number("ops_per_s", logins.operations as f64 / busy.seconds);
    line.number("cpu_us_per_op", login_cpu * 1e6);
    alone.tell(&mut line, "hash_");
    logins.times.tell(&mut line, "");
    line.number("quiet_ops_per_s", rate(quiet));
    line.number("busy_ops_per_s", rate(busy));
    // Of all that the machine can do, the part that the logins took; and what the transfers lost beyond it.
    line.number("login_share", share);
    line.number("lost_beyond_share", 1.0 - rate(busy) / rate(quiet) - share);
    line.number("cpu_s", quiet.server_cpu + busy.server_cpu);
    line.number("client_cpu_s", quiet.own_cpu + busy.own_cpu);
    match bystander {
        Ok(mut times) => times.tell(&mut line, "bystander_"),
        Err(error) => logins.fail(format!("bystander: {error}")),
    }
    for tally in [&quiet.tally, &busy.tally] {
        logins.errors += tally.errors;
        if logins.first_error.is_empty() {
            logins.first_error.clone_from(&tally.first_error);
        }
    }
    line.errors(logins.errors, &logins.first_error);
    line
}

fn log_in(options: &'static Options) -> Outcome<()> {
    let mut client = Client::open(options, None, None)?;
    client.log_in_as(&options.slow_user)?;
    client.command("QUIT", &[221])?;
    Ok(())
}

/// Logins, and when each was done.
#[derive(Default)]
struct Logins {
    done: Vec<(Instant, Duration)>,
    tally: Tally,
}

impl Logins {
    fn merge(&mut self, other: Self) {
        self.done.extend(other.done);
        self.tally.merge(other.tally);
    }

    /// Those that were done while the transfers were measured: before that the transfers' sessions are opened, and
    /// behind it the last logins come to their end. Failures count whenever they are.
    fn within(mut self, begun: Instant, seconds: f64) -> Tally {
        for (at, took) in self.done {
            let inside = at.checked_duration_since(begun).is_some_and(|since| since.as_secs_f64() <= seconds);
            if inside {
                self.tally.operations += 1;
                self.tally.times.push(took);
            }
        }
        self.tally
    }
}

fn keep_logging_in(options: &'static Options, over: &AtomicBool) -> Logins {
    let mut logins = Logins::default();
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        match log_in(options) {
            Ok(()) => logins.done.push((Instant::now(), begun.elapsed())),
            Err(error) => logins.tally.fail(error),
        }
    }
    logins
}

fn transfers(options: &'static Options) -> Measured {
    let command = format!("RETR {}", options.file);
    parallel(
        options,
        || Client::ready(options),
        |_, client, tally, go_on| {
            while go_on(tally.operations + tally.errors) && tally.errors < 100 {
                let begun = Instant::now();
                match client.fetch(&command, false) {
                    Ok((received, _)) if is_whole(options, received.bytes) => {
                        tally.done(begun, received.bytes)
                    }
                    Ok((received, _)) => tally.fail(format!("short: {} of {}", received.bytes, options.size)),
                    Err(error) => tally.fail(error),
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_before_and_behind_the_transfers_are_no_part_of_their_share() {
        let begun = Instant::now() + Duration::from_secs(10);
        let took = Duration::from_millis(20);
        let at = |seconds: f64| begun - Duration::from_secs(10) + Duration::from_secs_f64(10.0 + seconds);
        let done = [-0.1, 0.0, 0.5, 1.0, 1.1].map(|seconds| (at(seconds), took)).to_vec();
        let mut logins = Logins { done, tally: Tally::default() };
        logins.tally.fail("refused".into());
        let tally = logins.within(begun, 1.0);
        assert_eq!((tally.operations, tally.times.len(), tally.errors), (3, 3, 1));
    }
}
