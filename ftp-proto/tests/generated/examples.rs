//! The conversations that `docs/commands.md` shows: the server's own words, asked for while the page is made.

use ftp_proto::account::Rights;
use ftp_proto::command::docs::ALWAYS;
use ftp_proto::command::{CommandSpec, Gate, Stage, find};
use ftp_proto::testing::{Script, Split, Talk};

const WORLD: &str = "\
peer: 192.0.2.1:50000
local: 192.0.2.2:21
file: /a.txt hello\\r\\n
file: /log.txt one\\r\\n
file: /old.txt old\\r\\n
file: /pub/notes.txt notes\\r\\n
dir: /old
tls:
config: log.commands=true
";

const SECURE: &[&str] = &["C: AUTH TLS", "TLS"];

/// What has to be said before a command, where the table does not tell it. Transfers get their EPSV without it.
const BEFORE: &[(&str, &[&str])] = &[
    ("ABOR", &["C: EPSV", "<< hold 0", "C-left: RETR a.txt", "connect"]),
    ("ACCT", &["C: USER bob", "C: PASS secret"]),
    ("CCC", &["C: PBSZ 0"]),
    ("ESTA", &["C: PORT 192,0,2,1,15,160"]),
    ("ESTP", &["C: EPSV", "connect"]),
    ("PASS", &["C: USER bob"]),
    ("PBSZ", SECURE),
    ("PROT", &["C: AUTH TLS", "TLS", "C: PBSZ 0"]),
    ("RNTO", &["C: RNFR a.txt"]),
    ("SIZE", &["C: TYPE I"]),
    ("SSCN", &["C: PBSZ 0", "C: PROT P"]),
];

/// What is said behind it, to show what it is for.
const BEHIND: &[(&str, &[&str])] = &[
    ("AUTH", &["TLS", "C: PBSZ 0", "C: PROT P"]),
    ("ESTA", &["<< connected"]),
    ("MKD", &["C: MKD /\"quoted\""]),
    ("PRET", &["C: PASV"]),
    ("REST", &["C: TYPE I", "C: EPSV", "C: REST 3", "C: RETR a.txt"]),
    ("RANG", &["C: TYPE I", "C: EPSV", "C: RANG 1 3", "C: RETR a.txt"]),
    ("RNFR", &["C: RNTO b.txt"]),
    ("TYPE", &["C: TYPE I"]),
    ("USER", &["C: PASS guest@example.com"]),
];

/// What the settings must say.
const SETTINGS: &[(&str, &str)] = &[
    ("CCC", "config: tls.ccc=true\n"),
    ("ESTA", "config: active.source_port=20\n"),
    ("HOST", "config: host=ftp.example.com Welcome to ftp.example.com.\n"),
    ("SSCN", "config: tls.server_to_server=true\n"),
];

fn named<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The conversation that shows a command's first sample at work.
pub(crate) fn example(spec: &CommandSpec) -> String {
    let mut world = format!("# An example for {}.\n{WORLD}", spec.name);
    world.push_str(named(SETTINGS, spec.name).unwrap_or_default());
    world.push_str(match (spec.stage, spec.gate) {
        (Stage::LoggedIn, Gate::ClearCommandChannel | Gate::ServerToServer) => "as: bob over TLS\n",
        (Stage::LoggedIn, _) => "as: bob\n",
        (Stage::Anytime, _) => "S: 220 ...\n",
    });
    let script = Script::parse(spec.name, &world).expect("the world is right");
    let talk = script.talk(Split::Whole).expect("the world can be played");
    let mut conversation = Conversation { talk, shown: String::new() };
    for line in named(BEFORE, spec.name).unwrap_or_default() {
        conversation.line(line);
    }
    if spec.transfers {
        conversation.line("C: EPSV");
    }
    conversation.line(&format!("C: {}", spec.samples.first().expect("there is a sample")));
    for line in named(BEHIND, spec.name).unwrap_or_default() {
        conversation.line(line);
    }
    conversation.check(spec);
    conversation.shown
}

struct Conversation<'a> {
    talk: Talk<'a>,
    shown: String,
}

impl Conversation<'_> {
    /// Plays a line of a transcript, and shows what of it a client would see. A transfer is carried through, unless the
    /// line begins with `C-left:`.
    fn line(&mut self, line: &str) {
        if let Some(command) = line.strip_prefix("C-left: ") {
            self.say(command);
        } else if let Some(command) = line.strip_prefix("C: ") {
            let begun = self.say(command);
            if begun {
                self.transfer(command);
            }
        } else {
            self.talk.play(line).unwrap_or_else(|why| panic!("{line}: {why}"));
            if line == "TLS" {
                self.shown.push_str("(TLS handshake)\n");
            }
            self.listen();
        }
    }

    /// Whether a transfer began.
    fn say(&mut self, command: &str) -> bool {
        self.shown.push_str(&format!("C: {command}\n"));
        self.talk.play(&format!("C: {command}")).unwrap_or_else(|why| panic!("{command}: {why}"));
        self.listen()
    }

    fn listen(&mut self) -> bool {
        let mut begun = false;
        for line in self.talk.heard().expect("replies are whole") {
            begun |= line.starts_with(b"150 ");
            self.shown.push_str(&format!("S: {}\n", String::from_utf8_lossy(&line)));
        }
        begun
    }

    fn transfer(&mut self, command: &str) {
        let verb = command.split(' ').next().unwrap_or_default();
        let spec = find(verb.as_bytes()).expect("the verb is one of the table's");
        if spec.needs.contains(Rights::READ) || spec.needs.contains(Rights::LIST) {
            self.talk.play("connect").expect("the client can connect");
            let data = self.talk.data().expect("there is a data connection");
            for line in String::from_utf8_lossy(&data).lines() {
                self.shown.push_str(&format!("> {line}\n"));
            }
        } else {
            self.shown.push_str("< two\n");
            self.talk.play("data< two\\r\\n").expect("the client can send");
        }
        self.listen();
    }

    /// What is shown works, and the table names the replies.
    fn check(&self, shown: &CommandSpec) {
        let mut codes: Vec<u16> = Vec::new();
        for exchange in self.talk.exchanges() {
            let spec = exchange.spec().expect("the verb is one of the table's");
            for code in &exchange.replies {
                assert!(spec.replies.contains(code) || ALWAYS.contains(code), "{}: {code}", spec.name);
            }
            if spec.name == shown.name {
                codes.extend(exchange.replies.last());
            }
        }
        assert!(
            !codes.is_empty() && codes.iter().all(|code| *code < 400),
            "the first sample of {} does not work by itself; say in examples.rs what it needs:\n{}",
            shown.name,
            self.shown
        );
    }
}
