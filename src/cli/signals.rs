//! What happens to a running server from outside: signals, a changed file, requests by its control socket. All of it
//! comes to one place, one by one, so that nothing changes while something else does.
//!
//! SIGTERM and SIGINT stop the server, SIGHUP makes it read its configuration again, SIGUSR1 makes it log totals.

use crate::control::Asked;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

/// What is asked for.
pub(super) enum Wish {
    /// Finish what runs and stop.
    Stop,
    /// Read the configuration again.
    Reload,
    /// Log what has happened since the start.
    Totals,
    /// The configuration file has changed.
    Edited,
    /// Somebody asks by the control socket.
    Ask(Asked),
}

/// All wishes, from now on.
pub(super) struct Wishes {
    receiver: Receiver<Wish>,
    sender: Sender<Wish>,
    /// Until they are listened to.
    signals: Option<Signals>,
}

impl Wishes {
    /// Takes the signals over from the system's defaults. What comes is kept; there is no thread yet.
    pub(super) fn take_over() -> io::Result<Self> {
        let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        let (sender, receiver) = channel();
        Ok(Self { receiver, sender, signals: Some(signals) })
    }

    /// Listens to signals, those that came meanwhile first.
    pub(super) fn listen(&mut self) -> io::Result<()> {
        let Some(mut signals) = self.signals.take() else { return Ok(()) };
        let wish = self.sender.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                let _ = wish.send(match signal {
                    SIGHUP => Wish::Reload,
                    SIGUSR1 => Wish::Totals,
                    _ => Wish::Stop,
                });
            }
        })?;
        Ok(())
    }

    /// For who has wishes.
    pub(super) fn sender(&self) -> Sender<Wish> {
        self.sender.clone()
    }

    /// Waits for the next one. `None` never comes while the process lives.
    pub(super) fn wait(&self) -> Option<Wish> {
        self.receiver.recv().ok()
    }

    /// From now on, another wish to stop ends the process at once, and no other is fulfilled.
    pub(super) fn stop_at_once(self) -> io::Result<()> {
        std::thread::Builder::new().name("second signal".to_owned()).spawn(move || {
            while let Some(wish) = self.wait() {
                if matches!(wish, Wish::Stop) {
                    tracing::warn!("stopped at once; running transfers are broken off");
                    std::process::exit(1);
                }
            }
        })?;
        Ok(())
    }
}
