//! Many sessions at the same time. The clock and the figures of the server cover only what is between two barriers,
//! so that neither connecting nor ending is measured.

use crate::client::Client;
use crate::figures::{Memory, memory, own_cpu, reset_peak, server_cpu};
use crate::options::{Options, Outcome};
use crate::report::{Line, Tally, Times};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

const MEBIBYTE: f64 = 1_048_576.0;
/// Between two NOOPs of a bystander: it shall see what others do to it, not be a load of its own.
const BYSTANDER_REST: Duration = Duration::from_millis(1);

/// Whether a thread with so many operations behind it goes on.
pub(crate) type GoOn<'a> = &'a dyn Fn(u64) -> bool;

/// What a run measured.
pub(crate) struct Measured {
    pub(crate) tally: Tally,
    pub(crate) bystander: Option<Result<Times, String>>,
    pub(crate) begun: Instant,
    pub(crate) seconds: f64,
    pub(crate) server_cpu: f64,
    pub(crate) own_cpu: f64,
    before: Memory,
    after: Memory,
}

/// Each of `options.sessions` threads prepares its session, then all of them run `body`.
pub(crate) fn parallel<S, P, B>(options: &'static Options, prepare: P, body: B) -> Measured
where
    P: Fn() -> Outcome<S> + Sync,
    B: Fn(usize, &mut S, &mut Tally, GoOn<'_>) + Sync,
    S: Session,
{
    let watched = usize::from(options.bystander);
    let barriers: [Barrier; 4] =
        std::array::from_fn(|place| Barrier::new(options.sessions + 1 + if place < 2 { watched } else { 0 }));
    let [ready, go, end, done] = &barriers;
    let total = Mutex::new(Tally::default());
    let clock = OnceLock::new();
    let over = AtomicBool::new(false);
    let (prepare, body, total, clock, over) = (&prepare, &body, &total, &clock, &over);
    let mut measured = std::thread::scope(|scope| {
        for index in 0..options.sessions {
            let thread = std::thread::Builder::new().stack_size(512 * 1024);
            let run = move || {
                let mut tally = Tally::default();
                let mut session = prepare().map_err(|error| tally.fail(format!("setup: {error}"))).ok();
                ready.wait();
                go.wait();
                let begun: Instant = *clock.get_or_init(Instant::now);
                let go_on = |operations| {
                    operations < options.count
                        && (options.seconds <= 0.0 || begun.elapsed().as_secs_f64() < options.seconds)
                };
                if let Some(session) = &mut session {
                    body(index, session, &mut tally, &go_on);
                }
                end.wait();
                done.wait();
                if let Some(session) = session {
                    session.end(&mut tally);
                }
                total.lock().unwrap_or_else(PoisonError::into_inner).merge(tally);
            };
            if thread.spawn_scoped(scope, run).is_err() {
                eprintln!("no thread {index}");
                std::process::exit(1);
            }
        }
        let bystander = options.bystander.then(|| scope.spawn(move || stand_by(options, ready, go, over)));
        ready.wait();
        reset_peak(options);
        let before = memory(options);
        let (server, own) = (server_cpu(options), own_cpu());
        let begun = *clock.get_or_init(Instant::now);
        go.wait();
        end.wait();
        let seconds = begun.elapsed().as_secs_f64();
        let (server_cpu, own_cpu) = (server_cpu(options) - server, own_cpu() - own);
        let after = memory(options);
        over.store(true, Ordering::Relaxed);
        done.wait();
        let bystander = bystander.map(|thread| thread.join().unwrap_or_else(|_| Err("it is gone".into())));
        Measured { tally: Tally::default(), bystander, begun, seconds, server_cpu, own_cpu, before, after }
    });
    measured.tally = std::mem::take(&mut *total.lock().unwrap_or_else(PoisonError::into_inner));
    measured
}

/// What threads carry from their preparation to their end.
pub(crate) trait Session {
    fn end(self, tally: &mut Tally);
}

impl Session for Client {
    fn end(mut self, tally: &mut Tally) {
        tally.resumed += self.resumed;
        tally.full += self.full;
        self.quit();
    }
}

/// Threads that open their sessions themselves.
impl Session for () {
    fn end(self, _: &mut Tally) {}
}

fn stand_by(
    options: &'static Options,
    ready: &Barrier,
    go: &Barrier,
    over: &AtomicBool,
) -> Result<Times, String> {
    let client = Client::ready(options);
    ready.wait();
    go.wait();
    watch(&mut client?, || !over.load(Ordering::Relaxed))
}

/// Times NOOPs for as long as told.
pub(crate) fn watch(client: &mut Client, go_on: impl Fn() -> bool) -> Result<Times, String> {
    let mut times = Times::default();
    while go_on() {
        let begun = Instant::now();
        client.command("NOOP", &[200])?;
        times.push(begun.elapsed());
        std::thread::sleep(BYSTANDER_REST);
    }
    client.quit();
    Ok(times)
}

impl Measured {
    pub(crate) fn print(self, options: &Options) {
        let mut line = Line::new(options);
        self.tell(options, &mut line);
        line.print();
    }

    fn tell(mut self, options: &Options, line: &mut Line) {
        let tally = &mut self.tally;
        let (operations, bytes) = (tally.operations as f64, tally.bytes as f64);
        line.whole("ops", tally.operations);
        line.number("secs", self.seconds);
        line.number("ops_per_s", operations / self.seconds);
        if tally.bytes > 0 {
            line.number("mib_per_s", bytes / MEBIBYTE / self.seconds);
        }
        if tally.times.len() >= 100 {
            let (first, last) = tally.times.quarters();
            line.number("first_quarter_us", first);
            line.number("last_quarter_us", last);
        }
        tally.times.tell(line, "");
        tally.first.tell(line, "first_byte_");
        line.number("cpu_s", self.server_cpu);
        line.number("cpu_us_per_op", self.server_cpu * 1e6 / operations);
        if tally.bytes > 1 << 24 {
            line.number("cpu_s_per_gib", self.server_cpu / (bytes / 1024.0 / MEBIBYTE));
        }
        line.number("client_cpu_s", self.own_cpu);
        line.whole("rss_before_kib", self.before.resident);
        line.whole("peak_rss_kib", self.after.peak);
        line.whole("threads", self.after.threads);
        line.whole("processes", self.after.processes);
        if options.tls {
            line.whole("tls_resumed", tally.resumed);
            line.whole("tls_full", tally.full);
        }
        match &mut self.bystander {
            Some(Ok(times)) => {
                line.whole("bystander_ops", times.len() as u64);
                times.tell(line, "bystander_");
            }
            Some(Err(error)) => tally.fail(format!("bystander: {error}")),
            None => {}
        }
        line.errors(tally.errors, &tally.first_error);
    }
}
