//! A client that says one thing after another and takes the answers as they come.

use ftp_proto::testing::{Exchange, Script, Talk};

/// Files for every sample of the table, for a client at the address that the samples of PORT and EPRT name.
pub(crate) const WORLD: &str = "\
peer: 192.0.2.1:50000
local: 192.0.2.2:21
file: /a.txt hello
file: /served.txt served
file: /log.txt one
file: /old.txt old
file: /pub/notes.txt notes
dir: /old
zeros: /big 300000
config: log.commands=true
";

pub(crate) fn script(lines: &str) -> Script {
    Script::parse("commands", &format!("# RFC 959: every command.\n{WORLD}{lines}"))
        .unwrap_or_else(|why| panic!("{why}:\n{lines}"))
}

pub(crate) struct Speaker<'a> {
    talk: Talk<'a>,
    /// All that was said and heard, for whoever has to find out what went wrong.
    log: String,
}

impl<'a> Speaker<'a> {
    pub(crate) fn new(talk: Talk<'a>) -> Self {
        let mut speaker = Self { talk, log: String::new() };
        speaker.heard();
        speaker
    }

    /// Plays a line of a transcript, and gives the codes of the replies that are whole by then.
    pub(crate) fn play(&mut self, line: &str) -> Vec<u16> {
        self.log.push_str(&format!("{}\n", shortened(line)));
        if let Err(why) = self.talk.play(line) {
            self.fail(&why);
        }
        let lines = self.heard();
        lines.iter().filter_map(|line| final_code(line)).collect()
    }

    /// The same, if it can be played at all.
    pub(crate) fn try_play(&mut self, line: &str) {
        if self.talk.play(line).is_ok() {
            self.log.push_str(&format!("{line}\n"));
        }
        self.heard();
    }

    /// Says something, and gives all lines that come back.
    pub(crate) fn ask(&mut self, line: &str) -> Vec<String> {
        self.log.push_str(&format!("C: {}\n", shortened(line)));
        if let Err(why) = self.talk.play(&format!("C: {line}")) {
            self.fail(&why);
        }
        self.heard()
    }

    /// Says something that has to be answered by one of these codes.
    pub(crate) fn expect(&mut self, line: &str, codes: &[u16]) {
        let heard: Vec<u16> = self.ask(line).iter().filter_map(|line| final_code(line)).collect();
        match heard.as_slice() {
            [code] if codes.contains(code) => {}
            _ => self.fail(&format!("{line} should be answered by one of {codes:?}")),
        }
    }

    fn heard(&mut self) -> Vec<String> {
        let lines = match self.talk.heard() {
            Ok(lines) => lines,
            Err(why) => self.fail(&why),
        };
        let lines: Vec<String> =
            lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        for line in &lines {
            self.log.push_str(&format!("S: {line}\n"));
        }
        lines
    }

    pub(crate) fn data(&mut self) -> Vec<u8> {
        self.talk.data().unwrap_or_default()
    }

    pub(crate) fn exchanges(&self) -> &[Exchange] {
        self.talk.exchanges()
    }

    pub(crate) fn unasked(&self) -> &[u16] {
        self.talk.unasked()
    }

    pub(crate) fn is_over(&mut self) -> bool {
        self.talk.is_over()
    }

    pub(crate) fn fail(&self, why: &str) -> ! {
        panic!("{why}\n{}", self.log);
    }
}

/// The code of a reply's last line.
pub(crate) fn final_code(line: &str) -> Option<u16> {
    let code = line.get(..3)?.parse().ok()?;
    line.get(3..4).is_none_or(|separator| separator == " ").then_some(code)
}

fn shortened(line: &str) -> String {
    if line.len() > 200 { format!("{}... ({} bytes)", &line[..100], line.len()) } else { line.to_owned() }
}
