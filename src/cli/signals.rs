//! SIGTERM and SIGINT stop the server, SIGHUP makes it read its configuration again, SIGUSR1 makes it log totals.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Finish what runs and stop.
    Stop,
    /// Read the configuration again.
    Reload,
    /// Log what has happened since the start.
    Totals,
}

/// The signals of this process, from now on.
pub(super) struct Wishes(Signals);

impl Wishes {
    /// Takes the signals over from the system's defaults.
    pub(super) fn listen() -> io::Result<Self> {
        Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1]).map(Self)
    }

    /// Waits for the next one. `None` never comes while the process lives.
    pub(super) fn wait(&mut self) -> Option<Wish> {
        self.0.forever().next().map(|signal| match signal {
            SIGHUP => Wish::Reload,
            SIGUSR1 => Wish::Totals,
            _ => Wish::Stop,
        })
    }

    /// From now on, another wish to stop ends the process at once.
    pub(super) fn stop_at_once(mut self) -> io::Result<()> {
        std::thread::Builder::new().name("second signal".to_owned()).spawn(move || {
            while let Some(wish) = self.wait() {
                if wish == Wish::Stop {
                    tracing::warn!("stopped at once; running transfers are broken off");
                    std::process::exit(1);
                }
            }
        })?;
        Ok(())
    }
}
