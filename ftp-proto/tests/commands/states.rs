//! Whatever a client says, whatever the session is doing: it gets one final reply, and the session goes on.

use super::speaker::{Speaker, script};
use ftp_proto::command::docs::ALWAYS;
use ftp_proto::command::table::{COMMANDS, NOT_IMPLEMENTED};
use ftp_proto::command::{Busy, CommandSpec, Stage, lookup};
use ftp_proto::testing::Split;

/// What a session may be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    BeforeLogin,
    NameGiven,
    LoggedIn,
    UnderTls,
    PortAnnounced,
    PortGiven,
    Download,
    Upload,
    JobPending,
    AfterRein,
    AfterEpsvAll,
    AfterCcc,
}

impl State {
    /// What leads there.
    fn steps(self) -> &'static [&'static str] {
        match self {
            Self::BeforeLogin => &[],
            Self::NameGiven => &["C: USER bob"],
            Self::LoggedIn | Self::UnderTls => &["C: TYPE I"],
            Self::PortAnnounced => &["C: EPSV"],
            Self::PortGiven => &["C: PORT {active}"],
            Self::Download => &["C: EPSV", "<< hold 0", "C: RETR big", "connect"],
            Self::Upload => &["C: EPSV", "C: STOR up.txt", "data<+ some"],
            Self::JobPending => &["<< jobs-wait", "C: MKD /pending"],
            Self::AfterRein => &["C: REIN"],
            Self::AfterEpsvAll => &["C: EPSV ALL"],
            Self::AfterCcc => &["C: CCC", "TLS-close"],
        }
    }

    /// What ends it, so that what waited can go on.
    fn release(self) -> &'static [&'static str] {
        match self {
            Self::Download => &["<< release"],
            Self::Upload => &["data< thing"],
            Self::JobPending => &["<< jobs-run"],
            _ => &[],
        }
    }

    fn is_logged_in(self) -> bool {
        !matches!(self, Self::BeforeLogin | Self::NameGiven | Self::AfterRein)
    }

    fn is_secure(self) -> bool {
        matches!(self, Self::UnderTls | Self::AfterCcc)
    }

    fn is_transfer(self) -> bool {
        matches!(self, Self::Download | Self::Upload)
    }

    fn world(self) -> String {
        let login = match self {
            Self::BeforeLogin | Self::NameGiven => "S: 220 ...",
            _ if self.is_secure() => "as: bob over TLS",
            _ => "as: bob",
        };
        format!(
            "tls: ftp.example.com\nconfig: tls.ccc=true\nconfig: tls.server_to_server=true\n\
             user: bob secret rights=all\nuser: anonymous x rights=read,list\n{login}\n"
        )
    }
}

/// Arguments that no command wants.
fn garbage() -> Vec<String> {
    let mut garbage: Vec<String> = [
        "",
        " ",
        "  x y",
        "-",
        "*",
        "/",
        "..",
        "%s%n",
        "\\xfe\\x80\\xff\\xff",
        "99999999999999999999999",
        "0",
        "-1",
    ]
    .map(str::to_owned)
    .to_vec();
    garbage.push("a".repeat(300));
    garbage.push("/b".repeat(2_500));
    garbage.push("1,2,3,4,5,6".to_owned());
    garbage.push("|9|x|y|".to_owned());
    garbage
}

/// Every sample, and every verb alone.
fn samples() -> Vec<String> {
    let names = |spec: &CommandSpec| -> Vec<String> {
        std::iter::once(&spec.name).chain(spec.aliases).map(|&name| name.to_owned()).collect()
    };
    let samples = |spec: &CommandSpec| -> Vec<String> {
        spec.samples.iter().map(|&sample| sample.to_owned()).collect()
    };
    COMMANDS.iter().flat_map(|spec| [samples(spec), names(spec)].concat()).collect()
}

/// These, every verb with garbage, verbs that are known and not served, and such as nobody knows.
fn lines() -> Vec<String> {
    let mut lines = samples();
    let garbage = garbage();
    for spec in COMMANDS {
        for name in std::iter::once(&spec.name).chain(spec.aliases) {
            lines.extend(garbage.iter().map(|argument| format!("{name} {argument}")));
        }
    }
    lines.extend(NOT_IMPLEMENTED.iter().map(|(name, _)| format!("{name} x")));
    let unknown =
        ["", " ", "NOSUCH", "nosuch argument", "\\x00", "\\xff\\xf4\\xff", "STORE", "RETR\\x09a.txt"];
    lines.extend(unknown.map(str::to_owned));
    lines
}

struct Case {
    state: State,
    line: String,
}

impl Case {
    fn spec(&self) -> Option<&'static CommandSpec> {
        lookup(self.line.as_bytes())
    }

    fn run(&self) {
        let script = script(&self.state.world());
        let mut speaker = Speaker::new(script.talk(Split::Whole).unwrap());
        for step in self.state.steps() {
            speaker.play(step);
        }
        let known = speaker.exchanges().len();
        let at_once = speaker.play(&format!("C: {}", self.line));
        self.check_time(&speaker, &at_once);
        for step in self.state.release() {
            // (ABOR has ended it already.)
            speaker.try_play(step);
        }
        let code = self.finish(&mut speaker, known);
        self.check_code(&speaker, code);
        if !speaker.is_over() {
            self.check_service(&mut speaker, code);
        }
        self.check_replies(&speaker);
    }

    /// RFC 959 section 4.1.3 and RFC 1123 section 4.1.3.3: what runs in a transfer, and what waits.
    fn check_time(&self, speaker: &Speaker<'_>, at_once: &[u16]) {
        let runs = match (self.state, self.spec().map(|spec| (spec.busy, spec.name))) {
            (State::JobPending, _) => false,
            // QUIT waits for the transfer's end without stopping it, but is taken note of.
            (state, Some((_, "QUIT"))) if state.is_transfer() => self.line.trim().contains(' '),
            (state, Some((Busy::Now | Busy::Stops, _))) if state.is_transfer() => true,
            (state, Some((Busy::NowIfAlone, _))) if state.is_transfer() => !self.line.trim().contains(' '),
            (state, _) => !state.is_transfer(),
        };
        // A transfer command may have to wait for its connection.
        let may_wait = self.spec().is_some_and(|spec| spec.busy == Busy::Later) && !self.state.is_transfer();
        if runs && at_once.is_empty() && !may_wait {
            speaker.fail(&format!("{self} is not answered at once"));
        }
        if !runs && !at_once.is_empty() {
            speaker.fail(&format!("{self} does not wait for what runs"));
        }
    }

    /// The client does its part of whatever has begun. The final code.
    fn finish(&self, speaker: &mut Speaker<'_>, index: usize) -> u16 {
        let last = |speaker: &Speaker<'_>| speaker.exchanges().get(index)?.replies.last().copied();
        for step in ["connect", "data< x", "wait 40s"] {
            if last(speaker).is_none_or(|code| code < 200) {
                speaker.try_play(step);
            }
        }
        let Some(code @ 200..) = last(speaker) else {
            speaker.fail(&format!("{self} gets no final reply"));
        };
        match self.spec().map(|spec| (spec.name, code)) {
            Some(("AUTH", 234)) => speaker.try_play("TLS"),
            Some(("CCC", 200)) => speaker.try_play("TLS-close"),
            Some(("REIN", 220)) => {
                if self.state == State::UnderTls {
                    speaker.try_play("TLS-close");
                }
                speaker.try_play("data-TLS off");
            }
            _ => {}
        }
        code
    }

    fn check_code(&self, speaker: &Speaker<'_>, code: u16) {
        let legal = match self.spec() {
            Some(spec) => spec.replies.contains(&code) || ALWAYS.contains(&code),
            None => matches!(code, 500 | 502),
        };
        if !legal {
            speaker.fail(&format!("{self} is answered by {code}, which the table does not name"));
        }
        let needs_login = self.spec().is_some_and(|spec| spec.stage == Stage::LoggedIn);
        if needs_login && !self.state.is_logged_in() && code != 530 {
            speaker.fail(&format!("{self} is answered by {code} instead of 530"));
        }
        if code == 530
            && self.state.is_logged_in()
            && self.spec().is_none_or(|spec| !matches!(spec.name, "PASS"))
        {
            speaker.fail(&format!("{self} is answered by 530 after the login"));
        }
    }

    /// The session still logs somebody in and sends a file.
    fn check_service(&self, speaker: &mut Speaker<'_>, code: u16) {
        let stays = self.spec().is_none_or(|spec| spec.stage == Stage::LoggedIn);
        if stays && self.state.is_logged_in() {
            speaker.expect("PWD", &[257]);
        }
        speaker.expect("USER bob", &[331]);
        speaker.expect("PASS secret", &[230]);
        let is_secure = match self.spec().map(|spec| (spec.name, code)) {
            Some(("AUTH", 234)) => true,
            Some(("CCC", 200) | ("REIN", 220)) => false,
            _ => self.state == State::UnderTls,
        };
        if is_secure {
            speaker.expect("PBSZ 0", &[200]);
            speaker.expect("PROT P", &[200]);
            speaker.play("data-TLS");
            speaker.expect("SSCN OFF", &[200]);
        }
        speaker.expect("MODE S", &[200]);
        speaker.expect("STRU F", &[200]);
        speaker.expect("TYPE I", &[200]);
        speaker.expect("REST 0", &[350]);
        speaker.expect("EPSV", &[229]);
        speaker.ask("RETR /served.txt");
        speaker.play("connect");
        if speaker.data() != b"served" {
            speaker.fail("the file does not come");
        }
    }

    /// Each command has one final reply, and nothing else was said.
    fn check_replies(&self, speaker: &Speaker<'_>) {
        for exchange in speaker.exchanges() {
            let (last, others) = exchange.replies.split_last().unwrap_or((&0, &[]));
            if *last < 200 || others.iter().any(|code| *code >= 200) || others.len() > 1 {
                speaker.fail(&format!("{self}: {} got {:?}", exchange.line.escape_ascii(), exchange.replies));
            }
        }
        if !matches!(speaker.unasked(), [220]) {
            speaker.fail(&format!("{self}: nobody asked for {:?}", speaker.unasked()));
        }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "\"{:.80}\" in state {:?}", self.line, self.state)
    }
}

/// A test for each state, so that they run beside each other.
macro_rules! every_command_is_answered {
    ($($name:ident: $state:expr, $lines:expr;)+) => { $(
        #[test]
        fn $name() {
            for line in $lines {
                Case { state: $state, line }.run();
            }
        }
    )+ };
}

every_command_is_answered! {
    before_login: State::BeforeLogin, lines();
    when_a_name_is_given: State::NameGiven, samples();
    after_login: State::LoggedIn, lines();
    under_tls: State::UnderTls, samples();
    when_a_port_is_announced: State::PortAnnounced, samples();
    when_a_port_is_given: State::PortGiven, samples();
    in_a_download: State::Download, lines();
    in_an_upload: State::Upload, samples();
    while_a_job_is_pending: State::JobPending, lines();
    after_rein: State::AfterRein, lines();
    after_epsv_all: State::AfterEpsvAll, lines();
    after_ccc: State::AfterCcc, samples();
}
