//! How soon the program serves. `.ci/run` names the release build in `FTPD_PROGRAM`, of which more is asked.

use super::{Client, RUNTIMES, Server, ftpd};
use std::time::{Duration, Instant};

/// From the start to the greeting, the best of some tries. A release build needs a tenth of it; what is looked for is a
/// start that waits for something.
const SOON: Duration = Duration::from_millis(30);
const SOON_IN_DEBUG: Duration = Duration::from_millis(1_000);
const TRIES: u32 = 10;

#[test]
fn the_first_client_is_greeted_soon_after_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_str().unwrap();
    let bound = if std::env::var_os("FTPD_PROGRAM").is_some() { SOON } else { SOON_IN_DEBUG };
    for runtime in RUNTIMES {
        let words =
            ["serve", root, "--bind", "127.0.0.1:0", "--passive-ports", "auto:2", "--runtime", runtime];
        let took = (0..TRIES).map(|_| {
            let begin = Instant::now();
            let server = Server::start(&mut ftpd(&words));
            let greeting = Client::connect(server.address).reply();
            assert!(greeting.starts_with("220"), "{greeting}");
            begin.elapsed()
        });
        let best = took.min().unwrap();
        println!("{runtime}: greeted after {:.1} ms", best.as_secs_f64() * 1e3);
        assert!(best <= bound, "{runtime}: greeted after {best:?}; {bound:?} are allowed");
    }
}
