//! Reading a transcript.

use super::content::{Content, deflated};
use super::policy;
use super::secure::{ControlTls, DataTls};
use super::text::{Pattern, duration, unescape};
use super::world::World;
use crate::config::{Config, ConfigError};
use crate::event::LinkError;
use crate::testing::{MemoryAccounts, MemoryStorage};
use crate::tls::Tls;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// A transcript that was read.
#[derive(Clone)]
pub struct Script {
    name: String,
    purpose: String,
    pub(super) world: World,
    pub(super) lines: Vec<Line>,
}

/// A step and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) source: String,
    pub(super) step: Step,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// May hold `{active}`, `{eprt}` and `{lprt}`.
    Send(Vec<u8>),
    /// In one segment, whatever is done to others.
    SendWhole(Vec<u8>),
    Secure(ControlTls),
    /// The client speaks in the clear again.
    LeaveTls {
        close_notify: bool,
    },
    DataTls(Option<DataTls>),
    Reply(Pattern),
    Block(Block),
    Connect(Connect),
    DataClosed,
    DataFromServer(Content),
    DataToServer {
        bytes: Vec<u8>,
        end: bool,
    },
    Stored(Vec<u8>, Vec<u8>),
    StoredPart(Vec<u8>, Vec<u8>),
    Missing(Vec<u8>),
    Closed,
    Verdict(String),
    Notice(String),
    NoNotice(String),
    On(String, Option<SocketAddr>),
    Action(String),
    NoAction(String),
    Feed(Feed),
    Wait(Duration),
}

impl Step {
    /// Whether the client begins something new, so that all that the server has said must have been expected.
    pub(super) fn is_of_the_client(&self) -> bool {
        matches!(
            self,
            Self::Send(_)
                | Self::SendWhole(_)
                | Self::Secure(_)
                | Self::LeaveTls { .. }
                | Self::Connect(_)
                | Self::Feed(_)
                | Self::Wait(_)
                | Self::DataToServer { .. }
        )
    }
}

/// A data connection that the client opens.
#[derive(Clone, Debug, Default)]
pub(super) struct Connect {
    /// To the port that was announced to this client; by default, to its own.
    pub(super) to: Option<String>,
    /// From this address; by default, the client's own.
    pub(super) from: Option<SocketAddr>,
    /// What a balancer says first.
    pub(super) header: Option<Vec<u8>>,
    /// It is closed at once.
    pub(super) refused: bool,
}

impl Connect {
    fn parse(text: &str) -> Result<Self, String> {
        let mut connect = Self::default();
        for word in text.split_whitespace() {
            if word == "refused" {
                connect.refused = true;
                continue;
            }
            match word.split_once('=') {
                Some(("header", bytes)) => connect.header = Some(unescape(&bytes.replace('_', " "))?),
                Some(("to", client)) => connect.to = Some(client.to_owned()),
                Some(("from", address)) => {
                    let address = address.parse().map_err(|_| format!("not an address: \"{address}\""))?;
                    connect.from = Some(address);
                }
                _ => return Err("write connect to=CLIENT from=ADDRESS header=BYTES refused".to_owned()),
            }
        }
        Ok(connect)
    }
}

/// A whole reply of one code.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) code: String,
    pub(super) with: Vec<String>,
    pub(super) without: Vec<String>,
    pub(super) holding: Vec<String>,
    pub(super) exact: Vec<String>,
}

impl Block {
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let mut block = Self {
            code: words.next().unwrap_or_default().to_owned(),
            with: Vec::new(),
            without: Vec::new(),
            holding: Vec::new(),
            exact: Vec::new(),
        };
        for word in words {
            // A space within a looked-for line is written `_`.
            let text = |word: &str| word.replace('_', " ");
            if let Some(word) = word.strip_prefix('+') {
                block.with.push(text(word));
            } else if let Some(word) = word.strip_prefix('-') {
                block.without.push(text(word));
            } else if let Some(word) = word.strip_prefix('~') {
                block.holding.push(text(word));
            } else if let Some(word) = word.strip_prefix('=') {
                block.exact.push(text(word));
            } else {
                return Err(format!("write +BEGINS, -BEGINS, ~HOLDS or =LINE, not {word}"));
            }
        }
        Ok(block)
    }

    /// What is wrong with this reply's lines.
    pub(super) fn check(&self, lines: &[Vec<u8>]) -> Result<(), String> {
        let starts = |line: &Vec<u8>, wanted: &String| {
            let inner = line
                .strip_prefix(self.code.as_bytes())
                .map_or(line.as_slice(), |rest| rest.get(1..).unwrap_or_default());
            inner.trim_ascii().starts_with(wanted.as_bytes())
        };
        for wanted in &self.with {
            if !lines.iter().any(|line| starts(line, wanted)) {
                return Err(format!("no line of the reply begins with \"{wanted}\""));
            }
        }
        for wanted in &self.holding {
            if !lines.iter().any(|line| line.windows(wanted.len()).any(|part| part == wanted.as_bytes())) {
                return Err(format!("no line of the reply holds \"{wanted}\""));
            }
        }
        for wanted in &self.exact {
            if !lines.iter().any(|line| line == wanted.as_bytes()) {
                return Err(format!("no line of the reply is \"{wanted}\""));
            }
        }
        for unwanted in &self.without {
            if lines.iter().any(|line| starts(line, unwanted)) {
                return Err(format!("a line of the reply begins with \"{unwanted}\""));
            }
        }
        Ok(())
    }
}

/// What a hand feeds.
#[derive(Clone, Debug)]
pub(super) enum Feed {
    Arrived,
    Stranger(SocketAddr),
    Connected,
    LinkFailed(LinkError),
    Reset,
    PeerClosed,
    Kick,
    Drain(Duration),
    Configure(String, String),
    /// From now on a name stands for something else.
    Resolve(String, Vec<IpAddr>),
    Panic,
    /// Jobs take their time from here on.
    HoldJobs,
    /// They are done.
    RunJobs,
    Hold(usize),
    Release,
    Unread,
    Read,
}

impl Feed {
    fn parse(text: &str) -> Result<Self, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let address = || rest.parse().map_err(|_| format!("not an address: \"{rest}\""));
        Ok(match word {
            "arrived" => Self::Arrived,
            "stranger" => Self::Stranger(address()?),
            "connected" => Self::Connected,
            "link-failed" => Self::LinkFailed(link_error(rest)),
            "reset" => Self::Reset,
            "peer-closed" => Self::PeerClosed,
            "kick" => Self::Kick,
            "drain" => Self::Drain(duration(rest)?),
            "config" => {
                let (key, value) = rest.split_once('=').ok_or("write << config key=value")?;
                Self::Configure(key.to_owned(), value.to_owned())
            }
            "resolves" => {
                let (name, addresses) = rest.split_once(' ').ok_or("write << resolves NAME ADDRESSES")?;
                Self::Resolve(name.to_owned(), policy::list(addresses)?)
            }
            "panic" => Self::Panic,
            "jobs-wait" => Self::HoldJobs,
            "jobs-run" => Self::RunJobs,
            "hold" => Self::Hold(rest.parse().map_err(|_| format!("not a number: \"{rest}\""))?),
            "release" => Self::Release,
            "unread" => Self::Unread,
            "read" => Self::Read,
            _ => return Err(format!("no such event: \"{word}\"")),
        })
    }
}

fn link_error(name: &str) -> LinkError {
    match name {
        "refused" => LinkError::Refused,
        "timed-out" => LinkError::TimedOut,
        "unreachable" => LinkError::Unreachable,
        "source" => LinkError::SourceUnavailable,
        "reset" => LinkError::Reset,
        other => LinkError::Other(other.to_owned()),
    }
}

impl Script {
    /// Reads a transcript; `name` is for messages.
    ///
    /// # Errors
    /// Names the line and what is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut script =
            Self { name: name.to_owned(), purpose: String::new(), world: World::new(), lines: Vec::new() };
        let mut heading = true;
        for (index, source) in text.lines().enumerate() {
            let number = index + 1;
            let wrong = |why: String| format!("{name}:{number}: {why}: {source}");
            if let Some(comment) = source.strip_prefix('#') {
                if heading {
                    script.purpose.push_str(comment.trim());
                    script.purpose.push('\n');
                }
                continue;
            }
            heading = false;
            if source.trim().is_empty() {
                continue;
            }
            script.line(number, source).map_err(wrong)?;
        }
        if script.purpose.is_empty() {
            return Err(format!("{name}: the first line must say why this is tested: # ..."));
        }
        script.world.settings.clone().validate().map_err(|error| format!("{name}: {error}"))?;
        Ok(script)
    }

    fn line(&mut self, number: usize, source: &str) -> Result<(), String> {
        if let Some((key, value)) = source.split_once(':') {
            let value = value.strip_prefix(' ').unwrap_or(value);
            if self.lines.is_empty() && self.world.line(key, value)? {
                return Ok(());
            }
            if key == "as" {
                self.greeting(number, source, value.ends_with(" over TLS"))?;
                return self.login(number, source, value);
            }
        }
        let step = step(source)?;
        match (self.lines.last_mut().map(|line| &mut line.step), step) {
            // What stands together goes out and comes in together.
            (Some(Step::Send(known)), Step::Send(more)) => known.extend_from_slice(&more),
            (Some(Step::DataFromServer(known)), Step::DataFromServer(more))
                if known.deflated == more.deflated =>
            {
                known.bytes.extend_from_slice(&more.bytes);
            }
            (_, step) => self.push(number, source, step),
        }
        Ok(())
    }

    fn push(&mut self, number: usize, source: &str, step: Step) {
        self.lines.push(Line { number, source: source.to_owned(), step });
    }

    /// The greeting, and TLS before or after it.
    fn greeting(&mut self, number: usize, source: &str, over_tls: bool) -> Result<(), String> {
        let greeting = Step::Reply(Pattern::parse("220 ...")?);
        let handshake = Step::Secure(ControlTls::default());
        let steps = match (over_tls, self.world.implicit_tls) {
            (false, _) => Vec::from([greeting]),
            (true, true) => Vec::from([handshake, greeting]),
            (true, false) => {
                let auth = Step::Send(b"AUTH TLS\r\n".to_vec());
                Vec::from([greeting, auth, Step::Reply(Pattern::parse("234 ...")?), handshake])
            }
        };
        steps.into_iter().for_each(|step| self.push(number, source, step));
        Ok(())
    }

    /// The login as most clients do it; over TLS with data connections protected.
    fn login(&mut self, number: usize, source: &str, whom: &str) -> Result<(), String> {
        let (name, over_tls) = whom.strip_suffix(" over TLS").map_or((whom, false), |name| (name, true));
        let password = self.world.password(name);
        let mut exchange = |said: &[u8], reply: &str| -> Result<(), String> {
            self.push(number, source, Step::Send([said, b"\r\n"].concat()));
            self.push(number, source, Step::Reply(Pattern::parse(reply)?));
            Ok(())
        };
        exchange(format!("USER {name}").as_bytes(), "331 ...")?;
        exchange(&[b"PASS ", password.as_slice()].concat(), "230 ...")?;
        if over_tls {
            exchange(b"PBSZ 0", "200 ...")?;
            exchange(b"PROT P", "200 ...")?;
            self.push(number, source, Step::DataTls(Some(DataTls::default())));
        }
        Ok(())
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it is there: its first lines.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// Whether it needs what a real connection can't do: events fed by hand, time that jumps, chosen
    /// addresses, ports or dates. Such a transcript runs in memory only.
    pub fn needs_hand_feeding(&self) -> bool {
        self.world.unreal
            || self.lines.iter().any(|line| {
                matches!(
                    line.step,
                    Step::Feed(_)
                        | Step::Wait(_)
                        | Step::Action(_)
                        | Step::NoAction(_)
                        | Step::On(_, Some(_))
                        | Step::Connect(Connect { from: Some(_), .. })
                )
            })
    }

    /// The verbs its client sends, in upper case, one for each line.
    pub fn verbs(&self) -> Vec<String> {
        let mut verbs = Vec::new();
        for line in &self.lines {
            let (Step::Send(bytes) | Step::SendWhole(bytes)) = &line.step else { continue };
            for command in bytes.split(|&byte| byte == b'\n') {
                let end = command.iter().position(|byte| !byte.is_ascii_graphic());
                let verb = command.get(..end.unwrap_or(command.len())).unwrap_or_default();
                if !verb.is_empty() {
                    verbs.push(String::from_utf8_lossy(verb).to_ascii_uppercase());
                }
            }
        }
        verbs
    }

    /// The settings it asks for.
    ///
    /// # Errors
    /// None for a script that was parsed; the type says so because settings can always be wrong.
    pub fn config(&self) -> Result<Config, ConfigError> {
        self.world.settings.clone().validate()
    }

    /// What speaks TLS for its server, if anything does.
    pub fn tls(&self) -> Option<Arc<dyn Tls>> {
        let tls = self.world.tls.clone()?;
        Some(Arc::new(tls))
    }

    /// Whether TLS begins with the connection.
    pub fn is_implicit(&self) -> bool {
        self.world.implicit_tls
    }

    /// A fresh tree with its files.
    pub fn storage(&self) -> MemoryStorage {
        self.world.storage()
    }

    /// Its users, whose files are in `storage`.
    pub fn accounts(&self, storage: &MemoryStorage) -> MemoryAccounts {
        self.world.accounts(storage)
    }
}

pub(super) fn step(source: &str) -> Result<Step, String> {
    let (word, rest) = source.split_once(' ').unwrap_or((source, ""));
    let path_and_bytes = || -> Result<(Vec<u8>, Vec<u8>), String> {
        let (path, bytes) = rest.split_once(' ').unwrap_or((rest, ""));
        Ok((unescape(path)?, unescape(bytes)?))
    };
    Ok(match word {
        "C:" => {
            let mut bytes = unescape(rest)?;
            bytes.extend_from_slice(b"\r\n");
            Step::Send(bytes)
        }
        "C-raw:" => Step::Send(unescape(rest)?),
        "S:" => Step::Reply(Pattern::parse(rest)?),
        "S*:" => Step::Block(Block::parse(rest)?),
        "C-whole:" => Step::SendWhole(unescape(rest)?),
        "TLS" => Step::Secure(ControlTls::parse(rest)?),
        "TLS-close" => Step::LeaveTls { close_notify: true },
        "TLS-drop" => Step::LeaveTls { close_notify: false },
        "data-TLS" => Step::DataTls(DataTls::parse(rest)?),
        "connect" => Step::Connect(Connect::parse(rest)?),
        "data-closed" => Step::DataClosed,
        "data>" | "zlib>" => {
            Step::DataFromServer(Content { bytes: unescape(rest)?, deflated: word == "zlib>" })
        }
        "zlib<" => Step::DataToServer { bytes: deflated(&unescape(rest)?), end: true },
        "data<" => Step::DataToServer { bytes: unescape(rest)?, end: true },
        "data<+" => Step::DataToServer { bytes: unescape(rest)?, end: false },
        "stored:" => path_and_bytes().map(|(path, bytes)| Step::Stored(path, bytes))?,
        "stored-part:" => path_and_bytes().map(|(path, bytes)| Step::StoredPart(path, bytes))?,
        "missing:" => Step::Missing(unescape(rest)?),
        "closed" => Step::Closed,
        "verdict" => Step::Verdict(rest.to_owned()),
        "notice" => match rest.strip_prefix("no ") {
            Some(notice) => Step::NoNotice(notice.to_owned()),
            None => Step::Notice(rest.to_owned()),
        },
        "on" => match rest.split_once(" from ") {
            Some((name, address)) => {
                let address = address.parse().map_err(|_| format!("not an address: \"{address}\""))?;
                Step::On(name.to_owned(), Some(address))
            }
            None => Step::On(rest.to_owned(), None),
        },
        ">>" => match rest.strip_prefix("no ") {
            Some(action) => Step::NoAction(action.to_owned()),
            None => Step::Action(rest.to_owned()),
        },
        "<<" => Step::Feed(Feed::parse(rest)?),
        "wait" => Step::Wait(duration(rest)?),
        _ => return Err("no such line".to_owned()),
    })
}
