//! A conversation that no transcript writes down: whoever tests decides line by line what comes next.

use super::exchanges::Exchange;
use super::play::Player;
use super::script::{Script, step};
use crate::testing::transcript::Split;
use alloc::string::String;
use alloc::vec::Vec;

/// A transcript's world, in which any line may follow.
pub struct Talk<'a> {
    player: Player<'a>,
}

impl Script {
    /// Plays it in memory, and goes on from there.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn talk(&self, split: Split) -> Result<Talk<'_>, String> {
        Ok(Talk { player: self.play_all(split)? })
    }

    /// The command lines of all its control connections and the codes of their replies, one connection after the
    /// other. It must ask for `config: log.commands=true`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn exchanges(&self) -> Result<Vec<Exchange>, String> {
        let mut noisy = self.clone();
        noisy.world.settings.notify_commands = true;
        let talk = noisy.talk(Split::Whole)?;
        Ok(talk.player.clients.into_iter().flat_map(|client| client.exchanges.all).collect())
    }
}

impl Talk<'_> {
    /// Plays one more line of a transcript; what the server has said so far need not have been expected.
    ///
    /// # Errors
    /// What is wrong with the line, or was not as it says.
    pub fn play(&mut self, line: &str) -> Result<(), String> {
        let step = step(line)?;
        self.player.step_unchecked(&step)
    }

    /// The lines of all replies that came and were not read yet, without CR LF.
    ///
    /// # Errors
    /// The last line is not whole, or ends otherwise.
    pub fn heard(&mut self) -> Result<Vec<Vec<u8>>, String> {
        let mut lines = Vec::new();
        while !self.player.client()?.output.is_empty() {
            let line = self.player.next_line()?;
            if line.starts_with(b"227") || line.starts_with(b"229") {
                self.player.announced(&line)?;
            }
            lines.push(line);
        }
        Ok(lines)
    }

    /// What has come over the newest data connection.
    pub fn data(&mut self) -> Option<Vec<u8>> {
        self.player.received()
    }

    /// The commands of this control connection so far and their replies, if the world says
    /// `config: log.commands=true`.
    pub fn exchanges(&self) -> &[Exchange] {
        let current = self.player.clients.get(self.player.current);
        current.map(|client| client.exchanges.all.as_slice()).unwrap_or_default()
    }

    /// The codes of replies that no command of this control connection asked for: the greeting, and the last word of a
    /// session that the server ends. It needs the same.
    pub fn unasked(&self) -> &[u16] {
        let current = self.player.clients.get(self.player.current);
        current.map(|client| client.exchanges.unasked.as_slice()).unwrap_or_default()
    }

    /// Whether the server has ended the control connection.
    pub fn is_over(&mut self) -> bool {
        self.player.client().map_or(true, |client| client.finished)
    }
}
