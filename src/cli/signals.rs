//! SIGTERM and SIGINT stop the server, SIGHUP makes it read its configuration again.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Finish what runs and stop.
    Stop,
    /// Read the configuration again.
    Reload,
}

/// The signals of this process, from now on.
pub(super) struct Wishes(Signals);

impl Wishes {
    /// Takes the signals over from the system's defaults.
    pub(super) fn listen() -> io::Result<Self> {
        Signals::new([SIGTERM, SIGINT, SIGHUP]).map(Self)
    }

    /// Waits for the next one. `None` never comes while the process lives.
    pub(super) fn wait(&mut self) -> Option<Wish> {
        self.0.forever().next().map(|signal| if signal == SIGHUP { Wish::Reload } else { Wish::Stop })
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
